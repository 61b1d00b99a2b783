import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from camloss import CamlossError
from camloss.metrics import (
    area_above_half,
    average_precision,
    calibration_error,
    correlation,
    deletion_insertion,
    effective_number,
    effective_rank,
    entropy,
    evaluate,
    peak_inside,
    pointing_game,
    share_of_top,
    sharpened,
    stroke_energy,
    top_precision,
)
from camloss.models import MapClassifier


def half_inked() -> Tensor:
    """(1, 1, 4, 4): ink in the left half."""
    image = torch.zeros(1, 1, 4, 4)
    image[..., :2] = 1
    return image


@pytest.mark.parametrize(
    ("heat", "share"),
    [([[1.0, 0.0], [1.0, 0.0]], 0.875), ([[1.0, 1.0], [1.0, 1.0]], 0.5), ([[0.0, 1.0], [0.0, 1.0]], 0.125)],
)
def test_stroke_energy_by_hand(heat: list[list[float]], share: float) -> None:
    # upsampled bilinearly from two columns to four, a step from 1 to 0 becomes 1, 3/4, 1/4, 0
    assert stroke_energy(torch.tensor([heat]), half_inked()).item() == pytest.approx(share)


def test_stroke_energy_of_a_map_without_energy_is_zero() -> None:
    assert stroke_energy(torch.zeros(1, 2, 2), half_inked()).item() == 0


def test_the_antialiased_edge_of_a_stroke_is_ink() -> None:
    image = half_inked() * 0.2
    assert stroke_energy(torch.ones(1, 4, 4), image).item() == 0.5


def test_pointing_game_by_hand() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[0, 3, 1] = maps[1, 0, 2] = 1
    assert pointing_game(maps, half_inked().repeat(2, 1, 1, 1)).tolist() == [1.0, 0.0]


def test_peak_inside_by_hand() -> None:
    maps = torch.zeros(2, 2, 2)
    maps[0, 0, 1] = maps[1, 1, 0] = 1
    upper_right = torch.zeros(2, 4, 4, dtype=torch.bool)
    upper_right[:, :2, 2:] = True
    assert peak_inside(maps, upper_right).tolist() == [1.0, 0.0]


def test_area_above_half_by_hand() -> None:
    maps = torch.tensor([[[0.0, 0.5], [0.49, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])
    assert area_above_half(maps).tolist() == [0.5, 0.25]


def test_sharpened_maps_have_the_area_asked_for_and_the_old_order() -> None:
    maps = torch.tensor([[[0.0, 0.25], [0.81, 1.0]], [[0.0, 0.36], [0.64, 0.9]]])
    half = sharpened(maps, 0.5)  # the fourth of eight cells, 0.64, becomes one half
    assert half[1, 1, 0].item() == pytest.approx(0.5, abs=1e-4)
    assert area_above_half(half).mean().item() == 0.5
    assert torch.equal(half.flatten().argsort(stable=True), maps.flatten().argsort(stable=True))
    assert area_above_half(sharpened(maps, 0.25)).mean().item() == 0.25
    assert area_above_half(sharpened(maps, 0.75)).mean().item() == 0.75


def test_maps_that_no_power_sharpens_stay_finite() -> None:
    for maps in (torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.tensor([[[0.0, 0.0], [0.3, 1.0]]])):
        for area in (0.1, 0.9):
            assert ((sharpened(maps, area) >= 0) & (sharpened(maps, area) <= 1)).all()


def test_calibration_error_by_hand() -> None:
    # two bins: confidences .7 and .9 both in the upper one, mean .8, half of them right
    probs = torch.tensor([[0.7, 0.3], [0.1, 0.9]])
    assert calibration_error(probs, torch.tensor([0, 0]), bins=2) == pytest.approx(0.3)
    assert calibration_error(torch.tensor([[1.0, 0.0]]), torch.tensor([0])) == 0.0


class LeftMinusRight(nn.Module):
    """Logit of class 0 is the mean of the left half, of class 1 that of the right, times ten."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return 10 * torch.stack([x[..., :2].mean((1, 2, 3)), x[..., 2:].mean((1, 2, 3))], 1), x


def test_deletion_and_insertion_tell_a_map_that_points_at_the_evidence() -> None:
    right_place = half_inked()[:, 0]
    images, class_idx = half_inked(), torch.tensor([0])
    deletion, insertion = deletion_insertion(LeftMinusRight(), images, right_place, class_idx, steps=4)
    wrong_deletion, wrong_insertion = deletion_insertion(LeftMinusRight(), images, 1 - right_place, class_idx, steps=4)
    assert deletion.item() < wrong_deletion.item()
    assert insertion.item() > wrong_insertion.item()
    # probabilities after erasing 0, 1/4, .. of the pixels: s(10), s(5), s(0), s(0), s(0), s the logistic function
    s10, s5 = torch.sigmoid(torch.tensor([10.0, 5.0])).tolist()
    assert deletion.item() == pytest.approx((s10 / 2 + s5 + 0.5 + 0.5 + 0.5 / 2) / 4, abs=1e-5)


@pytest.mark.parametrize("channels", [2, 3])
def test_deletion_and_insertion_of_pixels_with_several_channels(channels: int) -> None:
    images, heat, class_idx = half_inked(), half_inked()[:, 0], torch.tensor([0])
    in_grey = deletion_insertion(LeftMinusRight(), images, heat, class_idx, steps=4)
    in_colour = deletion_insertion(LeftMinusRight(), images.repeat(1, channels, 1, 1), heat, class_idx, steps=4)
    torch.testing.assert_close(in_colour, in_grey)


def test_deletion_and_insertion_in_half_precision_are_float32() -> None:
    class_idx = torch.tensor([0])
    exact = deletion_insertion(LeftMinusRight(), half_inked(), half_inked()[:, 0], class_idx, steps=4)
    half = deletion_insertion(LeftMinusRight(), half_inked().half(), half_inked()[:, 0].half(), class_idx, steps=4)
    assert {area.dtype for area in half} == {torch.float32}
    torch.testing.assert_close(half, exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("measure", [stroke_energy, pointing_game])
def test_what_is_about_ink_refuses_colour(measure: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(CamlossError, match="images of one channel, white on black; these have 3"):
        measure(torch.ones(1, 4, 4), half_inked().repeat(1, 3, 1, 1))


def test_evaluate_leaves_out_what_is_about_ink_for_colour() -> None:
    model = MapClassifier(nn.Conv2d(3, 4, 3), 4, 10)
    measured = evaluate(model, [(torch.rand(10, 3, 28, 28), torch.arange(10))])
    assert set(measured) == {"accuracy", "loss", "calibration_error", "cam_distance"}


def test_evaluate_averages_over_batches_of_any_size() -> None:
    model = MapClassifier(nn.Conv2d(1, 4, 3), 4, 10)
    images, labels = torch.rand(10, 1, 28, 28), torch.arange(10)
    whole = evaluate(model, [(images, labels)])
    parts = evaluate(model, [(images[:3], labels[:3]), (images[3:], labels[3:])])
    assert whole == pytest.approx(parts, abs=1e-6)
    predicted = model(images)[0].argmax(1)
    assert whole["accuracy"] == pytest.approx((predicted == labels).double().mean().item())
    assert set(whole) == {"accuracy", "loss", "calibration_error", "cam_distance", "stroke_energy", "pointing_game"}


def test_evaluate_takes_labels_of_any_integer_type() -> None:
    model = MapClassifier(nn.Conv2d(1, 4, 3), 4, 10)
    images, labels = torch.rand(10, 1, 28, 28), torch.arange(10)
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert evaluate(model, [(images, labels.to(dtype))]) == evaluate(model, [(images, labels)])


def test_evaluate_measures_in_eval_mode() -> None:
    model = MapClassifier(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout(0.9)), 4, 10).train()
    images, labels = torch.rand(10, 1, 28, 28), torch.arange(10)
    assert evaluate(model, [(images, labels)]) == evaluate(model, [(images, labels)])
    assert all(module.training for module in model.modules())


FALLING = torch.arange(20.0, 0.0, -1).view(1, 4, 5)  # the first cell has the highest value


def first_cells(count: int) -> Tensor:
    """(1, 4, 5) bool: the first ones, row by row."""
    return (torch.arange(20) < count).view(1, 4, 5)


def test_top_precision_by_hand() -> None:
    for region, share, precision in ((4, 0.1, 1.0), (1, 0.1, 0.5), (3, 0.3, 0.5), (5, 1.0, 0.25), (0, 0.5, 0.0)):
        assert top_precision(FALLING, first_cells(region), share).item() == precision
    assert top_precision(FALLING, first_cells(1), 0.001).item() == 1  # one pixel at least
    assert top_precision(FALLING, ~first_cells(18), 0.5).item() == 0


def test_no_power_changes_the_precision_of_the_top() -> None:
    maps, region = torch.rand(6, 28, 28), torch.rand(6, 28, 28) < 0.3
    for share in (0.01, 0.03, 0.1):
        found = top_precision(maps, region, share)
        assert torch.equal(top_precision(maps**3, region, share), found)
    assert torch.equal(average_precision(maps**3, region), average_precision(maps, region))


def test_average_precision_by_hand() -> None:
    assert average_precision(FALLING, first_cells(7)).item() == 1
    second_and_fourth = first_cells(2) ^ first_cells(1) | first_cells(4) ^ first_cells(3)
    assert average_precision(FALLING, second_and_fourth).item() == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert average_precision(FALLING, first_cells(0)).item() == 0


def test_the_share_of_the_top_in_one_of_two_regions_by_hand() -> None:
    # the top four cells are 0 to 3
    share = 0.2
    assert share_of_top(FALLING, first_cells(3), ~first_cells(3), share).item() == 0.75
    assert share_of_top(FALLING, first_cells(1), ~first_cells(10), share).item() == 1
    assert share_of_top(FALLING, ~first_cells(10), first_cells(1), share).item() == 0
    assert share_of_top(FALLING, first_cells(3), first_cells(3), share).item() == 0.5  # all pixels are of both
    assert share_of_top(FALLING, first_cells(3), first_cells(2), share).item() == 1


def test_entropy_by_hand() -> None:
    maps = torch.zeros(4, 4, 4)
    maps[0, 0, 0] = 0.3
    maps[1] = 0.7
    maps[2, 0] = 1.0  # four of sixteen cells
    assert entropy(maps).tolist() == pytest.approx([0, 1, math.log(4) / math.log(16), 0])


def test_the_effective_number_by_hand() -> None:
    amounts = torch.tensor([[2.0, 2.0, 2.0, 0.0], [5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0]])
    uneven = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_number(amounts).tolist() == pytest.approx([3, 1, 1, uneven])


def test_the_effective_rank_by_hand() -> None:
    pattern = torch.rand(7)
    one = torch.outer(torch.tensor([1.0, -2.0, 0.5]), pattern)  # every row is the same pattern
    assert effective_rank(one).item() == pytest.approx(1)
    assert effective_rank(torch.eye(5)[:3]).item() == pytest.approx(3)
    assert effective_rank(torch.eye(5)[:, :3]).item() == pytest.approx(3)
    energies = effective_number(torch.tensor([9.0, 1.0])).item()
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(energies)
    assert effective_rank(torch.zeros(2, 3, 3)).tolist() == [1, 1]


def test_correlation_by_hand() -> None:
    maps = torch.rand(3, 4, 5)
    assert correlation(maps, 2 * maps + 1).tolist() == pytest.approx([1, 1, 1])
    assert correlation(maps, -maps).tolist() == pytest.approx([-1, -1, -1])
    assert correlation(maps, torch.ones(3, 4, 5)).tolist() == [0, 0, 0]
    one, other = torch.tensor([[[1.0, 0.0, 0.0, 2.0]]]), torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    assert correlation(one, other).item() == pytest.approx(0.25 / math.sqrt(2.75 * 0.75))
