"""Augmentations that are known to help on photographs, for whole batches: does CAM-loss add to them?

Each takes images (B, C, H, W) in [0, 1] and a generator on their device; `cutmix` labels too, as probabilities (B, K).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.data.pictures import MEAN

GROUPS = 4  # of a batch: torchvision's RandAugment does the same to all pictures that it is given at once
CANVAS = 7 / 4  # sides of a picture


def rand_augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Two random operations at magnitude 9 (Cubuk et al., 2020), other ones for each quarter of the batch."""
    from torchvision.transforms import v2

    (number,) = torch.randint(2**31, (1,), generator=generator, device=images.device).tolist()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        whole = (images * 255).round().to(torch.uint8)
        changed = torch.cat([v2.RandAugment()(group) for group in whole.chunk(GROUPS)])
    return changed.to(images) / 255


def random_erasing(images: Tensor, generator: torch.Generator) -> Tensor:
    """In half of the pictures, one rectangle of 2 to 33 % gets a random colour (Zhong et al., 2020)."""
    count, channels = images.shape[:2]
    area, shape, chance = _uniform(images, 3, generator).unbind(1)
    inside = _rectangles(images, 0.02 + 0.31 * area, _aspects(shape), generator)
    colour = torch.rand(count, channels, 1, 1, generator=generator, device=images.device)
    return torch.where((inside & (chance < 0.5)[:, None, None])[:, None], colour, images)


def cutmix(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A rectangle of each picture is that of another one, and its share of the labels (Yun et al., 2019)."""
    area = _uniform(images, 1, generator)[:, 0]
    other = torch.randperm(len(images), generator=generator, device=images.device)
    inside = _rectangles(images, area, torch.ones_like(area), generator)
    share = inside.float().mean((1, 2))[:, None]
    return torch.where(inside[:, None], images[other], images), (1 - share) * labels + share * labels[other]


def random_resized_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """A part of 35 to 100 % of each picture, with sides of 3:4 to 4:3, at the size of the picture."""
    area, shape, x, y = _uniform(images, 4, generator).unbind(1)
    aspect = _aspects(shape)
    wide = ((0.35 + 0.65 * area) * aspect).sqrt().clamp_max(1)
    tall = ((0.35 + 0.65 * area) / aspect).sqrt().clamp_max(1)
    none = torch.zeros_like(wide)
    rows = [
        torch.stack([wide, none, (2 * x - 1) * (1 - wide)], 1),
        torch.stack([none, tall, (2 * y - 1) * (1 - tall)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def larger_canvas(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the batches lie somewhere on a larger canvas of the mean colour."""
    chance, y, x = torch.rand(3, generator=generator, device=images.device).tolist()
    if chance < 0.5:
        return images
    height, width = images.shape[-2:]
    large = round(CANVAS * height), round(CANVAS * width)
    top, left = round(y * (large[0] - height)), round(x * (large[1] - width))
    canvas = torch.tensor(MEAN).to(images).view(1, -1, 1, 1).repeat(len(images), 1, *large)
    canvas[:, :, top : top + height, left : left + width] = images
    return canvas


RECIPES: dict[str, dict[str, Any]] = {
    "rand-augment": {"vary": rand_augment},
    "random-erasing": {"vary": random_erasing},
    "cutmix": {"mix": cutmix},
    "random-resized-crop": {"vary": random_resized_crop},
    "larger-canvas": {"vary": larger_canvas},
}
"""By name, what a training method has of it."""


def _uniform(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(len(images), count, generator=generator, device=images.device)


def _aspects(chance: Tensor) -> Tensor:
    """Width over height, from 3:4 to 4:3."""
    return (3 / 4) * (16 / 9) ** chance


def _rectangles(images: Tensor, area: Tensor, aspect: Tensor, generator: torch.Generator) -> Tensor:
    """One rectangle in each picture: (B, H, W) bool."""
    height, width = images.shape[-2:]
    tall, wide = ((area / aspect).sqrt() * height, (area * aspect).sqrt() * width)
    y, x = _uniform(images, 2, generator).unbind(1)
    top, left = y * (height - tall).clamp_min(0), x * (width - wide).clamp_min(0)
    rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
    inside_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    return inside_rows[:, :, None] & inside_columns[:, None, :]
