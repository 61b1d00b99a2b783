"""The page's examples: the shipped pair reads each of them, from its strokes, as it is labelled."""

from pathlib import Path
from typing import Any

import pytest
from page_server import EXAMPLES

from camloss import explain
from camloss.digits.rasterize import PenStroke, write_strokes
from camloss.pair import Pair

ROOT = Path(__file__).resolve().parent.parent.parent
AMBIGUOUS = "between "  # how the title of a drawing begins that nobody could read for certain


@pytest.fixture(scope="module")
def shipped() -> Pair:
    return Pair.load(ROOT / "checkpoints")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_every_example_is_read_as_labelled(shipped: Pair, example: dict[str, Any]) -> None:
    strokes = [(stroke["points"], stroke["width"]) for stroke in example["strokes"]]
    pens = [PenStroke(tuple(zip(xy[::2], xy[1::2], strict=True)), width) for xy, width in strokes]
    sketch = write_strokes(pens)
    assert sketch is not None
    for variant, model in shipped.models.items():
        answer = explain(model, sketch.pixels)
        assert answer.ood_score is not None
        assert float(answer.ood_score) < 0.5, variant
        if not example["title"].startswith(AMBIGUOUS):
            assert int(answer.class_idx) == example["label"], variant
