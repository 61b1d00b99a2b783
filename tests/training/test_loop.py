import dataclasses
import math

import pytest
import torch
from trained import same, training, weights

from camloss.data.dataset import Dataset
from camloss.errors import CamlossError
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import (
    DivergedError,
    accuracy,
    epoch_generators,
    initial_model,
    largest_that_fits,
    one_epoch,
    out_of_memory,
    train,
)


def test_both_variants_learn(config: TrainConfig, data: Dataset) -> None:
    config = dataclasses.replace(config, arch="light_cnn", epochs=4, augment=0.0, precision="float32")
    lines = []
    for variant in ("ce", "cam"):
        trained, logged = training(config, variant, data)
        lines += logged
        assert accuracy(trained.model, data.test) >= 0.95
        assert not trained.model.training
        assert [entry["epoch"] for entry in trained.history] == [1, 2, 3, 4]
        assert [entry["alpha"] for entry in trained.history] == ([0, 0, 0, 0] if variant == "ce" else [0, 10, 10, 10])
        assert all(math.isfinite(value) for entry in trained.history for value in entry.values())
    assert len(lines) == 8
    assert lines[0].startswith("ce epoch  1/4  L_ce ")


def test_the_same_seed_gives_the_same_weights_and_another_does_not(config: TrainConfig, data: Dataset) -> None:
    first = weights(config, "cam", data)
    again = train(config, "cam", data, log=lambda _: None)
    assert same(first, again.model.state_dict())
    assert not same(first, weights(dataclasses.replace(config, seed=1), "cam", data))


def test_the_variants_differ_in_alpha_only(config: TrainConfig, data: Dataset) -> None:
    """Same initial weights, same images in the same order: with no alpha to apply, both are one model."""
    before_alpha = dataclasses.replace(config, alpha_start_epoch=config.epochs)
    assert same(weights(before_alpha, "ce", data), weights(before_alpha, "cam", data))
    assert not same(weights(config, "ce", data), weights(config, "cam", data))


def test_dropout_too_is_of_the_seed_and_the_epoch(config: TrainConfig, data: Dataset) -> None:
    """Torch's global generator, from which it draws, is left alone."""
    words = ("output_stride=8", "drop_rate=0.5", "drop_path_rate=0.2")
    config = dataclasses.replace(config, arch="timm/test_resnet", arch_arg=words, dry_run=True)
    found = []
    for seed in (7, 8):
        torch.manual_seed(seed)
        expected = torch.rand(3)
        torch.manual_seed(seed)
        found.append(train(config, "ce", data, log=lambda _: None).model.state_dict())
        assert torch.equal(torch.rand(3), expected)
    assert same(*found)


def test_a_dry_run_writes_nothing(config: TrainConfig, data: Dataset) -> None:
    train(dataclasses.replace(config, dry_run=True), "cam", data, log=lambda _: None)
    assert list(config.output_dir.iterdir()) == []


def test_a_loss_that_diverges_is_named_with_exit_code_1(config: TrainConfig, data: Dataset) -> None:
    with pytest.raises(DivergedError, match=r"the loss of cam became (nan|inf) in epoch \d") as stopped:
        train(dataclasses.replace(config, optimizer="adam", learning_rate=1e30), "cam", data, log=lambda _: None)
    assert stopped.value.exit_code == 1


def test_float32_and_bfloat16_learn_alike(config: TrainConfig, data: Dataset) -> None:
    config = dataclasses.replace(config, arch="light_cnn", epochs=4, augment=0.0)
    for precision in ("float32", "bfloat16"):
        trained, _ = training(dataclasses.replace(config, precision=precision), "cam", data)
        assert accuracy(trained.model, data.test) >= 0.95
        assert trained.environment["precision"] == precision
        assert trained.model.head.weight.dtype == torch.float32


def test_synthetic_digits_are_trained_on(config: TrainConfig, data: Dataset) -> None:
    assert not same(weights(config, "ce", data), weights(dataclasses.replace(config, synthetic=5), "ce", data))


def test_every_step_learns_at_the_rate_of_its_middle(
    config: TrainConfig, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate is 0 at both ends of a run, but no step is at an end."""
    asked = []

    def rate(_: TrainConfig, progress: float) -> float:
        asked.append(progress)
        return 0.01

    monkeypatch.setattr(TrainConfig, "learning_rate_at", rate)
    train(dataclasses.replace(config, epochs=2, dry_run=True), "ce", data, log=lambda _: None)
    assert asked == [0.125, 0.375, 0.625, 0.875]


def test_averaged_weights_are_between_the_first_and_the_last(config: TrainConfig, data: Dataset) -> None:
    kept = 0.9
    few = dataclasses.replace(config, epochs=1, dry_run=True, augment=0.0)
    seen = [initial_model(few).state_dict()]
    averaged = train(few, "ce", data, log=lambda _: None, average=kept).model.state_dict()
    seen.append(train(few, "ce", data, log=lambda _: None).model.state_dict())
    name = "head.bias"  # moved twice: the average holds 0.1 of the last step and 0.09 of the first
    moved = (averaged[name] - seen[0][name]).abs().sum() / (seen[1][name] - seen[0][name]).abs().sum()
    assert 0.1 <= moved <= 0.19
    assert averaged["features.1.running_mean"].abs().sum() < seen[1]["features.1.running_mean"].abs().sum()


def test_the_original_recipe_runs(config: TrainConfig, data: Dataset) -> None:
    recipe = dataclasses.replace(RECIPES["original"], output_dir=config.output_dir, dry_run=True, epochs=20)
    assert [recipe.alpha_at(epoch) for epoch in (0, 9, 10, 19)] == [0, 0, 3, 3]
    assert recipe.learning_rate_at(0.0) == recipe.learning_rate_at(0.99) == 1e-4
    short = dataclasses.replace(recipe, epochs=1)
    assert train(short, "cam", data, log=lambda _: None).model.arch == "plain_cnn"


def test_generators_depend_on_seed_and_epoch() -> None:
    def draw(seed: int, epoch: int) -> list[int]:
        return [int(torch.randint(2**30, (), generator=g)) for g in epoch_generators(seed, epoch, torch.device("cpu"))]

    draws = [draw(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert draws == [draw(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len({number for pair in draws for number in pair}) == 18


def test_a_data_set_without_hooks_trains(config: TrainConfig, data: Dataset) -> None:
    """What MNIST alone needs is in its hooks: more images, snapshots, the OOD score."""
    plain = Dataset(**{field.name: getattr(data, field.name) for field in dataclasses.fields(data)})
    trained = train(dataclasses.replace(config, synthetic=5), "ce", plain, log=lambda _: None)
    assert same(trained.model.state_dict(), weights(config, "ce", data))
    assert trained.snapshots == {}
    assert plain.finish(trained.model) == {}
    assert (plain.channels, plain.size) == (1, (28, 28))


def test_no_progress_bar_without_a_terminal(
    config: TrainConfig, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    train(dataclasses.replace(config, dry_run=True), "ce", data)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("ce epoch  1/2  L_ce ")


def test_too_little_memory_says_what_fits() -> None:
    def step(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 20:
            raise torch.OutOfMemoryError
        return torch.zeros(3)

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(CamlossError, match="64 images a step; 16 fit: take --batch-size 16, or --accumulate 4"):
        one_epoch(step, optimizer, [(torch.arange(64), 0.1)], "ce", 0)
    with pytest.raises(CamlossError, match="16 fit: take --batch-size 16, or --accumulate 8"):
        one_epoch(step, optimizer, [(torch.arange(64), 0.1)], "ce", 0, accumulate=2)
    assert largest_that_fits(step, torch.arange(1)) == 0
    assert "take a lower --batch-size" in out_of_memory(1, 0)
