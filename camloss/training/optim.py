"""The optimizers of the recipes."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from camloss.training.config import TrainConfig

# One round turns each singular value s into a*s + b*s^3 + c*s^5; five take those above 0.01 to between 0.7 and 1.2.
ROUNDS, A, B, C = 5, 3.4445, -4.7750, 2.0315


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of a run."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        return Muon(model.parameters(), rate, decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
    if config.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=decay)
    return torch.optim.Adam(model.parameters(), lr=rate)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for convolutions, Adam for everything else, both with decoupled weight decay.

    The momentum of a convolution, as a matrix of (output channels, all that one of them sees), is stepped along with
    its singular values set to about 1: directions of which the gradient holds little are learnt as fast as the others
    (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon). The Muon of torch takes matrices alone.

    A step never waits for the device, so that a GPU can record it (`camloss.training.step`).

    Args:
        params: parameters; those with four dimensions are convolutions.
        lr: learning rate; a tensor on the parameters' device where steps are recorded.
        weight_decay: share of a parameter that is lost in a step at a learning rate of 1.
    """

    momentum, betas, epsilon = 0.9, (0.9, 0.99), 1e-8
    size = 0.8  # root mean square of the entries of a convolution's step at a learning rate of 1

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        # "capturable" is torch's word for that: without it `load_state_dict` would leave the count of steps on the CPU
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "capturable": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:  # frozen, or no part of what the loss came from
                    continue
                direction = self._orthogonal if parameter.dim() == 4 else self._adam
                step = direction(parameter.grad, self.state[parameter])
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step * group["lr"])

    def _orthogonal(self, grad: Tensor, state: dict[str, Any]) -> Tensor:
        if not state:
            state["mean"] = torch.zeros_like(grad)
        mean: Tensor = state["mean"].lerp_(grad, 1 - self.momentum)
        matrix = grad.lerp(mean, self.momentum).flatten(1)  # Nesterov's look ahead, (output channels, inputs * 9)
        entries = self.size * max(matrix.shape) ** 0.5
        return orthogonalize(matrix).view_as(grad).mul(entries)

    def _adam(self, grad: Tensor, state: dict[str, Any]) -> Tensor:
        if not state:
            state |= {name: torch.zeros_like(grad) for name in ("mean", "square")}
            state["step"] = torch.zeros((), device=grad.device)
        count: Tensor = state["step"].add_(1)
        mean: Tensor = state["mean"].lerp_(grad, 1 - self.betas[0])
        square: Tensor = state["square"].lerp_(grad.square(), 1 - self.betas[1])
        bias, square_bias = (1 - beta**count for beta in self.betas)
        return (mean / bias).div_((square / square_bias).sqrt_().add_(self.epsilon))


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (R, C) with all singular values near 1, by Newton and Schulz's iteration."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp_min(torch.finfo(wide.dtype).tiny)
    for _ in range(ROUNDS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, B * gram + C * gram @ gram, wide, beta=A)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
