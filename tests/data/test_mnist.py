import functools
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_mnist import write_tiny_mnist

from camloss import CamlossError
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.split import Split

RAW = Path("mnist/MNIST/raw")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return write_tiny_mnist(tmp_path / "data")


def test_splits(data_dir: Path) -> None:
    data = load_mnist(data_dir)
    assert (len(data.train), len(data.validation), len(data.test)) == (550, 50, 100)
    assert data.train.images.shape == (550, 1, 28, 28)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64


def test_the_validation_images_are_set_aside_and_always_the_same(data_dir: Path) -> None:
    first, second = load_mnist(data_dir), load_mnist(data_dir)
    assert torch.equal(first.validation.images, second.validation.images)
    together = torch.cat([first.train.labels, first.validation.labels])
    assert torch.equal(together.bincount(), torch.full((10,), 60))


@pytest.mark.parametrize("size", [-5, 0, 600])
def test_as_many_validation_images_as_there_are_is_one_line(data_dir: Path, size: int) -> None:
    with pytest.raises(CamlossError, match=f"^{size} of the 600 training images .* set aside .*; expected 1 to 599$"):
        load_mnist(data_dir, size)


def test_a_folder_in_torchvisions_own_layout_is_accepted(data_dir: Path) -> None:
    assert len(load_mnist(data_dir / "mnist").test) == 100


def test_the_environment_names_the_default(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMLOSS_DATA_DIR", str(data_dir))
    assert default_data_dir() == data_dir
    assert len(load_mnist().test) == 100


def test_batches_cover_everything_once_in_the_given_order() -> None:
    split = Split(torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1) * 51, torch.arange(5))
    batches = list(split.batches(2, torch.tensor([4, 0, 3, 1, 2])))
    assert [labels.tolist() for _, labels in batches] == [[4, 0], [3, 1], [2]]
    torch.testing.assert_close(
        torch.cat([images for images, _ in batches]).flatten() * 5, torch.tensor([4.0, 0, 3, 1, 2])
    )


@pytest.mark.parametrize(("side", "expected"), [(64, [1000, 1000, 300]), (256, [62] * 37 + [6])])
def test_batches_of_large_images_hold_fewer(side: int, expected: list[int]) -> None:
    split = Split(torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(2_300, 1, side, side), torch.zeros(2_300))
    assert [len(labels) for _, labels in split.batches()] == expected


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_file_is_one_clear_line(data_dir: Path, name: str, damage: str) -> None:
    file = data_dir / RAW / name
    content = {"truncated": file.read_bytes()[:-7], "empty": b"", "garbage": b"<html>" * 99}[damage]
    file.write_bytes(content)
    with pytest.raises(
        CamlossError, match=r"^the MNIST files in .*raw are damaged \(.*\); delete that folder and retry$"
    ):
        load_mnist(data_dir)


@pytest.mark.parametrize("kind", range(0, 17))
def test_files_of_other_idx_types_are_damage(data_dir: Path, kind: int) -> None:
    """0x09 to 0x0E are other number types, of which torchvision knows no 0x0A; their bytes are no pixels."""
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        file = data_dir / RAW / name
        content = file.read_bytes()
        file.write_bytes(content[:2] + bytes([kind]) + content[3:])
        if kind == 8:
            assert len(load_mnist(data_dir).train) == 550
        else:
            with pytest.raises(CamlossError, match=f"{name} begins with 0x0000{kind:02x}0[13], expected 0x0000080[13]"):
                load_mnist(data_dir)
        file.write_bytes(content)


def test_no_more_is_read_than_a_file_says_and_holds(data_dir: Path) -> None:
    """A sparse file of 3 TB says that it holds 2**32 - 1 images."""
    file = data_dir / RAW / "train-images-idx3-ubyte"
    with file.open("r+b") as images:
        images.write(struct.pack(">IIII", 0x803, 2**32 - 1, 28, 28))
        images.truncate(16 + (2**32 - 1) * 784)
    with pytest.raises(CamlossError, match=r"holds 3,367,254,359,280 bytes, expected .* and at most 784,000,000"):
        load_mnist(data_dir)


def test_what_an_older_torchvision_left_is_not_read(data_dir: Path) -> None:
    processed = data_dir / "mnist" / "MNIST" / "processed"
    processed.mkdir()
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"a pickle")
    assert len(load_mnist(data_dir).train) == 550
    (data_dir / RAW / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(CamlossError, match=r"^cannot download MNIST to .*copy the four .*-ubyte files"):
        load_mnist(data_dir)


def test_a_label_outside_the_digits_is_damage(data_dir: Path) -> None:
    file = data_dir / RAW / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x0b")
    with pytest.raises(CamlossError, match="a label of 11"):
        load_mnist(data_dir)


@pytest.fixture
def served(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the packed files of a small data set, from which torchvision downloads."""
    folder = tmp_path / "served"
    folder.mkdir()
    resources = []
    for path in sorted((data_dir / RAW).iterdir()):
        content = gzip.compress(path.read_bytes())
        (folder / f"{path.name}.gz").write_bytes(content)
        resources.append((f"{path.name}.gz", hashlib.md5(content).hexdigest()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)
    yield folder
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("served")
def test_download(data_dir: Path, tmp_path: Path) -> None:
    downloaded = load_mnist(tmp_path / "new")
    assert torch.equal(downloaded.train.images, load_mnist(data_dir).train.images)


@pytest.mark.parametrize("fault", ["nothing comes", "the second file is missing", "the last file is damaged"])
def test_a_failed_download_leaves_nothing_behind(served: Path, tmp_path: Path, fault: str) -> None:
    files = sorted(served.iterdir())
    for file in {"nothing comes": files, "the second file is missing": files[1:2]}.get(fault, []):
        file.unlink()
    if fault == "the last file is damaged":
        files[-1].write_bytes(files[-1].read_bytes()[:-50])
    (tmp_path / "here").mkdir()
    for mistyped in ("new/data", "here"):
        with pytest.raises(CamlossError, match=r"^cannot download MNIST to .*connect to a network, or copy the four"):
            load_mnist(tmp_path / mistyped)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "here").iterdir()) == []


def test_an_interrupted_download_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any) -> None:
        Path(self.raw_folder).mkdir(parents=True)
        Path(self.raw_folder, "train-images-idx3-ubyte.gz").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("torchvision.datasets.MNIST.download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_mnist(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
