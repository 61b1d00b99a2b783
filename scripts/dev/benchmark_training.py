"""The part of benchmark.py that measures training and the sketch: each function returns rows of its table."""

import contextlib
import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import _root  # noqa: F401
import torch
from torch import Tensor
from torch.nn import functional as F

from camloss import CAMLoss, build_model, preprocess_sketch
from camloss.data.mnist import load_mnist
from camloss.digits.pendigits import render_strokes
from camloss.metrics import evaluate
from camloss.models import count_macs
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.hardware import pick_precision
from camloss.training.loop import train
from camloss.training.optim import make_optimizer

Row = tuple[str, str, str]  # what, measured, what maintainers aim at
PAIRS = 150
SHORT = (("first", 4), ("default", 3), ("default", 2))  # recipes and epochs about the accuracy that is timed
SEEDS = 3
THREADS = torch.get_num_threads()  # as torch starts; the page's measurements lower it


def step() -> list[Row]:
    """One training step with CAM-loss over one with cross-entropy: same model, same batch, in alternation."""
    torch.set_num_threads(THREADS)
    config = TrainConfig()
    model = build_model(config.arch).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config)
    bfloat16 = pick_precision(config.precision, torch.device("cpu")) == "bfloat16"
    x = torch.rand(config.batch_size, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(10, (config.batch_size,))
    cam_loss = CAMLoss(config.alpha)

    def seconds(loss_of: str) -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits, features = model(x)
        loss: Tensor
        if loss_of == "cam":
            loss = cam_loss(logits, features, model.head.weight, targets).total
        else:
            loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    times: dict[str, list[float]] = {"ce": [], "cam": []}
    for pair in range(PAIRS):
        for loss_of in ("ce", "cam") if pair % 2 else ("cam", "ce"):
            times[loss_of].append(seconds(loss_of))
    ce, cam = (statistics.median(times[loss_of][10:]) for loss_of in ("ce", "cam"))
    ratio = statistics.median(b / a for a, b in zip(times["ce"][10:], times["cam"][10:], strict=True))
    return [
        ("CAM-loss step over cross-entropy step", f"{ratio:.3f}", "at most 1.05"),
        (f"step of {config.batch_size} images, cross-entropy / CAM-loss", f"{1e3 * ce:.1f} / {1e3 * cam:.1f} ms", ""),
    ]


def accuracy_in_time() -> list[Row]:
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
    rows = [("MACs of one image", f"{count_macs(build_model(TrainConfig().arch)) / 1e6:.1f} M", "16 M")]
    first = statistics.mean(seconds[0])
    for run, (name, epochs) in enumerate(SHORT):
        mean = statistics.mean(seconds[run])
        what = f"training the CAM-loss model, {epochs} epochs of MNIST alone, recipe {name}, mean of {SEEDS} seeds"
        rows.append((what, f"{mean:.0f} s", ""))
        rows.append(("its accuracy on the test set", f"{statistics.mean(accuracy[run]):.2%}", "at least 99.5 %"))
        if run > 0:
            rows.append(("its time over that of the first recipe", f"{mean / first:.2f}", "at most 0.50"))
    return rows


def sketch() -> list[Row]:
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
