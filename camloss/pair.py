"""The pair: models of one training that differ in the loss only.

    FOLDER/config.json               {"format": 2, "variants": ["ce", "cam"], "run": ID}; the first is the baseline
    FOLDER/ce/model.safetensors      trained with cross-entropy alone
    FOLDER/cam/model.safetensors     trained with CAM-loss

A repository on the Hub holds the same files. `Pair.load` takes nothing else for a pair than what one training made,
which the headers of the weight files say. A pair that replaces another appears in one step: `put_pair` renames the
whole of it to FOLDER/.pair, which readers take first, and then moves its files to their places.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from camloss.checkpoint import CONFIG, WEIGHTS, load_network, read_header, read_json, to_json, write_atomically
from camloss.errors import CamlossError, one_line
from camloss.hub.pull import Published, on_the_hub
from camloss.losses import LOSSES, CAMLoss, Loss
from camloss.models import Classifier, MapClassifier, on_pixels
from camloss.wrap import Wrapped

FORMAT = 2
ARRIVED = ".pair"  # a whole pair whose files are not all in their places yet
LOSS_SETTINGS = ("alpha", "alpha_start_epoch")  # of a training's config: what the variants of a pair may differ in
COMMON = (  # of a checkpoint's config: what the variants of a pair have alike
    *("arch", "arch_args", "num_classes", "pooling", "in_chans", "classes", "image_size", "mean", "std", "dtype"),
)
SIDE_BY_SIDE = 2  # the first variants, which the demo shows beside each other; of no others are epochs kept
MOST_VARIANTS, VARIANT_NAME = 10, "[a-z0-9][a-z0-9_-]{0,39}"
HOW_TO_PAIR = "train both with `camloss train`, or join finished checkpoints with `camloss join-pair`"


def described(variant: str) -> Loss:
    """What a variant of a pair on disk learned from; its loss may be one that this camloss does not know."""
    return LOSSES.get(variant) or Loss(variant, "a loss that this camloss does not know", CAMLoss)


def pair_config(variants: Sequence[str], run: str) -> dict[str, Any]:
    """What config.json of a pair and the headers of its weight files say; the first variant is the baseline."""
    return {"format": FORMAT, "variants": list(variants), "run": run}


@dataclass(frozen=True)
class Snapshot:
    """The models of a pair after an epoch of their training."""

    epoch: int
    alpha: float
    """Of the last variant, in that epoch."""
    models: Mapping[str, MapClassifier]
    accuracy: Mapping[str, float]
    """On the validation images, from the training's record."""


@dataclass(frozen=True)
class ImageFormat:
    """Which pictures a pair takes; `camloss.data.pictures.fitted` makes them of any picture."""

    classes: tuple[str, ...]
    image_size: tuple[int, int]
    """Height and width in pixels; the channels are red, green and blue."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ImageFormat | None":
        """What the config of a checkpoint says; None for the digits of the drawing demo."""
        return cls(tuple(config["classes"]), tuple(config["image_size"])) if "classes" in config else None


@dataclass(frozen=True)
class Pair:
    """Two or more models of one training run that differ in the loss alone: checked, in eval mode."""

    models: Mapping[str, Classifier]
    """By variant, the baseline first; they take pixels in [0, 1]."""
    run: str
    """The id of the training that made them."""
    source: str
    """One line that says where the models come from."""
    snapshots: tuple[Snapshot, ...] = ()
    """In the order of the epochs; only for the page, which looks for them."""
    alphas: Mapping[str, float] = field(default_factory=dict)
    """The alpha that a variant was trained with in its last epoch, where its record says so."""

    def __getitem__(self, variant: str) -> Classifier:
        return self.models[variant]

    @property
    def images(self) -> ImageFormat | None:
        """Which pictures the pair takes; None for the digits of the drawing demo."""
        return ImageFormat.of(next(iter(self.models.values())).checkpoint_config)

    @property
    def digit_models(self) -> dict[str, MapClassifier]:
        """`models`, of a pair that knows drawn digits.

        Raises:
            CamlossError: it knows pictures, or its networks are none that take drawn digits as they are.
        """
        found = {variant: model for variant, model in self.models.items() if isinstance(model, MapClassifier)}
        if len(found) < len(self.models) or self.images is not None:
            raise CamlossError(
                f"{self.source}: its networks are made for pictures, not for drawn digits; take a pair of light_cnn, "
                "trained on MNIST"
            )
        return found

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(self.models)

    @property
    def shown(self) -> "Pair":
        """The pair with its first two models alone, those that the demo shows beside each other."""
        return replace(self, models=dict(islice(self.models.items(), SIDE_BY_SIDE)))

    @property
    def num_classes(self) -> int:
        return len(next(iter(self.models.values())).head.weight)

    @classmethod
    def load(cls, source: str | Path) -> "Pair":
        """Load a pair.

        Args:
            source: a folder, or a repository on the Hub: "USER/NAME", or "USER/NAME@REVISION" for a branch, tag or
                commit, or its address "https://huggingface.co/USER/NAME". A commit that is in the Hub client's cache
                costs no request.

        Raises:
            CamlossError: a file is missing or damaged, or it is no pair; see `check_pair`. Or the Hub cannot be reached
                or refuses.
        """
        published, inside = on_the_hub(source)
        if inside is not None:
            raise CamlossError(f"{one_line(source)} is one model's; take load_checkpoint, or name the repository alone")
        if published is not None:
            return cls.published(published)
        folder = Path(source).expanduser()
        if folder.is_file() and pair_above(folder) is None:  # `read_pair_config` names the pair of a part
            raise CamlossError(f"{folder} is a file; name the folder of a pair, or take load_checkpoint")
        before = _arrived(folder)
        try:
            return cls.read(lambda name: file_in(folder, name), str(folder))
        except CamlossError:
            if _arrived(folder) == before:
                raise
            return cls.load(folder)  # the files were put in their places meanwhile

    @classmethod
    def published(cls, published: Published) -> "Pair":
        """Load the pair in a repository on the Hub; errors as `load`."""
        return cls.read(published.file, published.repo_id, lambda: f"weights from the Hub, {published}")

    @classmethod
    def read(cls, file: Callable[[str], Path], name: str, source: Callable[[], str] | None = None) -> "Pair":
        """Load a pair from its files.

        Args:
            file: where a file of the pair lies, by its name in the folder or repository; raises CamlossError.
            name: what errors call the pair.
            source: says where it is from, when all files are there.

        Raises:
            CamlossError: as `load`.
        """
        config = read_pair_config(file(CONFIG), f"{name}/{CONFIG}")
        files = {variant: file(f"{variant}/{WEIGHTS}") for variant in config["variants"]}
        headers = {v: read_header(path, f"{name}/{v}/{WEIGHTS}") for v, path in files.items()}
        check_pair(headers, config, name)
        models = {v: _ready(load_network(path, f"{name}/{v}/{WEIGHTS}")) for v, path in files.items()}
        first, *others = models.values()
        if any(_same_weights(first, other) for other in others):
            raise CamlossError(f"{name} is no pair: {' and '.join(models)} hold the same weights; {HOW_TO_PAIR}")
        last = files[config["variants"][-1]]
        came_from = source() if source else f"bundled weights, sha256 {sha256_of(last)[:7]}"
        return cls(models, config["run"], came_from, alphas=_last_alphas(headers))


def _ready(network: MapClassifier | Wrapped) -> Classifier:
    """In float32, for pixels in [0, 1]."""
    config = network.checkpoint_config
    return on_pixels(network.float(), config.get("mean"), config.get("std"))


def file_in(folder: Path, name: str) -> Path:
    """Where a file of a folder's pair lies, whether it is there or not; see `put_pair`."""
    arrived = folder / ARRIVED / name
    return arrived if arrived.is_file() else folder / name


def _arrived(folder: Path) -> list[Path]:
    return sorted((folder / ARRIVED).glob("**/*"))


def pair_files(folder: str | Path) -> dict[str, Path]:
    """The weight file of each variant of the pair in a folder.

    Raises:
        CamlossError: there is no pair, or its config.json is damaged.
    """
    path = file_in(Path(folder), CONFIG)
    return {v: file_in(Path(folder), f"{v}/{WEIGHTS}") for v in read_pair_config(path, str(path))["variants"]}


def is_pair(folder: Path) -> bool:
    """Whether a folder holds a pair, sound or not: whether its config.json names variants."""
    path = file_in(folder, CONFIG)
    try:
        return path.is_file() and "variants" in read_json(path)
    except (OSError, ValueError, TypeError):
        return False


def pair_above(path: Path) -> Path | None:
    """The folder of the pair of which this is one model's folder, or a file in it."""
    return next((folder for folder in (path.parent, path.parent.parent) if is_pair(folder)), None)


def read_pair_config(path: Path, name: str) -> dict[str, Any]:
    """Read a pair's config.json, see `pair_config`; errors call it `name`.

    Raises:
        CamlossError: it is missing, damaged, or of another format.
    """
    whole = pair_above(path.parent)
    if not path.is_file():
        if whole:
            raise CamlossError(f"{path.parent} is in the pair {whole}; name that folder")
        raise CamlossError(f"no pair in {path.parent}: {CONFIG} is missing; {HOW_TO_PAIR}")
    try:
        config = read_json(path)
        if "variants" not in config:
            if whole:
                raise CamlossError(f"{path.parent} is one model of the pair in {whole}; name that folder")
            raise CamlossError(f"{name} names no variants: it is no pair's; {HOW_TO_PAIR}")
        if config["format"] != FORMAT:
            raise CamlossError(
                f"{name} has pair format {one_line(config['format'])}, this camloss reads {FORMAT}; "
                "upgrade camloss or take a pair that it wrote"
            )
        variants, run = config["variants"], config["run"]
        sound = isinstance(variants, list) and 2 <= len(variants) == len(set(variants)) <= MOST_VARIANTS
        if not (sound and all(re.fullmatch(VARIANT_NAME, variant) for variant in variants) and isinstance(run, str)):
            raise ValueError("no list of variants and the id of a training")
    except CamlossError:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CamlossError(f"{name} is damaged ({one_line(error)}); {HOW_TO_PAIR}") from error
    return pair_config(variants, run)


def write_pair_config(folder: Path, variants: Sequence[str], run: str) -> None:
    write_atomically(folder / CONFIG, to_json(pair_config(variants, run)))


def check_pair(headers: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any], name: str) -> None:
    """Check that weight files with these headers were made by one training and differ in the loss only.

    Args:
        headers: by variant; see `camloss.checkpoint.read_header`.
        config: of the pair; see `pair_config`.
        name: what errors call the pair.

    Raises:
        CamlossError: a variant stands in the place of another; or arch, number of classes, config but for the loss,
            precision, or id of the training differ; or a header names another pair.
    """
    compare_variants(headers, name)
    runs = {variant: _of_training(header, "run") for variant, header in headers.items()}
    if len({str(run) for run in runs.values()}) > 1:
        raise _differ(name, "the training that made them", runs)
    for variant, header in headers.items():
        if header.get("pair") != config or runs[variant] != config["run"]:
            raise CamlossError(f"{name} is no pair: {variant} is not of the pair in {CONFIG}; {HOW_TO_PAIR}")


def compare_variants(headers: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """`check_pair`, all but the id of the training: whether checkpoints could be joined into a pair."""
    for variant, header in headers.items():
        trained_as = _of_training(header, "variant")
        if trained_as != variant:
            found = f"a {trained_as}" if isinstance(trained_as, str) else "a checkpoint without a record"
            raise CamlossError(f"{name} is no pair: in the place of {variant} lies {one_line(found)}; {HOW_TO_PAIR}")
    for key in COMMON:
        values = {variant: header.get("config", {}).get(key) for variant, header in headers.items()}
        if len({str(value) for value in values.values()}) > 1:
            raise _differ(name, key, values)
    settings = {variant: _settings(header) for variant, header in headers.items()}
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
    for file in sorted(path for path in arrived.rglob("*") if path.is_file()):
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


def _last_alphas(headers: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    found = {}
    for variant, header in headers.items():
        with suppress(LookupError, TypeError, ValueError):  # records of other programs hold what they want
            found[variant] = float(_of_training(header, "history")[-1]["alpha"])
    return found


def _settings(header: Mapping[str, Any]) -> dict[str, Any]:
    """What variants of a pair must have in common: the config but for the loss, and the precision the training took."""
    config, environment = _of_training(header, "config"), _of_training(header, "environment")
    settings = (
        {key: value for key, value in config.items() if key not in LOSS_SETTINGS} if isinstance(config, dict) else {}
    )
    return {**settings, "precision in use": environment.get("precision") if isinstance(environment, dict) else None}


def _differ(name: str, what: str, values: Mapping[str, Any]) -> CamlossError:
    shown = ", ".join(f"{variant} {one_line(value)}" for variant, value in values.items())
    return CamlossError(f"{name} is no pair: its models differ in {one_line(what)} ({shown}); {HOW_TO_PAIR}")


def _same_weights(one: Classifier, other: Classifier) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)
