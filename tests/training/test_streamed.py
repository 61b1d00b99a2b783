"""Pictures that are larger than memory, of a folder or of the Hub: those to learn from are read anew in every epoch."""

import dataclasses
import multiprocessing
import os
import signal
import tracemalloc
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pytest
import torch
from pictures import CLASSES, as_hub_data_set, write_pictures
from PIL import Image
from trained import same

from camloss import CamlossError
from camloss.data import folder as folders
from camloss.data import streamed
from camloss.data.dataset import Dataset
from camloss.data.datasets import load_data
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
def shapes(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same pictures as a data set of the Hub."""
    found = as_hub_data_set(photos, tmp_path / "hub")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: found)
    return "hf:user/shapes"


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


@pytest.fixture(params=[0, 2])
def readers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "readers", lambda: request.param)


@pytest.fixture(params=["photos", "shapes"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.usefixtures("readers")
def test_streamed_pictures_train_the_same_weights(
    source: str, photos: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit, whoever reads them, and wherever they are from."""
    in_memory = load_folder(photos, SIZE)
    monkeypatch.setattr(folders, "room", lambda: BYTES_TO_MEASURE_ON)
    data = load_data(source, Path(), SIZE)
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
    in_memory = read_split(samples_in(photos / "train", CLASSES), (SIZE, SIZE), "train")
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


@pytest.mark.usefixtures("small_memory")
def test_a_broken_picture_of_the_hub(
    photos: Path,
    tmp_path: Path,
    config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is named once by its row, and the next one takes its place: the variants see the same."""
    broken = photos / "train" / "cross" / "9.png"  # the last of its class, by name
    broken.write_bytes(broken.read_bytes()[:100])
    found = as_hub_data_set(photos, tmp_path / "hub")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: found)
    data = load_data("hf:user/shapes", Path(), SIZE)
    config = dataclasses.replace(config, alpha_start_epoch=2)
    one, other = (trained(config, variant, data).model.state_dict() for variant in ("ce", "cam"))
    assert same(one, other)
    assert capsys.readouterr().err.count("user/shapes/train, row 39, cannot be read (OSError); the next picture") == 1
    images, labels = data.train[torch.tensor([39, 40])]
    assert torch.equal(images[0], images[1])
    assert labels.tolist() == [1, 1]


@pytest.mark.usefixtures("small_memory")
def test_pictures_of_the_hub_stay_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their files nor their pixels are held, beyond those of a batch."""
    side, rng = 200, np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 4)):
        for name in CLASSES:
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)  # which no format makes small
                Image.fromarray(noise).save(tmp_path / "photos" / split / name / f"{number}.png")
    found = as_hub_data_set(tmp_path / "photos", tmp_path / "hub")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: found)
    monkeypatch.setattr(streamed, "readers", lambda: 0)
    load_data("hf:user/noise", Path(), SIZE)  # imports
    arrow = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    learnt_from = load_data("hf:user/noise", Path(), SIZE).train
    for images, _ in learnt_from.batches(2):
        assert len(images) == 2
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(learnt_from) == 60
    assert learnt_from.images.shape == (1, 3, SIZE, SIZE)
    assert most < 8 * 3 * side * side
    assert pyarrow.total_allocated_bytes() - arrow < 3 * side * side
