"""Model cards made from training records, and a check of a Space's card that needs no network.

The Hub itself checks a card when it is pushed (https://huggingface.co/docs/hub/model-cards).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from camloss.checkpoint import CONFIG, TRAINING, WEIGHTS, read_header, to_json, write_atomically
from camloss.errors import CamlossError
from camloss.pair import LOSS_SETTINGS, VARIANTS

MAPS, CURVES = "maps.png", "curves.png"
PICTURES = (MAPS, CURVES)
MAPS_OF_PAIR = {variant: f"maps-of-{variant}.png" for variant in VARIANTS}
CARD = "README.md"

PAPER = "https://arxiv.org/abs/2109.01359"
HUB = "https://huggingface.co"
DATASET = "ylecun/mnist"
BIBTEX = """@inproceedings{wang2021cam,
  title     = {Towards Learning Spatially Discriminative Feature Representations},
  author    = {Wang, Chaofei and Xiao, Jiayu and Han, Yizeng and Yang, Qisen and Song, Shiji and Huang, Gao},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision (ICCV)},
  year      = {2021}
}"""


class Metric(NamedTuple):
    """One number of the training record, as a card shows it."""

    hub_type: str
    name: str
    better: str
    """An arrow that points to what is better; empty where neither is."""


METRICS = {  # by the key in the training record; none that needs a control beside it
    "accuracy": Metric("accuracy", "Accuracy", "↑"),
    "loss": Metric("cross_entropy", "Cross-entropy", "↓"),
    "calibration_error": Metric("expected_calibration_error", "Expected calibration error", "↓"),
    "cam_distance": Metric("cam_distance", "Distance of CAM and CAAM", ""),
}


class Place(NamedTuple):
    """Where a model is published, and what belongs to it there."""

    repo_id: str
    variant_ids: tuple[str, ...]
    """Where the others are."""
    space_id: str
    """The page that shows them all; the package is installed from there."""


def model_card(
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    source: str,
    pictures: Collection[str] = (),
    *,
    place: Place | None = None,
    pair: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the card of one checkpoint; whatever the training record lacks, the card leaves out.

    Args:
        config: "arch" and "num_classes".
        training: the training record; see `camloss.training`.
        source: what `load_checkpoint` is given to load it: a repo id or a folder.
        pictures: which of `PICTURES` and `MAPS_OF_PAIR` lie beside the card.
        place: where it is published, if it is.
        pair: the training records of the others.

    Returns:
        Markdown with a YAML block on top.

    Raises:
        CamlossError: a number of the record is not finite, which the Hub would refuse.
    """
    from huggingface_hub import ModelCard, ModelCardData

    test = training.get("test", {})
    if odd := [key for key in METRICS if key in test and not math.isfinite(test[key])]:
        raise CamlossError(f"{source} has {odd[0]} {test[odd[0]]}, which the Hub does not take; train it again")
    results = _eval_results(test)
    measured: dict[str, Any] = {"model_name": source.rpartition("/")[2], "eval_results": results} if results else {}
    data = ModelCardData(
        license="apache-2.0",
        library_name="camloss",
        pipeline_tag="image-classification",
        datasets=[DATASET],
        metrics=["accuracy"],
        tags=["pytorch", "mnist", "class-activation-map", "cam-loss", "explainability", f"arxiv:{PAPER[-10:]}"],
        **measured,
    )
    sections = [
        _introduction(config, training.get("variant", ""), place),
        f"![Digits of the test set, their CAM and their CAAM]({MAPS})" if MAPS in pictures else "",
        *(
            f"The same from its twin, {VARIANTS[variant].title}:\n\n"
            f"![The same digits, their CAM and CAAM from {VARIANTS[variant].title}]({name})"
            for variant, name in MAPS_OF_PAIR.items()
            if name in pictures
        ),
        _usage(source, place),
        _results(training, pair),
        _peaks(training),
        _training(training, CURVES in pictures),
        _limits(),
        f"## Cite\n\n```bibtex\n{BIBTEX}\n```",
    ]
    text = "\n\n".join(section for section in sections if section)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n"))


def _eval_results(test: Mapping[str, float]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="image-classification",
            task_name="Image classification",
            dataset_type=DATASET,
            dataset_name="MNIST",
            dataset_split="test",
            metric_type=metric.hub_type,
            metric_name=metric.name,
            metric_value=round(test[key], 4),
        )
        for key, metric in METRICS.items()
        if key in test
    ]


def _introduction(config: Mapping[str, Any], variant: str, place: Place | None) -> str:
    paragraphs = [
        f"# Handwritten digits: {VARIANTS[variant].title}" if variant in VARIANTS else "# Handwritten digits",
        f"A small CNN (`{config['arch']}`, {config['num_classes']} classes) that says which digit was drawn and, by "
        "its class activation map (CAM), where the evidence lies. Paper: [Towards Learning Spatially Discriminative "
        f"Feature Representations]({PAPER}) (Wang et al., ICCV 2021).",
    ]
    if variant in VARIANTS:
        paragraphs.append(f"Trained with {VARIANTS[variant].learnt}.")
    if place:
        pair = ", ".join(f"[{twin}]({HUB}/{twin})" for twin in place.variant_ids)
        paragraphs.append(
            f"{'Its twin' if len(place.variant_ids) == 1 else 'Its twins'}, with the same network, initial weights and "
            f"data order: {pair}. Draw a digit and compare them: [{place.space_id}]({HUB}/spaces/{place.space_id})."
        )
    return "\n\n".join(paragraphs)


def _usage(source: str, place: Place | None) -> str:
    package = f"git+{HUB}/spaces/{place.space_id}" if place else ""
    install = f'```bash\npip install "camloss[hub] @ {package}"\n```\n\n' if place else ""
    return f"""## Use

{install}```python
from PIL import Image, ImageDraw

from camloss import explain, load_checkpoint, preprocess_sketch

image = Image.new("L", (280, 280), "white")  # or Image.open(...): any drawing or photo of a digit
ImageDraw.Draw(image).line([(80, 70), (200, 70), (120, 220)], fill="black", width=20)

model = load_checkpoint("{source}")
answer = explain(model, preprocess_sketch(image))
print(f"{{int(answer.class_idx)}} with {{float(answer.probs.max()):.1%}}")
print(answer.cam.shape)  # (1, H, W) in [0, 1]: where the evidence for that digit lies
```"""


def _results(training: Mapping[str, Any], pair: Sequence[Mapping[str, Any]]) -> str:
    """A table of what was measured, the twins' numbers beside its own where they are known."""
    if not training.get("test"):
        return ""
    others = [record for record in pair if record.get("test")]
    columns = [training, *others]
    names = [f"this: {_title(training)}", *(f"its twin: {_title(record)}" for record in others)]
    header = names if others else ["value"]
    rows = [
        [f"{metric.name} {metric.better}".strip(), *(_number(record["test"].get(key)) for record in columns)]
        for key, metric in METRICS.items()
        if key in training["test"]
    ]
    lines = [["metric", *header], ["---", *("---:" for _ in columns)], *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"## Results on the test set\n\n{table}\n\n↑ higher is better, ↓ lower is better."


def where_top(columns: Mapping[str, Mapping[str, float]]) -> str:
    """In words, where a network's maps are hottest: its numbers first, those of what it is compared with after each.

    Args:
        columns: by name, what `camloss.study.evaluation.locate` measures.
    """

    def share(key: str) -> str:
        own, *others = (numbers[key] for numbers in columns.values())
        beside = (f"{name} {value:.1%}" for name, value in zip([*columns][1:], others, strict=True))
        return f"{own:.1%} ({', '.join(beside)})"

    return (
        f"hottest where strokes meet in {share('peak_near_junction')} of the digits whose strokes do, and in the hole "
        f"in {share('peak_in_hole')} of the closed 0s"
    )


def _peaks(training: Mapping[str, Any]) -> str:
    peaks = training.get("peaks", {})
    if not peaks or not all({"peak_near_junction", "peak_in_hole"} <= set(numbers) for numbers in peaks.values()):
        return ""
    return f"Its CAM of the true digit is {where_top(peaks)}."


def _title(record: Mapping[str, Any]) -> str:
    variant = record.get("variant", "")
    return VARIANTS[variant].title if variant in VARIANTS else "no variant"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _training(training: Mapping[str, Any], curves: bool) -> str:
    parts = []
    variant = VARIANTS.get(training.get("variant", ""))
    unused = LOSS_SETTINGS if variant and variant.loss(1.0).alpha == 0 else ()
    if settings := {name: value for name, value in training.get("config", {}).items() if name not in unused}:
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
  `answer.ood_score`, where it was fitted, says at 0.5 or more that it may be none: of many letters and scribbles, not
  of all.
- It has seen digits as Americans wrote them around 1990, and drawings by rule of how others write them, such as barred
  sevens; what it has not seen it gets wrong more often.
- A class activation map shows where the evidence of the last layer lies, not why the network found it there. What is
  measured of it means little without its control: `python scripts/evaluate.py` prints both.
- Do not use it where a misread digit does harm, such as cheques or medical forms, without a person who checks."""


def files_beside(
    header: Mapping[str, Any],
    source: str,
    pictures: Mapping[str, bytes],
    *,
    place: Place | None = None,
    pair: Sequence[Mapping[str, Any]] = (),
) -> dict[str, bytes]:
    """The files that lie beside the weights, by name: readable copies of their header, the model card, its pictures.

    Args:
        header: of the weight file.
        source, place, pair: for the card, see `model_card`.
        pictures: PNG files by name.

    Raises:
        CamlossError: the training record is not as `camloss.training` writes it.
    """
    config, training = header["config"], header.get("training", {})
    try:
        card = model_card(config, training, source, pictures, place=place, pair=pair)
    except CamlossError:
        raise
    except Exception as error:  # a record is any JSON
        raise CamlossError(
            f"{source} has a training record that is not as training writes it ({type(error).__name__}); train it again"
        ) from error
    return {CONFIG: to_json(config), TRAINING: to_json(training), CARD: card.encode(), **pictures}


def write_card(directory: Path, source: str, pictures: Mapping[str, bytes]) -> None:
    """Put the model card and its pictures beside the weights of a local checkpoint; arguments as for `files_beside`."""
    for name, content in files_beside(read_header(directory / WEIGHTS), source, pictures).items():
        write_atomically(directory / name, content)


def pictures_in(directory: Path) -> dict[str, bytes]:
    """The pictures of a card that lie in a folder, by name."""
    return {name: (directory / name).read_bytes() for name in PICTURES if (directory / name).is_file()}


NEEDED_BY_SPACES = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file")
QUOTED = ("sdk_version", "python_version")  # without quotes YAML reads 3.10 as 3.1
LONGEST = {"short_description": 60}


def check_space_card(content: str) -> None:
    """Check what a Space's README tells the Hub, as far as that goes offline: a dry run finds it, and no upload fails.

    Raises:
        CamlossError: a key is missing, a version is a number, or a text is too long for the Hub.
    """
    data = metadata(content)
    if missing := [key for key in NEEDED_BY_SPACES if not data.get(key)]:
        raise CamlossError(f"the Space's card lacks {', '.join(missing)} in the YAML block on its top; add it")
    for key in QUOTED:
        if not isinstance(data[key], str):
            raise CamlossError(f'the Space\'s card has {key}: {data[key]}; expected it in quotes, such as "3.12"')
    for key, longest in LONGEST.items():
        if len(str(data.get(key, ""))) > longest:
            raise CamlossError(f"the Space's card has a {key} of more than {longest} characters; shorten it")


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
