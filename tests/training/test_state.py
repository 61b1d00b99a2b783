"""A training that was interrupted goes on to the same weights, or is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trained import same, training, weights

from camloss import CamlossError
from camloss.checkpoint import pack, unpack
from camloss.data.dataset import Dataset
from camloss.training.config import TrainConfig
from camloss.training.loop import train
from camloss.training.state import TrainingState, run_id, shapes_of


def test_an_interrupted_run_continues_to_the_same_weights(config: TrainConfig, data: Dataset) -> None:
    config = dataclasses.replace(config, epochs=3)
    uninterrupted = train(config, "cam", data, log=lambda _: None)
    TrainingState(config, "cam").discard()

    class StopError(Exception):
        pass

    def stop_after_the_second(line: str) -> None:
        if "epoch  2" in line:
            raise StopError

    with pytest.raises(StopError):
        train(config, "cam", data, log=stop_after_the_second)
    resumed = train(dataclasses.replace(config, resume=True), "cam", data, log=lambda _: None)
    last = uninterrupted.model.state_dict()
    assert same(resumed.model.state_dict(), last)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3]
    assert list(resumed.snapshots) == list(uninterrupted.snapshots) == [1, 2, 3]
    for epoch, snapshot in uninterrupted.snapshots.items():
        assert same(resumed.snapshots[epoch], snapshot)
    assert torch.equal(uninterrupted.snapshots[3]["head.weight"], last["head.weight"].half())
    assert not torch.equal(uninterrupted.snapshots[2]["head.weight"], last["head.weight"].half())


def test_variants_are_one_network_until_alpha_starts(config: TrainConfig, data: Dataset) -> None:
    ce, cam = (training(config, variant, data).model.snapshots for variant in ("ce", "cam"))
    assert list(ce) == list(cam) == [1, 2]
    assert same(ce[1], cam[1])
    assert not same(ce[2], cam[2])


def test_resuming_with_other_flags_is_refused(config: TrainConfig, data: Dataset) -> None:
    train(dataclasses.replace(config, epochs=1), "ce", data, log=lambda _: None)
    changed = dataclasses.replace(config, epochs=1, resume=True, alpha=2.0, learning_rate=1e-4)
    with pytest.raises(CamlossError, match="had other values of learning_rate, alpha; repeat its flags"):
        train(changed, "ce", data, log=lambda _: None)


def test_resuming_nothing_starts_at_the_beginning(config: TrainConfig, data: Dataset) -> None:
    resumed = train(dataclasses.replace(config, resume=True), "ce", data, log=lambda _: None)
    assert same(resumed.model.state_dict(), weights(config, "ce", data))


@pytest.fixture(scope="module")
def state(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file after the first and only epoch of the variant ce."""
    folder = tmp_path_factory.mktemp("state")
    config = TrainConfig(arch="tiny_cnn", epochs=1, batch_size=50, synthetic=0, output_dir=folder, device="cpu")
    train(config, "ce", data, log=lambda _: None)
    return TrainingState(config, "ce").path.read_bytes()


def change(path: Path, spoil: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> None:
    tensors, header = unpack(path)
    spoil(tensors, header)
    path.write_bytes(pack(tensors, **header))


SPOILT: dict[str, Callable[[dict[str, Tensor], dict[str, Any]], object]] = {
    "no config": lambda _, header: header.pop("config"),
    "no history": lambda _, header: header.pop("history"),
    "no epochs": lambda _, header: header["history"].pop("epochs"),
    "epochs that are none": lambda _, header: header["history"].update(epochs=5),
    "an epoch that is none": lambda _, header: header["history"]["epochs"].append(None),
    "an epoch without ce": lambda _, header: header["history"]["epochs"][0].pop("ce"),
    "an accuracy in words": lambda _, header: header["history"]["epochs"][0].update(validation_accuracy="0.5"),
    "the second epoch alone": lambda _, header: header["history"]["epochs"][0].update(epoch=2),
    "more epochs than asked for": lambda _, header: header["history"].update(epochs=[{}] * 9),
    "no shapes": lambda _, header: header["history"].pop("tensors"),
    "no momentum": lambda tensors, _: tensors.pop(next(name for name in tensors if name.startswith("optimizer."))),
    "no optimizer": lambda tensors, _: [tensors.pop(n) for n in [*tensors] if n.startswith("optimizer.")],
    "no weight": lambda tensors, _: tensors.pop("model.head.weight"),
    "a weight more": lambda tensors, _: tensors.update({"model.odd": torch.zeros(1)}),
    "a weight of another type": lambda tensors, _: tensors.update(
        {"model.head.weight": tensors["model.head.weight"].to(torch.int64)}
    ),
    "a snapshot of no epoch": lambda tensors, _: tensors.update({"snapshot.last.head.bias": torch.zeros(10)}),
    "a momentum of another shape": lambda tensors, _: tensors.update(
        {name: torch.zeros(1) for name in tensors if name.startswith("optimizer.0.")}
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_state_that_lacks_something_is_one_line(config: TrainConfig, data: Dataset, state: bytes, what: str) -> None:
    """Also one of another version, whose shapes are those that it says."""
    config = dataclasses.replace(config, epochs=1, resume=True)
    path = TrainingState(config, "ce").path
    path.parent.mkdir()
    path.write_bytes(state)
    change(path, SPOILT[what])
    with pytest.raises(CamlossError, match=r"run without --resume to start over$") as refused:
        train(config, "ce", data, log=lambda _: None)
    assert "\n" not in str(refused.value)
    if what in ("no weight", "a weight more", "a snapshot of no epoch"):
        path.write_bytes(state)

        def spoil(tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
            SPOILT[what](tensors, header)
            header["history"]["tensors"] = shapes_of(tensors)

        change(path, spoil)
        with pytest.raises(CamlossError, match=r"is damaged \(.*\); run without --resume to start over$"):
            train(config, "ce", data, log=lambda _: None)


@pytest.mark.parametrize("run", [None, 5, ["a"]])
def test_a_state_without_the_id_of_its_run_is_one_line(config: TrainConfig, state: bytes, run: object) -> None:
    config = dataclasses.replace(config, epochs=1, resume=True)
    path = TrainingState(config, "ce").path
    path.parent.mkdir()
    path.write_bytes(state)
    change(path, lambda _, header: header.update(run={} if run is None else {"id": run}))
    with pytest.raises(CamlossError, match=r"is damaged \(its run is .*\); run without --resume"):
        run_id(config)
