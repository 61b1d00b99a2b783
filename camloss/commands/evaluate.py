"""Measure checkpoints: MNIST's test set with and without corruptions, their maps, and digits of unseen writers.

    camloss evaluate                                  the pair in checkpoints/
    camloss evaluate runs/a user/camloss-mnist        a pair in a folder, a pair on the Hub
    camloss evaluate runs/a/cam --json                one checkpoint, everything that was measured
    camloss evaluate --ood                            also the OOD score of a pair: digits against other drawings

The measures are those of the study. Beside the numbers of the networks' maps stand those of two maps that no network
made: a centred Gaussian, and one random pixel of a stroke. What they reach too says nothing about a network.

Writers: the pen strokes of the UCI repository, rasterized as the demo does it with a drawing (strokes), and drawn at
random size, place and brush and preprocessed as a photo (raster). Choose on the development writers (30, in
pendigits/pendigits-orig.tra.gz); report on the report writers (7 others, in pendigits/pendigits-report.tes.gz), once
per reported result. What the data folder lacks is left out.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from camloss import cli
from camloss.checkpoint import is_folder, load_weights
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.data.ood_fitting import detection_by_kind, measure_ood_score, preprocess_split
from camloss.data.peaks import locate_peaks, pixels, true_cams
from camloss.errors import CamlossError
from camloss.hub.network import weight_file
from camloss.metrics import stroke_energy
from camloss.models import MapClassifier
from camloss.pair import Pair, is_pair
from camloss.split import Split
from camloss.study.measures import CLAIMED, CONTROLS, head_of, locate, survey
from camloss.study.report import evaluation_table, ood_table, writers_table
from camloss.study.writers import WRITERS, WrittenDigits, from_raster, from_strokes, read_digits
from camloss.training.hardware import environment

DRAWINGS = 30  # of each letter and shape


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_flags(argv)
    models = {name: model for source in args.sources for name, model in models_of(source).items()}
    if args.ood:
        require_ood_scores(models)  # now, not after a download and minutes of measuring
    test = load_mnist(args.data_dir).test
    measured: dict[str, dict[str, float]] = {}
    baseline = None  # the first network, whose maps are a control of the others'
    for source, model in models.items():
        say(f"measuring {source} ...")
        measured[source] = survey(model, test, baseline, "float32") | locate_peaks(true_cams(model, test), test)
        baseline = baseline or model
    written = read_writers(args.data_dir)
    record = {
        "environment": environment(torch.device("cpu")),
        "images": {"test": len(test)},
        "checkpoints": measured,
        "controls": {name: of_control(name, test) for name in CONTROLS},
        "writers": {name: of_writers(models, digits) for name, digits in written.items()},
    }
    if args.ood:
        record["ood"] = of_ood_score(models, test, written)
    print(json.dumps(record, indent=1) if args.json else as_text(record))


def as_text(record: Mapping[str, Any]) -> str:
    tables = [evaluation_table(record)]
    if record["writers"]:
        tables.append(writers_table(record))
    if "ood" in record:
        tables.append(ood_table(record))
    return "\n\n".join(tables)


def of_control(name: str, test: Split) -> dict[str, float]:
    """On as many images as of the networks: `camloss.study.measures.survey` has the energy of all of them."""
    some, images = head_of(test, CLAIMED), pixels(test)
    maps = CONTROLS[name](images)
    energy = stroke_energy(maps, images).mean().item()
    return {**locate(maps[: len(some)], some), "stroke_energy": energy, **locate_peaks(maps, test)}


def read_writers(data_dir: Path) -> dict[str, WrittenDigits]:
    """By "SET, strokes" and "SET, raster", of those `WRITERS` whose file is there."""
    found = {}
    for name, file in WRITERS.items():
        path = data_dir / file
        if not path.is_file():
            say(f"no {path}: the {name} writers are left out")
            continue
        digits = read_digits(path)
        found[f"{name}, strokes"] = from_strokes(digits)
        say(f"drawing the digits of the {name} writers ...")
        found[f"{name}, raster"] = from_raster(digits)
    return found


def of_writers(models: Mapping[str, MapClassifier], digits: WrittenDigits) -> dict[str, Any]:
    accuracies = {source: digits.accuracy(model) for source, model in models.items()}
    return {
        "images": len(digits.split),
        "by_writer": {source: by_writer for source, (by_writer, _) in accuracies.items()},
        "worst_class": {source: worst for source, (_, worst) in accuracies.items()},
    }


def require_ood_scores(models: Mapping[str, MapClassifier]) -> None:
    """Raises CamlossError where a network has no OOD score."""
    for source, model in models.items():
        if model.ood_score is None:
            raise CamlossError(f"{source} has no OOD score; leave out --ood, or train it with camloss train")


def of_ood_score(
    models: Mapping[str, MapClassifier], test: Split, written: Mapping[str, WrittenDigits]
) -> dict[str, Any]:
    say("measuring the OOD score ...")
    digits = {"MNIST, test set, preprocessed": preprocess_split(test)}
    digits |= {
        f"{name} writers": written[f"{name}, strokes"].split for name in WRITERS if f"{name}, strokes" in written
    }
    by_variant = {Path(source).name: model for source, model in models.items()}
    missed = [row for row in detection_by_kind(by_variant, DRAWINGS) if row[1] < 0.5]
    return {"rates": measure_ood_score(by_variant, digits, test), "missed": missed}


def models_of(source: str) -> dict[str, MapClassifier]:
    """The models of a pair, or one model, by what to call them in the table."""
    if is_folder(source) and not is_pair(Path(source)):
        return {source: load_weights(*weight_file(source))}
    return {f"{source}/{variant}": model for variant, model in Pair.load(source).digit_models.items()}


def say(line: str) -> None:
    print(line, file=sys.stderr)


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__, "evaluate")
    parser.add_argument(
        "sources", nargs="*", default=["checkpoints"], help="folders or Hub repositories of pairs or checkpoints"
    )
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument("--ood", action="store_true", help="measure the OOD score too")
    parser.add_argument("--json", action="store_true", help="print everything that was measured as JSON")
    return parser.parse_args(argv)
