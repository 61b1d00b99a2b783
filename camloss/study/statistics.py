"""What the records of the study say, by the rules that `docs/protocol.md` wrote down before them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scipy import stats

from camloss.errors import CamlossError
from camloss.losses import BASELINE
from camloss.study.methods import METHODS, Method
from camloss.study.photo_study import PHOTO_METHODS
from camloss.study.runs import Records

LEVEL = 0.05
NO_SPREAD = 1e-9  # of seeds that differ in rounding alone
SEEDS = 5  # at least, for a verdict
COST = 0.001  # of validation accuracy, that a chosen alpha may lose
CLAIMS = {  # what is claimed to be higher with the chosen alpha, by measure
    "clutter_8": "accuracy among clutter",
    "canvas_56": "accuracy on a larger canvas",
    "top_precision_10": "precision of the top 10 % of CAM positions",
    "two_digits_separation": "separation of two digits by the CAM",
}
Split = Literal["validation", "test"]
Verdict = Literal["supported", "not supported", "inconclusive"]


@dataclass(frozen=True)
class Protocol:
    """What one study compares, by which rules."""

    methods: Mapping[str, Method]
    cost: float
    """Validation accuracy that a chosen alpha may lose."""
    clutter: str
    """The measure that the alpha is chosen by."""
    claims: Mapping[str, str]
    """What is claimed to be higher with the chosen alpha, by measure."""

    @property
    def alphas(self) -> list[str]:
        """The methods of the alpha sweep, the smallest alpha first."""
        swept = (name for name, method in self.methods.items() if method.kind == "alpha sweep")
        return sorted(swept, key=lambda name: self.methods[name].alpha)


DIGITS = Protocol(METHODS, COST, "clutter_8", CLAIMS)
PICTURES = Protocol(
    PHOTO_METHODS,
    cost=0.01,
    clutter="fragments",
    claims={
        "top_precision_10": "precision of the top 10 % of CAM positions in the box",
        "box_accuracy": "box accuracy at IoU 0.5",
        "fragments": "accuracy among fragments on a larger canvas",
        "background": "accuracy with the background replaced",
    },
)
Values = Mapping[Any, float]
"""One number a seed, or a writer."""


class Results:
    """The records of one set of runs: numbers by method and seed."""

    def __init__(self, path: Path, protocol: Protocol = DIGITS) -> None:
        self.protocol = protocol
        self.runs: dict[str, dict[int, dict[str, Any]]] = {method: {} for method in protocol.methods}
        self.strengths: dict[str, float] = {}
        for name, record in Records(path).read().items():
            if "seed" not in record:
                self.strengths[record["method"]] = record["strength"]
            elif record["method"] in protocol.methods:
                if not {"validation", "test"} <= record.keys():
                    raise CamlossError(f"{path}: {name} lacks what was measured; measure it again, or remove its line")
                self.runs[record["method"]][record["seed"]] = record

    @property
    def methods(self) -> list[str]:
        """Those with at least one run, in the order of the protocol."""
        return [method for method, seeds in self.runs.items() if seeds]

    def values(self, method: str, measure: str, split: Split = "test") -> dict[int, float]:
        """By seed; of those runs that have the measure."""
        found = {seed: record[split] for seed, record in sorted(self.runs[method].items())}
        return {seed: numbers[measure] for seed, numbers in found.items() if measure in numbers}

    def difference(self, method: str, other: str, measure: str) -> "Difference | None":
        return paired(self.values(method, measure), self.values(other, measure))


@dataclass(frozen=True)
class Difference:
    """Of two methods: means over the seeds that they share, and the mean difference with its 95 % interval."""

    one: float
    other: float
    mean: float
    low: float
    """Of the interval (Student's t); nan for one seed, as `high`."""
    high: float
    p: float
    """Two-sided; 1 for one seed."""
    seeds: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def paired(one: Values, other: Values) -> Difference | None:
    """The differences of two methods, seed by seed; None if they share no seed."""
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return None
    means = {name: statistics.mean(of[seed] for seed in shared) for name, of in (("one", one), ("other", other))}
    differences = [one[seed] - other[seed] for seed in shared]
    mean, (low, high), p = t_interval(differences)
    return Difference(**means, mean=mean, low=low, high=high, p=p, seeds=len(shared))


def t_interval(values: Sequence[float]) -> tuple[float, tuple[float, float], float]:
    """The mean, its 95 % interval by Student's t (nan for one value), and the two-sided p-value of a mean of zero."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return mean, (math.nan, math.nan), 1.0
    if statistics.stdev(values) < NO_SPREAD:  # scipy divides by it
        return mean, (mean, mean), float(abs(mean) < NO_SPREAD)
    test = stats.ttest_1samp(values, 0.0)
    low, high = map(float, test.confidence_interval(1 - LEVEL))
    return mean, (low, high), float(test.pvalue)


def pp(difference: Difference | None, digits: int = 1) -> str:
    """In percentage points, with its interval where the seeds give one; "" without any."""
    if difference is None:
        return ""
    mean, low, high = (f"{100 * value:+.{digits}f}" for value in (difference.mean, difference.low, difference.high))
    return f"{mean} [{low}, {high}]" if difference.low < difference.high else mean


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number (Holm, 1979): those below a level hold together at that level."""
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, value) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p) - rank) * value))
        corrected[name] = highest
    return {name: corrected[name] for name in p}


def chosen_alpha(results: Results) -> str | None:
    """The method with the alpha that the protocol's rule picks on the validation images.

    None where no alpha is good enough, or as long as one, or the baseline, lacks seeds.
    """
    wanted = {method: results.protocol.methods[method].seeds for method in (BASELINE, *results.protocol.alphas)}
    if any(len(results.runs[method]) < min(count, SEEDS) for method, count in wanted.items()):
        return None
    return pick_alpha(alpha_sweep(results))


def pick_alpha(sweep: Mapping[str, "AlphaSweep"]) -> str | None:
    """What the rule picks of a sweep that is as it is; None where every alpha costs too much."""
    cheap = {method: found for method, found in sweep.items() if found.is_cheap}
    if not cheap:
        return None
    best = max(cheap.values(), key=lambda found: found.among_clutter)
    return next(method for method, found in cheap.items() if found.among_clutter >= best.among_clutter - best.error)


@dataclass(frozen=True)
class AlphaSweep:
    """What an alpha is chosen by: means over its seeds, on the validation images."""

    cost: float
    """Clean accuracy that cross-entropy has more."""
    among_clutter: float
    error: float
    """Standard error of the latter."""
    is_cheap: bool
    """It costs no more than the protocol allows."""


def alpha_sweep(results: Results) -> dict[str, AlphaSweep]:
    """Of every alpha that has a run, the smallest first; empty without a run of cross-entropy."""
    clean = results.values(BASELINE, "accuracy", "validation")
    found = {}
    for method in results.protocol.alphas:
        if clean and results.runs[method]:
            accuracy, clutter = (
                results.values(method, measure, "validation") for measure in ("accuracy", results.protocol.clutter)
            )
            cost = statistics.mean(clean.values()) - statistics.mean(accuracy.values())
            error = float(stats.sem(list(clutter.values()))) if len(clutter) > 1 else 0.0
            is_cheap = cost <= results.protocol.cost
            found[method] = AlphaSweep(cost, statistics.mean(clutter.values()), error, is_cheap)
    return found


def strongest_control(results: Results, measure: str, split: Split = "validation") -> str | None:
    """The control with the best mean of a measure; a protocol chooses it on the validation images."""
    means = {
        method: statistics.mean(values.values())
        for method in results.methods
        if results.protocol.methods[method].kind == "control" and (values := results.values(method, measure, split))
    }
    return max(means, key=lambda method: means[method]) if means else None


@dataclass(frozen=True)
class Claim:
    """What the records say of one primary claim."""

    measure: str
    words: str
    control: str | None
    from_baseline: Difference | None
    from_control: Difference | None
    p: float
    """Corrected."""

    @property
    def seeds(self) -> int:
        """Of the smaller of both differences."""
        return min(0 if found is None else found.seeds for found in (self.from_baseline, self.from_control))

    @property
    def reason(self) -> str:
        """Why it is inconclusive, if it is."""
        if self.from_control is None:
            return "no control has been measured beside it"
        if self.seeds < SEEDS:
            return f"{self.seeds} seeds, and {SEEDS} are asked for"
        return "an interval includes zero, or the corrected p-value is too high"

    @property
    def verdict(self) -> Verdict:
        both = (self.from_baseline, self.from_control)
        counted = [difference for difference in both if difference is not None and difference.seeds >= SEEDS]
        if any(difference.sign < 0 for difference in counted):
            return "not supported"
        holds = len(counted) == 2 and all(difference.sign > 0 for difference in counted) and self.p < LEVEL
        return "supported" if holds else "inconclusive"


def claims(results: Results, method: str, controls: Mapping[str, str | None]) -> list[Claim]:
    """The primary claims of a method.

    Args:
        method: that of the chosen alpha.
        controls: the strongest control by measure.
    """
    pairs = {
        measure: (
            results.difference(method, BASELINE, measure),
            None if (control := controls[measure]) is None else results.difference(method, control, measure),
        )
        for measure in results.protocol.claims
    }
    corrected = holm({measure: max(_p_of(difference) for difference in both) for measure, both in pairs.items()})
    return [
        Claim(measure, results.protocol.claims[measure], controls[measure], *both, corrected[measure])
        for measure, both in pairs.items()
    ]


def _p_of(difference: Difference | None) -> float:
    """Of the claim that it is above zero."""
    return difference.p if difference is not None and difference.mean > 0 else 1.0
