"""`camloss train` and what it leaves: real files, a small data set in MNIST's format."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import UNREACHABLE, Done, assert_one_line, offline, process, quick, run, run_apart, script
from tiny_mnist import write_tiny_mnist
from untrained import write_pair

from camloss import CamlossError, build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import load_training, read_header
from camloss.data.mnist import load_mnist
from camloss.epoch_snapshots import read_snapshots
from camloss.metrics import evaluate
from camloss.pair import Pair, alone_in, pair_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The folder of a training that nothing interrupted, to be left as it is, and what it printed."""
    folder = tmp_path_factory.mktemp("finished") / "a folder"
    return folder, run("train", *quick(data_dir, folder))


def test_train_then_evaluate(finished: tuple[Path, Done], data_dir: Path) -> None:
    out, done = finished
    assert done.code == 0, done.err
    assert "cam epoch  3/3  L_ce " in done.out
    assert "| test set " in done.out
    for variant in ("ce", "cam"):
        folder = out / variant
        model = load_checkpoint(folder)
        assert model.arch == "tiny_cnn"
        assert model.ood_score is not None
        record = load_training(folder)
        assert record == json.loads((folder / "training.json").read_text(encoding="utf-8"))
        assert len(record["history"]) == 3
        assert record["variant"] == variant
        assert str(out) not in json.dumps(record)
        kept = read_snapshots(folder, record["run"])
        assert list(kept) == [1, 2, 3]
        trained_weight = model.head.weight * record["temperature"]
        torch.testing.assert_close(kept[3]["head.weight"].float(), trained_weight, rtol=1e-3, atol=1e-4)
    assert not (out / ".resume").exists()

    answer = json.loads(script("evaluate.py", out / "ce", out / "cam", "--data-dir", data_dir, "--json").out)
    assert answer["images"] == {"test": 100}
    for variant in ("ce", "cam"):
        measured = answer["checkpoints"][str(out / variant)]
        assert measured["accuracy"] == pytest.approx(load_training(out / variant)["test"]["accuracy"])
        assert 0 <= measured["deletion"] <= 1


OF_OTHER_EXTRAS = ("gradio", "httpx2", "huggingface_hub", "matplotlib", "starlette")


def test_training_needs_what_its_extra_brings_and_no_more(data_dir: Path, tmp_path: Path) -> None:
    out = write_pair(tmp_path / "out")
    (out / "README.md").write_text("the card of older weights", encoding="utf-8")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({OF_OTHER_EXTRAS}))"
    (tmp_path / "sitecustomize.py").write_text(blocked, encoding="utf-8")
    blocking = f"{tmp_path}:{ROOT}"
    done = run_apart("train", *quick(data_dir, out, "--epochs", "2", "--synthetic", "0"), PYTHONPATH=blocking)
    assert done.code == 0, done.err
    assert "no model cards without matplotlib and huggingface_hub: pip install 'camloss[demo]'" in done.out
    assert Pair.load(out).run == load_training(out / "cam")["run"]
    assert names(out / "cam") == {"config.json", "epochs.safetensors", "model.safetensors", "training.json"}
    assert not (out / "README.md").exists()
    refused = run_apart("train", *quick(data_dir, out), "--push-to-hub", "user/mnist", PYTHONPATH=blocking)
    assert_one_line(refused, 2, "this needs huggingface_hub, which is not installed; pip install 'camloss[hub]'")


def test_kill_9_then_resume_gives_the_weights_of_an_uninterrupted_run(
    finished: tuple[Path, Done], data_dir: Path, tmp_path: Path
) -> None:
    uninterrupted, old = finished[0], tmp_path / "out"
    assert run("train", *quick(data_dir, old, "--epochs", "2")).code == 0
    before = {variant: (old / variant / "model.safetensors").read_bytes() for variant in ("ce", "cam")}
    run_id = load_training(old / "ce")["run"]
    with subprocess.Popen(
        process("train", *quick(data_dir, old)),
        cwd=ROOT,
        env=offline(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as training:
        assert training.stdout is not None
        for line in training.stdout:
            if line.startswith("cam epoch  2/3"):
                training.kill()
                break
    for variant in ("ce", "cam"):  # neither alone: the old pair until both are done
        assert (old / variant / "model.safetensors").read_bytes() == before[variant]
    assert Pair.load(old).run == run_id
    killed_run = read_header(old / ".resume" / "cam.safetensors")["run"]["id"]
    assert killed_run != run_id

    done = run("train", *quick(data_dir, old, "--resume"))
    assert done.code == 0, done.err
    assert "cam epoch  1/3" not in done.out
    assert Pair.load(old).run == killed_run
    for variant in ("ce", "cam"):
        resumed = load_checkpoint(old / variant).state_dict()
        for name, tensor in load_checkpoint(uninterrupted / variant).state_dict().items():
            assert torch.equal(resumed[name], tensor), (variant, name)
        whole = read_snapshots(uninterrupted / variant, Pair.load(uninterrupted).run)
        kept = read_snapshots(old / variant, killed_run)
        assert list(kept) == list(whole) == [1, 2, 3]
        assert all(torch.equal(kept[e][name], whole[e][name]) for e in whole for name in whole[e])


def test_no_data_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"{UNREACHABLE}/"])
    done = run("train", *quick(tmp_path / "none", tmp_path / "out"))
    assert_one_line(done, 2, "cannot download MNIST", "copy the four")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("train", "--device", "nowhere"), "device 'nowhere' cannot be used"),
        (("train", "--arch", "torchvision/squeezenet1_1"), "SqueezeNet has no exact CAM"),
        (("train", "--alpha", "0"), "both models would be the same"),
        (("train", "--variants", "cam", "alpha-3", "--alpha", "3"), "cam and alpha-3 would be the same, CAM-loss at"),
        (("train", "--variants", "cam", "--output-dir", "{pair}"), "holds a pair; name another --output-dir"),
        (("study", "--device", "nowhere", "--output-dir", "{out}"), "device 'nowhere' cannot be used"),
        (("join-pair", "{out}", "{pair}/cam", "--into", "{out}"), "{out}"),
        (("evaluate", "{pair}", "--ood"), "has no OOD score"),
    ],
)
def test_what_cannot_work_is_said_before_mnist_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reason: str
) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"{UNREACHABLE}/"])  # a fetch would be the error
    places = {"pair": write_pair(tmp_path / "pair"), "out": tmp_path / "out"}
    done = run(*(word.format(**places) for word in words), "--data-dir", tmp_path / "none")
    assert_one_line(done, 2, reason.format(**places))
    assert [path.name for path in tmp_path.iterdir()] == ["pair"]


def test_a_damaged_data_file(tmp_path: Path) -> None:
    damaged = write_tiny_mnist(tmp_path / "data")
    file = damaged / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    assert_one_line(run("train", *quick(damaged, tmp_path / "out")), 2, "damaged")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--arch", "lenet"], "unknown arch 'lenet'"),
        (["--alpha", "-1"], "alpha is -1.0"),
        (["--alpha", "nan"], "alpha is nan"),
        (["--epochs", "0"], "epochs is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", "99999999999999999999"], "seed is 99999999999999999999"),
        (["--device", "meta"], "try --device cpu"),
        (["--alpha", "0"], "both models would be the same"),
        (["--alpha-start-epoch", "3"], "both models would be the same"),
        (["--variants", "cam", "--push-to-hub", "user/mnist"], "a single model cannot be published"),
        (["--device", "nowhere"], "try --device cpu"),
    ],
)
def test_bad_values(data_dir: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    assert_one_line(run("train", *quick(data_dir, tmp_path / "out"), *flags), 2, words)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = run("train", *quick(data_dir, tmp_path / "file" / "out"))
    assert_one_line(done, 2, "cannot write", "name another folder")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_a_full_disk_leaves_the_old_checkpoint(data_dir: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows limits no file's size")
    weights = save_checkpoint(build_model("tiny_cnn"), tmp_path / "out" / "cam") / "model.safetensors"
    before = weights.read_bytes()
    done = run_apart(
        "train",
        *quick(data_dir, tmp_path / "out", "--epochs", "1", "--variants", "cam"),
        first=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert_one_line(done, 2, "cannot write", "free space")
    assert weights.read_bytes() == before
    assert not [path for path in tmp_path.rglob(".*safetensors*") if path.is_file()]


def test_a_loss_that_turns_nan_has_exit_code_1_and_overwrites_nothing(data_dir: Path, tmp_path: Path) -> None:
    weights = save_checkpoint(build_model("tiny_cnn"), tmp_path / "out" / "cam") / "model.safetensors"
    before = weights.read_bytes()
    flags = quick(data_dir, tmp_path / "out", "--epochs", "1", "--variants", "cam")
    done = run("train", *flags, "--optimizer", "adam", "--learning-rate", "1e30", "--schedule", "constant")
    assert_one_line(done, 1, "the loss of cam became", "--learning-rate")
    assert weights.read_bytes() == before


def test_a_dry_run_writes_nothing(data_dir: Path, tmp_path: Path) -> None:
    done = run("train", *quick(data_dir, tmp_path / "out", "--dry-run"))
    assert done.code == 0, done.err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tries_the_gradient_of_cam_loss(data_dir: Path, tmp_path: Path) -> None:
    done = run("train", *quick(data_dir, tmp_path / "out", "--dry-run", "--alpha-start-epoch", "2"))
    (loss,) = [line for line in done.out.splitlines() if line.startswith("| loss ")]
    _, ce, cam = (cell.strip() for cell in loss.strip("|").split("|"))
    assert ce != cam  # alike but for alpha, so without its gradient the two would be the same


# The pair


def test_a_pair_of_its_own_folder_and_what_to_do_with_it(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags: list[str | Path] = ["--data-dir", data_dir, "--arch", "tiny_cnn", "--epochs", "2", "--batch-size", "50"]
    done = run("train", *flags, "--seed", "3")
    assert done.code == 0, done.err
    folder = Path("runs", "tiny_cnn-epochs-2-batch-size-50-alpha-10-seed-3")
    assert Pair.load(tmp_path / folder).run == load_training(tmp_path / folder / "cam")["run"]
    assert f"camloss demo --pair {folder}" in done.out
    assert f"camloss push USER/camloss-mnist --checkpoints {folder}" in done.out


def test_the_next_commands_can_be_pasted(finished: tuple[Path, Done]) -> None:
    folder, done = finished
    see, publish = (line.partition(":")[2] for line in done.out.splitlines()[-2:])
    assert shlex.split(see) == ["camloss", "demo", "--pair", str(folder)]
    assert shlex.split(publish)[-2:] == ["--checkpoints", str(folder)]


def test_a_folder_belongs_to_one_training_at_a_time(data_dir: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path / "out"):
        done = run("train", *quick(data_dir, tmp_path / "out"))
    assert_one_line(done, 2, f"another training is at work in {tmp_path / 'out'}")


def test_networks_of_timm_are_joined_into_a_pair(tmp_path: Path) -> None:
    for variant in ("ce", "cam"):
        record = {"variant": variant, "run": "0123", "config": {"arch": "timm/test_resnet"}}
        save_checkpoint(build_model("timm/test_resnet", 3), tmp_path / variant, record, image_size=160)
    done = run("join-pair", tmp_path / "ce", tmp_path / "cam", "--into", tmp_path / "pair")
    assert done.code == 0, done.err
    pair = Pair.load(tmp_path / "pair")
    for variant in ("ce", "cam"):
        assert torch.equal(pair[variant].head.weight, load_checkpoint(tmp_path / variant).head.weight)


def test_a_network_made_for_pictures_knows_how_its_digits_were_standardised(data_dir: Path, tmp_path: Path) -> None:
    words = ("--arch", "small_resnet", "--arch-arg", "width=8", "--epochs", "2", "--synthetic", "0", "--device", "cpu")
    done = run("train", "--data-dir", data_dir, *words, "--output-dir", tmp_path)
    assert done.code == 0, done.err
    pair, test = Pair.load(tmp_path), load_mnist(data_dir).test
    for variant, model in pair.models.items():
        measured = evaluate(model, test.batches())
        assert measured == pytest.approx(load_training(tmp_path / variant)["test"], abs=1e-5)
    assert pair.images is None
    with pytest.raises(CamlossError, match="made for pictures, not for drawn digits; take a pair of light_cnn"):
        pair.digit_models  # noqa: B018


def test_a_single_model_takes_no_place_in_a_pair(data_dir: Path, tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "pair")
    before = (pair / "cam" / "model.safetensors").read_bytes()
    assert_one_line(run("train", *quick(data_dir, pair, "--variants", "cam")), 2, "holds a pair; name another")
    assert (pair / "cam" / "model.safetensors").read_bytes() == before


def another_arch(folder: Path) -> str:
    record = load_training(folder / "cam")
    record["config"].update(arch="plain_cnn", seed=7)
    save_checkpoint(build_model("plain_cnn"), folder / "cam", record, pair_config(("ce", "cam"), record["run"]))
    return "differ in arch (ce sketch_cnn, cam plain_cnn)"


def another_training(folder: Path) -> str:
    record = {**load_training(folder / "cam"), "run": "fedcba9876543210"}
    save_checkpoint(build_model("sketch_cnn"), folder / "cam", record)
    return "differ in the training that made them (ce 0123456789abcdef, cam fedcba9876543210)"


Mix = Callable[[Path], str]


@pytest.mark.parametrize("mix", [another_arch, another_training])
@pytest.mark.parametrize(
    "words",
    [
        ("push", "user/camloss-mnist", "--dry-run", "--checkpoints", "{folder}"),
        ("deploy-space", "user/camloss", "--dry-run", "--root", "{root}"),
        ("demo", "--pair", "{folder}"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_refuses_models_of_two_trainings(tmp_path: Path, words: tuple[str, ...], mix: Mix) -> None:
    for path in ROOT.iterdir():
        if path.name != "checkpoints" and not path.name.startswith("."):
            (tmp_path / path.name).symlink_to(path)
    reason = mix(write_pair(tmp_path / "checkpoints"))
    places = {"folder": str(tmp_path / "checkpoints"), "root": str(tmp_path)}
    done = run(*(word.format(**places) for word in words))
    assert_one_line(done, 2, f"{places['folder']} is no pair: its models {reason}; train both with `camloss train`")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_finished_checkpoints_are_joined_into_a_pair(data_dir: Path, tmp_path: Path) -> None:
    for variant in ("ce", "cam"):
        flags = quick(data_dir, tmp_path / variant, "--epochs", "2", "--synthetic", "0", "--variants", variant)
        assert run("train", *flags).code == 0
    apart = [tmp_path / variant / variant for variant in ("ce", "cam")]
    done = run("join-pair", *apart, "--into", tmp_path / "pair")
    assert done.code == 0, done.err
    pair = Pair.load(tmp_path / "pair")
    assert done.out == f"{tmp_path / 'pair'} holds the pair of training {pair.run}\n"
    measured = {variant: load_training(tmp_path / "pair" / variant)["peaks"] for variant in ("ce", "cam")}
    assert run("join-pair", *apart, "--into", tmp_path / "pair", "--data-dir", data_dir).out == done.out
    for variant, peaks in measured.items():
        assert load_training(tmp_path / "pair" / variant)["peaks"] == peaks
    for variant, folder in zip(("ce", "cam"), apart, strict=True):
        assert torch.equal(pair[variant].head.weight, load_checkpoint(folder).head.weight)
        assert names(tmp_path / "pair" / variant) == names(folder)
        kept = read_snapshots(tmp_path / "pair" / variant, pair.run)
        temperature = load_training(tmp_path / "pair" / variant)["temperature"]
        torch.testing.assert_close(
            kept[2]["head.weight"].float(), pair[variant].head.weight * temperature, rtol=1e-3, atol=1e-4
        )
        assert f"]({variant}/maps.png)" in (tmp_path / "pair" / "README.md").read_text(encoding="utf-8")
    assert_one_line(
        run("join-pair", apart[0], apart[0], "--into", tmp_path / "no"), 2, "expected one of each variant of a pair"
    )
    another_arch(tmp_path / "pair")
    assert_one_line(
        run("join-pair", apart[0], tmp_path / "pair" / "cam", "--into", tmp_path / "no"), 2, "differ in arch"
    )
    assert not (tmp_path / "no").exists()
