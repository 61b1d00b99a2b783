"""Everything has its room: on every screen, in forced colours, in print."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from page_server import ROOT
from playwright.sync_api import Page, Route, ViewportSize, expect

from browser.driving import PHONE, VARIANTS, Open, example, settled, show_example
from camloss.demo import inference
from camloss.demo.pairs import load_for_page

pytestmark = pytest.mark.browser


FIRST = (".summary", ".paper", ".digit", "[data-map=cam] .tile")


@pytest.mark.parametrize(
    ("size", "selectors"),
    [
        ((1280, 800), (*FIRST, ".tools", ".examples", "dl", ".bars", ".match")),
        ((1920, 1080), (*FIRST, ".tools", ".examples", "dl", ".bars", ".match")),
        ((1000, 700), FIRST),
        ((844, 390), FIRST),
        ((390, 844), (*FIRST, ".tools", ".examples")),
    ],
)
def test_summary_pad_and_evidence_are_on_the_first_screen(
    page: Page, open_page: Open, size: tuple[int, int], selectors: tuple[str, ...]
) -> None:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    if min(size) < 500:
        page = open_page(**{**PHONE, "viewport": viewport})
    page.set_viewport_size(viewport)
    show_example(page, 8)
    page.evaluate("scrollTo(0, 0)")
    for selector in selectors:
        for box in (element.bounding_box() for element in page.locator(selector).all()):
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= size[1], selector
    squares = [page.locator(place).bounding_box() for place in (".paper", "[data-map=cam] .tile >> nth=0")]
    if size[0] > 720:
        assert squares[0]["width"] == pytest.approx(squares[1]["width"], abs=1)  # type: ignore[index]


def fulfil(answer: dict[str, Any], route: Route) -> None:
    route.fulfill(json=answer)


def long_answers(plain: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Answers that give the longest summary of each kind, and what each has to hold.

    The first network's map has its peak in the hole of a ring, the other's is zero everywhere.
    """
    ring = torch.zeros(28, 28)
    ring[6:22, 2:12] = 1
    ring[9:19, 5:9] = 0
    bar = ring.clone()
    bar[6:22, 20:23] = 1
    peak = torch.zeros(14, 14)
    peak[7, 3] = 1
    for digits, (class_idx, other_idx), two in itertools.product(
        ((4, 4), (4, 9)), ((None, None), (4, None), (4, 9), (None, 3)), (False, True)
    ):
        answer = {**plain, "map_size": [14, 14], "seen": inference.as_bytes(bar if two else ring)}
        for variant, digit, shown in zip(VARIANTS, digits, (peak, torch.zeros(14, 14)), strict=True):
            answer[variant] = {
                **plain[variant],
                "digit": digit,
                "probs": [0.57] * 10,
                "class_idx": digit if class_idx is None else class_idx,
                "other_idx": other_idx,
                "area_above_half": 0.004,
                "cam": inference.as_bytes(shown),
                "contrast": None if other_idx is None else inference.as_bytes(shown, -1.0),
            }
        told = "Both read 4." if digits[0] == digits[1] else "ross-entropy reads 4, CAM-loss 9."
        yield (
            answer,
            [
                "peaking in a hole, where there is no ink",
                "with no evidence for it",
                told,
                *(["Several digits? "] if two else []),
                *([f" rather than {other_idx}"] if other_idx else []),
            ],
        )


@pytest.mark.slow
@pytest.mark.parametrize("size", [(w, 800) for w in (320, 390, 720, 721, 844, 1000, 1280, 1440)] + [(844, 390)])
def test_every_summary_has_room(server_page: Page, size: tuple[int, int]) -> None:
    plain = inference.answer(load_for_page(ROOT / "checkpoints"), strokes=example(9), encode=inference.as_bytes)
    server_page.set_viewport_size({"width": size[0], "height": size[1]})
    summary = server_page.locator(".summary")
    for answer, parts in long_answers(plain):
        server_page.unroute_all()
        server_page.route("**/component_server/", functools.partial(fulfil, answer))
        show_example(server_page, 9)
        said = " ".join(summary.locator("p").all_text_contents())
        for part in parts:
            assert part in said
        assert summary.evaluate("(place) => place.scrollHeight <= place.clientHeight"), said


def test_no_width_scrolls_sideways(open_page: Open) -> None:
    page = open_page()
    show_example(page, 3)
    for tab in page.get_by_role("tab").all():
        tab.click()
        for width in (390, 600, 820, 821, 1024, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


FLAWS = """() => {
    const shown = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.offsetParent);
    const name = (element) => `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 20)}`;
    const parts = shown(`h1, h1 + p, [role=tab], .paper, .add button, .tools > button, .brush, .examples,
        .question label, .verdict, h2, .digit, .confidence, .bars, .tile, figcaption, dl > div, .legend, .match,
        .view label, .view button, .save > *, summary, .words, .line > *, .pair > *, .prose :is(h1, h2, h3, p, li),
        .wide, .fold > button`);
    const boxes = parts.map((part) => part.getBoundingClientRect());
    const flaws = [];
    boxes.forEach((a, i) => {
        if (a.left < 0 || a.right > innerWidth + 1) flaws.push(`${name(parts[i])} leaves the page`);
        boxes.slice(i + 1).forEach((b, j) => {
            const [one, other] = [parts[i], parts[i + 1 + j]];
            if (one.contains(other) || other.contains(one)) return;
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (wide > 1 && high > 1) flaws.push(`${name(one)} lies on ${name(other)}`);
        });
    });
    for (const part of shown("button:not(.label-wrap), label, figcaption, dt, h2")) {
        if (part.scrollWidth > part.clientWidth + 1 && part.clientWidth) flaws.push(`${name(part)} is cut`);
    }
    for (const cell of shown(".prose :is(td, th, p, li)")) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            for (const { 0: word, index } of texts.currentNode.data.matchAll(/[^\\s\u2010-]+/g)) {
                const range = new Range();
                range.setStart(texts.currentNode, index);
                range.setEnd(texts.currentNode, index + word.length);
                if (range.getClientRects().length > 1) flaws.push(`${word} is broken`);
            }
        }
    }
    const tabs = [...document.querySelectorAll(".tab-container")].map((row) => row.childElementCount);
    if (new Set(tabs).size !== 1) flaws.push(`of the tabs are seen and measured: ${tabs}`);
    const page = document.documentElement.clientWidth;
    for (const brush of shown("[name=brush]")) if (brush.clientWidth < 60) flaws.push("the brush cannot be set");
    for (const middle of shown(".board, .story, .prose")) {
        const { left, right } = middle.getBoundingClientRect();
        if (Math.abs(left - (page - right)) > 2) flaws.push("the page is not in the middle");
    }
    if (document.documentElement.scrollWidth > page) flaws.push("the page scrolls sideways");
    return flaws;
}"""


@pytest.mark.slow
def test_nothing_overlaps_or_is_cut_at_any_width(page: Page) -> None:
    show_example(page, 3)
    flaws = {}
    for width in range(320, 2561, 20):
        page.set_viewport_size({"width": width, "height": 900})
        flaws[width] = page.evaluate(FLAWS)
    assert {width: found for width, found in flaws.items() if found} == {}


@pytest.mark.parametrize("tab", ["How it works", "Results"])
def test_nothing_overlaps_or_is_cut_on_the_other_tabs(open_page: Open, tab: str) -> None:
    page = open_page()
    show_example(page, 3)
    page.get_by_role("tab", name=tab).click()
    flaws = {}
    for fold in ("closed", "open") if tab == "How it works" else ("none",):
        if fold == "open":
            page.locator(".fold > button:visible").click()
            expect(page.locator(".fold .katex").first).to_be_visible()
        for width in (320, 360, 390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(100)  # until gradio has measured its tabs
            flaws[fold, width] = page.evaluate(FLAWS)
    assert {place: found for place, found in flaws.items() if found} == {}


def test_the_results_on_digits_fit_on_two_screens(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("tab", name="Results").click()
    expect(page.locator(".prose img").last).to_be_visible()
    photographs = page.locator(".prose img").last.bounding_box()
    assert photographs is not None
    assert photographs["y"] + page.evaluate("scrollY") < 1800
    assert page.evaluate("document.documentElement.scrollHeight") < 2100
    page.set_viewport_size({"width": 390, "height": 844})
    table = page.locator(".wide").first
    wide = table.evaluate("(table) => table.scrollWidth - table.clientWidth")
    assert wide > 0
    table.focus()
    page.keyboard.press("End")  # and by keyboard
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(table) => table.scrollLeft > 0", arg=table.element_handle())


@pytest.mark.parametrize("size", [(320, 640), (844, 390)])
def test_a_finger_finds_every_button_on_a_phone(open_page: Open, size: tuple[int, int]) -> None:
    page = open_page(**{**PHONE, "viewport": {"width": size[0], "height": size[1]}})
    show_example(page, 3)
    assert page.evaluate(FLAWS) == []
    for name in ("Draw", "How it works", "Results"):
        page.get_by_role("tab", name=name).click()
        targets = page.locator(":is(button, select, summary, input[type=range], footer a):visible").all()
        assert len(targets) > 4  # at least the tabs and the footer's
        for target in targets:
            box = target.bounding_box()
            assert box is not None
            assert box["height"] >= 44, target.inner_text()
            assert box["width"] >= 44, target.inner_text()
    page.get_by_role("tab", name="Draw").click()
    boxes = [target.bounding_box() for target in page.locator(".examples button").all()]
    for one, other in itertools.pairwise(box for box in boxes if box is not None):
        assert other["x"] >= one["x"] + one["width"] or other["y"] >= one["y"] + one["height"]


def test_bars_are_seen_in_forced_colours_and_in_print(open_page: Open) -> None:
    page = open_page(forced_colors="active")
    show_example(page, 3)
    paint = "(element) => getComputedStyle(element).backgroundColor"
    bar, ground = page.locator(".bars .first i").first, page.locator("body")
    assert bar.evaluate(paint) != ground.evaluate(paint)
    page.emulate_media(forced_colors="none", media="print")
    assert bar.evaluate("(element) => getComputedStyle(element).printColorAdjust") == "exact"
    page.emulate_media(media="screen", contrast="more")
    assert page.locator("figcaption").first.evaluate("(element) => getComputedStyle(element).color") == ground.evaluate(
        "(element) => getComputedStyle(element).color"
    )


def test_words_are_readable_and_what_is_off_looks_off_in_forced_colours(open_page: Open) -> None:
    page = open_page(forced_colors="active")
    show_example(page, 3)
    colour = "(element) => getComputedStyle(element).color"
    text = page.locator("body").evaluate(colour)
    for words in (".confidence", "dt", "article figcaption", ".match", "article h2"):
        assert page.locator(words).first.evaluate(colour) == text, words
    assert page.locator(".tile").first.evaluate("(tile) => getComputedStyle(tile).forcedColorAdjust") == "none"
    for forced in ("active", "none"):
        page.emulate_media(forced_colors=forced, color_scheme="dark")
        expect(page.locator("[name=strength]")).to_have_css("opacity", "0.4")
        expect(page.locator("[name=erase]")).to_have_css("opacity", "1")


def test_print_shows_what_was_found_and_no_control(open_page: Open) -> None:
    page = open_page()
    show_example(page, 3)
    page.locator("[name=erase]").fill("10")
    settled(page)
    for name in ("Draw", "How it works", "Results"):
        page.emulate_media(media="screen")
        page.get_by_role("tab", name=name).click()
        page.emulate_media(media="print")
        expect(page.locator(":is(button:not(.channels button), select, input, summary):visible")).to_have_count(0)
        if name == "Draw":
            for kept in (".verdict", ".paper", ".legend canvas", ".losses", ".bars", ".source"):
                expect(page.locator(kept).first).to_be_visible()
            box, legend = (page.locator(place).last.bounding_box() for place in (".board", ".source"))
            assert box is not None
            assert legend is not None
            assert box["y"] + box["height"] - legend["y"] - legend["height"] < 40  # no white half of a page
        else:  # what moves to another page is on it
            assert page.locator("#how .story, #results .prose").first.evaluate(CLIPPED) == []


CLIPPED = """(element) => {
    const clipped = [];
    for (let above = element; above !== document.documentElement; above = above.parentElement) {
        if (getComputedStyle(above).overflow !== "visible") clipped.push(above.className);
    }
    return clipped;
}"""


def test_paper_is_white(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    show_example(page, 3)
    page.locator("[data-do=draws]").click()
    expect(page.locator(".stamps canvas")).to_have_count(20)
    shades = """() => ["page", "pad", "stamp"].map((name) => {
        if (name === "page") return Number(/[0-9]+/.exec(getComputedStyle(document.querySelector(".verdict")).color));
        const canvas = document.querySelector(name === "pad" ? ".pad" : ".stamps canvas");
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const { data } = context.getImageData(0, 0, copy.width, copy.height);
        return data[data.findIndex((value, i) => i % 4 === 3 && value === 255) - 3];
    })"""
    for event, is_light_ink in (("beforeprint", False), ("afterprint", True)):
        page.evaluate("(event) => window.dispatchEvent(new Event(event))", event)
        page.wait_for_timeout(200)
        assert [shade > 128 for shade in page.evaluate(shades)] == [is_light_ink] * 3
