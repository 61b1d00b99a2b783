"""Everything that the study measures of one network, by the protocol in `docs/protocol.md`.

Features on corrupted digits are computed in the precision of the training, all else in float32.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.diagnose import diagnose
from camloss.digits.corruptions import (
    DIGIT,
    among_clutter,
    anywhere,
    gaussian_noise,
    ink_boxes,
    inside,
    line,
    on_canvas,
    salt_noise,
    two_digits,
    words,
)
from camloss.maps import cam, contrastive_cam
from camloss.metrics import (
    INK,
    area_above_half,
    average_precision,
    calibration_error,
    deletion_insertion,
    evaluate,
    ink_energy,
    peak_inside,
    share_of_top,
    sharpened,
    top_precision,
)
from camloss.models import MapClassifier
from camloss.split import Split
from camloss.study.evaluation import SMALL, centre_prior, pixels, true_cams

BATCH = 100
HOT = 0.1  # the hottest part of a map
CLAIMED = 3_000  # images: the first of the test set, for the primary claims and what is measured of maps
CHOOSING = 1_000  # of the validation images, for the same measures
IN_DEPTH = 500  # for every measure that no primary claim rests on
CAUSAL = 100  # for deletion and insertion, which run the network 30 times for each order of pixels
FIELD = 56
RANDOM_ORDER = 100  # purpose of the words that order pixels at random
Look = Callable[[Tensor], tuple[Tensor, Tensor]]

CORRUPTIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # from digits, their numbers and a pool
    "canvas_28": lambda digits, _numbers, _pool: digits,
    "canvas_40": lambda digits, _numbers, _pool: on_canvas(digits, 40),
    "canvas_56": lambda digits, _numbers, _pool: on_canvas(digits, FIELD),
    "canvas_84": lambda digits, _numbers, _pool: on_canvas(digits, 84),
    "clutter_2": lambda digits, numbers, pool: among_clutter(digits, numbers, pool, 2),
    "clutter_4": lambda digits, numbers, pool: among_clutter(digits, numbers, pool, 4),
    "clutter_8": lambda digits, numbers, pool: among_clutter(digits, numbers, pool, 8),
    "clutter_16": lambda digits, numbers, pool: among_clutter(digits, numbers, pool, 16),
    "salt_noise": lambda digits, numbers, _pool: salt_noise(digits, numbers),
    "line": lambda digits, numbers, _pool: line(digits, numbers),
    "gaussian_noise": lambda digits, numbers, _pool: gaussian_noise(digits, numbers),
    "shift": lambda digits, numbers, _pool: anywhere(digits, numbers),
}
PRIMARY = ("canvas_56", "clutter_8")  # whose accuracy is claimed


@torch.no_grad()
def survey(model: MapClassifier, test: Split, baseline: MapClassifier | None, precision: str) -> dict[str, float]:
    """Measure a network.

    Args:
        model: in eval mode.
        test: the test images.
        baseline: the network that learnt from cross-entropy alone with the same seed: its maps are a control.
        precision: "bfloat16" or "float32", of the features.
    """
    look = looker(model, precision)
    claimed, some = head_of(test, CLAIMED), head_of(test, IN_DEPTH)
    numbers = evaluate(model, test.batches(BATCH)) | where_maps_lie(model, claimed, baseline)
    for name in CORRUPTIONS:
        numbers |= surroundings(model, look, claimed if name in PRIMARY else some, test, name)
    numbers |= of_two_digits(model, look, claimed, test, "apart")
    numbers |= of_two_digits(model, look, some, test, "overlapping")
    numbers |= faithfulness(model, look, head_of(test, CAUSAL), baseline)
    diagnosis = diagnose(model, some.batches(BATCH))
    return numbers | {f"diagnosis_{name}": value for name, value in vars(diagnosis).items()}


@torch.no_grad()
def choices(model: MapClassifier, validation: Split, precision: str) -> dict[str, float]:
    """What choices are made by: accuracy on all validation images, and the measures of the claims on the first."""
    look = looker(model, precision)
    right = [look(images)[0].argmax(1) == labels for images, labels in validation.batches(BATCH)]
    some = head_of(validation, CHOOSING)
    numbers = {"accuracy": torch.cat(right).float().mean().item()} | where_maps_lie(model, some, None)
    for name in PRIMARY:
        numbers |= surroundings(model, look, some, validation, name)
    return numbers | of_two_digits(model, look, some, validation, "apart")


class FeaturesOn(nn.Module):
    """A backbone that computes on some device, for those who hold images and maps on the CPU.

    Args:
        device: where it computes; the head, which is one small product, stays where the images are.
        features: the backbone.
    """

    def __init__(self, device: torch.device, features: nn.Module) -> None:
        super().__init__()
        self.device, self.features = device, features.to(device)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H0, W0) -> (N, C, H, W), both on the CPU; in bfloat16 where the CPU would do so."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=torch.is_autocast_enabled("cpu")):
            features: Tensor = self.features(x.to(self.device))
        return features.cpu()


def looker(model: MapClassifier, precision: str) -> Look:
    """The network in a precision: images -> float32 logits and features."""

    def look(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits, features = model(images.contiguous(memory_format=torch.channels_last))
        return logits.float(), features.float()

    return look


def head_of(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count])


def where_maps_lie(model: MapClassifier, split: Split, baseline: MapClassifier | None) -> dict[str, float]:
    """The CAMs of digits as they are: area, and against the ink, which covers `ink` of an image, top_precision_1,
    top_precision_3, top_precision_10 and average_precision; ink_energy_small, of the map at an area of 3 %;
    ink_energy_of_baseline, of the
    baseline's map at the area of this network's; and pointing_game_own and pointing_game_of_another, with the map of
    the next image.
    """
    maps, images = true_cams(model, split), pixels(split)
    ink = images[:, 0] >= INK
    area = area_above_half(maps).mean()
    numbers = {
        "area": area,
        "ink": ink.float().mean(),
        "average_precision": average_precision(maps, ink).mean(),
        "ink_energy_small": ink_energy(sharpened(maps, SMALL), images).mean(),
        "pointing_game_own": peak_inside(maps, ink).mean(),
        "pointing_game_of_another": peak_inside(maps.roll(1, 0), ink).mean(),
    }
    for percent in (1, 3, 10):
        numbers[f"top_precision_{percent}"] = top_precision(maps, ink, percent / 100).mean()
    if baseline is not None:
        control = sharpened(true_cams(baseline, split), area.item())
        numbers["ink_energy_of_baseline"] = ink_energy(control, images).mean()
    return {name: value.item() for name, value in numbers.items()}


def surroundings(model: MapClassifier, look: Look, split: Split, pool: Split, name: str) -> dict[str, float]:
    """NAME, the accuracy with what surrounds the digits changed, and

    NAME_calibration, its calibration error; NAME_sum, the accuracy with features summed over the canvas and divided by
    the cells of a clean image; NAME_background_subtracted, the same with those of a blank canvas subtracted first;
    NAME_top_precision, the precision of the top 10 % of the CAM's positions in the box of the digit's strokes, where
    the digit is in the middle.
    """
    found: dict[str, list[Tensor]] = {"": [], "_sum": [], "_background_subtracted": [], "_top_precision": []}
    probs = []
    blanks: dict[int, Tensor] = {}
    for digits, numbers, labels in numbered(split):
        pictures = CORRUPTIONS[name](digits, numbers, pool.images)
        side = pictures.shape[-1]
        logits, features = look(pictures.float() / 255)
        probs.append(logits.softmax(1))
        found[""].append(logits.argmax(1) == labels)
        if model.pooling == "avg":
            for blank in {DIGIT, side} - blanks.keys():
                blanks[blank] = look(torch.zeros(1, 1, blank, blank))[1]
            cells = blanks[DIGIT][0, 0].numel()
            summed = features.sum((-2, -1)) / cells
            cleared = (features - blanks[side]).sum((-2, -1)) / cells + blanks[DIGIT].mean((-2, -1))
            for how, pooled in (("_sum", summed), ("_background_subtracted", cleared)):
                found[how].append(model.head(pooled).argmax(1) == labels)
        if name != "shift":
            places = inside(ink_boxes(on_canvas(digits, side)), side, side)
            found["_top_precision"].append(top_precision(cam(features, model.head.weight, labels), places, HOT))
    result = {f"{name}{how}": torch.cat(values).float().mean().item() for how, values in found.items() if values}
    return result | {f"{name}_calibration": calibration_error(torch.cat(probs), split.labels)}


def of_two_digits(model: MapClassifier, look: Look, split: Split, pool: Split, name: str) -> dict[str, float]:
    """Whether maps tell two digits on one field apart, NAME being `apart` or `overlapping`:

    NAME_own, the share of the CAM's hottest 10 % in the box of the class's own digit, of those in either box;
    NAME_contrast, the same of the contrastive CAM; NAME_peak, how often the CAM's peak is in the own box alone;
    NAME_top, how often the two most probable classes are those of the two digits.
    """
    found: dict[str, list[Tensor]] = {"own": [], "contrast": [], "peak": [], "top": []}
    for digits, numbers, labels in numbered(split):
        both = two_digits(Split(digits, labels), numbers, pool, apart=name == "apart")
        logits, features = look(both.images.float() / 255)
        own, other = (inside(box, FIELD, FIELD) for box in both.boxes.unbind(1))
        class_map = cam(features, model.head.weight, labels)
        contrast = contrastive_cam(features, model.head.weight, *both.labels.unbind(1))
        found["own"].append(share_of_top(class_map, own, other, HOT))
        found["contrast"].append(share_of_top(contrast, own, other, HOT))
        found["peak"].append(peak_inside(class_map, own & ~other))
        found["top"].append((logits.topk(2).indices.sort(1).values == both.labels.sort(1).values).all(1))
    return {f"{name}_{what}": torch.cat(values).float().mean().item() for what, values in found.items()}


def faithfulness(model: MapClassifier, look: Look, split: Split, baseline: MapClassifier | None) -> dict[str, float]:
    """deletion and insertion by the network's own CAM, and by orders of pixels that it has not made: random, a centred
    Gaussian, blurred ink, and the CAM of the baseline.
    """
    images = pixels(split)
    orders = {
        "": true_cams(model, split),
        "_random": words(0, torch.arange(len(images)), RANDOM_ORDER, DIGIT * DIGIT).view(-1, DIGIT, DIGIT).float(),
        "_centre_prior": centre_prior(images),
        "_blurred": F.avg_pool2d(images, 5, 1, 2)[:, 0],
    }
    if baseline is not None:
        orders["_of_baseline"] = true_cams(baseline, split)
    numbers: dict[str, float] = {}
    for suffix, order in orders.items():
        deletion, insertion = deletion_insertion(look, images, order, split.labels)
        numbers |= {f"deletion{suffix}": deletion.mean().item(), f"insertion{suffix}": insertion.mean().item()}
    return numbers


def numbered(split: Split) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of digits as they lie (uint8), their numbers and their labels."""
    for numbers in torch.arange(len(split)).split(BATCH):
        yield split.images[numbers], numbers, split.labels[numbers]
