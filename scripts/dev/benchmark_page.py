"""Measure what the demo's page takes.

    python scripts/dev/benchmark_page.py --only browser > docs/records/browser.md

    server      one drawing, both models, without the network
    callers     callers at once, each with a connection of its own
    worst-case  each worst-case request alone: seconds and memory
    attack      one visitor who draws, beside attackers who send them
    load        visitors who draw without a break
    memory      what requests of all kinds leave behind
    gradio      strokes on our page beside one of `gr.Sketchpad` and `gr.Image`
    start       from `python app.py` to the first answer
    browser     strokes answered by the networks in the visitor's browser, and what they and a visit cost
    brush       pen digits drawn with a fat brush, from strokes and from raster images; takes some ten minutes
    parity      all pen digits in Chromium beside Python

Each measurement is a function that returns rows of the table; ratios are taken within one run.
"""

import asyncio
import base64
import http.client
import io
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _root
import malicious_images
import torch
from _meter import Meter, Row, add_only, print_rows
from _page import APP, box_of, chromium_page, page, served
from _quota import confined
from _strokes import (
    READY,
    STROKES,
    WATCH,
    Timed,
    clear,
    draw_stroke,
    frame_rate,
    painted,
    rate,
    ready_page,
    timed_stroke,
)

from camloss import cli
from camloss.data.mnist import default_data_dir
from camloss.demo.inference import MAX_POINTS
from camloss.demo.request_guard import MAX_VALUES
from camloss.demo.safe_images import MAX_TEXT
from camloss.digits.pendigits import PenDigit, Stroke, read_unipen, render_strokes
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import PenStroke, Sketch, write_strokes
from camloss.errors import CamlossError
from camloss.explain import explain
from camloss.models import MapClassifier
from camloss.pair import Pair
from camloss.study.writers import DEV_WRITERS, read_digits

if TYPE_CHECKING:
    from playwright.async_api import FloatRect, Page, Request

ROOT = _root.ROOT
CALLERS, CALLING = 16, 10.0  # seconds
ATTACKERS, PEOPLE, SECONDS = 16, 64, 15.0
EACH = 8.0  # seconds with one kind of worst-case request
MIXED = 10_000  # requests, for the memory that they leave behind
TOLD = 0.7  # seconds after which the page's script says that the page is busy
COSTLY = (
    "4 megapixels",
    "the longest PNG",
    "60 scans",
    "16,384 Huffman",
    f"{MAX_POINTS:,} points",
    *malicious_images.COSTLY_DRAWINGS,
    *malicious_images.LARGEST_DRAWINGS,
    *malicious_images.BODIES,
)  # what the attackers send
REST = 5.0  # seconds until memory must have been given back
POST = ("POST", "/gradio_api/component_server/")
FOUR = [{"width": 60, "points": [390, 200, 300, 550, 690, 530]}, {"width": 60, "points": [590, 230, 550, 800]}]
LATENCY = 150  # ms
TRACED = 10  # strokes
TRACE = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
SOME = 6  # strokes
LONG = 150  # moves of a stroke that lasts a second and more
CANVAS_SIDE = 84  # pixels
FAT = (0.12, 0.25)  # widths of a brush, shares of the digit's box
BOX, SHEET = 200, 280  # pixels
EVERY = 5  # of the pen digits one is drawn with a fat brush
CHUNK = 500  # pen digits sent at once
BARE_CANVAS = """<canvas class="pad" width="400" height="400"></canvas><button data-do="clear">Clear</button>
<p class="answer" aria-busy="false"></p><script>
    const pen = document.querySelector("canvas").getContext("2d");
    let points = [];
    pen.lineWidth = 20;
    document.addEventListener("pointerdown", () => { points = []; });
    document.addEventListener("pointermove", (event) => { // comes once a frame
        if (event.buttons === 0) return;
        points.push([event.offsetX, event.offsetY]);
        pen.clearRect(0, 0, 400, 400);
        pen.beginPath();
        for (const place of points) pen.lineTo(...place);
        pen.stroke();
        document.dispatchEvent(new Event("camloss"));
    });
</script>"""
LOAD = """const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/map_statistics.js");
    const networks = document.querySelector("[name=networks]").value;
    const { file: name } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${name}`)).arrayBuffer(), kernel);"""
KERNEL = """async ({ side }) => {
    LOAD
    const pixels = Float32Array.from({ length: side * side }, (_, i) => (i * 7919 % 101) / 100);
    const question = { class_idx: null, other_idx: null };
    const time = (work) => Array.from({ length: 60 }, () => {
        const start = performance.now();
        for (const network of pair.values()) work(network);
        return performance.now() - start;
    }).slice(10).sort((a, b) => a - b)[25];
    return [
        time((network) => network.run(pixels, side, side)),
        time((network) => read(network, pixels, pixels, question)),
    ];
}""".replace("LOAD", LOAD)

ON_THE_SERVER = "() => document.querySelector('.source')?.textContent.includes('on the server')"
PAINTED_TILES = """() => [...document.querySelectorAll(".tile canvas")].filter((canvas) =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)).length"""

PARITY = """async (drawings) => {
    LOAD
    const { writeStrokes } = await import("/web/rasterize.js");
    const question = { class_idx: null, other_idx: null };
    return drawings.map(({ strokes, pixels }) => {
        const written = writeStrokes(strokes).pixels;
        const given = new Float32Array(Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0)).buffer);
        return {
            ink: Math.max(...written.map((value, i) => Math.abs(value - given[i]))),
            networks: Object.fromEntries([...pair].map(([variant, network]) => {
                const { reading, logits } = read(network, given, given, question);
                return [variant, { logits: [...logits], cam: reading.cam, caam: reading.caam, digit: reading.digit }];
            })),
        };
    });
}""".replace("LOAD", LOAD)
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

WATCH_IMAGES = """() => {
    window.ups = []; window.loads = [];
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    const note = (event) => event.target.tagName === "IMG" && window.loads.push(performance.now());
    document.addEventListener("load", note, true);
}"""


def main() -> None:
    parser = cli.Parser(__doc__)
    add_only(parser, MEASUREMENTS)
    print_rows({name: MEASUREMENTS[name] for name in parser.parse_args().only})


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
        end = time.perf_counter() + CALLING

        def call(_number: int) -> list[float]:
            person, times = Person(url), []
            body = person.body_of({"picture": drawing_png(), "class_idx": None, "other_idx": None})
            while time.perf_counter() < end:
                times.append(person.seconds_of(body))
            return times

        times = sorted(seconds for caller in at_once(call, CALLERS) for seconds in caller)
    return [
        (f"{CALLERS} raw callers, drawings a second", f"{len(times) / CALLING:.0f}", "at least 100"),
        (f"{CALLERS} raw callers, 95th percentile", f"{1000 * at(0.95, times):.0f} ms", "250 ms"),
    ]


def beside_gradio() -> list[Row]:
    """Real strokes in Chromium on our page, and on one made of `gr.Sketchpad` and `gr.Image` with the same models."""
    with page() as url:
        timed = asyncio.run(strokes_on_our_page(url))
    with script(COMPARISON) as path, page([sys.executable, path]) as url:
        theirs = asyncio.run(strokes_on_comparison_page(url))
    ours = painted(timed)
    ratio = statistics.median(theirs) / max(statistics.median(ours), 0.001)  # painted before pen-up counts as 1 ms
    return [
        (f"pen-up to four maps painted, median of {len(ours)} strokes", f"{milliseconds(ours)} ms", "20 ms"),
        (f"the same with gr.Sketchpad and gr.Image, {len(theirs)} strokes", f"{milliseconds(theirs)} ms", ""),
        ("gr.Sketchpad over ours", f"{ratio:.0f}x", "at least 30x"),
        ("updates a second while drawing", f"{rate(timed):.0f}", "at least 30"),
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


async def strokes_on_our_page(url: str) -> list[Timed]:
    strokes = []
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(WATCH)
        for number in range(STROKES):
            strokes.append(await timed_stroke(tab, number))
            if number % 3 == 2:
                await clear(tab)
    return strokes


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


@contextmanager
def script(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.py")
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        yield str(path)


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """What costs most to answer: every malicious image that may be sent, strokes, and mere length."""
    for name, make in malicious_images.PICTURES.items():
        text = malicious_images.text_of(make())
        if len(text) <= MAX_TEXT:
            yield name, {"picture": text}
    for name, make_question in {**malicious_images.COSTLY_DRAWINGS, **malicious_images.LARGEST_DRAWINGS}.items():
        yield name, make_question()
    yield f"{MAX_TEXT:,} characters that are no picture", {"picture": "A" * MAX_TEXT}
    yield (
        f"{MAX_POINTS:,} points",
        {"strokes": [{"width": 9, "points": [7919 * i % 1000 for i in range(2 * MAX_POINTS)]}]},
    )
    yield f"{MAX_VALUES // 2 - 50:,} strokes", {"strokes": [{}] * (MAX_VALUES // 2 - 50)}
    yield f"{MAX_VALUES - 50:,} lists", {"class_idx": [[]] * (MAX_VALUES // 2 - 50)}


def bodies(component: int) -> Iterator[tuple[str, bytes]]:
    """The same as bodies of requests, and those that cost much before a question is read from them."""
    for name, question in questions():
        yield name, body_of(question, component)
    for name, make in malicious_images.BODIES.items():
        yield name, make(component)


def worst_case() -> list[Row]:
    """Each worst-case request alone, on an idle page: seconds of one core, and memory above that of the idle page."""
    with served() as (url, pid):
        person = Person(url)
        for _ in range(3):
            person.send(person.body_of({"picture": drawing_png()}))
        meter = Meter(pid)
        idle = meter.megabytes()
        seconds, megabytes = {}, {}
        for name, body in bodies(person.component):
            cost = meter.measure(lambda sent=body: person.send(sent))  # type: ignore[misc]
            seconds[name], megabytes[name] = cost.seconds, meter.megabytes("VmHWM") - idle
        time.sleep(REST)
        kept = meter.megabytes() - idle
    slowest, largest = max(seconds, key=lambda name: seconds[name]), max(megabytes, key=lambda name: megabytes[name])
    return [
        (
            f"slowest of {len(seconds)} worst-case requests ({slowest})",
            f"{seconds[slowest]:.2f} s of one core",
            "0.5 s",
        ),
        (f"their largest memory, above idle ({largest})", f"{megabytes[largest]:.0f} MB", "150 MB"),
        (f"memory {REST:g} s after the last of them, above idle", f"{kept:.0f} MB", ""),
    ]


def attack() -> list[Row]:
    """One visitor draws, alone and then beside attackers who send a worst-case request as soon as one is answered."""
    with page() as url, ProcessPoolExecutor(1) as elsewhere:  # a process of its own: they must not slow down the clock
        alone = honest_drawer(url)
        among, answered, busy = drawer_among(elsewhere, url, COSTLY)
        each = {name: at(0.95, drawer_among(elsewhere, url, (name,), EACH)[0]) for name in COSTLY}
    return [
        ("answer to one visitor who draws, 95th percentile", f"{1000 * at(0.95, alone):.0f} ms", ""),
        (f"the same, beside {ATTACKERS} attackers who send all of them", f"{1000 * at(0.95, among):.0f} ms", "300 ms"),
        *((f"the same, where all send {name}", f"{1000 * value:.0f} ms", "300 ms") for name, value in each.items()),
        (f"requests of the attackers in {SECONDS:.0f} s: answered, refused as busy", f"{answered:,}, {busy:,}", ""),
    ]


def memory() -> list[Row]:
    """The memory that the page keeps after requests of all kinds, most of them invalid, no two the same."""
    with served() as (url, pid):
        person, meter = Person(url), Meter(pid)
        send_mixed(person, range(MIXED // 10))
        before = meter.megabytes()
        send_mixed(person, range(MIXED // 10, MIXED))
        time.sleep(REST)
        kept = meter.megabytes() - before
    return [(f"memory kept after {MIXED:,} mixed requests, above the first tenth of them", f"{kept:.0f} MB", "20 MB")]


def send_mixed(person: "Person", numbers: range) -> None:
    """One request for each number."""
    drawing = json.loads(person.body_of({"strokes": FOUR}))
    for number in numbers:
        session = f"s{number}"
        kinds: tuple[tuple[str, Any], ...] = (
            ("component_server/", {**drawing, "session_hash": session}),
            ("component_server/", {**drawing, "fn_name": session * 1_000}),
            ("component_server/", {**drawing, "data": {"picture": session * 1_000}}),
            ("component_server/", {**drawing, "data": {"strokes": [malicious_images.FETCH]}}),
            ("queue/join", {"data": [session * 1_000, number], "fn_index": 0, "session_hash": session}),
            ("queue/join", {"data": [malicious_images.FETCH], "fn_index": 0, "session_hash": session}),
            ("call/explain", {"data": [None, None, None, None, FOUR]}),
            ("call/explain", {"data": [session * 1_000]}),
            ("call/v2/explain", {session * 1_000: number}),
            ("call/v2/explain", {"strokes": FOUR, "class_idx": number % 10}),
        )
        path, question = kinds[number % len(kinds)]
        person.send(json.dumps(question).encode(), ("POST", f"/gradio_api/{path}"))


def load() -> list[Row]:
    """The load test: visitors who draw without a break, each asking the server as the page's script does."""
    with page() as url, ProcessPoolExecutor(1) as elsewhere:
        waits, errors, told = elsewhere.submit(people_at, url).result()
    return [
        (f"{PEOPLE} visitors who draw without a break: errors in {len(waits):,} answers", f"{errors}", "0"),
        (
            "answer to one of these visitors, median and 95th percentile",
            f"{statistics.median(waits):.2f}, {at(0.95, waits):.2f} s",
            "",
        ),
        (f"their answers over {TOLD} s, where the page says that it is busy", f"{told / len(waits):.0%}", ""),
    ]


def drawer_among(
    elsewhere: ProcessPoolExecutor, url: str, names: tuple[str, ...], seconds: float = SECONDS
) -> tuple[list[float], int, int]:
    """What `honest_drawer` gives while attackers send the requests of these names, and what `attackers_at` gives."""
    attackers = elsewhere.submit(attackers_at, url, names, seconds + 4.0)
    time.sleep(2.0)
    among = honest_drawer(url, seconds)
    return among, *attackers.result()


def honest_drawer(url: str, seconds: float = SECONDS) -> list[float]:
    """Seconds until each answer, for one who sends ten drawings a second.

    Raises:
        RuntimeError: one was not answered.
    """
    person, times = Person(url), []
    body = person.body_of({"picture": drawing_png()})
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        times.append(person.seconds_of(body))
        time.sleep(max(0.0, 0.1 - times[-1]))
    return sorted(times)


def attackers_at(url: str, names: tuple[str, ...], seconds: float) -> tuple[int, int]:
    """How many of their questions were answered or refused, and how many turned away because the page was busy."""
    costly = [body for name, body in bodies(find_component(url, "answer")) if name.startswith(names)]

    def one(number: int) -> list[bool]:
        person = Person(url)
        busy: list[bool] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            busy.append("busy" in person.send(costly[(number + len(busy)) % len(costly)]))
        return busy

    told = [busy for caller in at_once(one, ATTACKERS) for busy in caller]
    return told.count(False), told.count(True)


def people_at(url: str) -> tuple[list[float], int, int]:
    """Seconds until each answer, how many were errors, and during how many the page said that it is busy."""

    def one(number: int) -> list[tuple[float, bool, bool]]:
        person, answers, chance = Person(url), [], random.Random(number)
        body = person.body_of({"strokes": FOUR})
        end = time.perf_counter() + SECONDS
        while (start := time.perf_counter()) < end:
            delay, told = 0.25, False
            while "busy" in (answer := person.send(body)):  # as live.js waits
                told = True
                time.sleep(delay * (0.5 + chance.random()))
                delay = min(2 * delay, 2.0)
            seconds = time.perf_counter() - start
            answers.append((seconds, "error" in answer, told or seconds > TOLD))
        return answers

    seconds, errors, told = zip(*(answer for person in at_once(one, PEOPLE) for answer in person), strict=True)
    return sorted(seconds), sum(errors), sum(told)


def body_of(question: dict[str, Any], component: int) -> bytes:
    """A question as the page's script sends it."""
    named = {"data": question, "component_id": component, "fn_name": "answer", "session_hash": "benchmark"}
    return json.dumps(named).encode()


def at_once(work: Callable[[int], list[Any]], count: int) -> list[list[Any]]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def at(share: float, times: list[float]) -> float:
    """The quantile of sorted times."""
    return times[int(share * len(times))]


class Person:
    """One caller with a connection of its own, as the page's script calls."""

    def __init__(self, url: str) -> None:
        self.component = find_component(url, "answer")
        self._line = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)

    def body_of(self, question: dict[str, Any]) -> bytes:
        return body_of(question, self.component)

    def seconds_of(self, body: bytes) -> float:
        """Until the answer to a drawing.

        Raises:
            RuntimeError: it was not answered.
        """
        start = time.perf_counter()
        answer = self.send(body)
        if answer.get("blank") is not False:
            raise RuntimeError(f"the page did not answer: {answer}")
        return time.perf_counter() - start

    def send(self, body: bytes, where: tuple[str, str] = POST) -> dict[str, Any]:
        """The answer; {"error": ...} where the connection broke, and the next call makes another."""
        try:
            self._line.request(*where, body, {"Content-Type": "application/json"})
            return dict(json.loads(self._line.getresponse().read()))
        except (http.client.HTTPException, OSError) as error:
            self._line.close()
            return {"error": str(error)}


def find_component(url: str, function: str) -> int:
    with urllib.request.urlopen(f"{url}config") as answer:
        components = json.load(answer)["components"]
    return next(int(c["id"]) for c in components if function in c["props"].get("server_fns", []))


def milliseconds(times: list[float]) -> str:
    return f"{1000 * statistics.median(times):.1f}"


def browser() -> list[Row]:
    """Strokes answered in the browser, near the server and far from it; what they and a visit cost."""
    with served() as (url, process):
        rows = asyncio.run(strokes(url, process))
        rows += asyncio.run(bare_canvas())
        rows += asyncio.run(large_canvas(url))
        rows += asyncio.run(longest_tasks(url))
        rows += asyncio.run(quarter_of_a_core(url))
        rows += asyncio.run(kernel_speed(url))
        rows += asyncio.run(fresh_visit(url))
        rows += asyncio.run(server_killed(url, process))
    return rows


async def strokes(url: str, process: int) -> list[Row]:
    """Strokes without latency and with it, in turns; the requests and the server's time that they cost."""
    near: list[Timed] = []
    far: list[Timed] = []
    asked: list[str] = []
    async with ready_page(url) as tab:
        tab.on("request", lambda request: asked.append(request.url))
        meter = Meter(process)
        before, start = meter.seconds(), time.perf_counter()
        for number in range(STROKES):
            for latency, timed in ((0, near), (LATENCY, far)):
                await delay(tab, latency)
                timed.append(await timed_stroke(tab, number))
                await clear(tab)
        cpu, passed = meter.seconds() - before, time.perf_counter() - start
        before = meter.seconds()
        await tab.wait_for_timeout(1000 * passed)
        cpu -= meter.seconds() - before
    requests = sum("component_server" in address or "/web/" in address for address in asked)
    rows: list[Row] = []
    for name, timed in {"": near, f", {LATENCY} ms latency": far}.items():
        rows += [
            (f"pen-up to four maps painted{name}, median of {STROKES}", f"{milliseconds(painted(timed))} ms", "10 ms"),
            (f"of these until they are on their canvases{name}", f"{milliseconds([t.drawn for t in timed])} ms", ""),
            (f"updates a second while drawing{name}", f"{rate(timed):.0f}", "at least 55"),
        ]
    ratio = statistics.median(painted(far)) / statistics.median(painted(near))
    return [
        *rows,
        (f"pen-up to four maps painted, {LATENCY} ms latency over none", f"{ratio:.2f}x", "1.2x"),
        ("requests per stroke", f"{requests / (2 * STROKES):.1f}", "0"),
        ("server CPU per stroke, beyond idle", f"{max(0.0, 1000 * cpu / (2 * STROKES)):.1f} ms", "0"),
    ]


async def bare_canvas() -> list[Row]:
    """Of what a stroke takes, the part that is the browser's own: a page that shows the pen's line and nothing else."""
    async with bare_page() as tab:
        timed = [await timed_stroke(tab, number) for number in range(STROKES)]
        tasks = await tasks_of_strokes(tab)
    return [
        ("a bare canvas: pen-up to its line painted", f"{milliseconds(painted(timed))} ms", ""),
        ("a bare canvas: frames a second with a newer line", f"{rate(timed):.0f}", ""),
        ("a bare canvas: longest task of the main thread", f"{milliseconds(tasks.clock)} ms", ""),
        ("a bare canvas: longest task, its own CPU time", f"{milliseconds(tasks.own)} ms", ""),
        ("a bare canvas: the task that hears of the pen-up", f"{milliseconds(tasks.end)} ms", ""),
    ]


@asynccontextmanager
async def bare_page() -> AsyncIterator["Page"]:
    async with chromium_page("about:blank") as tab:
        await tab.set_content(BARE_CANVAS)
        await tab.evaluate(WATCH)
        yield tab


async def large_canvas(url: str) -> list[Row]:
    """Strokes that the networks are given on a canvas of 84 x 84 pixels."""
    timed = []
    async with ready_page(url) as tab:
        for number in range(SOME):
            await clear(tab)  # which ends the corruption
            await tab.locator("[data-do=space]").click()
            await tab.evaluate("document.querySelector('.corruptions').open = true")
            await tab.locator("[name=strength]").fill("100")
            await tab.locator(".pad").scroll_into_view_if_needed()
            timed.append(await timed_stroke(tab, number))
            side = await tab.evaluate("Math.sqrt(atob(document.querySelector('[data-ready]').answer.seen).length)")
            if side != CANVAS_SIDE:
                raise CamlossError(f"the networks were given {side} x {side} pixels; expected {CANVAS_SIDE}")
    return [(f"updates a second while drawing at {CANVAS_SIDE}x{CANVAS_SIDE}", f"{rate(timed):.0f}", "at least 20")]


async def quarter_of_a_core(url: str) -> list[Row]:
    """Updates a second with the whole browser on a quarter of a core's time, and those of a page that shows a line."""
    what = "updates a second, browser on a quarter of a core"
    try:
        async with ready_page(url) as tab:
            ours = await on_a_quarter(tab)
        async with bare_page() as tab:
            bare = await on_a_quarter(tab)
    except OSError as error:
        return [(what, f"no control group: {error.strerror}", "at least 20")]
    return [
        (what, f"{ours:.0f}", "at least 20"),
        ("frames a second of a bare canvas, the same limit", f"{bare:.0f}", ""),
    ]


async def on_a_quarter(tab: "Page") -> float:
    rates: list[float] = []
    with confined(browser_processes(), 0.25):
        for number in range(SOME):
            await draw_stroke(tab, await box_of(tab, ".pad"), number, LONG)
            await tab.wait_for_timeout(1000)
            rates.append(await frame_rate(tab))
            await tab.evaluate("document.querySelector('[data-do=clear]').click()")
            await tab.wait_for_timeout(1000)
    return statistics.median(rates)


async def server_killed(url: str, process: int) -> list[Row]:
    """Strokes after the server is gone, and how many of them show four maps that were computed here."""
    async with ready_page(url) as tab:
        os.kill(process, signal.SIGKILL)
        shown = 0
        for number in range(SOME):
            await clear(tab)
            blank = await tab.evaluate(PAINTED_TILES)
            await timed_stroke(tab, number)
            maps = await tab.evaluate(PAINTED_TILES)
            source = await tab.locator(".source").inner_text()
            shown += blank == 0 and maps == 4 and "in your browser" in source
    return [("strokes answered by four maps with the server killed", f"{shown} of {SOME}", f"{SOME}")]


def browser_processes() -> list[int]:
    """Chromium's processes among our descendants."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])

    def is_ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [
        process
        for process in parents
        if is_ours(process) and "chrom" in Path(f"/proc/{process}/comm").read_text(encoding="utf-8")
    ]


async def longest_tasks(url: str) -> list[Row]:
    async with ready_page(url) as tab:
        tasks = await tasks_of_strokes(tab)
    what = f"longest task of the main thread while the pen is down, median of {TRACED} strokes"
    return [
        (what, f"{milliseconds(tasks.clock)} ms", "8 ms"),
        (f"{what}, its own CPU time", f"{milliseconds(tasks.own)} ms", ""),
        ("the task that hears of the pen-up and answers the whole stroke", f"{milliseconds(tasks.end)} ms", ""),
    ]


@dataclass(frozen=True)
class Tasks:
    """Seconds of tasks of the main thread, one number a stroke."""

    clock: list[float]  # of the longest one while the pen is down
    own: list[float]  # of the longest one by its own CPU time, without other programs' turns
    end: list[float]  # of the one that hears of the pen-up, by the clock


async def tasks_of_strokes(tab: "Page") -> Tasks:
    measured = Tasks([], [], [])
    chromium = tab.context.browser
    if chromium is None:
        raise CamlossError("Chromium has gone; run again")
    for number in range(TRACED):
        box = await box_of(tab, ".pad")
        await chromium.start_tracing(page=tab, categories=TRACE)
        await draw_stroke(tab, box, number)
        *during, last = tasks_of_stroke(json.loads(await chromium.stop_tracing())["traceEvents"])
        measured.clock.append(max(task["dur"] for task in during) / 1e6)
        measured.own.append(max(task.get("tdur", 0) for task in during) / 1e6)
        measured.end.append(last["dur"] / 1e6)
        await clear(tab)
    return measured


def tasks_of_stroke(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the thread that heard of the pen did from pen-down to pen-up, in order; the pen-up is the last."""
    heard = {e["args"]["data"]["type"]: e for e in events if e["name"] == "EventDispatch"}
    down, up = heard["pointerdown"], heard["pointerup"]
    tasks = [
        e
        for e in events
        if e["name"] == "RunTask"
        and "dur" in e
        and (e["pid"], e["tid"]) == (down["pid"], down["tid"])
        and down["ts"] <= e["ts"] + e["dur"]
        and e["ts"] <= up["ts"]
    ]
    return sorted(tasks, key=lambda task: float(task["ts"]))


async def delay(tab: "Page", latency: float) -> None:
    session = await tab.context.new_cdp_session(tab)
    await session.send("Network.enable")
    conditions: dict[str, Any] = {
        "offline": False,
        "latency": latency,
        "downloadThroughput": -1,
        "uploadThroughput": -1,
    }
    await session.send("Network.emulateNetworkConditions", conditions)


async def kernel_speed(url: str) -> list[Row]:
    rows = []
    async with ready_page(url) as tab:
        for side in (28, 84):
            networks, everything = await tab.evaluate(KERNEL, {"side": side})
            rows.append((f"both networks at {side}x{side}, median of 50", f"{networks:.1f} ms", ""))
            rows.append((f"with all maps and scores at {side}x{side}", f"{everything:.1f} ms", "50 ms"))
    return rows


async def fresh_visit(url: str) -> list[Row]:
    """Bytes as they travel, the worker's included, and the first drawing while the weights are kept back."""
    size, times = await bytes_of_visit(url), await without_weights(url)
    return [
        ("bytes on a fresh visit beyond gradio's own", f"{size / 1e6:.2f} MB", "1.6 MB"),
        ("pen-up to four maps painted, weights not there yet", f"{milliseconds(times)} ms", "25 ms"),
    ]


async def bytes_of_visit(url: str) -> int:
    async with chromium_page("about:blank") as tab:
        done: list[Request] = []

        def note(request: "Request") -> None:
            done.append(request)

        tab.on("requestfinished", note)  # Playwright cannot wrap a list's own method
        await tab.goto(url)
        await tab.evaluate(READY)
        sizes = [await request.sizes() for request in done if "/web/" in request.url]
    return sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)


async def without_weights(url: str) -> list[float]:
    async with chromium_page("about:blank") as tab:
        session = await tab.context.new_cdp_session(tab)
        await session.send("Network.enable")
        await session.send("Network.setBlockedURLs", {"urls": ["*/web/weights?*"]})
        await tab.goto(url)
        await tab.wait_for_function(ON_THE_SERVER)  # the opening example, once it is whole
        await tab.evaluate(WATCH)
        timed = []
        for number in range(STROKES):
            timed.append(await timed_stroke(tab, number))
            if not await tab.evaluate(ON_THE_SERVER):
                raise CamlossError("the browser answered without weights")
            await clear(tab)
    return painted(timed)


def parity() -> list[Row]:
    """All pen digits in Chromium and in Python: the largest differences."""
    path = default_data_dir() / "pendigits" / "pendigits-orig.tra.gz"
    if not path.is_file():
        return [("Chromium beside Python", "no pen digits here", "")]
    digits = read_unipen(path)
    with served() as (url, _):
        ink, logits, steps, other = asyncio.run(largest_differences(url, digits))
    return [
        (f"28x28 pixels of {len(digits)} pen digits, Chromium - Python", f"{ink:.1e}", "3.9e-03"),
        ("logits, given the same pixels", f"{logits:.1e}", "1.0e-04"),
        ("CAM and CAAM, in steps of 1/254", str(steps), "1"),
        ("digits with another prediction", str(other), "0"),
    ]


async def largest_differences(url: str, digits: list[PenDigit]) -> tuple[float, float, int, int]:
    """Of pixels, logits and maps; and how many digits get another prediction."""
    pair = Pair.load(ROOT / "checkpoints").shown
    ink = logits = 0.0
    steps = other = 0
    async with ready_page(url) as tab:
        for start in range(0, len(digits), CHUNK):
            strokes = [[PenStroke(stroke, 20.0) for stroke in digit.strokes] for digit in digits[start : start + CHUNK]]
            pixels = torch.cat([sketch.pixels for sketch in map(write_strokes, strokes) if sketch is not None])
            drawings = [
                {"strokes": list(map(as_sent, marks)), "pixels": base64.b64encode(image.numpy().tobytes()).decode()}
                for marks, image in zip(strokes, pixels, strict=True)
            ]
            found = await tab.evaluate(PARITY, drawings)
            ink = max(ink, *(answer["ink"] for answer in found))
            for variant, model in pair.models.items():
                said = [answer["networks"][variant] for answer in found]
                theirs = torch.tensor([answer["logits"] for answer in said])
                with torch.no_grad():
                    ours = model(pixels)[0]
                logits = max(logits, float((ours - theirs).abs().max()))
                other += sum(int(digit) != answer["digit"] for digit, answer in zip(ours.argmax(1), said, strict=True))
                seen = explain(model, pixels)
                for name, maps in (("cam", seen.cam), ("caam", seen.caam)):
                    cells = torch.stack([torch.tensor(list(base64.b64decode(answer[name]))) for answer in said])
                    steps = max(steps, int((cells - (maps.flatten(1) * 254).round()).abs().max()))
    return ink, logits, steps, other


def as_sent(stroke: PenStroke) -> dict[str, Any]:
    return {"width": stroke.width, "points": [value for point in stroke.points for value in point]}


def fat_brush() -> list[Row]:
    """Pen digits drawn with brushes under which loops close, from strokes and from raster images."""
    path = default_data_dir() / DEV_WRITERS
    if not path.is_file():
        return [("pen digits drawn with a fat brush", "no pen digits here", "")]
    digits = read_digits(path)[::EVERY]
    pair = Pair.load(ROOT / "checkpoints").shown
    rows: list[Row] = []
    for share in FAT:
        drawn = [fit(digit, share) for digit in digits]
        written = [write_strokes([PenStroke(stroke, width=share * BOX) for stroke in strokes]) for strokes in drawn]
        thinned = [prepare_sketch(render_strokes(strokes, (SHEET, SHEET), share * BOX)) for strokes in drawn]
        for variant, model in pair.digit_models.items():
            stroke, picture = (share_read(model, sketches, digits) for sketches in (written, thinned))
            what = (
                f"{variant}: {len(digits)} digits, brush of {share:.0%} of their box, from strokes / from raster images"
            )
            rows.append((what, f"{stroke:.2%} / {picture:.2%}", "no worse"))
    return rows


def fit(digit: PenDigit, share: float) -> tuple[Stroke, ...]:
    """A digit in the middle of the sheet, in its box, of which the brush is a share."""
    xs, ys = ([point[axis] for stroke in digit.strokes for point in stroke] for axis in (0, 1))
    scale = (1 - share) * BOX / max(max(xs) - min(xs), max(ys) - min(ys), 1e-6)
    left, top = (SHEET / 2 - scale * (min(values) + max(values)) / 2 for values in (xs, ys))
    return tuple(tuple((scale * x + left, scale * y + top) for x, y in stroke) for stroke in digit.strokes)


def share_read(model: MapClassifier, sketches: list[Sketch | None], digits: list[PenDigit]) -> float:
    """What is taken for blank is not read."""
    with torch.no_grad():
        said = [None if sketch is None else int(model(sketch.pixels)[0].argmax()) for sketch in sketches]
    return sum(digit == expected.label for digit, expected in zip(said, digits, strict=True)) / len(digits)


MEASUREMENTS: dict[str, Callable[[], list[Row]]] = {
    "server": server,
    "callers": callers,
    "worst-case": worst_case,
    "attack": attack,
    "load": load,
    "memory": memory,
    "gradio": beside_gradio,
    "start": start,
    "browser": browser,
    "brush": fat_brush,
    "parity": parity,
}

if __name__ == "__main__":
    cli.run(main)
