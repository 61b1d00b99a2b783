"""Corrupting and erasing, and the disagreements that are found."""

import json
import re

import pytest
import torch
from page_server import WEB
from PIL import Image
from playwright.sync_api import Page, Route, expect

from browser.driving import (
    PHONE,
    VARIANTS,
    Open,
    asked_again,
    corrupt,
    draw,
    example,
    follow,
    numbers,
    settled,
    show_example,
)

pytestmark = pytest.mark.browser


def test_a_disagreement_on_a_larger_canvas_is_the_first_thing_said(page: Page) -> None:
    corrupt(page, "canvas")
    disagreements = 0
    for digit in range(10):
        answer = show_example(page, digit)
        ce, cam = (answer[variant]["digit"] for variant in VARIANTS)
        before = answer["ce"]["before"]
        assert before == answer["cam"]["before"]
        if ce != before and cam == before:
            told = f"On a larger canvas, cross-entropy now reads {ce}; CAM-loss still reads {cam}."
        else:
            told = f"On a larger canvas, both (still|now) read {ce}.*"
        expect(page.locator(".verdict")).to_have_text(re.compile(f"^{told}$"))
        disagreements += ce != cam
    assert disagreements > 0


def test_clutter_is_no_second_digit(page: Page) -> None:
    for digit in (4, 6):
        show_example(page, digit)
        for _ in range(3):
            corrupt(page, "clutter")
            page.get_by_role("button", name="Another draw").click()
            settled(page)
            expect(page.locator(".verdict")).to_have_text(re.compile("^Among clutter, "))


@pytest.mark.parametrize(
    ("kind", "side"), [("clutter", 56), ("canvas", 56), ("line", 56), ("salt_noise", 28), ("gaussian_noise", 28)]
)
def test_the_corrupted_digit_is_what_they_are_given(page: Page, kind: str, side: int) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    plain = show_example(page, 4)
    answer = corrupt(page, kind)
    assert len(numbers(answer["seen"])) == side**2
    assert answer["map_size"] == [side // 2, side // 2]
    assert answer["cam"]["cam"] != plain["cam"]["cam"]
    assert inked(page, side) == [bool(value > 0) for value in numbers(answer["seen"])]  # it lies in the pad
    square = page.evaluate("document.querySelector('[data-ready]').square")
    digit = {name: square[name] + (side - 28) / 2 / side * square["side"] for name in ("left", "top")}
    corrupt(page, "")
    uncorrupted = page.evaluate("document.querySelector('[data-ready]').square")
    assert {name: uncorrupted[name] for name in digit} == pytest.approx(digit, abs=0.01)
    assert settled(page) == {**plain, "is_corrupted": False}
    assert [url for url in asked if "component_server" in url] == []


def test_another_corruption_of_the_same_kind(page: Page) -> None:
    show_example(page, 4)
    seen = set()
    corrupt(page, "clutter")
    for _ in range(3):
        seen.add(settled(page)["seen"])
        page.get_by_role("button", name="Another draw").click()
    assert len(seen) == 3
    corrupt(page, "clutter", 0)
    assert set(numbers(settled(page)["seen"])[:56].tolist()) == {0.0}


def test_answers_fall_or_hold_while_the_slider_moves(page: Page) -> None:
    answer = show_example(page, 4)
    losses = page.locator(".losses")
    expect(losses).to_be_hidden()
    for share in (4, 30):
        page.locator("[name=erase]").fill(str(share))
        erased = settled(page)
        for variant in VARIANTS:
            loss = erased[variant]["loss"]
            row = losses.locator(f"[data-of={variant}] td")
            now = loss["top"]
            still = "still" if now["digit"] == 4 else "now"
            expect(row.nth(0)).to_have_text(f"{still} {now['digit']} ({100 * now['prob']:.0f}%)")
            expect(row.nth(1)).to_contain_text(f"4 in {loss['chance']['kept']} of {loss['chance']['draws']} (")
            expect(page.locator(f"[data-variant={variant}] .digit")).to_have_text(str(now["digit"]))
    assert any(erased[variant]["digit"] != 4 for variant in VARIANTS)  # nearly all of the ink is gone
    page.locator("[name=erase]").fill("0")
    assert settled(page)["cam"]["probs"] == answer["cam"]["probs"]
    expect(losses).to_be_hidden()


INKED = """([place, side]) => {
    const canvas = document.querySelector(place);
    const unit = canvas.width / side;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const middle = (at) => Math.floor((at + 0.5) * unit);
    return Array.from({ length: side * side }, (_, i) =>
        data[4 * (middle(Math.floor(i / side)) * canvas.width + middle(i % side)) + 3] > 0);
}"""


def inked(page: Page, side: int, place: str = ".pad") -> list[bool]:
    """Which pixels of a square picture are painted on a canvas."""
    found: list[bool] = page.evaluate(INKED, [place, side])
    return found


def test_what_is_erased_is_gone_from_its_own_network_alone(page: Page) -> None:
    show_example(page, 8)
    page.locator("[name=erase]").fill("12")
    answer = settled(page)
    for variant in VARIANTS:
        erased = numbers(answer[variant]["loss"]["mask"]) > 0
        shown = torch.tensor(inked(page, 28, f"[data-variant={variant}] [data-map=cam] canvas"))
        assert torch.equal(shown, ~erased)


def test_two_buttons_add_what_the_study_adds_and_take_it_away(page: Page) -> None:
    plain = show_example(page, 3)
    for name, kind, side in (("Add clutter", "clutter", 56), ("Add white space", "canvas", 56)):
        toggle = page.get_by_role("button", name=name)
        expect(toggle).to_have_attribute("aria-pressed", "false")
        toggle.click()
        answer = settled(page)
        assert len(numbers(answer["seen"])) == side**2
        expect(toggle).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[name=corruption]")).to_have_value(kind)
    toggle.click()
    assert settled(page) == {**plain, "is_corrupted": False}


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        ("clutter", "8 fragments"),
        ("canvas", "56 pixels wide"),
        ("line", "one line"),
        ("salt_noise", "10 grains"),
        ("gaussian_noise", "deviation 51 of 255"),
    ],
)
def test_everything_is_added_as_in_the_study(page: Page, kind: str, amount: str) -> None:
    page.locator("[name=corruption]").select_option(kind)
    expect(page.locator(".amount")).to_have_text(amount)


def test_a_stroke_is_drawn_over_what_was_added(page: Page) -> None:
    draw(page, example(3)[:1])
    settled(page)
    corrupted = corrupt(page, "canvas")
    square = page.evaluate("document.querySelector('[data-ready]').square")
    box = page.locator(".pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 20)
    page.mouse.up()
    assert settled(page)["seen"] != corrupted["seen"]
    page.get_by_role("button", name="Copy link").click()
    last = page.evaluate(
        """async () => {
            const { fromText, readAddress } = await import("/web/address.js");
            return fromText(readAddress().text).at(-1).points.slice(0, 2);
        }"""
    )
    middle = [square[name] + square["side"] / 2 for name in ("left", "top")]
    assert last == pytest.approx(middle, abs=4)


def test_the_scoreboard_counts_draws(page: Page) -> None:
    show_example(page, 0)
    page.get_by_role("button", name="Try 20 draws").click()
    stamps = page.locator(".stamps > div")
    expect(stamps).to_have_count(20)
    read = [[int(digit) for digit in stamp.locator("b").all_text_contents()] for stamp in stamps.all()]
    kept = [sum(digits[model] == 0 for digits in read) for model in (0, 1)]
    expect(page.locator(".tally")).to_have_text(
        f"{kept[0]} of 20 against {kept[1]} of 20"
        f"Cross-entropy still reads 0 in {kept[0]} of 20, CAM-loss still reads 0 in {kept[1]} of 20 draws of clutter."
    )
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save these").click()
    assert Image.open(saved.value.path()).size == (1200, 630)
    seen = set()
    for seed in range(3):
        follow(page, f"#draw=&added=clutter-50-{seed}")
        answer = show_example(page, 0)
        assert [answer[variant]["digit"] for variant in VARIANTS] == read[seed]
        seen.add(answer["seen"])
    assert len(seen) == 3
    expect(stamps).to_have_count(0)  # they were of another question
    expect(page.locator(".tally")).to_be_empty()


def test_what_the_study_found_stands_beside_each_corruption(page: Page) -> None:
    study = json.loads((WEB / "study.json").read_text(encoding="utf-8"))
    kinds = page.locator("[name=corruption] option").evaluate_all("(all) => all.map(({ value }) => value)")
    assert set(kinds) == set(study["of_pair"]) == set(study["study"])
    for kind in kinds:
        page.locator("[name=corruption]").select_option(kind)
        expect(page.locator(".study")).to_have_text(study["of_pair"][kind])


def test_a_corruption_ends_with_its_drawing(page: Page) -> None:
    plain = show_example(page, 4)
    corrupt(page, "clutter")
    page.locator("[name=erase]").fill("20")
    settled(page)
    page.keyboard.press("Delete")
    expect(page.locator("[name=corruption]")).to_have_value("")
    expect(page.locator("[name=erase]")).to_have_value("0")
    expect(page.locator(".erase output")).to_have_text("0%")
    assert show_example(page, 4) == plain


def test_two_buttons_stand_below_the_pad_and_the_rest_after_both_rows_of_maps(open_page: Open) -> None:
    page = open_page(**PHONE)
    tops = [
        page.locator(place).first.bounding_box()
        for place in (".add", "[data-map=cam]", "[data-map=caam]", ".second", ".trials")
    ]
    heights = [box["y"] for box in tops if box]
    assert heights == sorted(heights)
    order = "(all) => all.map((part) => part.className)"
    assert page.locator(".board > section").evaluate_all(order) == ["drawing", "answer", "second", "trials", "after"]


def test_without_the_networks_here_a_corruption_says_that_it_waits(server_page: Page) -> None:
    page = server_page
    answer = show_example(page, 4)
    page.locator("[name=erase]").fill("10")
    assert settled(page)["cam"]["probs"] == answer["cam"]["probs"]
    expect(page.locator(".waiting")).to_be_visible()


def always_disagreeing(route: Route) -> None:
    answer = route.fetch()
    data = answer.json()
    if not data["blank"]:
        data["ce"]["digit"] = (data["cam"]["digit"] + 1) % 10
    route.fulfill(response=answer, json=data)


def test_disagreements_are_counted_kept_and_opened_again(open_page: Open) -> None:
    page = open_page(by_server=True)
    expect(page.locator(".count-found")).to_have_text("None found yet.")
    page.route("**/component_server/", always_disagreeing)
    upright, bar = example(4)
    draw(page, [upright])
    settled(page)
    expect(page.locator(".count-found")).to_have_text("1 found.")
    draw(page, [bar])  # the same drawing goes on
    answer = settled(page)
    expect(page.locator(".finds button")).to_have_count(1)
    page.keyboard.press("Delete")
    draw(page, example(7))
    settled(page)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    finds = page.locator(".finds button")
    expect(finds).to_have_count(2)
    reads = f"Cross-entropy reads {answer['ce']['digit']}, CAM-loss reads {answer['cam']['digit']}"
    expect(finds.nth(1)).to_have_attribute("aria-label", f"Disagreement: {reads}")
    page.keyboard.press("Delete")
    settled(page)
    finds.nth(1).click()
    assert settled(page)["cam"]["probs"] == answer["cam"]["probs"]


def test_what_agrees_is_no_find(open_page: Open) -> None:
    page = open_page()
    draw(page, example(3))
    page.locator("[name=erase]").fill("30")  # each has lost other ink: no fair disagreement
    settled(page)
    expect(page.locator(".count-found")).to_have_text("None found yet.")


@pytest.mark.parametrize("kept", ["no JSON", "[1]", '[{"text": "AQ", "added": "", "digits": [1, 2]}]', "{}"])
def test_whatever_lies_in_the_storage_the_page_begins(page: Page, kept: str) -> None:
    page.evaluate("(kept) => localStorage.setItem('camloss-found', kept)", kept)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    expect(page.locator(".count-found")).to_have_text("None found yet.")


def test_a_link_brings_the_corruption_along(page: Page, open_page: Open) -> None:
    draw(page, example(6))
    corrupt(page, "clutter", 70)
    page.get_by_role("button", name="Another draw").click()
    answer = settled(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    other = open_page("#" + page.url.partition("#")[2])
    assert asked_again(other) == answer
    expect(other.locator("[name=corruption]")).to_have_value("clutter")


@pytest.mark.parametrize(
    "added", ["gaussian_noise", "gaussian_noise-101-0", "toString-50-0", "clutter-50-1e9", "-50-0"]
)
def test_a_corruption_that_no_link_holds_is_none(page: Page, added: str) -> None:
    corrupt(page, "clutter")
    follow(page, f"#draw=&added={added}")
    expect(page.locator("[name=corruption]")).to_have_value("")
    assert show_example(page, 3)["is_corrupted"] is False
