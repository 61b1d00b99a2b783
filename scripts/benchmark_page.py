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
from pathlib import Path
from typing import TYPE_CHECKING

from _checkout import ROOT
from _page import APP, box_of, chromium_page, page
from benchmark_training import Row

if TYPE_CHECKING:
    from playwright.async_api import FloatRect, Page

STROKES = 30
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
    from camloss.page import serve
    from camloss.page.pairs import load_for_page

    twins, picture = load_for_page(ROOT / "checkpoints"), drawing_png()
    times = []
    for _ in range(220):
        start = time.perf_counter()
        serve.answer(twins, picture, encode=serve.as_bytes)
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
    from camloss.page.pairs import load_for_page

    TWINS = load_for_page("checkpoints")

    def answer(sketch):
        torch.set_num_threads(1)
        x = None if sketch is None else preprocess_sketch(sketch["composite"])
        if x is None:
            return [None] * 4
        seen = [explain(model, x) for model in TWINS.models.values()]
        maps = [m[0].numpy() for explanation in seen for m in (explanation.cam, explanation.caam)]
        return [(colormaps["cividis"](m)[:, :, :3] * 255).astype("uint8") for m in maps]

    with gr.Blocks(analytics_enabled=False) as demo:
        pad = gr.Sketchpad(type="pil", canvas_size=(400, 400), brush=gr.Brush(default_size=20), layers=False)
        maps = [gr.Image(width=150, height=150) for _ in range(4)]
        pad.change(answer, pad, maps, show_progress="hidden")
    demo.launch(run_history=False)
"""

# Times in the page's own clock: pen-down, pen-up, and each moment that the last of the four maps has been painted.
WATCH = """() => {
    window.downs = []; window.ups = []; window.paints = [];
    document.addEventListener("pointerdown", () => window.downs.push(performance.now()), true);
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    document.addEventListener("camloss", () => window.paints.push(performance.now()));
}"""
SETTLED = "() => document.querySelector('.answer').ariaBusy === 'false' && window.paints.at(-1) > 0"
STROKE = "[window.downs.at(-1), window.ups.at(-1), window.paints]"
WATCH_IMAGES = """() => {
    window.ups = []; window.loads = [];
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    const note = (event) => event.target.tagName === "IMG" && window.loads.push(performance.now());
    document.addEventListener("load", note, true);
}"""


async def strokes_on_our_page(url: str) -> tuple[list[float], list[float]]:
    """Seconds from each pen-up to the last map of the finished drawing, and updates a second during each stroke."""
    times, per_second = [], []
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(WATCH)
        for number in range(STROKES):
            await draw_stroke(tab, await box_of(tab, ".pad"), number)
            await tab.wait_for_function(SETTLED)
            down, up, paints = await tab.evaluate(STROKE)
            times.append(max(0.0, paints[-1] - up) / 1000)
            per_second.append(1000 * sum(down < paint <= up for paint in paints) / (up - down))
            if number % 3 == 2:
                await tab.locator("[data-do=clear]").click()
                await tab.wait_for_function(SETTLED)
    return times, per_second


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


async def draw_stroke(tab: "Page", box: "FloatRect", number: int) -> None:
    """A slanted line of 30 moves at the pace of a mouse, another one for each number.

    Moves are sent without waiting for Chromium's receipts, which come a frame later: a hand does not wait either.
    """
    session = await tab.context.new_cdp_session(tab)
    sent = []

    def send(kind: str, x: float, y: float, pressed: int) -> None:
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": pressed, "clickCount": 1}
        sent.append(asyncio.create_task(session.send("Input.dispatchMouseEvent", event)))

    x, y = box["x"] + box["width"] * (0.2 + 0.6 * (7 * number % STROKES) / STROKES), box["y"] + box["height"] * 0.25
    send("mouseMoved", x, y, 0)
    send("mousePressed", x, y, 1)
    for step in range(30):
        send("mouseMoved", x + step * (1 - number % 3), y + step * box["height"] / 70, 1)
        await asyncio.sleep(0.008)
    send("mouseReleased", x + 29 * (1 - number % 3), y + 29 * box["height"] / 70, 0)
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
