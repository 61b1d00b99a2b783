"""Handwriting by rule: all ten digits as people all over the world write them, for a model to learn beside MNIST.

MNIST's writers were North American: their 1 is one stroke, their 7 has no bar, their 4 crosses its stem. Here every
family of `FAMILIES` composes a digit's strokes from parts: flags, hooks, feet, bars at any height, loops open or closed
and down to a mere blot, tails curled or straight, stems crossed, touched or missed, strokes connected or lifted. Each
drawing takes its own measures, slant, tremor and pen. Nothing is copied from anybody's pen.
"""

import math
import random
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from camloss.digits.rasterize import BOX, FIELD, draw_points
from camloss.split import Split

Points = list[tuple[float, float]]  # a smooth stroke through (x, y), y down, in a unit square; a point twice: a corner
Family = Callable[["Hand"], list[Points]]

POINTS_PER_SPAN = 24  # close enough for the longest stem to look unbroken
PENS = 0.4, 3.6  # pixels, the range of their widths: 2 to 18 % of the box
CHUNK = 100  # images drawn at once


class Hand(random.Random):
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


def turn(hand: Hand, x: float, y: float, cornered: float = 0.6) -> Points:
    """A corner, or a round turn."""
    return corner(x, y) if hand.chance(cornered) else [(x, y)]


def ring(hand: Hand) -> list[Points]:
    start, rx = hand.uniform(-150, 0), hand.uniform(0.2, 0.45)
    sweep = -hand.uniform(300, 420) if hand.chance(0.8) else hand.uniform(300, 400)
    return [arc(0.5, 0.5, rx, 0.5, start, start + sweep)]


def ring_with_a_tail(hand: Hand) -> list[Points]:
    """The pen comes in before the ring, or leaves it with a flourish."""
    rx, start = hand.uniform(0.25, 0.42), hand.uniform(-110, -60)
    (strokes,) = [arc(0.5, 0.55, rx, 0.45, start, start - hand.uniform(330, 380))]
    tail = (0.5 + hand.uniform(-0.1, 0.5), hand.uniform(-0.05, 0.3))
    return [[*strokes, tail] if hand.chance(0.5) else [tail, *strokes]]


def tied_ring(hand: Hand) -> list[Points]:
    """Both ends cross above the ring."""
    reach, height = hand.uniform(0.1, 0.3), hand.uniform(0.0, 0.15)
    ring = arc(0.5, 0.62, hand.uniform(0.2, 0.36), 0.38, -120, -420)
    return [[(0.5 + reach, height), *ring, (0.5 - reach, hand.uniform(0.0, 0.15))]]


def stem(hand: Hand) -> list[Points]:
    """A bare 1, straight or bowed, perhaps with a turn at its foot."""
    points = [(0.5, 0.0), (0.5 + hand.uniform(-0.06, 0.06), 0.5), (0.5, 1.0)]
    return [[*points, (0.5 + hand.uniform(0.05, 0.18), 0.97)] if hand.chance(0.2) else points]


def flagged_stem(hand: Hand) -> list[Points]:
    """A 1 whose flag leaves the top at any slope; straight, bowed or hooked."""
    return [_flag_and_stem(hand, hand.uniform(0.15, 0.6), hand.uniform(25, 65))]


def stem_with_a_flag_beside_it(hand: Hand) -> list[Points]:
    """The pen goes up almost where it comes down."""
    return [_flag_and_stem(hand, hand.uniform(0.2, 0.65), hand.uniform(6, 32))]


def stem_with_a_long_flag(hand: Hand) -> list[Points]:
    """A flag as long as the stem."""
    return [_flag_and_stem(hand, hand.uniform(0.55, 1.15), hand.uniform(38, 68))]


def stem_on_a_foot(hand: Hand) -> list[Points]:
    stroke = _flag_and_stem(hand, hand.uniform(0.1, 0.6), hand.uniform(12, 65))
    x, half = stroke[-1][0], hand.uniform(0.12, 0.5)
    return [stroke, [(x - half, 1.0), (x + half * hand.uniform(0.6, 1.2), hand.uniform(0.97, 1.03))]]


def _flag_and_stem(hand: Hand, length: float, slope: float) -> Points:
    """`slope`: degrees between flag and stem."""
    across, down = length * math.sin(math.radians(slope)), length * math.cos(math.radians(slope))
    flag = [(0.5 - across, down)]
    if hand.chance(0.5):
        bow = hand.uniform(-0.15, 0.15) * length
        flag.append((0.5 - across / 2 + bow, down / 2 + bow))
    if hand.chance(0.15):
        flag.insert(0, (flag[0][0] - hand.uniform(0.02, 0.1), down - hand.uniform(0.02, 0.12)))
    lean = hand.uniform(-0.15, 0.08)
    return [*flag, *turn(hand, 0.5, 0.0, 0.7), (0.5 + lean + hand.uniform(-0.04, 0.06), 0.6), (0.5 + lean, 1.0)]


def two(hand: Hand) -> list[Points]:
    """A hooked, round or curled head, a neck, and a foot that is flat, looped, waved or hardly there."""
    width, head = hand.uniform(0.3, 0.5), hand.uniform(0.2, 0.32)
    top = arc(0.45, head, width * hand.uniform(0.6, 0.9), head, hand.mostly(-150, -290), hand.uniform(20, 50))
    left, low = 0.45 - width * hand.uniform(0.3, 0.9), hand.uniform(0.88, 1.0)
    end = (left + hand.mostly(1.0, 0.2), low + hand.uniform(-0.1, 0.08))
    match hand.choice(("flat", "loop", "wave")):
        case "flat":
            foot = [*turn(hand, left, low, 0.8), end]
        case "loop":
            size = hand.uniform(0.05, 0.16)
            foot = [(left, low), (left - size, low - size), (left + size * 0.3, low - 1.6 * size), end]
        case _:
            foot = [*corner(left, low), (left + 0.2, low - hand.uniform(0.05, 0.12)), end]
    return [[*top, *foot]]


def three(hand: Hand) -> list[Points]:
    """Two bowls that meet in a point, a loop or a mere wave; the lower one may trail far."""
    waist, width = hand.uniform(0.38, 0.62), hand.uniform(0.25, 0.45)
    upper = arc(0.4, waist / 2, width * hand.uniform(0.7, 1.1), waist / 2, hand.uniform(-190, -120), 70)
    lower = arc(0.4, (1 + waist) / 2, width * hand.uniform(0.6, 1.3), (1 - waist) / 2, -75, hand.uniform(90, 170))
    reach = hand.uniform(-0.1, 0.2)
    match hand.choice(("point", "loop", "wave")):
        case "point":
            middle = corner(0.4 - reach, waist)
        case "loop":
            middle = [(0.3 - reach, waist + 0.05), (0.25 - reach, waist - 0.03)]
        case _:
            middle = [(0.45 - reach, waist)]
    return [[*upper, *middle, *lower]]


def three_with_a_flat_top(hand: Hand) -> list[Points]:
    waist, left, right = hand.uniform(0.3, 0.5), hand.uniform(0.0, 0.25), hand.uniform(0.6, 0.85)
    bowl = arc(0.42, (1 + waist) / 2, hand.uniform(0.25, 0.45), (1 - waist) / 2, -60, hand.uniform(90, 180))
    top = [(left, hand.uniform(0.0, 0.08)), *corner(right, hand.uniform(0.0, 0.05))]
    return [[*top, *turn(hand, hand.uniform(0.3, 0.5), waist), *bowl]]


def four(hand: Hand) -> list[Points]:
    """An angle and a stem that it crosses, touches or misses; the stem may be as high as the angle or a mere stub."""
    bar, start = hand.uniform(0.5, 0.85), (hand.uniform(0.15, 0.5), 0.0)
    left = start[0] - hand.uniform(0.0, 0.35)
    right = left + hand.uniform(0.25, 0.75)
    angle = [start, *turn(hand, left, bar)]
    if hand.chance(0.2):
        angle.insert(1, ((start[0] + left) / 2 - hand.uniform(0, 0.1), bar / 2))
    past = hand.choice((hand.uniform(-0.06, 0.04), hand.uniform(0.05, 0.35)))
    angle.append((right + past, bar + hand.uniform(-0.15, 0.08)))
    top = bar - hand.mostly(0.05, 0.85) if hand.chance(0.7) else bar - hand.uniform(-0.02, 0.15)
    foot = bar + hand.uniform(0.08, 0.5)
    return [angle, [(right + hand.uniform(-0.04, 0.08), top), (right + hand.uniform(-0.2, 0.06), foot)]]


def four_with_a_stub(hand: Hand) -> list[Points]:
    """A long first stroke that turns to the right near the ground, and a stem no longer than a dash."""
    bar, start = hand.uniform(0.68, 0.9), hand.uniform(0.3, 0.55)
    left = start - hand.uniform(0.0, 0.25)
    right = left + hand.uniform(0.16, 0.4)
    down = [(start, 0.0), ((start + left) / 2 + hand.uniform(-0.04, 0.04), bar / 2), *turn(hand, left, bar, 0.4)]
    x, top = right + hand.uniform(-0.03, 0.05), bar - hand.uniform(0.0, 0.25)
    stub = [(x, top), (x + hand.uniform(-0.08, 0.06), 1.0)]
    along = (right, bar + hand.uniform(-0.12, 0.04))
    return [[*down, along, *turn(hand, *stub[0]), stub[1]]] if hand.chance(0.4) else [[*down, along], stub]


def four_in_one_stroke(hand: Hand) -> list[Points]:
    """The pen stays down from the angle up into the stem."""
    bar, start = hand.uniform(0.5, 0.85), hand.uniform(0.15, 0.5)
    left, rise = start - hand.uniform(0.0, 0.35), hand.mostly(0.05, 0.6)
    right = left + hand.uniform(0.2, 0.6)
    foot = bar + hand.uniform(0.05, 0.45)
    angle = [(start, 0.0), *turn(hand, left, bar, 0.5)]
    if hand.chance(0.4):
        angle.append(((left + right) / 2, bar + hand.uniform(-0.05, 0.05)))
    return [[*angle, *turn(hand, right, bar - rise, 0.7), (right + hand.uniform(-0.15, 0.05), foot)]]


def closed_four(hand: Hand) -> list[Points]:
    """A triangle on its stem, all in one or in two strokes."""
    bar, left, top = hand.uniform(0.45, 0.75), hand.uniform(0.0, 0.2), hand.uniform(0.5, 0.75)
    end = top + hand.choice((hand.uniform(-0.03, 0.04), hand.uniform(0.05, 0.4)))
    triangle = [(top, 0.0), *turn(hand, left, bar), (end, bar + hand.uniform(-0.06, 0.06))]
    return [triangle, [(top, hand.uniform(-0.03, 0.1)), (top + hand.uniform(-0.12, 0.05), 1.0)]]


def five(hand: Hand) -> list[Points]:
    """A hat, a neck and a bowl: hat and neck in one stroke, or the hat added later, apart or missed."""
    left, neck = hand.uniform(0.15, 0.35), hand.uniform(0.3, 0.55)
    width = hand.uniform(0.28, 0.5)
    bowl = arc(left + 0.12, (1 + neck) / 2, width, (1 - neck) / 2, -80, hand.uniform(80, 190))
    hat = (left + hand.uniform(0.25, 0.7), hand.uniform(-0.1, 0.08))
    down = [*turn(hand, left, 0.02, 0.7), *turn(hand, left - hand.uniform(0.0, 0.1), neck + 0.05, 0.7), *bowl]
    if hand.chance(0.5):
        return [[hat, *down]]
    return [down, [(left + hand.uniform(-0.05, 0.12), hand.uniform(-0.06, 0.06)), hat]]


def five_as_an_s(hand: Hand) -> list[Points]:
    """No corner anywhere; the bowl may close itself."""
    neck, width = hand.uniform(0.35, 0.5), hand.uniform(0.25, 0.42)
    hat = [(0.5 + hand.uniform(0.15, 0.5), hand.uniform(-0.02, 0.08)), (0.42, 0.02), (0.2, neck * 0.6)]
    return [[*hat, *arc(0.4, (1 + neck) / 2, width, (1 - neck) / 2, -70, hand.uniform(90, 240))]]


def six(hand: Hand) -> list[Points]:
    """A stem, straight or bowed, into a loop that closes, crosses the stem or stays open."""
    return [_stem_and_loop(hand, hand.uniform(0.12, 0.3))]


def six_with_a_blot(hand: Hand) -> list[Points]:
    """The loop is as small as the pen is wide; the pen leaves it to the left or closes it over the stem."""
    stroke = _stem_and_loop(hand, hand.uniform(0.04, 0.12))
    return (
        [[*stroke, (stroke[-1][0] - hand.uniform(0.05, 0.3), 1 - hand.uniform(0.05, 0.25))]]
        if hand.chance(0.5)
        else [stroke]
    )


def _stem_and_loop(hand: Hand, size: float) -> Points:
    width = size * hand.uniform(0.7, 1.4)
    x, y = 0.45, 1 - size
    loop = arc(x, y, width, size, 200, 200 - hand.uniform(270, 420))
    bow = hand.uniform(0.0, 0.2)
    top = (x - width + hand.uniform(0.0, 0.65), 0.0)
    shoulder = ((x - width + top[0]) / 2 - bow, hand.uniform(0.3, 0.5) * y)
    return [top, shoulder, *loop]


def six_with_a_foot_first(hand: Hand) -> list[Points]:
    """The stem runs to the ground; the loop is a bow that returns to it from the right or passes through it."""
    size, width = hand.uniform(0.15, 0.5), hand.uniform(0.2, 0.5)
    top = (hand.uniform(0.2, 0.7), 0.0)
    back = (0.2 - hand.mostly(-0.1, 0.25), 1 - hand.uniform(0.0, size * 0.5))
    return [[top, *turn(hand, 0.2, 0.95, 0.2), (0.2 + width * 0.6, 1.0), (0.2 + width, 1 - size / 2),
             (0.2 + width * 0.6, 1 - size), back]]  # fmt: skip


def seven(hand: Hand) -> list[Points]:
    """A top with or without a tick, a stem straight or bowed, a bar at any height, long or short, or none."""
    left, right = hand.uniform(0.0, 0.3), hand.uniform(0.65, 0.9)
    foot = (right - hand.uniform(0.0, 0.6), 1.0)
    rise = hand.uniform(-0.06, 0.1)
    top = [(left, rise), *turn(hand, right, 0.0)]
    if hand.chance(0.35):
        top = [(left + hand.uniform(-0.1, 0.04), rise + hand.uniform(0.08, 0.25)), *turn(hand, left, rise), *top[1:]]
    elif hand.chance(0.3):
        top.insert(1, ((left + right) / 2, rise / 2 + hand.uniform(-0.08, 0.08)))
    half = 0.5 * hand.uniform(0.3, 0.75)
    bow = hand.uniform(-0.06, 0.1)
    height = hand.uniform(0.3, 0.75)
    x = right + (foot[0] - right) * height
    stroke = [*top, ((right + foot[0]) / 2 + bow, 0.5), foot]
    tilt = hand.uniform(-0.12, 0.08)
    middle = x + hand.uniform(-0.12, 0.12)
    bar = [(middle - half, height - tilt / 2), (middle + half, height + tilt / 2)]
    return [stroke, bar] if hand.chance(0.8) else [stroke]


def seven_in_one_stroke(hand: Hand) -> list[Points]:
    """From the stem's foot the pen runs back up and through the stem: the bar hangs on it in a small loop."""
    left, right = hand.uniform(0.0, 0.3), hand.uniform(0.55, 0.85)
    foot = (right - hand.uniform(0.0, 0.5), 1.0)
    height, reach = hand.uniform(0.45, 0.88), hand.uniform(0.05, 0.4)
    x = right + (foot[0] - right) * height
    top = [(left, hand.uniform(-0.04, 0.25)), (0.4, hand.uniform(-0.05, 0.05)), *turn(hand, right, 0.08, 0.4)]
    back = [*turn(hand, *foot), *turn(hand, x - reach, height + hand.uniform(-0.08, 0.1), 0.4)]
    return [[*top, *back, (x + hand.uniform(0.08, 0.5), height + hand.uniform(-0.08, 0.1))]]


def eight(hand: Hand) -> list[Points]:
    """An S and its way back: loops of any width, the upper one often open, the ends short or long."""
    waist = hand.uniform(0.35, 0.72)
    upper, lower = hand.uniform(0.12, 0.36), hand.uniform(0.14, 0.4)
    top = arc(0.5, waist / 2, upper, waist / 2, hand.uniform(-60, 10), -225)
    bottom = arc(0.5, (1 + waist) / 2, lower, (1 - waist) / 2, -45, 225)
    end = (0.5 + upper * hand.uniform(0.2, 1.4), hand.uniform(-0.05, 0.25) * waist / 0.5)
    return [[*top, (0.5, waist), *bottom, (0.5, waist), end]]


def eight_of_two_rings(hand: Hand) -> list[Points]:
    """Stacked rings that touch, overlap or just miss."""
    waist, gap = hand.uniform(0.38, 0.55), hand.uniform(-0.03, 0.05)
    rings = []
    for y, ry in ((waist / 2, waist / 2), ((1 + waist) / 2 + gap, (1 - waist) / 2)):
        start, rx = hand.uniform(-180, 180), hand.uniform(0.14, 0.36)
        rings.append(arc(0.5 + hand.uniform(-0.06, 0.06), y, rx, ry, start, start + hand.uniform(330, 390)))
    return rings


def eight_from_the_waist(hand: Hand) -> list[Points]:
    """Begun at the crossing or left of it; both loops may stay open."""
    waist, rx = hand.uniform(0.35, 0.6), hand.uniform(0.14, 0.36)
    top = arc(0.5, waist / 2, rx, waist / 2, 135, 405)
    bottom = arc(0.5, (1 + waist) / 2, rx * hand.uniform(0.9, 1.3), (1 - waist) / 2, 225, hand.uniform(-80, -30))
    start = (0.5 - hand.mostly(0.0, 0.5), waist + hand.uniform(-0.1, 0.15))
    return [[start, *top, (0.5, waist), *bottom]]


def nine(hand: Hand) -> list[Points]:
    """A head, open or closed, and a tail that is straight or ends in a hook."""
    drop = hand.uniform(-0.15, 0.1)
    tail = [(0.55 + drop, 1.0)]
    if hand.chance(0.5):
        tail = [(0.55 + drop / 2, 0.8), (0.45 + drop, 0.97), (0.3 + drop, hand.uniform(0.85, 1.0))]
    return [[*_head(hand, hand.uniform(0.12, 0.28)), *tail]]


def nine_with_a_curled_tail(hand: Hand) -> list[Points]:
    """A head down to a mere blot, and a tail that bulges to the right and runs far to the left."""
    bend, end = hand.uniform(0.0, 0.3), hand.uniform(-0.4, 0.25)
    tail = [(0.57 + bend, hand.uniform(0.45, 0.75)), (0.45 + bend / 2, 0.97)]
    return [[*_head(hand, hand.uniform(0.05, 0.26)), *tail, ((0.45 + end) / 2, 1.0), (end, hand.uniform(0.82, 1.02))]]


def _head(hand: Hand, size: float) -> Points:
    """A ring as high as twice `size`, and the turn at its right from which a tail goes on."""
    width = size * hand.uniform(0.8, 1.6)
    ring = arc(0.55 - width, size, width, size, hand.uniform(-90, 0), -360 + hand.uniform(-20, 60))
    return [*ring, *turn(hand, 0.55, hand.uniform(0.0, 1.2) * size, 0.6)]


def nine_of_head_and_stem(hand: Hand) -> list[Points]:
    """The head is one stroke and the stem another, crossing, touching or just missing it."""
    size = hand.uniform(0.14, 0.28)
    width = size * hand.uniform(0.8, 1.4)
    start = hand.uniform(-80, 0)
    head = arc(0.55 - width, size, width, size, start, start - hand.uniform(270, 380))
    x, top = 0.55 + hand.uniform(-0.04, 0.06), hand.uniform(-0.05, 1.0) * size
    return [head, [(x, top), (x + hand.uniform(-0.06, 0.04), 0.6), (x + hand.uniform(-0.3, 0.05), 1.0)]]


FAMILIES: dict[str, tuple[int, Family]] = {
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


def draw_synthetic_digits(count: int, seed: int, families: Iterable[str] = FAMILIES) -> Split:
    """Draw each family `count` times.

    Args:
        count: images of each family.
        seed: of everything that varies; what a family draws does not depend on the others.
        families: names out of `FAMILIES`, by default all.

    Returns:
        `count * len(families)` images (M, 1, 28, 28), white ink on black, in a 20-pixel box as in MNIST.
    """
    names = tuple(families)
    drawn = [_draw(FAMILIES[name][1], count, Hand(f"{seed} {name}")) for name in names]
    labels = torch.tensor([FAMILIES[name][0] for name in names], dtype=torch.long).repeat_interleave(count)
    return Split(torch.cat([torch.empty(0, 1, FIELD, FIELD, dtype=torch.uint8), *drawn]), labels)


def _draw(family: Family, count: int, hand: Hand) -> Tensor:
    """(count, 1, 28, 28) uint8."""
    images = []
    for start in range(0, count, CHUNK):
        digits = [_spans(_vary(family(hand), hand)) for _ in range(min(CHUNK, count - start))]
        longest = max(map(len, digits))
        spans = torch.tensor([[*digit, *[digit[-1]] * (longest - len(digit))] for digit in digits])  # (C, S, 4, 2)
        pens = torch.tensor([hand.uniform(*PENS) for _ in digits])[:, None, None]
        images.append((draw_points(_fit(_smooth(spans)), pens) * 255).round().to(torch.uint8)[:, None])
    return torch.cat(images) if images else torch.empty(0, 1, FIELD, FIELD, dtype=torch.uint8)


def _vary(strokes: list[Points], hand: Hand) -> list[Points]:
    """Stretch, slant, turn and smoothly bend a digit, with a tremor of the hand; strokes that meet mostly still do."""
    width, slant = math.exp(hand.gauss(-0.05, 0.25)), hand.uniform(-0.15, 0.5)  # most hands lean to the right
    angle, tremor = hand.uniform(-0.12, 0.12), hand.mostly(0.0, 0.03)
    cos, sin = math.cos(angle), math.sin(angle)
    bend = [hand.gauss(0, 0.1) for _ in range(6)]

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
                points.append((x + hand.gauss(0, tremor), y + hand.gauss(0, tremor)))
        varied.append(points)
    return varied


def _spans(strokes: list[Points]) -> list[Points]:
    """Each stretch between two points of a stroke, with the points before and after it."""
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
    """Scale each digit's longer side to the box and put the mean of its points into the middle of the field."""
    extent = (paths.amax(1) - paths.amin(1)).amax(1)  # (N,)
    paths = paths * ((BOX - sum(PENS) / 2) / extent)[:, None, None]
    middle, margin = FIELD / 2, (FIELD - BOX) / 2 + sum(PENS) / 4
    paths = paths - paths.mean(1, keepdim=True) + middle
    over = (paths.amax(1) - (FIELD - margin)).clamp_min(0) - (margin - paths.amin(1)).clamp_min(0)
    return paths - over[:, None]
