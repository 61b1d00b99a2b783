"""What the method asks of a network, and how any timm or torchvision CNN gives it.

    >>> from torchvision.models import resnet18  # timm.create_model("resnet18") does as well
    >>> model = wrap(resnet18(num_classes=5))
    >>> logits, features = model(torch.rand(2, 3, 224, 224))
    >>> logits.shape, features.shape, model.head
    (torch.Size([2, 5]), torch.Size([2, 512, 7, 7]), Linear(in_features=512, out_features=5, bias=True))

A class activation map is exact where the logits are the head times the average of the features. Not every CNN is built
so, and `wrap` looks before it answers.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from camloss.errors import CamlossError


class Network(Protocol):
    """A network with one linear head; called with images, it gives logits (N, K) and the features (N, C, H, W)."""

    @property
    def head(self) -> nn.Linear: ...

    def __call__(self, images: Tensor, /) -> tuple[Tensor, Tensor]: ...

    def eval(self) -> object: ...


class Wrapped(nn.Module):
    """A model of timm or torchvision whose call gives (logits, features); made by `wrap`.

    `model` is the model that was wrapped, not a copy: a head that replaces its own later is the head from then on.
    """

    def __init__(self, model: nn.Module, head_name: str) -> None:
        super().__init__()
        self.model = model
        self._head_name = head_name

    @property
    def head(self) -> nn.Linear:
        """The model's own linear head: what the optimizer trains and `.to()` moves; assign another to replace it.

        Raises:
            CamlossError: it was replaced by something else than one linear layer.
        """
        head = self.model.get_submodule(self._head_name)
        if not isinstance(head, nn.Linear):
            raise _refusal(self.model, f"its head {self._head_name} is {type(head).__name__}, not one linear layer")
        return head

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "head":  # nn.Module would put it beside the model, where nothing calls it
            self.model.set_submodule(self._head_name, value)
        else:
            super().__setattr__(name, value)


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside DistributedDataParallel, DataParallel, `torch.compile` and weight averaging.

    >>> inner = nn.Linear(2, 2)
    >>> unwrapped(nn.DataParallel(torch.optim.swa_utils.AveragedModel(inner))) is not None
    True
    """
    while True:
        inner = getattr(network, "_orig_mod", None)  # of torch.compile
        if inner is None and not hasattr(network, "head"):
            inner = getattr(network, "module", None)  # of all others
        if not isinstance(inner, nn.Module):
            return network
        network = inner


def wrap(model: nn.Module, example: Tensor | None = None) -> Wrapped:
    """Let a CNN with global average pooling and one linear head give `(logits, features)`, for CAMs and CAM-loss.

    timm models are taken by their own `forward_features` and `forward_head`, all others by torchvision's feature
    extraction, which traces them. The answer shares the model's modules and weights and takes on its training mode.
    That the logits are the head times the averaged features is checked once, in eval mode, on one example; the model's
    training modes, batch norm statistics and torch's random numbers stay as they are. Features that are (N, H, W, C)
    inside the model come out as (N, C, H, W).

    Args:
        model: from timm, from torchvision, or any that can be traced.
        example: (N, channels, height, width), an input to check with; by default noise of the size in a timm model's
            `pretrained_cfg`, of 224 x 224 otherwise.

    Raises:
        CamlossError: the model has no exact CAM, and why; or it takes no such example, or cannot be traced.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            wrapped = _checked(model.eval(), _noise_for(model) if example is None else example)
        return wrapped.train(modes[model])
    except CamlossError:
        raise
    except ImportError as error:
        raise CamlossError(f"{type(model).__name__} is taken apart by torchvision: pip install torchvision") from error
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:  # foreign code, traced or run
        raise CamlossError(
            f"{type(model).__name__} cannot be taken apart ({_first_line(error)}); give wrap an example of the model's "
            "input, or let the model's own forward return (logits, features)"
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training


class _Timm(Wrapped):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.forward_features(images)  # type: ignore[operator]
        logits = self.model.forward_head(features)  # type: ignore[operator]
        if features.dim() == 4 and features.shape[-1] == self.head.in_features != features.shape[1]:
            features = features.movedim(-1, 1)
        return logits, features


class _Traced(Wrapped):
    def __init__(self, model: nn.Module, nodes: Mapping[str, str], head_name: str) -> None:
        super().__init__(model, head_name)
        self._nodes = dict(nodes)
        self._forwards = _traced_forwards(model, self._nodes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = self._forwards[self.model.training](self.model, images)
        return found["logits"], found["features"]

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
    by_timm = all(hasattr(model, name) for name in ("forward_features", "forward_head", "get_classifier"))
    wrapped = _by_timm(model) if by_timm else _by_tracing(model, example)
    reason = _why_inexact(model, wrapped, example)
    if reason is not None:
        raise _refusal(model, reason)
    return wrapped


def _by_timm(model: nn.Module) -> Wrapped:
    classifier = model.get_classifier()  # type: ignore[operator]
    if not isinstance(classifier, nn.Linear):
        raise _refusal(model, f"its classifier is {type(classifier).__name__}, not one linear layer")
    return _Timm(model, next(name for name, module in model.named_modules() if module is classifier))


def _by_tracing(model: nn.Module, example: Tensor) -> Wrapped:
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    in_training, in_eval = get_graph_node_names(model, suppress_diff_warning=True)  # names in the order of execution
    modules = dict(model.named_modules())
    linear = [name for name in in_eval if isinstance(modules.get(name), nn.Linear)]
    if not linear:
        raise _refusal(model, "it has no linear layer")
    everything = create_feature_extractor(
        model, train_return_nodes=in_training[-1:], eval_return_nodes=in_eval, suppress_diff_warning=True
    ).eval()
    with_places = [name for name, output in everything(example).items() if _has_places(output)]
    nodes = {with_places[-1]: "features", linear[-1]: "logits"}
    return _Traced(model, nodes, linear[-1])


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
        expected = model(example)
    logits, features = wrapped(example)

    if not _has_places(features):
        return f"it makes {tuple(features.shape)} of {tuple(example.shape)}, not maps (N, C, H, W) of several cells"
    last_maps = max((i for i, (_, has_places) in enumerate(calls) if has_places), default=-1)
    later = [module for module, _ in calls[last_maps + 1 :]]
    if later and not _makes_the_features(wrapped, {names[module] for module in later}, example):
        others = f" and {len(later) - 1} more" if len(later) > 1 else ""
        return f"between its last maps and its head lies {names[later[0]]} ({type(later[0]).__name__}){others}"
    if features.shape[1] != head.in_features:
        return f"its head takes {head.in_features} numbers where its features have {features.shape[1]} channels"
    if len(given) != 1 or not _close(given[0], features.mean((-2, -1))):
        return "its head is not given the average of its last maps"
    if not isinstance(expected, Tensor) or not _close(expected, head(given[0])) or not _close(expected, logits):
        return "what it returns is not what its head gives"
    return None


def _makes_the_features(wrapped: Wrapped, names: Collection[str], example: Tensor) -> bool:
    """Whether layers that give no maps, such as the attention in a last block, still lie before what the head pools.

    Tried with noise for their weights: a fresh norm behind the pooling hardly changes what it is given.
    """
    model, generator = wrapped.model, torch.Generator().manual_seed(0)
    noise = {
        f"model.{name}": (torch.rand(tensor.shape, generator=generator) + 0.5).to(tensor)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if name.rpartition(".")[0] in names and tensor.is_floating_point()
    }
    given: list[Tensor] = []
    with ExitStack() as hooks:
        hooks.enter_context(wrapped.head.register_forward_pre_hook(lambda _, inputs: given.extend(inputs)))
        _, features = functional_call(wrapped, noise, (example,))
    return len(given) == 1 and _close(given[0], features.mean((-2, -1)))


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
    """One image of the size that a model is made for, on its device and in its number type."""
    config = getattr(model, "pretrained_cfg", None) or {}
    height, width = config.get("input_size", (3, 224, 224))[1:]
    channels = next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d)), 3)
    noise = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))
    parameter = next(model.parameters(), noise)
    return noise.to(parameter.device, parameter.dtype)


def _refusal(model: nn.Module, reason: str) -> CamlossError:
    return CamlossError(
        f"{type(model).__name__} has no exact CAM: {reason}; take a CNN that ends in global average pooling and one "
        "linear layer, such as a ResNet"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
