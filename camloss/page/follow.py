"""A page that starts at once and takes the Hub's pair when it is there."""

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TypeVar

from camloss.errors import CamlossError
from camloss.hub.pull import find_pins, load_pins, name_of, pinned
from camloss.page.pairs import ready
from camloss.twins import Twins, pair_files, sha256_of

T = TypeVar("T")


def newest_twins(
    bundled: Twins,
    repo: str,
    revision: str | None = None,
    checkpoints_dir: str | Path = "checkpoints",
    seconds: float = 60.0,
) -> Twins:
    """The pair on the Hub if it is newer than the bundled one; else the bundled one, and in its source the reason.

    It never raises and never takes longer than `seconds`, so that a page goes on whatever happens to the Hub. Newer is
    every pair that differs, except the one that was pushed from `checkpoints_dir`: weights that differ from that were
    trained since. A revision that is asked for is always taken.

    Args:
        bundled: what `load_for_page(checkpoints_dir)` gave.
        repo, revision: as for `load_pair`.
        checkpoints_dir: where the bundled twins, and hub.json, lie.
        seconds: how long the whole may take.
    """
    directory = Path(checkpoints_dir)

    def choose() -> Twins:
        pins = find_pins(repo, revision)
        if all(pins[variant].sha256 == sha256_of(file) for variant, file in pair_files(directory).items()):
            return dataclasses.replace(bundled, source=f"{bundled.source}, same as {name_of(pins)}")
        if revision is None and pins == pinned(directory):
            return dataclasses.replace(bundled, source=f"{bundled.source}, newer than {name_of(pins)}")
        return ready(load_pins(pins))

    try:
        return within(seconds, choose)
    except Exception as error:  # whatever it is, the page is better off with weights than without
        reason = str(error) if isinstance(error, CamlossError) else f"{type(error).__name__} while loading {repo}"
        return dataclasses.replace(bundled, source=f"{bundled.source} ({reason})")


def follow_hub(
    bundled: Twins, checkpoints_dir: str | Path = "checkpoints", repo: str | None = None, revision: str | None = None
) -> Callable[[], Twins]:
    """For a page that starts at once: what to show now. These are the bundled twins until the Hub's are here.

    Args:
        bundled: what `load_for_page(checkpoints_dir)` gave.
        checkpoints_dir, repo, revision: as for `newest_twins`; without a repo the Hub is not asked.

    Returns:
        A function that gives the twins to show at this moment.
    """
    if not repo:
        return lambda: bundled
    shown = [dataclasses.replace(bundled, source=f"{bundled.source} (asking the Hub for {repo})")]

    def ask_hub() -> None:
        shown[0] = newest_twins(bundled, repo, revision or None, checkpoints_dir)

    threading.Thread(target=ask_hub, daemon=True).start()
    return lambda: shown[0]


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do some work in a thread that is left behind if it takes too long.

    Raises:
        CamlossError: it took too long; else whatever `work` raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # for the thread that waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    wait([future], seconds)
    if not future.done():
        raise CamlossError(f"the Hub was not done after {seconds:g} s; try again later")
    return future.result()
