"""Data sets that are downloaded: CIFAR-10 by torchvision, those of the Hugging Face Hub by `datasets`."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch
from torch.nn import functional as F

from camloss.data.augment import CropAndFlip
from camloss.data.dataset import Dataset
from camloss.data.folder import dataset_of, split_off_idx
from camloss.data.pictures import MEAN, STD, say
from camloss.errors import CamlossError, one_line, require
from camloss.split import Split

PREFIX = "hf:"
SPLITS = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}


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
    kept, held_out = split_off_idx(labels, train.classes)
    images = _resized(torch.from_numpy(train.data).permute(0, 3, 1, 2).contiguous(), size)
    return Dataset(
        train=Split(images[kept], labels[kept]),
        validation=Split(images[held_out], labels[held_out]),
        test=Split(_resized(torch.from_numpy(test.data).permute(0, 3, 1, 2), size), torch.tensor(test.targets)),
        class_names=tuple(train.classes),
        mean=MEAN,
        std=STD,
        augmentation=CropAndFlip(),
    )


def load_from_hub(name: str, size: int = 0) -> Dataset:
    """An image data set of the Hugging Face Hub: pictures and class labels in its splits train, validation and test.

    It is fetched to the disk; what lies in memory is as for a folder, see `camloss.data.folder.dataset_of`.

    Args:
        name: "hf:USER/DATASET", or "hf:USER/DATASET:CONFIG".
        size: height and width that the pictures are brought to; 0 for `camloss.data.folder.SIZE`.

    Raises:
        CamlossError: it cannot be fetched, has no pictures, or pictures without a class; also as `dataset_of`.
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
    names = found["train"].features[label].names
    if len(names) < 2:
        raise CamlossError(f"{repo} has one class, {', '.join(names)}; take another data set, with two or more")
    splits = {}
    for part, keys in SPLITS.items():
        for key in keys:
            rows, where = found.get(key, ()), f"{repo}/{key}"
            classes = rows[label][:] if len(rows) else []
            if classes and all(class_idx in range(len(names)) for class_idx in classes):
                files = rows.select_columns([picture]).cast_column(picture, datasets.Image(decode=False))
                splits[part] = [(HubPicture(files, row, where), class_idx) for row, class_idx in enumerate(classes)]
            elif classes and part == "test":
                say(f"{where} keeps its classes secret: it is left out, and the validation set reported")
            elif classes or key == "train":
                raise CamlossError(f"{where} has pictures without a class, or none at all; take another data set")
    return dataset_of(names, splits, size, repo)


@dataclass(frozen=True, slots=True)
class HubPicture:
    """A picture in a data set of the Hub, which is read from the disk when it is opened."""

    rows: Any
    """With one column, of pictures that are not decoded."""
    row: int
    where: str

    def open(self, _mode: str, /) -> IO[bytes]:
        import fsspec

        (content,) = self.rows[self.row].values()
        if content["bytes"] is not None:
            return BytesIO(content["bytes"])
        with fsspec.open(content["path"], "rb") as file:  # perhaps in an archive
            return BytesIO(file.read())

    def __str__(self) -> str:
        return f"{self.where}, row {self.row},"


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


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    if size in (0, images.shape[-1]):
        return images.contiguous()
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
