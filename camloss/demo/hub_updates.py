"""A page that starts at once and takes the Hub's pair when it is there."""

import dataclasses
import threading
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from time import sleep

from camloss.demo.pairs import ready
from camloss.errors import CamlossError
from camloss.hub.pull import find_pins, load_pins, name_of, pinned
from camloss.pair import Pair, pair_files, sha256_of

WAITS = (60.0, 300.0, 900.0)  # seconds until a Hub that failed is asked again; the last one for good


def newest_pair(
    bundled: Pair,
    repo: str,
    revision: str | None = None,
    checkpoints_dir: str | Path = "checkpoints",
    from_cache: bool = False,
) -> Pair:
    """The pair on the Hub if it is newer than the bundled one; else the bundled one.

    Newer is every pair that differs, except the one that was pushed from `checkpoints_dir`: weights that differ from
    that were trained since. A revision that is asked for is always taken.

    Args:
        bundled: what `load_for_page(checkpoints_dir)` gave.
        repo, revision: as for `load_pair`.
        checkpoints_dir: where the bundled twins, and hub.json, lie.
        from_cache: ask nobody, take what the cache of the Hub's client holds.

    Raises:
        CamlossError: as `load_pair`.
    """
    directory = Path(checkpoints_dir)
    pins = find_pins(repo, revision, from_cache)
    if all(pins[variant].sha256 == sha256_of(file) for variant, file in pair_files(directory).items()):
        return dataclasses.replace(bundled, source=f"{bundled.source}, same as {name_of(pins)}")
    if revision is None and pins == pinned(directory):
        return dataclasses.replace(bundled, source=f"{bundled.source}, newer than {name_of(pins)}")
    return ready(load_pins(pins, from_cache))


def ask_once(
    bundled: Pair, repo: str, revision: str | None = None, checkpoints_dir: str | Path = "checkpoints"
) -> tuple[Pair, bool]:
    """What to show now, and whether the Hub said so; else it is from the cache or bundled, and its source tells why.

    It never raises, so that a page goes on whatever happens to the Hub; arguments as for `newest_pair`.
    """
    try:
        return newest_pair(bundled, repo, revision, checkpoints_dir), True
    except Exception as error:  # whatever it is, the page is better off with weights than without
        reason = str(error) if isinstance(error, CamlossError) else f"{type(error).__name__} while loading {repo}"
    try:
        pair = newest_pair(bundled, repo, revision, checkpoints_dir, from_cache=True)
    except Exception:  # nothing of use in the cache either
        pair = bundled
    return dataclasses.replace(pair, source=f"{pair.source} ({reason})"), False


def follow_hub(
    bundled: Pair, checkpoints_dir: str | Path = "checkpoints", repo: str | None = None, revision: str | None = None
) -> Callable[[], Pair]:
    """For a page that starts at once: what to show now. These are the bundled twins until the Hub's are here.

    Args:
        bundled: what `load_for_page(checkpoints_dir)` gave.
        checkpoints_dir, repo, revision: as for `newest_pair`; without a repo the Hub is not asked.

    Returns:
        A function that gives the twins to show at this moment.
    """
    if not repo:
        return lambda: bundled
    shown = [dataclasses.replace(bundled, source=f"{bundled.source} (asking the Hub for {repo})")]

    def ask_until_it_answers() -> None:
        for seconds in chain(WAITS, repeat(WAITS[-1])):
            shown[0], answered = ask_once(bundled, repo, revision or None, checkpoints_dir)
            if answered:
                return
            sleep(seconds)

    threading.Thread(target=ask_until_it_answers, daemon=True).start()
    return lambda: shown[0]
