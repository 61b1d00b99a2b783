import random

import pytest
import torch

from camloss.data.synthetic_digits import STYLES, draw_synthetic_digits


def test_every_family_is_drawn_and_labelled() -> None:
    drawn = draw_synthetic_digits(3, seed=0)
    assert drawn.images.shape == (3 * len(STYLES), 1, 28, 28)
    assert drawn.images.dtype == torch.uint8
    assert drawn.labels.tolist() == [label for label, _ in STYLES.values() for _ in range(3)]
    assert set(drawn.labels.tolist()) == set(range(10))


def test_none_is_fine() -> None:
    assert draw_synthetic_digits(0, seed=0).images.shape == (0, 1, 28, 28)
    assert draw_synthetic_digits(2, seed=0, styles=()).labels.dtype == torch.int64


def test_a_family_left_out_changes_no_other() -> None:
    kept = [name for name in STYLES if name != "1 with a flag"]
    place = list(STYLES).index("1 with a flag")
    whole, rest = draw_synthetic_digits(2, seed=1), draw_synthetic_digits(2, seed=1, styles=kept)
    assert torch.equal(torch.cat([whole.images[: 2 * place], whole.images[2 * place + 2 :]]), rest.images)


def test_the_seed_decides_and_nothing_else() -> None:
    first = draw_synthetic_digits(2, seed=1).images
    random.seed(5)
    torch.manual_seed(5)
    assert torch.equal(first, draw_synthetic_digits(2, seed=1).images)
    assert not torch.equal(first, draw_synthetic_digits(2, seed=2).images)


def test_no_two_drawings_are_alike() -> None:
    images = draw_synthetic_digits(40, seed=0).images
    assert len(torch.unique(images.flatten(1), dim=0)) == len(images)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return draw_synthetic_digits(100, seed=0).images[:, 0].float() / 255  # more than are drawn at once


def test_digits_lie_in_mnists_box(images: torch.Tensor) -> None:
    """The longer side is 20 pixels, give or take the pen; nothing touches the edge of the image."""
    inked = images > 0.1
    longest = torch.maximum(inked.any(2).sum(1), inked.any(1).sum(1))
    assert longest.min() >= 17
    assert longest.max() <= 24
    assert images[:, [0, -1], :].max() == 0
    assert images[:, :, [0, -1]].max() == 0


def test_pens_are_thin_and_thick(images: torch.Tensor) -> None:
    """A bare 1 under the thinnest pen leaves a trace, under the thickest a bar of three pixels and more."""
    place = 100 * list(STYLES).index("1 as a stem")
    ink = images[place : place + 100].sum((1, 2)) / 18  # a stem's length, so about the pen's width
    assert ink.min() < 1.0
    assert ink.max() > 3.2


def test_strokes_have_no_gaps(images: torch.Tensor) -> None:
    """A 1 of a single stroke is inked in each row and column that it spans: points are drawn closely enough."""
    for style in ("1 as a stem", "1 with a long flag"):
        place = 100 * list(STYLES).index(style)
        for image in images[place : place + 100]:
            for extent in (image.amax(0), image.amax(1)):
                inked = (extent > 0.1).nonzero().flatten()
                assert len(inked) == inked[-1] - inked[0] + 1


def test_a_one_with_a_long_flag_is_wider_than_a_bare_stem(images: torch.Tensor) -> None:
    """The parts that name a style are there: median widths of the ink, in pixels."""

    def width(style: str) -> float:
        place = 100 * list(STYLES).index(style)
        return (images[place : place + 100] > 0.3).any(1).sum(1).float().median().item()

    assert width("1 as a stem") + 3 < width("1 with a flag") + 2 < width("1 with a long flag")
