"""What the study measures, on a network whose answers are known and on one that has learnt nothing."""

import pytest
import torch
from tiny_mnist import digits
from torch import Tensor, nn

from camloss import build_model
from camloss.data.peaks import pixels, true_cams
from camloss.digits.corruptions import on_canvas
from camloss.metrics import stroke_energy
from camloss.models import MapClassifier
from camloss.split import Split
from camloss.study import measures
from camloss.study.measures import FeaturesOn, accuracy_under, choices, forward_in, of_two_digits


@pytest.fixture(scope="module")
def split() -> Split:
    images, labels = digits(40, seed=1)
    return Split(images.unsqueeze(1), labels)


class Brightness(nn.Module):
    """Features at half the resolution: the ink of four pixels, and `background` everywhere."""

    def __init__(self, background: float) -> None:
        super().__init__()
        self.background = background

    def forward(self, x: Tensor) -> Tensor:
        ink = nn.functional.avg_pool2d(x * 0.3081 + 0.1307, 2)
        return torch.cat([ink, torch.full_like(ink, self.background)], 1)


def by_brightness(background: float) -> MapClassifier:
    """Two classes: 1 where the mean ink of a picture is more than that of a clean image, on average, at 0.16."""
    model = MapClassifier(Brightness(background), 2, 2)
    model.head.weight.data = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    model.head.bias.data = torch.tensor([0.0, -0.16 - background])
    return model.eval()


def test_sums_undo_what_a_larger_canvas_does_to_an_average(split: Split) -> None:
    model = by_brightness(background=0.0)
    bright = Split(split.images, (split.images.float().mean((1, 2, 3)) / 255 > 0.16).long())
    numbers = accuracy_under(model, forward_in(model, "float32"), bright, bright, "canvas_56")
    assert bright.labels.unique().tolist() == [0, 1]
    assert numbers["canvas_56"] == pytest.approx(1 - bright.labels.float().mean().item())  # a quarter of the mean ink
    assert numbers["canvas_56_sum"] == numbers["canvas_56_background_subtracted"] == 1


def test_only_clearing_undoes_what_canvas_cells_say(split: Split) -> None:
    model = by_brightness(background=0.5)
    bright = Split(split.images, (split.images.float().mean((1, 2, 3)) / 255 > 0.16).long())
    numbers = accuracy_under(model, forward_in(model, "float32"), bright, bright, "canvas_56")
    assert numbers["canvas_56_sum"] == pytest.approx(bright.labels.float().mean().item())  # all of class 1
    assert numbers["canvas_56_background_subtracted"] == 1


def test_the_top_positions_of_a_map_of_the_strokes_lie_in_the_box(split: Split) -> None:
    model = by_brightness(0.0)
    ones = Split(split.images, torch.ones(40, dtype=torch.int64))
    numbers = accuracy_under(model, forward_in(model, "float32"), ones, ones, "canvas_28")
    assert numbers["canvas_28_top_precision"] > 0.95
    assert "shift_top_precision" not in accuracy_under(model, forward_in(model, "float32"), ones, ones, "shift")


def test_clean_images_have_one_accuracy_with_all_three_poolings(split: Split) -> None:
    torch.manual_seed(0)
    model = build_model("light_cnn").eval()
    numbers = accuracy_under(model, forward_in(model, "float32"), split, split, "canvas_28")
    assert numbers["canvas_28"] == numbers["canvas_28_sum"] == numbers["canvas_28_background_subtracted"]
    right = model(split.images.float() / 255)[0].argmax(1) == split.labels
    assert numbers["canvas_28"] == pytest.approx(right.float().mean().item())


class Colours(nn.Module):
    """One channel a class: the ink of the pictures that belong to it, known by their grey."""

    def forward(self, x: Tensor) -> Tensor:
        grey = x * 0.3081 + 0.1307
        return torch.cat([(grey - k / 10).abs() < 0.04 for k in range(1, 6)], 1).float()


def test_maps_that_know_the_two_digits_tell_them_apart(split: Split) -> None:
    labels = torch.arange(40) % 5
    inked = (split.images > 0) * ((labels + 1) * 25.5)[:, None, None, None]
    coloured = Split(inked.round().to(torch.uint8), labels)
    model = MapClassifier(Colours(), 5, 5).eval()
    model.head.weight.data = torch.eye(5)
    model.head.bias.data.zero_()
    numbers = of_two_digits(model, forward_in(model, "float32"), coloured, coloured, "two_digits")
    assert numbers["two_digits_pointing_game"] == numbers["two_digits_top2_accuracy"] == 1
    assert numbers["two_digits_separation"] > 0.8
    model.head.weight.data = torch.ones(5, 5)  # a map that knows no class
    blind = of_two_digits(model, forward_in(model, "float32"), coloured, coloured, "two_digits")
    assert blind["two_digits_separation"] == pytest.approx(0.5, abs=0.15)
    assert blind["two_digits_contrastive_separation"] == pytest.approx(0.5, abs=0.25)


def test_everything_is_measured_and_without_a_baseline_all_but_its_maps(split: Split) -> None:
    torch.manual_seed(0)
    model, baseline = build_model("light_cnn").eval(), build_model("light_cnn").eval()
    numbers = measures.survey(model, split, baseline, "float32")
    alone = measures.survey(model, split, None, "float32")
    assert numbers.keys() - alone.keys() == {
        "stroke_energy_of_baseline",
        "deletion_of_baseline",
        "insertion_of_baseline",
    }
    assert all(alone[name] == numbers[name] for name in alone)
    itself = measures.localisation(model, split, model)["stroke_energy_of_baseline"]
    plain = stroke_energy(true_cams(model, split), pixels(split)).mean().item()
    assert itself == pytest.approx(plain, abs=5e-3)
    chosen = choices(model, split, "float32")
    assert {"accuracy", "top_precision_10", "canvas_56", "clutter_8", "two_digits_separation"} <= chosen.keys()


def test_maximum_pooling_has_no_sum(split: Split) -> None:
    torch.manual_seed(0)
    model = build_model("light_cnn").eval()
    model.pooling = "max"
    numbers = accuracy_under(model, forward_in(model, "float32"), split, split, "canvas_40")
    assert "canvas_40_sum" not in numbers
    right = model(on_canvas(split.images, 40).float() / 255)[0].argmax(1) == split.labels
    assert numbers["canvas_40"] == pytest.approx(right.float().mean().item())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_backbone_on_a_device_answers_as_it_did_in_the_precision_that_is_asked_for(
    split: Split, precision: str
) -> None:
    torch.manual_seed(0)
    model = build_model("light_cnn").eval()
    images = split.images.float() / 255
    before, exact = forward_in(model, precision)(images), forward_in(model, "float32")(images)
    model.features = FeaturesOn(torch.device("cpu"), model.features)
    after = forward_in(model, precision)(images)
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert torch.equal(after[1], exact[1]) == (precision == "float32")
