"""The study's answer as the page shows it."""

from pathlib import Path

from camloss.demo.results import results_in

ROOT = Path(__file__).resolve().parent.parent.parent


def test_no_results_are_none(tmp_path: Path) -> None:
    assert results_in(tmp_path) is None


def test_figures_lie_under_web_and_links_of_the_documentation_are_words(tmp_path: Path) -> None:
    (tmp_path / "figure.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "results.md").write_text(
        "<!-- made by a script -->\n# Results\n\nSee ![A figure](figure.svg) ![Gone](gone.svg) ![None](secret.txt)\n"
        "[protocol](protocol.md), [code](../scripts/report.py), [paper](https://arxiv.org), [above](#results)\n",
        encoding="utf-8",
    )
    (tmp_path / "results-tables.md").write_text("Tables ![A figure](figure.svg)\n", encoding="utf-8")
    results = results_in(tmp_path)
    assert results is not None
    assert results.answer == (
        "# Results\n\nSee ![A figure](web/figure.svg) Gone None\n"
        "protocol, code, [paper](https://arxiv.org), [above](#results)\n"
    )
    assert results.rest == "Tables ![A figure](web/figure.svg)\n"
    assert {name: file.media_type for name, file in results.figures.items()} == {"figure.svg": "image/svg+xml"}


def test_tables_scroll_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "figure.svg").write_text("<svg/>", encoding="utf-8")
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    (tmp_path / "results.md").write_text(f"One.\n\n{table}\nTwo | three.\n\n![F](figure.svg)\n", encoding="utf-8")
    (tmp_path / "results-tables.md").write_text(f"{table}", encoding="utf-8")
    results = results_in(tmp_path)
    assert results is not None
    box, end = '<div class="wide" role="group" aria-label="scrolls sideways" tabindex="0">\n\n', "\n</div>\n"
    assert results.answer == f"One.\n\n{box}{table}{end}\nTwo | three.\n\n![F](web/figure.svg)\n"
    assert results.rest == f"{box}{table}{end}"


def test_the_committed_results_have_an_answer_and_a_rest() -> None:
    results = results_in(ROOT / "docs")
    assert results is not None
    _, sentence, figure, _, headline, _ = results.answer.split("\n\n", 5)
    assert sentence.startswith("Among clutter, ")
    assert figure.startswith("![Accuracy among clutter")
    assert headline.startswith("**")
    assert "\n\n**On photographs** " in results.answer
    assert "\n\n- **Question:** " in results.answer
    assert results.answer.count('class="wide"') == 1  # the claims
    assert results.answer.count("](web/") == 2
    assert results.rest.count("\n## ") > 10
