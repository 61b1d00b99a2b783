"""CNNs whose `forward` returns `(logits, features)`, ready for class activation maps.

>>> import torch
>>> model = build_model("sketch_cnn")
>>> logits, features = model(torch.rand(2, 1, 28, 28))
>>> logits.shape, features.shape
(torch.Size([2, 10]), torch.Size([2, 96, 14, 14]))
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, overload

import torch
from torch import Tensor, nn

from camloss.errors import CamlossError, not_installed, one_line, quoted
from camloss.ood import OODScore
from camloss.wrap import Wrapped, in_eval_mode, wrap

Pooling = Literal["avg", "max"]
OwnArch = Literal["light_cnn", "sketch_cnn", "plain_cnn", "resnet18", "tiny_cnn", "small_resnet"]

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the training images' pixels


class MapClassifier(nn.Module):
    """A backbone, global pooling and one linear head: all that a class activation map needs.

    Args:
        features: the backbone, (N, in_chans, H0, W0) -> (N, C, H, W).
        channels: C.
        num_classes: K.
        pooling: "avg", with which `logits == cam(every class).mean((-2, -1)) + bias` holds exactly, or "max".
        middle: after how many modules of the backbone, which is sequential then, the OOD score takes its intermediate
            features: CAM-loss makes the last ones nearly of rank one, which tells little of an image.
        takes_pixels: it is given pixels in [0, 1] and standardises them as MNIST's; else it is given standardised ones.
    """

    def __init__(
        self,
        features: nn.Module,
        channels: int,
        num_classes: int,
        pooling: Pooling = "avg",
        middle: int = 0,
        *,
        takes_pixels: bool = True,
    ) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(channels, num_classes)
        self.pooling: Pooling = pooling
        self.pool: Callable[[Tensor], Tensor] | None = None  # (N, C, H, W) -> (N, C), in place of `pooling`
        self.middle = middle
        self.takes_pixels = takes_pixels
        self.arch: str | None = None  # set by build_model, needed to save a checkpoint
        self.arch_args: Mapping[str, Any] = {}
        self.checkpoint_config: Mapping[str, Any] = {}  # of the checkpoint that it was loaded from
        self.ood_score: OODScore | None = None  # fitted when training is done

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify images.

        Args:
            x: (N, in_chans, H0, W0): pixels in [0, 1], of digits white ink on black; or standardised pixels, for
                networks that are made for pictures, see `takes_pixels`.

        Returns:
            logits (N, K) and the features (N, C, H, W) that they were pooled from.
        """
        features = self.features(self._standardized(x))  # (N, C, H, W)
        return self._classify(features), features

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, with the intermediate features (N, M, H', W') as a third."""
        assert isinstance(self.features, nn.Sequential)
        middle = self.features[: self.middle](self._standardized(x))
        features = self.features[self.middle :](middle)
        return self._classify(features), features, middle

    @property
    def middle_channels(self) -> int:
        """M, of `forward_features`."""
        assert isinstance(self.features, nn.Sequential)
        norms = [part for part in self.features[: self.middle].modules() if isinstance(part, nn.BatchNorm2d)]
        return norms[-1].num_features

    def _standardized(self, x: Tensor) -> Tensor:
        return (x - MNIST_MEAN) / MNIST_STD if self.takes_pixels else x

    def _classify(self, features: Tensor) -> Tensor:
        pooled = self.pool(features) if self.pool is not None else pool_features(features, self.pooling)
        logits: Tensor = self.head(pooled)
        return logits


def pool_features(features: Tensor, pooling: str) -> Tensor:
    """(..., H, W) -> (...): what a head is given after "avg" or "max" pooling."""
    return features.mean((-2, -1)) if pooling == "avg" else features.amax((-2, -1))


def conv_block(in_channels: int, out_channels: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution, batch norm, ReLU; not in place, since a map is read from the output."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def light_cnn(num_classes: int, in_chans: int = 1) -> MapClassifier:
    """The default: as many layers as `sketch_cnn`, half its MACs."""
    features = nn.Sequential(
        *conv_block(in_chans, 16),  # (N, 16, 28, 28)
        *conv_block(16, 24, stride=2),  # (N, 24, 14, 14)
        *conv_block(24, 32),
        *conv_block(32, 48),
        *conv_block(48, 56),
        *conv_block(56, 64),  # (N, 64, 14, 14), each cell sees 21x21 pixels
    )
    return MapClassifier(features, 64, num_classes, middle=12)


def tiny_cnn(num_classes: int, in_chans: int = 1) -> MapClassifier:
    """The layers of `light_cnn` with an eighth of its weights: a student to distil into."""
    features = nn.Sequential(
        *conv_block(in_chans, 8),  # (N, 8, 28, 28)
        *conv_block(8, 12, stride=2),  # (N, 12, 14, 14)
        *conv_block(12, 16),
        *conv_block(16, 16),
        *conv_block(16, 16),
        *conv_block(16, 24),  # (N, 24, 14, 14), each cell sees 21x21 pixels
    )
    return MapClassifier(features, 24, num_classes, middle=12)


def sketch_cnn(num_classes: int, in_chans: int = 1) -> MapClassifier:
    """14x14 maps with a local receptive field: the network of the recipe `first`."""
    features = nn.Sequential(
        *conv_block(in_chans, 16),  # (N, 16, 28, 28)
        *conv_block(16, 48, stride=2),  # (N, 48, 14, 14)
        *conv_block(48, 64),  # (N, 64, 14, 14)
        *conv_block(64, 64),
        *conv_block(64, 64),
        *conv_block(64, 96),  # (N, 96, 14, 14), each cell sees 21x21 pixels
    )
    return MapClassifier(features, 96, num_classes, middle=12)


def plain_cnn(num_classes: int, in_chans: int = 1) -> MapClassifier:
    """The network of the original article: 64-128-256 channels at full resolution, global *max* pooling."""
    features = nn.Sequential(
        *conv_block(in_chans, 64),  # (N, 64, 28, 28)
        *conv_block(64, 128),  # (N, 128, 28, 28)
        *conv_block(128, 256),  # (N, 256, 28, 28)
    )
    return MapClassifier(features, 256, num_classes, pooling="max", middle=6)


def resnet18(num_classes: int, in_chans: int = 1, pretrained: bool = False) -> MapClassifier:
    """torchvision's ResNet-18 with a stem for small images: no stride, 4x4 maps at 28x28.

    Args:
        num_classes: K.
        in_chans: channels of an image.
        pretrained: start from ImageNet weights, all but the stem's convolution and the head, which are new.

    Raises:
        CamlossError: the weights are neither cached nor can be downloaded.
    """
    from torchvision.models import resnet18 as torchvision_resnet18  # takes 1.6 s to import

    try:
        net = torchvision_resnet18(weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:  # no network, or a download whose hash is wrong
        raise CamlossError(
            f"cannot get ResNet-18's ImageNet weights ({error}); connect to a network or go on without --pretrained"
        ) from error
    features = nn.Sequential(
        nn.Conv2d(in_chans, 64, kernel_size=3, padding=1, bias=False),  # (N, 64, 28, 28)
        net.bn1,
        nn.ReLU(),
        net.layer1,  # (N, 64, 28, 28)
        net.layer2,  # (N, 128, 14, 14)
        net.layer3,  # (N, 256, 7, 7)
        net.layer4,  # (N, 512, 4, 4)
    )
    for module in features.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # torchvision's write over what the layer before them gave
    return MapClassifier(features, 512, num_classes, middle=5)


class Residual(nn.Module):
    """What some layers add to what they are given."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.layers(x)
        return x + added


def small_resnet(num_classes: int, in_chans: int = 3, width: int = 64) -> MapClassifier:
    """For small pictures: 0.46 million parameters and 8x8 maps at 64x64.

    Args:
        num_classes: K.
        in_chans: channels of an image.
        width: channels in the middle; half as many before, twice as many after.

    Raises:
        CamlossError: the width is no even number of at least 2.
    """
    if not (isinstance(width, int) and width >= 2 and width % 2 == 0):
        raise CamlossError(f"width is {quoted(width)}; expected an even number of at least 2, such as 64")
    wide = 2 * width
    features = nn.Sequential(
        *conv_block(in_chans, width // 2, stride=2),  # (N, 32, 32, 32)
        nn.MaxPool2d(2),
        *conv_block(width // 2, width),  # (N, 64, 16, 16)
        Residual(*conv_block(width, width), *conv_block(width, width)),
        nn.MaxPool2d(2),
        *conv_block(width, wide),  # (N, 128, 8, 8)
        Residual(*conv_block(wide, wide), *conv_block(wide, wide)),
    )
    return MapClassifier(features, wide, num_classes, takes_pixels=False)


ARCHS: dict[str, Callable[..., MapClassifier]] = {
    "light_cnn": light_cnn,
    "sketch_cnn": sketch_cnn,
    "plain_cnn": plain_cnn,
    "resnet18": resnet18,
    "tiny_cnn": tiny_cnn,
    "small_resnet": small_resnet,
}


LIBRARIES = ("timm", "torchvision")
FOREIGN = (  # arguments of the libraries that name files, weights or what this package decides
    *("checkpoint_path", "cache_dir", "features_only", "scriptable", "exportable", "no_jit", "num_classes", "in_chans"),
    *("weights", "weights_backbone", "progress"),
)
MOST_ARGS, LARGEST_ARG = 32, 4096


@overload
def build_model(
    arch: OwnArch, num_classes: int = 10, pooling: Pooling | None = None, in_chans: int | None = None, **arch_args: Any
) -> MapClassifier: ...
@overload
def build_model(
    arch: str, num_classes: int = 10, pooling: Pooling | None = None, in_chans: int | None = None, **arch_args: Any
) -> MapClassifier | Wrapped: ...
def build_model(
    arch: str, num_classes: int = 10, pooling: Pooling | None = None, in_chans: int | None = None, **arch_args: Any
) -> MapClassifier | Wrapped:
    """Build a network by name, with fresh weights from torch's global generator.

    Args:
        arch: one of `camloss.models.ARCHS`, or "timm/NAME" or "torchvision/NAME" for a network of that library, which
            is wrapped.
        num_classes: K.
        pooling: "avg" or "max", in place of the network's own; those of the libraries are taken with "avg" alone.
        in_chans: channels of an image, by default 3 for "small_resnet" and the libraries, 1 for the others of `ARCHS`.
        arch_args: options of that network, such as `pretrained=True` for "resnet18" and for those of the libraries.

    Raises:
        CamlossError: the arch or the pooling is unknown, the arch does not take an option, or it has no exact CAM.
    """
    if arch.partition("/")[0] not in LIBRARIES or "/" not in arch:
        return build_classifier(arch, num_classes, pooling, in_chans, **arch_args)
    if pooling not in (None, "avg"):
        raise CamlossError(f"unknown pooling {quoted(pooling)} for {one_line(arch)}; expected avg")
    kept = {name: value for name, value in arch_args.items() if name != "pretrained"}
    if arch.startswith("torchvision/") and arch_args.get("pretrained"):
        wrapped = wrap(pretrained_of_torchvision(arch, in_chans, kept))
        wrapped.head = nn.Linear(wrapped.head.in_features, num_classes)  # type: ignore[misc]
        return named(wrapped, arch, kept)
    return named(wrap(build_library_network(arch, num_classes, in_chans, **arch_args)), arch, kept)


def pretrained_of_torchvision(arch: str, in_chans: int | None, arch_args: Mapping[str, Any]) -> nn.Module:
    """A network with its ImageNet weights and the head of ImageNet's classes.

    Raises:
        CamlossError: as `build_library_network`; or the weights are neither cached nor can be downloaded.
    """
    from torchvision import models

    build_library_network(arch, 1000, in_chans, **arch_args)  # refuses what cannot be made
    try:
        network: nn.Module = models.get_model(arch.partition("/")[2], weights="DEFAULT", **arch_args)
    except (OSError, RuntimeError) as error:
        raise _no_weights(arch, one_line(error)) from error
    if in_chans not in (None, 3):
        _replace_stem(network, in_chans)
    return network


def build_classifier(
    arch: str, num_classes: int = 10, pooling: Pooling | None = None, in_chans: int | None = None, **arch_args: Any
) -> MapClassifier:
    """`build_model` for the networks of this package, one of `ARCHS`; errors as there."""
    if arch not in ARCHS:
        raise CamlossError(
            f"unknown arch {quoted(arch)}; expected one of {', '.join(ARCHS)}, or timm/NAME or torchvision/NAME"
        )
    if pooling is not None and pooling not in get_args(Pooling):
        raise CamlossError(f"unknown pooling {quoted(pooling)}; expected one of {', '.join(get_args(Pooling))}")
    channels = {} if in_chans is None else {"in_chans": in_chans}
    try:
        model = ARCHS[arch](num_classes, **channels, **arch_args)
    except TypeError as error:
        raise CamlossError(
            f"arch {arch!r} does not take {', '.join(arch_args)}; pretrained are resnet18, timm/NAME and "
            "torchvision/NAME"
        ) from error
    model.arch = arch
    model.arch_args = {name: value for name, value in arch_args.items() if name != "pretrained"}
    model.pooling = pooling or model.pooling
    return model


class OnPixels(nn.Module):
    """A network that is given standardised pixels, as one that is given pixels in [0, 1]; made by `on_pixels`."""

    ood_score: None = None
    mean: Tensor
    std: Tensor

    def __init__(self, network: MapClassifier | Wrapped, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def head(self) -> nn.Linear:
        return self.network.head

    @property
    def checkpoint_config(self) -> Mapping[str, Any]:
        return self.network.checkpoint_config

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, C0, H0, W0) in [0, 1] -> logits (N, K) and features (N, C, H, W)."""
        answer: tuple[Tensor, Tensor] = self.network((x - self.mean) / self.std)
        return answer


Classifier = MapClassifier | Wrapped | OnPixels


def on_pixels(
    network: MapClassifier | Wrapped, mean: Sequence[float] | None, std: Sequence[float] | None
) -> Classifier:
    """A network that is given pixels in [0, 1]: the same, where it standardises them itself or nothing is to be done.

    Args:
        network: as `build_model` makes it.
        mean, std: of each channel, as in the config of its checkpoint.
    """
    if mean is None or std is None or getattr(network, "takes_pixels", False):
        return network
    return OnPixels(network, mean, std).train(network.training)


def map_classifier(network: nn.Module) -> MapClassifier:
    """The same network, one of `ARCHS`.

    Raises:
        CamlossError: it is another.
    """
    if not isinstance(network, MapClassifier):
        arch = getattr(network, "arch", None) or type(network).__name__
        raise CamlossError(f"{arch} cannot be taken here; take one of {', '.join(ARCHS)}")
    return network


def digit_network(network: nn.Module) -> MapClassifier:
    """The same network, one that takes drawn digits as they are.

    Raises:
        CamlossError: it is another, such as one for pictures.
    """
    if not (isinstance(network, MapClassifier) and network.takes_pixels):
        arch = getattr(network, "arch", None) or type(network).__name__
        raise CamlossError(f"{arch} is made for pictures, not for drawn digits; take light_cnn or another that is")
    return network


def pool_by(network: MapClassifier | Wrapped, pool: Callable[[Tensor], Tensor]) -> None:
    """Let a network of `ARCHS` or of timm pool by a function (N, C, H, W) -> (N, C); its checkpoint will not know it.

    Raises:
        CamlossError: it is another network.
    """
    if isinstance(network, Wrapped) and isinstance(getattr(network.model, "global_pool", None), nn.Module):
        network.model.global_pool = PoolBy(pool)
    else:
        map_classifier(network).pool = pool


def pooled_by(network: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The function that `pool_by` gave a network of timm; None where it gave none."""
    pool = getattr(getattr(network, "model", None), "global_pool", None)
    return pool.pool if isinstance(pool, PoolBy) else None


class PoolBy(nn.Module):
    """A function as a module."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C)."""
        return self.pool(features)


def named(wrapped: Wrapped, arch: str, arch_args: Mapping[str, Any]) -> Wrapped:
    """The same, which knows by which name and options `build_model` makes it."""
    wrapped.arch, wrapped.arch_args = arch, dict(arch_args)
    return wrapped


def build_library_network(
    arch: str, num_classes: int, in_chans: int | None = None, pretrained: bool = False, **arch_args: Any
) -> nn.Module:
    """A network of timm or torchvision, as the library makes it; of it `build_model` makes one that gives its maps.

    Names and options may come from a file: none of them leads to another file or to a download.

    Raises:
        CamlossError: the library is not installed, has no such network, or does not take an option.
    """
    library, _, name = arch.partition("/")
    check_arch_args(arch_args)
    network: nn.Module
    try:
        if library == "timm":
            import timm

            if not re.fullmatch(r"\w+(\.\w+)?", name, re.ASCII) or not timm.is_model(name.partition(".")[0]):
                raise CamlossError(f"unknown arch {quoted(arch)}; timm.list_models() names those that timm has")
            options = {**arch_args, **({} if in_chans is None else {"in_chans": in_chans})}
            network = timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **options)
        else:
            from torchvision import models

            if name not in models.list_models(module=models):
                raise CamlossError(f"unknown arch {quoted(arch)}; torchvision.models.list_models() names the others")
            if pretrained:
                raise CamlossError(
                    f"{arch} takes no pretrained; wrap the network that torchvision makes, or take one of timm's"
                )
            network = models.get_model(name, weights=None, num_classes=num_classes, **arch_args)
            if in_chans not in (None, 3):
                _replace_stem(network, in_chans)
    except CamlossError:
        raise
    except ImportError as error:
        raise not_installed(library) from error
    except Exception as error:  # foreign code
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if pretrained:
            raise _no_weights(arch, reason) from error
        raise CamlossError(f"{one_line(arch)} cannot be made ({reason}); correct its options") from error
    return network


def _no_weights(arch: str, reason: str) -> CamlossError:
    return CamlossError(
        f"cannot get the ImageNet weights of {one_line(arch)} ({reason}); connect to a network or go on without "
        "--pretrained"
    )


def _replace_stem(network: nn.Module, in_chans: int) -> None:
    """Let the first convolution of a network take other images than those of 3 channels."""
    name, old = next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    new = nn.Conv2d(
        in_chans,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule(name, new)


def check_arch_args(arch_args: Mapping[str, Any]) -> None:
    """
    Raises:
        CamlossError: an option cannot be written into a checkpoint, or none that comes from one may be followed.
    """
    for name, value in arch_args.items():
        several = value if isinstance(value, list | tuple) else [value]
        numbers = [abs(number) for number in several if isinstance(number, int | float)]
        simple = len(several) <= MOST_ARGS and all(
            number is None or isinstance(number, int | float | str) for number in several
        )
        if name in FOREIGN or name.startswith("pretrained"):
            raise CamlossError(f"{one_line(name)} is no option that a checkpoint can keep; leave it out")
        if not simple or not sum(numbers) <= LARGEST_ARG or len(arch_args) > MOST_ARGS:
            raise CamlossError(
                f"option {one_line(name)} is {quoted(value)}; expected a name, a number of at most {LARGEST_ARG}, or a "
                "short list of them"
            )


def count_macs(model: MapClassifier) -> int:
    """Multiply-accumulate operations of the convolutions and the head for one image, from a forward pass."""
    count = 0

    def add(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        count += layer.weight.numel() * output[0, 0].numel()

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    with in_eval_mode(model):
        model(torch.zeros(1, 1, 28, 28))
    for hook in hooks:
        hook.remove()
    return count
