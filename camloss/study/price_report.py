"""The tables of the second study, from its records: margins and goals, what was tried, and which method wins."""

import math
from collections.abc import Callable, Sequence

from camloss import cli
from camloss.losses import BASELINE
from camloss.study.price import (
    ALPHAS,
    BASELINES,
    CANDIDATES,
    MARGINS,
    SEEDS,
    WORST_DIGIT,
    PriceResults,
    best_finalists,
    finalists,
    interval,
    winner,
)
from camloss.study.price_measures import ROBUSTNESS
from camloss.study.price_methods import PRICE_METHODS

TITLES = {
    "accuracy": "clean accuracy",
    "strokes": "writers, from strokes",
    "raster": "writers, from raster images",
    "two_digits_separation": "two digits apart",
    "calibration": "calibration error, clean",
    "robustness": "robustness",
    "clutter_8": "clutter",
    "canvas_56": "canvas of 56x56",
    "canvas_84": "canvas of 84x84",
    "line": "line",
    "salt_noise": "salt noise",
    "clutter_calibration": "calibration error among clutter",
    "worst_writer": "worst writer",
    "strokes_worst_digit": "worst digit",
}
GOALS = {  # at least, of calibration at most
    "clutter_8": 0.98,
    "canvas_56": 0.98,
    "canvas_84": 0.98,
    "line": 0.98,
    "salt_noise": 0.95,
    "clutter_calibration": 0.05,
    "strokes": 0.985,
    "worst_writer": 0.95,
}
AT_MOST = ("clutter_calibration",)


def price_tables(results: PriceResults, test: PriceResults, pair: PriceResults) -> str:
    """Everything that the records say, in Markdown: those of the validation data, of the test data, and of a pair."""
    if not results.runs[BASELINE]:
        return "There are no records yet; `camloss price --train` makes them."
    parts = [f"## Margins and goals on the validation data\n\n{verdict(results)}"]
    shown = shown_methods(results)
    parts += [margins(results.only(SEEDS), shown), goals(results.only(SEEDS), shown)]
    if test.runs[BASELINE]:
        parts.append(
            "## Margins and goals on the test data\n\nMeasured once; nothing is chosen by it."
            + test_verdict(results, test)
        )
        of_test = [method for method in shown if test.runs[method]]
        parts += [margins(test, of_test), goals(test, of_test)]
    if pair.runs[BASELINE]:
        of_pair = [method for method in [*BASELINES, *CANDIDATES] if pair.runs[method]]
        parts.append(
            "## The models of the demo on the test data\n\nOne training each, seed 0: one number has no interval, and "
            "a margin that is kept is kept by the mean. Five seeds of each method are in the tables above."
        )
        parts += [margins(pair, of_pair), goals(pair, of_pair)]
    parts.append(f"## What was tried\n\nSeed 0 of every method on the validation data.\n\n{tried(results.only([0]))}")
    if several := [m for m in best_finalists(results) if len(results.runs[m]) > 1]:
        parts.append(f"The finalists over all their seeds:\n\n{tried(results, several)}")
    if len(results.runs[BASELINE]) > len(SEEDS):
        more = [m for m in shown if len(results.runs[m]) > len(SEEDS)]
        parts.append(
            f"## With more than five seeds, validation data\n\n{margins(results, more)}\n\n{goals(results, more)}"
        )
    return "\n\n".join(parts)


def verdict(results: PriceResults) -> str:
    """Who wins, in a sentence."""
    if not has_winner(results):
        return "There is no winner yet: no alpha has five seeds."
    best = winner(results)
    missed = results.only(SEEDS).missed(best)
    title = PRICE_METHODS[best].title
    unreached = goals_missed(results.only(SEEDS), best)
    reached = f"It reaches {len(GOALS) - len(unreached)} of {len(GOALS)} goals"
    reached += f"; not: {', '.join(TITLES[measure] for measure in unreached)}." if unreached else "."
    if missed == 0:
        return f"**{title}** keeps every margin and is the most robust of the methods that do. {reached}"
    fewest = f"Of the alphas, **{title}** misses the fewest: {missed}."
    return f"No method with five seeds keeps every margin. {fewest} {reached}"


def test_verdict(results: PriceResults, test: PriceResults) -> str:
    """What the winner misses on the test data, in a sentence; nothing before it is known."""
    if not has_winner(results) or not test.runs[winner(results)]:
        return ""
    missed = [TITLES[measure] for measure in test.missed_margins(winner(results))]
    found = f"{len(missed)} missed: {', '.join(missed)}" if missed else "none missed"
    return f" Of the winner's margins, {found}."


def has_winner(results: PriceResults) -> bool:
    five = results.only(SEEDS)
    return any(len(five.runs[method]) == len(SEEDS) for method in ALPHAS)


def goals_missed(results: PriceResults, method: str) -> list[str]:
    """The measures whose goal is not reached; clutter has to be ahead of max pooling and of the reference too."""
    missed = [measure for measure in GOALS if not _reached(measure, _mean(results, method, measure))]
    others = [other for other in ("max-pooling", "ce-among-clutter") if results.runs[other]]
    behind = any(results.mean(other, "clutter_8") >= results.mean(method, "clutter_8") for other in others)
    return ["clutter_8", *missed] if behind and "clutter_8" not in missed else missed


def shown_methods(results: PriceResults) -> list[str]:
    """The baselines, the reference, and the candidates with five seeds."""
    whole = results.only(SEEDS)
    candidates = [m for m in CANDIDATES if len(whole.runs[m]) == len(SEEDS)]
    return [*(m for m in BASELINES if results.runs[m]), *whole.ranked(candidates)]


def margins(results: PriceResults, methods: Sequence[str]) -> str:
    """What each method loses against cross-entropy, with its interval and verdict."""
    header = ["lost against cross-entropy, pp", *(f"{TITLES[m]} (margin {MARGINS[m] * 100:g})" for m in MARGINS)]
    header += [f"worst digit (at least {WORST_DIGIT:.0%})", "seeds"]
    rows = []
    for method in methods:
        cells = [PRICE_METHODS[method].title]
        for loss in results.losses(method).values() if method != BASELINE else ():
            low = 2 * loss.mean - loss.high
            spread = "" if math.isnan(loss.high) else f" [{_pp(low)}, {_pp(loss.high)}]"
            cells.append(f"{_pp(loss.mean)}{spread} {loss.verdict}")
        cells += len(MARGINS) * [""] if method == BASELINE else []
        cells += [f"{results.mean(method, 'strokes_worst_digit'):.1%}", str(len(results.runs[method]))]
        rows.append(cells)
    return cli.table(header, rows)


def goals(results: PriceResults, methods: Sequence[str]) -> str:
    """The measures with a goal, with their intervals over the seeds; a goal that is reached is bold."""
    header = ["mean [95 % over seeds]", *(f"{TITLES[m]} ({_goal(m)})" for m in GOALS), "robustness", "clean accuracy"]
    rows = []
    for method in methods:
        cells = [PRICE_METHODS[method].title]
        for measure in GOALS:
            cell = _with_interval(results, method, measure)
            cells.append(f"**{cell}**" if _reached(measure, _mean(results, method, measure)) else cell)
        cells += [_with_interval(results, method, measure) for measure in ("robustness", "accuracy")]
        rows.append(cells)
    return cli.table(header, rows)


def tried(results: PriceResults, methods: Sequence[str] | None = None) -> str:
    """Means over the seeds, a row a method."""
    chosen = [m for m, runs in results.runs.items() if runs] if methods is None else methods
    final = finalists(results)
    columns: dict[str, Callable[[str], str]] = {
        "seeds": lambda m: str(len(results.runs[m])),
        "margins missed": lambda m: str(results.missed(m)),
        "finalist": lambda m: "yes" if m in final else "",
    }
    measures = (
        "accuracy",
        "robustness",
        *ROBUSTNESS,
        "two_digits_separation",
        "strokes",
        "raster",
        "worst_writer",
        "calibration",
    )
    rows = [
        [
            PRICE_METHODS[method].title,
            *(f"{_mean(results, method, measure) * 100:.2f}" for measure in measures),
            *(cell(method) for cell in columns.values()),
        ]
        for method in chosen
    ]
    return cli.table(["%", *(TITLES[measure] for measure in measures), *columns], rows)


def _mean(results: PriceResults, method: str, measure: str) -> float:
    return results.worst_writer(method) if measure == "worst_writer" else results.mean(method, measure)


def _reached(measure: str, value: float) -> bool:
    return value <= GOALS[measure] if measure in AT_MOST else value >= GOALS[measure]


def _with_interval(results: PriceResults, method: str, measure: str) -> str:
    if measure == "worst_writer":
        return f"{results.worst_writer(method):.1%}"
    values = list(results.values(method, measure).values())
    middle, low, high = interval(values)
    return f"{middle:.2%}" if len(values) == 1 else f"{middle:.2%} [{low * 100:.2f}, {high * 100:.2f}]"


def _pp(value: float) -> str:
    return f"{round(value * 100, 2) + 0.0:+.2f}"  # no minus before a zero


def _goal(measure: str) -> str:
    return f"{'at most ' if measure in AT_MOST else ''}{GOALS[measure] * 100:g} %"
