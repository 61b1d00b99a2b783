"""MNIST's field and pen: where a path is written in the 28 x 28 pixels, and the ink that it leaves there.

MNIST's digits fill a 20-pixel box, are centred by mass in 28 x 28 pixels, and were all written with much the same pen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FIELD = 28  # pixels, side of a model's input
BOX = 20  # pixels, longer side of the digit in it
PEN = 2.6  # pixels, width of MNIST's pen: mean of what `sketch._path` finds in its training images


@dataclass(frozen=True)
class Sketch:
    """A drawn digit as a model sees it, and the way back.

    Coordinates are continuous: pixel i covers [i, i + 1). A place (x, y) in the 28 x 28 pixels is
    `(scale * x + left, scale * y + top)` in the drawing (upright, where a photo says which side is up).
    """

    pixels: Tensor  # (1, 1, 28, 28) float32 in [0, 1], white ink on black
    scale: float  # pixels of the drawing per pixel of the 28
    left: float  # where the 28 x 28 field begins in the drawing, in its pixels; may lie outside it
    top: float

    def to_drawing(self, x: float, y: float) -> tuple[float, float]:
        return self.scale * x + self.left, self.scale * y + self.top


def write(path: Tensor, brush: float) -> Sketch:
    """Write a path anew, at MNIST's size, in MNIST's place, with MNIST's pen.

    Args:
        path: (N, 2) points (x, y), y down, less than two pixels of the drawing apart.
        brush: the width of the pen that drew it: what is no longer than wide stays a dot.
    """
    low, high = path.amin(0), path.amax(0)
    reach = float((high - low).max())
    scale = max(reach, (reach + brush) / 2) / (BOX - PEN)
    path = path / scale
    path_offset = FIELD / 2 - (path.amin(0) + path.amax(0)) / 2
    mass_offset = path_offset + FIELD / 2 - _centre_of_mass(draw(path + path_offset))
    margin = (FIELD - BOX) / 2  # a lopsided digit may not leave the field
    offset = torch.minimum(torch.maximum(mass_offset, path_offset - margin), path_offset + margin)
    off_x, off_y = offset.tolist()
    return Sketch(draw(path + offset)[None, None], scale, -off_x * scale, -off_y * scale)


def draw(path: Tensor, pen: float | Tensor = PEN) -> Tensor:
    """The ink of points close together, under a round pen, smooth-edged.

    Args:
        path: (..., N, 2) points (x, y) in pixels of the field.
        pen: the pen's width in pixels, one or (..., 1, 1).

    Returns:
        (..., 28, 28) in [0, 1].
    """
    across, down = (_centres()[:, None] - path[..., None, :, axis] for axis in (0, 1))  # (..., 28, N) each
    squared = across.square()[..., None, :, :] + down.square()[..., None, :]  # (..., 28, 28, N)
    return (pen / 2 + 0.5 - squared.amin(-1).sqrt()).clamp(0, 1)


def _centre_of_mass(pixels: Tensor) -> Tensor:
    """(28, 28) -> (x, y)."""
    mass = torch.stack([pixels.sum(0), pixels.sum(1)])  # by column, by row
    return mass @ _centres() / pixels.sum()


def _centres() -> Tensor:
    """(28,), where a pixel's centre lies along a side of the field."""
    return torch.arange(FIELD) + 0.5
