"""MNIST as tensors in memory, split three ways.

>>> data = load_mnist("data")  # doctest: +SKIP
>>> data.train.images.shape, data.validation.images.shape, data.test.images.shape  # doctest: +SKIP
(torch.Size([55000, 1, 28, 28]), torch.Size([5000, 1, 28, 28]), torch.Size([10000, 1, 28, 28]))
"""

import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camloss.data.dataset import Dataset
from camloss.data.ood_fitting import fit_ood_score, non_digits, preprocess_split
from camloss.data.peaks import peaks
from camloss.data.synthetic_digits import draw_synthetic_digits
from camloss.data.temperature import divide_by_temperature
from camloss.epoch_snapshots import snapshot_epochs
from camloss.errors import CamlossError
from camloss.models import MNIST_MEAN, MNIST_STD, Classifier, MapClassifier
from camloss.split import Split

VALIDATION_SIZE = 5_000
IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"
LARGEST = 1_000_000 * 28 * 28  # bytes of a file; MNIST has 60,000 images


class MNIST(Dataset):
    """MNIST, which is also shown in the drawing demo: synthetic digits, an OOD score, and snapshots of the training."""

    def extra_training_images(self, count: int, seed: int) -> Split:
        """`count` synthetic digits of each writing style."""
        return draw_synthetic_digits(count, seed)

    def snapshot_epochs(self, epochs: int, alpha_start_epoch: int) -> Collection[int]:
        return snapshot_epochs(epochs, alpha_start_epoch)

    def finish(self, model: Classifier) -> dict[str, Any]:
        """Fit temperature and OOD score on the validation images; measure where the CAMs of the test images peak."""
        if not isinstance(model, MapClassifier) or model.middle == 0:  # no network of the drawing demo
            return {}
        temperature = divide_by_temperature(model, self.validation)
        fit_ood_score(model, self.validation, self._preprocessed_validation, self._non_digits)
        return {"temperature": temperature, "peaks": peaks(model, self.test)}

    @cached_property
    def _preprocessed_validation(self) -> Split:
        return preprocess_split(self.validation)

    @cached_property
    def _non_digits(self) -> torch.Tensor:
        return non_digits(self.validation)


def default_data_dir() -> Path:
    """The folder of `$CAMLOSS_DATA_DIR`, else `data`."""
    return Path(os.environ.get("CAMLOSS_DATA_DIR", "data"))


def load_mnist(data_dir: str | Path | None = None, validation_size: int | None = None) -> MNIST:
    """Read MNIST from `data_dir/mnist` in torchvision's layout; download it there when the folder has none.

    The validation images are drawn from the 60,000 training images, always the same ones.

    Args:
        data_dir: the folder that holds `mnist`; by default `default_data_dir()`.
        validation_size: how many images to set aside; by default 5,000, or a twelfth of a smaller data set.

    Raises:
        CamlossError: a file is damaged, or there is none and the download failed; or there are no more images than are
            to be set aside.
    """
    root = _mnist_root(Path(data_dir) if data_dir is not None else default_data_dir())
    train, test = _read(root, train=True), _read(root, train=False)
    if validation_size is None:
        validation_size = min(VALIDATION_SIZE, len(train) // 12)
    if not 0 < validation_size < len(train):
        raise CamlossError(
            f"{validation_size:,} of the {len(train):,} training images of {root} cannot be set aside for validation; "
            f"expected 1 to {len(train) - 1:,}"
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    held_out, kept = order[:validation_size], order[validation_size:]
    return MNIST(
        class_names=tuple("0123456789"),
        mean=(MNIST_MEAN,),
        std=(MNIST_STD,),
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[held_out], train.labels[held_out]),
        test=test,
    )


def _mnist_root(data_dir: Path) -> Path:
    """The folder that torchvision calls root: `data_dir` itself where it holds `MNIST`, else `data_dir/mnist`."""
    return data_dir if (data_dir / "MNIST").is_dir() else data_dir / "mnist"


def _read(root: Path, *, train: bool) -> Split:
    if not _is_complete(root):
        _download(root)
    raw, name = root / "MNIST" / "raw", "train" if train else "t10k"
    try:
        images, labels = _idx(raw / IMAGES.format(name), 3), _idx(raw / LABELS.format(name), 1)
    except OSError as error:
        raise CamlossError(f"cannot read {root}: {_first_line(error)}; name another folder") from error
    except ValueError as error:
        raise _damaged(root, str(error)) from error
    if images.shape[1:] != (28, 28) or len(images) != len(labels) or len(labels) == 0:
        raise _damaged(root, f"{len(labels)} labels for images of shape {tuple(images.shape)}")
    if int(labels.max()) > 9:
        raise _damaged(root, f"a label of {int(labels.max())}")
    return Split(images.unsqueeze(1), labels.long())


def _idx(path: Path, dims: int) -> Tensor:
    """The bytes of an idx file: four that say their type and how many dimensions there are, the size of each, values.

    Raises:
        OSError, ValueError: it cannot be read, holds other than bytes, or its length is not what it says.
    """
    with path.open("rb") as file:
        magic, *sizes = np.fromfile(file, ">u4", 1 + dims).tolist() or [0]
        if magic != 0x800 + dims or len(sizes) != dims:
            raise ValueError(f"{path.name} begins with 0x{magic:08x}, expected 0x{0x800 + dims:08x}")
        count, found = math.prod(sizes), path.stat().st_size - file.tell()
        if count != found or count > LARGEST:
            raise ValueError(f"{path.name} holds {found:,} bytes, expected {count:,} and at most {LARGEST:,}")
        return torch.from_numpy(np.fromfile(file, np.uint8, count)).view(*sizes)


def _download(root: Path) -> None:
    from torchvision import datasets  # takes 1.6 s

    try:
        with _undone_on_failure(root / "MNIST"):
            datasets.MNIST(root, download=True)
            if not _is_complete(root):
                raise RuntimeError("an older torchvision has left MNIST/processed there")
    except OSError as error:
        raise CamlossError(f"cannot read or write {root}: {_first_line(error)}; name another folder") from error
    except Exception as error:  # torchvision may read what lies there first
        raise CamlossError(
            f"cannot download MNIST to {root} ({_first_line(error)}); connect to a network, or copy the four "
            f"*-ubyte files of MNIST to {root / 'MNIST' / 'raw'} and run again"
        ) from error


@contextmanager
def _undone_on_failure(folder: Path) -> Iterator[None]:
    """Where a download fails or is interrupted, nothing of it stays: the folder's name may be mistyped."""
    there = {path for path in (*folder.rglob("*"), folder, *folder.parents) if path.exists()}
    try:
        yield
    except BaseException:
        for path in (*sorted(folder.rglob("*"), reverse=True), folder, *folder.parents):
            if path not in there:
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()
        raise


def _is_complete(root: Path) -> bool:
    files = (kind.format(name) for kind in (IMAGES, LABELS) for name in ("train", "t10k"))
    return all((root / "MNIST" / "raw" / file).is_file() for file in files)


def _damaged(root: Path, why: str) -> CamlossError:
    return CamlossError(
        f"the MNIST files in {root / 'MNIST' / 'raw'} are damaged ({why}); delete that folder and retry"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
