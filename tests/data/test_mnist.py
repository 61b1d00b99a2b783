import functools
import http.server
import shutil
import threading
from pathlib import Path

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


def test_a_label_outside_the_digits_is_damage(data_dir: Path) -> None:
    file = data_dir / RAW / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x0b")
    with pytest.raises(CamlossError, match="a label of 11"):
        load_mnist(data_dir)


def test_download_and_the_lack_of_it(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own download code against a loopback server, then with the server gone."""
    import gzip
    import hashlib

    from torchvision.datasets import MNIST

    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for name in sorted(path.name for path in (data_dir / RAW).iterdir()):
        content = gzip.compress((data_dir / RAW / name).read_bytes())
        (served / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(content).hexdigest()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    try:
        downloaded = load_mnist(tmp_path / "new")
    finally:
        server.shutdown()
        server.server_close()
    assert torch.equal(downloaded.train.images, load_mnist(data_dir).train.images)

    shutil.rmtree(tmp_path / "new")
    with pytest.raises(CamlossError, match=r"^cannot download MNIST to .*connect to a network, or copy the four"):
        load_mnist(tmp_path / "new")
