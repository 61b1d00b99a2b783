"""What is measured of one network on photographs, by the protocol in `docs/protocol-photos.md`.

Everything is computed in float32 on the device of the network. What needs boxes or backgrounds is left out where the
data have none.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.diagnose import diagnose
from camloss.localisation import box_accuracy, box_masks
from camloss.maps import cam, min_max_normalize
from camloss.metrics import correct, evaluate, peak_inside, top_precision
from camloss.study.photos import Scenes, corrupted, possible
from camloss.wrap import Network

BATCH = 250
TOP = 0.1  # of a map's positions
IOU = 0.5
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
PRIOR_AREA = 0.25  # of the picture: where the centred Gaussian is above half of its maximum
EDGE_WINDOW = 9  # pixels over which edge energy is averaged
IN_DEPTH = 250  # pictures that `diagnose` is given


@torch.no_grad()
def survey(model: Network, scenes: Scenes, threshold: float | None = None) -> dict[str, float]:
    """Measure a network.

    Args:
        model: in eval mode, for pixels in [0, 1]; on the device of the scenes.
        scenes: pictures of one split.
        threshold: at which a map becomes a box; None to take the best, which is for validation alone.

    Returns:
        accuracy, loss, calibration_error, cam_distance; accuracy under each possible corruption by its name; what
        `diagnose` says, as diagnosis_NAME; and where there are boxes, what `locate` says of the CAMs, and
        top_precision_10_other_image, with the map of another picture of the same class.
    """
    numbers = evaluate(model, scenes.split.batches(BATCH))
    for name in possible(scenes):
        numbers[name] = accuracy_under(model, scenes, name)
    if len(scenes.counted):
        maps = true_cams(model, scenes.split.images[scenes.counted], scenes.split.labels[scenes.counted])
        numbers |= locate(maps, scenes, threshold)
        other = maps[next_of_class(scenes.split.labels[scenes.counted])]
        numbers["top_precision_10_other_image"] = locate(other, scenes, 0.5)["top_precision_10"]
    some = torch.randperm(len(scenes.split), generator=torch.Generator().manual_seed(0))[:IN_DEPTH]
    diagnosis = diagnose(model, scenes.split.batches(BATCH, some))
    return numbers | {f"diagnosis_{name}": value for name, value in vars(diagnosis).items()}


@torch.no_grad()
def accuracy_under(model: Network, scenes: Scenes, name: str) -> float:
    """Accuracy on the pictures of one corruption."""
    pictures, made_from = corrupted(name, scenes)
    right = []
    for batch in torch.arange(len(pictures), device=pictures.device).split(BATCH):
        logits = model(pictures[batch].float() / 255)[0]
        right.append(correct(logits.float(), scenes.split.labels[made_from[batch]]))
    return torch.cat(right).double().mean().item()


@torch.no_grad()
def true_cams(model: Network, images: Tensor, labels: Tensor) -> Tensor:
    """The CAM of each picture's label, upsampled to the picture: (N, H, W)."""
    maps = []
    for batch in torch.arange(len(images), device=images.device).split(BATCH):
        features = model(images[batch].float() / 255)[1].float()
        maps.append(cam(features, model.head.weight.detach().flatten(1).float(), labels[batch]))
    return upsampled(torch.cat(maps), (images.shape[-2], images.shape[-1]))


def locate(maps: Tensor, scenes: Scenes, threshold: float | None) -> dict[str, float]:
    """How well maps lie on the boxes of the counted pictures, whoever made them.

    Args:
        maps: (M, H, W), one for each counted picture, at its size.
        threshold: as for `survey`.

    Returns:
        box_share, what the boxes cover; top_precision_10; pointing_game; box_accuracy, and the box_threshold it is at.
    """
    assert scenes.boxes is not None
    boxes = scenes.boxes[scenes.counted]
    masks = box_masks(boxes, (maps.shape[-2], maps.shape[-1]))
    tried = THRESHOLDS if threshold is None else (threshold,)
    accuracy = box_accuracy(maps, boxes, tried, IOU)
    best = int(accuracy.argmax())
    return {
        "box_share": masks.double().mean().item(),
        "top_precision_10": top_precision(maps, masks, TOP).double().mean().item(),
        "pointing_game": peak_inside(maps, masks).double().mean().item(),
        "box_accuracy": accuracy[best].item(),
        "box_threshold": tried[best],
    }


def next_of_class(labels: Tensor) -> Tensor:
    """For each picture the index of another one of its class; of a class with one picture, that one."""
    other = torch.empty_like(labels)
    for label in labels.unique():
        own = (labels == label).nonzero().squeeze(1)
        other[own] = own.roll(-1)
    return other


def upsampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(min_max_normalize(maps)[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def centred_gaussian(images: Tensor) -> Tensor:
    """A Gaussian in the middle of each picture, above half of its maximum on `PRIOR_AREA` of it: (N, H, W)."""
    height, width = images.shape[-2:]
    y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in (height, width))
    squared_radius = PRIOR_AREA * height * width / math.pi
    return torch.exp2(-(y[:, None] ** 2 + x**2) / squared_radius).expand(len(images), -1, -1)


def edge_energy(images: Tensor) -> Tensor:
    """How strongly grey changes from pixel to pixel, averaged over a window: (N, 3, H, W) uint8 -> (N, H, W)."""
    grey = images.float().mean(1, keepdim=True)
    across = F.pad(grey.diff(dim=-1), (0, 1)).square()
    down = F.pad(grey.diff(dim=-2), (0, 0, 0, 1)).square()
    return F.avg_pool2d((across + down).sqrt(), EDGE_WINDOW, 1, EDGE_WINDOW // 2)[:, 0]


MAPS_WITHOUT_A_NETWORK = {"centred-gaussian": centred_gaussian, "edge-energy": edge_energy}
