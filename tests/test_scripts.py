"""The command lines as a user runs them: real processes, real files, a small data set in MNIST's format."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_mnist import write_tiny_mnist

from camloss import load_checkpoint
from camloss.checkpoint import load_training

ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = "http://127.0.0.1:9"  # the discard port, where nothing listens


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mnist(tmp_path_factory.mktemp("data"))


def command(script: str, *flags: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / script), *map(str, flags)]


def environment() -> dict[str, str]:
    offline = {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE, "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **offline, "OMP_NUM_THREADS": "1"}


def run(script: str, *flags: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(script, *flags), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


def quick(data_dir: Path, output_dir: Path, *more: str) -> list[str | Path]:
    return [
        "--data-dir",
        data_dir,
        "--output-dir",
        output_dir,
        "--epochs",
        "3",
        "--batch-size",
        "50",
        "--styles",
        "2",
        *more,
    ]


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in last


def test_train_then_evaluate(data_dir: Path, tmp_path: Path) -> None:
    done = run("train.py", *quick(data_dir, tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cam epoch  3/3  L_ce " in done.stdout
    assert "| test set " in done.stdout
    for variant in ("ce", "cam"):
        folder = tmp_path / "out" / variant
        assert load_checkpoint(folder).arch == "sketch_cnn"
        record = load_training(folder)
        assert record == json.loads((folder / "training.json").read_text())
        assert len(record["history"]) == 3
        assert record["variant"] == variant
        assert str(tmp_path) not in json.dumps(record)
    assert not (tmp_path / "out" / ".resume").exists()

    folders = tmp_path / "out" / "ce", tmp_path / "out" / "cam"
    answer = json.loads(run("evaluate.py", *folders, "--data-dir", data_dir, "--json").stdout)
    assert answer["images"] == {"test": 100, "pen": 0}
    for variant in ("ce", "cam"):
        measured = answer["checkpoints"][str(tmp_path / "out" / variant)]
        assert measured["accuracy"] == pytest.approx(load_training(tmp_path / "out" / variant)["test"]["accuracy"])
        assert 0 <= measured["deletion"] <= 1


def test_kill_9_then_resume_gives_the_weights_of_an_uninterrupted_run(data_dir: Path, tmp_path: Path) -> None:
    assert run("train.py", *quick(data_dir, tmp_path / "whole")).returncode == 0

    old = tmp_path / "out"
    assert run("train.py", *quick(data_dir, old, "--epochs", "1")).returncode == 0
    before = {variant: (old / variant / "model.safetensors").read_bytes() for variant in ("ce", "cam")}
    with subprocess.Popen(
        command("train.py", *quick(data_dir, old)),
        cwd=ROOT,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("cam epoch  2/3"):
                process.send_signal(signal.SIGKILL)
                break
    load_checkpoint(old / "ce")
    assert (old / "ce" / "model.safetensors").read_bytes() != before["ce"]  # done before the kill
    assert (old / "cam" / "model.safetensors").read_bytes() == before["cam"]  # as it was

    done = run("train.py", *quick(data_dir, old, "--resume"))
    assert done.returncode == 0, done.stderr
    assert "cam epoch  1/3" not in done.stdout
    for variant in ("ce", "cam"):
        resumed = load_checkpoint(old / variant).state_dict()
        for name, tensor in load_checkpoint(tmp_path / "whole" / variant).state_dict().items():
            assert torch.equal(resumed[name], tensor), (variant, name)


def test_no_data_and_no_network(tmp_path: Path) -> None:
    done = run("train.py", *quick(tmp_path / "none", tmp_path / "out"))
    assert_one_line(done, 2, "cannot download MNIST", "copy the four")
    assert not (tmp_path / "out").exists()


def test_a_damaged_data_file(tmp_path: Path) -> None:
    damaged = write_tiny_mnist(tmp_path / "data")
    file = damaged / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    assert_one_line(run("train.py", *quick(damaged, tmp_path / "out")), 2, "damaged")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--arch", "lenet"], "invalid choice: 'lenet'"),
        (["--alpha", "-1"], "alpha is -1.0"),
        (["--alpha", "nan"], "alpha is nan"),
        (["--epochs", "0"], "epochs is 0"),
        (["--device", "nowhere"], "try --device cpu"),
    ],
)
def test_bad_values(data_dir: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    assert_one_line(run("train.py", *quick(data_dir, tmp_path / "out"), *flags), 2, words)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("train.py", *quick(data_dir, tmp_path / "file" / "out"))
    assert_one_line(done, 2, "cannot write", "name another folder")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_the_old_checkpoint(data_dir: Path, tmp_path: Path) -> None:
    flags = quick(data_dir, tmp_path / "out", "--epochs", "1", "--variants", "cam")
    assert run("train.py", *flags).returncode == 0
    weights = tmp_path / "out" / "cam" / "model.safetensors"
    before = weights.read_bytes()
    done = subprocess.run(
        command("train.py", *flags, "--seed", "1"),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert_one_line(done, 2, "cannot write", "free space")
    assert weights.read_bytes() == before
    assert not [path for path in tmp_path.rglob(".*safetensors*") if path.is_file()]


def test_a_loss_that_turns_nan_has_exit_code_1_and_overwrites_nothing(data_dir: Path, tmp_path: Path) -> None:
    flags = quick(data_dir, tmp_path / "out", "--epochs", "1", "--variants", "cam")
    assert run("train.py", *flags).returncode == 0
    weights = tmp_path / "out" / "cam" / "model.safetensors"
    before = weights.read_bytes()
    done = run("train.py", *flags, "--optimizer", "adam", "--learning-rate", "1e30", "--schedule", "constant")
    assert_one_line(done, 1, "the loss of the cam twin became", "--learning-rate")
    assert weights.read_bytes() == before


def test_a_dry_run_writes_nothing(data_dir: Path, tmp_path: Path) -> None:
    done = run("train.py", *quick(data_dir, tmp_path / "out", "--dry-run"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()


def test_sweep_prints_mean_and_deviation(data_dir: Path, tmp_path: Path) -> None:
    flags = quick(data_dir, tmp_path / "out", "--epochs", "1")
    done = run("sweep.py", "--seeds", "0", "1", *flags)
    assert done.returncode == 0, done.stderr
    assert "mean ± std of 2 seeds" in done.stdout
    again = run("sweep.py", "--seeds", "0", "1", *flags)
    assert "epoch" not in again.stdout  # complete seeds are measured, not trained again
    assert again.stdout in done.stdout


@pytest.mark.parametrize("script", ["train.py", "evaluate.py", "sweep.py"])
def test_help(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert "usage: " in done.stdout


def test_evaluate_without_checkpoints_is_one_line(data_dir: Path, tmp_path: Path) -> None:
    assert_one_line(run("evaluate.py", tmp_path / "none", "--data-dir", data_dir), 2, "none")
