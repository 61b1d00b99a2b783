"""Rasterize strokes: from the path of a pen to an image of 28 x 28 pixels, as MNIST has them.

MNIST's digits fill a 20-pixel box, are centred by mass in 28 x 28 pixels, and were all drawn with much the same pen.
A path is as large here as there, but drawn with a thinner pen, which leaves small loops and gaps open.

    >>> bar = PenStroke(((100.0, 50.0), (100.0, 400.0)), width=60.0)
    >>> sketch = write_strokes([bar])
    >>> sketch.pixels.shape
    torch.Size([1, 1, 28, 28])
    >>> [round(x) for x in sketch.to_drawing(14.0, 14.0)]  # the middle of the stroke
    [100, 225]
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from camloss.digits.pendigits import Stroke

IMAGE_SIDE = 28  # pixels, side of a model's input
BOX = 20  # pixels, longer side of the digit in it
MNIST_PEN = 2.6  # pixels: mean of what `preprocess._path` finds in MNIST's training images
REACH = BOX - MNIST_PEN  # pixels, longer side of the path of MNIST's pen
PEN = 1.1  # pixels, width of the pen: chosen on development writers among those in docs/measure.md
MIN_SHARE = 0.05  # of the largest mark's ink; marks with less are ignored
TILE = 7  # pixels, side of the tiles of the image in which many lines are drawn
FEW_LINES = 300  # up to so many, the whole image is one tile
REACH_MARGIN = 1e-3  # pixels, far more than rounding moves a line
PAIRS_AT_ONCE = 40_000  # of a pixel and a line: keeps little memory busy


@dataclass(frozen=True)
class Sketch:
    """A drawn digit as a model sees it, and the way back.

    Coordinates are continuous: pixel i covers [i, i + 1). A point (x, y) in the 28 x 28 pixels is
    `(scale * x + left, scale * y + top)` in the drawing (upright, where a photo says which side is up).
    """

    pixels: Tensor  # (1, 1, 28, 28) float32 in [0, 1], white ink on black
    scale: float  # pixels of the drawing per pixel of the 28
    left: float  # where the 28 x 28 image begins in the drawing, in its pixels; may lie outside it
    top: float

    def to_drawing(self, x: float, y: float) -> tuple[float, float]:
        return self.scale * x + self.left, self.scale * y + self.top


@dataclass(frozen=True)
class PenStroke:
    """Where a round pen went while it was down: points (x, y), y down, and the pen's width, in one unit of length."""

    points: Stroke
    width: float

    @property
    def ink(self) -> float:
        """The area that it covers, where it crosses nowhere."""
        return self.width * (sum(math.dist(*line) for line in pairwise(self.points)) + math.pi / 4 * self.width)


def write_strokes(strokes: Sequence[PenStroke], pen: float = PEN) -> Sketch | None:
    """Rasterize strokes with our pen; None when there are none.

    What counts is the path, not how many of its points are given: any more between two of them change nothing.

    Args:
        strokes: what was drawn.
        pen: width in pixels of the image of the pen.
    """
    inks = [stroke.ink for stroke in strokes]
    least = MIN_SHARE * max(inks, default=0.0)
    marks = [stroke for stroke, ink in zip(strokes, inks, strict=True) if ink >= least]
    if not marks:
        return None
    lines = [line for stroke in marks for line in pairwise((stroke.points[0], *stroke.points))]  # a point is a line too
    path = torch.tensor(lines, dtype=torch.float64)
    return write(path, max(stroke.width for stroke in marks), partial(draw_lines, pen=pen))


def write(path: Tensor, brush: float, draw: Callable[[Tensor], Tensor]) -> Sketch:
    """Rasterize a path at MNIST's size and position.

    Args:
        path: (..., 2) points (x, y), y down.
        brush: the width of the pen that drew it: what is no longer than wide stays a dot.
        draw: the ink of such a path.
    """
    across = tuple(range(path.ndim - 1))
    reach = float((path.amax(across) - path.amin(across)).max())
    scale = max(reach, (reach + brush) / 2) / REACH
    path = path / scale
    path_offset = IMAGE_SIDE / 2 - (path.amin(across) + path.amax(across)) / 2
    mass_offset = path_offset + IMAGE_SIDE / 2 - _centre_of_mass(draw(path + path_offset))
    margin = (IMAGE_SIDE - BOX) / 2  # a lopsided digit may not leave the image
    offset = torch.minimum(torch.maximum(mass_offset, path_offset - margin), path_offset + margin)
    off_x, off_y = offset.tolist()
    return Sketch(draw(path + offset).float()[None, None], scale, -off_x * scale, -off_y * scale)


def draw_points(path: Tensor, pen: float | Tensor = PEN) -> Tensor:
    """The ink of points close together, under a round pen, smooth-edged.

    Args:
        path: (..., N, 2) points (x, y) in pixels of the image.
        pen: the pen's width in pixels, one or (..., 1, 1).

    Returns:
        (..., 28, 28) in [0, 1].
    """
    across, down = (_centres()[:, None] - path[..., None, :, axis] for axis in (0, 1))  # (..., 28, N) each
    squared = across.square()[..., None, :, :] + down.square()[..., None, :]  # (..., 28, 28, N)
    return _ink(squared.amin(-1), pen)


def draw_lines(lines: Tensor, pen: float = PEN) -> Tensor:
    """The ink of straight lines under a round pen, smooth-edged.

    Many lines are drawn tile by tile: a tile asks only those that reach it, which are few.

    Args:
        lines: (N, 2, 2), from (x, y) to (x, y) in pixels of the image.
        pen: the pen's width in pixels.

    Returns:
        (28, 28) in [0, 1].
    """
    side = IMAGE_SIDE if len(lines) <= FEW_LINES else TILE
    tiles = _tiles(side).to(lines)
    reach = pen / 2 + 0.5 + (side - 1) / math.sqrt(2) + REACH_MARGIN  # from a tile's middle: there is no ink beyond
    start, along = lines[:, 0], lines[:, 1] - lines[:, 0]
    length = along.square().sum(-1, keepdim=True).clamp_min(torch.finfo(lines.dtype).tiny)
    lines = torch.cat([start, along, along / length], 1).T.contiguous()  # (6, N)
    squared = torch.full(tiles.shape[:2], torch.inf, dtype=lines.dtype)
    for points, nearest in zip(tiles, squared, strict=True):
        reaching = lines[:, _squared_distances(points.mean(0, keepdim=True), lines)[0] <= reach**2]
        for some in reaching.split(PAIRS_AT_ONCE // len(points), 1):
            if some.shape[1]:
                torch.minimum(nearest, _squared_distances(points, some).amin(-1), out=nearest)
    across = IMAGE_SIDE // side
    return _ink(squared.view(across, across, side, side).transpose(1, 2).reshape(IMAGE_SIDE, IMAGE_SIDE), pen)


def _squared_distances(points: Tensor, lines: Tensor) -> Tensor:
    """From (P, 2) points (y, x) to lines, (6, N): start, vector to the end, and that over its squared length."""
    start_x, start_y, along_x, along_y, share_x, share_y = lines
    across, down = points[:, 1:] - start_x, points[:, :1] - start_y  # (P, N) each, from a line's start
    share = (across * share_x).addcmul_(down, share_y).clamp_(0, 1)
    across.addcmul_(share, along_x, value=-1).square_()  # from the nearest point on the line
    down.addcmul_(share, along_y, value=-1).square_()
    squared: Tensor = across.add_(down)
    return squared


def _tiles(side: int) -> Tensor:
    """(T, side * side, 2), the centres (y, x) of the pixels of each square tile of the image."""
    across = IMAGE_SIDE // side
    points = torch.cartesian_prod(_centres(), _centres()).view(across, side, across, side, 2)
    return points.transpose(1, 2).reshape(-1, side * side, 2)


def _ink(squared: Tensor, pen: float | Tensor) -> Tensor:
    """From the squared distance to the path."""
    return (pen / 2 + 0.5 - squared.sqrt()).clamp(0, 1)


def _centre_of_mass(pixels: Tensor) -> Tensor:
    """(28, 28) -> (x, y)."""
    mass = torch.stack([pixels.sum(0), pixels.sum(1)])  # by column, by row
    return mass @ _centres().to(mass) / pixels.sum()


def _centres() -> Tensor:
    """(28,), where a pixel's centre lies along a side of the image."""
    return torch.arange(IMAGE_SIDE, dtype=torch.float32) + 0.5
