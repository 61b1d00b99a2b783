"""The page as people use it: the real app in real Chromium."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from page_server import EXAMPLES, PageServer
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
VARIANTS = ("ce", "cam")

Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, page_server: PageServer) -> Iterator[Open]:
    """Opens the page in a fresh profile; afterwards fails on console errors and on requests to other hosts."""
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

    def open_page(path: str = "", server: PageServer = page_server, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        watch(page, server.url)
        page.goto(server.url + path)
        page.wait_for_selector("[data-ready]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def draw(page: Page, strokes: list[dict[str, Any]]) -> None:
    """With the mouse, as a hand does."""
    box = page.locator(".pad").bounding_box()
    assert box is not None
    for stroke in strokes:
        points = stroke["points"]
        places = [
            (box["x"] + x / 1000 * box["width"], box["y"] + y / 1000 * box["height"])
            for x, y in zip(points[::2], points[1::2], strict=True)
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in [*places[3::3], places[-1]]:
            page.mouse.move(*place)
        page.mouse.up()


def settled(page: Page) -> Any:
    """Wait until the newest drawing is answered, and give the answer."""
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")
    return page.evaluate("document.querySelector('[data-ready]').answer")


def example(digit: int) -> list[dict[str, Any]]:
    return next(example["strokes"] for example in EXAMPLES if example["label"] == digit)


def test_both_networks_read_each_digit_drawn(open_page: Open) -> None:
    page = open_page()
    for digit in range(10):
        draw(page, example(digit))
        answer = settled(page)
        for variant in VARIANTS:
            assert answer[variant]["digit"] == digit
            column = page.locator(f"[data-variant={variant}]")
            expect(column.locator(".digit")).to_have_text(str(digit))
        page.keyboard.press("Delete")
        assert settled(page) is None
