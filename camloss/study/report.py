"""What is made of the records, in Markdown, SVG and JSON: no number in it is typed by hand.

`pages` makes docs/results.md, the page of its tables, its figures and what the demo quotes; `blocks` makes the tables
that stand between markers in README.md and docs/. The text is in `templates/`; what may be claimed, docs/protocol.md
says.
"""

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from camloss import cli
from camloss.checkpoint import read_json
from camloss.diagnose import Diagnosis
from camloss.errors import CamlossError
from camloss.losses import BASELINE
from camloss.pair import SIDE_BY_SIDE, described
from camloss.study.charts import Point, line_chart
from camloss.study.measures import CLAIMED, IN_DEPTH
from camloss.study.methods import MATCHED_TO, METHODS
from camloss.study.photo_report import (
    paper_table,
    photo_alpha,
    photo_answer,
    photo_claims,
    photo_figure,
    photo_setting,
    photo_summary,
    photo_tables,
)
from camloss.study.price import SEEDS as SEEDS_OF_PRICE
from camloss.study.price import PriceResults
from camloss.study.price_report import price_tables
from camloss.study.runs import Records
from camloss.study.statistics import (
    CLAIMS,
    COST,
    SEEDS,
    Claim,
    Difference,
    Results,
    Values,
    alpha_sweep,
    chosen_alpha,
    claims,
    paired,
    pp,
    strongest_control,
    t_interval,
)

FIRST = "clutter_8"  # the claim that the answer is about
REFERENCE = "ce-among-clutter"
INPUTS = {"raster": "raster images", "strokes": "strokes"}  # as which writers' digits are given
MEASURES = {  # of the table of all methods
    "accuracy": "clean accuracy",
    "clutter_8": "accuracy among clutter",
    "canvas_56": "accuracy on a 56x56 canvas",
    "top_precision_10": "precision of the top 10 %",
    "two_digits_separation": "separation of two digits",
}
CORRUPTIONS = {
    "canvas_28": "none: clean images",
    "canvas_40": "canvas of 40x40",
    "canvas_56": "canvas of 56x56",
    "canvas_84": "canvas of 84x84",
    "shift": "canvas of 56x56, the digit anywhere",
    "clutter_2": "clutter, 2 fragments",
    "clutter_4": "clutter, 4 fragments",
    "clutter_8": "clutter, 8 fragments",
    "clutter_16": "clutter, 16 fragments",
    "line": "line",
    "salt_noise": "salt noise",
    "gaussian_noise": "Gaussian noise",
}
POOLINGS = {"": "mean", "_sum": "sum", "_background_subtracted": "background-subtracted"}
LOCALISATION = {
    "top_precision_1": "precision of the top 1 % of CAM positions",
    "top_precision_3": "precision of the top 3 %",
    "top_precision_10": "precision of the top 10 %",
    "average_precision": "average precision on the strokes",
    "pointing_game_own_image": "peak on the strokes",
    "pointing_game_other_image": "... of another image's CAM",
    "stroke_energy": "energy on the strokes",
    "stroke_energy_of_baseline": "... of cross-entropy's CAM, at this CAM's area",
    "clutter_8_top_precision": "8 fragments of clutter: top 10 % in the digit's box",
    "two_digits_separation": "two digits: top 10 % in its own digit's box",
    "two_digits_contrastive_separation": "... of the contrastive CAM",
    "two_digits_pointing_game": "... peak in its own digit's box",
    "overlapping_digits_separation": "two overlapping digits: top 10 % in its own digit's box",
    "overlapping_digits_contrastive_separation": "... of the contrastive CAM",
}
SHORTCUTS = {
    "diagnosis_distance": "CAM-CAAM distance",
    "diagnosis_distance_to_another": "... to another image's CAM",
    "diagnosis_area": "area above half maximum",
    "diagnosis_entropy": "entropy",
    "diagnosis_spatial_rank": "spatial rank",
    "diagnosis_channel_rank": "channel rank",
    "diagnosis_active_channels": "active channels",
    "diagnosis_class_correlation": "correlation with other classes",
}
ORDERS = {
    "": "its own CAM",
    "_of_baseline": "cross-entropy's CAM",
    "_centre_prior": "centred Gaussian",
    "_blurred": "blurred strokes",
    "_random": "random",
}
IN_THE_DEMO = {  # its corruptions: the measure of each, and how much of it that was
    "clutter": ("clutter_8", "8 fragments of clutter"),
    "canvas": ("canvas_56", "a canvas of 56x56"),
    "line": ("line", "a line"),
    "salt_noise": ("salt_noise", "salt noise"),
    "gaussian_noise": ("gaussian_noise", "Gaussian noise"),
}
EVALUATED = (  # of what `evaluate` measures: what its table shows
    *(
        "accuracy",
        "loss",
        "calibration_error",
        "cam_distance",
        "area_above_half",
        "stroke_energy",
        "stroke_energy_small",
    ),
    *(
        "pointing_game_own_image",
        "pointing_game_junction",
        "pointing_game_hole",
        "top_precision_10",
        "two_digits_separation",
    ),
    *("deletion", "insertion", "deletion_centre_prior", "insertion_centre_prior"),
    *("clutter_8", "canvas_56", "line", "salt_noise", "gaussian_noise"),
)
KEPT, HALF_WAY = 0.8, 0.5  # of an ablation: of the gain among clutter, and of the way to cross-entropy's area and rank
CONSTANTS = {
    **{"BASELINE": BASELINE, "CLAIMED": CLAIMED, "CLAIMS": CLAIMS, "CORRUPTIONS": CORRUPTIONS, "COST": COST},
    **{"FIRST": FIRST, "HALF_WAY": HALF_WAY, "IN_DEPTH": IN_DEPTH, "KEPT": KEPT, "LOCALISATION": LOCALISATION},
    **{"MATCHED_TO": MATCHED_TO, "MEASURES": MEASURES, "METHODS": METHODS, "ORDERS": ORDERS, "POOLINGS": POOLINGS},
    **{"REFERENCE": REFERENCE, "SEEDS": SEEDS, "SHORTCUTS": SHORTCUTS},
}  # that the templates use
DIGITS = {"accuracy": 2, "whole": 0}  # of percentages, but for one


@dataclass(frozen=True)
class Elsewhere:
    """A set of runs in which the protocol wants to see the answer again; it decides nothing."""

    title: str
    asked: Mapping[str, int]
    """Seeds by method."""
    method: str | None = None
    """What is compared with cross-entropy; by default the chosen alpha."""


DECIDING = {"short": "short runs", "full": "full runs"}
ELSEWHERE = {
    "gpu": Elsewhere(
        "full runs on a GPU",
        {name: method.seeds for name, method in METHODS.items()}
        | dict.fromkeys(("max-pooling", "small-features"), SEEDS),
    ),
    "resnet18": Elsewhere("full runs of ResNet-18", dict.fromkeys((BASELINE, "alpha-10", "max-pooling"), 3)),
    "original": Elsewhere(
        "runs of the original recipe, with max pooling", dict.fromkeys((BASELINE, "alpha-3"), 5), "alpha-3"
    ),
}


@dataclass(frozen=True)
class RunSet:
    """One set of runs, the alpha that the protocol's rule chose, and the strongest controls by measure."""

    name: str
    title: str
    results: Results
    chosen: str
    controls: Mapping[str, str | None]

    @property
    def claims(self) -> list[Claim]:
        return claims(self.results, self.chosen, self.controls)

    def claims_with(self, verdict: str) -> list[Claim]:
        return [claim for claim in self.claims if claim.verdict == verdict]

    def difference(self, measure: str = FIRST, method: str | None = None) -> Difference | None:
        """From cross-entropy, of the chosen alpha or another method."""
        return self.results.difference(method or self.chosen, BASELINE, measure)

    @property
    def from_control(self) -> Difference | None:
        """Of the first claim, from its strongest control."""
        control = self.controls[FIRST]
        return None if control is None else self.results.difference(self.chosen, control, FIRST)

    def same_verdicts(self, other: "RunSet") -> list[str]:
        """The measures of the claims on which both sets of runs have the same verdict."""
        return [one.measure for one, two in zip(self.claims, other.claims, strict=True) if one.verdict == two.verdict]

    def methods(self, *more: str | None) -> list[str]:
        """Cross-entropy, the chosen alpha and others, of those that have runs."""
        wanted = dict.fromkeys((BASELINE, self.chosen, *more))
        return [method for method in wanted if method is not None and self.results.runs.get(method)]

    def percents(self, methods: Iterable[str], measures: Iterable[str]) -> list[str]:
        """Means over the seeds, for each measure of each method; "" where there is none."""
        return [percent(self._mean(method, measure), measure) for method in methods for measure in measures]

    def numbers(self, methods: Iterable[str], measures: Iterable[str]) -> list[str]:
        means = [self._mean(method, measure) for method in methods for measure in measures]
        return ["" if math.isnan(mean) else f"{mean:.3f}" for mean in means]

    def gains(self, methods: Iterable[str], measures: Iterable[str]) -> list[str]:
        """Differences from cross-entropy, in percentage points."""
        return [
            pp(self.difference(measure, method), DIGITS.get(measure, 1)) for method in methods for measure in measures
        ]

    def _mean(self, method: str, measure: str) -> float:
        values = self.results.values(method, measure).values()
        return statistics.mean(values) if values else math.nan

    @property
    def ablations(self) -> list[str]:
        return [method for method in self.results.methods if METHODS[method].kind == "ablation"]

    def shares_kept(self, method: str) -> tuple[float, float, float]:
        """Of the gain among clutter; of the way from the chosen alpha to cross-entropy in area, and in rank."""
        return (
            self._share(method, FIRST, BASELINE, self.chosen),
            self._share(method, "diagnosis_area", self.chosen, BASELINE),
            self._share(method, "diagnosis_spatial_rank", self.chosen, BASELINE),
        )

    def is_worth_it(self, method: str) -> bool:
        """By the protocol's rule for an ablation that keeps the gain and loses the shortcuts."""
        kept, area, rank = self.shares_kept(method)
        return kept >= KEPT and area >= HALF_WAY and rank >= HALF_WAY

    def _share(self, method: str, measure: str, start: str, end: str) -> float:
        """How far a method is from one to another, over the seeds that all three share; nan where those are equal."""
        values = [self.results.values(name, measure) for name in (method, start, end)]
        shared = set.intersection(*map(set, values))
        if not shared:
            return math.nan
        here, low, high = (statistics.mean(of[seed] for seed in shared) for of in values)
        return (here - low) / (high - low) if high != low else math.nan

    @property
    def figures(self) -> dict[str, str]:
        """SVG by name: clutter, and alpha where there are several."""
        clutter = {"0": "canvas_56", **{str(count): f"clutter_{count}" for count in (2, 4, 8, 16)}}
        methods = self.methods(self.controls[FIRST], REFERENCE)
        lines = {title(method): [self._point(method, measure) for measure in clutter.values()] for method in methods}
        found = {"clutter": line_chart(f"Accuracy on 56x56 pixels, {self.title}", "fragments", list(clutter), lines)}
        swept = [method for method in self.results.methods if METHODS[method].kind == "alpha sweep"]
        if len(swept) > 1:
            swept = [BASELINE, *sorted(swept, key=lambda method: METHODS[method].alpha)]
            ticks = [f"{METHODS[method].alpha:g}" for method in swept]
            lines = {words: [self._point(method, name) for method in swept] for name, words in MEASURES.items()}
            found["alpha"] = line_chart(f"Cross-entropy (0) and CAM-loss, {self.title}", "alpha", ticks, lines)
        return found

    def _point(self, method: str, measure: str) -> Point | None:
        """Mean and 95 % interval of a method by itself."""
        values = list(self.results.values(method, measure).values())
        if not values:
            return None
        mean, (low, high), _ = t_interval(values)
        return Point(mean, mean, mean) if len(values) == 1 else Point(mean, low, high)


@dataclass(frozen=True)
class Study:
    """All sets of runs."""

    deciding: list[RunSet]
    """Short runs, then full runs, of those that have the baseline and the chosen alpha."""
    elsewhere: list[RunSet]
    everything: Mapping[str, Results]
    alpha: str | None
    """The method that the protocol's rule chose; None where it cannot choose yet."""

    @classmethod
    def read(cls, folder: Path) -> "Study":
        """
        Raises:
            CamlossError: there is no run of cross-entropy, or none of CAM-loss.
        """
        everything = {name: Results(folder / f"{name}.jsonl") for name in (*DECIDING, *ELSEWHERE)}
        short = everything["short"]
        alpha = chosen_alpha(short)
        controls = {measure: strongest_control(short, measure) for measure in CLAIMS}

        def sets(titles: Mapping[str, tuple[str, str | None]]) -> list[RunSet]:
            found = [
                RunSet(name, words, everything[name], method or alpha or MATCHED_TO, controls)
                for name, (words, method) in titles.items()
            ]
            return [runs for runs in found if runs.results.runs[BASELINE] and runs.results.runs[runs.chosen]]

        deciding = sets({name: (words, None) for name, words in DECIDING.items()})
        if not deciding:
            raise CamlossError(f"nothing to compare in {folder}; run camloss study")
        others = sets({name: (place.title, place.method) for name, place in ELSEWHERE.items()})
        return cls(deciding, others, {name: found for name, found in everything.items() if found.methods}, alpha)

    @property
    def last(self) -> RunSet:
        return self.deciding[-1]

    @property
    def with_control(self) -> RunSet | None:
        """The longest runs in which the first claim can be compared with its strongest control."""
        return next((runs for runs in reversed(self.deciding) if runs.from_control), None)

    @property
    def trained(self) -> list[str]:
        return [method for method in METHODS if any(self.count(method))]

    def count(self, method: str) -> list[int]:
        """Its seeds in each set of runs."""
        return [len(found.runs[method]) for found in self.everything.values()]

    @property
    def missing(self) -> dict[str, tuple[int, int]]:
        """Of each other set of runs that is not finished: how many runs there are, and how many are asked for."""
        found = {}
        for runs in self.elsewhere:
            asked = ELSEWHERE[runs.name].asked
            there = sum(min(count, len(runs.results.runs[method])) for method, count in asked.items())
            if there < sum(asked.values()):
                found[runs.title] = (there, sum(asked.values()))
        return found


def pages(folder: Path) -> dict[str, str]:
    """Every file that is made of the study's records, by its place in the checkout.

    Raises:
        CamlossError: there is no run of cross-entropy, or none of CAM-loss.
    """
    study, photos = Study.read(folder), folder.parent / "photos"
    on_photographs = photo_claims(photos)
    return {
        "docs/results.md": render(
            "results.md.j2",
            study=study,
            photos={"sentence": both_studies([], on_photographs), "setting": photo_setting(photos)}
            if on_photographs
            else None,
            augmentation=beside_augmentation(PriceResults.read(folder / "price-test.jsonl")),
        ),
        "docs/results-tables.md": render(
            "results-tables.md.j2", study=study, sweep=alpha_sweep(study.everything["short"])
        ),
        "camloss/demo/web/study.json": json.dumps(in_the_demo(study, folder), indent=1) + "\n",
        "camloss/demo/web/photo_study.json": json.dumps(photo_answer(photos)) + "\n",
        **{
            f"docs/results/{name}-{runs.name}.svg": svg for runs in study.deciding for name, svg in runs.figures.items()
        },
        **({"docs/results/photos.svg": photo_figure(photos)} if on_photographs else {}),
    }


def blocks(records: Path) -> dict[str, str]:
    """Every table that may stand between markers, by name."""
    measured = read_json(records / "evaluate.json")
    printed = {path.stem: path.read_text(encoding="utf-8").strip() for path in records.glob("*.md")}
    price, tested, of_pair = (
        PriceResults.read(records / "study" / f"price{end}.jsonl") for end in ("", "-test", "-pair")
    )
    price_seeds = {"30 development writers": price.only(SEEDS_OF_PRICE), "7 report writers": tested}
    return {
        "study": render(
            "readme.md.j2",
            study=Study.read(records / "study"),
            costs=costs_for_writers(measured),
            over_seeds={who: found for who, results in price_seeds.items() if (found := costs_over_seeds(results))},
            augmentation=beside_augmentation(tested),
        ).strip(),
        "diagnosis": diagnosis_table(Results(records / "study" / "full.jsonl")),
        "evaluate": evaluation_table(measured),
        "writers": writers_table(measured),
        "ood": ood_table(measured),
        "photos": photo_tables(records / "photos"),
        "photos-summary": photo_summary(records / "photos"),
        "photos-alpha": photo_alpha(records / "photos"),
        "both": both_studies(Study.read(records / "study").last.claims, photo_claims(records / "photos")),
        "paper": paper_table(
            clean_accuracy(Study.read(records / "study").last),
            records / "photos",
            sorted(records.glob("distillation*.md")),
        ),
        "price": price_tables(price, tested, of_pair),
        **printed,
    }


def both_studies(on_digits: Sequence[Claim], on_photographs: Sequence[Claim]) -> str:
    """What both studies found, in one sentence each: verdicts alone."""
    sentences = []
    for where, found in (("digits", on_digits), ("photographs", on_photographs)):
        words = {
            verdict: listed([claim.words for claim in found if claim.verdict == verdict])
            for verdict in ("supported", "not supported", "inconclusive")
            if any(claim.verdict == verdict for claim in found)
        }
        ahead_at = f"is ahead of cross-entropy and of the strongest control at {words.get('supported', 'nothing')}"
        behind = f"; not at {words['not supported']}" if "not supported" in words else ""
        unknown = f"; inconclusive: {words['inconclusive']}" if "inconclusive" in words else ""
        if found:
            sentences.append(f"**On {where}** CAM-loss {ahead_at}{behind}{unknown}.")
    return " ".join(sentences)


def clean_accuracy(runs: RunSet) -> list[str]:
    """Of the chosen alpha: its title, its difference from cross-entropy, and the seeds of that."""
    found = runs.difference("accuracy")
    return [title(runs.chosen), pp(found, 2), str(found.seeds if found else 0)]


def render(template: str, **context: Any) -> str:
    """A template of `templates/`, its Markdown tables aligned."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
    )
    environment.filters |= {f.__name__: f for f in (pp, percent, of_100, title, seeds, listed, capital, compared)}
    environment.globals |= {f.__name__: f for f in (row, ahead, strength, devices, columns, suffixed)}
    environment.globals |= CONSTANTS
    text = re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(**context))
    return aligned(text.strip() + "\n")


def row(*cells: str | int | Iterable[str | int]) -> str:
    """A row of a Markdown table; cells that come as a list are one column each."""
    flat: list[str] = []
    for cell in cells:
        flat.extend(map(str, [cell] if isinstance(cell, str | int) else cell))
    return f"| {' | '.join(flat)} |"


def aligned(text: str) -> str:
    """Markdown with the rows of each table under its first one, which is its header."""

    def table(found: re.Match[str]) -> str:
        header, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[0].strip().splitlines())
        return cli.table(header, rows) + "\n"

    return re.sub(r"^(?:\|.*\n)+", table, text, flags=re.MULTILINE)


def title(method: str) -> str:
    return METHODS[method].title


def seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def capital(words: str) -> str:
    return words[0].upper() + words[1:]


def columns(methods: Iterable[str], names: Iterable[str]) -> list[str]:
    return [f"{title(method)}, {name}" for method in methods for name in names]


def suffixed(measure: str, suffixes: Iterable[str]) -> list[str]:
    return [f"{measure}{suffix}" for suffix in suffixes]


def of_100(value: float) -> str:
    return f"{100 * value:.0f}"


def percent(value: float, measure: str = "") -> str:
    return "" if math.isnan(value) else f"{value:.{DIGITS.get(measure, 1)}%}"


def listed(items: Iterable[str]) -> str:
    """ "a, b and c"; "nothing" for none."""
    *others, last = [*items] or ["nothing"]
    return f"{', '.join(others)} and {last}" if others else last


def ahead(difference: Difference) -> str:
    """Which of CAM-loss and its control is, and what that is worth."""
    leader = "CAM-loss" if difference.mean > 0 else "the control"
    words = f"{leader} is ahead by {100 * abs(difference.mean):.1f} pp"
    if difference.seeds < SEEDS:
        return f"{words}, on too few seeds to decide"
    return words if difference.sign else f"{words}, and the interval includes zero"


def strength(everything: Mapping[str, Results], method: str) -> str:
    """Alpha, or what the search found for a matched control in each set of runs."""
    if METHODS[method].matched is None:
        return f"{METHODS[method].alpha:g}" if METHODS[method].alpha else ""
    return " / ".join(f"{found.strengths[method]:g}" for found in everything.values() if method in found.strengths)


def devices(everything: Mapping[str, Results]) -> list[str]:
    records = [r for found in everything.values() for by_seed in found.runs.values() for r in by_seed.values()]
    return sorted({"{device}, torch {torch}".format(**record["environment"]) for record in records})


OF_VARIANTS = ("clutter_8", "two_digits_separation")


def in_the_demo(study: Study, folder: Path) -> dict[str, Any]:
    """What the demo says beside each of its corruptions, and of all of them under "".

    Returns:
        "study": what the study says of each. "run": the training of the pair that was measured, or None; to be said of
        that pair alone are "of_pair", the same with the pair's own numbers first, and, of a pair of more than two
        variants, "variants": the accuracy of each among clutter, and how far the CAM of one of two digits keeps to it.

    Args:
        study: what it says of each.
        folder: of the study's records. Those of `camloss evaluate` and `camloss price --pair` of the pair that the demo
            shows may lie there or not.
    """
    path, measured = folder.parent / "evaluate.json", Records(folder / "price-pair.jsonl").read().values()
    evaluated = read_json(path) if path.is_file() else {"run": None, "checkpoints": {}}
    pair, run = evaluated["checkpoints"], evaluated["run"]
    variants = {one["variant"]: {m: one["measured"][m] for m in OF_VARIANTS} for one in measured if one["run"] == run}
    return {
        "run": run,
        "study": quoted(study, {}),
        "of_pair": quoted(study, pair) if pair else {},
        "variants": variants if len(variants) > SIDE_BY_SIDE else {},
    }


def quoted(study: Study, pair: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """What the study says of each corruption, the numbers of a pair before it where there are any."""
    runs, short = study.last, study.everything["short"]
    verdicts: dict[bool, list[str]] = {True: [], False: []}
    told: dict[str, str] = {}
    for kind, (measure, words) in IN_THE_DEMO.items():
        difference = runs.difference(measure)
        is_sure = difference is not None and difference.sign != 0
        verdicts[is_sure].append(kind.replace("_", " ").replace("gaussian", "Gaussian"))
        beside = [m for m in (runs.controls.get(measure) or runs.controls[FIRST], REFERENCE) if m is not None]
        there = [m for m in (BASELINE, runs.chosen, *beside) if runs.results.values(m, measure)]
        own = of_the_pair(pair, measure, words)
        told[kind] = f"{own}In the study" if own else f"Accuracy in the study with {words}"
        told[kind] += f" {means(runs.results, there, measure)}."
        told[kind] += "" if is_sure else " The difference is inconclusive."
        if beside[0] not in there and short.values(beside[0], measure):
            told[kind] += f" In short runs {means(short, [BASELINE, runs.chosen, beside[0]], measure)}."
        from_control = runs.results.difference(runs.chosen, beside[0], measure)
        if from_control is not None and from_control.sign < 0:
            told[kind] += f" {capital(title(beside[0]))} is ahead."
        elif from_control is not None and from_control.sign == 0:
            told[kind] += f" The difference from {title(beside[0])} is inconclusive."
        if kind == "clutter":
            told[kind] += why_clutter_harms(pair)
    found = {"The study finds a difference with": verdicts[True], "Inconclusive": verdicts[False]}
    return {"": " ".join(f"{words}: {', '.join(kinds)}." for words, kinds in found.items() if kinds), **told}


def of_the_pair(pair: Mapping[str, Mapping[str, float]], measure: str, words: str) -> str:
    """What the networks side by side themselves reach; "" where they were not measured."""
    shown = islice(pair.items(), SIDE_BY_SIDE)
    found = [f"{described(Path(name).name).title} {numbers[measure]:.1%}" for name, numbers in shown]
    return f"Accuracy of these two networks with {words}: {', '.join(found)}. " if found else ""


def why_clutter_harms(pair: Mapping[str, Mapping[str, float]]) -> str:
    """That less clutter harms cross-entropy more, where it was measured so."""
    first = next(iter(pair.values()), {})
    empty, among = (first.get(measure, math.nan) for measure in ("canvas_56", FIRST))
    if not empty < among:
        return ""
    return f" Without a fragment in the same space, cross-entropy has {empty:.1%}: the empty space breaks it."


def means(results: Results, methods: Sequence[str], measure: str) -> str:
    """Of several methods, over the seeds that all of them have."""
    values = {method: results.values(method, measure) for method in methods}
    common = set.intersection(*(set(by_seed) for by_seed in values.values()))
    if not common:
        return "(no seed that all have)"
    found = (f"{statistics.mean(by_seed[s] for s in common):.1%} {title(m)}" for m, by_seed in values.items())
    return f"({seeds(len(common))}): {'; '.join(found)}"


def diagnosis_table(results: Results) -> str:
    """What `camloss.diagnose` measures of each method's networks, means over the seeds."""
    rows = []
    for field in fields(Diagnosis):
        found = (results.values(method, f"diagnosis_{field.name}") for method in results.methods)
        rows.append([f"`{field.name}`", *(f"{statistics.mean(by_seed.values()):.3f}" for by_seed in found)])
    count = listed(sorted({seeds(len(results.runs[method])) for method in results.methods}))
    return (
        f"{cli.table(['number', *map(title, results.methods)], rows)}\n\nFull runs on MNIST, {count} each; test images."
    )


def evaluation_table(record: Mapping[str, Any]) -> str:
    """The measures of networks, and of the maps that no network made."""
    columns = {**record["checkpoints"], **record["controls"]}
    rows = [
        [name, *(f"{numbers[name]:.4f}" if name in numbers else "" for numbers in columns.values())]
        for name in EVALUATED
    ]
    where = record["environment"]
    table = cli.table(["measure", *columns], rows)
    return f"{table}\n\n{record['images']['test']:,} test images; {where['device']}, torch {where['torch']}"


def writers_table(record: Mapping[str, Any]) -> str:
    """Mean accuracy over writers with its 95 % interval, and the difference from the first network by writer."""
    rows = []
    for name, found in record["writers"].items():
        by_writer: dict[str, Values] = found["by_writer"]
        baseline = next(iter(by_writer.values()))
        for source, values in by_writer.items():
            mean, (low, high), _ = t_interval(list(values.values()))
            difference = None if values is baseline else paired(values, baseline)
            interval = f"{mean:.2%} [{low:.2%}, {min(high, 1):.2%}]"
            cells = (interval, f"{found['worst_class'][source]:.2%}", pp(difference, 2))
            rows.append([f"{len(values)} {name.replace(',', ' writers, from')}", source, *cells])
    return cli.table(["digits of", "network", "accuracy [95 %]", "worst class", "difference in pp [95 %]"], rows)


def costs_for_writers(record: Mapping[str, Any]) -> list[str]:
    """What CAM-loss changes in accuracy on the report writers, of the pair whose baseline comes first."""
    found = []
    for kind, words in INPUTS.items():
        values = [*record["writers"].get(f"report, {kind}", {}).get("by_writer", {}).values()]
        if len(values) == 2 and (difference := paired(values[1], values[0])):
            found.append(f"{compared(difference)} from {words} ({pp(difference, 2)} pp, {difference.seeds} writers)")
    return found


def costs_over_seeds(results: PriceResults) -> list[str]:
    """What CAM-loss at alpha 10 changes in accuracy on writers, each writer's being a mean over the seeds."""
    found = ((words, results.gain_by_writer("alpha-10", kind)) for kind, words in INPUTS.items())
    seeds = len(results.runs["alpha-10"])
    return [
        f"{compared(gain)} from {words} ({pp(gain, 2)} pp over the writers, {seeds} seeds)"
        for words, gain in found
        if gain is not None
    ]


def beside_augmentation(tested: PriceResults) -> str:
    """What CAM-loss at alpha 10 has over cross-entropy that saw clutter in training; "" without runs of both."""
    among, clean = (paired(tested.values("alpha-10", m), tested.values(REFERENCE, m)) for m in (FIRST, "accuracy"))
    if among is None or clean is None:
        return ""
    return (
        f"cross-entropy trained among clutter has {percent(among.other)} among clutter and "
        f"{percent(clean.other, 'accuracy')} clean accuracy; CAM-loss at alpha 10 differs by {pp(among)} and "
        f"{pp(clean, 2)} pp (test data, {seeds(among.seeds)})"
    )


def compared(difference: Difference) -> str:
    """In words, what the interval of a difference in accuracy says."""
    return {-1: "lower accuracy", 0: "no conclusive difference in accuracy", 1: "higher accuracy"}[difference.sign]


def ood_table(record: Mapping[str, Any]) -> str:
    """Rates of images flagged as no digit, and AUROC against digits; and what is missed."""
    rates = record["ood"]["rates"]
    columns = [(who, key) for who in rates for key in ("flagged", "auroc")]
    shown = next(iter(rates.values()))
    rows = [[row, *(f"{rates[w][row][k]:.3f}" if k in rates[w][row] else "" for w, k in columns)] for row in shown]
    missed = ", ".join(f"{kind} {flagged:.0%} ({digit})" for kind, flagged, digit in record["ood"]["missed"])
    return (
        f"{cli.table(['drawings', *(f'{who}: {key}' for who, key in columns)], rows)}\n\n"
        f"Letters and shapes of which the demo flags less than half, and in brackets the usual prediction: {missed}."
    )
