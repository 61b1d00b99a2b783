"""The pages are what the records say, byte for byte, and say no more than the protocol allows."""

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from camloss.commands import report
from camloss.errors import CamlossError
from camloss.study.methods import METHODS
from camloss.study.price import PriceResults
from camloss.study.price_methods import PRICE_METHODS
from camloss.study.report import (
    DECIDING,
    ELSEWHERE,
    Study,
    aligned,
    beside_augmentation,
    both_studies,
    costs_for_writers,
    costs_over_seeds,
    evaluation_table,
    ood_table,
    pages,
    render,
    writers_table,
)
from camloss.study.runs import Records

ROOT = Path(__file__).resolve().parent.parent.parent
STUDY = ROOT / "docs" / "records" / "study"
TEMPLATE = Records(STUDY / "full.jsonl").read()["ce-seed-0"]
ANSWER, TABLES = "docs/results.md", "docs/results-tables.md"


def test_the_committed_pages_are_those_that_the_records_make() -> None:
    report.main(["--check", "--root", str(ROOT)])


def test_a_page_that_is_not_what_the_records_say_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "records", tmp_path / "docs" / "records")
    table = "<!-- table: evaluate -->\nold\n<!-- end -->"
    (tmp_path / "README.md").write_text(f"Before\n{table}\nafter\n", encoding="utf-8")
    report.main(["--root", str(tmp_path)])
    for name in pages(STUDY):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
    filled = (tmp_path / "README.md").read_text(encoding="utf-8")
    measured = json.loads((ROOT / "docs" / "records" / "evaluate.json").read_text(encoding="utf-8"))
    assert filled == f"Before\n<!-- table: evaluate -->\n{evaluation_table(measured)}\n<!-- end -->\nafter\n"
    report.main(["--root", str(tmp_path), "--check"])
    for name in (ANSWER, "README.md"):
        page = tmp_path / name
        before = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r"\d", "7", before), encoding="utf-8")
        with pytest.raises(CamlossError, match=f"{name} is not what docs/records says; run camloss report"):
            report.main(["--root", str(tmp_path), "--check"])
        page.write_text(before, encoding="utf-8")


def test_records_that_lack_something_are_one_line(tmp_path: Path) -> None:
    records = tmp_path / "docs" / "records"
    shutil.copytree(ROOT / "docs" / "records", records)
    path = records / "study" / "full.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    for lacking, said in (("test", "lacks what was measured"), ("environment", "are not as they are written")):
        record = {key: value for key, value in json.loads(first).items() if key != lacking}
        path.write_text("\n".join([json.dumps(record), *others]), encoding="utf-8")
        with pytest.raises(CamlossError, match=said) as refused:
            report.main(["--root", str(tmp_path)])
        assert "\n" not in str(refused.value)
    path.write_text("\n".join([first, *others]), encoding="utf-8")
    (records / "evaluate.json").unlink()
    with pytest.raises(CamlossError, match=r"cannot read .*evaluate.json: No such file or directory; restore it"):
        report.main(["--root", str(tmp_path)])


def test_a_table_that_nothing_recorded_is_one_clear_line(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "records", tmp_path / "docs" / "records")
    (tmp_path / "README.md").write_text("<!-- table: nothing -->\n<!-- end -->", encoding="utf-8")
    with pytest.raises(CamlossError, match=r"README\.md has a table 'nothing'; expected one of .*evaluate"):
        report.main(["--root", str(tmp_path)])


def test_tables_are_aligned_and_other_lines_stay() -> None:
    text = "Words | words\n\n| a | number |\n| long | 1 |\n\n| b |\n| c |\n"
    assert aligned(text) == (
        "Words | words\n\n| a    | number |\n| ---- | -----: |\n| long |      1 |\n\n| b |\n| - |\n| c |\n"
    )


def test_accuracy_of_writers_has_its_interval_and_is_paired_by_writer() -> None:
    one, other = {"1": 0.9, "2": 0.8, "3": 0.7}, {"1": 0.92, "2": 0.81, "3": 0.72}
    found = {"images": 30, "by_writer": {"ce": one, "cam": other}, "worst_class": {"ce": 0.5, "cam": 0.6}}
    rows = writers_table({"writers": {"report, raster": found}}).splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows]
    assert cells[0] == ["3 report writers, from raster", "ce", "80.00% [55.16%, 100.00%]", "50.00%", ""]
    assert cells[1][-1] == "+1.67 [+0.23, +3.10]"  # of 2, 1 and 2: the standard error is 1/3


def test_the_ood_table_names_what_is_missed() -> None:
    rates = {"ce": {"digits": {"flagged": 0.01}, "shapes": {"flagged": 0.5, "auroc": 0.9}}}
    table = ood_table({"ood": {"rates": rates, "missed": [["heart", 0.0, 0]]}})
    assert "| digits   |       0.010 |           |" in table
    assert table.endswith("and in brackets the usual prediction: heart 0% (0).")


def made_up(folder: Path, methods: dict[str, int], length: str = "short", **better: float) -> Path:
    """Records of that many seeds of each method, alike but for a little noise; CAM-loss is better by what is said."""
    template = TEMPLATE | {"history": []}
    lines = []
    for method, seeds in methods.items():
        for seed in range(seeds):
            noise = random.Random(f"{method} {seed}")
            numbers = {name: 0.5 + noise.uniform(-0.01, 0.01) for name in template["test"]}
            if METHODS[method].kind == "alpha sweep":
                numbers |= {name: numbers[name] + gain for name, gain in better.items()}
            numbers["accuracy"] = 0.99
            record = template | {"method": method, "seed": seed, "validation": numbers, "test": numbers}
            lines.append(json.dumps(record))
    (folder / f"{length}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


ALL = {name: method.seeds for name, method in METHODS.items()} | {"wrong-class": 5, "max-pooling": 5}
ALL |= dict.fromkeys(("random-weight", "other-image", "small-features"), 5)  # whichever is the strongest


def answer(results: str) -> dict[str, str]:
    """What the answer says, by what each line starts with; the places elsewhere as one text."""
    return dict(re.findall(r"^- \*\*(\w[\w ]+?):?\*\*,?:? ?(.*(?:\n  - .*)*)", results, re.MULTILINE))


def headline(results: str) -> str:
    return next(part for part in results.split("\n\n") if part.startswith("**"))


def test_of_whole_records_each_claim_is_judged(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2))
    said = answer(made[ANSWER])
    assert list(said) == ["Question", "Finding", "Strongest control", "Empty space", "Verdicts"]
    assert re.search(
        r"the same cross-entropy networks have \d\d\.\d% on a larger canvas and \d\d\.\d% among clutter "
        r"\(\[tables\]\(results-tables\.md#short-runs-corruptions\)\)\.$",
        said["Empty space"],
    )
    number = r"\+\d\d\.\d \[\+\d\d\.\d, \+\d\d\.\d\]"
    assert re.fullmatch(
        rf"\*\*Supported for CAM-loss at alpha [\d.]+ in the short runs \(5 seeds\): higher accuracy among clutter "
        rf"than cross-entropy \({number} pp\) and than the strongest control, \*.+\* \({number} pp\)\.\*\*",
        headline(made[ANSWER]),
    )
    assert re.search(
        r"is 8\d\.\d% with CAM-loss at alpha [\d.]+ and \d\d\.\d% with cross-entropy \(\+", said["Finding"]
    )
    assert re.search(r"\* has \d\d\.\d% .*: CAM-loss is ahead by \d\d\.\d pp\.$", said["Strongest control"])
    assert said["Verdicts"].endswith(
        ": supported: accuracy among clutter; not supported: accuracy on a larger canvas; inconclusive: precision of "
        "the top 10 % of CAM positions and separation of two digits by the CAM."
    )
    tables = made[TABLES]
    assert tables.count("an interval includes zero, or the corrected p-value is too high") == 2
    assert len(re.findall(r"^\| CAM-loss at .* chosen \|$", tables, re.MULTILINE)) == 1
    assert "None is chosen yet" not in tables
    assert "![Accuracy by alpha, short runs](results/alpha-short.svg)" in made[ANSWER]
    _, first, figure, _ = made[ANSWER].split("\n\n", 3)
    assert re.fullmatch(
        r"Among clutter, cross-entropy predicts 50 of 100 digits correctly and CAM-loss at alpha \d+ predicts "
        r"(79|80|81); the strongest control, \*.+\*, predicts (49|50|51)\.",
        first,
    )
    assert figure == "![Accuracy among clutter, short runs](results/clutter-short.svg)"
    for name, text in made.items():
        assert not re.search(r"\bnan\b", text), name
        if name.endswith(".svg"):
            ElementTree.fromstring(text)


def test_elsewhere_is_told_and_decides_nothing(tmp_path: Path) -> None:
    made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2)
    alone = pages(tmp_path)
    made_up(tmp_path, ALL, "gpu", clutter_8=0.3, canvas_56=0.2)
    made_up(tmp_path, dict.fromkeys(ALL, 1), "resnet18")
    made_up(tmp_path, {"ce": 4, "alpha-3": 4}, "original", clutter_8=-0.1)
    made = pages(tmp_path)
    assert headline(made[ANSWER]) == headline(alone[ANSWER])
    told = answer(made[ANSWER])["Elsewhere"].splitlines()[1:]
    interval = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    for line, expected in zip(
        told,
        (
            rf"  - full runs on a GPU \(5 seeds\): CAM-loss at alpha [\d.]+ has [78]\d\.\d%, over cross-entropy "
            rf"{interval} pp, over \*.+\* {interval} pp",
            r"  - full runs of ResNet-18 \(1 seed\): CAM-loss .+, over \*.+\* [+-]\d\.\d pp",
            r"  - runs of the original recipe, with max pooling \(4 seeds\): CAM-loss at alpha 3 has [34]\d\.\d%, over "
            rf"cross-entropy -{interval[4:]} pp",
        ),
        strict=True,
    ):
        assert re.fullmatch(expected, line), line
    tables = made[TABLES]
    assert "3 of 4 verdicts of the short runs repeat here; accuracy on a larger canvas is supported here." in tables
    assert re.search(r"Full runs of ResNet-18: \d of 9 runs are in", tables)
    assert "Runs of the original recipe, with max pooling: 8 of 10 runs are in" in tables
    assert not re.search(r"on a GPU: \d+ of", tables)  # they are all in


def test_both_studies_are_told_by_their_verdicts(tmp_path: Path) -> None:
    found = Study.read(made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2)).last.claims
    ahead = "CAM-loss is ahead of cross-entropy and of the strongest control at"
    behind = "; not at accuracy on a larger canvas"
    unknown = "; inconclusive: precision of the top 10 % of CAM positions and separation of two digits by the CAM"
    said = f"{ahead} accuracy among clutter{behind}{unknown}."
    assert both_studies(found, found) == f"**On digits** {said} **On photographs** {said}"
    worst = [claim for claim in found if claim.verdict == "not supported"]
    assert both_studies(worst, []) == f"**On digits** {ahead} nothing{behind}."


def test_the_block_of_readme_says_where_it_holds_too(tmp_path: Path) -> None:
    made_up(tmp_path, ALL, clutter_8=0.3)
    made_up(tmp_path, ALL, "gpu", clutter_8=0.3)
    made_up(tmp_path, {"ce": 5, "alpha-3": 5}, "original", clutter_8=0.3)  # without a control
    context = {"study": Study.read(tmp_path), "costs": ["lower accuracy"], "over_seeds": {}}
    block = render("readme.md.j2", **context, augmentation="")
    assert block.startswith(headline(pages(tmp_path)[ANSWER]))
    interval = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    assert re.search(
        r"Accuracy among clutter in other runs, differences in pp from cross-entropy, then from the control: "
        rf"full runs on a GPU \(5 seeds\) {interval}, {interval}; "
        rf"runs of the original recipe, with max pooling \(5 seeds\) {interval}, no control trained\.\n$",
        block,
    )
    assert render("readme.md.j2", **context, augmentation="none").endswith(
        " Plain augmentation, in the second study: none.\n"
    )


def test_plain_augmentation_is_told_where_it_was_tried() -> None:
    def run(method: str, clutter: float, accuracy: float) -> list[dict[str, object]]:
        return [
            {"method": method, "seed": s, "measured": {"clutter_8": clutter + s / 100, "accuracy": accuracy}}
            for s in (0, 1)
        ]

    cam, among = run("alpha-10", 0.90, 0.99), run("ce-among-clutter", 0.95, 0.98)
    assert beside_augmentation(PriceResults([*cam, *among])) == (
        "cross-entropy trained among clutter has 95.5% among clutter and 98.00% clean accuracy; CAM-loss at alpha 10 "
        "differs by -5.0 and +1.00 pp (test data, 2 seeds)"
    )
    assert beside_augmentation(PriceResults(cam)) == ""


def test_the_demo_quotes_each_corruption_beside_its_control(tmp_path: Path) -> None:
    folder = made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2)
    quoted = json.loads(pages(folder)["camloss/demo/web/study.json"])
    assert (quoted["run"], quoted["of_pair"], quoted["variants"]) == (None, {}, {})
    told = quoted["study"]
    assert told[""] == (
        "The study finds a difference with: clutter, canvas. Inconclusive: line, salt noise, Gaussian noise."
    )
    for kind, sure in (("clutter", True), ("canvas", True), ("line", False)):
        assert told[kind].startswith("Accuracy in the study with ")
        assert ("inconclusive" in told[kind]) is not sure
        assert told[kind].count("%") == 4  # the control among clutter and the reference stand beside the two
        assert "cross-entropy, trained among clutter" in told[kind]
    assert re.search(r"(49|50)\.\d% cross-entropy; (79|80|81)\.\d% CAM-loss at alpha \d+;", told["clutter"])


def test_the_demo_quotes_its_own_pair_first(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    folder = made_up(tmp_path / "study", ALL)
    measures = ("clutter_8", "canvas_56", "line", "salt_noise", "gaussian_noise")
    evaluated: dict[str, Any] = {"run": "r1"}
    evaluated["checkpoints"] = {"made/ce": dict.fromkeys(measures, 0.25), "made/cam": dict.fromkeys(measures, 0.5)}
    (tmp_path / "evaluate.json").write_text(json.dumps(evaluated), encoding="utf-8")
    quoted = json.loads(pages(folder)["camloss/demo/web/study.json"])
    told = quoted["of_pair"]
    assert (quoted["run"], quoted["variants"]) == ("r1", {})
    assert told["line"].startswith(
        "Accuracy of these two networks with a line: Cross-entropy 25.0%, CAM-loss 50.0%. In the study (3 seeds): "
    )
    assert "the empty space breaks it" not in told["clutter"]  # as bad without a fragment
    assert quoted["study"]["line"].startswith("Accuracy in the study with a line (3 seeds): ")
    assert "these two networks" not in "".join(quoted["study"].values())  # which may be others
    evaluated["checkpoints"]["made/ce"]["canvas_56"] = 0.1
    (tmp_path / "evaluate.json").write_text(json.dumps(evaluated), encoding="utf-8")
    told = json.loads(pages(folder)["camloss/demo/web/study.json"])
    assert told["of_pair"]["clutter"].endswith("cross-entropy has 10.0%: the empty space breaks it.")
    numbers = {"clutter_8": 0.25, "two_digits_separation": 0.75, "line": 0.5}
    records = [
        {"method": name, "variant": name, "seed": 0, "measured": numbers, "run": run}
        for name, run in (("ce", "r1"), ("alpha-10", "r1"), ("alpha-0.3", "r1"), ("alpha-3", "r2"))
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "study" / "price-pair.jsonl").write_text(lines, encoding="utf-8")
    of_three = json.loads(pages(folder)["camloss/demo/web/study.json"])
    measured = {name: {"clutter_8": 0.25, "two_digits_separation": 0.75} for name in ("ce", "alpha-10", "alpha-0.3")}
    assert of_three == {**told, "variants": measured}


def test_where_full_runs_have_no_control_the_demo_quotes_short_ones(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 2, "alpha-3": 2, "max-pooling": 1})
    made_up(tmp_path, {"ce": 2, "alpha-3": 2}, "full")
    told = json.loads(pages(tmp_path)["camloss/demo/web/study.json"])["study"]
    full, short = told["gaussian_noise"].split(" In short runs ")
    assert re.match(r"Accuracy in the study with Gaussian noise \(2 seeds\): \d\d\.\d% cross-entropy; ", full)
    assert "pooling" not in full
    assert short.startswith("(1 seed): ")
    assert "% cross-entropy, max pooling." in short
    alone = Records(tmp_path / "short.jsonl").read()["ce-seed-0"]["test"]["gaussian_noise"]
    assert f"{alone:.1%} cross-entropy;" in short  # of the seed that all have


def test_of_few_seeds_nothing_is_claimed(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, {"ce": 4, "alpha-3": 4, "small-cam": 2}, clutter_8=0.3))
    assert headline(made[ANSWER]) == "**Of 4 claims for CAM-loss at alpha 3, the short runs support none.**"
    said = answer(made[ANSWER])
    assert "supported: nothing; not supported: nothing; inconclusive: accuracy among clutter, " in said["Verdicts"]
    assert "(4 seeds)" in said["Finding"]
    assert "(2 seeds)" in said["Strongest control"]
    assert said["Strongest control"].endswith("on too few seeds to decide.")
    assert "2 seeds, and 5 are asked for" in made[TABLES]
    assert "None is chosen yet; until then these pages are about CAM-loss at alpha 3." in made[TABLES]


def test_one_seed_of_two_methods_makes_a_page(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, {"ce": 1, "alpha-3": 1}))
    said = answer(made[ANSWER])
    assert "(1 seed)" in said["Finding"]
    assert "[" not in said["Finding"]  # no interval
    assert said["Strongest control"].startswith("none has been measured beside it yet")
    assert "no control has been measured beside it" in made[TABLES]
    for text in made.values():
        assert not re.search(r"\bnan\b", text)


def test_two_methods_without_a_common_seed_are_not_compared(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 2})
    path = tmp_path / "short.jsonl"
    ce, _, alpha = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{ce}\n{alpha}", encoding="utf-8")
    finding = answer(pages(tmp_path)[ANSWER])["Finding"]
    assert finding == "the short runs of CAM-loss at alpha 3 and cross-entropy share no seed yet."


@pytest.mark.parametrize(
    ("seeds", "gain", "words"),
    [
        (1, 0.3, r"CAM-loss is ahead by \d\d\.\d pp, on too few seeds to decide"),
        (1, -0.3, r"the control is ahead by \d\d\.\d pp, on too few seeds to decide"),
        (5, -0.3, r"the control is ahead by \d\d\.\d pp"),
        (5, 0.0, r"(CAM-loss|the control) is ahead by \d\.\d pp, and the interval includes zero"),
    ],
)
def test_the_answer_says_how_the_strongest_control_does(tmp_path: Path, seeds: int, gain: float, words: str) -> None:
    made = pages(made_up(tmp_path, {"ce": 5, "alpha-3": 5, "max-pooling": seeds}, clutter_8=gain))
    control = answer(made[ANSWER])["Strongest control"]
    assert re.search(rf"\*cross-entropy, max pooling\* has \d\d\.\d% .*: {words}\.$", control)


def test_the_mean_of_a_method_is_that_of_the_seeds_that_are_compared(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 2}, clutter_8=0.2)
    records = Records(tmp_path / "short.jsonl").read()
    one, other = (records[f"{method}-seed-0"]["test"]["clutter_8"] for method in ("alpha-3", "ce"))
    assert (
        f"is {one:.1%} with CAM-loss at alpha 3 and {other:.1%} with cross-entropy ({100 * (one - other):+.1f} pp)"
        in answer(pages(tmp_path)[ANSWER])["Finding"]
    )


def test_full_runs_speak_first_and_a_control_where_there_is_one(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 1, "max-pooling": 1})
    results = pages(made_up(tmp_path, {"ce": 5, "alpha-3": 5}, "full", clutter_8=0.2))[ANSWER]
    said = answer(results)
    assert said["Finding"].startswith("in the full runs (5 seeds)")
    assert said["Strongest control"].startswith("in the short runs (1 seed)")
    assert said["Verdicts"].startswith("on the full runs, by rules fixed before the runs: supported: nothing;")
    assert "(results/clutter-short.svg)" in results  # with the control's line


def test_methods_without_a_run_are_named_once(tmp_path: Path) -> None:
    tables = pages(made_up(tmp_path, {"ce": 1, "alpha-3": 1}))[TABLES]
    for name, method in METHODS.items():
        if name not in ("ce", "alpha-3"):
            assert len(re.findall(rf"{re.escape(method.title)}(?=;|\.\n)", tables)) == 1
            assert f"| {method.title} " not in tables


def test_devices_are_named_with_their_torch(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 2, "alpha-3": 1})
    records = Records(tmp_path / "short.jsonl")
    record = records.read()["ce-seed-1"]
    records.write(record | {"environment": record["environment"] | {"device": "a GPU", "torch": "2.9.0"}})
    line = next(line for line in pages(tmp_path)[TABLES].splitlines() if line.startswith("Trained on"))
    assert re.fullmatch(r"Trained on .+, torch 2\.\S+; a GPU, torch 2\.9\.0\.", line)


def test_the_order_of_the_lines_does_not_matter(tmp_path: Path) -> None:
    first = pages(made_up(tmp_path, ALL))
    backwards = dict(reversed(ALL.items()))
    assert pages(made_up(tmp_path, backwards)) == first


def test_without_records_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"nothing to compare in .*; run camloss study"):
        pages(tmp_path)


def test_every_committed_record_is_of_the_study() -> None:
    for name in (*DECIDING, *ELSEWHERE):
        for record in Records(STUDY / f"{name}.jsonl").read().values():
            assert record["method"] in METHODS
            assert record["config"].get("seed") == record.get("seed")


def test_every_committed_record_is_of_the_second_study() -> None:
    validation, test = (Records(STUDY / f"{name}.jsonl").read() for name in ("price", "price-test"))
    assert {record["method"] for record in validation.values()} <= PRICE_METHODS.keys()
    assert test.keys() <= validation.keys()
    for name, record in test.items():
        assert record["measured"]["temperature"] == validation[name]["measured"]["temperature"]


def test_the_costs_over_seeds_say_what_the_intervals_of_writers_say() -> None:
    def run(method: str, seed: int, strokes: dict[str, float]) -> dict[str, object]:
        return {"method": method, "seed": seed, "measured": {"strokes": strokes, "raster": {"a": 0.5, "b": 0.5}}}

    lower = [run("alpha-10", seed, {"a": 0.90 + seed / 50, "b": 0.79}) for seed in (0, 1)]  # as 0.91 and 0.79
    results = PriceResults([*(run("ce", seed, {"a": 0.92, "b": 0.80}) for seed in (0, 1)), *lower])
    assert costs_over_seeds(results) == [
        "no conclusive difference in accuracy from raster images (+0.00 pp over the writers, 2 seeds)",
        "lower accuracy from strokes (-1.00 pp over the writers, 2 seeds)",
    ]
    assert costs_over_seeds(PriceResults([])) == []


def test_the_costs_say_what_the_intervals_of_the_report_writers_say() -> None:
    baseline = {"a": 0.90, "b": 0.92, "c": 0.94}
    lower = {"a": 0.89, "b": 0.911, "c": 0.929}
    unsure = {"a": 0.88, "b": 0.94, "c": 0.93}
    pairs = {"raster": lower, "strokes": unsure}
    writers = {f"report, {kind}": {"by_writer": {"ce": baseline, "cam": cam}} for kind, cam in pairs.items()}
    raster, strokes = costs_for_writers({"writers": writers})
    assert raster == "lower accuracy from raster images (-1.00 [-1.25, -0.75] pp, 3 writers)"
    assert strokes.startswith("no conclusive difference in accuracy from strokes (-0.33 [")
    assert costs_for_writers({"writers": {}}) == []
