"""Distil a teacher into a small student on MNIST: CAAM-CAM distillation beside logit distillation and no teacher.

    python scripts/dev/benchmark_distillation.py                      all training images, the recipe's epochs
    python scripts/dev/benchmark_distillation.py --images 10000 --epochs 4

Each loss gets the alpha with the best validation accuracy, clean and among clutter together, of one seed; then as many
seeds as asked for are trained with it, and measured on the test images. What a run has trained is not trained again.
"""

import argparse
import dataclasses
import statistics
from pathlib import Path

import _root
from _meter import hardware

from camloss import cli
from camloss.checkpoint import WEIGHTS, load_weights, save_checkpoint
from camloss.data.mnist import MNIST, default_data_dir, load_mnist
from camloss.losses import BASELINE, LOSSES
from camloss.models import MapClassifier
from camloss.split import Split
from camloss.study.measures import choices
from camloss.study.statistics import paired
from camloss.training.config import TrainConfig
from camloss.training.loop import train
from camloss.training.state import TrainingState
from camloss.training.teacher import load_teacher

ALPHAS = {  # to choose from
    BASELINE: (0.0,),
    "cam": (1.0, 3.0, 10.0),
    "logit-distillation": (0.1, 0.3, 1.0),
    "caam-distillation": (1.0, 3.0, 10.0),
}
MEASURES = {
    "accuracy": "accuracy",
    "clutter_8": "among clutter",
    "canvas_56": "canvas 56x56",
    "top_precision_10": "precision@10 %",
}


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--teacher",
        type=Path,
        default=_root.ROOT / "checkpoints" / "cam",
        metavar="FOLDER",
        help="of the teacher's checkpoint (default: %(default)s)",
    )
    parser.add_argument("--arch", default="tiny_cnn", help="of the student (default: tiny_cnn)")
    parser.add_argument("--images", type=int, metavar="N", help="training images (default: all)")
    parser.add_argument(
        "--epochs", type=int, default=TrainConfig().epochs, metavar="N", help="of each training (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings each (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument(
        "--output-dir", type=Path, default=Path("runs", "distillation"), help="of the weights (default: %(default)s)"
    )
    runs = Runs(parser.parse_args())
    test = {loss: runs.on_test(loss) for loss in ALPHAS}
    print(cli.table(["student", "alpha", *MEASURES.values()], [row(LOSSES[loss].title, test[loss]) for loss in ALPHAS]))
    print()
    for loss in ALPHAS:
        if loss != BASELINE:
            print(f"{LOSSES[loss].title} less cross-entropy: {differences(test[loss][1], test[BASELINE][1])}.")
    print(f"\n{runs.described}\n\n{hardware()}")


Measured = dict[int, dict[str, float]]
"""By seed."""


class Runs:
    """The trainings of one set of options."""

    def __init__(self, options: argparse.Namespace) -> None:
        data = load_mnist(options.data_dir)
        count = options.images or len(data.train)
        few = Split(data.train.images[:count], data.train.labels[:count])
        self.data: MNIST = dataclasses.replace(data, train=few)
        self.seeds = range(options.seeds)
        self.folder = options.output_dir / f"{options.arch}-images-{len(few)}-epochs-{options.epochs}"
        self.config = TrainConfig(
            arch=options.arch,
            epochs=options.epochs,
            synthetic=0,
            variants=tuple(ALPHAS),
            teacher=str(options.teacher / WEIGHTS),
        )
        teacher = load_weights(options.teacher / WEIGHTS)
        both = (self.model(BASELINE, 0.0, 0), teacher)
        sizes = " and ".join(f"{sum(weight.numel() for weight in model.parameters()):,}" for model in both)
        self.described = (
            f"MNIST, {len(few):,} training images, {options.epochs} epochs, {len(self.seeds)} seeds; student "
            f"{options.arch}, teacher {teacher.arch}, {sizes} parameters."
        )

    def model(self, loss: str, alpha: float, seed: int) -> MapClassifier:
        """Trained now, or before."""
        folder = self.folder / f"{loss}-alpha-{alpha:g}-seed-{seed}"
        if not (folder / WEIGHTS).is_file():
            config = dataclasses.replace(self.config, alpha=alpha, seed=seed, output_dir=folder)
            teacher = load_teacher(config, self.data)
            trained = train(config, loss, self.data, loss=lambda now: LOSSES[loss].criterion(now, teacher))
            save_checkpoint(trained.model, folder, {"history": trained.history})
            TrainingState(config, loss).discard()
        return load_weights(folder / WEIGHTS)

    def best_alpha(self, loss: str) -> float:
        """By validation images, of one seed."""

        def validated(alpha: float) -> float:
            found = choices(self.model(loss, alpha, 0), self.data.validation, "float32")
            return found["accuracy"] + found["clutter_8"]

        alphas = ALPHAS[loss]
        return alphas[0] if len(alphas) == 1 else max(alphas, key=validated)

    def on_test(self, loss: str) -> tuple[float, Measured]:
        """The alpha of a loss and what its students measure: accuracy on all test images, the rest on some."""
        alpha = self.best_alpha(loss)
        return alpha, {seed: choices(self.model(loss, alpha, seed), self.data.test, "float32") for seed in self.seeds}


def row(title: str, found: tuple[float, Measured]) -> list[str]:
    alpha, by_seed = found
    cells = []
    for measure in MEASURES:
        values = [measured[measure] for measured in by_seed.values()]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        cells.append(f"{statistics.mean(values):.2%} ± {100 * spread:.2f}")
    return [title, f"{alpha:g}" if alpha else "", *cells]


def differences(one: Measured, other: Measured) -> str:
    """Paired by seed, with 95 % intervals."""
    found = {
        name: paired(*({seed: measured[key] for seed, measured in of.items()} for of in (one, other)))
        for key, name in MEASURES.items()
    }
    return ", ".join(
        f"{name} {100 * d.mean:+.2f} pp [{100 * d.low:+.2f}, {100 * d.high:+.2f}]" for name, d in found.items() if d
    )


if __name__ == "__main__":
    cli.run(main)
