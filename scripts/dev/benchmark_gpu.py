"""Measure training and `explain` on a GPU: a table for the record.

    python scripts/dev/benchmark_gpu.py --data-dir ../data                              within four minutes on one H200
    python scripts/dev/benchmark_gpu.py --data-dir ../data --device cpu --tiny          the same on a CPU, to try it

Wants `tin10` and `mnist` in the data folder. The steps of ResNet-18 run under torchrun, with one process.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import _root  # noqa: F401, finds the package of the checkout
import torch
from torch import Tensor

from camloss import cli, explain
from camloss.data.folder import load_folder
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.losses import LOSSES
from camloss.models import build_model, on_pixels
from camloss.split import Split
from camloss.training.config import RECIPES
from camloss.training.distributed import Processes, processes, wrapped_for
from camloss.training.hardware import environment, pick_device, pick_precision
from camloss.training.loop import initial_model, train
from camloss.training.optim import make_optimizer
from camloss.training.replay import Step

ALPHA = 3.0


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is measured."""

    sizes: tuple[int, ...] = (64, 128)
    batch: int = 256
    steps: int = 40
    rounds: int = 5
    digits: int = 60_000
    epochs: int = 10


TINY = Extent(sizes=(64,), batch=8, steps=2, rounds=2, digits=300, epochs=2)
Row = tuple[str, str]


def main() -> None:
    flags = parse_flags()
    extent = TINY if flags.tiny else Extent()
    if flags.step:
        with processes(flags.device) as (together, name):
            print(json.dumps(step_times(together, pick_device(name), flags.data_dir, flags.step, extent)))
        return
    device = pick_device(flags.device)
    rows = [(name, value) for name, value in environment(device).items()]
    for part in (of_steps, of_digits, of_explain):
        started = time.perf_counter()
        rows += part(flags, device, extent)
        print(f"{part.__name__}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(cli.table(["measured", "value"], rows))


def of_steps(flags: argparse.Namespace, _: torch.device, extent: Extent) -> list[Row]:
    """ResNet-18 under torchrun, by size."""
    rows = []
    for size in extent.sizes:
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", __file__, "--step", str(size)]
        words += ["--data-dir", str(flags.data_dir), "--device", flags.device, *(["--tiny"] if flags.tiny else [])]
        done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rows += [
            (f"ResNet-18 at {size} px under torchrun, {found['backend']}: images a second", f"{found['images']:.0f}"),
            (f"ResNet-18 at {size} px: CAM-loss step over CE step", f"{found['ratio']:.3f}"),
        ]
    return rows


def step_times(
    together: Processes, device: torch.device, data_dir: Path, size: int, extent: Extent
) -> dict[str, float | str]:
    """Rounds of steps with each loss in turn: images a second with CAM-loss, and the ratio, both medians."""
    data = load_folder(data_dir / "tin10", size)
    images = data.train.to(device)
    config = dataclasses.replace(RECIPES["pictures"], arch="torchvision/resnet18")
    steps = {}
    for variant in ("ce", "cam"):
        network = initial_model(config, None, data).to(device).to(memory_format=torch.channels_last)
        model = on_pixels(network, data.mean, data.std).to(device)
        forward = wrapped_for(together, model, device).train()
        generator = torch.Generator(device=device).manual_seed(0)
        draws = torch.rand(len(images), data.augmentation.draws, device=device)
        steps[variant] = Step(
            *(model, forward, make_optimizer(model, config), LOSSES[variant].make(ALPHA), images, data.augmentation),
            *(draws, None, None, generator, pick_precision("auto", device)),
        )
    order = torch.randperm(len(images))[: extent.batch * extent.steps].to(device).split(extent.batch)

    def one_round(step: Callable[[Tensor], Tensor]) -> float:
        return seconds(lambda: [step(batch) for batch in order], device)

    for step in steps.values():
        one_round(step)  # warm up
    times = {name: [] for name in steps}  # type: dict[str, list[float]]
    for _ in range(extent.rounds):
        for name, step in steps.items():
            times[name].append(one_round(step))
    ratios = [cam / ce for ce, cam in zip(times["ce"], times["cam"], strict=True)]
    return {
        "images": sum(map(len, order)) / statistics.median(times["cam"]),
        "ratio": statistics.median(ratios),
        "backend": torch.distributed.get_backend() if together.started else "alone",
    }


def of_digits(flags: argparse.Namespace, device: torch.device, extent: Extent) -> list[Row]:
    """MNIST's pair: seconds an epoch as the steps are, and replayed; the whole pair replayed."""
    data = load_mnist(flags.data_dir)
    data = dataclasses.replace(data, train=head(data.train, extent.digits), validation=head(data.validation, 5_000))
    stream = torch.cuda.stream(torch.cuda.Stream()) if device.type == "cuda" else nullcontext()
    rows = []
    with tempfile.TemporaryDirectory() as folder, stream:
        config = dataclasses.replace(
            RECIPES["default"], epochs=extent.epochs, device=str(device), output_dir=Path(folder), synthetic=0
        )
        plain = train(dataclasses.replace(config, epochs=2), "cam", data, log=note)
        rows.append(("MNIST: seconds an epoch, each step started by Python", f"{plain.history[-1]['seconds']:.2f}"))
        started = time.perf_counter()
        pair = [train(config, variant, data, log=note, replay=True) for variant in ("ce", "cam")]
        whole = time.perf_counter() - started
        epochs = [epoch["seconds"] for one in pair for epoch in one.history[1:]]
        rows += [
            ("MNIST: seconds an epoch, steps replayed", f"{statistics.median(epochs):.2f}"),
            (f"MNIST: seconds for the pair of {extent.epochs} epochs, replayed", f"{whole:.1f}"),
            ("MNIST: validation accuracy of the pair", ", ".join(f"{accuracy_of(one.history):.2%}" for one in pair)),
        ]
    return rows


def accuracy_of(history: list[dict[str, float]]) -> float:
    return history[-1]["validation_accuracy"]


def of_explain(_: argparse.Namespace, device: torch.device, extent: Extent) -> list[Row]:
    """`explain` beside the forward pass that it holds."""
    model = build_model("torchvision/resnet18", 10).to(device).eval()
    size = extent.sizes[-1]
    rows = []
    for count in (1, min(extent.batch, 64)):
        images = torch.rand(count, 3, size, size, device=device)

        def forward(images: Tensor = images) -> None:
            with torch.no_grad():
                model(images)

        def explained(images: Tensor = images) -> None:
            explain(model, images)

        times = {forward: [], explained: []}  # type: dict[Callable[[], None], list[float]]
        for _round in range(extent.rounds + 1):
            for work, taken in times.items():
                taken.append(seconds(partial(repeat, work, extent.steps), device) / extent.steps)
        both = {work: statistics.median(taken[1:]) for work, taken in times.items()}
        rows.append(
            (
                f"explain, {count} of {size} px: milliseconds (over the forward pass)",
                f"{both[explained] * 1000:.2f} ({both[explained] / both[forward]:.2f})",
            )
        )
    return rows


def head(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count])


def repeat(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long something takes, until the device is done with it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def parse_flags() -> argparse.Namespace:
    parser = cli.Parser(__doc__)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds tin10/ and mnist/")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--tiny", action="store_true", help="a few steps, to try the script")
    parser.add_argument("--step", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cli.run(main)
