"""Options of a training that change how its steps are computed: clipping, float16, compilation, averaging."""

import dataclasses
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from trained import same

from camloss.data.dataset import Dataset
from camloss.split import Split
from camloss.training.config import TrainConfig
from camloss.training.loop import TrainedModel, initial_model, train
from camloss.training.state import TrainingState


@pytest.fixture
def config(config: TrainConfig) -> TrainConfig:
    return dataclasses.replace(config, epochs=3, precision="float32", augment=0.0)


@pytest.fixture
def data(data: Dataset) -> Dataset:
    """Two batches an epoch: float16 is slow on a CPU."""
    return dataclasses.replace(data, train=Split(data.train.images[:100], data.train.labels[:100]))


def trained(config: TrainConfig, data: Dataset, log: Callable[[str], None] = lambda _: None) -> TrainedModel:
    return train(config, "cam", data, log=log)


def weights(config: TrainConfig, data: Dataset) -> dict[str, Tensor]:
    return trained(config, data).model.state_dict()


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_clip_is_the_largest_norm_of_the_gradients(config: TrainConfig, data: Dataset, precision: str) -> None:
    """The first step of SGD with Nesterov's momentum is the learning rate times 1.9 gradients."""
    one_step = dataclasses.replace(config, epochs=1, batch_size=100, optimizer="sgd", weight_decay=0.0)
    config = dataclasses.replace(one_step, precision=precision, schedule="constant", learning_rate=0.1)

    def moved(clip: float) -> float:
        clipped = dataclasses.replace(config, clip=clip)
        before, after = initial_model(config, None, data), trained(clipped, data).model
        pairs = zip(before.parameters(), after.parameters(), strict=True)
        return float(torch.stack([(new - old).detach().norm() for old, new in pairs]).norm())

    assert moved(0.01) == pytest.approx(0.1 * 1.9 * 0.01, rel=1e-3)
    assert moved(1e6) == moved(0.0) > 0.1 * 1.9 * 0.02


def test_float16_computes_what_float32_does(config: TrainConfig, data: Dataset) -> None:
    one, other = (trained(dataclasses.replace(config, precision=name), data) for name in ("float32", "float16"))
    assert other.environment["precision"] == "float16"
    assert other.model.head.weight.dtype == torch.float32
    assert not same(one.model.state_dict(), other.model.state_dict())
    for epoch, again in zip(one.history, other.history, strict=True):
        assert again["ce"] == pytest.approx(epoch["ce"], rel=5e-3)


class StopError(Exception):
    """In place of Ctrl-C."""


def interrupted(line: str) -> None:
    if "epoch  2" in line:
        raise StopError


@pytest.mark.parametrize(
    "option",
    [{"average": 0.9}, {"precision": "float16"}, {"clip": 0.1, "optimizer": "adamw"}, {"accumulate": 3}],
    ids=lambda option: next(iter(option)),
)
def test_an_interrupted_run_goes_on_to_the_same_weights(
    config: TrainConfig, data: Dataset, option: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the average of the weights, and with the scale of the loss, which is too large at first."""
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**18))
    config = dataclasses.replace(config, **option)
    expected = weights(config, data)
    TrainingState(config, "cam").discard()
    with pytest.raises(StopError):
        trained(config, data, interrupted)
    assert same(weights(dataclasses.replace(config, resume=True), data), expected)


def test_a_compiled_network_trains_the_same_weights(
    config: TrainConfig, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit where the graph is run as it was found; interrupted or not."""
    graphs = []

    def as_found(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    expected = weights(config, data)
    TrainingState(config, "cam").discard()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=as_found))
    compiled = dataclasses.replace(config, compile=True)
    with pytest.raises(StopError):
        trained(compiled, data, interrupted)
    assert same(weights(dataclasses.replace(compiled, resume=True), data), expected)
    assert graphs


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler of C++")
def test_compiled_kernels_compute_what_torch_does(config: TrainConfig, data: Dataset) -> None:
    few = dataclasses.replace(config, epochs=2, optimizer="sgd", learning_rate=0.01)
    one, other = (trained(dataclasses.replace(few, compile=compiled), data) for compiled in (False, True))
    assert not same(one.model.state_dict(), other.model.state_dict())
    for epoch, again in zip(one.history, other.history, strict=True):
        assert again["ce"] == pytest.approx(epoch["ce"], rel=1e-3)
        assert again["cam"] == pytest.approx(epoch["cam"], rel=1e-2)
