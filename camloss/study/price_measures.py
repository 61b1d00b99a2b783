"""What the second study measures of a network (docs/protocol-price.md), on images that are made once for all runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from camloss.data.temperature import fit_temperature
from camloss.digits.corruptions import inside, two_digits
from camloss.maps import cam
from camloss.metrics import calibration_error, correct, share_of_top
from camloss.models import MapClassifier
from camloss.split import Split
from camloss.study.measures import CANVAS, CORRUPTIONS, TOP, head_of
from camloss.study.writers import WrittenDigits

ROBUSTNESS = ("clutter_8", "canvas_56", "canvas_84", "line", "salt_noise")
"""The corruptions over whose accuracies robustness is the mean."""
PAIRS = 2_000  # images with a second digit
BATCH = 500


@dataclass(frozen=True)
class Material:
    """Everything that a network is measured on."""

    clean: Split
    corrupted: Mapping[str, Split]
    """By corruption of `ROBUSTNESS`."""
    pairs: Split
    """Two digits each, with the label of the first."""
    boxes: Tensor
    """(N, 2, 4), around each of the two."""
    writers: Mapping[str, WrittenDigits]
    """"strokes" and "raster"."""


def make_material(clean: Split, some: int, writers: Mapping[str, WrittenDigits]) -> Material:
    """
    Args:
        clean: MNIST's validation or test split.
        some: how many of its first images are corrupted.
        writers: by "strokes" and "raster".
    """
    first = head_of(clean, some)
    numbers = torch.arange(len(first))
    corrupted = {name: CORRUPTIONS[name](first.images, numbers, clean.images) for name in ROBUSTNESS}
    few = head_of(clean, min(PAIRS, some))
    both = two_digits(few, torch.arange(len(few)), clean)
    return Material(
        clean,
        {name: Split(images, first.labels) for name, images in corrupted.items()},
        Split(both.images, few.labels),
        both.boxes,
        writers,
    )


@torch.no_grad()
def measure(
    model: MapClassifier, material: Material, device: torch.device, temperature: float | None = None
) -> dict[str, Any]:
    """Measure a network in float32.

    Args:
        model: in eval mode; it is moved to the device.
        material: on the CPU.
        device: where the network computes.
        temperature: that was fitted on validation images; by default it is fitted on the clean ones.

    Returns:
        accuracy, calibration, calibration_raw (at temperature 1) and temperature, of clean images; the accuracy by
        corruption, and their mean as robustness; clutter_calibration; two_digits_separation, see
        `camloss.study.measures.of_two_digits`; strokes and raster: the accuracy by writer, and strokes_worst_digit and
        raster_worst_digit.
    """
    model = model.to(device).eval()
    logits, labels = answers(model, material.clean, device), material.clean.labels
    temperature = temperature or fit_temperature(logits, labels)
    numbers: dict[str, Any] = {
        "accuracy": share(correct(logits, labels)),
        "temperature": temperature,
        "calibration_raw": calibration_error(logits.softmax(1), labels),
        "calibration": calibration_error((logits / temperature).softmax(1), labels),
    }
    for name, split in material.corrupted.items():
        logits = answers(model, split, device)
        numbers[name] = share(correct(logits, split.labels))
        if name == "clutter_8":
            numbers["clutter_calibration"] = calibration_error((logits / temperature).softmax(1), split.labels)
    numbers["robustness"] = sum(numbers[name] for name in ROBUSTNESS) / len(ROBUSTNESS)
    numbers["two_digits_separation"] = apart(model, material, device)
    for name, written in material.writers.items():
        right = correct(answers(model, written.split, device), written.split.labels)
        numbers[name] = {str(w): share(right[written.writers == w]) for w in written.writers.unique().tolist()}
        numbers[f"{name}_worst_digit"] = min(share(right[written.split.labels == k]) for k in range(10))
    return numbers


def answers(model: MapClassifier, split: Split, device: torch.device) -> Tensor:
    """The logits of all images, on the CPU."""
    return torch.cat([model(_pixels(images, device))[0].float().cpu() for images in split.images.split(BATCH)])


def apart(model: MapClassifier, material: Material, device: torch.device) -> float:
    """How well the CAM of one of two digits keeps to it."""
    found = []
    batches = zip(
        material.pairs.images.split(BATCH), material.pairs.labels.split(BATCH), material.boxes.split(BATCH), strict=True
    )
    for images, labels, boxes in batches:
        features = model(_pixels(images, device))[1]
        class_map = cam(features, model.head.weight, labels.to(device)).cpu()
        own, other = (inside(box, CANVAS, CANVAS) for box in boxes.unbind(1))
        found.append(share_of_top(class_map, own, other, TOP))
    return share(torch.cat(found))


def share(values: Tensor) -> float:
    return round(values.double().mean().item(), 5)


def _pixels(images: Tensor, device: torch.device) -> Tensor:
    return (images.to(device).float() / 255).contiguous(memory_format=torch.channels_last)
