"""Non-digits by family, preprocessed as a drawing is: what an OOD score should be high for.

No network is trained on them. An OOD score is fitted on the `FITTED` families and reported on the `REPORTED` ones, the
first of which are what people try first. Ambiguous glyphs, letters and shapes that anybody takes for digits, are a
family of their own.

    >>> images = draw_ood_drawings("shapes", 12, seed=0)
    >>> images.shape
    torch.Size([12, 1, 28, 28])
"""

import math
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.pendigits import Stroke, render_strokes
from camloss.digits.preprocess import preprocess_sketch
from camloss.digits.rasterize import IMAGE_SIDE
from camloss.errors import CamlossError
from camloss.split import Split

if TYPE_CHECKING:
    from PIL.Image import Image

Family = Callable[[random.Random, Split | None], Iterator[Tensor]]

FITTED = ("drawn letters", "shapes", "scribbles", "zigzags", "digit fragments", "two digits", "noise")
REPORTED = ("first tries", "capital letters", "small letters", "symbols", "blank")
EASY = ("noise", "blank")  # left out of means
AMBIGUOUS_GLYPHS = "OoIlSsZzbgq"  # to any reader: 0 0 1 1 5 5 2 2 6 9 9; as do the `AMBIGUOUS_SHAPES`

CAPITALS, SMALL = "ABCDEFGHJKLMNPQRTUVWXY", "acdefhijkmnprtuvwxy"
SYMBOLS = "?!&@#%$*+=<>~^§¶€£ΔΣΩΨΦΞΠΛЖШЩЮЯДФЫאשםعपहあ"
FONTS = (
    "DejaVuSans",
    "DejaVuSerif",
    "DejaVuSansMono",
    "DejaVuSans-Oblique",
    "DejaVuSerif-Bold",
    "STIXGeneral",
    "cmr10",
)
SIDE = 280  # pixels of the canvas


def _arc(x: float, y: float, wide: float, high: float, turns: float = 1.0) -> Stroke:
    """An ellipse around (x, y), or the beginning of one, from its right end downwards."""
    angles = [2 * math.pi * turns * step / 40 for step in range(41)]
    return tuple((x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles)


def _spiral(angle: float) -> tuple[float, float]:
    return 0.5 + 0.025 * angle * math.cos(angle), 0.5 + 0.025 * angle * math.sin(angle)


def _heart(angle: float) -> tuple[float, float]:
    down = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
    return 0.5 + 0.5 * math.sin(angle) ** 3, 0.45 - down / 32


SHAPES: dict[str, tuple[Stroke, ...]] = {  # in a unit square, y down
    "triangle": (((0.5, 0), (1, 0.9), (0, 0.9), (0.5, 0)),),
    "square": (((0, 0), (1, 0), (1, 1), (0, 1), (0, 0)),),
    "house": (((0, 1), (0, 0.4), (0.5, 0), (1, 0.4), (1, 1), (0, 1)), ((0.4, 1), (0.4, 0.65), (0.6, 0.65), (0.6, 1))),
    "arrow": (((0, 0.5), (1, 0.5)), ((0.7, 0.25), (1, 0.5), (0.7, 0.75))),
    "cross": (((0, 0), (1, 1)), ((1, 0), (0, 1))),
    "plus": (((0.5, 0), (0.5, 1)), ((0, 0.5), (1, 0.5))),
    "star": (((0.5, 0), (0.79, 0.91), (0.02, 0.35), (0.98, 0.35), (0.21, 0.91), (0.5, 0)),),
    "envelope": (((0, 0.15), (1, 0.15), (1, 0.85), (0, 0.85), (0, 0.15), (0.5, 0.55), (1, 0.15)),),
    "tick": (((0, 0.6), (0.35, 1), (1, 0)),),
    "hash": (((0.3, 0), (0.3, 1)), ((0.7, 0), (0.7, 1)), ((0, 0.3), (1, 0.3)), ((0, 0.7), (1, 0.7))),
    "tree": (((0.5, 0), (0.5, 1)), ((0.1, 0.35), (0.5, 0), (0.9, 0.35)), ((0, 0.8), (0.5, 0.4), (1, 0.8))),
    "spiral": (tuple(_spiral(0.25 * step) for step in range(76)),),
    "fish": (_arc(0.42, 0.5, 0.42, 0.28), ((0.82, 0.5), (1, 0.25), (1, 0.75), (0.82, 0.5))),
}


def _bowl(top: float, bottom: float, wide: float) -> Stroke:
    """The right half of an ellipse, from a stem at x = 0 and back to it."""
    angles = [math.pi * step / 20 for step in range(21)]
    middle, high = (top + bottom) / 2, (bottom - top) / 2
    return tuple((wide * math.sin(angle), middle - high * math.cos(angle)) for angle in angles)


_STEM: Stroke = ((0, 0), (0, 1))
FIRST_TRIES: dict[str, tuple[Stroke, ...]] = {  # what people draw first to find out what is said of it
    "face": (
        _arc(0.5, 0.5, 0.5, 0.5),
        ((0.3, 0.35), (0.3, 0.45)),
        ((0.7, 0.35), (0.7, 0.45)),
        _arc(0.5, 0.55, 0.3, 0.22, 0.5),
    ),
    "heart": (tuple(_heart(2 * math.pi * step / 40) for step in range(41)),),
    "drawn A": (((0, 1), (0.5, 0), (1, 1)), ((0.2, 0.6), (0.8, 0.6))),
    "drawn B": (_STEM, _bowl(0, 0.48, 0.75), _bowl(0.48, 1, 0.85)),
    "drawn T": (((0, 0), (1, 0)), ((0.5, 0), (0.5, 1))),
}
LETTERS: dict[str, tuple[Stroke, ...]] = {  # capitals, but those of `FIRST_TRIES` and what is like a digit
    "drawn C": (tuple((x, 1 - y) for y, x in _arc(0.5, 0.5, 0.5, 0.5, 0.75)),),
    "drawn D": (_STEM, _bowl(0, 1, 0.8)),
    "drawn E": (((0.9, 0), (0, 0), (0, 1), (0.9, 1)), ((0, 0.5), (0.7, 0.5))),
    "drawn F": (((0.9, 0), (0, 0), (0, 1)), ((0, 0.48), (0.7, 0.48))),
    "drawn H": (_STEM, ((0.9, 0), (0.9, 1)), ((0, 0.5), (0.9, 0.5))),
    "drawn J": (((0.8, 0), (0.8, 0.75), (0.55, 1), (0.2, 1), (0, 0.8)),),
    "drawn K": (_STEM, ((0.8, 0), (0, 0.55), (0.8, 1))),
    "drawn L": (((0, 0), (0, 1), (0.7, 1)),),
    "drawn M": (((0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1)),),
    "drawn N": (((0, 1), (0, 0), (0.9, 1), (0.9, 0)),),
    "drawn P": (_STEM, _bowl(0, 0.5, 0.8)),
    "drawn Q": (_arc(0.5, 0.5, 0.45, 0.5), ((0.6, 0.7), (1, 1.05))),
    "drawn R": (_STEM, _bowl(0, 0.5, 0.8), ((0, 0.5), (0.8, 1))),
    "drawn U": (((0, 0), (0, 0.7), (0.25, 1), (0.65, 1), (0.9, 0.7), (0.9, 0)),),
    "drawn V": (((0, 0), (0.5, 1), (1, 0)),),
    "drawn W": (((0, 0), (0.25, 1), (0.5, 0.4), (0.75, 1), (1, 0)),),
    "drawn X": (((0, 0), (1, 1)), ((1, 0), (0, 1))),
    "drawn Y": (((0, 0), (0.5, 0.5), (1, 0)), ((0.5, 0.5), (0.5, 1))),
}
AMBIGUOUS_SHAPES: dict[str, tuple[Stroke, ...]] = {  # to any reader: 1 5 5 2
    "stem": (((0.5, 0), (0.5, 1)),),
    "lightning": (((0.6, 0), (0.2, 0.55), (0.7, 0.5), (0.3, 1)),),
    "zigzag of four corners": (((1, 0), (0, 0.3), (1, 0.7), (0, 1)),),
    "its mirror image": (((0, 0), (1, 0.3), (0, 0.7), (1, 1)),),
}


def draw_ood_drawings(family: str, count: int, seed: int, digits: Split | None = None) -> Tensor:
    """Draw a family of non-digits.

    Args:
        family: one of `FITTED`, of `REPORTED`, "ambiguous glyphs", or one of the `KINDS` in them.
        count: how many.
        seed: of everything that varies.
        digits: what "digit fragments" and "two digits" are made of.

    Returns:
        (count, 1, 28, 28) float32 in [0, 1], as `preprocess_sketch` makes them.
    """
    families = {**KINDS, **FAMILIES}
    if family not in families:
        raise CamlossError(f"unknown family {family!r}; expected one of {', '.join(FAMILIES)}")
    return torch.cat(list(islice(families[family](random.Random(seed), digits), count)))


def _letters(letters: str) -> Family:
    def draw(generator: random.Random, _: Split | None) -> Iterator[Tensor]:
        while True:
            canvas = _printed(generator.choice(letters), generator.choice(FONTS), generator)
            if canvas is not None and (pixels := preprocess_sketch(canvas)) is not None:
                yield pixels

    return draw


def _printed(letter: str, font: str, generator: random.Random) -> "Image | None":
    """A letter in a font that matplotlib ships, in black on white; None where the font lacks it."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font
    from PIL import Image, ImageDraw, ImageFont

    path = Path(get_data_path(), "fonts", "ttf", f"{font}.ttf")
    if ord(letter) not in FT2Font(str(path)).get_charmap():
        return None
    canvas = Image.new("L", (SIDE, SIDE), 255)
    size = generator.uniform(0.4, 0.8) * SIDE
    ImageDraw.Draw(canvas).text((SIDE / 2, SIDE / 2), letter, 0, ImageFont.truetype(str(path), size), anchor="mm")
    return canvas


def _of_strokes(
    make: Callable[[random.Random], tuple[Stroke, ...]],
) -> Family:
    """Strokes in a unit square, rotated, scaled and with a tremor."""

    def draw(generator: random.Random, _: Split | None) -> Iterator[Tensor]:
        while True:
            strokes = _tremble(make(generator), generator)
            pixels = preprocess_sketch(render_strokes(strokes, (SIDE, SIDE), generator.uniform(0.02, 0.06) * SIDE))
            if pixels is not None:
                yield pixels

    return draw


def _tremble(strokes: tuple[Stroke, ...], generator: random.Random) -> tuple[Stroke, ...]:
    turn, size = generator.uniform(-0.2, 0.2), generator.uniform(0.4, 0.7) * SIDE
    wide, high = size * generator.uniform(0.75, 1.1), size * generator.uniform(0.75, 1.1)

    def place(x: float, y: float) -> tuple[float, float]:
        x, y = (x - 0.5) * wide + generator.gauss(0, 0.012) * size, (y - 0.5) * high + generator.gauss(0, 0.012) * size
        return (
            SIDE / 2 + x * math.cos(turn) - y * math.sin(turn),
            SIDE / 2 + x * math.sin(turn) + y * math.cos(turn),
        )

    return tuple(tuple(place(x, y) for x, y in stroke) for stroke in strokes)


def _scribble(generator: random.Random) -> tuple[Stroke, ...]:
    """One line that wanders: a sum of a few slow waves in each direction."""

    def wave(k: int) -> tuple[float, float, float]:
        return generator.uniform(0.5, 1) / k, k * generator.uniform(0.8, 1.6), generator.uniform(0, 2 * math.pi)

    waves = [[wave(k) for k in (1, 2, 3, 4)] for _ in range(2)]
    times = [2 * math.pi * step / 160 for step in range(161)]
    axes = [[sum(size * math.sin(rate * t + phase) for size, rate, phase in axis) for t in times] for axis in waves]
    spans = [(min(axis), max(axis) - min(axis)) for axis in axes]
    return (
        tuple(((x - spans[0][0]) / spans[0][1], (y - spans[1][0]) / spans[1][1]) for x, y in zip(*axes, strict=True)),
    )


def _zigzag(generator: random.Random) -> tuple[Stroke, ...]:
    corners = generator.randint(5, 9)  # of four, it is one of `AMBIGUOUS_SHAPES`
    line = tuple(
        (corner / (corners - 1), generator.uniform(0, 0.3) if corner % 2 else generator.uniform(0.7, 1))
        for corner in range(corners)
    )
    return (line if generator.random() < 0.5 else tuple((y, x) for x, y in line),)


def _one_of(shapes: dict[str, tuple[Stroke, ...]]) -> Callable[[random.Random], tuple[Stroke, ...]]:
    return lambda generator: generator.choice(list(shapes.values()))


def _in_turns(*families: Family) -> Family:
    def draw(generator: random.Random, digits: Split | None) -> Iterator[Tensor]:
        for drawn in zip(*(family(generator, digits) for family in families), strict=False):
            yield from drawn

    return draw


def _fragments(generator: random.Random, digits: Split | None) -> Iterator[Tensor]:
    """What is left of a digit where a half of it, along a slanted line, is missing."""
    y, x = torch.meshgrid(
        torch.arange(IMAGE_SIDE) - IMAGE_SIDE / 2 + 0.5, torch.arange(IMAGE_SIDE) - IMAGE_SIDE / 2 + 0.5, indexing="ij"
    )
    while True:
        image = _digit(generator, digits)
        turn = generator.uniform(0, 2 * math.pi)
        kept = image * (x * math.cos(turn) + y * math.sin(turn) > 0)
        if float(kept.sum()) > 0.3 * float(image.sum()) and (pixels := preprocess_sketch(kept.numpy())) is not None:
            yield pixels


def _two_digits(generator: random.Random, digits: Split | None) -> Iterator[Tensor]:
    """Two digits side by side, as close as people write them."""
    while True:
        left, right = (_cropped(_digit(generator, digits)) for _ in range(2))
        gap = torch.zeros(IMAGE_SIDE, generator.randint(1, 4))
        both = F.pad(torch.cat([left, gap, right], 1), (4, 4, 4, 4))
        if (pixels := preprocess_sketch(both.numpy())) is not None:
            yield pixels


def _cropped(image: Tensor) -> Tensor:
    columns = (image.amax(0) > 0).nonzero()
    return image[:, int(columns[0]) : int(columns[-1]) + 1]


def _digit(generator: random.Random, digits: Split | None) -> Tensor:
    """(28, 28) in [0, 1]."""
    if digits is None:
        raise CamlossError("fragments and pairs of digits are made of digits; give some")
    return digits.images[generator.randrange(len(digits)), 0].float() / 255


def _noise(generator: random.Random, _: Split | None) -> Iterator[Tensor]:
    """Uniform, or sparse, or in blotches; straight to the network, since preprocessing would find no ink in it."""
    torch_generator = torch.Generator().manual_seed(generator.randrange(2**31))
    while True:
        pixels = torch.rand(1, 1, IMAGE_SIDE, IMAGE_SIDE, generator=torch_generator)
        kind = generator.randrange(3)
        if kind == 1:
            pixels = (pixels < generator.uniform(0.05, 0.4)).float()
        elif kind == 2:
            coarse = torch.rand(1, 1, 7, 7, generator=torch_generator)
            pixels = F.interpolate(coarse, (IMAGE_SIDE, IMAGE_SIDE), mode="bilinear")
        yield pixels


def _blank(_: random.Random, __: Split | None) -> Iterator[Tensor]:
    while True:
        yield torch.zeros(1, 1, IMAGE_SIDE, IMAGE_SIDE)


FAMILIES: dict[str, Family] = {
    "first tries": _of_strokes(_one_of(FIRST_TRIES)),
    "capital letters": _letters(CAPITALS),
    "small letters": _letters(SMALL),
    "symbols": _letters(SYMBOLS),
    "ambiguous glyphs": _in_turns(_letters(AMBIGUOUS_GLYPHS), _of_strokes(_one_of(AMBIGUOUS_SHAPES))),
    "drawn letters": _of_strokes(_one_of(LETTERS)),
    "scribbles": _of_strokes(_scribble),
    "zigzags": _of_strokes(_zigzag),
    "shapes": _of_strokes(_one_of(SHAPES)),
    "digit fragments": _fragments,
    "two digits": _two_digits,
    "noise": _noise,
    "blank": _blank,
}

KINDS: dict[str, Family] = {  # one letter or shape alone
    **{letter: _letters(letter) for letter in CAPITALS + SMALL},
    **{name: _of_strokes(_one_of({name: strokes})) for name, strokes in (FIRST_TRIES | LETTERS | SHAPES).items()},
}
