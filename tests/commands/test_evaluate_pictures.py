"""`camloss evaluate --boxes` on a made-up folder of pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import assert_one_line, run
from pictures import CLASSES, write_pictures
from PIL import Image

from camloss import build_model, save_checkpoint
from camloss.data.pictures import MEAN, STD
from camloss.pair import pair_config, write_pair_config


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_pictures(tmp_path_factory.mktemp("data") / "photos", train=2, val=4, test=3)
    lines = ["path,class,x_min,y_min,x_max,y_max,source"]
    for path in sorted(folder.rglob("*.png")):
        pixels = np.asarray(Image.open(path)).astype(int)
        rows, columns = np.nonzero(np.abs(pixels - 120).sum(2))
        box = (columns.min(), rows.min(), columns.max(), rows.max())
        lines.append(f"{path.relative_to(folder).as_posix()},{path.parent.name},{','.join(map(str, box))},here")
    (folder / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def untrained_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair for these classes that has learnt nothing."""
    folder = tmp_path_factory.mktemp("pair") / "pair"
    for seed, variant in enumerate(("ce", "cam")):
        torch.manual_seed(seed)
        record = {"variant": variant, "run": "run"}
        model = build_model("small_resnet", 3, width=8)
        save_checkpoint(
            model,
            folder / variant,
            record,
            pair_config(("ce", "cam"), "run"),
            classes=CLASSES,
            image_size=40,
            mean=MEAN,
            std=STD,
        )
    write_pair_config(folder, ("ce", "cam"), "run")
    return folder


def test_accuracy_calibration_and_localisation(photos: Path, untrained_pictures: Path) -> None:
    done = run("evaluate", untrained_pictures, "--boxes", photos / "boxes.csv", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (record["reported_on"], record["pictures"], record["with_boxes"]) == ("test set", 9, 9)
    for numbers in record["checkpoints"].values():
        assert {"accuracy", "calibration_error", "top_precision_10", "pointing_game", "box_accuracy"} <= set(numbers)
        assert all(value >= 0 for value in numbers.values())
    assert set(record["controls"]) == {"centred-gaussian", "edge-energy"}
    shares = {round(n["box_share"], 6) for n in (*record["checkpoints"].values(), *record["controls"].values())}
    assert len(shares) == 1  # of the same pictures
    assert 0.1 < shares.pop() < 0.2  # 15 of 40 pixels either way
    assert record["controls"]["edge-energy"]["pointing_game"] >= 0.8  # there is nothing else in the pictures

    table = run("evaluate", untrained_pictures, "--data", photos)
    assert table.out.startswith("9 pictures of the test set, 9 of them with a box that counts")
    assert "| pointing_game " in table.out
    headings = [heading.strip() for heading in table.out.splitlines()[2].strip("|").split("|")]
    assert headings == ["measure", "ce", "cam", "centred-gaussian", "edge-energy"]


def test_training_pictures_are_not_read(untrained_pictures: Path, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "photos", train=3, val=2)
    for path in sorted((folder / "train").rglob("*.png"))[1:]:  # the first one says channels and size
        path.write_bytes(b"no picture")
    done = run("evaluate", untrained_pictures, "--data", folder)
    assert done.code == 0, done.err
    assert done.out.startswith("6 pictures of the validation set")
    assert "cannot be read" not in done.err


def test_what_is_refused(photos: Path, untrained_pictures: Path, untrained_pair: Path, tmp_path: Path) -> None:
    assert_one_line(run("evaluate", untrained_pair, "--data", photos), 2, "is a pair for drawn digits")
    assert_one_line(run("evaluate", untrained_pictures), 2, f"{untrained_pictures} is a pair for pictures; name the")
    other = write_pictures(tmp_path / "other", train=2, val=2)
    for split in ("train", "val"):
        (other / split / "disc").rename(other / split / "ring")
    assert_one_line(run("evaluate", untrained_pictures, "--data", other), 2, "knows other classes than")
    assert_one_line(run("evaluate", untrained_pictures, "--boxes", photos / "none.csv"), 2, "cannot be read")
