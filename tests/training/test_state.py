"""A training that was interrupted goes on to the same weights, or is refused."""

import dataclasses

import pytest
import torch
from trained import same, training, weights

from camloss import CamlossError
from camloss.data.dataset import Dataset
from camloss.training.config import TrainConfig
from camloss.training.loop import train
from camloss.training.state import TrainingState


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
