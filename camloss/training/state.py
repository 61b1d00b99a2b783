"""The state of a training run between two epochs."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from camloss.checkpoint import pack, read_header, unpack, write_atomically
from camloss.epoch_snapshots import Snapshot, by_epoch, flattened
from camloss.errors import CamlossError, quoted
from camloss.models import MapClassifier
from camloss.training.config import TrainConfig
from camloss.wrap import Wrapped

ENTRY = ("epoch", "alpha", "ce", "cam", "validation_accuracy", "seconds")  # of the history
Saved = tuple[dict[str, Tensor], dict[str, Any]]
"""The tensors by name, and the history."""


def run_id(config: TrainConfig) -> str:
    """The id that the variants of a pair share: a new one, or that of the interrupted training that goes on."""
    interrupted = [TrainingState(config, variant) for variant in config.variants]
    for state in interrupted:
        if config.resume and state.path.exists():
            run = read_header(state.path).get("run", {}).get("id")
            if not isinstance(run, str):
                raise state.damaged(f"its run is {quoted(run)}")
            return run
    return secrets.token_hex(8)


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def shapes_of(tensors: Mapping[str, Tensor]) -> str:
    """A hash of the names, number types and shapes: where one is missing or another, it is another."""
    lines = sorted(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n" for name, tensor in tensors.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _are_numbers(found: object) -> bool:
    return isinstance(found, dict) and all(type(value) in (int, float) for value in found.values())


class TrainingState:
    """The state of one variant between two epochs, in one file that is replaced in one step."""

    def __init__(self, config: TrainConfig, variant: str, run: str = "") -> None:
        self.config, self.run = config, run
        self.path = config.output_dir / ".resume" / f"{variant}.safetensors"

    def save(
        self,
        network: MapClassifier | Wrapped,
        optimizer: torch.optim.Optimizer,
        history: list[dict[str, float]],
        snapshots: dict[int, Snapshot],
        *,
        averaged: nn.Module | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= {f"snapshot.{name}": tensor for name, tensor in flattened(snapshots).items()}
        if averaged is not None:
            tensors |= {f"averaged.{name}": tensor for name, tensor in averaged.state_dict().items()}
        for idx, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{idx}.{slot}": tensor for slot, tensor in slots.items()}
        header: dict[str, Any] = {"epochs": history, "tensors": shapes_of(tensors)}
        if scaler is not None:
            header["scaler"] = scaler.state_dict()
        write_atomically(self.path, pack(tensors, config=self.config.record(), history=header, run={"id": self.run}))

    def read(self) -> Saved | None:
        """What was saved; None where nothing was.

        Raises:
            CamlossError: it is damaged, or of a run with another config.
        """
        if not self.path.exists():
            return None
        tensors, header = unpack(self.path)
        self.config.refuse_other(header.get("config"), f"the interrupted run in {self.path.parent}")
        history = header.get("history", {})
        if history.get("tensors") != shapes_of(tensors):
            raise self.damaged("its tensors are others than it says")
        epochs = history.get("epochs")
        if not isinstance(epochs, list) or len(epochs) > self.config.epochs:
            raise self.damaged(f"its epochs are {quoted(epochs)}")
        for number, entry in enumerate(epochs, start=1):
            sound = isinstance(entry, dict) and entry.keys() == set(ENTRY) and _are_numbers(entry)
            if not sound or entry["epoch"] != number:
                raise self.damaged(f"its epoch {number} is {quoted(entry)}")
        if not _are_numbers(history.get("scaler", {})):
            raise self.damaged(f"its loss scale is {quoted(history['scaler'])}")
        return tensors, history

    def restore(
        self,
        saved: Saved | None,
        network: MapClassifier | Wrapped,
        optimizer: torch.optim.Optimizer,
        averaged: nn.Module | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> tuple[list[dict[str, float]], dict[int, Snapshot]]:
        """Put what was read into network and optimizer.

        Returns:
            The history and the snapshots so far; both empty where nothing was saved.

        Raises:
            CamlossError: something in it does not fit them.
        """
        if saved is None:
            return [], {}
        tensors, header = saved
        try:
            slots: dict[int, dict[str, Tensor]] = {}
            for idx, parameter in enumerate(network.parameters()):
                for name, tensor in below(f"optimizer.{idx}.", tensors).items():
                    # fused AdamW walks parameter and slots side by side in memory, so their strides must agree
                    slots.setdefault(idx, {})[name] = (
                        torch.empty_like(parameter).copy_(tensor) if tensor.dim() else tensor
                    )
            network.load_state_dict(below("model.", tensors))
            optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
            if averaged is not None:
                averaged.load_state_dict(below("averaged.", tensors))
            if scaler is not None:
                scaler.load_state_dict(header["scaler"])
            return list(header["epochs"]), by_epoch(below("snapshot.", tensors))
        except (RuntimeError, LookupError, ValueError, TypeError) as error:
            raise self.damaged(" ".join(str(error).split())[:160]) from error

    def damaged(self, why: str) -> CamlossError:
        return CamlossError(
            f"the interrupted run in {self.path.parent} is damaged ({why}); run without --resume to start over"
        )

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
