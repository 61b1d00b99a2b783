"""Measure the speed of training and of the page: python scripts/benchmark.py [--only NAME ...]

Each measurement is a function that returns rows of the table; ratios are taken within one run.
"""

import base64
import concurrent.futures
import http.client
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import benchmark_training
from _checkout import ROOT
from _page import APP, chromium_page, page
from benchmark_training import Row

from camloss import cli

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
    from camloss import serve
    from camloss.hub import bundled_twins

    twins, picture = bundled_twins(ROOT / "checkpoints"), drawing_png()
    times = []
    for _ in range(220):
        start = time.perf_counter()
        serve.look(twins, picture, encode=serve.as_bytes)
        times.append(time.perf_counter() - start)
    return [("server time of one drawing, median", f"{milliseconds(times[20:])} ms", "8 ms")]


def callers() -> list[Row]:
    """Raw callers on loopback, each with a connection of its own, all at once."""
    with page() as url:
        host = url.removeprefix("http://").rstrip("/")
        component = find_component(url, "look")
        question = {"picture": drawing_png(), "class_idx": None, "other_idx": None}
        body = json.dumps({"data": question, "component_id": component, "fn_name": "look", "session_hash": "benchmark"})
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
    with page() as url, chromium_page(url) as tab:
        tab.wait_for_selector("[data-ready]", state="attached")
        ours, per_second = strokes_on_our_page(tab)
    with script(COMPARISON) as path, page([sys.executable, path]) as url, chromium_page(url) as tab:
        theirs = strokes_on_comparison_page(tab)
    ratio = statistics.median(theirs) / statistics.median(ours)
    return [
        (f"pen-up to four maps painted, median of {len(ours)} strokes", f"{milliseconds(ours)} ms", "20 ms"),
        (f"the same with gr.Sketchpad and gr.Image, {len(theirs)} strokes", f"{milliseconds(theirs)} ms", ""),
        ("gr.Sketchpad over ours", f"{ratio:.0f}x", "at least 30x"),
        ("updates a second while drawing", f"{per_second:.0f}", "at least 30"),
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


MEASUREMENTS: dict[str, Callable[[], list[Row]]] = {
    "step": benchmark_training.step,
    "training": benchmark_training.accuracy_in_time,
    "sketch": benchmark_training.sketch,
    "server": server,
    "callers": callers,
    "browser": browser,
    "start": start,
}

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
    from camloss.hub import bundled_twins

    TWINS = bundled_twins("checkpoints")

    def answer(sketch):
        torch.set_num_threads(1)
        x = None if sketch is None else preprocess_sketch(sketch["composite"])
        if x is None:
            return [None] * 4
        seen = [explain(model, x) for model in (TWINS.ce, TWINS.cam)]
        maps = [m[0].numpy() for explanation in seen for m in (explanation.cam, explanation.caam)]
        return [(colormaps["cividis"](m)[:, :, :3] * 255).astype("uint8") for m in maps]

    with gr.Blocks(analytics_enabled=False) as demo:
        pad = gr.Sketchpad(type="pil", canvas_size=(400, 400), brush=gr.Brush(default_size=20), layers=False)
        maps = [gr.Image(width=150, height=150) for _ in range(4)]
        pad.change(answer, pad, maps, show_progress="hidden")
    demo.launch(run_history=False)
"""

# Times in the page's own clock: pen-up, and the moment that the last of the four maps has been painted.
WATCH = """() => {
    const element = document.querySelector("[data-ready]");
    window.ups = []; window.paints = [];
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    document.addEventListener("camloss", () => window.paints.push(performance.now()));
}"""
SETTLED = "() => document.querySelector('.answer').ariaBusy === 'false' && window.paints.at(-1) > 0"
WATCH_IMAGES = """() => {
    window.ups = []; window.loads = [];
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    const note = (event) => event.target.tagName === "IMG" && window.loads.push(performance.now());
    document.addEventListener("load", note, true);
}"""


def strokes_on_our_page(tab: Any) -> tuple[list[float], float]:
    tab.evaluate(WATCH)
    box = tab.locator(".pad").bounding_box()
    times, moving, updates = [], 0.0, 0
    for number in range(STROKES):
        before = tab.evaluate("window.paints.length")
        begin = time.perf_counter()
        draw_stroke(tab, box, number)
        moving += time.perf_counter() - begin
        updates += tab.evaluate("window.paints.length") - before
        tab.wait_for_function(SETTLED)
        times.append(tab.evaluate("window.paints.at(-1) - window.ups.at(-1)") / 1000)
        if number % 3 == 2:
            tab.locator("[data-do=clear]").click()
            tab.wait_for_function(SETTLED)
    return times, updates / moving


def strokes_on_comparison_page(tab: Any) -> list[float]:
    tab.wait_for_selector("canvas")
    tab.wait_for_timeout(2000)
    tab.locator("button[aria-label='Brush']").first.click()
    tab.evaluate(WATCH_IMAGES)
    times = []
    for number in range(6):
        box = middle_square(tab.locator("canvas").first.bounding_box())  # the sheet on the Sketchpad's wide desk
        before = tab.evaluate("window.loads.length")
        draw_stroke(tab, box, number)
        tab.wait_for_function(f"window.loads.length > {before} && performance.now() - window.loads.at(-1) > 1500")
        times.append(tab.evaluate("window.loads.at(-1) - window.ups.at(-1)") / 1000)
    return times


def middle_square(box: dict[str, float]) -> dict[str, float]:
    side = 0.75 * box["height"]
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return {"x": left, "y": top, "width": side, "height": side}


def draw_stroke(tab: Any, box: Any, number: int) -> None:
    """A slanted line of 30 moves at about the rate of a mouse, another one for each number."""
    x, y = box["x"] + box["width"] * (0.2 + 0.6 * (7 * number % STROKES) / STROKES), box["y"] + box["height"] * 0.25
    tab.mouse.move(x, y)
    tab.mouse.down()
    for step in range(30):
        tab.mouse.move(x + step * (1 - number % 3), y + step * box["height"] / 70)
        time.sleep(0.008)
    tab.mouse.up()


@contextmanager
def script(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.py")
        path.write_text(textwrap.dedent(text))
        yield str(path)


def find_component(url: str, function: str) -> int:
    with urllib.request.urlopen(f"{url}config") as answer:
        components = json.load(answer)["components"]
    return next(int(c["id"]) for c in components if function in c["props"].get("server_fns", []))


def milliseconds(times: list[float]) -> str:
    return f"{1000 * statistics.median(times):.1f}"


def hardware() -> str:
    import torch

    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {processor}, Python {platform.python_version()}, torch {torch.__version__}"


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), metavar="NAME")
    rows: list[Row] = []
    for name in parser.parse_args().only:
        print(f"{name} ...", file=sys.stderr)
        rows += MEASUREMENTS[name]()
    print(cli.table(["what", "measured", "target"], rows))
    print(f"\n{hardware()}")


if __name__ == "__main__":
    cli.run(main)
