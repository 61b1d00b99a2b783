"""One checkpoint format, on disk and on the Hub: a folder with `model.safetensors` and readable copies of its header.

    model.safetensors   the weights; config and training record lie in its header, so that one file is the checkpoint
    config.json         which network it is
    training.json       how it was trained, epoch by epoch, and what it measured
    README.md           the model card, and its pictures
    epochs.safetensors  where it was trained here: the network on the way, see camloss/epoch_snapshots.py

Readers open the first file alone, and it is replaced in one step: they see the old checkpoint or the new one.
"""

import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from camloss.errors import CamlossError, one_line
from camloss.models import MapClassifier, build_model
from camloss.ood import OODScore

FORMAT = 1
HEADER_KEY = "camloss"  # of safetensors' own header
LONGEST_HEADER = 1_000_000  # bytes
MOST_TENSORS = 10_000
WEIGHTS, CONFIG, TRAINING = "model.safetensors", "config.json", "training.json"


def save_checkpoint(
    model: MapClassifier,
    directory: str | Path,
    training: Mapping[str, Any] | None = None,
    pair: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint; whatever stops it, the directory's weight file is the old one or the new one, whole.

    Args:
        model: made by `build_model`.
        directory: where to; created if needed.
        training: the training record, any JSON; see `camloss.training`.
        pair: for one of a pair; see `camloss.pair.pair_config`.

    Returns:
        The directory.

    Raises:
        CamlossError: the model is not from `build_model`, or the directory cannot be written.
    """
    if model.arch is None:
        raise CamlossError("only models made by build_model can be saved: the checkpoint names their arch")
    directory = Path(directory)
    config = {"format": FORMAT, "arch": model.arch, "num_classes": model.head.out_features, "pooling": model.pooling}
    training = dict(training or {})
    header = {"config": config, "training": training, **({"pair": pair} if pair else {})}
    write_atomically(directory / WEIGHTS, pack(model.state_dict(), **header))
    write_atomically(directory / CONFIG, to_json(config))
    write_atomically(directory / TRAINING, to_json(training))
    return directory


def is_folder(source: str | Path) -> bool:
    """Whether a source is meant as a folder, not as a repository on the Hub: "checkpoints/cam" is one wherever there is
    a folder "checkpoints"."""
    path = Path(source)
    return not isinstance(source, str) or path.is_absolute() or len(path.parts) != 2 or path.parent.is_dir()


def load_weights(path: Path, name: str | None = None) -> MapClassifier:
    """Build the model that a weight file describes, in eval mode; errors call the file `name`.

    Raises:
        CamlossError: the file is missing or damaged, of a newer format, names an unknown arch, or its tensors are not
            just that arch's, in name, shape and number type, or not finite.
    """
    name = name or str(path)
    tensors, header = unpack(path, name)
    config = header.get("config")
    config = config if isinstance(config, dict) else {}
    if config.get("format") != FORMAT:
        raise CamlossError(
            f"{name} has checkpoint format {one_line(config.get('format'))}, this camloss reads {FORMAT}; "
            "upgrade camloss or take a checkpoint that it wrote"
        )
    num_classes = config.get("num_classes")
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or not 1 <= num_classes < 2**31:
        raise CamlossError(f"{name} is damaged (num_classes {one_line(num_classes)}); fetch or train it again")
    try:
        with torch.device("meta"):  # without memory: the file may claim any number of classes
            model = build_model(str(config.get("arch")), num_classes, config.get("pooling"))
            if any(key.startswith("ood_score.") for key in tensors):
                model.ood_score = OODScore(model.middle_channels, num_classes)
    except CamlossError as error:
        raise CamlossError(f"{name}: {error}; upgrade camloss or take another checkpoint") from error
    return fill(model, tensors, name)


def fill(model: MapClassifier, tensors: Mapping[str, Tensor], name: str) -> MapClassifier:
    """Give a model from `build_model` these weights, in eval mode; errors call the file that they are from `name`.

    Raises:
        CamlossError: they are not just this model's, in name, shape and number type, or not finite.
    """
    if misfit := _misfit(tensors, model.state_dict()):
        raise CamlossError(f"{name} does not fit arch {model.arch!r}: {misfit}; fetch or train it again")
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval()


def _misfit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """What is first wrong with the tensors of a file, or None."""
    for what, names in (("lacks", expected.keys() - tensors.keys()), ("also holds", tensors.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"it {what} {one_line(min(names))}{more}"
    for name in expected:
        tensor = tensors[name]
        if tensor.shape != expected[name].shape:
            return f"{name} has shape {one_line(tuple(tensor.shape))}, expected {tuple(expected[name].shape)}"
        if tensor.dtype != expected[name].dtype:
            return f"{name} is {tensor.dtype}, expected {expected[name].dtype}"
        if not bool(tensor.isfinite().all()):
            return f"{name} holds NaN or infinite values"
    return None


def load_training(directory: str | Path) -> dict[str, Any]:
    """The training record of a local checkpoint, from its weight file's header; {} where it has none."""
    return dict(read_header(Path(directory) / WEIGHTS).get("training", {}))


def read_header(path: Path, name: str | None = None) -> dict[str, Any]:
    """What a weight file says of itself, without its tensors: "config" and "training"; errors call it `name`.

    Raises:
        CamlossError: the file is missing or damaged.
    """
    with _opened(path, name) as (_, header):
        return header


def pack(tensors: Mapping[str, Tensor], **header: Mapping[str, Any]) -> bytes:
    """One safetensors file in memory: tensors, and a header of JSON objects.

    Raises:
        CamlossError: no reader would take a header of that length, or so many tensors.
    """
    from safetensors.torch import save

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(contiguous, {HEADER_KEY: json.dumps(header)})  # one key: several are written in no certain order
    try:
        _check_header(io.BytesIO(content))
    except ValueError as error:
        raise CamlossError(f"the checkpoint cannot be saved: {error}; shorten the training record") from error
    return content


def unpack(path: Path, name: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `pack` made; errors call the file `name`.

    Raises:
        CamlossError: the file is missing or damaged.
    """
    with _opened(path, name) as (file, header):
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118, not a dict


@contextmanager
def _opened(path: Path, name: str | None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A safetensors file and our header in it."""
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as start:
            _check_header(start)
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
            if not (isinstance(header, dict) and all(isinstance(value, dict) for value in header.values())):
                raise ValueError("its header is no object of objects")
            yield file, header
    except FileNotFoundError as error:
        raise CamlossError(f"no checkpoint in {path.parent}: {path.name} is missing; train one first") from error
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, CamlossError):
            raise
        raise CamlossError(f"{name or path} is damaged ({_first_line(error)}); fetch or train it again") from error


def _check_header(file: BinaryIO) -> None:
    """Raises ValueError where parsing the header would take long: of 21 MB it takes seconds and half a gigabyte."""
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, at most {LONGEST_HEADER:,} are read")
    if file.read(length).count(b"{") > MOST_TENSORS:  # each is an object
        raise ValueError(f"its header holds more than {MOST_TENSORS:,} tensors")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; a crash, a full disk or Ctrl-C on the way leaves the old one as it was.

    Raises:
        CamlossError: the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with new.open("xb") as file:  # as readable for others as the user's umask lets every new file be
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CamlossError(f"cannot write {path}: {error.strerror}; free space or name another folder") from error


def to_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=False) + "\n").encode()
