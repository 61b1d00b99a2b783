"""What a pair's doubt is worth, on drawings that are no digit; what else it could be; and fitting it anew.

    python scripts/ood_score.py                  the pair in checkpoints/, one table
    python scripts/ood_score.py --compare        instead: what chose how doubt is computed, and when the page ood_scores
    python scripts/ood_score.py --fit runs/a     give the pair in runs/a its doubt first, in one step

It is fitted on the validation digits, as they are and as the page reads them. Families of non-digits that chose how it
is computed are named; what counts are the others, and the pen digits of the writers who chose nothing. The page says so
where either network ood_scores.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import _checkout
import torch

from camloss import cli
from camloss.checkpoint import load_training, save_checkpoint
from camloss.data.mnist import MNIST, default_data_dir, load_mnist
from camloss.data.ood_fitting import (
    PAGE,
    PER_FAMILY,
    as_the_page_reads,
    compare_rules,
    compare_scores,
    detection_by_kind,
    fit_ood_score,
    measure_ood_score,
)
from camloss.digits.ood_drawings import CHOOSING, REPORTED
from camloss.errors import CamlossError
from camloss.hub.model_card import pictures_in, write_card
from camloss.models import MapClassifier
from camloss.pair import Pair, alone_in, pair_config, pair_files, put_pair, write_pair_config
from camloss.split import Split
from camloss.study.evaluation import HANDS, load_pen_digits
from camloss.training.hardware import environment

OF_A_KIND = 30  # drawings of each letter and shape
LIMIT = 0.005  # share of known digits at which the page's rules are compared


def main() -> None:
    parser = cli.Parser(__doc__)
    bundled = os.path.relpath(_checkout.ROOT / "checkpoints")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(bundled), help="of a pair (default: checkpoints)")
    parser.add_argument("--fit", action="store_true", help="fit the doubt of both twins and save them")
    parser.add_argument("--compare", action="store_true", help="print what other scores and rules would be worth")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    flags = parser.parse_args()
    data = load_mnist(flags.data_dir)
    if flags.fit:
        fit(flags.folder, data)
    pair = Pair.load(flags.folder)
    if any(model.ood_score is None for model in pair.models.values()):
        raise CamlossError(f"the pair in {flags.folder} has no doubt yet; add --fit")
    pen_digits = load_pen_digits(flags.data_dir)
    print("measuring ...", file=sys.stderr)
    if flags.compare:
        print(comparison(pair.models, data.validation, pen_digits))
    else:
        print(worth(pair.models, data.test, pen_digits))
    where = environment(torch.device("cpu"))
    print(f"\n{PER_FAMILY} drawings a family; {where['device']}, torch {where['torch']}")


def worth(models: Mapping[str, MapClassifier], test: Split, pen_digits: Mapping[str, Split]) -> str:
    known = {"MNIST, test set, as the page reads": as_the_page_reads(test)}
    known |= {f"pen digits, {name}": pen_digits[name] for name in HANDS if name in pen_digits}
    found = measure_ood_score(models, known, test)
    columns = [(who, key) for who in found for key in ("flagged", "auroc")]
    rows = [
        [named(row), *(f"{found[who][row][key]:.3f}" if key in found[who][row] else "" for who, key in columns)]
        for row in found[PAGE]
    ]
    return f"{cli.table(['shown', *(f'{who}: {key}' for who, key in columns)], rows)}\n\n{passing(models)}"


def passing(models: Mapping[str, MapClassifier]) -> str:
    least = [
        f"{kind} {flagged:.0%} ({digit})"
        for kind, flagged, digit in detection_by_kind(models, OF_A_KIND)
        if flagged < 0.5
    ]
    return (
        f"Letters and shapes of which the page flags less than half, and what the {next(iter(models))} twin mostly "
        f"reads in them, of {OF_A_KIND} drawings each: {', '.join(least)}."
    )


def comparison(models: Mapping[str, MapClassifier], validation: Split, pen_digits: Mapping[str, Split]) -> str:
    """Without digits of the report hands, or of the test set: they choose nothing."""
    read = as_the_page_reads(validation)
    known = {"MNIST, validation": read}
    known |= {"pen digits, design": pen_digits["design"]} if pen_digits else {}
    scores = compare_scores(models, validation, read, known)
    rules = compare_rules(models, validation, known, LIMIT)
    shown = next(iter(rules.values()))
    return (
        "Mean AUROC over the families that may choose, of:\n\n"
        + cli.table(["score", *models], [[s, *(f"{row[m]:.3f}" for m in models)] for s, row in scores.items()])
        + f"\n\nShare doubted, where {LIMIT:.1%} of the first are, if the page ood_scores where:\n\n"
        + cli.table(["rule", *shown], [[rule, *(f"{row[n]:.3f}" for n in shown)] for rule, row in rules.items()])
    )


def named(row: str) -> str:
    return f"{row} (chosen on)" if row in CHOOSING else f"{row} (reported)" if row in REPORTED else row


def fit(folder: Path, data: MNIST) -> None:
    read = as_the_page_reads(data.validation)
    with alone_in(folder):
        staged = folder / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        pair = Pair.load(folder)
        of_pair = pair_config(pair.variants, pair.run)
        places = {variant: file.parent for variant, file in pair_files(folder).items()}
        for variant, model in pair.models.items():
            fit_ood_score(model, data.validation, read)
            save_checkpoint(model, staged / variant, load_training(places[variant]), of_pair)
        write_pair_config(staged, pair.variants, pair.run)
        write_card(staged, folder.resolve().name, {v: pictures_in(place) for v, place in places.items()})
        put_pair(staged, folder)


if __name__ == "__main__":
    cli.run(main)
