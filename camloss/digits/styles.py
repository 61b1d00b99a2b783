"""Ways to write a digit that MNIST hardly has, drawn by rule, so that a model trained on MNIST knows them too.

MNIST's writers were North American: their 1 is one stroke, their 7 has no bar. Many people write a 1 with a long flag,
a 7 with a bar, a 4 whose horizontal ends at the stem, a 9 with a curled tail. Each style is given by two extreme
examples; what is drawn lies between them, bent, slanted and stretched at random.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from camloss.digits.mnist import Split
from camloss.digits.pen import BOX, FIELD, draw_points

Points = tuple[tuple[float, float], ...]

POINTS_PER_SPAN = 32  # close enough for the longest stem to look unbroken
PENS = 1.6, 3.4  # pixels, the range of their widths
CHUNK = 100  # images drawn at once


@dataclass(frozen=True)
class Style:
    """One way to write a digit: strokes through control points (x, y) in a unit square, y down.

    `one` and `other` are two extremes with the same number of points. A point given twice makes a corner.
    """

    label: int
    one: tuple[Points, ...]
    other: tuple[Points, ...]


STYLES = {
    "1 with a flag": Style(
        1,
        (((0.28, 0.25), (0.50, 0.00), (0.50, 0.00), (0.50, 1.00)),),
        (((-0.10, 0.50), (0.55, 0.00), (0.55, 0.00), (0.45, 1.00)),),
    ),
    "1 with a hooked flag": Style(
        1,
        (((0.25, 0.30), (0.38, 0.15), (0.50, 0.00), (0.52, 0.05), (0.45, 1.00)),),
        (((0.00, 0.25), (0.20, 0.28), (0.52, 0.00), (0.56, 0.06), (0.50, 1.00)),),
    ),
    "1 with a flag and a foot": Style(
        1,
        (((0.25, 0.25), (0.50, 0.00), (0.50, 0.00), (0.50, 1.00)), ((0.25, 1.00), (0.75, 1.00))),
        (((0.05, 0.40), (0.52, 0.00), (0.52, 0.00), (0.48, 1.00)), ((0.05, 1.02), (0.95, 0.98))),
    ),
    "4 without a crossing, cornered": Style(
        4,
        (((0.40, 0.00), (0.30, 0.58), (0.30, 0.58), (0.66, 0.55)), ((0.68, 0.38), (0.62, 1.00))),
        (((0.30, 0.00), (0.02, 0.62), (0.02, 0.62), (0.70, 0.62)), ((0.76, 0.10), (0.64, 1.00))),
    ),
    "4 without a crossing, round": Style(
        4,
        (((0.40, 0.00), (0.28, 0.40), (0.36, 0.60), (0.62, 0.52)), ((0.68, 0.36), (0.60, 1.00))),
        (((0.20, 0.05), (0.10, 0.40), (0.30, 0.58), (0.72, 0.45)), ((0.78, 0.05), (0.70, 1.00))),
    ),
    "4 in one stroke": Style(
        4,
        (((0.42, 0.00), (0.25, 0.60), (0.25, 0.60), (0.72, 0.40), (0.72, 0.40), (0.60, 1.00)),),
        (((0.30, 0.00), (0.12, 0.50), (0.30, 0.62), (0.75, 0.30), (0.75, 0.30), (0.66, 1.00)),),
    ),
    "4 with a short stem": Style(
        4,
        (((0.42, 0.00), (0.32, 0.45), (0.38, 0.68), (0.62, 0.50), (0.62, 0.50), (0.54, 1.00)),),
        (((0.30, 0.00), (0.20, 0.55), (0.24, 0.64), (0.70, 0.56), (0.68, 0.40), (0.56, 1.00)),),
    ),
    "7 with a bar": Style(
        7,
        (((0.05, 0.05), (0.75, 0.02), (0.75, 0.02), (0.35, 1.00)), ((0.20, 0.45), (0.80, 0.42))),
        (((0.00, 0.02), (0.80, 0.06), (0.80, 0.06), (0.30, 1.00)), ((0.15, 0.72), (0.85, 0.68))),
    ),
    "7 with a bar, round": Style(
        7,
        (((0.08, 0.18), (0.35, 0.00), (0.70, 0.10), (0.60, 0.50), (0.40, 1.00)), ((0.25, 0.50), (0.85, 0.48))),
        (((0.15, 0.25), (0.30, 0.02), (0.66, 0.04), (0.62, 0.45), (0.45, 1.00)), ((0.20, 0.74), (0.95, 0.72))),
    ),
    "7 with a low bar, round": Style(
        7,
        (((0.20, 0.22), (0.35, 0.02), (0.64, 0.08), (0.58, 0.50), (0.45, 1.00)), ((0.25, 0.60), (0.90, 0.60))),
        (((0.10, 0.12), (0.40, 0.00), (0.75, 0.08), (0.56, 0.55), (0.34, 1.00)), ((0.26, 0.74), (1.00, 0.70))),
    ),
    "7 with a bar and a serif": Style(
        7,
        (
            ((0.02, 0.20), (0.05, 0.04), (0.05, 0.04), (0.75, 0.02), (0.75, 0.02), (0.40, 1.00)),
            ((0.2, 0.5), (0.8, 0.5)),
        ),
        (
            ((0.05, 0.30), (0.12, 0.06), (0.20, 0.06), (0.72, 0.00), (0.76, 0.05), (0.40, 1.00)),
            ((0.1, 0.6), (0.9, 0.7)),
        ),
    ),
    "9 with a curled tail": Style(
        9,
        (((0.72, 0.12), (0.45, 0.0), (0.2, 0.2), (0.42, 0.42), (0.72, 0.14), (0.75, 0.55), (0.6, 0.96), (0.2, 0.88)),),
        (((0.62, 0.08), (0.4, 0.02), (0.3, 0.16), (0.48, 0.3), (0.66, 0.12), (0.76, 0.6), (0.4, 1.02), (-0.1, 0.85)),),
    ),
    "9 with a straight tail": Style(
        9,
        (((0.70, 0.10), (0.42, 0.00), (0.25, 0.18), (0.45, 0.32), (0.70, 0.10), (0.60, 0.60), (0.40, 1.00)),),
        (((0.62, 0.06), (0.45, 0.00), (0.36, 0.10), (0.48, 0.20), (0.64, 0.06), (0.62, 0.50), (0.45, 1.00)),),
    ),
}


def draw_styles(count: int, seed: int) -> Split:
    """Draw each style `count` times.

    Args:
        count: images of each of `STYLES`.
        seed: of everything that varies.

    Returns:
        `count * len(STYLES)` images (M, 1, 28, 28), white ink on black, in a 20-pixel box as in MNIST.
    """
    generator = torch.Generator().manual_seed(seed)
    images = [_draw(style, count, generator) for style in STYLES.values()]
    labels = torch.tensor([style.label for style in STYLES.values()])
    return Split(torch.cat(images), labels.repeat_interleave(count))


def _draw(style: Style, count: int, generator: torch.Generator) -> Tensor:
    """(count, 1, 28, 28) uint8."""
    share = torch.rand(count, len(style.one), 1, 1, generator=generator)  # each stroke on its own way between the two
    paths = torch.cat(
        [
            _smooth(torch.lerp(torch.tensor(one), torch.tensor(other), share[:, idx]))
            for idx, (one, other) in enumerate(zip(style.one, style.other, strict=True))
        ],
        dim=1,
    )  # (count, points, 2)
    paths = _fit(_bend(paths, generator))
    low, high = PENS
    pen = low + (high - low) * torch.rand(count, 1, 1, generator=generator)
    return torch.cat([_ink(*chunk) for chunk in zip(torch.split(paths, CHUNK), torch.split(pen, CHUNK), strict=True)])


def _smooth(control: Tensor) -> Tensor:
    """Uniform Catmull-Rom spline through (N, C, 2) control points -> (N, P, 2)."""
    spans = control.shape[1] - 1
    padded = torch.cat([control[:, :1], control, control[:, -1:]], dim=1)
    at = torch.linspace(0, spans, spans * POINTS_PER_SPAN)
    span = at.floor().clamp(max=spans - 1).long()
    t = (at - span)[:, None]
    before, start, end, after = (padded[:, span + offset] for offset in range(4))
    return start + 0.5 * t * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )


def _bend(paths: Tensor, generator: torch.Generator) -> Tensor:
    """Slant, stretch, turn and smoothly bend each digit of (N, P, 2); strokes that meet still do."""
    count = len(paths)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    x, y = (paths - 0.5).unbind(2)
    bend = 0.12 * torch.randn(2, 3, count, 1, generator=generator)
    dx, dy = (b[0] * x * x + b[1] * x * y + b[2] * y * y for b in bend)
    x = (x + dx) * uniform(0.7, 1.4) - y * uniform(-0.15, 0.5)  # most hands lean to the right
    y = y + dy
    turn = uniform(-0.15, 0.15)
    return torch.stack([x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos()], dim=2)


def _fit(paths: Tensor) -> Tensor:
    """Scale each digit's longer side to the box and put the mean of its points into the middle of the field."""
    extent = (paths.amax(1) - paths.amin(1)).amax(1)  # (N,)
    paths = paths * ((BOX - sum(PENS) / 2) / extent)[:, None, None]
    middle, margin = FIELD / 2, (FIELD - BOX) / 2 + PENS[1] / 2
    paths = paths - paths.mean(1, keepdim=True) + middle
    over = (paths.amax(1) - (FIELD - margin)).clamp_min(0) - (margin - paths.amin(1)).clamp_min(0)
    return paths - over[:, None]


def _ink(paths: Tensor, pen: Tensor) -> Tensor:
    """Draw (N, P, 2) points in pixels with round pens of width (N, 1, 1) -> (N, 1, 28, 28) uint8, smooth-edged."""
    return (draw_points(paths, pen) * 255).round().to(torch.uint8)[:, None]
