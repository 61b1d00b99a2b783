"""The study's answer as the page shows it: docs/results.md, with its figures, where it has been written."""

import re
from dataclasses import dataclass
from pathlib import Path

from camloss.page.web_files import MEDIA_TYPES, WebFile, web_file

PAGE = "results.md"


@dataclass(frozen=True)
class Results:
    """A page in Markdown, whose pictures are `figures` under `/web/`."""

    text: str
    figures: dict[str, WebFile]


def results_in(docs: Path) -> Results | None:
    """The results in a folder of documentation; None where there are none.

    Links to other pages of the documentation, which the page does not have, become their words.
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
    return Results(text, figures)
