"""A small data set in MNIST's own file format: digits in a 5x7 dot-matrix font at random positions."""

import struct
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

FONT = {  # rows from top to bottom, five dots each
    0: "01110 10001 10011 10101 11001 10001 01110",
    1: "00100 01100 00100 00100 00100 00100 01110",
    2: "01110 10001 00001 00110 01000 10000 11111",
    3: "01110 10001 00001 00110 00001 10001 01110",
    4: "00010 00110 01010 10010 11111 00010 00010",
    5: "11111 10000 11110 00001 00001 10001 01110",
    6: "00110 01000 10000 11110 10001 10001 01110",
    7: "11111 00001 00010 00100 01000 01000 01000",
    8: "01110 10001 10001 01110 10001 10001 01110",
    9: "01110 10001 10001 01111 00001 00010 01100",
}


def glyph(digit: int) -> Tensor:
    """(28, 28) uint8: the digit, 21 pixels high, in the middle."""
    dots = torch.tensor([[float(dot) for dot in row] for row in FONT[digit].split()])  # (7, 5)
    image = F.interpolate(dots[None, None], scale_factor=3)[0, 0]  # (21, 15)
    return (F.pad(image, (6, 7, 3, 4)) * 255).to(torch.uint8)


def digits(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """(count, 28, 28) uint8 images, each shifted by up to three pixels, and (count,) int64 labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    shifts = torch.randint(-3, 4, (count, 2), generator=generator).tolist()
    images = [glyph(label).roll((dy, dx), (0, 1)) for label, (dy, dx) in zip(labels.tolist(), shifts, strict=True)]
    return torch.stack(images), labels


def write_tiny_mnist(data_dir: Path, train: int = 600, test: int = 100) -> Path:
    """Write the four files below `data_dir/mnist`; returns `data_dir`."""
    raw = data_dir / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", train), ("t10k", test)):
        images, labels = digits(count, seed=count)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">II", 0x801, count)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(header + labels.to(torch.uint8).numpy().tobytes())
    return data_dir
