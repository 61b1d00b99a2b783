"""Photographs for the study of `docs/protocol-photos.md`, and what is done to them to see what a network relies on.

Everything random is drawn from a generator of its own for each corruption, so that all networks meet the same pictures.
"""

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.data.boxes import boxes_of, read_boxes
from camloss.data.dataset import Dataset
from camloss.data.folder import Samples, class_names, load_folder, read_or_none, read_split, samples_in
from camloss.data.pictures import SUFFIXES, say
from camloss.errors import CamlossError
from camloss.localisation import box_masks
from camloss.split import Split

LARGEST_BOX = 0.5  # share of the picture, of the boxes that localisation counts
SMALLEST_SIDE = 7  # pixels of 64, of the same
CANVAS = 7 / 4  # sides of a picture
TILES = 4  # fragments along a side of the canvas


@dataclass(frozen=True)
class Scenes:
    """The pictures of one split, their boxes, and what is put around them."""

    split: Split
    boxes: Tensor | None
    """(N, 4); None where the data have none."""
    backgrounds: Tensor | None
    """(M, 3, H, W) uint8, without an object of any class; None where the data have none."""
    mean: tuple[float, ...]
    """The colour of an empty canvas."""

    def to(self, device: torch.device) -> "Scenes":
        boxes, backgrounds = (None if part is None else part.to(device) for part in (self.boxes, self.backgrounds))
        return Scenes(self.split.to(device), boxes, backgrounds, self.mean)

    @property
    def counted(self) -> Tensor:
        """The indices of the pictures that localisation counts: the box covers at most half and is no sliver."""
        if self.boxes is None:
            return torch.empty(0, dtype=torch.int64, device=self.split.labels.device)
        height, width = self.split.images.shape[-2:]
        sides = self.boxes[:, 2:] - self.boxes[:, :2] + 1
        is_small = sides.prod(1) <= LARGEST_BOX * height * width
        is_wide = (sides >= SMALLEST_SIDE * min(height, width) / 64).all(1)
        return (is_small & is_wide & (self.boxes[:, 0] >= 0)).nonzero().squeeze(1)


@dataclass(frozen=True)
class Photos:
    """A data set of photographs with what the study measures on it."""

    data: Dataset
    validation: Scenes
    test: Scenes


def load_photos(
    folder: str | Path,
    size: int,
    test_names: str | None = None,
    boxes_file: Path | None = None,
    is_for_training: bool = True,
) -> Photos:
    """Read a folder of pictures, its `boxes.csv` and its `backgrounds/`, where it has them.

    Args:
        folder: as for `camloss.data.folder.load_folder`.
        size: height and width of the pictures.
        test_names: pictures of val/ whose names match this pattern, such as "val_*", are the test set; the others are
            for validation.
        boxes_file: in place of `boxes.csv` in the folder.
        is_for_training: as for `load_folder`.

    Raises:
        CamlossError: the folder is not laid out so, or no name matches.
    """
    root = Path(folder)
    data = load_folder(root, size, is_for_training)
    names = class_names(root / "train")
    validation = samples_in(root / "val", names) if (root / "val").is_dir() else []
    test = samples_in(root / "test", names) if (root / "test").is_dir() else validation
    if test_names is not None:
        test = [sample for sample in validation if fnmatch.fnmatch(sample[0].name, test_names)]
        validation = [sample for sample in validation if sample not in test]
        if not (test and validation):
            raise CamlossError(f"of the pictures in {root / 'val'} all or none are named {test_names}; expected some")
    side = data.size
    file = boxes_file or root / "boxes.csv"
    boxes = read_boxes(file) if boxes_file or file.is_file() else None
    backgrounds = _read_backgrounds(root / "backgrounds", side)

    def scenes(samples: Samples, known: Split, first: int) -> Scenes:
        """Of half of the backgrounds, so that choices are not made on those that are reported."""
        split = known if test_names is None else read_split(samples, side, str(root / "val"))
        own = None
        if boxes is not None and len(samples) == len(split):
            own = boxes_of([path for path, _ in samples], root, boxes, side)
        return Scenes(split, own, None if backgrounds is None else backgrounds[first::2], data.mean)

    both = scenes(validation, data.validation, 0), scenes(test, data.test, 1)
    if boxes is not None and both[1].boxes is None:
        say(f"{file} is left out: it needs a val or test in {root}, whose pictures are all whole")
    if test_names is not None:
        parts = {"validation": both[0].split, "test": both[1].split, "reported_on": "test set"}
        data = Dataset(**{**vars(data), **parts})
    return Photos(data, *both)


def without_boxes(data: Dataset) -> Photos:
    """Any pictures that have neither boxes nor backgrounds."""
    return Photos(data, *(Scenes(split, None, None, data.mean) for split in (data.validation, data.test)))


def _read_backgrounds(folder: Path, size: tuple[int, int]) -> Tensor | None:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    whole = [picture for path in paths if (picture := read_or_none(path, size)) is not None]
    return torch.stack(whole) if len(whole) > 1 else None


Corrupt = Callable[[Scenes, torch.Generator], tuple[Tensor, Tensor]]
"""From scenes and a generator to pictures (M, 3, H, W) uint8 and the indices (M,) of those that they are made from."""


def on_canvas(scenes: Scenes, _generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In the middle of a larger canvas of the mean colour."""
    images = scenes.split.images
    colour = (255 * torch.tensor(scenes.mean)).round().to(images).view(1, -1, 1, 1)
    height, width = canvas_of(images)
    return _centred(images, colour.expand(len(images), -1, height, width)), _every(scenes)


def among_fragments(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In the middle of a larger canvas that is tiled with fragments of pictures of other classes."""
    images, count = scenes.split.images, len(scenes.split)
    height, width = canvas_of(images)
    tall, wide = -(-height // TILES), -(-width // TILES)
    rows = []
    for _ in range(TILES):
        row = []
        for _ in range(TILES):
            other = images[others(scenes.split.labels, generator)]
            top, left = (
                torch.randint(side - part + 1, (count,), generator=generator)
                for side, part in zip(images.shape[-2:], (tall, wide), strict=True)
            )
            row.append(_windows(other, top, left, (tall, wide)))
        rows.append(torch.cat(row, 3))
    return _centred(images, torch.cat(rows, 2)[:, :, :height, :width]), _every(scenes)


def in_scene(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In the middle of a larger scene that shows no object of any class."""
    return _centred(scenes.split.images, _large_scenes(scenes, len(scenes.split), generator)), _every(scenes)


def box_in_scene(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What is in the box alone, anywhere in a scene of the picture's own size."""
    counted, images = scenes.counted, scenes.split.images
    assert scenes.boxes is not None
    assert scenes.backgrounds is not None
    chosen, boxes, own = _chosen(scenes.backgrounds, len(counted), generator), scenes.boxes[counted], images[counted]
    height, width = images.shape[-2:]
    sides = boxes[:, 2:] - boxes[:, :2] + 1  # width, height
    room = torch.tensor([width, height], device=boxes.device) - sides + 1
    place = (torch.rand(len(counted), 2, generator=generator).to(boxes.device) * room).long()
    moved = torch.cat([place, place + sides - 1], 1)
    shift = boxes[:, :2] - place
    y = (torch.arange(height, device=boxes.device) + shift[:, 1:]).clamp(0, height - 1)  # (M, H)
    x = (torch.arange(width, device=boxes.device) + shift[:, :1]).clamp(0, width - 1)
    picture = torch.arange(len(counted), device=boxes.device)[:, None, None]
    shifted = own[picture, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
    return torch.where(box_masks(moved, (height, width))[:, None], shifted, chosen), counted


def background_replaced(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Everything outside the box is from a picture of another class."""
    counted, images = scenes.counted, scenes.split.images
    assert scenes.boxes is not None
    other = images[others(scenes.split.labels, generator)[counted]]
    height, width = images.shape[-2:]
    return torch.where(box_masks(scenes.boxes[counted], (height, width))[:, None], images[counted], other), counted


CORRUPTIONS: dict[str, Corrupt] = {
    "canvas": on_canvas,
    "fragments": among_fragments,
    "scene": in_scene,
    "box_in_scene": box_in_scene,
    "background": background_replaced,
}


def possible(scenes: Scenes) -> list[str]:
    """The corruptions that the data allow: some need boxes, some backgrounds."""
    has_boxes, has_backgrounds = len(scenes.counted) > 0, scenes.backgrounds is not None
    needs = {"scene": has_backgrounds, "background": has_boxes, "box_in_scene": has_boxes and has_backgrounds}
    return [name for name in CORRUPTIONS if needs.get(name, True)]


def corrupted(name: str, scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Pictures and the indices of those that they are made from, the same at every call."""
    return CORRUPTIONS[name](scenes, torch.Generator().manual_seed(list(CORRUPTIONS).index(name)))


def others(labels: Tensor, generator: torch.Generator) -> Tensor:
    """For each picture the index of one of another class: (N,) -> (N,)."""
    on_cpu = labels.cpu()
    if len(on_cpu.unique()) < 2:
        raise CamlossError("the pictures are all of one class; expected at least two")
    other = torch.randint(len(on_cpu), (len(on_cpu),), generator=generator)
    while bool((same := on_cpu[other] == on_cpu).any()):
        other[same] = torch.randint(len(on_cpu), (int(same.sum()),), generator=generator)
    return other.to(labels.device)


def canvas_of(images: Tensor) -> tuple[int, int]:
    """Height and width of the larger canvas for pictures."""
    height, width = (round(CANVAS * side) for side in images.shape[-2:])
    return height, width


def _every(scenes: Scenes) -> Tensor:
    return torch.arange(len(scenes.split), device=scenes.split.labels.device)


def _centred(images: Tensor, canvas: Tensor) -> Tensor:
    """Pictures in the middle of larger ones."""
    height, width = images.shape[-2:]
    top, left = ((large - side) // 2 for large, side in zip(canvas.shape[-2:], (height, width), strict=True))
    result = canvas.clone()
    result[:, :, top : top + height, left : left + width] = images
    return result


def _windows(images: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """One part of each picture: (N, C, H, W) -> (N, C, *size)."""
    device = images.device
    y = top.to(device)[:, None] + torch.arange(size[0], device=device)
    x = left.to(device)[:, None] + torch.arange(size[1], device=device)
    picture = torch.arange(len(images), device=device)[:, None, None]
    return images[picture, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _chosen(backgrounds: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return backgrounds[torch.randint(len(backgrounds), (count,), generator=generator).to(backgrounds.device)]


def _large_scenes(scenes: Scenes, count: int, generator: torch.Generator) -> Tensor:
    assert scenes.backgrounds is not None
    chosen = _chosen(scenes.backgrounds, count, generator).float()
    large = F.interpolate(chosen, canvas_of(scenes.split.images), mode="bilinear", align_corners=False)
    return large.round().to(torch.uint8)
