"""What the project claims of its models, measured: MNIST's test set and drawn digits."""

import random
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.digits.mnist import Split
from camloss.digits.models import MapClassifier
from camloss.digits.sketch import preprocess_sketch
from camloss.digits.strokes import DESIGN_WRITERS, REPORT_WRITERS, random_canvas, read_unipen
from camloss.errors import CamlossError
from camloss.maps import cam, min_max_normalize
from camloss.metrics import deletion_insertion, evaluate

CAUSAL_IMAGES = 1_000  # deletion and insertion run the model 30 times an image

PEN_FILE = Path("pendigits") / "pendigits-orig.tra.gz"
HANDS = {"design": DESIGN_WRITERS, "report": REPORT_WRITERS}  # what `design` hands chose is reported on the others


def load_pen_digits(data_dir: Path) -> dict[str, Split]:
    """The pen digits of the `design` and of the `report` hands; nothing where the data folder has no `PEN_FILE`."""
    path = data_dir / PEN_FILE
    return {name: draw_pen_digits(path, writers) for name, writers in HANDS.items()} if path.is_file() else {}


def draw_pen_digits(path: Path, writers: range, seed: int = 0) -> Split:
    """Draw some writers' digits once each at random size, place and brush, and read them as the page would.

    Args:
        path: a UNIPEN file that names its writers, such as `pendigits-orig.tra.gz`.
        writers: whose digits, such as `DESIGN_WRITERS`.
        seed: of size, place and brush.

    Returns:
        One image a digit, as `preprocess_sketch` makes it; a drawing that it takes for blank stays black.

    Raises:
        CamlossError: the file cannot be read, or none of these writers is in it.
    """
    generator = random.Random(seed)
    digits = [digit for digit in read_unipen(path) if digit.writer in writers]
    if not digits:
        raise CamlossError(f"{path} holds no digit by the writers {writers}; fetch the file again")
    blank = torch.zeros(1, 1, 28, 28)
    seen: list[Tensor] = []
    for digit in tqdm(digits, "drawing pen digits", leave=False, dynamic_ncols=True):
        pixels = preprocess_sketch(random_canvas(digit, generator))
        seen.append(blank if pixels is None else pixels)
    images = (torch.cat(seen) * 255).round().to(torch.uint8)
    return Split(images, torch.tensor([digit.label for digit in digits]))


@torch.no_grad()
def measure(model: MapClassifier, test: Split, pen_digits: Mapping[str, Split]) -> dict[str, float]:
    """All numbers of one model, by name; those of `camloss.metrics.evaluate` and:

    deletion, insertion (of the first images, for the CAM of the true label) and, for each name of `pen_digits` (as
    `load_pen_digits` gives them), pen_accuracy_NAME and pen_worst_digit_NAME, the accuracy of the digit read worst.
    """
    numbers = evaluate(model, test.batches(1_000))
    images, labels = next(test.batches(CAUSAL_IMAGES))
    _, features = model(images)
    maps = min_max_normalize(cam(features, model.head.weight, labels))
    deletion, insertion = deletion_insertion(model, images, maps, labels)
    numbers |= {"deletion": deletion.mean().item(), "insertion": insertion.mean().item()}
    for name, split in pen_digits.items():
        right = torch.cat([model(images)[0].argmax(1) == labels for images, labels in split.batches(1_000)]).float()
        numbers[f"pen_accuracy_{name}"] = right.mean().item()
        worst = min(right[split.labels == label].mean().item() for label in split.labels.unique())
        numbers[f"pen_worst_digit_{name}"] = worst
    return numbers
