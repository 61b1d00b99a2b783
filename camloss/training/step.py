"""One training step; a GPU records its hundreds of small kernels once and replays them by one call (CUDA graphs)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.data.augment import Augmentation, CropAndFlip
from camloss.losses import CAMLoss, with_blank
from camloss.models import Classifier, MapClassifier
from camloss.split import Split
from camloss.training.distributed import ALONE, Processes
from camloss.wrap import Wrapped

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
WARM_UP = 3  # steps that are run as they are: the optimizer makes its state, cuDNN picks its algorithms
Vary = Callable[[Tensor, torch.Generator], Tensor]
"""From the images of a batch to others."""
Mix = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""From images and labels, as probabilities (B, K), to mixed ones."""
Extra = Callable[[Any, Tensor, Tensor, torch.Generator], Tensor]
"""From the network, the images of a batch and their labels to a term of the loss."""


@dataclass(frozen=True)
class Step:
    """One training step, which nothing waits for, so that it can be recorded.

    Called with the positions of a batch's images (B,), it changes the weights and returns (3,): the loss, the
    cross-entropy and the CAM-loss of before, of this process's share of the batch.
    """

    network: Classifier
    forward: nn.Module
    """The network, inside what compiles it and what shares its gradients with other processes."""
    optimizer: torch.optim.Optimizer
    criterion: CAMLoss
    images: Split
    """All that is learnt from, on the network's device."""
    augmentation: Augmentation | CropAndFlip | None
    draws: Tensor
    """(N, ...) in [0, 1), for each image: what the augmentation does to it in this epoch."""
    vary: Vary | None
    extra: Extra | None
    generator: torch.Generator
    precision: str
    averaged: MapClassifier | Wrapped | None = None
    """Weights that follow the network's, as many as `average` keeps a step."""
    average: float = 0.0
    mix: Mix | None = None
    processes: Processes = ALONE
    accumulate: int = 1
    clip: float = 0.0
    scaler: torch.amp.GradScaler | None = None

    def __call__(self, batch: Tensor) -> Tensor:
        x, targets = self._share(batch)  # (B, channels, height, width), (B,) or (B, K)
        self.optimizer.zero_grad()
        pieces = list(zip(x.chunk(self.accumulate), targets.chunk(self.accumulate), strict=True))
        parts = []
        for number, (some, of_some) in enumerate(pieces):
            weight = self.processes.weight(len(batch)) * len(of_some) / len(targets)
            with self._sharing_gradients(last=number + 1 == len(pieces)):
                parts.append(self._backward(some, of_some, weight))
        self._change_weights()
        if self.averaged is not None:
            average_into(self.averaged, self.network, self.average)
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def read(self, batch: Tensor) -> Tensor:
        """The images of a batch that this process reads: its share, or all where it draws for all."""
        of_generator = self.augmentation is not None and self.augmentation.draws == 0
        draws_together = self.vary is not None or self.mix is not None or of_generator
        return batch if draws_together or self.processes.count == 1 else self.processes.share(batch)

    def _share(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The augmented images of this process's share of a batch, and their labels.

        What draws from the generator changes the whole batch, so that it draws the same in every process.
        """
        own = self.read(batch)
        x, targets = self.images[own]
        x = self.augmentation(x, self.generator, self.draws[own]) if self.augmentation else x
        x = self.vary(x, self.generator) if self.vary else x
        if self.mix is not None:
            labels = F.one_hot(targets, len(self.network.head.weight)).float()
            x, targets = self.mix(x, labels, self.generator)
        if own is batch and self.processes.count > 1:
            x, targets = self.processes.share(x), self.processes.share(targets)
        return x.contiguous(memory_format=torch.channels_last), targets

    def _backward(self, x: Tensor, targets: Tensor, weight: float) -> Tensor:
        x = with_blank(x) if self.criterion.takes_blank else x
        with torch.autocast(x.device.type, AUTOCAST.get(self.precision), enabled=self.precision in AUTOCAST):
            logits, features = self.forward(x)  # (B, K), (B, C, H, W)
            extra = self.extra(self.network, x, targets, self.generator) if self.extra else None
        shown = (x,) if self.criterion.takes_images else ()
        terms = self.criterion(logits, features, self.network.head.weight, targets, *shown)
        total = terms.total if extra is None else terms.total + extra
        weighted = total if weight == 1 else total * weight
        (weighted if self.scaler is None else self.scaler.scale(weighted)).backward()
        parts = torch.stack([total, terms.ce, terms.cam]).detach()
        share = weight / self.processes.count
        return parts if share == 1 else parts * share

    def _sharing_gradients(self, last: bool) -> AbstractContextManager[Any]:
        """Gradients are averaged over the processes once, with the last piece of a batch."""
        return nullcontext() if last or not self.processes.started else self.forward.no_sync()  # type: ignore[operator]

    def _change_weights(self) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()


@torch.no_grad()
def average_into(averaged: nn.Module, model: nn.Module, kept: float) -> None:
    """Move weights and running statistics towards those of the model; keep that share of what is there."""
    for old, new in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - kept)


class Replayed:
    """A step that is recorded once on a GPU and replayed from then on, to the same weights but for rounding.

    Call it in a stream of its own (`torch.cuda.stream`). A batch of another size than the first is run as it is.
    Whatever the step reads has to stay where it is in memory.

    Args:
        step: the step.
        size: of its batches.
    """

    def __init__(self, step: Step, size: int) -> None:
        self.step, self.size = step, size
        self.warm_up = WARM_UP
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Tensor) -> Tensor:
        if len(batch) != self.size:
            return self.step(batch)
        if self.warm_up:
            self.warm_up -= 1
            return self.step(batch)
        if self.graph is None:
            self._record(batch)
        assert self.graph is not None
        self.batch.copy_(batch)
        self.graph.replay()
        return self.parts

    def _record(self, batch: Tensor) -> None:
        self.batch = batch.clone()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.step.generator)
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
            self.parts = self.step(self.batch)
        self.graph = graph


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Change the learning rate where it is: a recorded step reads a tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
