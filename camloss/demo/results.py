"""The study's answer and its tables as the demo shows them: two pages of docs/, with their figures."""

import re
from dataclasses import dataclass
from pathlib import Path

from camloss.demo.web_files import MEDIA_TYPES, WebFile, web_file

ANSWER, TABLES = "results.md", "results-tables.md"
BOX = '<div class="wide" role="group" aria-label="scrolls sideways" tabindex="0">'
TABLE = re.compile(r"^((?:\|.*\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Results:
    """Two pages in Markdown, whose pictures are `figures` under `/web/`: the answer, and all tables."""

    answer: str
    rest: str
    figures: dict[str, WebFile]


def results_in(docs: Path) -> Results | None:
    """The results in a folder of documentation; None where there are none.

    Links to other pages of the documentation, which the page does not have, become their words. Tables, which
    may be wider than a phone, scroll by themselves, by keyboard as well.
    """
    figures: dict[str, WebFile] = {}

    def picture(found: re.Match[str]) -> str:
        words, name = found.groups()
        file = docs / name
        if file.suffix not in MEDIA_TYPES or not file.is_file():
            return words
        figures[file.name] = web_file(file)
        return f"![{words}](web/{file.name})"

    def shown(name: str) -> str:
        text = re.sub(r"<!--.*?-->\n?", "", (docs / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)\)", picture, text)
        text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!\w+://|#)[^)]*\)", r"\1", text)
        return TABLE.sub(f"{BOX}\n\n\\1\n</div>\n", text)

    if not (docs / ANSWER).is_file() or not (docs / TABLES).is_file():
        return None
    return Results(shown(ANSWER), shown(TABLES), figures)
