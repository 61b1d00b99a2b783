"""Frames: what lies around a digit and is no part of it, such as a scanner's black strips, a printed box, a circle.

>>> box = torch.zeros(40, 40, dtype=torch.bool)
>>> box[[3, 36], 3:37] = box[3:37, [3, 36]] = True
>>> frame_of(box) is None  # it may be a 0
True
>>> digit = box.clone()
>>> digit[10:30, 20] = True
>>> frame = frame_of(digit)
>>> frame is not None and torch.equal(frame, box)
True
"""

from dataclasses import replace

import torch
from torch import Tensor

from camloss.digits.bitmap import Bitmap, pack

STRIP = 0.06  # of the picture's shorter side: what keeps that close to the border and is long is no digit
STRIP_LENGTH = 0.25  # of its shorter side, at least
STRIP_COVER = 0.7  # of an edge, at least, where a digit may touch the strip
MOST_PARTS = 16  # that reach the border and are looked at: noise has hundreds
FRAMED = 0.2  # of a frame's shorter side: at least as long is what it encloses
ROOM = (0.22, 0.4)  # of its longer and its shorter side: a square that wide lies beside what it encloses
BESIDE = 0.05  # of what is framed may lie beside the frame


def frame_of(ink: Tensor) -> Tensor | None:
    """The strips along the picture's border, or else the part that encloses all others; None where there is neither.

    Args:
        ink: (h, w) bool.

    Returns:
        (h, w) bool.
    """
    depth = int(STRIP * min(ink.shape))
    strips = _strips(ink, depth) if depth > 0 else torch.zeros_like(ink)
    if bool(strips.any()):
        return strips
    mask = pack(ink)
    frame = (_apart(mask, depth) if depth > 0 else None) or _enclosing(mask)
    return None if frame is None else frame.unpack()


def _strips(ink: Tensor, depth: int) -> Tensor:
    """Straight strips along nearly whole edges, which the digit may touch.

    A digit that fills the picture has such edges, too; but what is left of it reaches the opposite border.
    """
    found, edges = torch.zeros_like(ink), []
    for edge in range(4):
        turned = ink.rot90(edge)
        band = turned[:depth].cumprod(0).bool()  # the runs that begin at this border
        if float(band[0].float().mean()) >= STRIP_COVER:
            strip = torch.zeros_like(turned)
            strip[:depth] = band & (band.float().mean(1) >= STRIP_LENGTH)[:, None]
            found |= strip.rot90(-edge)
            edges.append(edge)
    rest = ink & ~found
    opposite = [rest.rot90(edge + 2)[0] for edge in edges if (edge + 2) % 4 not in edges]
    return torch.zeros_like(ink) if any(bool(border.any()) for border in opposite) else found


def _apart(ink: Bitmap, depth: int) -> Bitmap | None:
    """The long parts that keep close to the border, straight or not."""
    within, at_border = ink.inset(depth), ink.bits & ~ink.inset(min(2, depth))
    found = 0
    for _ in range(MOST_PARTS):
        if at_border == 0:
            break
        part = ink.part_at(at_border & -at_border)
        at_border &= ~part.bits
        if part.bits & within == 0 and max(part.size) >= STRIP_LENGTH * min(ink.height, ink.width):
            found |= part.bits
    return replace(ink, bits=found) if found else None


def _enclosing(ink: Bitmap) -> Bitmap | None:
    """A part around all others, with more room inside than a stroke has between its two edges, drawn in outline."""
    if ink.bits == 0:
        return None
    frame = ink.part_at(ink.bits & -ink.bits)
    inside = frame.holes
    framed, beside = replace(ink, bits=ink.bits & inside.bits), ink.bits & ~inside.bits & ~frame.bits
    if framed.bits == 0 or beside.bit_count() > BESIDE * framed.count:
        return None
    room = replace(ink, bits=inside.bits & ~framed.filled.bits)
    least = min(ROOM[0] * max(frame.size), ROOM[1] * min(frame.size))
    return frame if max(framed.size) >= FRAMED * min(frame.size) and room.holds_square(round(least)) else None
