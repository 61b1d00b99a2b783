"""A pair of pictures: two networks that have learnt nothing, three classes, and made-up pictures to try."""

import base64
import io
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from untrained import RECORD

from camloss import build_model, save_checkpoint
from camloss.pair import pair_config, write_pair_config

CLASSES: list[str] = ["disc", "square", "long stripe"]
SIZE = 48
MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.25, 0.25)


def picture_of(name: str, width: int = 120, height: int = 90) -> Image.Image:
    """A shape in colour on a ground that grows lighter to the right."""
    image = Image.linear_gradient("L").rotate(90).resize((width, height)).convert("RGB")
    pen = ImageDraw.Draw(image)
    box = (0.3 * width, 0.2 * height, 0.3 * width + 0.6 * height, 0.8 * height)
    if name == "disc":
        pen.ellipse(box, (200, 40, 40))
    elif name == "square":
        pen.rectangle(box, (40, 90, 200))
    else:
        pen.line((0, 0.6 * height, width, 0.4 * height), (30, 140, 60), height // 6)
    return image


def file_of(name: str, kind: str = "PNG", width: int = 120, height: int = 90) -> bytes:
    file = io.BytesIO()
    picture_of(name, width, height).save(file, kind)
    return file.getvalue()


def text_of(name: str, kind: str = "PNG") -> str:
    return base64.b64encode(file_of(name, kind)).decode()


def write_image_pair(directory: Path, examples: bool = True) -> Path:
    """In the layout of `checkpoints/`, with an example of each class."""
    variants = ("ce", "cam")
    for offset, variant in enumerate(variants):
        torch.manual_seed(offset)
        model = build_model("small_resnet", num_classes=3, in_chans=3, width=8)
        save_checkpoint(
            model,
            directory / variant,
            {"variant": variant, **RECORD, "config": {"arch": "small_resnet"}},
            pair_config(variants, RECORD["run"]),
            classes=CLASSES,
            image_size=SIZE,
            mean=MEAN,
            std=STD,
        )
    write_pair_config(directory, variants, RECORD["run"])
    if examples:
        (directory / "examples").mkdir()
        for number, name in enumerate(CLASSES):
            (directory / "examples" / f"{name.replace(' ', '-')}-{number}.jpg").write_bytes(file_of(name, "JPEG"))
    return directory
