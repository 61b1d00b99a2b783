"""`camloss NAME ...` in this process, and as a process of its own where a test kills it or takes something from it."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from camloss import commands

ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = "http://127.0.0.1:9"  # the discard port, where nothing listens
OFFLINE = {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE, "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Done:
    """What a command gave back and printed."""

    code: int
    out: str
    err: str


def quick(data_dir: Path, output_dir: Path, *more: str) -> list[str | Path]:
    """Flags for a training of seconds."""
    short = ("--arch", "tiny_cnn", "--epochs", "3", "--batch-size", "50", "--synthetic", "2")
    return ["--data-dir", data_dir, "--output-dir", output_dir, *short, *more]


def run(*words: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = commands.main([str(word) for word in words])
    return Done(code, out.getvalue(), err.getvalue())


def assert_one_line(done: Done, code: int, *words: str) -> None:
    """That a command ended with this code and one line, which holds these words."""
    assert done.code == code, done.err
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "Traceback" not in done.err
    for word in words:
        assert word in last


def process(*words: str | Path) -> list[str]:
    """The words of the same command as a process; `offline` is its environment."""
    return [sys.executable, "-m", "camloss", *map(str, words)]


def offline(**more: str) -> dict[str, str]:
    return {**os.environ, **OFFLINE, "OMP_NUM_THREADS": "1", **more}


def run_apart(*words: str | Path, first: Callable[[], None] | None = None, **more: str) -> Done:
    """`run` in a process of its own, which calls `first` before anything else and has `more` in its environment."""
    return apart(process(*words), first, **more)


def script(name: str, *flags: str | Path) -> Done:
    """A script of the checkout as a process."""
    return apart([sys.executable, str(ROOT / "scripts" / name), *map(str, flags)])


def apart(words: Sequence[str], first: Callable[[], None] | None = None, **more: str) -> Done:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=offline(**more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=first,
    )
    return Done(done.returncode, done.stdout, done.stderr)
