"""What can be asked about a drawing, and what the maps say."""

import base64
import json
import re
from typing import Any

import pytest
import torch
from page_server import ROOT, WEB
from playwright.sync_api import Page, expect

from browser.driving import VARIANTS, Open, area_above_half, follow, numbers, settled, show_example
from camloss import explain
from camloss.demo import inference
from camloss.demo.pairs import load_for_page, side_by_side
from camloss.digits.rasterize import write_strokes
from camloss.metrics import stroke_energy

pytestmark = pytest.mark.browser


def test_selectors_show_what_explain_says(server_page: Page) -> None:
    page = server_page
    show_example(page, 9)
    pair = load_for_page(ROOT / "checkpoints")
    questions: list[tuple[int | None, int | None]] = [(None, None), (4, None), (4, 9), (None, 4)]
    for class_idx, other_idx in questions:
        for name, choice in (("class", class_idx), ("other", other_idx)):
            page.locator(f"[name={name}]").select_option("" if choice is None else str(choice))
        settled(page)
        with page.expect_request("**/component_server/") as sent:
            page.locator("[name=class]").dispatch_event("change")
        answer = settled(page)
        sketch = write_strokes(inference.open_strokes(json.loads(sent.value.post_data or "")["data"]["strokes"]))
        assert sketch is not None
        for variant, model in side_by_side(pair).items():
            truth, said = explain(model, sketch.pixels, class_idx, other_idx), answer[variant]
            assert said["class_idx"] == int(truth.class_idx)
            torch.testing.assert_close(numbers(said["cam"]), truth.cam.flatten(), atol=3e-3, rtol=0)
            torch.testing.assert_close(numbers(said["caam"]), truth.caam.flatten(), atol=3e-3, rtol=0)
            caption = page.locator(f"[data-variant={variant}] [data-map=cam] figcaption b")
            if truth.contrast is None:
                assert said["contrast"] is None
                expect(caption).to_have_text(f"Evidence for {said['class_idx']}")
            else:
                torch.testing.assert_close(numbers(said["contrast"], -1), truth.contrast.flatten(), atol=6e-3, rtol=0)
                expect(caption).to_have_text(f"Evidence for {said['class_idx']} rather than {other_idx}")


@pytest.mark.parametrize(("other", "palette"), [("", "viridis"), ("4", "diverging")])
def test_cells_are_painted_in_the_colours_of_their_values(open_page: Open, other: str, palette: str) -> None:
    page = open_page()
    page.locator("[name=colours]").select_option("viridis")
    page.locator("[name=opacity]").fill("1")
    page.locator("[name=smooth]").uncheck()
    show_example(page, 9)
    page.locator("[name=other]").select_option(other)
    page.get_by_role("button", name="Photo").focus()
    answer = settled(page)
    table = json.loads((WEB / "colours.json").read_text(encoding="utf-8"))[palette]
    cells = base64.b64decode(answer["cam"]["contrast" if other else "cam"])
    painted = page.evaluate(
        """() => {
            const canvas = document.querySelector("[data-variant=cam] [data-map=cam] canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.width, ...data];
        }"""
    )
    side, *painted = painted
    matches = total = 0
    for row in range(14):
        for column in range(14):
            place = [int((i + 0.5) * side / 14) for i in (column, row)]
            at = 4 * (place[1] * side + place[0])
            value = cells[14 * row + column]
            colour = [int(table[6 * value + 2 * i : 6 * value + 2 * i + 2], 16) for i in range(3)]
            total += 1
            matches += all(abs(a - b) <= 2 for a, b in zip(colour, painted[at : at + 3], strict=True))
    assert matches / total > 0.85  # the outline of the ink covers some centres


def test_a_contrast_is_measured_and_captioned_as_what_it_is(page: Page) -> None:
    plain = show_example(page, 9)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    expect(page.locator(".verdict")).to_have_text("Both read 9.")
    expect(page.locator(".detail")).to_have_text(re.compile("^Evidence for 4 rather than 9: "))
    for variant in VARIANTS:
        column, reading = page.locator(f"[data-variant={variant}]"), answer[variant]
        shown = numbers(reading["contrast"], -1).clamp_min(0).view(1, 14, 14)
        given = numbers(answer["seen"]).view(28, 28)
        assert reading["area_above_half"] == pytest.approx(area_above_half(shown[0], 28), abs=0.02)
        assert reading["stroke_energy"] == pytest.approx(float(stroke_energy(shown, given[None, None])), abs=0.02)
        assert reading["stroke_energy"] != plain[variant]["stroke_energy"]
        caption = column.locator("[data-map=cam] figcaption")
        expect(caption).to_have_text("Evidence for 4 rather than 9 contrastive CAM: one class's CAM less the other's")
        expect(column.locator(".match")).to_have_text(" ")  # it is the CAM that CAM-loss makes like the CAAM
        name = column.locator("[data-map=cam] canvas").get_attribute("aria-label")
        assert name is not None
        assert name.endswith(", contrastive CAM: Evidence for 4 rather than 9")
    page.locator("[name=other]").select_option("")
    page.locator("[name=class]").select_option("")
    assert settled(page) == plain
    expect(page.locator("[data-map=cam] figcaption").first).to_have_text("Evidence for 9 CAM, class activation map")


def test_nothing_is_held_against_itself(page: Page) -> None:
    show_example(page, 9)
    choose, other = page.locator("[name=class]"), page.locator("[name=other]")
    expect(other.locator("option[value='9']")).to_be_disabled()  # both read 9
    choose.select_option("4")
    assert settled(page)["cam"]["class_idx"] == 4
    expect(other.locator("option[value='4']")).to_be_disabled()
    other.select_option("9")
    assert settled(page)["cam"]["other_idx"] == 9
    choose.select_option("9")
    answer = settled(page)
    assert [(answer[variant]["class_idx"], answer[variant]["other_idx"]) for variant in VARIANTS] == [(9, None)] * 2
    expect(other).to_have_value("")


def test_a_link_holds_nothing_against_itself(page: Page) -> None:
    follow(page, "#draw=&class=4&other=4")
    expect(page.locator("[name=class]")).to_have_value("4")
    expect(page.locator("[name=other]")).to_have_value("")


def test_hovering_marks_the_same_place_everywhere(page: Page) -> None:
    answer = show_example(page, 8)
    page.locator("[data-variant=ce] [data-map=caam] canvas").scroll_into_view_if_needed()
    box = page.locator("[data-variant=ce] [data-map=caam] canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    column, row = page.evaluate("document.querySelector('[data-ready]').marked")
    expect(page.locator("i.cell:visible")).to_have_count(5)  # four maps and the drawing
    for variant in VARIANTS:
        for name in ("cam", "caam"):
            value = float(numbers(answer[variant][name])[14 * row + column])
            shown = page.locator(f"[data-variant={variant}] [data-map={name}] .value")
            expect(shown).to_have_text(f"{value:.2f}")
    frames: list[Any] = [frame.bounding_box() for frame in page.locator(".tile i.cell").all()]
    tiles: list[Any] = [tile.bounding_box() for tile in page.locator(".tile").all()]
    for axis in ("x", "y"):
        offsets = [frame[axis] - tile[axis] for frame, tile in zip(frames, tiles, strict=True) if frame and tile]
        assert len(offsets) == 4
        assert max(offsets) - min(offsets) <= 1
    page.locator("[data-variant=ce] [data-map=caam] canvas").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('[data-ready]').marked") == [column + 1, row]
    page.mouse.move(2, 2)
    page.locator("[name=class]").focus()
    expect(page.locator("i.cell:visible")).to_have_count(0)
