import dataclasses

import pytest
import torch

from camloss.data.dataset import Dataset
from camloss.training.config import TrainConfig
from camloss.training.loop import train


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_replayed_run_ends_as_a_plain_one(config: TrainConfig, data: Dataset) -> None:
    on_gpu = dataclasses.replace(config, device="cuda", precision="float32", epochs=3)
    with torch.cuda.stream(torch.cuda.Stream()):
        plain, replayed = (train(on_gpu, "cam", data, log=lambda _: None, replay=replay) for replay in (False, True))
    for epoch, other in zip(plain.history, replayed.history, strict=True):
        assert other["ce"] == pytest.approx(epoch["ce"], rel=0.02)
    for one, two in zip(plain.model.parameters(), replayed.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0.1, atol=0.02)


def test_on_a_cpu_nothing_is_replayed(config: TrainConfig, data: Dataset) -> None:
    few = dataclasses.replace(config, epochs=1, dry_run=True)
    plain, asked = (train(few, "ce", data, log=lambda _: None, replay=replay) for replay in (False, True))
    assert torch.equal(plain.model.head.weight, asked.model.head.weight)
