"""Where `camloss train` puts a pair, and what --resume does with one that is done."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from camloss import CamlossError, build_model, save_checkpoint
from camloss.checkpoint import WEIGHTS
from camloss.commands import train
from camloss.training.config import RECIPES, TrainConfig, default_output_dir


@pytest.mark.parametrize(
    ("recipe", "change", "folder"),
    [
        ("default", {}, "light_cnn-alpha-10-seed-0"),
        ("default", {"alpha": 1.0, "seed": 3}, "light_cnn-alpha-1-seed-3"),
        (
            "default",
            {"alpha": 0.25, "arch": "resnet18", "pretrained": True},
            "resnet18-pretrained-True-alpha-0.25-seed-0",
        ),
        ("default", {"epochs": 3, "learning_rate": 0.02}, "light_cnn-epochs-3-learning-rate-0.02-alpha-10-seed-0"),
        ("first", {}, "sketch_cnn-first-alpha-3-seed-0"),
        ("original", {"epochs": 2}, "plain_cnn-original-epochs-2-alpha-3-seed-0"),
        ("default", {"device": "cpu", "resume": True}, "light_cnn-alpha-10-seed-0"),
    ],
)
def test_the_folder_names_what_the_weights_depend_on(recipe: str, change: dict[str, Any], folder: str) -> None:
    config = dataclasses.replace(RECIPES[recipe], **change)
    assert default_output_dir(config, recipe) == Path("runs") / folder
    assert train.chosen_config({"recipe": recipe, **change}).output_dir == Path("runs") / folder


def test_the_help_names_the_folder_that_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"(default: {train.chosen_config({'recipe': 'default'}).output_dir})" in shown


def test_resuming_a_finished_pair_says_so_and_leaves_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--epochs", "2", "--output-dir", str(tmp_path / "pair"), "--data-dir", str(tmp_path / "none")]
    config = TrainConfig(epochs=2)
    for variant in config.variants:
        save_checkpoint(build_model(config.arch), tmp_path / "pair" / variant, {"config": config.record()})
    weights = {variant: (tmp_path / "pair" / variant / WEIGHTS).read_bytes() for variant in ("ce", "cam")}
    train.main([*flags, "--resume"])
    assert f"{tmp_path / 'pair'} is trained already: there is nothing to resume\n" in capsys.readouterr().out
    with pytest.raises(CamlossError, match=r"the finished training in .* had other values of alpha; repeat its flags"):
        train.main([*flags, "--resume", "--alpha", "1"])
    assert weights == {variant: (tmp_path / "pair" / variant / WEIGHTS).read_bytes() for variant in ("ce", "cam")}


def test_a_config_says_in_what_another_differs() -> None:
    config = TrainConfig()
    config.refuse_other(config.record(), "it")
    with pytest.raises(CamlossError, match="it had other values of alpha, seed; repeat its flags"):
        config.refuse_other(TrainConfig(alpha=1.0, seed=2).record(), "it")
