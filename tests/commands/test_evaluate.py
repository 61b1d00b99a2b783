"""`camloss evaluate` on a small data set: a pair, one checkpoint, the writers whose files are there, the OOD score."""

import gzip
import json
from pathlib import Path

import pytest
from command_line import assert_one_line, run
from tiny_mnist import write_tiny_mnist
from untrained import RECORD

from camloss import build_model, save_checkpoint
from camloss.commands import evaluate
from camloss.data.mnist import load_mnist
from camloss.errors import CamlossError
from camloss.pair import Pair
from camloss.study.measures import CONTROLS, survey
from camloss.study.writers import REPORT_WRITERS

UNIPEN = """\
.SEGMENT DIGIT 0 ? "1"
.COMMENT 1 {writer} 17
.PEN_DOWN
 250 400
 250 100
.PEN_UP
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the report writers' file, and without that of the development writers."""
    folder = write_tiny_mnist(tmp_path_factory.mktemp("data"), train=100, test=20)
    path = folder / REPORT_WRITERS
    path.parent.mkdir()
    path.write_bytes(gzip.compress("".join(UNIPEN.format(writer=writer) for writer in (2, 5)).encode()))
    return folder


def test_a_pair_is_measured_as_in_the_study(
    untrained_pair: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.main([str(untrained_pair), "--data-dir", str(data_dir), "--json"])
    printed = capsys.readouterr()
    assert "pendigits-orig.tra.gz: the development writers are left out" in printed.err
    record = json.loads(printed.out)
    assert record["images"] == {"test": 20}
    assert record["run"] == RECORD["run"]
    models, test = Pair.load(untrained_pair).digit_models, load_mnist(data_dir).test
    for variant, baseline in (("ce", None), ("cam", models["ce"])):
        measured = record["checkpoints"][f"{untrained_pair}/{variant}"]
        expected = survey(models[variant], test, baseline, "float32")
        assert {name: measured[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        assert "pointing_game_junction" in measured
    assert set(record["controls"]) == set(CONTROLS)
    assert set(record["writers"]) == {"report, strokes", "report, raster"}
    for found in record["writers"].values():
        assert found["images"] == 2
        assert {source: set(by_writer) for source, by_writer in found["by_writer"].items()} == {
            f"{untrained_pair}/{variant}": {"2", "5"} for variant in ("ce", "cam")
        }


def run_of(*sources: Path) -> str | None:
    return evaluate.shared_run([evaluate.load(str(source)) for source in sources])


def test_the_record_names_the_training_of_all_that_was_measured(untrained_pair: Path, tmp_path: Path) -> None:
    assert run_of(untrained_pair / "ce", untrained_pair / "cam") == RECORD["run"]
    save_checkpoint(build_model("sketch_cnn"), tmp_path)
    assert run_of(untrained_pair, tmp_path) is None
    assert run_of(tmp_path) is None


def test_one_checkpoint_is_a_table(untrained_pair: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main([str(untrained_pair / "cam"), "--data-dir", str(data_dir)])
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == ["measure", str(untrained_pair / "cam"), *CONTROLS]
    assert any(line.startswith("| clutter_8 ") for line in lines)
    assert any(line.startswith("20 test images; ") for line in lines)
    assert any("2 report writers, from strokes" in line for line in lines)


def test_a_network_for_pictures_is_one_clear_line(data_dir: Path, tmp_path: Path) -> None:
    save_checkpoint(build_model("small_resnet", width=8), tmp_path)
    done = run("evaluate", tmp_path, "--data-dir", data_dir)
    assert_one_line(done, 2, "small_resnet is made for pictures, not for drawn digits; take light_cnn")


def test_a_checkpoint_without_an_ood_score_is_one_clear_line(untrained_pair: Path, data_dir: Path) -> None:
    with pytest.raises(CamlossError, match="cam has no OOD score; leave out --ood, or train it with camloss train"):
        evaluate.main([str(untrained_pair / "cam"), "--data-dir", str(data_dir), "--ood"])


def test_what_is_no_checkpoint_is_one_clear_line(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="none"):
        evaluate.main([str(tmp_path / "none"), "--data-dir", str(data_dir)])
