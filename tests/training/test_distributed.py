"""A training of several processes, which torchrun starts: gloo on this machine."""

import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from command_line import ROOT, Done, apart
from pictures import write_pictures
from tiny_mnist import write_tiny_mnist

from camloss.checkpoint import load_training, unpack
from camloss.training.distributed import Processes

WORKER = str(Path(__file__).with_name("worker.py"))
PATHS = f"{ROOT}:{ROOT / 'tests'}"


def train(count: int, *words: str | Path, **more: str) -> Done:
    """`camloss train` in that many processes."""
    start = [] if count == 1 else ["--standalone", f"--nproc-per-node={count}"]
    return torchrun(start, *words, **more)


def torchrun(start: list[str], *words: str | Path, **more: str) -> Done:
    """`camloss train`, by torchrun where it is given flags."""
    run = ["-m", "torch.distributed.run", *start] if start else []
    return apart([sys.executable, *run, WORKER, "train", *map(str, words)], None, PYTHONPATH=PATHS, **more)


def quick(data_dir: Path, out: Path) -> list[str | Path]:
    # 600 images, 550 to train on: the last batch has one image, for which there is no second process
    flags = "--arch norm_free --epochs 2 --batch-size 61 --synthetic 0 --precision float32 --learning-rate 0.01"
    return ["--data-dir", data_dir, "--output-dir", out, "--device", "cpu", *flags.split()]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def alone(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pair that one process trains."""
    out = tmp_path_factory.mktemp("alone") / "out"
    done = train(1, *quick(data_dir, out))
    assert done.code == 0, done.err
    return out


def assert_alike(one: Path, other: Path) -> None:
    for variant in ("ce", "cam"):
        ours, theirs = (unpack(folder / variant / "model.safetensors")[0] for folder in (one, other))
        for name, tensor in ours.items():
            if not name.startswith("ood_score"):
                torch.testing.assert_close(tensor, theirs[name], atol=1e-4, rtol=0)
        ours_said, theirs_said = (load_training(folder / variant)["history"] for folder in (one, other))
        for epoch, again in zip(ours_said, theirs_said, strict=True):
            assert epoch["validation_accuracy"] == again["validation_accuracy"]
            assert epoch["ce"] == pytest.approx(again["ce"], rel=1e-4)
            assert epoch["cam"] == pytest.approx(again["cam"], rel=1e-3)


@pytest.mark.slow
def test_two_processes_train_the_pair_of_one(data_dir: Path, alone: Path, tmp_path: Path) -> None:
    """The weights, the losses and the validation accuracy; the first process alone prints."""
    done = train(2, *quick(data_dir, tmp_path / "out"), "--accumulate", "2")
    assert done.code == 0, done.err
    assert_alike(alone, tmp_path / "out")
    assert done.out.count("cam epoch  2/2") == 1
    assert done.out.count("| test set ") == 1


@pytest.mark.slow
def test_two_machines_train_the_pair_of_one(data_dir: Path, alone: Path, tmp_path: Path) -> None:
    """On the loopback interface, each with its own data and output folder: the first alone prints and writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    start = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}"]
    here = ["--rdzv-id=pair", "--local-addr=127.0.0.1"]
    folders = [(shutil.copytree(data_dir, tmp_path / name / "data"), tmp_path / name / "out") for name in ("a", "b")]
    with ThreadPoolExecutor(2) as machines:
        done = list(machines.map(lambda of: torchrun([*start, *here], *quick(*of)), folders))
    assert [one.code for one in done] == [0, 0], done
    (written,) = (out for _, out in folders if out.exists())
    assert_alike(alone, written)
    assert sorted(one.out.count("cam epoch  2/2") for one in done) == [0, 1]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others_and_one_goes_on_alone(data_dir: Path, alone: Path, tmp_path: Path) -> None:
    words = quick(data_dir, tmp_path / "out")
    done = train(2, *words, DIE="1")
    assert done.code != 0
    assert done.err.count("error: another process of this training has ended") == 1  # the first; the second is dead
    assert not (tmp_path / "out" / "ce").exists()
    resumed = train(1, *words, "--resume")
    assert resumed.code == 0, resumed.err
    assert_alike(alone, tmp_path / "out")


@pytest.mark.slow
def test_an_error_of_the_first_process_is_everybodys(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = train(2, *quick(data_dir, tmp_path / "file" / "out"))
    assert done.code != 0
    assert done.err.count("error: cannot write") == 2
    assert "camloss/" not in done.err  # no traceback of ours


@pytest.mark.slow
def test_pictures_are_varied_alike_in_two_processes(tmp_path: Path) -> None:
    """Those in memory, and those that are read anew in every epoch."""
    photos = write_pictures(tmp_path / "photos", train=11, val=3)
    flags = "--arch norm_free --size 28 --epochs 2 --alpha-start-epoch 1 --batch-size 10 --precision float32"
    to_measure_on = str(9 * 3 * 28 * 28)
    for name, count, more in (("1", 1, {}), ("2", 2, {}), ("streamed", 2, {"ROOM": to_measure_on})):
        where: list[str | Path] = ["--data", photos, "--output-dir", tmp_path / name, "--device", "cpu"]
        done = train(count, *where, *flags.split(), **more)
        assert done.code == 0, done.err
        assert done.err.count("every epoch reads them anew") == len(more)
    assert_alike(tmp_path / "1", tmp_path / "2")
    assert_alike(tmp_path / "1", tmp_path / "streamed")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_are_the_batch(count: int) -> None:
    everyone = [Processes(rank, count) for rank in range(count)]
    for size in (1, 2, 7):
        batch = torch.arange(size)
        shares = [process.share(batch) for process in everyone]
        weights = [process.weight(size) for process in everyone]
        mean = sum(w * share.double().mean() for w, share in zip(weights, shares, strict=True)) / count
        assert float(mean) == pytest.approx(batch.double().mean())
        counted = [number for w, share in zip(weights, shares, strict=True) if w > 0 for number in share.tolist()]
        assert sorted(counted) == batch.tolist()
