"""A map laid over its image: `overlay(image, map)`.

>>> picture = overlay(torch.rand(3, 64, 96), torch.rand(4, 6))
>>> picture.size
(96, 64)
"""

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.errors import CamlossError
from camloss.maps import min_max_normalize

if TYPE_CHECKING:
    from PIL.Image import Image


def overlay(image: Any, map: Tensor, opacity: float = 0.5, colours: str = "viridis") -> Any:
    """Lay a map over its image, at the image's size, in perceptually uniform colours.

    The map is min-max normalised and upsampled bilinearly; the colour of its value covers the image with the given
    opacity everywhere, so that equal colours mean equal values.

    Args:
        image: a PIL image; or a tensor (3, H0, W0), (1, H0, W0) or (H0, W0), uint8 or in [0, 1]; or a batch (N, ...).
        map: (H, W), or (N, H, W) for a batch: any values.
        opacity: of the colours, in [0, 1].
        colours: "viridis" or another table of the demo's, from dark (lowest) to bright (highest).

    Returns:
        A PIL image in RGB; for a batch, a list of them.

    Raises:
        CamlossError: shapes do not fit, the image is outside [0, 1], the map has NaN, or the colours are unknown.
    """
    if not 0 <= opacity <= 1:
        raise CamlossError(f"the opacity is {opacity}; expected a number from 0 to 1")
    if map.dim() == 3:
        images = list(image)
        if len(images) != len(map):
            raise CamlossError(f"there are {len(images)} images and {len(map)} maps; expected one map an image")
        return [overlay(one, of_it, opacity, colours) for one, of_it in zip(images, map, strict=True)]
    if map.dim() != 2:
        raise CamlossError(f"the map is {tuple(map.shape)}; expected (H, W), or (N, H, W) for a batch of images")
    if not bool(map.isfinite().all()):
        raise CamlossError("the map holds NaN or infinity; look at the network's features")
    pixels = _pixels(image)  # (H0, W0, 3)
    heat = F.interpolate(
        min_max_normalize(map.detach().float().cpu()[None])[None],
        pixels.shape[:2],
        mode="bilinear",
        align_corners=False,
    )[0, 0]
    colour = _table(colours)[(heat * 255).round().long()]
    return _picture(pixels + opacity * (colour - pixels))


def _pixels(image: Any) -> Tensor:
    """Any image -> (H0, W0, 3) in [0, 255]."""
    if not isinstance(image, Tensor):
        import numpy as np

        return torch.as_tensor(np.array(image.convert("RGB"))).float()
    image = image.detach().cpu()
    image = image[None] if image.dim() == 2 else image
    if image.dim() != 3 or image.shape[0] not in (1, 3):
        raise CamlossError(f"the image is {tuple(image.shape)}; expected (3, H, W), (1, H, W) or (H, W)")
    pixels: Tensor = image.float() if image.dtype == torch.uint8 else image.float() * 255
    if not bool(((pixels >= 0) & (pixels <= 255)).all()):
        raise CamlossError("the image has values outside [0, 1]; undo its standardisation: x * std + mean")
    return pixels.expand(3, -1, -1).permute(1, 2, 0)


def _picture(pixels: Tensor) -> "Image":
    from PIL import Image

    return Image.fromarray(pixels.round().to(torch.uint8).numpy())


@functools.cache
def _table(name: str) -> Tensor:
    """(256, 3), in [0, 255]: the colours that the demo paints with."""
    tables = json.loads(resources.files("camloss").joinpath("demo/web/colours.json").read_text(encoding="utf-8"))
    if name not in tables:
        raise CamlossError(f"unknown colours {name!r}; expected one of {', '.join(tables)}")
    return torch.tensor(list(bytes.fromhex(tables[name]))).view(256, 3).float()
