"""Measure the speed of training and of the page.

    python scripts/dev/benchmark.py --only step > docs/records/step.md

Each measurement is a function that returns rows of the table; ratios are taken within one run.
"""

import sys
from collections.abc import Callable

import _root  # noqa: F401
import benchmark_browser
import benchmark_explain
import benchmark_load
import benchmark_page
import benchmark_step
import benchmark_training
from _meter import hardware
from benchmark_step import Row

from camloss import cli

MEASUREMENTS: dict[str, Callable[[], list[Row]]] = {
    "step": benchmark_step.step,
    "explain": benchmark_explain.explain_beside_others,
    "training": benchmark_training.accuracy_in_time,
    "sketch": benchmark_training.sketch,
    "server": benchmark_page.server,
    "callers": benchmark_page.callers,
    "worst-case": benchmark_load.worst_case,
    "attack": benchmark_load.attack,
    "load": benchmark_load.load,
    "memory": benchmark_load.memory,
    "browser": benchmark_page.browser,
    "anywhere": benchmark_browser.anywhere,
    "parity": benchmark_browser.parity,
    "start": benchmark_page.start,
}


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        default=list(MEASUREMENTS),
        metavar="NAME",
        help=f"some of {', '.join(MEASUREMENTS)} (default: all)",
    )
    rows: list[Row] = []
    for name in parser.parse_args().only:
        print(f"{name} ...", file=sys.stderr)
        rows += MEASUREMENTS[name]()
    print(cli.table(["what", "measured", "aim"], rows), file=sys.stderr)
    print(cli.table(["what", "measured"], [row[:2] for row in rows]))  # the record
    print(f"\n{hardware()}")


if __name__ == "__main__":
    cli.run(main)
