"""Numbers that say how well a model answers and how well its maps point.

Every function takes tensors and returns one value per image; `evaluate` averages them over a data set.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.errors import CamlossError
from camloss.maps import cam, full_precision, min_max_normalize
from camloss.terms import cam_distance
from camloss.wrap import Network, in_eval_mode

INK = 0.1  # a pixel with at least this much ink is part of a stroke, its antialiased edge included


def stroke_energy(maps: Tensor, images: Tensor) -> Tensor:
    """The share of a map's sum that lies on the strokes, the map upsampled bilinearly to the image.

    The "energy-based pointing game" of Score-CAM (Wang et al., CVPR-W 2020) with the ink in place of a box.

    Args:
        maps: (N, H, W), in [0, 1].
        images: (N, 1, H0, W0), pixels in [0, 1], white ink on black.

    Returns:
        (N,), in [0, 1], float32 (float64 where the maps are); 0 for a map without energy.

    Raises:
        CamlossError: the images have more than one channel, so that nothing says what is ink.
    """
    energy, ink = _over_image(maps, images), _ink(images)
    return (energy * ink).sum((-2, -1)) / energy.sum((-2, -1)).clamp_min(torch.finfo(energy.dtype).tiny)


def pointing_game(maps: Tensor, images: Tensor) -> Tensor:
    """Whether the map's highest point lies on a stroke (Zhang et al., ECCV 2016).

    Args:
        maps: (N, H, W).
        images: (N, 1, H0, W0), pixels in [0, 1], white ink on black.

    Returns:
        (N,), 1.0 for a hit and 0.0 for a miss.

    Raises:
        CamlossError: the images have more than one channel, so that nothing says what is ink.
    """
    return peak_inside(maps, _ink(images))


def peak_inside(maps: Tensor, region: Tensor) -> Tensor:
    """Whether the highest point of each map, upsampled bilinearly to the image, lies in a region.

    Args:
        maps: (N, H, W).
        region: (N, H0, W0) bool, such as where there is ink.

    Returns:
        (N,), 1.0 for a hit and 0.0 for a miss.
    """
    peak = _over_image(maps, region).flatten(1).argmax(1, keepdim=True)
    return region.flatten(1).gather(1, peak).squeeze(1).float()


def top_precision(maps: Tensor, region: Tensor, share: float) -> Tensor:
    """The precision of a map's top positions: the share of them in a region. Only their order counts, not their values.

    No power or other monotonic change of a map changes it: a map gains nothing by being small.

    Args:
        maps: (N, H, W), upsampled bilinearly to the image.
        region: (N, H0, W0) bool, such as where there is ink.
        share: of all pixels that count as top positions, in (0, 1]; at least one pixel does.

    Returns:
        (N,), in [0, 1]; the share of the image that the region covers is what chance gives.
    """
    return region.flatten(1).gather(1, _top_positions(maps, region, share)).float().mean(1)


def share_of_top(maps: Tensor, region: Tensor, other: Tensor, share: float) -> Tensor:
    """Of a map's top positions that lie in one of two regions, the share in the first.

    Args:
        maps: (N, H, W), upsampled bilinearly to the image.
        region: (N, H0, W0) bool, such as the box of the digit that a map is asked for.
        other: (N, H0, W0) bool, such as the box of another digit; pixels of both count for neither.
        share: as in `top_precision`.

    Returns:
        (N,), in [0, 1]; 0.5 where none lies in either.
    """
    top = _top_positions(maps, region, share)
    hits, misses = (where.flatten(1).gather(1, top).float().sum(1) for where in (region & ~other, other & ~region))
    return torch.where(hits + misses > 0, hits / (hits + misses).clamp_min(1), 0.5)


def average_precision(maps: Tensor, region: Tensor) -> Tensor:
    """The area under the curve of precision over recall, over the pixels from the highest value to the lowest.

    Args:
        maps: (N, H, W), upsampled bilinearly to the image.
        region: (N, H0, W0) bool.

    Returns:
        (N,), in [0, 1]: the mean precision at the rank of each pixel of the region; 0 where there is none.
    """
    order = torch.sort(_over_image(maps, region).flatten(1), dim=1, descending=True, stable=True).indices
    found = region.flatten(1).gather(1, order).float()
    precision = found.cumsum(1) / torch.arange(1, found.shape[1] + 1, device=maps.device)
    return (precision * found).sum(1) / found.sum(1).clamp_min(1)


def entropy(maps: Tensor) -> Tensor:
    """How evenly a map is spread, over the entropy of a flat one.

    Args:
        maps: (N, H, W), at least 0.

    Returns:
        (N,), in [0, 1]: 0 for a single cell, or none at all, 1 for a flat map.
    """
    return effective_number(maps.flatten(1)).log() / math.log(maps[0].numel())


def effective_number(amounts: Tensor) -> Tensor:
    """How many equal amounts would be shared out as these are: the exponential of the entropy of their shares.

    Args:
        amounts: (..., M), at least 0.

    Returns:
        (...), in [1, M], float32 (float64 where the amounts are); 1 where all amounts are 0.
    """
    amounts = amounts.to(full_precision(amounts))
    shares: Tensor = amounts / amounts.sum(-1, keepdim=True).clamp_min(torch.finfo(amounts.dtype).tiny)
    number: Tensor = torch.special.entr(shares).sum(-1).exp()
    return number


def effective_rank(matrices: Tensor) -> Tensor:
    """The effective rank of rows: the effective number of the energies along the principal directions.

    After Roy and Vetterli (EUSIPCO 2007), with squared singular values for theirs, so that what is faint counts little.

    Args:
        matrices: (..., R, C).

    Returns:
        (...), in [1, min(R, C)], float64.
    """
    wide = matrices.double()
    wide = wide if wide.shape[-2] <= wide.shape[-1] else wide.mT
    return effective_number(torch.linalg.eigvalsh(wide @ wide.mT).clamp_min(0))


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation of the cells of two maps: (..., H, W) and (..., H, W) -> (...), 0 if either is constant."""
    one, other = (maps.flatten(-2).to(full_precision(maps)) for maps in (one, other))
    one, other = (F.normalize(cells - cells.mean(-1, keepdim=True), dim=-1) for cells in (one, other))
    return (one * other).sum(-1)


def area_above_half(maps: Tensor) -> Tensor:
    """Area above half maximum: the share of a map's cells that are at least half of the way from lowest to highest.

    Args:
        maps: (N, H, W), in [0, 1], min-max normalised.

    Returns:
        (N,), in [0, 1].
    """
    return (maps >= 0.5).float().mean((-2, -1))


def sharpened(maps: Tensor, area: float) -> Tensor:
    """The maps to the one power at which their area above half maximum is `area`; nothing else is changed.

    The order of the cells stays, within and between maps: what a sharpened map gains, it gains by its size alone. That
    makes it the control of whatever is measured of a map that is small.

    Args:
        maps: (N, H, W), in [0, 1].
        area: the mean of `area_above_half` to reach, above 0 and at most 1; where too many cells are 0 or 1, as near
            as a power comes.

    Returns:
        (N, H, W), in [0, 1].
    """
    cells = maps.flatten().double().sort(descending=True).values
    threshold = cells[max(round(area * len(cells)), 1) - 1].clamp(torch.finfo(maps.dtype).tiny, 1 - 1e-9)
    power = math.log(0.5) / math.log(threshold)
    return maps ** (power * (1 - 1e-6))  # so that rounding does not leave the last cell just below one half


def correct(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether each prediction is right: (N, K) and (N,) -> (N,) bool; its mean is the accuracy."""
    return logits.argmax(1) == targets


def calibration_error(probs: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Expected calibration error: |confidence - accuracy| averaged over bins of confidence (Guo et al., ICML 2017).

    Args:
        probs: (N, K).
        targets: (N,) int64.
        bins: how many equal bins [0, 1] is cut into.

    Returns:
        In [0, 1]; 0 where the model is right as often as it says.
    """
    confidence, predicted = probs.max(1)
    gap = confidence - (predicted == targets).float()
    bin_idx = (confidence * bins).long().clamp(max=bins - 1)
    return float(gap.new_zeros(bins).index_add(0, bin_idx, gap).abs().sum() / len(gap))


@torch.no_grad()
def deletion_insertion(
    model: Callable[[Tensor], tuple[Tensor, Tensor]], images: Tensor, maps: Tensor, class_idx: Tensor, steps: int = 14
) -> tuple[Tensor, Tensor]:
    """How the probability of a class falls as a map's top positions are erased, and rises as they alone are shown.

    Areas under the two curves (Petsiuk et al., BMVC 2018), for one model: a map that points at what its answer hangs on
    has a low deletion and a high insertion. Compare maps of one model, not models: one may lose its answer sooner
    whatever is erased.

    Args:
        model: returns (logits, features).
        images: (N, any number of channels, H0, W0), as the model takes them; an erased pixel is 0 in all channels,
            which is black, or the mean colour where the images are standardised.
        maps: (N, H, W), the heat that orders the pixels.
        class_idx: (N,) int64.
        steps: how many equal portions the pixels are taken in.

    Returns:
        deletion (N,) and insertion (N,), each in [0, 1], float32 (float64 where the logits are).
    """
    height, width = images.shape[-2:]
    rank = _over_image(maps, images).flatten(1).argsort(1, descending=True).argsort(1)  # 0 is the top position
    rank = rank.view(-1, 1, height, width)

    def probability(kept: Tensor) -> Tensor:
        logits = model(images * kept)[0]
        return logits.softmax(1, dtype=full_precision(logits)).gather(1, class_idx[:, None]).squeeze(1)

    deletion = insertion = images.new_zeros(len(images), dtype=full_precision(images))
    for step in range(steps + 1):
        is_top = rank < height * width * step / steps
        share = 0.5 / steps if step in (0, steps) else 1 / steps  # the trapezoid rule
        deletion = deletion + share * probability(~is_top)
        insertion = insertion + share * probability(is_top)
    return deletion, insertion


def evaluate(model: Network, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Measure a model in eval mode on batches of (images, labels); its CAMs are those of the true labels.

    The model is left as it was.

    Returns:
        accuracy, loss (cross-entropy), calibration_error, cam_distance and, where the images have one channel,
        stroke_energy and pointing_game: all means.
    """
    logits, targets, per_image = [], [], []
    with in_eval_mode(model):
        for images, labels in batches:
            batch_logits, features = model(images)
            weight = model.head.weight
            maps = min_max_normalize(cam(features, weight, labels))
            measured = {"cam_distance": cam_distance(features, weight, labels)}
            if images.shape[1] == 1:
                measured |= {"stroke_energy": stroke_energy(maps, images), "pointing_game": pointing_game(maps, images)}
            per_image.append(torch.stack(list(measured.values()), dim=1).cpu())
            logits.append(batch_logits.float().cpu())
            targets.append(labels.long().cpu())
    all_logits, all_targets = torch.cat(logits), torch.cat(targets)
    return {
        "accuracy": correct(all_logits, all_targets).double().mean().item(),
        "loss": F.cross_entropy(all_logits, all_targets).item(),
        "calibration_error": calibration_error(all_logits.softmax(1), all_targets),
        **dict(zip(measured, torch.cat(per_image).mean(0).tolist(), strict=True)),
    }


def _top_positions(maps: Tensor, images: Tensor, share: float) -> Tensor:
    """(N, k): the top positions of the image."""
    heat = _over_image(maps, images).flatten(1)
    return heat.topk(max(1, round(share * heat.shape[1])), dim=1).indices


def _ink(images: Tensor) -> Tensor:
    """(N, 1, H0, W0) -> (N, H0, W0), where there is ink."""
    if images.shape[1] != 1:
        raise CamlossError(
            f"ink is known in images of one channel, white on black; these have {images.shape[1]}: convert them to one"
        )
    return images[:, 0] >= INK


def _over_image(maps: Tensor, images: Tensor) -> Tensor:
    """(N, H, W) -> (N, H0, W0)."""
    wide = maps[:, None].to(full_precision(maps))
    return F.interpolate(wide, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
