"""What the Images tab and its API answer: the same numbers as `explain`, and one line for what cannot be answered."""

import base64
import io
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_images import CLASSES, MEAN, SIZE, picture_of, text_of, write_image_pair
from PIL import Image
from torch.nn import functional as F

from camloss import CamlossError, explain
from camloss.data.pictures import fitted
from camloss.demo import images, inference
from camloss.demo.examples import examples_in, title_of
from camloss.pair import Pair


@pytest.fixture(scope="module")
def image_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair.load(write_image_pair(tmp_path_factory.mktemp("images")))


def seen_of(picture: Image.Image) -> torch.Tensor:
    return fitted(picture, (SIZE, SIZE))[None].float() / 255


def evidence_order(evidence: torch.Tensor) -> list[int]:
    return evidence.flatten().argsort(descending=True, stable=True).tolist()


def without(image: torch.Tensor, positions: list[int], size: torch.Size) -> torch.Tensor:
    """An image whose cells at these positions have the mean colour."""
    image = image.clone()
    height, width = image.shape[-2] // size[0], image.shape[-1] // size[1]
    for position in positions:
        row, column = divmod(position, size[1])
        cell = image[0, :, row * height : (row + 1) * height, column * width : (column + 1) * width]
        cell[:] = torch.tensor(MEAN).view(3, 1, 1)
    return image


@pytest.mark.parametrize("other", [None, 2])
def test_an_answer_says_what_explain_says(image_pair: Pair, other: int | None) -> None:
    answer = images.answer(image_pair, text_of("disc"), class_idx=1, other_idx=other)
    assert answer["classes"] == list(CLASSES)
    assert answer["source"] == image_pair.source
    assert answer["map_size"] == [SIZE // 8, SIZE // 8]
    for variant, model in image_pair.models.items():
        said, truth = answer[variant], explain(model, seen_of(picture_of("disc")), 1, other)
        assert said["predicted"] == int(truth.probs.argmax())
        assert (said["class_idx"], said["other_idx"]) == (1, other)
        torch.testing.assert_close(torch.tensor(said["probs"]), truth.probs[0], atol=1e-6, rtol=0)
        maps = {"cam": truth.cam, "caam": truth.caam, **({} if other is None else {"contrast": truth.contrast})}
        for name, expected in maps.items():
            assert expected is not None
            torch.testing.assert_close(torch.tensor(said[name]), expected[0], atol=5.1e-4, rtol=0)
        assert said["similarity"] == pytest.approx(1 - float(truth.distance), abs=1e-4)
        shown = truth.cam if truth.contrast is None else truth.contrast.clamp_min(0)
        upsampled = F.interpolate(shown[None].double(), (SIZE, SIZE), mode="bilinear")
        above = (upsampled >= shown.max() / 2).double().mean()
        assert said["area_above_half"] == pytest.approx(float(above), abs=1e-4)
        assert "loss" not in said


def test_each_model_explains_what_it_predicts_unless_asked(image_pair: Pair) -> None:
    answer = images.answer(image_pair, text_of("disc"))
    for variant in image_pair.variants:
        assert answer[variant]["class_idx"] == answer[variant]["predicted"]
        assert answer[variant]["contrast"] is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_frame_is_the_middle_of_the_picture(image_pair: Pair, kind: str) -> None:
    assert images.answer(image_pair, text_of("disc", kind))["frame"] == [15, 0, 90, 90]


def test_what_is_transparent_is_white(image_pair: Pair) -> None:
    clear, white = Image.new("RGBA", (64, 64), (10, 200, 10, 0)), Image.new("RGB", (64, 64), "white")
    assert images.answer(image_pair, encoded(clear)) == images.answer(image_pair, encoded(white))


def encoded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


# ---- erasing


def test_erasing_takes_the_top_positions_of_each_map(image_pair: Pair) -> None:
    answer = images.answer(image_pair, text_of("disc"), erase=0.25)
    for variant, model in image_pair.models.items():
        image = seen_of(picture_of("disc"))
        whole = explain(model, image)
        before, size = int(whole.probs.argmax()), whole.cam[0].shape
        erased = evidence_order(whole.cam[0])[: round(0.25 * size.numel())]
        now = explain(model, without(image, erased, size))
        said, loss = answer[variant], answer[variant]["loss"]
        assert torch.tensor(loss["mask"]).flatten().nonzero().flatten().tolist() == sorted(erased)
        assert loss["before"] == before
        assert loss["top"]["now"] == said["predicted"] == int(now.probs.argmax())
        assert loss["top"]["prob"] == pytest.approx(float(now.probs[0, before]), abs=1e-5)
        torch.testing.assert_close(torch.tensor(said["cam"]), now.cam[0], atol=5.1e-4, rtol=0)


def test_erasing_goes_by_the_evidence_that_is_shown(image_pair: Pair) -> None:
    answer = images.answer(image_pair, text_of("disc"), class_idx=0, other_idx=2, erase=0.25)
    for variant, model in image_pair.models.items():
        contrast = explain(model, seen_of(picture_of("disc")), 0, 2).contrast
        assert contrast is not None
        mask = torch.tensor(answer[variant]["loss"]["mask"]).flatten()
        assert mask.nonzero().flatten().tolist() == sorted(evidence_order(contrast[0].clamp_min(0))[:9])


def test_the_controls_erase_as_many_positions(image_pair: Pair) -> None:
    model = image_pair["ce"]
    image = seen_of(picture_of("disc"))
    whole = explain(model, image)
    size = whole.cam[0].shape
    loss = images.answer(image_pair, text_of("disc"), erase=0.1)["ce"]["loss"]  # 4 of 36: the middle ones
    center = [2 * 6 + 2, 2 * 6 + 3, 3 * 6 + 2, 3 * 6 + 3]
    probs = explain(model, without(image, center, size)).probs[0]
    assert loss["middle"]["now"] == int(probs.argmax())
    assert loss["middle"]["prob"] == pytest.approx(float(probs[loss["before"]]), abs=1e-5)


def test_a_hole_of_the_same_shape_is_made_elsewhere(image_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = images.answer(image_pair, text_of("disc"), erase=0.1)
    for variant, model in image_pair.models.items():
        eraser = images.Eraser(model, seen_of(picture_of("disc")), explain(model, seen_of(picture_of("disc"))), 0.1)
        asked: list[torch.Tensor] = []
        make = eraser.without
        monkeypatch.setattr(eraser, "without", lambda mask, asked=asked, make=make: asked.append(mask) or make(mask))
        loss = eraser.loss(explain(model, make(eraser.top)), inference.as_lists)
        assert loss == answer[variant]["loss"]  # the same places each time
        shifted = {
            tuple(eraser.top.roll(by, (0, 1)).flatten().tolist()) for by in itertools.product(range(6), repeat=2)
        }
        moved = asked[: images.DRAWS]
        assert len({tuple(mask.flatten().tolist()) for mask in moved}) == loss["elsewhere"]["draws"] == 5
        assert {tuple(mask.flatten().tolist()) for mask in moved} <= shifted
        assert not any(mask.equal(eraser.top) for mask in moved)
        probs = [explain(model, make(mask)).probs[0] for mask in moved]
        assert loss["elsewhere"]["kept"] == sum(int(prob.argmax()) == loss["before"] for prob in probs)
        mean = sum(float(prob[loss["before"]]) for prob in probs) / 5
        assert loss["elsewhere"]["prob"] == pytest.approx(mean, abs=1e-5)


def test_positions_from_the_middle() -> None:
    order = images.from_the_middle(3, 5).tolist()
    assert order[0] == 7
    assert set(order[1:3]) == {6, 8}
    assert sorted(order) == list(range(15))


def test_nothing_is_erased_of_a_share_of_zero(image_pair: Pair) -> None:
    assert images.answer(image_pair, text_of("disc"), erase=0) == images.answer(image_pair, text_of("disc"))


def test_a_mask_in_bytes_is_0_or_254(image_pair: Pair) -> None:
    answer = images.answer(image_pair, text_of("disc"), erase=0.5, encode=inference.as_bytes)
    assert sorted(set(base64.b64decode(answer["cam"]["loss"]["mask"]))) == [0, 254]


# ---- what cannot be answered


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"picture": None}, "the picture is NoneType; send the image file as base64 text"),
        ({"picture": "?"}, "the picture is not base64"),
        ({"picture": base64.b64encode(b"no picture").decode()}, "the picture is none of PNG, JPEG, WEBP"),
        ({"class_idx": 3}, "class 3 is not one of the models'; expected a whole number from 0 to 2"),
        ({"class_idx": True}, "class True is not one of the models'"),
        ({"other_idx": -1}, "class -1 is not one of the models'"),
        ({"class_idx": 1, "other_idx": 1}, "1 cannot be contrasted with itself; name another class"),
        ({"erase": 0.6}, "erase is 0.6; expected a share of the positions from 0 to 0.5"),
        ({"erase": -0.1}, "erase is -0.1; expected a share"),
        ({"erase": float("nan")}, "erase is nan; expected a share"),
        ({"erase": "0.1"}, "erase is '0.1'; expected a share"),
        ({"erase": True}, "erase is True; expected a share"),
    ],
)
def test_wrong_questions_are_answered_in_one_line(image_pair: Pair, question: dict[str, Any], words: str) -> None:
    with pytest.raises(CamlossError) as refusal:
        images.answer(image_pair, **{"picture": text_of("disc"), **question})
    assert str(refusal.value).startswith(words)
    assert "\n" not in str(refusal.value)


# ---- examples


def test_a_pair_carries_pictures_to_try(tmp_path: Path) -> None:
    folder = write_image_pair(tmp_path)
    (folder / "examples" / "notes.txt").write_text("no picture", encoding="utf-8")
    (folder / "examples" / ".hidden.jpg").write_bytes(b"no picture")
    examples = examples_in(folder)
    assert [example.title for example in examples] == sorted(CLASSES)
    assert [example.file.media_type for example in examples] == ["image/jpeg"] * 3
    assert len({example.name for example in examples}) == 3
    assert examples_in(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("stem", "title"), [("hat", "hat"), ("long-sleeve-2", "long sleeve"), ("t_shirt 12", "t shirt"), ("007", "007")]
)
def test_an_example_is_called_as_its_file(stem: str, title: str) -> None:
    assert title_of(stem) == title
