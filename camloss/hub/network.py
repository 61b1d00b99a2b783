"""Any network, by where its checkpoint lies: a folder, a file, or a repository on the Hugging Face Hub.

config.json          which network it is; the Hub counts downloads by it
model.safetensors    the weights
README.md            the model card
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from torch import nn

from camloss.checkpoint import CONFIG, TRAINING, WEIGHTS, Given, load_network, read_header, read_json, save_checkpoint
from camloss.errors import CamlossError, one_line
from camloss.hub.messages import check_repo_id
from camloss.hub.model_card import CARD, network_card
from camloss.hub.pull import on_the_hub
from camloss.hub.push import commit_files
from camloss.hub.timeouts import with_stall_timeout
from camloss.models import MapClassifier
from camloss.pair import file_in, is_pair, pair_files
from camloss.wrap import Wrapped

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


@overload
def load_checkpoint(
    source: str | Path, variant: str | None = None, revision: str | None = None, model: None = None
) -> MapClassifier | Wrapped: ...
@overload
def load_checkpoint(
    source: str | Path, variant: str | None = None, revision: str | None = None, *, model: Given
) -> Given: ...
def load_checkpoint(
    source: str | Path, variant: str | None = None, revision: str | None = None, model: nn.Module | None = None
) -> nn.Module:
    """Load a model in eval mode from a folder or a file, or from the Hugging Face Hub.

    Args:
        source: a folder, its weight file, or a repository: "USER/NAME", "USER/NAME@REVISION", or its address
            "https://huggingface.co/USER/NAME" with "/tree/REVISION" or not.
        variant: of a pair: which of its models, such as "cam".
        revision: on the Hub: a branch, tag or commit. A commit that is in the Hub client's cache costs no request.
        model: a network that takes the weights; needed for a checkpoint of a network that has no name in timm or
            torchvision. Weights of another dtype than its own replace its parameters: make its optimizer afterwards.

    Returns:
        The model, or the one given. Where none was given, its `checkpoint_config` is the header: "classes" and more, as
        they were saved.

    Raises:
        CamlossError: there is no checkpoint, or it is damaged, has missing or extra tensors or wrong shapes, names an
            unknown arch, or was written by a newer camloss; or the Hub cannot be reached or refuses.
    """
    path, shown = weight_file(source, variant, revision)
    return load_network(path, shown) if model is None else load_network(path, shown, model)


def weight_file(source: str | Path, variant: str | None = None, revision: str | None = None) -> tuple[Path, str]:
    """Where the weight file of a source lies, fetched if need be, and what errors call it; as `load_checkpoint`."""
    published, found = on_the_hub(source, revision)
    variant = variant or found
    if published is None:
        path = _local_file(Path(source).expanduser(), variant)
        return path, str(path)
    name = WEIGHTS if variant is None else f"{variant}/{WEIGHTS}"
    config = published.file(CONFIG)
    if variant is None and "variants" in (said := _read(config)):
        raise CamlossError(f"{published.repo_id} holds a pair; name one of {_listed(said['variants'])} as variant")
    return published.file(name), f"{published.repo_id}/{name}"


@overload
def from_pretrained(source: str | Path, revision: str | None = None, model: None = None) -> MapClassifier | Wrapped: ...
@overload
def from_pretrained(source: str | Path, revision: str | None = None, *, model: Given) -> Given: ...
def from_pretrained(source: str | Path, revision: str | None = None, model: nn.Module | None = None) -> nn.Module:
    """`load_checkpoint`, by the name that other libraries give it: what `push_to_hub` published, or a folder."""
    if model is None:
        return load_checkpoint(source, None, revision)
    return load_checkpoint(source, None, revision, model=model)


def _local_file(path: Path, variant: str | None) -> Path:
    """The weight file of a folder, or the file itself.

    Raises:
        CamlossError: it is a pair of which no variant is named, or a file of another kind.
    """
    if path.suffix in PICKLES:
        raise CamlossError(
            f"{path} may hold a pickle, which can run anything; read it by torch.load(..., weights_only=True) into a "
            "network, and save that by save_checkpoint"
        )
    if path.is_file() and path.suffix == ".json":
        raise CamlossError(f"{path} holds no weights; name its folder")
    if path.is_file() or path.suffix == ".safetensors":
        if variant is not None:
            raise CamlossError(f"{path} is one file; name the folder of the pair for its variant {one_line(variant)}")
        return path
    found = file_in(path, WEIGHTS if variant is None else f"{variant}/{WEIGHTS}")
    if variant is None and not found.is_file() and is_pair(path):
        raise CamlossError(f"{path} holds a pair; name one of {', '.join(pair_files(path))} as variant")
    return found


def _read(config: Path) -> dict[str, Any]:
    """What a config.json says; nothing where it is damaged, since the weight file's header counts."""
    try:
        said = read_json(config)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _listed(variants: Any) -> str:
    return ", ".join(map(one_line, variants[:10])) if isinstance(variants, list) else one_line(variants)


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    arch: str | None = None,
    arch_args: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    training: Mapping[str, Any] | None = None,
    data: str | None = None,
    base_model: str | None = None,
    license: str | None = None,
    private: bool = False,
) -> str:
    """Publish a network as one repository, in one commit: `load_checkpoint(repo_id)` loads it.

    Args:
        model, arch, arch_args, classes, image_size, mean, std, training: as for `save_checkpoint`.
        repo_id: "USER/NAME".
        data: what it learned from, for the card: a data set on the Hub, "USER/NAME", or any text.
        base_model: which model it was fine-tuned from, for the card: one on the Hub, "USER/NAME", or any text.
        license: for the card, as the Hub spells it: "apache-2.0".
        private: create a private repository; an existing one stays as it is.

    Returns:
        The commit, 40 hex digits.

    Raises:
        CamlossError: the model cannot be saved, or the Hub cannot be reached or refuses.
    """
    check_repo_id(repo_id)
    from huggingface_hub import HfApi

    said = {"classes": classes, "image_size": image_size, "mean": mean, "std": std}
    with tempfile.TemporaryDirectory() as folder:
        saved = save_checkpoint(model, folder, training, arch=arch, arch_args=arch_args, **said)  # type: ignore[arg-type]
        files = {name: (saved / name).read_bytes() for name in (CONFIG, WEIGHTS, TRAINING)}
        header = read_header(saved / WEIGHTS)
    files[CARD] = network_card(header["config"], repo_id, data, base_model, license).encode()
    api = HfApi()
    with_stall_timeout(f"create {repo_id}", lambda: api.create_repo(repo_id, private=private or None, exist_ok=True))
    return commit_files(api, repo_id, files)[0]
