"""What the records of the second study say, by the rules that `docs/protocol-price.md` wrote down before them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from camloss.errors import CamlossError
from camloss.losses import BASELINE
from camloss.study.price_methods import PRICE_METHODS
from camloss.study.runs import Records
from camloss.study.statistics import Difference, paired, t_interval

Verdict = Literal["kept", "kept by the mean", "missed"]
MARGINS = {"accuracy": 0.001, "strokes": 0.002, "two_digits_separation": 0.01, "calibration": 0.003}
"""What a method may lose against cross-entropy, by measure; of calibration, gain."""
WORST_DIGIT = 0.94
COST = 0.003  # of clean accuracy with one seed, that a finalist may lose
FINALISTS = 6
NOT_WAITING = 2  # finalists that get more seeds before all have two
SEEDS, MORE_SEEDS = range(5), range(5, 10)
ALPHAS = ("alpha-1", "alpha-3", "alpha-10")
BASELINES = tuple(name for name, method in PRICE_METHODS.items() if method.kind != "candidate")
CANDIDATES = tuple(name for name, method in PRICE_METHODS.items() if method.kind == "candidate")


@dataclass(frozen=True)
class Loss:
    """What a method loses against cross-entropy in one measure; below 0 where it is ahead."""

    mean: float
    high: float
    """Of the 95 % interval; nan for one seed."""
    margin: float

    @property
    def verdict(self) -> Verdict:
        if self.high < self.margin:
            return "kept"
        is_wide = math.isnan(self.high) or self.high - self.mean > self.margin
        return "kept by the mean" if is_wide and self.mean < self.margin else "missed"


class PriceResults:
    """The numbers of the second study by method and seed."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self.runs: dict[str, dict[int, dict[str, Any]]] = {method: {} for method in PRICE_METHODS}
        for record in records:
            if record["method"] in PRICE_METHODS and "measured" in record:
                self.runs[record["method"]][record["seed"]] = record["measured"]

    @classmethod
    def read(cls, path: Path) -> "PriceResults":
        return cls(Records(path).read().values())

    def only(self, seeds: Sequence[int]) -> "PriceResults":
        """The same of some seeds."""
        some = PriceResults([])
        some.runs = {name: {s: of[s] for s in seeds if s in of} for name, of in self.runs.items()}
        return some

    def values(self, method: str, measure: str) -> dict[int, float]:
        """By seed; the mean over writers for "strokes" and "raster"."""
        found = {seed: numbers[measure] for seed, numbers in sorted(self.runs[method].items())}
        return {seed: mean(value.values()) if isinstance(value, dict) else value for seed, value in found.items()}

    def mean(self, method: str, measure: str) -> float:
        return mean(self.values(method, measure).values())

    def worst_writer(self, method: str) -> float:
        """The lowest of the writers' accuracies from strokes, each a mean over the seeds."""
        return min(self._by_writer(method, self.runs[method]).values())

    def loss(self, method: str, measure: str) -> Loss:
        """Against cross-entropy, over the seeds that both have; "strokes" over the writers."""
        if measure == "strokes":
            found = self.gain_by_writer(method, measure)
        else:
            found = paired(self.values(method, measure), self.values(BASELINE, measure))
        assert found is not None, f"{method} and {BASELINE} share no seed"
        if measure == "calibration":
            return Loss(found.mean, found.high, MARGINS[measure])
        return Loss(-found.mean, -found.low, MARGINS[measure])

    def gain_by_writer(self, method: str, way: str) -> Difference | None:
        """Against cross-entropy, over the writers, from "strokes" or "raster" images; None without a common seed."""
        shared = self.runs[method].keys() & self.runs[BASELINE].keys()
        if not shared:
            return None
        return paired(self._by_writer(method, shared, way), self._by_writer(BASELINE, shared, way))

    def losses(self, method: str) -> dict[str, Loss]:
        return {measure: self.loss(method, measure) for measure in MARGINS}

    def has_no_bad_digit(self, method: str) -> bool:
        return self.mean(method, "strokes_worst_digit") >= WORST_DIGIT

    def missed_margins(self, method: str) -> list[str]:
        """The measures whose margin is missed, "strokes_worst_digit" among them."""
        missed = [measure for measure, loss in self.losses(method).items() if loss.verdict == "missed"]
        return missed if self.has_no_bad_digit(method) else [*missed, "strokes_worst_digit"]

    def missed(self, method: str) -> int:
        return len(self.missed_margins(method))

    def ranked(self, methods: Iterable[str]) -> list[str]:
        """The fewest missed margins first, of equals the more robust."""
        return sorted(methods, key=lambda method: (self.missed(method), -self.mean(method, "robustness")))

    def _by_writer(self, method: str, seeds: Iterable[int], way: str = "strokes") -> dict[str, float]:
        runs = [self.runs[method][seed][way] for seed in seeds]
        return {writer: mean(run[writer] for run in runs) for writer in runs[0]}


def finalists(results: PriceResults) -> list[str]:
    """By seed 0."""
    first = results.only([0])
    cheap = [m for m in CANDIDATES if first.runs[m] and first.loss(m, "accuracy").mean <= COST]
    return first.ranked(cheap)[:FINALISTS]


def best_finalists(results: PriceResults) -> list[str]:
    """By seeds 0 and 1, of the finalists that have both; the best first."""
    two = results.only([0, 1])
    return two.ranked(m for m in finalists(results) if len(two.runs[m]) == 2)


def winner(results: PriceResults) -> str:
    """Of the methods with five seeds that keep every margin the most robust; else the best alpha.

    Max pooling and what is trained among clutter are only compared with.

    Raises:
        CamlossError: no alpha has five seeds.
    """
    five = results.only(SEEDS)
    whole = [m for m in (*ALPHAS, *CANDIDATES) if len(five.runs[m]) == len(SEEDS)]
    keeping = [m for m in whole if five.missed(m) == 0]
    if keeping:
        return max(keeping, key=lambda m: five.mean(m, "robustness"))
    alphas = five.ranked(m for m in ALPHAS if m in whole)
    if not alphas:
        raise CamlossError(f"no alpha has {len(SEEDS)} seeds yet; make their runs with camloss price --train")
    return alphas[0]


def plan(results: PriceResults, failed: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """All runs that the protocol asks for by what is known so far, in their order; those that are done among them."""

    def done(jobs: Iterable[tuple[str, int]]) -> bool:
        return all((method, seed) in failed or seed in results.runs[method] for method, seed in jobs)

    jobs = [(method, 0) for method in PRICE_METHODS]
    best: list[str] = []
    if done(jobs):
        final = finalists(results)
        second = [(BASELINE, 1), *((method, 1) for method in final)]
        jobs += second
        best = best_finalists(results) if done(second) else final[:NOT_WAITING]
    jobs += [(method, seed) for method in (BASELINE, *best[:NOT_WAITING]) for seed in SEEDS[2:]]
    jobs += [(method, seed) for seed in SEEDS[1:] for method in BASELINES]
    jobs += [(method, seed) for method in best for seed in SEEDS[2:]]
    if len(best) > NOT_WAITING:
        jobs += [(method, seed) for seed in MORE_SEEDS for method in (best[0], *BASELINES)]
    return list(dict.fromkeys(jobs))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval."""
    middle, (low, high), _ = t_interval(values)
    return middle, low, high
