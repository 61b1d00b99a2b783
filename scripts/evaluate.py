"""Measure checkpoints on MNIST's test set and on drawn digits; print one table.

    python scripts/evaluate.py                                    checkpoints/ce and checkpoints/cam
    python scripts/evaluate.py runs/a runs/b user/camloss-mnist-cam --json

Drawn digits are the pen strokes of the UCI repository (pendigits-orig.tra), drawn at random size, place and brush and
read as the page reads a drawing; they are left out where the data folder has no pendigits/pendigits-orig.tra.gz.
What the networks learn was chosen on the `design` writers (1 to 15); only the `report` writers (16 to 30) say how they
read a hand that they never met.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import _checkout
import torch

from camloss import cli, load_checkpoint
from camloss.digits.mnist import default_data_dir, load_mnist
from camloss.training.config import VARIANTS
from camloss.training.evaluation import PEN_FILE, load_pen_digits, measure
from camloss.training.hardware import environment


def main() -> None:
    args = parse_flags()
    models = {source: load_checkpoint(source) for source in args.checkpoints}
    test = load_mnist(args.data_dir).test
    pen_digits = load_pen_digits(args.data_dir)
    if not pen_digits:
        say(f"no {args.data_dir / PEN_FILE}: drawn digits are left out")
    measured = {}
    for source, model in models.items():
        say(f"measuring {source} ...")
        measured[source] = measure(model, test, pen_digits)

    where = environment(torch.device("cpu"))
    counts = {"test": len(test), "pen": sum(map(len, pen_digits.values()))}
    if args.json:
        print(json.dumps({"environment": where, "images": counts, "checkpoints": measured}, indent=2))
        return
    names = next(iter(measured.values()))
    print(cli.table(["metric", *measured], [[n, *(f"{measured[s][n]:.4f}" for s in measured)] for n in names]))
    print(f"\n{counts['test']:,} test images, {counts['pen']:,} pen digits; {where['device']}, torch {where['torch']}")


def say(line: str) -> None:
    print(line, file=sys.stderr)


def parse_flags() -> argparse.Namespace:
    parser = cli.Parser(__doc__)
    bundled = [os.path.relpath(_checkout.ROOT / "checkpoints" / variant) for variant in VARIANTS]
    parser.add_argument("checkpoints", nargs="*", default=bundled, help="directories or Hub repo ids")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
