"""docs/results.md is what the records say, byte for byte, and says no more than the protocol allows."""

import json
import random
import re
import runpy
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report import pages

from camloss import CamlossError
from camloss.study.methods import METHODS
from camloss.study.runs import Records

ROOT = Path(__file__).resolve().parent.parent
STUDY = ROOT / "docs" / "records" / "study"
TEMPLATE = Records(STUDY / "full.jsonl").read()["ce-seed-0"]


def report(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "argv", ["report.py", *flags])
    runpy.run_path(str(ROOT / "scripts" / "report.py"), run_name="__main__")


def test_the_committed_pages_are_those_that_the_records_make(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, "--check")


def test_a_page_that_is_not_what_the_records_say_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(STUDY, tmp_path / "docs" / "records" / "study")
    report(monkeypatch, "--root", str(tmp_path))
    for name in pages(STUDY):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
    page = tmp_path / "docs" / "results.md"
    page.write_text(page.read_text(encoding="utf-8").replace("open", "shown"), encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        report(monkeypatch, "--root", str(tmp_path), "--check")
    assert stop.value.code == 2
    assert (
        "docs/results.md is not what docs/records/study says; run python scripts/report.py" in capsys.readouterr().err
    )


def answer(results: str) -> list[str]:
    """The sentences that come first: Asked, Found, Held against, So."""
    sentences = results.split("\n\n")[2].splitlines()
    assert [sentence.partition(":**")[0] for sentence in sentences] == [
        "- **Asked",
        "- **Found",
        "- **Held against",
        "- **So",
    ]
    return sentences


def made_up(folder: Path, methods: dict[str, int], length: str = "short", **better: float) -> Path:
    """Records of that many seeds of each method, alike but for a little noise; CAM-loss is better by what is said."""
    template = TEMPLATE | {"history": []}
    lines = []
    for method, seeds in methods.items():
        for seed in range(seeds):
            noise = random.Random(f"{method} {seed}")
            numbers = {name: 0.5 + noise.uniform(-0.01, 0.01) for name in template["test"]}
            if METHODS[method].kind == "alpha_sweep":
                numbers |= {name: numbers[name] + gain for name, gain in better.items()}
            numbers["accuracy"] = 0.99
            record = template | {"method": method, "seed": seed, "validation": numbers, "test": numbers}
            lines.append(json.dumps(record))
    (folder / f"{length}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


ALL = {name: method.seeds for name, method in METHODS.items()} | {"wrong-class": 5, "max-pooling": 5}
ALL |= dict.fromkeys(("random-weight", "other-image", "small-features"), 5)  # whichever is the strongest


def test_of_whole_records_each_claim_is_judged(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2))
    results = made["docs/results.md"]
    said = answer(results)
    headline = made["docs/records/study.md"].split("\n\n")[0]
    assert results.split("\n\n")[1] == headline
    number = r"\+\d\d\.\d \[\+\d\d\.\d, \+\d\d\.\d\]"
    assert re.fullmatch(
        rf"\*\*Shown of CAM-loss at alpha [\d.]+, in the short runs \(5 seeds\): it reads digits among clutter better "
        rf"than cross-entropy \({number} points\) and than its strongest control, \*.+\* \({number} points\)\.\*\*",
        headline,
    )
    assert re.search(
        r"In the short runs \(5 seeds\) CAM-loss at alpha [\d.]+ reads 8\d\.\d% of .* \d\d\.\d%: \+", said[1]
    )
    assert re.search(r"\*, reads \d\d\.\d% of the digits .*: CAM-loss is ahead by \d\d\.\d points\.$", said[2])
    assert "the short runs show that it reads digits among clutter better, refute that it reads digits on a" in said[3]
    assert "leave open that its maps lie on the ink better and that its maps tell two digits apart better." in said[3]
    assert results.count("an interval includes zero, or the corrected p-value is too high") == 2
    assert "there are no full runs to compare" in results
    assert len(re.findall(r"^\| CAM-loss at .* chosen \|$", results, re.MULTILINE)) == 1
    assert "None is chosen yet" not in results
    assert "![Accuracy by alpha, short runs](results/alpha-short.svg)" in results
    for name, text in made.items():
        assert "nan" not in text, name
        if name.endswith(".svg"):
            ElementTree.fromstring(text)


def test_elsewhere_is_told_and_decides_nothing(tmp_path: Path) -> None:
    made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2)
    alone = pages(tmp_path)
    made_up(tmp_path, ALL, "gpu", clutter_8=0.3, canvas_56=0.2)
    made_up(tmp_path, dict.fromkeys(ALL, 1), "resnet18")
    made_up(tmp_path, {"ce": 4, "alpha-3": 4}, "original", clutter_8=-0.1)
    made = pages(tmp_path)
    results = made["docs/results.md"]
    told = results[results.index("- **Elsewhere:** Of the digits among clutter:\n") :].split("\n\n")[0].splitlines()[1:]
    points = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    for line, expected in zip(
        told,
        (
            rf"  - the whole recipe on a GPU \(5 seeds\): CAM-loss at alpha [\d.]+ reads [78]\d\.\d%, "
            rf"over cross-entropy {points} points, over \*.+\* {points}",
            r"  - ResNet-18 by the same recipe \(1 seed\): CAM-loss .+, over \*.+\* [+-]\d\.\d",
            r"  - the original recipe, which pools the maximum \(4 seeds\): CAM-loss at alpha 3 reads [34]\d\.\d%, "
            rf"over cross-entropy -{points[4:]} points",
        ),
        strict=True,
    ):
        assert re.fullmatch(expected, line), line
    before, gist = made["docs/records/study.md"].rstrip().rsplit("\n\n", 1)
    assert before == alone["docs/records/study.md"].rstrip()
    leads, trails = gist.removeprefix("Tried elsewhere, on digits among clutter. Ahead of both: ").split(". Not ahead")
    assert leads.startswith("the whole recipe on a GPU (5 seeds)")
    assert trails.endswith("the original recipe, which pools the maximum (4 seeds).")
    assert (
        "Of the 4 verdicts of the short runs 3 repeat here; not so that it reads digits on a larger "
        "field, which is refuted there and shown here." in results
    )
    assert re.search(r"Elsewhere, ResNet-18 by the same recipe: \d of 9 runs are in", results)
    assert "the original recipe, which pools the maximum: 8 of 10 runs are in" in results
    assert not re.search(r"on a GPU: \d+ of", results)  # they are all in


def test_without_a_control_nothing_is_ahead_of_both(tmp_path: Path) -> None:
    made_up(tmp_path, ALL, clutter_8=0.3)
    made_up(tmp_path, {"ce": 5, "alpha-3": 5}, "original", clutter_8=0.3)
    gist = pages(tmp_path)["docs/records/study.md"].rstrip().rsplit("\n\n", 1)[1]
    assert "Ahead of both: nowhere. Not ahead of both: the original recipe, which pools the maximum (5 seeds)." in gist


def test_the_page_quotes_each_disturbance_beside_its_control(tmp_path: Path) -> None:
    folder = made_up(tmp_path, ALL, clutter_8=0.3, canvas_56=-0.2)
    told = json.loads(pages(folder)["camloss/demo/web/study.json"])
    assert (
        told[""] == "What the study finds to tell the two apart: clutter, field. Not for sure: stripe, specks, noise."
    )
    for kind, sure in (("clutter", True), ("field", True), ("stripe", False)):
        assert told[kind].startswith("Digits read in the study with ")
        assert ("No sure difference." in told[kind]) is not sure
        assert told[kind].count("%") == 4  # the control among clutter and the reference stand beside the two
        assert "cross-entropy, trained among clutter" in told[kind]
    assert re.search(r"cross-entropy (49|50)\.\d%; CAM-loss at alpha \d+ (79|80|81)\.\d%;", told["clutter"])


def test_where_long_runs_have_no_control_the_page_quotes_short_ones(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 2, "alpha-3": 2, "max-pooling": 1})
    made_up(tmp_path, {"ce": 2, "alpha-3": 2}, "full")
    told = json.loads(pages(tmp_path)["camloss/demo/web/study.json"])
    long, short = told["noise"].split(" In short runs ")
    assert long.startswith("Digits read in the study with Gaussian noise (2 seeds): cross-entropy ")
    assert "pooling" not in long
    assert short.startswith("(1 seed): cross-entropy ")
    assert "cross-entropy, maximum pooling " in short
    alone = Records(tmp_path / "short.jsonl").read()["ce-seed-0"]["test"]["gaussian_noise"]
    assert f"cross-entropy {alone:.1%};" in short  # of the seed that all have


def test_of_few_seeds_nothing_is_claimed(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, {"ce": 4, "alpha-3": 4, "small-cam": 2}, clutter_8=0.3))
    assert "**Of 4 claims for CAM-loss at alpha 3, the short runs show none.**" in made["docs/records/study.md"]
    assert "show nothing, refute nothing, and leave open that" in made["docs/results.md"]
    assert "2 seeds, and 5 are asked for" in made["docs/results.md"]
    assert "None is chosen yet; until then this page speaks of CAM-loss at alpha 3." in made["docs/results.md"]
    said = answer(made["docs/results.md"])
    assert "(4 seeds)" in said[1]
    assert "(2 seeds)" in said[2]
    assert said[2].endswith("on too few seeds to decide.")


def test_one_seed_of_two_ways_makes_a_page(tmp_path: Path) -> None:
    made = pages(made_up(tmp_path, {"ce": 1, "alpha-3": 1}))
    assert "no control has been measured beside it" in made["docs/results.md"]
    said = answer(made["docs/results.md"])
    assert "(1 seed)" in said[1]
    assert "[" not in said[1]  # no interval
    assert "No control has been measured beside it yet" in said[2]
    assert "nan" not in made["docs/results.md"]


def test_two_ways_without_a_common_seed_are_not_compared(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 2})
    path = tmp_path / "short.jsonl"
    ce, _, alpha = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{ce}\n{alpha}", encoding="utf-8")
    said = answer(pages(tmp_path)["docs/results.md"])
    assert said[1].endswith("The short runs of CAM-loss at alpha 3 and cross-entropy share no seed yet.")


@pytest.mark.parametrize(
    ("seeds", "gain", "words"),
    [
        (1, 0.3, r"reads \d\d\.\d% .*: CAM-loss is ahead by \d\d\.\d points, on too few seeds to decide"),
        (1, -0.3, r"reads \d\d\.\d% .*: the control is ahead by \d\d\.\d points, on too few seeds to decide"),
        (5, -0.3, r"reads \d\d\.\d% .*: the control is ahead by \d\d\.\d points"),
        (
            5,
            0.0,
            r"reads \d\d\.\d% .*: (CAM-loss|the control) is ahead by \d\.\d points, and the interval includes zero",
        ),
    ],
)
def test_the_answer_says_how_the_strongest_control_does(tmp_path: Path, seeds: int, gain: float, words: str) -> None:
    said = answer(
        pages(made_up(tmp_path, {"ce": 5, "alpha-3": 5, "max-pooling": seeds}, clutter_8=gain))["docs/results.md"]
    )
    assert re.search(rf"\*cross-entropy, maximum pooling\*, {words}\.$", said[2])


def test_the_mean_of_a_way_is_that_of_the_seeds_that_are_compared(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 2}, clutter_8=0.2)
    records = Records(tmp_path / "short.jsonl").read()
    one, other = (records[f"{method}-seed-0"]["test"]["clutter_8"] for method in ("alpha-3", "ce"))
    found = answer(pages(tmp_path)["docs/results.md"])[1]
    assert (
        f"reads {one:.1%} of the digits among clutter and cross-entropy {other:.1%}: {100 * (one - other):+.1f} "
        in found
    )


def test_long_runs_speak_first_and_a_control_where_there_is_one(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 1, "alpha-3": 1, "max-pooling": 1})
    results = pages(made_up(tmp_path, {"ce": 5, "alpha-3": 5}, "full", clutter_8=0.2))["docs/results.md"]
    said = answer(results)
    assert "In the full runs (5 seeds)" in said[1]
    assert "In the short runs (1 seed) the strongest control" in said[2]
    assert "the full runs show nothing" in said[3]
    assert results.index("(results/clutter-short.svg)") < results.index("## Everything")  # with the control's line
    assert "(results/clutter-full.svg)" in results


def test_no_way_without_a_run_is_named_twice(tmp_path: Path) -> None:
    results = pages(made_up(tmp_path, {"ce": 1, "alpha-3": 1}))["docs/results.md"]
    for name, method in METHODS.items():
        if name not in ("ce", "alpha-3"):
            assert len(re.findall(rf"{re.escape(method.title)}(?=;|\.\n)", results)) == 1
            assert f"| {method.title} " not in results


def test_devices_are_named_with_their_torch(tmp_path: Path) -> None:
    made_up(tmp_path, {"ce": 2, "alpha-3": 1})
    records = Records(tmp_path / "short.jsonl")
    record = records.read()["ce-seed-1"]
    records.write(record | {"environment": record["environment"] | {"device": "a GPU", "torch": "2.9.0"}})
    line = next(line for line in pages(tmp_path)["docs/results.md"].splitlines() if line.startswith("Trained on"))
    assert re.fullmatch(r"Trained on .+, torch 2\.\S+; a GPU, torch 2\.9\.0\.", line)


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    first = pages(made_up(tmp_path, ALL))
    backwards = dict(reversed(ALL.items()))
    assert pages(made_up(tmp_path, backwards)) == first


def test_without_records_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"nothing to compare in .*; run python scripts/study.py"):
        pages(tmp_path)


def test_every_committed_record_is_of_the_study() -> None:
    for path in STUDY.glob("*.jsonl"):
        for record in Records(path).read().values():
            assert record["method"] in METHODS
            assert record["config"].get("seed") == record.get("seed")
