"""Photos of digits, made up by the dozen: paper, pens and shadows."""

from functools import cache

import pytest
from page_server import ROOT
from photos import PAPERS, SHADOWS, photo
from PIL import Image

from camloss.digits.preprocess import preprocess_sketch
from camloss.pair import Pair

PHOTO = 480  # pixels on the longest side, as the page sends photos

pair = cache(lambda: Pair.load(ROOT / "checkpoints"))


def read(picture: Image.Image) -> set[int]:
    picture.thumbnail((PHOTO, PHOTO), Image.Resampling.LANCZOS)
    pixels = preprocess_sketch(picture)
    return set() if pixels is None else {int(model(pixels)[0].argmax()) for model in pair().models.values()}


@pytest.mark.parametrize("pen", [6, 24])
@pytest.mark.parametrize(
    ("paper", "digits"), list(zip(PAPERS, ([0, 5], [0, 2, 4, 6, 8], [1, 3, 5, 7, 9]), strict=True))
)
def test_without_a_shadow_every_digit_is_read(paper: str, digits: list[int], pen: int) -> None:
    for digit in digits:
        assert read(photo(digit, paper, pen, None, seed=digit)) == {digit}


@pytest.mark.parametrize("pen", [6, 24])
@pytest.mark.parametrize("shadow", SHADOWS)
def test_in_a_shadow_nearly_every_digit_is_read(shadow: str, pen: int) -> None:
    wrong = [d for d in (2, 3, 6, 9) if read(photo(d, PAPERS[d % 3], pen, shadow, seed=100 + d)) != {d}]
    assert len(wrong) <= (1 if pen == 6 else 0), wrong


def test_a_light_pen_on_a_board_in_half_a_shadow_is_read() -> None:
    for digit in (3, 4, 8):
        board = photo(digit, "plain", 24, "edge", seed=digit).point(lambda value: 255 - value)
        assert read(board) == {digit}
