"""What a training may be asked for."""

from pathlib import Path

import pytest

from camloss import CamlossError
from camloss.training.config import TrainConfig


def test_one_cycle() -> None:
    config = TrainConfig(learning_rate=1.0)
    assert config.learning_rate_at(0.0) == 0
    assert config.learning_rate_at(0.1) == pytest.approx(0.5)
    assert config.learning_rate_at(0.2) == pytest.approx(1.0)
    assert config.learning_rate_at(0.6) == pytest.approx(0.5)
    assert config.learning_rate_at(1.0) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        (
            {"arch": "lenet"},
            "unknown arch 'lenet'; expected one of light_cnn, sketch_cnn, plain_cnn, resnet18, tiny_cnn, small_resnet",
        ),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"alpha_start_epoch": -1}, "alpha_start_epoch is -1"),
        ({"augment": 1.5}, "augment is 1.5"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; expected one of muon, adamw, adam, sgd"),
        ({"synthetic": -1}, "synthetic is -1"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine'; expected one of one-cycle, constant"),
        ({"precision": "fp16"}, "unknown precision 'fp16'; expected one of auto, float32, bfloat16"),
        ({"variants": ()}, "there are no variants to train; expected some of ce, "),
        ({"variants": ("ce", "kd")}, "unknown variant 'kd'; expected one of ce, cam"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CamlossError, match=message):
        TrainConfig(**change)  # type: ignore[arg-type]


def test_the_record_holds_no_paths_of_this_machine(tmp_path: Path) -> None:
    config = TrainConfig(output_dir=tmp_path)
    assert str(tmp_path) not in str(config.record())
    assert {"arch", "epochs", "alpha", "seed", "learning_rate"} <= set(config.record())
