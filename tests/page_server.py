"""The page in a process of its own, started as a user starts it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "camloss" / "demo" / "web"
EXAMPLES: list[dict[str, Any]] = json.loads((WEB / "examples.json").read_text(encoding="utf-8"))


class PageServer:
    """`python app.py` on a free port of this machine; `start` and `kill` may be called again and again."""

    def __init__(self, log: Path, root: Path = ROOT, **environment: str) -> None:
        self.log, self.root = log, root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}/"
        self.environment = {**environment, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=self.root,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        self.kill()
        raise AssertionError(f"the page did not start:\n{self.log.read_text(encoding='utf-8')}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
