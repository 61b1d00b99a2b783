import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss import CAMLoss, CamlossError, Objective, build_model, caam, cam, cam_distance, min_max_normalize
from camloss import terms as all_terms
from camloss.losses import BASELINE, LOSSES, CAAMDistillation, LogitDistillation, LossTerms, VirtualCanvasLoss

FEATURES = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]])
WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def backbone() -> nn.Sequential:
    """A network small enough for exact comparisons: (N, 1, 6, 6) -> (N, 3, 4, 4)."""
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus())


def terms_of(features_net: nn.Module, head: nn.Linear, alpha: float, x: Tensor, targets: Tensor) -> Tensor:
    features = features_net(x)
    terms: LossTerms = CAMLoss(alpha)(head(features.mean((-2, -1))), features, head.weight, targets)
    return terms.total


def gradients(module: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in module.parameters()]
    return [gradient.clone() for gradient in found if gradient is not None]


def test_by_hand() -> None:
    # CAAM is [[1, 0], [0, 2]], normalised [[.5, 0], [0, 1]]. The CAM of class 0 is [[1, 0], [0, 0]]: apart by
    # (.5 + 1) / 4. That of class 1 is [[0, 0], [0, 2]], normalised [[0, 0], [0, 1]]: apart by .5 / 4.
    logits = torch.tensor([[0.0, 0.0]])
    for target, distance in ((0, 0.375), (1, 0.125)):
        terms = CAMLoss(alpha=2.0)(logits, FEATURES, WEIGHT, torch.tensor([target]))
        assert terms.cam.item() == distance
        assert terms.ce.item() == pytest.approx(0.6931472)  # log 2
        assert terms.total.item() == pytest.approx(0.6931472 + 2 * distance)


def test_distance_is_one_value_per_image() -> None:
    both = cam_distance(FEATURES.repeat(2, 1, 1, 1), WEIGHT, torch.tensor([0, 1]))
    assert both.tolist() == [0.375, 0.125]


def test_alpha_zero_is_plain_cross_entropy() -> None:
    x, targets = torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 1, 0])
    net, head = backbone(), nn.Linear(3, 2)
    terms_of(net, head, 0.0, x, targets).backward()
    with_loss = gradients(net) + gradients(head)
    net.zero_grad()
    head.zero_grad()
    F.cross_entropy(head(net(x).mean((-2, -1))), targets).backward()
    for ours, plain in zip(with_loss, gradients(net) + gradients(head), strict=True):
        assert torch.equal(ours, plain)


def test_alpha_moves_the_backbone_and_never_the_head() -> None:
    x, targets = torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 1, 0])
    net, head = backbone(), nn.Linear(3, 2)
    found = {}
    for alpha in (0.0, 5.0):
        net.zero_grad()
        head.zero_grad()
        terms_of(net, head, alpha, x, targets).backward()
        found[alpha] = gradients(net), gradients(head)
    for without, with_alpha in zip(found[0.0][1], found[5.0][1], strict=True):
        assert torch.equal(without, with_alpha)
    assert any(not torch.allclose(a, b, rtol=1e-2) for a, b in zip(found[0.0][0], found[5.0][0], strict=True))


def test_one_pass_equals_algorithm_1_done_literally() -> None:
    """Two backward passes and two optimizers: the head steps on L_ce, the backbone on L_ce + alpha L_cam."""
    alpha, steps = 3.0, 6
    torch.manual_seed(0)
    ours = backbone().double(), nn.Linear(3, 2).double()
    literal = copy.deepcopy(ours)
    x, targets = torch.rand(8, 1, 6, 6).double(), torch.randint(2, (8,))

    optimizer = torch.optim.SGD([*ours[0].parameters(), *ours[1].parameters()], lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        terms_of(*ours, alpha, x, targets).backward()
        optimizer.step()

    net, head = literal
    of_net = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    of_head = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        features = net(x)
        ce = F.cross_entropy(head(features.mean((-2, -1))), targets)
        apart = min_max_normalize(caam(features)) - min_max_normalize(cam(features, head.weight, targets))
        of_head.zero_grad()
        ce.backward(retain_graph=True)
        head_gradients = [parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None]
        of_net.zero_grad()
        (ce + alpha * apart.abs().mean()).backward()
        of_net.step()
        for parameter, gradient in zip(head.parameters(), head_gradients, strict=True):
            parameter.grad = gradient
        of_head.step()

    for our_module, literal_module in zip(ours, literal, strict=True):
        for a, b in zip(our_module.parameters(), literal_module.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dead_features_give_a_finite_loss_and_gradient(dtype: torch.dtype) -> None:
    features = torch.zeros(2, 3, 4, 4, dtype=dtype, requires_grad=True)
    terms = CAMLoss(1.0)(torch.zeros(2, 5), features, torch.randn(5, 3), torch.tensor([0, 4]))
    terms.total.backward()
    assert terms.cam.item() == 0
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 1e-6), (torch.bfloat16, 0.01), (torch.float64, 1e-6)])
def test_distance_in_half_precision(dtype: torch.dtype, error: float, autocast: bool) -> None:
    """The CAAM is the sum of 2,048 channels of 40 and 60: past float16's range."""
    features = torch.full((1, 2048, 2, 2), 40.0)
    features[..., 0, 0] = 60.0
    features[:, :1024, 1, 1] = 60.0
    weight = torch.tensor([1.0, 0.0]).repeat_interleave(1024)[None]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        distance = cam_distance(features.to(dtype), weight, torch.tensor([0]))
    assert distance.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert distance.item() == pytest.approx(0.125, abs=error)  # CAM [[1, 0], [0, 1]], CAAM [[1, 0], [0, .5]]


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf")])
def test_a_bad_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(CamlossError, match="alpha is"):
        CAMLoss(alpha)


def test_a_1x1_map_is_refused() -> None:
    with pytest.raises(CamlossError, match="1x1 map"):
        CAMLoss(1.0)(torch.zeros(2, 5), torch.zeros(2, 3, 1, 1), torch.zeros(5, 3), torch.tensor([0, 4]))


SCORES = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
BOTH = FEATURES.repeat(2, 1, 1, 1)
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_class_indices_of_any_integer_type(dtype: torch.dtype) -> None:
    """N equals K and a label is 1: uint8 would be taken for a mask."""
    for labels in ([0, 1], [1, 1]):
        expected = CAMLoss(2.0)(SCORES, BOTH, WEIGHT, torch.tensor(labels))
        assert CAMLoss(2.0)(SCORES, BOTH, WEIGHT, torch.tensor(labels, dtype=dtype)) == expected
        assert cam_distance(BOTH, WEIGHT, torch.tensor(labels, dtype=dtype)).tolist() == [
            [0.375, 0.125][label] for label in labels
        ]


@pytest.mark.parametrize("autocast", [False, True])
def test_one_hot_probabilities_are_class_indices(autocast: bool) -> None:
    weight, features = torch.randn(5, 7), torch.rand(4, 7, 3, 3)
    labels = torch.tensor([4, 0, 2, 2])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        one_hot = cam_distance(features, weight, F.one_hot(labels, 5).float())
        assert torch.equal(one_hot, cam_distance(features, weight, labels))


def test_mixed_labels_have_the_cam_of_the_mixed_weights() -> None:
    # 0.5 and 0.5: CAM [[.5, 0], [0, 1]], which is the normalised CAAM. 0.75 and 0.25: [[.75, 0], [0, .5]], normalised
    # [[1, 0], [0, 2/3]], apart by (1/2 + 1/3) / 4.
    mixed = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    assert cam_distance(BOTH, WEIGHT, mixed).tolist() == pytest.approx([0.0, 5 / 24])
    terms = CAMLoss(1.0)(SCORES, BOTH, WEIGHT, mixed)
    assert terms.ce.item() == pytest.approx(F.cross_entropy(SCORES, mixed).item())
    assert terms.cam.item() == pytest.approx(5 / 48)


def test_multi_hot_labels_average_their_distances_image_by_image() -> None:
    """Both labels, one, and none: the image without a label counts in the base loss alone."""
    features, scores = FEATURES.repeat(3, 1, 1, 1), torch.zeros(3, 2)
    base = nn.BCEWithLogitsLoss()
    for dtype in (torch.float32, torch.bool, torch.uint8):
        labels = torch.tensor([[1, 1], [0, 1], [0, 0]], dtype=dtype)
        terms = CAMLoss(1.0, base)(scores, features, WEIGHT, labels)
        assert terms.ce.item() == pytest.approx(0.6931472)
        assert terms.cam.item() == pytest.approx(((0.375 + 0.125) / 2 + 0.125) / 2)
    none = CAMLoss(1.0, base)(scores, features, WEIGHT, torch.zeros(3, 2))
    assert none.cam.item() == 0


def test_one_logit_is_binary_or_refused() -> None:
    score, weight = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0, 0.0]])
    with pytest.raises(CamlossError, match=r"one logit, for which cross-entropy is always 0; take base=nn.BCE"):
        CAMLoss(1.0)(score, BOTH, weight, torch.tensor([0, 0]))
    terms = CAMLoss(1.0, nn.BCEWithLogitsLoss())(score, BOTH, weight, torch.tensor([1, 0]))
    assert (terms.ce.item(), terms.cam.item()) == (pytest.approx(0.6931472), 0.375)


@pytest.mark.parametrize(
    "base",
    [
        nn.CrossEntropyLoss(label_smoothing=0.2),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0])),
        nn.MultiMarginLoss(),
    ],
    ids=["label smoothing", "class weights", "another criterion"],
)
def test_what_the_base_loss_does_it_does_alone(base: nn.Module) -> None:
    labels = torch.tensor([0, 1])
    terms = CAMLoss(2.0, base)(SCORES, BOTH, WEIGHT, labels)
    assert terms.ce == base(SCORES, labels)
    assert terms.cam.item() == 0.25
    assert terms.total.item() == pytest.approx(terms.ce.item() + 0.5)


def test_ignored_images_count_in_no_term() -> None:
    for base, ignored in ((None, -100), *((nn.CrossEntropyLoss(ignore_index=number), number) for number in (1, 255))):
        terms = CAMLoss(1.0, base)(SCORES, BOTH, WEIGHT, torch.tensor([0, ignored]))
        assert terms.ce.item() == pytest.approx(F.cross_entropy(SCORES[:1], torch.tensor([0])).item())
        assert terms.cam.item() == 0.375


@pytest.mark.parametrize(("reduction", "cam_term"), [("none", [0.375, 0.125]), ("sum", 0.5), ("mean", 0.25)])
def test_the_reduction_of_the_base_is_that_of_all_terms(reduction: str, cam_term: float | list[float]) -> None:
    labels = torch.tensor([0, 1])
    base = nn.CrossEntropyLoss(reduction=reduction)
    terms = CAMLoss(2.0, base)(SCORES, BOTH, WEIGHT, labels)
    assert terms.cam.tolist() == cam_term
    torch.testing.assert_close(terms.total, base(SCORES, labels) + 2 * terms.cam)


@pytest.mark.parametrize(
    "targets",
    [torch.tensor([[0, 1], [1, 0]]), torch.tensor([0.0, 1.0]), torch.tensor([0, 1, 0]), torch.zeros(2, 3)],
    ids=["multi-hot for cross-entropy", "fractions for indices", "too many", "too many classes"],
)
def test_targets_that_do_not_fit_are_one_line(targets: Tensor) -> None:
    with pytest.raises(CamlossError, match=r"the targets are .*; expected \(2,\) class indices or \(2, 2\) prob"):
        CAMLoss(1.0)(SCORES, BOTH, WEIGHT, targets)
    with pytest.raises(CamlossError, match="expected one label in"):
        CAMLoss(1.0, nn.BCEWithLogitsLoss())(SCORES, BOTH, WEIGHT, torch.tensor([0, 1]))


class Fixed(nn.Module):
    """A teacher that sees the same in every image."""

    def __init__(self, features: Tensor, weight: Tensor) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        self.head.weight.data = weight

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features.expand(len(images), -1, -1, -1)
        return self.head(features.mean((-2, -1))), features


def test_distillation_by_hand() -> None:
    # The student's CAAM is [[.5, 0], [0, 1]]; the teacher's CAM of class 0 is [[0, 3], [0, 0]] and of class 1 zero.
    teacher = Fixed(torch.tensor([[[[0.0, 3.0], [0.0, 0.0]]]]), torch.tensor([[1.0], [0.0]]))
    images = torch.zeros(2, 1, 4, 4)
    student = BOTH.clone().requires_grad_()
    terms = CAAMDistillation(2.0, teacher)(SCORES, student, WEIGHT, torch.tensor([0, 1]), images)
    assert terms.cam.item() == pytest.approx(((0.5 + 1 + 1) / 4 + (0.5 + 1) / 4) / 2)
    terms.total.backward()
    assert student.grad is not None
    assert teacher.head.weight.grad is None
    assert not list(CAAMDistillation(2.0, teacher).parameters())


def test_a_teacher_with_larger_maps_is_resampled() -> None:
    wide = torch.zeros(1, 1, 4, 4)
    wide[..., :2, 2:] = 3.0
    teacher = Fixed(wide, torch.tensor([[1.0], [0.0]]))
    terms = CAAMDistillation(1.0, teacher)(SCORES[:1], FEATURES, WEIGHT, torch.tensor([0]), torch.zeros(1, 1, 4, 4))
    assert terms.cam.item() == pytest.approx((0.5 + 1 + 1) / 4)


def test_logit_distillation_by_hand() -> None:
    # At temperature 2 the teacher's odds are sqrt(9) to 1, the student's even: KL = 3/4 log(3/2) + 1/4 log(1/2).
    teacher = Fixed(torch.ones(1, 1, 2, 2), torch.tensor([[math.log(9.0)], [0.0]]))
    teacher.head.bias.data.zero_()
    logits = torch.zeros(3, 2, requires_grad=True)
    criterion = LogitDistillation(2.0, teacher, temperature=2.0)
    terms = criterion(logits, FEATURES.repeat(3, 1, 1, 1), WEIGHT, torch.tensor([0, 1, 1]), torch.zeros(3, 1, 4, 4))
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert terms.cam.item() == pytest.approx(expected, rel=1e-5)
    assert terms.total.item() == pytest.approx(math.log(2) + 2 * expected, rel=1e-5)
    terms.cam.backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[-1.0, 1.0]]).expand(3, 2) * 2 * 0.25 / 3)  # T (q - p) / N
    assert teacher.head.weight.grad is None


@pytest.mark.parametrize("variant", LOSSES)
def test_every_variant_is_cross_entropy_plus_alpha_times_a_term(variant: str) -> None:
    network, teacher = (build_model("tiny_cnn").train() for _ in range(2))
    images, labels = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    has_term = variant not in (BASELINE, "label-smoothing")
    found = {}
    for alpha in (0.0, 0.5):
        criterion = LOSSES[variant].criterion(alpha, teacher)
        assert criterion.alpha == (alpha and (LOSSES[variant].alpha or alpha) * has_term)
        terms = Objective(network, criterion)(images, labels)
        assert terms.cam.requires_grad == (criterion.alpha > 0)
        torch.testing.assert_close(terms.total, terms.ce + criterion.alpha * terms.cam)
        found[alpha] = terms.ce.item()
    assert found[0.0] == found[0.5]


def test_a_virtual_canvas_pools_what_a_larger_canvas_would() -> None:
    """Cells of fixed features: a canvas of r times the area adds (r - 1) times the cells, all of them blank."""
    features = torch.rand(5, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    features[-1] = torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    found = VirtualCanvasLoss(0.0, blocks=0).pooled(features)
    for place, pooled in enumerate(found):
        ratio = 9 ** (place * 0.618034 % 1)
        expected = (features[place].mean((1, 2)) + (ratio - 1) * torch.tensor([1.0, 2.0, 3.0])) / ratio
        torch.testing.assert_close(pooled, expected)


def test_virtual_fragments_are_blocks_of_the_other_images() -> None:
    features = torch.zeros(129, 1, 14, 14)
    features[:64] = 1.0  # every block of these holds 16
    pooled = VirtualCanvasLoss(0.0, blocks=8).pooled(features)[:, 0]
    place = torch.arange(128)
    cells = 196 * 9 ** (place * 0.618034 % 1)
    blocks = torch.stack([((place + 5 * step) % 128 < 64) & (16 * step <= cells - 196) for step in range(1, 9)]).sum(0)
    torch.testing.assert_close(pooled, ((place < 64) * 196 + blocks * 16) / cells)


def test_the_virtual_loss_is_half_of_both_and_has_cam_loss_beside_it() -> None:
    head = nn.Linear(3, 10)
    features = torch.rand(5, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([1, 2, 3, 4])
    loss = VirtualCanvasLoss(2.0, blocks=8)
    terms = loss(head(features.mean((2, 3))), features, head.weight, targets)
    plain = CAMLoss(2.0)(head(features[:-1].mean((2, 3))), features[:-1], head.weight, targets)
    virtual = nn.functional.cross_entropy(head(loss.pooled(features)), targets)
    torch.testing.assert_close(terms.ce, (plain.ce + virtual) / 2)
    torch.testing.assert_close(terms.cam, plain.cam)
    torch.testing.assert_close(terms.total, terms.ce + 2 * terms.cam)


def test_a_variant_takes_the_alpha_of_the_run_unless_it_has_one_of_its_own() -> None:
    found = {name: LOSSES[name].criterion(7.0).alpha for name in ("ce", "cam", "virtual-canvas", "alpha-3")}
    assert found == {"ce": 0.0, "cam": 7.0, "virtual-canvas": 7.0, "alpha-3": 3.0}
    assert LOSSES["alpha-3"].criterion(0.0).alpha == 0.0  # before the alpha start epoch


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_virtual_loss_takes_every_dtype_target_and_head_of_cam_loss(dtype: torch.dtype) -> None:
    features = torch.rand(5, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    weight, targets = torch.tensor([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0]]), torch.tensor([1, 0, 1, 1])
    logits = features.mean((2, 3)) @ weight.T
    loss, every_class = VirtualCanvasLoss(2.0), VirtualCanvasLoss(2.0, nn.BCEWithLogitsLoss(reduction="none"))
    expected = loss(logits, features, weight, targets)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(logits, features, weight, targets), expected)
    in_dtype = loss(logits.to(dtype), features.to(dtype), weight.to(dtype), targets)
    torch.testing.assert_close(in_dtype, expected, check_dtype=False, rtol=0.01, atol=0.01)
    of_convolution = loss(logits, features, weight[:, :, None, None], targets.int())
    torch.testing.assert_close(of_convolution, expected)
    labels = F.one_hot(targets)
    terms, by_mean = (
        of(logits, features, weight, labels) for of in (every_class, VirtualCanvasLoss(2.0, nn.BCEWithLogitsLoss()))
    )
    assert terms.total.shape == (4,)
    torch.testing.assert_close(terms.total.mean(), by_mean.total)


def test_the_fixed_random_weight_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that a GPU records can copy nothing from the CPU."""
    features, weight, targets = torch.rand(2, 3, 4, 4), torch.rand(5, 3), torch.tensor([1, 4])
    first = all_terms.random_weight(features, weight, targets)
    expected = cam_distance(features, torch.rand(5, 3, generator=torch.Generator().manual_seed(0)), targets).mean()
    assert torch.equal(first, expected)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: pytest.fail("drawn again"))
    assert torch.equal(all_terms.random_weight(features, weight, targets), first)


def test_objective_shows_a_blank_image_where_the_loss_takes_one() -> None:
    network = build_model("tiny_cnn").eval()
    images, labels = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
    loss = VirtualCanvasLoss(1.0)
    logits, features = network(torch.cat([images, torch.zeros(1, 1, 28, 28)]))
    expected = loss(logits, features, network.head.weight, labels)
    torch.testing.assert_close(Objective(network, loss)(images, labels), expected)


def test_virtual_canvases_refuse_maps_without_room_for_a_fragment() -> None:
    features = torch.rand(3, 2, 3, 9)
    with pytest.raises(CamlossError, match="the maps have 3x9 cells; virtual canvases need 4 a side"):
        VirtualCanvasLoss(1.0)(torch.rand(3, 5), features, torch.rand(5, 2), torch.tensor([0, 1]))
