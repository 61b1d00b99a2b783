"""Networks whose shortcut is known, and one that has none."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from camloss import CamlossError, Diagnosis, build_model, cam, diagnose, min_max_normalize
from camloss.maps import caam
from camloss.terms import cam_distance

Features = Callable[[Tensor], Tensor]


class Made(nn.Module):
    """A network whose features are any function of the image."""

    def __init__(self, features: Features, weight: Tensor) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(weight.shape[1], len(weight), bias=False)
        self.head.weight.data = weight

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.head(features.mean((-2, -1))), features


IMAGES, LABELS = torch.rand(20, 1, 12, 12, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
BATCHES = [(IMAGES[:12], LABELS[:12]), (IMAGES[12:], LABELS[12:])]
FOR_AND_AGAINST = torch.tensor([[1.0, 2.0, 1.0], [-1.0, -2.0, -1.0]])


def diagnosed(features: Features, weight: Tensor = FOR_AND_AGAINST) -> Diagnosis:
    return diagnose(Made(features, weight), BATCHES)


def rank_one(x: Tensor) -> Tensor:
    return x * torch.tensor([1.0, 2.0, 0.5])[:, None, None]


def one_spot(x: Tensor) -> Tensor:
    """Three channels alight in the same cell; beside it, dimly, three patterns."""
    features = torch.cat([x, x.flip(2), x.flip(3)], 1) * 0.01
    features[:, :, 5, 7] += 3
    return features


def one_channel(x: Tensor) -> Tensor:
    return torch.cat([x, x.flip(2) * 1e-3, x.flip(3) * 1e-3], 1)


def test_rank_one_is_named() -> None:
    always_for = torch.tensor([[1.0, 2.0, 1.0], [0.5, 1.0, 2.0]])
    found = diagnosed(rank_one, always_for)
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert found.spatial_rank == pytest.approx(1)
    assert found.class_correlation == pytest.approx(1)
    assert found.active_channels == pytest.approx(math.exp(-sum(s * math.log(s) for s in (2 / 7, 4 / 7, 1 / 7))))
    assert found.shortcuts == ("the spatial rank of the features is nearly one (1.0)",)
    assert found.verdict == (
        "CAM and CAAM agree (0.000 apart), but the spatial rank of the features is nearly one (1.0)."
    )


def test_small_maps_are_named() -> None:
    found = diagnosed(one_spot, torch.tensor([[1.0, 2.0, 1.0], [2.0, 1.0, 1.0]]))
    assert found.area == found.caam_area == pytest.approx(1 / 144)
    assert "they are small (0.7% of the cells)" in found.verdict
    assert found.distance_to_another < 0.01
    assert found.verdict.startswith("CAM and CAAM agree (0.00")


def test_one_channel_is_named() -> None:
    found = diagnosed(one_channel, torch.ones(2, 3))
    assert 1 < found.active_channels < 1.1
    assert "few channels do everything (1.0)" in found.verdict


def test_maps_that_differ_are_no_shortcut() -> None:
    found = diagnosed(lambda x: torch.cat([x, x.flip(2), x.flip(3)], 1), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))
    assert found.distance > 0.05
    assert found.verdict == f"CAM and CAAM differ ({found.distance:.3f} apart)."


def test_classes_that_share_a_map_are_named() -> None:
    found = diagnosed(lambda x: torch.cat([x, x.flip(2), x.flip(3)], 1))
    assert found.class_correlation == pytest.approx(-1)
    assert found.verdict.endswith("The classes share one map: the others' CAMs are its negative (-1.00).")


def test_agreement_without_a_shortcut() -> None:
    fair = Diagnosis(0.01, 0.2, 0.2, 0.2, 0.9, 3.0, 5.0, 10.0, -0.2)
    assert fair.verdict == "CAM and CAAM agree (0.010 apart), and none of the known shortcuts explains it."
    any_image = Diagnosis(0.01, 0.015, 0.2, 0.2, 0.9, 3.0, 5.0, 10.0, -0.2)
    assert any_image.shortcuts == ("another image's CAM would do as well (0.015)",)


def test_the_numbers_are_those_of_the_maps() -> None:
    torch.manual_seed(0)
    model = build_model("light_cnn").eval()
    images, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    found = diagnose(model, [(images, labels)])
    with torch.no_grad():
        features = model(images)[1]
    assert found.distance == pytest.approx(cam_distance(features, model.head.weight, labels).mean().item(), abs=1e-6)
    class_map, agnostic_map = (
        min_max_normalize(maps) for maps in (cam(features, model.head.weight, labels), caam(features))
    )
    apart = torch.stack([(agnostic_map[i] - class_map[i - 1]).abs().mean() for i in range(8)])
    assert found.distance_to_another == pytest.approx(apart.mean().item(), abs=1e-6)
    assert 1 <= found.channel_rank <= 7  # eight images less their mean


def test_the_rank_of_the_channels_leaves_out_what_all_images_have() -> None:
    found = diagnosed(lambda x: torch.cat([torch.ones_like(x), x, torch.zeros_like(x)], 1))
    assert found.channel_rank == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_diagnosed_is_refused() -> None:
    model = Made(rank_one, FOR_AND_AGAINST)
    with pytest.raises(CamlossError, match="at least one batch"):
        diagnose(model, [])
    with pytest.raises(CamlossError, match="two or more images"):
        diagnose(model, [(IMAGES[:1], LABELS[:1])])
    with pytest.raises(CamlossError, match="a batch has picture, label; expected one of images, "):
        diagnose(model, [{"picture": IMAGES, "label": LABELS}])
    with pytest.raises(CamlossError, match="the features hold NaN"):
        diagnose(model, [(IMAGES * torch.nan, LABELS)])
    with pytest.raises(CamlossError, match="1x1 map"):
        diagnose(Made(lambda x: x.mean((-2, -1), keepdim=True).expand(-1, 3, -1, -1), FOR_AND_AGAINST), BATCHES)


def test_a_last_batch_of_one_is_skipped_and_dicts_are_taken() -> None:
    model = Made(rank_one, FOR_AND_AGAINST)
    expected = diagnose(model, BATCHES)
    assert diagnose(model, [*BATCHES, (IMAGES[:1], LABELS[:1])]) == expected
    assert diagnose(model, [{"pixel_values": images, "labels": labels} for images, labels in BATCHES]) == expected


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_integer_type(dtype: torch.dtype) -> None:
    model = Made(rank_one, FOR_AND_AGAINST)
    assert diagnose(model, [(images, labels.to(dtype)) for images, labels in BATCHES]) == diagnose(model, BATCHES)
