"""Whatever part of a pair a command is given, it takes it or says which folder to name."""

from pathlib import Path

import pytest
from command_line import assert_one_line, run
from tiny_mnist import write_tiny_mnist
from untrained import write_pair

from camloss import CamlossError, Pair, load_checkpoint
from camloss.pair import pair_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("sources") / "pair")


def test_a_model_is_loaded_from_its_folder_and_from_its_file(whole: Path) -> None:
    for source in (whole / "ce", whole / "ce" / "model.safetensors"):
        assert load_checkpoint(source).arch == "sketch_cnn"
    with pytest.raises(CamlossError, match=r"pair holds a pair; name one of ce, cam as variant$"):
        load_checkpoint(whole)
    for file in (whole / "config.json", whole / "ce" / "config.json", whole / "ce" / "training.json"):
        with pytest.raises(CamlossError, match=r"\.json holds no weights; name its folder$"):
            load_checkpoint(file)


@pytest.mark.parametrize("part", ["ce", "ce/model.safetensors", "config.json", "cam/training.json"])
def test_for_a_part_of_a_pair_the_pair_is_named(whole: Path, part: str) -> None:
    said = rf"^{whole / part} is (one model of|in) the pair( in)? {whole}; name that folder$"
    for load in (Pair.load, pair_files):
        with pytest.raises(CamlossError, match=said):
            load(whole / part)
    for words in (("demo", "--pair"), ("push", "user/mnist", "--dry-run", "--checkpoints")):
        assert_one_line(run(*words, whole / part), 2, "the pair", f"{whole}; name that folder")


def test_evaluate_and_join_pair_take_the_file_itself(whole: Path, tmp_path: Path) -> None:
    data = write_tiny_mnist(tmp_path / "data")
    file = whole / "ce" / "model.safetensors"
    done = run("evaluate", file, "--data-dir", data)
    assert done.code == 0, done.err
    assert str(file) in done.out
    assert_one_line(run("evaluate", whole / "config.json", "--data-dir", data), 2, "holds no weights; name its folder")
    done = run("join-pair", file, whole / "cam" / "model.safetensors", "--into", tmp_path / "joined")
    assert done.code == 0, done.err
    assert Pair.load(tmp_path / "joined").variants == ("ce", "cam")
