from typing import Any

import pytest
import torch
from PIL import Image

from camloss import CamlossError, overlay

DARK, BRIGHT = (68, 1, 84), (253, 231, 37)  # the ends of viridis
HALVES = torch.tensor([[0.0, 1.0]])


def test_the_map_is_upsampled_over_the_image_at_its_size() -> None:
    picture = overlay(torch.zeros(3, 8, 12), HALVES, opacity=1.0)
    assert (picture.size, picture.mode) == ((12, 8), "RGB")
    assert (picture.getpixel((0, 0)), picture.getpixel((11, 7))) == (DARK, BRIGHT)


def test_opacity_mixes_image_and_colours_everywhere() -> None:
    white = torch.ones(1, 2, 4)
    assert overlay(white, HALVES, opacity=0.0).getpixel((0, 0)) == (255, 255, 255)
    assert overlay(white, HALVES, opacity=0.5).getpixel((0, 0)) == tuple(round((255 + c) / 2 + 0.1) for c in DARK)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (12, 8), 255),
        Image.new("P", (12, 8)),
        torch.full((3, 8, 12), 255, dtype=torch.uint8),
        torch.ones(8, 12),
    ],
    ids=["grey", "palette", "uint8", "without channels"],
)
def test_images_of_many_kinds(image: object) -> None:
    assert overlay(image, HALVES, opacity=1.0).getpixel((11, 0)) == BRIGHT


def test_a_batch_gives_a_list() -> None:
    both = overlay(torch.zeros(2, 3, 8, 12), torch.stack([HALVES, HALVES.flip(1)]), opacity=1.0)
    assert [picture.getpixel((0, 0)) for picture in both] == [DARK, BRIGHT]
    assert len(overlay([Image.new("RGB", (4, 4))], HALVES[None])) == 1


@pytest.mark.parametrize(
    ("image", "map", "options", "message"),
    [
        (torch.zeros(3, 4, 4), HALVES * torch.nan, {}, "NaN"),
        (torch.full((3, 4, 4), -2.0), HALVES, {}, "undo its standardisation"),
        (torch.zeros(2, 4, 4), HALVES, {}, r"the image is \(2, 4, 4\)"),
        (torch.zeros(3, 4, 4), HALVES[0], {}, r"the map is \(2,\)"),
        (torch.zeros(2, 3, 4, 4), HALVES[None], {}, "2 images and 1 maps"),
        (torch.zeros(3, 4, 4), HALVES, {"opacity": 2}, "opacity"),
        (torch.zeros(3, 4, 4), HALVES, {"colours": "jet"}, "unknown colours 'jet'; expected one of"),
    ],
)
def test_what_does_not_fit_is_one_line(
    image: torch.Tensor, map: torch.Tensor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CamlossError, match=message):
        overlay(image, map, **options)
