"""The pairs that the page offers: those in a folder of checkpoints, by the folder's name."""

import logging
from pathlib import Path

import torch

from camloss.checkpoint import read_header
from camloss.errors import CamlossError
from camloss.twins import VARIANTS, Twins, check_pair, pair_files


def find_pairs(folder: Path) -> dict[str, Path]:
    """The pairs in a folder of checkpoints, by name: its own `ce` and `cam` first, then those of its subfolders.

    Only the headers of the weight files are read. What is no pair is left out, with a warning.

    Raises:
        CamlossError: there is none.
    """
    pairs: dict[str, Path] = {}
    reasons: list[str] = []
    for place in [folder, *sorted(path for path in folder.glob("*") if path.name not in VARIANTS)]:
        files = pair_files(place)
        if not any(file.is_file() for file in files.values()):
            continue
        try:
            check_pair({variant: read_header(file) for variant, file in files.items()}, str(place))
        except CamlossError as error:
            reasons.append(str(error))
        else:
            pairs.setdefault(place.resolve().name, place)
    if not pairs:
        raise CamlossError(
            reasons[0] if reasons else f"no pair of checkpoints in {folder}; train one with: python scripts/train.py"
        )
    for reason in reasons:
        logging.getLogger(__name__).warning("left out: %s", reason)
    return pairs


def load_for_page(place: str | Path) -> Twins:
    """The pair in a folder, ready to answer; errors as `Twins.load`."""
    return ready(Twins.load(place))


def ready(twins: Twins) -> Twins:
    """The same twins in the memory layout in which convolutions on a CPU are faster."""
    for model in twins.models.values():
        model.to(memory_format=torch.channels_last)
    return twins
