"""scripts/dev/study_photos.py, which makes the runs on photographs within a time limit."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from pictures import write_photos
from study_photos import CLOTHING, TIN10, plan

from camloss.study.photo_report import photo_tables
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
        boxes = write_photos(tmp_path / "data" / name) / "boxes.csv"
        for path in (tmp_path / "data" / name / "val").glob("*/[01].png"):
            path.rename(path.with_name(f"val_{path.name}"))
        boxes.write_text(re.sub(r"/([01]\.png)", r"/val_\1", boxes.read_text(encoding="utf-8")), encoding="utf-8")
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


SHORT_PLAN = """
import sys
sys.path.insert(0, {scripts!r})
import study_photos
study_photos.plan = lambda: [
    (study_photos.TIN10, "ce-seed-0"), (study_photos.TIN10, "alpha-3-seed-0"), (study_photos.CLOTHING, "ce-seed-0")
]
study_photos.cli.run(study_photos.main)
"""


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_tables(command: list[str], tmp_path: Path) -> None:
    script = tmp_path / "short_plan.py"
    script.write_text(SHORT_PLAN.format(scripts=str(SCRIPT.parent)), encoding="utf-8")
    words = [sys.executable, str(script), *command[2:], "--epochs", "3"]
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}

    def start(folder: Path) -> "subprocess.Popen[str]":
        places = ("--records", str(folder / "records"), "--output-dir", str(folder / "runs"))
        return subprocess.Popen(
            [*words, *places], stdout=subprocess.PIPE, text=True, env=unbuffered, start_new_session=True
        )

    with start(tmp_path / "whole") as process:
        process.communicate(timeout=300)
    mark = "alpha-3-seed-0: alpha-3 epoch  2/3"  # the second run has begun; alpha acts in its last epoch
    with start(tmp_path / "killed") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if mark in line:
                os.killpg(process.pid, signal.SIGKILL)  # its worker too, as when the power fails
                break
        else:
            pytest.fail(f"{mark!r} was never printed")
    assert set(Records(tmp_path / "killed" / "records" / "tin10.jsonl").read()) == {
        *("ce-seed-0", "centred-gaussian-seed-0", "edge-energy-seed-0")
    }
    with start(tmp_path / "killed") as process:
        printed, _ = process.communicate(timeout=300)
    assert "alpha-3 epoch  3/3" in printed
    assert mark not in printed  # it went on after that epoch
    tables = [photo_tables(tmp_path / name / "records") for name in ("whole", "killed")]
    assert "| CAM-loss at alpha 3 " in tables[0]
    assert tables[0] == tables[1]
