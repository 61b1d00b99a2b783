"""Strokes in Chromium, drawn at the pace of a mouse, and how fast a page answers them."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from _page import box_of, chromium_page

if TYPE_CHECKING:
    from playwright.async_api import FloatRect, Page

STROKES = 30  # of a measurement; as many starts are there
MOVES = 30  # of a stroke
OPENING = 2000  # ms until the opening example is drawn

READY = """new Promise((resolve) => {
    const look = async () => (await import("/web/reader.js")).reader.ready ? resolve(true) : setTimeout(look, 50);
    look();
})"""

# In the page's own clock: pen-down, pen-up, each moment that an answer's four maps are on their canvases, and each
# frame that shows a newer one.
WATCH = """() => {
    Object.assign(window, { downs: [], ups: [], answers: [], frames: [], isDue: false });
    document.addEventListener("pointerdown", () => window.downs.push(performance.now()), true);
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    document.addEventListener("camloss", () => {
        window.answers.push(performance.now());
        if (window.isDue) return;
        window.isDue = true;
        requestAnimationFrame(() => setTimeout(() => { // once that frame is painted
            window.isDue = false;
            window.frames.push(performance.now());
        }));
    });
}"""
SETTLED = """() => document.querySelector('.answer').ariaBusy === 'false' && window.frames.length && !window.isDue"""
STROKE = "[window.downs.at(-1), window.ups.at(-1), window.answers.at(-1), window.frames]"


@asynccontextmanager
async def ready_page(url: str) -> AsyncIterator["Page"]:
    """A tab with the networks in it, once the opening example is drawn."""
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(READY)
        await tab.evaluate(WATCH)
        await tab.wait_for_timeout(OPENING)
        yield tab


@dataclass(frozen=True)
class Timed:
    """How a stroke was answered."""

    drawn: float  # seconds from pen-up until the four maps of the whole stroke are on their canvases
    painted: float  # and until a frame has shown them
    rate: float  # frames a second with a newer answer, while the pen is down


async def timed_stroke(tab: "Page", number: int) -> Timed:
    await draw_stroke(tab, await box_of(tab, ".pad"), number)
    await tab.wait_for_function(SETTLED)
    _, up, answer, frames = await tab.evaluate(STROKE)
    return Timed(max(0.0, answer - up) / 1000, max(0.0, frames[-1] - up) / 1000, await frame_rate(tab))


async def frame_rate(tab: "Page") -> float:
    """Of the last stroke: frames a second that show a newer answer."""
    down, up, _, frames = await tab.evaluate(STROKE)
    return float(1000 * sum(down < frame <= up for frame in frames) / (up - down))


async def clear(tab: "Page") -> None:
    await tab.locator("[data-do=clear]").click()
    await tab.wait_for_function(SETTLED)


async def draw_stroke(tab: "Page", box: "FloatRect", number: int, moves: int = MOVES) -> None:
    """A slanted line at the pace of a mouse, another one for each number; the pen goes up as soon as it is at the end.

    Moves are sent without waiting for Chromium's receipts, which come a frame later: a hand does not wait either.
    """
    session = await tab.context.new_cdp_session(tab)
    sent = []

    def send(kind: str, share: float, pressed: int) -> None:
        x = box["x"] + box["width"] * (0.2 + 0.6 * (7 * number % STROKES) / STROKES + 0.07 * share * (1 - number % 3))
        y = box["y"] + box["height"] * (0.25 + 0.42 * share)
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": pressed, "clickCount": 1}
        sent.append(asyncio.create_task(session.send("Input.dispatchMouseEvent", event)))

    send("mouseMoved", 0, 0)
    send("mousePressed", 0, 1)
    for move in range(1, moves + 1):
        await asyncio.sleep(0.008)
        send("mouseMoved", move / moves, 1)
    send("mouseReleased", 1, 0)
    await asyncio.gather(*sent)
    await session.detach()


def painted(timed: Sequence[Timed]) -> list[float]:
    return [stroke.painted for stroke in timed]


def rate(timed: Sequence[Timed]) -> float:
    return statistics.median(stroke.rate for stroke in timed)
