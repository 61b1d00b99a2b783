"""The browser computes what Python computes: hundreds of drawings through both."""

import base64
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import engines
import pytest
import torch
from page_server import EXAMPLES, ROOT
from playwright.sync_api import Browser
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.data.mnist import default_data_dir
from camloss.demo import inference
from camloss.demo.browser_weights import fold, weight_file
from camloss.digits import corruptions
from camloss.digits.pendigits import PenDigit, read_unipen
from camloss.digits.rasterize import PenStroke, write_strokes
from camloss.digits.stroke_topology import NEAR, STROKE, holes, junctions, within
from camloss.epoch_snapshots import snapshot_of
from camloss.explain import explain
from camloss.losses import LOSSES, PAIR
from camloss.metrics import INK, stroke_energy
from camloss.models import MNIST_MEAN, MNIST_STD, MapClassifier, build_classifier
from camloss.ood import OODScore, evidence
from camloss.pair import Pair, Snapshot

pytestmark = pytest.mark.browser

PENDIGITS = default_data_dir() / "pendigits" / "pendigits-orig.tra.gz"
QUESTIONS: list[tuple[int | None, int | None]] = [(None, None), (4, None), (None, 9), (3, 8)]

ANSWER_ALL = """async ({ networks, titles, drawings }) => {
    const [{ writeStrokes }, { networksIn }, statistics] = await Promise.all(
        ["rasterize", "network", "map_statistics"].map((name) => import(`/web/${name}.js`)));
    const { file } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${file}`)).arrayBuffer(), kernel);
    return drawings.map(({ strokes, pixels, question, side }) => {
        const written = writeStrokes(strokes);
        const given = Float32Array.from(pixels);
        const { readings, logits } = statistics.answerFor(pair, titles, given, question);
        return {
            written: [...written.pixels],
            frame: written.frame,
            logits,
            readings,
            steps: statistics.buildUp(pair.get("cam"), given, side, side, question.class_idx, 8),
        };
    });
}"""


def random_pair(arch: str, seed: int) -> Pair:
    """Untrained networks whose batch norms have seen something, so that folding them matters."""
    torch.manual_seed(seed)
    models = {variant: build_classifier(arch).eval() for variant in PAIR}
    for model in models.values():
        for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.3, 0.3)
            norm.get_buffer("running_mean").uniform_(-0.3, 0.3)
            norm.get_buffer("running_var").uniform_(0.5, 2.0)
    return Pair(models, "run", "untrained")


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    found = {
        "default": Pair.load(ROOT / "checkpoints").shown,
        "flagging": Pair.load(ROOT / "checkpoints").shown,
        "plain_cnn": random_pair("plain_cnn", 0),
    }
    for model in found["flagging"].digit_models.values():
        fit_ood_score(model)
    by_epoch = (
        found["plain_cnn"].digit_models,
        {variant: rounded(model) for variant, model in found["default"].digit_models.items()},
    )
    found["default"] = replace(
        found["default"],
        snapshots=tuple(Snapshot(e + 1, e, models, dict.fromkeys(PAIR, 0.9)) for e, models in enumerate(by_epoch)),
    )
    return found


def rounded(model: MapClassifier) -> MapClassifier:
    """As it comes back from a snapshot."""
    copy = build_classifier(str(model.arch)).eval()
    copy.load_state_dict(
        {name: value for name, value in snapshot_of(model).items() if not name.startswith("ood_score.")}
    )
    return copy


@torch.no_grad()
def fit_ood_score(model: MapClassifier) -> None:
    """So that three of ten drawings have a high OOD score."""
    sketches = [write_strokes(strokes) for strokes in drawings(200)]
    logits, _, middle = model.forward_features(torch.cat([sketch.pixels for sketch in sketches if sketch is not None]))
    inside = evidence(logits, middle)
    others, _, of_others = model.forward_features(torch.rand(100, 1, 28, 28))
    known = torch.ones(len(logits), dtype=torch.bool)
    model.ood_score = OODScore.fit(inside, evidence(others, of_others), known, 10, 0.3)


@pytest.fixture(scope="module")
def address(pairs: dict[str, Pair]) -> Iterator[str]:
    with engines.site(pairs) as address:
        yield address


def drawings(count: int) -> list[list[PenStroke]]:
    """Pen digits where there are some, else the page's examples moved about; brushes of all widths."""
    generator = random.Random(0)
    if PENDIGITS.is_file():
        digits = generator.sample(read_unipen(PENDIGITS), count)
    else:
        digits = [wobbled(generator) for _ in range(count)]
    return [[PenStroke(stroke, generator.uniform(5, 60)) for stroke in digit.strokes] for digit in digits]


def wobbled(generator: random.Random) -> PenDigit:
    example = generator.choice(EXAMPLES)

    def moved(value: float) -> float:
        return 0.4 * value + generator.uniform(-3, 3)

    strokes = (list(map(moved, stroke["points"])) for stroke in example["strokes"])
    return PenDigit(example["label"], tuple(tuple(zip(xy[::2], xy[1::2], strict=True)) for xy in strokes))


def as_sent(stroke: PenStroke) -> dict[str, Any]:
    return {"width": stroke.width, "points": [value for point in asdict(stroke)["points"] for value in point]}


def cells(text: str) -> Tensor:
    return torch.tensor(list(base64.b64decode(text)))


def possible_peaks(evidence: Tensor, pixels: Tensor, drawn: Tensor) -> set[str]:
    """On which parts of the digit the peak of a map (h, w) may lie, its values being known to 1e-3."""
    if evidence.max() == 0:
        return {"nowhere"}
    upsampled = F.interpolate(evidence[None, None].double(), pixels.shape, mode="bilinear")[0, 0]
    ink = drawn[None] >= STROKE
    parts = {
        "hole": holes(ink)[0],
        "junction": within(junctions(ink), NEAR)[0],
        "stroke": drawn >= INK,
        "added": pixels >= INK,
        "beside": torch.ones_like(pixels, dtype=torch.bool),
    }
    return {
        next(name for name, mask in parts.items() if mask[y, x])
        for y, x in (upsampled >= upsampled.max() - 1e-3).nonzero().tolist()
    }


def compare(run: engines.Run, name: str, pair: Pair, count: int) -> None:
    everything = drawings(count)
    sketches = [write_strokes(strokes) for strokes in everything]
    asked = [QUESTIONS[idx % len(QUESTIONS)] for idx in range(count)]
    answers = run(
        ANSWER_ALL,
        {
            "networks": name,
            "titles": [(variant, LOSSES[variant].title) for variant in PAIR],
            "drawings": [
                {
                    "strokes": [as_sent(stroke) for stroke in strokes],
                    "pixels": sketch.pixels.flatten().tolist(),
                    "question": {"class_idx": question[0], "other_idx": question[1]},
                    "side": 28,
                }
                for strokes, sketch, question in zip(everything, sketches, asked, strict=True)
                if sketch is not None
            ],
        },
    )
    assert len(answers) == count
    compared = 0
    for strokes, sketch, question, said in zip(everything, sketches, asked, answers, strict=True):
        assert sketch is not None
        assert (torch.tensor(said["written"]) - sketch.pixels.flatten()).abs().max() <= 1 / 255
        # A hundredth of a pixel of the image, in the unit of the strokes: nobody sees a map that far off.
        assert said["frame"] == pytest.approx([sketch.left, sketch.top, sketch.scale], rel=0, abs=0.01 * sketch.scale)
        truth = inference.answer(pair, None, *question, encode=inference.as_bytes, strokes=list(map(as_sent, strokes)))
        for variant, model in pair.models.items():
            with torch.no_grad():
                logits = model(sketch.pixels)[0][0]
            torch.testing.assert_close(torch.tensor(said["logits"][variant]).float(), logits, atol=1e-4, rtol=0)
            first, second = logits.topk(2).values.tolist()
            ours, theirs = said["readings"][variant], truth[variant]
            close_call = first - second < 1e-3
            assert ours.get("ood_score") == pytest.approx(theirs.get("ood_score"), abs=1e-3)
            if not close_call:
                compared += 1
                for exact in ("digit", "class_idx", "other_idx"):
                    assert ours[exact] == theirs[exact]
                for near in ("similarity", "stroke_energy", "probs"):
                    assert ours[near] == pytest.approx(theirs[near], abs=1e-3)
                assert ours["area_above_half"] == pytest.approx(theirs["area_above_half"], abs=1.01 / 28**2)
                for name_of_map in ("cam", "caam", "contrast"):
                    if theirs[name_of_map] is None:
                        assert ours[name_of_map] is None
                    else:
                        assert (cells(ours[name_of_map]) - cells(theirs[name_of_map])).abs().max() <= 1
                truth_maps = explain(model, sketch.pixels, *question)
                evidence = truth_maps.cam if truth_maps.contrast is None else truth_maps.contrast.clamp_min(0)
                assert ours["peak"] in possible_peaks(evidence[0], sketch.pixels[0, 0], sketch.pixels[0, 0])
    assert compared >= 0.9 * len(pair.models) * count
    for strokes, question, said in list(zip(everything, asked, answers, strict=True))[:40]:
        steps = inference.build_up(
            pair, None, "cam", question[0], encode=inference.as_bytes, strokes=list(map(as_sent, strokes))
        )
        assert said["steps"]["class_idx"] == steps["class_idx"]
        assert [channel["weight"] for channel in said["steps"]["channels"]] == pytest.approx(
            [channel["weight"] for channel in steps["channels"]], abs=1e-4
        )
        assert [channel["pooled"] for channel in said["steps"]["channels"]] == pytest.approx(
            [channel["pooled"] for channel in steps["channels"]], abs=1e-3
        )
        assert said["steps"]["logit"] == pytest.approx(steps["logit"], abs=1e-3)
        assert said["steps"]["bias"] == pytest.approx(steps["bias"], abs=1e-4)
        for ours, theirs in zip(said["steps"]["totals"], steps["totals"], strict=True):
            assert ours["count"] == theirs["count"]
            assert ours["distance"] == pytest.approx(theirs["distance"], abs=1e-3)
            for name_of_map in ("cam", "caam", "difference"):
                assert (cells(ours[name_of_map]) - cells(theirs[name_of_map])).abs().max() <= 1


@pytest.mark.parametrize(("name", "count"), [("default", 300), ("flagging", 60), ("plain_cnn", 60)])
def test_chromium(browser: Browser, address: str, pairs: dict[str, Pair], name: str, count: int) -> None:
    with engines.chromium(browser, address) as run:
        compare(run, name, pairs[name], count)


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("WebKitWebDriver") is None, reason="needs webkit2gtk-driver and xvfb"
)
@pytest.mark.parametrize(("name", "count"), [("default", 100), ("flagging", 20), ("plain_cnn", 20)])
def test_webkit(address: str, pairs: dict[str, Pair], name: str, count: int) -> None:
    with engines.webkit(address) as run:
        compare(run, name, pairs[name], count)


CORRUPTED = """async ({ networks, pixels, pool, kinds }) => {
    const names = ["network", "map_statistics", "corruptions"];
    const [{ networksIn }, statistics, corruptions] = await Promise.all(names.map((name) => import(`/web/${name}.js`)));
    const { file } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${file}`)).arrayBuffer(), kernel);
    const cut = pool.map((digit) => Uint8Array.from(digit));
    return kinds.flatMap((kind) => pixels.map((digit) => {
        const sketch = { pixels: Float32Array.from(digit), frame: [0, 0, 1] };
        const given = corruptions.corrupted(sketch, { kind, strength: 0.5, seed: 0 }, cut);
        const question = { class_idx: null, other_idx: null };
        const titles = [["ce", "Cross-entropy"], ["cam", "CAM-loss"]];
        return {
            given: [...given.pixels], drawn: [...given.drawn],
            ...statistics.answerFor(pair, titles, given.pixels, question, given.drawn),
        };
    }));
}"""


def test_maps_of_a_corrupted_digit(browser: Browser, address: str, pairs: dict[str, Pair]) -> None:
    """Against what was drawn: clutter and noise are none of its strokes, and no second digit."""
    sketches = [sketch.pixels.flatten() for strokes in drawings(6) if (sketch := write_strokes(strokes)) is not None]
    pool = [(255 * pixels).round().int().tolist() for pixels in sketches]
    kinds = ["clutter", "canvas", "line", "salt_noise", "gaussian_noise"]
    with engines.chromium(browser, address) as run:
        said = run(
            CORRUPTED,
            {"networks": "default", "pixels": [p.tolist() for p in sketches], "pool": pool, "kinds": kinds},
        )
    for answer in said:
        given, drawn = (torch.tensor(answer[name]) for name in ("given", "drawn"))
        side = round(len(given) ** 0.5)
        given, drawn = given.view(side, side), drawn.view(side, side)
        for variant, model in pairs["default"].models.items():
            truth, reading = explain(model, given[None, None]), answer["readings"][variant]
            assert reading["digit"] == int(truth.class_idx)
            assert reading["peak"] in possible_peaks(truth.cam[0], given, drawn)
            energy = float(stroke_energy(truth.cam, drawn[None, None]))
            assert reading["stroke_energy"] == pytest.approx(energy, abs=1e-3)
            upsampled = F.interpolate(truth.cam[None].double(), given.shape, mode="bilinear")
            area = float((upsampled >= truth.cam.max() / 2).double().mean())
            assert reading["area_above_half"] == pytest.approx(area, abs=3 / side**2)
            assert "everal digits" not in answer["summary"]


LARGE_CANVASES = """async ({ networks, pixels, height, width }) => {
    const { networksIn } = await import("/web/network.js");
    const { file } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${file}`)).arrayBuffer(), kernel);
    const run = (given, h, w) => [...pair.get("cam").run(Float32Array.from(given), h, w).logits];
    const before = run(pixels.slice(0, 784), 28, 28);
    const logits = run(pixels, height, width);
    return { logits, same: JSON.stringify(before) === JSON.stringify(run(pixels.slice(0, 784), 28, 28)) };
}"""


@pytest.mark.parametrize("name", ["default", "plain_cnn"])
@pytest.mark.parametrize("size", [(84, 84), (41, 57)])
def test_any_canvas(browser: Browser, address: str, pairs: dict[str, Pair], name: str, size: tuple[int, int]) -> None:
    height, width = size
    pixels = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    with engines.chromium(browser, address) as run:
        said = run(
            LARGE_CANVASES,
            {"networks": name, "pixels": pixels.flatten().tolist(), "height": height, "width": width},
        )
    with torch.no_grad():
        logits = pairs[name]["cam"](pixels)[0][0]
    torch.testing.assert_close(torch.tensor(said["logits"]).float(), logits, atol=1e-4, rtol=1e-5)
    assert said["same"]  # what one canvas leaves behind in memory does not reach the next


CORRUPT_ALL = """async ({ digits, pool, numbers, seed }) => {
    const corruptions = await import("/web/corruptions.js");
    const cut = pool.map((digit) => Uint8Array.from(digit));
    return digits.map((pixels, i) => {
        const [digit, number] = [Uint8Array.from(pixels), numbers[i]];
        return {
            canvas: [...corruptions.onCanvas(digit, 84)],
            odd_canvas: [...corruptions.onCanvas(digit, 45)],
            clutter: [...corruptions.amongClutter(digit, number, cut, 8, 56, seed)],
            few_clutter: [...corruptions.amongClutter(digit, number, cut, 3, 45, seed)],
            salt_noise: [...corruptions.saltNoise(digit, number, 10, seed)],
            line: [...corruptions.line(digit, number, 56, seed)],
            gaussian_noise: [...corruptions.gaussianNoise(digit, number, 51, seed)],
            words: [...corruptions.words(seed, number, corruptions.LAYOUT, 50)],
        };
    });
}"""


@pytest.mark.parametrize("seed", [0, 3, 2**32 - 1])
def test_corruptions_are_the_same_number_by_number(browser: Browser, address: str, seed: int) -> None:
    count = 20
    drawn = [write_strokes(strokes) for strokes in drawings(count + 12)]
    pictures = torch.cat([(255 * sketch.pixels).round().to(torch.uint8) for sketch in drawn if sketch is not None])
    digits, pool = pictures[:count], pictures[count:]
    numbers = torch.cat([torch.arange(count - 1), torch.tensor([2**32 - 1])])
    with engines.chromium(browser, address) as run:
        said = run(
            CORRUPT_ALL,
            {
                "digits": digits.flatten(1).tolist(),
                "pool": pool.flatten(1).tolist(),
                "numbers": numbers.tolist(),
                "seed": seed,
            },
        )
    truth = {
        "canvas": corruptions.on_canvas(digits, 84),
        "odd_canvas": corruptions.on_canvas(digits, 45),
        "clutter": corruptions.among_clutter(digits, numbers, pool, 8, 56, seed=seed),
        "few_clutter": corruptions.among_clutter(digits, numbers, pool, 3, 45, seed=seed),
        "salt_noise": corruptions.salt_noise(digits, numbers, 10, seed=seed),
        "line": corruptions.line(digits, numbers, 56, seed=seed),
        "gaussian_noise": corruptions.gaussian_noise(digits, numbers, 51, seed=seed),
        "words": corruptions.words(seed, numbers, corruptions.LAYOUT, 50),
    }
    for name, expected in truth.items():
        assert [one[name] for one in said] == expected.flatten(1).tolist(), name


ERASE = """async ({ networks, pixels, share }) => {
    const [{ networksIn }, statistics] = await Promise.all(
        ["network", "map_statistics"].map((name) => import(`/web/${name}.js`)));
    const { file } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const pair = await networksIn(await (await fetch(`/web/weights/${file}`)).arrayBuffer(), kernel);
    const question = { class_idx: null, other_idx: null, erase: share };
    const titles = [["ce", "Cross-entropy"], ["cam", "CAM-loss"]];
    return pixels.map((given) => statistics.answerFor(pair, titles, Float32Array.from(given), question).readings);
}"""


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_what_is_erased(browser: Browser, address: str, pairs: dict[str, Pair], share: float) -> None:
    """The top positions of each network's own map, and as much ink, never less, in the other orders."""
    sketches = [sketch for strokes in drawings(20) if (sketch := write_strokes(strokes)) is not None]
    given = [sketch.pixels.flatten().tolist() for sketch in sketches]
    with engines.chromium(browser, address) as run:
        said = run(ERASE, {"networks": "default", "pixels": given, "share": share})
    for sketch, readings in zip(sketches, said, strict=True):
        ink = sketch.pixels.flatten()
        for variant, model in pairs["default"].models.items():
            before, loss = explain(model, sketch.pixels), readings[variant]["loss"]
            heat = F.interpolate(before.cam[None].double(), (28, 28), mode="bilinear").flatten()
            mask = cells(loss["mask"]) > 0
            assert int(mask.sum()) == round(share * 784)
            assert heat[mask].min() >= heat[~mask].max() - 1e-5
            assert loss["ink"] == pytest.approx(float(ink[mask].sum() / ink.sum()), abs=1e-4)
            after = explain(model, sketch.pixels * ~mask.view(1, 1, 28, 28))
            assert loss["digit"] == int(before.class_idx)
            assert loss["top"]["kept"] == pytest.approx(float(after.probs[0, loss["digit"]]), abs=1e-4)
            assert readings[variant]["probs"] == pytest.approx(after.probs[0].tolist(), abs=1e-4)
            assert 0 <= loss["chance"]["kept"] <= loss["chance"]["draws"]


AS_MUCH = """async ({ pixels, ink }) => {
    const erase = await import("/web/erase.js");
    const given = Float32Array.from(pixels);
    const orders = [erase.byChance(given, 0), erase.byChance(given, 1), erase.fromTheMiddle(given)];
    return orders.map((order) => [...erase.asMuch(given, order, ink)]);
}"""


def test_as_much_ink_is_taken_in_every_order(browser: Browser, address: str) -> None:
    (sketch,) = (write_strokes(strokes) for strokes in drawings(1))
    assert sketch is not None
    pixels, wanted = sketch.pixels.flatten(), 10.0
    with engines.chromium(browser, address) as run:
        masks = torch.tensor(run(AS_MUCH, {"pixels": pixels.tolist(), "ink": wanted})).bool()
    for mask in masks:
        assert wanted - 1e-3 <= float(pixels[mask].sum()) < wanted + 1
        assert bool((pixels[mask] > 0).all())
    assert not torch.equal(masks[0], masks[1])
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    middle = [(pixels * where.flatten()).sum() / pixels.sum() for where in (rows, columns)]
    far = ((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2).flatten()
    assert far[masks[2]].max() <= far[(pixels > 0) & ~masks[2]].min() + 1e-4


SNAPSHOTS = """async ({ networks, pixels }) => {
    const [{ networksIn }, statistics] = await Promise.all(
        ["network", "map_statistics"].map((name) => import(`/web/${name}.js`)));
    const { snapshots } = await (await fetch(`/web/weights?networks=${networks}`)).json();
    const kernel = await WebAssembly.compile(await (await fetch("/web/kernel.wasm")).arrayBuffer());
    const file = await (await fetch(`/web/weights/${snapshots.file}`)).arrayBuffer();
    const said = [...(await networksIn(file, kernel))].map(([name, network]) => {
        const looks = pixels.map((given) => Float32Array.from(given)).map((given) =>
            statistics.read(network, given, given, { class_idx: null, other_idx: null }));
        return [name, looks.map(({ reading, logits }) => ({ ...reading, logits: [...logits] }))];
    });
    return Object.fromEntries(said);
}"""


@torch.no_grad()
def as_sent_in_float16(model: MapClassifier, pixels: Tensor) -> Tensor:
    """The logits of a network whose folded weights are rounded to float16."""
    layers = fold(model)
    assert layers is not None
    x = (pixels - MNIST_MEAN) / MNIST_STD
    for layer in layers:
        x = F.conv2d(x, layer.weight.half().float(), layer.bias.half().float(), layer.stride, padding=1).relu()
    pooled = x.mean((-2, -1)) if model.pooling == "avg" else x.amax((-2, -1))
    return F.linear(pooled, model.head.weight.half().float(), model.head.bias.half().float())


def test_snapshots_in_float16(browser: Browser, address: str, pairs: dict[str, Pair]) -> None:
    """What is sent is computed with as it is; rounded, the finished weights show what they show unrounded."""
    sketches = [sketch for strokes in drawings(20) if (sketch := write_strokes(strokes)) is not None]
    with engines.chromium(browser, address) as run:
        said = run(SNAPSHOTS, {"networks": "default", "pixels": [s.pixels.flatten().tolist() for s in sketches]})
    snapshots = pairs["default"].snapshots
    assert list(said) == [f"{snapshot.epoch}.{variant}" for snapshot in snapshots for variant in PAIR]
    for snapshot in snapshots:
        for variant, model in snapshot.models.items():
            for reading, sketch in zip(said[f"{snapshot.epoch}.{variant}"], sketches, strict=True):
                truth = as_sent_in_float16(model, sketch.pixels)[0]
                torch.testing.assert_close(torch.tensor(reading["logits"]).float(), truth, atol=1e-3, rtol=0)
    for variant, model in pairs["default"].digit_models.items():
        for reading, sketch in zip(said[f"2.{variant}"], sketches, strict=True):
            shipped = explain(model, sketch.pixels)
            assert reading["digit"] == int(shipped.probs.argmax())
            assert reading["similarity"] == pytest.approx(1 - float(shipped.distance), abs=2e-3)
            for name, expected in (("cam", shipped.cam[0]), ("caam", shipped.caam[0])):
                assert (cells(reading[name]) / 254 - expected.flatten()).abs().max() <= 0.02


def test_float16_becomes_float32(browser: Browser, address: str) -> None:
    """Every finite number of float16."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16)
    truth = bits.view(torch.float16).float()
    finite = truth.isfinite()
    widen = """async (bits) => [...(await import("/web/network.js")).widened(Uint16Array.from(bits))]"""
    with engines.chromium(browser, address) as run:
        said = torch.tensor(run(widen, bits.to(torch.int32)[finite].tolist()))
    assert torch.equal(said, truth[finite])


def test_how_far_maps_correlate(browser: Browser, address: str) -> None:
    maps = torch.rand(4, 196, generator=torch.Generator().manual_seed(0)) * 254
    maps[1] = 0.5 * maps[0] + 20
    correlate = """async (maps) => (await import("/web/correlation.js")).meanCorrelation(maps)"""
    with engines.chromium(browser, address) as run:
        assert run(correlate, maps[:2].tolist()) == pytest.approx(1)
        assert run(correlate, [[3, 3, 3], [1, 2, 3]]) == 0
        truth = torch.corrcoef(maps)[torch.triu_indices(4, 4, 1).unbind()].mean()
        assert run(correlate, maps.tolist()) == pytest.approx(float(truth), abs=1e-5)


def test_networks_that_the_kernel_cannot_run_stay_with_the_server() -> None:
    assert weight_file(random_pair("resnet18", 0)) is None
