from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from data_parallel import data_parallel
from tiny_mnist import digits
from torch import Tensor, nn

from camloss import CamlossError, build_model, diagnose, explain, load_checkpoint, preprocess_sketch
from camloss.models import MapClassifier


def hand_weighted() -> MapClassifier:
    """Features are the image and its negative; class 0 wants ink, class 1 wants none, class 2 does not care."""
    conv = nn.Conv2d(1, 2, 1, bias=False)
    model = MapClassifier(conv, 2, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        model.head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        model.head.bias.zero_()
    return model.eval()


INK = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])


def test_by_hand() -> None:
    answer = explain(hand_weighted(), INK, class_idx=0)
    torch.testing.assert_close(answer.cam, INK[0])
    assert answer.caam.abs().max() == 0  # the two channels cancel everywhere
    assert answer.distance.item() == pytest.approx(1.75 / 4)
    torch.testing.assert_close(explain(hand_weighted(), INK, class_idx=1).cam, 1 - INK[0])


def test_the_most_probable_class_is_explained_unless_one_is_asked_for() -> None:
    model, x = build_model("sketch_cnn").eval(), torch.rand(4, 1, 28, 28)
    answer = explain(model, x)
    assert torch.equal(answer.class_idx, answer.probs.argmax(1))
    torch.testing.assert_close(answer.cam, explain(model, x, class_idx=answer.class_idx).cam)
    assert explain(model, x, class_idx=3).class_idx.tolist() == [3, 3, 3, 3]


def test_ranges() -> None:
    answer = explain(build_model("sketch_cnn").eval(), torch.rand(4, 1, 28, 28), class_idx=1, other_idx=7)
    torch.testing.assert_close(answer.probs.sum(1), torch.ones(4))
    for maps in (answer.cam, answer.caam):
        assert torch.equal(maps.amin((-2, -1)), torch.zeros(4))
        assert torch.equal(maps.amax((-2, -1)), torch.ones(4))
    assert answer.contrast is not None
    assert torch.equal(answer.contrast.abs().amax((-2, -1)), torch.ones(4))


def test_contrast_is_centred_at_zero_and_antisymmetric() -> None:
    model = hand_weighted()
    a_not_b, b_not_a = explain(model, INK, 0, other_idx=1).contrast, explain(model, INK, 1, other_idx=0).contrast
    assert a_not_b is not None
    assert b_not_a is not None
    torch.testing.assert_close(a_not_b, -b_not_a)
    nothing = explain(model, INK, 2, other_idx=2).contrast
    assert nothing is not None
    assert torch.equal(nothing, torch.zeros(1, 2, 2))


def test_no_contrast_unless_asked() -> None:
    answer = explain(hand_weighted(), INK)
    assert answer.contrast is None
    assert answer.other_idx is None


class InColour(nn.Module):
    """Features are the red and the green of an image; class 0 wants red, class 1 wants green."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = x[:, :2]
        return self.head(features.mean((-2, -1))), features


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_any_network_and_number_of_channels(layout: torch.memory_format) -> None:
    image = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.5], [0.0, 0.0]], [[9.0, 9.0], [9.0, 9.0]]]])
    answer = explain(InColour(), image.contiguous(memory_format=layout), other_idx=1)
    assert answer.class_idx.tolist() == [0]
    torch.testing.assert_close(answer.cam, torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))
    torch.testing.assert_close(answer.caam, torch.tensor([[[1.0, 0.5], [0.0, 0.0]]]))
    torch.testing.assert_close(answer.contrast, torch.tensor([[[1.0, -0.5], [0.0, 0.0]]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_explained_in_float32(dtype: torch.dtype) -> None:
    answer = explain(InColour().to(dtype), torch.rand(2, 3, 4, 4).to(dtype), other_idx=1)
    tensors = (answer.probs, answer.cam, answer.caam, answer.distance, answer.contrast)
    assert {tensor.dtype for tensor in tensors if tensor is not None} == {torch.float32}
    torch.testing.assert_close(answer.probs.sum(1), torch.ones(2), rtol=0, atol=1e-6)


SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-3), (torch.float64, 1e-4), (torch.float16, 0.02), (torch.bfloat16, 0.1)],
)
@pytest.mark.parametrize("variant", ["ce", "cam"])
def test_shipped_networks_explain_on_any_device_in_any_dtype(
    variant: str, device: str, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # by which float32 is rounded to 10 bits
    x = digits(20, seed=0)[0][:, None].float() / 255
    expected = explain(load_checkpoint(SHIPPED / variant), x, class_idx=3, other_idx=5)
    answer = explain(load_checkpoint(SHIPPED / variant).to(device, dtype), x.to(device, dtype), 3, other_idx=5)
    for field in fields(answer):
        tensor, reference = getattr(answer, field.name), getattr(expected, field.name)
        assert tensor.device.type == device
        if reference.is_floating_point():
            assert tensor.dtype == torch.promote_types(dtype, torch.float32), field.name
        torch.testing.assert_close(tensor.cpu().to(reference.dtype), reference, atol=tolerance, rtol=0)


@pytest.mark.parametrize("class_idx", [-1, 3])
def test_a_class_the_model_lacks_is_refused(class_idx: int) -> None:
    with pytest.raises(CamlossError, match="expected 0 to 2"):
        explain(hand_weighted(), INK, class_idx=class_idx)
    with pytest.raises(CamlossError, match="expected 0 to 2"):
        explain(hand_weighted(), INK, other_idx=class_idx)


def test_several_classes_at_once_are_each_as_alone() -> None:
    model, x = build_model("sketch_cnn").eval(), torch.rand(3, 1, 28, 28)
    together = explain(model, x, class_idx=[4, 9], other_idx=1)
    assert together.class_idx.tolist() == [[4, 9]] * 3
    assert together.other_idx is not None
    assert together.contrast is not None
    for number, class_idx in enumerate((4, 9)):
        alone = explain(model, x, class_idx=class_idx, other_idx=1)
        torch.testing.assert_close(together.cam[:, number], alone.cam)
        torch.testing.assert_close(together.distance[:, number], alone.distance)
        torch.testing.assert_close(together.contrast[:, number], alone.contrast)
    each = torch.tensor([[0, 1], [2, 3], [4, 5]], dtype=torch.uint8)
    assert explain(model, x, class_idx=each).cam.shape == (3, 2, 14, 14)
    with pytest.raises(CamlossError, match=r"not one an image; expected \(3,\) or \(3, M\)"):
        explain(model, x, class_idx=torch.tensor([0, 1]))
    for wrong in (1.5, True, [0, 10]):
        with pytest.raises(CamlossError, match="is not one of the model's: expected 0 to 9"):
            explain(model, x, class_idx=wrong)  # type: ignore[arg-type]


def test_the_model_is_left_as_it_was_and_answers_in_eval_mode() -> None:
    model = build_model("sketch_cnn").train()
    first = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(2, 1, 28, 28)
    answer = explain(model, x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not first.training
    assert torch.equal(answer.cam, explain(model.eval(), x).cam)
    diagnose(model.train(), [(x, torch.tensor([0, 1]))])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training


def test_wrapped_networks_are_explained() -> None:
    model, x = build_model("light_cnn").eval(), torch.rand(2, 1, 28, 28)
    for wrapper in (data_parallel, torch.optim.swa_utils.AveragedModel):
        torch.testing.assert_close(explain(cast(Any, wrapper(model)), x).cam, explain(model, x).cam)


def test_nan_is_named() -> None:
    x = torch.rand(3, 1, 28, 28)
    x[1, 0, 3, 3] = torch.nan
    with pytest.raises(CamlossError, match="answers image 1 with NaN or infinity"):
        explain(build_model("light_cnn").eval(), x)


@pytest.mark.parametrize("default", [torch.float64, "meta"])
def test_torchs_defaults_change_no_answer(default: torch.dtype | str) -> None:
    """Whatever type and device new tensors have by default: pixels, weights and maps are float32 on the CPU."""
    picture = (digits(1, seed=0)[0][0].numpy()).repeat(8, 0).repeat(8, 1)

    def answer() -> tuple[Tensor, Tensor]:
        pixels = preprocess_sketch(picture)
        assert pixels is not None
        return pixels, explain(load_checkpoint(SHIPPED / "cam"), pixels).cam

    expected = answer()
    try:
        if isinstance(default, torch.dtype):
            torch.set_default_dtype(default)
        else:
            torch.set_default_device(default)
        found = answer()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
