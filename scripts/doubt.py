"""What a pair's doubt is worth, on drawings that are no digit; and fitting it anew.

    python scripts/doubt.py                  the pair in checkpoints/, one table
    python scripts/doubt.py --fit runs/a     give the pair in runs/a its doubt first, in one step

It is fitted on the validation digits. Families of non-digits that chose how it is computed are named; what counts are
the others, and the pen digits of the writers who chose nothing. The page says where a network doubts.
"""

import os
import shutil
import sys
from pathlib import Path

import _checkout
import torch

from camloss import cli
from camloss.checkpoint import load_training, save_checkpoint
from camloss.digits.mnist import MNISTData, default_data_dir, load_mnist
from camloss.digits.nondigits import CHOOSING, REPORTED
from camloss.errors import CamlossError
from camloss.hub.card import PICTURES, write_card
from camloss.training.evaluation import HANDS, load_pen_digits
from camloss.training.hardware import environment
from camloss.training.known import as_the_page_reads, fit_doubt, measure_doubt
from camloss.twins import Twins, alone_in, put_pair


def main() -> None:
    parser = cli.Parser(__doc__)
    bundled = os.path.relpath(_checkout.ROOT / "checkpoints")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(bundled), help="of a pair (default: checkpoints)")
    parser.add_argument("--fit", action="store_true", help="fit the doubt of both twins and save them")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    flags = parser.parse_args()
    data = load_mnist(flags.data_dir)
    if flags.fit:
        fit(flags.folder, data)
    twins = Twins.load(flags.folder)
    if any(model.doubt is None for model in twins.models.values()):
        raise CamlossError(f"the pair in {flags.folder} has no doubt yet; add --fit")
    known = {"MNIST, test set": data.test}
    pen_digits = load_pen_digits(flags.data_dir)
    known |= {f"pen digits, {name}": pen_digits[name] for name in HANDS if name in pen_digits}
    print("measuring ...", file=sys.stderr)
    found = {variant: measure_doubt(model, known, data.test) for variant, model in twins.models.items()}
    columns = [(variant, key) for variant in found for key in ("doubted", "auroc")]
    rows = [
        [named(row), *(f"{found[v][row][key]:.3f}" if key in found[v][row] else "" for v, key in columns)]
        for row in next(iter(found.values()))
    ]
    print(cli.table(["shown", *(f"{variant}: {key}" for variant, key in columns)], rows))
    where = environment(torch.device("cpu"))
    print(f"\n400 drawings a family; {where['device']}, torch {where['torch']}")


def named(row: str) -> str:
    return f"{row} (chosen on)" if row in CHOOSING else f"{row} (reported)" if row in REPORTED else row


def fit(folder: Path, data: MNISTData) -> None:
    read = as_the_page_reads(data.validation)
    with alone_in(folder):
        staged = folder / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        for variant, model in Twins.load(folder).models.items():
            fit_doubt(model, data.validation, read)
            directory = save_checkpoint(model, staged / variant, load_training(folder / variant))
            beside = [folder / variant / name for name in PICTURES]
            pictures = {path.name: path.read_bytes() for path in beside if path.is_file()}
            write_card(directory, f"{folder.resolve().name}/{variant}", pictures)
        put_pair(staged, folder)


if __name__ == "__main__":
    cli.run(main)
