"""Where the CAMs of digits peak: near a junction of strokes, in a hole."""

import math

import torch
from torch import Tensor

from camloss.digits.stroke_topology import NEAR, STROKE, holes, junctions, within
from camloss.maps import cam, min_max_normalize
from camloss.metrics import area_above_half, ink_energy, peak_inside, pointing_game
from camloss.models import MapClassifier
from camloss.split import Split

SMALL = 0.03  # of the image: the area at which maps of different sizes are compared
BLOB = "centre_prior amid the ink"


def peaks(model: MapClassifier, test: Split) -> dict[str, dict[str, float]]:
    """Where maps peak, as in `locate`: the CAMs of a model ("network"), and a centred Gaussian."""
    maps = {"network": true_cams(model, test), BLOB: centre_prior(pixels(test))}
    located = {name: locate(of_one, test) for name, of_one in maps.items()}
    return {
        name: {key: value for key, value in numbers.items() if key.startswith("peak_")}
        for name, numbers in located.items()
    }


def locate(maps: Tensor, split: Split) -> dict[str, float]:
    """Where maps lie, whoever made them; means over the split.

    Args:
        maps: (N, H, W), in [0, 1], one for each image.

    Returns:
        area_above_half, ink_energy, pointing_game, and where there are such digits:
        peak_near_junction, how often the peak is within `NEAR` of where strokes meet, of all digits whose strokes do;
        peak_in_hole, how often the peak of a 0 lies in what it encloses, of all that are closed.
    """
    images = pixels(split)
    ink = images[:, 0] >= STROKE
    meeting = junctions(ink)
    enclosed = holes(ink) & (split.labels == 0)[:, None, None]
    numbers = {
        "area_above_half": area_above_half(maps).mean().item(),
        "ink_energy": ink_energy(maps, images).mean().item(),
        "pointing_game": pointing_game(maps, images).mean().item(),
    }
    for name, region in (("peak_near_junction", within(meeting, NEAR)), ("peak_in_hole", enclosed)):
        if (there := region.flatten(1).any(1)).any():
            numbers[name] = peak_inside(maps, region)[there].mean().item()
    return numbers


@torch.no_grad()
def true_cams(model: MapClassifier, split: Split) -> Tensor:
    """The CAM of each image's label: (N, H, W) in [0, 1]."""
    maps = [cam(model(images)[1], model.head.weight, labels) for images, labels in split.batches(1_000)]
    return min_max_normalize(torch.cat(maps))


def centre_prior(images: Tensor) -> Tensor:
    """A Gaussian at the ink's centre of mass, of area `SMALL` above half maximum: (N, 1, H, W) -> (N, H, W)."""
    ink = images[:, 0]
    height, width = ink.shape[-2:]
    mass = ink.sum((1, 2)).clamp_min(torch.finfo(ink.dtype).tiny)
    y, x = torch.arange(height), torch.arange(width)
    from_y = y - ((ink.sum(2) @ y.float()) / mass)[:, None]
    from_x = x - ((ink.sum(1) @ x.float()) / mass)[:, None]
    squared_radius = SMALL * height * width / math.pi
    return torch.exp2(-(from_y[:, :, None] ** 2 + from_x[:, None] ** 2) / squared_radius)


def pixels(split: Split) -> Tensor:
    """All images of a split as float in [0, 1]."""
    return next(split.batches(len(split)))[0]
