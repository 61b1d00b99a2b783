"""What the project claims of its models, measured: MNIST's test set and drawn digits."""

import random
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.digits.mnist import Split
from camloss.digits.models import MapClassifier
from camloss.digits.sketch import preprocess_sketch
from camloss.digits.strokes import random_canvas, read_unipen
from camloss.maps import cam, min_max_normalize
from camloss.metrics import deletion_insertion, evaluate

CAUSAL_IMAGES = 1_000  # deletion and insertion run the model 30 times an image


def draw_pen_digits(path: Path, seed: int = 0) -> Split:
    """Draw every digit of a UNIPEN file once at random size, place and brush, and read it as the page would.

    Args:
        path: such as `pendigits-orig.tra.gz`.
        seed: of size, place and brush.

    Returns:
        One image a digit, as `preprocess_sketch` makes it; a drawing that it takes for blank stays black.

    Raises:
        CamlossError: the file cannot be read.
    """
    generator = random.Random(seed)
    digits = read_unipen(path)
    blank = torch.zeros(1, 1, 28, 28)
    seen: list[Tensor] = []
    for digit in tqdm(digits, "drawing pen digits", leave=False, dynamic_ncols=True):
        pixels = preprocess_sketch(random_canvas(digit, generator))
        seen.append(blank if pixels is None else pixels)
    images = (torch.cat(seen) * 255).round().to(torch.uint8)
    return Split(images, torch.tensor([digit.label for digit in digits]))


@torch.no_grad()
def measure(model: MapClassifier, test: Split, pen_digits: Split | None) -> dict[str, float]:
    """All numbers of one model, by name; those of `camloss.metrics.evaluate` and:

    deletion, insertion (of the first images, for the CAM of the true label) and, where there are pen digits,
    pen_accuracy.
    """
    numbers = evaluate(model, test.batches(1_000))
    images, labels = next(test.batches(CAUSAL_IMAGES))
    _, features = model(images)
    maps = min_max_normalize(cam(features, model.head.weight, labels))
    deletion, insertion = deletion_insertion(model, images, maps, labels)
    numbers |= {"deletion": deletion.mean().item(), "insertion": insertion.mean().item()}
    if pen_digits is not None:
        numbers["pen_accuracy"] = evaluate(model, pen_digits.batches(1_000))["accuracy"]
    return numbers
