"""Train and measure every run of the study (docs/protocol.md), and print mean ± standard deviation over the seeds.

    python scripts/study.py                       all short runs, the most valuable first; stop and start it at any time
    python scripts/study.py --only train          train now; measure later with --only measure
    python scripts/study.py --full --methods ce alpha-3 --seeds 0 1 2 3 4     the whole recipe
    python scripts/study.py --storage postgresql+psycopg://USER@HOST/study    several machines, one list of runs

Short runs are three epochs of the recipe without drawn digits, and leave out 10,000 validation images. Every run leaves
its weights below OUTPUT_DIR and a line in RECORDS, a JSON Lines file; a run whose record is there is not made again.

Workers that are started on one storage share one list, which Optuna keeps; none takes a run that another has. A worker
that was killed is noticed by its missing heartbeat, and its run goes on where it stopped.
"""

import argparse
import statistics
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from _checkout import ROOT
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from camloss import CamlossError, cli
from camloss.commands.train import chosen_config
from camloss.data.dataset import Dataset
from camloss.data.mnist import load_mnist
from camloss.pair import BusyError, alone_in
from camloss.study.methods import METHODS
from camloss.study.runs import Records, Study
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import DivergedError

SHORT: dict[str, Any] = {"epochs": 3, "synthetic": 0}
VALIDATION = {"short": 10_000, "full": 5_000}  # images; as the shipped pair, the full runs learn from 55,000
OF_THE_STUDY = ("alpha", "seed", "variants", "resume", "dry_run")  # flags of train.py that no user sets here
MISSED_HEARTBEATS = 5  # before a worker is taken for dead
RETRIES = 3  # of a run whose worker died
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


def main(argv: Sequence[str] | None = None) -> None:
    flags = vars(parse_flags(argv))
    length = "full" if flags.pop("full") else "short"
    methods, seeds, only = flags.pop("methods"), flags.pop("seeds"), flags.pop("only")
    validation_size = flags.pop("validation_size") or VALIDATION[length]
    records = Records(flags.pop("records") or ROOT / "docs" / "records" / "study" / f"{length}.jsonl")
    storage, heartbeat = flags.pop("storage"), flags.pop("heartbeat")
    flags.setdefault("output_dir", Path("runs") / "study" / length)
    study = Study(chosen_config({**SHORT, **flags} if length == "short" else flags), validation_size, records)
    data = load_mnist(study.config.data_dir, validation_size)
    runs = study.runs(methods, seeds)

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
        print_table(study, [run for run in runs if study.is_measured(run)])
    trained, measured = (sum(map(there, runs)) for there in (study.is_trained, study.is_measured))
    print(f"of {len(runs)} runs {trained} are trained here and {measured} have a record")


class Queue:
    """The runs that are left to train, in a storage that all workers share; no run is given to two of them."""

    def __init__(self, url: str | None, study: Study, heartbeat: int) -> None:
        folder = study.config.output_dir
        url = url or f"sqlite:///{folder / 'study.db'}"
        self.heartbeat = heartbeat
        # SQLite would hand one trial to two workers that ask at once; but they are on one machine and share a lock
        self.alone: Callable[[], AbstractContextManager[None]] = (
            (lambda: alone_in(folder / "queue", wait=True)) if url.startswith("sqlite") else nullcontext
        )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")  # to be sent by optimize; `_beating` does
        with self.alone():
            self.storage = opened(url, heartbeat)
            self.study = optuna.create_study(
                storage=self.storage, study_name=study.key, load_if_exists=True, sampler=optuna.samplers.RandomSampler()
            )

    def fill(self, runs: list[str]) -> None:
        """Add those that nobody has added yet, and those whose training failed, in the order in which to make them."""
        with self.alone():
            known = {trial.user_attrs.get("run") for trial in self._trials(*UNFINISHED, TrialState.COMPLETE)}
            for run in runs:
                if run not in known:
                    self._add(run)

    def work(self, make: Callable[[str], None]) -> None:
        """Make runs until none is left; while others make the last ones, wait, in case one of them dies."""
        while self._trials(*UNFINISHED):
            trial = self._take()
            if trial is None:
                time.sleep(self.heartbeat)
                continue
            state = TrialState.FAIL
            try:
                with self._beating(trial):
                    make(trial.user_attrs["run"])
                state = TrialState.COMPLETE
            except DivergedError as error:
                print(f"error: {trial.user_attrs['run']}: {error}", file=sys.stderr)
            finally:
                done = [0.0] if state == TrialState.COMPLETE else None
                self.study.tell(trial, done, state, skip_if_finished=True)  # it was, if we seemed dead for a while

    def _take(self) -> optuna.Trial | None:
        with self.alone():
            self._release_the_dead()
            while self._trials(TrialState.WAITING):
                trial = self.study.ask()
                run = trial.user_attrs.get("run")
                earlier = [t for t in self._trials(*UNFINISHED, TrialState.COMPLETE) if t.number < trial.number]
                if run is None or run in {t.user_attrs.get("run") for t in earlier}:
                    self.study.tell(trial, state=TrialState.PRUNED)  # two machines filled the list, or asked, at once
                    continue
                self.storage.record_heartbeat(trial._trial_id)
                trial.set_user_attr("attempt", trial.number)
                return trial
        return None

    def _add(self, run: str) -> None:
        self.study.add_trial(optuna.create_trial(state=TrialState.WAITING, user_attrs={"run": run}))

    def _release_the_dead(self) -> None:
        """Let the runs of workers that died be taken again."""
        optuna.storages.fail_stale_trials(self.study)
        long_ago = datetime.now() - timedelta(seconds=MISSED_HEARTBEATS * self.heartbeat)
        for trial in self._trials(TrialState.RUNNING):  # Optuna waits forever for those that died before a heartbeat
            if trial.user_attrs.get("attempt") != trial.number and (trial.datetime_start or long_ago) <= long_ago:
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                self._add(trial.user_attrs["run"])

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    @contextmanager
    def _beating(self, trial: optuna.Trial) -> Iterator[None]:
        """Say all the while that this worker is alive."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.heartbeat):
                self.storage.record_heartbeat(trial._trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def opened(url: str, heartbeat: int, attempts: int = 3) -> optuna.storages.RDBStorage:
    """The storage; two machines that make its tables at once get in each other's method, so one tries again."""
    try:
        return optuna.storages.RDBStorage(
            url,
            heartbeat_interval=heartbeat,
            grace_period=MISSED_HEARTBEATS * heartbeat,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES),
        )
    except (SQLAlchemyError, ImportError, ValueError) as error:
        if attempts > 1:
            time.sleep(1)
            return opened(url, heartbeat, attempts - 1)
        reason = str(error).strip().splitlines()[0]
        raise CamlossError(f"cannot use the storage {url} ({reason}); name another --storage") from error


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
        seconds = sum(epoch["seconds"] for epoch in record["history"])
        measured.setdefault(record["method"], []).append({**record["test"], "training_seconds": seconds})
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
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="methods to train (default: all)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="N", help="of each method (default: as many as it is to have)"
    )
    parser.add_argument("--full", action="store_true", help="the whole recipe")
    parser.add_argument("--only", choices=("train", "measure"), help="do one of the two (default: both)")
    parser.add_argument("--storage", metavar="URL", help="database of the list of runs (default: a file in OUTPUT_DIR)")
    parser.add_argument("--heartbeat", type=int, default=30, metavar="SECONDS", help="between two signs of life (30)")
    parser.add_argument(
        "--records", type=Path, metavar="FILE", help="default: docs/records/study/short.jsonl, or full.jsonl"
    )
    parser.add_argument("--validation-size", type=int, metavar="N", help="images (default: 10,000; 5,000 with --full)")
    parser.add_argument("--recipe", choices=RECIPES, default="default", help="where the other flags' defaults are from")
    cli.add_flags(parser, TrainConfig(), without=OF_THE_STUDY)
    return parser.parse_args(argv)


if __name__ == "__main__":
    cli.run(main)
