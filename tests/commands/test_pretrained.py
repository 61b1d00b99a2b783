"""`camloss train --pretrained`: weights of timm and torchvision, fetched and kept by these libraries."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import timm
import torch
from command_line import UNREACHABLE, assert_one_line, run
from hub_server import Hub, Repo
from pictures import write_pictures
from safetensors.torch import save
from torch import Tensor
from torchvision import models

from camloss import load_checkpoint

pytest_plugins = ["hub_client"]

OF_TIMM, OF_TORCHVISION = "timm/test_resnet", "torchvision/shufflenet_v2_x0_5"
QUICK = ("--epochs", "2", "--alpha-start-epoch", "1", "--batch-size", "20", "--size", "64", "--device", "cpu")
STANDING_STILL = ("--optimizer", "sgd", "--learning-rate", "1e-30", "--precision", "float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "photos", train=7, val=2)


@pytest.fixture
def of_timm(hub: Hub) -> dict[str, Tensor]:
    """On the Hub, where timm looks for them."""
    donor: dict[str, Tensor] = timm.create_model("test_resnet").state_dict()
    repo = hub.repos["model", "timm/test_resnet.r160_in1k"] = Repo()
    repo.commit({"model.safetensors": save(donor)})
    return donor


@pytest.fixture
def of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """In the cache of torchvision's downloads."""
    donor: dict[str, Tensor] = models.get_model("shufflenet_v2_x0_5").state_dict()
    address = models.get_model_weights("shufflenet_v2_x0_5")["DEFAULT"].url
    file = tmp_path / "hub" / "checkpoints" / address.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(donor, file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return donor


@pytest.mark.parametrize(("arch", "donated"), [(OF_TIMM, "of_timm"), (OF_TORCHVISION, "of_torchvision")])
def test_both_variants_start_from_the_weights(
    request: pytest.FixtureRequest, photos: Path, tmp_path: Path, arch: str, donated: str
) -> None:
    donor: Mapping[str, Tensor] = request.getfixturevalue(donated)
    words = ("--arch", arch, "--pretrained", *STANDING_STILL, "--output-dir", tmp_path / "out")
    done = run("train", "--data", photos, *QUICK, *words)
    assert done.code == 0, done.err
    for variant in ("ce", "cam"):
        network = load_checkpoint(tmp_path / "out", variant)
        kept = {name.removeprefix("model."): weight for name, weight in network.named_parameters()}
        of_head = {name for name in kept if donor.get(name) is None or donor[name].shape != kept[name].shape}
        assert sorted(kept[name].shape[0] for name in of_head) == [3, 3]  # weight and bias, new
        assert max((kept[name] - donor[name]).abs().max() for name in kept.keys() - of_head) < 1e-20
    one, other = (load_checkpoint(tmp_path / "out", variant).head for variant in ("ce", "cam"))
    assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize("arch", [OF_TIMM, OF_TORCHVISION, "resnet18"])
def test_weights_that_cannot_be_fetched_are_one_line(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str
) -> None:
    """Before anything is read."""
    hub.stop()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, UNREACHABLE)
    done = run("train", "--data", tmp_path / "none", *QUICK, "--arch", arch, "--pretrained")
    assert_one_line(done, 2, "cannot get", "ImageNet weights", "connect to a network or go on without --pretrained")
