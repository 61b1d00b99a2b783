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
from benchmark_step import THREADS, Row

from camloss import preprocess_sketch
from camloss.data.mnist import load_mnist
from camloss.digits.pendigits import render_strokes
from camloss.metrics import evaluate
from camloss.models import build_classifier, count_macs
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import train

SHORT = (("first", 4), ("default", 3), ("default", 2))  # recipes and epochs about the accuracy that is timed
SEEDS = 3


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
