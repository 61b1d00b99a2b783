import dataclasses
import math

import pytest
import torch
from torch import Tensor
from trained import same, weights

from camloss import CAMLoss, LossTerms, terms
from camloss.data.dataset import Dataset
from camloss.losses import LOSSES, TermLoss
from camloss.study import methods
from camloss.study.methods import METHODS
from camloss.terms import Term
from camloss.training.config import TrainConfig
from camloss.training.loop import initial_model, train

# The CAAM is [[1, 0], [0, 2]], normalised [[.5, 0], [0, 1]]; the CAM of class 0 [[1, 0], [0, 0]], that of class 1
# [[0, 0], [0, 2]], normalised [[0, 0], [0, 1]].
FEATURES = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]])
WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
ZERO = torch.tensor([0])


def softmax_by_hand() -> float:
    e = math.e
    caam, cam = [e, 1, 1, e**2], [e, 1, 1, 1]
    return sum(abs(a / sum(caam) - b / sum(cam)) for a, b in zip(caam, cam, strict=True)) / 2


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (terms.area_of(terms.any_caam), 1.5 / 4),
        (terms.area_of(terms.true_cam), 1 / 4),
        (terms.wrong_class, 0.5 / 4),  # of two classes, the other one
        (terms.stop_grad_cam, 1.5 / 4),
        (terms.stop_grad_caam, 1.5 / 4),
        (terms.no_head_detach, 1.5 / 4),
        (terms.correlation, 1 - 0.25 / math.sqrt(2.75 * 0.75)),
        (terms.softmax, softmax_by_hand()),
        (terms.feature_size, 3 / 8),
    ],
)
def test_by_hand(term: Term, expected: float) -> None:
    assert term(FEATURES, WEIGHT, ZERO).item() == pytest.approx(expected)
    terms = TermLoss(2.0, term)(torch.zeros(1, 2), FEATURES, WEIGHT, ZERO)
    assert terms.total.item() == pytest.approx(math.log(2) + 2 * expected)


def test_wrong_classes_are_wrong_and_all_of_them_come() -> None:
    features, weight = torch.rand(18, 3, 4, 4), torch.rand(10, 3)
    seen: list[Tensor] = []

    def remember(_features: Tensor, _weight: Tensor, classes: Tensor) -> Tensor:
        seen.append(classes)
        return torch.zeros(18)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "cam_distance", remember)
        terms.wrong_class(features, weight, torch.full((18,), 7))
    assert seen[0].tolist() == 2 * [8, 9, 0, 1, 2, 3, 4, 5, 6]


def test_the_cam_of_another_image() -> None:
    turned = FEATURES.flip(2, 3)  # its CAAM is [[1, 0], [0, .5]], its CAM of class 0 [[0, 0], [0, 1]], normalised
    term = terms.other_image(torch.cat([FEATURES, turned]), WEIGHT, torch.tensor([0, 0]))
    assert term.item() == 0.5 / 4
    one_batch_of_one = terms.other_image(FEATURES, WEIGHT, ZERO)
    assert one_batch_of_one.item() == 1.5 / 4


def test_random_weights_are_positive_and_ever_the_same() -> None:
    features = torch.rand(4, 5, 3, 3)
    classes = torch.tensor([0, 1, 2, 3])
    both = [terms.random_weight(features, weight, classes) for weight in (torch.zeros(10, 5), torch.rand(10, 5))]
    assert torch.equal(*both)
    assert both[0] > 0


def gradient(term: Term, targets: Tensor) -> tuple[Tensor, Tensor]:
    """With respect to features and weight."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(4, 5, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(10, 5, generator=generator, dtype=torch.float64).requires_grad_()
    term(features, weight, targets).backward()
    assert features.grad is not None
    return features.grad, torch.zeros(10, 5) if weight.grad is None else weight.grad


def cam_loss(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    terms: LossTerms = CAMLoss(1.0)(torch.zeros(len(features), 10), features, weight, targets)
    return terms.cam


def test_each_side_gives_its_part_of_cam_loss_s_gradient() -> None:
    targets = torch.tensor([0, 1, 2, 9])
    whole, _ = gradient(cam_loss, targets)
    through_caam, _ = gradient(terms.stop_grad_cam, targets)
    through_cam, _ = gradient(terms.stop_grad_caam, targets)
    assert torch.allclose(through_caam + through_cam, whole)
    assert not torch.allclose(through_caam, torch.zeros_like(whole))
    assert not torch.allclose(through_cam, torch.zeros_like(whole))


def test_only_one_method_trains_the_head_by_its_term() -> None:
    targets = torch.tensor([0, 1, 2, 9])
    for name, method in METHODS.items():
        criterion = LOSSES[method.loss].criterion(1.0)
        term = criterion.term if isinstance(criterion, TermLoss) else cam_loss
        assert bool(gradient(term, targets)[1].any()) == (name == "no-head-detach"), name


def test_the_attached_head_moves_the_maps_as_the_detached_one() -> None:
    targets = torch.tensor([0, 1, 2, 9])
    assert torch.equal(gradient(terms.no_head_detach, targets)[0], gradient(cam_loss, targets)[0])


@pytest.mark.parametrize("name", METHODS)
def test_before_the_alpha_start_epoch_every_method_is_cross_entropy(name: str) -> None:
    features = torch.rand(4, 5, 3, 3, requires_grad=True)
    head = torch.nn.Linear(5, 10)
    criterion = LOSSES[METHODS[name].loss].criterion(0.0)
    labels = torch.tensor([0, 1, 2, 9])
    found = criterion(head(features.mean((-2, -1))), features, head.weight, labels)
    assert torch.equal(found.total, found.ce)
    assert not found.cam.requires_grad
    assert math.isfinite(found.cam.item())


def test_an_alpha_is_the_cam_model_and_ce_the_other(config: TrainConfig, data: Dataset) -> None:
    config = dataclasses.replace(config, alpha=10.0)
    for method, variant in (("alpha-10", "cam"), ("ce", "ce")):
        trained = train(config, method, data, log=lambda _: None, **METHODS[method].training).model.state_dict()
        assert same(trained, weights(config, variant, data))


def test_a_control_trains_and_differs_from_the_pair(config: TrainConfig, data: Dataset) -> None:
    small = train(config, "small-cam", data, log=lambda _: None, **METHODS["small-cam"].training)
    assert [epoch["alpha"] for epoch in small.history] == [0, 10]
    assert not same(small.model.state_dict(), weights(config, "cam", data))


def test_images_among_clutter_are_learnt_whole(config: TrainConfig, data: Dataset) -> None:
    images = data.train.images[:20].float() / 255
    varied, again, other = (
        methods.put_among_clutter(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert varied.shape == (20, 1, 40, 40)
    assert torch.allclose(varied[:, :, 8:32, 8:32], images[:, :, 2:26, 2:26])
    assert (varied[:, :, :6] > 0).any()
    assert torch.equal(varied, again)
    assert not torch.equal(varied, other)
    method = METHODS["ce-among-clutter"]
    trained = train(config, "ce-among-clutter", data, log=lambda _: None, **method.training)
    assert not same(trained.model.state_dict(), weights(config, "ce", data))


def test_all_methods_start_from_the_same_weights_and_pool_as_they_say(config: TrainConfig) -> None:
    for method in METHODS.values():
        model = initial_model(config, method.pooling)
        assert same(model.state_dict(), initial_model(config).state_dict())
        assert model.pooling == (method.pooling or "avg")
    assert initial_model(dataclasses.replace(config, arch="plain_cnn")).pooling == "max"
