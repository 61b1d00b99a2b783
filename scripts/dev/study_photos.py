"""Make the runs of docs/protocol-photos.md on one machine within a time limit, the most valuable first.

    python scripts/dev/study_photos.py --seconds 250 --workers 16

The data folder holds tin10/ and, for the second data set, clothing/. Records are written as they come, so that the
study can be stopped at any time and goes on when it is started again. On a GPU the workers share it under NVIDIA's
Multi-Process Service, where that is installed. `camloss study --data FOLDER` makes the same runs from a list that
several machines can share; this script needs neither Optuna nor a database.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import _root  # noqa: F401, finds the package of the checkout
import torch

from camloss import cli
from camloss.data.mnist import default_data_dir
from camloss.losses import BASELINE
from camloss.study.photo_study import (
    ABLATIONS,
    KEPT,
    PHOTO_METHODS,
    POOLINGS,
    PhotoStudy,
    alpha_method,
)
from camloss.study.photos import Photos, load_photos
from camloss.study.price_methods import top_cells
from camloss.study.runs import Records
from camloss.training.config import RECIPES

ALPHAS = tuple(alpha_method(alpha) for alpha in (1.0, 10.0, 0.3, 30.0))
PRIMARY = (BASELINE, "alpha-3", "max-pooling")
MATCHED = ("small-cam", "small-caam")
STRONGEST = ("random-weight", "small-cam", "other-image")  # controls that had 12 or 13 seeds when a GPU's time ended
RECIPE_METHODS = tuple(name for name, method in PHOTO_METHODS.items() if method.vary or method.mix)
RECORDS, OUTPUT_DIR = Path("docs", "records", "photos"), Path("runs", "photos")
TAKEN = "taken"  # folder with one file for each run that a worker has begun
Part = tuple[str, str, int]
"""What is trained on, which network, and the side of its pictures."""
PARTS = TIN10, CLOTHING, RESNET18, RESNET10T = (
    ("tin10", "small_resnet", 64),
    ("clothing", "small_resnet", 64),
    ("tin10", "timm/resnet18", 128),
    ("tin10", "timm/resnet10t", 128),
)
TEST_NAMES = {"tin10": "val_*"}
TIMM_ARGS = ("output_stride=16",)
TIMM_METHODS = {  # whose networks know no name for maximum pooling
    **PHOTO_METHODS,
    "max-pooling": replace(PHOTO_METHODS["max-pooling"], pooling=top_cells(1)),
}


def plan() -> list[tuple[Part, str]]:
    """Every run, in the order of its worth."""
    rest = tuple(name for name in PHOTO_METHODS if name not in (*PRIMARY, *RECIPE_METHODS))
    slow = [(TIN10, f"{method}-seed-0") for method in MATCHED]  # each is a search of several runs, one after another
    order = [
        *runs(TIN10, PRIMARY, range(6)),
        *slow,
        *runs(TIN10, PRIMARY, range(6, 16)),
        *runs(TIN10, rest, range(3)),
        *runs(TIN10, (*ALPHAS, *POOLINGS), range(5)),
        *runs(TIN10, RECIPE_METHODS, range(3)),
        *runs(CLOTHING, (BASELINE, "alpha-3", "max-pooling", "alpha-1", "alpha-10"), range(5)),
        *runs(TIN10, (*KEPT, "label-smoothing", *ABLATIONS), range(5)),
        *runs(RESNET18, (BASELINE, "alpha-3"), range(3)),
        *runs(TIN10, RECIPE_METHODS, range(5)),
        *runs(TIN10, (*ALPHAS, *POOLINGS), range(16)),
        *runs(TIN10, rest, range(12)),
        *runs(TIN10, (BASELINE, "alpha-3", *STRONGEST), range(16, 20)),
        *runs(RESNET10T, PRIMARY, range(2)),
    ]
    return list(dict.fromkeys(order))


def runs(part: Part, methods: tuple[str, ...], seeds: range) -> list[tuple[Part, str]]:
    return [(part, f"{method}-seed-{seed}") for seed in seeds for method in methods]


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="FOLDER", help="of both data sets")
    parser.add_argument("--records", type=Path, default=RECORDS, metavar="FOLDER", help="for JSON Lines")
    parser.add_argument("--output-dir", type=Path, default=OUTPUT_DIR, metavar="FOLDER", help="for weights")
    parser.add_argument("--seconds", type=float, default=18_000.0, help="after which everything ends")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto takes a GPU where there is one")
    parser.add_argument("--epochs", type=int, help="fewer than the recipe's, to try the script")
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)  # of a worker: when to end
    flags = parser.parse_args()
    torch.set_num_threads(1)
    if flags.until is not None:
        work(flags)
        return
    started = time.time()
    shutil.rmtree(flags.output_dir / TAKEN, ignore_errors=True)
    (flags.output_dir / TAKEN).mkdir(parents=True)
    for name, _, side in dict.fromkeys(part for part, _ in plan()):
        pictures(flags, name, side)
    print(f"{time.time() - started:.0f} s for the pictures", flush=True)
    until = started + flags.seconds
    words = [sys.executable, *sys.argv, "--until", str(until)]
    with sharing_the_gpu() as environment:
        workers = [subprocess.Popen(words, env=environment) for _ in range(flags.workers)]
        try:
            for worker in workers:
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(max(0.0, until - time.time()))
        finally:  # when the time is over, or somebody stops us
            for worker in workers:
                worker.kill()
                worker.wait()
    for part in dict.fromkeys(part for part, _ in plan()):
        print(f"{records_of(flags, part).path.name}: {len(records_of(flags, part).read())} records")


def work(flags: argparse.Namespace) -> None:
    """Make one run after another that nobody else is at, until none is left or the time is over."""
    studies: dict[Part, PhotoStudy] = {}
    while (taken := next_run(flags)) is not None:
        part, run = taken
        if part not in studies:
            studies[part] = study_of(flags, part)
        study = studies[part]
        try:
            started = time.time()
            if run == f"{BASELINE}-seed-0":
                study.measure_maps_without_a_network()
            study.train(run, photos_of(study).data)
            trained = time.time()
            study.measure(run, photos_of(study).data)
            print(f"{part[1]} {run}: {trained - started:.1f} s, measured in {time.time() - trained:.1f} s", flush=True)
        except Exception as error:  # whatever one run comes to, the others go on
            print(f"{part[1]} {run}: {type(error).__name__}: {error}", flush=True)
        if time.time() > flags.until:
            return


def next_run(flags: argparse.Namespace) -> tuple[Part, str] | None:
    """The first run that has no record and that no worker has taken; None when there is none."""
    done = {part: set(records_of(flags, part).read()) for part in PARTS}
    for part, run in plan():
        if run not in done[part]:
            with suppress(FileExistsError):
                (flags.output_dir / TAKEN / f"{part[0]}-{part[2]}-{run}").touch(exist_ok=False)
                return part, run
    return None


def photos_of(study: PhotoStudy) -> Photos:
    assert study.photos is not None
    return study.photos


def study_of(flags: argparse.Namespace, part: Part) -> PhotoStudy:
    name, arch, side = part
    photos = pictures(flags, name, side)
    config = replace(
        RECIPES["pictures"],
        data=str(flags.data_dir / name),
        arch=arch,
        arch_arg=TIMM_ARGS if arch.startswith("timm/") else (),
        size=side if side != 64 else 0,
        device=flags.device,
        output_dir=flags.output_dir,
        **({"epochs": flags.epochs} if flags.epochs else {}),
    )
    methods = TIMM_METHODS if arch.startswith("timm/") else PHOTO_METHODS
    return PhotoStudy(config, len(photos.validation.split), records_of(flags, part), methods, photos)


def records_of(flags: argparse.Namespace, part: Part) -> Records:
    name, arch, _ = part
    return Records(flags.records / f"{arch.rpartition('/')[2] if arch.startswith('timm/') else name}.jsonl")


def pictures(flags: argparse.Namespace, name: str, side: int) -> Photos:
    """Decoded once for all workers."""
    file = flags.output_dir / f"{name}-{side}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(load_photos(flags.data_dir / name, side, TEST_NAMES.get(name)), file)
    photos: Photos = torch.load(file, weights_only=False)
    return photos


@contextmanager
def sharing_the_gpu() -> Iterator[dict[str, str]]:
    """The environment of processes that compute on a GPU at the same time, not in turns."""
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None:
        yield dict(os.environ)
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        subprocess.run([control, "-d"], env=environment, check=False)
        works = can_compute(environment)
        print(f"Multi-Process Service: {'in use' if works else 'not usable, workers take turns'}", flush=True)
        yield environment if works else dict(os.environ)
        with suppress(subprocess.TimeoutExpired):
            subprocess.run([control], input="quit\n", text=True, env=environment, check=False, timeout=10)


def can_compute(environment: dict[str, str]) -> bool:
    """Whether a process in this environment can use the GPU."""
    command = [sys.executable, "-c", "import torch; torch.zeros(1, device='cuda').item()"]
    try:
        return subprocess.run(command, env=environment, check=False, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


if __name__ == "__main__":
    cli.run(main)
