"""The study's answer as the page shows it: docs/results.md, with its figures, where it has been written."""

import re
from dataclasses import dataclass
from pathlib import Path

from camloss.demo.web_files import MEDIA_TYPES, WebFile, web_file

PAGE = "results.md"
FOLD = "## Everything that was measured\n"
BOX = '<div class="wide" role="group" aria-label="scrolls sideways" tabindex="0">'
TABLE = re.compile(r"^((?:\|.*\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Results:
    """A page in Markdown, whose pictures are `figures` under `/web/`: the answer, and all else that was measured."""

    answer: str
    rest: str
    figures: dict[str, WebFile]


def results_in(docs: Path) -> Results | None:
    """The results in a folder of documentation; None where there are none.

    Links to other pages of the documentation, which the page does not have, become their words. Tables, which
    may be wider than a phone, scroll by themselves, by keyboard as well.
    """
    path = docs / PAGE
    if not path.is_file():
        return None
    figures: dict[str, WebFile] = {}

    def picture(found: re.Match[str]) -> str:
        words, name = found.groups()
        file = docs / name
        if file.suffix not in MEDIA_TYPES or not file.is_file():
            return words
        figures[file.name] = web_file(file)
        return f"![{words}](web/{file.name})"

    text = re.sub(r"<!--.*?-->\n?", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)\)", picture, text)
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!\w+://|#)[^)]*\)", r"\1", text)
    text = TABLE.sub(f"{BOX}\n\n\\1\n</div>\n", text)
    answer, _, rest = text.partition(FOLD)
    return Results(answer, rest, figures)
