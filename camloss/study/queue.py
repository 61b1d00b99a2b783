"""The list of runs that the workers of a study share, kept by Optuna.

No run is given to two workers. A worker that was killed is noticed by its missing heartbeat, and its run is given to
another. While a database server does not answer, as when it restarts, workers go on training and wait for it; no
heartbeat arrives then, so a worker takes another for dead only after it has listened for long enough itself.
"""

import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from camloss.errors import EXTRAS, CamlossError, not_installed
from camloss.pair import alone_in
from camloss.study.runs import Study
from camloss.training.loop import DivergedError

MISSED_HEARTBEATS = 5  # before a worker is taken for dead
RETRIES = 3  # of a run whose worker died
AWAY_AT_MOST = 20  # heartbeats that a server may not answer
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)
NO_ANSWER = (StorageInternalError, SQLAlchemyError)
T = TypeVar("T")


class Queue:
    """The runs that are left to train, in a storage that all workers share; no run is given to two of them."""

    def __init__(self, url: str | None, study: Study, heartbeat: int) -> None:
        folder = study.config.output_dir
        url = url or f"sqlite:///{folder / 'study.db'}"
        self.name = without_secrets(url)
        self.heartbeat = heartbeat
        self.is_away = False  # the storage's server, when last asked
        self.listens_since = -math.inf if url.startswith("sqlite") else time.monotonic()
        # SQLite would hand one trial to two workers that ask at once; but they are on one machine and share a lock
        self.alone: Callable[[], AbstractContextManager[None]] = (
            (lambda: alone_in(folder / "queue", wait=True)) if url.startswith("sqlite") else nullcontext
        )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")  # to be sent by optimize; `_beating` does
        with self.alone():
            self.storage = opened(url, heartbeat)
            sampler = optuna.samplers.RandomSampler()
            self.study = self._retrying(
                lambda: optuna.create_study(
                    storage=self.storage, study_name=study.key, load_if_exists=True, sampler=sampler
                )
            )

    def fill(self, runs: list[str]) -> None:
        """Add those that nobody has added yet, and those whose training failed, in the order in which to make them."""
        with self.alone():
            known = {trial.user_attrs.get("run") for trial in self._trials(*UNFINISHED, TrialState.COMPLETE)}
            for run in runs:
                if run not in known:
                    self._retrying(partial(self._add, run))

    def work(self, make: Callable[[str], None]) -> None:
        """Make runs until none is left; while others make the last ones, wait, in case one of them dies."""
        while self._trials(*UNFINISHED):
            trial = self._retrying(self._take)
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
                tell = partial(self.study.tell, trial, done, state, skip_if_finished=True)  # it was, if we seemed dead
                self._retrying(tell)

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
        """Let the runs of workers that died be taken again, once we have listened for as long as they may be silent."""
        if time.monotonic() - self.listens_since < MISSED_HEARTBEATS * self.heartbeat:
            return
        optuna.storages.fail_stale_trials(self.study)
        long_ago = datetime.now() - timedelta(seconds=MISSED_HEARTBEATS * self.heartbeat)
        for trial in self._trials(TrialState.RUNNING):  # Optuna waits forever for those that died before a heartbeat
            if trial.user_attrs.get("attempt") != trial.number and (trial.datetime_start or long_ago) <= long_ago:
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                if (run := trial.user_attrs.get("run")) is not None:  # else another worker took the last one first
                    self._add(run)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._retrying(lambda: self.study.get_trials(deepcopy=False, states=states))

    def _retrying(self, ask: Callable[[], T]) -> T:
        """What `ask` returns; while the storage does not answer, ask again.

        Raises:
            CamlossError: it did not for `AWAY_AT_MOST` heartbeats.
        """
        started = time.monotonic()
        while True:
            try:
                answer = ask()
            except NO_ANSWER as error:
                self._miss(error)
                if time.monotonic() - started > AWAY_AT_MOST * self.heartbeat:
                    raise CamlossError(
                        f"the storage {self.name} has not answered for {AWAY_AT_MOST * self.heartbeat} s "
                        f"({reason(error)}); start its server, then this command again: it goes on where it was"
                    ) from error
                time.sleep(min(self.heartbeat, 5))
            else:
                self._hear()
                return answer

    def _miss(self, error: Exception) -> None:
        """Begin to listen anew: while the storage was away, nobody could be heard."""
        if not self.is_away:
            print(f"the storage {self.name} does not answer ({reason(error)}); waiting for it", file=sys.stderr)
        self.is_away = True
        self.listens_since = time.monotonic()

    def _hear(self) -> None:
        if self.is_away:
            print(f"the storage {self.name} answers again", file=sys.stderr)
        self.is_away = False

    @contextmanager
    def _beating(self, trial: optuna.Trial) -> Iterator[None]:
        """Say all the while that this worker is alive."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.heartbeat):
                try:
                    self.storage.record_heartbeat(trial._trial_id)
                except NO_ANSWER as error:  # and at the next beat again
                    self._miss(error)
                else:
                    self._hear()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def opened(url: str, heartbeat: int, attempts: int = 3) -> optuna.storages.RDBStorage:
    """The storage; two machines that make its tables at once get in each other's way, so one tries again.

    Raises:
        CamlossError: it cannot be used; the message holds no password.
    """
    try:
        return optuna.storages.RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True},  # a connection from before the server's restart is made anew
            heartbeat_interval=heartbeat,
            grace_period=MISSED_HEARTBEATS * heartbeat,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES),
        )
    except (*NO_ANSWER, ImportError, ValueError) as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name in EXTRAS:
            raise not_installed(error.__cause__.name) from error
        if attempts > 1:
            time.sleep(1)
            return opened(url, heartbeat, attempts - 1)
        raise CamlossError(
            f"cannot use the storage {without_secrets(url)} ({reason(error)}); name another --storage"
        ) from error


def without_secrets(url: str) -> str:
    """The URL of a storage as messages may show it: neither its password nor its options.

    Raises:
        CamlossError: it is none. What it was is not repeated: a part of it may be a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or "@" in (parsed.host or ""):
        raise CamlossError(
            "the URL of the storage cannot be read; expected postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, "
            "with @ in a password written as %40"
        )
    return parsed.set(query={}).render_as_string(hide_password=True)


def reason(error: BaseException) -> str:
    """In one line, why the storage did not answer."""
    return str(error.__cause__ or error).strip().splitlines()[0]
