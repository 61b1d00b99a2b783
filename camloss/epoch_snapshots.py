"""Epoch snapshots: the weights of a network after a few epochs of its training, in float16.

    FOLDER/ce/epochs.safetensors     beside the finished weights in model.safetensors

The file names the training that it is of. It is there to be looked at: a checkpoint is whole without it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from camloss.checkpoint import fill, pack, unpack, write_atomically
from camloss.errors import CamlossError, quoted
from camloss.models import MapClassifier, build_classifier

EPOCHS = "epochs.safetensors"
MOST = 6

Snapshot = dict[str, Tensor]
"""Weights by name."""


def snapshot_epochs(epochs: int, alpha_start_epoch: int) -> list[int]:
    """After which epochs, counted from 1, to keep the weights: the last one before alpha starts, when all
    variants are still equal, the last of all, and between them growing steps, since a network changes most at first."""
    chosen = [min(max(alpha_start_epoch, 1), epochs)]
    for steps in range(MOST - 1, 0, -1):
        now = chosen[-1]
        if now < epochs:
            chosen.append(max(now + 1, round(now * (epochs / now) ** (1 / steps))))
    return chosen


def snapshot_of(model: nn.Module) -> Snapshot:
    """The weights of a model at this moment, in float16; counters stay whole numbers."""
    return {
        name: value.to("cpu", torch.float16 if value.is_floating_point() else value.dtype, copy=True)
        for name, value in model.state_dict().items()
    }


def flattened(snapshots: Mapping[int, Snapshot]) -> Snapshot:
    """Snapshots by epoch as one, each name with its epoch before it: "3.head.bias"."""
    return {f"{epoch}.{name}": value for epoch, weights in snapshots.items() for name, value in weights.items()}


def by_epoch(tensors: Mapping[str, Tensor]) -> dict[int, Snapshot]:
    """What `flattened` was given, in the order of the epochs.

    Raises:
        ValueError: a name begins with no epoch.
    """
    snapshots: dict[int, Snapshot] = {}
    for key, value in tensors.items():
        epoch, _, name = key.partition(".")
        if not re.fullmatch("[1-9][0-9]{0,5}", epoch):
            raise ValueError(f"{quoted(key)} is no weight after an epoch")
        snapshots.setdefault(int(epoch), {})[name] = value
    return dict(sorted(snapshots.items()))


def save_snapshots(snapshots: Mapping[int, Snapshot], directory: Path, run: str) -> None:
    """Put snapshots beside a checkpoint; whatever stops it, the file is the old one or the new one, whole.

    Args:
        snapshots: by epoch.
        directory: the checkpoint's.
        run: the id of the training.

    Raises:
        CamlossError: the directory cannot be written.
    """
    content = pack(flattened(snapshots), run={"id": run}, snapshots={"epochs": sorted(snapshots)})
    write_atomically(directory / EPOCHS, content)


def read_snapshots(directory: Path, run: str) -> dict[int, Snapshot]:
    """The snapshots beside a checkpoint of this training, by epoch; none where they are not there or of another one.

    Raises:
        CamlossError: the file is damaged.
    """
    path = directory / EPOCHS
    if not path.is_file():
        return {}
    tensors, header = unpack(path)
    if header.get("run", {}).get("id") != run:
        return {}
    try:
        return by_epoch(tensors)
    except ValueError as error:
        raise CamlossError(f"{path} is damaged ({error}); train again or delete it") from error


def load_snapshots(directory: Path, run: str, model: MapClassifier) -> dict[int, MapClassifier]:
    """The networks that became `model`, by epoch, in eval mode and float32; none as for `read_snapshots`.

    Raises:
        CamlossError: the file is damaged, or of another arch.
    """
    networks = {}
    for epoch, weights in read_snapshots(directory, run).items():
        with torch.device("meta"):
            network = build_classifier(str(model.arch), model.head.out_features, model.pooling)
        wide = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        networks[epoch] = fill(network, wide, f"{directory / EPOCHS}, epoch {epoch},")
    return networks
