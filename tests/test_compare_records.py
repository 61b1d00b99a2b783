"""scripts/dev/compare_records.py, which holds repeated runs against each other."""

import copy
from pathlib import Path
from typing import Any

import pytest
from compare_records import comparison

from camloss.errors import CamlossError
from camloss.study.runs import Records

RECORD: dict[str, Any] = {
    "method": "ce",
    "seed": 0,
    "environment": {"device": "here", "torch": "2", "precision": "float32"},
    "history": [{"epoch": 1, "alpha": 0.0, "ce": 1.5, "seconds": 3.0}],
    "validation": {"accuracy": 0.5},
    "test": {"accuracy": 0.5, "fragments": 0.25, "diagnosis_area": 0.1},
}


def write(path: Path, **changed: Any) -> Path:
    Records(path).write({**copy.deepcopy(RECORD), **changed})
    return path


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]


def test_equal_numbers_are_counted_and_differences_told(tmp_path: Path) -> None:
    first = write(tmp_path / "first.jsonl")
    again = write(tmp_path / "again.jsonl", history=[{**RECORD["history"][0], "seconds": 9.0}])
    test = {"accuracy": 0.51, "fragments": 0.25, "diagnosis_area": 0.2}
    there = {"device": "there", "torch": "3", "precision": "bfloat16"}
    elsewhere = write(tmp_path / "elsewhere.jsonl", test=test, environment=there)
    table = comparison(first, [again, elsewhere])
    assert [row for row in rows(table) if "---" not in row[0]] == [
        ["run", "against", "equal numbers", "accuracy", "fragments"],
        ["ce-seed-0", "here, torch 2, float32", "5 of 5", "+0.0", "+0.0"],
        ["ce-seed-0", "there, torch 3, bfloat16", "3 of 5", "+1.0", "+0.0"],
    ]
    assert table.endswith("First on here, torch 2, float32.")


def test_files_without_a_common_run_are_one_line(tmp_path: Path) -> None:
    first, other = write(tmp_path / "first.jsonl"), write(tmp_path / "other.jsonl", seed=1)
    with pytest.raises(CamlossError, match=r"no run of .*first\.jsonl is in another file"):
        comparison(first, [other])
