"""A fixed share of the table of docs/demo.md: ten drawings a row, of the page's examples, varied."""

import pytest
from everyday_pictures import KINDS, NONE, READ, SEVERAL, read_kind, varied_examples
from page_server import ROOT

from camloss.pair import Pair

DRAWINGS = 10  # one of each digit
LARGE = "48 megapixels"  # takes seconds a drawing


@pytest.fixture(scope="module")
def shipped() -> Pair:
    return Pair.load(ROOT / "checkpoints").shown


@pytest.mark.parametrize("name", [name for name in KINDS if name != LARGE])
def test_what_is_said_of_pictures_as_people_bring_them(shipped: Pair, name: str) -> None:
    kind = KINDS[name]
    said = read_kind(kind, shipped, varied_examples(DRAWINGS), seed=0)
    assert said.drawings == DRAWINGS
    assert said.share(kind.expected) >= kind.least - 0.5 / DRAWINGS, said


def test_a_picture_of_48_megapixels_is_read(shipped: Pair) -> None:
    said = read_kind(KINDS[LARGE], shipped, varied_examples(1), seed=0)
    assert said.share(READ) == 1


def test_digits_are_told_from_what_is_none(shipped: Pair) -> None:
    one = read_kind(KINDS["even paper"], shipped, varied_examples(DRAWINGS), seed=0)
    assert one.share(SEVERAL) == one.share(NONE) == 0
