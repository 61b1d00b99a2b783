"""The twins: two models that differ in the loss only, and the one list of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from camloss.checkpoint import WEIGHTS, load_weights
from camloss.digits.models import MapClassifier

TWINS = ("ce", "cam")  # in the order of pushing


@dataclass(frozen=True)
class Twins:
    """Two models to compare, and one line that says where they come from."""

    ce: MapClassifier
    cam: MapClassifier
    source: str

    def __post_init__(self) -> None:
        for model in (self.ce, self.cam):
            model.to(memory_format=torch.channels_last)  # in which convolutions on a CPU are faster


def bundled_twins(checkpoints_dir: str | Path = "checkpoints") -> Twins:
    """The twins in a local folder.

    Raises:
        CamlossError: as `load_checkpoint`.
    """
    directory = Path(checkpoints_dir)
    ce, cam = (load_weights(directory / twin / WEIGHTS) for twin in TWINS)
    return Twins(ce, cam, f"bundled weights, sha256 {sha256_of(directory / 'cam' / WEIGHTS)[:7]}")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
