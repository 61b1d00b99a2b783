"""What is measured of an answer, beside its maps, for the sentence that tells how the networks differ.

`camloss/demo/web/stroke_topology.js` computes the same; a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.stroke_topology import NEAR, STROKE, holes, junctions, within
from camloss.metrics import INK

HOT = 0.5  # of the map's maximum
TOP = 0.05  # share of the pixels by which places are compared: as many of each map, so that no map's size decides
TALL = 0.5  # of the height of all the ink: what stands apart and is as tall as that may be a digit of its own

HOLE, JUNCTION, STROKES, BESIDE = "hole", "junction", "stroke", "beside"
ADDED = "added"  # on ink that was not drawn
NOWHERE = "nowhere"  # nothing speaks for the class


@dataclass(frozen=True)
class HotPart:
    """Where a map is hot, the map stretched bilinearly over the field."""

    area: float
    """The share of the field on which it reaches half of its maximum, in [0, 1]."""
    place: str
    """Where its highest point lies: in a `HOLE`, near a `JUNCTION`, on the `STROKES`, `BESIDE` them all, or on what was
    `ADDED`; `NOWHERE` for a map that is all 0."""
    hottest: Tensor
    """(H, W) bool, as large as the field: the hottest twentieth of the pixels; of equals those that are read first."""


def hot_part(evidence: Tensor, pixels: Tensor, drawn: Tensor | None = None) -> HotPart:
    """Where the evidence is hot.

    Args:
        evidence: (h, w), at least 0: a CAM, min-max normalised, or what of a contrastive CAM speaks for the class.
        pixels: (H, W), what the network was given, white ink on black.
        drawn: (H, W), what of it is the digit, where something was added.
    """
    drawn = pixels if drawn is None else drawn
    heat = F.interpolate(evidence[None, None].double(), pixels.shape, mode="bilinear")[0, 0]
    order = heat.flatten().sort(descending=True, stable=True).indices
    hottest = torch.zeros(heat.numel(), dtype=torch.bool)
    hottest[order[: round(TOP * heat.numel())]] = True
    hot = (heat > 0) & (heat >= HOT * evidence.max().double())
    place = _place_of(int(order[0]), pixels, drawn) if bool(hot.any()) else NOWHERE
    return HotPart(float(hot.double().mean()), place, hottest.view_as(heat))


def _place_of(peak: int, pixels: Tensor, drawn: Tensor) -> str:
    ink = drawn[None] >= STROKE
    if holes(ink).flatten()[peak]:
        return HOLE
    if within(junctions(ink), NEAR).flatten()[peak]:
        return JUNCTION
    if drawn.flatten()[peak] >= INK:
        return STROKES
    return ADDED if pixels.flatten()[peak] >= INK else BESIDE


def shared(parts: Sequence[HotPart]) -> float:
    """The share of the hottest pixels of each map that are hottest in all of them, in [0, 1]."""
    hottest = torch.stack([part.hottest for part in parts])
    return float(hottest.all(0).sum() / hottest[0].sum())


def two_digits(pixels: Tensor) -> bool:
    """Whether empty columns part the strokes into pieces of which two are tall.

    Args:
        pixels: (H, W), white ink on black.
    """
    ink = pixels >= STROKE
    columns = ink.any(0).tolist()
    tall = TALL * _height(ink)
    starts = [x for x in range(len(columns)) if columns[x] and not (x and columns[x - 1])]
    ends = [*starts, len(columns)][1:]
    pieces = [ink[:, start:end] for start, end in zip(starts, ends, strict=True)]
    return sum(_height(piece) >= tall for piece in pieces) >= 2


def _height(ink: Tensor) -> int:
    rows = ink.any(1).nonzero()
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0
