"""Workers that share a study on a real PostgreSQL server, which is restarted while one of them is killed."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import postgresql
import pytest

from camloss.errors import CamlossError
from camloss.study.queue import MISSED_HEARTBEATS, Queue, without_secrets
from camloss.study.runs import Records, Study
from camloss.training.config import TrainConfig

ROOT = Path(__file__).resolve().parent.parent.parent
GRACE = MISSED_HEARTBEATS * 1.0  # seconds
WORKER = """
import sys, time
from pathlib import Path
from camloss.study.queue import Queue
from camloss.study.runs import Records, Study
from camloss.training.config import TrainConfig

url, folder, name, *runs = sys.argv[1:]
folder = Path(folder)

def make(run):
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write(f"{name} begins {run}\\n")
    while not (folder / f"end-{run}").exists():
        time.sleep(0.1)
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write(f"{name} ends {run}\\n")

queue = Queue(url, Study(TrainConfig(output_dir=folder), 1, Records(folder / "short.jsonl")), heartbeat=1)
queue.fill(runs)
queue.work(make)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgresql.running() as started:
        yield started


class Workers:
    """Workers of one study, and what they have written."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *runs: str) -> None:
        command = [sys.executable, "-c", WORKER, self.url, str(self.folder), name, *runs]
        errors = (self.folder / f"errors-{name}").open("w", encoding="utf-8")
        self.processes[name] = subprocess.Popen(command, cwd=ROOT, stderr=errors, text=True)

    def log(self) -> Counter[str]:
        path = self.folder / "log"
        return Counter(path.read_text(encoding="utf-8").splitlines()) if path.exists() else Counter()

    def errors(self, name: str) -> str:
        return (self.folder / f"errors-{name}").read_text(encoding="utf-8")

    def end(self, run: str) -> None:
        (self.folder / f"end-{run}").touch()


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def workers(server: postgresql.Server, tmp_path: Path) -> Iterator[Workers]:
    these = Workers(server.url, tmp_path)
    yield these
    for process in these.processes.values():
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_server_that_restarts_robs_no_live_worker_and_a_killed_one_is_replaced(
    server: postgresql.Server, workers: Workers
) -> None:
    workers.start("live", "a-seed-0")
    wait_for(lambda: workers.log()["live begins a-seed-0"] == 1)
    workers.start("killed", "b-seed-0")
    wait_for(lambda: workers.log()["killed begins b-seed-0"] == 1)
    workers.start("waiting")  # both runs are taken
    time.sleep(GRACE)

    server.stop()
    workers.processes["killed"].send_signal(signal.SIGKILL)
    wait_for(lambda: "does not answer" in workers.errors("waiting"))
    wait_for(lambda: "does not answer" in workers.errors("live"))
    time.sleep(GRACE + 2)  # so that every heartbeat in the storage is old
    workers.processes["live"].send_signal(signal.SIGSTOP)  # the others are back before it
    server.start()
    workers.start("new")  # has not seen that the server was away
    time.sleep(GRACE / 2)
    workers.processes["live"].send_signal(signal.SIGCONT)

    wait_for(lambda: workers.log()["waiting begins b-seed-0"] + workers.log()["new begins b-seed-0"] == 1)
    time.sleep(GRACE)  # time to rob the live one
    for run in ("a-seed-0", "b-seed-0"):
        workers.end(run)
    for name in ("live", "waiting", "new"):
        assert workers.processes[name].wait(timeout=60) == 0, workers.errors(name)
    began = Counter(line.split(" ", 1)[1] for line in workers.log().elements())
    assert began == {"begins a-seed-0": 1, "begins b-seed-0": 2, "ends a-seed-0": 1, "ends b-seed-0": 1}
    for name in workers.processes:
        assert "Traceback" not in workers.errors(name)
        assert server.password not in workers.errors(name)
    assert "answers again" in workers.errors("live")
    assert "answers again" in workers.errors("waiting")


@pytest.mark.slow
def test_a_server_that_stays_away_ends_in_one_line_without_the_password(
    server: postgresql.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(server.url, queue_study(tmp_path), 1)
    queue.fill(["a-seed-0"])
    monkeypatch.setattr("camloss.study.queue.AWAY_AT_MOST", 1)
    server.stop()
    try:
        with pytest.raises(CamlossError, match=r"has not answered for 1 s .*; start its server") as error:
            queue.work(lambda _: None)
        assert server.password not in str(error.value)
        with pytest.raises(CamlossError, match=r"cannot use the storage .*; name another --storage") as error:
            Queue(server.url, queue_study(tmp_path), 1)
        assert server.password not in str(error.value)
        assert "\n" not in str(error.value)
    finally:
        server.start()


@pytest.mark.slow
def test_a_wrong_password_is_not_repeated(server: postgresql.Server, tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="password authentication failed") as error:
        Queue(server.url.replace(server.password, "open-sesame"), queue_study(tmp_path), 1)
    assert "open-sesame" not in str(error.value)


def queue_study(folder: Path) -> Study:
    return Study(TrainConfig(output_dir=folder), 1, Records(folder / "short.jsonl"))


def test_the_url_of_a_storage_is_shown_without_secrets() -> None:
    shown = without_secrets("postgresql+psycopg://ann:secret@host:5432/study?password=secret&sslpassword=secret")
    assert shown == "postgresql+psycopg://ann:***@host:5432/study"
    assert without_secrets("sqlite:////data/study.db") == "sqlite:////data/study.db"
    for url in ("postgresql+psycopg//ann:secret@host/study", "postgresql+psycopg://ann:sec@ret@host/study"):
        with pytest.raises(CamlossError, match="cannot be read") as error:
            without_secrets(url)
        assert "sec" not in str(error.value)
