"""A network and what it learns from, as one call: images and targets in, the terms of the loss out.

>>> import torch
>>> from camloss import CAMLoss, build_model
>>> objective = Objective(build_model("light_cnn"), CAMLoss(alpha=1.0))
>>> terms = objective(torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1]))
>>> terms.total.backward()
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from camloss.errors import CamlossError
from camloss.losses import LossTerms, with_blank
from camloss.wrap import unwrapped

Pooling = Literal["avg", "max"]


class Objective(nn.Module):
    """What one training step needs: the forward pass, the head's weight, and the criterion.

    The network may be wrapped for training: the head is found through DistributedDataParallel, DataParallel,
    `torch.compile` and weight averaging, while the forward pass goes through all of them. `L_cam` detaches the head's
    weight, so that taking it past DistributedDataParallel skips no gradient.

    Args:
        network: gives (logits, features) and has a linear `head`, such as those of `wrap` and `build_model`, or such a
            network inside the wrappers above.
        criterion: `CAMLoss`, `CAAMDistillation`, or anything that is called with (logits, features, weight, targets).
        pooling: "avg" takes the network's logits as they are; "max" applies the head to the maximum of each channel, a
            control of CAM-loss.

    Raises:
        CamlossError: the network has no linear head, or the pooling is unknown.
    """

    def __init__(self, network: nn.Module, criterion: Callable[..., LossTerms], pooling: Pooling = "avg") -> None:
        super().__init__()
        if pooling not in ("avg", "max"):
            raise CamlossError(f"unknown pooling {pooling!r}; expected 'avg' or 'max'")
        self.network, self.criterion, self.pooling = network, criterion, pooling
        self.head  # noqa: B018, a network without a head is refused now

    @property
    def head(self) -> nn.Linear:
        """The head of the network inside all wrappers."""
        inner = unwrapped(self.network)
        head = getattr(inner, "head", None)
        if not isinstance(getattr(head, "weight", None), Tensor):
            raise CamlossError(
                f"{type(inner).__name__} has no linear head; take camloss.wrap(model), or a network whose forward "
                "returns (logits, features) and that has a `head`"
            )
        return head  # type: ignore[return-value]

    def forward(self, images: Tensor, targets: Tensor) -> LossTerms:
        """Images as the network takes them, targets as the criterion takes them -> the terms of the loss."""
        shown = with_blank(images) if getattr(self.criterion, "takes_blank", False) else images
        logits, features = self.network(shown)
        head = self.head
        if self.pooling == "max":
            is_convolution = head.weight.dim() == 4  # of 1x1
            logits = head(features.amax((-2, -1), keepdim=is_convolution)).flatten(1)
        of_teacher = (images,) if getattr(self.criterion, "takes_images", False) else ()
        return self.criterion(logits, features, head.weight, targets, *of_teacher)
