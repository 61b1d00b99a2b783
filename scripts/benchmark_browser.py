"""The part of benchmark.py that measures the networks in the visitor's browser: rows of its table."""

import asyncio
import os
import random
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _checkout import ROOT
from _page import box_of, chromium_page, served
from benchmark_page import STROKES, draw_stroke, milliseconds
from benchmark_training import Row

from camloss.digits.mnist import default_data_dir
from camloss.digits.pen import PenStroke, write_strokes
from camloss.digits.sketch import preprocess_sketch
from camloss.digits.strokes import REPORT_WRITERS, random_canvas, read_unipen
from camloss.twins import Twins

if TYPE_CHECKING:
    from playwright.async_api import Page

LATENCY = 150  # ms
READY = """new Promise((resolve) => {
    const look = async () => (await import("/web/reader.js")).reader.ready ? resolve(true) : setTimeout(look, 50);
    look();
})"""

# Times in the page's own clock. A heartbeat that is late says for how long the main thread was busy.
WATCH = """() => {
    window.downs = []; window.ups = []; window.paints = []; window.late = 0;
    document.addEventListener("pointerdown", () => { window.downs.push(performance.now()); window.late = 0; }, true);
    document.addEventListener("pointerup", () => window.ups.push(performance.now()), true);
    document.addEventListener("camloss", () => window.paints.push(performance.now()));
    const { port1, port2 } = new MessageChannel();
    let last = performance.now();
    port1.onmessage = () => {
        const now = performance.now();
        window.late = Math.max(window.late, now - last);
        last = now;
        port2.postMessage(0);
    };
    port2.postMessage(0);
}"""
SETTLED = "() => document.querySelector('.answer').ariaBusy === 'false' && window.paints.at(-1) > 0"
STROKE = "[window.downs.at(-1), window.ups.at(-1), window.paints, window.late]"
KERNEL = """async ({ side }) => {
    const { networksIn } = await import("/web/network.js");
    const { read } = await import("/web/evidence.js");
    const { file: name } = await (await fetch(`/web/weights`)).json();
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
        time((network) => read(network, pixels, side, side, question)),
    ];
}"""


def anywhere() -> list[Row]:
    """Strokes answered in the browser, on loopback and with a distant server; what they and a visit cost."""
    rows: list[Row] = []
    with served() as (url, process):
        for latency in (0, LATENCY):
            times, rates, blocks, requests, cpu = asyncio.run(strokes(url, process, latency))
            name = f" with {latency} ms latency"
            rows += [
                (f"pen-up to four maps painted{name}, median of {STROKES}", f"{milliseconds(times)} ms", "10 ms"),
                (f"updates a second while drawing{name}", f"{statistics.median(rates):.0f}", "at least 55"),
                (f"longest block of the main thread{name}, median", f"{statistics.median(blocks):.1f} ms", "8 ms"),
                (f"requests per stroke{name}", f"{requests / STROKES:.1f}", "0"),
                (f"server CPU per stroke{name}", f"{1000 * cpu / STROKES:.1f} ms", "0"),
            ]
        rows += asyncio.run(kernel_speed(url))
        rows += asyncio.run(fresh_visit(url))
    return rows + accuracy()


async def strokes(url: str, process: int, latency: float) -> tuple[list[float], list[float], list[float], int, float]:
    """Of each stroke: seconds from pen-up to the last map, updates a second, longest block in ms.

    And of all: how many requests, and the seconds of its processor that the server took.
    """
    times, rates, blocks = [], [], []
    asked: list[str] = []
    async with chromium_page(url) as tab:
        await tab.wait_for_selector("[data-ready]", state="attached")
        await tab.evaluate(READY)
        await delay(tab, latency)
        await tab.evaluate(WATCH)
        await tab.wait_for_timeout(1000)
        tab.on("request", lambda request: asked.append(request.url))
        before = seconds_of(process)
        for number in range(STROKES):
            await draw_stroke(tab, await box_of(tab, ".pad"), number)
            await tab.wait_for_function(SETTLED)
            down, up, paints, block = await tab.evaluate(STROKE)
            times.append(max(0.0, paints[-1] - up) / 1000)
            rates.append(1000 * sum(down < paint <= up for paint in paints) / (up - down))
            blocks.append(block)
            if number % 3 == 2:
                await tab.locator("[data-do=clear]").click()
                await tab.wait_for_function(SETTLED)
        cpu = seconds_of(process) - before
    return times, rates, blocks, sum("component_server" in address or "/web/" in address for address in asked), cpu


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
    async with chromium_page(url) as tab:
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
                const { file } = await (await fetch("/web/weights")).json();
                const weights = await fetch(`/web/weights/${file}`, { cache: "no-store" });
                await weights.arrayBuffer();
                const kernel = await (await fetch("/web/kernel.wasm", { cache: "no-store" })).arrayBuffer();
                return performance.getEntriesByName(weights.url).at(-1).transferSize + kernel.byteLength;
            }"""
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
            _, up, paints, _ = await tab.evaluate(STROKE)
            times.append(max(0.0, paints[-1] - up) / 1000)
    return [
        ("bytes on a fresh visit beyond gradio's own", f"{(page + worker) / 1e6:.2f} MB", "1.6 MB"),
        ("pen-up to four maps, weights not there yet", f"{milliseconds(times)} ms", "25 ms"),
    ]


def seconds_of(process: int) -> float:
    """Of the processor's time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def accuracy() -> list[Row]:
    """Pen digits of the writers who chose nothing, read from the pen's path and from the picture by thinning."""
    path = default_data_dir() / "pendigits" / "pendigits-orig.tra.gz"
    if not path.is_file():
        return [("accuracy from strokes", "no pen digits here", "")]
    torch.set_num_threads(1)
    digits = [digit for digit in read_unipen(path) if digit.writer in REPORT_WRITERS]
    labels = torch.tensor([digit.label for digit in digits])
    generator = random.Random(0)
    blank = torch.zeros(1, 1, 28, 28)
    thinned, written = [], []
    for digit in digits:
        found = preprocess_sketch(random_canvas(digit, generator))
        thinned.append(blank if found is None else found)
        sketch = write_strokes([PenStroke(stroke, 20.0) for stroke in digit.strokes])
        written.append(blank if sketch is None else sketch.pixels)
    rows = []
    twins = Twins.load(ROOT / "checkpoints")
    for variant, model in twins.models.items():
        with torch.no_grad():
            thin, stroke = (
                float(
                    (torch.cat([model(batch)[0].argmax(1) for batch in torch.cat(x).split(500)]) == labels)
                    .double()
                    .mean()
                )
                for x in (thinned, written)
            )
        what = f"{variant}: {len(digits)} pen digits from strokes (by thinning {thin:.2%})"
        rows.append((what, f"{stroke:.2%}", "no worse"))
    return rows
