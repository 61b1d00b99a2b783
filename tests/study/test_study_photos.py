"""scripts/dev/study_photos.py, which makes the runs on photographs within a time limit."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pictures import write_pictures
from study_photos import CLOTHING, TIN10, plan

from camloss.study.photo_study import PHOTO_METHODS
from camloss.study.runs import Records, method_of

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "dev" / "study_photos.py"


def test_the_plan_has_every_run_once_and_the_primary_comparison_first() -> None:
    order = plan()
    assert len(order) == len(set(order))
    assert {method_of(run) for _, run in order[:9]} == {"ce", "alpha-3", "max-pooling"}
    seeds = Counter(method_of(run) for part, run in order if part == TIN10)
    assert all(seeds[name] >= method.seeds for name, method in PHOTO_METHODS.items())
    assert sum(part == CLOTHING for part, _ in order) == 25


@pytest.mark.slow
def test_it_stops_in_time_and_goes_on_where_it_was(tmp_path: Path) -> None:
    for name in ("tin10", "clothing"):
        write_pictures(tmp_path / "data" / name, train=4, val=4)
        for path in (tmp_path / "data" / name / "val").glob("*/[01].png"):
            path.rename(path.with_name(f"val_{path.name}"))
    flags = ("--records", str(tmp_path / "records"), "--output-dir", str(tmp_path / "runs"), "--device", "cpu")
    short = ("--data-dir", str(tmp_path / "data"), "--workers", "1", "--epochs", "1")
    command = [sys.executable, str(SCRIPT), *short, *flags]
    records = Records(tmp_path / "records" / "tin10.jsonl")
    counts = []
    for seconds in ("60", "45"):
        printed = subprocess.run(
            [*command, "--seconds", seconds], capture_output=True, text=True, timeout=200, check=False
        )
        assert printed.returncode == 0, printed.stderr
        assert "Error" not in printed.stdout
        counts.append(len(records.read()))
    assert 0 < counts[0] < counts[1]
    assert {"ce-seed-0", "alpha-3-seed-0"} <= set(records.read())
