"""Drawings that are no digit: each family, its seed, and which families may choose."""

import random

import pytest
import torch

from camloss import CamlossError
from camloss.digits.ood_drawings import (
    AMBIGUOUS_GLYPHS,
    AMBIGUOUS_SHAPES,
    EASY,
    FAMILIES,
    FIRST_TRIES,
    FITTED,
    LETTERS,
    REPORTED,
    SHAPES,
    _zigzag,
    draw_ood_drawings,
)
from camloss.split import Split


@pytest.fixture(scope="module")
def digits() -> Split:
    """A ring and a bar in place of MNIST."""
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 6:22, 8:20] = 255
    images[0, 0, 9:19, 11:17] = 0
    images[1, 0, 4:24, 13:16] = 255
    return Split(images, torch.tensor([0, 1]))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_drawn_as_a_model_expects_it(family: str, digits: Split) -> None:
    images = draw_ood_drawings(family, 6, seed=0, digits=digits)
    assert images.shape == (6, 1, 28, 28)
    assert images.dtype == torch.float32
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert bool((images.flatten(1).amax(1) > 0.5).all()) == (family != "blank")
    assert torch.equal(images, draw_ood_drawings(family, 6, seed=0, digits=digits))
    if family != "blank":
        assert not torch.equal(images, draw_ood_drawings(family, 6, seed=1, digits=digits))
        assert not torch.equal(images[0], images[1])


def test_what_is_fitted_on_does_not_report_and_lookalikes_do_neither() -> None:
    assert not set(FITTED) & set(REPORTED)
    assert not FIRST_TRIES.keys() & {*LETTERS, *SHAPES}
    assert set(FITTED) | set(REPORTED) == set(FAMILIES) - {"ambiguous glyphs"}
    assert set(EASY) <= set(FAMILIES)
    for family in ("capital letters", "small letters", "symbols"):
        letters = next(cell.cell_contents for cell in FAMILIES[family].__closure__ or ())
        assert not set(letters) & set(AMBIGUOUS_GLYPHS), family


def test_a_stem_and_what_is_like_a_z_are_lookalikes() -> None:
    assert {"stem", "lightning"} <= set(AMBIGUOUS_SHAPES)
    assert not set(SHAPES) & set(AMBIGUOUS_SHAPES)
    corners = [len(line) for seed in range(50) for line in _zigzag(random.Random(seed))]
    assert min(corners) == 5


def test_letters_and_shapes_take_turns_among_lookalikes(digits: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AMBIGUOUS_SHAPES:
        monkeypatch.setitem(AMBIGUOUS_SHAPES, name, AMBIGUOUS_SHAPES["stem"])
    images = draw_ood_drawings("ambiguous glyphs", 8, seed=0, digits=digits)
    wide = (images.amax(-2)[:, 0] > 0.5).sum(1)  # columns that hold ink
    assert wide[1::2].max() < 10 < wide[::2].max()


def test_a_piece_is_a_part_of_a_digit(digits: Split) -> None:
    whole = Split(digits.images[1:], digits.labels[1:])
    ink = [float(image.sum()) for image in draw_ood_drawings("digit fragments", 5, seed=0, digits=whole)]
    assert all(amount > 0 for amount in ink)


def test_bad_questions_are_one_line() -> None:
    with pytest.raises(CamlossError, match="unknown family 'cats'; expected one of first tries"):
        draw_ood_drawings("cats", 1, seed=0)
    with pytest.raises(CamlossError, match="are made of digits; give some"):
        draw_ood_drawings("digit fragments", 1, seed=0)
