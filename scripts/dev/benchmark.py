"""Measure the speed of training, of `explain` and of preprocessing.

    python scripts/dev/benchmark.py --only step preprocess > docs/records/step.md
    python scripts/dev/benchmark.py --only step --arch timm/resnet18 --device cuda --batch-size 256

    step        one training step with CAM-loss beside one with cross-entropy, in turns; of any network, on any device
    explain     `explain` beside TorchCAM and pytorch-grad-cam on one network. TorchCAM makes the CAM as `explain` does,
                without gradients; pytorch-grad-cam has Grad-CAM, the CAM's positive part here, enlarged to the image
    training    short runs on MNIST: seconds and accuracy
    preprocess  any drawing to 28x28

Each measurement is a function that returns rows of the table; ratios are taken within one run. What the demo's page
takes, scripts/dev/benchmark_page.py measures.
"""

import argparse
import contextlib
import copy
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _root  # noqa: F401
import torch
from _meter import Row, add_only, print_rows
from torch import Tensor, nn

from camloss import CAMLoss, Objective, build_model, cli, explain, preprocess_sketch, wrap
from camloss.data.mnist import load_mnist
from camloss.digits.pendigits import render_strokes
from camloss.metrics import evaluate
from camloss.models import build_classifier, count_macs
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.hardware import pick_device, pick_precision
from camloss.training.loop import train
from camloss.training.optim import make_optimizer

PAIRS = 150
WARM_UP = 10
THREADS = torch.get_num_threads()  # as torch starts; some measurements lower it
ARCH, SIZE = "resnet18", 224  # of timm, for `explain`
ROUNDS = {1: 40, 32: 4}  # by batch
SHORT = (("first", 4), ("default", 3), ("default", 2))  # recipes and epochs about the accuracy that is timed
SEEDS = 3


def main() -> None:
    parser = cli.Parser(__doc__)
    add_only(parser, MEASUREMENTS)
    parser.add_argument("--arch", default=TrainConfig().arch, help="of the step: of build_model, or timm/NAME")
    parser.add_argument("--device", default="cpu", help="of the step, such as cuda; auto takes what there is")
    parser.add_argument("--size", type=int, default=128, metavar="PX", help="of the images of a network of timm's")
    parser.add_argument("--batch-size", type=int, default=TrainConfig().batch_size, metavar="N", help="of the step")
    flags = parser.parse_args()
    print_rows({name: partial(MEASUREMENTS[name], flags) for name in flags.only})


def step(flags: argparse.Namespace) -> list[Row]:
    """One training step with CAM-loss over one with cross-entropy: same model, same batch, in alternation."""
    torch.set_num_threads(THREADS)
    config, place = TrainConfig(), pick_device(flags.device)
    arch, batch_size = flags.arch, flags.batch_size
    network: Any
    if arch.startswith("timm/"):
        import timm

        network, shape = wrap(timm.create_model(arch.removeprefix("timm/"))), (batch_size, 3, flags.size, flags.size)
        optimizer: torch.optim.Optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    else:
        network, shape = build_model(arch), (batch_size, 1, 28, 28)
        optimizer = make_optimizer(network, config)
    network.to(place, memory_format=torch.channels_last)
    classes = network.head.weight.shape[0]
    bfloat16 = pick_precision(config.precision, place) == "bfloat16"
    x = torch.rand(shape, device=place).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(classes, (batch_size,), device=place)
    cross_entropy = nn.CrossEntropyLoss()
    cam_loss = Objective(network, CAMLoss(config.alpha))

    def synchronize() -> None:
        if place.type != "cpu":
            torch.accelerator.synchronize(place)

    def seconds(loss_of: str) -> float:
        synchronize()
        start = time.perf_counter()
        with torch.autocast(place.type, torch.bfloat16, enabled=bfloat16):
            loss = cam_loss(x, targets).total if loss_of == "cam" else cross_entropy(network(x)[0].float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        synchronize()
        return time.perf_counter() - start

    times: dict[str, list[float]] = {"ce": [], "cam": []}
    for pair in range(PAIRS):
        for loss_of in ("ce", "cam") if pair % 2 else ("cam", "ce"):
            times[loss_of].append(seconds(loss_of))
    ce, cam = (statistics.median(times[loss_of][WARM_UP:]) for loss_of in ("ce", "cam"))
    ratio = statistics.median(b / a for a, b in zip(times["ce"][WARM_UP:], times["cam"][WARM_UP:], strict=True))
    return [
        ("CAM-loss step over cross-entropy step", f"{ratio:.3f}", "at most 1.02"),
        (f"step of {batch_size} images, cross-entropy / CAM-loss", f"{1e3 * ce:.1f} / {1e3 * cam:.1f} ms", ""),
    ]


def explain_beside_others(_flags: argparse.Namespace) -> list[Row]:
    """Every round runs all three, in turns; a ratio is the median over the rounds."""
    import timm
    from pytorch_grad_cam import GradCAM

    torch.manual_seed(0)
    torch.set_num_threads(1)  # processor time is then what an idle machine takes
    network = timm.create_model(ARCH).eval()
    model, other = wrap(network), copy.deepcopy(network)  # GradCAM's hooks stay in its network between calls
    rows = []
    with GradCAM(other, target_layers=[other.layer4]) as gradcam:
        for batch, rounds in ROUNDS.items():
            x = torch.rand(batch, 3, SIZE, SIZE)
            calls: dict[str, Callable[[], object]] = {
                "explain": partial(explain, model, x),
                "TorchCAM": partial(torchcam, network, x),
                "pytorch-grad-cam": partial(gradcam, x, None),  # as the others: the most probable class
            }
            times = in_turns(calls, rounds)
            own = 1e3 * statistics.median(times["explain"])
            rows.append((f"explain, {ARCH} of timm, {batch} x {SIZE} px", f"{own:.1f} ms", ""))
            for name in list(calls)[1:]:
                ratio = statistics.median(a / b for a, b in zip(times["explain"], times[name], strict=True))
                rows.append((f"its time over that of {name}", f"{ratio:.2f}", "at most 1.00"))
    return rows


@torch.no_grad()
def torchcam(network: nn.Module, x: Tensor) -> Tensor:
    from torchcam.methods import CAM

    with CAM(network, target_layer="layer4", fc_layer="fc") as extract:
        logits = network(x)
        maps: Tensor = extract(logits.argmax(1).tolist(), logits)[0]
    return maps


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each call, round by round; each round starts with another one."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.process_time()
            calls[name]()
            if number:  # the first fills caches
                times[name].append(time.process_time() - start)
    return times


def training(_flags: argparse.Namespace) -> list[Row]:
    """Short runs of the CAM-loss model on MNIST alone, by the first recipe and by today's in turns; the test set."""
    torch.set_num_threads(THREADS)
    data = load_mnist()
    seconds: list[list[float]] = [[] for _ in SHORT]
    accuracy: list[list[float]] = [[] for _ in SHORT]
    for seed in range(SEEDS):
        for run, (name, epochs) in enumerate(SHORT):
            with tempfile.TemporaryDirectory() as folder:
                config = dataclasses.replace(
                    RECIPES[name], epochs=epochs, synthetic=0, seed=seed, output_dir=Path(folder)
                )
                with contextlib.redirect_stdout(sys.stderr):  # its progress is no row of the table
                    trained = train(config, "cam", data)
            seconds[run].append(sum(entry["seconds"] for entry in trained.history))
            accuracy[run].append(evaluate(trained.model, data.test.batches(1_000))["accuracy"])
    rows = [("MACs of one image", f"{count_macs(build_classifier(TrainConfig().arch)) / 1e6:.1f} M", "16 M")]
    first = statistics.mean(seconds[0])
    for run, (name, epochs) in enumerate(SHORT):
        mean = statistics.mean(seconds[run])
        what = f"training the CAM-loss model, {epochs} epochs of MNIST alone, recipe {name}, mean of {SEEDS} seeds"
        rows.append((what, f"{mean:.0f} s", ""))
        rows.append(("its accuracy on the test set", f"{statistics.mean(accuracy[run]):.2%}", "at least 99.5 %"))
        if run > 0:
            rows.append(("its time over that of the first recipe", f"{mean / first:.2f}", "at most 0.50"))
    return rows


def preprocess(_flags: argparse.Namespace) -> list[Row]:
    """Any drawing to 28x28: a 280x280 canvas as the pad makes it."""
    four = (((110.0, 60.0), (80.0, 160.0), (190.0, 155.0)), ((165.0, 70.0), (150.0, 230.0)))
    canvas = render_strokes(four, (280, 280), brush=18)
    torch.set_num_threads(1)
    times = []
    for _ in range(220):
        start = time.perf_counter()
        preprocess_sketch(canvas)
        times.append(time.perf_counter() - start)
    return [("a 280x280 canvas to 28x28, median", f"{1e3 * statistics.median(times[20:]):.2f} ms", "at most 3 ms")]


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "step": step,
    "explain": explain_beside_others,
    "training": training,
    "preprocess": preprocess,
}

if __name__ == "__main__":
    cli.run(main)
