"""Train the twins with several seeds and print mean ± standard deviation of everything measured.

    python scripts/sweep.py --seeds 0 1 2

Takes every flag of train.py. Checkpoints go to OUTPUT_DIR/seed-N/VARIANT; seeds that are complete there are not
trained again, so that an interrupted sweep continues with --resume.
"""

import dataclasses
import statistics
from collections.abc import Mapping
from pathlib import Path

import _checkout  # noqa: F401
from train import add_train_flags, chosen_config, is_pair, train_and_save

from camloss import cli, load_checkpoint
from camloss.checkpoint import WEIGHTS, load_training
from camloss.digits.mnist import load_mnist
from camloss.digits.models import MapClassifier
from camloss.training.config import TrainConfig
from camloss.training.evaluation import load_pen_digits, measure
from camloss.training.hardware import environment, pick_device
from camloss.twins import Twins


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    add_train_flags(parser)
    flags = vars(parser.parse_args())
    seeds = flags.pop("seeds")
    flags.setdefault("output_dir", Path("runs") / "seeds")
    config = chosen_config(flags)

    data = load_mnist(config.data_dir)
    pen_digits = load_pen_digits(config.data_dir)
    measured: dict[str, list[dict[str, float]]] = {variant: [] for variant in config.variants}
    for seed in seeds:
        run = dataclasses.replace(config, seed=seed, output_dir=config.output_dir / f"seed-{seed}")
        if not is_complete(run):
            train_and_save(run, data)
        for variant, model in models_in(run).items():
            seconds = sum(entry["seconds"] for entry in load_training(run.output_dir / variant)["history"])
            measured[variant].append({**measure(model, data.test, pen_digits), "training_seconds": seconds})

    rows = [
        [name, *(mean_and_deviation([numbers[name] for numbers in measured[variant]]) for variant in config.variants)]
        for name in next(iter(measured.values()))[0]
    ]
    where = environment(pick_device(config.device))
    print(cli.table([f"mean ± std of {len(seeds)} seeds", *config.variants], rows))
    print(f"\nseeds {' '.join(map(str, seeds))}; {where['device']}, torch {where['torch']}")


def models_in(run: TrainConfig) -> Mapping[str, MapClassifier]:
    if is_pair(run):
        return Twins.load(run.output_dir).models
    return {variant: load_checkpoint(run.output_dir / variant) for variant in run.variants}


def is_complete(run: TrainConfig) -> bool:
    """Whether the folder holds every twin, trained with just this config."""
    folders = [run.output_dir / variant for variant in run.variants]
    return all((folder / WEIGHTS).is_file() and load_training(folder)["config"] == run.record() for folder in folders)


def mean_and_deviation(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


if __name__ == "__main__":
    cli.run(main)
