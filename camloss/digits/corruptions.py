"""Corruptions of a digit: clutter, a larger canvas, another position, salt noise, a line, Gaussian noise, two digits.

The digit itself stays as it is, neither scaled nor covered. Pictures are uint8, (N, 1, H, W), white ink on black.
Everything random is a hash of (seed, image, purpose, index) in 32-bit whole numbers, so that what happens to an image
does not depend on those beside it, and another language repeats it number by number: `tests/digits/corruptions.json`
says what it has to get.

    >>> digit = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    >>> on_canvas(digit, 56)[0, 0, 28, 12:16].tolist()
    [0, 0, 255, 255]
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from camloss.errors import CamlossError
from camloss.split import Split

DIGIT = 28  # pixels, the side of a digit's own picture
FRAGMENT = 8  # pixels, the side of a fragment
INK = 26  # a pixel with at least this much ink, of 255, belongs to the digit: `camloss.metrics.INK`
SQUARES, SOURCES, POSITIONS, SALT, LINES, NOISE, PARTNERS, LAYOUT = range(8)  # purposes, so that none repeats another

_BITS = 0xFFFFFFFF


def words(seed: int, numbers: Tensor, purpose: int, count: int) -> Tensor:
    """Random 32-bit words that are ever the same: the hash of (seed, image, purpose, index).

    Four values are mixed in one after the other: added with 0x9E3779B9, then mixed by two rounds of shift, xor and
    multiplication ("lowbias32" of C. Wellons' hash prospector).

    Args:
        seed: in [0, 2**32).
        numbers: (N,) int64 in [0, 2**32), which image each is.
        purpose: what for.
        count: how many for each image, of index 0 and on.

    Returns:
        (N, count) int64, in [0, 2**32).
    """
    state = _mixed(torch.tensor(seed))
    for value in (numbers[:, None], torch.tensor(purpose), torch.arange(count)):
        state = _mixed(state + value)
    return state


def _mixed(value: Tensor) -> Tensor:
    value = (value + 0x9E3779B9) & _BITS
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & _BITS
    value = ((value ^ (value >> 15)) * 0x846CA68B) & _BITS
    return value ^ (value >> 16)


def on_canvas(digits: Tensor, side: int) -> Tensor:
    """Each digit in the middle of a blank canvas: (N, 1, 28, 28) -> (N, 1, side, side).

    Raises:
        CamlossError: the canvas is smaller than a digit.
    """
    middle = torch.full((len(digits),), (side - DIGIT) // 2)
    return _put(digits, side, middle, middle)


def anywhere(digits: Tensor, numbers: Tensor, side: int = 56, *, seed: int = 0) -> Tensor:
    """Each digit, whole, at a random position of a blank canvas."""
    top, left = (words(seed, numbers, POSITIONS, 2) % (side - DIGIT + 1)).unbind(1)
    return _put(digits, side, top, left)


def among_clutter(
    digits: Tensor, numbers: Tensor, pool: Tensor, count: int = 8, side: int = 56, *, seed: int = 0
) -> Tensor:
    """Each digit in the middle of a canvas, clutter of other digits along its border.

    The border is a ring of squares of 8x8 pixels; `count` of them, which the hash picks, hold a fragment from the
    middle of an image that it picks too. Where a fragment reaches below the digit, the brighter pixel counts.

    Args:
        digits: (N, 1, 28, 28).
        numbers: (N,), which image each is.
        pool: (M, 1, 28, 28), the images that the fragments are cut from.
        count: at most as many as there are squares: 24 on 56x56 pixels, 16 on 40x40.

    Returns:
        (N, 1, side, side).

    Raises:
        CamlossError: there are not that many squares.
    """
    starts = _ring(side)
    if count > len(starts):
        raise CamlossError(
            f"{count} fragments do not fit along a canvas of {side} pixels; expected at most {len(starts)}"
        )
    picked = _picked(words(seed, numbers, SQUARES, count), len(starts))  # (N, count)
    source = words(seed, numbers, SOURCES, 3 * count).view(len(digits), count, 3)
    canvas = on_canvas(digits, side)
    steps = torch.arange(FRAGMENT)
    for fragment in range(count):
        which, y, x = source[:, fragment].unbind(1)
        rows, columns = (6 + start[:, None] % 9 + steps for start in (y, x))  # a fragment from rows 6 to 21
        cut = pool[(which % len(pool))[:, None, None], 0, rows[:, :, None], columns[:, None]]  # (N, 8, 8)
        to_rows, to_columns = (start[:, None] + steps for start in starts[picked[:, fragment]].unbind(1))
        at = (torch.arange(len(digits))[:, None, None], 0, to_rows[:, :, None], to_columns[:, None])
        canvas[at] = torch.maximum(canvas[at], cut)
    return canvas


def salt_noise(pictures: Tensor, numbers: Tensor, count: int = 10, *, seed: int = 0) -> Tensor:
    """Salt noise: grains of 2x2 white pixels at random positions, on the digit too."""
    height, width = pictures.shape[-2:]
    result = pictures.clone()
    y, x = words(seed, numbers, SALT, 2 * count).view(len(pictures), count, 2).unbind(2)
    rows, columns = y % (height - 1), x % (width - 1)
    image = torch.arange(len(pictures))[:, None]
    for down in (0, 1):
        for right in (0, 1):
            result[image, 0, rows + down, columns + right] = 255
    return result


def line(digits: Tensor, numbers: Tensor, side: int = 56, *, seed: int = 0) -> Tensor:
    """Each digit in the middle of a canvas with a white line of 2 pixels from edge to edge beside it.

    Raises:
        CamlossError: there is no room beside the digit.
    """
    margin = (side - DIGIT) // 2
    if margin < 2:
        raise CamlossError(f"there is no room for a line on a canvas of {side} pixels; expected at least {DIGIT + 4}")
    canvas = on_canvas(digits, side)
    where, offset = words(seed, numbers, LINES, 2).unbind(1)
    offset = offset % (margin - 1)
    start = torch.where(where & 1 == 0, offset, side - 2 - offset)
    lines = torch.arange(side)
    hit = (lines >= start[:, None]) & (lines < start[:, None] + 2)  # (N, side)
    across = torch.where((where >> 1 & 1 == 0)[:, None, None], hit[:, :, None], hit[:, None])
    return torch.where(across[:, None], 255, canvas)


def gaussian_noise(pictures: Tensor, numbers: Tensor, level: int = 51, *, seed: int = 0) -> Tensor:
    """Gaussian noise on every pixel, clipped at black and white.

    Approximately: the sum of the twelve bytes of three words, less its mean of 1530, has a standard deviation of 256.

    Args:
        level: standard deviation, of 255.
    """
    count, _, height, width = pictures.shape
    three = words(seed, numbers, NOISE, 3 * height * width).view(count, 1, height, width, 3)
    total = torch.stack([three >> bits & 0xFF for bits in (0, 8, 16, 24)]).sum((0, -1)) - 1530
    return (pictures + (total * level >> 8)).clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class TwoDigits:
    """Pictures of two digits each, of different classes."""

    images: Tensor
    """(N, 1, side, side) uint8."""
    labels: Tensor
    """(N, 2) int64, the class of each digit."""
    boxes: Tensor
    """(N, 2, 4) int64: the first row and column of each digit's ink, and the first behind it, down and to the right."""


def two_digits(split: Split, numbers: Tensor, pool: Split, apart: bool = True, *, seed: int = 0) -> TwoDigits:
    """Each digit and one of another class on a canvas of 56x56 pixels, beside or above each other, in either order.

    Apart, their pictures share no pixel; else they overlap by half, and the brighter pixel counts.

    Args:
        split: the digits whose maps are asked for.
        numbers: (N,), which image each is.
        pool: where the others are from; of more than one class.
    """
    count, side = len(split), 2 * DIGIT
    other = _partners(split.labels, numbers, pool.labels, seed)
    turned, flipped, *across = words(seed, numbers, LAYOUT, 4).unbind(1)
    jitter = DIGIT + 1 if apart else DIGIT // 2 + 1
    aside = torch.stack([word % jitter + (0 if apart else DIGIT // 4) for word in across], 1)  # (N, 2)
    low, high = (0, DIGIT) if apart else (DIGIT // 4, DIGIT * 3 // 4)
    along = torch.where((flipped & 1 == 0)[:, None], torch.tensor([low, high]), torch.tensor([high, low]))
    is_turned = (turned & 1 == 1)[:, None]
    tops, lefts = torch.where(is_turned, along, aside), torch.where(is_turned, aside, along)
    images = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    boxes = []
    for idx, digits in enumerate((split.images, pool.images[other])):
        alone = _put(digits, side, tops[:, idx], lefts[:, idx])
        images = torch.maximum(images, alone)
        boxes.append(ink_boxes(alone))
    return TwoDigits(images, torch.stack([split.labels, pool.labels[other]], 1), torch.stack(boxes, 1))


def ink_boxes(pictures: Tensor) -> Tensor:
    """The smallest box around each picture's ink: (N, 4) top, left, bottom, right, the latter two behind it.

    All four are 0 where there is no ink.
    """
    ink = pictures[:, 0] >= INK
    edges = []
    for lines in (ink.any(2), ink.any(1)):  # (N, rows), (N, columns)
        numbers = torch.arange(1, lines.shape[1] + 1)
        first = torch.where(lines, numbers - 1, lines.shape[1]).amin(1)
        edges.append((first.where(lines.any(1), 0), torch.where(lines, numbers, 0).amax(1)))
    (top, bottom), (left, right) = edges
    return torch.stack([top, left, bottom, right], 1)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """The pixels of boxes (N, 4), as `ink_boxes` gives them: (N, height, width) bool."""
    top, left, bottom, right = boxes[:, :, None].unbind(1)
    rows, columns = torch.arange(height), torch.arange(width)
    return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None]


def _put(digits: Tensor, side: int, top: Tensor, left: Tensor) -> Tensor:
    if side < DIGIT:
        raise CamlossError(f"a canvas of {side} pixels is too small for a digit; expected at least {DIGIT}")
    canvas = digits.new_zeros(len(digits), 1, side, side)
    steps = torch.arange(DIGIT)
    rows, columns = top[:, None] + steps, left[:, None] + steps
    canvas[torch.arange(len(digits))[:, None, None], 0, rows[:, :, None], columns[:, None]] = digits[:, 0]
    return canvas


def _ring(side: int) -> Tensor:
    """Row and column where each square along the border begins, row by row: (R, 2)."""
    last = side // FRAGMENT - 1
    first = side % FRAGMENT // 2
    squares = [(y, x) for y in range(last + 1) for x in range(last + 1) if {y, x} & {0, last}]
    return first + FRAGMENT * torch.tensor(squares)


def _picked(random: Tensor, among: int) -> Tensor:
    """The first entries of a shuffle (Fisher, Yates): (N, count) words -> (N, count), all below `among`."""
    order = torch.arange(among).repeat(len(random), 1)
    image = torch.arange(len(random))
    for entry, word in enumerate(random.unbind(1)):
        other = entry + word % (among - entry)
        here, there = order[:, entry].clone(), order[image, other]
        order[:, entry], order[image, other] = there, here
    return order[:, : random.shape[1]]


def _partners(labels: Tensor, numbers: Tensor, pool_labels: Tensor, seed: int) -> Tensor:
    """For each image the first one of another class in the pool, from where the hash says on, around its end: (N,)."""
    if len(pool_labels.unique()) < 2:
        raise CamlossError("two digits are of different classes; expected a pool of more than one")
    other = words(seed, numbers, PARTNERS, 1)[:, 0] % len(pool_labels)
    while (same := pool_labels[other] == labels).any():
        other = torch.where(same, (other + 1) % len(pool_labels), other)
    return other
