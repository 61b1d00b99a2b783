"""Folders of pictures: what is read, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pictures import CLASSES, write_pictures

from camloss import CamlossError
from camloss.data.datasets import load_data
from camloss.data.folder import load_folder, room, split_off


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", train=10, val=4, test=2)


def test_three_splits(folder: Path) -> None:
    data = load_folder(folder, 32)
    assert (data.class_names, data.channels, data.size) == (CLASSES, 3, (32, 32))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [30, 12, 6]
    assert data.reported_on == "test set"
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    red = data.train.images[data.train.labels == 1].float().amax((2, 3)).mean(0)
    assert red[0] > 180
    assert red[1] < 130  # channels are RGB, and the classes are their own


def test_without_a_test_split_val_is_reported_and_called_so(folder: Path) -> None:
    shutil.rmtree(folder / "test")
    data = load_data(str(folder), Path("nowhere"))
    assert data.reported_on == "validation set"
    assert torch.equal(data.test.images, data.validation.images)
    assert data.size == (64, 64)


def test_without_val_a_tenth_of_train_is_split_off_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder / "val")
    data = load_folder(folder, 16)
    assert (len(data.train), len(data.validation)) == (27, 3)
    assert data.validation.labels.tolist() == [0, 1, 2]
    assert "has no val: 3 of its training pictures" in capsys.readouterr().err
    samples = [(folder / f"{number}", number % 3) for number in range(30)]
    kept, held_out = split_off(samples, CLASSES)
    assert sorted([*kept, *held_out]) == sorted(samples)
    assert split_off(samples, CLASSES) == (kept, held_out)


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / "train" / "disc" / "notes.txt").write_text("no picture", encoding="utf-8")
    (folder / "train" / "README.md").write_text("nor this", encoding="utf-8")
    (folder / "train" / ".cache").mkdir()
    (folder / "train" / "disc" / "._0.png").write_bytes(b"what macOS puts beside 0.png into archives")
    (folder / "train" / "disc" / ".ipynb_checkpoints").mkdir()
    shutil.copy(folder / "train" / "disc" / "0.png", folder / "train" / "disc" / ".ipynb_checkpoints")
    assert len(load_folder(folder, 16).train) == 30


def one_class(folder: Path) -> str:
    shutil.rmtree(folder / "train" / "disc")
    shutil.rmtree(folder / "train" / "square")
    return "train has one class, cross; expected train/CLASS"


def no_train(folder: Path) -> str:
    shutil.rmtree(folder / "train")
    return "photos has no folder train; expected train/CLASS/\\*.jpg, and perhaps val/CLASS"


def an_empty_class(folder: Path) -> str:
    for path in (folder / "train" / "disc").iterdir():
        path.unlink()
    return "train/disc has no pictures; add some"


def one_picture_and_no_val(folder: Path) -> str:
    shutil.rmtree(folder / "val")
    for path in sorted((folder / "train" / "disc").iterdir())[1:]:
        path.unlink()
    return "class disc has one picture, which val would take; add more pictures, or a val"


def classes_that_differ_in_case(folder: Path) -> str:
    (folder / "train" / "Disc").mkdir()
    if len(list((folder / "train").iterdir())) == 3:
        pytest.skip("this disk cannot tell them apart")
    return "has classes Disc and disc, which differ in case only"


def other_classes_in_val(folder: Path) -> str:
    (folder / "val" / "disc").rename(folder / "val" / "ring")
    return r"val and .*train have different classes \(disc, ring\)"


def many_broken_pictures(folder: Path) -> str:
    (folder / "train" / "disc" / "0.png").write_bytes(b"none")
    return "1 of 30 pictures are broken"


@pytest.mark.parametrize(
    "spoil",
    [
        *(one_class, no_train, an_empty_class, one_picture_and_no_val, classes_that_differ_in_case),
        *(other_classes_in_val, many_broken_pictures),
    ],
)
def test_folders_that_are_refused(folder: Path, spoil: Callable[[Path], str]) -> None:
    reason = spoil(folder)
    with pytest.raises(CamlossError, match=reason):
        load_folder(folder, 16)


def test_a_broken_picture_in_a_hundred_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "photos", train=40, val=2)
    broken = folder / "train" / "square" / "7.png"
    broken.write_bytes(broken.read_bytes()[:100])
    data = load_folder(folder, 16)
    assert len(data.train) == 119
    said = capsys.readouterr().err
    assert f"{broken} cannot be read" in said
    assert "1 of 120 pictures are broken and left out" in said


def test_more_pictures_to_measure_on_than_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camloss.data.folder.room", lambda: 18 * 3 * 32 * 32 - 1)
    with pytest.raises(CamlossError, match=r"18 pictures of 32x32 to measure on take 0\.0 GB, .*; take a lower --size"):
        load_folder(folder, 32)
    assert len(load_folder(folder, 31).train) == 30


def test_processes_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    alone = room()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert room() == alone / 4
