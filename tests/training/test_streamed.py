"""A folder larger than memory: its training pictures are read anew in every epoch."""

import dataclasses
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from pictures import CLASSES, write_pictures
from trained import same

from camloss import CamlossError
from camloss.data import folder as folders
from camloss.data import streamed
from camloss.data.dataset import Dataset
from camloss.data.folder import load_folder, read_split, samples_in
from camloss.data.pictures import read_picture
from camloss.data.streamed import StreamedSplit
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import TrainedModel, train

SIZE = 24
BYTES_TO_MEASURE_ON = 12 * 3 * SIZE * SIZE
forked = pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="what is put in is not inherited")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", train=40, val=4)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    short = dataclasses.replace(RECIPES["pictures"], epochs=2, alpha_start_epoch=1, batch_size=32, precision="float32")
    return dataclasses.replace(short, arch_arg=("width=8",), output_dir=tmp_path / "out", device="cpu")


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for what is measured on, and for no more."""
    monkeypatch.setattr(folders, "room", lambda: BYTES_TO_MEASURE_ON)


def trained(config: TrainConfig, variant: str, data: Dataset) -> TrainedModel:
    return train(config, variant, data, log=lambda _: None)


@pytest.mark.parametrize("readers", [0, 2])
def test_streamed_pictures_train_the_same_weights(
    photos: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch, readers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit, whoever reads them."""
    in_memory = load_folder(photos, SIZE)
    monkeypatch.setattr(folders, "room", lambda: BYTES_TO_MEASURE_ON)
    monkeypatch.setattr(streamed, "readers", lambda: readers)
    data = load_folder(photos, SIZE)
    assert isinstance(data.train, StreamedSplit)
    assert "120 training pictures are more than half of the memory" in capsys.readouterr().err
    assert (data.channels, data.size, len(data.train)) == (3, (SIZE, SIZE), 120)
    config = dataclasses.replace(config, accumulate=2)
    before = torch.random.get_rng_state()
    one, other = (trained(config, "cam", which) for which in (in_memory, data))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(one.model.state_dict(), other.model.state_dict())
    assert [{**epoch, "seconds": 0} for epoch in one.history] == [{**epoch, "seconds": 0} for epoch in other.history]


@pytest.mark.usefixtures("small_memory")
@forked
def test_other_processes_read_the_pictures(
    photos: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it trains, this process reads none."""
    data, own = load_folder(photos, SIZE), os.getpid()
    capsys.readouterr()

    def read(path: Path, size: tuple[int, int]) -> torch.Tensor:
        assert os.getpid() != own
        return read_picture(path, size)

    monkeypatch.setattr(streamed, "read_picture", read)
    assert trained(config, "ce", data).history
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("small_memory")
@forked
def test_a_reader_that_is_killed_is_one_line(
    photos: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_folder(photos, SIZE)
    monkeypatch.setattr(streamed, "read_picture", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(CamlossError, match=r"a process that reads pictures ended \(DataLoader worker .*--shm-size"):
        trained(config, "ce", data)


@pytest.mark.usefixtures("small_memory")
def test_any_pictures_can_be_asked_for(photos: Path) -> None:
    """Others than those that were announced too."""
    in_memory = read_split(samples_in(photos / "train", CLASSES), (SIZE, SIZE))
    split = load_folder(photos, SIZE).train
    asked = torch.tensor([100, 3, 3, 77])
    split.read_ahead([torch.tensor([1, 2])])
    for _ in range(2):
        images, labels = split[asked]
        assert torch.equal(images, in_memory[asked][0])
        assert labels.tolist() == [2, 0, 0, 1]


@pytest.mark.usefixtures("small_memory")
def test_a_picture_that_breaks_while_it_trains(
    photos: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named once, and the next one takes its place: the variants see the same."""
    config = dataclasses.replace(config, alpha_start_epoch=2)
    split = (data := load_folder(photos, SIZE)).train
    whole, _ = split[torch.tensor([40])]
    broken = photos / "train" / "cross" / "9.png"  # the last of its class, by name
    broken.write_bytes(broken.read_bytes()[:100])
    one, other = (trained(config, variant, data).model.state_dict() for variant in ("ce", "cam"))
    assert same(one, other)
    assert capsys.readouterr().err.count(f"{broken} cannot be read (OSError); the next picture takes its place") == 1
    images, labels = split[torch.tensor([39, 40])]
    assert torch.equal(images, whole.expand_as(images))
    assert labels.tolist() == [1, 1]

    (photos / "train" / "square" / "0.png").unlink()
    with pytest.raises(CamlossError, match=r"2 of 120 pictures are broken in .*train, named above"):
        trained(config, "cam", data)
    assert "0.png cannot be read (FileNotFoundError)" in capsys.readouterr().err
