"""The page as people use it: the real app in real Chromium."""

import base64
import io
import itertools
import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from page_server import EXAMPLES, ROOT, WEB, PageServer
from PIL import Image, ImageDraw
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FilePayload,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
)
from untrained import RECORD, write_pair, write_snapshots

from camloss import build_model, explain, save_checkpoint
from camloss.demo import inference
from camloss.demo.map_statistics import hot_part
from camloss.demo.pairs import load_for_page
from camloss.demo.summary_text import Read, sentence
from camloss.digits.rasterize import write_strokes
from camloss.metrics import ink_energy
from camloss.pair import Snapshot

pytestmark = pytest.mark.browser

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
VARIANTS = ("ce", "cam")
DASH = "\N{EN DASH}"

Open = Callable[..., Page]
Stroke = dict[str, Any]


@pytest.fixture
def open_page(browser: Browser, page_server: PageServer) -> Iterator[Open]:
    """Opens the page in a fresh profile, and waits until the networks are in the browser, or keeps them out of it.

    The example that draws itself is cleared away and what is folded is opened, but for a newcomer. Afterwards it fails
    on console errors and on requests to other hosts.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def watch(page: Page, home: str) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complaints.append(message.text)

        def on_request(request: Request) -> None:
            if not request.url.startswith((home, "data:", "blob:")):
                complaints.append(f"asked for {request.url}")

        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", on_console)
        page.on("request", on_request)

    def open_page(
        path: str = "",
        server: PageServer = page_server,
        watched: bool = True,
        by_server: bool = False,
        newcomer: bool = False,
        **options: Any,
    ) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        if watched:
            watch(page, server.url)
        if by_server:
            page.route("**/web/weights?*", lambda route: route.fulfill(json={"file": None, "source": ""}))
        page.goto(server.url + path)
        page.wait_for_selector("[data-ready]", state="attached")
        if not newcomer:
            settle_in(page)
        if not by_server:
            wait_for_networks(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def settle_in(page: Page) -> None:
    page.evaluate("document.querySelector('details.more').open = true")
    if page.locator(".previewed").count():
        page.keyboard.press("Delete")
        settled(page)


def wait_for_networks(page: Page) -> None:
    for _ in range(1200):
        if page.evaluate("import('/web/reader.js').then(({ reader }) => reader.ready)"):
            return
        page.wait_for_timeout(50)
    pytest.fail("the weights did not come")


def places(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    """Every third point of a stroke, on the screen."""
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    assert box is not None
    points = list(zip(stroke["points"][::2], stroke["points"][1::2], strict=True))
    return [
        (box["x"] + x / 1000 * box["width"], box["y"] + y / 1000 * box["height"]) for x, y in [*points[::3], points[-1]]
    ]


def draw(page: Page, strokes: list[Stroke]) -> None:
    """With the mouse, as a hand does."""
    for stroke in strokes:
        press_and_move(page, stroke)
        page.mouse.up()


def press_and_move(page: Page, stroke: Stroke) -> None:
    first, *others = places(page, stroke)
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place)


def touch(page: Page, strokes: list[Stroke]) -> None:
    """With a finger."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, points: list[tuple[float, float]]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for stroke in strokes:
        first, *others = places(page, stroke)
        send("touchStart", [first])
        for place in others:
            send("touchMove", [place])
        send("touchEnd", [])


def settled(page: Page) -> Any:
    """Wait until the newest drawing is answered, and give the answer; None for a blank pad."""
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")
    return page.evaluate("document.querySelector('[data-ready]').answer")


def asked_again(page: Page) -> Any:
    """The answer, once it is computed in the browser: until the weights were there, the server gave it."""
    wait_for_networks(page)
    page.locator("[name=class]").dispatch_event("change")
    return settled(page)


def example(digit: int) -> list[Stroke]:
    return next(example["strokes"] for example in EXAMPLES if example["label"] == digit)


def show_example(page: Page, digit: int) -> Any:
    number = next(i for i, example in enumerate(EXAMPLES) if example["label"] == digit)
    page.locator(".examples button").nth(number).click()
    return settled(page)


COUNT = """((canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
})"""


def ink(page: Page, selector: str = ".pad") -> int:
    """How many pixels of a canvas are painted."""
    return int(page.evaluate(f"(selector) => {COUNT}(document.querySelector(selector))", selector))


def read_by_both(page: Page, digit: int) -> None:
    expect(page.locator(".verdict")).to_have_text(re.compile(f"^Both read {digit}, (for|from) "))


def numbers(text: str, low: float = 0.0) -> torch.Tensor:
    return low + torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8) / 254 * (1 - low)


# ---- draw and read


def test_both_networks_read_each_digit_drawn(open_page: Open) -> None:
    page = open_page()
    for digit in range(10):
        draw(page, example(digit))
        answer = settled(page)
        for variant in VARIANTS:
            assert answer[variant]["digit"] == digit
            column = page.locator(f"[data-variant={variant}]")
            expect(column.locator(".digit")).to_have_text(str(digit))
            expect(column.locator(".first")).to_have_text(str(digit))
            assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
        read_by_both(page, digit)
        page.keyboard.press("Delete")
        assert settled(page) is None


def test_a_finger_draws_on_a_phone_and_the_page_stays_where_it_is(open_page: Open) -> None:
    page = open_page(**PHONE)
    touch(page, example(2))
    answer = settled(page)
    assert [answer[variant]["digit"] for variant in VARIANTS] == [2, 2]
    assert page.evaluate("window.scrollY") == 0
    pad, digits = page.locator(".paper").bounding_box(), page.locator(".digit").first.bounding_box()
    assert pad is not None
    assert digits is not None
    assert pad["width"] > 340
    assert pad["y"] + pad["height"] < digits["y"]  # the answer follows the pad,
    assert digits["y"] + digits["height"] < 844  # on the first screen


FIRST = (".verdict", ".paper", ".digit", "[data-map=cam] .tile")


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
def test_sentence_pad_and_evidence_are_on_the_first_screen(
    open_page: Open, size: tuple[int, int], selectors: tuple[str, ...]
) -> None:
    page = open_page(**{**(PHONE if min(size) < 500 else {}), "viewport": {"width": size[0], "height": size[1]}})
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


def sentences() -> list[str]:
    """The longest of each kind that may be said."""

    def reads(digits: tuple[int, int], class_idx: int | None, other_idx: int | None) -> list[Read]:
        return [
            Read(title, digit, 0.57, digit if class_idx is None else class_idx, other_idx, 0.004, place)
            for title, digit, place in zip(("Cross-entropy", "CAM-loss"), digits, ("hole", "nowhere"), strict=True)
        ]

    asked: list[tuple[int | None, int | None]] = [(None, None), (4, None), (4, 9), (None, 3)]
    return [
        sentence(reads(digits, *question), 0.5, two_digits)
        for digits in ((4, 4), (4, 9))
        for question in asked
        for two_digits in (False, True)
    ]


@pytest.mark.parametrize("size", [(w, 800) for w in (320, 390, 720, 721, 844, 1000, 1280, 1440)] + [(844, 390)])
def test_every_sentence_has_room(open_page: Open, size: tuple[int, int]) -> None:
    page = open_page(by_server=True, viewport={"width": size[0], "height": size[1]})
    said = sentences()

    def say(route: Route) -> None:
        answer = route.fetch()
        data = answer.json()
        data["ce"]["digit"], data["summary"] = 4, said[-1]  # bold, for they disagree
        route.fulfill(response=answer, json=data)

    page.route("**/component_server/", say)
    verdict = page.locator(".verdict")
    while said:
        show_example(page, 9)
        expect(verdict).to_have_text(said[-1])
        assert verdict.evaluate("(place) => place.scrollHeight <= place.clientHeight"), said[-1]
        said.pop()


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
    const parts = shown(`h1, h1 + p, [role=tab], .paper, .tools > button, .brush, .seen, .examples,
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


def test_nothing_overlaps_or_is_cut_at_any_width(open_page: Open) -> None:
    page = open_page()
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
    for fold in ("closed", "open"):
        if fold == "open":
            page.locator(".fold > button:visible").click()
            expect(page.locator(".fold .prose, .fold .katex").first).to_be_visible()
        for width in (320, 360, 390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(100)  # until gradio has measured its tabs
            flaws[fold, width] = page.evaluate(FLAWS)
    assert {place: found for place, found in flaws.items() if found} == {}


def test_the_results_fit_on_two_screens(open_page: Open) -> None:
    page = open_page(viewport={"width": 1440, "height": 900})
    page.get_by_role("tab", name="Results").click()
    expect(page.locator(".prose img").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") < 1800
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
    for words in (".confidence", "dt", "article figcaption", ".match", "article h2", ".seen figcaption"):
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
        expect(page.locator(":is(button, select, input, summary):visible")).to_have_count(0)
        if name == "Draw":
            for kept in (".verdict", ".paper", ".legend canvas", ".seen canvas", ".losses", ".bars", ".source"):
                expect(page.locator(kept).first).to_be_visible()
            box, legend = (page.locator(place).last.bounding_box() for place in (".board", ".source"))
            assert box is not None
            assert legend is not None
            assert box["y"] + box["height"] - legend["y"] - legend["height"] < 40  # no white half of a page


def test_blank_pad_invites_and_predicts_nothing(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("[name=networks]")).to_be_hidden()  # there is one pair
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    assert page.locator(".digit").all_text_contents() == [DASH, DASH]
    assert page.locator(".confidence").all_text_contents() == ["", ""]
    assert page.locator(".match").all_text_contents() == [" ", " "]
    expect(page.locator(".bars .first")).to_have_count(0)
    draw(page, example(7))
    settled(page)
    expect(page.locator(".invitation")).to_have_css("opacity", "0")
    page.get_by_role("button", name="Clear").click()
    assert settled(page) is None
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    assert page.locator(".digit").all_text_contents() == [DASH, DASH]
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") == 0


def test_a_disagreement_is_said(open_page: Open) -> None:
    page = open_page(by_server=True)
    said = "They disagree: cross-entropy reads 4 from 40% of the square, CAM-loss reads 9 from 6%."

    def disagree(route: Route) -> None:
        answer = route.fetch()
        data = answer.json()
        data["ce"]["digit"], data["summary"] = 4, said
        route.fulfill(response=answer, json=data)

    page.route("**/component_server/", disagree)
    show_example(page, 9)
    expect(page.locator(".verdict")).to_have_text(said)
    expect(page.locator(".board")).to_have_class(re.compile("disagree"))


def test_a_disagreement_on_a_larger_field_is_the_first_thing_said(open_page: Open) -> None:
    page = open_page()
    put_in_the_way(page, "field")
    disagreements = 0
    for digit in range(10):
        answer = show_example(page, digit)
        ce, cam = (answer[variant]["digit"] for variant in VARIANTS)
        told = (
            f"They disagree: cross-entropy reads {ce} from .* CAM-loss reads {cam} from " if ce != cam else "Both read "
        )
        expect(page.locator(".verdict")).to_have_text(re.compile(f"^{told}"))
        expect(page.locator(".verdict")).not_to_have_text(re.compile("two digits|may not be|ood_scores"))
        disagreements += ce != cam
    assert disagreements > 0


def test_scraps_are_no_second_digit(open_page: Open) -> None:
    page = open_page()
    for digit in (4, 6):
        show_example(page, digit)
        for _ in range(3):
            put_in_the_way(page, "clutter")
            page.get_by_role("button", name="Another").click()
            settled(page)
            verdict = page.locator(".verdict")
            expect(verdict).to_have_text(re.compile("^(Both read|They disagree: )"))
            expect(verdict).not_to_have_text(re.compile("two digits|may not be|ood_scores"))


# ---- the first visit


def test_a_newcomer_reads_an_answer_before_touching_anything(open_page: Open) -> None:
    page = open_page(newcomer=True)
    read_by_both(page, 4)
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    for variant in VARIANTS:
        assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
    draw(page, example(3))  # over it: the example gives way
    read_by_both(page, 3)
    expect(page.locator(".previewed")).to_have_count(0)
    page.keyboard.press("Control+z")
    assert settled(page) is None
    assert ink(page) == 0


def test_the_example_draws_itself_or_is_there_at_once(open_page: Open) -> None:
    still = open_page(newcomer=True, reduced_motion="reduce")
    whole = ink(still)
    still.wait_for_timeout(300)
    assert ink(still) == whole
    page = open_page(newcomer=True)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert ink(page) < 0.8 * whole
    expect(page.locator(".invitation")).to_have_css("opacity", "0")  # it is not yet their turn
    page.wait_for_function("(all) => ALL(document.querySelector('.pad')) >= all".replace("ALL", COUNT), arg=whole)
    expect(page.locator(".invitation")).to_have_css("opacity", "1")


def test_the_example_comes_back_only_on_a_fresh_visit(open_page: Open) -> None:
    page = open_page(newcomer=True)
    page.keyboard.press("Delete")
    assert settled(page) is None
    page.wait_for_timeout(1700)
    assert ink(page) == 0
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    expect(page.locator(".verdict")).to_have_text("Draw a digit, or take an example.")
    assert ink(page) == 0


def test_the_server_is_asked_about_the_whole_example_alone(open_page: Open) -> None:
    page = open_page("#draw=", by_server=True, newcomer=True)  # a blank pad, to listen before the example begins
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("sessionStorage.clear()")
    page.goto(page.url.partition("#")[0] + "?again")
    page.wait_for_selector("[data-ready]", state="attached")
    read_by_both(page, 4)
    assert len([url for url in asked if "component_server" in url]) == 1


@pytest.mark.parametrize("digits", [(1, 7), (4, 2)])
def test_two_digits_are_said_to_be_two(open_page: Open, digits: tuple[int, int]) -> None:
    page = open_page()
    for number, digit in enumerate(digits):
        halved = [
            {
                **stroke,
                "points": [v / 2 + (500 * number if i % 2 == 0 else 250) for i, v in enumerate(stroke["points"])],
            }
            for stroke in example(digit)
        ]
        draw(page, halved)
    settled(page)
    expect(page.locator(".verdict")).to_contain_text("This looks like two digits")


def test_numbers_stand_under_the_map_that_they_are_about(open_page: Open) -> None:
    page = open_page()
    answer = show_example(page, 4)
    for variant in VARIANTS:
        column, reading = page.locator(f"[data-variant={variant}]"), answer[variant]
        order = column.evaluate("(all) => [...all.children].map((part) => part.dataset.map ?? part.tagName)")
        assert order == ["HEADER", "cam", "DL", "DIV", "P", "caam"]
        assert column.locator("dd").all_text_contents() == [
            f"{100 * reading[name]:.0f}%" for name in ("area", "ink_energy")
        ]
        sign = "=" if reading["agreement"] >= 0.95 else "≠"
        expect(column.locator(".match")).to_have_text(f"{sign} {100 * reading['agreement']:.0f}% alike")


def test_only_what_is_done_is_spoken(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            window.spoken = [];
            const voice = document.querySelector(".spoken");
            new MutationObserver(() => window.spoken.push(voice.textContent))
                .observe(voice, { childList: true, characterData: true, subtree: true });
        }"""
    )
    show_example(page, 3)
    expect(page.locator(".spoken")).to_have_text(page.locator(".verdict").inner_text())
    assert len(page.evaluate("window.spoken")) == 1


def test_a_small_drawing_has_large_maps(open_page: Open) -> None:
    page = open_page()
    small = [{**stroke, "points": [v / 5 for v in stroke["points"]], "width": 20} for stroke in example(8)]
    page.locator("[name=brush]").fill("20")
    draw(page, small)
    assert settled(page)["cam"]["digit"] == 8
    side = page.locator("[data-variant=cam] [data-map=cam] canvas").evaluate("(canvas) => canvas.width")
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") == side * side


# ---- live


def test_a_tap_leaves_a_dot_and_pen_up_asks_nothing_anew(open_page: Open) -> None:
    page = open_page(by_server=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".pad").click()
    answer = settled(page)
    assert answer is not None
    assert ink(page) > 100
    assert len([url for url in asked if "component_server" in url]) == 1
    page.keyboard.press("Control+z")
    assert settled(page) is None


def test_answers_follow_the_pen_one_request_at_a_time(open_page: Open) -> None:
    page = open_page(by_server=True)
    page.evaluate(
        """() => {
            window.flying = window.most = window.asked = 0;
            const fetch = window.fetch;
            window.fetch = async (...request) => {
                if (!String(request[0]).includes("component_server")) return fetch(...request);
                window.asked += 1;
                window.most = Math.max(window.most, ++window.flying);
                await new Promise((resolve) => setTimeout(resolve, 30));
                try { return await fetch(...request); } finally { window.flying -= 1; }
            };
        }"""
    )
    press_and_move(page, example(0)[0])
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")  # the pen is still down
    assert page.evaluate("window.most") == 1
    page.mouse.up()
    assert settled(page)["cam"]["digit"] == 0
    assert page.evaluate("window.most") <= 2  # the end of a stroke waits for no answer to a part of it
    assert 2 <= page.evaluate("window.asked") < len(places(page, example(0)[0])) - 1


def test_a_drawing_is_asked_about_once_a_frame_but_at_the_end_of_a_stroke_at_once(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            window.asked = 0;
            const post = Worker.prototype.postMessage;
            Worker.prototype.postMessage = function (message, ...rest) {
                window.asked += message.task === "answer";
                return post.call(this, message, ...rest);
            };
            const waiting = [];
            window.requestAnimationFrame = (callback) => waiting.push(callback); // no frame comes by itself
            window.frame = () => waiting.splice(0).forEach((callback) => callback(performance.now()));
        }"""
    )
    press_and_move(page, example(5)[0])
    assert page.evaluate("window.asked") == 0
    page.evaluate("window.frame()")
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    assert page.evaluate("window.asked") == 1
    page.mouse.move(*places(page, example(5)[0])[0])
    assert page.evaluate("window.asked") == 1
    page.mouse.up()
    assert settled(page) is not None
    assert page.evaluate("window.asked") == 1  # the end is answered outside the worker


def test_the_end_of_a_stroke_does_not_wait_for_the_worker(open_page: Open) -> None:
    page = open_page()
    page.evaluate("Worker.prototype.postMessage = () => { window.deaf = true; }")
    press_and_move(page, example(5)[0])
    page.wait_for_function("window.deaf")  # so that a question is open
    assert page.evaluate("document.querySelector('[data-ready]').answer") is None
    page.mouse.up()
    assert settled(page) is not None
    assert where(page) == "in your browser"
    page.wait_for_timeout(1000)
    expect(page.locator(".verdict")).not_to_have_text("Reading…")  # of the question that was left to itself


def test_a_machine_that_falls_behind_the_pen_shows_maps_first_and_everything_in_the_end(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            const root = document.querySelector("[data-ready]");
            window.told = [];
            document.addEventListener("camloss", () => {
                window.told.push(root.answer?.summary === document.querySelector(".verdict").textContent);
            });
            const busy = () => { // for longer than a frame, again and again
                const end = performance.now() + 80;
                while (performance.now() < end);
                if (!window.isOver) setTimeout(busy, 5);
            };
            busy();
        }"""
    )
    press_and_move(page, example(5)[0])
    told = page.evaluate("() => { window.isOver = true; return window.told.slice(); }")
    assert not all(told), "words came with every answer"
    assert ink(page) > 1000, "the line does not follow the pen"
    page.mouse.up()
    shown = settled(page)
    expect(page.locator(".verdict")).to_have_text(shown["summary"])
    tiles = "[...document.querySelectorAll('.tile canvas')].map((canvas) => canvas.toDataURL())"
    painted = page.evaluate(tiles)
    page.reload()
    wait_for_networks(page)
    assert asked_again(page)["summary"] == shown["summary"]
    assert page.evaluate(tiles) == painted


def test_nothing_moves_while_one_draws(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shifts += entry.value)))
                .observe({ type: "layout-shift", buffered: false });
        }"""
    )
    for digit in (4, 9):
        draw(page, example(digit))
        settled(page)
    page.keyboard.press("Delete")
    settled(page)
    assert page.evaluate("window.shifts") < 0.001


def test_page_recovers_when_the_server_comes_back(open_page: Open, tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt")
    try:
        page = open_page(
            by_server=True, server=server, watched=False
        )  # the browser itself logs each request that fails
        draw(page, example(3))
        assert settled(page)["cam"]["digit"] == 3
        server.kill()
        page.get_by_role("button", name="Clear").click()
        draw(page, example(5))
        expect(page.locator(".verdict")).to_contain_text("The connection is lost")
        assert ink(page) > 1000
        server.start()
        expect(page.locator(".verdict")).to_contain_text("Both read 5", timeout=15_000)
        assert settled(page)["cam"]["digit"] == 5
    finally:
        server.kill()


@pytest.mark.parametrize("how", ["asks for patience", "takes long"])
def test_a_busy_page_says_so_and_answers_in_the_end(open_page: Open, how: str) -> None:
    page = open_page(by_server=True)
    first = show_example(page, 3)
    held: list[Route] = []

    def wait(route: Route) -> None:
        if how == "takes long" and not held:
            held.append(route)
        elif how == "asks for patience" and len(held) < 2:
            held.append(route)
            route.fulfill(json={"busy": True, "error": "many pictures are being read at this moment"})
        else:
            route.continue_()

    page.route("**/component_server/", wait)
    page.locator(".examples button").nth(1).click()
    said = "Reading…" if how == "takes long" else "The page is busy: the answer to your drawing takes a moment."
    expect(page.locator(".verdict")).to_have_text(said)
    assert page.evaluate("document.querySelector('[data-ready]').answer") == first  # the last answer stays
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") > 10_000
    if how == "takes long":
        held[0].continue_()
    assert settled(page) != first
    expect(page.locator(".verdict")).to_contain_text("Both read")


def test_a_server_that_fails_is_no_lost_connection(open_page: Open) -> None:
    page = open_page(by_server=True, watched=False)  # the browser itself logs each request that fails
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=500, body="Internal Server Error")

    page.route("**/component_server/", fail)
    show_example(page, 3)
    expect(page.locator(".verdict")).to_contain_text("The server failed on this drawing")
    page.wait_for_timeout(1500)
    assert len(asked) == 2  # once more, and no further
    page.unroute("**/component_server/")
    assert show_example(page, 5)["cam"]["digit"] == 5
    read_by_both(page, 5)


def test_a_failure_of_the_page_itself_does_not_leave_it_dead(open_page: Open) -> None:
    page = open_page(by_server=True, watched=False)

    def garble(route: Route) -> None:
        answer = route.fetch()
        data = answer.json()
        data["ce"]["cam"] = "no base64!"
        route.fulfill(response=answer, json=data)

    page.route("**/component_server/", garble)
    show_example(page, 3)
    expect(page.locator(".verdict")).to_contain_text("This page failed to show the answer")
    page.unroute("**/component_server/")
    assert show_example(page, 5)["cam"]["digit"] == 5
    read_by_both(page, 5)


def test_networks_can_be_chosen_where_there_are_more(open_page: Open, tmp_path: Path) -> None:
    for variant in VARIANTS:
        shutil.copytree(ROOT / "checkpoints" / variant, tmp_path / "pairs" / variant)
        record = {**RECORD, "variant": variant, "config": {"arch": "plain_cnn"}}
        save_checkpoint(build_model("plain_cnn"), tmp_path / "pairs" / "plain" / variant, record)
    server = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(tmp_path / "pairs"))
    try:
        page = open_page(server=server)
        small = show_example(page, 4)
        with page.expect_response("**/web/weights/*"):
            page.locator("[name=networks]").select_option("plain")
        wait_for_networks(page)
        large = settled(page)
        assert [small["map_size"], large["map_size"]] == [[14, 14], [28, 28]]
        assert ink(page, "[data-variant=cam] [data-map=caam] canvas") > 10_000
    finally:
        server.kill()


# ---- computed in the browser


def where(page: Page) -> str:
    return page.locator(".source").inner_text().partition("computed ")[2]


def test_drawing_goes_on_with_the_server_killed(open_page: Open, tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt")
    try:
        page = open_page(server=server, watched=False)  # the browser itself logs what gradio asks a dead server
        server.kill()
        draw(page, example(5))
        page.locator("[name=other]").select_option("6")
        answer = settled(page)
        assert [answer[variant]["digit"] for variant in VARIANTS] == [5, 5]
        assert where(page) == "in your browser"
        for variant in VARIANTS:
            assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
            assert len(set(numbers(answer[variant]["contrast"], -1).tolist())) > 20
        page.get_by_role("tab", name="How it works").click()
        expect(page.locator(".note")).to_have_text("Evidence for 5.")
        assert ink(page, "[data-show=cam] canvas") > 10_000
    finally:
        server.kill()


def test_strokes_ask_the_server_nothing(open_page: Open) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, example(2))
    page.locator("[name=class]").select_option("7")
    assert settled(page)["cam"]["class_idx"] == 7
    assert [url for url in asked if "component_server" in url or "weights" in url] == []


def test_a_photo_is_sent_once(open_page: Open) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    file: FilePayload = {"name": "digit.jpg", "mimeType": "image/jpeg", "buffer": photo(5)}
    page.locator("[name=photo]").set_input_files(file)
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    page.locator("[name=class]").select_option("3")
    answer = settled(page)
    assert [answer[variant]["class_idx"] for variant in VARIANTS] == [3, 3]
    assert where(page) == "in your browser"
    assert len([url for url in asked if "component_server" in url]) == 1


@pytest.mark.parametrize("broken", ["weights/*", "kernel.wasm", "worker.js"])
def test_whatever_is_damaged_the_server_goes_on_answering(open_page: Open, broken: str) -> None:
    page = open_page(by_server=True)
    page.unroute_all()
    page.route(
        f"**/web/{broken}",
        lambda route: route.fulfill(body="throw new Error('damaged');", content_type="text/javascript"),
    )
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    page.wait_for_timeout(500)
    assert show_example(page, 6)["cam"]["digit"] == 6
    assert where(page) == "on the server"
    assert show_example(page, 4)["cam"]["digit"] == 4
    read_by_both(page, 4)


def test_answers_come_from_the_server_until_the_weights_are_there(open_page: Open) -> None:
    page = open_page(by_server=True)
    page.unroute_all()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/web/weights/*", hold)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    from_server = show_example(page, 6)
    assert where(page) == "on the server"
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    wait_for_networks(page)
    page.locator("[name=class]").dispatch_event("change")
    from_browser = settled(page)
    assert where(page) == "in your browser"
    for variant in VARIANTS:
        assert from_browser[variant]["probs"] == pytest.approx(from_server[variant]["probs"], abs=1e-5)
        for name in ("cam", "caam"):
            one, other = numbers(from_browser[variant][name]), numbers(from_server[variant][name])
            torch.testing.assert_close(one, other, atol=1.01 / 254, rtol=0)


def test_a_newer_pair_is_taken_when_the_tab_is_seen_again(open_page: Open, tmp_path: Path) -> None:
    for variant in VARIANTS:
        shutil.copytree(ROOT / "checkpoints" / variant, tmp_path / "pairs" / variant)
        record = {**RECORD, "variant": variant, "config": {"arch": "plain_cnn"}}
        save_checkpoint(build_model("plain_cnn"), tmp_path / "pairs" / "plain" / variant, record)
    server = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(tmp_path / "pairs"))
    try:
        page = open_page(server=server)
        assert show_example(page, 4)["map_size"] == [14, 14]
        newer = page.request.get(f"{server.url}web/weights?networks=plain").json()
        page.route("**/web/weights?*", lambda route: route.fulfill(json=newer))
        with page.expect_response(f"**/web/weights/{newer['file']}"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        wait_for_networks(page)
        page.locator("[name=class]").dispatch_event("change")
        assert settled(page)["map_size"] == [28, 28]
        assert newer["source"] in page.locator(".source").inner_text()
    finally:
        server.kill()


# ---- corrupt it


def put_in_the_way(page: Page, kind: str, strength: int = 50) -> Any:
    page.locator("[name=corruption]").select_option(kind)
    if page.locator("[name=strength]").is_enabled():
        page.locator("[name=strength]").fill(str(strength))
    return settled(page)


@pytest.mark.parametrize(
    ("kind", "side"), [("clutter", 56), ("field", 56), ("stripe", 56), ("specks", 28), ("noise", 28)]
)
def test_what_is_put_in_the_way_is_what_they_are_given(open_page: Open, kind: str, side: int) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    plain = show_example(page, 4)
    answer = put_in_the_way(page, kind)
    assert len(numbers(answer["seen"])) == side**2
    assert answer["map_size"] == [side // 2, side // 2]
    assert answer["cam"]["cam"] != plain["cam"]["cam"]
    for seen in page.locator(".seen canvas").all():
        assert [seen.get_attribute(name) for name in ("width", "height")] == [str(side)] * 2
    field = page.evaluate("document.querySelector('[data-ready]').field")
    digit = {name: field[name] + (side - 28) / 2 / side * field["side"] for name in ("left", "top")}
    put_in_the_way(page, "")
    uncorrupted = page.evaluate("document.querySelector('[data-ready]').field")
    assert {name: uncorrupted[name] for name in digit} == pytest.approx(digit, abs=0.01)
    assert settled(page) == {**plain, "is_corrupted": False}
    assert [url for url in asked if "component_server" in url] == []


def test_another_disturbance_of_the_same_kind(open_page: Open) -> None:
    page = open_page()
    show_example(page, 4)
    seen = set()
    put_in_the_way(page, "clutter")
    for _ in range(3):
        seen.add(settled(page)["seen"])
        page.get_by_role("button", name="Another").click()
    assert len(seen) == 3
    put_in_the_way(page, "clutter", 0)
    assert set(numbers(settled(page)["seen"])[:56].tolist()) == {0.0}


def test_answers_fall_or_hold_while_the_slider_moves(open_page: Open) -> None:
    page = open_page()
    answer = show_example(page, 4)
    losses = page.locator(".losses")
    expect(losses).to_be_hidden()
    for share in (4, 30):
        page.locator("[name=erase]").fill(str(share))
        erased = settled(page)
        for variant in VARIANTS:
            loss = erased[variant]["loss"]
            row = losses.locator(f"[data-of={variant}] td")
            now = loss["hottest"]
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


def test_what_the_study_found_stands_beside_each_disturbance(open_page: Open) -> None:
    page = open_page()
    study = json.loads((WEB / "study.json").read_text(encoding="utf-8"))
    kinds = page.locator("[name=corruption] option").evaluate_all("(all) => all.map(({ value }) => value)")
    assert set(kinds) == set(study)
    for kind in kinds:
        page.locator("[name=corruption]").select_option(kind)
        expect(page.locator(".study")).to_have_text(study[kind])


def test_a_disturbance_ends_with_its_drawing(open_page: Open) -> None:
    page = open_page()
    plain = show_example(page, 4)
    put_in_the_way(page, "clutter")
    page.locator("[name=erase]").fill("20")
    settled(page)
    page.keyboard.press("Delete")
    expect(page.locator("[name=corruption]")).to_have_value("")
    expect(page.locator("[name=erase]")).to_have_value("0")
    expect(page.locator(".erase output")).to_have_text("0%")
    assert show_example(page, 4) == plain


def test_disturbing_comes_after_both_rows_of_maps(open_page: Open) -> None:
    page = open_page(**PHONE)
    tops = [page.locator(place).first.bounding_box() for place in ("[data-map=cam]", "[data-map=caam]", ".trials")]
    heights = [box["y"] for box in tops if box]
    assert heights == sorted(heights)
    order = "(all) => all.map((part) => part.className)"
    assert page.locator(".board > section").evaluate_all(order) == ["drawing", "answer", "trials", "after"]


def test_without_the_networks_here_a_disturbance_says_that_it_waits(open_page: Open) -> None:
    page = open_page(by_server=True)
    answer = show_example(page, 4)
    page.locator("[name=erase]").fill("10")
    assert settled(page)["cam"]["probs"] == answer["cam"]["probs"]
    expect(page.locator(".waiting")).to_be_visible()


# ---- the pad's tools


def test_undo_redo_and_clear(open_page: Open) -> None:
    page = open_page()
    undo, redo, clear = (page.get_by_role("button", name=name) for name in ("Undo", "Redo", "Clear"))
    for tool in (undo, redo, clear):
        expect(tool).to_be_disabled()
    upright, bar = example(4)
    draw(page, [upright])
    one = ink(page)
    draw(page, [bar])
    two = ink(page)
    assert two > one
    undo.click()
    assert ink(page) == one
    redo.click()
    assert ink(page) == two
    expect(redo).to_be_disabled()
    clear.click()
    assert ink(page) == 0
    undo.click()
    assert ink(page) == two
    assert settled(page)["cam"]["digit"] == 4
    undo.click()
    draw(page, [bar])
    expect(redo).to_be_disabled()  # what was undone is gone once one draws on


def test_keyboard(open_page: Open) -> None:
    page = open_page()
    draw(page, example(4))
    both = ink(page)
    page.locator(".pad").focus()
    page.keyboard.press("Control+z")
    first = ink(page)
    assert 0 < first < both
    for keys, painted in (
        ("Control+y", both),
        ("Control+z", first),
        ("Control+Shift+Z", both),
        ("Delete", 0),
        ("Control+z", both),
    ):
        page.keyboard.press(keys)
        assert ink(page) == painted, keys
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(({ ariaLabel, name, innerText }) => ariaLabel || name || innerText)(document.activeElement)"
            )
        )
    assert {
        "Undo",
        "Clear",
        "brush",
        "Photo",
        "class",
        "other",
        "opacity",
        "colours",
        "smooth",
        "Save picture",
    } <= reached
    assert sum(1 for name in reached if name.startswith("Example: ")) == len(EXAMPLES)


def test_keys_work_wherever_the_focus_is(open_page: Open) -> None:
    page = open_page()
    draw(page, example(4))
    both = ink(page)
    for place in ("[name=class]", "[name=opacity]", "[name=smooth]", "[data-do=link]", ".tile canvas"):
        page.locator(place).first.focus()
        page.keyboard.press("Control+z")
        assert 0 < ink(page) < both, place
        page.keyboard.press("Control+y")
        assert ink(page) == both, place
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Delete")
    assert ink(page) == 0


def test_undo_during_a_stroke_takes_that_stroke_alone(open_page: Open) -> None:
    page = open_page()
    upright, bar = example(4)
    draw(page, [upright])
    one = ink(page)
    press_and_move(page, bar)
    page.keyboard.press("Control+z")
    assert ink(page) == one
    page.mouse.up()
    settled(page)
    assert ink(page) == one
    page.keyboard.press("Control+z")
    assert ink(page) == 0


@pytest.mark.parametrize("tool", ["Undo", "Clear"])
def test_focus_stays_when_a_tool_has_nothing_left_to_do(open_page: Open, tool: str) -> None:
    page = open_page()
    draw(page, [example(1)[0]])
    page.get_by_role("button", name=tool).focus()
    page.keyboard.press("Enter")
    assert ink(page) == 0
    expect(page.locator(".pad")).to_be_focused()


@pytest.mark.parametrize("end", ["Clear", "an example"])
def test_a_question_ends_with_its_drawing(open_page: Open, end: str) -> None:
    page = open_page()
    draw(page, example(4))
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    settled(page)
    if end == "Clear":
        page.get_by_role("button", name="Clear").click()
    assert show_example(page, 7)["cam"]["contrast"] is None
    for name in ("class", "other"):
        expect(page.locator(f"[name={name}]")).to_have_value("")


def test_one_voice_tells_what_an_arrow_key_points_at(open_page: Open) -> None:
    page = open_page()
    answer = show_example(page, 8)
    names = [canvas.get_attribute("aria-label") for canvas in page.locator(".tile canvas").all()]
    assert len(set(names)) == 4
    page.evaluate(
        """() => {
            window.voices = new Set();
            const live = "output, [role=status], [role=alert], [aria-live]";
            new MutationObserver((changes) => changes.forEach(({ target }) => {
                const voice = (target.closest ? target : target.parentElement).closest(live);
                if (voice) window.voices.add(voice.className);
            })).observe(document, { subtree: true, childList: true, characterData: true });
        }"""
    )
    page.locator("[data-variant=cam] [data-map=cam] canvas").focus()
    page.keyboard.press("ArrowDown")
    value = float(numbers(answer["cam"]["cam"])[14 * 8 + 7])
    expect(page.locator(".pointed")).to_have_text(f"column 8, row 9: {value:.2f}")
    assert page.evaluate("[...window.voices]") == ["pointed unseen"]


@pytest.mark.parametrize("name", ["class", "corruption", "colours"])
def test_delete_clears_the_pad_from_a_selector_too(open_page: Open, name: str) -> None:
    page = open_page()
    show_example(page, 6)
    page.locator(f"[name={name}]").focus()
    page.keyboard.press("Delete")
    assert settled(page) is None


def test_letters_in_a_selector_choose_an_option(open_page: Open) -> None:
    page = open_page()
    show_example(page, 6)
    page.locator("[name=corruption]").focus()
    page.keyboard.type("noi")
    expect(page.locator("[name=corruption]")).to_have_value("noise")
    assert settled(page)["is_corrupted"]


def test_brush_sets_the_width_of_the_next_stroke(open_page: Open) -> None:
    page = open_page()
    draw(page, example(1))
    thin = ink(page)
    page.keyboard.press("Delete")
    page.locator("[name=brush]").fill("120")
    draw(page, example(1))
    assert 1.4 * thin < ink(page) < 2.2 * thin  # 120 over 65, with round ends


def test_drawing_survives_a_resize_a_theme_and_a_reload(open_page: Open) -> None:
    page = open_page()
    draw(page, example(5))
    before = settled(page)
    page.set_viewport_size({"width": 700, "height": 900})
    page.set_viewport_size(DESKTOP)
    light = page.evaluate("getComputedStyle(document.querySelector('.pad')).color")
    page.evaluate("document.body.classList.add('dark')")
    assert page.evaluate("getComputedStyle(document.querySelector('.pad')).color") != light
    assert ink(page) > 1000
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    assert asked_again(page) == before


# ---- ask


def test_selectors_show_what_explain_says(open_page: Open) -> None:
    page = open_page(by_server=True)
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
        for variant, model in pair.models.items():
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


def test_a_contrast_is_measured_and_captioned_as_what_it_is(open_page: Open) -> None:
    page = open_page()
    plain = show_example(page, 9)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    expect(page.locator(".verdict")).to_have_text(re.compile("^Both read 9. Evidence for 4 rather than 9: "))
    for variant in VARIANTS:
        column, reading = page.locator(f"[data-variant={variant}]"), answer[variant]
        shown = numbers(reading["contrast"], -1).clamp_min(0).view(1, 14, 14)
        given = numbers(answer["seen"]).view(28, 28)
        assert reading["area"] == pytest.approx(hot_part(shown[0], given).area, abs=0.02)
        assert reading["ink_energy"] == pytest.approx(float(ink_energy(shown, given[None, None])), abs=0.02)
        assert reading["ink_energy"] != plain[variant]["ink_energy"]
        caption = column.locator("[data-map=cam] figcaption")
        expect(caption).to_have_text("Evidence for 4 rather than 9 contrastive CAM: one digit's CAM less the other's")
        expect(column.locator(".match")).to_have_text(" ")  # it is the CAM that CAM-loss makes like the CAAM
        name = column.locator("[data-map=cam] canvas").get_attribute("aria-label")
        assert name is not None
        assert name.endswith(", contrastive CAM: Evidence for 4 rather than 9")
    page.locator("[name=other]").select_option("")
    page.locator("[name=class]").select_option("")
    assert settled(page) == plain
    expect(page.locator("[data-map=cam] figcaption").first).to_have_text("Evidence for 9 CAM, class activation map")


def test_bars_are_a_shortcut_to_the_question(open_page: Open) -> None:
    page = open_page()
    show_example(page, 9)
    page.locator("[data-variant=cam] .bars span").nth(4).click()
    answer = settled(page)
    assert [answer[variant]["class_idx"] for variant in VARIANTS] == [4, 4]
    expect(page.locator("[name=class]")).to_have_value("4")


def test_nothing_is_held_against_itself(open_page: Open) -> None:
    page = open_page()
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


def test_a_link_holds_nothing_against_itself(open_page: Open) -> None:
    page = open_page("#draw=&class=4&other=4")
    expect(page.locator("[name=class]")).to_have_value("4")
    expect(page.locator("[name=other]")).to_have_value("")


def test_hovering_marks_the_same_place_everywhere(open_page: Open) -> None:
    page = open_page()
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


# ---- photos


def photo(digit: int) -> bytes:
    """A digit in blue ink on grey paper, wider than high."""
    image = Image.new("RGB", (1200, 900), (205, 200, 190))
    pen = ImageDraw.Draw(image)
    for stroke in example(digit):
        points = [
            (200 + 0.8 * x, 50 + 0.8 * y) for x, y in zip(stroke["points"][::2], stroke["points"][1::2], strict=True)
        ]
        pen.line(points, (30, 40, 110), 26, joint="curve")
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


GIVE_FILE = """([bytes, event, selector]) => {
    const transfer = new DataTransfer();
    const data = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    transfer.items.add(new File([data], "digit.jpg", { type: "image/jpeg" }));
    const options = { bubbles: true, cancelable: true };
    const made = event === "paste" ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
                                   : new DragEvent(event, { ...options, dataTransfer: transfer });
    document.querySelector(selector).dispatchEvent(made);
}"""


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_photo_is_read(open_page: Open, way: str) -> None:
    page = open_page()
    if way == "choose":
        file: FilePayload = {"name": "digit.jpg", "mimeType": "image/jpeg", "buffer": photo(5)}
        page.locator("[name=photo]").set_input_files(file)
    else:
        data = base64.b64encode(photo(5)).decode()
        page.evaluate(GIVE_FILE, [data, way, ".paper" if way == "drop" else "body"])
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    answer = settled(page)
    assert [answer[variant]["digit"] for variant in VARIANTS] == [5, 5]
    expect(page.get_by_role("button", name="Copy link")).to_be_disabled()  # a link holds strokes alone
    draw(page, example(3))
    assert settled(page)["cam"]["digit"] == 3  # drawing takes the photo's place
    page.get_by_role("button", name="Undo").click()
    assert settled(page)["cam"]["digit"] == 5


def test_a_drop_beside_the_pad_stays_on_the_page(open_page: Open) -> None:
    page = open_page()
    page.evaluate("() => addEventListener('drop', (event) => (window.left = !event.defaultPrevented))")
    page.evaluate(GIVE_FILE, [base64.b64encode(photo(5)).decode(), "drop", ".answer"])
    assert page.evaluate("window.left") is False
    assert ink(page) == 0


def test_a_photo_without_a_digit_is_said_to_have_none(open_page: Open) -> None:
    page = open_page()
    file = io.BytesIO()
    Image.new("RGB", (300, 200), (205, 200, 190)).save(file, "JPEG")
    page.locator("[name=photo]").set_input_files(
        {"name": "paper.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    expect(page.locator(".verdict")).to_have_text("No digit found in this photo: crop closer, avoid shadows.")
    page.keyboard.press("Delete")
    expect(page.locator(".verdict")).to_have_text("Draw a digit, or take an example.")


def test_a_file_that_is_no_picture_is_said_to_be_none(open_page: Open) -> None:
    page = open_page()
    page.locator("[name=photo]").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no"})
    expect(page.locator(".verdict")).to_have_text("notes.txt is not a picture that the browser can read.")


# ---- make them disagree


def always_disagree(route: Route) -> None:
    answer = route.fetch()
    data = answer.json()
    if not data["blank"]:
        data["ce"]["digit"] = (data["cam"]["digit"] + 1) % 10
    route.fulfill(response=answer, json=data)


def test_disagreements_are_counted_kept_and_opened_again(open_page: Open) -> None:
    page = open_page(by_server=True)
    expect(page.locator(".count-found")).to_have_text("None found yet.")
    page.route("**/component_server/", always_disagree)
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
def test_whatever_lies_in_the_storage_the_page_begins(open_page: Open, kept: str) -> None:
    page = open_page()
    page.evaluate("(kept) => localStorage.setItem('camloss-found', kept)", kept)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    expect(page.locator(".count-found")).to_have_text("None found yet.")


def test_a_link_brings_the_disturbance_along(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    draw(page, example(6))
    put_in_the_way(page, "clutter", 70)
    page.get_by_role("button", name="Another").click()
    answer = settled(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    other = open_page("#" + page.url.partition("#")[2])
    assert asked_again(other) == answer
    expect(other.locator("[name=corruption]")).to_have_value("clutter")


@pytest.mark.parametrize("added", ["noise", "noise-101-0", "toString-50-0", "clutter-50-1e9", "-50-0"])
def test_a_disturbance_that_no_link_holds_is_none(open_page: Open, added: str) -> None:
    page = open_page(f"#draw=&added={added}")
    expect(page.locator("[name=corruption]")).to_have_value("")
    assert show_example(page, 3)["is_corrupted"] is False


SHARING = """() => {
    navigator.canShare = ({ files }) => files.length === 1 && files[0].type === "image/png";
    navigator.share = async ({ files, title, text, url }) => {
        window.shared = { title, text, url, size: files[0].size };
        if (window.refuse) throw new DOMException("no", "AbortError");
    };
}"""


def test_a_phone_shares_picture_sentence_and_link(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Share")).to_have_count(0)  # where a browser hands nothing on
    page.context.add_init_script(f"({SHARING})()")
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    share = page.get_by_role("button", name="Share")
    expect(share).to_be_disabled()
    draw(page, example(6))
    settled(page)
    for refuse in (False, True):
        page.evaluate(f"window.refuse = {str(refuse).lower()}; window.shared = null")
        share.click()
        page.wait_for_function("window.shared")
        shared = page.evaluate("window.shared")
        assert shared["title"] == page.title()
        assert shared["text"] == page.locator(".verdict").inner_text()
        assert shared["url"] == page.url
        assert "#draw=" in shared["url"]
        assert shared["size"] > 10_000


# ---- take away


def test_picture_and_json_can_be_saved(open_page: Open) -> None:
    page = open_page()
    for name in ("Save picture", "Save JSON", "Copy link"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    show_example(page, 4)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save picture").click()
    assert saved.value.suggested_filename == "camloss.png"
    assert Image.open(saved.value.path()).format == "PNG"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save JSON").click()
    data = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert data["strokes"] == example(4)
    assert data["cam"]["probs"] == answer["cam"]["probs"]
    saved_map = torch.tensor(data["ce"]["contrast"]).flatten()
    torch.testing.assert_close(saved_map, numbers(answer["ce"]["contrast"], -1), atol=6e-4, rtol=0)
    assert torch.tensor(data["seen"]).shape == (28, 28)


NOTE_TEXTS = """() => {
    window.texts = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        window.texts.push(text);
        return fillText.call(this, text, ...rest);
    };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_saved_picture_says_what_the_page_says(open_page: Open, page_server: PageServer, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.locator("[name=smooth]").uncheck()
    page.locator("[name=opacity]").fill("1")
    show_example(page, 9)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    page.evaluate(NOTE_TEXTS)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save picture").click()
    texts = page.evaluate("window.texts")
    picture = Image.open(saved.value.path()).convert("RGB")
    assert picture.size == (1200, 630)
    assert {page.title(), page_server.url, answer["source"]} <= set(texts)
    assert page.locator(".verdict").inner_text() in " ".join(texts)
    legend = page.locator(".legend [data-end]").all_text_contents()
    assert {legend[0], legend[2]} <= set(texts)
    palette = json.loads((WEB / "colours.json").read_text(encoding="utf-8"))["diverging"]
    table = [tuple(int(palette[6 * i + 2 * c : 6 * i + 2 * c + 2], 16) for c in range(3)) for i in range(256)]
    for number, variant in enumerate(VARIANTS):
        column = page.locator(f"[data-variant={variant}]")
        title, digit, confidence = (column.locator(place).inner_text() for place in ("h2", ".digit", ".confidence"))
        assert confidence == ">99.9%"
        assert texts.count(confidence) == 2
        area, energy = column.locator("dd").all_text_contents()
        assert {f"{title}: {digit}", f"{area} of the square, {energy} of it on the ink"} <= set(texts)
        assert texts.count("Evidence for 4 rather than 9") == 2
        # A cell beside the ink has the colour of its value.
        x, y = 40 + (number + 1) * 388 + round(344 * 8.5 / 14), 196 + round(344 * 1.5 / 14)
        painted = picture.getpixel((x, y))
        assert isinstance(painted, tuple)
        truth = table[base64.b64decode(answer[variant]["contrast"])[14 * 1 + 8]]
        assert max(abs(a - b) for a, b in zip(painted, truth, strict=True)) <= 3
    assert picture.getpixel((5, 5)) == (247, 246, 242)  # the page's ground, in the dark as well


def test_a_link_with_too_many_points_is_refused_in_one_line(open_page: Open) -> None:
    strokes = base64.b64encode(b"\x41" + bytes([0xC0, 0x9A, 0x0C]) + b"\x01" * 400_000).decode().rstrip("=")
    page = open_page(f"#draw={strokes}")  # a stroke of 200,000 points
    expect(page.locator(".verdict")).to_contain_text("more than 20,000 points is too long for a link")
    assert ink(page) == 0
    draw(page, example(1))
    assert settled(page)["cam"]["digit"] == 1


def test_a_link_reproduces_drawing_and_question(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    draw(page, example(6))
    page.locator("[name=class]").select_option("6")
    page.locator("[name=other]").select_option("0")
    answer = settled(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert len(link) < 2000
    other = open_page("#" + link.partition("#")[2])
    assert asked_again(other) == answer


def test_later_work_wins_over_the_link_that_was_opened(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    draw(page, example(6))
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "#draw=" in page.url
    page.keyboard.press("Delete")
    draw(page, example(1))
    assert "#draw=" not in page.url
    page.reload()
    page.wait_for_function("document.querySelector('[data-ready]')?.answer")
    assert settled(page)["cam"]["digit"] == 1


def test_a_broken_link_gives_a_blank_pad(open_page: Open, page_server: PageServer) -> None:
    page = open_page("#draw=")
    for broken in ("%00", "____", "gICAgICAgICAgICAgICA", "AQ", "AQEB&class=12"):
        page.goto("about:blank")
        page.goto(f"{page_server.url}#draw={broken}")
        page.wait_for_selector("[data-ready]", state="attached")
        assert ink(page) == 0
        assert page.locator("[name=class]").input_value() == ""
    draw(page, example(1))
    assert settled(page)["cam"]["digit"] == 1


# ---- how it works


def test_how_it_works_on_ones_own_drawing(open_page: Open) -> None:
    page = open_page()
    draw(page, example(2))
    settled(page)
    said = page.locator(".verdict").inner_text()
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_have_text("Evidence for 2.")
    expect(page.locator(".told")).to_have_text(said)
    expect(page.locator(".count output")).to_have_text(re.compile(r"^(\d+) of \1$"))
    for name in ("caam", "cam", "difference"):
        expect(page.locator(f"[data-show={name}] h3")).to_have_text(["Cross-entropy", "CAM-loss"])
        for number in (0, 1):
            assert ink(page, f"[data-show={name}] .twin:nth-child({number + 1}) canvas") > 10_000
    apart = page.locator("[data-show=difference] .twin > p")
    ends = apart.all_text_contents()
    distances = [float(end.removesuffix("% apart")) for end in ends]
    assert distances[1] < distances[0]  # what CAM-loss was trained for
    page.locator("[name=step]").fill("0")
    expect(page.locator(".count output")).to_have_text(re.compile("^1 of "))
    expect(page.locator(".channels .added")).to_have_count(2)  # one of each
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".channels .added")).to_have_count(8, timeout=5000)
    expect(apart).to_have_text(ends, timeout=10_000)


@pytest.fixture
def pair_on_its_way(tmp_path: Path) -> Iterator[PageServer]:
    """A page with a pair that has snapshots, of networks that have learnt nothing."""
    folder = write_snapshots(write_pair(tmp_path / "pair"))
    server = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(folder))
    yield server
    server.kill()


def test_the_epochs_of_the_training_on_ones_own_drawing(open_page: Open, pair_on_its_way: PageServer) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(server=pair_on_its_way, reduced_motion="reduce")
    name = page.request.get(f"{pair_on_its_way.url}web/weights").json()["snapshots"]["file"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    final = show_example(page, 2)
    assert not [url for url in asked if name in url]
    page.get_by_role("tab", name="How it works").click()
    section = page.locator(".epochs")
    expect(section).to_be_visible()
    assert len([url for url in asked if name in url]) == 1
    expect(section.locator("output")).to_have_text("epoch 2 of 2")
    expect(section.locator(".since")).to_have_text("By now one of them has CAM-loss to obey as well.")
    expect(section.locator("[data-number=accuracy]")).to_have_text(["99.0%", "99.0%"])
    kept = load_for_page(pair_on_its_way.environment["CAMLOSS_CHECKPOINTS"]).snapshots
    sketch = write_strokes(inference.open_strokes(example(2)))
    assert sketch is not None

    def painted() -> set[str]:
        urls = section.locator("canvas").evaluate_all("(canvases) => canvases.map((canvas) => canvas.toDataURL())")
        return set(urls)

    def told() -> list[int]:
        numbers = section.locator("[data-number=area], [data-number=agreement]").all_text_contents()
        return [int(re.sub(r"% (of the square|alike)$", "", number)) for number in numbers]

    def truth(snapshot: Snapshot) -> list[float]:
        shares = []
        for variant in VARIANTS:
            seen = explain(snapshot.models[variant], sketch.pixels, class_idx=final[variant]["digit"])
            shares += [hot_part(seen.cam[0], sketch.pixels[0, 0]).area, 1 - float(seen.distance)]
        return [100 * share for share in shares]

    assert told() == pytest.approx(truth(kept[1]), abs=0.7)
    later = painted()
    assert len(later) == 4
    section.get_by_role("slider", name="After").focus()
    page.keyboard.press("ArrowLeft")
    expect(section.locator("output")).to_have_text("epoch 1 of 2")
    expect(section.locator(".since")).to_have_text("Until here both have learnt from cross-entropy alone.")
    expect(section.locator("[data-number=accuracy]")).to_have_text(["97.0%", "97.0%"])
    assert told() == pytest.approx(truth(kept[0]), abs=0.7)
    assert truth(kept[0]) != pytest.approx(truth(kept[1]), abs=1.5)
    assert not painted() & later
    assert Axe().run(page).response["violations"] == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("fate", ["missing", "damaged"])
def test_without_the_file_the_page_goes_on_without_the_epochs(
    open_page: Open, pair_on_its_way: PageServer, fate: str
) -> None:
    page = open_page(server=pair_on_its_way, watched=False)
    name = page.request.get(f"{pair_on_its_way.url}web/weights").json()["snapshots"]["file"]
    page.route(
        f"**/web/weights/{name}", lambda route: route.fulfill(status=404 if fate == "missing" else 200, body="?")
    )
    draw(page, example(2))
    settled(page)
    with page.expect_response(f"**/web/weights/{name}"):
        page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_contain_text("Evidence for")
    page.wait_for_timeout(300)
    expect(page.locator(".epochs")).to_be_hidden()
    assert page.evaluate("import('/web/reader.js').then(({ reader }) => reader.ready)")


def test_a_pair_without_snapshots_has_no_epochs_to_show(open_page: Open, tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(write_pair(tmp_path / "pair")))
    try:
        page = open_page(server=server)
        page.get_by_role("tab", name="How it works").click()
        expect(page.locator(".note")).to_contain_text("An example, until you draw one.")
        expect(page.locator(".alike")).to_have_text([re.compile(r"^They correlate at -?[01]\.\d\d\.$")] * 2)
        expect(page.locator(".epochs")).to_be_hidden()
    finally:
        server.kill()


def test_the_equations_are_folded_and_typeset(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".katex").first).to_be_hidden()
    page.get_by_text("The equations").click()
    expect(page.locator(".katex").first).to_be_visible()
    assert page.locator(".katex-error").count() == 0
    assert "$" not in page.locator("#how").inner_text()


def test_the_results_are_a_tab_where_they_have_been_written(open_page: Open) -> None:
    page = open_page()
    tab = page.get_by_role("tab", name="Results")
    if not (ROOT / "docs" / "results.md").exists():
        expect(tab).to_have_count(0)
        return
    tab.click()
    expect(page.locator(".prose h1")).to_be_visible()
    for figure in page.locator(".prose img").all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("(image) => image.complete", arg=figure.element_handle())
        assert figure.evaluate("(image) => image.naturalWidth") > 100


# ---- use via API


def test_the_panel_of_the_api_says_what_the_function_says(open_page: Open, page_server: PageServer) -> None:
    page = open_page(watched=False)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.location["url"]) if message.type == "error" else None)
    with urllib.request.urlopen(f"{page_server.url}gradio_api/info", timeout=30) as answer:
        info = json.load(answer)["named_endpoints"]["/explain"]
    for _ in range(2):  # it is made anew each time
        page.get_by_role("button", name="Use via API").click()
        said = [info["description"], *(value["python_type"]["description"] for value in info["parameters"])]
        expect(page.locator(".api-docs .desc")).to_have_text([*said, info["returns"][0]["python_type"]["description"]])
        ways = page.locator(".api-docs .snippet:visible")
        assert [way.strip() for way in ways.all_inner_texts()] == ["Python", "JavaScript", "CLI", "cURL"]
        ways.get_by_text("cURL").click()
        expect(page.locator(".api-docs .desc").nth(1)).to_have_text(said[1])
        assert "MCP" not in page.locator(".api-docs").inner_text()
        page.locator(".api-docs .banner-wrap button").last.click()
        expect(page.locator(".api-docs")).to_have_count(0)
    asked = {f"{page_server.url}{path}" for path in ("monitoring/summary", "gradio_api/mcp/schema")}
    assert set(complaints) <= asked  # of gradio's own, to learn that there is neither


# ---- for everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_no_violation(open_page: Open, scheme: str, device: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(color_scheme=scheme, **(PHONE if device == "phone" else {}))
    violations = []

    def check() -> None:
        for violation in Axe().run(page).response["violations"]:
            nodes = [node["html"] for node in violation["nodes"]]
            violations.append((violation["impact"], violation["id"], nodes[:3]))

    expect(page.get_by_text("Loading...")).to_have_count(0)  # gradio's own, until the page stands
    check()
    page.evaluate("document.querySelectorAll('.examples button')[9].click()")
    settled(page)
    check()
    draw(page, example(8))
    put_in_the_way(page, "field")
    expect(page.locator(".finds button").first).to_be_attached()  # they disagree about it
    page.locator("[name=erase]").fill("20")
    settled(page)
    expect(page.locator(".losses")).to_be_visible()
    check()
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(300)  # until its maps are there
        check()
    assert violations == []


def test_dark_mode_is_dark(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    draw(page, example(8))
    assert settled(page)["cam"]["digit"] == 8  # light ink on dark paper reads the same
    shades = page.evaluate(
        """() => ["body", ".paper", ".pad"].map((selector) => {
            const style = getComputedStyle(document.querySelector(selector));
            return (selector === ".pad" ? style.color : style.backgroundColor).match(/[0-9]+/g).slice(0, 3).map(Number);
        })"""
    )
    ground, paper, pen = (sum(shade) / 3 for shade in shades)
    assert ground < 60
    assert paper < 60
    assert pen > 200
