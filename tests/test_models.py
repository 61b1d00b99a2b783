import urllib.error
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camloss import CamlossError, build_model, cam
from camloss.models import ARCHS, MapClassifier, build_classifier, count_macs, on_pixels, pool_by

MAPS = {
    "light_cnn": (64, 14, 14),
    "sketch_cnn": (96, 14, 14),
    "plain_cnn": (256, 28, 28),
    "resnet18": (512, 4, 4),
    "tiny_cnn": (24, 14, 14),
    "small_resnet": (128, 3, 3),
}


@pytest.mark.parametrize("arch", ARCHS)
def test_shapes(arch: str) -> None:
    model = build_model(arch, num_classes=7, in_chans=3).eval()
    with torch.no_grad():
        logits, features = model(torch.rand(2, 3, 28, 28))
    assert logits.shape == (2, 7)
    assert features.shape == (2, *MAPS[arch])
    assert isinstance(model.head, nn.Linear)
    assert model.arch == arch


@pytest.mark.parametrize("arch", ["small_resnet", "timm/resnet10t"])
def test_a_network_pools_by_a_function(arch: str) -> None:
    model = build_model(arch, num_classes=3).eval()
    pool_by(model, lambda features: features.amax((-2, -1)))
    with torch.no_grad():
        logits, features = model(torch.rand(2, 3, 64, 64))
        torch.testing.assert_close(logits, model.head(features.amax((-2, -1))))


def test_a_network_whose_pooling_has_no_name_is_refused() -> None:
    with pytest.raises(CamlossError, match="torchvision/resnet18 cannot be taken here"):
        pool_by(build_model("torchvision/resnet18", num_classes=3), torch.flatten)


@pytest.mark.parametrize("arch", ["light_cnn", "sketch_cnn", "resnet18", "tiny_cnn"])
def test_logits_are_the_mean_of_the_cams_plus_the_bias(arch: str) -> None:
    model = build_classifier(arch).eval()
    with torch.no_grad():
        logits, features = model(torch.rand(3, 1, 28, 28))
        for class_idx in range(10):
            maps = cam(features, model.head.weight, torch.full((3,), class_idx))
            torch.testing.assert_close(maps.mean((-2, -1)) + model.head.bias[class_idx], logits[:, class_idx])


def test_plain_cnn_pools_with_a_maximum() -> None:
    model = build_model("plain_cnn").eval()
    with torch.no_grad():
        logits, features = model(torch.rand(2, 1, 28, 28))
        torch.testing.assert_close(logits, model.head(features.amax((-2, -1))))


def test_macs_are_counted_from_shapes() -> None:
    """Each output of a 3x3 convolution takes 9 MACs a channel that it sees; the head, one a channel."""
    sketch = 1 * 16 * 28**2 + (16 * 48 + 48 * 64 + 64 * 64 + 64 * 64 + 64 * 96) * 14**2
    model = build_model("sketch_cnn").train()
    model.features[1].eval()  # type: ignore[index]
    assert count_macs(model) == 9 * sketch + 96 * 10
    assert model.training
    assert not model.features[1].training  # type: ignore[index]


def test_light_cnn_is_light() -> None:
    model = build_model("light_cnn")
    assert count_macs(model) <= 16_000_000
    assert sum(parameter.numel() for parameter in model.parameters()) <= 100_000


@pytest.mark.parametrize("arch", ["light_cnn", "sketch_cnn"])
def test_a_cell_sees_21_pixels(arch: str) -> None:
    model = build_classifier(arch).eval()
    image = torch.rand(1, 1, 28, 28, requires_grad=True)
    model(image)[1][0, :, 7, 7].sum().backward()
    assert image.grad is not None
    rows, columns = image.grad[0, 0].nonzero().unbind(1)
    assert int(rows.max() - rows.min() + 1) == int(columns.max() - columns.min() + 1) == 21


@pytest.mark.parametrize("arch", ["light_cnn", "sketch_cnn"])
def test_the_default_networks_see_locally(arch: str) -> None:
    """What happens in one corner must not reach the cell in the opposite one."""
    model = build_classifier(arch).eval()
    image = torch.rand(1, 1, 28, 28)
    changed = image.clone()
    changed[..., :4, :4] = 1 - changed[..., :4, :4]
    with torch.no_grad():
        difference = (model(image)[1] - model(changed)[1]).abs().sum(1)[0]  # (14, 14)
    assert difference[0, 0] > 0
    assert difference[-1, -1] == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_no_activation_works_in_place(arch: str) -> None:
    """What an activation is given stays as it was: a map, a hook or a gradient may be read from it."""
    model, given = build_classifier(arch, in_chans=1).eval(), list[tuple[Tensor, Tensor]]()
    for module in model.features.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, inputs: given.append((inputs[0], inputs[0].clone())))
    with torch.no_grad():
        model(torch.rand(1, 1, 28, 28))
    assert len(given) >= 3
    for now, before in given:
        assert torch.equal(now, before)


@pytest.mark.parametrize(("arch", "shape"), [("light_cnn", (2, 48, 14, 14)), ("plain_cnn", (2, 128, 28, 28))])
def test_forward_features_is_forward_with_intermediate_features(arch: str, shape: tuple[int, ...]) -> None:
    model = build_classifier(arch).eval()
    x = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        logits, features, middle = model.forward_features(x)
        assert torch.equal(logits, model(x)[0])
        assert torch.equal(features, model(x)[1])
        assert torch.equal(model.features[model.middle :](middle), features)  # type: ignore[index]
    assert middle.shape == shape
    assert model.middle_channels == shape[1]


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if arch != "small_resnet"])
def test_every_arch_for_digits_has_intermediate_features(arch: str) -> None:
    model = build_classifier(arch).eval()
    with torch.no_grad():
        assert model.forward_features(torch.rand(1, 1, 28, 28))[2].shape[1] == model.middle_channels


def test_normalisation_is_the_models_own_first_step() -> None:
    model = MapClassifier(nn.Identity(), 1, 2)
    _, features = model(torch.full((1, 1, 2, 2), 0.1307))
    assert torch.equal(features, torch.zeros(1, 1, 2, 2))


def test_an_unknown_arch_is_refused_by_name() -> None:
    with pytest.raises(CamlossError, match="'lenet'; expected one of light_cnn, sketch_cnn, plain_cnn, resnet18"):
        build_model("lenet")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(CamlossError, match="'sketch_cnn' does not take pretrained"):
        build_model("sketch_cnn", pretrained=True)


def test_pretrained_takes_all_but_the_replaced_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet18_Weights, resnet18

    donor = resnet18(weights=None).state_dict()
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda *_args, **_kwargs: donor)
    ours = build_model("resnet18", pretrained=True).features.state_dict()
    places = {"1": "bn1", "3": "layer1", "4": "layer2", "5": "layer3", "6": "layer4"}
    for name, tensor in ours.items():
        place, _, rest = name.partition(".")
        if place in places:
            assert torch.equal(tensor, donor[f"{places[place]}.{rest}"]), name
        else:
            assert name == "0.weight"
            assert tensor.shape == (64, 1, 3, 3)


def test_pretrained_without_a_network_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet18_Weights

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", refuse)
    with pytest.raises(CamlossError, match=r"^cannot get ResNet-18's ImageNet weights .* go on without --pretrained$"):
        build_model("resnet18", pretrained=True)


def test_another_pooling() -> None:
    x = torch.rand(2, 1, 28, 28)
    model = build_model("sketch_cnn", pooling="max").eval()
    logits, features = model(x)
    assert torch.equal(logits, model.head(features.amax((-2, -1))))
    with pytest.raises(CamlossError, match="unknown pooling 'min'; expected one of avg, max"):
        build_model("sketch_cnn", pooling="min")  # type: ignore[call-overload]


def test_small_resnet_is_small_and_standardises_nothing() -> None:
    model = build_classifier("small_resnet")
    assert sum(parameter.numel() for parameter in model.parameters()) == 464_170
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert model.eval()(images)[1].shape == (2, 128, 8, 8)
        ready = on_pixels(model, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
        by_hand = (images - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
        torch.testing.assert_close(ready(images)[0], model(by_hand)[0])
    assert build_classifier("small_resnet", width=16).head.in_features == 32
    for width in (0, 3, "wide"):
        with pytest.raises(CamlossError, match=r"width is .*; expected an even number"):
            build_classifier("small_resnet", width=width)


def test_networks_that_take_pixels_are_given_them_as_they_are() -> None:
    model = build_classifier("light_cnn", in_chans=3)
    assert on_pixels(model, (0.5,) * 3, (0.5,) * 3) is model
    assert on_pixels(build_classifier("small_resnet"), None, None).head.in_features == 128


def test_pretrained_networks_of_torchvision_keep_their_features_and_get_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    made = models.get_model("resnet18", weights=None)
    ours = models.get_model

    def with_weights(name: str, weights: str | None = None, **options: int) -> Any:
        return made if weights == "DEFAULT" else ours(name, weights=weights, **options)

    monkeypatch.setattr(models, "get_model", with_weights)
    network = build_model("torchvision/resnet18", 5, pretrained=True)
    assert network.head.out_features == 5
    assert torch.equal(network.state_dict()["model.layer4.1.conv2.weight"], made.layer4[1].conv2.weight)
    assert network(torch.rand(1, 3, 64, 64))[0].shape == (1, 5)

    def offline(*_: object, weights: str | None = None, **__: object) -> Any:
        if weights == "DEFAULT":
            raise OSError("no route")
        return made

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(CamlossError, match=r"cannot get the ImageNet weights of torchvision/resnet18 \(no route\)"):
        build_model("torchvision/resnet18", 5, pretrained=True)
