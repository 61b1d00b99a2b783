import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import ModelCard
from untrained import RECORD, write_pair

from camloss import CamlossError
from camloss.checkpoint import read_header
from camloss.hub.model_card import METRICS, check_space_card, files_beside, metadata, model_card, write_card
from camloss.pair import Pair, described, pair_config, pair_files

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = {"format": 1, "arch": "sketch_cnn", "num_classes": 10}
REPO, PAGE = "user/camloss-mnist", "user/camloss"
VARIANTS = ("ce", "cam")
PICTURES = ("ce/maps.png", "ce/curves.png", "cam/maps.png", "cam/curves.png")
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


def headers(record: dict[str, Any] = RECORD, **of_cam: Any) -> dict[str, dict[str, Any]]:
    """Of a pair whose training left this record; that of its second model may have other values."""
    pair = pair_config(VARIANTS, RECORD["run"])
    records = {"ce": {"variant": "ce", **record}, "cam": {"variant": "cam", **record, **of_cam}}
    return {variant: {"config": CONFIG, "training": records[variant], "pair": pair} for variant in VARIANTS}


def test_the_card_holds_what_the_hub_reads() -> None:
    card = model_card(headers(), REPO, PICTURES, PAGE)
    data: Any = ModelCard(card).data  # the client's own reading of it
    assert data.license == "apache-2.0"
    assert data.library_name == "camloss"
    assert data.pipeline_tag == "image-classification"
    assert data.datasets == ["ylecun/mnist"]
    assert "arxiv:2109.01359" in data.tags
    assert data.model_name == "camloss-mnist"
    assert data.eval_results is not None
    assert [(result.metric_name, result.metric_type, result.metric_value) for result in data.eval_results] == [
        (f"{metric.name} ({title})", metric.hub_type, RECORD["test"][key])
        for title in ("Cross-entropy", "CAM-loss")
        for key, metric in METRICS.items()
    ]
    assert {(result.task_type, result.dataset_type, result.dataset_split) for result in data.eval_results} == {
        ("image-classification", "ylecun/mnist", "test")
    }


def test_the_card_and_its_pictures_are_written_into_the_folder(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "mine")
    write_card(folder, "mine", {"cam": {"maps.png": b"picture"}})
    assert (folder / "cam" / "maps.png").read_bytes() == b"picture"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "](cam/maps.png)" in card
    assert "](ce/maps.png)" not in card
    assert 'Pair.load("mine")' in card
    assert str(tmp_path) not in card
    assert Pair.load(folder).variants == VARIANTS


def test_the_card_tells_people() -> None:
    card = model_card(headers(test={**RECORD["test"], "accuracy": 0.9899}), REPO, PICTURES, PAGE)
    assert "# Handwritten digits: Cross-entropy and CAM-loss" in card
    for variant in VARIANTS:
        assert f"- `{variant}`: {described(variant).title}. Trained with {described(variant).learnt}." in card
    assert f'pair = Pair.load("{REPO}")' in card
    assert "| metric | Cross-entropy | CAM-loss |" in card
    assert "| Accuracy ↑ | 0.9912 | 0.9899 |" in card
    assert "| Distance of CAM and CAAM | 0.1000 | 0.1000 |" in card
    assert "Epochs: 2, in 21 s. Validation accuracy after the last: 99.00%." in card
    assert "https://arxiv.org/abs/2109.01359" in card
    assert "## Limits" in card
    assert "```bibtex\n@inproceedings{" in card
    for picture in PICTURES:
        assert f"]({picture})" in card


def test_the_card_reports_nothing_that_needs_a_control_beside_it() -> None:
    card = model_card(headers(), REPO, PICTURES, PAGE)
    assert not {"stroke_energy", "pointing_game", "deletion", "insertion"} & {METRICS[key].hub_type for key in METRICS}
    assert "0.48" not in card


@pytest.mark.parametrize("missing", ["variant", "config", "history", "test", "environment", "everything"])
def test_the_card_leaves_out_what_the_records_lack(missing: str) -> None:
    record = {} if missing == "everything" else copy.deepcopy(RECORD)
    record.pop(missing, None)
    card = model_card(headers(record), "checkpoints")
    assert "None" not in card
    assert ("model-index" in metadata(card)) == ("test" in record)
    assert ("## Results" in card) == ("test" in record)
    assert "maps.png)" not in card
    assert "pip install" not in card


def test_the_card_in_checkpoints_is_what_is_written_today() -> None:
    """Else: python scripts/join_pair.py checkpoints writes it anew."""
    folder = ROOT / "checkpoints"
    stored = {variant: read_header(file) for variant, file in pair_files(folder).items()}
    pictures = [f"{variant}/{name}" for variant in stored for name in ("maps.png", "curves.png")]
    card = model_card(stored, "checkpoints", pictures=pictures)
    assert (folder / "README.md").read_text(encoding="utf-8") == card


def test_the_card_leaves_out_metrics_that_were_not_measured() -> None:
    card = model_card(headers({"test": {"accuracy": 0.5}}), "checkpoints")
    (model,) = metadata(card)["model-index"]
    assert [(metric["type"], metric["value"]) for metric in model["results"][0]["metrics"]] == [("accuracy", 0.5)] * 2


def test_where_the_cams_peak_stands_beside_its_control() -> None:
    located = {"area_above_half": 0.1, "pointing_game_junction": 0.75, "pointing_game_hole": 0.875}
    peaks = {"network": located, "centred Gaussian": {"pointing_game_junction": 0.5, "pointing_game_hole": 0.25}}
    assert (
        "CAM-loss: the CAM of the true digit peaks at a junction of strokes in 75.0% (centred Gaussian 50.0%) of the "
        "digits that have one, and in the hole in 87.5% (centred Gaussian 25.0%) of the closed 0s."
        in model_card(headers(peaks=peaks), REPO)
    )
    del peaks["centred Gaussian"]["pointing_game_hole"]
    assert "peaks at" not in model_card(headers(peaks=peaks), REPO)


def test_the_card_says_nothing_about_the_alpha_of_cross_entropy() -> None:
    record = {**RECORD, "config": {**RECORD["config"], "alpha_start_epoch": 1}}
    _, of_ce, of_cam = model_card(headers(record), REPO).split("## Training of ")
    assert "alpha 1.0, seed 0, alpha_start_epoch 1" in of_cam
    assert "alpha" not in of_ce
    assert "seed 0" in of_ce


def test_a_variant_at_an_alpha_of_its_own_is_said_to_have_it_and_the_second_model_is_explained() -> None:
    history = [{**RECORD["history"][-1], "alpha": 0.0}, {**RECORD["history"][-1], "alpha": 0.3}]
    third = {**headers(), "alpha-0_3": headers(history=history)["cam"]}
    card = model_card(third, REPO)
    *_, of_cam, of_third = card.split("## Training of ")
    assert "alpha 1.0, seed 0" in of_cam
    assert "alpha 0.3, seed 0" in of_third
    assert 'answer = explain(pair["cam"], preprocess_sketch(image))' in card


def test_a_published_card_can_be_installed_from() -> None:
    assert "pip install" not in model_card(headers(), REPO, space=PAGE)  # of no commit in particular
    card = model_card(headers(), REPO, space=f"{PAGE}@0123abc")
    assert 'pip install "camloss[hub] @ git+https://huggingface.co/spaces/user/camloss@0123abc"' in card
    assert "[user/camloss](https://huggingface.co/spaces/user/camloss)" in card


def test_a_loss_that_this_camloss_does_not_know_is_shown_by_its_name() -> None:
    card = model_card({"ce": headers()["ce"], "new_loss": headers()["cam"]}, REPO)
    assert "# Handwritten digits: Cross-entropy and new_loss" in card
    assert "- `new_loss`: new_loss. Trained with a loss that this camloss does not know." in card


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
    ],
)
def test_a_record_that_no_training_wrote(key: str, value: object) -> None:
    of_cam: dict[str, Any] = {key: value}
    with pytest.raises(CamlossError, match=f"{REPO} has a training record that is not as training writes it"):
        files_beside(headers(**of_cam), REPO, {}, PAGE)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number(value: float) -> None:
    with pytest.raises(CamlossError, match=f"{REPO} has accuracy {value} of cam, which the Hub does not take"):
        model_card(headers(test={"accuracy": value}), REPO)


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
