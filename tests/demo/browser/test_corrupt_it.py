"""Corrupting and erasing, and the disagreements that are found."""

import json
import re

import pytest
import torch
from page_server import WEB
from playwright.sync_api import Page, Route, expect

from browser.driving import (
    DASH,
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
        told = (
            f"They disagree: cross-entropy reads {ce} from .* CAM-loss reads {cam} from " if ce != cam else "Both read "
        )
        expect(page.locator(".verdict")).to_have_text(re.compile(f"^{told}"))
        expect(page.locator(".verdict")).not_to_have_text(re.compile("two digits|may not be"))
        disagreements += ce != cam
    assert disagreements > 0


def test_clutter_is_no_second_digit(page: Page) -> None:
    for digit in (4, 6):
        show_example(page, digit)
        for _ in range(3):
            corrupt(page, "clutter")
            page.get_by_role("button", name="Another").click()
            settled(page)
            verdict = page.locator(".verdict")
            expect(verdict).to_have_text(re.compile("^(Both read|They disagree: )"))
            expect(verdict).not_to_have_text(re.compile("two digits|may not be"))


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
    for seen in page.locator(".seen canvas").all():
        assert [seen.get_attribute(name) for name in ("width", "height")] == [str(side)] * 2
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
        page.get_by_role("button", name="Another").click()
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


SEEN = """() => [...document.querySelectorAll(".seen canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 === 0);
})"""


def test_each_is_shown_what_it_is_given_and_what_it_reads_beside_the_knobs(open_page: Open) -> None:
    page = open_page(**PHONE)
    now = page.locator(".now")
    expect(now).to_have_text(f"Cross-entropy {DASH} · CAM-loss {DASH}")
    plain = show_example(page, 8)
    whole = numbers(plain["seen"]) > 0
    page.locator("[name=erase]").fill("12")
    answer = settled(page)
    for variant, shown in zip(VARIANTS, page.evaluate(SEEN), strict=True):
        erased = numbers(answer[variant]["loss"]["mask"]) > 0
        assert torch.equal(torch.tensor(shown) > 0, whole & ~erased)
    read = [f"{answer[v]['digit']} ({100 * answer[v]['probs'][answer[v]['digit']]:.1f}%)" for v in VARIANTS]
    expect(now).to_have_text(f"Cross-entropy {read[0]} · CAM-loss {read[1]}")
    page.locator("[name=erase]").scroll_into_view_if_needed()
    for place in ("[name=corruption]", "[name=erase]", ".now"):
        expect(page.locator(place)).to_be_in_viewport()  # together


def test_what_the_study_found_stands_beside_each_corruption(page: Page) -> None:
    study = json.loads((WEB / "study.json").read_text(encoding="utf-8"))
    kinds = page.locator("[name=corruption] option").evaluate_all("(all) => all.map(({ value }) => value)")
    assert set(kinds) == set(study)
    for kind in kinds:
        page.locator("[name=corruption]").select_option(kind)
        expect(page.locator(".study")).to_have_text(study[kind])


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


def test_corrupting_comes_after_both_rows_of_maps(open_page: Open) -> None:
    page = open_page(**PHONE)
    tops = [page.locator(place).first.bounding_box() for place in ("[data-map=cam]", "[data-map=caam]", ".trials")]
    heights = [box["y"] for box in tops if box]
    assert heights == sorted(heights)
    order = "(all) => all.map((part) => part.className)"
    assert page.locator(".board > section").evaluate_all(order) == ["drawing", "answer", "trials", "after"]


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
    show_example(page, 9)  # nobody drew it
    expect(page.locator(".finds button")).to_have_count(0)
    page.keyboard.press("Delete")
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
    page.get_by_role("button", name="Another").click()
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
