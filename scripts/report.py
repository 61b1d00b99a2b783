"""Write docs/results.md, its figures, README's table of results and what the page quotes, from the study's records.

    python scripts/report.py            after scripts/study.py has written docs/records/study
    python scripts/report.py --check    do nothing, but fail where a page is not what the records say

Nothing in them is typed by hand; what may be claimed, docs/protocol.md says. README's table is filled in by tables.py.
"""

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _checkout import ROOT
from _svg import Point, line_chart

from camloss import CamlossError, cli
from camloss.study.measures import CLAIMED, IN_DEPTH
from camloss.study.methods import BASELINE, MATCHED_TO, METHODS
from camloss.study.statistics import (
    CLAIMS,
    COST,
    SEEDS,
    Claim,
    Difference,
    Results,
    alpha_sweep,
    chosen_alpha,
    claims,
    paired,
    strongest_control,
)

FIGURES = "docs/results"
FIGURES_SAY = {"clutter": "Accuracy among clutter", "alpha": "Accuracy by alpha"}
MEASURES = {  # of the table of all methods
    "accuracy": "accuracy on plain digits",
    "clutter_8": "among eight clutter",
    "canvas_56": "on a blank 56x56 field",
    "top_precision_10": "hottest 10 % on the ink",
    "apart_own": "hottest 10 % on the own one of two digits",
}
AROUND = {
    "canvas_28": "nothing: plain digits",
    "canvas_40": "blank, 40x40",
    "canvas_56": "blank, 56x56",
    "canvas_84": "blank, 84x84",
    "shift": "blank, 56x56, the digit anywhere",
    "clutter_2": "2 clutter",
    "clutter_4": "4 clutter",
    "clutter_8": "8 clutter",
    "clutter_16": "16 clutter",
    "line": "a line",
    "salt_noise": "salt noise, 28x28",
    "gaussian_noise": "Gaussian noise, 28x28",
}
ON_THE_PAGE = {  # its corruptions: the measure of each, and how much of it that was
    "clutter": ("clutter_8", "8 fragments of clutter"),
    "canvas": ("canvas_56", "a canvas of 56x56"),
    "line": ("line", "a line"),
    "salt_noise": ("salt_noise", "salt noise (10 grains)"),
    "gaussian_noise": ("gaussian_noise", "Gaussian noise"),
}
PLACES = {
    "top_precision_1": "hottest 1 % on the ink",
    "top_precision_3": "hottest 3 % on the ink",
    "top_precision_10": "hottest 10 % on the ink",
    "average_precision": "average precision on the ink",
    "pointing_game_own": "peak on the ink",
    "pointing_game_of_another": "... of another image's map",
    "ink_energy": "share of the map on the ink",
    "ink_energy_of_baseline": "... of cross-entropy's map, at this map's area",
    "clutter_8_top_precision": "eight clutter: hottest 10 % in the digit's box",
    "apart_own": "two digits apart: hottest 10 % on the own one",
    "apart_contrast": "... of the contrastive CAM",
    "apart_peak": "... peak in its box",
    "overlapping_own": "two digits that overlap: hottest 10 % on the own one",
    "overlapping_contrast": "... of the contrastive CAM",
}
SHORTCUTS = {
    "diagnosis_distance": "distance of CAM and CAAM",
    "diagnosis_distance_to_another": "... of another image's CAM",
    "diagnosis_area": "area of the CAM",
    "diagnosis_entropy": "entropy",
    "diagnosis_spatial_rank": "rank over cells",
    "diagnosis_channel_rank": "rank over channels",
    "diagnosis_active_channels": "active channels",
    "diagnosis_class_correlation": "correlation with other classes",
}
ORDERS = {
    "": "its own CAM",
    "_of_baseline": "cross-entropy's CAM",
    "_centre_prior": "a centre prior amid the ink",
    "_blurred": "blurred ink",
    "_random": "at random",
}
KEPT, HALF_WAY = (
    0.8,
    0.5,
)  # of a third twin: of the gain among clutter, and of the method to cross-entropy's area and rank
FIRST = "clutter_8"  # of the claims, which the answer tells of
FOLD = "## Everything that was measured"  # camloss/demo/results.py folds what follows
MEANT = f"""\
*Among clutter*: the digit, unscaled, on a field of 56x56 pixels with eight pieces of other digits around it; *a larger
field*: the same, blank. The last two claims are about the hottest tenth of the maps, whose size does not matter there.
A *control* is another method to train, which knows nothing of where the evidence lies; with fewer than {SEEDS} seeds
nothing counts as shown or refuted."""
RULES = """\
By the rules of [the study](protocol.md), which were written down before the runs. Made by `python scripts/report.py`
from one record a run; no number is typed by hand. Differences are paired by seed, with 95 % intervals of Student's t
over the seeds."""
LIMITS = f"""\
One data set (MNIST), and at most five seeds. What is shown is shown of one small network and its recipe; how other ones
do stands under *Elsewhere*. All surroundings are ours; other ones may tell another story.
The area-matched controls are as small as the maps of {METHODS[MATCHED_TO].title}. Sums over the field and cleared
features are methods of reading a network that it was not trained for."""


@dataclass(frozen=True)
class Place:
    """Where else the protocol wants to see the answer: in which it decides nothing."""

    words: str
    asked: Mapping[str, int]
    """Seeds by method."""
    method: str | None = None
    """What is held against cross-entropy; by default the chosen alpha."""


ELSEWHERE = {
    "gpu": Place(
        "the whole recipe on a GPU",
        {name: method.seeds for name, method in METHODS.items()}
        | dict.fromkeys(("max-pooling", "small-features"), SEEDS),
    ),
    "resnet18": Place("ResNet-18 by the same recipe", dict.fromkeys((BASELINE, "alpha-10", "max-pooling"), 3)),
    "original": Place("the original recipe, which pools the maximum", {BASELINE: 5, "alpha-3": 5}, "alpha-3"),
}


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout (default: this one)")
    flags = parser.parse_args()
    for name, text in pages(flags.root / "docs" / "records" / "study").items():
        path = flags.root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if flags.check:
            raise CamlossError(f"{name} is not what docs/records/study says; run python scripts/report.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


def pages(folder: Path) -> dict[str, str]:
    """Every file that is made of the records, by its place in the checkout.

    Raises:
        CamlossError: there is no run of cross-entropy, or none of CAM-loss.
    """
    lengths = {length: Results(folder / f"{length}.jsonl") for length in ("short", "full")}
    chosen = chosen_alpha(lengths["short"]) or MATCHED_TO
    controls = {measure: strongest_control(lengths["short"], measure) for measure in CLAIMS.values()}
    parts = [
        Part(length, records, chosen, controls)
        for length, records in lengths.items()
        if records.runs[BASELINE] and records.runs[chosen]
    ]
    if not parts:
        raise CamlossError(f"nothing to compare in {folder}; run python scripts/study.py")
    last, held = parts[-1], longest_with_control(parts)
    places = [
        Part(name, records, place.method or chosen, controls)
        for name, place in ELSEWHERE.items()
        if (records := Results(folder / f"{name}.jsonl")).runs[BASELINE] and records.runs[place.method or chosen]
    ]
    figures = {name: figure for part in parts for name, figure in part.figures().items()}
    shown = ((held or last).figure("clutter"), parts[0].figure("alpha"))
    sections = [
        "# Does CAM-loss work?",
        last.headline(),
        answer(parts, places),
        last.summary(),
        MEANT,
        *filter(None, shown),
    ]
    sections += [FOLD, RULES, "### How alpha was chosen", choice_of_alpha(lengths["short"])]
    for part in parts:
        sections += part.sections()
    for place in places:
        sections += place.sections_elsewhere(last)
    everything = lengths | {place.length: place.records for place in places}
    sections += ["### What is left open", left_open(lengths, parts, places), LIMITS, "### The runs", runs(everything)]
    return {
        "docs/results.md": "\n\n".join(sections) + "\n",
        "docs/records/study.md": "\n\n".join([last.headline(), last.summary(), *tried_elsewhere(places)]) + "\n",
        "camloss/demo/web/study.json": json.dumps(on_the_page(lengths, last), indent=1) + "\n",
        **figures,
    }


def answer(parts: Sequence["Part"], places: Sequence["Part"]) -> str:
    """What was asked, what was found, what the strongest control did, and what follows: a sentence each."""
    last = parts[-1]
    asked = (
        f"CAM-loss was to do {len(CLAIMS)} things better than cross-entropy and than its strongest control: "
        f"{listed(lower(words) for words in CLAIMS)}."
    )
    sentences = {"Asked": asked, "Found": last.found(), "Held against": held_against(parts), "So": last.verdicts()}
    if beyond := [f"\n  - {words}" for place in places if (words := place.elsewhere())]:
        sentences["Elsewhere"] = f"Of the digits among clutter:{''.join(beyond)}"
    return "\n".join(f"- **{name}:** {sentence}" for name, sentence in sentences.items())


def tried_elsewhere(places: Sequence["Part"]) -> list[str]:
    """In which other places the first claim looks the same, and in which not; empty without any."""
    by_lead: dict[bool, list[str]] = {True: [], False: []}
    for place in places:
        if found := place.over_baseline:
            by_lead[place.leads].append(f"{place.where} ({in_words(found.difference.seeds)})")
    ahead, behind = (listed(words) or "nowhere" for words in by_lead.values())
    words = f"Tried elsewhere, on digits among clutter. Ahead of both: {ahead}. Not ahead of both: {behind}."
    return [words] if any(by_lead.values()) else []


def choice_of_alpha(short: Results) -> str:
    """What the protocol's rule looks at, and what it picks."""
    chosen = chosen_alpha(short)
    rows = [
        [
            METHODS[method].title,
            seeds_in(short, method),
            f"{round(100 * alpha_sweep.cost, 2) + 0.0:.2f}",
            f"{alpha_sweep.among_clutter:.1%} ± {100 * alpha_sweep.error:.1f}",
            "chosen" if method == chosen else "" if alpha_sweep.is_cheap else "costs too much",
        ]
        for method, alpha_sweep in alpha_sweep(short).items()
    ]
    header = ["short runs, on the validation images", "seeds", "cost in points", "among eight clutter", ""]
    rule = (
        f"Of those that cost at most {100 * COST:g} points of cross-entropy's accuracy on plain digits, the one that "
        "reads most digits among clutter (mean ± standard error); of two within one standard error, the smaller."
    )
    none = f"None is chosen yet; until then this page speaks of {METHODS[MATCHED_TO].title}."
    return "\n\n".join([rule, cli.table(header, rows), *([] if chosen else [none])])


def held_against(parts: Sequence["Part"]) -> str:
    """What the strongest control of the first claim does, or that there is none."""
    part = longest_with_control(parts)
    if part is None:
        return "No control has been measured beside it yet, so nothing says that it takes CAM-loss."
    return part.held_against()


def longest_with_control(parts: Sequence["Part"]) -> "Part | None":
    """The longest runs in which the first claim can be held against its strongest control."""
    return next((part for part in reversed(parts) if part.against_control), None)


def ahead(found: "Compared") -> str:
    """Which of CAM-loss and its control is, and what that is worth."""
    difference = found.difference
    if difference.mean == 0:
        return "neither is ahead"
    leader = (
        f"{'CAM-loss' if difference.mean > 0 else 'the control'} is ahead by {100 * abs(difference.mean):.1f} points"
    )
    if difference.seeds < SEEDS:
        return f"{leader}, on too few seeds to decide"
    return leader if difference.sign else f"{leader}, and the interval includes zero"


@dataclass(frozen=True)
class Part:
    """The runs of one length, the alpha that the protocol's rule chose, and the strongest controls by measure."""

    length: str
    records: Results
    chosen: str
    controls: Mapping[str, str | None]

    @property
    def claims(self) -> list[Claim]:
        return claims(self.records, self.chosen, self.controls)

    def headline(self) -> str:
        """The answer in one sentence: what is shown, by how much, and beside which control."""
        title, baseline = METHODS[self.chosen].title, METHODS[BASELINE].title
        shown = [claim for claim in self.claims if claim.verdict == "shown"]
        if not shown:
            return f"**Of {len(CLAIMS)} claims for {title}, the {self.length} runs show none.**"
        better = "; ".join(
            f"{lower(claim.words)} better than {baseline} ({points(claim.from_baseline)} points) and than its "
            f"strongest control, *{METHODS[claim.control].title}* ({points(claim.from_control)} points)"
            for claim in shown
            if claim.control is not None
        )
        return f"**Shown of {title}, in the {self.length} runs ({in_words(fewest(*shown))}): {better}.**"

    def found(self) -> str:
        """Of the first claim, and what it costs, beside cross-entropy."""
        one, other = METHODS[self.chosen].title, METHODS[BASELINE].title
        read = self.over_baseline
        if read is None:
            return f"The {self.length} runs of {one} and {other} share no seed yet."
        among = (
            f"In the {self.length} runs ({in_words(read.difference.seeds)}) {one} reads {read.one:.1%} of the "
            f"digits among clutter and {other} {read.other:.1%}: {points(read.difference)} points"
        )
        plain = compared(self.records, self.chosen, BASELINE, "accuracy")
        return f"{among}; of plain digits {plain.one:.2%} and {plain.other:.2%}." if plain else f"{among}."

    @property
    def over_baseline(self) -> "Compared | None":
        return compared(self.records, self.chosen, BASELINE, FIRST)

    @property
    def leads(self) -> bool:
        """Whether more digits among clutter are read than by cross-entropy and by the control."""
        both = (self.over_baseline, self.against_control)
        return all(found is not None and found.difference.mean > 0 for found in both)

    @property
    def against_control(self) -> "Compared | None":
        control = self.controls[FIRST]
        return None if control is None else compared(self.records, self.chosen, control, FIRST)

    def held_against(self) -> str:
        """What the strongest control of the first claim does; there has to be one."""
        control, found = self.controls[FIRST], self.against_control
        assert control is not None
        assert found is not None
        return (
            f"In the {self.length} runs ({in_words(found.difference.seeds)}) the strongest control, "
            f"*{METHODS[control].title}*, reads {found.other:.1%} of the digits among clutter and "
            f"{METHODS[self.chosen].title} {found.one:.1%}: {ahead(found)}."
        )

    @property
    def where(self) -> str:
        """In words, of a place that decides nothing."""
        return ELSEWHERE[self.length].words

    def elsewhere(self) -> str:
        """The first claim in a place that decides nothing: what it reads, and over whom; "" where none can be held."""
        found = self.over_baseline
        if found is None:
            return ""
        over = f"over {METHODS[BASELINE].title} {points(found.difference)} points"
        if self.against_control:
            control = METHODS[str(self.controls[FIRST])].title
            over += f", over *{control}* {points(self.against_control.difference)}"
        seeds = in_words(found.difference.seeds)
        return f"{self.where} ({seeds}): {METHODS[self.chosen].title} reads {found.one:.1%}, {over}"

    def sections_elsewhere(self, judged: "Part") -> Iterator[str]:
        """What a place that decides nothing has to say; `judged` are the runs that decide."""
        yield f"### Elsewhere: {self.where}"
        if self.chosen == judged.chosen and fewest(*self.claims) >= SEEDS:
            yield self.repeats(judged)
        yield self.claimed()
        yield self.every_way()
        yield self.shortcuts()

    def repeats(self, judged: "Part") -> str:
        """Which verdicts are the same here."""
        pairs = list(zip(judged.claims, self.claims, strict=True))
        others = [
            f"{lower(one.words)}, which is {one.verdict} there and {two.verdict} here"
            for one, two in pairs
            if one.verdict != two.verdict
        ]
        rest = f"; not so that {listed(others)}" if others else ""
        return f"Of the {len(pairs)} verdicts of the {judged.length} runs {len(pairs) - len(others)} repeat here{rest}."

    def verdicts(self) -> str:
        """What the runs show, refute and leave open, by claim."""
        by_verdict: dict[str, list[str]] = {"shown": [], "refuted": [], "open": []}
        for claim in self.claims:
            by_verdict[claim.verdict].append(f"that {lower(claim.words)} better")
        shown, refuted, left = (listed(words) or "nothing" for words in by_verdict.values())
        runs = f"By the rules written down before them, the {self.length} runs"
        return f"{runs} show {shown}, refute {refuted}, and leave open {left}."

    def summary(self) -> str:
        """A row a claim, and what it costs."""
        header = ["claim", METHODS[BASELINE].title, METHODS[self.chosen].title, "difference in points [95 %]"]
        return cli.table(
            [*header, "over the strongest control", "seeds", "verdict"], [*map(self._row, self.claims), self._cost()]
        )

    def _cost(self) -> list[str]:
        found = self.records.difference(self.chosen, BASELINE, "accuracy")
        values = (percent(self.records, method, "accuracy") for method in (BASELINE, self.chosen))
        return [
            "Its cost: accuracy on plain digits",
            *values,
            points(found, 2),
            "",
            str(found.seeds if found else 0),
            "",
        ]

    def _row(self, claim: Claim) -> list[str]:
        values = (percent(self.records, method, claim.measure) for method in (BASELINE, self.chosen))
        control = "none measured" if claim.from_control is None else points(claim.from_control)
        seeds = 0 if claim.from_baseline is None else claim.from_baseline.seeds
        return [claim.words, *values, points(claim.from_baseline), control, str(seeds), claim.verdict]

    def sections(self) -> Iterator[str]:
        yield f"### {self.length.capitalize()} runs: what was claimed beforehand"
        yield self.claimed()
        yield f"### {self.length.capitalize()} runs: every method to train"
        yield self.every_way()
        yield from filter(None, [self.figure("alpha")])
        yield f"### {self.length.capitalize()} runs: surroundings"
        yield self.surroundings()
        yield f"### {self.length.capitalize()} runs: where the maps lie"
        yield self.places()
        yield f"### {self.length.capitalize()} runs: short cuts"
        yield self.shortcuts()
        yield f"### {self.length.capitalize()} runs: faithfulness"
        yield self.orders()
        if variants := self.third_twin():
            yield f"### {self.length.capitalize()} runs: a third twin?"
            yield variants

    def claimed(self) -> str:
        rows = [
            [
                claim.words,
                percent(self.records, BASELINE, claim.measure),
                percent(self.records, self.chosen, claim.measure),
                points(claim.from_baseline),
                self._control(claim),
                points(claim.from_control),
                f"{claim.p:.4f}",
                " / ".join(str(found.seeds if found else 0) for found in (claim.from_baseline, claim.from_control)),
                claim.verdict,
            ]
            for claim in self.claims
        ]
        header = ["claim", "cross-entropy", METHODS[self.chosen].title, "difference", "strongest control", "difference"]
        return cli.table([*header, "p (Holm)", "seeds of both differences", "verdict"], rows)

    def _control(self, claim: Claim) -> str:
        value = claim.control and percent(self.records, claim.control, claim.measure)
        return f"{METHODS[claim.control].title}, {value}" if claim.control and value else "none measured"

    def every_way(self) -> str:
        numbers = [
            [
                METHODS[method].title,
                METHODS[method].kind,
                seeds_in(self.records, method),
                *(percent(self.records, method, m) for m in MEASURES),
            ]
            for method in self.records.methods
        ]
        differences = [
            [METHODS[method].title, *(self._points_over_baseline(measure, method) for measure in MEASURES)]
            for method in self.records.methods
            if method != BASELINE
        ]
        return "\n\n".join(
            [
                cli.table(["method", "kind", "seeds", *MEASURES.values()], numbers),
                "Differences from cross-entropy, in points:",
                cli.table(["method", *MEASURES.values()], differences),
            ]
        )

    def surroundings(self) -> str:
        methods = self._columns("clutter_8", "canvas_56", "ce-among-clutter")
        accuracy = [
            [
                words,
                *(percent(self.records, method, measure) for method in methods),
                self._points_over_baseline(measure),
            ]
            for measure, words in AROUND.items()
        ]
        read = [
            [
                AROUND[measure],
                *(cell for method in (BASELINE, self.chosen) for cell in self._three_ways(method, measure)),
            ]
            for measure in AROUND
            if measure not in ("canvas_28", "salt_noise", "gaussian_noise")
        ]
        calibration = [
            [AROUND[measure], *(percent(self.records, method, f"{measure}_calibration") for method in methods)]
            for measure in ("canvas_28", "canvas_56", "clutter_8", "gaussian_noise")
        ]
        titles = [METHODS[method].title for method in methods]
        three = [
            f"{METHODS[method].title}, {how}"
            for method in (BASELINE, self.chosen)
            for how in ("mean", "sum", "cleared")
        ]
        return "\n\n".join(
            [
                f"Accuracy with what surrounds the digit changed, on {CLAIMED:,} test images for what is claimed and "
                f"{IN_DEPTH} for all else; the last column is the difference from cross-entropy.",
                cli.table(["around the digit", *titles, "difference"], accuracy),
                self.figure("clutter"),
                "How much of it is the average over more cells? *sum*: features summed, and divided by the cells of a "
                "plain digit; *cleared*: the same of what they are above those of a blank field.",
                cli.table(["around the digit", *three], read),
                "Calibration error:",
                cli.table(["around the digit", *titles], calibration),
            ]
        )

    def _three_ways(self, method: str, measure: str) -> list[str]:
        return [percent(self.records, method, f"{measure}{how}") for how in ("", "_sum", "_background_subtracted")]

    def places(self) -> str:
        methods = self._columns("top_precision_10", "apart_own")
        rows = [
            [
                words,
                *(percent(self.records, method, measure) for method in methods),
                self._points_over_baseline(measure),
            ]
            for measure, words in PLACES.items()
        ]
        (covered,) = {percent(self.records, BASELINE, "ink")}
        table = cli.table(["measure", *(METHODS[method].title for method in methods), "difference"], rows)
        return f"{table}\n\nThe ink covers {covered} of an image: what chance would give on it."

    def shortcuts(self) -> str:
        rows = [
            [METHODS[method].title, *(number(self.records, method, measure) for measure in SHORTCUTS)]
            for method in self.records.methods
        ]
        return cli.table(["method", *SHORTCUTS.values()], rows)

    def orders(self) -> str:
        rows = [
            [
                words,
                *(
                    number(self.records, method, f"{what}{suffix}")
                    for method in (BASELINE, self.chosen)
                    for what in ("deletion", "insertion")
                ),
            ]
            for suffix, words in ORDERS.items()
        ]
        header = [
            f"{METHODS[method].title}, {what}"
            for method in (BASELINE, self.chosen)
            for what in ("deletion", "insertion")
        ]
        return (
            "Mean probability of the label while pixels are erased (deletion: lower is better) or appear (insertion: "
            f"higher), in the order of:\n\n{cli.table(['order', *header], rows)}"
        )

    def third_twin(self) -> str:
        """The protocol's rule for a variant that keeps the gain and loses the short cuts; "" where there is none."""
        rows = []
        for method in self.records.methods:
            if METHODS[method].kind == "variant":
                kept = self._share(method, "clutter_8", BASELINE, self.chosen)
                area, rank = (
                    self._share(method, f"diagnosis_{what}", self.chosen, BASELINE) for what in ("area", "spatial_rank")
                )
                worth = kept >= KEPT and area >= HALF_WAY and rank >= HALF_WAY
                shares = (f"{share:.0%}" for share in (kept, area, rank))
                rows.append([METHODS[method].title, seeds_in(self.records, method), *shares, "yes" if worth else "no"])
        header = [
            "variant",
            "seeds",
            "of the gain among clutter",
            "of the method to cross-entropy's area",
            "... to its rank",
        ]
        return cli.table([*header, "worth shipping"], rows) if rows else ""

    def _share(self, method: str, measure: str, start: str, end: str) -> float:
        """How far a method is from one to another, over the seeds that all three share; nan where those are alike."""
        values = [self.records.values(name, measure) for name in (method, start, end)]
        shared = set.intersection(*map(set, values))
        if not shared:
            return math.nan
        here, low, high = (statistics.mean(of[seed] for seed in shared) for of in values)
        return (here - low) / (high - low) if high != low else math.nan

    def _columns(self, *measures_or_methods: str) -> list[str]:
        """Cross-entropy, the chosen alpha, the strongest controls of these measures, other methods that are there."""
        more = [self.controls.get(name, name) for name in measures_or_methods]
        found = [
            method for method in (BASELINE, self.chosen, *more) if method is not None and self.records.runs.get(method)
        ]
        return list(dict.fromkeys(found))

    def _points_over_baseline(self, measure: str, method: str | None = None) -> str:
        digits = 2 if measure == "accuracy" else 1
        return points(self.records.difference(method or self.chosen, BASELINE, measure), digits)

    def figures(self) -> dict[str, str]:
        return {f"{FIGURES}/{name}-{self.length}.svg": figure for name, figure in self._figures().items()}

    def figure(self, name: str) -> str:
        """To be shown; "" where there is none."""
        return (
            f"![{FIGURES_SAY[name]}, {self.length} runs](results/{name}-{self.length}.svg)"
            if name in self._figures()
            else ""
        )

    def _figures(self) -> dict[str, str]:
        methods = self._columns("clutter_8", "ce-among-clutter")
        clutter = {"0": "canvas_56", **{str(count): f"clutter_{count}" for count in (2, 4, 8, 16)}}
        lines = {
            METHODS[method].title: [point(self.records, method, measure) for measure in clutter.values()]
            for method in methods
        }
        found = {
            "clutter": line_chart(
                f"Accuracy on a field of 56x56 pixels, {self.length} runs", "clutter", list(clutter), lines
            )
        }
        alpha_sweep = [method for method in self.records.methods if METHODS[method].kind == "alpha_sweep"]
        if len(alpha_sweep) > 1:
            alpha_sweep = [BASELINE, *sorted(alpha_sweep, key=lambda method: METHODS[method].alpha)]
            ticks = [f"{METHODS[method].alpha:g}" for method in alpha_sweep]
            shown = {MEASURES[name]: [point(self.records, method, name) for method in alpha_sweep] for name in MEASURES}
            found["alpha"] = line_chart(
                f"Cross-entropy (0) and CAM-loss by alpha, {self.length} runs", "alpha", ticks, shown
            )
        return found


def on_the_page(lengths: Mapping[str, Results], part: Part) -> dict[str, str]:
    """What the page says beside each of its corruptions, and of all of them under ""."""
    apart: list[str] = []
    unsure: list[str] = []
    told: dict[str, str] = {}
    for kind, (measure, words) in ON_THE_PAGE.items():
        found = part.records.difference(part.chosen, BASELINE, measure)
        (apart if found is not None and found.sign else unsure).append(kind)
        ood_score = " Inconclusive." if kind in unsure else ""
        control = part.controls.get(measure) or part.controls["clutter_8"]
        beside = [method for method in (control, "ce-among-clutter") if method is not None]
        methods = [BASELINE, part.chosen, *(method for method in beside if part.records.values(method, measure))]
        told[kind] = f"Accuracy in the study with {words} {shares(part.records, methods, measure)}.{ood_score}"
        elsewhere = [method for method in beside if method not in methods and lengths["short"].values(method, measure)]
        if elsewhere:
            told[kind] += f" In short runs {shares(lengths['short'], [BASELINE, part.chosen, *elsewhere], measure)}."
    lists = [("The study finds a difference between the two with", apart), ("Inconclusive", unsure)]
    return {"": " ".join(f"{words}: {', '.join(map(_spoken, kinds))}." for words, kinds in lists if kinds), **told}


def _spoken(kind: str) -> str:
    """ "gaussian_noise" -> "Gaussian noise"."""
    return kind.replace("_", " ").replace("gaussian", "Gaussian")


def shares(records: Results, methods: Sequence[str], measure: str) -> str:
    """The means of several methods, over the seeds that all of them have."""
    values = {method: records.values(method, measure) for method in methods}
    common = set.intersection(*(set(by_seed) for by_seed in values.values()))
    if not common:
        return "(no seed that all have)"
    means = "; ".join(
        f"{METHODS[method].title} {statistics.mean(by_seed[seed] for seed in common):.1%}"
        for method, by_seed in values.items()
    )
    return f"({in_words(len(common))}): {means}"


@dataclass(frozen=True)
class Compared:
    """The means of two methods over the seeds that they share, and their difference."""

    one: float
    other: float
    difference: Difference


def compared(records: Results, one: str, other: str, measure: str) -> Compared | None:
    """None where the two share no seed."""
    difference = records.difference(one, other, measure)
    if difference is None:
        return None
    values = [records.values(method, measure) for method in (one, other)]
    shared = values[0].keys() & values[1].keys()
    means = [statistics.mean(of[seed] for seed in shared) for of in values]
    return Compared(means[0], means[1], difference)


def listed(items: Iterable[str]) -> str:
    """ "a, b and c"; "" for none."""
    *others, last = [*items] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def lower(words: str) -> str:
    return words[0].lower() + words[1:]


def runs(lengths: Mapping[str, Results]) -> str:
    """Which there are, which there are not, and where they ran."""
    there = [name for name in METHODS if any(records.runs[name] for records in lengths.values())]
    rows = [
        [
            METHODS[name].title,
            METHODS[name].kind,
            strength(lengths, name),
            str(METHODS[name].seeds),
            *(str(len(records.runs[name])) for records in lengths.values()),
        ]
        for name in there
    ]
    missing = "; ".join(method.title for name, method in METHODS.items() if name not in there) or "none"
    devices = {
        "{device}, torch {torch}".format(**record["environment"])
        for records in lengths.values()
        for seeds in records.runs.values()
        for record in seeds.values()
    }
    return (
        f"Seeds that are in so far:\n\n{cli.table(['method', 'kind', 'alpha', 'asked for', *lengths], rows)}\n\n"
        f"Ways without a run: {missing}.\n\nTrained on {'; '.join(sorted(devices))}."
    )


def strength(lengths: Mapping[str, Results], name: str) -> str:
    """Alpha, or what the search found for a matched control."""
    if METHODS[name].matched is None:
        return f"{METHODS[name].alpha:g}" if METHODS[name].alpha else ""
    found = [f"{records.strengths[name]:g}" for records in lengths.values() if name in records.strengths]
    return " / ".join(found)


def left_open(lengths: Mapping[str, Results], parts: Sequence[Part], places: Sequence[Part]) -> str:
    lines = []
    for part in parts:
        for claim in part.claims:
            if claim.verdict == "open":
                lines.append(f"- {claim.words} ({part.length} runs): {why_open(claim)}.")
    short = lengths["short"]
    lacking = sum(len(short.runs[name]) < method.seeds for name, method in METHODS.items())
    if lacking:
        lines.append(
            f"- {lacking} of {len(METHODS)} methods have fewer seeds of short runs than the protocol asks for."
        )
    for place in places:
        asked = ELSEWHERE[place.length].asked
        there = sum(min(count, len(place.records.runs[method])) for method, count in asked.items())
        if there < sum(asked.values()):
            lines.append(f"- Elsewhere, {place.where}: {there} of {sum(asked.values())} runs are in.")
    if parts[-1].length == "short":
        lines.append("- Whether any of it holds for the recipe at full length: there are no full runs to compare.")
    return "\n".join(lines) or "- None of the claims."


def why_open(claim: Claim) -> str:
    if claim.control is None or claim.from_control is None:
        return "no control has been measured beside it"
    if fewest(claim) < SEEDS:
        return f"{in_words(fewest(claim))}, and {SEEDS} are asked for"
    return "an interval includes zero, or the corrected p-value is too high"


def fewest(*claims: Claim) -> int:
    """Seeds of the differences that claims rest on."""
    differences = [found for claim in claims for found in (claim.from_baseline, claim.from_control)]
    return min(0 if found is None else found.seeds for found in differences)


def in_words(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def seeds_in(records: Results, method: str) -> str:
    return str(len(records.runs[method]) or "")


def percent(records: Results, method: str, measure: str) -> str:
    """The mean over the seeds, "" without any."""
    values = records.values(method, measure).values()
    return f"{statistics.mean(values):.{2 if measure == 'accuracy' else 1}%}" if values else ""


def number(records: Results, method: str, measure: str) -> str:
    values = records.values(method, measure).values()
    return f"{statistics.mean(values):.3f}" if values else ""


def points(difference: Difference | None, digits: int = 1) -> str:
    """A difference of shares in points, with its interval where there are seeds enough for one."""
    if difference is None:
        return ""
    mean, low, high = (f"{100 * value:+.{digits}f}" for value in (difference.mean, difference.low, difference.high))
    return mean if difference.seeds < 2 else f"{mean} [{low}, {high}]"


def point(records: Results, method: str, measure: str) -> Point | None:
    """For a figure: mean and 95 % interval of a method by itself, which is paired with nothing."""
    values = records.values(method, measure)
    alone = paired(values, dict.fromkeys(values, 0.0))
    if alone is None:
        return None
    return Point(alone.mean, *((alone.low, alone.high) if alone.seeds > 1 else (alone.mean, alone.mean)))


if __name__ == "__main__":
    cli.run(main)
