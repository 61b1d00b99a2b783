"""The pair: models that differ in the loss only, and the one list of them.

    FOLDER/ce/model.safetensors      trained with cross-entropy alone
    FOLDER/cam/model.safetensors     its twin, trained with CAM-loss

`Pair.load(FOLDER)` takes nothing else for a pair than what one training made, which both files' headers say. A pair
that replaces another appears in one step: `put_pair` renames the whole of it to FOLDER/.pair, which readers take first,
and then moves its files to their places.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from camloss.checkpoint import WEIGHTS, load_weights, read_header
from camloss.errors import CamlossError, one_line
from camloss.losses import CAMLoss
from camloss.models import MapClassifier

ARRIVED = ".pair"  # a whole pair whose files are not all in their places yet
LOSS_SETTINGS = ("alpha", "alpha_start_epoch")  # of a training's config: what twins may differ in
HOW_TO_PAIR = "train both with scripts/train.py, or join two finished checkpoints with scripts/join_pair.py"


@dataclass(frozen=True)
class Variant:
    """One way to train, and how it is shown."""

    title: str
    colour: str
    """Its key in the page's palette."""
    loss: Callable[[float], CAMLoss]
    """From the config's alpha to what this variant learns from."""
    learnt: str
    """What it is trained with, in words: "Trained with ..."."""


VARIANTS: dict[str, Variant] = {  # in the order in which they are trained, published and shown
    "ce": Variant(
        "Cross-entropy",
        "blue",
        lambda _: CAMLoss(0.0),
        "plain cross-entropy: the baseline that its twin is compared with",
    ),
    "cam": Variant(
        "CAM-loss",
        "orange",
        CAMLoss,
        "cross-entropy plus CAM-loss: the class activation map of the true digit and the map of everything that the "
        "network reacts to are pulled towards each other",
    ),
}
LAST = list(VARIANTS)[-1]  # the one whose weights name the pair


@dataclass(frozen=True)
class Snapshot:
    """Both twins on their way, after an epoch of the training."""

    epoch: int
    alpha: float
    """Of the last variant, in that epoch."""
    models: Mapping[str, MapClassifier]
    accuracy: Mapping[str, float]
    """On the validation images, from the training's record."""


@dataclass(frozen=True)
class Pair:
    """A checked pair of models in eval mode, and one line that says where they come from."""

    models: Mapping[str, MapClassifier]
    """One for each of `VARIANTS`, in that order."""
    run: str
    """The id of the training that made them."""
    source: str
    snapshots: tuple[Snapshot, ...] = ()
    """In the order of the epochs; only for the page, which looks for them."""

    def __getitem__(self, variant: str) -> MapClassifier:
        return self.models[variant]

    @property
    def num_classes(self) -> int:
        return self.models[LAST].head.out_features

    @classmethod
    def load(cls, folder: str | Path) -> "Pair":
        """Load the pair in a local folder.

        Raises:
            CamlossError: a checkpoint is missing or damaged, or the two are no pair; see `check_pair` and `of_files`.
        """
        files = pair_files(folder)
        try:
            pair = cls.of_files(files, "", str(folder))
            return replace(pair, source=f"bundled weights, sha256 {sha256_of(files[LAST])[:7]}")
        except CamlossError:
            if pair_files(folder) == files:
                raise
            return cls.load(folder)  # the files were put in their places meanwhile

    @classmethod
    def of_files(cls, files: Mapping[str, Path], source: str, name: str) -> "Pair":
        """Load a pair from one weight file a variant; errors call it `name`.

        Raises:
            CamlossError: a file is damaged, or the two are no pair (`check_pair`), or hold the same weights.
        """
        run = check_pair({variant: read_header(files[variant]) for variant in VARIANTS}, name)
        models = {variant: load_weights(files[variant]) for variant in VARIANTS}
        first, *others = models.values()
        if any(_same_weights(first, other) for other in others):
            raise CamlossError(f"{name} is no pair: {' and '.join(VARIANTS)} hold the same weights; {HOW_TO_PAIR}")
        return cls(models, run, source)


def pair_files(folder: str | Path) -> dict[str, Path]:
    """The weight file of each variant in a folder, whether it is there or not."""
    folder = Path(folder)
    arrived = {variant: folder / ARRIVED / variant / WEIGHTS for variant in VARIANTS}
    return {
        variant: arrived[variant] if arrived[variant].is_file() else folder / variant / WEIGHTS for variant in VARIANTS
    }


def check_pair(headers: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Check that weight files with these headers were made by one training and differ in the loss only.

    Args:
        headers: by variant; see `camloss.checkpoint.read_header`.
        name: what errors call the pair.

    Returns:
        The id of that training.

    Raises:
        CamlossError: a variant stands in the place of another; or arch, number of classes, config but for the loss,
            precision, or id of the training differ; or there is no id.
    """
    compare_variants(headers, name)
    runs = {variant: _of_training(headers[variant], "run") for variant in VARIANTS}
    if not all(isinstance(run, str) and run for run in runs.values()):
        without = next(variant for variant, run in runs.items() if not (isinstance(run, str) and run))
        raise CamlossError(f"{name} is no pair: {without} has no id of the training that made it; {HOW_TO_PAIR}")
    if len(set(runs.values())) > 1:
        raise _differ(name, "the training that made them", runs)
    return str(next(iter(runs.values())))


def compare_variants(headers: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """`check_pair`, all but the id of the training: whether two checkpoints could be joined into a pair."""
    for variant in VARIANTS:
        trained_as = _of_training(headers[variant], "variant")
        if trained_as != variant:
            found = f"a {trained_as}" if isinstance(trained_as, str) else "a checkpoint without a record"
            raise CamlossError(f"{name} is no pair: in the place of {variant} lies {one_line(found)}; {HOW_TO_PAIR}")
    for key in ("arch", "num_classes", "pooling"):
        values = {variant: headers[variant].get("config", {}).get(key) for variant in VARIANTS}
        if len({str(value) for value in values.values()}) > 1:
            raise _differ(name, key, values)
    settings = {variant: _settings(headers[variant]) for variant in VARIANTS}
    first = next(iter(settings.values()))
    for key in sorted(set().union(*settings.values())):
        if any(of_variant.get(key) != first.get(key) for of_variant in settings.values()):
            raise _differ(name, key, {variant: of_variant.get(key) for variant, of_variant in settings.items()})


def put_pair(staged: Path, folder: Path) -> None:
    """Make a whole pair the pair of a folder, in one step: whatever stops it, readers find the old pair or the new.

    Args:
        staged: a folder on the same disk that holds the new pair; it is gone afterwards.
        folder: where the pair belongs; what else lies there stays.

    Raises:
        CamlossError: `staged` holds no pair, or the folder cannot be written.
    """
    Pair.load(staged)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settle(folder)
        os.rename(staged, folder / ARRIVED)
        settle(folder)
    except OSError as error:
        raise CamlossError(f"cannot write {folder}: {error.strerror}; free space or name another folder") from error


def settle(folder: Path) -> None:
    """Put the files of a pair that has arrived into their places, where a crash has left some; be `alone_in` it."""
    arrived = folder / ARRIVED
    for file in sorted(path for path in arrived.glob("*/*") if path.is_file()):
        target = folder / file.relative_to(arrived)
        target.parent.mkdir(exist_ok=True)
        os.replace(file, target)
    if arrived.is_dir():
        shutil.rmtree(arrived)


def settle_alone(folder: Path) -> None:
    """`settle`, where there is something to settle; errors as `alone_in`."""
    if (folder / ARRIVED).is_dir():
        with alone_in(folder):
            settle(folder)


class BusyError(CamlossError):
    """Another training is at work in a folder."""


@contextmanager
def alone_in(folder: Path, wait: bool = False) -> Iterator[None]:
    """Keep every other training out of a folder; a process that died keeps nobody out.

    Args:
        folder: made if needed.
        wait: for as long as another training is at work there.

    Raises:
        BusyError: another training is at work there.
        CamlossError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=-1 if wait else 0)
        lock.acquire()
    except Timeout as error:
        raise BusyError(f"another training is at work in {folder}; wait for it or name another folder") from error
    except OSError as error:
        raise CamlossError(f"cannot write {folder}: {error.strerror}; name another folder") from error
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _of_training(header: Mapping[str, Any], key: str) -> Any:
    training = header.get("training")
    return training.get(key) if isinstance(training, Mapping) else None


def _settings(header: Mapping[str, Any]) -> dict[str, Any]:
    """All that twins must have in common of their training: its config but for the loss, and the precision it took."""
    config, environment = _of_training(header, "config"), _of_training(header, "environment")
    settings = (
        {key: value for key, value in config.items() if key not in LOSS_SETTINGS} if isinstance(config, dict) else {}
    )
    return {**settings, "precision in use": environment.get("precision") if isinstance(environment, dict) else None}


def _differ(name: str, what: str, values: Mapping[str, Any]) -> CamlossError:
    shown = ", ".join(f"{variant} {one_line(value)}" for variant, value in values.items())
    return CamlossError(f"{name} is no pair: its twins differ in {one_line(what)} ({shown}); {HOW_TO_PAIR}")


def _same_weights(one: MapClassifier, other: MapClassifier) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)
