"""What a model sees in an image, and where: `explain(model, x)`.

>>> from camloss import build_model
>>> answer = explain(build_model("sketch_cnn").eval(), torch.rand(1, 1, 28, 28))
>>> answer.probs.shape, answer.cam.shape
(torch.Size([1, 10]), torch.Size([1, 14, 14]))
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from camloss.errors import CamlossError
from camloss.maps import caam, cam, contrastive_cam, full_precision, min_max_normalize
from camloss.metrics import ink_energy
from camloss.wrap import Network


@dataclass(frozen=True)
class Explanation:
    """The answer of one model for N images, with H x W maps and K classes; float32, or float64 where the model is."""

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
    ink_energy: Tensor | None
    """(N,) in [0, 1], the share of the CAM that lies on the strokes; None for images of more than one channel."""
    ood_score: Tensor | None = None
    """(N,) in [0, 1]: at 0.5 or more the image may show none of the classes; None where the model has no `OODScore`."""
    other_idx: Tensor | None = None
    """(N,) int64, the class that `contrast` holds against `class_idx`."""
    contrast: Tensor | None = None
    """(N, H, W) in [-1, 1], the contrastive CAM over its largest absolute value: positive speaks for `class_idx`."""


@torch.no_grad()
def explain(
    model: Network, x: Tensor, class_idx: int | Tensor | None = None, other_idx: int | Tensor | None = None
) -> Explanation:
    """Classify images and say where the evidence lies.

    Args:
        model: any network with a linear `head` whose call gives (logits, features), such as those of `wrap` and
            `build_model`; best in eval mode.
        x: images as the model takes them, with any number of channels: (N, 1, 28, 28), pixels in [0, 1], white ink on
            black, for the networks of `build_model`.
        class_idx: the class to explain, one for all images or (N,); by default each image's most probable.
        other_idx: where given, explain also why `class_idx` *rather than* this one.

    Raises:
        CamlossError: a class is not among the model's, or the model's maps are 1x1.
    """
    ood_score = None
    if getattr(model, "ood_score", None) is None:
        logits, features = model(x)
    else:
        logits, features, middle = model.look(x)  # type: ignore[attr-defined]
        ood_score = model.ood_score(logits, middle)  # type: ignore[attr-defined]
    weight = model.head.weight
    class_idx = logits.argmax(1) if class_idx is None else _one_per_image(class_idx, logits)
    class_map, agnostic_map = min_max_normalize(cam(features, weight, class_idx)), min_max_normalize(caam(features))
    contrast = None
    if other_idx is not None:
        other_idx = _one_per_image(other_idx, logits)
        contrast = contrastive_cam(features, weight, class_idx, other_idx)
        contrast = contrast / contrast.abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(contrast.dtype).tiny)
    return Explanation(
        probs=logits.softmax(1, dtype=full_precision(logits)),
        class_idx=class_idx,
        cam=class_map,
        caam=agnostic_map,
        distance=(class_map - agnostic_map).abs().mean((-2, -1)),
        ink_energy=ink_energy(class_map, x) if x.shape[1] == 1 else None,
        ood_score=ood_score,
        other_idx=other_idx,
        contrast=contrast,
    )


def _one_per_image(class_idx: int | Tensor, logits: Tensor) -> Tensor:
    count, num_classes = logits.shape
    classes = torch.as_tensor(class_idx, device=logits.device).expand(count)
    if not bool(((classes >= 0) & (classes < num_classes)).all()):
        raise CamlossError(f"class {class_idx} is not one of the model's: expected 0 to {num_classes - 1}")
    return classes
