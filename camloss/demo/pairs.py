"""The pairs that the page offers: those in a folder of checkpoints, by the folder's name."""

import dataclasses
import logging
from pathlib import Path

import torch

from camloss.checkpoint import read_header
from camloss.epoch_snapshots import load_snapshots
from camloss.errors import CamlossError
from camloss.pair import LAST, VARIANTS, Pair, Snapshot, pair_files

log = logging.getLogger(__name__)


def find_pairs(folder: Path) -> dict[str, Path]:
    """The pairs in a folder of checkpoints, by name: its own `ce` and `cam` first, then those of its subfolders.

    Each is loaded once, so that a choice that is offered can be taken. What is no pair is left out, with a warning;
    a folder whose name begins with a dot holds what is not ready.

    Raises:
        CamlossError: there is none.
    """
    pairs: dict[str, Path] = {}
    reasons: list[str] = []
    subfolders = (path for path in folder.glob("*") if path.name not in VARIANTS and not path.name.startswith("."))
    for place in [folder, *sorted(subfolders)]:
        if not any(file.is_file() for file in pair_files(place).values()):
            continue
        try:
            Pair.load(place)
        except CamlossError as error:
            reasons.append(str(error))
        else:
            pairs.setdefault(place.resolve().name, place)
    if not pairs:
        raise CamlossError(
            reasons[0] if reasons else f"no pair of checkpoints in {folder}; train one with: python scripts/train.py"
        )
    for reason in reasons:
        log.warning("left out: %s", reason)
    return pairs


def load_for_page(place: str | Path) -> Pair:
    """The pair in a folder with its snapshots, ready to answer; errors as `Pair.load`."""
    pair = Pair.load(place)
    try:
        pair = dataclasses.replace(pair, snapshots=snapshots_in(place, pair))
    except CamlossError as error:
        log.warning("left out: %s", error)
    return ready(pair)


def snapshots_in(place: str | Path, pair: Pair) -> tuple[Snapshot, ...]:
    """The snapshots beside a pair; none where its training kept none, or another pair has come into the folder.

    Raises:
        CamlossError: a file is damaged, or an epoch is not in the training's record.
    """
    files = pair_files(place)
    networks = {v: load_snapshots(file.parent, pair.run, pair[v]) for v, file in files.items()}
    histories = {v: read_header(file).get("training", {}).get("history") for v, file in files.items()}
    epochs = [epoch for epoch in networks[LAST] if all(epoch in networks[v] for v in VARIANTS)]
    try:
        entries = {epoch: {v: histories[v][epoch - 1] for v in VARIANTS} for epoch in epochs}
        return tuple(
            Snapshot(
                epoch,
                float(entry[LAST]["alpha"]),
                {v: networks[v][epoch] for v in VARIANTS},
                {v: float(entry[v]["validation_accuracy"]) for v in VARIANTS},
            )
            for epoch, entry in entries.items()
        )
    except (LookupError, TypeError, ValueError) as error:
        raise CamlossError(f"the snapshots in {place} are of epochs that the training's record lacks") from error


def ready(pair: Pair) -> Pair:
    """The same pair in the memory layout in which convolutions on a CPU are faster."""
    for model in pair.models.values():
        model.to(memory_format=torch.channels_last)
    return pair
