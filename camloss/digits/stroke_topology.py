"""Stroke topology of digits: junctions, where strokes meet, and holes, which they enclose.

All functions take N digits at once, as (N, H, W) bool, True where there is ink.

    >>> cross = torch.zeros(1, 7, 7, dtype=torch.bool)
    >>> cross[:, 3] = cross[:, :, 3] = True
    >>> junctions(cross).nonzero().tolist()
    [[0, 3, 3]]
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.bitmap import pack, unpack

STROKE = 0.5  # a pixel with at least this much ink shapes the stroke that is thinned, or encloses a hole
NEAR = 3.0  # pixels: a stroke of MNIST is about this wide
DIGIT = 4  # pixels that the taller of two digits has at least
TALL = 0.5  # of the height of all the ink


def junctions(ink: Tensor) -> Tensor:
    """Where strokes meet: the pixels of the thinned ink from which at least three lines leave.

    Lines are counted by the crossing number of Rutovitz (1966): how often black turns to white around a pixel.

    Returns:
        (N, H, W) bool; several neighbouring pixels where lines meet at an angle, none where no strokes meet.
    """
    lines = unpack([pack(digit).thinning()[-1] for digit in ink])
    height, width = ink.shape[-2:]
    framed = F.pad(lines, (1, 1, 1, 1))
    clockwise = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
    around = torch.stack([framed[:, y : y + height, x : x + width] for y, x in clockwise])
    return lines & ((~around & around.roll(-1, 0)).sum(0) >= 3)


def holes(ink: Tensor) -> Tensor:
    """What the strokes enclose: the pixels without ink from which no path of straight steps leads out of the picture.

    Returns:
        (N, H, W) bool.
    """
    return unpack([pack(digit).holes for digit in ink])


def several_digits(pixels: Tensor) -> bool:
    """Whether empty columns part the strokes of one image, (H, W) in [0, 1], into pieces of which two are tall."""
    ink = pixels >= STROKE
    columns = ink.any(0).tolist()
    starts = [x for x, inked in enumerate(columns) if inked and not (x and columns[x - 1])]
    heights = [_height(piece) for piece in ink.tensor_split(starts[1:], 1)]
    tall = sum(height >= TALL * _height(ink) for height in heights)
    return tall >= 2 and _height(ink) >= DIGIT  # else dots in a row


def _height(ink: Tensor) -> int:
    """From the first row with ink to the last."""
    rows = ink.any(1).nonzero()
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0


def within(mask: Tensor, radius: float) -> Tensor:
    """All pixels whose centre is at most `radius` pixels from the centre of a pixel of the mask, itself included.

    Returns:
        (N, H, W) bool.
    """
    reach = int(radius)
    steps = torch.arange(-reach, reach + 1)
    disc = (steps[:, None] ** 2 + steps**2 <= radius**2).float()
    return F.conv2d(mask[:, None].float(), disc[None, None], padding=reach)[:, 0] > 0
