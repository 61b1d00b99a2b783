"""Write what the records say: docs/results.md, its tables and figures, the blocks of other pages, what the demo quotes.

    camloss evaluate --ood --json > docs/records/evaluate.json    measure the pair in checkpoints/
    camloss study                                                  write the records of the study
    python scripts/dev/benchmark.py ... > docs/records/step.md     measure speed, on an idle machine; the page:
    python scripts/dev/benchmark_page.py ... > docs/records/page.md
    python scripts/dev/faults.py > docs/records/faults.md          try every fault of a Hub
    camloss report                                                 then put all of that into the pages
    camloss report --check                                         write nothing, but fail where a page would change

A block stands between <!-- table: NAME --> and <!-- end --> in README.md or docs/*.md. NAME is `study` (from the
study's records), `photos`, `photos-summary` or `photos-alpha` (from those on photographs), `both` or `paper` (from
both), `evaluate`, `writers` or `ood` (from evaluate.json), or that of a Markdown file in docs/records.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from camloss import CamlossError, cli
from camloss.study.report import blocks, pages
from camloss.study.runs import records_as_written

PAGES = ("README.md", "docs/*.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "report")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the checkout")
    flags = parser.parse_args(argv)
    records = flags.root / "docs" / "records"
    with records_as_written(records):
        made = pages(records / "study")
        tables = blocks(records)
    for page in sorted(path for pattern in PAGES for path in flags.root.glob(pattern)):
        name = page.relative_to(flags.root).as_posix()
        if name not in made:
            made[name] = fill(page.read_text(encoding="utf-8"), tables, name)
    for name, text in made.items():
        path = flags.root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if flags.check:
            raise CamlossError(f"{name} is not what docs/records says; run camloss report")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


def fill(text: str, tables: Mapping[str, str], name: str) -> str:
    """A page with its blocks.

    Raises:
        CamlossError: the page names a table that nothing recorded.
    """

    def filled(block: re.Match[str]) -> str:
        if block[2] not in tables:
            raise CamlossError(f"{name} has a table {block[2]!r}; expected one of {', '.join(sorted(tables))}")
        return f"{block[1]}{tables[block[2]]}\n{block[3]}"

    return BLOCK.sub(filled, text)
