"""A page that starts at once and takes the Hub's pair when it is there."""

import dataclasses
import threading
from collections.abc import Callable
from itertools import chain, repeat
from time import sleep

from camloss.demo.pairs import ready
from camloss.errors import CamlossError
from camloss.hub.pull import Published
from camloss.pair import SIDE_BY_SIDE, Pair

WAITS = (60.0, 300.0, 900.0)  # seconds until a Hub that failed is asked again; the last one for good


def pair_on_hub(bundled: Pair, repo: str, from_cache: bool = False) -> Pair:
    """The pair on the Hub, ready to answer.

    Args:
        bundled: what the page shows until then, whose variants it has columns for.
        repo: "USER/NAME", or "USER/NAME@REVISION".
        from_cache: ask nobody, take what the cache of the Hub's client holds.

    Raises:
        CamlossError: as `Pair.load`; also where its first variants, those side by side, or the pictures that it takes,
            are others.
    """
    pair = Pair.published(Published(repo, from_cache=from_cache))
    own, expected = (", ".join(each.variants[:SIDE_BY_SIDE]) for each in (pair, bundled))
    if own != expected:
        raise CamlossError(f"{repo} begins with variants {own}; expected {expected}, as the page shows")
    if pair.images != bundled.images:
        raise CamlossError(
            f"{repo} is of other pictures or classes than the pair that the page shows; take one like it"
        )
    return ready(pair)


def ask_once(bundled: Pair, repo: str) -> tuple[Pair, bool]:
    """What to show now, and whether the Hub said so; else it is from the cache or bundled, and its source tells why.

    It never raises, so that a page goes on whatever happens to the Hub; arguments as for `pair_on_hub`.
    """
    try:
        return pair_on_hub(bundled, repo), True
    except Exception as error:  # whatever it is, the page is better off with weights than without
        reason = str(error) if isinstance(error, CamlossError) else f"{type(error).__name__} while loading {repo}"
    try:
        pair = pair_on_hub(bundled, repo, from_cache=True)
    except Exception:  # nothing of use in the cache either
        pair = bundled
    return dataclasses.replace(pair, source=f"{pair.source} ({reason})"), False


def follow_hub(bundled: Pair, repo: str | None = None) -> Callable[[], Pair]:
    """For a page that starts at once: what to show now. This is the bundled pair until the Hub's is here.

    Args:
        bundled: what `load_for_page` gave.
        repo: as for `pair_on_hub`; without it the Hub is not asked.

    Returns:
        A function that gives the pair to show at this moment.
    """
    if not repo:
        return lambda: bundled
    shown = [dataclasses.replace(bundled, source=f"{bundled.source} (asking the Hub for {repo})")]

    def ask_until_it_answers() -> None:
        for seconds in chain(WAITS, repeat(WAITS[-1])):
            shown[0], answered = ask_once(bundled, repo)
            if answered:
                return
            sleep(seconds)

    threading.Thread(target=ask_until_it_answers, daemon=True).start()
    return lambda: shown[0]
