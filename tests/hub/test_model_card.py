import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import ModelCard
from untrained import RECORD

from camloss import CamlossError
from camloss.checkpoint import WEIGHTS, read_header
from camloss.hub.model_card import METRICS, PICTURES, Place, check_space_card, files_beside, metadata, model_card
from camloss.pair import VARIANTS

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = {"format": 1, "arch": "sketch_cnn", "num_classes": 10}
CE, CAM = "user/camloss-mnist-ce", "user/camloss-mnist-cam"
PLACE = Place(CAM, (CE,), "user/camloss")
SPACE: dict[str, Any] = {
    "title": "CAM-loss",
    "emoji": "✍️",
    "colorFrom": "indigo",
    "colorTo": "yellow",
    "sdk": "gradio",
    "sdk_version": "6.31.0",
    "python_version": "3.12",
    "app_file": "app.py",
}


def with_metadata(data: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(data, allow_unicode=True)}---\n\n# Text\n"


def test_the_card_holds_what_the_hub_reads() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, PICTURES, place=PLACE)
    data: Any = ModelCard(card).data  # the client's own reading of it
    assert data.license == "apache-2.0"
    assert data.library_name == "camloss"
    assert data.pipeline_tag == "image-classification"
    assert data.datasets == ["ylecun/mnist"]
    assert "arxiv:2109.01359" in data.tags
    assert data.model_name == "camloss-mnist-cam"
    assert data.eval_results is not None
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        METRICS[key].hub_type: RECORD["test"][key] for key in METRICS
    }
    assert {(result.task_type, result.dataset_type, result.dataset_split) for result in data.eval_results} == {
        ("image-classification", "ylecun/mnist", "test")
    }


def test_the_card_tells_people() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, PICTURES, place=PLACE)
    assert "# Handwritten digits: CAM-loss" in card
    assert f"Trained with {VARIANTS['cam'].learnt}." in card
    assert f"[{CE}](https://huggingface.co/{CE})" in card
    assert "https://arxiv.org/abs/2109.01359" in card
    assert f'load_checkpoint("{CAM}")' in card
    assert "| Accuracy ↑ | 0.9912 |" in card
    assert "alpha 1.0" in card
    assert "Epochs: 2, in 21 s. Validation accuracy after the last: 99.00%." in card
    assert "## Limits" in card
    for picture in PICTURES:
        assert f"]({picture})" in card


def test_the_card_reports_nothing_that_needs_a_control_beside_it() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, PICTURES, place=PLACE)
    assert not {"ink_energy", "pointing_game", "deletion", "insertion"} & {METRICS[key].hub_type for key in METRICS}
    assert "0.48" not in card


@pytest.mark.parametrize("missing", ["variant", "config", "history", "test", "environment", "everything"])
def test_the_card_leaves_out_what_the_record_lacks(missing: str) -> None:
    record = {} if missing == "everything" else {"variant": "ce", **copy.deepcopy(RECORD)}
    record.pop(missing, None)
    card = model_card(CONFIG, record, "checkpoints/ce")
    assert "None" not in card
    assert ("model-index" in metadata(card)) == ("test" in record)
    assert ("## Results" in card) == ("test" in record)
    assert "](maps.png)" not in card


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_cards_in_checkpoints_are_what_is_written_today(variant: str) -> None:
    """Else: python scripts/join_pair.py checkpoints/ce checkpoints/cam writes them anew."""
    folder = ROOT / "checkpoints" / variant
    header = read_header(folder / WEIGHTS)
    card = model_card(header["config"], header["training"], f"checkpoints/{variant}", pictures=PICTURES)
    assert (folder / "README.md").read_text(encoding="utf-8") == card


def test_the_card_leaves_out_metrics_that_were_not_measured() -> None:
    card = model_card(CONFIG, {"test": {"accuracy": 0.5}}, "checkpoints/ce")
    (model,) = metadata(card)["model-index"]
    assert model["results"][0]["metrics"] == [{"type": "accuracy", "value": 0.5, "name": "Accuracy"}]


def test_the_twins_numbers_stand_beside_its_own() -> None:
    twin = {"variant": "ce", **RECORD, "test": {**RECORD["test"], "accuracy": 0.9899}}
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, place=PLACE, pair=[twin])
    assert "| metric | this: CAM-loss | its twin: Cross-entropy |" in card
    assert "| Accuracy ↑ | 0.9912 | 0.9899 |" in card
    assert "| Cross-entropy ↓ | 0.0310 | 0.0310 |" in card
    assert "| Distance of CAM and CAAM | 0.1000 | 0.1000 |" in card


def test_where_the_maps_are_hottest_stands_beside_its_control() -> None:
    located = {"area_above_half": 0.1, "peak_near_junction": 0.75, "peak_in_hole": 0.875}
    peaks = {"network": located, "blob": {"peak_near_junction": 0.5, "peak_in_hole": 0.25}}
    record = {"variant": "cam", **RECORD, "peaks": peaks}
    assert (
        "Its CAM of the true digit is hottest where strokes meet in 75.0% (blob 50.0%) of the digits whose strokes do, "
        "and in the hole in 87.5% (blob 25.0%) of the closed 0s." in model_card(CONFIG, record, CAM)
    )
    del peaks["blob"]["peak_in_hole"]
    assert "hottest" not in model_card(CONFIG, record, CAM)


def test_the_card_of_cross_entropy_says_nothing_about_alpha() -> None:
    record = {**RECORD, "config": {**RECORD["config"], "alpha_start_epoch": 1}}
    assert "alpha 1.0, seed 0, alpha_start_epoch 1" in model_card(CONFIG, {"variant": "cam", **record}, CAM)
    card = model_card(CONFIG, {"variant": "ce", **record}, CE)
    assert "alpha" not in card
    assert "warmup" not in card
    assert "seed 0" in card


def test_a_published_card_can_be_installed_from_and_cited() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, place=PLACE)
    assert 'pip install "camloss[hub] @ git+https://huggingface.co/spaces/user/camloss"' in card
    assert "[user/camloss](https://huggingface.co/spaces/user/camloss)" in card
    assert "```bibtex\n@inproceedings{" in card
    assert "pip install" not in model_card(CONFIG, RECORD, "checkpoints/cam")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("history", 5),
        ("history", [{}]),
        ("history", [{"seconds": "1", "validation_accuracy": 1}]),
        ("test", {"accuracy": "high"}),
        ("test", {"accuracy": 10**400}),
        ("config", 5),
        ("environment", [1]),
        ("variant", []),
    ],
)
def test_a_record_that_no_training_wrote(key: str, value: object) -> None:
    header = {"config": CONFIG, "training": {"variant": "cam", **RECORD, key: value}}
    with pytest.raises(CamlossError, match=f"{CAM} has a training record that is not as training writes it"):
        files_beside(header, CAM, {}, place=PLACE)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number(value: float) -> None:
    with pytest.raises(CamlossError, match=f"{CAM} has accuracy {value}, which the Hub does not take"):
        model_card(CONFIG, {"test": {"accuracy": value}}, CAM)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("python_version", 3.12, "python_version: 3.12; expected it in quotes"),
        ("sdk_version", 6.31, "sdk_version: 6.31; expected it in quotes"),
        ("short_description", "x" * 61, "a short_description of more than 60 characters"),
    ],
)
def test_what_the_hub_would_refuse_in_a_space(key: str, value: object, message: str) -> None:
    check_space_card(with_metadata(SPACE))
    with pytest.raises(CamlossError, match=f"^the Space's card has .*{message}"):
        check_space_card(with_metadata({**SPACE, key: value}))


@pytest.mark.parametrize("key", SPACE)
def test_what_a_space_needs(key: str) -> None:
    with pytest.raises(CamlossError, match=f"^the Space's card lacks {key} in the YAML block"):
        check_space_card(with_metadata({name: value for name, value in SPACE.items() if name != key}))


@pytest.mark.parametrize("content", ["", "# No block", "---\n---\n", "---\n- a\n- b\n---\n", "---\na: [\n---\n"])
def test_a_block_that_is_none(content: str) -> None:
    with pytest.raises(CamlossError, match=r"lacks title|must be keys and values|is not YAML"):
        check_space_card(content)
