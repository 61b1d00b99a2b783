"""Labelled images in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_IMAGES, MOST_PIXELS = 1_000, 1_000 * 64 * 64  # of a batch, where no size is asked for


@dataclass(frozen=True)
class Split:
    """Images (N, channels, height, width) uint8 and their labels (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, idx: Tensor) -> tuple[Tensor, Tensor]:
        """The images of these indices (B,) as float in [0, 1], and their labels."""
        return self.images[idx].float() / 255, self.labels[idx]

    def read_ahead(self, batches: Sequence[Tensor]) -> None:
        """Say which indices will be asked for next, batch by batch. Nothing is to be done for images in memory."""

    def to(self, device: str | torch.device) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))

    def joined(self, other: "Split") -> "Split":
        return Split(torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]))

    def batches(self, batch_size: int = 0, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images as float in [0, 1], labels) in the given order, or as they lie; the last may be smaller.

        With a `batch_size` of 0 they hold 1,000 images, or fewer where these are larger than 64x64 pixels.
        """
        batch_size = batch_size or max(1, min(MOST_IMAGES, MOST_PIXELS // self.images[0, 0].numel()))
        order = torch.arange(len(self)) if order is None else order
        for batch in torch.split(order.to(self.images.device), batch_size):
            yield self[batch]
