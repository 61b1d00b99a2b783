"""The summary of the Images tab: how two networks differ on a picture, in words. Computed in the browser alone."""

from typing import Any

import engines
import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

SUMMARY = """async (given) => (await import("/web/image_summary.js")).summaryOf(...given)"""
CLASSES = ["hat", "long sleeve", "shoes"]


def reading(title: str, predicted: int, area: float, class_idx: int | None = None, other: int | None = None) -> Any:
    return {
        "title": title,
        "predicted": predicted,
        "class_idx": predicted if class_idx is None else class_idx,
        "other_idx": other,
        "area_above_half": area,
    }


CASES = [
    ((0, 0.4), (0, 0.06), {}, "Both predict hat. Evidence: cross-entropy over 40% of the image, CAM-loss over 6%."),
    (
        (0, 0.7),
        (1, 0.002),
        {},
        "Cross-entropy predicts hat; CAM-loss long sleeve. "
        "Evidence: cross-entropy over most of the image, CAM-loss over less than 1%.",
    ),
    (
        (0, 0.4),
        (0, 0.06),
        {"class_idx": 2},
        "Both predict hat. Evidence for shoes: cross-entropy over 40% of the image, CAM-loss over 6%.",
    ),
    (
        (0, 0.4),
        (0, 0.06),
        {"class_idx": 2, "other": 1},
        "Both predict hat. Evidence for shoes rather than long sleeve: "
        "cross-entropy over 40% of the image, CAM-loss over 6%.",
    ),
    (
        (0, 0.4),
        (1, 0.06),
        {"other": 2},
        "Cross-entropy predicts hat; CAM-loss long sleeve. "
        "Evidence for its own class rather than shoes: "
        "cross-entropy over 40% of the image, CAM-loss over 6%.",
    ),
]


def test_what_is_said(browser: Browser) -> None:
    with engines.site({}) as address, engines.chromium(browser, address) as run:
        for ce, cam, asked, said in CASES:
            reads = [reading("Cross-entropy", *ce, **asked), reading("CAM-loss", *cam, **asked)]
            told = run(SUMMARY, [reads, CLASSES])
            assert f"{told['headline']} {told['detail']}" == said
