"""`camloss train --loss caam-distillation --teacher ...`: a pair of a baseline student and a distilled one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from command_line import assert_one_line, quick, run
from untrained import write_pair

from camloss import build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import load_training
from camloss.pair import Pair

STUDENT = ("--arch", "tiny_cnn", "--alpha", "1", "--epochs", "2")
PAIR = ["ce", "caam-distillation"]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with teachers: a pair, and its models alone."""
    folder = tmp_path_factory.mktemp("teachers")
    write_pair(folder / "pair")
    return folder


def distil(data_dir: Path, output_dir: Path, teacher: Path, *more: str) -> list[str | Path]:
    flags = ("--loss", "caam-distillation", "--teacher", str(teacher), *more)
    return quick(data_dir, output_dir, *STUDENT, *flags)


def test_a_baseline_student_and_a_distilled_one_are_a_pair(data_dir: Path, tmp_path: Path, teachers: Path) -> None:
    done = run("train", *distil(data_dir, tmp_path / "out", teachers / "pair" / "cam"))
    assert done.code == 0, done.err
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["variants"] == PAIR
    pair = Pair.load(tmp_path / "out")
    assert list(pair.models) == PAIR
    records = [load_training(tmp_path / "out" / variant) for variant in PAIR]
    assert [record["history"][-1]["alpha"] for record in records] == [0.0, 1.0]
    assert records[0]["config"] == records[1]["config"]
    assert str(tmp_path) not in json.dumps(records)
    assert "| metric | Cross-entropy | CAAM-CAM distillation |" in (tmp_path / "out" / "README.md").read_text(
        encoding="utf-8"
    )

    alone = run("train", *quick(data_dir, tmp_path / "alone", *STUDENT, "--variants", "ce"))
    assert alone.code == 0, alone.err
    expected = load_checkpoint(tmp_path / "alone" / "ce").state_dict()
    found = pair["ce"].state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_another_teacher_gives_another_student_and_resumes_no_run(
    data_dir: Path, tmp_path: Path, teachers: Path
) -> None:
    for name in ("ce", "cam"):
        done = run("train", *distil(data_dir, tmp_path / name, teachers / "pair" / name))
        assert done.code == 0, done.err
    one, other = (load_checkpoint(tmp_path / name / PAIR[1]) for name in ("ce", "cam"))
    assert not torch.equal(one.head.weight, other.head.weight)
    again = distil(data_dir, tmp_path / "ce", teachers / "pair" / "cam", "--resume")
    assert_one_line(run("train", *again), 2, "had other values of teacher")
    moved = shutil.copytree(teachers / "pair" / "ce", tmp_path / "moved")
    assert "is trained already" in run("train", *distil(data_dir, tmp_path / "ce", moved, "--resume")).out


def test_a_folder_of_its_own(data_dir: Path, tmp_path: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = distil(data_dir, tmp_path, teachers / "pair" / "cam", "--batch-size", "64", "--dry-run")
    flags.remove("--output-dir")
    flags.remove(tmp_path)
    assert run("train", *flags).code == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--loss", "caam-distillation"], "caam-distillation learns from a teacher; name its checkpoint"),
        (["--teacher", "{pair}/cam"], "no variant learns from the teacher; leave it out, or take --loss"),
        (["--loss", "cam", "--variants", "ce"], "--loss and --variants both say what to train; leave one out"),
        (["--loss", "ce"], "invalid choice: 'ce'"),
        (["--loss", "caam-distillation", "--teacher", "{pair}"], "holds a pair; name one of its models: --teacher"),
        (["--loss", "caam-distillation", "--teacher", "{none}"], "no checkpoint in"),
        (["--loss", "logit-distillation", "--teacher", "{seven}"], "has 7 classes, mnist has 10; take one trained on"),
        (["--loss", "caam-distillation", "--teacher", "{named}"], "classes of other names than mnist"),
        (["--loss", "caam-distillation", "--teacher", "{large}"], "images of 64x64 pixels, mnist has 28x28"),
        (["--loss", "caam-distillation", "--teacher", "{colour}"], "other images than 1 channels of 28x28"),
        (["--loss", "caam-distillation", "--teacher", "{broken}"], "is damaged"),
    ],
)
def test_bad_teachers(data_dir: Path, tmp_path: Path, teachers: Path, flags: list[str], words: str) -> None:
    saved = {name: tmp_path / name for name in ("none", "seven", "named", "large", "colour", "broken")}
    save_checkpoint(build_model("tiny_cnn", 7), saved["seven"])
    save_checkpoint(build_model("tiny_cnn"), saved["named"], classes=[*"abcdefghij"])
    save_checkpoint(build_model("tiny_cnn"), saved["large"], image_size=64)
    save_checkpoint(build_model("timm/resnet10t"), saved["colour"])
    saved["broken"].mkdir()
    (saved["broken"] / "model.safetensors").write_bytes(b"broken")
    places = {"pair": teachers / "pair", **saved}
    done = run("train", *quick(data_dir, tmp_path / "out"), *(flag.format(**places) for flag in flags))
    assert_one_line(done, 2, words)
    assert not (tmp_path / "out").exists()
