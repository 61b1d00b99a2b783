"""Distil a teacher into a small student: CAAM-CAM distillation beside logit distillation and no teacher.

    python scripts/dev/benchmark_distillation.py                      all images of MNIST, the epochs of the recipe
    python scripts/dev/benchmark_distillation.py --images 20000 --epochs 5 > docs/records/distillation.md
    python scripts/dev/benchmark_distillation.py --data data/clothing --teacher checkpoints/clothing/cam
        --arch small_resnet --arch-arg width=12 > docs/records/distillation-clothing.md

Each loss gets the alpha with the best validation accuracy of one seed, on MNIST clean and among clutter together; then
as many seeds as asked for are trained with it, and measured on the test images. What a run has trained is not trained
again.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Mapping
from pathlib import Path

import _root
from _meter import hardware

from camloss import cli
from camloss.checkpoint import WEIGHTS, load_weights, save_checkpoint
from camloss.data.datasets import load_data
from camloss.data.mnist import default_data_dir
from camloss.data.pictures import say
from camloss.losses import BASELINE, LOSSES
from camloss.metrics import evaluate
from camloss.models import MapClassifier, on_pixels
from camloss.split import Split
from camloss.study.measures import choices
from camloss.study.statistics import paired
from camloss.training.config import RECIPES, recipe_for
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
    "default": {
        "accuracy": "accuracy",
        "clutter_8": "among clutter",
        "canvas_56": "canvas 56x56",
        "top_precision_10": "precision@10 %",
    },
    "pictures": {"accuracy": "accuracy", "calibration_error": "calibration error"},
}
"""By recipe, what to call what is measured."""
CHOSEN_BY = ("accuracy", "clutter_8")


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--data", default="mnist", help="mnist or a folder of pictures (default: mnist)")
    parser.add_argument(
        "--teacher",
        type=Path,
        default=_root.ROOT / "checkpoints" / "cam",
        metavar="FOLDER",
        help="of the teacher's checkpoint (default: %(default)s)",
    )
    parser.add_argument("--arch", default="tiny_cnn", help="of the student (default: tiny_cnn)")
    parser.add_argument("--arch-arg", nargs="*", default=[], metavar="NAME=VALUE", help="its options")
    parser.add_argument("--images", type=int, metavar="N", help="training images (default: all)")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each training (default: the recipe's)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings each (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument(
        "--output-dir", type=Path, default=Path("runs", "distillation"), help="of the weights (default: %(default)s)"
    )
    runs = Runs(parser.parse_args())
    test = {loss: runs.on_test(loss) for loss in ALPHAS}
    rows = [row(LOSSES[loss].title, *test[loss]) for loss in ALPHAS]
    print(
        cli.table(["student", "alpha", *runs.measures.values()], [*rows, row("*the teacher*", 0.0, runs.of_teacher())])
    )
    print()
    for loss in ALPHAS:
        if loss != BASELINE:
            found = differences(runs.measures, test[loss][1], test[BASELINE][1])
            print(f"- {LOSSES[loss].title} less cross-entropy: {found}.")
    found = differences(runs.measures, test["caam-distillation"][1], test["logit-distillation"][1])
    print(f"- CAAM-CAM distillation less logit distillation: {found}.")
    print(f"\n{runs.described}\n\n{hardware()}")


Measured = dict[int, dict[str, float]]
"""By seed."""


class Runs:
    """The trainings of one set of options."""

    def __init__(self, options: argparse.Namespace) -> None:
        data = load_data(options.data, options.data_dir)
        count = options.images or len(data.train)
        few = Split(data.train.images[:count], data.train.labels[:count])
        self.data = dataclasses.replace(data, train=few)
        self.seeds = range(options.seeds)
        recipe = RECIPES[recipe_for(options.data)]
        self.config = dataclasses.replace(
            recipe,
            data=options.data,
            arch=options.arch,
            arch_arg=tuple(options.arch_arg),
            epochs=options.epochs or recipe.epochs,
            synthetic=0,
            variants=tuple(ALPHAS),
            teacher=str(options.teacher / WEIGHTS),
        )
        name = "-".join((options.arch, *options.arch_arg))
        self.folder = options.output_dir / f"{name}-images-{len(few)}-epochs-{self.config.epochs}"
        self.measures = MEASURES[recipe_for(options.data)]
        self.teacher = load_weights(options.teacher / WEIGHTS).float()
        both = (self.model(BASELINE, 0.0, 0), self.teacher)
        sizes = " and ".join(f"{sum(weight.numel() for weight in model.parameters()):,}" for model in both)
        self.described = (
            f"{self.config.data_name}, {len(few):,} training images, {self.config.epochs} epochs, {len(self.seeds)} "
            f"seeds; student {name}, teacher {self.teacher.arch}, {sizes} parameters."
        )

    def model(self, loss: str, alpha: float, seed: int) -> MapClassifier:
        """Trained now, or before."""
        folder = self.folder / f"{loss}-alpha-{alpha:g}-seed-{seed}"
        if not (folder / WEIGHTS).is_file():
            config = dataclasses.replace(self.config, alpha=alpha, seed=seed, output_dir=folder)
            teacher = load_teacher(config, self.data)
            trained = train(config, loss, self.data, log=say, loss=lambda now: LOSSES[loss].criterion(now, teacher))
            save_checkpoint(trained.model, folder, {"history": trained.history})
            TrainingState(config, loss).discard()
        return load_weights(folder / WEIGHTS)

    def best_alpha(self, loss: str) -> float:
        """By validation images, of one seed."""

        def validated(alpha: float) -> float:
            found = self.measured(self.model(loss, alpha, 0), self.data.validation)
            return sum(found[key] for key in CHOSEN_BY if key in found)

        alphas = ALPHAS[loss]
        return alphas[0] if len(alphas) == 1 else max(alphas, key=validated)

    def on_test(self, loss: str) -> tuple[float, Measured]:
        """The alpha of a loss and what its students measure: accuracy on all test images, the rest on some."""
        alpha = self.best_alpha(loss)
        return alpha, {seed: self.measured(self.model(loss, alpha, seed), self.data.test) for seed in self.seeds}

    def of_teacher(self) -> Measured:
        return {0: self.measured(self.teacher, self.data.test)}

    def measured(self, model: MapClassifier, split: Split) -> dict[str, float]:
        found = (
            choices(model, split, "float32")
            if self.config.data == "mnist"
            else evaluate(on_pixels(model, self.data.mean, self.data.std), split.batches(1_000))
        )
        return {name: found[name] for name in self.measures}


def row(title: str, alpha: float, by_seed: Measured) -> list[str]:
    cells = []
    for values in zip(*(measured.values() for measured in by_seed.values()), strict=True):
        spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.2%}{spread}")
    return [title, f"{alpha:g}" if alpha else "", *cells]


def differences(measures: Mapping[str, str], one: Measured, other: Measured) -> str:
    """Paired by seed, with 95 % intervals."""
    found = {
        name: paired(*({seed: measured[key] for seed, measured in of.items()} for of in (one, other)))
        for key, name in measures.items()
    }
    return ", ".join(
        f"{name} {100 * d.mean:+.2f} pp [{100 * d.low:+.2f}, {100 * d.high:+.2f}]" for name, d in found.items() if d
    )


if __name__ == "__main__":
    cli.run(main)
