"""Digits as strokes of a pen: read from UNIPEN text, drawn as a browser's canvas draws them.

They measure how a model that learnt from MNIST does on drawings; nothing is ever trained on them.
"""

import gzip
import math
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from camloss.errors import CamlossError, quoted

if TYPE_CHECKING:
    from PIL.Image import Image

Stroke = tuple[tuple[float, float], ...]

LARGEST, LONGEST_LINE = 10_000_000, 1_000  # bytes; the largest file of the UCI repository has 3.6 million
FARTHEST = 1e6  # a coordinate or a writer's number
SUPERSAMPLING = 4  # drawn this many times larger, then reduced: smooth edges


@dataclass(frozen=True)
class PenDigit:
    """One written digit. Points are (x, y) with y down, in the tablet's own units; `writer` is None where unknown."""

    label: int
    strokes: tuple[Stroke, ...]
    writer: int | None = None


def read_unipen(path: str | Path) -> list[PenDigit]:
    """Read the digits of a UNIPEN text file, such as `pendigits-orig.tra.gz` of the UCI repository, gzipped or not.

    The tablet's y runs up; here it is turned to run down, as on a screen. A comment of three whole numbers after a
    digit's segment is how that file gives digit, writer (1 to 30) and number.

    Raises:
        CamlossError: the file is missing, damaged, has more than `LARGEST` bytes of text, or holds no digit.
    """
    path = Path(path)
    labels: list[int] = []
    writers: dict[int, int] = {}  # by position in `labels`
    drawn: list[list[list[tuple[float, float]]]] = []
    pen_down = False
    try:
        for number, line in enumerate(_lines(path), start=1):
            words = line.split()
            try:
                if not words:
                    continue
                if words[0] == ".SEGMENT":
                    labels.append(_label(words[-1]))
                    drawn.append([])
                    pen_down = False
                elif words[0] == ".COMMENT":
                    if drawn and len(words) == 4 and all(word.isdecimal() for word in words[1:]):
                        writers[len(drawn) - 1] = _writer(words, labels[-1])
                elif words[0] == ".PEN_DOWN":
                    drawn[-1].append([])
                    pen_down = True
                elif words[0].startswith("."):
                    pen_down = pen_down and words[0] != ".PEN_UP"
                elif pen_down:
                    x, y = map(_coordinate, words)
                    drawn[-1][-1].append((x, -y))
            except (ValueError, IndexError) as error:
                shown = quoted(line.strip())
                raise CamlossError(f"{path}, line {number}: {shown} is not UNIPEN; fetch it again") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CamlossError(f"cannot read pen strokes from {path}: {error}; fetch the file again") from error
    if not drawn or not all(any(strokes) for strokes in drawn):
        raise CamlossError(f"{path} holds a digit without strokes, or no digit at all; fetch the file again")
    return [
        PenDigit(label, tuple(tuple(stroke) for stroke in strokes if stroke), writers.get(idx))
        for idx, (label, strokes) in enumerate(zip(labels, drawn, strict=True))
    ]


def _lines(path: Path) -> Iterator[str]:
    """Line by line, so that little is in memory of a file that unpacks to any size.

    Raises:
        CamlossError: the text or a line is too long.
    """
    left = LARGEST
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            left -= len(line)
            if left < 0 or len(line) > LONGEST_LINE:
                most = f"{LARGEST:,} bytes of text in lines of {LONGEST_LINE:,}"
                raise CamlossError(f"{path} is too large: at most {most} are read; split the file")
            yield line.decode("ascii")


def _label(quoted: str) -> int:
    label = int(quoted.strip('"'))
    if not 0 <= label <= 9:
        raise ValueError(f"no digit: {label}")
    return label


def _coordinate(word: str) -> float:
    value = float(word)
    if not abs(value) <= FARTHEST:  # nor NaN
        raise ValueError(f"no coordinate: {word}")
    return value


def _writer(comment: list[str], label: int) -> int:
    digit, writer, _ = map(int, comment[1:])
    if digit != label or writer > FARTHEST:
        raise ValueError(f"a comment on {digit} by {writer} at a {label}")
    return writer


def render_strokes(
    strokes: tuple[Stroke, ...],
    size: tuple[int, int],
    brush: float,
    colour: tuple[int, int, int] = (0, 0, 0),
) -> "Image":
    """Draw strokes as a browser's canvas does with round caps and joins, smooth-edged, on a transparent ground.

    Args:
        strokes: points in pixels of the canvas; one lone point is a dot.
        size: (width, height) of the canvas in pixels.
        brush: width of the strokes in pixels.
        colour: RGB of the ink.

    Returns:
        An RGBA image: `colour` everywhere, with the ink in its alpha.
    """
    from PIL import Image, ImageDraw

    fine = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    draw = ImageDraw.Draw(fine)
    width = brush * SUPERSAMPLING
    radius = max(0.0, width - 1) / 2  # PIL fills up to and including the last pixel
    for stroke in strokes:
        # PIL puts the centre of pixel (0, 0) at 0, a canvas its corner
        points = [(x * SUPERSAMPLING - 0.5, y * SUPERSAMPLING - 0.5) for x, y in stroke]
        for (x0, y0), (x1, y1) in pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0)
            if length > 0:
                dx, dy = (y1 - y0) / length * radius, (x0 - x1) / length * radius
                draw.polygon([(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)], fill=255)
        for x, y in points:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    canvas = Image.new("RGBA", size, (*colour, 0))
    canvas.putalpha(fine.reduce(SUPERSAMPLING))
    return canvas


def random_canvas(
    digit: PenDigit,
    generator: random.Random,
    side: int = 280,
    extent: tuple[float, float] = (0.25, 0.9),
    brush: tuple[float, float] = (0.02, 0.12),
) -> "Image":
    """Draw a digit in dark ink on a transparent square, with random size, position and brush.

    All three are drawn uniformly; ranges are shares of the canvas's side.

    Args:
        digit: what to draw; it keeps its proportions.
        generator: the source of chance; the same seed draws the same picture.
        side: of the canvas in pixels.
        extent: the longer side of the digit, brush included.
        brush: the width of the strokes, at most a sixth of the digit's extent: with a wider one nobody can write.
    """
    whole = generator.uniform(*extent) * side
    width = min(generator.uniform(*brush) * side, whole / 6)
    xs = [x for stroke in digit.strokes for x, _ in stroke]
    ys = [y for stroke in digit.strokes for _, y in stroke]
    scale = (whole - width) / max(max(xs) - min(xs), max(ys) - min(ys), 1e-6)

    def place(values: list[float]) -> float:
        """What to add, so that the digit lies anywhere it fits along this axis."""
        reach = scale * (max(values) - min(values))
        return generator.uniform(width / 2, side - width / 2 - reach) - scale * min(values)

    left, top = place(xs), place(ys)
    strokes = tuple(tuple((scale * x + left, scale * y + top) for x, y in stroke) for stroke in digit.strokes)
    return render_strokes(strokes, (side, side), width)
