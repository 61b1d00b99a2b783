"""The model card of a pair, made from training records, and a check of a Space's card that needs no network.

The Hub itself checks a card when it is pushed (https://huggingface.co/docs/hub/model-cards).
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from camloss.checkpoint import CONFIG, TRAINING, read_header, to_json, write_atomically
from camloss.errors import CamlossError, one_line
from camloss.losses import BASELINE
from camloss.pair import LOSS_SETTINGS, SIDE_BY_SIDE, described, pair_files

MAPS, CURVES = "maps.png", "curves.png"
PICTURES = (MAPS, CURVES)
CARD = "README.md"

PAPER = "https://arxiv.org/abs/2109.01359"
HUB = "https://huggingface.co"
DATASET = "ylecun/mnist"
TAGS = ("class-activation-map", "cam-loss", "explainability", f"arxiv:{PAPER[-10:]}")
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


def model_card(
    headers: Mapping[str, Mapping[str, Any]],
    source: str,
    pictures: Collection[str] = (),
    space: str | None = None,
) -> str:
    """Write the card of a pair; whatever a training record lacks, the card leaves out.

    Args:
        headers: of the weight files, by variant.
        source: what `Pair.load` is given to load it: a repo id or a folder.
        pictures: which lie beside the card: "ce/maps.png".
        space: the page that shows it, where it is published: "USER/NAME", or "USER/NAME@COMMIT", a commit from which
            the package is installed.

    Returns:
        Markdown with a YAML block on top.

    Raises:
        CamlossError: a number of a record is not finite, which the Hub would refuse.
    """
    from huggingface_hub import ModelCard, ModelCardData

    config = next(iter(headers.values()))["config"]
    records = {variant: header.get("training", {}) for variant, header in headers.items()}
    of_digits = "classes" not in config
    results = _eval_results(records, source) if of_digits else []
    measured: dict[str, Any] = {"model_name": source.rpartition("/")[2], "eval_results": results} if results else {}
    data = ModelCardData(
        license="apache-2.0" if of_digits else None,
        library_name="camloss",
        pipeline_tag="image-classification",
        datasets=[DATASET] if of_digits else None,
        metrics=["accuracy"],
        tags=["pytorch", *(["mnist"] if of_digits else []), *TAGS],
        **measured,
    )
    about = (
        [
            _introduction(config, records, space),
            *_maps(headers, pictures, "Digits"),
            _usage(source, _explained(headers), space),
            _limits(),
        ]
        if of_digits
        else _about_pictures(config, records, source, pictures, space)
    )
    cite = f"## Cite\n\n```bibtex\n{BIBTEX}\n```"
    sections = [*about[:-1], _results(records), *_training(records, pictures), about[-1], cite]
    text = "\n\n".join(section for section in sections if section)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n"))


def _about_pictures(
    config: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
    source: str,
    pictures: Collection[str],
    space: str | None,
) -> list[str]:
    """The sections of a card that say what a pair for pictures is, how it is used and, last, what it cannot do."""
    training = next(iter(records.values())).get("config", {})
    name, from_where = one_line(training.get("data", "pictures")), str(training.get("data_source", ""))
    learnt = [f"- `{v}`: {described(v).title}. Trained with {described(v).learnt}." for v in records]
    introduction = f"""# {name}: {" and ".join(described(variant).title for variant in records)}

CNNs (`{one_line(config["arch"])}`) that say which of {config["num_classes"]} classes a picture shows and, by their
class activation map (CAM), where the evidence lies. One training made them, with the same initial weights and the
same order of images; they differ in the loss only. Paper:
[Towards Learning Spatially Discriminative Feature Representations]({PAPER}) (Wang et al., ICCV 2021).

{chr(10).join(learnt)}

- Classes: {_names(config["classes"])}
- Learned from: {" ".join(from_where.split()) or name}"""
    variant = _explained(records)
    usage = f"""## Use

{_install(space)}```python
from PIL import Image

from camloss import Pair, explain
from camloss.data.pictures import fitted

pair = Pair.load("{source}")
picture = fitted(Image.open("photo.jpg"), pair.images.image_size)  # uint8, RGB: any picture that Pillow opens
answer = explain(pair["{variant}"], picture[None] / 255)
print(f"{{pair.images.classes[int(answer.class_idx)]}} with {{float(answer.probs.max()):.1%}}")
print(answer.cam.shape)  # (1, H, W) in [0, 1]: where the evidence for that class lies
```"""
    limits = f"""## Limits

- The models know their {config["num_classes"]} classes and nothing else: any other picture gets one of them too,
  sometimes with confidence.
- A picture is brought to {config["image_size"][1]}x{config["image_size"][0]} pixels, its middle if it is of other
  proportions: what is smaller, or lies outside, is not seen.
- A class activation map shows where the evidence of the last layer lies, not why the network found it there."""
    return [introduction, *_maps(records, pictures, "Pictures"), usage, limits]


def _explained(variants: Collection[str]) -> str:
    """The variant whose maps the card shows how to get: the last of those that stand side by side."""
    return [*variants][:SIDE_BY_SIDE][-1]


def _names(classes: Sequence[str]) -> str:
    return ", ".join(one_line(name) for name in classes[:100]) + (" and more" if len(classes) > 100 else "")


def _maps(records: Mapping[str, Mapping[str, Any]], pictures: Collection[str], what: str) -> list[str]:
    of = f"{what} of the {_reported_on(records)}, their CAM and their CAAM"
    return [
        f"![{of}, from {described(variant).title}]({variant}/{MAPS})"
        for variant in records
        if f"{variant}/{MAPS}" in pictures
    ]


def network_card(
    config: Mapping[str, Any],
    repo_id: str,
    data: str | None = None,
    base_model: str | None = None,
    license: str | None = None,
) -> str:
    """Write the card of one network; whatever is not known of it, the card leaves out.

    Args:
        config: the header of its checkpoint.
        repo_id: "USER/NAME".
        data, base_model: what it learned from, and which model it was fine-tuned from: of the Hub, or any text.
        license: as the Hub spells it.

    Returns:
        Markdown with a YAML block on top.
    """
    from huggingface_hub import ModelCard, ModelCardData

    on_the_hub = {name: text for name, text in (("data", data), ("base", base_model)) if text and _is_repo_id(text)}
    yaml = ModelCardData(
        license=license,
        library_name="camloss",
        pipeline_tag="image-classification",
        datasets=[on_the_hub["data"]] if "data" in on_the_hub else None,
        base_model=on_the_hub.get("base"),
        tags=["pytorch", *TAGS],
    ).to_yaml()
    arch, known = config.get("arch"), _names(config.get("classes") or ())
    facts = [
        f"- Network: `{one_line(arch)}`, as its library makes it" if arch else "- Network: its author's own",
        f"- Classes: {config['num_classes']}{f': {known}' if known else ''}",
        f"- Learned from: {_linked(data, 'datasets/')}" if data else "",
        f"- Fine-tuned from: {_linked(base_model)}" if base_model else "",
        f"- Images: {_images(config)}",
    ]
    load = f'load_checkpoint("{repo_id}")' if arch else f'load_checkpoint("{repo_id}", model=network)  # your network'
    text = f"""# {repo_id.rpartition("/")[2]}

An image classifier that says where in the image the evidence for a class lies, by its class activation map (CAM).

{chr(10).join(fact for fact in facts if fact)}

## Use

```python
from camloss import explain, load_checkpoint, overlay

model = {load}
answer = explain(model, images)  # as described above
print(answer.class_idx, answer.probs.amax(1), answer.cam.shape)
```

## Limits

- It knows its {config["num_classes"]} classes and nothing else: any other image gets one of them too, sometimes with
  confidence.
- A class activation map shows where the evidence of the last layer lies, not why the network found it there.

## Cite

```bibtex
{BIBTEX}
```"""
    return str(ModelCard(f"---\n{yaml}\n---\n\n{text}\n"))


def _is_repo_id(text: str) -> bool:
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", text, re.ASCII) is not None


def _linked(text: str, kind: str = "") -> str:
    return f"[{text}]({HUB}/{kind}{text})" if _is_repo_id(text) else " ".join(text.split())


def _images(config: Mapping[str, Any]) -> str:
    """What the network takes, in words."""
    size = config.get("image_size") or ("H", "W")
    shape = f"(N, {config.get('in_chans') or 1}, {size[0]}, {size[1]})"
    if "mean" not in config and "std" not in config:
        return shape
    channels = config.get("in_chans") or 1
    mean, std = config.get("mean") or [0.0] * channels, config.get("std") or [1.0] * channels
    return f"{shape}, pixels in [0, 1] less mean {mean}, divided by std {std}"


def _eval_results(records: Mapping[str, Mapping[str, Any]], source: str) -> list[Any]:
    from huggingface_hub import EvalResult

    results = []
    for variant, record in records.items():
        test = record.get("test", {})
        if odd := [key for key in METRICS if key in test and not math.isfinite(test[key])]:
            raise CamlossError(
                f"{source} has {odd[0]} {test[odd[0]]} of {variant}, which the Hub does not take; train it again"
            )
        results += [
            EvalResult(
                task_type="image-classification",
                task_name="Image classification",
                dataset_type=DATASET,
                dataset_name="MNIST",
                dataset_split="test",
                metric_type=metric.hub_type,
                metric_name=f"{metric.name} ({described(variant).title})",
                metric_value=round(test[key], 4),
            )
            for key, metric in METRICS.items()
            if key in test
        ]
    return results


def _introduction(config: Mapping[str, Any], variants: Collection[str], space: str | None) -> str:
    learnt = (
        f"- `{variant}`: {described(variant).title}. Trained with {described(variant).learnt}." for variant in variants
    )
    page = (space or "").partition("@")[0]
    compare = f"\n\nDraw a digit and compare them: [{page}]({HUB}/spaces/{page})." if page else ""
    shown = [described(variant).title for variant in islice(variants, SIDE_BY_SIDE)]
    return f"""# Handwritten digits: {" and ".join(shown)}

Small CNNs (`{config["arch"]}`, {config["num_classes"]} classes) that say which digit was drawn and, by their
class activation map (CAM), where the evidence lies. One training made them, with the same initial weights and the
same order of images; they differ in the loss only. Paper:
[Towards Learning Spatially Discriminative Feature Representations]({PAPER}) (Wang et al., ICCV 2021).

{chr(10).join(learnt)}{compare}"""


def _install(space: str | None) -> str:
    pinned = space is not None and "@" in space  # or it would run whatever somebody has put there since
    return f'```bash\npip install "camloss[hub] @ git+{HUB}/spaces/{space}"\n```\n\n' if pinned else ""


def _usage(source: str, variant: str, space: str | None) -> str:
    return f"""## Use

{_install(space)}```python
from PIL import Image, ImageDraw

from camloss import Pair, explain, preprocess_sketch

image = Image.new("L", (280, 280), "white")  # or Image.open(...): any drawing or photo of a digit
ImageDraw.Draw(image).line([(80, 70), (200, 70), (120, 220)], fill="black", width=20)

pair = Pair.load("{source}")  # load_checkpoint("{source}", "{variant}") loads one of its models
answer = explain(pair["{variant}"], preprocess_sketch(image))
print(f"{{int(answer.class_idx)}} with {{float(answer.probs.max()):.1%}}")
print(answer.cam.shape)  # (1, H, W) in [0, 1]: where the evidence for that digit lies
```"""


def _results(records: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of what was measured, and where the maps have their peaks."""
    tests = {variant: record["test"] for variant, record in records.items() if record.get("test")}
    if not tests:
        return ""
    rows = [
        [f"{metric.name} {metric.better}".strip(), *(_number(test.get(key)) for test in tests.values())]
        for key, metric in METRICS.items()
        if any(key in test for test in tests.values())
    ]
    lines = [["metric", *(described(variant).title for variant in tests)], ["---", *("---:" for _ in tests)], *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    peaks = "".join(f"\n\n{line}" for line in map(_peaks, records, records.values()) if line)
    arrows = "↑ higher is better, ↓ lower is better. One training each: another seed gives other numbers."
    return f"## Results on the {_reported_on(records)}\n\n{table}\n\n{arrows}{peaks}"


def _reported_on(records: Mapping[str, Mapping[str, Any]]) -> str:
    return one_line(next(iter(records.values())).get("reported_on", "test set"))


def where_top(columns: Mapping[str, Mapping[str, float]]) -> str:
    """In words, where a network's CAMs peak: its numbers first, those of what it is compared with after each.

    Args:
        columns: by name, what `camloss.data.peaks.locate_peaks` measures.
    """

    def share(key: str) -> str:
        own, *others = (numbers[key] for numbers in columns.values())
        beside = (f"{name} {value:.1%}" for name, value in zip([*columns][1:], others, strict=True))
        return f"{own:.1%} ({', '.join(beside)})"

    return (
        f"at a junction of strokes in {share('pointing_game_junction')} of the digits that have one, and in the hole "
        f"in {share('pointing_game_hole')} of the closed 0s"
    )


def _peaks(variant: str, record: Mapping[str, Any]) -> str:
    peaks = record.get("peaks", {})
    if not peaks or not all(
        {"pointing_game_junction", "pointing_game_hole"} <= set(numbers) for numbers in peaks.values()
    ):
        return ""
    return f"{described(variant).title}: the CAM of the true digit peaks {where_top(peaks)}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _training(records: Mapping[str, Mapping[str, Any]], pictures: Collection[str]) -> Iterator[str]:
    for variant, record in records.items():
        parts = []
        unused = ("data_source", *((*LOSS_SETTINGS, "teacher") if variant == BASELINE else ()))
        config, history = record.get("config", {}), record.get("history")
        if history and "alpha" in config:  # some variants have one of their own
            config = {**config, "alpha": history[-1].get("alpha", config["alpha"])}
        if settings := {name: value for name, value in config.items() if name not in unused}:
            parts.append("Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".")
        if history:
            seconds = sum(entry["seconds"] for entry in history)
            parts.append(
                f"Epochs: {len(history)}, in {seconds:.0f} s. "
                f"Validation accuracy after the last: {history[-1]['validation_accuracy']:.2%}."
            )
        if environment := record.get("environment"):
            parts.append("Trained on: " + ", ".join(f"{name} {value}" for name, value in environment.items()) + ".")
        if f"{variant}/{CURVES}" in pictures:
            parts.append(f"![Loss and validation accuracy by epoch]({variant}/{CURVES})")
        if parts:
            yield "\n\n".join([f"## Training of {described(variant).title}", *parts])


def _limits() -> str:
    return """## Limits

- The models know the digits 0 to 9 and nothing else: they predict a digit for any other drawing too, sometimes with
  confidence. If `answer.ood_score` was fitted, 0.5 or more says that the drawing may not be a digit. It finds many
  scribbles and some letters, not all.
- The training images are MNIST (American writers, around 1990) and, with `synthetic` above 0, synthetic handwriting
  in other styles, such as barred sevens. Expect more errors on other writers and styles.
- A class activation map shows where the evidence of the last layer lies, not why the network found it there. Compare
  every measure of it with its control: `camloss evaluate` prints both.
- Do not use it where a misread digit does harm, such as cheques or medical forms, without a person who checks."""


def files_beside(
    headers: Mapping[str, Mapping[str, Any]],
    source: str,
    pictures: Mapping[str, Mapping[str, bytes]],
    space: str | None = None,
) -> dict[str, bytes]:
    """The files of a pair beside its weights, by path: the model card, its pictures, readable copies of the headers.

    Args:
        headers, source, space: as for `model_card`.
        pictures: by variant, PNG files by name.

    Raises:
        CamlossError: a training record is not as `camloss.training` writes it.
    """
    shown = {f"{variant}/{name}": content for variant, files in pictures.items() for name, content in files.items()}
    try:
        card = model_card(headers, source, shown, space)
    except CamlossError:
        raise
    except Exception as error:  # a record is any JSON
        raise CamlossError(
            f"{source} has a training record that is not as training writes it ({type(error).__name__}); train it again"
        ) from error
    copies = {
        f"{variant}/{name}": to_json(header.get(key, {}))
        for variant, header in headers.items()
        for key, name in (("config", CONFIG), ("training", TRAINING))
    }
    return {CONFIG: to_json(next(iter(headers.values()))["pair"]), CARD: card.encode(), **copies, **shown}


def write_card(folder: Path, name: str, pictures: Mapping[str, Mapping[str, bytes]]) -> None:
    """Put the model card and its pictures into the folder of a pair; `name` is what the card calls the folder."""
    headers = {variant: read_header(file) for variant, file in pair_files(folder).items()}
    for path, content in files_beside(headers, name, pictures).items():
        write_atomically(folder / path, content)


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
