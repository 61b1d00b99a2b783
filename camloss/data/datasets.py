"""The data sets that a training can be asked for.

A data set is asked for by a name of `DATASETS`, as hf:USER/DATASET, or by a folder of pictures.
"""

from collections.abc import Callable
from pathlib import Path

from camloss.data.dataset import Dataset
from camloss.data.folder import load_folder
from camloss.data.hub import PREFIX, load_cifar10, load_from_hub
from camloss.data.mnist import load_mnist
from camloss.errors import CamlossError


def _mnist(_name: str, data_dir: Path, size: int) -> Dataset:
    if size not in (0, 28):
        raise CamlossError(f"size is {size}; MNIST's images have 28 pixels a side: leave out --size")
    return load_mnist(data_dir)


DATASETS: dict[str, Callable[[str, Path, int], Dataset]] = {
    "mnist": _mnist,
    "cifar10": lambda _, data_dir, size: load_cifar10(data_dir, size),
    "hf": lambda name, _, size: load_from_hub(name, size),
    "folder": lambda name, _, size: load_folder(name, size),
}
"""By kind: from what was asked for, the data folder and the size to the data set; raises CamlossError where files are
missing or damaged."""


def kind_of(name: str) -> str:
    """Which entry of `DATASETS` a name is for: "hf" for "hf:USER/DATASET", that of this name, or "folder"."""
    if name.startswith(PREFIX):
        return "hf"
    return name if name in DATASETS and name not in ("folder", "hf") else "folder"


def load_data(name: str, data_dir: Path, size: int = 0) -> Dataset:
    """The data set that `--data` names.

    Args:
        name: of an entry, "hf:USER/DATASET", or a folder.
        data_dir: where downloads are kept.
        size: height and width of the images in pixels; 0 for the data set's own.

    Raises:
        CamlossError: there is no such data set, or files are missing or damaged.
    """
    kind = kind_of(name)
    if kind == "folder" and not Path(name).is_dir():
        raise CamlossError(
            f"there is no folder {name}; expected mnist, cifar10, hf:USER/DATASET, or a folder with train/CLASS/*.jpg"
        )
    return DATASETS[kind](name, data_dir, size)
