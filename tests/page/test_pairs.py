"""Which pairs the page offers, and under what names."""

import logging
from pathlib import Path

import pytest
from untrained import write_twins

from camloss import CamlossError
from camloss.checkpoint import CONFIG, TRAINING, WEIGHTS
from camloss.page.pairs import find_pairs, load_for_page


def test_the_folder_comes_first_then_its_subfolders_each_by_its_own_name(tmp_path: Path) -> None:
    folder = write_twins(tmp_path / "checkpoints")
    for seed in (2, 1):  # two seeds of one arch are two choices
        write_twins(folder / f"seed-{seed}", seed=seed)
    expected = [("checkpoints", folder), ("seed-1", folder / "seed-1"), ("seed-2", folder / "seed-2")]
    assert list(find_pairs(folder).items()) == expected


def test_the_folder_itself_need_not_hold_a_pair(tmp_path: Path) -> None:
    write_twins(tmp_path / "mine")
    assert find_pairs(tmp_path) == {"mine": tmp_path / "mine"}


def test_all_is_read_from_the_weight_file(tmp_path: Path) -> None:
    folder = write_twins(tmp_path / "checkpoints")
    for variant in ("ce", "cam"):
        (folder / variant / CONFIG).unlink()
        (folder / variant / TRAINING).write_text("no JSON", encoding="utf-8")
    assert load_for_page(find_pairs(folder)["checkpoints"]).num_classes == 10


def test_a_broken_subfolder_is_left_out_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_twins(tmp_path / "checkpoints")
    (write_twins(folder / "broken") / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    (write_twins(folder / "half") / "ce" / WEIGHTS).unlink()
    (folder / "empty").mkdir()
    with caplog.at_level(logging.WARNING):
        assert list(find_pairs(folder)) == ["checkpoints"]
    assert [record.message.count("\n") for record in caplog.records] == [0, 0]
    assert all(word in record.message for word, record in zip(("broken", "half"), caplog.records, strict=True))


def test_no_pair_at_all_is_one_line_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"no pair of checkpoints in .*; train one with: python scripts/train.py"):
        find_pairs(tmp_path)
    (write_twins(tmp_path) / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(CamlossError, match="is damaged"):
        find_pairs(tmp_path)
