"""Trained weights, compared. Equal trainings on the session's data set are run once."""

import json
from typing import NamedTuple

import torch

from camloss.data.dataset import Dataset
from camloss.training.config import TrainConfig
from camloss.training.loop import TrainedModel, train

Weights = dict[str, torch.Tensor]


class Training(NamedTuple):
    model: TrainedModel
    lines: list[str]
    """What it logged."""


_done: dict[tuple[str, str], Training] = {}


def training(config: TrainConfig, variant: str, data: Dataset) -> Training:
    """Train, or take what an equal training of this session made; leave it as it is."""
    key = json.dumps(config.record()), variant
    if key not in _done:
        lines: list[str] = []
        _done[key] = Training(train(config, variant, data, log=lines.append), lines)
    return _done[key]


def weights(config: TrainConfig, variant: str, data: Dataset) -> Weights:
    return training(config, variant, data).model.model.state_dict()


def same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)
