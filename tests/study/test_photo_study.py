"""The study on photographs: what is done to pictures, what is measured, and the command on made-up ones."""

import contextlib
import io
from dataclasses import fields, replace
from pathlib import Path

import datasets
import pytest
import torch
from pictures import CLASSES, as_hub_data_set, write_photos, write_pictures
from torch import Tensor

from camloss.commands import study
from camloss.data.dataset import Dataset
from camloss.diagnose import Diagnosis
from camloss.errors import CamlossError
from camloss.models import small_resnet
from camloss.split import Split
from camloss.study.photo_measures import MAPS_WITHOUT_A_NETWORK, locate, next_of_class, survey
from camloss.study.photo_recipes import RECIPES, cutmix
from camloss.study.photo_study import PHOTO_METHODS, methods_for
from camloss.study.photos import Scenes, corrupted, load_photos, others, possible
from camloss.study.runs import Records
from camloss.study.statistics import PICTURES, Results

SIDE, LARGE = 16, 28
BOX = (4, 4, 11, 11)


@pytest.fixture
def scenes() -> Scenes:
    """Pictures whose grey is their number, of two classes, with a white object in the box; black backgrounds."""
    images = (10 * torch.arange(1, 13, dtype=torch.uint8)).view(-1, 1, 1, 1).repeat(1, 3, SIDE, SIDE)
    images[:, :, 4:12, 4:12] = 255
    boxes = torch.tensor(BOX).repeat(12, 1)
    boxes[0] = torch.tensor([0, 0, 15, 15])  # all of the picture
    boxes[1] = torch.tensor([3, 0, 3, 15])  # a line
    return Scenes(
        Split(images, torch.arange(12) % 2), boxes, torch.zeros(3, 3, SIDE, SIDE, dtype=torch.uint8), (0.5,) * 3
    )


def test_large_boxes_and_slivers_are_not_counted(scenes: Scenes) -> None:
    assert scenes.counted.tolist() == list(range(2, 12))
    assert len(replace(scenes, boxes=None).counted) == 0


def test_pictures_lie_in_the_middle_of_a_larger_canvas(scenes: Scenes) -> None:
    for name in ("canvas", "fragments", "scene"):
        pictures, made_from = corrupted(name, scenes)
        assert pictures.shape == (12, 3, LARGE, LARGE)
        assert made_from.tolist() == list(range(12))
        assert torch.equal(pictures[:, :, 6:22, 6:22], scenes.split.images)
    canvas, fragments, scene = (corrupted(name, scenes)[0] for name in ("canvas", "fragments", "scene"))
    assert canvas[:, :, 0].unique().tolist() == [128]
    assert scene[:, :, 0].unique().tolist() == [0]
    for picture, label in zip(fragments, scenes.split.labels, strict=True):
        greys = (set(picture[0, 0].tolist()) | set(picture[0, :, 0].tolist())) - {255}
        assert all((grey // 10 - 1) % 2 != label for grey in greys)  # of the other class alone


def test_the_background_is_replaced_and_the_box_stays(scenes: Scenes) -> None:
    pictures, made_from = corrupted("background", scenes)
    assert made_from.tolist() == list(range(2, 12))
    for picture, number in zip(pictures, made_from.tolist(), strict=True):
        assert picture[:, 4:12, 4:12].unique().tolist() == [255]
        (grey,) = set(picture[0, 0].tolist()) - {255}
        assert (grey // 10 - 1) % 2 != number % 2


def test_a_box_alone_lies_somewhere_in_a_scene(scenes: Scenes) -> None:
    pictures, _ = corrupted("box_in_scene", scenes)
    assert (pictures == 255).sum((1, 2, 3)).tolist() == [3 * 64] * 10
    assert (pictures == 0).sum((1, 2, 3)).tolist() == [3 * (SIDE * SIDE - 64)] * 10
    corners = {tuple((picture[0] == 255).nonzero()[0].tolist()) for picture in pictures}
    assert len(corners) > 3


def test_every_network_meets_the_same_pictures(scenes: Scenes) -> None:
    for name in possible(scenes):
        assert torch.equal(corrupted(name, scenes)[0], corrupted(name, scenes)[0])


def test_what_needs_boxes_or_backgrounds_is_left_out_without_them(scenes: Scenes) -> None:
    assert possible(replace(scenes, boxes=None, backgrounds=None)) == ["canvas", "fragments"]
    assert possible(replace(scenes, boxes=None)) == ["canvas", "fragments", "scene"]
    assert possible(replace(scenes, backgrounds=None)) == ["canvas", "fragments", "background"]


def test_others_are_of_another_class() -> None:
    labels = torch.tensor([0] * 50 + [1])
    found = others(labels, torch.Generator().manual_seed(0))
    assert bool((labels[found] != labels).all())
    with pytest.raises(CamlossError, match="all of one class"):
        others(torch.zeros(5, dtype=torch.int64), torch.Generator())
    assert next_of_class(torch.tensor([0, 1, 0, 1, 2])).tolist() == [2, 3, 0, 1, 4]


def test_a_map_of_the_box_is_measured_as_perfect(scenes: Scenes) -> None:
    maps = torch.zeros(10, SIDE, SIDE)
    maps[:, 4:12, 4:12] = 1
    found = locate(maps, scenes, None)
    assert found["box_share"] == 0.25
    assert (found["top_precision_10"], found["pointing_game"], found["box_accuracy"]) == (1, 1, 1)
    away = locate(maps.roll(8, 2), scenes, found["box_threshold"])
    assert away["pointing_game"] == away["box_accuracy"] == 0
    centre = locate(MAPS_WITHOUT_A_NETWORK["centred-gaussian"](scenes.split.images[scenes.counted]), scenes, None)
    assert centre["pointing_game"] == 1


def test_a_survey_says_everything_that_the_data_allow(scenes: Scenes) -> None:
    model = small_resnet(2).eval()
    found = survey(model, scenes)
    assert {"accuracy", "fragments", "background", "box_accuracy", "diagnosis_distance"} <= found.keys()
    assert survey(model, scenes, 0.3)["box_threshold"] == 0.3
    without = survey(model, replace(scenes, boxes=None, backgrounds=None))
    assert not {"scene", "background", "top_precision_10"} & without.keys()


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if "vary" in recipe])
def test_a_recipe_changes_pictures_the_same_way_for_one_seed(name: str) -> None:
    images, vary = torch.rand(8, 3, 32, 32), RECIPES[name]["vary"]
    one, other = (vary(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, images)
    assert len(one) == 8
    assert 0 <= one.min() <= one.max() <= 1


def test_cutmix_mixes_labels_by_the_share_of_the_pixels() -> None:
    images = torch.arange(4.0).view(-1, 1, 1, 1).expand(4, 3, 32, 32)
    mixed, probs = cutmix(images, torch.eye(4), torch.Generator().manual_seed(0))
    assert not torch.equal(probs, torch.eye(4))
    for picture, row in zip(mixed, probs, strict=True):
        shares = torch.stack([(picture[0] == number).float().mean() for number in range(4)])
        assert torch.allclose(shares, row, atol=1e-6)


def test_alphas_that_the_protocol_has_not_are_methods_too() -> None:
    assert methods_for([0.0, 3.0, 2.5])["alpha-2.5"].alpha == 2.5
    assert methods_for([0.0, 3.0]) == PHOTO_METHODS


def run(*words: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        study.main(words)
    return printed.getvalue()


def test_names_part_test_from_validation(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos")
    photos = load_photos(folder, 32, "[01].png")
    assert (len(photos.test.split), len(photos.validation.split)) == (6, 12)
    assert isinstance(photos.data, Dataset)
    assert photos.data.reported_on == "test set"
    assert torch.equal(photos.data.test.images, photos.test.split.images)
    assert photos.data.class_names == CLASSES
    inside = [photo_inside_box(photos.test, number) for number in range(6)]
    assert all(inside)
    with pytest.raises(CamlossError, match="all or none are named"):
        load_photos(folder, 32, "nothing*")


def photo_inside_box(scenes: Scenes, number: int) -> bool:
    """Whether all that differs from the grey ground lies in the box, or at its edge, which scaling blurs."""
    assert scenes.boxes is not None
    x_min, y_min, x_max, y_max = scenes.boxes[number].tolist()
    differs: Tensor = (scenes.split.images[number].int() - 120).abs().amax(0) > 40
    rows, columns = differs.nonzero().unbind(1)
    return bool(
        (rows >= y_min - 1).all() and (rows <= y_max + 1).all() and (columns >= x_min - 1).all()
        and (columns <= x_max + 1).all()
    )  # fmt: skip


def test_a_broken_background_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_photos(tmp_path)
    (folder / "backgrounds" / "plain" / "1.png").write_bytes(b"no picture")
    photos = load_photos(folder, 32)
    assert [
        len(scenes.backgrounds) for scenes in (photos.validation, photos.test) if scenes.backgrounds is not None
    ] == [
        2,
        1,
    ]
    assert "1.png cannot be read (UnidentifiedImageError)" in capsys.readouterr().err


def test_the_command_picks_an_alpha_on_any_folder(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos")
    words = ("--data", str(folder), "--output-dir", str(tmp_path / "runs"), "--size", "32", "--epochs", "2")
    printed = run(*words, "--alphas", "0", "2", "--seeds", "1", "--heartbeat", "1")
    assert "of 2 runs 2 are trained here and 2 have a record" in printed
    assert "| fragments " in printed
    assert "| box_accuracy " in printed
    assert "chosen: CAM-loss at alpha 2" in printed or "stay with cross-entropy" in printed
    records = Records(tmp_path / "runs" / "records.jsonl").read()
    assert set(records) == {"ce-seed-0", "alpha-2-seed-0", "centred-gaussian-seed-0", "edge-energy-seed-0"}
    assert "edge-energy, 1 seed" in printed
    assert (
        records["alpha-2-seed-0"]["test"]["box_threshold"] == records["alpha-2-seed-0"]["validation"]["box_threshold"]
    )
    assert str(folder) not in (tmp_path / "runs" / "records.jsonl").read_text(encoding="utf-8")
    assert "epoch" not in run(*words, "--alphas", "0", "2", "--seeds", "1")


@pytest.mark.parametrize(
    ("accuracy", "fragments", "expected"),
    [
        (0.9, 0.5, "chosen: CAM-loss at alpha 3, of those that cost at most 1 percentage point of accuracy"),
        (0.9, 0.4, "stay with cross-entropy: CAM-loss at alpha 3, of those that cost at most 1 percentage point"),
        (0.8, 0.5, "every alpha costs more than 1 percentage point of accuracy: stay with cross-entropy, or"),
    ],
)
def test_an_alpha_is_chosen_where_it_helps(tmp_path: Path, accuracy: float, fragments: float, expected: str) -> None:
    records = Records(tmp_path / "records.jsonl")
    diagnosis = {f"diagnosis_{field.name}": 1.0 for field in fields(Diagnosis)}
    for method, numbers in {"ce": (0.9, 0.4), "alpha-3": (accuracy, fragments)}.items():
        measured = {"accuracy": numbers[0], "fragments": numbers[1], **diagnosis}
        records.write({"method": method, "seed": 0, "validation": measured, "test": measured})
    assert expected in study.which_alpha(Results(records.path, PICTURES))


def test_the_command_takes_other_pictures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the Hub: what needs boxes or backgrounds is left out."""
    found = as_hub_data_set(write_pictures(tmp_path / "photos", train=10, val=6), tmp_path / "hub")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: found)
    words = ("--data", "hf:user/shapes", "--output-dir", str(tmp_path / "runs"), "--size", "32", "--epochs", "1")
    printed = run(*words, "--alphas", "0", "2", "--alpha-start-epoch", "0", "--seeds", "1")
    assert "of 2 runs 2 are trained here and 2 have a record" in printed
    assert "| fragments " in printed
    assert "box_accuracy" not in printed
    assert {record["config"]["data"] for record in Records(tmp_path / "runs" / "records.jsonl").read().values()} == {
        "user/shapes"
    }
    with pytest.raises(CamlossError, match="--test-names is for --data FOLDER; hf:user/shapes has no names"):
        study.main([*words, "--test-names", "val_*"])


def test_boxes_of_broken_pictures_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_pictures(write_photos(tmp_path / "photos"), train=1, val=40)
    (folder / "val" / "disc" / "7.png").write_bytes(b"no picture")
    assert load_photos(folder, 32).test.boxes is None
    assert "boxes.csv is left out: it needs a val or test in" in capsys.readouterr().err


def test_flags_of_the_other_kind_of_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="--alphas and --test-names are for --data FOLDER"):
        study.main(["--alphas", "1", "--output-dir", str(tmp_path)])
    with pytest.raises(CamlossError, match="unknown method 'maximum'"):
        study.main(["--data", str(tmp_path), "--methods", "maximum"])
