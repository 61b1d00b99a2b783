"""Confidences that fit the accuracy; predictions and maps stay."""

import pytest
import torch
from tiny_mnist import digits

from camloss import build_model, explain
from camloss.data.temperature import divide_by_temperature, fit_temperature
from camloss.split import Split


def test_a_temperature_is_found() -> None:
    logits = torch.randn(4000, 10, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits * 2, labels) == pytest.approx(2, rel=0.1)


def test_it_divides_the_head_and_leaves_predictions_and_maps() -> None:
    model = build_model("tiny_cnn").eval()
    images = digits(400, seed=1)[0][:, None]
    with torch.no_grad():
        logits, _ = model(images.float() / 255)
    labels = torch.distributions.Categorical(logits=logits * 30).sample()  # an untrained network is unsure
    class_map = explain(model, images[:5].float() / 255, 3).cam
    temperature = divide_by_temperature(model, Split(images, labels))
    assert 1 / 60 < temperature < 1 / 15
    with torch.no_grad():
        torch.testing.assert_close(model(images.float() / 255)[0] * temperature, logits)
    torch.testing.assert_close(explain(model, images[:5].float() / 255, 3).cam, class_map)
    assert divide_by_temperature(model, Split(images, labels)) == pytest.approx(1)  # it is fitted already
