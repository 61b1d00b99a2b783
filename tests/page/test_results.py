"""The study's answer as the page shows it."""

from pathlib import Path

from camloss.page.results import results_in


def test_no_results_are_none(tmp_path: Path) -> None:
    assert results_in(tmp_path) is None


def test_figures_lie_under_web_and_links_of_the_documentation_are_words(tmp_path: Path) -> None:
    (tmp_path / "figure.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "results.md").write_text(
        "<!-- made by a script -->\n# Results\n\n![A figure](figure.svg) ![Gone](gone.svg) ![No picture](secret.txt)\n"
        "[protocol](protocol.md), [code](../scripts/report.py), [paper](https://arxiv.org), [above](#results)\n",
        encoding="utf-8",
    )
    results = results_in(tmp_path)
    assert results is not None
    assert results.text == (
        "# Results\n\n![A figure](web/figure.svg) Gone No picture\n"
        "protocol, code, [paper](https://arxiv.org), [above](#results)\n"
    )
    assert {name: file.media_type for name, file in results.figures.items()} == {"figure.svg": "image/svg+xml"}
