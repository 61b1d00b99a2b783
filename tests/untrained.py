"""Checkpoints of networks that have learnt nothing, with a training record as `camloss train` writes it."""

from pathlib import Path
from typing import Any

import torch

from camloss import save_checkpoint
from camloss.epoch_snapshots import save_snapshots, snapshot_of
from camloss.models import build_classifier
from camloss.pair import pair_config, write_pair_config

RECORD: dict[str, Any] = {
    "run": "0123456789abcdef",
    "config": {"arch": "sketch_cnn", "epochs": 2, "alpha": 1.0, "seed": 0},
    "history": [
        {"epoch": 1, "alpha": 0.0, "ce": 0.3, "cam": 0.2, "validation_accuracy": 0.97, "seconds": 10.0},
        {"epoch": 2, "alpha": 1.0, "ce": 0.1, "cam": 0.1, "validation_accuracy": 0.99, "seconds": 11.0},
    ],
    "test": {
        "accuracy": 0.9912,
        "loss": 0.031,
        "calibration_error": 0.004,
        "cam_distance": 0.1,
        "stroke_energy": 0.48,
        "pointing_game": 0.97,
    },
    "environment": {"device": "2 threads", "torch": "2.8.0", "precision": "float32"},
}


def write_pair(
    directory: Path, seed: int = 0, variants: tuple[str, ...] = ("ce", "cam"), arch: str = "sketch_cnn"
) -> Path:
    """An untrained network of each variant, in the layout of `checkpoints/`."""
    for offset, variant in enumerate(variants):
        torch.manual_seed(seed + offset)
        record, pair = {"variant": variant, **RECORD}, pair_config(variants, RECORD["run"])
        save_checkpoint(build_classifier(arch), directory / variant, record, pair)
    write_pair_config(directory, variants, RECORD["run"])
    return directory


def write_snapshots(directory: Path, run: str = RECORD["run"], arch: str = "sketch_cnn") -> Path:
    """Networks that have learnt nothing as snapshots after both epochs, beside the checkpoints of a pair."""
    for offset, variant in enumerate(("ce", "cam")):
        torch.manual_seed(10 + offset)
        save_snapshots({epoch: snapshot_of(build_classifier(arch)) for epoch in (1, 2)}, directory / variant, run)
    return directory
