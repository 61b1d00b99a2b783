"""The pairs that the page offers: those in a folder of checkpoints, by the folder's name."""

import dataclasses
import logging
from itertools import islice
from pathlib import Path

import torch

from camloss.checkpoint import read_header
from camloss.epoch_snapshots import load_snapshots
from camloss.errors import CamlossError
from camloss.pair import SIDE_BY_SIDE, ImageFormat, Pair, Snapshot, is_pair, pair_above, pair_files

log = logging.getLogger(__name__)


EXAMPLES = "examples"  # the folder of a pair with pictures to try
MOST_EXAMPLES = 14
EXAMPLE_TYPES = (".jpg", ".jpeg", ".png", ".webp")


def example_paths(folder: Path) -> list[Path]:
    """The pictures that a pair carries, in the order of their names."""
    paths = (path for path in (folder / EXAMPLES).glob("[!.]*") if path.suffix.lower() in EXAMPLE_TYPES)
    return sorted(paths)[:MOST_EXAMPLES]


def find_pairs(folder: Path) -> dict[str, Path]:
    """The pairs in a folder of checkpoints, by name: its own variants first, then the pairs in its subfolders.

    Each is loaded once, so that a choice that is offered can be taken. A broken pair is left out, with a warning, and
    so is one of other variants than the first of its tab, which has columns for those: digits have one tab, pictures
    another. A subfolder that is no pair is ignored;
    a folder whose name begins with a dot holds what is not ready.

    Raises:
        CamlossError: there is none.
    """
    pairs: dict[str, Path] = {}
    variants: dict[bool, tuple[str, ...]] = {}
    reasons: list[str] = []
    subfolders = (path for path in folder.glob("*") if not path.name.startswith("."))
    for place in [folder, *sorted(subfolders)]:
        if not is_pair(place):
            continue
        try:
            pair = Pair.load(place)
        except CamlossError as error:
            reasons.append(str(error))
            continue
        shown = variants.setdefault(pair.images is None, pair.variants)
        if pair.variants == shown:
            pairs.setdefault(place.resolve().name, place)
        else:
            found, expected = (", ".join(names) for names in (pair.variants, shown))
            reasons.append(f"{place} has variants {found}; expected {expected}, as the first pair")
    if not pairs:
        if not reasons and (whole := pair_above(folder)):
            raise CamlossError(f"{folder} is one model of the pair in {whole}; name that folder")
        raise CamlossError(
            reasons[0] if reasons else f"no pair of checkpoints in {folder}; train one with `camloss train`"
        )
    for reason in reasons:
        log.warning("left out: %s", reason)
    return pairs


def format_of(place: Path) -> ImageFormat | None:
    """Which pictures the pair in a folder takes, from the header of a weight file; None for digits."""
    return ImageFormat.of(read_header(next(iter(pair_files(place).values())))["config"])


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
    if pair.images is not None:  # the page shows the training of drawn digits alone
        return ()
    models = pair.digit_models
    files = dict(islice(pair_files(place).items(), SIDE_BY_SIDE))
    networks = {v: load_snapshots(file.parent, pair.run, models[v]) for v, file in files.items()}
    histories = {v: read_header(file).get("training", {}).get("history") for v, file in files.items()}
    first, *others = networks.values()
    last = pair.variants[SIDE_BY_SIDE - 1]

    def number(variant: str, epoch: int, key: str) -> float:
        value = histories[variant][epoch - 1][key]
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError
        return float(value)

    try:
        return tuple(
            Snapshot(
                epoch,
                number(last, epoch, "alpha"),
                {v: networks[v][epoch] for v in files},
                {v: number(v, epoch, "validation_accuracy") for v in files},
            )
            for epoch in first
            if all(epoch in other for other in others)
        )
    except (LookupError, TypeError) as error:
        raise CamlossError(f"the snapshots in {place} are of epochs that the training's record lacks") from error


def ready(pair: Pair) -> Pair:
    """The same pair in the memory layout in which convolutions on a CPU are faster."""
    for model in pair.models.values():
        model.to(memory_format=torch.channels_last)
    return pair
