"""OODScore with numbers that can be worked out by hand."""

import copy
import math

import pytest
import torch

from camloss import CamlossError
from camloss.ood import DISTANCE_SHARE, SHRINKAGE, TYPICAL, OODScore


def samples() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two classes around (0, 0) and (10, 0), with a standard deviation of 2 along x and of 1 along y."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(4_000) % 2
    features = torch.randn(4_000, 2, generator=generator) * torch.tensor([2.0, 1.0])
    features[:, 0] += 10 * targets
    logits = torch.stack([10 - features[:, 0], features[:, 0]], 1)
    return logits, features, targets


@pytest.fixture(scope="module")
def ood_score() -> OODScore:
    logits, features, targets = samples()
    return OODScore.fit(logits, features, targets, torch.ones(4_000, dtype=torch.bool), threshold=0.02)


def test_distance_is_counted_in_standard_deviations_to_the_nearest_class(ood_score: OODScore) -> None:
    points = torch.tensor([[0.0, 0.0], [10.0, 0.0], [4.0, 0.0], [6.0, 0.0], [0.0, 3.0], [10.0, -3.0]])
    _, distance = ood_score._signs(torch.zeros(6, 2), points)
    torch.testing.assert_close(distance, torch.tensor([0.0, 0.0, 2.0, 2.0, 3.0, 3.0]), atol=0.15, rtol=0.05)


def test_energy_is_the_negative_log_sum_of_exponentials(ood_score: OODScore) -> None:
    energy, _ = ood_score._signs(torch.tensor([[0.0, 0.0], [3.0, -50.0]]), torch.zeros(2, 2))
    torch.testing.assert_close(energy, torch.tensor([-math.log(2), -3.0]))


def test_energy_and_distance_are_standardised(ood_score: OODScore) -> None:
    ood_score = OODScore(2, 2)
    ood_score.spread.copy_(torch.tensor([[-1.0, 2.0], [3.0, 4.0]]))
    ood_score.means.copy_(torch.tensor([[0.0, 0.0], [100.0, 0.0]]))
    score = ood_score.score(torch.tensor([[5.0, -50.0]]), torch.tensor([[0.0, 11.0]]))
    torch.testing.assert_close(score, torch.tensor([(-5 + 1) / 2 + DISTANCE_SHARE * (11 - 3) / 4]))


def test_the_threshold_flags_the_share_that_was_asked_for(ood_score: OODScore) -> None:
    logits, features, _ = samples()
    ood_scores = ood_score(logits, features[:, :, None, None].expand(-1, -1, 3, 2))
    assert float((ood_scores >= 0.5).float().mean()) == pytest.approx(0.02, abs=0.001)
    assert float(ood_scores.median()) == pytest.approx(TYPICAL, abs=1e-3)
    assert 0 <= float(ood_scores.min()) <= float(ood_scores.max()) <= 1


def test_only_the_in_distribution_images_set_the_threshold() -> None:
    logits, features, targets = samples()
    known = targets == 0
    features[1::2, 1] *= 5  # the others are further off
    ood_scores = OODScore.fit(logits, features, targets, known, threshold=0.02)(logits, features[:, :, None, None])
    assert float((ood_scores[known] >= 0.5).float().mean()) == pytest.approx(0.02, abs=0.002)
    assert float((ood_scores[~known] >= 0.5).float().mean()) > 0.03


def test_far_features_and_high_energies_are_flagged(ood_score: OODScore) -> None:
    features = torch.tensor([[10.0, 0.0], [10.0, 40.0], [10.0, 0.0]])[:, :, None, None]
    logits = torch.tensor([[0.0, 10.0], [0.0, 10.0], [-90.0, -90.0]])
    assert [round(float(value)) for value in ood_score(logits, features)] == [0, 1, 1]


def test_a_dead_channel_and_constant_features_stay_finite() -> None:
    logits, features, targets = samples()
    features = torch.cat([features, torch.zeros(4_000, 1)], 1)
    for values in (features, torch.ones(4_000, 3)):
        ood_score = OODScore.fit(logits, values, targets, torch.ones(4_000, dtype=torch.bool), threshold=0.02)
        assert bool(ood_score(logits, values[:, :, None, None]).isfinite().all())
        assert all(bool(buffer.isfinite().all()) for buffer in ood_score.buffers())
    assert 0 < SHRINKAGE < 1


def test_every_class_needs_an_image() -> None:
    logits, features, targets = samples()
    with pytest.raises(CamlossError, match="images of every class; of 2 some have none"):
        OODScore.fit(logits, features, torch.zeros_like(targets), targets == 0, threshold=0.02)


def test_autocast_and_half_precision_leave_the_score_in_float32(ood_score: OODScore) -> None:
    logits, features, _ = (values[:50] for values in samples())
    maps = features[:, :, None, None]
    expected = ood_score(logits, maps)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ood_score(logits, maps), expected)
    assert torch.equal(copy.deepcopy(ood_score).half()(logits, maps), expected)
    torch.testing.assert_close(copy.deepcopy(ood_score).double()(logits, maps).float(), expected)
