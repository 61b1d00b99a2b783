"""The sentence that tells how two networks differ on one drawing, from what was measured on it and nothing else.

`camloss/demo/web/summary_text.js` says the same; a test compares the two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from camloss.demo.map_statistics import ADDED, BESIDE, HOLE, JUNCTION, NOWHERE, STROKES

OOD_THRESHOLD = 0.5  # doubt from which the sentence says so
SURE = 0.8  # probability below which it says so
SHARED = 0.5  # of the hottest pixels, from which the reasons count as the same
WIDER = 2.0  # times another's area, from which one of them is said to be wider
EVERYWHERE = 0.6  # of the square, from which its share tells no place

PLACES = {
    HOLE: "hottest in a hole, where there is no ink",
    JUNCTION: "hottest where strokes meet",
    STROKES: "hottest on a stroke",
    BESIDE: "hottest beside the ink",
    ADDED: "hottest on what was added",
    NOWHERE: "with nothing that speaks for it",
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
    """Of the hot part of what is shown, as a share of the square."""
    place: str
    ood_score: float = 0.0

    @property
    def inner_title(self) -> str:
        """As it stands within a sentence."""
        return self.title if self.title[1].isupper() else self.title[0].lower() + self.title[1:]


def sentence(reads: Sequence[Read], shared: float, two_digits: bool, corrupted: bool = False) -> str:
    """What each network reads, on how much of the square and where its evidence lies, and what is odd about it.

    Args:
        reads: at least two.
        shared: of the hottest pixels of all of them, in [0, 1].
        two_digits: whether the drawing seems to show two.
        corrupted: whether the networks are given other than the drawing: their doubt is then about that.
    """
    agreed = len({read.digit for read in reads}) == 1
    oddity, remark = _oddity(reads, two_digits, corrupted), _remark(reads, corrupted)
    opening = oddity if agreed else "they disagree"
    ending = remark if agreed else oddity or remark
    told = _told(reads, agreed, shared)
    return " ".join(_upper(f"{part}.") for part in (f"{opening}: {told}" if opening else told, ending) if part)


def _oddity(reads: Sequence[Read], two_digits: bool, corrupted: bool) -> str:
    """Of the drawing as a whole; "" for none."""
    if two_digits:
        return "this looks like two digits, not one"
    flagged = not corrupted and any(read.ood_score >= OOD_THRESHOLD for read in reads)
    return "this may not be a digit" if flagged else ""


def _told(reads: Sequence[Read], agreed: bool, shared: float) -> str:
    digits = [f"{read.inner_title} reads {read.digit}" for read in reads]
    told = f"{_everyone(reads)} read {reads[0].digit}" if agreed else ", ".join(digits)
    if any(read.class_idx != read.digit or read.other_idx is not None for read in reads):
        clauses = [f"{read.inner_title} over" for read in reads]
        return f"{told}. Evidence for {_asked(reads)}: {_evidence(reads, clauses)}"
    if not agreed:
        return _evidence(reads, [f"{digit} from" for digit in digits])
    verbs = ["spreads its evidence over", *["over"] * (len(reads) - 1)]
    clauses = [f"{read.inner_title} {verb}" for read, verb in zip(reads, verbs, strict=True)]
    return f"{told}, {_why(reads, shared)} {_evidence(reads, clauses)}"


def _asked(reads: Sequence[Read]) -> str:
    class_idx, other_idx = reads[0].class_idx, reads[0].other_idx
    digit = str(class_idx) if all(read.class_idx == class_idx for read in reads) else "its own digit"
    return digit if other_idx is None else f"{digit} rather than {other_idx}"


def _why(reads: Sequence[Read], shared: float) -> str:
    """By where the hottest pixels lie, as many of each network, so that no map's size makes the reasons differ."""
    if shared < SHARED:
        return "for different reasons:"
    areas = [read.area for read in reads]
    is_wider = max(areas) >= WIDER * min(areas)
    return "from much the same place, but" if is_wider else "for much the same reason:"


def _evidence(reads: Sequence[Read], clauses: Sequence[str]) -> str:
    """Each clause, which wants an area, with area and place; a place that all share is named once."""
    shares = [_area(read.area, is_first=read is reads[0]) for read in reads]
    areas = [f"{clause} {share}" for clause, share in zip(clauses, shares, strict=True)]
    if len({read.place for read in reads}) == 1:
        return f"{', '.join(areas)}, {_everyone(reads)} {PLACES[reads[0].place]}"
    return ", ".join(f"{area}, {PLACES[read.place]}" for area, read in zip(areas, reads, strict=True))


def _area(share: float, is_first: bool) -> str:
    if share >= EVERYWHERE:
        return "most of the square" if is_first else "most of it"
    return f"{_percent(share)} of the square" if is_first else _percent(share)


def _remark(reads: Sequence[Read], corrupted: bool) -> str:
    """The most telling one about single networks; "" for none."""
    flagged = [] if corrupted else [read for read in reads if read.ood_score >= OOD_THRESHOLD]
    if 0 < len(flagged) < len(reads):
        return f"{flagged[0].title} finds that this may not be a digit"
    for read in reads:
        if read.class_idx == read.other_idx:
            return f"{read.title} reads {read.digit} itself: there is nothing to hold it against"
    unsure = [read for read in reads if read.prob < SURE]
    if len(unsure) == len(reads):
        return f"neither is sure: {', '.join(_percent(read.prob) for read in reads)}"
    return f"{unsure[0].title} is not sure: {_percent(unsure[0].prob)}" if unsure else ""


def _everyone(reads: Sequence[Read]) -> str:
    return "both" if len(reads) == 2 else "all"


def _percent(share: float) -> str:
    return "less than 1%" if share < 0.005 else f"{math.floor(100 * share + 0.5)}%"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
