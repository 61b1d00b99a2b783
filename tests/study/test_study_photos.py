"""scripts/dev/study_photos.py, which makes the runs on photographs within a time limit."""

import signal
import subprocess
import sys
import time
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


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    for name in ("tin10", "clothing"):
        write_pictures(tmp_path / "data" / name, train=4, val=4)
        for path in (tmp_path / "data" / name / "val").glob("*/[01].png"):
            path.rename(path.with_name(f"val_{path.name}"))
    places = ("--records", str(tmp_path / "records"), "--output-dir", str(tmp_path / "runs"))
    short = ("--data-dir", str(tmp_path / "data"), "--workers", "1", "--epochs", "1", "--device", "cpu")
    return [sys.executable, str(SCRIPT), *short, *places]


def test_it_ends_when_the_time_is_over(command: list[str]) -> None:
    printed = subprocess.run([*command, "--seconds", "0"], capture_output=True, text=True, timeout=300, check=True)
    assert "tin10.jsonl: 0 records" in printed.stdout


@pytest.mark.slow
def test_stopped_and_started_again_it_goes_on_where_it_was(command: list[str], tmp_path: Path) -> None:
    records, counts = Records(tmp_path / "records" / "tin10.jsonl"), [0]
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            end = time.monotonic() + 300
            while len(records.read()) < counts[-1] + 3:  # the first brings those of two maps without a network
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        assert process.returncode == 130
        counts.append(len(records.read()))
    assert {"ce-seed-0", "alpha-3-seed-0", "max-pooling-seed-0"} <= set(records.read())
