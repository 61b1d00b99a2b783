import dataclasses
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from camloss.commands.train import own_stream
from camloss.data.dataset import Dataset
from camloss.losses import CAMLoss
from camloss.split import Split
from camloss.training.config import TrainConfig
from camloss.training.distributed import ALONE, Processes
from camloss.training.loop import can_replay, train
from camloss.training.step import Step


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_replayed_run_ends_as_a_plain_one(config: TrainConfig, data: Dataset) -> None:
    on_gpu = dataclasses.replace(config, device="cuda", precision="float32", epochs=3)
    with torch.cuda.stream(torch.cuda.Stream()):
        plain, replayed = (train(on_gpu, "cam", data, log=lambda _: None, replay=replay) for replay in (False, True))
    for epoch, other in zip(plain.history, replayed.history, strict=True):
        assert other["ce"] == pytest.approx(epoch["ce"], rel=0.02)
    for one, two in zip(plain.model.parameters(), replayed.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0.1, atol=0.02)


class ConvolutionalHead(nn.Module):
    """As some networks of timm have it."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 10, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.head(features.mean((-2, -1), keepdim=True)).flatten(1), features


def test_mixed_labels_have_the_classes_of_any_head() -> None:
    network = ConvolutionalHead()
    step = Step(
        network=network,  # type: ignore[arg-type]
        forward=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        criterion=CAMLoss(1.0),
        images=Split(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4)),
        augmentation=None,
        draws=torch.zeros(4, 0),
        vary=None,
        extra=None,
        generator=torch.Generator(),
        precision="float32",
        mix=lambda images, labels, _: (images, labels),
    )
    mixed, plain = (dataclasses.replace(step, mix=mix)._share(torch.arange(4)) for mix in (step.mix, None))
    assert torch.equal(mixed[1].argmax(1), plain[1])
    assert mixed[1].shape == (4, 10)
    assert step(torch.arange(4)).isfinite().all()


def test_a_step_that_waits_for_the_device_is_not_recorded() -> None:
    cuda, two = torch.device("cuda"), Processes(0, 2, started=True)
    assert can_replay(cuda, "muon", "bfloat16", ALONE)
    assert not can_replay(cuda, "muon", "float16", ALONE)  # whose loss scale is looked at in every step
    assert not can_replay(cuda, "adamw", "bfloat16", ALONE)
    assert not can_replay(cuda, "muon", "bfloat16", two)
    assert not can_replay(torch.device("cpu"), "muon", "bfloat16", ALONE)


def test_steps_are_recorded_on_the_device_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("camloss.commands.train.pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "Stream", lambda *where: made.append(where))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    own_stream("cuda:1")
    assert made == [(torch.device("cuda", 1),)]


def test_on_a_cpu_nothing_is_replayed(config: TrainConfig, data: Dataset) -> None:
    few = dataclasses.replace(config, epochs=1, dry_run=True)
    plain, asked = (train(few, "ce", data, log=lambda _: None, replay=replay) for replay in (False, True))
    assert torch.equal(plain.model.head.weight, asked.model.head.weight)
