"""Everything that reads a file takes it, or refuses it in one line and in bounded memory: one test for all readers.

    pytest tests/test_readers.py                                     a few changed files of each kind, always the same
    pytest tests/test_readers.py -n 0 --hypothesis-profile=fuzz      thousands of new ones

Each file is written by the project itself, where it writes such files, and changed: as bytes, and by its structure.
Pictures, links and what goes to the running page are in test_fuzz.py.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from _meter import Meter
from fuzz_files import Weights, changed_json_text, changed_lines, spoilt, weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_images import file_of, write_image_pair
from page_server import ROOT
from tiny_mnist import write_tiny_mnist
from untrained import write_pair, write_snapshots

from camloss import CamlossError, load_checkpoint
from camloss.checkpoint import CONFIG, WEIGHTS, load_training, read_json
from camloss.commands.join_pair import join, parts_of
from camloss.data.boxes import boxes_of, read_boxes
from camloss.data.mnist import load_mnist
from camloss.demo.examples import examples_in
from camloss.demo.pairs import load_for_page, snapshots_in
from camloss.epoch_snapshots import EPOCHS, snapshot_of
from camloss.hub.push import published_files
from camloss.pair import Pair, is_pair
from camloss.split import Split
from camloss.study.price import PriceResults
from camloss.study.price_runs import Images, load_weights_of, save_weights
from camloss.study.report import costs_for_writers, evaluation_table, ood_table, writers_table
from camloss.study.runs import Records, records_as_written
from camloss.study.statistics import CLAIMS, Results, alpha_sweep, claims
from camloss.study.writers import WrittenDigits, from_raster, from_strokes, read_digits
from camloss.training.config import TrainConfig
from camloss.training.loop import initial_model
from camloss.training.optim import make_optimizer
from camloss.training.state import ENTRY, TrainingState, run_id

LONG = settings().max_examples >= 10_000  # of the profile "fuzz"; see conftest.py
CASES = 1_000 if LONG else 25
LONGEST = 400  # characters of an error
MOST_MEGABYTES = 150
Changed = Callable[[bytes], st.SearchStrategy[Any]]


@dataclass(frozen=True)
class Reader:
    """One of the kinds of files."""

    write: Callable[[Path], Path]
    """Into a folder what belongs together; returns the file that is changed."""
    read: Callable[[Path], Any]
    """The folder; what it gives is JSON."""
    changed: Changed = spoilt
    """From the content to other files of its kind, beside those whose bytes are changed."""


def packed(content: bytes) -> st.SearchStrategy[bytes]:
    return spoilt(gzip.decompress(content)).map(partial(gzip.compress, compresslevel=1))


def digits(folder: Path) -> Path:
    return write_snapshots(write_pair(folder, arch="tiny_cnn"), arch="tiny_cnn")


def read_digits_pair(folder: Path) -> Any:
    """As the page does it; and what joins and resumes trainings reads of it."""
    shown = load_for_page(folder)
    TrainConfig().refuse_other({**TrainConfig().record(), "of": load_training(folder / "cam").get("config")}, "it")
    join(parts_of(folder), folder / "joined", None)
    return [shown.num_classes, is_pair(folder), snapshots_of(folder)]


def snapshots_of(folder: Path) -> Any:
    found = snapshots_in(folder, Pair.load(folder))
    assert all(snapshot.epoch in (1, 2) for snapshot in found)
    return [[snapshot.epoch, snapshot.alpha, dict(snapshot.accuracy)] for snapshot in found]


def read_image_pair(folder: Path) -> Any:
    pair = load_for_page(folder)
    assert pair.images is not None
    pixels = torch.zeros(1, 3, *pair.images.image_size)
    with torch.no_grad():
        shapes = {v: model(pixels)[0].shape for v, model in pair.models.items()}
    published_files(folder, "user/name", "user/space")
    return [pair.images.classes, shapes]


def write_records(folder: Path) -> Path:
    """Three seeds of two methods, and of a search, as the study recorded them."""
    kept = Records(ROOT / "docs" / "records" / "study" / "full.jsonl").read()
    records = Records(folder / "records.jsonl")
    for seed in range(3):
        for method in ("ce", "alpha-10"):
            records.write(kept[f"{method}-seed-{seed}"])
    records.write({"method": "small-cam", "strength": 2.0, "config": {}, "validation_size": 5_000, "tries": []})
    return records.path


def read_records(folder: Path) -> Any:
    path = folder / "records.jsonl"
    with records_as_written(path):
        results = Results(path)
        swept = {name: found.cost for name, found in alpha_sweep(results).items()}
        judged = [claim.verdict for claim in claims(results, "alpha-10", dict.fromkeys(CLAIMS))]
        return [swept, judged, results.strengths, PriceResults.read(path).runs["ce"]]


def write_evaluated(folder: Path) -> Path:
    path = folder / "evaluate.json"
    path.write_bytes((ROOT / "docs" / "records" / "evaluate.json").read_bytes())
    return path


def read_evaluated(folder: Path) -> Any:
    with records_as_written(folder):
        record = read_json(folder / "evaluate.json")
        return [make(record) for make in (evaluation_table, writers_table, ood_table, costs_for_writers)]


def write_idx(folder: Path, file: str) -> Path:
    return write_tiny_mnist(folder, train=24, test=12) / "mnist" / "MNIST" / "raw" / file


def read_mnist(folder: Path) -> Any:
    data = load_mnist(folder)
    assert data.train.images.shape[1:] == (1, 28, 28)
    return [len(data.train), len(data.validation), sorted(set(data.test.labels.tolist()) - set(range(10)))]


def write_unipen(folder: Path) -> Path:
    """Three digits of one writer."""
    strokes = ".PEN_DOWN\n 10 100\n 20  50\n 60 -40\n.PEN_UP\n.DT 100\n.PEN_DOWN\n 30  90\n 30  10\n.PEN_UP\n"
    text = "".join(f'.SEGMENT DIGIT {n} ? "{n}"\n.COMMENT {n} 12  {n}\n{strokes}' for n in (4, 1, 7))
    path = folder / "digits.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def read_unipen(folder: Path) -> Any:
    digits = read_digits(folder / "digits.gz")
    return [int(written.split.images.sum()) for written in (from_strokes(digits), from_raster(digits))]


def config_in(folder: Path) -> TrainConfig:
    return TrainConfig(arch="tiny_cnn", epochs=3, synthetic=0, output_dir=folder, device="cpu", resume=True)


def write_state(folder: Path) -> Path:
    """After two epochs, of one step each."""
    config = config_in(folder)
    state = TrainingState(config, "cam", "0123456789abcdef")
    network = initial_model(config)
    optimizer = make_optimizer(network, config)
    scaler = torch.amp.GradScaler("cpu")
    history = [dict.fromkeys(ENTRY, 0.5) | {"epoch": epoch} for epoch in (1, 2)]
    for _ in history:
        step(network, optimizer, scaler)
    state.save(network, optimizer, history, {1: snapshot_of(network)}, averaged=network, scaler=scaler)
    return state.path


def step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    scaler.scale(network(torch.ones(2, 1, 28, 28))[0].square().mean()).backward()
    scaler.step(optimizer)
    scaler.update()


def read_state(folder: Path) -> Any:
    """And go on with it: what is missing would show in the next step."""
    config = config_in(folder)
    state = TrainingState(config, "cam", run_id(config))
    network, averaged = initial_model(config), initial_model(config)
    optimizer, scaler = make_optimizer(network, config), torch.amp.GradScaler("cpu")
    history, snapshots = state.restore(state.read(), network, optimizer, averaged, scaler)
    step(network, optimizer, scaler)
    assert len(optimizer.state) == len([*network.parameters()])
    return [run_id(config), history, [*snapshots]]


def write_boxes(folder: Path) -> Path:
    (folder / "a.png").write_bytes(file_of("disc"))
    path = folder / "boxes.csv"
    path.write_text(
        'path,class,x_min,y_min,x_max,y_max\na.png,disc,3,4,50,60\n"b, c.png",disc,-1,0,9,9\n', encoding="utf-8"
    )
    return path


def boxes_in(folder: Path) -> Any:
    boxes = read_boxes(folder / "boxes.csv")
    return boxes_of([folder / "a.png"], folder, boxes, (32, 32)).tolist()


def write_prepared(folder: Path) -> Path:
    split = Split(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4))
    written = WrittenDigits(split, torch.arange(4))
    Images({"train": split, "extra-0": split}, {"strokes": written, "raster": written}).save(folder / "images.npz")
    return folder / "images.npz"


def read_prepared(folder: Path) -> Any:
    images = Images.load(folder / "images.npz")
    return [{name: len(split) for name, split in images.splits.items()}, [*images.writers]]


def write_runs(folder: Path) -> Path:
    save_weights(folder, {"ce-seed-0.head.bias": torch.zeros(10), "ce-seed-1.head.bias": torch.ones(10)})
    return folder / "weights-0.safetensors"


def read_examples(folder: Path) -> Any:
    """A broken one is left out."""
    found = examples_in(folder)
    assert len(found) in (2, 3)
    return [example.title for example in found]


def of_folder(file: str, write: Callable[[Path], object]) -> Callable[[Path], Path]:
    def written(folder: Path) -> Path:
        write(folder)
        return folder / file

    return written


READERS = {
    "weights and history": Reader(of_folder(f"cam/{WEIGHTS}", digits), read_digits_pair, weights),
    "weights for pictures": Reader(of_folder(f"cam/{WEIGHTS}", write_image_pair), read_image_pair, weights),
    "snapshots": Reader(of_folder(f"cam/{EPOCHS}", digits), snapshots_of, weights),
    "config": Reader(
        of_folder(CONFIG, write_pair),
        lambda folder: [is_pair(folder), load_checkpoint(folder, "cam").arch, *Pair.load(folder).variants],
        changed_json_text,
    ),
    "records": Reader(write_records, read_records, changed_lines),
    "evaluate.json": Reader(write_evaluated, read_evaluated, changed_json_text),
    "idx images": Reader(partial(write_idx, file="train-images-idx3-ubyte"), read_mnist),
    "idx labels": Reader(partial(write_idx, file="t10k-labels-idx1-ubyte"), read_mnist),
    "UNIPEN": Reader(write_unipen, read_unipen, packed),
    "resume state": Reader(write_state, read_state, weights),
    "boxes": Reader(write_boxes, boxes_in),
    "prepared images": Reader(write_prepared, read_prepared),
    "weights of the second study": Reader(write_runs, lambda folder: [*load_weights_of(folder)], weights),
    "examples": Reader(of_folder("examples/disc-0.jpg", write_image_pair), read_examples),
}


@pytest.fixture(scope="module", autouse=True)
def fewer_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refusal(work: Callable[[], Any]) -> str | None:
    """The one line by which work ends; None where it gives an answer, which must be JSON."""
    try:
        json.dumps(work(), allow_nan=False)
    except CamlossError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", READERS)
def test_a_changed_file_is_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    reader, meter = READERS[kind], Meter()
    file = reader.write(tmp_path)
    whole = file.read_bytes()
    assert refusal(lambda: reader.read(tmp_path)) is None
    refused: list[bytes | Weights] = []

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=not LONG, suppress_health_check=[*HealthCheck]
    )
    @given(spoilt(whole) | reader.changed(whole))
    def check(changed: bytes | Weights) -> None:
        file.write_bytes(changed if isinstance(changed, bytes) else changed.file())
        cost = meter.measure(lambda: refusal(lambda: reader.read(tmp_path)))
        assert cost.megabytes < MOST_MEGABYTES
        if cost.gave is not None:
            assert "\n" not in cost.gave
            assert len(cost.gave.replace(str(tmp_path), "")) <= LONGEST
            refused.append(changed)

    check()
    assert refused or kind == "examples"
