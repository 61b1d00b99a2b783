"""The part of benchmark.py that measures the networks in the visitor's browser: rows of its table."""

import asyncio
import base64
import json
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _page import box_of, chromium_page, served
from _quota import confined
from _root import ROOT
from benchmark_page import STROKES, WATCH, Timed, clear, draw_stroke, frame_rate, milliseconds, timed_stroke
from benchmark_step import Row

from camloss.data.mnist import default_data_dir
from camloss.digits.pendigits import PenDigit, Stroke, read_unipen, render_strokes
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import PenStroke, Sketch, write_strokes
from camloss.errors import CamlossError
from camloss.explain import explain
from camloss.models import MapClassifier
from camloss.pair import Pair
from camloss.study.writers import DEV_WRITERS, REPORT_WRITERS, from_raster, from_strokes, read_digits
from camloss.training.loop import accuracy as accuracy_of

if TYPE_CHECKING:
    from playwright.async_api import Page, Request

LATENCY = 150  # ms
OPENING = 2000  # ms until the opening example is drawn
TRACED = 10  # strokes
TRACE = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
SOME = 6  # strokes
LONG = 150  # moves of a stroke that lasts a second and more
FIELD_SIDE = 84  # pixels
FAT = (0.12, 0.25)  # widths of a brush, shares of the digit's box
BOX, SHEET = 200, 280  # pixels
EVERY = 5  # of the pen digits one is drawn with a fat brush
CHUNK = 500  # pen digits sent at once
READY = """new Promise((resolve) => {
    const look = async () => (await import("/web/reader.js")).reader.ready ? resolve(true) : setTimeout(look, 50);
    look();
})"""

BARE = """<canvas class="pad" width="400" height="400"></canvas><button data-do="clear">Clear</button>
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
WEIGHTS = "`/web/weights?networks=${document.querySelector('[name=networks]').value}`"
KERNEL = """async ({ side }) => {
    const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/map_statistics.js");
    const { file: name } = await (await fetch(WEIGHTS)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${name}`)).arrayBuffer(), kernel);
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
}""".replace("WEIGHTS", WEIGHTS)

ON_THE_SERVER = "() => document.querySelector('.source')?.textContent.includes('on the server')"
PAINTED_TILES = """() => [...document.querySelectorAll(".tile canvas")].filter((canvas) =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)).length"""

PARITY = """async (drawings) => {
    const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/map_statistics.js");
    const { writeStrokes } = await import("/web/rasterize.js");
    const { file: name } = await (await fetch(WEIGHTS)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${name}`)).arrayBuffer(), kernel);
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
}""".replace("WEIGHTS", WEIGHTS)


def anywhere() -> list[Row]:
    """Strokes answered in the browser, near the server and far from it; what they and a visit cost."""
    with served() as (url, process):
        rows = asyncio.run(strokes(url, process))
        rows += asyncio.run(bare_canvas())
        rows += asyncio.run(large_field(url))
        rows += asyncio.run(longest_tasks(url))
        rows += asyncio.run(quarter_of_a_core(url))
        rows += asyncio.run(kernel_speed(url))
        rows += asyncio.run(fresh_visit(url))
        rows += asyncio.run(server_killed(url, process))
    return rows + accuracy() + fat_brush()


async def strokes(url: str, process: int) -> list[Row]:
    """Strokes without latency and with it, in turns; the requests and the server's time that they cost."""
    near: list[Timed] = []
    far: list[Timed] = []
    asked: list[str] = []
    async with ready_page(url) as tab:
        tab.on("request", lambda request: asked.append(request.url))
        before, start = seconds_of(process), time.perf_counter()
        for number in range(STROKES):
            for latency, timed in ((0, near), (LATENCY, far)):
                await delay(tab, latency)
                timed.append(await timed_stroke(tab, number))
                await clear(tab)
        cpu, passed = seconds_of(process) - before, time.perf_counter() - start
        before = seconds_of(process)
        await tab.wait_for_timeout(1000 * passed)
        cpu -= seconds_of(process) - before
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
        await tab.set_content(BARE)
        await tab.evaluate(WATCH)
        yield tab


def painted(timed: list[Timed]) -> list[float]:
    return [stroke.painted for stroke in timed]


def rate(timed: list[Timed]) -> float:
    return statistics.median(stroke.rate for stroke in timed)


@asynccontextmanager
async def ready_page(url: str) -> AsyncIterator["Page"]:
    """A tab with the networks in it, once the opening example is drawn."""
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(READY)
        await tab.evaluate(WATCH)
        await tab.wait_for_timeout(OPENING)
        yield tab


async def large_field(url: str) -> list[Row]:
    """Strokes that the networks are given on a field of 84 x 84 pixels."""
    timed = []
    async with ready_page(url) as tab:
        for number in range(SOME):
            await clear(tab)  # which ends the corruption
            await tab.locator("[name=corruption]").select_option("canvas")
            await tab.locator("[name=strength]").fill("100")
            await tab.locator(".pad").scroll_into_view_if_needed()
            timed.append(await timed_stroke(tab, number))
            side = await tab.evaluate("Math.sqrt(atob(document.querySelector('[data-ready]').answer.seen).length)")
            if side != FIELD_SIDE:
                raise CamlossError(f"the networks were given {side} x {side} pixels; expected {FIELD_SIDE}")
    return [(f"updates a second while drawing at {FIELD_SIDE}x{FIELD_SIDE}", f"{rate(timed):.0f}", "at least 20")]


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


def seconds_of(process: int) -> float:
    """Of the processor's time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    pair = Pair.load(ROOT / "checkpoints")
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


def accuracy() -> list[Row]:
    """Digits of the report writers, from strokes and from raster images by thinning."""
    path = default_data_dir() / REPORT_WRITERS
    if not path.is_file():
        return [("accuracy from strokes", "no pen digits here", "")]
    digits = read_digits(path)
    sets = [make(digits).split for make in (from_strokes, from_raster)]
    torch.set_num_threads(1)
    rows = []
    for variant, model in Pair.load(ROOT / "checkpoints").models.items():
        stroke, thinned = (accuracy_of(model, split) for split in sets)
        what = f"{variant}: {len(digits)} pen digits from strokes (by thinning {thinned:.2%})"
        rows.append((what, f"{stroke:.2%}", "no worse"))
    return rows


def fat_brush() -> list[Row]:
    """Pen digits drawn with brushes under which loops close, read from the pen's path and by thinning."""
    path = default_data_dir() / DEV_WRITERS
    if not path.is_file():
        return []
    digits = read_digits(path)[::EVERY]
    pair = Pair.load(ROOT / "checkpoints")
    rows: list[Row] = []
    for share in FAT:
        drawn = [fit(digit, share) for digit in digits]
        written = [write_strokes([PenStroke(stroke, width=share * BOX) for stroke in strokes]) for strokes in drawn]
        thinned = [prepare_sketch(render_strokes(strokes, (SHEET, SHEET), share * BOX)) for strokes in drawn]
        for variant, model in pair.models.items():
            stroke, picture = (share_read(model, sketches, digits) for sketches in (written, thinned))
            what = f"{variant}: {len(digits)} with a brush of {share:.0%} of their box (by thinning {picture:.2%})"
            rows.append((what, f"{stroke:.2%}", "no worse"))
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
