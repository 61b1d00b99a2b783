import copy

import pytest
import torch
from torch import nn

from camloss.training.optim import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(16, 9), (24, 144), (64, 504)])
def test_all_singular_values_become_about_1(shape: tuple[int, int]) -> None:
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), False)
    matrix = left * torch.logspace(0, -1.5, min(shape)) @ right
    u, values, v = torch.linalg.svd(orthogonalize(matrix), False)
    assert 0.6 < values.min() <= values.max() < 1.3
    ideal = left @ right
    assert torch.nn.functional.cosine_similarity((u @ v).flatten(), ideal.flatten(), dim=0) > 0.999


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert torch.equal(orthogonalize(torch.zeros(3, 9)), torch.zeros(3, 9))


def test_a_convolution_steps_by_its_size_whatever_the_gradients() -> None:
    for factor in (1e-3, 1e3):
        layer = nn.Conv2d(24, 32, 3, bias=False)
        before = layer.weight.detach().clone()
        layer.weight.grad = factor * torch.randn(32, 24, 3, 3, generator=torch.Generator().manual_seed(1))
        Muon(layer.parameters(), lr=0.01, weight_decay=0.0).step()
        step = (before - layer.weight.detach()) / 0.01
        assert step.square().mean().sqrt().item() == pytest.approx(Muon.size, rel=0.2)
        assert torch.sum(step * layer.weight.grad) > 0


def test_everything_else_steps_as_adamw_does() -> None:
    ours, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizers = [
        Muon(ours.parameters(), lr=0.01, weight_decay=0.1),
        torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
    ]
    for seed in range(4):
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
        for layer, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_frozen_parameters_stay_as_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    optimizer = Muon(network.parameters(), lr=0.1, weight_decay=0.1)
    network(torch.rand(4, 1, 3, 3)).square().sum().backward()
    optimizer.step()
    after = network.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert torch.equal(after["0.bias"], before["0.bias"])
    assert not torch.equal(after["2.weight"], before["2.weight"])


def test_what_is_loaded_lies_where_the_parameters_lie() -> None:
    """The count of steps too: on the CPU, a step that a GPU records would take it for a constant."""
    saved = {"state": {0: {name: torch.zeros(()) for name in ("mean", "square", "step")}}}
    optimizer = Muon([nn.Parameter(torch.zeros((), device="meta"))], lr=0.1, weight_decay=0.0)
    optimizer.load_state_dict({**optimizer.state_dict(), **saved})
    assert {slot.device.type for slots in optimizer.state.values() for slot in slots.values()} == {"meta"}


def test_its_state_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Conv2d(1, 2, 3)
    optimizer = Muon(layer.parameters(), lr=0.1, weight_decay=0.0)
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name in ("zeros", "zeros_like"):
        monkeypatch.setattr(torch, name, lambda *_, **__: pytest.fail("allocated in a later step"))
    optimizer.step()
