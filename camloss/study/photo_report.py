"""The tables of the study on photographs, from its records, by the rules of `docs/protocol-photos.md`."""

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from camloss import cli
from camloss.diagnose import Diagnosis
from camloss.errors import CamlossError
from camloss.losses import BASELINE
from camloss.study.charts import Point, interval_chart
from camloss.study.photo_measures import MAPS_WITHOUT_A_NETWORK
from camloss.study.photo_recipes import RECIPES
from camloss.study.photo_study import ALPHA, alpha_method
from camloss.study.runs import Records
from camloss.study.statistics import (
    PICTURES,
    SEEDS,
    Claim,
    Results,
    alpha_sweep,
    chosen_alpha,
    claims,
    pp,
    strongest_control,
)

MARGIN = 0.01  # of clean accuracy: CAM-loss is not inferior if the interval lies above -1 percentage point
FIRST = "tin10"  # file of records
SECOND = {
    "clothing": "A second data set, `clothing`",
    "resnet18": "A second network, ResNet-18",
    "resnet10t": "A third network, resnet10t",
}
PLACES = {  # of the paper's claims, beside the first data set and network
    "resnet18": "the same, ResNet-18",
    "resnet10t": "the same, resnet10t",
    "clothing": "`clothing`",
}
COLUMNS = {
    "accuracy": "accuracy",
    "top_precision_10": "top 10 %",
    "pointing_game": "pointing game",
    "box_accuracy": "box accuracy",
    "canvas": "canvas",
    "fragments": "fragments",
    "scene": "scene",
    "box_in_scene": "box in a scene",
    "background": "background replaced",
    "calibration_error": "calibration error",
}
PRIMARY, METHODS, ON_TOP = "Primary hypotheses", "Every training method", "CAM-loss on top of a recipe"  # headings
DISTILLED = {  # in a record of `scripts/dev/benchmark_distillation.py`
    "difference": re.compile(r"^- (CAAM-CAM distillation) less cross-entropy: accuracy (\S+) pp (\[.*?\])", re.M),
    "runs": re.compile(r"^(\S+), .* (\d+) seeds; student (\w+)", re.M),
}
NO_RECORDS = "There are no records yet; `python scripts/dev/study_photos.py` makes them."
SETTING = "ten classes of Tiny ImageNet, a network with 0.46 million parameters"
OF_DIFFERENCES = 0, 2  # colours in a figure: from cross-entropy, whose colour it has, and from the strongest control
TITLES = {"centred-gaussian": "a centred Gaussian", "edge-energy": "edge energy"}


def photo_tables(folder: Path) -> str:
    """Everything that the records in a folder say, in Markdown."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    if not results.runs[BASELINE]:
        return NO_RECORDS
    parts = [
        f"## {PRIMARY}\n\n{verdicts(results)}",
        f"## How alpha was chosen\n\n{sweep_table(results)}",
        f"## {METHODS}\n\n{methods_table(results, folder)}\n\n{against_baseline(results, compared(results))}",
        f"## {ON_TOP}\n\n{recipes_table(results)}",
        f"## What `diagnose` says\n\n{diagnosis_table(results)}",
    ]
    for name, title in SECOND.items():
        other = Results(folder / f"{name}.jsonl", PICTURES)
        if other.runs[BASELINE]:
            parts.append(f"## {title}\n\n{against_baseline(other)}")
    return "\n\n".join([*parts, made_by(folder)])


def photo_summary(folder: Path) -> str:
    """What README says: nothing but verdicts."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    if not results.runs[BASELINE] or (alpha := alpha_to_judge(results)) is None:
        return NO_RECORDS
    title = results.protocol.methods[alpha].title
    return (
        f"**On photographs** ({SETTING}, {title}; "
        f"differences in pp from cross-entropy, then from the strongest control). "
        f"{by_verdict(results, alpha, lambda claim: in_words(claim, results))} {cost(results, alpha)}"
    )


def photo_claims(folder: Path) -> list[Claim]:
    """The primary hypotheses; none where there are no records."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    alpha = alpha_to_judge(results)
    return [] if alpha is None or not results.runs[BASELINE] else judged(results, alpha)


def photo_figure(folder: Path) -> str:
    """The primary hypotheses as SVG: the differences from cross-entropy and from the strongest control."""
    titles = Results(folder / f"{FIRST}.jsonl", PICTURES).protocol.methods
    groups = {}
    for claim in photo_claims(folder):
        control = titles[claim.control].title if claim.control else ""
        both = {"from cross-entropy": claim.from_baseline, f"from {control}": claim.from_control}
        groups[f"{claim.words}: {claim.verdict}"] = {
            name: (Point(found.mean, found.low, found.high), colour)
            for (name, found), colour in zip(both.items(), OF_DIFFERENCES, strict=True)
            if found is not None
        }
    return interval_chart(
        "What CAM-loss changes on photographs", "difference in percentage points, with 95 % intervals", groups
    )


def photo_setting(folder: Path) -> str:
    """What the figure is of, and what clean accuracy did; where there are hypotheses."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    alpha = alpha_to_judge(results)
    assert alpha is not None, "without hypotheses there is no figure"
    return f"{SETTING[0].upper()}{SETTING[1:]}, {results.protocol.methods[alpha].title}. {cost(results, alpha)}"


def photo_answer(folder: Path) -> str:
    """What the demo says beside pictures, without markup; empty where there are no records."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    if not results.runs[BASELINE] or (alpha := alpha_to_judge(results)) is None:
        return ""
    return (
        f"The study on photographs trained other networks than these: {results.protocol.methods[alpha].title} "
        f"(differences in percentage points, pp, from cross-entropy, then from the strongest control). "
        f"{by_verdict(results, alpha, without_markup)} {cost(results, alpha)}"
    )


def without_markup(claim: Claim) -> str:
    """A claim with both of its differences, its control unnamed."""
    return f"{claim.words} ({', '.join(pp(found) for found in (claim.from_baseline, claim.from_control) if found)})"


def by_verdict(results: Results, alpha: str, say: Callable[[Claim], str]) -> str:
    """The primary hypotheses, those with the same verdict in one sentence."""
    found = judged(results, alpha)
    sentences = []
    for verdict in ("supported", "not supported", "inconclusive"):
        if those := [say(claim) for claim in found if claim.verdict == verdict]:
            sentences.append(f"{verdict[0].upper()}{verdict[1:]}: {'; '.join(those)}.")
    return " ".join(sentences)


def photo_alpha(folder: Path) -> str:
    """How the alpha was chosen on photographs."""
    results = Results(folder / f"{FIRST}.jsonl", PICTURES)
    return sweep_table(results) if results.runs[BASELINE] else NO_RECORDS


def paper_table(on_mnist: Sequence[str], folder: Path, distilled: Sequence[Path] = ()) -> str:
    """What the paper claims, and what was tried of it here.

    Args:
        on_mnist: method, difference in clean accuracy from cross-entropy, and seeds, as the table has them.
        folder: of the records on photographs.
        distilled: records of distillation, as `scripts/dev/benchmark_distillation.py` prints them.
    """

    table, alpha = "results-photos.md", alpha_method(ALPHA)
    first = Results(folder / f"{FIRST}.jsonl", PICTURES)

    def row(where: str, results: Results, one: str, other: str = BASELINE, heading: str = METHODS) -> list[str]:
        found = results.difference(one, other, "accuracy")
        count = str(found.seeds) if found else ""
        return [where, results.protocol.methods[one].title, pp(found), count, f"[table]({table}#{heading_id(heading)})"]

    others = {name: Results(folder / f"{name}.jsonl", PICTURES) for name in PLACES}
    accuracy = [
        ["CIFAR-100, ImageNet", "not tried", "", "", ""],
        ["MNIST", *on_mnist, "[table](results-tables.md#full-runs-all-training-methods)"],
        row("ten classes of Tiny ImageNet", first, alpha),
        *(row(PLACES[name], found, alpha, heading=SECOND[name]) for name, found in others.items() if found.methods),
    ]
    recipes = [
        row(recipe.replace("-", " "), first, f"{recipe}-alpha-{ALPHA:g}", recipe, ON_TOP)
        for recipe in RECIPES
        if first.runs[recipe]
    ]
    judged_by = [
        [
            claim.words,
            first.protocol.methods[alpha].title,
            pp(claim.from_baseline),
            str(claim.from_baseline.seeds) if claim.from_baseline else "",
            f"[{claim.verdict}]({table}#{heading_id(PRIMARY)})",
        ]
        for claim in judged(first, alpha)
    ]
    untried = ["", "not tried", "", "", ""]
    groups = {
        "higher accuracy": accuracy,
        "higher accuracy beside other regularisation": recipes,
        "features of the object, not of the background": judged_by,
        "for many architectures": [["timm, torchvision", "`wrap`", "", "", "[table](architectures.md)"]],
        "no parameters, little computation": [["a training step", "", "", "", "[table](measure.md#speed)"]],
        "better transfer": [untried],
        "better few-shot learning": [untried],
        "CAAM-CAM distillation: a better student, sooner": [distillation_row(path) for path in distilled] or [untried],
    }
    rows = [["" if number else claim, *cells] for claim, group in groups.items() for number, cells in enumerate(group)]
    header = ["the paper claims", "tried on", "with", "difference in pp [95 %]", "seeds", ""]
    return cli.table(header, rows)


def distillation_row(record: Path) -> list[str]:
    """What a student gains, from a record of both kinds of distillation.

    Raises:
        CamlossError: it is no such record.
    """
    text = record.read_text(encoding="utf-8")
    found, runs = (pattern.search(text) for pattern in DISTILLED.values())
    if found is None or runs is None:
        raise CamlossError(f"{record} is no record of distillation; print it anew, see docs/recipes.md")
    (method, mean, interval), (data, seeds, student) = found.groups(), runs.groups()
    name = "MNIST" if data == "mnist" else f"`{data}`"
    return [f"{name}, student {student}", method, f"{mean} {interval}", seeds, "[table](recipes.md#distillation)"]


def heading_id(title: str) -> str:
    """As GitHub links to it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def in_words(claim: Claim, results: Results) -> str:
    """A claim with both of its differences."""
    control = (
        f", {pp(claim.from_control)} from *{results.protocol.methods[claim.control].title}*" if claim.control else ""
    )
    return f"{claim.words} ({pp(claim.from_baseline)}{control})"


def alpha_to_judge(results: Results) -> str | None:
    """The chosen alpha; until every alpha has its seeds, alpha 3, if it has been tried."""
    first = alpha_method(ALPHA)
    return chosen_alpha(results) or (first if results.runs[first] else None)


def judged(results: Results, alpha: str) -> list[Claim]:
    controls = {measure: strongest_control(results, measure) for measure in PICTURES.claims}
    return claims(results, alpha, controls)


def verdicts(results: Results) -> str:
    if (alpha := alpha_to_judge(results)) is None:
        return "No alpha has been tried."
    titles = {name: method.title for name, method in results.protocol.methods.items()}
    rows, found = [], judged(results, alpha)
    for claim in found:
        base = claim.from_baseline
        rows.append(
            [
                claim.words,
                *(("", "") if base is None else (percent(base.other), percent(base.one))),
                pp(base),
                f"{pp(claim.from_control)} ({titles[claim.control]})" if claim.control else "none measured",
                f"{claim.p:.2g}",
                str(claim.seeds),
                claim.verdict,
            ]
        )
    header = ["test pictures", "cross-entropy", titles[alpha], "difference in pp [95 %]", "from the strongest control"]
    header += ["corrected p", "seeds", "verdict"]
    chosen = "picked by the rule" if chosen_alpha(results) else "not yet picked by the rule, which waits for more seeds"
    notes = [cost(results, alpha), f"The alpha is {chosen}.", *ahead_on_test(results, alpha, found)]
    return f"{cli.table(header, rows)}\n\n{' '.join(notes)}"


def ahead_on_test(results: Results, alpha: str, claimed: Iterable[Claim]) -> list[str]:
    """What the choice of the strongest control on validation pictures changes, in a sentence; none where nothing."""
    found = []
    for claim in claimed:
        best = strongest_control(results, claim.measure, "test")
        if best is not None and best != claim.control:
            difference = pp(results.difference(alpha, best, claim.measure))
            found.append(f"{claim.words} {difference} (*{results.protocol.methods[best].title}*)")
    if not found:
        return []
    return [
        "The strongest control is the best on validation pictures. On test pictures another is better, and CAM-loss "
        f"differs from it by: {'; '.join(found)}."
    ]


def cost(results: Results, alpha: str) -> str:
    """Whether clean accuracy is not inferior, in one sentence."""
    found = results.difference(alpha, BASELINE, "accuracy")
    if found is None or found.seeds < SEEDS:
        return "Clean accuracy has too few seeds to judge."
    word = "is not inferior" if found.low > -MARGIN else "may be inferior"
    margin = f"the margin of {100 * MARGIN:g} percentage point"
    return f"Clean accuracy {word} by {margin} ({pp(found)} pp, {found.seeds} seeds)."


def sweep_table(results: Results) -> str:
    """On validation pictures."""
    chosen = chosen_alpha(results)
    sweep = alpha_sweep(results)
    clean = results.values(BASELINE, "accuracy", "validation")
    clutter = results.values(BASELINE, PICTURES.clutter, "validation")
    rows = [["0", percent(mean(clean)), percent(mean(clutter)), "", str(len(clean)), ""]]
    for method, found in sweep.items():
        accuracy = results.values(method, "accuracy", "validation")
        rows.append(
            [
                f"{results.protocol.methods[method].alpha:g}",
                percent(mean(accuracy)),
                percent(found.among_clutter),
                f"{100 * found.error:.1f}",
                str(len(accuracy)),
                "chosen" if method == chosen else "" if found.is_cheap else "costs too much",
            ]
        )
    return cli.table(["alpha", "accuracy", "among fragments", "standard error", "seeds", ""], rows)


def methods_table(results: Results, folder: Path) -> str:
    """Means in percent on test pictures; and of the maps that no network made."""
    rows = []
    for method in results.methods:
        if not is_recipe(method):
            values = [results.values(method, measure) for measure in COLUMNS]
            cells = [percent(mean(found)) if found else "" for found in values]
            rows.append([results.protocol.methods[method].title, *cells, str(len(results.runs[method]))])
    records = Records(folder / f"{FIRST}.jsonl").read()
    for name in MAPS_WITHOUT_A_NETWORK:
        if (record := records.get(f"{name}-seed-0")) is not None:
            cells = [percent(record["test"][measure]) if measure in record["test"] else "" for measure in COLUMNS]
            rows.append([TITLES[name], *cells, ""])
    share = mean(results.values(BASELINE, "box_share"))
    other = mean(results.values(BASELINE, "top_precision_10_other_image"))
    return (
        f"{cli.table(['test pictures', *COLUMNS.values(), 'seeds'], rows)}\n\n"
        f"Chance reaches {percent(share)} at the top 10 %, and cross-entropy's map of another picture of the same "
        f"class {percent(other)}."
    )


def recipes_table(results: Results) -> str:
    """CAM-loss with a recipe against cross-entropy with the same one."""
    rows = []
    for recipe in RECIPES:
        method = f"{recipe}-alpha-{ALPHA:g}"
        found = [results.difference(method, recipe, measure) for measure in ("accuracy", *PICTURES.claims)]
        if any(found):
            base = [pp(results.difference(recipe, BASELINE, "accuracy"))]
            rows.append([recipe.replace("-", " "), *base, *map(pp, found), str(max(d.seeds for d in found if d))])
    if not rows:
        return "None has been tried."
    added = [f"+ CAM-loss: {COLUMNS[measure]}" for measure in ("accuracy", *PICTURES.claims)]
    header = ["recipe", "the recipe alone: accuracy", *added, "seeds"]
    return f"{cli.table(header, rows)}\n\nDifferences in percentage points with their 95 % intervals."


def diagnosis_table(results: Results) -> str:
    swept = [BASELINE, *(method for method in results.protocol.alphas if results.runs[method])]
    rows = []
    for field in fields(Diagnosis):
        found = [results.values(method, f"diagnosis_{field.name}") for method in swept]
        rows.append([f"`{field.name}`", *(f"{mean(values):.3f}" for values in found)])
    return cli.table(["number", *(results.protocol.methods[method].title for method in swept)], rows)


def compared(results: Results) -> list[str]:
    """All but CAM-loss on top of a recipe, which is compared with the recipe alone."""
    return [method for method in results.methods if method in RECIPES or not is_recipe(method)]


def against_baseline(results: Results, methods: Sequence[str] | None = None) -> str:
    """Methods, by default all, against cross-entropy, by all measures."""
    measures = [measure for measure in COLUMNS if results.values(BASELINE, measure)]
    base = [percent(mean(results.values(BASELINE, measure))) for measure in measures]
    rows = [["cross-entropy", *base, str(len(results.runs[BASELINE]))]]
    for method in methods or results.methods:
        if method != BASELINE:
            found = [results.difference(method, BASELINE, measure) for measure in measures]
            count = str(max((d.seeds for d in found if d), default=0))
            rows.append([results.protocol.methods[method].title, *map(pp, found), count])
    table = cli.table(["test pictures", *(COLUMNS[measure] for measure in measures), "seeds"], rows)
    return (
        f"{table}\n\nDifferences from cross-entropy in percentage points with their 95 % intervals; none where there "
        "is one seed, or every seed differs by the same."
    )


def made_by(folder: Path) -> str:
    every = [record for path in sorted(folder.glob("*.jsonl")) for record in Records(path).read().values()]
    records = [record for record in every if "environment" in record]
    where = sorted({"{device}, torch {torch}, {precision}".format(**record["environment"]) for record in records})
    return f"{len(records)} runs; {'; '.join(where)}."


def is_recipe(method: str) -> bool:
    return any(method.startswith(recipe) for recipe in RECIPES)


def mean(values: Iterable[float] | dict[int, float]) -> float:
    numbers: Sequence[float] = [*(values.values() if isinstance(values, dict) else values)]
    return statistics.mean(numbers) if numbers else float("nan")


def percent(value: float) -> str:
    return f"{value:.1%}"
