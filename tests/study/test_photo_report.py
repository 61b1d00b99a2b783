"""The tables on photographs, from made-up records: verdicts by the protocol's rules, and what is missing is said."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

from camloss.diagnose import Diagnosis
from camloss.errors import CamlossError
from camloss.study.photo_report import (
    COLUMNS,
    NO_RECORDS,
    paper_table,
    photo_answer,
    photo_claims,
    photo_figure,
    photo_setting,
    photo_summary,
    photo_tables,
)
from camloss.study.photo_study import PHOTO_METHODS

ENVIRONMENT = {"device": "a test", "torch": "2", "precision": "float32"}


Gains = Mapping[str, Mapping[str, float]]


def write(folder: Path, gains: Gains, seeds: int = 6, name: str = "tin10", on_test: Gains | None = None) -> Path:
    """Records of every method, all measures at a half but for its gains, and a little noise."""
    lines = []
    for method in PHOTO_METHODS:
        for seed in range(seeds):
            noise = random.Random(f"{method}-{seed}")
            numbers = {
                **{f"diagnosis_{field.name}": 0.5 for field in fields(Diagnosis)},
                **{"box_share": 0.25, "top_precision_10_other_image": 0.3},
                **{m: 0.5 + gains.get(method, {}).get(m, 0.0) + noise.uniform(-0.002, 0.002) for m in COLUMNS},
            }
            record = {"method": method, "seed": seed, "environment": ENVIRONMENT}
            test = {m: value + (on_test or {}).get(method, {}).get(m, 0.0) for m, value in numbers.items()}
            lines.append(json.dumps({**record, "validation": numbers, "test": test}))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


GAINS = {
    "alpha-3": {"fragments": 0.1, "top_precision_10": 0.1, "box_accuracy": -0.1},
    "max-pooling": {"fragments": 0.05, "background": 0.2},
}


def test_verdicts_by_the_rules(tmp_path: Path) -> None:
    told = photo_summary(write(tmp_path, GAINS))
    assert "CAM-loss at alpha 3" in told
    supported, rest = told.split("Not supported: ")
    assert "accuracy among fragments" in supported
    assert "precision of the top 10 %" in supported
    assert "box accuracy" in rest
    assert "from *cross-entropy, max pooling*" in rest  # which is better with the background replaced
    assert "Clean accuracy is not inferior" in rest


def test_the_demo_says_what_readme_says_without_markup(tmp_path: Path) -> None:
    told = photo_answer(write(tmp_path, GAINS))
    verdicts = re.sub(r" from \*.*?\*", "", photo_summary(tmp_path).partition("Supported: ")[2])
    assert told.endswith(
        "(differences in percentage points, pp, from cross-entropy, then from the strongest control). "
        f"Supported: {verdicts}"
    )
    assert "*" not in told


SVG = "{http://www.w3.org/2000/svg}"


def test_the_figure_has_the_verdicts_and_both_differences(tmp_path: Path) -> None:
    figure = ElementTree.fromstring(photo_figure(write(tmp_path, GAINS)))
    said = [str(text.text) for text in figure.iter(f"{SVG}text")]
    assert "box accuracy at IoU 0.5: not supported" in said
    assert said.count("from cross-entropy") == len(photo_claims(tmp_path)) == 4
    assert "accuracy with the background replaced:" in " ".join(said)
    means = [word for word in said if re.fullmatch(r"[+-]\d+\.\d", word)]
    found = [d for claim in photo_claims(tmp_path) for d in (claim.from_baseline, claim.from_control) if d]
    assert means == [f"{100 * difference.mean:+.1f}" for difference in found]
    assert len(means) == 8
    assert photo_setting(tmp_path).startswith("Ten classes of Tiny ImageNet, ")
    assert "CAM-loss at alpha 3. Clean accuracy is not inferior" in photo_setting(tmp_path)


def test_tables_say_what_was_chosen_and_against_what(tmp_path: Path) -> None:
    write(tmp_path, {**GAINS, "alpha-10": {"fragments": 0.3, "accuracy": -0.05}})
    write(tmp_path, {}, seeds=2, name="clothing")
    tables = photo_tables(tmp_path)
    rows = {line.split("|")[1].strip(): line for line in tables.splitlines() if line.startswith("|")}
    assert "costs too much" in rows["10"]
    assert "chosen" in rows["3"]
    assert "(cross-entropy, max pooling)" in rows["accuracy with the background replaced"]
    assert "not supported" in rows["accuracy with the background replaced"]
    assert "## A second data set, `clothing`" in tables
    assert "ResNet-18" not in tables
    assert f"{len(PHOTO_METHODS) * 8} runs; a test, torch 2, float32." in tables


def test_a_control_that_is_better_on_test_than_the_chosen_one_is_named(tmp_path: Path) -> None:
    """The verdict stays with the one that the validation pictures chose."""
    tables = photo_tables(write(tmp_path, GAINS))
    assert "On test pictures another is better" not in tables
    tables = photo_tables(write(tmp_path, GAINS, on_test={"top-k-pooling": {"fragments": 0.08}}))
    said = re.search(r"On test .*: accuracy among fragments on a larger canvas (\S+) \[.*?\] (.*)", tables)
    assert said is not None
    assert float(said[1]) == pytest.approx(2, abs=0.3)
    assert said[2] == "(*cross-entropy, top-k pooling*)."
    verdict = next(line for line in tables.splitlines() if line.startswith("| accuracy among fragments"))
    assert "(cross-entropy, max pooling)" in verdict


def test_differences_have_intervals_and_recipes_alone_are_among_them(tmp_path: Path) -> None:
    tables = photo_tables(write(tmp_path, {**GAINS, "cutmix": {"box_accuracy": -0.1}}))
    rows = {line.split("|")[1].strip(): line for line in tables.splitlines() if line.startswith("|")}
    assert re.search(r"\| -(9\.\d|10\.\d) \[-\d+\.\d, -\d+\.\d\] \|", rows["cross-entropy, cutmix"])
    assert re.search(r"\| \+20\.\d \[\+\d+\.\d, \+\d+\.\d\] \|", rows["cross-entropy, max pooling"])
    assert "CAM-loss at alpha 3, cutmix" not in rows


DISTILLATION = """
- Logit distillation less cross-entropy: accuracy +0.06 pp [-0.17, +0.29], among clutter +20.27 pp [-22.05, +62.58].
- CAAM-CAM distillation less cross-entropy: accuracy +0.08 pp [-0.31, +0.47], among clutter +19.47 pp [-11.51, +50.45].
- CAAM-CAM distillation less logit distillation: accuracy +0.02 pp [-0.15, +0.18].

mnist, 20,000 training images, 5 epochs, 3 seeds; student tiny_cnn, teacher light_cnn, 11,162 and 81,914 parameters.
"""


def test_a_record_without_a_distilled_student_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "distillation.md"
    path.write_text("| student | alpha |\n", encoding="utf-8")
    with pytest.raises(CamlossError, match=r"distillation\.md is no record of distillation; print it anew"):
        paper_table(["CAM-loss at alpha 10", "+1.00", "5"], write(tmp_path, GAINS), [path])


def test_the_papers_claims_have_a_row_each_tried_or_not(tmp_path: Path) -> None:
    gains = {**GAINS, "cutmix": {"accuracy": -0.05}, "cutmix-alpha-3": {"accuracy": 0.05}}
    records = write(write(tmp_path, gains), {}, 2, "clothing")
    distilled = tmp_path / "distillation.md"
    distilled.write_text(DISTILLATION, encoding="utf-8")
    table = paper_table(["CAM-loss at alpha 10", "+1.00", "5"], records, [distilled])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    found = {where or claim: [method, difference, seeds] for claim, where, method, difference, seeds, _ in rows}
    assert found["MNIST"] == ["CAM-loss at alpha 10", "+1.00", "5"]
    for untried in ("CIFAR-100, ImageNet", "better transfer", "better few-shot learning"):
        assert found[untried] == ["not tried", "", ""]
    assert found["cutmix"][1].startswith(("+9.8", "+9.9", "+10"))
    assert found["`clothing`"][2] == "2"
    assert found["MNIST, student tiny_cnn"] == ["CAAM-CAM distillation", "+0.08 [-0.31, +0.47]", "3"]
    assert "the same, ResNet-18" not in found
    assert re.search(r"accuracy among fragments .*\[supported\]\(results-photos\.md#primary-hypotheses\)", table)
    assert re.search(r"box accuracy .*\[not supported\]\(", table)


def test_clean_accuracy_that_falls_is_said(tmp_path: Path) -> None:
    losses = {name: {"accuracy": -0.009} for name, method in PHOTO_METHODS.items() if method.kind == "alpha sweep"}
    assert "Clean accuracy may be inferior" in photo_tables(write(tmp_path, losses))


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_seeds_decide_nothing(tmp_path: Path, seeds: int) -> None:
    told = photo_summary(write(tmp_path, GAINS, seeds))
    assert "Supported" not in told
    assert "Not supported" not in told
    assert "too few seeds" in told


def test_without_records_the_page_says_so(tmp_path: Path) -> None:
    assert photo_tables(tmp_path) == photo_summary(tmp_path) == NO_RECORDS
    assert photo_answer(tmp_path) == ""
