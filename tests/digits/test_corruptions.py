"""Corruptions of digits: exact positions and pixels, and the numbers that another language has to repeat.

python tests/digits/test_corruptions.py      writes corruptions.json again, when a corruption is meant to change
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from camloss.digits import corruptions
from camloss.errors import CamlossError
from camloss.split import Split

VECTORS = Path(__file__).with_name("corruptions.json")
SEED = 3


def drawn(count: int) -> Tensor:
    """(count, 1, 28, 28): pixel (y, x) of digit n is (37 n + 11 y + 5 x) mod 256 in rows and columns 4 to 23."""
    n, y, x = torch.meshgrid(torch.arange(count), torch.arange(28), torch.arange(28), indexing="ij")
    inner = (y >= 4) & (y < 24) & (x >= 4) & (x < 24)
    return ((37 * n + 11 * y + 5 * x) % 256 * inner).to(torch.uint8)[:, None]


DIGITS, POOL = drawn(5), drawn(12)
NUMBERS = torch.arange(100, 105)
PICTURES: dict[str, Callable[[], Tensor]] = {
    "on_canvas, side 84": lambda: corruptions.on_canvas(DIGITS, 84),
    "anywhere, side 56": lambda: corruptions.anywhere(DIGITS, NUMBERS, 56, seed=SEED),
    "among_clutter, 8, side 56": lambda: corruptions.among_clutter(DIGITS, NUMBERS, POOL, 8, 56, seed=SEED),
    "among_clutter, 16, side 40": lambda: corruptions.among_clutter(DIGITS, NUMBERS, POOL, 16, 40, seed=SEED),
    "among_clutter, 3, side 45": lambda: corruptions.among_clutter(DIGITS, NUMBERS, POOL, 3, 45, seed=SEED),
    "salt_noise, 10": lambda: corruptions.salt_noise(DIGITS, NUMBERS, 10, seed=SEED),
    "line, side 56": lambda: corruptions.line(DIGITS, NUMBERS, 56, seed=SEED),
    "gaussian_noise, level 51": lambda: corruptions.gaussian_noise(DIGITS, NUMBERS, 51, seed=SEED),
    "two_digits, apart": lambda: pairs(True).images,
    "two_digits, overlapping": lambda: pairs(False).images,
}


def pairs(apart: bool) -> corruptions.TwoDigits:
    split = Split(DIGITS, torch.arange(5) % 4)
    return corruptions.two_digits(split, NUMBERS, Split(POOL, torch.arange(12) // 2 % 4), apart, seed=SEED)


def checksum(picture: Tensor) -> int:
    """FNV-1a of the bytes, row by row, in 32 bits."""
    value = 0x811C9DC5
    for byte in picture.flatten().tolist():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def vectors() -> dict[str, Any]:
    numbers = torch.tensor([0, 1, 70_000, 2**32 - 1])
    return {
        "words": [
            {"seed": seed, "image": image, "purpose": purpose, "words": words}
            for seed, purpose in ((0, 0), (SEED, 5), (2**32 - 1, 7))
            for image, words in zip(
                numbers.tolist(), corruptions.words(seed, numbers, purpose, 4).tolist(), strict=True
            )
        ],
        "digit": f"{str(drawn.__doc__).partition(': ')[2]} Elsewhere 0.",
        "digits": len(DIGITS),
        "numbers": NUMBERS.tolist(),
        "pool": len(POOL),
        "seed": SEED,
        "labels": "of digits n mod 4, of the pool floor(n / 2) mod 4",
        "checksums": {name: [checksum(picture) for picture in make()] for name, make in PICTURES.items()},
        "two_digits": {
            "labels": pairs(True).labels.tolist(),
            "boxes apart": pairs(True).boxes.tolist(),
            "boxes overlapping": pairs(False).boxes.tolist(),
        },
    }


def test_everything_is_as_the_file_says() -> None:
    assert vectors() == json.loads(VECTORS.read_text(encoding="utf-8"))


def word(seed: int, image: int, purpose: int, index: int) -> int:
    """The hash once more, in plain whole numbers."""
    state = 0
    for value in (seed, image, purpose, index):
        state = (state + value + 0x9E3779B9) % 2**32
        state = (state ^ state >> 16) * 0x7FEB352D % 2**32
        state = (state ^ state >> 15) * 0x846CA68B % 2**32
        state ^= state >> 16
    return state


def test_words_are_the_hash_in_plain_numbers() -> None:
    for seed, image, purpose in ((0, 0, 0), (7, 2**32 - 1, 3), (2**32 - 1, 12_345, 6)):
        expected = [word(seed, image, purpose, index) for index in range(5)]
        assert corruptions.words(seed, torch.tensor([image]), purpose, 5)[0].tolist() == expected


def test_words_are_spread_evenly_and_do_not_repeat() -> None:
    found = corruptions.words(0, torch.arange(10_000), corruptions.NOISE, 20)
    bits = torch.stack([found >> bit & 1 for bit in range(32)]).double().mean((1, 2))
    assert (bits - 0.5).abs().max() < 0.006  # five standard deviations
    assert len(found.unique()) > 200_000 * (1 - 1e-4)


def test_an_image_does_not_depend_on_those_beside_it() -> None:
    for make in (
        lambda digits, numbers: corruptions.among_clutter(digits, numbers, POOL),
        corruptions.anywhere,
        corruptions.salt_noise,
        corruptions.line,
        corruptions.gaussian_noise,
    ):
        assert torch.equal(make(DIGITS, NUMBERS)[3:], make(DIGITS[3:], NUMBERS[3:]))
        assert not torch.equal(make(DIGITS[:1], NUMBERS[:1]), make(DIGITS[:1], NUMBERS[1:2]))


def test_the_digit_lies_unscaled_in_the_middle() -> None:
    for side in (28, 40, 56, 84):
        canvas = corruptions.on_canvas(DIGITS, side)
        start = (side - 28) // 2
        assert torch.equal(canvas[:, :, start : start + 28, start : start + 28], DIGITS)
        assert canvas.sum() == DIGITS.sum()
    assert torch.equal(corruptions.on_canvas(DIGITS, 28), DIGITS)


def test_clutter_lies_around_the_digit_and_is_cut_from_others() -> None:
    white = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    blank = torch.zeros(200, 1, 28, 28, dtype=torch.uint8)
    for count in (0, 1, 8, 24):
        canvas = corruptions.among_clutter(blank, torch.arange(200), white, count)
        assert ((canvas > 0).sum((1, 2, 3)) == 64 * count).all()  # each in a square of its own
        assert canvas[:, :, 8:48, 8:48].sum() == 0
    squares = canvas.unfold(2, 8, 8).unfold(3, 8, 8).amax((-2, -1))[0, 0] > 0
    assert squares.sum() == 24
    eight = corruptions.among_clutter(blank, torch.arange(200), white, 8) > 0
    assert eight[:, :, ::8, ::8].float().mean(0)[0][squares].min() > 0.2  # any square is picked now and then
    assert torch.equal(corruptions.among_clutter(DIGITS, NUMBERS, POOL)[:, :, 14:42, 14:42], DIGITS)


def test_too_many_fragments_are_refused() -> None:
    with pytest.raises(CamlossError, match="17 fragments do not fit along a canvas of 40 pixels; expected at most 16"):
        corruptions.among_clutter(DIGITS, NUMBERS, POOL, 17, 40)


def test_a_digit_anywhere_is_whole_and_reaches_all_positions() -> None:
    spot = torch.zeros(3_000, 1, 28, 28, dtype=torch.uint8)
    spot[:, 0, 0, 0] = 255
    found = corruptions.anywhere(spot, torch.arange(3_000), 32).nonzero()
    assert len(found) == 3_000
    assert found[:, 2:].unique(dim=0).tolist() == [[y, x] for y in range(5) for x in range(5)]


def test_salt_noise_is_white_squares() -> None:
    blank = torch.zeros(50, 1, 28, 28, dtype=torch.uint8)
    assert corruptions.salt_noise(blank, torch.arange(50), 1).sum((1, 2, 3)).tolist() == [4 * 255] * 50
    assert corruptions.salt_noise(blank, torch.arange(50), 10).sum((1, 2, 3)).max() <= 40 * 255
    assert torch.equal(corruptions.salt_noise(DIGITS, NUMBERS, 0), DIGITS)


def test_a_line_runs_from_edge_to_edge_beside_the_digit() -> None:
    blank = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)
    canvas = corruptions.line(blank, torch.arange(100)) > 0
    assert (canvas.sum((1, 2, 3)) == 2 * 56).all()
    assert not canvas[:, :, 14:42, 14:42].any()
    assert {bool(picture[0, 0].all() or picture[0].all(1).any()) for picture in canvas} == {True, False}  # both ways
    with pytest.raises(CamlossError, match="expected at least 32"):
        corruptions.line(blank, torch.arange(100), 30)


def test_noise_has_the_mean_and_deviation_asked_for() -> None:
    grey = torch.full((20, 1, 56, 56), 128, dtype=torch.uint8)
    noisy = corruptions.gaussian_noise(grey, torch.arange(20), 20).double()
    assert noisy.mean() == pytest.approx(127.5, abs=0.5)  # rounded down
    assert noisy.std() == pytest.approx(20, rel=0.02)
    assert torch.equal(corruptions.gaussian_noise(grey, torch.arange(20), 0), grey)


@pytest.mark.parametrize("apart", [True, False])
def test_two_digits_are_of_different_classes_in_their_boxes(apart: bool) -> None:
    labels = torch.arange(300) % 3
    ones = torch.zeros(300, 1, 28, 28, dtype=torch.uint8)
    ones[:, :, 5:20, 7:12] = 255
    both = corruptions.two_digits(Split(ones, labels), torch.arange(300), Split(ones[:7], labels[:7]), apart)
    assert (both.labels[:, 0] == labels).all()
    assert (both.labels[:, 0] != both.labels[:, 1]).all()
    assert ((both.boxes[:, :, 2:] - both.boxes[:, :, :2]) == torch.tensor([15, 5])).all()
    own, other = (corruptions.inside(box, 56, 56) for box in both.boxes.unbind(1))
    assert torch.equal(own | other, both.images[:, 0] > 0)
    if apart:
        assert not (own & other).any()
    ahead = (both.boxes[:, 0, :2] < both.boxes[:, 1, :2]).float().mean(0)
    assert ((ahead > 0.35) & (ahead < 0.65)).all()  # either comes first, across as well as down


def test_two_digits_of_one_class_are_refused() -> None:
    same = Split(DIGITS, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(CamlossError, match="more than one"):
        corruptions.two_digits(same, NUMBERS, same)


def test_boxes() -> None:
    picture = torch.zeros(2, 1, 6, 8, dtype=torch.uint8)
    picture[0, 0, 2, 3] = picture[0, 0, 4, 1] = 26
    picture[0, 0, 0, 0] = 25  # too faint
    boxes = corruptions.ink_boxes(picture)
    assert boxes.tolist() == [[2, 1, 5, 4], [0, 0, 0, 0]]
    assert corruptions.inside(boxes, 6, 8).sum((1, 2)).tolist() == [9, 0]


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
