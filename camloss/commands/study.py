"""Train and measure every run of the study (docs/protocol.md), and print mean ± standard deviation over the seeds.

    camloss study                       all short runs, the most valuable first; stop and start it at any time
    camloss study --only train          train now; measure later with --only measure
    camloss study --full --methods ce alpha-3 --seeds 0 1 2 3 4     the whole recipe
    camloss study --storage postgresql+psycopg://USER@HOST/study    several machines, one list of runs
    camloss study --data photos/ --alphas 0 0.3 1 3 10 --seeds 3    which alpha, on your own pictures

With --data FOLDER (train/CLASS/*.jpg, val/, perhaps test/, boxes.csv and backgrounds/), cifar10 or hf:USER/DATASET
every run is the whole recipe. It is measured by clean accuracy, accuracy on a larger canvas, among fragments of other
pictures, in scenes and with the background replaced, by localisation where there are boxes, and by diagnose; the alpha
is picked on validation pictures.

Short runs are three epochs of the recipe without synthetic digits, and leave out 10,000 validation images. Every run
leaves its weights below OUTPUT_DIR and a line in RECORDS, a JSON Lines file; a run whose record is there is not made
again.

Workers that are started on one storage share one list, which Optuna keeps; none takes a run that another has. A worker
that was killed is noticed by its missing heartbeat, and its run continues where it stopped.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from camloss import cli
from camloss.commands.train import chosen_config
from camloss.data.dataset import Dataset
from camloss.data.datasets import kind_of, load_data
from camloss.data.mnist import load_mnist
from camloss.diagnose import Diagnosis
from camloss.errors import CamlossError
from camloss.losses import BASELINE
from camloss.models import digit_network
from camloss.pair import BusyError
from camloss.study.methods import METHODS, Method
from camloss.study.photo_measures import MAPS_WITHOUT_A_NETWORK
from camloss.study.photo_study import PhotoStudy, alpha_method, methods_for
from camloss.study.photos import load_photos, without_boxes
from camloss.study.queue import Queue
from camloss.study.runs import Records, Study, records_as_written
from camloss.study.statistics import PICTURES, Results, alpha_sweep, pick_alpha
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.hardware import pick_device
from camloss.training.loop import initial_model

SHORT: dict[str, Any] = {"epochs": 3, "synthetic": 0}
VALIDATION = {"short": 10_000, "full": 5_000}  # images; full runs learn from 55,000, as the shipped pair
OF_THE_STUDY = (
    "alpha",
    "seed",
    "variants",
    "teacher",
    "resume",
    "dry_run",
)  # flags of camloss train of no use here
RECORDS = Path("docs", "records", "study")
OUTPUT_DIR = Path("runs", "study")
ALPHAS = (0.3, 1.0, 3.0, 10.0)  # on pictures
WITHOUT_A_NETWORK = tuple(f"{name}-seed-0" for name in MAPS_WITHOUT_A_NETWORK)  # records of their maps


def main(argv: Sequence[str] | None = None) -> None:
    flags = vars(parse_flags(argv))
    only, storage, heartbeat = flags.pop("only"), flags.pop("storage"), flags.pop("heartbeat")
    on_pictures = kind_of(flags.get("data", "mnist")) != "mnist"
    study, data, runs = (study_on_pictures if on_pictures else study_on_mnist)(flags)

    def make(run: str) -> None:
        study.train(run, data)
        if only != "train":
            study.train(study.baseline_of(run), data)  # it may have a record whose weights lie on another machine
            study.measure(run, data)

    if only != "measure":
        queue = Queue(storage, study, heartbeat)
        queue.fill([run for run in runs if not study.is_measured(run)])
        queue.work(make)
    if only != "train":
        for wait in (False, True):  # first what no other worker is at, then what one has left
            measure_rest(study, runs, data, wait)
        if isinstance(study, PhotoStudy):
            study.measure_maps_without_a_network()
        print_table(study, [run for run in (*runs, *WITHOUT_A_NETWORK) if study.is_measured(run)])
        if on_pictures:
            with records_as_written(study.records.path):
                words = which_alpha(Results(study.records.path, replace(PICTURES, methods=study.methods)))
            print(words)
    trained, measured = (sum(map(there, runs)) for there in (study.is_trained, study.is_measured))
    print(f"of {len(runs)} runs {trained} are trained here and {measured} have a record")


def study_on_mnist(flags: dict[str, Any]) -> tuple[Study, Dataset, list[str]]:
    """The study of docs/protocol.md, its data and its runs."""
    if flags.pop("alphas") or flags.pop("test_names"):
        raise CamlossError("--alphas and --test-names are for --data FOLDER; on MNIST name --methods, such as alpha-3")
    length = "full" if flags.pop("full") else "short"
    methods, seeds = named(flags.pop("methods"), METHODS), flags.pop("seeds")
    validation_size = VALIDATION[length] if (asked := flags.pop("validation_size")) is None else asked
    records = Records(flags.pop("records") or RECORDS / f"{length}.jsonl")
    study = Study(config_of(flags, length), validation_size, records)
    digit_network(initial_model(replace(study.config, pretrained=False)))  # now, not after a training
    pick_device(study.config.device)  # now, not after a download
    return study, load_mnist(study.config.data_dir, validation_size), study.runs(methods, seeds)


def study_on_pictures(flags: dict[str, Any]) -> tuple[Study, Dataset, list[str]]:
    """The same questions on pictures, in runs of the whole recipe."""
    flags.pop("full")
    alphas, test_names, records = flags.pop("alphas") or ALPHAS, flags.pop("test_names"), flags.pop("records")
    methods = methods_for(alphas)
    names = named(flags.pop("methods"), methods) or list(dict.fromkeys(map(alpha_method, (0.0, *alphas))))
    seeds = flags.pop("seeds") or [3]
    if flags.pop("validation_size") is not None:
        raise CamlossError("--validation-size is for MNIST; pictures are chosen on by the folder val")
    flags.setdefault("output_dir", OUTPUT_DIR / Path(flags["data"]).resolve().name)
    config = chosen_config(flags)
    pick_device(config.device)
    if kind_of(config.data) == "folder":
        photos = load_photos(config.data, config.size, test_names)
    elif test_names is None:
        photos = without_boxes(load_data(config.data, config.data_dir, config.size))
    else:
        raise CamlossError(f"--test-names is for --data FOLDER; {config.data} has no names of pictures")
    kept = Records(records or config.output_dir / "records.jsonl")
    study = PhotoStudy(config, len(photos.validation.split), kept, methods, photos)
    return study, photos.data, study.runs(names, range(seeds[0]) if len(seeds) == 1 else seeds)


def named(methods: list[str] | None, known: Mapping[str, Method]) -> list[str] | None:
    """The methods that were asked for, if any were."""
    if unknown := [name for name in methods or () if name not in known]:
        raise CamlossError(f"unknown method {unknown[0]!r}; expected some of {', '.join(known)}")
    return methods


def which_alpha(results: Results) -> str:
    """What the alphas do on validation pictures, and which of them the rule of docs/alpha.md picks."""
    sweep = alpha_sweep(results)
    rows = []
    for method in (BASELINE, *sweep):
        clean, clutter = (results.values(method, name, "validation") for name in ("accuracy", PICTURES.clutter))
        found = [record["validation"] for record in results.runs[method].values()]
        diagnosis = Diagnosis(
            **{f.name: statistics.mean(numbers[f"diagnosis_{f.name}"] for numbers in found) for f in fields(Diagnosis)}
        )
        rows.append(
            [
                results.protocol.methods[method].title,
                *(mean_and_deviation(list(values.values())) for values in (clean, clutter)),
                diagnosis.verdict,
            ]
        )
    if not rows or not sweep:
        return "no alpha has been measured beside cross-entropy"
    table = cli.table(["validation pictures", "accuracy", "among fragments", "diagnosis"], rows)
    cost = f"{100 * PICTURES.cost:g} percentage point of accuracy"
    if (chosen := pick_alpha(sweep)) is None:
        return f"{table}\n\nevery alpha costs more than {cost}: stay with cross-entropy, or try smaller ones\n"
    rule = f"of those that cost at most {cost} the best among fragments; of two within one standard error, the smaller"
    among_clutter = statistics.mean(results.values(BASELINE, PICTURES.clutter, "validation").values())
    picked = f"{results.protocol.methods[chosen].title}, {rule}"
    if sweep[chosen].among_clutter <= among_clutter:
        return f"{table}\n\nstay with cross-entropy: {picked}, is no better among fragments\n"
    return f"{table}\n\nchosen: {picked}\n"


def config_of(flags: Mapping[str, Any], length: str) -> TrainConfig:
    """The recipe, shortened for short runs, with the flags that were given."""
    return chosen_config({"output_dir": OUTPUT_DIR / length, **(SHORT if length == "short" else {}), **flags})


def measure_rest(study: Study, runs: list[str], data: Dataset, wait: bool) -> None:
    """Measure the runs that are trained here and have no record; without `wait`, but for those another worker is at."""
    for run in runs:
        if study.is_trained(run) and not study.is_measured(run):
            with suppress(BusyError):
                study.measure(run, data, wait)


def print_table(study: Study, runs: list[str]) -> None:
    """Everything that was measured on the test set: a row a number, a column a method."""
    measured: dict[str, list[dict[str, float]]] = {}
    records = study.records.read()
    for run in runs:
        record = records[run]
        numbers = dict(record["test"])
        if "history" in record:
            numbers["training_seconds"] = sum(epoch["seconds"] for epoch in record["history"])
        measured.setdefault(record["method"], []).append(numbers)
    if not measured:
        return
    header = ["mean ± std", *(f"{method}, {number_of(seeds, 'seed')}" for method, seeds in measured.items())]
    names = dict.fromkeys(name for seeds in measured.values() for seed in seeds for name in seed)
    rows = [
        [name, *(mean_and_deviation([seed[name] for seed in seeds if name in seed]) for seeds in measured.values())]
        for name in names
    ]
    print(f"{cli.table(header, rows)}\n")


def number_of(things: list[Any], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def mean_and_deviation(values: list[float]) -> str:
    """One value has no deviation; "" for none."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}" if values else ""


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__, "study")
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help=f"methods to train (default: all of {', '.join(METHODS)})"
    )
    parser.add_argument(
        "--alphas",
        type=float,
        nargs="+",
        metavar="A",
        help="with --data FOLDER, in place of --methods; 0 is cross-entropy (default: 0.3 1 3 10)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="N",
        help="of each method (default: as the protocol says); with --data FOLDER one number says how many (default: 3)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="the whole recipe, with the defaults of camloss train; always so with --data FOLDER",
    )
    parser.add_argument(
        "--test-names",
        metavar="PATTERN",
        help="with --data FOLDER: the names of the pictures of val/ that are for testing alone, such as val_*",
    )
    parser.add_argument("--only", choices=("train", "measure"), help="do one of the two (default: both)")
    parser.add_argument("--storage", metavar="URL", help="database of the list of runs (default: a file in OUTPUT_DIR)")
    parser.add_argument(
        "--heartbeat", type=int, default=30, metavar="SECONDS", help="between two heartbeats of a worker"
    )
    parser.add_argument(
        "--records",
        type=Path,
        metavar="FILE",
        help="default: docs/records/study/short.jsonl, or full.jsonl; of pictures, records.jsonl in OUTPUT_DIR",
    )
    parser.add_argument("--validation-size", type=int, metavar="N", help="images (default: 10,000; 5,000 with --full)")
    parser.add_argument("--recipe", choices=RECIPES, help="where the other flags' defaults are from")
    cli.add_flags(parser, config_of({"recipe": "default"}, "short"), without=OF_THE_STUDY)
    return parser.parse_args(argv)
