"""Measure checkpoints on MNIST's test set and on drawn digits; print one table, controls beside the networks.

    python scripts/evaluate.py                                    the pair in checkpoints/
    python scripts/evaluate.py runs/a user/camloss-mnist          a pair in a folder, a pair on the Hub
    python scripts/evaluate.py runs/a/cam --json                  a single checkpoint
    python scripts/evaluate.py --pens 2.6 1.8 1.4 1.1 0.8         instead: what chose the width of the pen that writes

Beside what the networks' maps get stands what two maps get that no network made: a centred Gaussian
and one random pixel of the ink. A number that they reach too says nothing about a network.

Drawn digits are the pen strokes of the UCI repository (pendigits-orig.tra), read from the pen's path, as the page
reads a drawing, and (_picture) drawn at random size, place and brush and read as it reads a photo; they are left out
where the data folder has no pendigits/pendigits-orig.tra.gz.
What the networks learn was chosen on the `design` writers (1 to 15); only the `report` writers (16 to 30) say how they
read a hand that they never met.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _checkout
import torch

from camloss import cli, load_checkpoint
from camloss.checkpoint import is_folder
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.data.ood_fitting import as_the_page_reads
from camloss.models import MapClassifier
from camloss.pair import Pair, is_pair
from camloss.study.evaluation import (
    CONTROLS,
    HANDS,
    PEN_FILE,
    digits_read,
    draw_pen_digits,
    load_pen_digits,
    locate,
    measure,
    pixels,
    write_pen_digits,
)
from camloss.training.hardware import environment


def main() -> None:
    args = parse_flags()
    models = {name: model for source in args.sources for name, model in models_of(source).items()}
    if args.pens:
        print(f"{by_pen(models, args.pens, args.data_dir)}\n\n{by_whom(environment(torch.device('cpu')))}")
        return
    test = load_mnist(args.data_dir).test
    pen_digits = load_pen_digits(args.data_dir)
    if not pen_digits:
        say(f"no {args.data_dir / PEN_FILE}: drawn digits are left out")
    measured = {}
    for source, model in models.items():
        say(f"measuring {source} ...")
        measured[source] = measure(model, test, pen_digits)

    controls = {name: locate(control(pixels(test)), test) for name, control in CONTROLS.items()}
    record = {
        "environment": environment(torch.device("cpu")),
        "images": {"test": len(test), "pen": sum(len(pen_digits[name]) for name in HANDS if name in pen_digits)},
        "checkpoints": measured,
        "controls": controls,
    }
    print(json.dumps(record, indent=2) if args.json else as_table(record))


def by_pen(models: Mapping[str, MapClassifier], widths: Sequence[float], data_dir: Path) -> str:
    """How digits that may choose are read, by the width in pixels of the pen with which their paths are written."""
    validation = load_mnist(data_dir).validation
    rows = []
    for width in widths:
        say(f"writing with a pen of {width} ...")
        drawn = (write_pen_digits, draw_pen_digits)
        shown = [read(data_dir / PEN_FILE, HANDS["design"], pen=width) for read in drawn]
        shown.append(as_the_page_reads(validation, width))
        for name, model in models.items():
            of_each = [digits_read(model, split) for split in shown]
            rows.append([f"{width}", name, *(f"{share:.2%}" for pair in of_each for share in pair)])
    places = ("path", "picture", "MNIST's, picture")
    return cli.table(["pen", "network", *(column for place in places for column in (place, "worst digit"))], rows)


def as_table(record: Mapping[str, Any]) -> str:
    """What --json prints, for people."""
    columns = {**record["checkpoints"], **record["controls"]}
    metrics = next(iter(columns.values()))
    rows = [[m, *(f"{numbers[m]:.4f}" if m in numbers else "" for numbers in columns.values())] for m in metrics]
    return f"{cli.table(['metric', *columns], rows)}\n\n{conditions(record)}"


def conditions(record: Mapping[str, Any]) -> str:
    images = record["images"]
    return f"{images['test']:,} test images, {images['pen']:,} pen digits; {by_whom(record['environment'])}"


def by_whom(where: Mapping[str, Any]) -> str:
    return f"{where['device']}, torch {where['torch']}"


def models_of(source: str) -> dict[str, MapClassifier]:
    """The models of a pair, or one model, by what to call them in the table."""
    if is_folder(source) and not is_pair(Path(source)):
        return {source: load_checkpoint(source)}
    return {f"{source}/{variant}": model for variant, model in Pair.load(source).models.items()}


def say(line: str) -> None:
    print(line, file=sys.stderr)


def parse_flags() -> argparse.Namespace:
    parser = cli.Parser(__doc__)
    bundled = os.path.relpath(_checkout.ROOT / "checkpoints")
    parser.add_argument("sources", nargs="*", default=[bundled], help="folders or Hub repo ids of pairs or checkpoints")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--pens", nargs="+", type=float, metavar="W", help="compare pens of these widths, in pixels")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
