"""True boxes of pictures, from a `boxes.csv` beside them.

Its columns are path (from the data folder), class, x_min, y_min, x_max and y_max, in pixels of the original, both ends
included; further columns are ignored.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from camloss.data.pictures import shown_part
from camloss.errors import CamlossError, quoted

COLUMNS = ("path", "x_min", "y_min", "x_max", "y_max")
FARTHEST = 1_000_000  # pixels
NO_BOX = (-1, -1, -1, -1)

Box = tuple[int, int, int, int]


def read_boxes(path: Path) -> dict[str, Box]:
    """The first box of each picture, by its path from the data folder; in pixels of the original.

    Raises:
        CamlossError: the file cannot be read, lacks a column, or a line has no whole numbers in order.
    """
    boxes: dict[str, Box] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
                raise CamlossError(f"{path} has no column {missing[0]}; expected path, class, {', '.join(COLUMNS[1:])}")
            for row in rows:
                x_min, y_min, x_max, y_max = (int(row[name]) for name in COLUMNS[1:])
                if not (-FARTHEST <= x_min <= x_max <= FARTHEST and -FARTHEST <= y_min <= y_max <= FARTHEST):
                    raise ValueError
                boxes.setdefault(row["path"], (x_min, y_min, x_max, y_max))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamlossError(f"{path} cannot be read; expected a CSV file with {', '.join(COLUMNS)}") from error
    except (ValueError, TypeError) as error:
        if isinstance(error, CamlossError):
            raise
        raise CamlossError(
            f"{path}, line {rows.line_num}: {quoted(list(row.values()))} is no box; "
            "expected whole numbers x_min <= x_max and y_min <= y_max"
        ) from error
    return boxes


def boxes_of(paths: Sequence[Path], root: Path, boxes: Mapping[str, Box], size: tuple[int, int]) -> Tensor:
    """The boxes of pictures as networks are shown them, see `camloss.data.pictures.fitted`.

    Args:
        paths: of the pictures, below `root`.
        boxes: as `read_boxes` gives them.
        size: height and width of the shown pictures.

    Returns:
        (N, 4) int64, both ends included; `NO_BOX` where there is none, or nothing of it is shown.
    """
    from PIL import Image

    found = []
    for path in paths:
        box = boxes.get(path.relative_to(root).as_posix())
        if box is None:
            found.append(NO_BOX)
            continue
        with Image.open(path) as picture:
            width, height = picture.size
            if picture.getexif().get(0x0112, 1) >= 5:  # shown turned by a quarter
                width, height = height, width
        left, top, right, _ = shown_part((height, width), size)
        scale = size[1] / (right - left)
        x_min, y_min, x_max, y_max = box
        edges = ((x_min - left) * scale, (y_min - top) * scale, (x_max + 1 - left) * scale, (y_max + 1 - top) * scale)
        found.append(_in_pixels(edges, size))
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 4)


def _in_pixels(edges: tuple[float, float, float, float], size: tuple[int, int]) -> Box:
    """Left, top, right and bottom edge as the first and last pixels inside."""
    left, top = max(round(edges[0]), 0), max(round(edges[1]), 0)
    right, bottom = min(round(edges[2]), size[1]) - 1, min(round(edges[3]), size[0]) - 1
    return (left, top, right, bottom) if left <= right and top <= bottom else NO_BOX
