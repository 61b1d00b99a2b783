"""The teacher of a distillation: a trained network, checked against the data that its student learns from."""

from pathlib import Path

import torch
from torch import nn

from camloss.checkpoint import load_network
from camloss.data.dataset import Dataset
from camloss.errors import CamlossError
from camloss.models import on_pixels
from camloss.training.config import TrainConfig
from camloss.training.hardware import pick_device

OWN_SIZE = (28, 28)  # of the images that the networks of this package learn from, where a checkpoint says none


def load_teacher(config: TrainConfig, data: Dataset) -> nn.Module | None:
    """The teacher of a run, in eval mode on the run's device; None where its variants need none.

    Raises:
        CamlossError: its checkpoint is missing or damaged, or it was trained for other classes or images.
    """
    if not config.teacher:
        return None
    network = load_network(Path(config.teacher)).float()
    said, expected = network.checkpoint_config, len(data.class_names)
    teacher = on_pixels(network, said.get("mean"), said.get("std"))
    if teacher.head.weight.shape[0] != expected:
        raise _misfit(config, f"{teacher.head.weight.shape[0]} classes, {config.data_name} has {expected}")
    if tuple(said.get("classes") or data.class_names) != data.class_names:
        raise _misfit(config, f"classes of other names than {config.data_name}")
    own = OWN_SIZE if getattr(network, "takes_pixels", False) else None
    size = tuple(said.get("image_size") or own or data.size)
    if size != data.size:
        raise _misfit(
            config, f"images of {size[0]}x{size[1]} pixels, {config.data_name} has {data.size[0]}x{data.size[1]}"
        )
    try:
        with torch.no_grad():
            teacher(torch.zeros(1, data.channels, *data.size))
    except RuntimeError as error:
        raise _misfit(config, f"other images than {data.channels} channels of {data.size[0]}x{data.size[1]}") from error
    return teacher.to(pick_device(config.device)).requires_grad_(False)


def _misfit(config: TrainConfig, what: str) -> CamlossError:
    return CamlossError(
        f"the teacher in {Path(config.teacher).parent} has {what}; take one trained on {config.data_name}"
    )
