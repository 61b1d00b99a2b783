"""What the browser tests do on the page: draw, wait for the answer, look."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from page_server import EXAMPLES, WEB
from PIL import Image, ImageDraw
from playwright.sync_api import Page, ViewportSize, expect
from torch.nn import functional as F

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
VARIANTS = ("ce", "cam")
DASH = "\N{EN DASH}"
OPENING = json.loads((WEB / "opening.json").read_text(encoding="utf-8"))
FIRST_DIGIT = EXAMPLES[OPENING["example"]]["label"]  # that draws itself
Open = Callable[..., Page]
Stroke = dict[str, Any]


def settle_in(page: Page) -> None:
    page.evaluate("for (const fold of document.querySelectorAll('.board details')) fold.open = true")
    if page.locator(".previewed").count():
        page.keyboard.press("Delete")
        settled(page)


def wait_for_networks(page: Page) -> None:
    for _ in range(1200):
        if page.evaluate("import('/web/reader.js').then(({ reader }) => reader.ready)"):
            return
        page.wait_for_timeout(50)
    pytest.fail("the weights did not come")


def on_screen(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    """Every third point of a stroke, on the screen."""
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    assert box is not None
    points = list(zip(stroke["points"][::2], stroke["points"][1::2], strict=True))
    return [
        (box["x"] + x / 1000 * box["width"], box["y"] + y / 1000 * box["height"]) for x, y in [*points[::3], points[-1]]
    ]


def draw(page: Page, strokes: list[Stroke]) -> None:
    """With the mouse."""
    for stroke in strokes:
        press_and_move(page, stroke)
        page.mouse.up()


def press_and_move(page: Page, stroke: Stroke) -> None:
    first, *others = on_screen(page, stroke)
    page.mouse.move(*first)
    page.mouse.down()
    for position in others:
        page.mouse.move(*position)


def touch(page: Page, strokes: list[Stroke]) -> None:
    """With a finger."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, points: list[tuple[float, float]]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for stroke in strokes:
        first, *others = on_screen(page, stroke)
        send("touchStart", [first])
        for position in others:
            send("touchMove", [position])
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
    expect(page.locator(".verdict")).to_have_text(f"Both read {digit}.")


def numbers(text: str, low: float = 0.0) -> torch.Tensor:
    return low + torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8) / 254 * (1 - low)


def where(page: Page) -> str:
    return page.locator(".source").inner_text().partition("computed ")[2]


def corrupt(page: Page, kind: str, strength: int | None = None) -> Any:
    """By default as the study does it."""
    page.locator("[name=corruption]").select_option(kind)
    if strength is not None:
        page.locator("[name=strength]").fill(str(strength))
    return settled(page)


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


def area_above_half(evidence: torch.Tensor, side: int) -> float:
    """The share of side x side pixels on which a map (h, w), upsampled to them, reaches half of its maximum."""
    upsampled = F.interpolate(evidence[None, None].double(), (side, side), mode="bilinear")
    return float(((upsampled > 0) & (upsampled >= evidence.max() / 2)).double().mean())


def follow(page: Page, link: str) -> None:
    """What a link holds is taken from the address, as when the page is opened by it."""
    page.evaluate(
        "(link) => new Promise((done) => { addEventListener('hashchange', done); location.hash = link; })", link
    )
