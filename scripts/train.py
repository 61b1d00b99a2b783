"""Train the twins on MNIST: cross-entropy alone and CAM-loss, same seed, same data order, one loop.

    python scripts/train.py                      both twins of sketch_cnn, to checkpoints/ce and checkpoints/cam
    python scripts/train.py --recipe original    the recipe of the article that this project goes back to
    python scripts/train.py --resume             continue after Ctrl-C or a crash

A checkpoint is written when its twin is done, in one step; until then the previous one stays.
"""

import argparse
import dataclasses

import _checkout  # noqa: F401

from camloss import cli
from camloss.checkpoint import save_checkpoint
from camloss.data import load_mnist
from camloss.metrics import evaluate
from camloss.training import RECIPES, TrainConfig, TrainingState, train


def main() -> None:
    config, push_to = parse_flags()
    data = load_mnist(config.data_dir)
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
            save_checkpoint(twin.model, config.output_dir / variant, record)
    for variant in config.variants:
        TrainingState(config, variant).discard()  # only now: until both are done, --resume needs the first one too
    metrics = next(iter(measured.values()))
    print(cli.table(["test set", *measured], [[m, *(f"{measured[v][m]:.4f}" for v in measured)] for m in metrics]))
    if push_to is not None:
        from camloss.hub import push_pair

        push_pair(push_to, config.output_dir, dry_run=config.dry_run)


def parse_flags() -> tuple[TrainConfig, str | None]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, default="default", help="where the other flags' defaults are from")
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="then publish USER/NAME-ce and USER/NAME-cam")
    cli.add_flags(parser, TrainConfig())
    flags = vars(parser.parse_args())
    recipe, push_to = RECIPES[flags.pop("recipe")], flags.pop("push_to_hub")
    return dataclasses.replace(recipe, **flags), push_to


if __name__ == "__main__":
    cli.run(main)
