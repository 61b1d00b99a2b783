import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn
from trained import same, weights

from camloss.data.dataset import Dataset
from camloss.models import map_classifier
from camloss.study import price_methods
from camloss.study.price_methods import PRICE_METHODS, on_cluttered_canvas
from camloss.training.config import TrainConfig
from camloss.training.loop import initial_model, train


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6) -> Tensor:
    """With ink up to two pixels from the edge."""
    ink = torch.rand(count, 1, 24, 24, generator=generator(1)).clamp_min(0.1)
    return nn.functional.pad(ink, (2, 2, 2, 2))


def test_in_the_middle_a_digit_is_whole_and_all_its_fragments_are_there() -> None:
    found = on_cluttered_canvas(images(), generator(), 40, 8)
    assert found.shape == (6, 1, 40, 40)
    assert torch.equal(found[:, :, 8:32, 8:32], images()[:, :, 2:26, 2:26])
    outside = found.clone()
    outside[:, :, 8:32, 8:32] = 0
    assert ((outside > 0).sum((1, 2, 3)) >= 64).all()
    assert torch.equal(found, on_cluttered_canvas(images(), generator(), 40, 8))
    assert not torch.equal(found, on_cluttered_canvas(images(), generator(2), 40, 8))


def test_anywhere_a_digit_is_whole_and_has_none_to_all_fragments() -> None:
    digit = images(1).expand(40, -1, -1, -1)
    found = on_cluttered_canvas(digit, generator(), 48, 8, anywhere=True)
    windows = found.unfold(2, 24, 1).unfold(3, 24, 1)  # (N, 1, 25, 25, 24, 24)
    hit = (windows == digit[0, 0, 2:26, 2:26]).all(-1).all(-1)[:, 0]
    assert (hit.flatten(1).sum(1) >= 1).all()
    assert len({tuple(where.nonzero()[0].tolist()) for where in hit}) > 20
    ink = (found > 0).sum((1, 2, 3))
    assert ink.min() == 24 * 24  # no fragment
    assert ink.max() > 24 * 24 + 5 * 64 - 64


def test_the_canvas_term_leaves_running_statistics_alone() -> None:
    model = map_classifier(initial_model(TrainConfig())).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    term = price_methods.canvas_term(1.0)(model, images(12), torch.arange(12) % 10, generator())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    term.backward()
    assert model.head.weight.grad is not None


CELLS = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (price_methods.top_cells(2), 3.5),
        (price_methods.generalized_mean(3.0), (134 / 4) ** (1 / 3)),
        (price_methods.log_sum_exp(1.0), math.log((1 + math.e + math.e**2 + math.e**5) / 4)),
        (price_methods.fixed_sum(2), 4.0),
    ],
)
def test_pooling_by_hand(pool: price_methods.Pool, expected: float) -> None:
    assert pool(CELLS).item() == pytest.approx(expected, rel=1e-5)


def test_sums_above_the_background_do_not_change_with_the_canvas() -> None:
    pool = price_methods.fixed_sum(4)
    on_canvas = nn.functional.pad(CELLS + 0.5, (3, 3, 3, 3), value=0.5)
    torch.testing.assert_close(pool(on_canvas), pool(CELLS))


def test_a_floor_punishes_small_maps_only() -> None:
    weight, targets = torch.ones(10, 1), torch.zeros(1, dtype=torch.long)  # CAM and CAAM are the same
    wide, small = torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10)
    wide[..., :5], small[..., 0, 0] = 1.0, 1.0
    assert price_methods.area_floor(wide, weight, targets).item() == 0
    assert price_methods.area_floor(small, weight, targets).item() == pytest.approx(0.09)


def test_alpha_falls_at_the_end() -> None:
    method = PRICE_METHODS["alpha-10-to-1"].training(TrainConfig())
    assert [method["alpha_at"](epoch) for epoch in range(10)] == [0, *7 * [10], 1, 1]


def test_baselines_are_the_pair(config: TrainConfig, data: Dataset) -> None:
    config = dataclasses.replace(config, alpha=10.0)
    for name, variant in (("alpha-10", "cam"), ("ce", "ce")):
        trained = train(config, name, data, log=lambda _: None, **PRICE_METHODS[name].training(config))
        assert same(trained.model.state_dict(), weights(config, variant, data))


@pytest.mark.parametrize("name", PRICE_METHODS)
def test_every_method_trains(name: str, config: TrainConfig, data: Dataset) -> None:
    few = dataclasses.replace(config, dry_run=True, epochs=2)
    trained = train(few, name, data, log=lambda _: None, **PRICE_METHODS[name].training(few))
    assert all(math.isfinite(epoch["ce"]) for epoch in trained.history)
