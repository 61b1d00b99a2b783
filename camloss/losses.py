"""CAM-loss (Wang et al., ICCV 2021, arXiv 2109.01359), distillation, and all that a model can be trained with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss import terms
from camloss.errors import CamlossError
from camloss.maps import caam, full_precision, min_max_normalize, weighted_maps
from camloss.terms import Term, cam_distance, class_weights

LARGEST_CANVAS = 9.0  # in areas of an image's own: a side three times as long
BLOCK = 4  # cells along a side of a virtual fragment
ALPHAS = {"0_3": 0.3, "1": 1.0, "3": 3.0, "30": 30.0}  # by the end of their variants' names


class LossTerms(NamedTuple):
    """The parts of one loss: `total = ce + alpha * cam`; scalars, or (N,) where the base loss is."""

    total: Tensor
    ce: Tensor
    """The base loss: cross-entropy, unless `CAMLoss` was given another."""
    cam: Tensor


class CAMLoss(nn.Module):
    """Cross-entropy plus alpha times the distance of the CAM of the true label from the CAAM.

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

    takes_images = False  # whether `forward` is given the images too
    takes_blank = False  # whether the batch that the network is shown ends with a blank image, which has no target

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
        ce = self._base(logits, targets)
        counted = self._counted(targets)
        per_image = per_image.masked_fill(~counted, 0)
        if ce.dim() == 1:
            term = per_image
        elif getattr(self.base, "reduction", "mean") == "sum":
            term = per_image.sum()
        else:
            term = per_image.sum() / counted.sum().clamp_min(1)
        return LossTerms(ce + self.alpha * term, ce, term)

    def _base(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The base loss, a scalar or (N,); the targets are `_checked`."""
        loss: Tensor = self.base(logits.float(), targets)
        return loss.flatten(1).mean(1) if loss.dim() > 1 else loss  # of one value a class: as reduction="mean" does

    def distances(self, features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """(N,), `L_cam` of each image; for several labels an image, the mean over them, weighted by their targets."""
        weight = weight.detach()
        if not self.is_multi_label:
            return cam_distance(features, weight, self._mapped(targets))
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

    def _mapped(self, targets: Tensor) -> Tensor:
        """The targets of which there is a CAM; an image that does not count gets that of class 0."""
        return targets.masked_fill(~self._counted(targets), 0) if targets.dim() == 1 else targets

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class TermLoss(CAMLoss):
    """`L = L_ce + alpha * term`; the head's weight is not detached for the term, which may do so itself.

    Args:
        alpha: as in `CAMLoss`.
        term: what takes the place of `L_cam`; targets are class indices.
    """

    def __init__(self, alpha: float, term: Term) -> None:
        super().__init__(alpha)
        self.term = term

    def forward(self, logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        ce = F.cross_entropy(logits.float(), targets)
        if self.alpha == 0:
            features, weight = features.detach(), weight.detach()
        term = self.term(features, weight, targets)
        return LossTerms(ce + self.alpha * term, ce, term)


def with_blank(images: Tensor) -> Tensor:
    """(N, channels, H0, W0) -> (N + 1, ...): a blank image, all zeros, at the end; see `CAMLoss.takes_blank`."""
    return torch.cat([images, torch.zeros_like(images[:1])])


class VirtualCanvasLoss(CAMLoss):
    """CAM-loss, and cross-entropy of what would be pooled if each image lay on a larger canvas, among fragments.

    A larger canvas adds cells to the features: blank ones, and those of fragments. Both are known without a larger
    image: from the features of a blank image, and from those of the batch's other images. `L = (L_ce + L_virtual) / 2 +
    alpha * L_cam`, where L_virtual is the base loss of the features averaged over the image's own cells and the added
    ones. An image's place in the batch decides how large its canvas is, 1 to 9 times its own area, and which fragments
    lie on it.

    Needs a network that pools by averaging. It is called with the features and logits of the batch and, at their end,
    of one blank image, see `with_blank`; `Objective` and `camloss train` see to that.

    Args:
        alpha, base: as in `CAMLoss`.
        blocks: how many fragments there are at most.

    Raises:
        CamlossError: on call, the maps have fewer than `BLOCK` cells a side.
    """

    takes_blank = True

    def __init__(self, alpha: float, base: nn.Module | None = None, blocks: int = 8) -> None:
        super().__init__(alpha, base)
        self.blocks = blocks

    def forward(self, logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        """As in `CAMLoss`, with logits (N + 1, K) and features (N + 1, C, H, W): the last image is the blank one."""
        targets = self._checked(logits[:-1], targets)
        terms = super().forward(logits[:-1], features[:-1], weight, targets)
        # the head is linear: logits are those of the image's own cells, moved by what the added cells change
        exact = full_precision(features)
        own = features[:-1].to(exact).mean((-2, -1))
        with torch.autocast(features.device.type, enabled=False):  # it would round the product to half precision
            change = (self.pooled(features.to(exact)) - own) @ weight.flatten(1).to(exact).T
        virtual = self._base(logits[:-1].float() + change, targets)
        ce = (terms.ce + virtual) / 2
        return LossTerms(ce + self.alpha * terms.cam, ce, terms.cam)

    def pooled(self, features: Tensor) -> Tensor:
        """(N + 1, C, H, W) -> (N, C), averaged over virtual canvases."""
        height, width = features.shape[-2:]
        if min(height, width) < BLOCK:
            raise CamlossError(
                f"the maps have {height}x{width} cells; virtual canvases need {BLOCK} a side: enlarge the images"
            )
        own, blank = features[:-1], features[-1, :, height // 2, width // 2]  # where a blank image sees no border
        count, cells, device = len(own), own[0, 0].numel(), features.device
        place = torch.arange(count, device=device)
        ratio = LARGEST_CANVAS ** (place * 0.618034 % 1)  # areas of 1 to 9, evenly in their logarithm
        added = cells * (ratio - 1)  # (N,)
        total = own.sum((-2, -1)) + added[:, None] * blank
        if self.blocks:
            excess = F.avg_pool2d(own, BLOCK, stride=1).flatten(2) - blank[:, None]  # (N, C, positions)
            positions = excess.shape[-1]
            step = torch.arange(1, self.blocks + 1, device=device)
            source = (place[:, None] + step * 5) % count  # (N, blocks)
            cell = (place[:, None] * 31 + step * 47) % positions
            table = excess.permute(0, 2, 1).reshape(count * positions, -1)
            blocks = table.index_select(0, (source * positions + cell).flatten()).view(count, self.blocks, -1)
            fits = step <= added[:, None] / BLOCK**2
            total = total + BLOCK**2 * (blocks * fits[..., None]).sum(1)
        return total / (cells * ratio)[:, None]


class Distillation(CAMLoss):
    """What both kinds of distillation share: a teacher that sees the same images and learns nothing.

    Args:
        alpha: as in `CAMLoss`.
        base: as in `CAMLoss`; targets are class indices or probabilities.
        teacher: any network that `explain` takes; set to eval mode.
    """

    takes_images = True

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
        compared = (logits.detach(), features.detach()) if self.alpha == 0 else (logits, features)
        return self._terms(logits, targets, self._per_image(*compared, targets, images))

    def _per_image(self, logits: Tensor, features: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """(N,), how far the student is from the teacher."""
        raise NotImplementedError


class CAAMDistillation(Distillation):
    """CAAM-CAM distillation: the CAM of a trained teacher says where the student's features should react.

    `L = L_ce + alpha * mean |norm(CAAM_student) - norm(CAM_teacher)|`, the teacher's CAM being that of the true label
    (Wang et al., ICCV 2021). Where the teacher's maps have another size, its CAM is upsampled or
    downsampled bilinearly to that of the student's. The teacher learns nothing.

    Args:
        alpha: as in `CAMLoss`.
        base: as in `CAMLoss`; targets are class indices or probabilities.
        teacher: any network that `explain` takes; set to eval mode.
    """

    def _per_image(self, _logits: Tensor, features: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        (teacher,) = self._teacher
        with torch.no_grad():
            _, of_teacher = teacher(images)
            class_weight = class_weights(teacher.head.weight, self._mapped(targets)).to(full_precision(of_teacher))
            class_map = weighted_maps(of_teacher, class_weight.unsqueeze(2))  # (N, 1, h, w)
            if class_map.shape[-2:] != features.shape[-2:]:
                class_map = F.interpolate(class_map, features.shape[-2:], mode="bilinear", align_corners=False)
            class_map = min_max_normalize(class_map).squeeze(1)
        return (min_max_normalize(caam(features)) - class_map).abs().mean((-2, -1))


class LogitDistillation(Distillation):
    """Logit distillation: the student's softened probabilities are to be the teacher's.

    `L = L_ce + alpha * T^2 * KL(softmax(teacher / T), softmax(student / T))` (Hinton et al., arXiv 1503.02531).

    Args:
        alpha, teacher, base: as in `CAAMDistillation`.
        temperature: T, above 0.
    """

    def __init__(
        self, alpha: float, teacher: nn.Module, base: nn.Module | None = None, temperature: float = 4.0
    ) -> None:
        super().__init__(alpha, teacher, base)
        self.temperature = temperature

    def _per_image(self, logits: Tensor, _features: Tensor, _targets: Tensor, images: Tensor) -> Tensor:
        (teacher,) = self._teacher
        with torch.no_grad():
            wanted = (teacher(images)[0].float() / self.temperature).log_softmax(1)
        found = (logits.float() / self.temperature).log_softmax(1)
        return F.kl_div(found, wanted, reduction="none", log_target=True).sum(1) * self.temperature**2


@dataclass(frozen=True)
class Loss:
    """What one variant of a pair learns from."""

    title: str
    learnt: str
    """What the variant is trained with, in words: "Trained with ..."."""
    make: Callable[..., CAMLoss]
    """From the alpha of an epoch, and a teacher where there is one, to the criterion in it."""
    has_teacher: bool = False
    alpha: float | None = None
    """Of its own, in place of the run's, from the alpha start epoch on."""

    def criterion(self, alpha: float, teacher: nn.Module | None = None) -> CAMLoss:
        if alpha > 0 and self.alpha is not None:
            alpha = self.alpha
        return self.make(alpha, teacher) if self.has_teacher else self.make(alpha)


def _of_term(term: Term) -> Callable[[float], CAMLoss]:
    return lambda alpha: TermLoss(alpha, term)


def _at_alpha(alpha: float) -> Loss:
    return Loss(f"CAM-loss at alpha {alpha:g}", f"cross-entropy plus CAM-loss at alpha {alpha:g}", CAMLoss, alpha=alpha)


BASELINE, PAIR = "ce", ("ce", "cam")  # the variants of a pair unless others are asked for
LOSSES: dict[str, Loss] = {  # by variant, in the order in which they are trained, published and shown
    "ce": Loss("Cross-entropy", "plain cross-entropy: the baseline", lambda _: CAMLoss(0.0)),
    "cam": Loss(
        "CAM-loss",
        "cross-entropy plus CAM-loss: the class activation map of the true class and the map of everything that the "
        "network reacts to are pulled towards each other",
        CAMLoss,
    ),
    "virtual-canvas": Loss(
        "CAM-loss with virtual canvases",
        "CAM-loss, and cross-entropy of what would be pooled if each image lay on a larger canvas, among fragments of "
        "others",
        VirtualCanvasLoss,
    ),
    **{f"alpha-{name}": _at_alpha(alpha) for name, alpha in ALPHAS.items()},
    "caam-distillation": Loss(
        "CAAM-CAM distillation",
        "cross-entropy plus CAAM-CAM distillation: the map of everything that the network reacts to is pulled towards "
        "a teacher's class activation map of the true class",
        CAAMDistillation,
        has_teacher=True,
    ),
    "logit-distillation": Loss(
        "Logit distillation",
        "cross-entropy plus logit distillation: the softened probabilities are pulled towards a teacher's",
        LogitDistillation,
        has_teacher=True,
    ),
    "label-smoothing": Loss(
        "Label smoothing",
        "cross-entropy with a tenth of each label spread over all classes, a control",
        lambda _: CAMLoss(0.0, nn.CrossEntropyLoss(label_smoothing=0.1)),
    ),
    "small-caam": Loss(
        "A small CAAM",
        "cross-entropy plus the mean of the normalised map of everything that the network reacts to, a control",
        _of_term(terms.area_of(terms.any_caam)),
    ),
    "small-cam": Loss(
        "A small CAM",
        "cross-entropy plus the mean of the normalised class activation map of the true class, a control",
        _of_term(terms.area_of(terms.true_cam)),
    ),
    "wrong-class": Loss(
        "CAM of a wrong class", "CAM-loss with the map of a wrong class, a control", _of_term(terms.wrong_class)
    ),
    "stop-grad-cam": Loss(
        "Stop-gradient on the CAM",
        "CAM-loss whose gradient flows through the class-agnostic map alone, an ablation",
        _of_term(terms.stop_grad_cam),
    ),
    "stop-grad-caam": Loss(
        "Stop-gradient on the CAAM",
        "CAM-loss whose gradient flows through the class activation map alone, an ablation",
        _of_term(terms.stop_grad_caam),
    ),
    "random-weight": Loss(
        "Random weights in place of the class's",
        "CAM-loss with fixed random weights in place of the class's, a control",
        _of_term(terms.random_weight),
    ),
    "other-image": Loss(
        "CAM of another image", "CAM-loss with the map of another image, a control", _of_term(terms.other_image)
    ),
    "small-features": Loss(
        "Small features", "cross-entropy plus the mean absolute feature, a control", _of_term(terms.feature_size)
    ),
    "no-head-detach": Loss(
        "No detach of the head", "CAM-loss that trains the head too, an ablation", _of_term(terms.no_head_detach)
    ),
    "correlation": Loss(
        "Correlation as the distance",
        "CAM-loss with 1 - the correlation of the maps as their distance, an ablation",
        _of_term(terms.correlation),
    ),
    "softmax": Loss(
        "Maps normalised by softmax",
        "CAM-loss with maps that are normalised by softmax, an ablation",
        _of_term(terms.softmax),
    ),
}
