"""A folder of pictures as a data set, in torchvision's ImageFolder layout.

FOLDER/train/CLASS/*.jpg      to learn from
FOLDER/val/CLASS/*.jpg        to choose on; without it, a tenth of the training pictures
FOLDER/test/CLASS/*.jpg       to report on; without it, val is reported, and called so
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from camloss.data.augment import CropAndFlip
from camloss.data.dataset import Dataset
from camloss.data.pictures import MEAN, STD, SUFFIXES, PictureFile, read_picture, refuse_many_broken, say
from camloss.data.streamed import streamed
from camloss.errors import CamlossError
from camloss.split import Split

SIZE = 64  # pixels a side, unless another is asked for
PARTS = ("train", "val", "test")
EXPECTED = "expected train/CLASS/*.jpg, and perhaps val/CLASS/*.jpg and test/CLASS/*.jpg"

Samples = list[tuple[Path, int]]
"""Picture files and their class indices."""
File = TypeVar("File", bound=PictureFile)


def load_folder(folder: str | Path, size: int = 0, is_for_training: bool = True) -> Dataset:
    """A folder of pictures as a data set; see `dataset_of`.

    Args:
        folder: in the layout above.
        size: height and width that the pictures are brought to; 0 for `SIZE`.
        is_for_training: where it is not, the training pictures stay on the disk.

    Raises:
        CamlossError: the folder is not laid out so, or a class has no pictures; also as `dataset_of`.
    """
    root = Path(folder)
    names = class_names(root / "train")
    splits = {part: samples_in(root / part, names) for part in PARTS if (root / part).is_dir()}
    return dataset_of(names, splits, size, str(root), is_for_training)


def dataset_of(
    names: Sequence[str],
    splits: Mapping[str, Sequence[tuple[PictureFile, int]]],
    size: int,
    root: str,
    is_for_training: bool = True,
) -> Dataset:
    """Picture files as a data set: in memory, or all but what is learnt from, where that is too much.

    Args:
        names: of the classes.
        splits: the files and their class indices; "train", and perhaps "val" and "test".
        size: height and width that the pictures are brought to; 0 for `SIZE`.
        root: what to call all of them, and `root/train` those to learn from.
        is_for_training: where it is not, the files to learn from are not read.

    Raises:
        CamlossError: too many files are broken, or those to measure on are larger than memory; or a class has one
            picture, and there is no "val".
    """
    side = size or SIZE
    train, validation, test = splits["train"], splits.get("val"), splits.get("test")
    if validation is None:
        train, validation = split_off(train, names)
        say(f"{root} has no val: {len(validation)} of its training pictures, always the same, are set aside for it")
    measured = len(validation) + len(test or ())
    refuse_more_than_memory(measured, side)
    is_streamed = bytes_of(len(train) + measured, side) > room()
    if is_streamed and is_for_training:
        say(f"{len(train):,} training pictures are more than half of the memory: every epoch reads them anew")
    known = read_split(validation, (side, side), f"{root}/val")
    return Dataset(
        train=(streamed if is_streamed or not is_for_training else read_split)(train, (side, side), f"{root}/train"),
        validation=known,
        test=read_split(test, (side, side), f"{root}/test") if test else known,
        reported_on="test set" if test else "validation set",
        class_names=tuple(names),
        mean=MEAN,
        std=STD,
        augmentation=CropAndFlip(),
    )


def bytes_of(count: int, side: int) -> int:
    """Of pictures in memory."""
    return count * 3 * side * side


def room() -> float:
    """The bytes of pictures that a process may hold: half of its share of the machine's memory, or of its GPU's.

    Infinite where the system does not say.
    """
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return float("inf")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    gpu = torch.cuda.get_device_properties().total_memory if torch.cuda.is_available() else float("inf")
    return min(machine, gpu) / 2


def refuse_more_than_memory(count: int, side: int) -> None:
    """
    Raises:
        CamlossError: so many pictures of this size are more than there is room for.
    """
    if (needed := bytes_of(count, side)) > room():
        raise CamlossError(
            f"{count:,} pictures of {side}x{side} to measure on take {needed / 1e9:.1f} GB, more than half of the "
            "memory; take a lower --size, or fewer of them"
        )


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the class folders, sorted.

    Raises:
        CamlossError: there are fewer than two, or two differ in case only, which other systems cannot tell apart.
    """
    if not folder.is_dir():
        raise CamlossError(f"{folder.parent} has no folder {folder.name}; {EXPECTED}")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        found = f"one class, {names[0]}" if names else "no class folders"
        raise CamlossError(f"{folder} has {found}; {EXPECTED}, with two classes or more")
    for one, other in zip(sorted(names, key=str.casefold), sorted(names, key=str.casefold)[1:], strict=False):
        if one.casefold() == other.casefold():
            raise CamlossError(
                f"{folder} has classes {one} and {other}, which differ in case only; rename or join them"
            )
    return tuple(names)


def samples_in(folder: Path, names: Sequence[str]) -> Samples:
    """The picture files of a split, class by class; files of other kinds are left out.

    Raises:
        CamlossError: its classes are not `names`, or one of them has no pictures.
    """
    if (own := class_names(folder)) != tuple(names):
        odd = sorted(set(own) ^ set(names))
        raise CamlossError(
            f"{folder} and {folder.parent / 'train'} have different classes ({', '.join(odd[:3])}); "
            "every split needs the same"
        )
    samples: Samples = []
    for class_idx, name in enumerate(names):
        files = sorted(path for path in (folder / name).rglob("*") if is_picture(path.relative_to(folder)))
        if not files:
            raise CamlossError(f"{folder / name} has no pictures; add some ({', '.join(SUFFIXES[:4])}), or remove it")
        samples += [(path, class_idx) for path in files]
    return samples


def is_picture(path: Path) -> bool:
    """By its name; not those that systems hide, such as ._1.jpg and .ipynb_checkpoints/1.jpg."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def split_off(
    samples: Sequence[tuple[File, int]], names: Sequence[str]
) -> tuple[list[tuple[File, int]], list[tuple[File, int]]]:
    """A tenth of each class, at least one picture, as a second list; always the same ones."""
    kept, held_out = split_off_idx(torch.tensor([class_idx for _, class_idx in samples]), names)
    return [samples[idx] for idx in kept], [samples[idx] for idx in held_out]


def split_off_idx(labels: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The indices of what is kept, and those of a tenth of each class, at least one; always the same ones.

    Raises:
        CamlossError: a class has one picture.
    """
    held_out = []
    generator = torch.Generator().manual_seed(0)
    for class_idx in labels.unique():
        of_class = (labels == class_idx).nonzero().squeeze(1)
        if len(of_class) < 2:
            raise CamlossError(
                f"class {names[class_idx]} has one picture, which val would take; add more pictures, or a val"
            )
        order = torch.randperm(len(of_class), generator=generator)
        held_out.append(of_class[order[: max(1, len(of_class) // 10)]])
    is_out = torch.zeros(len(labels), dtype=torch.bool)
    is_out[torch.cat(held_out)] = True
    return (~is_out).nonzero().squeeze(1), is_out.nonzero().squeeze(1)


def read_split(samples: Sequence[tuple[PictureFile, int]], size: tuple[int, int], where: str) -> Split:
    """Decode pictures into memory; broken ones are named and left out.

    Args:
        samples: the files and their class indices.
        size: height and width that the pictures are brought to.
        where: what they are part of.

    Raises:
        CamlossError: more than `MOST_BROKEN` of them are broken.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        read = list(threads.map(lambda sample: read_or_none(sample[0], size), samples))
    whole = [(image, class_idx) for image, (_, class_idx) in zip(read, samples, strict=True) if image is not None]
    broken = len(samples) - len(whole)
    refuse_many_broken(broken, len(samples), where)
    if broken:
        say(f"{broken} of {len(samples)} pictures are broken and left out")
    return Split(torch.stack([image for image, _ in whole]), torch.tensor([class_idx for _, class_idx in whole]))


def read_or_none(file: PictureFile, size: tuple[int, int]) -> Tensor | None:
    try:
        return read_picture(file, size)
    except Exception as error:  # decoders raise anything
        say(f"{file} cannot be read ({type(error).__name__})")
        return None
