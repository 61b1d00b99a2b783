import pytest
import torch
from torch import Tensor

from camloss import CamlossError, caam, cam, contrastive_cam, min_max_normalize

# Two channels on a 2x2 map, three classes: every expected number below is worked out by hand.
FEATURES = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]], [[3.0, 0.0], [1.0, 1.0]]]])
WEIGHT = torch.tensor([[1.0, -1.0], [0.5, 2.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("class_idx", "expected"),
    [(0, [[-2.0, 2.0], [-1.0, 3.0]]), (1, [[6.5, 1.0], [2.0, 4.0]]), (2, [[0.0, 0.0], [0.0, 0.0]])],
)
def test_cam_by_hand(class_idx: int, expected: list[list[float]]) -> None:
    assert torch.equal(cam(FEATURES, WEIGHT, torch.tensor([class_idx])), torch.tensor([expected]))


def test_caam_by_hand() -> None:
    assert torch.equal(caam(FEATURES), torch.tensor([[[4.0, 2.0], [1.0, 5.0]]]))


def test_contrastive_cam_by_hand() -> None:
    expected = torch.tensor([[[-8.5, 1.0], [-3.0, -1.0]]])
    assert torch.equal(contrastive_cam(FEATURES, WEIGHT, torch.tensor([0]), torch.tensor([1])), expected)


def test_contrastive_cam_is_the_difference_of_two_cams_and_antisymmetric() -> None:
    features, weight = torch.randn(5, 7, 3, 4), torch.randn(10, 7)
    a, b = torch.randint(10, (5,)), torch.randint(10, (5,))
    contrast = contrastive_cam(features, weight, a, b)
    torch.testing.assert_close(contrast, cam(features, weight, a) - cam(features, weight, b))
    torch.testing.assert_close(contrast, -contrastive_cam(features, weight, b, a))


def test_each_image_gets_the_map_of_its_own_class() -> None:
    features, weight, class_idx = torch.randn(4, 6, 5, 5), torch.randn(10, 6), torch.tensor([3, 0, 9, 3])
    together = cam(features, weight, class_idx)
    for image in range(4):
        alone = cam(features[image : image + 1], weight, class_idx[image : image + 1])
        torch.testing.assert_close(together[image], alone[0])


def test_logits_are_the_mean_of_the_cam_plus_the_bias() -> None:
    features, head = torch.randn(3, 8, 6, 5), torch.nn.Linear(8, 10)
    logits = head(features.mean((-2, -1)))
    for class_idx in range(10):
        maps = cam(features, head.weight, torch.full((3,), class_idx))
        torch.testing.assert_close(maps.mean((-2, -1)) + head.bias[class_idx], logits[:, class_idx])


# 2,048 channels of 40, half of them weighted 1 and half -1, but for one of 0.5: the parts of the sum are past float16's
# range, and the sum of all the features too
MANY = torch.full((1, 2048, 1, 2), 40.0)
SIGNS = torch.tensor([1.0, -1.0]).repeat(1024)[None]
SIGNS[0, 0] = 0.5


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sums_over_channels_are_float32_or_better(dtype: torch.dtype, autocast: bool) -> None:
    features, class_idx, other_idx = MANY.to(dtype), torch.tensor([0]), torch.tensor([1])
    weight = torch.cat([SIGNS, torch.full((1, 2048), 1.0)])
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for weight_type in (dtype, torch.float32):
            of_class = cam(features, weight.to(weight_type), class_idx)
            contrast = contrastive_cam(features, weight.to(weight_type), class_idx, other_idx)
            assert torch.equal(of_class, torch.full((1, 1, 2), -20.0, dtype=exact))
            assert torch.equal(contrast, torch.full((1, 1, 2), -20.0 - 81_920, dtype=exact))
        assert torch.equal(caam(features), torch.full((1, 1, 2), 81_920.0, dtype=exact))


def test_the_layout_in_memory_changes_nothing() -> None:
    features, weight, class_idx = torch.randn(3, 8, 5, 4), torch.randn(10, 8), torch.tensor([1, 2, 3])
    channels_last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(cam(channels_last, weight, class_idx), cam(features, weight, class_idx))
    torch.testing.assert_close(caam(channels_last), caam(features))


def test_min_max_by_hand() -> None:
    maps = torch.tensor([[[-1.0, 3.0], [1.0, 0.0]], [[5.0, 5.0], [7.0, 6.0]]])
    expected = torch.tensor([[[0.0, 1.0], [0.5, 0.25]], [[0.0, 0.0], [1.0, 0.5]]])
    assert torch.equal(min_max_normalize(maps), expected)


def test_min_max_takes_each_map_whole_not_each_column() -> None:
    columns_apart = torch.tensor([[[0.0, 10.0], [1.0, 20.0]]])
    assert torch.equal(min_max_normalize(columns_apart), torch.tensor([[[0.0, 0.5], [0.05, 1.0]]]))


def test_min_max_leaves_its_input_alone() -> None:
    maps = torch.rand(2, 3, 3)
    before = maps.clone()
    min_max_normalize(maps)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e-30, 1e30])
def test_a_constant_map_gives_zeros_and_a_finite_gradient(dtype: torch.dtype, value: float) -> None:
    maps = torch.full((2, 4, 4), value, dtype=dtype, requires_grad=True)
    normalized = min_max_normalize(maps)
    assert torch.equal(normalized, torch.zeros(2, 4, 4, dtype=dtype))
    normalized.square().sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_noise_counts_as_constant(dtype: torch.dtype) -> None:
    maps = torch.full((1, 3, 3), 1000.0, dtype=dtype)
    maps[0, 1, 1] = torch.nextafter(maps[0, 1, 1].float(), torch.tensor(2000.0)).to(dtype)
    assert float(min_max_normalize(maps).max()) <= 1000.0 * torch.finfo(dtype).eps


def test_the_gradient_is_right_through_minimum_and_maximum_too() -> None:
    maps = torch.tensor([[[0.3, -1.2], [2.0, 0.9]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(min_max_normalize, (maps,))


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 1)])
def test_a_1x1_map_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(CamlossError, match="1x1 map"):
        min_max_normalize(torch.zeros(shape))


@pytest.mark.parametrize("normalizable", [torch.zeros(1, 1, 2), torch.zeros(3, 2, 1, 5)])
def test_thin_maps_are_maps(normalizable: Tensor) -> None:
    assert min_max_normalize(normalizable).shape == normalizable.shape
