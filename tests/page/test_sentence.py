"""The sentence that tells how two networks differ."""

from typing import Any

import pytest

from camloss.page.sentence import Read, sentence

CE = Read("Cross-entropy", 4, 0.99, 4, None, 0.4, "beside")
CAM = Read("CAM-loss", 4, 0.99, 4, None, 0.06, "junction")


def say(ce: dict[str, Any], cam: dict[str, Any], overlap: float = 0.1, two_digits: bool = False) -> str:
    reads = [Read(**{**before.__dict__, **change}) for before, change in ((CE, ce), (CAM, cam))]
    return sentence(reads, overlap, two_digits)


AGREED = (
    "Both read 4, for different reasons: cross-entropy spreads its evidence over 40% of the square, "
    "hottest beside the ink, CAM-loss over 6%, hottest where strokes meet."
)


@pytest.mark.parametrize(
    ("ce", "cam", "said"),
    [
        ({}, {}, AGREED),
        (
            {"place": "hole"},
            {"place": "hole", "area": 0.004},
            "Both read 4, for different reasons: cross-entropy spreads its evidence over 40% of the square, "
            "CAM-loss over less than 1%, both hottest in a hole, where there is no ink.",
        ),
        (
            {},
            {"digit": 9, "class_idx": 9},
            "They disagree: cross-entropy reads 4 from 40% of the square, hottest beside the ink, "
            "CAM-loss reads 9 from 6%, hottest where strokes meet.",
        ),
        (
            {"class_idx": 9},
            {"class_idx": 9, "place": "beside"},
            "Both read 4. Evidence for 9: cross-entropy over 40% of the square, CAM-loss over 6%, "
            "both hottest beside the ink.",
        ),
        (
            {},
            {"digit": 9, "place": "stroke"},
            "They disagree: cross-entropy reads 4, CAM-loss reads 9. Evidence for 4: cross-entropy over 40% of the "
            "square, hottest beside the ink, CAM-loss over 6%, hottest on a stroke.",
        ),
    ],
)
def test_what_is_said(ce: dict[str, Any], cam: dict[str, Any], said: str) -> None:
    assert say(ce, cam) == said


def test_reasons_are_the_same_where_the_hot_parts_share_half() -> None:
    assert say({}, {}, overlap=0.49) == AGREED
    assert say({}, {}, overlap=0.5) == AGREED.replace("different reasons", "much the same reason")


def test_doubt() -> None:
    assert say({"doubt": 0.49}, {"doubt": 0.49}) == AGREED
    assert say({"doubt": 0.5}, {"doubt": 0.9}) == "This may not be a digit: b" + AGREED[1:]
    assert say({}, {"doubt": 0.9}) == AGREED + " CAM-loss doubts that this is a digit."


def test_two_digits_and_little_confidence() -> None:
    assert say({}, {}, two_digits=True) == (
        "This looks like two digits, and the networks know one at a time: b" + AGREED[1:]
    )
    assert say({"prob": 0.795}, {"prob": 0.8}) == AGREED + " Cross-entropy is not sure: 80%."
    assert say({}, {"digit": 9, "class_idx": 9}, two_digits=True).startswith(
        "This looks like two digits, and the networks know one at a time: cross-entropy reads 4 from 40%"
    )


def test_what_is_held_against_itself() -> None:
    said = say({"other_idx": 9}, {"digit": 9, "class_idx": 9, "other_idx": 9})
    assert said.endswith("CAM-loss reads 9 itself: there is nothing to hold it against.")
