"""`camloss train --data FOLDER` and what it leaves."""

from pathlib import Path

import pytest
import torch
from command_line import assert_one_line, run
from pictures import CLASSES, picture, write_pictures

from camloss import explain, load_checkpoint
from camloss.checkpoint import load_training, read_header
from camloss.data.pictures import MEAN, STD, fitted
from camloss.pair import ImageFormat, Pair

QUICK = ("--epochs", "3", "--alpha-start-epoch", "1", "--batch-size", "20", "--size", "32", "--device", "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "photos")


def test_a_pair_on_a_folder_of_pictures(photos: Path, tmp_path: Path) -> None:
    done = run("train", "--data", photos, *QUICK, "--output-dir", tmp_path / "out", "--saved-as", "float16")
    assert done.code == 0, done.err
    assert "| validation set " in done.out
    assert "camloss push USER/camloss-photos" in done.out
    pair = Pair.load(tmp_path / "out")
    assert pair.images == ImageFormat(CLASSES, (32, 32))
    answer = explain(pair["cam"], fitted(picture("disc", 5), (32, 32))[None] / 255)
    assert answer.probs.shape == (1, 3)
    assert answer.cam.shape == (1, 4, 4)

    header = read_header(tmp_path / "out" / "cam" / "model.safetensors")
    assert header["config"] == {
        **{"format": 1, "arch": "small_resnet", "num_classes": 3, "pooling": "avg", "in_chans": 3, "dtype": "float16"},
        **{"classes": list(CLASSES), "image_size": [32, 32], "mean": list(MEAN), "std": list(STD)},
    }
    record = load_training(tmp_path / "out" / "cam")
    assert record["reported_on"] == "validation set"
    assert record["config"]["data"] == "photos"
    assert str(photos) not in str(record)
    assert (tmp_path / "out" / "cam" / "model.safetensors").stat().st_size < 1_000_000
    assert load_checkpoint(tmp_path / "out" / "ce").head.weight.dtype == torch.float16
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "# photos: Cross-entropy and CAM-loss" in card
    assert "## Results on the validation set" in card
    assert "![Pictures of the validation set, their CAM and their CAAM, from CAM-loss](cam/maps.png)" in card
    assert "license: apache-2.0" not in card
    assert "mnist" not in card


def test_a_network_of_timm_with_its_options(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--arch", "timm/resnet10t", "--arch-arg", "output_stride=8", "--dry-run", "--output-dir", out)
    done = run("train", "--data", photos, *QUICK, *words)
    assert done.code == 0, done.err
    assert "warning" not in done.err
    assert not out.exists()
    few = run("train", "--data", photos, *QUICK, "--arch", "timm/resnet10t", "--dry-run", "--output-dir", out)
    assert "of 32x32 pixels timm/resnet10t makes maps of 1x1 positions" in few.err
    assert "take a larger --size, less stride (timm: --arch-arg output_stride=16), or small_resnet" in few.err
    smaller = run("train", "--data", photos, *QUICK, "--size", "16", "--dry-run", "--output-dir", out)
    assert smaller.err.splitlines()[-1].endswith("which locate little; take a larger --size")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--arch", "timm/vit_tiny_patch16_224"), "has no exact CAM"),
        (("--arch", "timm/no_such_net"), "unknown arch 'timm/no_such_net'"),
        (("--arch-arg", "width"), "arch_arg is 'width'; expected NAME=VALUE"),
        (("--data", "cifar-10"), "there is no folder cifar-10; expected mnist, cifar10, hf:USER/DATASET, or a folder"),
        (("--arch", "small_resnet", "--pretrained"), "does not take pretrained; pretrained are resnet18, timm/NAME"),
        (("--data", "mnist", "--size", "64"), "MNIST's images have 28 pixels a side"),
    ],
)
def test_bad_values(photos: Path, tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    done = run("train", "--data", photos, *QUICK, "--output-dir", tmp_path / "out", *flags)
    assert_one_line(done, 2, words)
    assert not (tmp_path / "out").exists()
