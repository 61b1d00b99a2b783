"""One call from images and targets to the loss, whatever the network is wrapped in."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from data_parallel import data_parallel
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from camloss import CAMLoss, CamlossError, Objective, load_checkpoint, save_checkpoint
from camloss.losses import CAAMDistillation, LossTerms


class Tiny(nn.Module):
    """Without batch norm, so that half a batch on each of two processes is the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus())
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return self.head(features.mean((-2, -1))), features


def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


IMAGES = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
TARGETS = torch.tensor([0, 2, 1, 1])
WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    "as it is": lambda network: network,
    "DataParallel": data_parallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "averaged and compiled": lambda network: torch.compile(
        torch.optim.swa_utils.AveragedModel(network), backend="eager"
    ),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_head_is_found_through_wrappers(wrapper: str) -> None:
    expected = Objective(tiny(), CAMLoss(2.0))(IMAGES, TARGETS)
    found = Objective(WRAPPERS[wrapper](tiny()), CAMLoss(2.0))(IMAGES, TARGETS)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_max_pooling_applies_the_head_to_the_maxima() -> None:
    network, seen = tiny(), []

    def criterion(logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        seen.append((logits, features))
        terms: LossTerms = CAMLoss(0.0)(logits, features, weight, targets)
        return terms

    Objective(network, criterion, pooling="max")(IMAGES, TARGETS)
    ((logits, features),) = seen
    assert torch.equal(logits, network.head(features.amax((-2, -1))))


def test_max_pooling_takes_a_head_that_is_a_1x1_convolution() -> None:
    network, linear = tiny(), tiny()
    network.head = nn.Conv2d(4, 3, 1)  # type: ignore[assignment]
    network.head.load_state_dict(
        {name: t.view(3, -1, 1, 1) if t.dim() == 2 else t for name, t in linear.head.state_dict().items()}
    )
    network.forward = lambda images: (torch.empty(4, 3), network.backbone(images))  # type: ignore[method-assign]
    found, expected = (Objective(one, CAMLoss(2.0), pooling="max")(IMAGES, TARGETS) for one in (network, linear))
    torch.testing.assert_close(found, expected)


def test_the_teacher_is_shown_the_images() -> None:
    terms = Objective(tiny(), CAAMDistillation(1.0, tiny()))(IMAGES, TARGETS)
    assert 0 < terms.cam.item() < 1


@pytest.mark.parametrize("network", [nn.Linear(3, 2), nn.Sequential(nn.Conv2d(1, 1, 1))])
def test_a_network_without_a_head_is_one_line(network: nn.Module) -> None:
    with pytest.raises(CamlossError, match=r"has no linear head; take camloss\.wrap"):
        Objective(network, CAMLoss(1.0))


def test_an_unknown_pooling_is_one_line() -> None:
    with pytest.raises(CamlossError, match="unknown pooling 'mean'; expected 'avg' or 'max'"):
        Objective(tiny(), CAMLoss(1.0), pooling="mean")  # type: ignore[arg-type]


def gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]


def half_a_batch(rank: int, folder: str, alpha: float, queue: Any) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    network = DistributedDataParallel(tiny())
    Objective(network, CAMLoss(alpha))(IMAGES[rank::2], TARGETS[rank::2]).total.backward()
    if rank == 0:
        queue.put([gradient.numpy() for gradient in gradients(network)])
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    save_checkpoint(network, f"{folder}/{rank}")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_two_processes_have_the_gradient_of_one_and_save_one_network(tmp_path: Path, alpha: float) -> None:
    alone = tiny()
    Objective(alone, CAMLoss(alpha))(IMAGES, TARGETS).total.backward()
    context = torch.multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    processes = [context.Process(target=half_a_batch, args=(rank, str(tmp_path), alpha, queue)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for one, two in zip(gradients(alone), queue.get(), strict=True):
        torch.testing.assert_close(one, torch.from_numpy(two), rtol=1e-5, atol=1e-6)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    torch.optim.SGD(alone.parameters(), lr=0.1).step()
    first, second = (load_checkpoint(tmp_path / str(rank), model=tiny()).state_dict() for rank in (0, 1))
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(first[name], tensor, rtol=1e-5, atol=1e-6)
        assert torch.equal(first[name], second[name])


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    whole, parts = tiny(), copy.deepcopy(tiny())
    Objective(whole, CAMLoss(2.0))(IMAGES, TARGETS).total.backward()
    objective = Objective(parts, CAMLoss(2.0))
    for part in (slice(0, 2), slice(2, 4)):
        (objective(IMAGES[part], TARGETS[part]).total / 2).backward()
    for one, two in zip(gradients(whole), gradients(parts), strict=True):
        torch.testing.assert_close(one, two)


def test_network_and_loss_are_one_graph_for_compile() -> None:
    network = tiny()
    compiled = torch.compile(Objective(network, CAMLoss(2.0)), backend="aot_eager", fullgraph=True)
    compiled(IMAGES, TARGETS).total.backward()
    found = gradients(network)
    network.zero_grad()
    Objective(network, CAMLoss(2.0))(IMAGES, TARGETS).total.backward()
    for one, two in zip(found, gradients(network), strict=True):
        torch.testing.assert_close(one, two)
