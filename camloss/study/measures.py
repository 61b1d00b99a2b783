"""Everything that is measured of one network, by the protocol in `docs/protocol.md`, for the study and for `evaluate`.

Features on corrupted digits are computed in the precision of the training, all else in float32. Beside what the
networks' maps get stands what two maps get that no network made (`CONTROLS`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.data.peaks import CENTRE_PRIOR, SMALL, centre_prior, pixels, true_cams
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
from camloss.digits.stroke_topology import STROKE
from camloss.maps import cam, contrastive_cam
from camloss.metrics import (
    INK,
    area_above_half,
    average_precision,
    calibration_error,
    correct,
    deletion_insertion,
    evaluate,
    peak_inside,
    share_of_top,
    sharpened,
    stroke_energy,
    top_precision,
)
from camloss.models import MapClassifier
from camloss.split import Split

BATCH = 100
TOP = 0.1  # of a map's positions
CLAIMED = 3_000  # images: the first of the test set, for the primary claims and what is measured of maps
CHOOSING = 1_000  # of the validation images, for the same measures
IN_DEPTH = 500  # for every measure that no primary claim rests on
CAUSAL = 100  # for deletion and insertion, which run the network 30 times for each order of pixels
CANVAS = 56
RANDOM_ORDER = 100  # purpose of the words that order pixels at random
Forward = Callable[[Tensor], tuple[Tensor, Tensor]]

CORRUPTIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # from digits, their numbers and a pool
    "canvas_28": lambda digits, _numbers, _pool: digits,
    "canvas_40": lambda digits, _numbers, _pool: on_canvas(digits, 40),
    "canvas_56": lambda digits, _numbers, _pool: on_canvas(digits, CANVAS),
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
    forward = forward_in(model, precision)
    claimed, some = head_of(test, CLAIMED), head_of(test, IN_DEPTH)
    numbers = localisation(model, claimed, baseline) | evaluate(model, test.batches(BATCH))
    for name in CORRUPTIONS:
        numbers |= accuracy_under(model, forward, claimed if name in PRIMARY else some, test, name)
    numbers |= of_two_digits(model, forward, claimed, test, "two_digits")
    numbers |= of_two_digits(model, forward, some, test, "overlapping_digits")
    numbers |= faithfulness(model, forward, head_of(test, CAUSAL), baseline)
    diagnosis = diagnose(model, some.batches(BATCH))
    return numbers | {f"diagnosis_{name}": value for name, value in vars(diagnosis).items()}


@torch.no_grad()
def choices(model: MapClassifier, validation: Split, precision: str) -> dict[str, float]:
    """What choices are made by: accuracy on all validation images, and the measures of the claims on the first."""
    forward = forward_in(model, precision)
    right = torch.cat([correct(forward(images)[0], labels) for images, labels in validation.batches(BATCH)])
    some = head_of(validation, CHOOSING)
    numbers = {"accuracy": right.float().mean().item()} | localisation(model, some, None)
    for name in PRIMARY:
        numbers |= accuracy_under(model, forward, some, validation, name)
    return numbers | of_two_digits(model, forward, some, validation, "two_digits")


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


def forward_in(model: MapClassifier, precision: str) -> Forward:
    """The network in a precision: images -> float32 logits and features."""

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits, features = model(images.contiguous(memory_format=torch.channels_last))
        return logits.float(), features.float()

    return forward


def head_of(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count])


def localisation(model: MapClassifier, split: Split, baseline: MapClassifier | None) -> dict[str, float]:
    """What `locate` says of the CAMs of clean images, and

    pointing_game_other_image, with the map of the next image; stroke_energy_of_baseline, of the baseline's map at the
    area of this network's.
    """
    maps = true_cams(model, split)
    numbers = locate(maps, split)
    numbers["pointing_game_other_image"] = locate(maps.roll(1, 0), split)["pointing_game_own_image"]
    if baseline is not None:
        control = sharpened(true_cams(baseline, split), numbers["area_above_half"])
        numbers["stroke_energy_of_baseline"] = stroke_energy(control, pixels(split)).mean().item()
    return numbers


def locate(maps: Tensor, split: Split) -> dict[str, float]:
    """Where maps lie, whoever made them; means over the split.

    Args:
        maps: (N, H, W), in [0, 1], one for each image.

    Returns:
        area_above_half, of the cells; against the strokes, which cover `stroke_area` of an image:
        top_precision_1, top_precision_3, top_precision_10, average_precision, pointing_game_own_image, stroke_energy,
        and stroke_energy_small, of the map sharpened to an area of `SMALL`.
    """
    images = pixels(split)
    strokes = images[:, 0] >= INK
    numbers = {
        "area_above_half": area_above_half(maps),
        "stroke_area": strokes.float(),
        "average_precision": average_precision(maps, strokes),
        "stroke_energy": stroke_energy(maps, images),
        "stroke_energy_small": stroke_energy(sharpened(maps, SMALL), images),
        "pointing_game_own_image": peak_inside(maps, strokes),
    }
    numbers |= {f"top_precision_{percent}": top_precision(maps, strokes, percent / 100) for percent in (1, 3, 10)}
    return {name: values.mean().item() for name, values in numbers.items()}


def accuracy_under(model: MapClassifier, forward: Forward, split: Split, pool: Split, name: str) -> dict[str, float]:
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
        logits, features = forward(pictures.float() / 255)
        probs.append(logits.softmax(1))
        found[""].append(correct(logits, labels))
        if model.pooling == "avg":
            for blank in {DIGIT, side} - blanks.keys():
                blanks[blank] = forward(torch.zeros(1, 1, blank, blank))[1]
            cells = blanks[DIGIT][0, 0].numel()
            summed = features.sum((-2, -1)) / cells
            subtracted = (features - blanks[side]).sum((-2, -1)) / cells + blanks[DIGIT].mean((-2, -1))
            for how, pooled in (("_sum", summed), ("_background_subtracted", subtracted)):
                found[how].append(correct(model.head(pooled), labels))
        if name != "shift":
            places = inside(ink_boxes(on_canvas(digits, side)), side, side)
            found["_top_precision"].append(top_precision(cam(features, model.head.weight, labels), places, TOP))
    result = {f"{name}{how}": torch.cat(values).float().mean().item() for how, values in found.items() if values}
    return result | {f"{name}_calibration": calibration_error(torch.cat(probs), split.labels)}


def of_two_digits(model: MapClassifier, forward: Forward, split: Split, pool: Split, name: str) -> dict[str, float]:
    """Whether maps tell two digits on one canvas apart, NAME being `two_digits` or `overlapping_digits`:

    NAME_separation, of the CAM's top 10 % of positions in either digit's box, the share in the box of its own class;
    NAME_contrastive_separation, the same of the contrastive CAM; NAME_pointing_game, how often the CAM's peak is in
    the own box alone; NAME_top2_accuracy, how often the two most probable classes are those of the two digits.
    """
    found: dict[str, list[Tensor]] = defaultdict(list)
    for digits, numbers, labels in numbered(split):
        both = two_digits(Split(digits, labels), numbers, pool, apart=name == "two_digits")
        logits, features = forward(both.images.float() / 255)
        own, other = (inside(box, CANVAS, CANVAS) for box in both.boxes.unbind(1))
        class_map = cam(features, model.head.weight, labels)
        contrast = contrastive_cam(features, model.head.weight, *both.labels.unbind(1))
        found["separation"].append(share_of_top(class_map, own, other, TOP))
        found["contrastive_separation"].append(share_of_top(contrast, own, other, TOP))
        found["pointing_game"].append(peak_inside(class_map, own & ~other))
        found["top2_accuracy"].append((logits.topk(2).indices.sort(1).values == both.labels.sort(1).values).all(1))
    return {f"{name}_{what}": torch.cat(values).float().mean().item() for what, values in found.items()}


def faithfulness(
    model: MapClassifier, forward: Forward, split: Split, baseline: MapClassifier | None
) -> dict[str, float]:
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
        deletion, insertion = deletion_insertion(forward, images, order, split.labels)
        numbers |= {f"deletion{suffix}": deletion.mean().item(), f"insertion{suffix}": insertion.mean().item()}
    return numbers


def numbered(split: Split) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of digits as they lie (uint8), their numbers and their labels."""
    for numbers in torch.arange(len(split)).split(BATCH):
        yield split.images[numbers], numbers, split.labels[numbers]


def stroke_pixel(images: Tensor) -> Tensor:
    """One pixel of each image's strokes, random but always the same: (N, 1, H, W) -> (N, H, W)."""
    chance = torch.rand(len(images), images[0].numel(), generator=torch.Generator().manual_seed(0))
    picked = ((images.flatten(1) >= STROKE) * chance).argmax(1)
    return torch.zeros_like(chance).scatter_(1, picked[:, None], 1).view(len(images), *images.shape[-2:])


CONTROLS: dict[str, Callable[[Tensor], Tensor]] = {CENTRE_PRIOR: centre_prior, "pixel of a stroke": stroke_pixel}
