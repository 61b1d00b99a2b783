import dataclasses
import math
from pathlib import Path

import pytest
import torch
from tiny_mnist import write_tiny_mnist

from camloss import CamlossError
from camloss.digits.mnist import MNISTData, load_mnist
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.hardware import pick_device, pick_precision
from camloss.training.loop import DivergedError, accuracy, epoch_generators, train
from camloss.training.resume import TrainingState


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MNISTData:
    return load_mnist(write_tiny_mnist(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(epochs=2, batch_size=50, hands=0, output_dir=tmp_path, device="cpu")


Weights = dict[str, torch.Tensor]


def weights(config: TrainConfig, variant: str, data: MNISTData) -> Weights:
    return train(config, variant, data, log=lambda _: None).model.state_dict()


def same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_both_twins_learn(config: TrainConfig, data: MNISTData) -> None:
    lines: list[str] = []
    for variant in ("ce", "cam"):
        twin = train(dataclasses.replace(config, epochs=4, augment=0.0), variant, data, log=lines.append)
        assert accuracy(twin.model, data.test) >= 0.95
        assert not twin.model.training
        assert [entry["epoch"] for entry in twin.history] == [1, 2, 3, 4]
        assert [entry["alpha"] for entry in twin.history] == ([0, 0, 0, 0] if variant == "ce" else [0, 3, 3, 3])
        assert all(math.isfinite(value) for entry in twin.history for value in entry.values())
    assert len(lines) == 8
    assert lines[0].startswith("ce epoch  1/4  L_ce ")


def test_the_same_seed_gives_the_same_weights_and_another_does_not(config: TrainConfig, data: MNISTData) -> None:
    first = weights(config, "cam", data)
    assert same(first, weights(config, "cam", data))
    assert not same(first, weights(dataclasses.replace(config, seed=1), "cam", data))


def test_the_twins_differ_in_alpha_only(config: TrainConfig, data: MNISTData) -> None:
    """Same initial weights, same images in the same order: with no alpha to apply, the twins are one model."""
    warm_up_only = dataclasses.replace(config, warmup_epochs=config.epochs)
    assert same(weights(warm_up_only, "ce", data), weights(warm_up_only, "cam", data))
    assert not same(weights(config, "ce", data), weights(config, "cam", data))


def test_training_leaves_torchs_global_generator_alone(config: TrainConfig, data: MNISTData) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(config, "ce", data, log=lambda _: None)
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_run_continues_to_the_same_weights(config: TrainConfig, data: MNISTData) -> None:
    config = dataclasses.replace(config, epochs=3)
    uninterrupted = weights(config, "cam", data)
    TrainingState(config, "cam").discard()

    class StopError(Exception):
        pass

    def stop_after_the_second(line: str) -> None:
        if "epoch  2" in line:
            raise StopError

    with pytest.raises(StopError):
        train(config, "cam", data, log=stop_after_the_second)
    resumed = train(dataclasses.replace(config, resume=True), "cam", data, log=lambda _: None)
    assert same(resumed.model.state_dict(), uninterrupted)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3]


def test_resuming_with_other_flags_is_refused(config: TrainConfig, data: MNISTData) -> None:
    train(config, "ce", data, log=lambda _: None)
    changed = dataclasses.replace(config, resume=True, alpha=2.0, learning_rate=1e-4)
    with pytest.raises(CamlossError, match="had other values of learning_rate, alpha; repeat its flags"):
        train(changed, "ce", data, log=lambda _: None)


def test_resuming_nothing_starts_at_the_beginning(config: TrainConfig, data: MNISTData) -> None:
    assert same(weights(dataclasses.replace(config, resume=True), "ce", data), weights(config, "ce", data))


def test_a_dry_run_writes_nothing(config: TrainConfig, data: MNISTData) -> None:
    train(dataclasses.replace(config, dry_run=True), "cam", data, log=lambda _: None)
    assert list(config.output_dir.iterdir()) == []


def test_a_loss_that_diverges_is_named_with_exit_code_1(config: TrainConfig, data: MNISTData) -> None:
    with pytest.raises(DivergedError, match=r"the loss of the cam twin became (nan|inf) in epoch \d") as stopped:
        train(dataclasses.replace(config, optimizer="adam", learning_rate=1e30), "cam", data, log=lambda _: None)
    assert stopped.value.exit_code == 1


def test_float32_and_bfloat16_learn_alike(config: TrainConfig, data: MNISTData) -> None:
    config = dataclasses.replace(config, epochs=4, augment=0.0)
    for precision in ("float32", "bfloat16"):
        twin = train(dataclasses.replace(config, precision=precision), "cam", data, log=lambda _: None)
        assert accuracy(twin.model, data.test) >= 0.95
        assert twin.environment["precision"] == precision
        assert twin.model.head.weight.dtype == torch.float32


def test_hands_are_part_of_what_is_learnt(config: TrainConfig, data: MNISTData) -> None:
    assert not same(weights(config, "ce", data), weights(dataclasses.replace(config, hands=5), "ce", data))


def test_the_original_recipe_runs(config: TrainConfig, data: MNISTData) -> None:
    recipe = dataclasses.replace(RECIPES["original"], output_dir=config.output_dir, dry_run=True, epochs=20)
    assert [recipe.alpha_at(epoch) for epoch in (0, 9, 10, 19)] == [0, 0, 3, 3]
    assert recipe.learning_rate_at(0.0) == recipe.learning_rate_at(0.99) == 1e-4
    short = dataclasses.replace(recipe, epochs=1)
    assert train(short, "cam", data, log=lambda _: None).model.arch == "plain_cnn"


def test_one_cycle() -> None:
    config = TrainConfig(learning_rate=1.0)
    assert config.learning_rate_at(0.0) == 0
    assert config.learning_rate_at(0.1) == pytest.approx(0.5)
    assert config.learning_rate_at(0.2) == pytest.approx(1.0)
    assert config.learning_rate_at(0.6) == pytest.approx(0.5)
    assert config.learning_rate_at(1.0) == 0


def test_generators_depend_on_seed_and_epoch() -> None:
    def draw(seed: int, epoch: int) -> list[int]:
        return [int(torch.randint(2**30, (), generator=g)) for g in epoch_generators(seed, epoch, torch.device("cpu"))]

    draws = [draw(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert draws == [draw(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len({number for pair in draws for number in pair}) == 18


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"arch": "lenet"}, "unknown arch 'lenet'; expected one of light_cnn, sketch_cnn, plain_cnn, resnet18"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"augment": 1.5}, "augment is 1.5"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; expected one of muon, adamw, adam"),
        ({"hands": -1}, "hands is -1"),
        ({"variants": ()}, "variants are none"),
        ({"variants": ("ce", "kd")}, "variants are ce kd"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CamlossError, match=message):
        TrainConfig(**change)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("tpu", "meta"):
        with pytest.raises(CamlossError, match=f"device '{name}' cannot be used .*; try --device cpu"):
            pick_device(name)


def test_bfloat16_is_taken_only_where_the_cpu_says_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for abilities, expected in (({"avx512_bf16": True}, "bfloat16"), ({"avx512_bf16": False, "avx2": True}, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=abilities: found, raising=False)
        assert pick_precision("auto", torch.device("cpu")) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # torch 2.8 has none
    for has_it, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda found=has_it: found)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert pick_precision("auto", torch.device("cpu")) == expected
    assert pick_precision("bfloat16", torch.device("cpu")) == "bfloat16"


def test_the_record_holds_no_paths_of_this_machine(config: TrainConfig) -> None:
    assert str(config.output_dir) not in str(config.record())
    assert {"arch", "epochs", "alpha", "seed", "learning_rate"} <= set(config.record())
