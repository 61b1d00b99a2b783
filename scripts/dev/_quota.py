"""A share of one core's time for some processes, by a control group of Linux."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds, as the kernel has it unless told otherwise


@contextmanager
def confined(processes: Sequence[int], share: float) -> Iterator[None]:
    """Let processes and their children have that share of one core's time in every tenth of a second.

    Raises:
        OSError: there are no control groups here, or this user may make none.
    """
    of_version_1 = GROUPS / "cpu"
    root = of_version_1 if of_version_1.is_dir() else GROUPS
    group = root / f"camloss-{os.getpid()}"
    group.mkdir()
    try:
        if root == of_version_1:
            (group / "cpu.cfs_period_us").write_text(f"{PERIOD}", encoding="ascii")
            (group / "cpu.cfs_quota_us").write_text(f"{share * PERIOD:.0f}", encoding="ascii")
        else:
            (group / "cpu.max").write_text(f"{share * PERIOD:.0f} {PERIOD}", encoding="ascii")
        _move(processes, group)
        yield
    finally:
        with suppress(OSError):
            _move([int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()], root)
        group.rmdir()


def _move(processes: Sequence[int], group: Path) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(f"{process}", encoding="ascii")
