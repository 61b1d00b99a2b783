"""A PostgreSQL server of one's own on the loopback interface, that can be stopped and started."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"  # as whom Debian's package lets a server run, which refuses to do so as root


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    """Its files and its password; `start` and `stop` it as often as needed."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None
        self.programs, self.folder = found, folder
        self.password = secrets.token_hex(12)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "password").write_text(self.password, encoding="utf-8")
        if os.getuid() == 0:
            shutil.chown(folder, USER)
            shutil.chown(folder / "password", USER)
        with_password = (f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", f"--username={USER}")
        self._call("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *with_password)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._call("pg_ctl", "--wait", f"--log={self.folder / 'log'}", f"--options={options}", "start")

    def stop(self) -> None:
        self._call("pg_ctl", "--wait", "--mode=immediate", "stop")

    def _call(self, program: str, *flags: str) -> None:
        command = [str(self.programs / program), f"--pgdata={self.folder / 'data'}", *flags]
        user = USER if os.getuid() == 0 else None
        with open(os.devnull, "wb") as nowhere:  # a pipe would stay open for as long as the server runs
            subprocess.run(command, check=True, cwd=self.folder, user=user, stdout=nowhere, stderr=nowhere)


@contextmanager
def running() -> Iterator[Server]:
    """A started server; it and its files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:  # pytest's are closed to other users
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
