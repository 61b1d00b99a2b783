"""A small study as a user runs it: killed and started again, and shared by two workers."""

import json
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import optuna
import pytest
from study import Queue
from test_scripts import ROOT, assert_one_line, command, environment, quick, run
from tiny_mnist import write_tiny_mnist

from camloss.study.runs import Study
from camloss.training.config import TrainConfig


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mnist(tmp_path_factory.mktemp("data"))


def flags(data_dir: Path, folder: Path, *more: str) -> list[str | Path]:
    shared: list[str | Path] = [
        "--validation-size",
        "100",
        "--heartbeat",
        "1",
        "--records",
        folder / "records",
        "--epochs",
        "2",
    ]
    return [*quick(data_dir, folder / "runs"), *shared, *more]


def start(*words: str | Path) -> "subprocess.Popen[str]":
    env = {**environment(), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command("study.py", *words), cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def table(printed: str) -> list[str]:
    """What was measured, but for the time that it took."""
    return [line for line in printed.splitlines() if line.startswith("|") and "training_seconds" not in line]


def trained(printed: str) -> Counter[str]:
    """How often each run was trained from the start, or taken up."""
    return Counter(re.findall(r"^(\S+): \S+ epoch  2/2", printed, re.MULTILINE))


MATCHED = ["--methods", "ce", "alpha-3", "small-cam", "--seeds", "0"]


@pytest.fixture(scope="module")
def whole(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a study that nothing interrupted, and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    done = run("study.py", *flags(data_dir, folder, *MATCHED))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_study_prints_mean_and_deviation_and_leaves_records(whole: tuple[Path, str]) -> None:
    folder, printed = whole
    assert "| mean ± std " in printed
    assert "ce, 1 seed |" in printed
    assert "of 3 runs 3 are trained here and 3 have a record" in printed
    record = json.loads((folder / "records" / "alpha-3-seed-0.json").read_text(encoding="utf-8"))
    assert (record["method"], record["seed"], record["config"]["alpha"]) == ("alpha-3", 0, 3.0)
    assert str(folder) not in json.dumps(record)


def test_the_strength_of_a_matched_control_is_found_and_recorded(whole: tuple[Path, str]) -> None:
    records = whole[0] / "records"
    found = json.loads((records / "strength" / "small-cam.json").read_text(encoding="utf-8"))
    areas = {attempt["strength"]: attempt["area"] for attempt in found["tries"]}
    assert next(iter(areas)) == 1.0
    assert abs(areas[found["strength"]] / found["target"] - 1) == min(
        abs(a / found["target"] - 1) for a in areas.values()
    )
    config = json.loads((records / "small-cam-seed-0.json").read_text(encoding="utf-8"))["config"]
    assert config["alpha"] == found["strength"]
    assert trained(whole[1])["small-cam-seed-0"] == 0  # the try that found it is the run


def test_what_has_a_record_is_not_made_again(whole: tuple[Path, str], data_dir: Path, tmp_path: Path) -> None:
    folder, printed = whole
    words = [*flags(data_dir, folder, *MATCHED), "--output-dir", tmp_path]  # with no weights and no list
    again = run("study.py", *words).stdout
    assert "epoch" not in again
    assert table(again) == table(printed)
    changed = run("study.py", *words, "--batch-size", "60", "--methods", "ce", "--only", "train").stdout
    assert trained(changed) == {"ce-seed-0": 1}


def test_a_run_is_held_against_a_baseline_of_which_only_the_record_is_there(
    whole: tuple[Path, str], data_dir: Path, tmp_path: Path
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    (records / "ce-seed-0.json").write_bytes((whole[0] / "records" / "ce-seed-0.json").read_bytes())
    done = run("study.py", *flags(data_dir, tmp_path, "--methods", "ce", "alpha-3", "--seeds", "0"))
    assert done.returncode == 0, done.stderr
    measured, uninterrupted = (
        json.loads((folder / "alpha-3-seed-0.json").read_text(encoding="utf-8"))["test"]
        for folder in (records, whole[0] / "records")
    )
    assert "deletion_of_baseline" in measured
    assert measured == uninterrupted


def test_killed_and_started_again_it_ends_with_the_same_table(
    whole: tuple[Path, str], data_dir: Path, tmp_path: Path
) -> None:
    words = flags(data_dir, tmp_path, *MATCHED)
    marks = ("ce-seed-0: ce epoch  1/2", "small-cam-search/1: small-cam epoch  1/2")
    for mark in marks:
        with start(*words) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if mark in line:
                    process.send_signal(signal.SIGKILL)
                    break
            else:
                pytest.fail(f"{mark!r} was never printed")
    done = run("study.py", *words)
    assert done.returncode == 0, done.stderr
    assert table(done.stdout) == table(whole[1])
    for mark in marks:
        assert mark not in done.stdout  # it went on after that epoch


def test_training_and_measuring_can_be_parted(whole: tuple[Path, str], data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, *MATCHED)
    only_trained = run("study.py", *words, "--only", "train").stdout
    assert "of 3 runs 3 are trained here and 0 have a record" in only_trained
    measured = run("study.py", *words, "--only", "measure").stdout
    assert "epoch" not in measured
    assert table(measured) == table(whole[1])


def test_two_workers_share_a_study_and_none_runs_twice(data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, "--methods", "ce", "alpha-3", "softmax", "max-pooling", "--seeds", "0", "1")
    first, second = start(*words), start(*words)
    printed = [worker.communicate(timeout=300)[0] for worker in (first, second)]
    assert first.returncode == second.returncode == 0
    per_worker = [trained(text) for text in printed]
    assert all(per_worker), "one worker did everything"
    together = sum(per_worker, Counter())
    assert together == {
        f"{method}-seed-{seed}": 1 for method in ("ce", "alpha-3", "softmax", "max-pooling") for seed in (0, 1)
    }
    assert "ink_energy_of_baseline" in printed[0]  # of all, whichever worker has trained the baseline
    for path in (tmp_path / "records").glob("*.json"):
        assert "deletion_of_baseline" in json.loads(path.read_text(encoding="utf-8"))["test"], path.name
    assert table(printed[0]) == table(printed[1])


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(None, Study(TrainConfig(output_dir=tmp_path), 1, tmp_path), heartbeat=1)


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


def test_a_storage_that_cannot_be_used_is_one_line(data_dir: Path, tmp_path: Path) -> None:
    words = flags(data_dir, tmp_path, "--storage", "sqlite:////nowhere/at/all.db")
    assert_one_line(run("study.py", *words), 2, "cannot use the storage", "name another --storage")
