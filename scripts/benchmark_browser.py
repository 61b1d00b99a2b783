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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _checkout import ROOT
from _page import box_of, chromium_page, served
from benchmark_page import STROKES, draw_stroke, milliseconds
from benchmark_training import Row

from camloss.digits.mnist import default_data_dir
from camloss.digits.pen import PenStroke, write_strokes
from camloss.digits.strokes import PenDigit, read_unipen
from camloss.errors import CamlossError
from camloss.explain import explain
from camloss.training.evaluation import load_pen_digits
from camloss.training.loop import accuracy as accuracy_of
from camloss.twins import Twins

if TYPE_CHECKING:
    from playwright.async_api import Page

LATENCY = 150  # ms
TRACED = 10  # strokes
CHUNK = 500  # pen digits sent at once
READY = """new Promise((resolve) => {
    const look = async () => (await import("/web/reader.js")).reader.ready ? resolve(true) : setTimeout(look, 50);
    look();
})"""

# Times in the page's own clock.
WATCH = """() => {
    window.downs = []; window.ups = []; window.paints = [];
    document.addEventListener("pointerdown", () => window.downs.push(performance.now()), true);
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    document.addEventListener("camloss", () => window.paints.push(performance.now()));
}"""
SETTLED = "() => document.querySelector('.answer').ariaBusy === 'false' && window.paints.at(-1) > 0"
STROKE = "[window.downs.at(-1), window.ups.at(-1), window.paints]"
BARE = """<canvas class="pad" width="400" height="400"></canvas><script>
    const pen = document.querySelector("canvas").getContext("2d");
    let due = false, points = [];
    pen.lineWidth = 20;
    document.addEventListener("pointerdown", () => { points = []; });
    document.addEventListener("pointermove", (event) => {
        points.push([event.offsetX, event.offsetY]);
        if (due || event.buttons === 0) return;
        due = true;
        requestAnimationFrame(() => {
            due = false;
            pen.clearRect(0, 0, 400, 400);
            pen.beginPath();
            for (const place of points) pen.lineTo(...place);
            pen.stroke();
            document.dispatchEvent(new Event("camloss"));
        });
    });
</script>"""
WEIGHTS = "`/web/weights?networks=${document.querySelector('[name=networks]').value}`"
KERNEL = """async ({ side }) => {
    const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/evidence.js");
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
        time((network) => read(network, pixels, question)),
    ];
}""".replace("WEIGHTS", WEIGHTS)

TRUTH = """async (drawings) => {
    const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/evidence.js");
    const { writeStrokes } = await import("/web/pen.js");
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
                const { reading, logits } = read(network, given, question);
                return [variant, { logits: [...logits], cam: reading.cam, caam: reading.caam, digit: reading.digit }];
            })),
        };
    });
}""".replace("WEIGHTS", WEIGHTS)


def anywhere() -> list[Row]:
    """Strokes answered in the browser, near the server and far from it; what they and a visit cost."""
    with served() as (url, process):
        near, far, requests, cpu = asyncio.run(strokes(url, process))
        rows: list[Row] = []
        for name, (times, rates) in {"": near, f", {LATENCY} ms latency": far}.items():
            rows += [
                (f"pen-up to four maps painted{name}, median of {STROKES}", f"{milliseconds(times)} ms", "10 ms"),
                (f"updates a second while drawing{name}", f"{statistics.median(rates):.0f}", "at least 55"),
            ]
        rows += [
            ("requests per stroke", f"{requests / (2 * STROKES):.1f}", "0"),
            ("server CPU per stroke, beyond idle", f"{max(0.0, 1000 * cpu / (2 * STROKES)):.1f} ms", "0"),
        ]
        rows += asyncio.run(longest_tasks(url))
        rows += asyncio.run(quarter_of_a_core(url))
        rows += asyncio.run(kernel_speed(url))
        rows += asyncio.run(fresh_visit(url))
    return rows + accuracy()


Strokes = tuple[list[float], list[float]]  # of each: seconds from pen-up to the last map, and updates a second


async def strokes(url: str, process: int) -> tuple[Strokes, Strokes, int, float]:
    """Strokes without latency and with it, in turns.

    And of all: how many requests, and the seconds of its processor that the server took beyond what it takes idle.
    """
    near: Strokes = ([], [])
    far: Strokes = ([], [])
    asked: list[str] = []
    async with ready_page(url) as tab:
        tab.on("request", lambda request: asked.append(request.url))
        before, start = seconds_of(process), time.perf_counter()
        for number in range(STROKES):
            for latency, (times, rates) in ((0, near), (LATENCY, far)):
                await delay(tab, latency)
                await timed_stroke(tab, number, times, rates)
            await clear(tab)
        cpu, passed = seconds_of(process) - before, time.perf_counter() - start
        before = seconds_of(process)
        await tab.wait_for_timeout(1000 * passed)
        cpu -= seconds_of(process) - before
    return near, far, sum("component_server" in address or "/web/" in address for address in asked), cpu


@asynccontextmanager
async def ready_page(url: str) -> AsyncIterator["Page"]:
    """A tab with the networks in it."""
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(READY)
        await tab.evaluate(WATCH)
        yield tab


async def timed_stroke(tab: "Page", number: int, times: list[float], rates: list[float]) -> None:
    await draw_stroke(tab, await box_of(tab, ".pad"), number)
    await tab.wait_for_function(SETTLED)
    down, up, paints = await tab.evaluate(STROKE)
    times.append(max(0.0, paints[-1] - up) / 1000)
    rates.append(1000 * sum(down < paint <= up for paint in paints) / (up - down))


async def clear(tab: "Page") -> None:
    await tab.locator("[data-do=clear]").click()
    await tab.wait_for_function(SETTLED)


async def quarter_of_a_core(url: str) -> list[Row]:
    """Updates a second with the whole browser on a quarter of a core, and those of a page that shows a line only."""
    async with ready_page(url) as tab:
        ours = await on_a_quarter(tab)
    async with chromium_page("about:blank") as tab:
        await tab.set_content(BARE)
        await tab.evaluate(WATCH)
        bare = await on_a_quarter(tab)
    return [
        ("updates a second, browser on a quarter of a core", f"{ours:.0f}", "at least 20"),
        ("frames a second of a bare canvas, the same limit", f"{bare:.0f}", ""),
    ]


async def on_a_quarter(tab: "Page") -> float:
    """Paints a second while drawing, with the browser on one core, running for a quarter of every 20 ms."""
    rates: list[float] = []
    processes = browser_processes()
    for thread in (int(task.name) for process in processes for task in Path(f"/proc/{process}/task").iterdir()):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread, {0})
    slowly = asyncio.create_task(run_a_quarter(processes))
    try:
        for number in range(10):
            await draw_stroke(tab, await box_of(tab, ".pad"), number)
            await tab.wait_for_timeout(500)
            down, up, paints = await tab.evaluate(STROKE)
            rates.append(1000 * sum(down < paint <= up for paint in paints) / (up - down))
    finally:
        slowly.cancel()
        with suppress(asyncio.CancelledError):
            await slowly
    return statistics.median(rates)


async def run_a_quarter(processes: list[int]) -> None:
    try:
        while True:
            signal_all(processes, signal.SIGSTOP)
            await asyncio.sleep(0.015)
            signal_all(processes, signal.SIGCONT)
            await asyncio.sleep(0.005)
    finally:
        signal_all(processes, signal.SIGCONT)


def signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


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
    """Of each stroke the longest task of the main thread: by the clock, and without the turns of other programs."""
    clock, own = [], []
    async with ready_page(url) as tab:
        chromium = tab.context.browser
        if chromium is None:
            raise CamlossError("Chromium has gone; run again")
        for number in range(TRACED):
            await chromium.start_tracing(page=tab, categories=["disabled-by-default-devtools.timeline"])
            await draw_stroke(tab, await box_of(tab, ".pad"), number)
            events = json.loads(await chromium.stop_tracing())["traceEvents"]
            mains = [(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"]
            tasks = [e for e in events if e["name"] == "RunTask" and "dur" in e and (e["pid"], e["tid"]) in mains]
            clock.append(max(task["dur"] for task in tasks) / 1000)
            own.append(max(task.get("tdur", 0) for task in tasks) / 1000)
            await clear(tab)
    what = f"longest task of the main thread, median of {TRACED} strokes"
    return [
        (what, f"{statistics.median(clock):.1f} ms", "8 ms"),
        (f"{what}, its own CPU time", f"{statistics.median(own):.1f} ms", ""),
    ]


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
    """Bytes as they travel, and the first drawing while the weights are kept back."""
    async with chromium_page("about:blank") as tab:
        session = await tab.context.new_cdp_session(tab)
        await session.send("Network.enable")
        ours: dict[str, float] = {}
        names: dict[str, str] = {}
        session.on(
            "Network.requestWillBeSent", lambda event: names.update({event["requestId"]: event["request"]["url"]})
        )
        session.on(
            "Network.loadingFinished", lambda event: ours.update({event["requestId"]: event["encodedDataLength"]})
        )
        await tab.goto(url)
        await tab.evaluate(READY)
        page = sum(size for request, size in ours.items() if "/web/" in names.get(request, ""))
        worker = await tab.evaluate(
            """async () => {
                const { file } = await (await fetch(WEIGHTS)).json();
                const weights = await fetch(`/web/weights/${file}`, { cache: "no-store" });
                await weights.arrayBuffer();
                const kernel = await (await fetch("/web/kernel.wasm", { cache: "no-store" })).arrayBuffer();
                return performance.getEntriesByName(weights.url).at(-1).transferSize + kernel.byteLength;
            }""".replace("WEIGHTS", WEIGHTS)
        )
    async with chromium_page("about:blank") as tab:
        await tab.route("**/web/weights?*", lambda route: route.fulfill(json={"file": None, "source": ""}))
        await tab.goto(url)
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(WATCH)
        times = []
        for number in range(STROKES):
            await draw_stroke(tab, await box_of(tab, ".pad"), number)
            await tab.wait_for_function(SETTLED)
            _, up, paints = await tab.evaluate(STROKE)
            times.append(max(0.0, paints[-1] - up) / 1000)
    return [
        ("bytes on a fresh visit beyond gradio's own", f"{(page + worker) / 1e6:.2f} MB", "1.6 MB"),
        ("pen-up to four maps, weights not there yet", f"{milliseconds(times)} ms", "25 ms"),
    ]


def seconds_of(process: int) -> float:
    """Of the processor's time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def truth() -> list[Row]:
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
        ("digits that are read otherwise", str(other), "0"),
    ]


async def largest_differences(url: str, digits: list[PenDigit]) -> tuple[float, float, int, int]:
    """Of pixels, logits and maps; and how many digits are read otherwise."""
    twins = Twins.load(ROOT / "checkpoints")
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
            found = await tab.evaluate(TRUTH, drawings)
            ink = max(ink, *(answer["ink"] for answer in found))
            for variant, model in twins.models.items():
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
    """Pen digits of the writers who chose nothing, read from the pen's path and from the picture by thinning."""
    sets = load_pen_digits(default_data_dir())
    if not sets:
        return [("accuracy from strokes", "no pen digits here", "")]
    torch.set_num_threads(1)
    rows = []
    for variant, model in Twins.load(ROOT / "checkpoints").models.items():
        stroke, thinned = (accuracy_of(model, sets[name]) for name in ("report", "report_picture"))
        what = f"{variant}: {len(sets['report'])} pen digits from strokes (by thinning {thinned:.2%})"
        rows.append((what, f"{stroke:.2%}", "no worse"))
    return rows
