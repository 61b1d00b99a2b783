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
from camloss.hub.card import METRICS, PICTURES, check_model_card, check_space_card, metadata, model_card
from camloss.twins import VARIANTS

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = {"format": 1, "arch": "sketch_cnn", "num_classes": 10}
CE, CAM = "user/camloss-mnist-ce", "user/camloss-mnist-cam"
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
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, CE, PICTURES)
    check_model_card(card)
    data: Any = ModelCard(card).data  # the client's own reading of it
    assert data.license == "apache-2.0"
    assert data.library_name == "camloss"
    assert data.pipeline_tag == "image-classification"
    assert data.datasets == ["mnist"]
    assert "arxiv:2109.01359" in data.tags
    assert data.model_name == "camloss-mnist-cam"
    assert data.eval_results is not None
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        METRICS[key][0]: RECORD["test"][key] for key in METRICS
    }
    assert {(result.task_type, result.dataset_type, result.dataset_split) for result in data.eval_results} == {
        ("image-classification", "mnist", "test")
    }


def test_the_card_tells_people() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, CE, PICTURES)
    assert "# Handwritten digits: CAM-loss" in card
    assert f"Trained with {VARIANTS['cam'].learnt}." in card
    assert f"[{CE}](https://huggingface.co/{CE})" in card
    assert "https://arxiv.org/abs/2109.01359" in card
    assert f'load_checkpoint("{CAM}")' in card
    assert "| Accuracy | 0.9912 |" in card
    assert "alpha 1.0" in card
    assert "Epochs: 2, in 21 s. Validation accuracy after the last: 99.00%." in card
    assert "## Limits" in card
    for picture in PICTURES:
        assert f"]({picture})" in card


def test_the_card_reports_nothing_that_needs_a_control_beside_it() -> None:
    card = model_card(CONFIG, {"variant": "cam", **RECORD}, CAM, CE, PICTURES)
    assert not {"ink_energy", "pointing_game", "deletion", "insertion"} & {METRICS[key][0] for key in METRICS}
    assert "0.48" not in card


@pytest.mark.parametrize("missing", ["variant", "config", "history", "test", "environment", "everything"])
def test_the_card_leaves_out_what_the_record_lacks(missing: str) -> None:
    record = {} if missing == "everything" else {"variant": "ce", **copy.deepcopy(RECORD)}
    record.pop(missing, None)
    card = model_card(CONFIG, record, "checkpoints/ce")
    check_model_card(card)
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


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("license", "apache 2", "license: 'apache 2'; expected one of apache-2.0, "),
        ("license", ["mit"], r"license: \['mit'\]; expected one of"),
        ("pipeline_tag", "digits", "pipeline_tag: 'digits'; expected one of .*image-classification"),
        ("datasets", "mnist", "datasets: 'mnist'; expected a list of texts"),
        ("tags", ["a", 1], "expected a list of texts"),
        ("library_name", "", "expected a text"),
        ("licence", "mit", "a key that the Hub does not know: licence"),
        ("model-index", [{"name": "x", "results": [{"task": {}}]}], "model-index.*expected results with task"),
        ("model-index", "none", "expected results with task"),
    ],
)
def test_what_the_hub_would_refuse_in_a_model_card(key: str, value: object, message: str) -> None:
    good = metadata(model_card(CONFIG, RECORD, CAM))
    check_model_card(with_metadata(good))
    with pytest.raises(CamlossError, match=f"^the model card has .*{message}"):
        check_model_card(with_metadata({**good, key: value}))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number(value: float) -> None:
    with pytest.raises(CamlossError, match="model-index"):
        check_model_card(model_card(CONFIG, {"test": {"accuracy": value}}, CAM))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("python_version", 3.12, 'python_version: 3.12; expected a quoted version such as "3.12"'),
        ("sdk_version", 6.31, "sdk_version: 6.31; expected a quoted version"),
        ("sdk", "flask", "expected one of docker, gradio, static"),
        ("colorFrom", "orange", "expected one of blue, gray, green"),
        ("emoji", "pen", "expected an emoji"),
        ("short_description", "x" * 61, "expected a text of 60 characters at most"),
        ("models", "user/model", "expected a list of texts"),
        ("pinned", "yes", "expected true or false"),
        ("color", "red", "a key that the Hub does not know: color"),
    ],
)
def test_what_the_hub_would_refuse_in_a_space(key: str, value: object, message: str) -> None:
    check_space_card(with_metadata(SPACE))
    with pytest.raises(CamlossError, match=f"^the Space's README.md has .*{message}"):
        check_space_card(with_metadata({**SPACE, key: value}))


@pytest.mark.parametrize("key", SPACE)
def test_what_a_space_needs(key: str) -> None:
    with pytest.raises(CamlossError, match=f"^the Space's README.md lacks {key} in the YAML block"):
        check_space_card(with_metadata({name: value for name, value in SPACE.items() if name != key}))


@pytest.mark.parametrize("content", ["", "# No block", "---\n---\n", "---\n- a\n- b\n---\n", "---\na: [\n---\n"])
def test_a_block_that_is_none(content: str) -> None:
    with pytest.raises(CamlossError, match=r"lacks title|must be keys and values|is not YAML"):
        check_space_card(content)
