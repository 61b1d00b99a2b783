"""What the project claims of its models, measured: MNIST's test set and drawn digits.

Beside each number about a map stands what a map says that no network made (`CONTROLS`).
"""

import functools
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.data.peaks import BLOB, SMALL, centre_prior, locate, pixels, true_cams
from camloss.digits.corruptions import among_clutter, gaussian_noise
from camloss.digits.pendigits import DESIGN_WRITERS, REPORT_WRITERS, PenDigit, random_canvas, read_unipen
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import BOX, IMAGE_SIDE, PEN, PenStroke, Sketch, write_strokes
from camloss.digits.stroke_topology import STROKE
from camloss.errors import CamlossError
from camloss.metrics import (
    deletion_insertion,
    evaluate,
    ink_energy,
    sharpened,
)
from camloss.models import MapClassifier
from camloss.split import Split

CAUSAL_IMAGES = 1_000  # deletion and insertion run the model 30 times an image

PEN_FILE = Path("pendigits") / "pendigits-orig.tra.gz"
HAIRLINE = 0.015 * BOX  # pixels
BRUSH = 20.0  # of the tablet's units: a twentieth of a digit, more or less
HANDS = {"design": DESIGN_WRITERS, "report": REPORT_WRITERS}  # what `design` hands chose is reported on the others


@functools.cache
def load_pen_digits(data_dir: Path) -> dict[str, Split]:
    """The pen digits of each of `HANDS`, as the page reads them; nothing where the data folder has no `PEN_FILE`.

    Returns:
        NAME: read from the pen's path, as a drawing is; NAME_picture: from a picture of it, as a photo is;
        NAME_hairline: from the path, written with the pen `HAIRLINE`.
    """
    path = data_dir / PEN_FILE
    if not path.is_file():
        return {}
    read: dict[str, Callable[[Path, range], Split]] = {
        "": write_pen_digits,
        "_picture": draw_pen_digits,
        "_hairline": functools.partial(write_pen_digits, pen=HAIRLINE),
    }
    return {name + kind: make(path, writers) for kind, make in read.items() for name, writers in HANDS.items()}


def write_pen_digits(path: Path, writers: range, pen: float = PEN) -> Split:
    """Some writers' digits, one image each, written from the pen's path by `write_strokes`.

    Args:
        path: a UNIPEN file that names its writers, such as `pendigits-orig.tra.gz`.
        writers: whose digits, such as `DESIGN_WRITERS`.
        pen: width in pixels of the pen that writes them.

    Raises:
        CamlossError: the file cannot be read, or none of these writers is in it.
    """
    digits = _digits_by(path, writers)
    pens = [[PenStroke(stroke, BRUSH) for stroke in digit.strokes] for digit in digits]
    return _split(digits, [write_strokes(strokes, pen) for strokes in pens])


def draw_pen_digits(path: Path, writers: range, seed: int = 0, pen: float = PEN) -> Split:
    """Some writers' digits, one image each, drawn at random size, place and brush, and found by `preprocess_sketch`.

    Args:
        path, writers, pen: as for `write_pen_digits`.
        seed: of size, place and brush.

    Raises:
        CamlossError: as `write_pen_digits`.
    """
    generator = random.Random(seed)
    digits = _digits_by(path, writers)
    bar = tqdm(digits, "drawing pen digits", leave=False, dynamic_ncols=True, disable=None)
    return _split(digits, [prepare_sketch(random_canvas(digit, generator), pen) for digit in bar])


def _digits_by(path: Path, writers: range) -> list[PenDigit]:
    digits = [digit for digit in read_unipen(path) if digit.writer in writers]
    if not digits:
        raise CamlossError(f"{path} holds no digit by the writers {writers}; fetch the file again")
    return digits


def _split(digits: list[PenDigit], sketches: list[Sketch | None]) -> Split:
    """What is taken for blank stays black."""
    blank = torch.zeros(1, 1, IMAGE_SIDE, IMAGE_SIDE)
    images = torch.cat([blank if sketch is None else sketch.pixels for sketch in sketches])
    return Split((images * 255).round().to(torch.uint8), torch.tensor([digit.label for digit in digits]))


def ink_pixel(images: Tensor) -> Tensor:
    """One pixel of each image's ink, picked at random, ever the same: (N, 1, H, W) -> (N, H, W)."""
    chance = torch.rand(len(images), images[0].numel(), generator=torch.Generator().manual_seed(0))
    picked = ((images.flatten(1) >= STROKE) * chance).argmax(1)
    return torch.zeros_like(chance).scatter_(1, picked[:, None], 1).view(len(images), *images.shape[-2:])


CORRUPTED: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # from digits, their numbers and others
    "in_noise": lambda digits, numbers, _others: gaussian_noise(digits, numbers),
    "among_clutter": among_clutter,
}
CONTROLS: dict[str, Callable[[Tensor], Tensor]] = {BLOB: centre_prior, "pixel of ink": ink_pixel}


@torch.no_grad()
def measure(model: MapClassifier, test: Split, pen_digits: Mapping[str, Split]) -> dict[str, float]:
    """All numbers of one model, by name; those of `camloss.metrics.evaluate` and, all for CAMs of the true labels:

    accuracy_in_noise and accuracy_among_clutter, with the corruptions `gaussian_noise` and `among_clutter`;
    those of `locate`; ink_energy_small, the ink energy of the maps sharpened to an area of `SMALL`; deletion and
    insertion of the first images, deletion_centre_prior and insertion_centre_prior, where the centre prior
    orders the pixels; and, for each name of `pen_digits` (as `load_pen_digits` gives them), pen_accuracy_NAME and
    pen_worst_digit_NAME, the accuracy of
    the digit read worst.
    """
    numbers = evaluate(model, test.batches(1_000))
    for name, corrupt in CORRUPTED.items():
        found = []
        for idx in torch.arange(len(test)).split(1_000):
            images = corrupt(test.images[idx], idx, test.images).float() / 255
            found.append(model(images)[0].argmax(1) == test.labels[idx])
        numbers[f"accuracy_{name}"] = torch.cat(found).float().mean().item()
    maps = true_cams(model, test)
    numbers |= locate(maps, test)
    numbers["ink_energy_small"] = ink_energy(sharpened(maps, SMALL), pixels(test)).mean().item()
    images, labels = next(test.batches(CAUSAL_IMAGES))
    for suffix, order in (("", maps[: len(images)]), ("_centre_prior", centre_prior(images))):
        deletion, insertion = deletion_insertion(model, images, order, labels)
        numbers |= {f"deletion{suffix}": deletion.mean().item(), f"insertion{suffix}": insertion.mean().item()}
    for name, split in pen_digits.items():
        numbers[f"pen_accuracy_{name}"], numbers[f"pen_worst_digit_{name}"] = digits_read(model, split)
    return numbers


@torch.no_grad()
def digits_read(model: MapClassifier, split: Split) -> tuple[float, float]:
    """The accuracy, and that of the digit that is read worst."""
    right = torch.cat([model(images)[0].argmax(1) == labels for images, labels in split.batches(1_000)]).float()
    return right.mean().item(), min(right[split.labels == label].mean().item() for label in split.labels.unique())
