"""What a model sees in an image, and where: `explain(model, x)`.

>>> from camloss import build_model
>>> answer = explain(build_model("sketch_cnn").eval(), torch.rand(1, 1, 28, 28))
>>> answer.probs.shape, answer.cam.shape
(torch.Size([1, 10]), torch.Size([1, 14, 14]))
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from camloss.errors import CamlossError
from camloss.maps import caam, full_precision, min_max_normalize, weighted_maps
from camloss.wrap import Network, in_eval_mode, unwrapped


@dataclass(frozen=True)
class Explanation:
    """The answer of one model for N images, with H x W maps and K classes; float32, or float64 where the model is.

    Where several classes were asked for, what has one row a class has M: (N, M) and (N, M, H, W).
    """

    probs: Tensor
    """(N, K), softmax of the logits."""
    class_idx: Tensor
    """(N,) int64, the class that `cam` explains: the one asked for, else the most probable."""
    cam: Tensor
    """(N, H, W), the CAM of `class_idx`, normalised to [0, 1]."""
    caam: Tensor
    """(N, H, W), the CAAM, normalised to [0, 1]."""
    distance: Tensor
    """(N,) in [0, 1], mean absolute difference of `cam` and `caam`: what CAM-loss makes small."""
    ood_score: Tensor | None = None
    """(N,) in [0, 1]: at 0.5 or more the image may show none of the classes; None where the model has no `OODScore`."""
    other_idx: Tensor | None = None
    """(N,) int64, the class that `contrast` compares `class_idx` with."""
    contrast: Tensor | None = None
    """(N, H, W) in [-1, 1], the contrastive CAM over its largest absolute value: positive for `class_idx`."""


@torch.no_grad()
def explain(
    model: Network,
    x: Tensor,
    class_idx: int | Sequence[int] | Tensor | None = None,
    other_idx: int | Sequence[int] | Tensor | None = None,
) -> Explanation:
    """Classify images and say where the evidence lies.

    The model answers in eval mode and is left as it was: its training modes, and so the statistics of its batch norm.

    Args:
        model: any network with a linear `head` whose call gives (logits, features), such as those of `wrap` and
            `build_model`, inside DistributedDataParallel, `torch.compile` or weight averaging or not.
        x: images as the model takes them, with any number of channels: (N, 1, 28, 28), pixels in [0, 1], white ink on
            black, for the networks of `build_model` that are made for digits; standardised pixels for all others.
        class_idx: the class to explain: one for all images, or a tensor (N,), one an image. Several at once: a sequence
            of M classes for all images, or a tensor (N, M). By default each image's most probable class.
        other_idx: where given, explain also why `class_idx` *rather than* this one; like `class_idx`.

    Raises:
        CamlossError: a class is not among the model's, the model's maps are 1x1, or it answers NaN.
    """
    inner = unwrapped(model)
    ood_score = None
    with in_eval_mode(model):
        if getattr(inner, "ood_score", None) is None:
            logits, features = model(x)
        else:
            logits, features, middle = inner.forward_features(x)
            ood_score = inner.ood_score(logits, middle)
    broken = (~logits.isfinite()).any(1).nonzero()
    if len(broken):
        raise CamlossError(
            f"the network answers image {int(broken[0])} with NaN or infinity; look at the image, the weights and, in "
            "half precision, the range of the features"
        )
    weight = inner.head.weight.flatten(1).to(full_precision(features))  # (K, C)
    classes = logits.argmax(1)[:, None] if class_idx is None else _classes(class_idx, logits)  # (N, M)
    others = None if other_idx is None else _classes(other_idx, logits)
    if others is not None:
        classes, others = torch.broadcast_tensors(classes, others)
    class_maps = min_max_normalize(weighted_maps(features, weight[classes].mT))  # (N, M, H, W)
    agnostic_map = min_max_normalize(caam(features))
    contrast = None
    if others is not None:
        contrast = weighted_maps(features, (weight[classes] - weight[others]).mT)
        contrast = contrast / contrast.abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(contrast.dtype).tiny)

    def as_asked(rows: Tensor) -> Tensor:
        return rows if _is_several(class_idx) or _is_several(other_idx) else rows.squeeze(1)

    return Explanation(
        probs=logits.softmax(1, dtype=full_precision(logits)),
        class_idx=as_asked(classes),
        cam=as_asked(class_maps),
        caam=agnostic_map,
        distance=as_asked((class_maps - agnostic_map[:, None]).abs().mean((-2, -1))),
        ood_score=ood_score,
        other_idx=None if others is None else as_asked(others),
        contrast=None if contrast is None else as_asked(contrast),
    )


def _is_several(class_idx: int | Sequence[int] | Tensor | None) -> bool:
    return isinstance(class_idx, Sequence) or (isinstance(class_idx, Tensor) and class_idx.dim() == 2)


def _classes(class_idx: int | Sequence[int] | Tensor, logits: Tensor) -> Tensor:
    """(N, M), checked."""
    count, num_classes = logits.shape
    classes = torch.as_tensor(class_idx, device=logits.device)
    if classes.dim() == 1 and isinstance(class_idx, Tensor):
        classes = classes[:, None]
    try:
        classes = classes.expand(count, max(classes.shape[-1], 1) if classes.dim() else 1)
    except RuntimeError:
        raise CamlossError(
            f"classes of shape {tuple(classes.shape)} are not one an image; expected ({count},) or ({count}, M)"
        ) from None
    is_whole = not (classes.is_floating_point() or classes.dtype == torch.bool)
    if not is_whole or not bool(((classes >= 0) & (classes < num_classes)).all()):
        raise CamlossError(f"class {class_idx} is not one of the model's: expected 0 to {num_classes - 1}")
    return classes.long()
