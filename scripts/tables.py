"""Write the tables of README.md and docs/ from what the commands recorded; no number in them is typed by hand.

    python scripts/ood_score.py > docs/records/ood.md                     measure the OOD score of checkpoints/
    python scripts/ood_score.py --compare > docs/records/ood-compare.md   and what else it could be
    python scripts/evaluate.py --json > docs/records/evaluate.json      measure the pair in all other respects
    python scripts/evaluate.py --pens 2.6 1.8 1.1 0.5 > docs/records/pens.md            by the pen that writes
    python scripts/dev/benchmark.py --only NAME ... > docs/records/NAME.md  measure speed, on a quiet machine
    python scripts/dev/faults.py > docs/records/faults.md                   try every fault of a Hub
    python scripts/tables.py                                            then put all of that into the pages
    python scripts/tables.py --check                                    do nothing, but fail where a page is not so

A table stands between <!-- table: NAME --> and <!-- end -->, where NAME is `evaluate` or, for README, `reading`, both
made from evaluate.json, or that of any Markdown file in docs/records; `hottest` is a sentence from evaluate.json.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _checkout import ROOT
from evaluate import as_table

from camloss import CamlossError, cli
from camloss.hub.model_card import where_top
from camloss.pair import described
from camloss.study.evaluation import BLOB

PAGES = ("README.md", "docs/*.md")
READING = {  # what was read: its metrics
    "MNIST, test set": ("accuracy",),
    "15 hands that chose nothing, from the pen's path (worst digit)": ("pen_accuracy_report", "pen_worst_digit_report"),
    "from a picture (worst digit)": ("pen_accuracy_report_picture", "pen_worst_digit_report_picture"),
}
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout (default: this one)")
    flags = parser.parse_args()
    tables = read_tables(flags.root / "docs" / "records")
    for page in sorted(path for pattern in PAGES for path in flags.root.glob(pattern)):
        text = page.read_text(encoding="utf-8")
        filled = fill(text, tables, page.name)
        if filled != text and flags.check:
            raise CamlossError(f"{page.name} is not what docs/records says; run python scripts/tables.py")
        if filled != text:
            page.write_text(filled, encoding="utf-8")
            print(page)


def read_tables(records: Path) -> dict[str, str]:
    """Every table that a page may show, by name."""
    measured = json.loads((records / "evaluate.json").read_text(encoding="utf-8"))
    printed = {path.stem: path.read_text(encoding="utf-8").strip() for path in records.glob("*.md")}
    return {"evaluate": as_table(measured), "hottest": hottest(measured), "reading": reading(measured), **printed}


def hottest(measured: Mapping[str, Any]) -> str:
    """Where the maps of CAM-loss are hottest, beside those of its twin and of the control."""
    *others, (_, of_cam_loss) = (
        (described(Path(source).name).title, found) for source, found in measured["checkpoints"].items()
    )
    beside = {title[0].lower() + title[1:]: numbers for title, numbers in others}
    return f"Its map is {where_top({'CAM-loss': of_cam_loss, **beside, BLOB: measured['controls'][BLOB]})}."


def reading(measured: Mapping[str, Any]) -> str:
    """How well each network of the shipped pair reads, in percent."""
    rows = []
    for source, numbers in measured["checkpoints"].items():
        shares = [[f"{numbers[metric]:.2%}" for metric in metrics] for metrics in READING.values()]
        cells = [whole + "".join(f" ({worst})" for worst in rest) for whole, *rest in shares]
        rows.append([described(Path(source).name).title, *cells])
    return cli.table(["read right", *READING], rows)


def fill(text: str, tables: Mapping[str, str], name: str) -> str:
    """The page with its tables.

    Raises:
        CamlossError: the page names a table that nothing recorded.
    """

    def filled(block: re.Match[str]) -> str:
        if block[2] not in tables:
            raise CamlossError(f"{name} has a table {block[2]!r}; expected one of {', '.join(sorted(tables))}")
        return f"{block[1]}{tables[block[2]]}\n{block[3]}"

    return BLOCK.sub(filled, text)


if __name__ == "__main__":
    cli.run(main)
