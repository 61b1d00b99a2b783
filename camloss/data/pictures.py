"""Pictures as networks are given them: decoded, turned upright, RGB, one size.

Everything that shows a network a picture goes through `fitted`, so that training, measuring and the demo see the same.
"""

import sys
from typing import IO, TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from camloss.errors import CamlossError

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as pretrained networks expect them
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
MOST_BROKEN = 0.01  # share of the pictures of a split


class PictureFile(Protocol):
    """A `Path`, or anything else that opens like one; as text, what to call it."""

    def open(self, mode: Literal["rb"], /) -> IO[bytes]: ...


def read_picture(file: PictureFile, size: tuple[int, int]) -> Tensor:
    """A picture file as (3, height, width) uint8; see `fitted`.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be decoded.
    """
    from PIL import Image

    with file.open("rb") as opened, Image.open(opened) as picture:
        picture.draft("RGB", (2 * size[1], 2 * size[0]))  # a JPEG is decoded at no more than it needs
        return fitted(picture, size)


def fitted(picture: "Image", size: tuple[int, int]) -> Tensor:
    """A picture of any kind, upright, as much of its middle as has the proportions of `size`.

    Args:
        picture: palette, CMYK, 16-bit and grey ones too; what is transparent is shown on white.
        size: height and width in pixels.

    Returns:
        (3, height, width) uint8, RGB.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    left, top, right, bottom = shown_part((upright.height, upright.width), size)
    rgb = _rgb(upright)
    small = rgb.resize(size[::-1], Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=3)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()


def shown_part(original: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of the part of a picture that `fitted` shows, in pixels of the original.

    Args:
        original, size: heights and widths.
    """
    height, width = original
    scale = min(height / size[0], width / size[1])
    left, top = (width - scale * size[1]) / 2, (height - scale * size[0]) / 2
    return left, top, left + scale * size[1], top + scale * size[0]


def refuse_many_broken(broken: int, count: int, where: str) -> None:
    """
    Raises:
        CamlossError: more than `MOST_BROKEN` of the pictures cannot be read.
    """
    if broken > MOST_BROKEN * count:
        raise CamlossError(f"{broken} of {count} pictures are broken in {where}, named above; mend or remove them")


def say(line: str) -> None:
    print(f"{line}\n", end="", file=sys.stderr)  # whole, also from several threads


def _rgb(picture: "Image") -> "Image":
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits and more: to 8, by what the file says it may hold
        pixels = np.asarray(picture).astype(np.float64)
        largest = 1.0 if picture.mode == "F" and pixels.max() <= 1 else 255.0 if pixels.max() <= 255 else 65535.0
        return Image.fromarray((pixels * (255 / largest)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" in picture.info or picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")
