"""Train the twins on MNIST: cross-entropy alone and CAM-loss, same seed, same data order, one loop.

    python scripts/train.py                      both twins of sketch_cnn, to checkpoints/ce and checkpoints/cam
    python scripts/train.py --recipe original    the recipe of the article that this project goes back to
    python scripts/train.py --resume             continue after Ctrl-C or a crash

A checkpoint is written when its twin is done, in one step; until then the previous one stays.
"""

import argparse
import dataclasses
from typing import Any

import _checkout  # noqa: F401

from camloss import cli, explain
from camloss.checkpoint import save_checkpoint
from camloss.digits.mnist import MNISTData, load_mnist
from camloss.hub.card import write_card
from camloss.hub.push import push_pair
from camloss.hub.words import check_repo_id
from camloss.metrics import evaluate
from camloss.page.viz import card_pictures
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import train
from camloss.training.resume import TrainingState


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="then publish USER/NAME-ce and USER/NAME-cam")
    add_train_flags(parser)
    flags = vars(parser.parse_args())
    push_to = flags.pop("push_to_hub")
    config = chosen_config(flags)
    if push_to is not None:
        check_repo_id(push_to)  # now, not after an hour of training

    measured = train_and_save(config, load_mnist(config.data_dir))
    metrics = next(iter(measured.values()))
    print(cli.table(["test set", *measured], [[m, *(f"{measured[v][m]:.4f}" for v in measured)] for m in metrics]))
    if push_to is not None:
        push_pair(push_to, config.output_dir, dry_run=config.dry_run)


def train_and_save(config: TrainConfig, data: MNISTData) -> dict[str, dict[str, float]]:
    """Train the config's twins and write their checkpoints; returns what each measures on the test set."""
    measured: dict[str, dict[str, float]] = {}
    for variant in config.variants:
        twin = train(config, variant, data)
        measured[variant] = evaluate(twin.model, data.test.batches(1_000))
        if not config.dry_run:
            record = {
                "variant": variant,
                "config": config.record(),
                "history": twin.history,
                "test": measured[variant],
                "environment": twin.environment,
            }
            images, _ = next(data.test.batches(10))
            shown = explain(twin.model, images)
            pictures = card_pictures(images, shown.cam, shown.caam, twin.history)
            write_card(save_checkpoint(twin.model, config.output_dir / variant, record), pictures)
    for variant in config.variants:
        TrainingState(config, variant).discard()  # only now: until both are done, --resume needs the first one too
    return measured


def add_train_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", choices=RECIPES, default="default", help="where the other flags' defaults are from")
    cli.add_flags(parser, TrainConfig())


def chosen_config(flags: dict[str, Any]) -> TrainConfig:
    """The recipe with the flags that were given."""
    recipe = RECIPES[flags.pop("recipe")]
    return dataclasses.replace(recipe, **flags)


if __name__ == "__main__":
    cli.run(main)
