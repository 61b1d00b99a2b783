"""Data sets that are downloaded, made up here: CIFAR-10's archive over the loopback, a Hub data set in memory."""

import hashlib
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import datasets
import numpy as np
import pytest
import torch
import torchvision
from pictures import CLASSES, picture, write_pictures

from camloss import CamlossError
from camloss.data.datasets import load_data
from camloss.data.folder import load_folder

FILES = {"data_batch_1": 30, "test_batch": 10}
NAMES = [f"class {number}" for number in range(10)]


def archive(folder: Path) -> str:
    """A small cifar-10-python.tar.gz; returns its MD5."""
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        contents: dict[str, Any] = {"batches.meta": {"label_names": NAMES}}
        for name, count in FILES.items():
            data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
            contents[name] = {"data": data, "labels": [number % 10 for number in range(count)]}
        for name, content in contents.items():
            packed = pickle.dumps(content)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(packed)
            tar.addfile(entry, io.BytesIO(packed))
    return hashlib.md5((folder / "cifar-10-python.tar.gz").read_bytes()).hexdigest()


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    (tmp_path / "served").mkdir()
    md5 = archive(tmp_path / "served")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ours = torchvision.datasets.CIFAR10
    monkeypatch.setattr(ours, "url", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
    monkeypatch.setattr(ours, "tgz_md5", md5)
    monkeypatch.setattr(ours, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(ours, "test_list", [["test_batch", None]])
    monkeypatch.setattr(ours, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})
    yield server
    server.shutdown()


def test_cifar10_is_downloaded_and_a_tenth_set_aside(cifar10: ThreadingHTTPServer, tmp_path: Path) -> None:
    data = load_data("cifar10", tmp_path / "data")
    assert data.class_names == tuple(NAMES)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [20, 10, 10]
    assert (data.channels, data.size, data.reported_on) == (3, (32, 32), "test set")
    assert data.validation.labels.bincount().tolist() == [1] * 10
    cifar10.shutdown()  # from here on it is there
    again = load_data("cifar10", tmp_path / "data", 48)
    assert again.size == (48, 48)
    assert torch.equal(again.train.labels, data.train.labels)


@pytest.mark.usefixtures("cifar10")
def test_cifar10_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(CamlossError, match="cannot get CIFAR-10"):
        load_data("cifar10", tmp_path / "data")


def rows(count: int, kinds: Sequence[int | None] = (0, 1, 2), names: Sequence[str] = CLASSES) -> datasets.Dataset:
    content = {
        "picture": [picture(CLASSES[n % 3], n) for n in range(count)],
        "kind": [kinds[n % len(kinds)] for n in range(count)],
    }
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=list(names))})
    return datasets.Dataset.from_dict(content, features=features)


def served(monkeypatch: pytest.MonkeyPatch, **splits: datasets.Dataset) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict(splits))


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def load_dataset(*words: str | None) -> datasets.DatasetDict:
        asked.append(words)
        return datasets.DatasetDict({"train": rows(30), "test": rows(6)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = load_data("hf:user/shapes:small", tmp_path, 32)
    assert asked == [("user/shapes", "small")]
    assert data.class_names == CLASSES
    assert [len(split) for split in (data.train, data.validation, data.test)] == [27, 3, 6]
    assert data.size == (32, 32)
    assert data.test.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_pictures_of_the_hub_that_are_files_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Data sets of the kind imagefolder name them, on the disk or in an archive."""
    folder = write_pictures(tmp_path / "photos", train=4, val=2)
    paths = [path for name in CLASSES for path in sorted((folder / "train" / name).iterdir())]
    with ZipFile(tmp_path / "photos.zip", "w") as archived:
        for number, path in enumerate(paths):
            archived.write(path, f"{number}.png")
    of_files = [str(path) for path in paths[:6]]
    of_archive = [f"zip://{number}.png::{tmp_path / 'photos.zip'}" for number in range(6, 12)]
    content = {"picture": [*of_files, *of_archive], "kind": [path.parent.name for path in paths]}
    served(monkeypatch, train=datasets.Dataset.from_dict(content, features=rows(3).features), validation=rows(6))
    found, expected = load_data("hf:user/shapes", tmp_path, 32).train, load_folder(folder, 32).train
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)


def test_a_test_split_without_classes_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those of contests are."""
    served(monkeypatch, train=rows(30), validation=rows(6), test=rows(9, kinds=[-1]))
    data = load_data("hf:user/shapes", tmp_path)
    assert (len(data.test), data.reported_on) == (6, "validation set")
    assert "user/shapes/test keeps its classes secret: it is left out" in capsys.readouterr().err


def test_data_sets_of_the_hub_that_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served(monkeypatch, train=rows(30, kinds=[0, 1, None]))
    with pytest.raises(CamlossError, match="user/shapes/train has pictures without a class"):
        load_data("hf:user/shapes", tmp_path)
    served(monkeypatch, train=rows(30, kinds=[0], names=["disc"]))
    with pytest.raises(CamlossError, match="user/shapes has one class, disc; take another data set"):
        load_data("hf:user/shapes", tmp_path)
    served(monkeypatch, validation=rows(3))
    with pytest.raises(CamlossError, match="user/shapes has no split train, but validation"):
        load_data("hf:user/shapes", tmp_path)
    texts = datasets.Dataset.from_dict({"text": ["a"], "kind": [0]})
    served(monkeypatch, train=texts)
    with pytest.raises(CamlossError, match="user/texts has no column of pictures, but text, kind"):
        load_data("hf:user/texts", tmp_path)

    def unreachable(*_: object) -> None:
        raise ConnectionError("no route\nto the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(CamlossError, match=r"cannot get user/none from the Hub \(no route to the Hub\)"):
        load_data("hf:user/none", tmp_path)
