"""The study of `docs/protocol.md`: its runs, how one is trained and measured, and where both are kept.

    OUTPUT_DIR/KEY/RUN/model.safetensors  weights, with the config and the history in their header
    RECORDS.jsonl                         a line a run: what was measured of it; and a line for the search for the
                                          strength of each matched control

RUN is METHOD-seed-N, and KEY changes with the config. What is there is not made again if its config is the same.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from camloss.checkpoint import (
    LONGEST_JSON,
    WEIGHTS,
    from_json,
    load_training,
    load_weights,
    save_checkpoint,
    write_atomically,
)
from camloss.data.dataset import Dataset
from camloss.errors import CamlossError, one_line, quoted
from camloss.losses import BASELINE
from camloss.maps import min_max_normalize
from camloss.metrics import area_above_half
from camloss.models import MapClassifier
from camloss.pair import alone_in
from camloss.split import Split
from camloss.study.measures import FeaturesOn, choices, survey
from camloss.study.methods import MATCHED_TO, METHODS, Method
from camloss.terms import MapOf
from camloss.training.config import TrainConfig
from camloss.training.hardware import pick_device
from camloss.training.loop import train
from camloss.training.state import TrainingState

OWN = ("alpha", "seed")  # of the config: what each run has of its own
SMALLEST_AREA = 1e-6
TRIES, TOLERANCE = 6, 0.15  # of the search for a strength: how many, and how far off an area may be


@dataclass(frozen=True)
class Records:
    """A JSON Lines file with one record a run, which several workers may write; sorted by name."""

    path: Path

    def read(self) -> dict[str, dict[str, Any]]:
        """All records by the name of their run, or METHOD-search; empty where there is no file.

        Raises:
            CamlossError: a line of the file is no record.
        """
        if not self.path.is_file():
            return {}
        try:
            with self.path.open("rb") as file:
                records = [_checked(line) for line in iter(lambda: file.readline(LONGEST_JSON + 1), b"")]
            return {name_of(record): record for record in records}
        except (OSError, ValueError) as error:
            raise CamlossError(
                f"{self.path} holds a line that is no record ({one_line(error)}); restore the file, or remove it"
            ) from error

    def write(self, record: dict[str, Any]) -> None:
        """Add a record, or replace the one of the same name; other workers wait until it is done."""
        with alone_in(self.path.parent, wait=True):
            records = self.read() | {name_of(record): record}
            lines = [json.dumps(records[name], separators=(",", ":")) + "\n" for name in sorted(records)]
            write_atomically(self.path, "".join(lines).encode())


@contextmanager
def records_as_written(where: Path) -> Iterator[None]:
    """Around tables that are made of records.

    Raises:
        CamlossError: one that is needed is missing, or has not what the study writes.
    """
    try:
        yield
    except CamlossError:
        raise
    except OSError as error:
        raise CamlossError(f"cannot read {error.filename}: {error.strerror}; restore it, or make it again") from error
    except Exception as error:  # a record is any JSON
        raise CamlossError(
            f"the records in {where} are not as they are written ({type(error).__name__}: {one_line(error)}); "
            "restore them, or make them again"
        ) from error


def _checked(line: bytes) -> dict[str, Any]:
    """A line of a file of records.

    Raises:
        ValueError: it is no record of a run or of a search, or has a value of another kind than records have.
    """
    if len(line) > LONGEST_JSON:
        raise ValueError(f"more than {LONGEST_JSON:,} bytes")
    record = from_json(line)
    if not isinstance(record, dict):
        raise ValueError("no object")
    for key in ("method", "seed" if "seed" in record else "strength"):
        if key not in record:
            raise ValueError(f"no {key}")
    if odd := [key for key, fits in KINDS.items() if key in record and not fits(record[key])]:
        raise ValueError(f"{odd[0]} is {quoted(record[odd[0]])}")
    return record


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_config(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("arch", ""), str)


def _is_measured(value: object) -> bool:
    """Of a network, or by writer."""
    return isinstance(value, dict) and all(_is_number(v) or (v and _are_numbers(v)) for v in value.values())


KINDS: dict[str, Callable[[Any], bool]] = {
    "method": lambda value: isinstance(value, str),
    "seed": _is_count,
    "config": _is_config,
    "validation_size": _is_count,
    "environment": lambda value: isinstance(value, dict),
    "history": lambda value: isinstance(value, list) and all(map(_are_numbers, value)),
    "validation": _are_numbers,
    "test": _are_numbers,
    "measured": _is_measured,
    "strength": lambda value: _is_number(value) and value > 0,
}
"""By key, whether a value is one that a record may have there."""


def name_of(record: dict[str, Any]) -> str:
    return f"{record['method']}-seed-{record['seed']}" if "seed" in record else f"{record['method']}-search"


@dataclass(frozen=True)
class Study:
    """The runs that share one config."""

    config: TrainConfig
    """All but alpha and seed, which each run has of its own; `output_dir` is the folder of all weights."""
    validation_size: int
    records: Records
    methods: Mapping[str, Method] = field(default_factory=lambda: METHODS)

    @property
    def key(self) -> str:
        """A name that changes with whatever all runs depend on."""
        return hashlib.sha256(json.dumps([self._common(), self.validation_size]).encode()).hexdigest()[:8]

    def runs(self, methods: Sequence[str] | None = None, seeds: Sequence[int] | None = None) -> list[str]:
        """The names of all runs, the most valuable first: one seed of every method, then the methods that come early.

        Args:
            methods: names of `self.methods`; by default all.
            seeds: of each method; by default as many as it is to have.
        """
        order = [
            (0 if seed == 0 else 1 if self.methods[method].early else 2, seed, list(self.methods).index(method), method)
            for method in (self.methods if methods is None else methods)
            for seed in (range(self.methods[method].seeds) if seeds is None else seeds)
        ]
        return [f"{method}-seed-{seed}" for _, seed, _, method in sorted(order)]

    def folder(self, run: str) -> Path:
        return self.config.output_dir / self.key / run

    def baseline_of(self, run: str) -> str:
        """The run of the same seed that learnt from cross-entropy alone."""
        return f"{BASELINE}-seed-{run.rpartition('-')[2]}"

    def is_trained(self, run: str) -> bool:
        return (self.folder(run) / WEIGHTS).is_file()

    def is_measured(self, run: str) -> bool:
        return {"validation", "test"} <= (self._record(run) or {}).keys()

    def train(self, run: str, data: Dataset) -> None:
        """Train a run, or what is left of it, unless it is trained; another worker that trains it is waited for."""
        method = method_of(run)
        with alone_in(self.folder(run), wait=True):
            if self.is_trained(run):
                return
            config = self._config(run, self.strength(method, data))
            found = self.folder(f"{method}-search/{config.alpha:g}") / WEIGHTS
            if found.is_file() and load_training(found.parent).get("config") == as_json(config.record()):
                write_atomically(self.folder(run) / WEIGHTS, found.read_bytes())
            else:
                self._train(config, run, data)

    def measure(self, run: str, data: Dataset, wait: bool = True) -> None:
        """Write the record of a trained run, unless it is there; what compares with its baseline, if that is trained.

        Raises:
            BusyError: another worker is at it, and `wait` is not set.
        """
        with alone_in(self.folder(run), wait):
            if self.is_measured(run):
                return
            training = load_training(self.folder(run))
            config, where = training["config"], training["environment"]
            record = {
                "method": method_of(run),
                "seed": config["seed"],
                "config": config,
                "validation_size": self.validation_size,
                "environment": where,
                "history": training["history"],
                **{split: rounded(numbers) for split, numbers in self.measured(run, data, where["precision"]).items()},
            }
            self.records.write(record)

    def measured(self, run: str, data: Dataset, precision: str) -> dict[str, dict[str, float]]:
        """What is measured of a trained run on "validation" and on "test"."""
        model, baseline = self.model(run), self.baseline_of(run)
        compared = self.model(baseline) if self.is_trained(baseline) else None
        return {
            "validation": choices(model, data.validation, precision),
            "test": survey(model, data.test, compared, precision),
        }

    def model(self, run: str) -> MapClassifier:
        """The network of a trained run, in eval mode, for images on the CPU; it computes on the study's device."""
        model = load_weights(self.folder(run) / WEIGHTS)
        model.features = FeaturesOn(pick_device(self.config.device), model.features)
        return model

    def strength(self, method: str, data: Dataset) -> float:
        """The alpha of a method; that of a matched control is searched for once, on validation images with seed 0."""
        map_of = self.methods[method].matched
        if map_of is None:
            return self.methods[method].alpha
        with alone_in(self.folder(f"{method}-search"), wait=True):
            record = self._record(f"{method}-search")
            if record is None:
                record = self._search(method, map_of, data)
                self.records.write(record)
        return float(record["strength"])

    def _search(self, method: str, map_of: MapOf, data: Dataset) -> dict[str, Any]:
        goal = f"{MATCHED_TO}-seed-0"
        self.train(goal, data)
        target = mean_area(self.model(goal), map_of, data.validation)
        tries: dict[float, float] = {}  # strength: area
        while len(tries) < TRIES and not any(is_near(area, target) for area in tries.values()):
            strength = next_strength(tries, target, self.methods[method].alpha)
            attempt = f"{method}-search/{strength:g}"
            if not self.is_trained(attempt):
                self._train(self._config(attempt, strength), attempt, data)
            tries[strength] = mean_area(self.model(attempt), map_of, data.validation)
        strength = min(tries, key=lambda strength: abs(math.log(tries[strength] / target)))
        return {
            "method": method,
            "config": self._common(),
            "validation_size": self.validation_size,
            "goal": goal,
            "target": target,
            "tries": [{"strength": strength, "area_above_half": area} for strength, area in tries.items()],
            "strength": strength,
        }

    def _train(self, config: TrainConfig, name: str, data: Dataset) -> None:
        method = method_of(name)
        trained = train(
            config, method, data, log=lambda line: tqdm.write(f"{name}: {line}"), **self.methods[method].training
        )
        record = {
            "method": method,
            "config": config.record(),
            "history": trained.history,
            "environment": trained.environment,
        }
        save_checkpoint(trained.model, config.output_dir, record)
        TrainingState(config, method).discard()

    def _config(self, run: str, alpha: float) -> TrainConfig:
        seed = int(run.rpartition("-seed-")[2]) if "-seed-" in run else 0
        return dataclasses.replace(self.config, alpha=alpha, seed=seed, output_dir=self.folder(run), resume=True)

    def _common(self) -> dict[str, Any]:
        record = as_json(self.config.record())
        return {key: value for key, value in record.items() if key not in OWN}

    def _record(self, name: str) -> dict[str, Any] | None:
        """The record of a run or a search; None where there is none of this config."""
        record = self.records.read().get(name)
        if record is None:
            return None
        config = {key: value for key, value in record.get("config", {}).items() if key not in OWN}
        is_ours = config == self._common() and record.get("validation_size") == self.validation_size
        return record if is_ours else None


def as_json(value: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from a file."""
    return dict(json.loads(json.dumps(value)))


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    """To five digits behind the point; more would only say which machine it was."""
    return {name: round(value, 5) for name, value in numbers.items()}


def method_of(run: str) -> str:
    """ "alpha-3-seed-0" -> "alpha-3"."""
    for mark in ("-seed-", "-search/"):
        if mark in run:
            return run.rpartition(mark)[0]
    raise CamlossError(f"{run} is no run of the study; expected METHOD-seed-N")


@torch.no_grad()
def mean_area(model: MapClassifier, map_of: MapOf, split: Split) -> float:
    """The area above half maximum of a network's maps, on average; see `camloss.metrics.area_above_half`.

    At least `SMALLEST_AREA`, so that it has a logarithm where all maps are flat.
    """
    areas = [
        area_above_half(min_max_normalize(map_of(model(images)[1], model.head.weight, labels)))
        for images, labels in split.to(model.head.weight.device).batches(1_000)
    ]
    return max(float(torch.cat(areas).mean()), SMALLEST_AREA)


def is_near(area: float, target: float) -> bool:
    return abs(math.log(area / target)) <= math.log1p(TOLERANCE)


def next_strength(tries: dict[float, float], target: float, first: float) -> float:
    """What to try next for a penalty under which the area falls: between the nearest two, else four times as far.

    Args:
        tries: area by strength.
        target: the area to reach.
        first: where to start.
    """
    if not tries:
        return first
    above = [strength for strength, area in tries.items() if area > target]
    below = [strength for strength, area in tries.items() if area <= target]
    if not below:
        return max(above) * 4
    if not above:
        return min(below) / 4
    weak, strong = max(above), min(below)
    share = math.log(tries[weak] / target) / math.log(tries[weak] / tries[strong])
    between = math.exp(math.log(weak) + min(max(share, 0.1), 0.9) * math.log(strong / weak))
    return float(f"{between:.3g}")
