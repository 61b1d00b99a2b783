"""Hold the runs of one records file against the same runs in others: what is equal, and how far the rest lies apart.

    python scripts/dev/compare_records.py HERE.jsonl AGAIN.jsonl docs/records/photos/clothing.jsonl

Compared are all numbers of the history and of what was measured, but for times. Differences are those of the test
pictures in percentage points, the other file's run less that of the first.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _root  # noqa: F401, finds the package of the checkout

from camloss import cli
from camloss.errors import CamlossError
from camloss.study.photo_report import COLUMNS
from camloss.study.runs import Records

SET = ("epoch", "alpha", "seconds")  # of the history: not measured of the network


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("first", type=Path, metavar="FILE", help="JSON Lines of a study on pictures")
    parser.add_argument("others", type=Path, nargs="+", metavar="OTHER", help="more of them")
    flags = parser.parse_args()
    print(comparison(flags.first, flags.others))


def comparison(first: Path, others: list[Path]) -> str:
    """A table with a row for each run of the first file that another file has too, in Markdown.

    Raises:
        CamlossError: no other file has a run of the first.
    """
    runs = read(first)
    pairs = [(name, runs[name], found[name]) for found in map(read, others) for name in runs if name in found]
    if not pairs:
        raise CamlossError(f"no run of {first} is in another file; name records of the same methods and seeds")
    measures = [measure for measure in COLUMNS if all(measure in one["test"] for _, one, _ in pairs)]
    rows = []
    for name, one, other in pairs:
        left, right = dict(numbers(one)), dict(numbers(other))
        equal = sum(left[key] == right.get(key) for key in left)
        apart = [f"{100 * (other['test'][measure] - one['test'][measure]):+.1f}" for measure in measures]
        rows.append([name, where(other), f"{equal} of {len(left)}", *apart])
    table = cli.table(["run", "against", "equal numbers", *(COLUMNS[measure] for measure in measures)], rows)
    return f"{table}\n\nFirst on {' and '.join(sorted({where(record) for record in runs.values()}))}."


def read(path: Path) -> dict[str, dict[str, Any]]:
    """By name, the records of runs: not those of searches, nor of maps without a network."""
    return {name: record for name, record in Records(path).read().items() if "history" in record}


def numbers(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """By a name of their own: of the history and both splits, without times."""
    parts = {f"epoch {epoch['epoch']}": epoch for epoch in record["history"]}
    for part, found in {**parts, "validation": record["validation"], "test": record["test"]}.items():
        yield from ((f"{part}, {name}", value) for name, value in found.items() if name not in SET)


def where(record: dict[str, Any]) -> str:
    return "{device}, torch {torch}, {precision}".format(**record["environment"])


if __name__ == "__main__":
    cli.run(main)
