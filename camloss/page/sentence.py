"""The sentence that tells how two networks differ on one drawing, from what was measured on it and nothing else.

`camloss/page/web/sentence.js` says the same; a test compares the two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from camloss.page.evidence import BESIDE, HOLE, JUNCTION, STROKES

DOUBTFUL = 0.5  # doubt from which the sentence says so
SURE = 0.8  # probability below which it says so
SHARED = 0.5  # overlap of the hot parts from which the reasons count as the same

PLACES = {
    HOLE: "in a hole, where there is no ink",
    JUNCTION: "where strokes meet",
    STROKES: "on a stroke",
    BESIDE: "beside the ink",
}


@dataclass(frozen=True)
class Read:
    """What one network says, and where the evidence that is shown of it lies."""

    title: str
    digit: int
    prob: float
    class_idx: int
    """What the evidence speaks for."""
    other_idx: int | None
    area: float
    """Of the hot part, as a share of the square."""
    place: str
    doubt: float = 0.0

    @property
    def inner_title(self) -> str:
        """As it stands within a sentence."""
        return self.title if self.title[1].isupper() else self.title[0].lower() + self.title[1:]


def sentence(reads: Sequence[Read], overlap: float, two_digits: bool) -> str:
    """What each network reads, on how much of the square and where its evidence lies, and what is odd about it.

    Args:
        reads: at least two.
        overlap: of the hot parts of all of them, in [0, 1].
        two_digits: whether the drawing seems to show two.
    """
    digits = [f"{read.inner_title} reads {read.digit}" for read in reads]
    agreed = len({read.digit for read in reads}) == 1
    if two_digits:
        warning = "this looks like two digits, and the networks know one at a time: "
    elif all(read.doubt >= DOUBTFUL for read in reads):
        warning = "this may not be a digit: "
    else:
        warning = "" if agreed else "they disagree: "
    told = f"{_everyone(reads)} read {reads[0].digit}" if agreed else ", ".join(digits)
    if any(read.class_idx != read.digit for read in reads):
        told += f". Evidence for {reads[0].class_idx}: {_evidence(reads, [f'{r.inner_title} over' for r in reads])}"
    elif agreed:
        why = "for much the same reason" if overlap >= SHARED else "for different reasons"
        verbs = ["spreads its evidence over", *["over"] * (len(reads) - 1)]
        clauses = [f"{read.inner_title} {verb}" for read, verb in zip(reads, verbs, strict=True)]
        told += f", {why}: {_evidence(reads, clauses)}"
    else:
        told = _evidence(reads, [f"{digit} from" for digit in digits])
    return " ".join([_upper(f"{warning}{told}."), *_remarks(reads)])


def _evidence(reads: Sequence[Read], clauses: Sequence[str]) -> str:
    """Each clause, which wants an area, with area and place; a place that all share is named once."""
    units = [" of the square", *[""] * (len(reads) - 1)]
    areas = [f"{c} {_percent(r.area)}{u}" for c, r, u in zip(clauses, reads, units, strict=True)]
    if len({read.place for read in reads}) == 1:
        return f"{', '.join(areas)}, {_everyone(reads)} hottest {PLACES[reads[0].place]}"
    return ", ".join(f"{area}, hottest {PLACES[read.place]}" for area, read in zip(areas, reads, strict=True))


def _remarks(reads: Sequence[Read]) -> list[str]:
    doubting = [read.title for read in reads if read.doubt >= DOUBTFUL]
    remarks = [f"{title} doubts that this is a digit." for title in doubting if len(doubting) < len(reads)]
    remarks += [f"{read.title} is not sure: {_percent(read.prob)}." for read in reads if read.prob < SURE]
    remarks += [
        f"{read.title} reads {read.digit} itself: there is nothing to hold it against."
        for read in reads
        if read.class_idx == read.other_idx
    ]
    return remarks


def _everyone(reads: Sequence[Read]) -> str:
    return "both" if len(reads) == 2 else "all"


def _percent(share: float) -> str:
    return "less than 1%" if share < 0.005 else f"{math.floor(100 * share + 0.5)}%"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
