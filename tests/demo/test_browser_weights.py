import dataclasses
import gzip
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from starlette.applications import Starlette
from starlette.testclient import TestClient
from torch import nn
from torch.nn import functional as F
from untrained import write_pair, write_snapshots

from camloss.demo.browser_weights import fold, further_files, in_groups, snapshot_file, weight_file, weight_routes
from camloss.demo.pairs import load_for_page
from camloss.errors import CamlossError
from camloss.models import MNIST_MEAN, MNIST_STD, build_model, on_pixels
from camloss.ood import OODScore
from camloss.pair import Pair


@pytest.fixture
def client(pair: Pair) -> TestClient:
    def pair_of(networks: str | None) -> Pair:
        if networks != "pair":
            raise CamlossError("unknown networks")
        return pair

    return TestClient(Starlette(routes=[*weight_routes(pair_of)]))


def test_folded_layers_compute_what_the_network_computes() -> None:
    model = build_model("plain_cnn").eval()
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.get_buffer("running_mean").uniform_(-1, 1)
        norm.get_buffer("running_var").uniform_(0.5, 2)
        nn.init.uniform_(norm.weight, -1, 1)
    layers = fold(model)
    assert layers is not None
    images = torch.rand(2, 1, 28, 28)
    x = ((images - MNIST_MEAN) / MNIST_STD).double()
    for layer in layers:
        x = F.conv2d(x, layer.weight, layer.bias, stride=layer.stride, padding=1).relu()
    torch.testing.assert_close(x.float(), model(images)[1], atol=1e-4, rtol=1e-4)


def test_four_outputs_of_one_input_lie_side_by_side() -> None:
    weight = torch.arange(8 * 2 * 9).view(8, 2, 3, 3)
    ordered = in_groups(weight)
    assert ordered.shape == (2, 3, 3, 2, 4)
    assert ordered[1, 2, 0, 1].tolist() == weight[4:8, 1, 2, 0].tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: nn.Sequential(*parts[:-1]),
        lambda parts: nn.Sequential(*parts[:-1], nn.GELU()),
        lambda parts: nn.Sequential(*parts, nn.MaxPool2d(2), nn.Identity(), nn.ReLU()),
        lambda parts: nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), *parts[1:]),
        lambda parts: nn.Sequential(nn.Conv2d(1, 16, 3), *parts[1:]),
        lambda parts: nn.Sequential(*parts[:-3], nn.Conv2d(64, 30, 3, padding=1), nn.BatchNorm2d(30), nn.ReLU()),
    ],
)
def test_what_the_kernel_does_not_know_is_not_folded(change: object) -> None:
    model = build_model("sketch_cnn")
    assert callable(change)
    model.features = change(list(model.features.children()))
    assert fold(model) is None


def test_networks_of_other_libraries_have_no_file(pair: Pair) -> None:
    networks = {variant: on_pixels(build_model("small_resnet", in_chans=1), (0.1,), (0.3,)) for variant in pair.models}
    others = dataclasses.replace(pair, models=networks)
    assert weight_file(others) is None
    assert further_files(others) == {}


def test_the_file_holds_both_models_and_its_name_their_hash(client: TestClient, pair: Pair) -> None:
    told = client.get("/web/weights?networks=pair").json()
    assert told["source"] == pair.source
    assert told["run"] == pair.run
    answer = client.get(f"/web/weights/{told['file']}")
    assert hashlib.sha256(answer.content).hexdigest() + ".safetensors" == told["file"]
    assert {name.partition(".")[0] for name in load(answer.content)} == set(pair.models)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(f"/web/weights/{told['file']}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content


def test_the_shipped_pair_is_light_enough() -> None:
    shipped = load_for_page(Path(__file__).resolve().parents[2] / "checkpoints")
    file, on_the_way = weight_file(shipped), snapshot_file(shipped)
    assert file is not None
    assert len(file.compressed) <= 1_400_000
    assert gzip.decompress(file.compressed) == file.plain
    if on_the_way is not None:
        assert len(on_the_way.compressed) <= 2_500_000


def test_snapshots_are_a_file_of_their_own_in_float16(tmp_path: Path) -> None:
    pair = load_for_page(write_snapshots(write_pair(tmp_path)))
    client = TestClient(Starlette(routes=[*weight_routes(lambda _: pair)]))
    told = client.get("/web/weights").json()
    assert told["snapshots"]["epochs"] == [
        {"epoch": 1, "alpha": 0.0, "accuracy": {"ce": 0.97, "cam": 0.97}},
        {"epoch": 2, "alpha": 1.0, "accuracy": {"ce": 0.99, "cam": 0.99}},
    ]
    name = told["snapshots"]["file"]
    assert name != told["file"]
    answer = client.get(f"/web/weights/{name}")
    assert hashlib.sha256(answer.content).hexdigest() + ".safetensors" == name
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    tensors = load(answer.content)
    assert {key.rpartition(".")[0].rsplit(".", 1)[0] for key in tensors} == {"1.ce", "1.cam", "2.ce", "2.cam"}
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    layers = fold(pair.snapshots[0].models["cam"])
    assert layers is not None
    assert tensors["1.cam.3.weight"].equal(in_groups(layers[3].weight).half())


def test_further_variants_are_files_of_their_own_in_float16(tmp_path: Path) -> None:
    pair = load_for_page(write_pair(tmp_path, variants=("ce", "cam", "alpha-3", "label-smoothing")))
    client = TestClient(Starlette(routes=[*weight_routes(lambda _: pair)]))
    told = client.get("/web/weights").json()
    main = load(client.get(f"/web/weights/{told['file']}").content)
    assert {name.partition(".")[0] for name in main} == {"ce", "cam"}
    seconds = {second["variant"]: second for second in told["seconds"]}
    assert list(seconds) == ["cam", "alpha-3", "label-smoothing", "ce"]
    assert [seconds[name]["file"] for name in ("cam", "ce")] == [None, None]
    assert seconds["label-smoothing"]["title"] == "Label smoothing"
    answer = client.get(f"/web/weights/{seconds['alpha-3']['file']}")
    assert hashlib.sha256(answer.content).hexdigest() + ".safetensors" == seconds["alpha-3"]["file"]
    tensors = load(answer.content)
    assert {name.partition(".")[0] for name in tensors} == {"alpha-3"}
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    layers = fold(pair.digit_models["alpha-3"])
    assert layers is not None
    assert tensors["alpha-3.3.weight"].equal(in_groups(layers[3].weight).half())


def test_a_pair_without_snapshots_has_no_such_file(client: TestClient, pair: Pair) -> None:
    assert snapshot_file(pair) is None
    told = client.get("/web/weights?networks=pair").json()
    assert told["snapshots"] is None
    assert told["seconds"] == []


def test_other_weights_have_another_name(tmp_path: Path, pair: Pair) -> None:
    other = Pair.load(write_pair(tmp_path, seed=7))
    one, two, again = weight_file(pair), weight_file(other), weight_file(pair)
    assert one is not None
    assert two is not None
    assert one.name != two.name
    assert one == again


def test_there_are_no_other_files(client: TestClient) -> None:
    assert client.get("/web/weights?networks=other").status_code == 404
    assert client.get("/web/weights").status_code == 404
    for name in ("nothing.safetensors", "..%2fweights.py", "x" * 5000):
        assert client.get(f"/web/weights/{name}").status_code == 404


def test_ood_score_goes_along(tmp_path: Path) -> None:
    flagged = Pair.load(write_pair(tmp_path))
    model = flagged.digit_models["cam"]
    model.ood_score = ood_score = OODScore(model.middle_channels, 10)
    ood_score.weight.uniform_()
    file = weight_file(flagged)
    assert file is not None
    tensors = load(file.plain)
    assert torch.equal(tensors["cam.ood_score.weight"], ood_score.weight)
    assert not any(name.startswith("ce.ood_score") for name in tensors)
