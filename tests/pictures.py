"""A made-up folder of pictures: a red disc, a green square or a blue cross, anywhere on a grey ground."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image, ImageChops, ImageDraw

CLASSES = ("cross", "disc", "square")


def picture(class_name: str, seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """One picture of a class; `size` is width and height."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, (120, 120, 120))
    pen, side = ImageDraw.Draw(image), 14
    x, y = (int(rng.integers(2, extent - side - 2)) for extent in size)
    if class_name == "disc":
        pen.ellipse((x, y, x + side, y + side), fill=(200, 30, 30))
    elif class_name == "square":
        pen.rectangle((x, y, x + side, y + side), fill=(30, 180, 30))
    else:
        pen.line((x, y, x + side, y + side), fill=(30, 30, 220), width=4)
        pen.line((x, y + side, x + side, y), fill=(30, 30, 220), width=4)
    return image


def write_pictures(folder: Path, train: int = 20, val: int = 8, test: int = 0) -> Path:
    """That many of each class and split; returns the folder."""
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            for place, name in enumerate(CLASSES):
                path = folder / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture(name, seed=1000 * len(split) + 10 * number + place).save(path)
    return folder


def write_photos(folder: Path) -> Path:
    """With backgrounds, and boxes of the val pictures."""
    write_pictures(folder, train=10, val=6)
    lines = ["path,class,x_min,y_min,x_max,y_max"]
    for path in sorted(folder.glob("val/*/*.png")):
        with Image.open(path) as opened:
            box = ImageChops.difference(opened, Image.new("RGB", opened.size, (120, 120, 120))).getbbox()
        assert box is not None
        corners = f"{box[0]},{box[1]},{box[2] - 1},{box[3] - 1}"
        lines.append(f"{path.relative_to(folder).as_posix()},{path.parent.name},{corners}")
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number in range(4):
        path = folder / "backgrounds" / "plain" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 40), (60 * number, 90, 90)).save(path)
    return folder


def as_hub_data_set(folder: Path, to: Path, bytes_of: Callable[[Path], bytes | None] = Path.read_bytes) -> Any:
    """The pictures of a folder as `datasets.load_dataset` gives them: on the disk in `to`, in the same order."""
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(CLASSES))})
    for split in sorted(folder.iterdir()):
        paths = [path for name in CLASSES for path in sorted((split / name).iterdir())]
        content = {
            "picture": [{"path": str(path), "bytes": bytes_of(path)} for path in paths],
            "kind": [path.parent.name for path in paths],
        }
        datasets.Dataset.from_dict(content, features=features).save_to_disk(to / split.name)
    return datasets.DatasetDict({split.name: datasets.load_from_disk(split) for split in sorted(to.iterdir())})
