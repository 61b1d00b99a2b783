"""Temperature scaling (Guo et al., ICML 2017): confidences that fit the accuracy, and the same predictions and maps."""

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.models import MapClassifier
from camloss.split import Split

TEMPERATURES = torch.logspace(-2, 2, 401)  # among which the best is looked for


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """By what to divide the logits for the lowest cross-entropy.

    Args:
        logits: (N, K).
        labels: (N,) int64.

    Returns:
        One of `TEMPERATURES`, from 0.01 to 100.
    """
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in TEMPERATURES.tolist()])
    return float(TEMPERATURES[losses.argmin()])


@torch.no_grad()
def divide_by_temperature(model: MapClassifier, validation: Split) -> float:
    """Fit a model's temperature on the validation images, and divide the weight and bias of its head by it.

    Predictions stay, and so do maps once they are normalised.

    Args:
        model: on the CPU, in eval mode; changed in place.
        validation: MNIST's validation split.

    Returns:
        The temperature.
    """
    logits = torch.cat([model(images)[0] for images, _ in validation.batches(1_000)])
    temperature = fit_temperature(logits, validation.labels)
    for parameter in model.head.parameters():
        parameter.div_(temperature)
    return temperature
