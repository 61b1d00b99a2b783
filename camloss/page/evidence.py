"""What is measured of an answer, beside its maps, for the sentence that tells how the networks differ.

`camloss/page/web/places.js` computes the same; a test compares the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.places import NEAR, STROKE, holes, junctions, within
from camloss.metrics import INK

HOT = 0.5  # of the map's maximum
CORE = 0.9  # ink of a pixel at the heart of a stroke: pieces a pen's width apart are parted by fainter columns
TALL = 0.5  # of the height of all the ink: what stands apart and is as tall as that may be a digit of its own

HOLE, JUNCTION, STROKES, BESIDE = "hole", "junction", "stroke", "beside"


@dataclass(frozen=True)
class HotPart:
    """The part of a map that reaches half of its maximum, the map stretched bilinearly over the field."""

    cells: Tensor
    """(H, W) bool, as large as the field."""
    place: str
    """Where the highest point lies: in a `HOLE`, near a `JUNCTION`, on the `STROKES`, or `BESIDE` them all."""

    @property
    def area(self) -> float:
        """The share of the field, in [0, 1]."""
        return float(self.cells.double().mean())


def hot_part(cam: Tensor, pixels: Tensor) -> HotPart:
    """Where the evidence is hot.

    Args:
        cam: (h, w), in [0, 1], min-max normalised.
        pixels: (H, W), what the network was given, white ink on black.
    """
    heat = F.interpolate(cam[None, None].double(), pixels.shape, mode="bilinear")[0, 0]
    peak = int(heat.argmax())
    ink = pixels[None] >= STROKE
    if holes(ink).flatten()[peak]:
        place = HOLE
    elif within(junctions(ink), NEAR).flatten()[peak]:
        place = JUNCTION
    else:
        place = STROKES if pixels.flatten()[peak] >= INK else BESIDE
    return HotPart(heat >= HOT, place)


def overlap(parts: Iterable[HotPart]) -> float:
    """What all hot parts have in common, as a share of what they cover together, in [0, 1]."""
    cells = torch.stack([part.cells for part in parts])
    return float(cells.all(0).sum() / cells.any(0).sum().clamp_min(1))


def two_digits(pixels: Tensor) -> bool:
    """Whether empty columns part the strokes into pieces of which two are tall.

    Args:
        pixels: (H, W), white ink on black.
    """
    ink = pixels >= CORE
    columns = ink.any(0).tolist()
    tall = TALL * _height(ink)
    starts = [x for x in range(len(columns)) if columns[x] and not (x and columns[x - 1])]
    ends = [*starts, len(columns)][1:]
    pieces = [ink[:, start:end] for start, end in zip(starts, ends, strict=True)]
    return sum(_height(piece) >= tall for piece in pieces) >= 2


def _height(ink: Tensor) -> int:
    rows = ink.any(1).nonzero()
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0
