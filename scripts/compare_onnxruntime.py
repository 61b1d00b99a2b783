"""The kernel beside onnxruntime-web, in Chromium, one thread each: size and speed of both shipped networks.

npm install --prefix /tmp/ort onnxruntime-web@1.30.0
pip install onnx
python scripts/compare_onnxruntime.py /tmp/ort/node_modules/onnxruntime-web/dist
"""

import asyncio
import base64
import gzip
import importlib
from pathlib import Path
from typing import Any

from _checkout import ROOT
from _page import served
from benchmark_browser import KERNEL, ready_page
from build_kernel import KERNEL as KERNEL_FILE

from camloss import cli
from camloss.digits.models import MNIST_MEAN, MNIST_STD, MapClassifier
from camloss.errors import CamlossError
from camloss.page.weights import fold
from camloss.training.hardware import cpu_name
from camloss.twins import Twins

SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
RUNS = """async ([script, wasm, models]) => {
    const ort = await import(script);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await (await fetch(wasm)).arrayBuffer();
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const sessions = [];
    for (const model of models) sessions.push(await ort.InferenceSession.create(bytes(model)));
    const values = Float32Array.from({ length: 784 }, (_, i) => (i * 7919 % 101) / 100);
    const pixels = new ort.Tensor("float32", values, [1, 1, 28, 28]);
    const times = [];
    for (let i = 0; i < 60; i++) {
        const start = performance.now();
        for (const session of sessions) await session.run({ x: pixels });
        times.push(performance.now() - start);
    }
    return times.slice(10).sort((a, b) => a - b)[25];
}"""


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("dist", type=Path, help="the folder dist of the npm package onnxruntime-web")
    dist: Path = parser.parse_args().dist
    if not (dist / SCRIPT).is_file() or not (dist / WASM).is_file():
        raise CamlossError(f"{dist} holds no {SCRIPT} and {WASM}; give the folder dist of onnxruntime-web")
    ours, theirs = asyncio.run(measure(dist))
    kernel, library = KERNEL_FILE.read_bytes(), (dist / SCRIPT).read_bytes() + (dist / WASM).read_bytes()
    sizes = [(f"{len(code):,}", f"{len(gzip.compress(code)):,}") for code in (kernel, library)]
    rows = [
        ("kernel.c", *sizes[0], f"{ours:.1f} ms"),
        ("onnxruntime-web", *sizes[1], f"{theirs:.1f} ms"),
    ]
    print(cli.table(["", "bytes", "gzipped", "both networks, median of 50"], rows))
    print(f"\n{cpu_name()}, Chromium, one thread")


async def measure(dist: Path) -> tuple[float, float]:
    """Milliseconds that both networks take, here and there, in one tab."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    twins = Twins.load(ROOT / "checkpoints")
    models = [encoded(to_onnx(model)) for model in twins.models.values()]
    with served() as (url, _):
        async with ready_page(url) as tab:
            ours, _everything = await tab.evaluate(KERNEL, {"side": 28})
            for name in (SCRIPT, WASM):  # from the page's own address: its policy allows no other
                await tab.route(f"{url}{name}", lambda route, _, name=name: route.fulfill(path=dist / name))
            theirs = await tab.evaluate(RUNS, [url + SCRIPT, url + WASM, models])
    return float(ours), float(theirs)


def to_onnx(model: MapClassifier) -> bytes:
    """The folded network, with its features as a second output.

    Raises:
        CamlossError: onnx is not installed, or the network is not one of convolutions alone.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
        numpy_helper: Any = importlib.import_module("onnx.numpy_helper")
    except ImportError:
        raise CamlossError("onnx is not installed; run: pip install onnx") from None
    layers = fold(model)
    if layers is None:
        raise CamlossError("the network is not one of 3 x 3 convolutions alone; compare another")
    nodes, constants, last = [], [], "x"

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(values.detach().float().contiguous().numpy(), name))
        return name

    first = layers[0].weight / MNIST_STD  # the border is not exact so, the work is the same
    shift = layers[0].bias - first.sum((1, 2, 3)) * MNIST_MEAN
    for idx, layer in enumerate(layers):
        weight = constant(f"w{idx}", first if idx == 0 else layer.weight)
        bias = constant(f"b{idx}", shift if idx == 0 else layer.bias)
        convolution = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [layer.stride] * 2}
        nodes.append(onnx.helper.make_node("Conv", [last, weight, bias], [f"c{idx}"], **convolution))
        nodes.append(onnx.helper.make_node("Relu", [f"c{idx}"], [f"r{idx}"]))
        last = f"r{idx}"
    pooling = "GlobalMaxPool" if model.pooling == "max" else "GlobalAveragePool"
    nodes.append(onnx.helper.make_node(pooling, [last], ["pooled"]))
    nodes.append(onnx.helper.make_node("Flatten", ["pooled"], ["flat"]))
    head = [constant("hw", model.head.weight), constant("hb", model.head.bias)]
    nodes.append(onnx.helper.make_node("Gemm", ["flat", *head], ["logits"], transB=1))
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info("x", floats, [1, 1, 28, 28])],
        [onnx.helper.make_tensor_value_info(name, floats, None) for name in ("logits", last)],
        constants,
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


if __name__ == "__main__":
    cli.run(main)
