"""Print pictures of different splits that look alike, by a perceptual hash.

    python scripts/dev/near_duplicates.py FOLDER --distance 4

FOLDER holds train/, val/ and perhaps test/, each with CLASS/*.jpg. A hash has 64 bits, each the sign of one of the 8x8
lowest frequencies of the grey picture's cosine transform at 32x32 pixels, compared with their median.
"""

import argparse
import math
from pathlib import Path

import _root  # noqa: F401, finds the package of the checkout
import numpy as np
from PIL import Image, ImageOps

from camloss import CamlossError, cli

SIDE, KEPT = 32, 8


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the splits")
    parser.add_argument("--distance", type=int, default=4, metavar="BITS", help="at most this many bits differ")
    flags: argparse.Namespace = parser.parse_args()
    paths = [path for path in sorted(flags.folder.glob("*/*/*")) if path.parts[-3] in ("train", "val", "test")]
    if not paths:
        raise CamlossError(f"{flags.folder} has no pictures; expected train/CLASS/*.jpg and val/CLASS/*.jpg")
    hashes = np.stack([perceptual_hash(path) for path in paths])
    splits = np.array([path.parts[-3] for path in paths])
    found = 0
    for idx, own in enumerate(hashes):
        distances = (hashes[:idx] != own).sum(1)
        for other in np.flatnonzero((distances <= flags.distance) & (splits[:idx] != splits[idx])):
            names = (paths[number].relative_to(flags.folder).as_posix() for number in (int(other), idx))
            print(*names, f"{distances[other]} bits differ")
            found += 1
    print(f"{found} pairs across splits among {len(paths):,} pictures, {flags.distance} bits or fewer apart")


def perceptual_hash(path: Path) -> "np.typing.NDArray[np.bool_]":
    """(64,) bool."""
    with Image.open(path) as picture:
        grey = np.asarray(ImageOps.exif_transpose(picture).convert("L").resize((SIDE, SIDE)), dtype=np.float64)
    lowest = (COSINES @ grey @ COSINES.T).flatten()
    return np.asarray(lowest > np.median(lowest), dtype=np.bool_)


COSINES = np.array([[math.cos(math.pi * k * (2 * n + 1) / (2 * SIDE)) for n in range(SIDE)] for k in range(KEPT)])

if __name__ == "__main__":
    cli.run(main)
