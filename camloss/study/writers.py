"""Digits of writers that no network was trained on: how well they are predicted, from strokes and from raster images.

The UCI repository (Pen-Based Recognition of Handwritten Digits) has them as strokes of a pen. What a network learns may
be chosen on the development writers; the report writers choose nothing.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from camloss.digits.pendigits import PenDigit, random_canvas, read_unipen
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import IMAGE_SIDE, PenStroke, Sketch, write_strokes
from camloss.errors import CamlossError
from camloss.metrics import correct
from camloss.models import MapClassifier
from camloss.split import Split

DEV_WRITERS = Path("pendigits", "pendigits-orig.tra.gz")
"""30 writers, 7,494 digits."""
REPORT_WRITERS = Path("pendigits", "pendigits-report.tes.gz")
"""7 other writers, 1,748 digits."""
WRITERS = {"development": DEV_WRITERS, "report": REPORT_WRITERS}
BRUSH = 20.0  # of the tablet's units: a twentieth of a digit, more or less


@dataclass(frozen=True)
class WrittenDigits:
    """One image a digit, and who wrote it."""

    split: Split
    writers: Tensor
    """(N,) int64."""

    def accuracy(self, model: MapClassifier) -> tuple[dict[str, float], float]:
        """The accuracy by writer (the keys are strings, as in JSON), and that of the class predicted worst."""
        with torch.no_grad():
            batches = self.split.batches(1_000)
            right = torch.cat([correct(model(images)[0], labels) for images, labels in batches]).double()
        by_writer = {
            str(writer): right[self.writers == writer].mean().item() for writer in self.writers.unique().tolist()
        }
        worst = min(right[self.split.labels == label].mean().item() for label in self.split.labels.unique())
        return by_writer, worst


def read_digits(path: Path) -> list[PenDigit]:
    """
    Raises:
        CamlossError: the file cannot be read, or names no writers.
    """
    digits = [digit for digit in read_unipen(path) if digit.writer is not None]
    if not digits:
        raise CamlossError(f"{path} names no writers; fetch the file again")
    return digits


def from_strokes(digits: list[PenDigit]) -> WrittenDigits:
    """Rasterized as the demo does it with a drawing."""
    return _written(digits, [write_strokes([PenStroke(stroke, BRUSH) for stroke in d.strokes]) for d in digits])


def from_raster(digits: list[PenDigit], seed: int = 0) -> WrittenDigits:
    """Drawn at random size, place and brush, and found by `preprocess_sketch`, as the demo does it with a photo."""
    generator = random.Random(seed)
    return _written(digits, [prepare_sketch(random_canvas(digit, generator)) for digit in digits])


def _written(digits: list[PenDigit], sketches: list[Sketch | None]) -> WrittenDigits:
    """What is taken for blank stays black."""
    blank = torch.zeros(1, 1, IMAGE_SIDE, IMAGE_SIDE)
    images = torch.cat([blank if sketch is None else sketch.pixels for sketch in sketches])
    labels = torch.tensor([digit.label for digit in digits])
    writers = torch.tensor([digit.writer for digit in digits])
    return WrittenDigits(Split((images * 255).round().to(torch.uint8), labels), writers)
