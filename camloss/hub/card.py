"""Model cards made from training records, and checks of a card's metadata that need no network.

The Hub checks a card only when it is pushed; these checks say the same before anything is sent. Their keys and values
are those of the Hub's references for model cards (https://huggingface.co/docs/hub/model-cards) and for Spaces
(https://huggingface.co/docs/hub/spaces-config-reference).
"""

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from camloss.checkpoint import CONFIG, TRAINING, WEIGHTS, read_header, to_json, write_atomically
from camloss.errors import CamlossError
from camloss.twins import VARIANTS

MAPS, CURVES = "maps.png", "curves.png"
PICTURES = (MAPS, CURVES)
CARD = "README.md"

PAPER = "https://arxiv.org/abs/2109.01359"
METRICS = {  # key in the training record: the Hub's metric type, a name for people; none that needs a control beside it
    "accuracy": ("accuracy", "Accuracy"),
    "loss": ("cross_entropy", "Cross-entropy"),
    "calibration_error": ("expected_calibration_error", "Expected calibration error"),
    "cam_distance": ("cam_distance", "Distance of CAM and CAAM"),
}


def model_card(
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    source: str,
    twin: str | None = None,
    pictures: Collection[str] = (),
) -> str:
    """Write the card of one checkpoint; whatever the training record lacks, the card leaves out.

    Args:
        config: "arch" and "num_classes".
        training: the training record; see `camloss.training`.
        source: what `load_checkpoint` is given to load it: a repo id or a folder.
        twin: the repo id of the other twin.
        pictures: which of `PICTURES` lie beside the card.

    Returns:
        Markdown with a YAML block on top.
    """
    from huggingface_hub import ModelCard, ModelCardData

    results = _eval_results(training.get("test", {}))
    measured: dict[str, Any] = {"model_name": source.rpartition("/")[2], "eval_results": results} if results else {}
    data = ModelCardData(
        license="apache-2.0",
        library_name="camloss",
        pipeline_tag="image-classification",
        datasets=["mnist"],
        metrics=["accuracy"],
        tags=["pytorch", "mnist", "class-activation-map", "cam-loss", "explainability", f"arxiv:{PAPER[-10:]}"],
        **measured,
    )
    sections = [
        _introduction(config, training.get("variant", ""), twin),
        f"![Digits of the test set, their CAM and their CAAM]({MAPS})" if MAPS in pictures else "",
        _usage(source),
        _results(training.get("test", {})),
        _training(training, CURVES in pictures),
        _limits(),
    ]
    text = "\n\n".join(section for section in sections if section)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n"))


def _eval_results(test: Mapping[str, float]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="image-classification",
            task_name="Image classification",
            dataset_type="mnist",
            dataset_name="MNIST",
            dataset_split="test",
            metric_type=metric,
            metric_name=name,
            metric_value=round(test[key], 4),
        )
        for key, (metric, name) in METRICS.items()
        if key in test
    ]


def _introduction(config: Mapping[str, Any], variant: str, twin: str | None) -> str:
    paragraphs = [
        f"# Handwritten digits: {VARIANTS[variant].title}" if variant in VARIANTS else "# Handwritten digits",
        f"A small CNN (`{config['arch']}`, {config['num_classes']} classes) that says which digit was drawn and, by "
        "its class activation map (CAM), where the evidence lies. Paper: [Towards Learning Spatially Discriminative "
        f"Feature Representations]({PAPER}) (Wang et al., ICCV 2021).",
    ]
    if variant in VARIANTS:
        paragraphs.append(f"Trained with {VARIANTS[variant].learnt}.")
    if twin:
        paragraphs.append(
            f"Its twin, with the same network, initial weights and data order: [{twin}](https://huggingface.co/{twin})."
        )
    return "\n\n".join(paragraphs)


def _usage(source: str) -> str:
    return f"""## Use

With the `camloss` package installed:

```python
from PIL import Image, ImageDraw

from camloss import explain, load_checkpoint, preprocess_sketch

image = Image.new("L", (280, 280), "white")  # or Image.open(...): any drawing or photo of a digit
ImageDraw.Draw(image).line([(80, 70), (200, 70), (120, 220)], fill="black", width=20)

model = load_checkpoint("{source}")
answer = explain(model, preprocess_sketch(image))
print(f"{{int(answer.class_idx)}} with {{float(answer.probs.max()):.1%}}")
print(answer.cam.shape)  # (1, H, W) in [0, 1]: where the evidence for that digit lies
```"""


def _results(test: Mapping[str, float]) -> str:
    rows = [f"| {name} | {test[key]:.4f} |" for key, (_, name) in METRICS.items() if key in test]
    return "\n".join(["## Results on the test set", "", "| metric | value |", "| --- | ---: |", *rows]) if rows else ""


def _training(training: Mapping[str, Any], curves: bool) -> str:
    parts = []
    if settings := training.get("config"):
        parts.append("Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".")
    if history := training.get("history"):
        seconds = sum(entry["seconds"] for entry in history)
        parts.append(
            f"Epochs: {len(history)}, in {seconds:.0f} s. "
            f"Validation accuracy after the last: {history[-1]['validation_accuracy']:.2%}."
        )
    if environment := training.get("environment"):
        parts.append("Trained on: " + ", ".join(f"{name} {value}" for name, value in environment.items()) + ".")
    if curves:
        parts.append(f"![Loss and validation accuracy by epoch]({CURVES})")
    return "\n\n".join(["## Training", *parts]) if parts else ""


def _limits() -> str:
    return """## Limits

- It knows the digits 0 to 9 and nothing else: any other drawing gets a digit too, sometimes with confidence.
- It has seen digits as Americans wrote them around 1990, and drawings by rule of how others write them, such as barred
  sevens; what it has not seen it gets wrong more often.
- A class activation map shows where the evidence of the last layer lies, not why the network found it there. What is
  measured of it means little without its control: `python scripts/evaluate.py` prints both.
- Do not use it where a misread digit does harm, such as cheques or medical forms, without a person who checks."""


def files_beside(
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    source: str,
    twin: str | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The files that lie beside the weights, by name: readable copies of their header, the model card, its pictures.

    Args:
        config, training: from the header of the weight file.
        source, twin: for the card, see `model_card`.
        pictures: PNG files by name.
    """
    pictures = pictures or {}
    card = model_card(config, training, source, twin, pictures)
    return {CONFIG: to_json(config), TRAINING: to_json(training), CARD: card.encode(), **pictures}


def write_card(directory: Path, source: str, pictures: Mapping[str, bytes]) -> None:
    """Put the model card and its pictures beside the weights of a local checkpoint; arguments as for `files_beside`."""
    header = read_header(directory / WEIGHTS)
    for name, content in files_beside(header["config"], header.get("training", {}), source, pictures=pictures).items():
        write_atomically(directory / name, content)


COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LICENSES = {
    "apache-2.0",
    "mit",
}
PIPELINE_TAGS = {"image-classification", "image-feature-extraction", "image-segmentation", "image-to-text", "other"}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_model_index(value: Any) -> bool:
    """Whether every result names its task, data set and metric, and every value is a finite number."""
    try:
        return all(
            _is_text(model["name"])
            and _is_text(result["task"]["type"])
            and _is_text(result["dataset"]["type"])
            and _is_text(result["dataset"]["name"])
            and all(_is_text(metric["type"]) and math.isfinite(metric["value"]) for metric in result["metrics"])
            for model in value
            for result in model["results"]
        )
    except (KeyError, TypeError):
        return False


Rule = tuple[Callable[[Any], bool], str]
TEXT: Rule = (_is_text, "a text")
TEXTS: Rule = (_is_texts, "a list of texts")
TRUTH: Rule = (_is_truth, "true or false")


def _one_of(values: Collection[str]) -> Rule:
    return (lambda value: value in list(values)), f"one of {', '.join(sorted(values))}"


MODEL_CARD: dict[str, Rule] = {
    "language": TEXTS,
    "license": _one_of(LICENSES),
    "library_name": TEXT,
    "pipeline_tag": _one_of(PIPELINE_TAGS),
    "datasets": TEXTS,
    "metrics": TEXTS,
    "tags": TEXTS,
    "base_model": TEXT,
    "thumbnail": TEXT,
    "model-index": (_is_model_index, "results with task, dataset and finite metrics"),
}
SPACE_CARD: dict[str, Rule] = {
    "title": TEXT,
    "emoji": ((lambda value: _is_text(value) and not any(map(str.isalnum, value))), "an emoji"),
    "colorFrom": _one_of(COLORS),
    "colorTo": _one_of(COLORS),
    "sdk": _one_of({"gradio", "docker", "static"}),
    "sdk_version": ((lambda value: _is_text(value) and value.count(".") == 2), 'a quoted version such as "6.31.0"'),
    "python_version": ((lambda value: _is_text(value) and value.startswith("3.")), 'a quoted version such as "3.12"'),
    "app_file": TEXT,
    "fullWidth": TRUTH,
    "header": _one_of({"mini", "default"}),
    "short_description": ((lambda value: _is_text(value) and len(value) <= 60), "a text of 60 characters at most"),
    "license": _one_of(LICENSES),
    "models": TEXTS,
    "datasets": TEXTS,
    "tags": TEXTS,
    "thumbnail": TEXT,
    "pinned": TRUTH,
    "suggested_hardware": TEXT,
    "startup_duration_timeout": TEXT,
    "disable_embedding": TRUTH,
    "preload_from_hub": TEXTS,
}
NEEDED_BY_MODELS = ("license", "library_name", "pipeline_tag", "datasets", "tags")
NEEDED_BY_SPACES = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file")


def check_model_card(content: str) -> None:
    """Check the metadata of a model card.

    Raises:
        CamlossError: a key is missing, unknown or has a value that the Hub would refuse.
    """
    _check(content, MODEL_CARD, NEEDED_BY_MODELS, "the model card")


def check_space_card(content: str) -> None:
    """Check the metadata of a Space's README.

    Raises:
        CamlossError: a key is missing, unknown or has a value that the Hub would refuse.
    """
    _check(content, SPACE_CARD, NEEDED_BY_SPACES, "the Space's README.md")


def metadata(content: str) -> dict[str, Any]:
    """The YAML block on top of a card; {} where it has none.

    Raises:
        CamlossError: the block is not YAML, or not keys and values.
    """
    import yaml  # type: ignore[import-untyped]

    if not content.startswith("---\n"):
        return {}
    block = content[4:].partition("\n---")[0]
    try:
        data = yaml.safe_load(block)
    except yaml.YAMLError as error:
        raise CamlossError(f"the metadata of a card is not YAML ({str(error).splitlines()[0]}); mend it") from error
    if not isinstance(data, dict):
        raise CamlossError("the metadata of a card must be keys and values")
    return data


def _check(content: str, rules: Mapping[str, Rule], needed: Collection[str], name: str) -> None:
    data = metadata(content)
    if missing := [key for key in needed if key not in data]:
        raise CamlossError(f"{name} lacks {', '.join(missing)} in the YAML block on its top; add it")
    for key, value in data.items():
        if key not in rules:
            raise CamlossError(f"{name} has a key that the Hub does not know: {key}; remove or correct it")
        is_right, expected = rules[key]
        if not is_right(value):
            raise CamlossError(f"{name} has {key}: {value!r}; expected {expected}")
