"""The study's answer as the page shows it, and the pages that it links."""

import base64
from pathlib import Path

from camloss.demo.results import results_in

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURE = f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}"
BOX = '<div class="wide" role="group" aria-label="scrolls sideways" tabindex="0">'
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_no_results_are_none(tmp_path: Path) -> None:
    assert results_in(tmp_path) is None


def test_figures_are_within_and_links_lead_to_pages_or_are_words(tmp_path: Path) -> None:
    (tmp_path / "figure.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "results.md").write_text(
        "<!-- made by a script -->\n# Results\n\nSee ![A figure](figure.svg) ![Gone](gone.svg) ![None](secret.txt)\n"
        "[protocol](protocol.md#rules), [code](../scripts/report.py), [gone](gone.md), [secret](secret.txt),\n"
        "[paper](https://arxiv.org), [above](#results)\n",
        encoding="utf-8",
    )
    (tmp_path / "protocol.md").write_text(
        "# The rules\n\nOf [the results](results.md), [itself](protocol.md) ![A figure](figure.svg), a < b.\n",
        encoding="utf-8",
    )
    results = results_in(tmp_path)
    assert results is not None
    assert results.answer == (
        f"# Results\n\nSee ![A figure]({FIGURE}) Gone None\n"
        "[protocol](web/protocol.html), code, gone, secret,\n[paper](https://arxiv.org), [above](#results)\n"
    )
    assert list(results.pages) == ["protocol.html"]
    assert results.pages["protocol.html"].media_type == "text/html"
    page = results.pages["protocol.html"].body.decode()
    assert "<title>The rules</title>" in page
    assert (
        '<p>Of the results, <a href="protocol.html">itself</a> '
        f'<img src="{FIGURE}" alt="A figure" />, a &lt; b.</p>' in page
    )


def test_tables_scroll_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "results.md").write_text(
        f"One.\n\n{TABLE}\nTwo | three. [Tables](results-tables.md)\n", encoding="utf-8"
    )
    (tmp_path / "results-tables.md").write_text(f"# Tables\n\n{TABLE}", encoding="utf-8")
    results = results_in(tmp_path)
    assert results is not None
    box = f"{BOX}\n\n{TABLE}\n</div>\n"
    assert results.answer == f"One.\n\n{box}\nTwo | three. [Tables](web/results-tables.html)\n"
    (table,) = (page.body.decode() for page in results.pages.values())
    assert f"{BOX}\n<table>\n" in table
    assert "</table>\n</div>" in table


def test_the_committed_results_have_an_answer_and_its_pages() -> None:
    results = results_in(ROOT / "docs")
    assert results is not None
    _, sentence, figure, _, headline, _ = results.answer.split("\n\n", 5)
    assert sentence.startswith("Among clutter, ")
    assert figure.startswith("![Accuracy among clutter")
    assert headline.startswith("**")
    assert "\n\n**On photographs** CAM-loss is ahead of " in results.answer
    assert "\n\n![What CAM-loss changes on photographs, with intervals](data:" in results.answer
    assert "\n\n- **Question:** " in results.answer
    assert results.answer.count('class="wide"') == 1  # the claims
    assert results.answer.count("](data:image/svg+xml;base64,") == 3
    assert {*results.pages} == {"results-tables.html", "results-photos.html", "results-price.html", "protocol.html"}
    tables, photos = (results.pages[f"results-{name}.html"].body.decode() for name in ("tables", "photos"))
    assert tables.count("<h2>") > 10
    assert "></th>" not in tables
    assert tables.count("<table>") == tables.count(BOX) > 10
    assert 'src="data:image/jpeg;base64,' in photos
