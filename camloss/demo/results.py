"""The study's results as the demo shows them: a page of docs/ in a tab, and the pages that it links beside it."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from camloss import palette
from camloss.demo.web_files import MEDIA_TYPES, WEB, WebFile, web_file

ANSWER = "results.md"
BOX = '<div class="wide" role="group" aria-label="scrolls sideways" tabindex="0">'
TABLE = re.compile(r"^((?:\|.*\n?)+)", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+://|#)([^)#\s]*)[^)]*\)")  # to a file of the checkout


@dataclass(frozen=True)
class Results:
    """What the tab says, in Markdown, and the pages that it links, as HTML by their names under `/web/`."""

    answer: str
    pages: dict[str, WebFile]


def results_in(docs: Path) -> Results | None:
    """The results in a folder of documentation; None where there are none.

    Figures are within the text, so that they are there when the network is gone. Links to other files than the linked
    pages become their words. Tables, which may be wider than a phone, scroll by themselves, by keyboard as well.
    """
    if not (docs / ANSWER).is_file():
        return None
    from markdown_it import MarkdownIt  # which deploying needs no more than gradio

    linked = {name: f"{Path(name).stem}.html" for name in linked_pages(docs / ANSWER)}
    document = Template((WEB / "document.html").read_text(encoding="utf-8"))
    themes = {"light": palette.LIGHT, "dark": palette.DARK}
    colours = {f"{theme}_{name}": colour for theme, named in themes.items() for name, colour in named.items()}
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.validateLink = bool  # type: ignore[assignment]  # the figures' `data:`, too: the text is ours

    def placed(found: re.Match[str], to_pages: str) -> str:
        is_picture, words, name = found.groups()
        file = docs / name
        if is_picture and file.suffix in MEDIA_TYPES and file.is_file():
            return f"![{words}]({as_address(web_file(file))})"
        return f"[{words}]({to_pages}{linked[name]})" if name in linked else words

    def shown(name: str, to_pages: str) -> str:
        text = re.sub(r"<!--.*?-->\n?", "", (docs / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        text = LINK.sub(lambda found: placed(found, to_pages), text)
        return TABLE.sub(f"{BOX}\n\n\\1\n</div>\n", text)

    def page(name: str) -> WebFile:
        text = shown(name, "")
        title = text.partition("\n")[0].removeprefix("# ")
        body = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", markdown.render(text))  # an empty cell heads nothing
        return WebFile(document.substitute(colours, title=title, body=body).encode(), "text/html")

    return Results(shown(ANSWER, "web/"), {file: page(name) for name, file in linked.items()})


def linked_pages(page: Path) -> list[str]:
    """The names of the pages beside a page in Markdown that it links."""
    found = LINK.findall(page.read_text(encoding="utf-8"))
    names = dict.fromkeys(name for is_picture, _, name in found if not is_picture and name.endswith(".md"))
    return [name for name in names if (page.parent / name).is_file() and name != page.name]


def as_address(file: WebFile) -> str:
    """A file as a `data:` address."""
    return f"data:{file.media_type};base64,{base64.b64encode(file.body).decode()}"
