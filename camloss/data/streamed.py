"""Pictures that stay on the disk: read anew in every epoch, by processes of their own, a few batches ahead."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from camloss.data.pictures import MOST_BROKEN, PictureFile, read_picture, refuse_many_broken, say
from camloss.errors import CamlossError
from camloss.split import Split

MOST_READERS = 8  # processes

Read = tuple[Tensor, list[int], dict[int, str]]
"""Images (B, 3, height, width) uint8, their positions (B), and the error of each broken picture, by its position."""


@dataclass(frozen=True)
class PictureFiles:
    """Picture files that are read a batch at a time."""

    files: Sequence[PictureFile]
    size: tuple[int, int]
    where: str
    """What they are part of."""

    def __len__(self) -> int:
        return len(self.files)

    def __getitems__(self, positions: Sequence[int]) -> Read:
        """Each picture, or the next whole one where it is broken; black ones where too many are."""
        images, taken, broken = [], [], dict[int, str]()
        for position in positions:
            image, at = torch.zeros(3, *self.size, dtype=torch.uint8), position
            while len(broken) <= MOST_BROKEN * len(self):
                try:
                    image = read_picture(self.files[at], self.size)
                    break
                except Exception as error:  # decoders raise anything
                    broken[at] = type(error).__name__
                    at = (at + 1) % len(self)
            images.append(image)
            taken.append(at)
        return torch.stack(images), taken, broken


@dataclass(frozen=True)
class StreamedSplit(Split):
    """A split that is larger than memory; made by `streamed`.

    The next whole picture takes the place of a broken one, with its own label: for every variant, in every epoch, in
    any number of processes.
    """

    images: Tensor
    """The first picture alone, which says channels and size."""
    files: PictureFiles
    broken: set[int] = field(default_factory=set)
    """Positions of the pictures that this process could not read so far."""
    ahead: list[Iterator[tuple[Tensor, Read]]] = field(default_factory=list)
    """The batches that are being read; one iterator, or none."""

    def __getitem__(self, idx: Tensor) -> tuple[Tensor, Tensor]:
        """As that of `Split`.

        Raises:
            CamlossError: too many pictures are broken, or a process that reads them ended.
        """
        ahead = self._next()
        if ahead is None or not torch.equal(ahead[0], idx.cpu()):
            ahead = idx, self.files.__getitems__(idx.tolist())
        images, taken, broken = ahead[1]
        for at in sorted(broken.keys() - self.broken):
            say(f"{self.files.files[at]} cannot be read ({broken[at]}); the next picture takes its place")
        self.broken.update(broken)
        refuse_many_broken(len(self.broken), len(self), self.files.where)
        device = self.labels.device
        return images.to(device).float() / 255, self.labels[torch.tensor(taken, device=device)]

    def to(self, device: str | torch.device) -> "StreamedSplit":
        return StreamedSplit(self.images, self.labels.to(device), self.files, self.broken)

    def read_ahead(self, batches: Sequence[Tensor]) -> None:
        loader: DataLoader[Read] = DataLoader(
            self.files,  # type: ignore[arg-type]  # torch's are read one by one
            batch_sampler=[batch.tolist() for batch in batches],
            num_workers=readers(),
            collate_fn=as_it_is,
            generator=torch.Generator(),  # not torch's global one
        )
        self.ahead[:] = [iter(zip([batch.cpu() for batch in batches], loader, strict=True))]

    def _next(self) -> tuple[Tensor, Read] | None:
        """The next batch that was announced, and what was read for it; None where there is none."""
        try:
            return next(self.ahead[0], None) if self.ahead else None
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise CamlossError(
                f"a process that reads pictures ended ({str(error).partition('. ')[0]}); free memory or shared memory "
                "(docker run --shm-size), or take a lower --batch-size"
            ) from error


def streamed(samples: Sequence[tuple[PictureFile, int]], size: tuple[int, int], where: str) -> StreamedSplit:
    """A split of picture files and their class indices that are read when they are asked for."""
    files = PictureFiles([file for file, _ in samples], size, where)
    return StreamedSplit(files.__getitems__([0])[0], torch.tensor([class_idx for _, class_idx in samples]), files)


def readers() -> int:
    """How many processes read for this one; 0 where it does so itself, on Windows."""
    if sys.platform == "win32":
        return 0
    share = (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(max(share, 1), MOST_READERS)


def as_it_is(read: Any) -> Any:
    return read
