"""Synthetic handwriting: all ten digits as people all over the world write them, to be trained on besides MNIST.

MNIST's writers were North American: their 1 is one stroke, their 7 has no bar, their 4 crosses its stem. Here every
writing style of `STYLES` composes a digit's strokes from parts: flags, hooks, feet, bars at any height, loops open,
closed or filled, tails curled or straight, stems crossed, touched or missed, strokes connected or lifted. Each drawing
has its own proportions, slant, tremor and pen. Nothing is copied from a real writer.
"""

import math
import random
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from camloss.digits.rasterize import BOX, IMAGE_SIDE, draw_points
from camloss.split import Split

Points = list[tuple[float, float]]  # a smooth stroke through (x, y), y down, in a unit square; a point twice: a corner
Style = Callable[["Writer"], list[Points]]

POINTS_PER_SPAN = 24  # close enough for the longest stem to look unbroken
PENS = 0.4, 3.6  # pixels, the range of their widths: 2 to 18 % of the box
CHUNK = 100  # images drawn at once


class Writer(random.Random):
    """A writer's choices in one digit."""

    def chance(self, share: float) -> bool:
        return self.random() < share

    def mostly(self, low: float, high: float) -> float:
        """Between two numbers, rarely near the second."""
        return low + (high - low) * self.random() ** 2


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float) -> Points:  # noqa: PLR0917
    """Along an ellipse around (x, y), from one angle to another in degrees: 0 is right, 90 below."""
    steps = max(2, round(abs(stop - start) / 45))
    angles = [math.radians(start + (stop - start) * step / steps) for step in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def corner(x: float, y: float) -> Points:
    return [(x, y), (x, y)]


def turn(writer: Writer, x: float, y: float, cornered: float = 0.6) -> Points:
    """A corner, or a round turn."""
    return corner(x, y) if writer.chance(cornered) else [(x, y)]


def ring(writer: Writer) -> list[Points]:
    start, rx = writer.uniform(-150, 0), writer.uniform(0.2, 0.45)
    sweep = -writer.uniform(300, 420) if writer.chance(0.8) else writer.uniform(300, 400)
    return [arc(0.5, 0.5, rx, 0.5, start, start + sweep)]


def ring_with_a_tail(writer: Writer) -> list[Points]:
    """The pen comes in before the ring, or leaves it with a flourish."""
    rx, start = writer.uniform(0.25, 0.42), writer.uniform(-110, -60)
    (strokes,) = [arc(0.5, 0.55, rx, 0.45, start, start - writer.uniform(330, 380))]
    tail = (0.5 + writer.uniform(-0.1, 0.5), writer.uniform(-0.05, 0.3))
    return [[*strokes, tail] if writer.chance(0.5) else [tail, *strokes]]


def tied_ring(writer: Writer) -> list[Points]:
    """Both ends cross above the ring."""
    reach, height = writer.uniform(0.1, 0.3), writer.uniform(0.0, 0.15)
    ring = arc(0.5, 0.62, writer.uniform(0.2, 0.36), 0.38, -120, -420)
    return [[(0.5 + reach, height), *ring, (0.5 - reach, writer.uniform(0.0, 0.15))]]


def stem(writer: Writer) -> list[Points]:
    """A bare 1, straight or bowed, perhaps with a turn at its foot."""
    points = [(0.5, 0.0), (0.5 + writer.uniform(-0.06, 0.06), 0.5), (0.5, 1.0)]
    return [[*points, (0.5 + writer.uniform(0.05, 0.18), 0.97)] if writer.chance(0.2) else points]


def flagged_stem(writer: Writer) -> list[Points]:
    """A 1 whose flag leaves the top at any slope; straight, bowed or hooked."""
    return [_flag_and_stem(writer, writer.uniform(0.15, 0.6), writer.uniform(25, 65))]


def stem_with_a_flag_beside_it(writer: Writer) -> list[Points]:
    """The pen goes up almost where it comes down."""
    return [_flag_and_stem(writer, writer.uniform(0.2, 0.65), writer.uniform(6, 32))]


def stem_with_a_long_flag(writer: Writer) -> list[Points]:
    """A flag as long as the stem."""
    return [_flag_and_stem(writer, writer.uniform(0.55, 1.15), writer.uniform(38, 68))]


def stem_on_a_foot(writer: Writer) -> list[Points]:
    stroke = _flag_and_stem(writer, writer.uniform(0.1, 0.6), writer.uniform(12, 65))
    x, half = stroke[-1][0], writer.uniform(0.12, 0.5)
    return [stroke, [(x - half, 1.0), (x + half * writer.uniform(0.6, 1.2), writer.uniform(0.97, 1.03))]]


def _flag_and_stem(writer: Writer, length: float, slope: float) -> Points:
    """`slope`: degrees between flag and stem."""
    across, down = length * math.sin(math.radians(slope)), length * math.cos(math.radians(slope))
    flag = [(0.5 - across, down)]
    if writer.chance(0.5):
        bow = writer.uniform(-0.15, 0.15) * length
        flag.append((0.5 - across / 2 + bow, down / 2 + bow))
    if writer.chance(0.15):
        flag.insert(0, (flag[0][0] - writer.uniform(0.02, 0.1), down - writer.uniform(0.02, 0.12)))
    lean = writer.uniform(-0.15, 0.08)
    return [*flag, *turn(writer, 0.5, 0.0, 0.7), (0.5 + lean + writer.uniform(-0.04, 0.06), 0.6), (0.5 + lean, 1.0)]


def two(writer: Writer) -> list[Points]:
    """A hooked, round or curled head, a neck, and a foot that is flat, looped, waved or hardly there."""
    width, head = writer.uniform(0.3, 0.5), writer.uniform(0.2, 0.32)
    top = arc(0.45, head, width * writer.uniform(0.6, 0.9), head, writer.mostly(-150, -290), writer.uniform(20, 50))
    left, low = 0.45 - width * writer.uniform(0.3, 0.9), writer.uniform(0.88, 1.0)
    end = (left + writer.mostly(1.0, 0.2), low + writer.uniform(-0.1, 0.08))
    match writer.choice(("flat", "loop", "wave")):
        case "flat":
            foot = [*turn(writer, left, low, 0.8), end]
        case "loop":
            size = writer.uniform(0.05, 0.16)
            foot = [(left, low), (left - size, low - size), (left + size * 0.3, low - 1.6 * size), end]
        case _:
            foot = [*corner(left, low), (left + 0.2, low - writer.uniform(0.05, 0.12)), end]
    return [[*top, *foot]]


def three(writer: Writer) -> list[Points]:
    """Two bowls that meet in a point, a loop or a mere wave; the lower one may trail far."""
    waist, width = writer.uniform(0.38, 0.62), writer.uniform(0.25, 0.45)
    upper = arc(0.4, waist / 2, width * writer.uniform(0.7, 1.1), waist / 2, writer.uniform(-190, -120), 70)
    lower = arc(0.4, (1 + waist) / 2, width * writer.uniform(0.6, 1.3), (1 - waist) / 2, -75, writer.uniform(90, 170))
    reach = writer.uniform(-0.1, 0.2)
    match writer.choice(("point", "loop", "wave")):
        case "point":
            middle = corner(0.4 - reach, waist)
        case "loop":
            middle = [(0.3 - reach, waist + 0.05), (0.25 - reach, waist - 0.03)]
        case _:
            middle = [(0.45 - reach, waist)]
    return [[*upper, *middle, *lower]]


def three_with_a_flat_top(writer: Writer) -> list[Points]:
    waist, left, right = writer.uniform(0.3, 0.5), writer.uniform(0.0, 0.25), writer.uniform(0.6, 0.85)
    bowl = arc(0.42, (1 + waist) / 2, writer.uniform(0.25, 0.45), (1 - waist) / 2, -60, writer.uniform(90, 180))
    top = [(left, writer.uniform(0.0, 0.08)), *corner(right, writer.uniform(0.0, 0.05))]
    return [[*top, *turn(writer, writer.uniform(0.3, 0.5), waist), *bowl]]


def four(writer: Writer) -> list[Points]:
    """An angle and a stem that it crosses, touches or misses; the stem may be as high as the angle or a mere stub."""
    bar, start = writer.uniform(0.5, 0.85), (writer.uniform(0.15, 0.5), 0.0)
    left = start[0] - writer.uniform(0.0, 0.35)
    right = left + writer.uniform(0.25, 0.75)
    angle = [start, *turn(writer, left, bar)]
    if writer.chance(0.2):
        angle.insert(1, ((start[0] + left) / 2 - writer.uniform(0, 0.1), bar / 2))
    past = writer.choice((writer.uniform(-0.06, 0.04), writer.uniform(0.05, 0.35)))
    angle.append((right + past, bar + writer.uniform(-0.15, 0.08)))
    top = bar - writer.mostly(0.05, 0.85) if writer.chance(0.7) else bar - writer.uniform(-0.02, 0.15)
    foot = bar + writer.uniform(0.08, 0.5)
    return [angle, [(right + writer.uniform(-0.04, 0.08), top), (right + writer.uniform(-0.2, 0.06), foot)]]


def four_with_a_stub(writer: Writer) -> list[Points]:
    """A long first stroke that turns to the right near the ground, and a stem no longer than a dash."""
    bar, start = writer.uniform(0.68, 0.9), writer.uniform(0.3, 0.55)
    left = start - writer.uniform(0.0, 0.25)
    right = left + writer.uniform(0.16, 0.4)
    down = [(start, 0.0), ((start + left) / 2 + writer.uniform(-0.04, 0.04), bar / 2), *turn(writer, left, bar, 0.4)]
    x, top = right + writer.uniform(-0.03, 0.05), bar - writer.uniform(0.0, 0.25)
    stub = [(x, top), (x + writer.uniform(-0.08, 0.06), 1.0)]
    along = (right, bar + writer.uniform(-0.12, 0.04))
    return [[*down, along, *turn(writer, *stub[0]), stub[1]]] if writer.chance(0.4) else [[*down, along], stub]


def four_in_one_stroke(writer: Writer) -> list[Points]:
    """The pen stays down from the angle up into the stem."""
    bar, start = writer.uniform(0.5, 0.85), writer.uniform(0.15, 0.5)
    left, rise = start - writer.uniform(0.0, 0.35), writer.mostly(0.05, 0.6)
    right = left + writer.uniform(0.2, 0.6)
    foot = bar + writer.uniform(0.05, 0.45)
    angle = [(start, 0.0), *turn(writer, left, bar, 0.5)]
    if writer.chance(0.4):
        angle.append(((left + right) / 2, bar + writer.uniform(-0.05, 0.05)))
    return [[*angle, *turn(writer, right, bar - rise, 0.7), (right + writer.uniform(-0.15, 0.05), foot)]]


def closed_four(writer: Writer) -> list[Points]:
    """A triangle on its stem, all in one or in two strokes."""
    bar, left, top = writer.uniform(0.45, 0.75), writer.uniform(0.0, 0.2), writer.uniform(0.5, 0.75)
    end = top + writer.choice((writer.uniform(-0.03, 0.04), writer.uniform(0.05, 0.4)))
    triangle = [(top, 0.0), *turn(writer, left, bar), (end, bar + writer.uniform(-0.06, 0.06))]
    return [triangle, [(top, writer.uniform(-0.03, 0.1)), (top + writer.uniform(-0.12, 0.05), 1.0)]]


def five(writer: Writer) -> list[Points]:
    """A hat, a neck and a bowl: hat and neck in one stroke, or the hat added later, apart or missed."""
    left, neck = writer.uniform(0.15, 0.35), writer.uniform(0.3, 0.55)
    width = writer.uniform(0.28, 0.5)
    bowl = arc(left + 0.12, (1 + neck) / 2, width, (1 - neck) / 2, -80, writer.uniform(80, 190))
    hat = (left + writer.uniform(0.25, 0.7), writer.uniform(-0.1, 0.08))
    down = [*turn(writer, left, 0.02, 0.7), *turn(writer, left - writer.uniform(0.0, 0.1), neck + 0.05, 0.7), *bowl]
    if writer.chance(0.5):
        return [[hat, *down]]
    return [down, [(left + writer.uniform(-0.05, 0.12), writer.uniform(-0.06, 0.06)), hat]]


def five_as_an_s(writer: Writer) -> list[Points]:
    """No corner anywhere; the bowl may close itself."""
    neck, width = writer.uniform(0.35, 0.5), writer.uniform(0.25, 0.42)
    hat = [(0.5 + writer.uniform(0.15, 0.5), writer.uniform(-0.02, 0.08)), (0.42, 0.02), (0.2, neck * 0.6)]
    return [[*hat, *arc(0.4, (1 + neck) / 2, width, (1 - neck) / 2, -70, writer.uniform(90, 240))]]


def six(writer: Writer) -> list[Points]:
    """A stem, straight or bowed, into a loop that closes, crosses the stem or stays open."""
    return [_stem_and_loop(writer, writer.uniform(0.12, 0.3))]


def six_with_a_blot(writer: Writer) -> list[Points]:
    """The loop is as small as the pen is wide; the pen leaves it to the left or closes it over the stem."""
    stroke = _stem_and_loop(writer, writer.uniform(0.04, 0.12))
    return (
        [[*stroke, (stroke[-1][0] - writer.uniform(0.05, 0.3), 1 - writer.uniform(0.05, 0.25))]]
        if writer.chance(0.5)
        else [stroke]
    )


def _stem_and_loop(writer: Writer, size: float) -> Points:
    width = size * writer.uniform(0.7, 1.4)
    x, y = 0.45, 1 - size
    loop = arc(x, y, width, size, 200, 200 - writer.uniform(270, 420))
    bow = writer.uniform(0.0, 0.2)
    top = (x - width + writer.uniform(0.0, 0.65), 0.0)
    shoulder = ((x - width + top[0]) / 2 - bow, writer.uniform(0.3, 0.5) * y)
    return [top, shoulder, *loop]


def six_with_a_foot_first(writer: Writer) -> list[Points]:
    """The stem runs to the ground; the loop is a bow that returns to it from the right or passes through it."""
    size, width = writer.uniform(0.15, 0.5), writer.uniform(0.2, 0.5)
    top = (writer.uniform(0.2, 0.7), 0.0)
    back = (0.2 - writer.mostly(-0.1, 0.25), 1 - writer.uniform(0.0, size * 0.5))
    return [[top, *turn(writer, 0.2, 0.95, 0.2), (0.2 + width * 0.6, 1.0), (0.2 + width, 1 - size / 2),
             (0.2 + width * 0.6, 1 - size), back]]  # fmt: skip


def seven(writer: Writer) -> list[Points]:
    """A top with or without a tick, a stem straight or bowed, a bar at any height, long or short, or none."""
    left, right = writer.uniform(0.0, 0.3), writer.uniform(0.65, 0.9)
    foot = (right - writer.uniform(0.0, 0.6), 1.0)
    rise = writer.uniform(-0.06, 0.1)
    top = [(left, rise), *turn(writer, right, 0.0)]
    if writer.chance(0.35):
        top = [
            (left + writer.uniform(-0.1, 0.04), rise + writer.uniform(0.08, 0.25)),
            *turn(writer, left, rise),
            *top[1:],
        ]
    elif writer.chance(0.3):
        top.insert(1, ((left + right) / 2, rise / 2 + writer.uniform(-0.08, 0.08)))
    half = 0.5 * writer.uniform(0.3, 0.75)
    bow = writer.uniform(-0.06, 0.1)
    height = writer.uniform(0.3, 0.75)
    x = right + (foot[0] - right) * height
    stroke = [*top, ((right + foot[0]) / 2 + bow, 0.5), foot]
    tilt = writer.uniform(-0.12, 0.08)
    middle = x + writer.uniform(-0.12, 0.12)
    bar = [(middle - half, height - tilt / 2), (middle + half, height + tilt / 2)]
    return [stroke, bar] if writer.chance(0.8) else [stroke]


def seven_in_one_stroke(writer: Writer) -> list[Points]:
    """From the stem's foot the pen runs back up and through the stem: the bar hangs on it in a small loop."""
    left, right = writer.uniform(0.0, 0.3), writer.uniform(0.55, 0.85)
    foot = (right - writer.uniform(0.0, 0.5), 1.0)
    height, reach = writer.uniform(0.45, 0.88), writer.uniform(0.05, 0.4)
    x = right + (foot[0] - right) * height
    top = [(left, writer.uniform(-0.04, 0.25)), (0.4, writer.uniform(-0.05, 0.05)), *turn(writer, right, 0.08, 0.4)]
    back = [*turn(writer, *foot), *turn(writer, x - reach, height + writer.uniform(-0.08, 0.1), 0.4)]
    return [[*top, *back, (x + writer.uniform(0.08, 0.5), height + writer.uniform(-0.08, 0.1))]]


def eight(writer: Writer) -> list[Points]:
    """An S and back up: loops of any width, the upper one often open, the ends short or long."""
    waist = writer.uniform(0.35, 0.72)
    upper, lower = writer.uniform(0.12, 0.36), writer.uniform(0.14, 0.4)
    top = arc(0.5, waist / 2, upper, waist / 2, writer.uniform(-60, 10), -225)
    bottom = arc(0.5, (1 + waist) / 2, lower, (1 - waist) / 2, -45, 225)
    end = (0.5 + upper * writer.uniform(0.2, 1.4), writer.uniform(-0.05, 0.25) * waist / 0.5)
    return [[*top, (0.5, waist), *bottom, (0.5, waist), end]]


def eight_of_two_rings(writer: Writer) -> list[Points]:
    """Stacked rings that touch, overlap or just miss."""
    waist, gap = writer.uniform(0.38, 0.55), writer.uniform(-0.03, 0.05)
    rings = []
    for y, ry in ((waist / 2, waist / 2), ((1 + waist) / 2 + gap, (1 - waist) / 2)):
        start, rx = writer.uniform(-180, 180), writer.uniform(0.14, 0.36)
        rings.append(arc(0.5 + writer.uniform(-0.06, 0.06), y, rx, ry, start, start + writer.uniform(330, 390)))
    return rings


def eight_from_the_waist(writer: Writer) -> list[Points]:
    """Begun at the crossing or left of it; both loops may stay open."""
    waist, rx = writer.uniform(0.35, 0.6), writer.uniform(0.14, 0.36)
    top = arc(0.5, waist / 2, rx, waist / 2, 135, 405)
    bottom = arc(0.5, (1 + waist) / 2, rx * writer.uniform(0.9, 1.3), (1 - waist) / 2, 225, writer.uniform(-80, -30))
    start = (0.5 - writer.mostly(0.0, 0.5), waist + writer.uniform(-0.1, 0.15))
    return [[start, *top, (0.5, waist), *bottom]]


def nine(writer: Writer) -> list[Points]:
    """A head, open or closed, and a tail that is straight or ends in a hook."""
    drop = writer.uniform(-0.15, 0.1)
    tail = [(0.55 + drop, 1.0)]
    if writer.chance(0.5):
        tail = [(0.55 + drop / 2, 0.8), (0.45 + drop, 0.97), (0.3 + drop, writer.uniform(0.85, 1.0))]
    return [[*_head(writer, writer.uniform(0.12, 0.28)), *tail]]


def nine_with_a_curled_tail(writer: Writer) -> list[Points]:
    """A head down to a mere blot, and a tail that bulges to the right and runs far to the left."""
    bend, end = writer.uniform(0.0, 0.3), writer.uniform(-0.4, 0.25)
    tail = [(0.57 + bend, writer.uniform(0.45, 0.75)), (0.45 + bend / 2, 0.97)]
    return [
        [*_head(writer, writer.uniform(0.05, 0.26)), *tail, ((0.45 + end) / 2, 1.0), (end, writer.uniform(0.82, 1.02))]
    ]


def _head(writer: Writer, size: float) -> Points:
    """A ring as high as twice `size`, and the turn at its right from which a tail goes on."""
    width = size * writer.uniform(0.8, 1.6)
    ring = arc(0.55 - width, size, width, size, writer.uniform(-90, 0), -360 + writer.uniform(-20, 60))
    return [*ring, *turn(writer, 0.55, writer.uniform(0.0, 1.2) * size, 0.6)]


def nine_of_head_and_stem(writer: Writer) -> list[Points]:
    """The head is one stroke and the stem another, crossing, touching or just missing it."""
    size = writer.uniform(0.14, 0.28)
    width = size * writer.uniform(0.8, 1.4)
    start = writer.uniform(-80, 0)
    head = arc(0.55 - width, size, width, size, start, start - writer.uniform(270, 380))
    x, top = 0.55 + writer.uniform(-0.04, 0.06), writer.uniform(-0.05, 1.0) * size
    return [head, [(x, top), (x + writer.uniform(-0.06, 0.04), 0.6), (x + writer.uniform(-0.3, 0.05), 1.0)]]


STYLES: dict[str, tuple[int, Style]] = {
    "0 as a ring": (0, ring),
    "0 with a tail": (0, ring_with_a_tail),
    "0 tied at the top": (0, tied_ring),
    "1 as a stem": (1, stem),
    "1 with a flag": (1, flagged_stem),
    "1 with a flag beside it": (1, stem_with_a_flag_beside_it),
    "1 with a long flag": (1, stem_with_a_long_flag),
    "1 on a foot": (1, stem_on_a_foot),
    "2": (2, two),
    "3": (3, three),
    "3 with a flat top": (3, three_with_a_flat_top),
    "4 of an angle and a stem": (4, four),
    "4 with a stub": (4, four_with_a_stub),
    "4 in one stroke": (4, four_in_one_stroke),
    "4 closed": (4, closed_four),
    "5 with a hat": (5, five),
    "5 as an S": (5, five_as_an_s),
    "6": (6, six),
    "6 with a blot": (6, six_with_a_blot),
    "6 with its foot first": (6, six_with_a_foot_first),
    "7 with or without a bar": (7, seven),
    "7 in one stroke": (7, seven_in_one_stroke),
    "8": (8, eight),
    "8 of two rings": (8, eight_of_two_rings),
    "8 from the waist": (8, eight_from_the_waist),
    "9": (9, nine),
    "9 with a curled tail": (9, nine_with_a_curled_tail),
    "9 of head and stem": (9, nine_of_head_and_stem),
}


def draw_synthetic_digits(count: int, seed: int, styles: Iterable[str] = STYLES) -> Split:
    """Draw each style `count` times.

    Args:
        count: images of each style.
        seed: of everything that varies; what a style draws does not depend on the others.
        styles: names out of `STYLES`, by default all.

    Returns:
        `count * len(styles)` images (M, 1, 28, 28), white ink on black, in a 20-pixel box as in MNIST.
    """
    names = tuple(styles)
    drawn = [_draw(STYLES[name][1], count, Writer(f"{seed} {name}")) for name in names]
    labels = torch.tensor([STYLES[name][0] for name in names], dtype=torch.long).repeat_interleave(count)
    return Split(torch.cat([torch.empty(0, 1, IMAGE_SIDE, IMAGE_SIDE, dtype=torch.uint8), *drawn]), labels)


def _draw(style: Style, count: int, writer: Writer) -> Tensor:
    """(count, 1, 28, 28) uint8."""
    images = []
    for start in range(0, count, CHUNK):
        digits = [_spans(_vary(style(writer), writer)) for _ in range(min(CHUNK, count - start))]
        longest = max(map(len, digits))
        spans = torch.tensor([[*digit, *[digit[-1]] * (longest - len(digit))] for digit in digits])  # (C, S, 4, 2)
        pens = torch.tensor([writer.uniform(*PENS) for _ in digits])[:, None, None]
        images.append((draw_points(_fit(_smooth(spans)), pens) * 255).round().to(torch.uint8)[:, None])
    return torch.cat(images) if images else torch.empty(0, 1, IMAGE_SIDE, IMAGE_SIDE, dtype=torch.uint8)


def _vary(strokes: list[Points], writer: Writer) -> list[Points]:
    """Scale, slant, turn and smoothly bend a digit, with a tremor; strokes that meet mostly still do."""
    width, slant = math.exp(writer.gauss(-0.05, 0.25)), writer.uniform(-0.15, 0.5)  # most people slant to the right
    angle, tremor = writer.uniform(-0.12, 0.12), writer.mostly(0.0, 0.03)
    cos, sin = math.cos(angle), math.sin(angle)
    bend = [writer.gauss(0, 0.1) for _ in range(6)]

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] - 0.5, point[1] - 0.5
        dx, dy = (a * x * x + b * x * y + c * y * y for a, b, c in (bend[:3], bend[3:]))
        x, y = (x + dx) * width - y * slant * 0.7, y + dy
        return x * cos - y * sin, x * sin + y * cos

    varied = []
    for stroke in strokes:
        points: Points = []
        for idx, point in enumerate(stroke):
            if idx and point == stroke[idx - 1]:
                points.append(points[-1])  # a corner stays one
            else:
                x, y = moved(point)
                points.append((x + writer.gauss(0, tremor), y + writer.gauss(0, tremor)))
        varied.append(points)
    return varied


def _spans(strokes: list[Points]) -> list[Points]:
    """Each segment between two points of a stroke, with the points before and after it."""
    return [
        [stroke[max(idx - 1, 0)], stroke[idx], stroke[idx + 1], stroke[min(idx + 2, len(stroke) - 1)]]
        for stroke in strokes
        for idx in range(len(stroke) - 1)
    ]


def _smooth(spans: Tensor) -> Tensor:
    """Uniform Catmull-Rom splines of (N, S, 4, 2) spans -> (N, P, 2) points."""
    before, start, end, after = (point[:, :, None] for point in spans.unbind(2))  # (N, S, 1, 2)
    t = torch.linspace(0, 1, POINTS_PER_SPAN)[:, None]
    points = start + 0.5 * t * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    return points.flatten(1, 2)


def _fit(paths: Tensor) -> Tensor:
    """Scale each digit's longer side to the box and put the mean of its points into the middle of the image."""
    extent = (paths.amax(1) - paths.amin(1)).amax(1)  # (N,)
    paths = paths * ((BOX - sum(PENS) / 2) / extent)[:, None, None]
    middle, margin = IMAGE_SIDE / 2, (IMAGE_SIDE - BOX) / 2 + sum(PENS) / 4
    paths = paths - paths.mean(1, keepdim=True) + middle
    over = (paths.amax(1) - (IMAGE_SIDE - margin)).clamp_min(0) - (margin - paths.amin(1)).clamp_min(0)
    return paths - over[:, None]
