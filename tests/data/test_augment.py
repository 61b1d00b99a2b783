"""Augmentation: what it keeps, and how far it goes."""

import torch

from camloss.data.augment import Augmentation, CropAndFlip


def test_augmentation_keeps_shape_range_and_seed() -> None:
    images = torch.rand(6, 1, 28, 28)
    varied = Augmentation()(images, torch.Generator().manual_seed(3))
    assert varied.shape == images.shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert torch.equal(varied, Augmentation()(images, torch.Generator().manual_seed(3)))
    assert not torch.equal(varied, Augmentation()(images, torch.Generator().manual_seed(4)))


NOTHING = {"rotation": 0.0, "shear": 0.0, "scale": 0.0, "shift": 0.0, "wobble": 0.0, "stroke": 0.0}


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(Augmentation(**NOTHING)(images, torch.Generator()), images, atol=1e-5, rtol=0)


def centre(images: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) -> (N, 2): row and column of the centre of mass."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    mass = images.sum((1, 2, 3))
    return torch.stack([(images[:, 0] * grid).sum((1, 2)) / mass for grid in (rows, columns)], 1)


def dot() -> torch.Tensor:
    images = torch.zeros(200, 1, 28, 28)
    images[:, :, 12:16, 12:16] = 1
    return images


def test_shift_is_in_pixels() -> None:
    moved = centre(Augmentation(**{**NOTHING, "shift": 2.5})(dot(), torch.Generator().manual_seed(0))) - 13.5
    assert 2.0 < moved.abs().max() <= 2.5 + 1e-3


def test_stroke_grows_and_shrinks_the_ink_in_place() -> None:
    varied = Augmentation(**{**NOTHING, "stroke": 1.0})(dot(), torch.Generator().manual_seed(0))
    ink = varied.sum((1, 2, 3))
    assert 30 < ink.max() <= 36  # 4x4 grows to at most 6x6
    assert 10 <= ink.min() < 12  # half way to 2x2
    torch.testing.assert_close(centre(varied), torch.full((200, 2), 13.5), atol=1e-3, rtol=0)


def test_each_image_is_varied_on_its_own() -> None:
    varied = Augmentation()(dot(), torch.Generator().manual_seed(0))
    assert len(torch.unique(varied.flatten(1), dim=0)) == 200


def test_crop_and_flip_follows_its_draws() -> None:
    images = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8).float()
    draws = torch.tensor([[0.5, 0.5, 0.9], [0.99, 0.0, 0.1]])  # the middle; one row down, one column left, flipped
    varied = CropAndFlip()(images, torch.Generator(), draws)
    assert torch.equal(varied[0], images[0])
    flipped = images[1].flip(-1)
    assert torch.equal(varied[1][:, :-1, 1:], flipped[:, 1:, :-1])
    assert torch.equal(varied[1][:, -1, 1:], flipped[:, -2, :-1])  # the edge is mirrored
    assert torch.equal(varied[1][:, :-1, 0], flipped[:, 1:, 1])
    assert torch.equal(CropAndFlip(shift=0.0, flip=False)(images, torch.Generator(), draws), images)


def test_crop_and_flip_of_one_picture_is_the_same_in_any_batch() -> None:
    images, draws = torch.rand(20, 3, 16, 16), torch.rand(20, 3)
    whole = CropAndFlip()(images, torch.Generator(), draws)
    half = torch.cat([CropAndFlip()(images[r::2], torch.Generator(), draws[r::2]) for r in range(2)])
    assert torch.equal(torch.cat([whole[0::2], whole[1::2]]), half)
    assert len(torch.unique(whole.flatten(1), dim=0)) == 20
