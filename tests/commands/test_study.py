"""A small study as a user runs it: finished, taken up, killed and started again, and shared by two workers."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from tiny_mnist import write_tiny_mnist

from camloss.commands import study
from camloss.errors import CamlossError
from camloss.study.queue import Queue
from camloss.study.runs import Records, Study
from camloss.training.config import TrainConfig

ROOT = Path(__file__).resolve().parent.parent.parent
MATCHED = ("--methods", "ce", "alpha-3", "small-cam", "--seeds", "0")


def flags(data_dir: Path, folder: Path, *more: str) -> list[str]:
    return [
        *("--data-dir", str(data_dir), "--output-dir", str(folder / "runs"), "--records", str(folder / "short.jsonl")),
        *("--validation-size", "100", "--heartbeat", "1", "--arch", "tiny_cnn"),
        *("--epochs", "2", "--batch-size", "50", *more),
    ]


def run(*words: str) -> str:
    """What the command prints, in this process."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        study.main(words)
    return printed.getvalue()


def start(words: list[str]) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "study.py"), *words]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    return Records(folder / "short.jsonl").read()


def table(printed: str) -> list[str]:
    """What was measured, but for the time that it took."""
    return [line for line in printed.splitlines() if line.startswith("|") and "training_seconds" not in line]


def trained(printed: str) -> Counter[str]:
    """How often each run was trained from the start, or taken up."""
    return Counter(re.findall(r"^(\S+): \S+ epoch  2/2", printed, re.MULTILINE))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mnist(tmp_path_factory.mktemp("data"), train=300, test=20)


@pytest.fixture(scope="module")
def finished(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a study that nothing interrupted, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, run(*flags(data_dir, folder, *MATCHED))


def test_a_study_prints_mean_and_deviation_and_leaves_records(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "| mean ± std " in printed
    assert "ce, 1 seed |" in printed
    assert not re.search(r"\d ± ", printed)  # one seed has no deviation
    assert "of 3 runs 3 are trained here and 3 have a record" in printed
    assert set(records_in(folder)) == {"ce-seed-0", "alpha-3-seed-0", "small-cam-seed-0", "small-cam-search"}
    record = records_in(folder)["alpha-3-seed-0"]
    assert (record["method"], record["seed"], record["config"]["alpha"]) == ("alpha-3", 0, 3.0)
    assert "deletion_of_baseline" in record["test"]
    assert str(folder) not in json.dumps(record)


def test_the_strength_of_a_matched_control_is_found_and_recorded(finished: tuple[Path, str]) -> None:
    found = records_in(finished[0])["small-cam-search"]
    areas = {attempt["strength"]: attempt["area_above_half"] for attempt in found["tries"]}
    assert next(iter(areas)) == 1.0
    assert abs(areas[found["strength"]] / found["target"] - 1) == min(
        abs(a / found["target"] - 1) for a in areas.values()
    )
    assert records_in(finished[0])["small-cam-seed-0"]["config"]["alpha"] == found["strength"]
    assert trained(finished[1])["small-cam-seed-0"] == 0  # the try that found it is the run


def test_what_has_a_record_is_not_made_again(finished: tuple[Path, str], data_dir: Path, tmp_path: Path) -> None:
    folder, printed = finished
    words = [*flags(data_dir, folder, *MATCHED), "--output-dir", str(tmp_path)]  # with no weights and no list
    again = run(*words)
    assert "epoch" not in again
    assert table(again) == table(printed)
    changed = run(*words, "--batch-size", "60", "--methods", "ce", "--only", "train")
    assert trained(changed) == {"ce-seed-0": 1}


def test_a_run_is_compared_with_a_baseline_of_which_only_the_record_is_there(
    finished: tuple[Path, str], data_dir: Path, tmp_path: Path
) -> None:
    Records(tmp_path / "short.jsonl").write(records_in(finished[0])["ce-seed-0"])
    run(*flags(data_dir, tmp_path, "--methods", "ce", "alpha-3", "--seeds", "0"))
    assert records_in(tmp_path)["alpha-3-seed-0"]["test"] == records_in(finished[0])["alpha-3-seed-0"]["test"]


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_table(
    finished: tuple[Path, str], data_dir: Path, tmp_path: Path
) -> None:
    words = flags(data_dir, tmp_path, *MATCHED)
    marks = ("ce-seed-0: ce epoch  1/2", "small-cam-search/1: small-cam epoch  1/2")
    for mark in marks:
        with start(words) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if mark in line:
                    process.send_signal(signal.SIGKILL)
                    break
            else:
                pytest.fail(f"{mark!r} was never printed")
    printed = run(*words)
    assert table(printed) == table(finished[1])
    for mark in marks:
        assert mark not in printed  # it went on after that epoch


def test_training_and_measuring_can_be_parted(finished: tuple[Path, str], data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, *MATCHED)
    only_trained = run(*words, "--only", "train")
    assert "of 3 runs 3 are trained here and 0 have a record" in only_trained
    measured = run(*words, "--only", "measure")
    assert "epoch" not in measured
    assert table(measured) == table(finished[1])


@pytest.mark.slow
def test_two_workers_share_a_study_and_none_runs_twice(data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, "--methods", "ce", "alpha-3", "max-pooling", "--seeds", "0", "1")
    words += ["--arch", "light_cnn"]  # so that the second worker finds something to do
    first, second = start(words), start(words)
    printed = [worker.communicate(timeout=300)[0] for worker in (first, second)]
    assert first.returncode == second.returncode == 0
    per_worker = [trained(text) for text in printed]
    assert all(per_worker), "one worker did everything"
    runs = {f"{method}-seed-{seed}" for method in ("ce", "alpha-3", "max-pooling") for seed in (0, 1)}
    assert sum(per_worker, Counter()) == dict.fromkeys(runs, 1)
    assert set(records_in(tmp_path)) == runs
    for name, record in records_in(tmp_path).items():  # whichever worker has trained the baseline
        assert "deletion_of_baseline" in record["test"], name
    assert table(printed[0]) == table(printed[1])


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(None, Study(TrainConfig(output_dir=tmp_path), 1, Records(tmp_path / "short.jsonl")), heartbeat=1)


def test_a_list_that_was_filled_twice_at_once_gives_each_run_once(queue: Queue) -> None:
    queue.fill(["a-seed-0", "b-seed-0"])
    queue.fill(["b-seed-0", "c-seed-0"])
    for run_name in ("b-seed-0", "a-seed-0"):  # as another machine would that had looked before
        queue.study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.WAITING, user_attrs={"run": run_name}))
    made: list[str] = []
    queue.work(made.append)
    assert made == ["a-seed-0", "b-seed-0", "c-seed-0"]
    queue.fill(["a-seed-0"])
    queue.work(made.append)
    assert len(made) == 3


def test_a_worker_that_died_before_its_first_heartbeat_keeps_nobody_waiting(queue: Queue) -> None:
    queue.fill(["a-seed-0"])
    for _ in range(2):  # the second finds nothing to take
        queue.study.ask()  # and no sign of life
    made: list[str] = []
    queue.work(made.append)
    assert made == ["a-seed-0"]


def test_a_run_that_failed_is_tried_at_the_next_start(queue: Queue) -> None:
    queue.fill(["a-seed-0"])
    with pytest.raises(RuntimeError, match="disk"):
        queue.work(lambda _: (_ for _ in ()).throw(RuntimeError("disk")))
    made: list[str] = []
    queue.work(made.append)
    assert made == []
    queue.fill(["a-seed-0"])
    queue.work(made.append)
    assert made == ["a-seed-0"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--arch", "small_resnet"], "small_resnet is made for pictures, not for drawn digits"),
        (["--validation-size", "0"], "0 of the 300 training images"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(data_dir: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    folders = ["--data-dir", str(data_dir), "--output-dir", str(tmp_path), "--records", str(tmp_path / "r.jsonl")]
    with pytest.raises(CamlossError, match=words):
        study.main([*folders, *flags])


def test_a_storage_that_cannot_be_used_is_one_line(data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, "--storage", "sqlite:////nowhere/at/all.db")
    with pytest.raises(CamlossError, match=r"cannot use the storage .*; name another --storage"):
        study.main(words)
