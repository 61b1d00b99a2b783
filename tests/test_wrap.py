"""Networks of timm and torchvision as a user has them: real, untrained, in colour."""

import copy
import pickle
from collections.abc import Callable
from typing import cast

import pytest
import timm
import torch
from data_parallel import data_parallel
from torch import Tensor, nn
from torchvision import models

from camloss import CAMLoss, CamlossError, cam, explain, wrap

TIMM = ["resnet18", "resnet50", "regnety_002", "efficientnet_b0", "densenet121"]
ATTENTION_IN_THE_LAST_BLOCK = ["seresnet18", "ese_vovnet19b_dw"]  # layers that give (N, C, 1, 1), before the features
TORCHVISION = ["resnet18", "regnet_y_400mf", "efficientnet_b0", "densenet121", "mobilenet_v2"]


def timm_model(name: str) -> nn.Module:
    model: nn.Module = timm.create_model(name, num_classes=4)
    return model


def torchvision_model(name: str) -> nn.Module:
    model: nn.Module = models.get_model(name, num_classes=4)
    return model


class Net(nn.Module):
    """A network small enough to bend: convolution, pooling, head."""

    def __init__(self, pool: Callable[[Tensor], Tensor] | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.pool = pool
        self.between = after or nn.Dropout(0.5)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.norm(self.conv(x)).relu()
        pooled = maps.mean((2, 3)) if self.pool is None else self.pool(maps)
        logits: Tensor = self.fc(self.between(pooled))
        return logits


EXAMPLE = torch.rand(1, 3, 16, 16)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((timm_model, name) for name in (*TIMM, *ATTENTION_IN_THE_LAST_BLOCK)),
        *((torchvision_model, name) for name in TORCHVISION),
    ],
)
def test_two_steps_with_cam_loss_under_autocast(make: Callable[[str], nn.Module], name: str) -> None:
    torch.manual_seed(0)
    theirs = make(name)
    model = wrap(theirs)
    x, targets = torch.rand(2, 3, 224, 224), torch.tensor([0, 3])

    model.eval()
    with torch.no_grad():
        logits, features = model(x)
        assert torch.equal(logits, theirs.eval()(x))
        maps = torch.stack([cam(features, model.head.weight, torch.full((2,), k)) for k in range(4)], dim=1)
    assert features.shape[-2:] == (7, 7)
    torch.testing.assert_close(maps.mean((-2, -1)) + model.head.bias, logits, rtol=1e-3, atol=1e-4)

    model.train()
    first, head = next(model.parameters()), model.head.weight
    before = first.detach().clone(), head.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            logits, features = model(x)
            loss = CAMLoss(1.0)(logits, features, model.head.weight, targets)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        assert loss.total.isfinite()
        assert loss.cam > 0
    assert not torch.equal(first, before[0])
    assert not torch.equal(head, before[1])
    assert explain(model.eval(), x).cam.shape == (2, 7, 7)


@pytest.mark.parametrize("make", [timm_model, torchvision_model])
def test_the_head_is_the_models_own(make: Callable[[str], nn.Module]) -> None:
    theirs = make("resnet18")
    model = wrap(theirs)
    assert model.head is theirs.fc
    assert {id(parameter) for parameter in model.parameters()} == {id(parameter) for parameter in theirs.parameters()}
    assert set(model.state_dict()) == {f"model.{name}" for name in theirs.state_dict()}
    model.to(torch.float64)
    assert theirs.fc.weight.dtype == model.head.weight.dtype == torch.float64

    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            other.head.bias.add_(1)
        torch.testing.assert_close(other.eval()(x)[0], model.eval()(x)[0] + 1)
        assert other.head is not model.head


@pytest.mark.parametrize("make", [timm_model, torchvision_model])
@pytest.mark.parametrize("how", ["model.fc", "wrapped.model.fc", "wrapped.head"])
@pytest.mark.parametrize("training", [True, False])
def test_a_head_replaced_afterwards_is_the_head(make: Callable[[str], nn.Module], how: str, training: bool) -> None:
    theirs = make("resnet18")
    model = wrap(theirs)
    new = nn.Linear(512, 7)
    if how == "wrapped.head":
        model.head = new  # type: ignore[misc]
    else:
        (theirs if how == "model.fc" else model.model).fc = new
    assert model.head is new is theirs.fc
    logits, features = model.train(training)(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(logits, new(features.mean((-2, -1))))
    assert {name for name in model.state_dict() if "head" in name or "fc" in name} == {
        "model.fc.weight",
        "model.fc.bias",
    }


def test_a_head_that_is_not_linear_is_refused() -> None:
    model = wrap(torchvision_model("resnet18"))
    model.model.fc = nn.Identity()
    with pytest.raises(CamlossError, match="its head fc is Identity, not one linear layer"):
        _ = model.head


@pytest.mark.parametrize("make", [timm_model, torchvision_model])
def test_wrapping_leaves_the_model_as_it_was(make: Callable[[str], nn.Module]) -> None:
    model = make("resnet18").train()
    frozen = model.get_submodule("layer1").eval()
    modes = {name: module.training for name, module in model.named_modules()}
    weights, numbers = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    wrapped = wrap(model)
    assert wrapped.training
    assert not frozen.training
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), numbers)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in wrapped.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert not wrap(model.eval()).training


def test_dropout_and_batch_norm_follow_the_mode() -> None:
    model = wrap(Net(), EXAMPLE)
    model.train()
    x = torch.rand(8, 3, 16, 16)
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: timm.create_model("convnext_atto"),
            r"its last maps and its head lies head.norm \(LayerNorm2d\);",
        ),
        (lambda: timm.create_model("mobilenetv3_small_050"), r"lies conv_head \(Conv2d\);"),
        (lambda: timm.create_model("resnet18", global_pool="catavgmax"), "takes 1024 numbers .* 512 channels;"),
        (lambda: timm.create_model("resnet18", global_pool="max"), "not given the average of its last maps;"),
        (lambda: timm.create_model("resnet18", num_classes=0), "its classifier is Identity, not one linear layer;"),
        (
            lambda: timm.create_model("vit_tiny_patch16_224"),
            r"it makes \(1, 197, 192\) of \(1, 3, 224, 224\), not maps",
        ),
        (models.convnext_tiny, r"lies classifier.0 \(LayerNorm2d\);"),
        (models.mobilenet_v3_small, r"lies classifier.0 \(Linear\);"),
        (models.squeezenet1_1, "its head takes 512 numbers where its features have 1000 channels;"),
        (lambda: models.vit_b_16(num_classes=2), r"lies encoder\.\S+ \(LayerNorm\) and \d+ more;"),
    ],
)
def test_what_has_no_exact_cam_is_refused_with_the_reason(make: Callable[[], nn.Module], reason: str) -> None:
    model = make()
    with pytest.raises(CamlossError, match=f"^{type(model).__name__} has no exact CAM: .*{reason}"):
        wrap(model)
    assert model.training


class ScaledAfterPooling(Net):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.pool = lambda maps: self.scale * maps.mean((2, 3))


class TwiceTheHead(Net):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Net(pool=lambda maps: maps.amax((2, 3))), "its head is not given the average of its last maps"),
        (Net(after=nn.BatchNorm1d(8)), r"lies between \(BatchNorm1d\)"),  # fresh, it changes next to nothing
        (Net(after=nn.Linear(8, 8)), r"lies between \(Linear\)"),
        (ScaledAfterPooling(), r"lies  \(ScaledAfterPooling\)"),
        (Net(after=nn.Tanh()), "its head is not given the average of its last maps"),
        (TwiceTheHead(), "what it returns is not what its head gives"),
    ],
)
def test_small_departures_are_refused(model: nn.Module, reason: str) -> None:
    with pytest.raises(CamlossError, match=reason):
        wrap(model, EXAMPLE)


def test_a_head_of_zeros_hides_nothing() -> None:
    model = Net(pool=lambda maps: maps.amax((2, 3)))
    nn.init.zeros_(model.fc.weight)
    with pytest.raises(CamlossError, match="not given the average"):
        wrap(model, EXAMPLE)


def test_an_example_of_the_wrong_size_is_one_line_and_leaves_the_mode() -> None:
    model = Net().train()
    with pytest.raises(CamlossError, match=r"^Net cannot be taken apart \(.*\); give wrap an example") as refused:
        wrap(model, torch.rand(1, 5, 16, 16))
    assert "\n" not in str(refused.value)
    assert model.training
    assert model.norm.training


def test_the_example_fits_a_model_for_other_images() -> None:
    grey = timm.create_model("resnet18", in_chans=1, num_classes=4)
    assert wrap(grey).eval()(torch.rand(1, 1, 64, 64))[1].shape == (1, 512, 2, 2)
    with pytest.raises(CamlossError, match=r"^an input of 32x32 leaves ResNet maps of one position, .* give it 64x64"):
        wrap(grey, torch.rand(1, 1, 32, 32))
    with pytest.raises(CamlossError, match=r"^an input of 16x16 leaves ResNet maps of one position, .* give it 64x64"):
        wrap(torchvision_model("resnet18"), torch.rand(1, 3, 16, 16))


class ChannelsAtTheEnd(nn.Module):
    """As timm's Swin: its features are (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward_features(self, x: Tensor) -> Tensor:
        maps: Tensor = self.conv(x).permute(0, 2, 3, 1)
        return maps

    def forward_head(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.fc(maps.mean((1, 2)))
        return logits

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def test_features_with_the_channels_at_the_end_are_turned() -> None:
    model = ChannelsAtTheEnd()
    assert torch.equal(wrap(model)(EXAMPLE)[1], model.conv(EXAMPLE))


class Pointwise(Net):
    """A 1x1 convolution for a head, behind the pooling or before it."""

    def __init__(self, pool_first: bool) -> None:
        super().__init__()
        self.fc = nn.Conv2d(8, 4, 1)  # type: ignore[assignment]
        self.pool_first = pool_first

    def forward(self, x: Tensor) -> Tensor:
        maps = self.norm(self.conv(x)).relu()
        if self.pool_first:
            return cast(Tensor, self.fc(maps.mean((2, 3), keepdim=True)).flatten(1))
        return cast(Tensor, self.fc(maps).mean((2, 3)))


class Answer:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


class Saying(Net):
    """As networks of Hugging Face: a dict or an object, and control flow that cannot be traced."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> object:  # type: ignore[override]
        if x.sum() < 0:
            raise ValueError("this depends on the pixels")
        return self.answer(self.fc(self.between(self.relu(self.norm(self.conv(x))).mean((2, 3)))))


@pytest.mark.parametrize(
    "model",
    [
        Pointwise(True),
        Pointwise(False),
        Saying(lambda logits: {"loss": None, "logits": logits}),
        Saying(Answer),
        Saying(lambda logits: logits),
        data_parallel(Net()),
        torch.optim.swa_utils.AveragedModel(Net()),
    ],
    ids=["1x1 behind the pooling", "1x1 before it", "dict", "object", "not traceable", "DataParallel", "averaged"],
)
def test_other_exact_networks_are_taken(model: nn.Module) -> None:
    model = wrap(model.train(), EXAMPLE)
    assert model.training
    x, targets = torch.rand(3, 3, 16, 16), torch.tensor([3, 1, 0])
    logits, features = model.eval()(x)
    assert features.shape == (3, 8, 7, 7)
    head = model.head
    maps = torch.stack([cam(features, head.weight, torch.full((3,), k)) for k in range(4)], dim=1)
    torch.testing.assert_close(maps.mean((-2, -1)) + head.bias, logits, rtol=1e-4, atol=1e-5)
    terms = CAMLoss(1.0)(*model.train()(x), head.weight, targets)
    terms.total.backward()
    assert 0 < terms.cam.item() < 1
    assert explain(model, x, class_idx=[0, 2]).cam.shape == (3, 2, 7, 7)


class Holding(nn.Module):
    """A network inside another one, by the name that wrappers for training give it."""

    def __init__(self, network: nn.Module, mean: float) -> None:
        super().__init__()
        self.module, self.mean = network, mean

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.module(x - self.mean)
        return answer


def test_what_is_done_around_a_network_is_part_of_it() -> None:
    x = torch.rand(3, 3, 16, 16)
    for mean, is_more in ((0.0, False), (0.5, True)):
        for around in (lambda network: network, data_parallel):
            model = around(Holding(Net(), mean)).eval()
            wrapped = wrap(model, EXAMPLE)
            assert isinstance(wrapped.model, Holding) == is_more
            torch.testing.assert_close(wrapped(x)[0], model(x))


@pytest.mark.parametrize("make", [timm_model, torchvision_model])
def test_a_head_in_a_sequential_with_dropout(make: Callable[[str], nn.Module]) -> None:
    theirs = make("resnet18")
    linear = nn.Linear(512, 4)
    theirs.fc = nn.Sequential(nn.Dropout(0.2), linear)
    model = wrap(theirs, torch.rand(1, 3, 64, 64))
    assert model.head is linear
    theirs.fc = nn.Linear(512, 6)
    assert model.head is theirs.fc
    assert model.eval()(torch.rand(1, 3, 64, 64))[0].shape == (1, 6)
    theirs.fc = nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(CamlossError, match="its head fc is Sequential, not one linear layer"):
        _ = model.head


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet18", r"^wrap takes a network, not str; make one first"),
        (torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), "^a scripted model cannot be taken apart"),
        (nn.Sequential(nn.Conv1d(3, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)), "made of Conv1d;"),
        (nn.Sequential(nn.Conv3d(3, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)), "made of Conv3d;"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), "no exact CAM|cannot be taken apart"),
        (nn.Sequential(), "it has no linear layer"),
    ],
    ids=["str", "scripted", "Conv1d", "Conv3d", "without convolutions", "empty"],
)
def test_what_is_no_network_on_images_is_one_line(model: nn.Module, message: str) -> None:
    with pytest.raises(CamlossError, match=message) as refused:
        wrap(model)
    assert "\n" not in str(refused.value)


def test_double_precision_by_default_changes_nothing() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        model = wrap(torchvision_model("resnet18"))
        assert explain(model, torch.rand(1, 3, 64, 64)).cam.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert wrap(torchvision_model("resnet18")).head.weight.dtype == torch.float32
