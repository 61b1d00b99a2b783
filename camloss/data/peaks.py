"""Where the CAMs of digits peak: near a junction of strokes, in a hole."""

import math

import torch
from torch import Tensor

from camloss.digits.stroke_topology import NEAR, STROKE, holes, junctions, within
from camloss.maps import cam, min_max_normalize
from camloss.metrics import peak_inside
from camloss.models import MapClassifier
from camloss.split import Split

SMALL = 0.03  # of the cells: the area at which maps of different sizes are compared
CENTRE_PRIOR = "centred Gaussian"


def peaks(model: MapClassifier, test: Split) -> dict[str, dict[str, float]]:
    """`locate_peaks` of the CAMs of a model ("network"), and of a centred Gaussian."""
    maps = {"network": true_cams(model, test), CENTRE_PRIOR: centre_prior(pixels(test))}
    return {name: locate_peaks(of_one, test) for name, of_one in maps.items()}


def locate_peaks(maps: Tensor, split: Split) -> dict[str, float]:
    """Where the peaks of maps lie, for splits that have such digits.

    Args:
        maps: (N, H, W), in [0, 1], one for each image.

    Returns:
        pointing_game_junction, how often the peak is within `NEAR` of where strokes meet, of digits whose strokes do;
        pointing_game_hole, how often the peak of a 0 lies in what it encloses, of all that are closed.
    """
    strokes = pixels(split)[:, 0] >= STROKE
    places = {
        "pointing_game_junction": within(junctions(strokes), NEAR),
        "pointing_game_hole": holes(strokes) & (split.labels == 0)[:, None, None],
    }
    there = {name: inside.flatten(1).any(1) for name, inside in places.items()}
    return {
        name: peak_inside(maps, inside)[there[name]].mean().item()
        for name, inside in places.items()
        if there[name].any()
    }


@torch.no_grad()
def true_cams(model: MapClassifier, split: Split) -> Tensor:
    """The CAM of each image's label: (N, H, W) in [0, 1]."""
    maps = [cam(model(images)[1], model.head.weight, labels) for images, labels in split.batches(1_000)]
    return min_max_normalize(torch.cat(maps))


def centre_prior(images: Tensor) -> Tensor:
    """A Gaussian on the strokes' centre of mass, whose area is `SMALL`: (N, 1, H, W) -> (N, H, W)."""
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
