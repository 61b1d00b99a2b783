"""CAM-loss (Wang et al., ICCV 2021, arXiv 2109.01359)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.errors import CamlossError
from camloss.maps import caam, full_precision, min_max_normalize, weighted_maps


class LossTerms(NamedTuple):
    """The parts of one loss: `total = ce + alpha * cam`; scalars, or (N,) where the base loss is."""

    total: Tensor
    ce: Tensor
    """The base loss: cross-entropy, unless `CAMLoss` was given another."""
    cam: Tensor


def cam_distance(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """How far each image's CAM is from its CAAM: the mean absolute difference of the two normalised maps.

    Args:
        features: (N, C, H, W), in any layout and floating point type. Sums over the channels of bfloat16 features are
            rounded to bfloat16 once: a float32 copy of the features would cost one training step in fourteen.
        weight: (K, C).
        targets: (N,) class indices of any integer type, or (N, K) class probabilities: the CAM is linear in the weight
            of its class, so that the map of mixed labels is exactly that of the mixed weights, `targets @ weight`.

    Returns:
        (N,), float32 (float64 where the features are), in [0, 1]: 0 where the backbone reacts exactly where the class
        has its evidence.
    """
    exact = full_precision(features)
    number = torch.bfloat16 if features.dtype == torch.bfloat16 else exact  # a sum of float16 may be past its range
    class_weight = _class_weight(weight, targets).to(number)  # (N, C)
    both = torch.stack([class_weight, torch.ones_like(class_weight)], dim=2)  # CAAM is the CAM of a weight of ones
    maps = weighted_maps(features, both).to(exact)  # (N, 2, H, W)
    class_map, agnostic_map = min_max_normalize(maps).unbind(1)
    return (agnostic_map - class_map).abs().mean(dim=(-2, -1))


def _class_weight(weight: Tensor, targets: Tensor) -> Tensor:
    """(K, C) or (K, C, 1, 1), and (N,) indices or (N, K) probabilities -> (N, C)."""
    weight = weight.flatten(1)
    if targets.dim() == 1:
        return weight[targets.long()]
    with torch.autocast(weight.device.type, enabled=False):  # it would round the labels to half precision
        wide = full_precision(weight)
        return targets.to(wide) @ weight.to(wide)


class CAMLoss(nn.Module):
    """Cross-entropy plus the distance of what the backbone sees from what the class needs.

    `L = L_ce + alpha * L_cam`, `L_cam = mean |norm(CAAM) - norm(CAM_target)|` (Wang et al., ICCV 2021, equations
    4 to 6). The head's weight is detached inside the CAM, so that the head learns from `L_ce` alone and the backbone
    from both: the paper's Algorithm 1 in one backward pass.

    Works with any CNN whose head is one linear layer on globally pooled features:

        >>> features = torch.rand(8, 16, 7, 7, requires_grad=True)
        >>> head = nn.Linear(16, 10)
        >>> targets = torch.randint(10, (8,))
        >>> terms = CAMLoss(alpha=1.0)(head(features.mean((-2, -1))), features, head.weight, targets)
        >>> terms.total.backward()

    Args:
        alpha: weight of `L_cam`, finite and at least 0. At 0 the loss is the base loss alone; `L_cam` is then measured
            without a gradient.
        base: what takes the place of cross-entropy: any criterion of `torch.nn` or one's own, called with float32
            logits and the targets. Its label smoothing, class weights and the like act on the base loss alone; images
            whose target is its `ignore_index` count in neither term; its `reduction` ("mean", "sum" or "none") is that
            of all terms. With `nn.BCEWithLogitsLoss` each positive label has a CAM of its own.

    Raises:
        CamlossError: alpha is negative, infinite or not a number.
    """

    def __init__(self, alpha: float, base: nn.Module | None = None) -> None:
        super().__init__()
        if not (math.isfinite(alpha) and alpha >= 0):
            raise CamlossError(f"alpha is {alpha}; expected a finite number of at least 0, such as 1.0")
        self.alpha = alpha
        self.base = nn.CrossEntropyLoss() if base is None else base

    def forward(self, logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        """Both terms of a batch.

        Args:
            logits: (N, K).
            features: (N, C, H, W), what the head pools.
            weight: (K, C), the weight of the head.
            targets: (N,) class indices of any integer type; (N, K) class probabilities, as of mixup and CutMix; or
                (N, K) labels in {0, 1} of any type, several an image, for a base such as `nn.BCEWithLogitsLoss`. For
                K = 1 and such a base, (N,) labels in {0, 1} do as well.

        Raises:
            CamlossError: the targets fit neither the logits nor the base loss.
        """
        targets = self._checked(logits, targets)
        per_image = self.distances(features.detach() if self.alpha == 0 else features, weight, targets)
        return self._terms(logits, targets, per_image)

    def _terms(self, logits: Tensor, targets: Tensor, per_image: Tensor) -> LossTerms:
        """The base loss and the mean of `per_image` (N,), in one."""
        ce = self.base(logits.float(), targets)
        if ce.dim() > 1:  # one value a class: its mean is what reduction="mean" would give
            ce = ce.flatten(1).mean(1)
        counted = self._counted(targets)
        per_image = torch.where(counted, per_image, 0)
        if ce.dim() == 1:
            term = per_image
        elif getattr(self.base, "reduction", "mean") == "sum":
            term = per_image.sum()
        else:
            term = per_image.sum() / counted.sum().clamp_min(1)
        return LossTerms(ce + self.alpha * term, ce, term)

    def distances(self, features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """(N,), `L_cam` of each image; for several labels an image, the mean over them, weighted by their targets."""
        weight = weight.detach()
        if not self.is_multi_label:
            return cam_distance(features, weight, targets.clamp_min(0) if targets.dim() == 1 else targets)
        image_idx, class_idx = targets.nonzero(as_tuple=True)
        share = targets[image_idx, class_idx] / targets.sum(1)[image_idx]
        found = cam_distance(features[image_idx], weight, class_idx) * share
        return found.new_zeros(len(targets)).index_add(0, image_idx, found)

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels, or none: the base loss judges each class by itself."""
        return isinstance(self.base, (nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss))

    def _checked(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The targets as the base loss takes them."""
        count, num_classes = logits.shape
        if self.is_multi_label:
            if num_classes == 1 and targets.shape == (count,):
                targets = targets[:, None]
            if targets.shape != logits.shape:
                raise CamlossError(
                    f"the targets are {tuple(targets.shape)}; with {type(self.base).__name__} expected one label in "
                    f"{{0, 1}} a class, {tuple(logits.shape)}"
                )
            return targets.float()
        if num_classes == 1:
            raise CamlossError(
                "the network has one logit, for which cross-entropy is always 0; "
                "take base=nn.BCEWithLogitsLoss(), or a head of two classes"
            )
        if targets.shape == (count,) and not targets.is_floating_point():
            return targets.long()
        if targets.shape == logits.shape and targets.is_floating_point():
            return targets.float()
        raise CamlossError(
            f"the targets are {tuple(targets.shape)} of {targets.dtype}; expected ({count},) class indices or "
            f"{tuple(logits.shape)} probabilities; for several labels an image, take base=nn.BCEWithLogitsLoss()"
        )

    def _counted(self, targets: Tensor) -> Tensor:
        """(N,) bool: which images count in `L_cam`."""
        if self.is_multi_label:
            return targets.sum(1) > 0
        if targets.dim() == 2:
            return torch.ones(len(targets), dtype=torch.bool, device=targets.device)
        return targets != getattr(self.base, "ignore_index", -100)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CAAMDistillation(CAMLoss):
    """CAAM-CAM distillation: the CAM of a trained teacher says where the student's features should react.

    `L = L_ce + alpha * mean |norm(CAAM_student) - norm(CAM_teacher)|`, the teacher's CAM being that of the true label
    (Wang et al., ICCV 2021). Where the teacher's maps have another size, its CAM is upsampled or
    downsampled bilinearly to that of the student's. The teacher learns nothing.

    Args:
        alpha: as in `CAMLoss`.
        base: as in `CAMLoss`; targets are class indices or probabilities.
        teacher: any network that `explain` takes; set to eval mode.
    """

    def __init__(self, alpha: float, teacher: nn.Module, base: nn.Module | None = None) -> None:
        super().__init__(alpha, base)
        if self.is_multi_label:
            raise CamlossError("distillation takes one label an image; leave out the base or take cross-entropy")
        if not isinstance(getattr(getattr(teacher, "head", None), "weight", None), Tensor):
            raise CamlossError(f"the teacher, {type(teacher).__name__}, has no linear head; take camloss.wrap(teacher)")
        self._teacher: tuple[Any] = (teacher.eval(),)  # no submodule: the optimizer and `train()` leave it alone

    def forward(  # type: ignore[override]
        self, logits: Tensor, features: Tensor, _weight: Tensor, targets: Tensor, images: Tensor
    ) -> LossTerms:
        """As in `CAMLoss`; the images (N, channels, H0, W0) are shown to the teacher, see `Objective`."""
        targets = self._checked(logits, targets)
        (teacher,) = self._teacher
        with torch.no_grad():
            _, of_teacher = teacher(images)
            class_weight = _class_weight(teacher.head.weight, targets.clamp_min(0)).to(full_precision(of_teacher))
            class_map = weighted_maps(of_teacher, class_weight.unsqueeze(2))  # (N, 1, h, w)
            if class_map.shape[-2:] != features.shape[-2:]:
                class_map = F.interpolate(class_map, features.shape[-2:], mode="bilinear", align_corners=False)
            class_map = min_max_normalize(class_map).squeeze(1)
        agnostic_map = min_max_normalize(caam(features.detach() if self.alpha == 0 else features))
        return self._terms(logits, targets, (agnostic_map - class_map).abs().mean((-2, -1)))


@dataclass(frozen=True)
class Loss:
    """What one variant of a pair learns from."""

    title: str
    learnt: str
    """What the variant is trained with, in words: "Trained with ..."."""
    make: Callable[[float], CAMLoss]
    """From the alpha of an epoch to the criterion in it."""


LOSSES: dict[str, Loss] = {  # by variant, in the order in which they are trained, published and shown
    "ce": Loss("Cross-entropy", "plain cross-entropy: the baseline", lambda _: CAMLoss(0.0)),
    "cam": Loss(
        "CAM-loss",
        "cross-entropy plus CAM-loss: the class activation map of the true class and the map of everything that the "
        "network reacts to are pulled towards each other",
        CAMLoss,
    ),
}
