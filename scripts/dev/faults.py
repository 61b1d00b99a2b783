"""Print what the user of a broken Hub reads, and after how many seconds: the fault table of docs/security.md.

    python scripts/dev/faults.py > docs/records/faults.md

The real client loads and pushes, at its own pace, with Hubs on the loopback interface that have one fault each, several
at a time: nearly all of it is waiting.
"""

import copy
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _root import ROOT

sys.path.insert(0, str(ROOT / "tests"))  # the Hub, and what may be wrong with it
import hub_xet  # noqa: F401, adds routes
from hub_faults import LOADING, PUSHING, Break, untrusted_certificate
from hub_pair import REPO
from hub_server import Hub

from camloss import cli

AT_ONCE = 6
LOAD = f"Pair.load({REPO!r})"
PUSH = "hub_pair.push({!r}, tag='v1')"
FAULTS = {
    f"{doing}: {name}": how[0]
    for doing, faults in (("load", LOADING), ("push", PUSHING))
    for name, how in faults.items()
}
UNTRUSTED, SILENT = "load: a certificate that nobody signed", "load: a TLS handshake that never ends"
SETTINGS = {  # what is wrong on the user's side
    "load: no folder for the cache": {"HF_HOME": "/dev/null/cache"},
    "load: HF_ENDPOINT without https://": {"HF_ENDPOINT": "huggingface.co"},
    "load: a token with an umlaut": {"HF_TOKEN": "hf_wörite"},
}


def main() -> None:
    names = [*FAULTS, UNTRUSTED, SILENT, *SETTINGS]
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="FAULT", help="some alone (default: all)"
    )
    names = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        checkpoints, whole = Path(folder, "checkpoints"), Hub().start()
        said(f"untrained.write_pair(Path({str(checkpoints)!r}))", whole, folder)
        said(PUSH.format(str(checkpoints)), whole, folder)
        whole.stop()

        def row(name: str) -> str:
            seconds, line = try_fault(name, FAULTS.get(name, lambda _: None), whole, checkpoints)
            return f"| {name} | {seconds} | {line} |"

        print("| fault | seconds | what the user reads |\n| --- | ---: | --- |")
        for line in pool.map(row, names):
            print(line, flush=True)


def try_fault(name: str, break_it: Break, whole: Hub, checkpoints: Path) -> tuple[str, str]:
    """The seconds, and the line that the user reads in the end."""
    with tempfile.TemporaryDirectory() as home:
        certificate = untrusted_certificate(Path(home)) if name in (UNTRUSTED, SILENT) else None
        hub = Hub(certificate=certificate, handshake_seconds=600 if name == SILENT else 0).start()
        if name.startswith("load"):
            hub.repos = copy.deepcopy(whole.repos)
        break_it(hub)
        code = LOAD if name.startswith("load") else PUSH.format(str(checkpoints))
        seconds, line = said(code, hub, home, SETTINGS.get(name))
        hub.stop()
    return seconds, line.replace(hub.endpoint, "ENDPOINT").replace("|", "\\|")


def said(code: str, hub: Hub, home: str, settings: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The seconds that a process took for this, and the one line of its error; "" where there is none."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": home,
            "HF_XET_CACHE": f"{home}/xet",
            "HF_TOKEN": "hf_write",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **(settings or {}),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, _, line = process.stdout.strip().rpartition("\n")[2].partition(" ")
    return seconds, line


PROGRAM = """
import sys, time
from pathlib import Path
import hub_pair, untrained
from camloss import Pair
import huggingface_hub, safetensors.torch
begun, line = time.monotonic(), ""
try:
    exec(sys.argv[1])
except ValueError as error:
    line = str(error)
print(f"{time.monotonic() - begun:.0f} {line}")
"""


if __name__ == "__main__":
    cli.run(main)
