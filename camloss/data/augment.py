"""Augmentation of whole batches: of digits, and of pictures."""

from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """How far one batch of digits is varied; each image draws its own amounts, uniformly.

    Made for *drawn* digits as much as for MNIST: size, slant, rotation, position, wobble, stroke width.
    """

    draws: ClassVar[int] = 0

    rotation: float = 12.0  # degrees, either way
    shear: float = 0.25  # horizontal shift per unit of height: slant, either way
    scale: float = 0.15  # relative size and aspect, either way
    shift: float = 2.0  # pixels, either way
    wobble: float = 0.7  # pixels: smooth random displacement, standard deviation
    stroke: float = 0.5  # blend towards a stroke one pixel wider (or, half as far, thinner) on each side

    def scaled(self, factor: float) -> "Augmentation":
        """Every amount times a factor."""
        amounts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Augmentation(**{name: factor * amount for name, amount in amounts.items()})

    def __call__(self, images: Tensor, generator: torch.Generator, _draws: Tensor | None = None) -> Tensor:
        """(N, 1, H, W) in [0, 1] -> the same, varied; `generator` lives on the images' device."""
        return self._vary_stroke(self._warp(images, generator), generator)

    def _warp(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, height = len(images), images.shape[-1]

        def uniform(amount: float) -> Tensor:
            return (torch.rand(count, generator=generator, device=images.device) * 2 - 1) * amount

        angle = uniform(torch.pi * self.rotation / 180)
        shear, shift_x, shift_y = (
            uniform(self.shear),
            uniform(2 * self.shift / height),
            uniform(2 * self.shift / height),
        )
        scale_x, scale_y = 1 + uniform(self.scale), 1 + uniform(self.scale)
        cos, sin = angle.cos(), angle.sin()
        # rows of the map from output to input coordinates: rotation @ shear @ scale, then a shift
        theta = torch.stack(
            [
                torch.stack([cos * scale_x, (cos * shear - sin) * scale_y, shift_x], -1),
                torch.stack([sin * scale_x, (sin * shear + cos) * scale_y, shift_y], -1),
            ],
            dim=1,
        )  # (N, 2, 3)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)  # (N, H, W, 2)
        if self.wobble > 0:
            coarse = torch.randn(count, 2, 4, 4, generator=generator, device=images.device) * (2 * self.wobble / height)
            grid = grid + F.interpolate(coarse, images.shape[-2:], mode="bilinear").permute(0, 2, 3, 1)
        return F.grid_sample(images, grid, align_corners=False)

    def _vary_stroke(self, images: Tensor, generator: torch.Generator) -> Tensor:
        amount = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device) * 2 - 1
        widen = amount.sign()  # a minimum is the maximum of the negative, so one pooling serves both
        grown_or_shrunk = widen * F.max_pool2d(widen * images, 3, stride=1, padding=1)
        strength = self.stroke * torch.where(amount > 0, amount, -amount / 2)
        return torch.lerp(images, grown_or_shrunk, strength)


@dataclass(frozen=True)
class CropAndFlip:
    """Pictures shifted by up to an eighth of their sides, the edge mirrored into what comes to light, and half of them
    flipped left to right.

    What happens to a picture is in its row of `draws`, one for each picture of the data set and epoch: it is the same
    in any batch and in any process.
    """

    draws: ClassVar[int] = 3

    shift: float = 1 / 8  # share of a side, either way
    flip: bool = True

    def scaled(self, factor: float) -> "CropAndFlip":
        """The shift times a factor."""
        return CropAndFlip(factor * self.shift, self.flip)

    def __call__(self, images: Tensor, _generator: torch.Generator, draws: Tensor) -> Tensor:
        """(N, C, H, W) and (N, 3) in [0, 1) -> (N, C, H, W)."""
        count, _, height, width = images.shape
        flipped = torch.where(draws[:, 2].view(-1, 1, 1, 1) < 0.5, images.flip(-1), images) if self.flip else images
        tall, wide = (min(round(self.shift * side), side - 1) for side in (height, width))
        padded = F.pad(flipped, (wide, wide, tall, tall), mode="reflect")
        top, left = ((draws[:, axis] * (2 * by + 1)).long() for axis, by in ((0, tall), (1, wide)))
        image = torch.arange(count, device=images.device)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 * tall + 1, 2 * wide + 1, H, W), a view
        return windows[image, :, top, left]
