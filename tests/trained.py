"""Trained weights, compared."""

import torch

from camloss.data.dataset import Dataset
from camloss.training.config import TrainConfig
from camloss.training.loop import train

Weights = dict[str, torch.Tensor]


def weights(config: TrainConfig, variant: str, data: Dataset) -> Weights:
    return train(config, variant, data, log=lambda _: None).model.state_dict()


def same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)
