"""Which pairs the page offers, and under what names."""

import dataclasses
import json
import logging
from pathlib import Path

import pytest
from made_up_images import CLASSES, SIZE, write_image_pair
from untrained import RECORD, write_pair, write_snapshots

from camloss import CamlossError, load_checkpoint, save_checkpoint
from camloss.checkpoint import CONFIG, TRAINING, WEIGHTS, load_training, pack, unpack
from camloss.demo.examples import examples_in
from camloss.demo.pairs import find_pairs, format_of, load_for_page, seconds_of, side_by_side, snapshots_in
from camloss.epoch_snapshots import EPOCHS, read_snapshots
from camloss.pair import ImageFormat, Pair, pair_config

SEVEN = ("ce", "cam", "virtual-canvas", "alpha-0_3", "alpha-1", "alpha-3", "alpha-30")
OF_PAIR = pair_config(("ce", "cam"), RECORD["run"])


def test_the_folder_comes_first_then_its_subfolders_each_by_its_own_name(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "checkpoints")
    for seed in (2, 1):  # two seeds of one arch are two choices
        write_pair(folder / f"seed-{seed}", seed=seed)
    expected = [("checkpoints", folder), ("seed-1", folder / "seed-1"), ("seed-2", folder / "seed-2")]
    assert list(find_pairs(folder).items()) == expected


def test_the_folder_itself_need_not_hold_a_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "mine")
    assert find_pairs(tmp_path) == {"mine": tmp_path / "mine"}


def test_all_is_read_from_the_weight_file(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "checkpoints")
    for variant in ("ce", "cam"):
        (folder / variant / CONFIG).unlink()
        (folder / variant / TRAINING).write_text("no JSON", encoding="utf-8")
    assert load_for_page(find_pairs(folder)["checkpoints"]).num_classes == 10


def test_a_broken_subfolder_is_left_out_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path / "checkpoints")
    (write_pair(folder / "broken") / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    (write_pair(folder / "half") / "ce" / WEIGHTS).unlink()
    (folder / "empty").mkdir()
    with caplog.at_level(logging.WARNING):
        assert list(find_pairs(folder)) == ["checkpoints"]
    assert [record.message.count("\n") for record in caplog.records] == [0, 0]
    assert all(word in record.message for word, record in zip(("broken", "half"), caplog.records, strict=True))


def test_a_pair_of_other_variants_than_the_first_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path / "checkpoints", variants=("ce", "new"))
    write_pair(folder / "another")
    assert list(find_pairs(folder)) == ["checkpoints"]
    assert "another begins with variants ce, cam; expected ce, new, as the first pair" in caplog.text
    assert list(find_pairs(folder / "another")) == ["another"]


def test_pairs_may_have_other_further_variants(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path / "checkpoints", variants=SEVEN)
    write_pair(folder / "another")
    assert list(find_pairs(folder)) == ["checkpoints", "another"]
    assert caplog.records == []


def test_what_may_stand_beside_the_baseline_is_told_with_its_alpha(tmp_path: Path) -> None:
    pair = Pair.load(write_pair(tmp_path, variants=SEVEN))
    alphas = {"ce": 0.0, "cam": 10.0, "virtual-canvas": 3.0, "alpha-0_3": 0.3, "alpha-1": 1.0, "alpha-3": 3.0}
    told = [(one.variant, one.title, one.alpha) for one in seconds_of(dataclasses.replace(pair, alphas=alphas))]
    assert told == [
        ("cam", "CAM-loss", 10.0),
        ("virtual-canvas", "CAM-loss with virtual canvases", None),
        ("alpha-0_3", "CAM-loss at alpha 0.3", 0.3),
        ("alpha-1", "CAM-loss at alpha 1", 1.0),
        ("alpha-3", "CAM-loss at alpha 3", 3.0),
        ("alpha-30", "CAM-loss at alpha 30", None),  # its record does not say
        ("ce", "CAM-loss at alpha 0", 0.0),
    ]


def test_alphas_are_those_of_the_records(tmp_path: Path) -> None:
    pair = Pair.load(write_pair(tmp_path))
    assert pair.alphas == {"ce": 1.0, "cam": 1.0}
    assert seconds_of(pair) == []  # nothing to choose
    others = write_pair(tmp_path / "others", variants=("ce", "cam", "new"))
    for variant in ("ce", "cam", "new"):
        record = load_training(others / variant)
        of_pair = pair_config(("ce", "cam", "new"), RECORD["run"])
        save_checkpoint(load_checkpoint(others / variant), others / variant, {**record, "history": [1]}, of_pair)
    assert Pair.load(others).alphas == {}
    assert [(one.variant, one.alpha) for one in seconds_of(Pair.load(others))] == [("cam", None), ("new", None)]


def test_another_variant_takes_the_second_place(tmp_path: Path) -> None:
    pair = Pair.load(write_pair(tmp_path, variants=SEVEN))
    assert list(side_by_side(pair)) == ["ce", "cam"]
    assert side_by_side(pair, "alpha-3") == {"ce": pair["ce"], "alpha-3": pair["alpha-3"]}
    assert side_by_side(pair, "ce") == {"ce": pair["ce"]}
    for wrong in ("half", "", 1, ["cam"]):
        with pytest.raises(CamlossError, match="as second; expected one of ce, cam, virtual-canvas"):
            side_by_side(pair, wrong)


def test_digits_and_pictures_are_told_apart_and_each_may_have_its_own_variants(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_pair(tmp_path / "checkpoints", variants=("ce", "new"))
    write_image_pair(folder / "images")
    write_image_pair(folder / "others")
    assert list(find_pairs(folder)) == ["checkpoints", "images", "others"]
    assert caplog.records == []
    assert format_of(folder) is None
    assert format_of(folder / "images") == ImageFormat(tuple(CLASSES), (SIZE, SIZE))
    assert load_for_page(folder / "images").images == format_of(folder / "images")


def test_what_is_not_ready_is_not_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path / "checkpoints")
    for name in (".staged", ".old"):
        write_pair(folder / name, seed=1)
    assert list(find_pairs(folder)) == ["checkpoints"]
    assert caplog.records == []


def test_a_pair_that_cannot_be_loaded_is_not_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path / "checkpoints")
    broken = write_pair(folder / "broken", seed=1) / "cam"
    tensors, header = unpack(broken / WEIGHTS)
    tensors["head.weight"][3, 5] = float("nan")
    (broken / WEIGHTS).write_bytes(pack(tensors, **header))
    assert list(find_pairs(folder)) == ["checkpoints"]
    assert "holds NaN or infinite values" in caplog.text


def test_no_pair_at_all_is_one_line_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"no pair of checkpoints in .*; train one with `camloss train`"):
        find_pairs(tmp_path)
    (write_pair(tmp_path) / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(CamlossError, match="is damaged"):
        find_pairs(tmp_path)


def test_a_pair_brings_its_snapshots_and_what_the_record_says_of_them(tmp_path: Path) -> None:
    folder = write_snapshots(write_pair(tmp_path))
    first, last = load_for_page(folder).snapshots
    assert (first.epoch, first.alpha, first.accuracy) == (1, 0.0, {"ce": 0.97, "cam": 0.97})
    assert (last.epoch, last.alpha, last.accuracy) == (2, 1.0, {"ce": 0.99, "cam": 0.99})
    kept = read_snapshots(folder / "cam", RECORD["run"])
    assert last.models["cam"].head.bias.equal(kept[2]["head.bias"].float())
    assert list(first.models) == list(load_for_page(folder).models)


def test_an_example_that_the_page_would_refuse_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_image_pair(tmp_path / "images") / "examples"
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "large.jpg").write_bytes(next(folder.glob("*.jpg")).read_bytes() + bytes(5_000_000))
    assert len(examples_in(tmp_path / "images")) == len(CLASSES)
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"left out: {folder / name}" for name in ("broken.png", "large.jpg")
    ]


ODD_ALPHAS = (10**400, -(10**400), float("nan"), float("inf"), "nan", "1", None, True, [1.0])


@pytest.mark.parametrize("alpha", ODD_ALPHAS, ids=lambda alpha: str(alpha)[:6])
def test_an_alpha_that_is_no_number_is_one_line(tmp_path: Path, alpha: object) -> None:
    """JSON's reader in Python takes the first four; for the others the snapshots are left out."""
    folder = write_snapshots(write_pair(tmp_path))
    file = folder / "cam" / WEIGHTS
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["camloss"])
    ours["training"]["history"][1]["alpha"] = alpha
    header["__metadata__"]["camloss"] = json.dumps(ours)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    if type(alpha) in (int, float):
        with pytest.raises(
            CamlossError, match=r"cam/model.safetensors is damaged \(.* is no finite number\); fetch or"
        ):
            Pair.load(folder)
    else:
        pair = Pair.load(folder)
        with pytest.raises(CamlossError, match="of epochs that the training's record lacks"):
            snapshots_in(folder, pair)
        assert load_for_page(folder).snapshots == ()


def test_a_pair_is_shown_without_snapshots(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_pair(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert load_for_page(folder).snapshots == ()
        write_snapshots(folder, run="of another training")
        assert load_for_page(folder).snapshots == ()
    assert caplog.records == []
    write_snapshots(folder)
    (folder / "ce" / EPOCHS).unlink()  # one model alone: nothing to compare with
    assert load_for_page(folder).snapshots == ()


def test_snapshots_that_cannot_be_shown_are_left_out_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_snapshots(write_pair(tmp_path))
    for variant in ("ce", "cam"):
        record = load_training(folder / variant)
        save_checkpoint(load_checkpoint(folder / variant), folder / variant, {**record, "history": []}, OF_PAIR)
    (write_snapshots(write_pair(tmp_path / "damaged")) / "cam" / EPOCHS).write_bytes(b"not safetensors")
    for place, reason in ((folder, "the training's record lacks"), (tmp_path / "damaged", "is damaged")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert load_for_page(place).snapshots == ()
        (warning,) = caplog.records
        assert reason in warning.message
        assert "\n" not in warning.message
