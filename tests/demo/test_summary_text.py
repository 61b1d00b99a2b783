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
Said = dict[str, str]
Say = Callable[..., Said]


@pytest.fixture(scope="module")
def say(browser: Browser) -> Iterator[Say]:
    with engines.site({}) as address, engines.chromium(browser, address) as run:

        def say(
            ce: dict[str, Any],
            cam: dict[str, Any],
            overlap: float = 0.1,
            two_digits: bool = False,
            changed: str | None = None,
        ) -> Said:
            reads = [{**CE, **ce}, {**CAM, **cam}]
            for read in reads:
                read["probs"] = [read["prob"] if digit == read["digit"] else 0.0 for digit in range(10)]
            said: Said = run(SUMMARY, [reads, overlap, two_digits, changed])
            assert len(said["headline"].split()) <= 12
            return said

        yield say


NINE = {"digit": 9, "class_idx": 9}


@pytest.mark.parametrize(
    ("ce", "cam", "headline"),
    [
        ({}, {}, "Both read 4."),
        ({}, NINE, "They disagree: cross-entropy reads 4, CAM-loss 9."),
        (
            {},
            {**NINE, "title": "CAM-loss at alpha 3"},
            "They disagree: cross-entropy reads 4, CAM-loss at alpha 3 reads 9.",
        ),
        ({"class_idx": 9}, {"class_idx": 9}, "Both read 4."),
        ({"ood_score": 0.49}, {"ood_score": 0.49}, "Both read 4."),
        ({"ood_score": 0.5}, {}, "Not a digit? Both read 4."),
        ({}, {**NINE, "ood_score": 0.9}, "Not a digit? Cross-entropy reads 4, CAM-loss 9."),
    ],
)
def test_headlines(say: Say, ce: dict[str, Any], cam: dict[str, Any], headline: str) -> None:
    assert say(ce, cam)["headline"] == headline


def test_two_digits_are_asked_about_first(say: Say) -> None:
    assert say({}, {}, two_digits=True)["headline"] == "Several digits? Both read 4."
    assert say({}, NINE, two_digits=True)["headline"] == "Several digits? Cross-entropy reads 4, CAM-loss 9."
    assert say({"ood_score": 0.9}, {}, two_digits=True)["headline"] == "Several digits? Both read 4."


@pytest.mark.parametrize(
    ("ce", "cam", "headline"),
    [
        ({"before": 4}, {"before": 4}, "Among clutter, both still read 4."),
        ({**NINE, "before": 4}, {"before": 4}, "Among clutter, cross-entropy now reads 9; CAM-loss still reads 4."),
        ({"before": 4}, {**NINE, "before": 9}, "Among clutter, cross-entropy still reads 4; CAM-loss still reads 9."),
        ({"before": 9}, {"before": 9}, "Among clutter, both now read 4, not 9."),
        (
            {"before": 9},
            {**NINE, "before": 4},
            "Among clutter, both changed: cross-entropy now reads 4, CAM-loss now reads 9.",
        ),
        ({"before": 9}, {"before": 4}, "Among clutter, cross-entropy now reads 4; CAM-loss still reads 4."),
    ],
)
def test_a_headline_says_what_changed(say: Say, ce: dict[str, Any], cam: dict[str, Any], headline: str) -> None:
    assert say(ce, cam, changed="clutter")["headline"] == headline


@pytest.mark.parametrize(
    ("kind", "among"),
    [
        ("canvas", "On a larger canvas"),
        ("line", "Beside a line"),
        ("salt_noise", "In salt noise"),
        ("gaussian_noise", "In noise"),
        ("erase", "Erased"),
    ],
)
def test_a_headline_names_what_was_done(say: Say, kind: str, among: str) -> None:
    assert say({"before": 4}, {"before": 4}, changed=kind)["headline"] == f"{among}, both still read 4."


def test_ood_scores_of_what_is_corrupted_are_not_told(say: Say) -> None:
    flagged = {"ood_score": 0.9, "before": 4}
    assert say(flagged, flagged, changed="line")["headline"] == "Beside a line, both still read 4."
    two = say(flagged, flagged, two_digits=True, changed="line")  # it is the drawing that shows two
    assert two["headline"] == "Several digits? Both still read 4."


APART = (
    "Evidence in different places: cross-entropy over 40% of the image, peaking beside the ink; "
    "CAM-loss over 6%, peaking where strokes meet."
)


@pytest.mark.parametrize(
    ("ce", "cam", "detail"),
    [
        ({}, {}, APART),
        (
            {"peak": "hole"},
            {"peak": "hole", "area_above_half": 0.004},
            "Evidence in different places: cross-entropy over 40% of the image, CAM-loss over less than 1%, "
            "both peaking in a hole, where there is no ink.",
        ),
        (
            {"area_above_half": 0.6},
            {**NINE, "area_above_half": 0.94, "peak": "added"},
            "Evidence: cross-entropy over most of the image, peaking beside the ink; CAM-loss over most of it, "
            "peaking on what was added.",
        ),
        (
            {"class_idx": 9},
            {"class_idx": 9, "peak": "beside"},
            "Evidence for 9: cross-entropy over 40% of the image, CAM-loss over 6%, both peaking beside the ink.",
        ),
        (
            {"other_idx": 3},
            {**NINE, "other_idx": 3, "peak": "nowhere"},
            "Evidence for its own digit rather than 3: cross-entropy over 40% of the image, peaking beside the ink; "
            "CAM-loss over 6%, with no evidence for it.",
        ),
        ({"prob": 0.799}, {"prob": 0.8}, f"{APART} Cross-entropy is not sure: 79.9%."),
        ({"prob": 0.67961}, {"prob": 0.79996}, f"{APART} Cross-entropy is not sure: 68.0%."),  # as beside the digit
        ({"prob": 0.7}, {"prob": 0.6}, f"{APART} Neither is sure: 70.0%, 60.0%."),
    ],
)
def test_details(say: Say, ce: dict[str, Any], cam: dict[str, Any], detail: str) -> None:
    assert say(ce, cam)["detail"] == detail


def test_places_are_the_same_where_half_of_the_top_positions_is_shared_whatever_the_areas(say: Say) -> None:
    assert say({}, {}, overlap=0.49)["detail"] == APART
    around = "Evidence around the same place"
    assert say({}, {}, overlap=0.5)["detail"].startswith(around)
    assert say({"area_above_half": 0.11}, {}, overlap=0.5)["detail"].startswith("Evidence in the same place")
    assert say({"area_above_half": 0.12}, {}, overlap=0.5)["detail"].startswith(around)
    assert say({"area_above_half": 0.02}, {}, overlap=0.5)["detail"].startswith(around)


def test_what_is_held_against_itself(say: Say) -> None:
    said = say({"other_idx": 9}, {**NINE, "other_idx": 9})["detail"]
    assert said.endswith("CAM-loss reads 9 itself: there is no other digit to contrast.")
