"""Print how pictures of digits, as people bring them, are read.

    python scripts/dev/everyday_pictures.py > docs/records/pictures.md

Digits of the development writers where CAMLOSS_DATA_DIR has them, else the page's own examples, varied, are put on
paper, into light, frames, boxes and file formats, and read by both models of a pair. The same seed gives the same
pictures. Of a digit the table has the share that is read right, by model; and how often the page says that there are
several digits, or none.
"""

import io
import json
import math
import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import _root
import numpy as np
import torch
from _meter import hardware
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from camloss import cli
from camloss.digits.pendigits import PenDigit, Stroke, random_canvas, render_strokes
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.stroke_topology import several_digits
from camloss.errors import CamlossError
from camloss.pair import Pair
from camloss.study.writers import DEV_WRITERS, read_digits

SIDE = 280  # pixels, of most pictures
EXAMPLES = _root.ROOT / "camloss" / "demo" / "web" / "examples.json"

Grey = NDArray[np.float64]  # in [0, 1]
Brought = Any  # a PIL image or an array
Make = Callable[[PenDigit, random.Random], Brought]

READ, SEVERAL, NONE, REFUSED = "the digit", "several digits", "no digit found", "refused"


# ---- digits


def digits_of(data_dir: Path | None) -> tuple[list[PenDigit], str]:
    """What is drawn, and whose it is."""
    if data_dir is not None and (data_dir / DEV_WRITERS).is_file():
        digits = read_digits(data_dir / DEV_WRITERS)
        return random.Random(0).sample(digits, len(digits)), "30 development writers"
    return varied_examples(200), "the page's examples, varied"


@cache
def varied_examples(count: int) -> list[PenDigit]:
    """The page's examples, slanted, turned, scaled and shaken."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    generator = random.Random(0)
    return [varied(examples[number % len(examples)], generator) for number in range(count)]


def varied(example: dict[str, Any], generator: random.Random) -> PenDigit:
    angle, slant = generator.uniform(-0.1, 0.1), generator.uniform(-0.1, 0.2)
    wide, tremor = generator.uniform(0.85, 1.15), generator.uniform(0, 3)

    def moved(x: float, y: float) -> tuple[float, float]:
        x, y = (x - 500) * wide - (y - 500) * slant, y - 500
        turned = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return turned[0] + generator.gauss(0, tremor), turned[1] + generator.gauss(0, tremor)

    strokes = [stroke["points"] for stroke in example["strokes"]]
    paths = tuple(tuple(moved(x, y) for x, y in zip(path[::2], path[1::2], strict=True)) for path in strokes)
    return PenDigit(example["label"], paths)


def ink_of(
    digit: PenDigit,
    generator: random.Random,
    side: int = SIDE,
    extent: tuple[float, float] = (0.4, 0.75),
    brush: tuple[float, float] = (0.025, 0.07),
) -> Grey:
    """(side, side) in [0, 1]."""
    return np.asarray(random_canvas(digit, generator, side, extent, brush).getchannel("A"), float) / 255


# ---- paper and light


def sheet(generator: random.Random, height: int = SIDE, width: int = SIDE, low: float = 0.85) -> Grey:
    """(height, width, 3): evenly coloured, nearly white."""
    level = generator.uniform(low, 1)
    return np.full((height, width, 3), [level * generator.uniform(0.95, 1) for _ in range(3)])


def written(paper: Grey, ink: Grey, pen: tuple[float, float, float], cover: float = 1.0) -> Grey:
    """Paper with ink on it; `cover` below 1 lets the paper through."""
    share = cover * ink[..., None]
    return paper * (1 - share) + np.array(pen) * share


def dark(generator: random.Random) -> tuple[float, float, float]:
    return generator.choice([(0.1, 0.13, 0.4), (0.12, 0.12, 0.13), (0.08, 0.25, 0.55), (0.5, 0.08, 0.1)])


def photographed(picture: Grey, generator: random.Random, noise: float = 0.012) -> NDArray[np.uint8]:
    grain = np.random.default_rng(generator.randrange(2**32)).normal(0, noise, picture.shape)
    return pixels(picture + grain)


def pixels(picture: Grey) -> NDArray[np.uint8]:
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


def plain(digit: PenDigit, generator: random.Random) -> Brought:
    return pixels(written(sheet(generator), ink_of(digit, generator), dark(generator)))


def ruled(digit: PenDigit, generator: random.Random, squared: bool = False, narrow: bool = False) -> Brought:
    paper, step = sheet(generator), generator.randint(14, 20) if narrow else generator.randint(24, 60)
    first, blue = generator.randrange(step), (0.69, 0.75, 0.84)
    paper[first::step] = blue
    if squared:
        paper[:, generator.randrange(step) :: step] = blue
    return photographed(written(paper, ink_of(digit, generator), dark(generator)), generator)


def lit(digit: PenDigit, generator: random.Random) -> Brought:
    """Light that falls off to one side."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    light = 0.75 - generator.uniform(-0.2, 0.2) * x - generator.uniform(-0.2, 0.2) * y - 0.1 * (x**2 + y**2)
    picture = written(sheet(generator), ink_of(digit, generator), dark(generator))
    return photographed(picture * light[..., None], generator)


def shaded(digit: PenDigit, generator: random.Random) -> Brought:
    """The shadow of a hand, softly edged."""
    mask = Image.new("L", (SIDE, SIDE))
    x, y, reach = generator.uniform(0, SIDE), generator.uniform(0.4, 1) * SIDE, generator.uniform(0.4, 0.8) * SIDE
    ImageDraw.Draw(mask).ellipse([x - reach, y - reach, x + reach, y + 2 * reach], 255)
    shadow = np.asarray(mask.filter(ImageFilter.GaussianBlur(generator.uniform(6, 20))), float) / 255
    picture = written(sheet(generator), ink_of(digit, generator), dark(generator))
    return photographed(picture * (1 - generator.uniform(0.1, 0.3) * shadow[..., None]), generator)


def coloured(digit: PenDigit, generator: random.Random) -> Brought:
    """Paper and ink of any two colours that differ."""
    paper, pen = ([generator.random() for _ in range(3)] for _ in range(2))
    while sum(abs(a - b) for a, b in zip(paper, pen, strict=True)) < 0.8:
        pen = [generator.random() for _ in range(3)]
    blank = np.broadcast_to(np.array(paper), (SIDE, SIDE, 3))
    return pixels(written(blank, ink_of(digit, generator), (pen[0], pen[1], pen[2])))


def creased(digit: PenDigit, generator: random.Random) -> Brought:
    """Folds: each side of one lies in its own light, with a soft ridge."""
    light = np.ones((SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for _ in range(2):
        turn, at = generator.uniform(0, math.pi), generator.uniform(0.3, 0.7) * SIDE
        away = (x - at) * math.cos(turn) + (y - at) * math.sin(turn)
        light *= 1 - 0.05 * np.tanh(away / 4) - 0.06 * np.exp(-((away / 3) ** 2))
    picture = written(sheet(generator), ink_of(digit, generator), dark(generator)) * light[..., None] * 0.95
    return photographed(picture, generator)


def pencil(digit: PenDigit, generator: random.Random) -> Brought:
    ink = ink_of(digit, generator, brush=(0.015, 0.03))
    grain = np.random.default_rng(generator.randrange(2**32)).uniform(0.5, 1, ink.shape)
    return photographed(written(sheet(generator), ink * grain, (0.4, 0.4, 0.42), 0.8), generator)


def chalk(digit: PenDigit, generator: random.Random) -> Brought:
    ink = ink_of(digit, generator)
    grain = np.random.default_rng(generator.randrange(2**32)).uniform(0.4, 1, ink.shape)
    board = np.broadcast_to(np.array((0.12, 0.25, 0.2)), (SIDE, SIDE, 3)) * generator.uniform(0.8, 1.3)
    return photographed(written(board, ink * grain, (0.93, 0.93, 0.88)), generator, 0.02)


def whiteboard(digit: PenDigit, generator: random.Random) -> Brought:
    """A felt pen, and the lamp mirrored in the board."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    gloss = np.exp(-((x - generator.random()) ** 2 + (y - generator.random()) ** 2) / 0.1)
    picture = written(sheet(generator) * 0.85, ink_of(digit, generator, brush=(0.05, 0.08)), dark(generator))
    return photographed(picture + 0.13 * gloss[..., None], generator)


def thin(digit: PenDigit, generator: random.Random) -> Brought:
    """A pen of 1 to 2 pixels."""
    width = generator.uniform(1, 2) / SIDE
    return pixels(written(sheet(generator), ink_of(digit, generator, brush=(width, width)), dark(generator)))


def broad(digit: PenDigit, generator: random.Random) -> Brought:
    return pixels(written(sheet(generator), ink_of(digit, generator, brush=(0.08, 0.11)), dark(generator)))


def hollow(digit: PenDigit, generator: random.Random) -> Brought:
    """Only the outline of a broad stroke."""
    canvas = random_canvas(digit, generator, SIDE, (0.6, 0.8), (0.07, 0.09)).getchannel("A")
    inside = np.asarray(canvas.filter(ImageFilter.MinFilter(5)), float) / 255
    return pixels(written(sheet(generator), np.asarray(canvas, float) / 255 - inside, dark(generator)))


def resized(digit: PenDigit, generator: random.Random, size: tuple[int, int], margin: float) -> Brought:
    """On a picture of that size."""
    ink = Image.fromarray(pixels(ink_of(digit, generator, extent=(margin, margin), brush=(0.06, 0.08))))
    side = min(size)
    canvas = Image.new("L", size, 250)
    canvas.paste(20, ((size[0] - side) // 2, (size[1] - side) // 2), ink.resize((side, side)))
    return canvas


# ---- frames and boxes


def strips(digit: PenDigit, generator: random.Random, edges: int) -> Brought:
    """A scan with black strips of 2 to 8 pixels along that many of its edges."""
    picture = written(sheet(generator), ink_of(digit, generator, extent=(0.35, 0.7)), dark(generator))
    for edge in generator.sample(range(4), edges):
        np.rot90(picture, edge)[: generator.randint(2, 8)] = generator.uniform(0, 0.1)
    return photographed(picture, generator)


def wedges(digit: PenDigit, generator: random.Random) -> Brought:
    """A sheet that lay askew: black wedges along two edges."""
    picture = written(sheet(generator), ink_of(digit, generator, extent=(0.35, 0.7)), dark(generator))
    reach = np.linspace(generator.uniform(0, 2), generator.uniform(5, 10), SIDE)
    for edge in generator.sample(range(4), 2):
        turned = np.rot90(picture, edge)
        turned[np.arange(SIDE)[:, None] < reach] = 0.05
    return photographed(picture, generator)


def framed(digit: PenDigit, generator: random.Random) -> Brought:
    """A frame at, or a few pixels inside, the picture's border."""
    paper = Image.fromarray(pixels(sheet(generator)))
    inset, width = generator.choice([0, generator.randint(2, 12)]), generator.randint(2, 8)
    ImageDraw.Draw(paper).rectangle([inset, inset, SIDE - 1 - inset, SIDE - 1 - inset], None, (20, 20, 20), width)
    ink = ink_of(digit, generator, extent=(0.35, 0.65))
    return photographed(written(np.asarray(paper, float) / 255, centred(ink), dark(generator)), generator)


def circled(digit: PenDigit, generator: random.Random) -> Brought:
    """A circle drawn around the digit with the same pen."""
    side, brush = SIDE, generator.uniform(0.02, 0.04)
    ink = centred(ink_of(digit, generator, extent=(0.35, 0.5), brush=(brush, brush)))
    start, wide, high = generator.uniform(0, 2 * math.pi), generator.uniform(0.36, 0.46), generator.uniform(0.36, 0.46)
    turns = 2 * math.pi * generator.uniform(1.0, 1.08)
    path = [start + turns * step / 80 for step in range(81)]
    drift = generator.uniform(-0.02, 0.02)
    ring: Stroke = tuple(
        (
            side * (0.5 + (wide + drift * step / 80) * math.cos(angle)),
            side * (0.5 + (high + drift * step / 80) * math.sin(angle)),
        )
        for step, angle in enumerate(path)
    )
    circle = np.asarray(render_strokes((ring,), (side, side), brush * side).getchannel("A"), float) / 255
    return pixels(written(sheet(generator), np.maximum(ink, circle), dark(generator)))


def boxed(digit: PenDigit, generator: random.Random) -> Brought:
    """A printed box."""
    ink = centred(ink_of(digit, generator, extent=(0.35, 0.5)))
    wide, high, width = generator.uniform(0.33, 0.46), generator.uniform(0.33, 0.46), generator.randint(1, 5)
    box = Image.new("L", (SIDE, SIDE))
    corners = [SIDE * (0.5 - wide), SIDE * (0.5 - high), SIDE * (0.5 + wide), SIDE * (0.5 + high)]
    ImageDraw.Draw(box).rectangle(corners, None, 255, width)
    shade = generator.uniform(0, 0.5)
    paper = written(sheet(generator), np.asarray(box, float) / 255, (shade, shade, shade))
    return photographed(written(paper, ink, dark(generator)), generator)


def in_boxes(digits: list[PenDigit], generator: random.Random, places: int) -> Brought:
    """Boxes side by side as forms have them, digits in some of them."""
    side = generator.randint(90, 130)
    size = (places * side + 40, side + 40)
    form = Image.new("L", size)
    width, canvas = generator.randint(1, 3), ImageDraw.Draw(form)
    for place in range(places):
        canvas.rectangle([20 + place * side, 20, 20 + (place + 1) * side, 20 + side], None, 255, width)
    ink = np.zeros((size[1], size[0]))
    brush = generator.uniform(0.04, 0.07)
    for place, digit in zip(sorted(generator.sample(range(places), len(digits))), digits, strict=True):
        one = centred(ink_of(digit, generator, side, (0.5, 0.75), (brush, brush)))
        left = 20 + place * side
        ink[20 : 20 + side, left : left + side] = one
    shade = generator.uniform(0, 0.5)
    paper = written(sheet(generator, *size[::-1]), np.asarray(form, float) / 255, (shade, shade, shade))
    return photographed(written(paper, ink, dark(generator)), generator)


def one_in_boxes(digit: PenDigit, generator: random.Random) -> Brought:
    return in_boxes([digit], generator, generator.randint(2, 5))


def many_in_boxes(digit: PenDigit, generator: random.Random) -> Brought:
    count = generator.randint(2, 5)
    others = [generator.choice(varied_examples(100)) for _ in range(count - 1)]
    return in_boxes([digit, *others], generator, generator.randint(count, 6))


def side_by_side(digit: PenDigit, generator: random.Random) -> Brought:
    """A number of two to four digits, without boxes."""
    side, count, brush = 120, generator.randint(2, 4), generator.uniform(0.05, 0.08)
    ones = [digit, *(generator.choice(varied_examples(100)) for _ in range(count - 1))]
    inks = [centred(ink_of(one, generator, side, (0.75, 0.85), (brush, brush))) for one in ones]
    columns = [ink[:, np.flatnonzero(ink.max(0) > 0)] for ink in inks]
    gap = np.zeros((side, 14))
    row = np.concatenate([part for column in columns for part in (gap, column)] + [gap], 1)
    ink = np.pad(row, 30)
    return photographed(written(sheet(generator, *ink.shape), ink, dark(generator)), generator)


def centred(ink: Grey) -> Grey:
    """The same ink in the middle."""
    rows, columns = np.flatnonzero(ink.max(1) > 0), np.flatnonzero(ink.max(0) > 0)
    down = len(ink) // 2 - (rows[0] + rows[-1] + 1) // 2
    across = ink.shape[1] // 2 - (columns[0] + columns[-1] + 1) // 2
    moved: Grey = np.roll(ink, (down, across), (0, 1))
    return moved


# ---- transparency


def drawn_on_glass(digit: PenDigit, generator: random.Random) -> Brought:
    return random_canvas(digit, generator)


def cut_out(digit: PenDigit, generator: random.Random) -> Brought:
    """Opaque paper that covers less than half of a transparent canvas, with any edge."""
    side = generator.randint(150, 190)
    paper = pixels(written(sheet(generator, side, side), ink_of(digit, generator, side), dark(generator)))
    cover = Image.new("L", (side, side))
    corners = [(generator.uniform(0, 0.06), generator.uniform(0, 0.06)) for _ in range(4)]
    shape = [(side * abs(x - dx), side * abs(y - dy)) for (x, y), (dx, dy) in zip(CORNERS, corners, strict=True)]
    ImageDraw.Draw(cover).polygon(shape, 255)
    canvas = Image.new("RGBA", (SIDE, SIDE))
    canvas.paste(Image.fromarray(paper), (generator.randint(0, SIDE - side), generator.randint(0, SIDE - side)), cover)
    return canvas


CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def translucent(digit: PenDigit, generator: random.Random) -> Brought:
    """The same alpha of 60 to 100 everywhere."""
    image = Image.fromarray(plain(digit, generator)).convert("RGBA")
    image.putalpha(generator.randint(60, 100))
    return image


# ---- formats


def grey_of(digit: PenDigit, generator: random.Random) -> Grey:
    return np.asarray(written(sheet(generator), ink_of(digit, generator), (0.1, 0.1, 0.1)).mean(2))


def deep(digit: PenDigit, generator: random.Random, bits: int) -> Brought:
    """Data of 10, 12 or 16 bits in uint16."""
    return (grey_of(digit, generator) * (2**bits - 1)).astype(np.uint16)


def bits(digit: PenDigit, generator: random.Random, dtype: type) -> Brought:
    """0 and 1."""
    ink = ink_of(digit, generator) > 0.5
    return (ink if generator.random() < 0.5 else ~ink).astype(dtype)


def mode(digit: PenDigit, generator: random.Random, name: str) -> Brought:
    image = Image.fromarray(plain(digit, generator))
    if name == "1":
        return image.convert("1", dither=Image.Dither.NONE)
    return (image.convert("RGBA").convert("RGBa") if name == "RGBa" else image).convert(name)


def dithered(digit: PenDigit, generator: random.Random) -> Brought:
    """Paper that is nearly white, in black and white dots."""
    return Image.fromarray(plain(digit, generator)).convert("1")


def premultiplied(digit: PenDigit, generator: random.Random) -> Brought:
    return Image.fromarray(plain(digit, generator)).convert("L").convert("LA").convert("La")


def stored(digit: PenDigit, generator: random.Random, kind: str, share: float = 1.0, **options: Any) -> Brought:
    """Written to a file of some kind, of which a share has arrived, and opened."""
    file = io.BytesIO()
    Image.fromarray(plain(digit, generator)).save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()[: int(share * len(file.getvalue()))]))


def turned(digit: PenDigit, generator: random.Random) -> Brought:
    """On its side, as EXIF says."""
    image = Image.fromarray(plain(digit, generator)).transpose(Image.Transpose.ROTATE_90)
    image.getexif()[0x0112] = 6
    return image


# ---- what is no digit


def cat(_: PenDigit, generator: random.Random) -> Brought:
    """A cat's head and body in fur, before a blurred room."""
    random_state = np.random.default_rng(generator.randrange(2**32))
    size = (360, 270)
    room = Image.fromarray(random_state.integers(60, 220, (6, 8, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    canvas = ImageDraw.Draw(room)
    fur = tuple(generator.randint(40, 200) for _ in range(3))
    x, y, r = generator.uniform(130, 230), generator.uniform(90, 130), generator.uniform(45, 65)
    canvas.ellipse([x - 1.5 * r, y + 0.5 * r, x + 1.5 * r, y + 3.5 * r], fur)
    for side in (-1, 1):
        canvas.polygon(
            [(x + side * r, y - r * 0.2), (x + side * r * 0.85, y - 1.5 * r), (x + side * r * 0.2, y - 0.9 * r)], fur
        )
    canvas.ellipse([x - r, y - r, x + r, y + 0.9 * r], fur)
    for side in (-1, 1):
        eye = x + side * 0.4 * r
        canvas.ellipse([eye - 0.2 * r, y - 0.3 * r, eye + 0.2 * r, y + 0.05 * r], (200, 210, 90))
        canvas.ellipse([eye - 0.06 * r, y - 0.28 * r, eye + 0.06 * r, y + 0.03 * r], (10, 10, 10))
        for lift in (-0.15, 0.05, 0.25):
            canvas.line([x + side * 0.2 * r, y + 0.4 * r, x + side * 1.4 * r, y + (0.4 + lift) * r], (240, 240, 240), 1)
    canvas.polygon([(x - 0.12 * r, y + 0.2 * r), (x + 0.12 * r, y + 0.2 * r), (x, y + 0.36 * r)], (220, 130, 140))
    picture = np.asarray(room.filter(ImageFilter.GaussianBlur(0.8)), float) / 255
    coat = (
        np.asarray(Image.fromarray(random_state.integers(0, 255, (90, 120), dtype=np.uint8)).resize(size), float) / 255
    )
    return photographed(picture * (0.75 + 0.5 * coat[..., None] * generator.uniform(0.5, 1)), generator, 0.03)


def landscape(_: PenDigit, generator: random.Random) -> Brought:
    """Sky, hills one behind the other, and trees."""
    random_state = np.random.default_rng(generator.randrange(2**32))
    height, width = 270, 360
    y, x = np.mgrid[:height, :width]
    picture = np.array((0.55, 0.7, 0.9)) + (y / height)[..., None] * np.array((0.3, 0.2, 0.05))
    for layer in range(generator.randint(2, 4)):
        waves = [(generator.uniform(5, 22), generator.uniform(0.01, 0.08), generator.uniform(0, 6)) for _ in range(4)]
        ridge = height * (0.35 + 0.17 * layer) + sum(a * np.sin(f * x[0] + p) for a, f, p in waves)
        ground = np.array((0.3, 0.45, 0.35)) * generator.uniform(0.5, 1.2)
        grain = random_state.normal(0, 0.07, (height // 2, width // 2)).repeat(2, 0).repeat(2, 1)
        picture = np.where((y > ridge)[..., None], ground + grain[..., None], picture)
    scene = Image.fromarray(pixels(picture))
    canvas = ImageDraw.Draw(scene)
    for _tree in range(generator.randint(0, 5)):
        at, foot, tall = generator.uniform(0, width), generator.uniform(150, 260), generator.uniform(30, 110)
        canvas.line([at, foot, at, foot - tall], (70, 50, 35), max(2, round(tall / 15)))
        canvas.ellipse([at - tall / 3, foot - 1.3 * tall, at + tall / 3, foot - 0.5 * tall], (35, 80, 40))
    return photographed(np.asarray(scene, float) / 255, generator, 0.02)


def page_of_text(_: PenDigit, generator: random.Random) -> Brought:
    size = generator.randint(11, 22)
    page = Image.fromarray(pixels(sheet(generator, 400, 300)))
    canvas, letters = ImageDraw.Draw(page), "etaoin shrdlu cmfwyp vbgkqj "
    for line in range(20, 380, round(1.5 * size)):
        if generator.random() < 0.9:
            canvas.text((20, line), "".join(generator.choices(letters, k=round(480 / size))), (30, 30, 30), font(size))
    return photographed(np.asarray(page, float) / 255, generator)


@cache
def font(size: int) -> Any:
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf")), size)


def dots(_: PenDigit, generator: random.Random) -> Brought:
    """Three round dots."""
    page = Image.fromarray(pixels(sheet(generator)))
    radius, at = generator.uniform(4, 12), [generator.uniform(60, 220) for _ in range(2)]
    turn, step = generator.uniform(0, math.pi), generator.uniform(30, 60)
    for number in (-1, 0, 1):
        x, y = at[0] + number * step * math.cos(turn), at[1] + number * step * math.sin(turn)
        ImageDraw.Draw(page).ellipse([x - radius, y - radius, x + radius, y + radius], (25, 25, 30))
    return photographed(np.asarray(page, float) / 255, generator)


def nothing(_: PenDigit, generator: random.Random) -> Brought:
    return photographed(sheet(generator), generator)


@dataclass(frozen=True)
class Kind:
    """One row of the table."""

    group: str
    make: Make
    expected: str = READ
    of: int = 200
    """At most so many drawings."""
    least: float = 0.95
    """The share that is to be read so, by either model."""


KINDS: dict[str, Kind] = {
    "even paper": Kind("paper", plain),
    "ruled": Kind("paper", ruled),
    "squared": Kind("paper", partial(ruled, squared=True)),
    "narrowly ruled": Kind("paper", partial(ruled, narrow=True)),
    "coloured": Kind("paper", coloured),
    "creased": Kind("paper", creased),
    "chalk on a board": Kind("paper", chalk),
    "whiteboard": Kind("paper", whiteboard),
    "pencil": Kind("pen", pencil),
    "1 to 2 pixels": Kind("pen", thin),
    "broad": Kind("pen", broad),
    "outlines alone": Kind("pen", hollow, least=0.75),
    "light from one side": Kind("light", lit),
    "shadow of a hand": Kind("light", shaded),
    "12 x 12 pixels": Kind("size", partial(resized, size=(12, 12), margin=0.9)),
    "48 megapixels": Kind("size", partial(resized, size=(8000, 6000), margin=0.5), of=10),
    "strip along one edge": Kind("frame", partial(strips, edges=1)),
    "strips along two edges": Kind("frame", partial(strips, edges=2)),
    "strips along all edges": Kind("frame", partial(strips, edges=4)),
    "wedges along two edges": Kind("frame", wedges),
    "frame": Kind("frame", framed),
    "circle around the digit": Kind("boxes", circled, least=0.9),
    "printed box": Kind("boxes", boxed, least=0.9),
    "one of several boxes": Kind("boxes", one_in_boxes, least=0.9),
    "ink on glass": Kind("alpha", drawn_on_glass),
    "paper cut out": Kind("alpha", cut_out),
    "alpha of 60 to 100 everywhere": Kind("alpha", translucent),
    "10 bits in uint16": Kind("formats", partial(deep, bits=10)),
    "12 bits in uint16": Kind("formats", partial(deep, bits=12)),
    "16 bits in uint16": Kind("formats", partial(deep, bits=16)),
    "0 and 1 in uint8": Kind("formats", partial(bits, dtype=np.uint8)),
    "0 and 1 in bool": Kind("formats", partial(bits, dtype=np.bool_)),
    **{
        f"PIL mode {name}": Kind("formats", partial(mode, name=name))
        for name in ("1", "P", "CMYK", "I", "F", "LAB", "HSV", "RGBa")
    },
    "dithered": Kind("formats", dithered, least=0.7),
    "PIL mode La": Kind("formats", premultiplied),
    **{kind: Kind("formats", partial(stored, kind=kind)) for kind in ("GIF", "JPEG", "WEBP", "AVIF")},
    "JPEG of which 80 % arrived": Kind("formats", partial(stored, kind="JPEG", share=0.8), REFUSED),
    "EXIF: on its side": Kind("formats", turned),
    "in boxes": Kind("several", many_in_boxes, SEVERAL, least=0.85),
    "side by side": Kind("several", side_by_side, SEVERAL),
    "a cat": Kind("no digit", cat, NONE, least=0.6),
    "a landscape": Kind("no digit", landscape, NONE, least=0.8),
    "a page of text": Kind("no digit", page_of_text, NONE),
    "three dots": Kind("no digit", dots, NONE),
    "a blank sheet": Kind("no digit", nothing, NONE),
}


@dataclass
class Said:
    """What was said of the drawings of one kind: the digits by model, or one of the other answers."""

    right: dict[str, int]
    several: int = 0
    none: int = 0
    refused: int = 0
    drawings: int = 0

    def share(self, expected: str) -> float:
        """Of those drawings, what was said as expected, by the model that did worse."""
        counts = {READ: min(self.right.values()), SEVERAL: self.several, NONE: self.none, REFUSED: self.refused}
        return counts[expected] / self.drawings


@torch.inference_mode()
def read_kind(kind: Kind, pair: Pair, digits: list[PenDigit], seed: int) -> Said:
    said = Said(dict.fromkeys(pair.variants, 0))
    for number, digit in enumerate(digits[: kind.of]):
        generator = random.Random(f"{seed} {number}")
        said.drawings += 1
        try:
            sketch = prepare_sketch(kind.make(digit, generator))
        except CamlossError:
            said.refused += 1
            continue
        if sketch is None:
            said.none += 1
            continue
        said.several += several_digits(sketch.pixels[0, 0])
        for variant, model in pair.models.items():
            said.right[variant] += int(model(sketch.pixels)[0].argmax()) == digit.label
    return said


def row_of(name: str, pair: Pair, digits: list[PenDigit], seed: int) -> tuple[str, ...]:
    """Of the table."""
    kind = KINDS[name]
    said = read_kind(kind, pair, digits, seed)
    counts = (*said.right.values(), said.several, said.none, said.refused)
    return kind.group, name, kind.expected, *(f"{count / said.drawings:.1%}" for count in counts)


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        metavar="KIND",
        help="these kinds of pictures alone, a name of several words in quotes (default: all)",
    )
    parser.add_argument("--drawings", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of all that varies (default: 0)")
    parser.add_argument(
        "--checkpoints", default=str(_root.ROOT / "checkpoints"), help="another pair, in a folder or on the Hub"
    )
    flags = parser.parse_args()
    data = os.environ.get("CAMLOSS_DATA_DIR")
    digits, whose = digits_of(Path(data) if data else None)
    pair = Pair.load(flags.checkpoints).shown
    read = partial(row_of, pair=pair, digits=digits[: flags.drawings], seed=flags.seed)
    rows = []
    with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for row in pool.map(read, flags.only):
            rows.append(row)
            print(" | ".join(row), file=sys.stderr, flush=True)
    print(cli.table(["what", "picture", "to be said", *pair.variants, SEVERAL, NONE, REFUSED], rows))
    print(f"\n{flags.drawings} drawings a row by {whose}, 10 of 48 megapixels, seed {flags.seed}; {hardware()}")


if __name__ == "__main__":
    cli.run(main)
