import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from untrained import RECORD

from camloss import CamlossError, build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import CONFIG, FORMAT, TRAINING, WEIGHTS, load_training, pack, unpack, write_atomically
from camloss.epoch_snapshots import EPOCHS, load_snapshots, read_snapshots, save_snapshots, snapshot_of
from camloss.models import MapClassifier, build_classifier

FILES = {WEIGHTS, CONFIG, TRAINING}


def untrained(seed: int = 0, arch: str = "sketch_cnn") -> MapClassifier:
    torch.manual_seed(seed)
    return build_classifier(arch).eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_checkpoint(untrained(), tmp_path / "cam", {"variant": "cam", **RECORD})


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rewrite(directory: Path, config: object = None, **tensors: torch.Tensor | None) -> None:
    """Replace config and tensors in a checkpoint; None takes a tensor out."""
    its_tensors, header = unpack(directory / WEIGHTS)
    changed = {name: tensor for name, tensor in {**its_tensors, **tensors}.items() if tensor is not None}
    content = pack(changed, config=header["config"] if config is None else config)  # type: ignore[arg-type]
    (directory / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize("arch", ["sketch_cnn", "plain_cnn"])
def test_round_trip(tmp_path: Path, arch: str) -> None:
    model = untrained(arch=arch)
    assert save_checkpoint(model, tmp_path / "deep" / "down") == tmp_path / "deep" / "down"
    loaded = load_checkpoint(str(tmp_path / "deep" / "down"))
    assert loaded.arch == arch
    assert not loaded.training
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(loaded(x)[0], model(x)[0])
    assert {name: tensor.dtype for name, tensor in loaded.state_dict().items()} == {
        name: tensor.dtype for name, tensor in model.state_dict().items()
    }


def test_the_pooling_is_part_of_the_checkpoint(tmp_path: Path) -> None:
    model = build_model("sketch_cnn", pooling="max").eval()
    save_checkpoint(model, tmp_path / "cam")
    save_snapshots({1: snapshot_of(model)}, tmp_path / "cam", "run")
    loaded = load_checkpoint(tmp_path / "cam")
    assert loaded.pooling == "max"
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(loaded(x)[0], model(x)[0])
    assert load_snapshots(tmp_path / "cam", "run", loaded)[1].pooling == "max"


def test_a_checkpoint_without_a_pooling_has_that_of_its_arch(saved: Path) -> None:
    rewrite(saved, config={"format": FORMAT, "arch": "sketch_cnn", "num_classes": 10})
    assert load_checkpoint(saved).pooling == "avg"


def test_the_weight_file_alone_is_the_checkpoint(saved: Path) -> None:
    for name in FILES - {WEIGHTS}:
        (saved / name).unlink()
    assert load_checkpoint(saved).arch == "sketch_cnn"
    assert load_training(saved) == {"variant": "cam", **RECORD}


def test_the_files_beside_it_say_the_same(saved: Path) -> None:
    assert names(saved) == FILES
    assert json.loads((saved / CONFIG).read_text(encoding="utf-8")) == {
        "format": FORMAT,
        "arch": "sketch_cnn",
        "num_classes": 10,
        "pooling": "avg",
    }
    assert json.loads((saved / TRAINING).read_text(encoding="utf-8")) == load_training(saved)


def test_a_model_without_an_arch_is_loaded_into_one_that_is_given(tmp_path: Path) -> None:
    model = untrained()
    model.arch = None
    save_checkpoint(model, tmp_path)
    with pytest.raises(CamlossError, match="names no arch; give the network that takes its weights: model="):
        load_checkpoint(tmp_path)
    other = untrained(seed=1)
    assert load_checkpoint(tmp_path, model=other) is other
    assert torch.equal(other.head.weight, model.head.weight)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_users_umask_says_who_may_read(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_checkpoint(untrained(), tmp_path / "cam")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cam").iterdir()} == {mode}


# All or nothing


def failing(error: int) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize(("call", "error"), [("replace", errno.EIO), ("fsync", errno.ENOSPC), ("open", errno.EACCES)])
def test_a_failed_write_leaves_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    before = contents(saved)
    with monkeypatch.context() as patched:
        patched.setattr(Path if call == "open" else os, call, failing(error))
        with pytest.raises(CamlossError, match=f"cannot write .*{WEIGHTS}: {os.strerror(error)}; free space or name"):
            save_checkpoint(untrained(seed=1), saved)
    assert contents(saved) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named_and_leaves_no_rubbish(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(saved)
    opened = Path.open

    def on_a_full_disk(path: Path, mode: str) -> object:
        opened(path, mode).close()
        return opened(Path("/dev/full"), "wb")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", on_a_full_disk)
        with pytest.raises(CamlossError, match="No space left on device"):
            save_checkpoint(untrained(seed=1), saved)
    assert contents(saved) == before


def test_an_interrupt_leaves_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = contents(saved)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(untrained(seed=1), saved)
    assert contents(saved) == before


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "file", []
    path.write_bytes(b"old")
    for call in ("fsync", "replace"):
        original = getattr(os, call)

        def watched(*arguments: object, original: object = original) -> object:
            seen.append(path.read_bytes())
            return original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(os, call, watched)
    write_atomically(path, b"new")
    assert seen == [b"old"] * 2
    assert path.read_bytes() == b"new"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(CamlossError, match=r"cannot write .*; free space or name another folder"):
        save_checkpoint(untrained(), tmp_path / "file" / "cam")


# What is refused


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=f"no checkpoint in .*nowhere: {WEIGHTS} is missing; train one first"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 4, 100, 2_000, 300_000])
def test_a_damaged_file(saved: Path, keep: int) -> None:
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[:keep])
    with pytest.raises(CamlossError, match=f"{WEIGHTS} is damaged .*fetch or train it again"):
        load_checkpoint(saved)


def test_no_pickle_is_ever_opened(saved: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    for trap in (pickle.dumps(Trap()), None):
        if trap is None:
            torch.save({"trap": Trap()}, saved / WEIGHTS)
        else:
            (saved / WEIGHTS).write_bytes(trap)
        with pytest.raises(CamlossError, match="is damaged"):
            load_checkpoint(saved)
    (saved / WEIGHTS).rename(saved / "pytorch_model.bin")
    with pytest.raises(CamlossError, match=f"{WEIGHTS} is missing"):
        load_checkpoint(saved)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"head.bias": None}, "it lacks head.bias"),
        ({"head.bias": None, "head.weight": None}, "it lacks head.bias and 1 more"),
        ({"teapot": torch.zeros(1)}, "it also holds teapot"),
        ({"head.bias": torch.zeros(11)}, r"head.bias has shape \(11,\), expected \(10,\)"),
        ({"head.bias": torch.zeros(10, dtype=torch.float64)}, "head.bias is torch.float64, expected torch.float32"),
        ({"head.bias": torch.zeros(10, dtype=torch.int64)}, "head.bias is torch.int64, expected torch.float32"),
        ({"head.bias": torch.zeros(10, dtype=torch.bool)}, "head.bias is torch.bool, expected torch.float32"),
        ({"head.bias": torch.zeros(10, dtype=torch.complex64)}, "head.bias is torch.complex64, expected torch.float32"),
        ({"head.bias": torch.full((10,), float("nan"))}, "head.bias holds NaN or infinite values"),
        ({"head.bias": torch.full((10,), float("inf"))}, "head.bias holds NaN or infinite values"),
    ],
)
def test_tensors_that_do_not_fit(saved: Path, tensors: dict[str, torch.Tensor | None], message: str) -> None:
    rewrite(saved, **tensors)
    with pytest.raises(CamlossError, match=f"{WEIGHTS} does not fit arch 'sketch_cnn': .*{message}") as caught:
        load_checkpoint(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"format": FORMAT + 1}, f"has checkpoint format {FORMAT + 1}, this camloss reads {FORMAT}; upgrade camloss"),
        ({}, f"has checkpoint format None, this camloss reads {FORMAT}"),
        ({"format": FORMAT, "arch": "vgg", "num_classes": 10}, "unknown arch 'vgg'; expected one of light_cnn"),
        ({"format": FORMAT, "num_classes": 10}, "unknown arch 'None'"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": 11}, "does not fit arch.*has shape"),
        (
            {"format": FORMAT, "arch": "sketch_cnn", "num_classes": 10, "pooling": "min"},
            "unknown pooling 'min'; expected one of avg, max",
        ),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": 10**9}, "does not fit arch.*has shape"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": True}, "is damaged"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": "ten"}, "is damaged"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": -3}, "is damaged"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": None}, "is damaged"),
        (["not", "an", "object"], "is damaged"),
        ({"format": "a\nb" * 9_000}, "has checkpoint format a ba b"),
        ({"format": FORMAT, "arch": "a\nb" * 9_000, "num_classes": 10}, "unknown arch 'a"),
        ({"format": FORMAT, "arch": "sketch_cnn", "num_classes": "1\n" * 9_000}, "is damaged"),
    ],
)
def test_a_config_that_says_something_else(saved: Path, config: object, message: str) -> None:
    rewrite(saved, config=config)
    with pytest.raises(CamlossError, match=f"{WEIGHTS}.*{message}") as refused:
        load_checkpoint(saved)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(saved))


def test_safetensors_of_another_library(saved: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, saved / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CamlossError, match="has checkpoint format None"):
        load_checkpoint(saved)
    assert load_training(saved) == {}


def test_saving_twice_writes_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = save_checkpoint(load_checkpoint(saved), tmp_path / "again", load_training(saved))
    assert (again / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes()
    for _ in range(5):  # a header with several keys would be written in another order now and then
        assert pack({"weight": torch.zeros(2)}, a={}, b={}, c={}) == pack({"weight": torch.zeros(2)}, a={}, b={}, c={})


def test_a_header_that_is_no_object_is_damage(saved: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, saved / WEIGHTS, metadata={"camloss": "[1]"})
    with pytest.raises(CamlossError, match="is damaged"):
        load_checkpoint(saved)


def header_of(length: int, tensors: int) -> bytes:
    """A file that is all header: JSON of so many bytes in its metadata, and so many tensors without a number."""
    empty: dict[str, object] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = {"__metadata__": {"camloss": "x" * length}, **{f"{number}": empty for number in range(tensors)}}
    content = json.dumps(header, separators=(",", ":")).encode()
    return len(content).to_bytes(8, "little") + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header_of(21_000_000, 1), "its header has 21,0.* bytes, at most 1,000,000 are read"),
        (header_of(1_000_000, 1), "its header has 1,000,.* bytes"),
        (header_of(0, 600_000), "its header has .* bytes, at most 1,000,000 are read"),
        (header_of(0, 12_000), "its header holds more than 10,000 tensors"),
        ((2**63).to_bytes(8, "little") + b"{}", "its header has 9,223,372,036,854,775,808 bytes"),
    ],
)
@pytest.mark.parametrize("reader", [load_checkpoint, load_training, "epochs"])
def test_a_header_is_not_parsed_unless_it_is_short(
    saved: Path, content: bytes, message: str, reader: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetensors.safe_open", lambda *_, **__: pytest.fail("it was parsed"))
    (saved / (EPOCHS if reader == "epochs" else WEIGHTS)).write_bytes(content)
    read = (lambda folder: read_snapshots(folder, "run")) if reader == "epochs" else reader
    with pytest.raises(CamlossError, match=rf"is damaged \({message}"):
        read(saved)  # type: ignore[operator]


def test_as_many_tensors_as_a_large_network_has_are_read(tmp_path: Path) -> None:
    """ResNet-152 has some 900."""
    path = tmp_path / WEIGHTS
    path.write_bytes(pack({f"layer{number}.weight": torch.ones(1) for number in range(5_000)}, training={"notes": {}}))
    tensors, header = unpack(path)
    assert len(tensors) == 5_000
    assert header == {"training": {"notes": {}}}


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"its header has .* bytes, .*; shorten the training record"):
        save_checkpoint(untrained(), tmp_path, {"notes": "x" * 1_000_000})
    assert not names(tmp_path)
