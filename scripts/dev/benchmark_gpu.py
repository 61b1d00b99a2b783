"""Measure training and `explain` on a GPU: a table for the record.

    python scripts/dev/benchmark_gpu.py                        within ten minutes on one H200
    python scripts/dev/benchmark_gpu.py --device cpu --tiny    the same on a CPU, to try it

Wants `tin10` and `mnist` in the data folder. Every part is a process of its own with a time limit: what one part breaks
does not end the others. The rows go to stderr as they come, and as a table to stdout at the end. The steps of
ResNet-18 run under torchrun, with one process, and with two where there are two GPUs.
"""

import argparse
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path

import _root  # noqa: F401, finds the package of the checkout
import torch
from torch import Tensor

from camloss import cli, explain
from camloss.checkpoint import load_training
from camloss.commands.train import main as train_command
from camloss.commands.train import own_stream
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
from camloss.training.step import Step

ALPHA = 3.0
LONGEST_PART = 150.0  # seconds
TO_END_BY_ITSELF = 20.0  # seconds, longer than a process under torchrun takes
MOST_PROCESSES = 2


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
    if flags.part:
        with processes(flags.device) as (together, name):
            for row in PARTS[flags.part](together, pick_device(name), flags.data_dir, extent):
                if together.is_first:
                    note(f"{row[0]}: {row[1]}")
                    print(json.dumps(row), flush=True)
        return
    rows = []
    end = time.monotonic() + flags.limit
    for part in PARTS if flags.only is None else flags.only:
        started = time.monotonic()
        if UNDER_TORCHRUN.get(part, 1) > gpus(flags.device):
            rows.append((part, f"left out: {gpus(flags.device)} GPU"))
            continue
        rows += rows_of(part, flags, max(min(LONGEST_PART, end - started), 1.0))
        note(f"({part}: {time.monotonic() - started:.0f} s)")
    print(cli.table(["measured", "value"], rows))


def gpus(device: str) -> int:
    """For how many processes there is a device."""
    on_gpu = device != "cpu" and torch.cuda.is_available()
    return torch.cuda.device_count() if on_gpu else MOST_PROCESSES


def rows_of(part: str, flags: argparse.Namespace, limit: float) -> list[Row]:
    """What a part gives, by itself; where it fails or takes too long, a row that says so and those before it."""
    words = [__file__, "--part", part, "--data-dir", str(flags.data_dir), "--device", flags.device]
    words += ["--tiny"] if flags.tiny else []
    if part in UNDER_TORCHRUN:
        words = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={UNDER_TORCHRUN[part]}", *words]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            out, _ = child.communicate(timeout=limit)
            problem = f"ended with {child.returncode}" if child.returncode else ""
        except subprocess.TimeoutExpired:
            stop(child)
            out, _ = child.communicate()
            problem = f"took more than {limit:.0f} s"
        except BaseException:
            stop(child)
            raise
    found = [(name, value) for name, value in (json.loads(line) for line in out.splitlines() if line.startswith("["))]
    return found + ([(part, problem)] if problem else [])


def stop(child: "subprocess.Popen[str]") -> None:
    """End a process and those that it started: torchrun ends its own, which are in groups of their own."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(TO_END_BY_ITSELF)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def of_environment(_: Processes, device: torch.device, _data_dir: Path, _extent: Extent) -> Iterator[Row]:
    yield from environment(device).items()
    yield "GPUs", str(torch.cuda.device_count())


def of_steps(together: Processes, device: torch.device, data_dir: Path, extent: Extent) -> Iterator[Row]:
    """ResNet-18 under torchrun, by size."""
    backend = torch.distributed.get_backend() if together.started else "alone"
    for size in extent.sizes:
        found = step_times(together, device, data_dir, size, extent)
        name = f"ResNet-18 at {size} px under torchrun, {together.count} x {backend}"
        yield f"{name}: images a second", f"{found['images']:.0f}"
        yield f"{name}: CAM-loss step over CE step", f"{found['ratio']:.3f}"


def step_times(
    together: Processes, device: torch.device, data_dir: Path, size: int, extent: Extent
) -> dict[str, float]:
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
            processes=together,
        )
    in_every_process = torch.Generator().manual_seed(0)
    order = torch.randint(len(images), (extent.batch * extent.steps,), generator=in_every_process)
    batches = order.to(device).split(extent.batch)

    def one_round(step: Callable[[Tensor], Tensor]) -> float:
        return seconds(lambda: [step(batch) for batch in batches], device)

    for step in steps.values():
        one_round(step)  # warm up
    times = {name: [] for name in steps}  # type: dict[str, list[float]]
    for _ in range(extent.rounds):
        for name, step in steps.items():
            times[name].append(one_round(step))
    ratios = [cam / ce for ce, cam in zip(times["ce"], times["cam"], strict=True)]
    return {
        "images": sum(map(len, batches)) / statistics.median(times["cam"]),
        "ratio": statistics.median(ratios),
    }


def of_digits(_: Processes, device: torch.device, data_dir: Path, extent: Extent) -> Iterator[Row]:
    """MNIST's pair: seconds an epoch as the steps are, and replayed; the whole pair replayed."""
    data = load_mnist(data_dir)
    data = dataclasses.replace(data, train=head(data.train, extent.digits), validation=head(data.validation, 5_000))
    with tempfile.TemporaryDirectory() as folder, own_stream(str(device)):
        config = dataclasses.replace(
            RECIPES["default"], epochs=extent.epochs, device=str(device), output_dir=Path(folder), synthetic=0
        )
        plain = train(dataclasses.replace(config, epochs=2), "cam", data, log=note)
        yield "MNIST: seconds an epoch, each step started by Python", f"{plain.history[-1]['seconds']:.2f}"
        started = time.perf_counter()
        pair = [train(config, variant, data, log=note, replay=True) for variant in ("ce", "cam")]
        whole = time.perf_counter() - started
        epochs = [epoch["seconds"] for one in pair for epoch in one.history[1:]]
        yield "MNIST: seconds an epoch, steps replayed", f"{statistics.median(epochs):.2f}"
        yield f"MNIST: seconds for the pair of {extent.epochs} epochs, replayed", f"{whole:.1f}"
        yield "MNIST: validation accuracy of the pair", ", ".join(f"{accuracy_of(one.history):.2%}" for one in pair)


def of_command(_: Processes, device: torch.device, data_dir: Path, extent: Extent) -> Iterator[Row]:
    """`camloss train` as it is typed, replaying its steps, from reading the data to the pair on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        flags = ["--data-dir", str(data_dir), "--output-dir", f"{folder}/pair", "--device", str(device)]
        how_long = ["--dry-run"] if extent is TINY else ["--epochs", "3"]
        with redirect_stdout(sys.stderr):
            train_command([*flags, "--synthetic", "0", *how_long])
        yield f"camloss train {' '.join(how_long)}: seconds", f"{time.perf_counter() - started:.1f}"
        if extent is not TINY:
            history = load_training(Path(folder, "pair", "cam"))["history"]
            yield "camloss train: seconds an epoch of CAM-loss", f"{history[-1]['seconds']:.2f}"


def accuracy_of(history: list[dict[str, float]]) -> float:
    return history[-1]["validation_accuracy"]


def of_explain(_: Processes, device: torch.device, _data_dir: Path, extent: Extent) -> Iterator[Row]:
    """`explain` beside the forward pass that it holds."""
    model = build_model("torchvision/resnet18", 10).to(device).eval()
    size = extent.sizes[-1]
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
        ratio = both[explained] / both[forward]
        yield (
            f"explain, {count} of {size} px: milliseconds (over the forward pass)",
            f"{both[explained] * 1000:.2f} ({ratio:.2f})",
        )


PARTS: dict[str, Callable[[Processes, torch.device, Path, Extent], Iterator[Row]]] = {
    "environment": of_environment,
    "digits": of_digits,
    "command": of_command,
    "explain": of_explain,
    "steps": of_steps,
    "steps of two": of_steps,
}
"""What is measured, the most valuable first."""
UNDER_TORCHRUN = {"steps": 1, "steps of two": MOST_PROCESSES}
"""In how many processes."""


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
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--limit", type=float, default=570, metavar="SECONDS", help="of all parts (default: 570)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
