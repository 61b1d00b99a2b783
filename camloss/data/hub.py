"""Data sets that are downloaded: CIFAR-10 by torchvision, those of the Hugging Face Hub by `datasets`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from camloss.data.augment import CropAndFlip
from camloss.data.dataset import Dataset
from camloss.data.folder import SIZE, split_off_idx, whole_split
from camloss.data.pictures import MEAN, STD, fitted, say
from camloss.errors import CamlossError, one_line, require
from camloss.split import Split

PREFIX = "hf:"
SPLITS = {"validation": ("validation", "val", "valid", "dev"), "test": ("test",)}


def load_cifar10(data_dir: Path, size: int = 0) -> Dataset:
    """CIFAR-10 in `data_dir/cifar10`, downloaded there when it is not there yet; a tenth of train is for validation.

    Raises:
        CamlossError: it is damaged, or cannot be downloaded.
    """
    from torchvision import datasets

    root = data_dir / "cifar10"
    try:
        train, test = (datasets.CIFAR10(root, train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise CamlossError(
            f"cannot get CIFAR-10 in {root} ({one_line(error)}); connect to a network, or copy "
            "cifar-10-python.tar.gz there"
        ) from error
    labels = torch.tensor(train.targets)
    kept, held_out = split_off_idx(labels)
    images = _resized(torch.from_numpy(train.data).permute(0, 3, 1, 2).contiguous(), size)
    return _dataset(
        tuple(train.classes),
        Split(images[kept], labels[kept]),
        Split(images[held_out], labels[held_out]),
        Split(_resized(torch.from_numpy(test.data).permute(0, 3, 1, 2), size), torch.tensor(test.targets)),
    )


def load_from_hub(name: str, size: int = 0) -> Dataset:
    """An image data set of the Hugging Face Hub: pictures and class labels in its splits train, validation and test.

    Args:
        name: "hf:USER/DATASET", or "hf:USER/DATASET:CONFIG".
        size: height and width that the pictures are brought to; 0 for `camloss.data.folder.SIZE`.

    Raises:
        CamlossError: it cannot be fetched, or has no pictures or no class labels.
    """
    require("datasets")
    import datasets

    repo, _, config = name.removeprefix(PREFIX).partition(":")
    try:
        found = datasets.load_dataset(repo, config or None)
    except Exception as error:  # foreign code
        reason = " ".join(str(error).split())[:160]
        raise CamlossError(f"cannot get {repo} from the Hub ({reason}); check its name and the network") from error
    if "train" not in found:
        raise CamlossError(f"{repo} has no split train, but {', '.join(found)}; take another data set")
    picture, label = columns_of(found["train"].features, repo)
    names = tuple(found["train"].features[label].names)
    side = size or SIZE
    splits = {
        part: _decoded(found[key], picture, label, side, f"{repo}, {key}")
        for part, keys in {"train": ("train",), **SPLITS}.items()
        for key in keys
        if key in found
    }
    if "validation" not in splits:
        whole = splits["train"]
        kept, held_out = split_off_idx(whole.labels)
        say(f"{repo} has no validation split: {len(held_out)} of its training pictures are set aside for it")
        splits["train"], splits["validation"] = (Split(whole.images[i], whole.labels[i]) for i in (kept, held_out))
    return _dataset(names, splits["train"], splits["validation"], splits.get("test"))


def columns_of(features: Any, repo: str) -> tuple[str, str]:
    """The names of the first column of pictures and the first of class labels.

    Raises:
        CamlossError: there is none.
    """
    pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    labels = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    if not pictures or not labels:
        lacking = "pictures" if not pictures else "class labels"
        raise CamlossError(f"{repo} has no column of {lacking}, but {', '.join(features)}; take one for classification")
    return pictures[0], labels[0]


def _decoded(rows: Any, picture: str, label: str, side: int, what: str) -> Split:
    images, labels = [], []
    for number in range(len(rows)):
        try:
            row = rows[number]
            images.append(fitted(row[picture], (side, side)))
            labels.append(int(row[label]))
        except Exception as error:  # decoders raise anything
            say(f"{what}: picture {number} cannot be read ({type(error).__name__})")
    return whole_split(images, labels, len(rows), what)


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    if size in (0, images.shape[-1]):
        return images.contiguous()
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


def _dataset(names: Sequence[str], train: Split, validation: Split, test: Split | None) -> Dataset:
    return Dataset(
        train=train,
        validation=validation,
        test=validation if test is None else test,
        reported_on="validation set" if test is None else "test set",
        class_names=tuple(names),
        mean=MEAN,
        std=STD,
        augmentation=CropAndFlip(),
    )
