"""The list of runs that the workers of a study share, kept by Optuna.

No run is given to two workers. A worker that was killed is noticed by its missing heartbeat, and its run is given to
another.
"""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from camloss.errors import CamlossError
from camloss.pair import alone_in
from camloss.study.runs import Study
from camloss.training.loop import DivergedError

MISSED_HEARTBEATS = 5  # before a worker is taken for dead
RETRIES = 3  # of a run whose worker died
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


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
    """The storage; two machines that make its tables at once get in each other's way, so one tries again."""
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
