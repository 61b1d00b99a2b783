"""docs/recipe.md is what the records say, and its introduction is true of them."""

from pathlib import Path

from ablate import mean_and_error, page, read_records

ROOT = Path(__file__).resolve().parent.parent


def test_the_committed_page_is_what_the_records_make() -> None:
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == page(read_records())


def test_no_run_is_recorded_twice() -> None:
    runs = [(record["change"], record["seed"]) for record in read_records()]
    assert len(runs) == len(set(runs))


def test_a_difference_says_over_how_many_seeds_it_is() -> None:
    assert mean_and_error([]) == ""
    assert mean_and_error([-23.4]) == "-23 (1)"
    assert mean_and_error([1.0, 3.0]) == "+2 ± 1 (2)"


def test_what_is_said_of_handwriting() -> None:
    """It costs cross-entropy with every seed, and no accuracy that 10,000 images could tell."""
    last = read_records()[-1]
    assert last["config"]["hands"] > 0
    drawn, plain = (
        {record["seed"]: record for record in read_records() if record["change"] == last[key]}
        for key in ("change", "over")
    )
    assert drawn.keys() == plain.keys()
    assert all(drawn[seed]["loss"] > plain[seed]["loss"] for seed in drawn)
    lost = [plain[seed]["accuracy"] - drawn[seed]["accuracy"] for seed in drawn]
    assert abs(sum(lost)) / len(lost) < 0.0005
