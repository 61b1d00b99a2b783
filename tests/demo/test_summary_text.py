"""The sentence that tells how two networks differ."""

from typing import Any

import pytest

from camloss.demo.summary_text import Read, sentence

CE = Read("Cross-entropy", 4, 0.99, 4, None, 0.4, "beside")
CAM = Read("CAM-loss", 4, 0.99, 4, None, 0.06, "junction")


def say(ce: dict[str, Any], cam: dict[str, Any], shared: float = 0.1, **how: bool) -> str:
    reads = [Read(**{**before.__dict__, **change}) for before, change in ((CE, ce), (CAM, cam))]
    return sentence(reads, shared, **{"two_digits": False, **how})


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
            {"area": 0.6},
            {"digit": 9, "class_idx": 9, "area": 0.94, "place": "added"},
            "They disagree: cross-entropy reads 4 from most of the square, hottest beside the ink, "
            "CAM-loss reads 9 from most of it, hottest on what was added.",
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
        (
            {"other_idx": 9},
            {"other_idx": 9, "area": 0.0, "place": "nowhere"},
            "Both read 4. Evidence for 4 rather than 9: cross-entropy over 40% of the square, hottest beside the ink, "
            "CAM-loss over less than 1%, with nothing that speaks for it.",
        ),
        (
            {"other_idx": 3},
            {"digit": 9, "class_idx": 9, "other_idx": 3},
            "They disagree: cross-entropy reads 4, CAM-loss reads 9. Evidence for its own digit rather than 3: "
            "cross-entropy over 40% of the square, hottest beside the ink, CAM-loss over 6%, "
            "hottest where strokes meet.",
        ),
    ],
)
def test_what_is_said(ce: dict[str, Any], cam: dict[str, Any], said: str) -> None:
    assert say(ce, cam) == said


SAME = AGREED.replace("for different reasons:", "from much the same place, but")


def test_reasons_are_the_same_where_half_of_the_hottest_is_shared_whatever_the_sizes() -> None:
    assert say({}, {}, shared=0.49) == AGREED
    assert say({}, {}, shared=0.5) == SAME
    assert "for much the same reason:" in say({"area": 0.11}, {}, shared=0.5)
    assert "from much the same place, but" in say({"area": 0.12}, {}, shared=0.5)
    assert "from much the same place, but" in say({"area": 0.02}, {}, shared=0.5)


DISAGREED = say({}, {"digit": 9, "class_idx": 9})
TWO_DIGITS = "This looks like two digits, not one"


def test_doubt() -> None:
    assert say({"ood_score": 0.49}, {"ood_score": 0.49}) == AGREED
    assert say({"ood_score": 0.5}, {"ood_score": 0.9}) == "This may not be a digit: b" + AGREED[1:]
    assert (
        say({}, {"ood_score": 0.9})
        == f"This may not be a digit: b{AGREED[1:]} CAM-loss finds that this may not be a digit."
    )


def test_two_digits_and_little_confidence() -> None:
    assert say({}, {}, two_digits=True) == f"{TWO_DIGITS}: b{AGREED[1:]}"
    assert say({"prob": 0.795}, {"prob": 0.8}) == AGREED + " Cross-entropy is not sure: 80%."
    assert say({"prob": 0.7}, {"prob": 0.6}) == AGREED + " Neither is sure: 70%, 60%."


def test_nothing_is_said_before_that_they_disagree() -> None:
    other = {"digit": 9, "class_idx": 9}
    assert DISAGREED.startswith("They disagree: ")
    assert say({}, other, two_digits=True) == f"{DISAGREED} {TWO_DIGITS}."
    assert say({"ood_score": 0.9}, {**other, "ood_score": 0.9}) == f"{DISAGREED} This may not be a digit."


def test_of_what_is_disturbed_nobody_doubts_that_it_is_a_digit() -> None:
    assert say({"ood_score": 0.9}, {"ood_score": 0.9}, corrupted=True) == AGREED
    assert say({}, {"ood_score": 0.9}, corrupted=True) == AGREED
    assert say({"ood_score": 0.9}, {"digit": 9, "class_idx": 9, "ood_score": 0.9}, corrupted=True) == DISAGREED
    assert say({}, {}, two_digits=True, corrupted=True).startswith(TWO_DIGITS)  # it is the drawing that shows two


def test_what_is_held_against_itself() -> None:
    said = say({"other_idx": 9}, {"digit": 9, "class_idx": 9, "other_idx": 9})
    assert said.endswith("CAM-loss reads 9 itself: there is nothing to hold it against.")
