"""Try a change of the recipe, and print what all the changes gave.

    python scripts/ablate.py --change "augmentation 0.3" --over "the recipe, 4 epochs" --epochs 4 --augment 0.3
    python scripts/ablate.py          rebuild docs/recipe.md from docs/recipe.jsonl

Takes every flag of train.py. Trains the CAM-loss twin once a seed and appends a line a run to docs/recipe.jsonl. What
is compared is the cross-entropy on 10,000 images that MNIST's training set gives up for it; the test set is not read.
"""

import dataclasses
import json
import statistics
import time
from typing import Any

from _checkout import ROOT
from train import add_train_flags, chosen_config

from camloss import CamlossError, cli
from camloss.digits.mnist import load_mnist
from camloss.digits.models import multiply_adds
from camloss.metrics import evaluate
from camloss.training import comparison
from camloss.training.config import TrainConfig
from camloss.training.loop import train

RECORDS, TABLE = ROOT / "docs" / "recipe.jsonl", ROOT / "docs" / "recipe.md"
VALIDATION = 10_000  # images
INTRODUCTION = f"""\
# What was tried for the recipe

Each row is one change to the row that it names: what it does to the cross-entropy of the CAM-loss twin on
{VALIDATION:,} validation images, in ten-thousandths, over the seeds that both rows have (how many stands in brackets),
with its standard error where there are several. The twin trains on the other 50,000 images of MNIST's training set,
without drawn digits where the row does not name them. Less is better. Most rows have one seed, and of one seed a
difference under 10 decides nothing. The twin's alpha is 3 in all of them, as it was until the study chose another: to
compare with these rows, give `--alpha 3`. Multiply-adds are those of one forward pass, CPU time that of a run on one
thread of an AMD EPYC with bfloat16. Made by `python scripts/ablate.py` from [recipe.jsonl](recipe.jsonl), which holds
every run; what did not help is no longer in the code.

Muon's rates are named as they were when they were tried, in a unit a quarter of today's (`Muon.size` in
`camloss/training/optimizer.py`): the recipe's 0.04 is the config's `learning_rate` of 0.01. What learning handwriting
costs on MNIST is the last row: at four epochs, cross-entropy with every seed, and no accuracy that these images could
tell. Not tried: label smoothing, a cheaper or fused batch norm, crops in early epochs, and schedules other than the
one that ends at a fifth.
"""


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--change", help="what is tried, in words; without it, nothing is trained")
    parser.add_argument("--over", help="the change that it is compared with")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    add_train_flags(parser)
    flags = vars(parser.parse_args())
    change, over, seeds = flags.pop("change"), flags.pop("over"), flags.pop("seeds")
    config = dataclasses.replace(chosen_config(flags), variants=("cam",))
    if change is not None:
        if over is not None and over not in {record["change"] for record in read_records()}:
            raise CamlossError(f"nothing is recorded of {over!r}; expected a change in {RECORDS.name}")
        for seed in seeds:
            record = {"change": change, "over": over, **measure_once(dataclasses.replace(config, seed=seed))}
            with RECORDS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    TABLE.write_text(page(read_records()), encoding="utf-8")


def measure_once(config: TrainConfig) -> dict[str, Any]:
    data = load_mnist(config.data_dir, VALIDATION)
    start = time.process_time()
    model = train(config, "cam", data).model
    seconds = time.process_time() - start
    numbers = evaluate(model, data.validation.batches(1_000))
    return {
        "seed": config.seed,
        "epochs": config.epochs,
        "loss": round(numbers["loss"], 5),
        "accuracy": round(numbers["accuracy"], 5),
        "multiply_adds": multiply_adds(model),
        "cpu_seconds": round(seconds),
        "config": config.record(),
    }


def read_records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def page(records: list[dict[str, Any]]) -> str:
    return f"{INTRODUCTION}\n{table(records)}\n"


def table(records: list[dict[str, Any]]) -> str:
    """One row a change, in the order of trying."""
    runs: dict[str, dict[int, dict[str, Any]]] = {}  # change: seed: record
    for record in records:
        runs.setdefault(record["change"], {})[record["seed"]] = record
    rows = []
    for change, by_seed in runs.items():
        some = next(iter(by_seed.values()))
        losses = {seed: record["loss"] for seed, record in by_seed.items()}
        over = {seed: record["loss"] for seed, record in runs.get(some["over"], {}).items()}
        rows.append(
            [
                change,
                some["over"] or "",
                str(some["epochs"]),
                f"{some['multiply_adds'] / 1e6:.1f} M",
                f"{statistics.mean(record['cpu_seconds'] for record in by_seed.values()):.0f} s",
                str(len(by_seed)),
                f"{statistics.mean(losses.values()):.4f}",
                mean_and_error([1e4 * (losses[seed] - over[seed]) for seed in losses if seed in over]),
                f"{statistics.mean(record['accuracy'] for record in by_seed.values()):.2%}",
            ]
        )
    header = ["change", "to", "epochs", "multiply-adds", "CPU time", "seeds", "cross-entropy", "difference", "accuracy"]
    return cli.table(header, rows)


def mean_and_error(differences: list[float]) -> str:
    """With how many seeds it is of, in brackets; nothing where there are none."""
    return f"{with_error(differences, 0)} ({len(differences)})" if differences else ""


def with_error(differences: list[float], digits: int) -> str:
    """The mean and, of several, its standard error."""
    mean, error = comparison.mean_and_error(differences)
    return f"{mean:+.{digits}f}" + (f" ± {error:.{digits}f}" if len(differences) > 1 else "")


if __name__ == "__main__":
    cli.run(main)
