"""The part of benchmark.py that measures the page: each function returns rows of its table."""

import asyncio
import base64
import concurrent.futures
import http.client
import io
import json
import statistics
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from _page import APP, box_of, chromium_page, page
from _root import ROOT
from benchmark_step import Row

if TYPE_CHECKING:
    from playwright.async_api import FloatRect, Page

STROKES = 30
MOVES = 30  # of a stroke
CALLERS, SECONDS = 16, 10.0


def drawing_png() -> str:
    """A drawn 4 as the pad sends it, in base64."""
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (128, 128))
    pen = ImageDraw.Draw(image)
    for line in ([(50, 26), (38, 70), (88, 68)], [(76, 30), (70, 102)]):
        pen.line(line, fill="black", width=8, joint="curve")
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def server() -> list[Row]:
    """One drawing, both models, all maps and scores, without the network."""
    from camloss.demo import inference
    from camloss.demo.pairs import load_for_page

    pair, picture = load_for_page(ROOT / "checkpoints"), drawing_png()
    times = []
    for _ in range(220):
        start = time.perf_counter()
        inference.answer(pair, picture, encode=inference.as_bytes)
        times.append(time.perf_counter() - start)
    return [("server time of one drawing, median", f"{milliseconds(times[20:])} ms", "8 ms")]


def callers() -> list[Row]:
    """Raw callers on loopback, each with a connection of its own, all at once."""
    with page() as url:
        host = url.removeprefix("http://").rstrip("/")
        component = find_component(url, "answer")
        question = {"picture": drawing_png(), "class_idx": None, "other_idx": None}
        body = json.dumps(
            {"data": question, "component_id": component, "fn_name": "answer", "session_hash": "benchmark"}
        )
        end = time.perf_counter() + SECONDS

        def call() -> list[float]:
            connection = http.client.HTTPConnection(host)
            times = []
            while time.perf_counter() < end:
                start = time.perf_counter()
                connection.request("POST", "/gradio_api/component_server/", body, {"Content-Type": "application/json"})
                answer = json.loads(connection.getresponse().read())
                if answer.get("blank") is not False:
                    raise RuntimeError(f"the page did not answer: {answer}")
                times.append(time.perf_counter() - start)
            return times

        with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
            times = sorted(t for future in [pool.submit(call) for _ in range(CALLERS)] for t in future.result())
    return [
        (f"{CALLERS} raw callers, drawings a second", f"{len(times) / SECONDS:.0f}", "at least 100"),
        (f"{CALLERS} raw callers, 95th percentile", f"{1000 * times[int(0.95 * len(times))]:.0f} ms", "250 ms"),
    ]


def browser() -> list[Row]:
    """Real strokes in Chromium on our page, and on one made of `gr.Sketchpad` and `gr.Image` with the same models."""
    with page() as url:
        ours, per_second = asyncio.run(strokes_on_our_page(url))
    with script(COMPARISON) as path, page([sys.executable, path]) as url:
        theirs = asyncio.run(strokes_on_comparison_page(url))
    ratio = statistics.median(theirs) / max(statistics.median(ours), 0.001)  # painted before pen-up counts as 1 ms
    return [
        (f"pen-up to four maps painted, median of {len(ours)} strokes", f"{milliseconds(ours)} ms", "20 ms"),
        (f"the same with gr.Sketchpad and gr.Image, {len(theirs)} strokes", f"{milliseconds(theirs)} ms", ""),
        ("gr.Sketchpad over ours", f"{ratio:.0f}x", "at least 30x"),
        ("updates a second while drawing", f"{statistics.median(per_second):.0f}", "at least 30"),
    ]


def start() -> list[Row]:
    """From `python app.py` to the first 200, and the same for a bare page with the same two imports."""
    ours: list[float] = []
    bare: list[float] = []
    with script(BARE) as path:
        for _ in range(3):  # in turns, so that both see the same machine
            for command, times in (([sys.executable, path], bare), (APP, ours)):
                begin = time.perf_counter()
                with page(command):
                    times.append(time.perf_counter() - begin)
    ratio = statistics.median(ours) / statistics.median(bare)
    return [
        ("python app.py to the first 200, median of 3", f"{statistics.median(ours):.2f} s", ""),
        ("a bare page that imports gradio and torch", f"{statistics.median(bare):.2f} s", ""),
        ("app.py over bare", f"{ratio:.2f}x", "1.3x"),
    ]


BARE = """
    import gradio as gr
    import torch

    with gr.Blocks(analytics_enabled=False) as demo:
        gr.HTML("")
    demo.launch()
"""

COMPARISON = """
    import gradio as gr
    import torch
    from matplotlib import colormaps

    from camloss import explain, preprocess_sketch
    from camloss.demo.pairs import load_for_page

    MODELS = load_for_page("checkpoints")

    def answer(sketch):
        torch.set_num_threads(1)
        x = None if sketch is None else preprocess_sketch(sketch["composite"])
        if x is None:
            return [None] * 4
        seen = [explain(model, x) for model in MODELS.models.values()]
        maps = [m[0].numpy() for explanation in seen for m in (explanation.cam, explanation.caam)]
        return [(colormaps["cividis"](m)[:, :, :3] * 255).astype("uint8") for m in maps]

    with gr.Blocks(analytics_enabled=False) as demo:
        pad = gr.Sketchpad(type="pil", canvas_size=(400, 400), brush=gr.Brush(default_size=20), layers=False)
        maps = [gr.Image(width=150, height=150) for _ in range(4)]
        pad.change(answer, pad, maps, show_progress="hidden")
    demo.launch(run_history=False)
"""

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
WATCH_IMAGES = """() => {
    window.ups = []; window.loads = [];
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    const note = (event) => event.target.tagName === "IMG" && window.loads.push(performance.now());
    document.addEventListener("load", note, true);
}"""


async def strokes_on_our_page(url: str) -> tuple[list[float], list[float]]:
    """Seconds from each pen-up to the last map of the finished drawing, and updates a second during each stroke."""
    strokes = []
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(WATCH)
        for number in range(STROKES):
            strokes.append(await timed_stroke(tab, number))
            if number % 3 == 2:
                await clear(tab)
    return [stroke.painted for stroke in strokes], [stroke.rate for stroke in strokes]


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


async def strokes_on_comparison_page(url: str) -> list[float]:
    times = []
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("canvas")
        await tab.wait_for_timeout(2000)
        await tab.locator("button[aria-label='Brush']").first.click()
        await tab.evaluate(WATCH_IMAGES)
        for number in range(6):
            before = await tab.evaluate("window.loads.length")
            await draw_stroke(tab, middle_square(await box_of(tab, "canvas")), number)
            await tab.wait_for_function(
                f"window.loads.length > {before} && performance.now() - window.loads.at(-1) > 1500"
            )
            times.append(await tab.evaluate("window.loads.at(-1) - window.ups.at(-1)") / 1000)
    return times


def middle_square(box: "FloatRect") -> "FloatRect":
    """The sheet on the Sketchpad's wide desk."""
    side = 0.75 * box["height"]
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return {"x": left, "y": top, "width": side, "height": side}


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


@contextmanager
def script(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.py")
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        yield str(path)


def find_component(url: str, function: str) -> int:
    with urllib.request.urlopen(f"{url}config") as answer:
        components = json.load(answer)["components"]
    return next(int(c["id"]) for c in components if function in c["props"].get("server_fns", []))


def milliseconds(times: list[float]) -> str:
    return f"{1000 * statistics.median(times):.1f}"
