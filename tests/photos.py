"""Photos of digits on paper, made up: plain, ruled and squared paper, thin and thick pens, with shadows and without."""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from page_server import EXAMPLES
from PIL import Image, ImageDraw, ImageFilter

PAPERS = ("plain", "ruled", "squared")
SHADOWS = ("hand", "edge", "corner", "band")
SIZE = (1600, 1200)

Grey = NDArray[np.float64]


def photo(digit: int, paper: str, pen: int, shadow: str | None, *, seed: int, darkness: float = 0.3) -> Image.Image:
    """A digit as a camera sees it: (1600, 1200) RGB, pen in pixels, a shadow that takes `darkness` of the light."""
    generator = random.Random(seed)
    sheet = Image.new("RGB", SIZE, (226, 222, 212))
    canvas = ImageDraw.Draw(sheet)
    step = generator.randint(60, 110)
    if paper != "plain":
        for y in range(generator.randint(0, step), SIZE[1], step):
            canvas.line([(0, y), (SIZE[0], y)], (176, 192, 214), 2)
    if paper == "squared":
        for x in range(generator.randint(0, step), SIZE[0], step):
            canvas.line([(x, 0), (x, SIZE[1])], (176, 192, 214), 2)
    side = generator.uniform(500, 900)
    left, top = generator.uniform(100, SIZE[0] - side - 100), generator.uniform(80, SIZE[1] - side - 80)
    ink = generator.choice([(28, 34, 96), (32, 30, 34), (20, 60, 140)])
    for stroke in next(example["strokes"] for example in EXAMPLES if example["label"] == digit):
        points = [
            (left + side * x / 1000, top + side * y / 1000)
            for x, y in zip(stroke["points"][::2], stroke["points"][1::2], strict=True)
        ]
        canvas.line(points, ink, pen, joint="curve")
    light = _lamp(generator) * (1 - darkness * _shadow(shadow, generator))
    noise = np.random.default_rng(seed).normal(0, 3, (*light.shape, 1))
    pixels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), dtype=float) * light[..., None] + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _lamp(generator: random.Random) -> Grey:
    """Light that falls off softly to one side."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]))
    return 1 - 0.08 * (generator.uniform(-1, 1) * x + generator.uniform(-1, 1) * y) - 0.05 * (x**2 + y**2)


def _shadow(kind: str | None, generator: random.Random) -> Any:
    """Where no light falls, in [0, 1], with a soft edge."""
    if kind is None:
        return 0.0
    mask = Image.new("L", SIZE)
    canvas = ImageDraw.Draw(mask)
    (width, height), at = SIZE, generator.uniform(0.3, 0.7)
    if kind == "edge":
        canvas.rectangle([0, 0, width * at, height], 255)
    elif kind == "corner":
        canvas.polygon([(0, height), (0, height * (1 - at) - 200), (width * at + 300, height)], 255)
    elif kind == "band":
        canvas.polygon([(0, height * at), (width, height * at - 300), (width, height), (0, height)], 255)
    else:  # a hand that holds the phone
        canvas.ellipse([width * at - 700, height * 0.3, width * at + 700, height * 2], 255)
    soft = mask.filter(ImageFilter.GaussianBlur(generator.choice([4, 15, 40])))
    return np.asarray(soft, dtype=float) / 255
