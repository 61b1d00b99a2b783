"""The weights of a pair for the visitor's browser, in the layout that kernel.c computes with.

    /web/weights?networks=NAME      {"file": NAME of the next or null, "source": which models these are,
                                     "run": the id of the training that made them,
                                     "seconds": what may stand beside the baseline, each with a "file" or null,
                                     "snapshots": null or {"file": NAME of the next, "epochs": what is in it}}
    /web/weights/HASH.safetensors   a file: its name holds its hash, so that a browser keeps it for ever

Batch norm is folded into the convolutions in float64. The two models that are shown side by side are one file, in
float32; each further variant, and the snapshots of the training, which few ask for, are files of their own, in float16.
A network of other parts than the kernel knows has no such file: the server goes on answering for it.
"""

import functools
import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor, nn

from camloss.checkpoint import pack
from camloss.demo.pairs import seconds_of
from camloss.errors import CamlossError
from camloss.models import MNIST_MEAN, MNIST_STD, Classifier, MapClassifier
from camloss.pair import MOST_VARIANTS, SIDE_BY_SIDE, Pair

KEPT_FILES = 8 * MOST_VARIANTS
FOR_EVER = "public, max-age=31536000, immutable"
PARTS = 3  # of a layer: convolution, batch norm, ReLU
GROUP = 4  # channels that the kernel computes at once


@dataclass(frozen=True)
class WeightFile:
    name: str
    plain: bytes

    @functools.cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.plain, mtime=0)


@dataclass(frozen=True)
class Convolution:
    """3 x 3 with a border of zeros, then ReLU. Weights (C_out, C_in, 3, 3) and biases (C_out,), float64."""

    weight: Tensor
    bias: Tensor
    stride: int


def weight_file(pair: Pair) -> WeightFile | None:
    """The file of the models side by side; None where the kernel cannot compute one of them."""
    return _weight_file(tuple(pair.models.items())[:SIDE_BY_SIDE], torch.float32)


def further_files(pair: Pair) -> dict[str, WeightFile]:
    """The file of each further variant that the kernel can compute."""
    further = tuple(pair.models.items())[SIDE_BY_SIDE:]
    found = {variant: _weight_file(((variant, model),), torch.float16) for variant, model in further}
    return {variant: file for variant, file in found.items() if file is not None}


def snapshot_file(pair: Pair) -> WeightFile | None:
    """The file of a pair's snapshots, each network named by epoch and variant; None where there are none."""
    models = {f"{shot.epoch}.{variant}": model for shot in pair.snapshots for variant, model in shot.models.items()}
    return _weight_file(tuple(models.items()), torch.float16) if models else None


@functools.lru_cache(maxsize=KEPT_FILES)
def _weight_file(models: tuple[tuple[str, Classifier], ...], dtype: torch.dtype) -> WeightFile | None:
    tensors: dict[str, Tensor] = {}
    networks: dict[str, object] = {}
    for name, model in models:
        layers = fold(model) if isinstance(model, MapClassifier) else None
        if layers is None:
            return None
        for idx, layer in enumerate(layers):
            tensors[f"{name}.{idx}.weight"] = in_groups(layer.weight).to(dtype)
            tensors[f"{name}.{idx}.bias"] = layer.bias.to(dtype)
        tensors[f"{name}.head.weight"] = model.head.weight.to(dtype)
        tensors[f"{name}.head.bias"] = model.head.bias.to(dtype)
        networks[name] = {
            "layers": [
                {"inputs": layer.weight.shape[1], "outputs": layer.weight.shape[0], "stride": layer.stride}
                for layer in layers
            ],
            "classes": model.head.out_features,
            "pooling": model.pooling,
            "mean": MNIST_MEAN,
            "std": MNIST_STD,
            "ood_score": {"after": model.middle // PARTS} if model.ood_score else None,
        }
        if model.ood_score:
            tensors |= {
                f"{name}.ood_score.{part}": buffer.to(dtype) for part, buffer in model.ood_score.named_buffers()
            }
    body = pack(tensors, networks=networks)
    return WeightFile(f"{hashlib.sha256(body).hexdigest()}.safetensors", body)


@torch.no_grad()
def fold(model: MapClassifier) -> list[Convolution] | None:
    """A backbone as convolutions with bias and ReLU; None where it is made of other parts."""
    parts = list(model.features.children())
    if len(parts) % PARTS or not isinstance(model.features, nn.Sequential):
        return None
    layers = [_fold_block(*parts[start : start + PARTS]) for start in range(0, len(parts), PARTS)]
    return layers if all(layers) else None  # type: ignore[return-value]


def _fold_block(conv: nn.Module, norm: nn.Module, relu: nn.Module) -> Convolution | None:
    if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and isinstance(relu, nn.ReLU)):
        return None
    plain = conv.kernel_size == (3, 3) and conv.padding == (1, 1) and conv.dilation == (1, 1) and conv.groups == 1
    if not plain or conv.stride[0] != conv.stride[1] or conv.out_channels % GROUP:
        return None
    if norm.running_mean is None or norm.running_var is None:
        return None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * scale
    if conv.bias is not None:
        bias = bias + conv.bias.double() * scale
    return Convolution(conv.weight.double() * scale[:, None, None, None], bias, int(conv.stride[0]))


def in_groups(weight: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) -> (C_out / 4, 3, 3, C_in, 4): what four neighbouring outputs need lies side by side."""
    groups = weight.view(-1, GROUP, *weight.shape[1:])  # (C_out / 4, 4, C_in, 3, 3)
    return groups.permute(0, 3, 4, 2, 1).contiguous()


def told_of(pair: Pair) -> list[dict[str, object]]:
    """What the training's record says of each snapshot."""
    return [{"epoch": shot.epoch, "alpha": shot.alpha, "accuracy": dict(shot.accuracy)} for shot in pair.snapshots]


def weight_routes(pair_of: Callable[[str | None], Pair]) -> Iterator[Route]:
    """The two routes above.

    Args:
        pair_of: the pair of that name, or the page's first; raises CamlossError where there is none.
    """
    files: dict[str, WeightFile] = {}

    def tell(request: Request) -> Response:
        try:
            pair = pair_of(request.query_params.get("networks"))
        except CamlossError as error:
            return JSONResponse({"error": str(error)}, 404)
        file, further, on_the_way = weight_file(pair), further_files(pair), snapshot_file(pair)
        for kept in filter(None, (file, *further.values(), on_the_way)):
            files.pop(kept.name, None)
            files[kept.name] = kept
        for old in list(files)[:-KEPT_FILES]:
            files.pop(old, None)
        answer = {
            "file": file and file.name,
            "source": pair.source,
            "run": pair.run,
            "seconds": [
                {**asdict(second), "file": further[second.variant].name if second.variant in further else None}
                for second in seconds_of(pair)
            ],
            "snapshots": on_the_way and {"file": on_the_way.name, "epochs": told_of(pair)},
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

    def send(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        if file is None:
            return Response("there are no such weights", 404, media_type="text/plain")
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        body = file.compressed if zipped else file.plain
        return Response(body, headers=headers, media_type="application/octet-stream")

    yield Route("/web/weights", tell, methods=["GET"])
    yield Route("/web/weights/{name}", send, methods=["GET"])
