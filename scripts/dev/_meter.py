"""What a process takes of the processor and of memory, as Linux counts it, and on what machine; tables of that."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

from camloss import cli
from camloss.errors import CamlossError
from camloss.training.hardware import cpu_name, environment, pick_device

T = TypeVar("T")
Row = tuple[str, str, str]  # what, measured, what maintainers aim at
TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01  # seconds


def hardware() -> str:
    """The processor, what runs on it, and the GPU that "auto" takes where there is one."""
    device = pick_device("auto")
    gpu = "" if device.type == "cpu" else f"{environment(device)['device']}, "
    return f"{gpu}{os.cpu_count()} x {cpu_name()}, Python {platform.python_version()}, torch {torch.__version__}"


def add_only(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    names = list(names)
    words = f"some of {', '.join(names)} (default: all)"
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=words)


def print_rows(measurements: Mapping[str, Callable[[], list[Row]]]) -> None:
    """Measure, one after the other; the record goes to standard output, the same with the aims to the error stream."""
    rows: list[Row] = []
    for name, measure in measurements.items():
        print(f"{name} ...", file=sys.stderr)
        rows += measure()
    print(cli.table(["what", "measured", "aim"], rows), file=sys.stderr)
    print(cli.table(["what", "measured"], [row[:2] for row in rows]))
    print(f"\n{hardware()}")


@dataclass(frozen=True)
class Cost(Generic[T]):
    """What something took, and what it gave."""

    seconds: float
    """Of one core, in steps of 0.01."""
    megabytes: float
    """Most memory at any one time, above that before."""
    gave: T


class Meter:
    """Watches one process, by default this one.

    Raises:
        CamlossError: this is no Linux, or the process is another user's.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._folder = Path("/proc", str(pid or "self"))
        try:
            self._reset_peak()
        except OSError as error:
            raise CamlossError(f"cannot measure process {pid or ''}: {error}; this needs Linux") from error

    def measure(self, work: Callable[[], T]) -> Cost[T]:
        """Do some work, here or by asking the process for it."""
        self._reset_peak()
        seconds, megabytes = self.seconds(), self.megabytes()
        gave = work()
        return Cost(self.seconds() - seconds, max(0.0, self.megabytes("VmHWM") - megabytes), gave)

    def seconds(self) -> float:
        """Of one core, since the process began."""
        fields = (self._folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return TICK * (int(fields[11]) + int(fields[12]))

    def megabytes(self, what: str = "VmRSS") -> float:
        """VmRSS is what is held now, VmHWM the most since the last measurement began."""
        for line in (self._folder / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / 1024
        raise CamlossError("the process that was measured has ended")

    def _reset_peak(self) -> None:
        (self._folder / "clear_refs").write_text("5", encoding="utf-8")
