"""Measure checkpoints: MNIST's test set with and without corruptions, their maps, and digits of unseen writers.

    camloss evaluate                                  the pair in checkpoints/
    camloss evaluate runs/a user/camloss-mnist        a pair in a folder, a pair on the Hub
    camloss evaluate runs/a/cam --json                one checkpoint, everything that was measured
    camloss evaluate runs/b --boxes photos/boxes.csv  a pair on pictures: accuracy, calibration, localisation
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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camloss import cli
from camloss.checkpoint import load_weights, read_header
from camloss.data.folder import class_names
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.data.ood_fitting import detection_by_kind, measure_ood_score, preprocess_split
from camloss.data.peaks import locate_peaks, pixels, true_cams
from camloss.errors import CamlossError
from camloss.hub.network import weight_file
from camloss.hub.pull import on_the_hub
from camloss.metrics import evaluate as evaluate_network
from camloss.metrics import stroke_energy
from camloss.models import Classifier, MapClassifier, digit_network
from camloss.pair import Pair, is_pair
from camloss.split import Split
from camloss.study.measures import CLAIMED, CONTROLS, head_of, locate, survey
from camloss.study.photo_measures import MAPS_WITHOUT_A_NETWORK as WITHOUT
from camloss.study.photo_measures import locate as locate_on_boxes
from camloss.study.photo_measures import true_cams as true_cams_of
from camloss.study.photos import Photos, Scenes, load_photos
from camloss.study.report import evaluation_table, ood_table, writers_table
from camloss.study.writers import WRITERS, WrittenDigits, from_raster, from_strokes, read_digits
from camloss.training.hardware import environment

DRAWINGS = 30  # of each letter and shape


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_flags(argv)
    if args.data or args.boxes:
        folder = Path(args.data or args.boxes.parent)
        pictures = measure_pictures(args.sources, folder, args.boxes)
        print(json.dumps(pictures, indent=1) if args.json else pictures_table(pictures))
        return
    loaded = list(map(load, args.sources))
    models = {name: model for of_source, _ in loaded for name, model in of_source.items()}
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
        "run": shared_run(loaded),
        "images": {"test": len(test)},
        "checkpoints": measured,
        "controls": {name: of_control(name, test) for name in CONTROLS},
        "writers": {name: of_writers(models, digits) for name, digits in written.items()},
    }
    if args.ood:
        record["ood"] = of_ood_score(models, test, written)
    print(json.dumps(record, indent=1) if args.json else as_text(record))


def measure_pictures(sources: Sequence[str], folder: Path, boxes: Path | None) -> dict[str, Any]:
    """Accuracy, calibration and localisation of pairs trained on pictures, on the test split of a folder, else on val.

    The threshold at which a map becomes a box is chosen on val; where val is reported, it is the best one there.

    Raises:
        CamlossError: a pair is for digits, or for other classes than the folder has; or as `load_photos`.
    """
    pairs = {source: Pair.load(source) for source in sources}
    for source, pair in pairs.items():
        if pair.images is None:
            raise CamlossError(f"{source} is a pair for drawn digits; leave out --data and --boxes")
    sizes = {pair.images.image_size for pair in pairs.values() if pair.images}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
        raise CamlossError("the pairs take pictures of different or oblong sizes; measure one at a time")
    classes = class_names(folder / "train")
    for source, pair in pairs.items():
        if pair.images and pair.images.classes != classes:
            raise CamlossError(f"{source} knows other classes than {folder} has; name the folder that it learned from")
    photos = load_photos(folder, next(iter(sizes))[0], boxes_file=boxes, is_for_training=False)
    measured = {}
    for source, pair in pairs.items():
        for variant, model in pair.models.items():
            say(f"measuring {source}/{variant} ...")
            numbers = evaluate_network(model, photos.test.split.batches(250))
            measured[f"{source}/{variant}"] = numbers | localised(photos, partial(cams_of, model))
    maps = {name: localised(photos, partial(map_without, make)) for name, make in WITHOUT.items()}
    return {
        "environment": environment(torch.device("cpu")),
        "reported_on": photos.data.reported_on,
        "pictures": len(photos.test.split),
        "with_boxes": len(photos.test.counted),
        "checkpoints": measured,
        "controls": {name: numbers for name, numbers in maps.items() if numbers},
    }


def cams_of(model: Classifier, scenes: Scenes) -> Tensor:
    return true_cams_of(model, scenes.split.images[scenes.counted], scenes.split.labels[scenes.counted])


def map_without(make: Callable[[Tensor], Tensor], scenes: Scenes) -> Tensor:
    return make(scenes.split.images[scenes.counted])


def localised(photos: Photos, maps_of: Callable[[Scenes], Tensor]) -> dict[str, float]:
    """How well maps lie on the boxes; nothing where there are none."""
    if not len(photos.test.counted):
        return {}
    threshold = None
    if photos.data.reported_on == "test set" and len(photos.validation.counted):
        threshold = locate_on_boxes(maps_of(photos.validation), photos.validation, None)["box_threshold"]
    return locate_on_boxes(maps_of(photos.test), photos.test, threshold)


def pictures_table(record: Mapping[str, Any]) -> str:
    of_networks = record["checkpoints"]
    sources = {name.rpartition("/")[0] for name in of_networks}
    if len(sources) == 1:  # which whoever typed it knows
        of_networks = {name.rpartition("/")[2]: numbers for name, numbers in of_networks.items()}
    columns = {**of_networks, **record["controls"]}
    names = list(dict.fromkeys(name for numbers in columns.values() for name in numbers))
    rows = [[name, *(f"{n[name]:.4f}" if name in n else "" for n in columns.values())] for name in names]
    boxes = f", {record['with_boxes']} of them with a box that counts" if record["with_boxes"] else ""
    title = f"{record['pictures']} pictures of the {record['reported_on']}{boxes}"
    return f"{title}\n\n{cli.table(['measure', *columns], rows)}"


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
    if len(by_variant) < len(models):  # of several pairs
        by_variant = dict(models)
    missed = [row for row in detection_by_kind(by_variant, DRAWINGS) if row[1] < 0.5]
    return {"rates": measure_ood_score(by_variant, digits, test), "missed": missed}


Loaded = tuple[dict[str, MapClassifier], str | None]
"""Models by what to call them in the table, and the id of their training."""


def load(source: str) -> Loaded:
    """The models of a pair for digits, or one model."""
    if on_the_hub(source)[0] is None and not is_pair(Path(source).expanduser()):
        path, shown = weight_file(source)
        run = read_header(path, shown).get("training", {}).get("run")
        return {source: digit_network(load_weights(path, shown))}, run
    pair = Pair.load(source)
    if pair.images is not None:
        raise CamlossError(f"{source} is a pair for pictures; name the folder that it learned from, --data FOLDER")
    return {f"{source}/{variant}": model for variant, model in pair.digit_models.items()}, pair.run


def shared_run(loaded: Sequence[Loaded]) -> str | None:
    """The id of the training that made all of them; None where there is no such training."""
    found = {run for _, run in loaded}
    return found.pop() if len(found) == 1 else None


def say(line: str) -> None:
    print(line, file=sys.stderr)


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__, "evaluate")
    parser.add_argument(
        "sources", nargs="*", default=["checkpoints"], help="folders or Hub repositories of pairs or checkpoints"
    )
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder that holds mnist/")
    parser.add_argument(
        "--data", metavar="FOLDER", help="measure pairs trained on pictures, on FOLDER/test, else on FOLDER/val"
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="true boxes of the pictures in the folder of FILE, or of --data: measure localisation too",
    )
    parser.add_argument("--ood", action="store_true", help="measure the OOD score too")
    parser.add_argument("--json", action="store_true", help="print everything that was measured as JSON")
    return parser.parse_args(argv)
