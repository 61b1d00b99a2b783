"""Why a network's CAM and CAAM agree: because both say where the evidence is, or by a shortcut.

A small distance is what CAM-loss asks for, and it can be had in ways that tell nothing about the image: by maps that
are small wherever they lie, by one channel that does everything, or by features of rank one, of which every weighted
sum is the same map. `diagnose` measures them all on any network with a linear head.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from camloss.errors import CamlossError
from camloss.maps import caam, cam, full_precision, min_max_normalize, weighted_maps
from camloss.metrics import area_above_half, correlation, effective_number, effective_rank, entropy
from camloss.terms import cam_distance
from camloss.wrap import Network, in_eval_mode, unwrapped

AGREE = 0.05  # CAM and CAAM that are nearer than this agree
SMALL = 0.05  # of the cells: a map that covers less is small
LOW_RANK = 2.0  # a spatial rank below it is nearly one
FEW_CHANNELS = 2.0
ANY_IMAGE = 2.0  # times the distance: if another image's CAM is as near, agreement is not about the image
NEGATIVES = -0.8  # classes whose CAMs correlate less are one map, once for and else against


@dataclass(frozen=True)
class Diagnosis:
    """Means over all images; maps are those of the labels."""

    distance: float
    """Of CAM and CAAM, in [0, 1]: the mean absolute difference of the normalised maps."""
    distance_to_another: float
    """Of the CAAM and the CAM of another image, for that image's label."""
    area: float
    """The share of the cells where the CAM is at least half of its maximum."""
    caam_area: float
    entropy: float
    """Of the normalised CAM, in [0, 1]: 1 for a flat map."""
    spatial_rank: float
    """The effective rank of the channels of one image, at least 1; see `camloss.metrics.effective_rank`."""
    channel_rank: float
    """The effective rank of the averaged features of all images, each channel less its mean."""
    active_channels: float
    """How many channels share an image's activation, as the effective number of them."""
    class_correlation: float
    """Of the CAMs of the other classes with that of the label, in [-1, 1]."""

    @property
    def shortcuts(self) -> tuple[str, ...]:
        """The shortcuts that the numbers point to, in words."""
        spoken = {
            f"they are small ({self.area:.1%} of the cells)": self.area < SMALL,
            f"the spatial rank of the features is nearly one ({self.spatial_rank:.1f})": self.spatial_rank < LOW_RANK,
            f"few channels do everything ({self.active_channels:.1f})": self.active_channels < FEW_CHANNELS,
            f"another image's CAM would do as well ({self.distance_to_another:.3f})": (
                self.distance_to_another < ANY_IMAGE * self.distance
            ),
        }
        return tuple(words for words, is_so in spoken.items() if is_so)

    @property
    def verdict(self) -> str:
        """One sentence, or two."""
        if self.distance > AGREE:
            verdict = f"CAM and CAAM differ ({self.distance:.3f} apart)."
        elif self.shortcuts:
            verdict = f"CAM and CAAM agree ({self.distance:.3f} apart), but {'; '.join(self.shortcuts)}."
        else:
            verdict = f"CAM and CAAM agree ({self.distance:.3f} apart), and none of the known shortcuts explains it."
        if self.class_correlation < NEGATIVES:
            verdict += f" The classes share one map: the others' CAMs are its negative ({self.class_correlation:.2f})."
        return verdict


Batch = tuple[Tensor, Tensor] | Sequence[Tensor] | Mapping[str, Tensor]
IMAGES, LABELS = ("images", "image", "pixel_values", "x"), ("labels", "label", "targets", "target", "y")


def diagnose(model: Network, batches: Iterable[Batch]) -> Diagnosis:
    """Say why a network's CAM and CAAM agree, or that they do not.

    The model answers in eval mode and is left as it was.

    Args:
        model: returns (logits, features) and has a linear `head`, such as what `wrap` makes.
        batches: (images, labels), or dicts of them as of Hugging Face data sets, as the model takes them; a few hundred
            images are enough. A batch of one image is skipped: it has no other to compare with.

    Raises:
        CamlossError: there is no batch of at least two images, a dict names neither, the maps are 1x1, or the features
            have NaN.
    """
    rows, pooled = [], []
    head = unwrapped(model).head
    with in_eval_mode(model):
        for batch in batches:
            images, labels = images_and_labels(batch)
            if len(images) < 2:
                continue
            features = model(images)[1]
            if not bool(features.isfinite().all()):
                raise CamlossError("the features hold NaN or infinity; look at the images and the network's weights")
            rows.append(_of_batch(features, head.weight.detach().flatten(1), labels))
            pooled.append(features.to(full_precision(features)).mean((-2, -1)))
    if not rows:
        raise CamlossError("nothing to diagnose: expected at least one batch of two or more images with their labels")
    means = {name: float(torch.cat([row[name] for row in rows]).double().mean()) for name in rows[0]}
    every = torch.cat(pooled)
    return Diagnosis(**means, channel_rank=float(effective_rank(every - every.mean(0))))


def images_and_labels(batch: Batch) -> tuple[Tensor, Tensor]:
    """The two parts of a batch: of a dict by the names that are usual for them, else the first two."""
    if not isinstance(batch, Mapping):
        images, labels = batch[0], batch[1]
        return images, labels
    found = [next((batch[name] for name in names if name in batch), None) for names in (IMAGES, LABELS)]
    if found[0] is None or found[1] is None:
        raise CamlossError(
            f"a batch has {', '.join(map(str, batch))}; expected one of {', '.join(IMAGES)} and one of "
            f"{', '.join(LABELS)}"
        )
    return found[0], found[1]


def _of_batch(features: Tensor, weight: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """One value an image, by the names of `Diagnosis`."""
    class_map, agnostic_map = min_max_normalize(cam(features, weight, labels)), min_max_normalize(caam(features))
    wide = features.to(full_precision(features))
    return {
        "distance": cam_distance(features, weight, labels),
        "distance_to_another": (agnostic_map - class_map.roll(1, 0)).abs().mean((-2, -1)),
        "area": area_above_half(class_map),
        "caam_area": area_above_half(agnostic_map),
        "entropy": entropy(class_map),
        "spatial_rank": effective_rank(wide.flatten(2)),
        "active_channels": effective_number(wide.abs().mean((-2, -1))),
        "class_correlation": _with_other_classes(wide, weight, labels),
    }


def _with_other_classes(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    count, num_classes = len(features), len(weight)
    every = weighted_maps(features, weight.to(features.dtype).T.expand(count, -1, -1))  # (N, K, H, W)
    own = every[torch.arange(count, device=labels.device), labels.long()]
    others = correlation(every, own[:, None]).sum(1) - correlation(own, own)
    return others / max(num_classes - 1, 1)
