"""Every kind of picture becomes the same tensor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import picture
from PIL import Image

from camloss.data.pictures import fitted, read_picture, shown_part

IMAGE = picture("disc", seed=3, size=(60, 40))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "YCbCr"])
def test_modes_of_colour(mode: str) -> None:
    expected = fitted(IMAGE, (20, 20)).float()
    found = fitted(IMAGE.convert(mode), (20, 20)).float()
    assert (expected - found).abs().mean() < 3


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "I", "F"])
def test_grey_pictures_of_any_depth(mode: str, tmp_path: Path) -> None:
    grey = np.asarray(IMAGE.convert("L"))
    image = {
        "I;16": lambda: Image.fromarray(grey.astype(np.uint16) * 257),
        "I": lambda: Image.fromarray(grey.astype(np.int32) * 257),
        "F": lambda: Image.fromarray(grey.astype(np.float32) / 255),
    }.get(mode, lambda: IMAGE.convert(mode))()
    expected = fitted(IMAGE.convert("L"), (20, 20)).float()
    assert (expected - fitted(image, (20, 20)).float()).abs().max() <= 2
    if mode == "I;16":
        image.save(tmp_path / "deep.png")
        assert (expected - read_picture(tmp_path / "deep.png", (20, 20)).float()).abs().max() <= 2


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert torch.equal(fitted(clear, (4, 4)), torch.full((3, 4, 4), 255, dtype=torch.uint8))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    IMAGE.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(read_picture(tmp_path / "turned.png", (40, 60)), fitted(IMAGE, (40, 60)))


def test_the_middle_is_shown_in_proportion() -> None:
    assert shown_part((40, 60), (20, 20)) == (10, 0, 50, 40)
    assert shown_part((60, 40), (20, 20)) == (0, 10, 40, 50)
    assert shown_part((40, 60), (20, 30)) == (0, 0, 60, 40)
    assert torch.equal(fitted(IMAGE, (40, 60)), torch.from_numpy(np.array(IMAGE)).permute(2, 0, 1))
