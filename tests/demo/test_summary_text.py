"""The summary: how two networks differ, in words. Computed in the browser alone."""

from collections.abc import Callable, Iterator
from typing import Any

import engines
import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

CE = {
    "title": "Cross-entropy",
    "digit": 4,
    "prob": 0.99,
    "class_idx": 4,
    "other_idx": None,
    "area_above_half": 0.4,
    "peak": "beside",
}
CAM = {**CE, "title": "CAM-loss", "area_above_half": 0.06, "peak": "junction"}
SUMMARY = """async (given) => (await import("/web/summary_text.js")).summaryOf(...given)"""
Say = Callable[..., str]


@pytest.fixture(scope="module")
def say(browser: Browser) -> Iterator[Say]:
    with engines.site({}) as address, engines.chromium(browser, address) as run:

        def say(
            ce: dict[str, Any],
            cam: dict[str, Any],
            overlap: float = 0.1,
            two_digits: bool = False,
            corrupted: bool = False,
        ) -> str:
            reads = [{**CE, **ce}, {**CAM, **cam}]
            for read in reads:
                read["probs"] = [read["prob"] if digit == read["digit"] else 0.0 for digit in range(10)]
            return str(run(SUMMARY, [reads, overlap, two_digits, corrupted]))

        yield say


AGREED = (
    "Both read 4, for different reasons: cross-entropy spreads its evidence over 40% of the image, "
    "peaking beside the ink, CAM-loss over 6%, peaking where strokes meet."
)


@pytest.mark.parametrize(
    ("ce", "cam", "said"),
    [
        ({}, {}, AGREED),
        (
            {"peak": "hole"},
            {"peak": "hole", "area_above_half": 0.004},
            "Both read 4, for different reasons: cross-entropy spreads its evidence over 40% of the image, "
            "CAM-loss over less than 1%, both peaking in a hole, where there is no ink.",
        ),
        (
            {},
            {"digit": 9, "class_idx": 9},
            "They disagree: cross-entropy reads 4 from 40% of the image, peaking beside the ink, "
            "CAM-loss reads 9 from 6%, peaking where strokes meet.",
        ),
        (
            {"area_above_half": 0.6},
            {"digit": 9, "class_idx": 9, "area_above_half": 0.94, "peak": "added"},
            "They disagree: cross-entropy reads 4 from most of the image, peaking beside the ink, "
            "CAM-loss reads 9 from most of it, peaking on what was added.",
        ),
        (
            {"class_idx": 9},
            {"class_idx": 9, "peak": "beside"},
            "Both read 4. Evidence for 9: cross-entropy over 40% of the image, CAM-loss over 6%, "
            "both peaking beside the ink.",
        ),
        (
            {},
            {"digit": 9, "peak": "stroke"},
            "They disagree: cross-entropy reads 4, CAM-loss reads 9. Evidence for 4: cross-entropy over 40% of the "
            "image, peaking beside the ink, CAM-loss over 6%, peaking on a stroke.",
        ),
        (
            {"other_idx": 9},
            {"other_idx": 9, "area_above_half": 0.0, "peak": "nowhere"},
            "Both read 4. Evidence for 4 rather than 9: cross-entropy over 40% of the image, peaking beside the ink, "
            "CAM-loss over less than 1%, with no evidence for it.",
        ),
        (
            {"other_idx": 3},
            {"digit": 9, "class_idx": 9, "other_idx": 3},
            "They disagree: cross-entropy reads 4, CAM-loss reads 9. Evidence for its own digit rather than 3: "
            "cross-entropy over 40% of the image, peaking beside the ink, CAM-loss over 6%, "
            "peaking where strokes meet.",
        ),
    ],
)
def test_what_is_said(say: Say, ce: dict[str, Any], cam: dict[str, Any], said: str) -> None:
    assert say(ce, cam) == said


SAME = AGREED.replace("for different reasons:", "from much the same place, but")


def test_reasons_are_the_same_where_half_of_the_top_positions_is_shared_whatever_the_areas(say: Say) -> None:
    assert say({}, {}, overlap=0.49) == AGREED
    assert say({}, {}, overlap=0.5) == SAME
    assert "for much the same reason:" in say({"area_above_half": 0.11}, {}, overlap=0.5)
    assert "from much the same place, but" in say({"area_above_half": 0.12}, {}, overlap=0.5)
    assert "from much the same place, but" in say({"area_above_half": 0.02}, {}, overlap=0.5)


DISAGREED = (
    "They disagree: cross-entropy reads 4 from 40% of the image, peaking beside the ink, "
    "CAM-loss reads 9 from 6%, peaking where strokes meet."
)
TWO_DIGITS = "This looks like two digits, not one"


def test_an_ood_score_of_a_half_says_that_this_may_not_be_a_digit(say: Say) -> None:
    assert say({"ood_score": 0.49}, {"ood_score": 0.49}) == AGREED
    assert say({"ood_score": 0.5}, {"ood_score": 0.9}) == "This may not be a digit: b" + AGREED[1:]
    assert (
        say({}, {"ood_score": 0.9})
        == f"This may not be a digit: b{AGREED[1:]} CAM-loss finds that this may not be a digit."
    )


def test_two_digits_and_little_confidence(say: Say) -> None:
    assert say({}, {}, two_digits=True) == f"{TWO_DIGITS}: b{AGREED[1:]}"
    assert say({"prob": 0.795}, {"prob": 0.8}) == AGREED + " Cross-entropy is not sure: 80%."
    assert say({"prob": 0.7}, {"prob": 0.6}) == AGREED + " Neither is sure: 70%, 60%."


def test_nothing_is_said_before_that_they_disagree(say: Say) -> None:
    other = {"digit": 9, "class_idx": 9}
    assert DISAGREED.startswith("They disagree: ")
    assert say({}, other, two_digits=True) == f"{DISAGREED} {TWO_DIGITS}."
    assert say({"ood_score": 0.9}, {**other, "ood_score": 0.9}) == f"{DISAGREED} This may not be a digit."


def test_ood_scores_of_what_is_corrupted_are_not_told(say: Say) -> None:
    assert say({"ood_score": 0.9}, {"ood_score": 0.9}, corrupted=True) == AGREED
    assert say({}, {"ood_score": 0.9}, corrupted=True) == AGREED
    assert say({"ood_score": 0.9}, {"digit": 9, "class_idx": 9, "ood_score": 0.9}, corrupted=True) == DISAGREED
    assert say({}, {}, two_digits=True, corrupted=True).startswith(TWO_DIGITS)  # it is the drawing that shows two


def test_what_is_held_against_itself(say: Say) -> None:
    said = say({"other_idx": 9}, {"digit": 9, "class_idx": 9, "other_idx": 9})
    assert said.endswith("CAM-loss reads 9 itself: there is no other digit to contrast.")
