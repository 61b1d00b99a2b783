"""One checkpoint format, on disk and on the Hub: a directory with `model.safetensors` and readable copies of its facts.

    model.safetensors   the weights; config and training record lie in its header, so that one file is the checkpoint
    config.json         which network it is
    training.json       how it was trained, epoch by epoch, and what it measured
    README.md           the model card

Readers open the first file alone, and it is replaced in one step: they see the old checkpoint or the new one.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from camloss.errors import CamlossError
from camloss.models import MapClassifier, build_model

FORMAT = 1
WEIGHTS, CONFIG, TRAINING, CARD = "model.safetensors", "config.json", "training.json", "README.md"


def save_checkpoint(model: MapClassifier, directory: str | Path, training: Mapping[str, Any] | None = None) -> Path:
    """Write a checkpoint; whatever stops it, the directory's weight file is the old one or the new one, whole.

    Args:
        model: made by `build_model`.
        directory: where to; created if needed.
        training: the training record, any JSON; see `camloss.training`.

    Returns:
        The directory.

    Raises:
        CamlossError: the model is not from `build_model`, or the directory cannot be written.
    """
    if model.arch is None:
        raise CamlossError("only models made by build_model can be saved: the checkpoint names their arch")
    directory = Path(directory)
    config = {"format": FORMAT, "arch": model.arch, "num_classes": model.head.out_features}
    training = dict(training or {})
    write_atomically(directory / WEIGHTS, pack(model.state_dict(), config=config, training=training))
    write_atomically(directory / CONFIG, _json(config))
    write_atomically(directory / TRAINING, _json(training))
    return directory


def load_checkpoint(source: str | Path, revision: str | None = None) -> MapClassifier:
    """Load a model in eval mode from a local directory or, by its repo id, from the Hugging Face Hub.

    Args:
        source: a directory, or a repo id such as "user/camloss-mnist-cam".
        revision: on the Hub: a branch, tag or commit.

    Raises:
        CamlossError: there is no checkpoint, or it is damaged, has missing or extra tensors or wrong shapes, names an
            unknown arch, or was written by a newer camloss.
    """
    path = Path(source) / WEIGHTS
    tensors, facts = unpack(path)
    config = facts.get("config", {})
    if config.get("format") != FORMAT:
        raise CamlossError(
            f"{path} has checkpoint format {config.get('format')}, this camloss reads {FORMAT}; "
            "upgrade camloss or take a checkpoint that it wrote"
        )
    model = build_model(config["arch"], config["num_classes"])
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reasons = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise CamlossError(f"{path} does not fit arch {config['arch']!r}: {reasons}") from error
    return model.eval()


def load_training(directory: str | Path) -> dict[str, Any]:
    """The training record of a local checkpoint, from its weight file's header; {} where it has none."""
    return dict(unpack(Path(directory) / WEIGHTS)[1].get("training", {}))


def pack(tensors: Mapping[str, Tensor], **facts: Mapping[str, Any]) -> bytes:
    """One safetensors file in memory: tensors, and JSON facts in its header."""
    from safetensors.torch import save

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(contiguous, {key: json.dumps(value) for key, value in facts.items()})


def unpack(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `pack` made.

    Raises:
        CamlossError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = {key: json.loads(value) for key, value in (file.metadata() or {}).items() if key != "format"}
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118, not a dict
    except FileNotFoundError as error:
        raise CamlossError(f"no checkpoint in {path.parent}: {path.name} is missing; train one first") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CamlossError(f"{path} is damaged ({error}); fetch or train it again") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; a crash, a full disk or Ctrl-C on the way leaves the old one as it was.

    Raises:
        CamlossError: the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp's files are for their owner alone
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise CamlossError(f"cannot write {path}: {error.strerror}; free space or name another folder") from error


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=False) + "\n").encode()
