"""The second study: CAM-loss's benefit without its price (docs/protocol-price.md).

    camloss price --train                 make the runs that the protocol asks for, and their records
    camloss price --train --device cuda --workers 16 --seconds 280    on a GPU, with NVIDIA's Multi-Process Service
    camloss price --test                  measure winner and baselines once on the test images and report writers
    camloss price --pair checkpoints/     measure a pair's models on the test images and report writers
    camloss price                         print what the records say

Every run of one method and seed leaves a line in RECORDS and its weights in OUTPUT_DIR; a run that has a record is not
made again. The tables that the command prints are those of docs/results-price.md.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from camloss import cli
from camloss.checkpoint import write_atomically
from camloss.data.mnist import default_data_dir
from camloss.errors import CamlossError
from camloss.pair import Pair
from camloss.study.price import PriceResults
from camloss.study.price_methods import method_of
from camloss.study.price_report import price_tables
from camloss.study.runs import Records, records_as_written
from camloss.training.config import RECIPES

if TYPE_CHECKING:
    from camloss.study.price_runs import Images

RECORDS = Path("docs", "records", "study", "price.jsonl")


def main(argv: Sequence[str] | None = None) -> None:
    flags = parse_flags(argv)
    if flags.train:
        train_all(flags)
    if flags.test:
        test_all(flags)
    if flags.pair is not None:
        measure_pair(flags)
    with records_as_written(flags.records):
        tables = price_tables(*(PriceResults.read(path) for path in record_files(flags.records)))
    print(tables)


def train_all(flags: argparse.Namespace) -> None:
    import torch

    from camloss.study.price_measures import make_material
    from camloss.study.price_runs import Images, Workers, run_study

    torch.set_num_threads(1)  # and CUDA stays untouched, since the workers are forked
    config = replace(RECIPES["default"], device=flags.device)
    images = prepared(flags.prepared, lambda: Images.for_training(flags.data_dir, config.synthetic))
    if flags.workers == 0:
        return
    data = images.data
    material = make_material(data.validation, len(data.validation), images.writers)
    workers = Workers(flags.workers, config, data, material, flags.device.startswith("cuda"))
    try:
        run_study(workers, Records(flags.records), flags.output_dir, flags.seconds)
    finally:
        workers.close()


def test_all(flags: argparse.Namespace) -> None:
    import torch

    from camloss.study.price_runs import Images, test_study

    torch.set_num_threads(1)
    path = None if flags.prepared is None else flags.prepared.with_stem(f"{flags.prepared.stem}-test")
    images = prepared(path, lambda: Images.for_test(flags.data_dir))
    if flags.workers > 0:
        test = Records(test_records(flags.records))
        test_study(images, Records(flags.records), test, flags.output_dir, device=flags.device, workers=flags.workers)


def measure_pair(flags: argparse.Namespace) -> None:
    import torch

    from camloss.study.price_runs import Images, of_variants

    pair = Pair.load(flags.pair)
    methods = {variant: method_of(variant, pair.alphas.get(variant, 0.0)) for variant in pair.variants}
    records = of_variants(pair.digit_models, methods, Images.for_test(flags.data_dir), torch.device(flags.device))
    lines = [json.dumps({**record, "run": pair.run}, separators=(",", ":")) + "\n" for record in records]
    write_atomically(record_files(flags.records)[-1], "".join(lines).encode())


def prepared(path: Path | None, make: "Callable[[], Images]") -> "Images":
    """The images of a file; made, and kept there, where there is none."""
    from camloss.study.price_runs import Images

    if path is not None and path.is_file():
        return Images.load(path)
    images = make()
    if path is not None:
        images.save(path)
    return images


def test_records(records: Path) -> Path:
    return record_files(records)[1]


def record_files(records: Path) -> tuple[Path, ...]:
    """Those of the validation data, of the test data, and of a pair."""
    return tuple(records.with_name(f"{records.stem}{end}{records.suffix}") for end in ("", "-test", "-pair"))


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__, "price")
    parser.add_argument("--train", action="store_true", help="make the runs")
    parser.add_argument("--test", action="store_true", help="measure winner and baselines on the test data")
    parser.add_argument("--pair", type=Path, metavar="FOLDER", help="measure the models of a pair on the test data")
    parser.add_argument(
        "--records", type=Path, default=RECORDS, metavar="FILE", help="JSON Lines (default: %(default)s)"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs", "price"), help="folder of the weights")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir(), help="folder of mnist/ and pendigits/")
    parser.add_argument("--prepared", type=Path, metavar="FILE", help="of the prepared images: read, or written")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trainings at once; 0: only --prepared")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), metavar="S", help="begin no run that would end later"
    )
    flags = parser.parse_args(argv)
    if flags.workers < 0 or flags.seconds <= 0:
        raise CamlossError("--workers and --seconds are counts; expected numbers of at least 0")
    return flags
