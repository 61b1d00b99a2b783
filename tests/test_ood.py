"""OODScore with numbers that can be worked out by hand."""

import copy
import math

import pytest
import torch
from torch import Tensor

from camloss import CamlossError
from camloss.ood import TYPICAL, OODScore, evidence

ALL = torch.ones(2_000, dtype=torch.bool)


def sides() -> tuple[Tensor, Tensor]:
    """One channel, two classes: images of the classes lie around 0 in the channel, others around 4."""
    inside, outside = (torch.randn(count, 4, generator=torch.Generator().manual_seed(count)) for count in (2_000, 500))
    outside[:, 0] += 4
    return inside, outside


@pytest.fixture(scope="module")
def ood_score() -> OODScore:
    return OODScore.fit(*sides(), ALL, num_classes=2, threshold=0.02)


def scores(ood_score: OODScore, given: Tensor) -> Tensor:
    return torch.sigmoid(given @ ood_score.weight + ood_score.bias)


def test_the_evidence_is_averaged_features_logits_and_energy() -> None:
    features = torch.tensor([[[[1.0, 3.0]], [[0.0, 0.0]]]])
    found = evidence(torch.tensor([[0.0, 0.0, -200.0]]), features)
    torch.testing.assert_close(found, torch.tensor([[2.0, 0.0, 0.0, 0.0, -200.0, -math.log(2)]]))


def test_the_score_by_hand() -> None:
    ood_score = OODScore(1, 2)
    ood_score.weight.copy_(torch.tensor([0.5, 1.0, 0.0, 2.0]))
    ood_score.bias.fill_(-1.0)
    logits = torch.tensor([[3.0, -50.0]])
    expected = torch.sigmoid(torch.tensor([0.5 * 4 + 3 - 2 * 3 - 1]))
    torch.testing.assert_close(ood_score(logits, torch.full((1, 1, 2, 2), 4.0)), expected)


def test_the_threshold_flags_the_share_that_was_asked_for(ood_score: OODScore) -> None:
    inside, outside = sides()
    found = scores(ood_score, inside)
    assert float((found >= 0.5).float().mean()) == pytest.approx(0.02, abs=0.001)
    assert float(found.median()) == pytest.approx(TYPICAL, abs=1e-3)
    assert float((scores(ood_score, outside) >= 0.5).float().mean()) > 0.9
    assert ood_score.weight[0] > 5 * ood_score.weight[1:].abs().max()


def test_only_the_known_images_set_the_threshold() -> None:
    inside, outside = sides()
    known = torch.arange(2_000) % 2 == 0
    inside[~known, 0] += 1
    found = scores(OODScore.fit(inside, outside, known, 2, 0.02), inside)
    assert float((found[known] >= 0.5).float().mean()) == pytest.approx(0.02, abs=0.002)
    assert float((found[~known] >= 0.5).float().mean()) > 0.05


def test_both_sides_count_alike() -> None:
    inside, outside = sides()
    once, thrice = (OODScore.fit(inside, outside.repeat(times, 1), ALL, 2, 0.02) for times in (1, 3))
    torch.testing.assert_close(once.weight, thrice.weight, rtol=1e-3, atol=1e-3)


def test_constant_evidence_stays_finite() -> None:
    inside, outside = sides()
    inside[:, 1] = outside[:, 1] = 1.0
    for one in (inside, torch.ones(2_000, 4)):
        found = OODScore.fit(one, outside, ALL, num_classes=2, threshold=0.02)
        assert bool(scores(found, one).isfinite().all())


def test_both_sides_need_an_image() -> None:
    inside, outside = sides()
    for empty in ((inside, outside[:0], ALL), (inside, outside, ~ALL)):
        with pytest.raises(CamlossError, match="on images of the classes and on others; one side has none"):
            OODScore.fit(*empty, num_classes=2, threshold=0.02)


def test_autocast_and_half_precision_leave_the_score_in_float32(ood_score: OODScore) -> None:
    logits, maps = torch.randn(50, 2), torch.randn(50, 1, 3, 2)
    expected = ood_score(logits, maps)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ood_score(logits, maps), expected)
    assert torch.equal(copy.deepcopy(ood_score).half()(logits, maps), expected)
    torch.testing.assert_close(copy.deepcopy(ood_score).double()(logits, maps).float(), expected)
