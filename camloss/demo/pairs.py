"""The pairs that the page offers: those in a folder of checkpoints, by the folder's name."""

import dataclasses
import logging
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from camloss.checkpoint import read_header
from camloss.epoch_snapshots import load_snapshots
from camloss.errors import CamlossError, quoted
from camloss.losses import BASELINE, LOSSES, CAMLoss
from camloss.models import Classifier
from camloss.pair import SIDE_BY_SIDE, ImageFormat, Pair, Snapshot, described, is_pair, pair_above, pair_files

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
    so is one whose first variants, those side by side, are others than those of the first pair of its tab: digits have
    one tab, pictures another. A subfolder that is no pair is ignored; a folder whose name begins with a dot holds what
    is not ready.

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
        own = pair.variants[:SIDE_BY_SIDE]
        shown = variants.setdefault(pair.images is None, own)
        if own == shown:
            pairs.setdefault(place.resolve().name, place)
        else:
            found, expected = (", ".join(names) for names in (own, shown))
            reasons.append(f"{place} begins with variants {found}; expected {expected}, as the first pair")
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


def side_by_side(pair: Pair, second: object = None) -> dict[str, Classifier]:
    """The models that an answer is about, by variant: the baseline and the second one, or another in its place.

    Args:
        second: another variant of the pair; the baseline itself stands for alpha 0.

    Raises:
        CamlossError: the pair has no such variant.
    """
    baseline, own = pair.variants[:SIDE_BY_SIDE]
    chosen = own if second is None else second
    if not isinstance(chosen, str) or chosen not in pair.models:
        raise CamlossError(f"unknown variant {quoted(second)} as second; expected one of {', '.join(pair.variants)}")
    return {variant: pair[variant] for variant in (baseline, chosen)}


@dataclass(frozen=True)
class Second:
    """What may stand beside the baseline."""

    variant: str
    title: str
    alpha: float | None
    """Its place on the slider, of plain CAM-loss; the baseline stands there as alpha 0."""


def seconds_of(pair: Pair) -> list[Second]:
    """What a visitor may choose for the second column, the pair's own first; none where there is no other choice."""
    if len(pair.variants) <= SIDE_BY_SIDE:
        return []
    found = [
        Second(variant, described(variant).title, pair.alphas.get(variant) if is_plain(variant) else None)
        for variant in pair.variants[1:]
    ]
    of_slider = [second for second in found if second.alpha is not None]
    if pair.variants[0] == BASELINE and len(of_slider) > 1:
        found.append(Second(BASELINE, f"{LOSSES['cam'].title} at alpha 0", 0.0))
    return found


def is_plain(variant: str) -> bool:
    """Whether a variant is trained with CAM-loss and nothing else."""
    return variant in LOSSES and LOSSES[variant].make is CAMLoss


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
