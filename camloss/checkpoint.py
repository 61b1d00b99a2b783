"""One checkpoint format, on disk and on the Hub: a folder with `model.safetensors` and readable copies of its header.

    model.safetensors   the weights; config and training record lie in its header, so that one file is the checkpoint
    config.json         which network it is
    training.json       how it was trained, epoch by epoch, and what it measured
    README.md           the model card, and its pictures
    epochs.safetensors  where it was trained here: the network on the way, see camloss/epoch_snapshots.py

Readers open the first file alone, and it is replaced in one step: they see the old checkpoint or the new one.
"""

import io
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, overload

import torch
from torch import Tensor, nn

from camloss.errors import CamlossError, one_line, quoted
from camloss.models import (
    LIBRARIES,
    MapClassifier,
    build_classifier,
    build_library_network,
    check_arch_args,
    named,
    pool_by,
    pooled_by,
)
from camloss.ood import OODScore
from camloss.wrap import Wrapped, in_eval_mode, unwrapped, wrap

Given = TypeVar("Given", bound=nn.Module)

FORMAT = 1
HEADER_KEY = "camloss"  # of safetensors' own header
LONGEST_HEADER = LONGEST_JSON = 1_000_000  # bytes
MOST_TENSORS = 10_000
WEIGHTS, CONFIG, TRAINING = "model.safetensors", "config.json", "training.json"
DTYPES = {str(dtype)[6:]: dtype for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)}
LARGEST_IMAGE = 1024  # pixels a side; of this size is the image with which a network is tried


def save_checkpoint(
    model: nn.Module,
    directory: str | Path,
    training: Mapping[str, Any] | None = None,
    pair: Mapping[str, Any] | None = None,
    *,
    arch: str | None = None,
    arch_args: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Path:
    """Write a checkpoint; whatever stops it, the directory's weight file is the old one or the new one, whole.

    What could not be loaded again is not saved.

    Args:
        model: made by `build_model` or `wrap`, or any network with a linear `head` whose call gives (logits, features);
            inside DistributedDataParallel, DataParallel, `torch.compile` or weight averaging or not.
        directory: where to; created if needed.
        training: the training record, any JSON; see `camloss.training`.
        pair: for one of a pair; see `camloss.pair.pair_config`.
        arch: "timm/NAME" or "torchvision/NAME", where the library makes the network that was wrapped. One without a
            name can be loaded into a network that is given.
        arch_args: the options that the library needs to make it.
        classes: the K names.
        image_size: height and width in pixels of the images that it learned from, or one number for both.
        mean, std: of each channel, by which pixels in [0, 1] are normalised before they are given to the network.

    What is not given is taken from the checkpoint that the model was loaded from.

    Returns:
        The directory.

    Raises:
        CamlossError: the model has no linear head; a weight or a number of the record is not finite; what the arguments
            say does not fit the model; or the directory cannot be written.
    """
    network = unwrapped(model)
    weight = getattr(getattr(network, "head", None), "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() not in (2, 4):
        raise CamlossError(f"{type(network).__name__} has no linear head; save camloss.wrap(model)")
    tensors = _state(network)
    if arch is None:
        arch, arch_args = getattr(network, "arch", None), arch_args or getattr(network, "arch_args", None)
    if isinstance(image_size, int):
        image_size = (image_size, image_size)
    dtype = str(weight.dtype).removeprefix("torch.")
    said = {"classes": classes, "image_size": image_size, "mean": mean, "std": std}
    before = getattr(network, "checkpoint_config", None)
    before = before if isinstance(before, Mapping) and "format" in before else {}
    config: dict[str, Any] = {
        "format": FORMAT,
        "arch": arch,
        "num_classes": weight.shape[0],
        "pooling": getattr(network, "pooling", None),
        "arch_args": dict(arch_args) if arch_args else None,
        "in_chans": None if getattr(network, "takes_pixels", False) and _in_chans(network) == 1 else _in_chans(network),
        "dtype": None if dtype == "float32" else dtype,
        **{key: before.get(key) if value is None else list(value) for key, value in said.items()},
    }
    config = {key: value for key, value in config.items() if value is not None or key == "arch"}
    training = dict(training or {})
    content = pack(tensors, config=config, training=training, **({"pair": pair} if pair else {}))
    try:
        _check_config(config)
        _check_tensors(tensors, DTYPES[dtype])
        if arch is not None:
            _check_same(network, _built(config, tensors), image_size)
    except CamlossError as error:
        raise CamlossError(f"the model cannot be saved: {error}") from error
    directory = Path(directory)
    write_atomically(directory / WEIGHTS, content)
    write_atomically(directory / CONFIG, to_json(config))
    write_atomically(directory / TRAINING, to_json(training))
    return directory


def _own(network: nn.Module) -> nn.Module:
    """The module whose tensors a checkpoint holds: of a wrapped one the model itself, so that they have its names."""
    return unwrapped(network.model) if isinstance(network, Wrapped) else network


def _state(network: nn.Module) -> dict[str, Tensor]:
    """Tensors by name, without the prefixes of compiled parts."""
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in _own(network).state_dict().items()}


def _in_chans(network: nn.Module) -> int | None:
    return next((module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d)), None)


def _check_config(config: Mapping[str, Any]) -> None:
    """
    Raises:
        CamlossError: what a header says of a network is of another kind, or does not go together.
    """
    num_classes, in_chans = config.get("num_classes"), config.get("in_chans")
    arch_args = config.get("arch_args", {})

    def numbers(key: str, kind: Any, least: float, most: float, count: int | None) -> bool:
        values: Any = config.get(key)
        return values is None or (
            isinstance(values, list)
            and count in (None, len(values))
            and all(isinstance(v, kind) and not isinstance(v, bool) and least <= v <= most for v in values)
        )

    for key, fits, expected in (
        ("num_classes", _is_count(num_classes), "a whole number of at least 1"),
        ("in_chans", in_chans is None or _is_count(in_chans), "a whole number of at least 1"),
        ("dtype", config.get("dtype", "float32") in [*DTYPES], f"one of {', '.join(DTYPES)}"),
        ("arch_args", isinstance(arch_args, dict), "options by name"),
        ("image_size", numbers("image_size", int, 1, LARGEST_IMAGE, 2), f"height and width of 1 to {LARGEST_IMAGE}"),
        ("mean", numbers("mean", (int, float), -1e6, 1e6, in_chans), f"{in_chans} numbers, one a channel"),
        ("std", numbers("std", (int, float), 1e-6, 1e6, in_chans), f"{in_chans} numbers above 0, one a channel"),
        ("classes", _are_names(config.get("classes"), num_classes), f"{one_line(num_classes)} names"),
    ):
        if not fits:
            raise CamlossError(f"{key} {one_line(config.get(key))}, expected {expected}")
    check_arch_args(arch_args)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _are_names(classes: object, num_classes: object) -> bool:
    return classes is None or (
        isinstance(classes, list) and len(classes) == num_classes and all(isinstance(name, str) for name in classes)
    )


def _check_tensors(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """
    Raises:
        CamlossError: a tensor would not be taken again.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype not in (dtype, torch.float32):
            raise CamlossError(f"{name} is {tensor.dtype} where the head is {dtype}; bring all to one dtype")
        if not bool(tensor.isfinite().all()):
            raise CamlossError(f"{name} holds NaN or infinite values; train with a lower learning rate")


def _check_same(network: Any, built: MapClassifier | Wrapped, image_size: Sequence[int] | None) -> None:
    """
    Raises:
        CamlossError: the network that a checkpoint names is built as another than the one that is saved.
    """
    if isinstance(built, MapClassifier):
        return
    if (pool := pooled_by(network)) is not None:  # of which a checkpoint knows nothing
        pool_by(built, pool)
    weight = network.head.weight
    height, width = image_size or _default_size(built.model)
    channels = _in_chans(network) or 3
    image = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0), device="cpu")
    image = image.to(weight.device, weight.dtype)
    with in_eval_mode(network), torch.no_grad():
        expected = network(image)[0]
        found = built.to(weight.device)(image)[0]
    resolution = torch.finfo(expected.dtype).eps ** 0.5
    if not bool((found - expected).abs().max() <= resolution * expected.abs().max()):
        raise CamlossError(f"{built.arch} of these arch_args answers otherwise; give the options that it was made with")


def _default_size(model: nn.Module) -> Sequence[int]:
    return (getattr(model, "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))[1:]  # type: ignore[no-any-return]


def is_folder(source: str | Path) -> bool:
    """Whether a source is meant as a folder, not as a repository on the Hub: "checkpoints/cam" is one wherever there is
    a folder "checkpoints"."""
    path = Path(source)
    return not isinstance(source, str) or path.is_absolute() or len(path.parts) != 2 or path.parent.is_dir()


def load_weights(path: Path, name: str | None = None) -> MapClassifier:
    """`load_network` for the networks of this package.

    Raises:
        CamlossError: as there, or it is another network.
    """
    network = load_network(path, name)
    if not isinstance(network, MapClassifier):
        raise CamlossError(f"{name or path} holds {network.arch}, no network of this package; take load_checkpoint")
    return network


@overload
def load_network(path: Path, name: str | None = None, model: None = None) -> MapClassifier | Wrapped: ...
@overload
def load_network(path: Path, name: str | None, model: Given) -> Given: ...
def load_network(path: Path, name: str | None = None, model: nn.Module | None = None) -> nn.Module:
    """Build the model that a weight file describes, in eval mode; errors call the file `name`.

    Args:
        path: the file.
        name: what errors call it.
        model: a network that takes the weights instead, as in `camloss.load_checkpoint`.

    Raises:
        CamlossError: the file is missing or damaged, of a newer format, names an unknown arch or none, or its tensors
            are not just that arch's, in name, shape and number type, or not finite.
    """
    name = name or str(path)
    tensors, header = unpack(path, name)
    config = header.get("config")
    config = config if isinstance(config, dict) else {}
    if config.get("format") != FORMAT:
        raise CamlossError(
            f"{name} has checkpoint format {one_line(config.get('format'))}, this camloss reads {FORMAT}; "
            "upgrade camloss or take a checkpoint that it wrote"
        )
    try:
        _check_config(config)
    except CamlossError as error:
        raise CamlossError(f"{name} is damaged ({error}); fetch or train it again") from error
    if model is not None:
        return _filled(model, tensors, config, name)
    if "arch" in config and config["arch"] is None:
        raise CamlossError(f"{name} names no arch; give the network that takes its weights: model=...")
    try:
        return _built(config, tensors)
    except _MisfitError as error:
        raise CamlossError(f"{name} does not fit {error}; fetch or train it again") from error
    except CamlossError as error:
        raise CamlossError(f"{name}: {error}; upgrade camloss or take another checkpoint") from error


class _MisfitError(CamlossError):
    """Tensors are not those of the network that they are for."""


def _built(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> MapClassifier | Wrapped:
    """The network of a header with these weights, in eval mode.

    It is made without memory first, to compare: a file may claim anything, such as any number of classes.

    Raises:
        CamlossError: the header names no network that can be made, or the tensors are not its.
    """
    arch, num_classes, dtype = str(config.get("arch")), config["num_classes"], config.get("dtype", "float32")
    if arch.partition("/")[0] not in LIBRARIES or "/" not in arch:
        with torch.device("meta"):
            model = build_classifier(
                arch, num_classes, config.get("pooling"), config.get("in_chans"), **config.get("arch_args", {})
            )
            if any(key.startswith("ood_score.") for key in tensors):
                model.ood_score = OODScore(model.middle_channels, num_classes)
        _assign(model, tensors, dtype, f"arch {arch!r}")
        model.checkpoint_config = config
        return model.eval()

    def make() -> nn.Module:
        return build_library_network(arch, num_classes, config.get("in_chans"), **config.get("arch_args", {}))

    with torch.device("meta"):
        shapes = make().state_dict()
    if misfit := _misfit(tensors, shapes, dtype):
        raise _MisfitError(f"arch {one_line(arch)!r}: {misfit}")
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        network = make()
        size = config.get("image_size")
        wrapped = wrap(network, None if size is None else torch.rand(1, config.get("in_chans", 3), *size))
    _assign(network, tensors, dtype, f"arch {one_line(arch)!r}")
    named(wrapped, arch, config.get("arch_args", {})).checkpoint_config = config
    return wrapped.eval()


def _filled(model: nn.Module, tensors: Mapping[str, Tensor], config: Mapping[str, Any], name: str) -> nn.Module:
    """A network that somebody gives, with the weights of a file; its own tensors stay where the dtype is the same."""
    network = unwrapped(model)
    own = _own(network)
    prefixed = {key.replace("_orig_mod.", ""): key for key in own.state_dict()}
    expected = _state(network)
    if misfit := _misfit(tensors, expected, config.get("dtype", "float32")):
        raise CamlossError(f"{name} does not fit {type(own).__name__}: {misfit}; give a network like the one it is of")
    fresh = any(tensor.is_meta or tensor.dtype != tensors[key].dtype for key, tensor in expected.items())
    moved = {key: tensors[key] if t.is_meta else tensors[key].to(t.device) for key, t in expected.items()}
    own.load_state_dict({prefixed[key]: tensor for key, tensor in moved.items()}, strict=True, assign=fresh)
    return model.eval()


def fill(model: MapClassifier, tensors: Mapping[str, Tensor], name: str) -> MapClassifier:
    """Give a model from `build_classifier` these weights, in eval mode; errors call the file that they are from `name`.

    Raises:
        CamlossError: they are not just this model's, in name, shape and number type, or not finite.
    """
    try:
        _assign(model, tensors, "float32", f"arch {model.arch!r}")
    except _MisfitError as error:
        raise CamlossError(f"{name} does not fit {error}; fetch or train it again") from error
    return model.eval()


def _assign(model: nn.Module, tensors: Mapping[str, Tensor], dtype: str, what: str) -> None:
    """Make tensors the model's own, without a copy; _MisfitError where they are not."""
    if misfit := _misfit(tensors, model.state_dict(), dtype):
        raise _MisfitError(f"{what}: {misfit}")
    model.load_state_dict(tensors, strict=True, assign=True)


def _misfit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], dtype: str = "float32") -> str | None:
    """What is first wrong with the tensors of a file whose head has this dtype, or None."""
    for what, names in (("lacks", expected.keys() - tensors.keys()), ("also holds", tensors.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"it {what} {one_line(min(names))}{more}"
    for name in expected:
        tensor, wanted = tensors[name], expected[name].dtype
        if tensor.shape != expected[name].shape:
            return f"{name} has shape {one_line(tuple(tensor.shape))}, expected {tuple(expected[name].shape)}"
        if tensor.dtype != wanted and not (wanted.is_floating_point and tensor.dtype in (torch.float32, DTYPES[dtype])):
            return f"{name} is {tensor.dtype}, expected {wanted}"
        if not bool(tensor.isfinite().all()):
            return f"{name} holds NaN or infinite values"
    return None


def load_training(directory: str | Path) -> dict[str, Any]:
    """The training record of a local checkpoint, from its weight file's header; {} where it has none."""
    return dict(read_header(Path(directory) / WEIGHTS).get("training", {}))


def read_header(path: Path, name: str | None = None) -> dict[str, Any]:
    """What a weight file says of itself, without its tensors: "config" and "training"; errors call it `name`.

    Raises:
        CamlossError: the file is missing or damaged.
    """
    with _opened(path, name) as (_, header):
        return header


def pack(tensors: Mapping[str, Tensor], **header: Mapping[str, Any]) -> bytes:
    """One safetensors file in memory: tensors, and a header of JSON objects.

    Raises:
        CamlossError: no reader would take a header of that length, or so many tensors.
    """
    from safetensors.torch import save

    content = save(_separate(tensors), {HEADER_KEY: _json(header)})  # several keys would be in no certain order
    try:
        _check_header(io.BytesIO(content))
    except ValueError as error:
        raise CamlossError(f"the checkpoint cannot be saved: {error}; shorten the training record") from error
    return content


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they are written: on the CPU, and each with memory of its own, which tied weights share."""
    written: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.is_meta or torch.nn.parameter.is_lazy(tensor):
            raise CamlossError(f"the model cannot be saved: {name} is no tensor with values; run the model once first")
        own = tensor.detach().cpu().contiguous()
        pointer = own.untyped_storage().data_ptr()
        written[name] = own.clone() if pointer in seen else own
        seen.add(pointer)
    return written


def unpack(path: Path, name: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `pack` made; errors call the file `name`.

    Raises:
        CamlossError: the file is missing or damaged.
    """
    with _opened(path, name) as (file, header):
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118, not a dict


@contextmanager
def _opened(path: Path, name: str | None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A safetensors file and our header in it."""
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as start:
            _check_header(start)
        with safe_open(path, framework="pt") as file:
            header = from_json((file.metadata() or {}).get(HEADER_KEY, "{}"))
            if not (isinstance(header, dict) and all(isinstance(value, dict) for value in header.values())):
                raise ValueError("its header is no object of objects")
            yield file, header
    except FileNotFoundError as error:
        raise CamlossError(f"no checkpoint in {path.parent}: {path.name} is missing; train one first") from error
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, CamlossError):
            raise
        raise CamlossError(f"{name or path} is damaged ({_first_line(error)}); fetch or train it again") from error


def _check_header(file: BinaryIO) -> None:
    """Raises ValueError where parsing the header would take long: of 21 MB it takes seconds and half a gigabyte."""
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, at most {LONGEST_HEADER:,} are read")
    if file.read(length).count(b"{") > MOST_TENSORS:  # each is an object
        raise ValueError(f"its header holds more than {MOST_TENSORS:,} tensors")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; a crash, a full disk or Ctrl-C on the way leaves the old one as it was.

    Raises:
        CamlossError: the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with new.open("xb") as file:  # as readable for others as the user's umask lets every new file be
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CamlossError(f"cannot write {path}: {error.strerror}; free space or name another folder") from error


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        OSError, ValueError: it cannot be read, has more than `LONGEST_JSON` bytes, or as `from_json`.
    """
    with path.open("rb") as file:
        content = file.read(LONGEST_JSON + 1)
    if len(content) > LONGEST_JSON:
        raise ValueError(f"it has more than {LONGEST_JSON:,} bytes")
    return from_json(content)


def from_json(content: str | bytes) -> Any:
    """What JSON says; Python's own reader also takes NaN, and numbers that no float holds.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds such a number.
    """
    try:
        return json.loads(content, parse_int=_finite(int), parse_float=_finite(float), parse_constant=_finite(float))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _finite(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if not math.isfinite(float(text)):
            raise ValueError(f"{quoted(text)} is no finite number")
        return kind(text)

    return read


def to_json(value: Mapping[str, Any]) -> bytes:
    """
    Raises:
        CamlossError: as `_json`.
    """
    return (_json(value, indent=2) + "\n").encode()


def _json(value: Mapping[str, Any], indent: int | None = None) -> str:
    """
    Raises:
        CamlossError: a number is not finite, which JSON cannot say, or a value is of a type that JSON does not have.
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        where = next((f"{key} is {number}" for key, number in _numbers(value) if not math.isfinite(number)), None)
        reason = where or one_line(error)
        raise CamlossError(
            f"the record cannot be saved ({reason}); give finite numbers, texts, lists and dicts"
        ) from error


def _numbers(value: object, key: str = "it") -> Iterator[tuple[str, float]]:
    """Every number in a record and the key that it is below."""
    if isinstance(value, float):
        yield key, value
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        yield from _numbers(inner, str(name))
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _numbers(inner, key)
