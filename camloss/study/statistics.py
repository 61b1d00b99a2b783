"""What the records of the study say, by the rules that `docs/protocol.md` wrote down before them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from camloss.study.methods import BASELINE, METHODS
from camloss.study.runs import Records

LEVEL = 0.05
SEEDS = 5  # at least, for a claim
COST = 0.001  # of validation accuracy, that a chosen alpha may lose
CLAIMS = {  # what is claimed of the chosen alpha, and the measure that it is claimed of
    "It reads digits among clutter": "clutter_8",
    "It reads digits on a larger field": "canvas_56",
    "Its maps lie on the ink": "top_precision_10",
    "Its maps tell two digits apart": "apart_own",
}
ALPHAS = sorted(
    (name for name, method in METHODS.items() if method.kind == "alpha_sweep"), key=lambda name: METHODS[name].alpha
)
Split = Literal["validation", "test"]
Values = Mapping[int, float]
"""One number a seed."""


class Results:
    """The records of one set of runs: numbers by method and seed."""

    def __init__(self, path: Path) -> None:
        self.runs: dict[str, dict[int, dict[str, Any]]] = {method: {} for method in METHODS}
        self.strengths: dict[str, float] = {}
        for record in Records(path).read().values():
            if "seed" not in record:
                self.strengths[record["method"]] = record["strength"]
            elif record["method"] in METHODS:
                self.runs[record["method"]][record["seed"]] = record

    @property
    def methods(self) -> list[str]:
        """Those with at least one run, in the order of `METHODS`."""
        return [method for method, seeds in self.runs.items() if seeds]

    def values(self, method: str, measure: str, split: Split = "test") -> dict[int, float]:
        """By seed; of those runs that have the measure."""
        found = {seed: record[split] for seed, record in sorted(self.runs[method].items())}
        return {seed: numbers[measure] for seed, numbers in found.items() if measure in numbers}

    def difference(self, method: str, other: str, measure: str) -> "Difference | None":
        return paired(self.values(method, measure), self.values(other, measure))


@dataclass(frozen=True)
class Difference:
    """A mean over the seeds that two methods share, with its 95 % interval; the latter is nan for one seed."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided, of Student's t; 1 for one seed."""
    seeds: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def paired(one: Values, other: Values) -> Difference | None:
    """The differences of two methods, seed by seed; None if they share no seed."""
    differences = [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]
    if not differences:
        return None
    mean, count = statistics.mean(differences), len(differences)
    if count == 1:
        return Difference(mean, math.nan, math.nan, 1.0, 1)
    error = statistics.stdev(differences) / math.sqrt(count)
    reach = student_quantile(1 - LEVEL, count - 1) * error
    p = 1 - student_within(abs(mean) / error, count - 1) if error > 0 else float(mean == 0)
    return Difference(mean, mean - reach, mean + reach, p, count)


def student_within(t: float, freedom: int) -> float:
    """The probability that Student's t lies in [-t, t] (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    series = term if freedom > 1 else 0.0
    for step in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (step - 1) / step
        series += term
    return 2 / math.pi * (angle + math.sin(angle) * series) if odd else math.sin(angle) * series


def student_quantile(share: float, freedom: int) -> float:
    """The t for which `student_within` gives this share, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_within(middle, freedom) < share else (low, middle)
    return high


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number (Holm, 1979): those below a level hold together at that level."""
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, value) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p) - rank) * value))
        corrected[name] = highest
    return {name: corrected[name] for name in p}


def chosen_alpha(records: Results) -> str | None:
    """The method with the alpha that the protocol's rule picks on the validation images.

    None where no alpha is good enough, or as long as one, or the baseline, lacks seeds.
    """
    if any(len(records.runs[method]) < METHODS[method].seeds for method in (BASELINE, *ALPHAS)):
        return None
    cheap = {method: alpha_sweep for method, alpha_sweep in alpha_sweep(records).items() if alpha_sweep.is_cheap}
    if not cheap:
        return None
    best = max(cheap.values(), key=lambda alpha_sweep: alpha_sweep.among_clutter)
    return next(
        method for method, alpha_sweep in cheap.items() if alpha_sweep.among_clutter >= best.among_clutter - best.error
    )


@dataclass(frozen=True)
class AlphaSweep:
    """What an alpha is chosen by: means over its seeds, on the validation images."""

    cost: float
    """Accuracy on plain digits that cross-entropy has more."""
    among_clutter: float
    error: float
    """Standard error of the latter."""

    @property
    def is_cheap(self) -> bool:
        return self.cost <= COST


def alpha_sweep(records: Results) -> dict[str, AlphaSweep]:
    """Of every alpha that has a run, the smallest first; empty without a run of cross-entropy."""
    plain = records.values(BASELINE, "accuracy", "validation")
    found = {}
    for method in ALPHAS:
        if plain and records.runs[method]:
            accuracy, clutter = (records.values(method, measure, "validation") for measure in ("accuracy", "clutter_8"))
            cost = statistics.mean(plain.values()) - statistics.mean(accuracy.values())
            found[method] = AlphaSweep(cost, *mean_and_error(list(clutter.values())))
    return found


def strongest_control(records: Results, measure: str) -> str | None:
    """The control with the best mean of a measure on the validation images."""
    means = {
        method: statistics.mean(values.values())
        for method in records.methods
        if METHODS[method].kind == "control" and (values := records.values(method, measure, "validation"))
    }
    return max(means, key=lambda method: means[method]) if means else None


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error, which is 0 for one value."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return statistics.mean(values), error


@dataclass(frozen=True)
class Claim:
    """What the records say of one primary claim."""

    words: str
    measure: str
    control: str | None
    from_baseline: Difference | None
    from_control: Difference | None
    p: float
    """Corrected."""

    @property
    def verdict(self) -> Literal["shown", "refuted", "open"]:
        both = (self.from_baseline, self.from_control)
        counted = [difference for difference in both if difference is not None and difference.seeds >= SEEDS]
        if any(difference.sign < 0 for difference in counted):
            return "refuted"
        shown = len(counted) == 2 and all(difference.sign > 0 for difference in counted) and self.p < LEVEL
        return "shown" if shown else "open"


def claims(records: Results, method: str, controls: Mapping[str, str | None]) -> list[Claim]:
    """The primary claims of a method.

    Args:
        method: that of the chosen alpha.
        controls: the strongest control by measure.
    """
    pairs = {
        measure: (
            records.difference(method, BASELINE, measure),
            None if (control := controls[measure]) is None else records.difference(method, control, measure),
        )
        for measure in CLAIMS.values()
    }
    p = {measure: max(_p_of(difference) for difference in both) for measure, both in pairs.items()}
    corrected = holm(p)
    return [
        Claim(words, measure, controls[measure], *pairs[measure], corrected[measure])
        for words, measure in CLAIMS.items()
    ]


def _p_of(difference: Difference | None) -> float:
    """Of the claim that it is above zero."""
    return difference.p if difference is not None and difference.mean > 0 else 1.0
