"""What the method asks of a network, and how any timm or torchvision CNN gives it.

    >>> from torchvision.models import resnet18  # timm.create_model("resnet18") does as well
    >>> model = wrap(resnet18(num_classes=5))
    >>> logits, features = model(torch.rand(2, 3, 224, 224))
    >>> logits.shape, features.shape, model.head
    (torch.Size([2, 5]), torch.Size([2, 512, 7, 7]), Linear(in_features=512, out_features=5, bias=True))

A class activation map is exact where the logits are the head times the average of the features. Not every CNN is built
so, and `wrap` looks before it answers.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.swa_utils import AveragedModel

from camloss.errors import CamlossError

WITHOUT_EFFECT = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten)  # beside a head, in eval mode
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)  # that only call what they hold
SMALL_INPUT = 128  # pixels a side up to which a larger example is tried, to say what is wrong with this one


class Network(Protocol):
    """A network with one linear head; called with images, it gives logits (N, K) and the features (N, C, H, W)."""

    @property
    def head(self) -> nn.Linear: ...

    def __call__(self, images: Tensor, /) -> tuple[Tensor, Tensor]: ...

    def eval(self) -> object: ...


class Wrapped(nn.Module):
    """A model whose call gives (logits, features); made by `wrap`.

    `model` is the model that was wrapped, not a copy: a head that replaces its own later is the head from then on.
    """

    pooling: Literal["avg"] = "avg"
    ood_score: None = None

    def __init__(self, model: nn.Module, head_name: str) -> None:
        super().__init__()
        self.model = model
        self._head_name = head_name
        self.arch: str | None = None  # "timm/NAME" or "torchvision/NAME" where `build_model` made it
        self.arch_args: Mapping[str, Any] = {}
        self.checkpoint_config: Mapping[str, Any] = {}  # of the checkpoint that it was loaded from

    @property
    def head(self) -> nn.Linear:
        """The model's own head: what the optimizer trains and `.to()` moves; assign another to replace it.

        A linear layer, or a 1x1 convolution, whose weight is (K, C, 1, 1).

        Raises:
            CamlossError: it was replaced by something else, and no Sequential of one such layer and dropout.
        """
        return self._found_head()[1]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "head":  # nn.Module would put it beside the model, where nothing calls it
            self.model.set_submodule(self._found_head()[0], value)
        else:
            super().__setattr__(name, value)

    def _found_head(self) -> tuple[str, nn.Linear]:
        """The name and the layer, as the model has them now."""
        place = self.model.get_submodule(self._head_name)
        found = _head_in(place)
        if found is None:
            raise _refusal(self.model, f"its head {self._head_name} is {type(place).__name__}, not one linear layer")
        return f"{self._head_name}.{found[0]}".rstrip("."), cast(nn.Linear, found[1])


def unwrapped(network: Any) -> Any:
    """The network inside DistributedDataParallel, DataParallel, `torch.compile` and weight averaging.

    >>> inner = nn.Linear(2, 2)
    >>> unwrapped(nn.DataParallel(torch.optim.swa_utils.AveragedModel(inner))) is not None
    True
    """
    while (inner := _inside(network)) is not None:
        network = inner
    return network


def _inside(network: Any) -> nn.Module | None:
    """What a network is wrapped around; None where it is around nothing."""
    inner = getattr(network, "_orig_mod", None)  # of torch.compile
    if inner is None and not hasattr(network, "head"):
        inner = getattr(network, "module", None)  # of all others
    return inner if isinstance(inner, nn.Module) else None


@contextmanager
def in_eval_mode(network: object) -> Iterator[None]:
    """A network in eval mode for a while, without gradients; afterwards each of its modules has its own mode again."""
    modules = network.modules() if isinstance(network, nn.Module) else ()
    modes = {module: module.training for module in modules}
    _set_modes(dict.fromkeys(modes, False))
    try:
        with torch.no_grad():
            yield
    finally:
        _set_modes(modes)


def _set_modes(modes: Mapping[nn.Module, bool]) -> None:
    for module, training in modes.items():
        if module.training != training:
            module.training = training


def wrap(model: nn.Module, example: Tensor | None = None) -> Wrapped:
    """Let a CNN with global average pooling and one linear head give `(logits, features)`, for CAMs and CAM-loss.

    timm models are taken by their own `forward_features` and `forward_head`, all others by torchvision's feature
    extraction, which traces them; what cannot be traced is watched while it runs. The answer shares the model's modules
    and weights and takes on its training mode. That the logits are the head times the averaged features is checked
    once, in eval mode, on one example; the model's training modes, batch norm statistics and torch's random numbers
    stay as they are. Features that are (N, H, W, C) inside the model come out as (N, C, H, W).

    The head is a linear layer or a 1x1 convolution, behind the pooling or before it, alone or in a Sequential with
    dropout. The model returns its logits, or a dict or an object that has "logits".

    Args:
        model: from timm, from torchvision, or one's own. Of DistributedDataParallel, DataParallel, `torch.compile` and
            weight averaging the network inside is taken; to train with these, wrap first: `DDP(wrap(model))`.
        example: (N, channels, height, width), an input to check with; by default noise of the size in a timm model's
            `pretrained_cfg`, of 224 x 224 otherwise.

    Raises:
        CamlossError: the model has no exact CAM, and why; or it takes no such example, or one too small.
    """
    outer, model = model, _network_in(model)
    with in_eval_mode(outer):
        shown = _noise_for(model) if example is None else example
        model = _all_of(outer, model, shown)
        try:
            wrapped = _checked(model, shown)
        except Exception as error:
            raise _too_small(model, shown) or _explained(model, error) from error
    wrapped.training = model.training
    return wrapped


def _network_in(model: object) -> nn.Module:
    """The network to take apart.

    Raises:
        CamlossError: it is none, or none on images.
    """
    if not isinstance(model, nn.Module):
        raise CamlossError(
            f"wrap takes a network, not {type(model).__name__}; make one first, such as timm.create_model('resnet18')"
        )
    network: nn.Module = unwrapped(model)
    if isinstance(network, torch.jit.ScriptModule):
        raise CamlossError("a scripted model cannot be taken apart; wrap the model that it was scripted from")
    kinds = {type(module) for module in network.modules()}
    other = next((kind.__name__ for kind in (nn.Conv1d, nn.Conv3d) if kind in kinds), None)
    if other and nn.Conv2d not in kinds:
        raise CamlossError(
            f"{type(network).__name__} is made of {other}; wrap takes networks on images, with features (N, C, H, W)"
        )
    return network


def _all_of(outer: nn.Module, inner: nn.Module, example: Tensor) -> nn.Module:
    """The inner network, or what is around it, where that does more than to call it, such as to standardise images."""
    while isinstance(outer, WRAPPERS) or hasattr(outer, "_orig_mod"):
        outer = cast(nn.Module, _inside(outer))
    if outer is inner:
        return inner
    try:
        given, expected = _logits_of(outer(example)), _logits_of(inner(example))
    except Exception:  # what only holds a network may have no call of its own
        return inner
    is_alike = isinstance(given, Tensor) and isinstance(expected, Tensor) and _close(given, expected)
    return inner if is_alike else outer


def _too_small(model: nn.Module, example: Tensor) -> CamlossError | None:
    """What to say where a larger input would do, because this one is shrunk to maps of one position."""
    if example.dim() != 4 or max(example.shape[-2:]) > SMALL_INPUT:
        return None
    height, width = example.shape[-2:]
    for times in (2, 4, 8):
        try:
            _checked(model, example.repeat(1, 1, times, times))
        except Exception:
            continue
        return CamlossError(
            f"an input of {height}x{width} leaves {type(model).__name__} maps of one position, in which nothing can be "
            f"located; give it {times * height}x{times * width}, or take a network of less stride"
        )
    return None


def _explained(model: nn.Module, error: Exception) -> CamlossError:
    """What is wrong with a model, in one line."""
    if isinstance(error, CamlossError):
        return error
    if isinstance(error, ImportError):
        return CamlossError(f"{type(model).__name__} is taken apart by torchvision: pip install torchvision")
    return CamlossError(  # foreign code, traced or run, may raise anything
        f"{type(model).__name__} cannot be taken apart ({_first_line(error)}); give wrap an example of the model's "
        "input, or let the model's own forward return (logits, features)"
    )


class _Timm(Wrapped):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.forward_features(images)  # type: ignore[operator]
        logits = self.model.forward_head(features)  # type: ignore[operator]
        channels = self.head.weight.shape[1]
        if features.dim() == 4 and features.shape[-1] == channels != features.shape[1]:
            features = features.movedim(-1, 1)
        return logits, features


class _Watched(Wrapped):
    """The features are what one module gives, or what the head is given, while the model runs as it does."""

    def __init__(self, model: nn.Module, features_name: str | None, head_name: str) -> None:
        super().__init__(model, head_name)
        self._features_name = features_name

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []
        if self._features_name is None:
            handle = self.head.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
        else:
            source = self.model.get_submodule(self._features_name)
            handle = source.register_forward_hook(lambda _, __, output: found.append(output))
        try:
            logits = _logits_of(self.model(images))
        finally:
            handle.remove()
        return logits, found[-1]


class _Traced(Wrapped):
    def __init__(self, model: nn.Module, nodes: Mapping[str, str], head_name: str) -> None:
        super().__init__(model, head_name)
        self._nodes = dict(nodes)
        self._traced_head = self._found_head()[0]
        self._forwards = _traced_forwards(model, self._nodes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        name = self._found_head()[0]
        if name != self._traced_head:  # a Sequential in place of a layer, or the other way round
            self._nodes = {node: kind for node, kind in self._nodes.items() if kind != "logits"} | {name: "logits"}
            self._traced_head, self._forwards = name, _traced_forwards(self.model, self._nodes)
        found = self._forwards[self.model.training](self.model, images)
        return found["logits"].flatten(1), found["features"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_forwards": None}  # generated code can be neither pickled nor copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._forwards = _traced_forwards(self.model, self._nodes)


def _traced_forwards(model: nn.Module, nodes: Mapping[str, str]) -> dict[bool, Callable[..., dict[str, Tensor]]]:
    """By training mode, the model's forward up to these nodes: a function of the model and its input.

    The extractor that torchvision makes holds on to the layers that the model has now; its code, called with the model,
    finds those that the model has then.
    """
    from torchvision.models.feature_extraction import create_feature_extractor

    modes = {module: module.training for module in model.modules()}
    extractor = create_feature_extractor(model, dict(nodes), suppress_diff_warning=True)
    forwards = {mode: type(extractor.train(mode)).forward for mode in (True, False)}
    for module, training in modes.items():
        module.training = training
    return forwards


def _checked(model: nn.Module, example: Tensor) -> Wrapped:
    """A model taken apart in the first way that is exact.

    Raises:
        CamlossError: there is none, and why; or whatever the model raises.
    """
    wrapped: Wrapped
    if all(hasattr(model, name) for name in ("forward_features", "forward_head", "get_classifier")):
        wrapped = _by_timm(model)
        reason = _why_inexact(model, wrapped, example)
    else:
        try:
            wrapped = _by_tracing(model, example)
            reason = _why_inexact(model, wrapped, example)
        except Exception:
            reason = "it cannot be traced"
            _set_modes(dict.fromkeys(model.modules(), False))  # torchvision leaves it in the middle
        if reason is not None:
            watched = _by_watching(model, example)
            reason_watched = _why_inexact(model, watched, example)
            if reason_watched is None or reason == "it cannot be traced":
                wrapped, reason = watched, reason_watched
    if reason is not None:
        raise _refusal(model, reason)
    return wrapped


def _by_timm(model: nn.Module) -> Wrapped:
    classifier = model.get_classifier()  # type: ignore[operator]
    if not isinstance(classifier, nn.Module) or _head_in(classifier) is None:
        raise _refusal(model, f"its classifier is {type(classifier).__name__}, not one linear layer")
    return _Timm(model, next(name for name, module in model.named_modules() if module is classifier))


def _by_tracing(model: nn.Module, example: Tensor) -> Wrapped:
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    in_training, in_eval = get_graph_node_names(model, suppress_diff_warning=True)  # names in the order of execution
    modules = dict(model.named_modules())
    linear = [name for name in in_eval if name in modules and _is_linear(modules[name])]
    if not linear:
        raise _refusal(model, "it has no linear layer")
    everything = create_feature_extractor(
        model, train_return_nodes=in_training[-1:], eval_return_nodes=in_eval, suppress_diff_warning=True
    ).eval()
    with_places = [name for name, output in everything(example).items() if _has_places(output)]
    if not with_places:
        raise _refusal(model, f"it makes no maps of several positions of {tuple(example.shape)}")
    nodes = {with_places[-1]: "features", linear[-1]: "logits"}
    return _Traced(model, nodes, _outermost(model, linear[-1]))


def _by_watching(model: nn.Module, example: Tensor) -> Wrapped:
    calls: list[tuple[str, nn.Module, Any, Any]] = []  # name, module, input, output, in the order in which they end
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(
                module.register_forward_hook(
                    lambda module, inputs, output, name=name: calls.append(
                        (name, module, inputs[0] if inputs else None, output)
                    )
                )
            )
        model(example)
    heads = [number for number, (_, module, _, _) in enumerate(calls) if _is_linear(module)]
    if not heads:
        raise _refusal(model, "it has no linear layer")
    name, _, given, _ = calls[heads[-1]]
    with_places = [name for name, _, _, output in calls[: heads[-1]] if name and _has_places(output)]
    if not _has_places(given) and not with_places:
        raise _refusal(model, f"it makes no maps of several positions of {tuple(example.shape)}")
    return _Watched(model, None if _has_places(given) else with_places[-1], _outermost(model, name))


def _is_linear(module: nn.Module) -> bool:
    """Whether a layer weighs channels position by position, each alike: a linear layer or a 1x1 convolution."""
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == module.stride == (1, 1) and module.groups == 1 and module.padding in ((0, 0), 0)
    return isinstance(module, nn.Linear)


def _head_in(module: nn.Module) -> tuple[str, nn.Module] | None:
    """The name below a module, and the layer, of the one linear layer that it is made of; None if there is more."""
    if _is_linear(module):
        return "", module
    if not isinstance(module, nn.Sequential):
        return None
    layers = [(name, layer) for name, layer in module.named_children() if not isinstance(layer, WITHOUT_EFFECT)]
    return layers[0] if len(layers) == 1 and _is_linear(layers[0][1]) else None


def _outermost(model: nn.Module, name: str) -> str:
    """The name of the Sequential that a head lies in, where that is all it does: another head may replace all of it."""
    parent = name.rpartition(".")[0]
    return parent if parent and _head_in(model.get_submodule(parent)) else name


def _logits_of(output: Any) -> Any:
    """What a model says, out of the tensor, dict or object that it returns."""
    if isinstance(output, Mapping):
        return output.get("logits")
    return getattr(output, "logits", output)


def _why_inexact(model: nn.Module, wrapped: Wrapped, example: Tensor) -> str | None:
    """Why the CAMs of a model do not add up to its logits; None where they do."""
    head = wrapped.head
    names = {module: name for name, module in model.named_modules()}
    calls: list[tuple[nn.Module, bool]] = []  # of layers with weights of their own: who, and whether it gave maps
    given: list[Tensor] = []  # to the head

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if module is head:
            given.extend(inputs)
        elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            calls.append((module, _has_places(output)))

    with ExitStack() as hooks:
        for module in names:
            hooks.enter_context(module.register_forward_hook(note))
        expected = _logits_of(model(example))
    logits, features = wrapped(example)

    if not _has_places(features):
        return f"it makes {tuple(features.shape)} of {tuple(example.shape)}, not maps (N, C, H, W) of several cells"
    last_maps = max((i for i, (_, has_places) in enumerate(calls) if has_places), default=-1)
    later = [module for module, _ in calls[last_maps + 1 :]]
    if later and not _makes_the_features(wrapped, {names[module] for module in later}, example):
        others = f" and {len(later) - 1} more" if len(later) > 1 else ""
        return f"between its last maps and its head lies {names[later[0]]} ({type(later[0]).__name__}){others}"
    channels = head.weight.shape[1]
    if features.shape[1] != channels:
        return f"its head takes {channels} numbers where its features have {features.shape[1]} channels"
    if len(given) != 1 or not _is_average(given[0], features):
        return "its head is not given the average of its last maps"
    pooled = features.mean((-2, -1), keepdim=head.weight.dim() == 4)
    from_average = head(pooled).flatten(1)
    if not isinstance(expected, Tensor) or not _close(expected, from_average) or not _close(expected, logits):
        return "what it returns is not what its head gives"
    return None


def _is_average(given: Tensor, features: Tensor) -> bool:
    """Whether a head is given the averaged features, or the features themselves, to be averaged behind it."""
    if given.shape == features.shape:
        return _close(given, features)
    return given.dim() in (2, 4) and _close(given.flatten(1), features.mean((-2, -1)))


def _makes_the_features(wrapped: Wrapped, names: Collection[str], example: Tensor) -> bool:
    """Whether layers that give no maps, such as the attention in a last block, still lie before what the head pools.

    Tried with noise for their weights: a fresh norm behind the pooling hardly changes what it is given.
    """
    model, generator = wrapped.model, torch.Generator("cpu").manual_seed(0)
    noise = {
        f"model.{name}": (torch.rand(tensor.shape, generator=generator, device="cpu") + 0.5).to(tensor)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if name.rpartition(".")[0] in names and tensor.is_floating_point()
    }
    given: list[Tensor] = []
    with ExitStack() as hooks:
        hooks.enter_context(wrapped.head.register_forward_pre_hook(lambda _, inputs: given.extend(inputs)))
        _, features = functional_call(wrapped, noise, (example,))
    return len(given) == 1 and _is_average(given[0], features)


def _has_places(output: Any) -> bool:
    """Whether a layer gives maps (N, C, H, W) or (N, H, W, C), of more than one cell."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        return False
    _, a, b, c = output.shape
    return b * c > 1 and a * b > 1


def _close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    resolution = torch.finfo(expected.dtype).eps ** 0.5  # far more than rounding, far less than another kind of pooling
    return bool(((found - expected).abs().max() <= resolution * expected.abs().max()).item())


def _noise_for(model: nn.Module) -> Tensor:
    """One image of the size that a model is made for, on its device and in its dtype."""
    config = getattr(model, "pretrained_cfg", None) or {}
    height, width = config.get("input_size", (3, 224, 224))[1:]
    channels = next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d)), 3)
    generator = torch.Generator("cpu").manual_seed(0)
    noise = torch.rand(1, channels, height, width, generator=generator, dtype=torch.float32, device="cpu")
    parameter = next(model.parameters(), noise)
    return noise.to(parameter.device, parameter.dtype)


def _refusal(model: nn.Module, reason: str) -> CamlossError:
    return CamlossError(
        f"{type(model).__name__} has no exact CAM: {reason}; take a CNN that ends in global average pooling and one "
        "linear layer, such as a ResNet"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
