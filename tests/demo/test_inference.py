"""What strangers may send, and what they get: checks, geometry, and the same numbers as `explain`."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from drawn import SEVEN, drawn, encoded
from page_server import WEB
from PIL import Image
from recorded import AGAIN, RECORDED, answers
from torch.nn import functional as F

from camloss import CamlossError, caam, cam, explain, min_max_normalize
from camloss.demo import inference
from camloss.demo.safe_images import MAX_TEXT, open_picture
from camloss.demo.worker_pools import pool_for
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import PenStroke, write_strokes
from camloss.metrics import stroke_energy
from camloss.pair import Pair


def numbers(text: str, low: float = 0.0) -> torch.Tensor:
    """The inverse of `as_bytes`, flat."""
    return low + torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8) / 254 * (1 - low)


def test_look_says_what_explain_says(pair: Pair) -> None:
    answer = inference.answer(pair, SEVEN, class_idx=3, other_idx=5)
    sketch = prepare_sketch(drawn())
    assert sketch is not None
    for variant, model in (("ce", pair["ce"]), ("cam", pair["cam"])):
        said, truth = answer[variant], explain(model, sketch.pixels, 3, 5)
        assert said["class_idx"] == 3
        assert said["other_idx"] == 5
        assert said["digit"] == int(truth.probs.argmax())
        assert truth.contrast is not None
        torch.testing.assert_close(torch.tensor(said["probs"]), truth.probs[0], atol=1e-6, rtol=0)
        for name, expected in (("cam", truth.cam), ("caam", truth.caam), ("contrast", truth.contrast)):
            torch.testing.assert_close(torch.tensor(said[name]), expected[0], atol=5.1e-4, rtol=0)
        assert said["similarity"] == pytest.approx(1 - float(truth.distance), abs=1e-4)
    assert answer["map_size"] == [14, 14]
    assert answer["source"] == pair.source
    torch.testing.assert_close(torch.tensor(answer["seen"]), sketch.pixels[0, 0], atol=5.1e-4, rtol=0)


def test_a_map_of_zeros_has_no_area() -> None:
    assert inference._area_above_half(torch.zeros(1, 14, 14), (28, 28)) == 0.0


@pytest.mark.parametrize("other", [None, 5])
def test_what_is_measured_is_the_map_that_is_shown(pair: Pair, other: int | None) -> None:
    answer = inference.answer(pair, SEVEN, class_idx=3, other_idx=other)
    sketch = prepare_sketch(drawn())
    assert sketch is not None
    for variant, model in pair.models.items():
        truth, said = explain(model, sketch.pixels, 3, other), answer[variant]
        shown = truth.cam if truth.contrast is None else truth.contrast.clamp_min(0)
        assert said["stroke_energy"] == pytest.approx(float(stroke_energy(shown, sketch.pixels)), abs=1e-4)
        upsampled = F.interpolate(shown[None].double(), (28, 28), mode="bilinear")
        above = (upsampled >= shown.max() / 2).double().mean()
        assert said["area_above_half"] == pytest.approx(float(above), abs=1e-4)


def test_each_model_explains_what_it_predicts_unless_asked(pair: Pair) -> None:
    answer = inference.answer(pair, SEVEN)
    for variant in ("ce", "cam"):
        assert answer[variant]["class_idx"] == answer[variant]["digit"]
        assert answer[variant]["other_idx"] is None
        assert answer[variant]["contrast"] is None


def test_bytes_and_lists_say_the_same(pair: Pair) -> None:
    lists = inference.answer(pair, SEVEN, 3, 5)
    packed = inference.answer(pair, SEVEN, 3, 5, encode=inference.as_bytes)
    half_step = 0.5 / 254 + 5e-4
    for name, low in (("cam", 0.0), ("caam", 0.0), ("contrast", -1.0)):
        expected = torch.tensor(lists["cam"][name]).flatten()
        torch.testing.assert_close(numbers(packed["cam"][name], low), expected, atol=half_step * (1 - low), rtol=0)
    torch.testing.assert_close(numbers(packed["seen"]), torch.tensor(lists["seen"]).flatten(), atol=half_step, rtol=0)


def test_zero_and_the_ends_are_exact_in_bytes() -> None:
    assert numbers(inference.as_bytes(torch.tensor([[0.0, 1.0]]))).tolist() == [0, 1]
    assert numbers(inference.as_bytes(torch.tensor([[-1.0, 0.0, 1.0]]), low=-1.0), low=-1.0).tolist() == [-1, 0, 1]


def test_frame_leads_from_the_28_pixels_to_the_picture(pair: Pair) -> None:
    big = inference.answer(pair, encoded(drawn(256)))
    left, top, scale = big["frame"]
    seen = torch.tensor(big["seen"]) > 0.5
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    box = [left + scale * int(columns[0]), left + scale * (int(columns[-1]) + 1)]
    assert box == pytest.approx([0.3 * 256, 0.7 * 256], abs=2 * scale)  # half a pen and a pixel seen
    box = [top + scale * int(rows[0]), top + scale * (int(rows[-1]) + 1)]
    assert box == pytest.approx([0.2 * 256, 0.8 * 256], abs=2 * scale)


@pytest.mark.parametrize("ground", [(0, 0, 0, 0), (255, 255, 255, 255), (0, 0, 0, 255)])
def test_blank_is_said_to_be_blank(pair: Pair, ground: tuple[int, int, int, int]) -> None:
    answer = inference.answer(pair, encoded(Image.new("RGBA", (64, 64), ground)))
    assert answer == {"blank": True}


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("prefix", ["", "data:image/whatever;base64,"])
def test_formats_that_are_read(pair: Pair, file_format: str, prefix: str) -> None:
    on_paper = Image.new("RGB", (128, 128), "white")
    on_paper.paste(drawn(), mask=drawn())
    assert inference.answer(pair, prefix + encoded(on_paper, file_format))["blank"] is False


def forms_of(text: str) -> dict[str, str]:
    """One picture as base64 comes from different programs."""
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]
    in_links = text.replace("+", "-").replace("/", "_")
    return {
        "lines of mail": "\r\n".join(lines),
        "lines of a shell, and one at the end": "\n".join([*lines, ""]),
        "indented lines": "\n  \t".join(lines),
        "for links": in_links,
        "for links, without padding": in_links.rstrip("="),
        "without padding": text.rstrip("="),
        "lines in a data address": "data:image/png;base64," + "\n".join(lines),
        "too much padding": text.rstrip("=") + "====",
    }


@pytest.mark.parametrize("form", forms_of("A"))
def test_base64_is_read_in_the_forms_that_programs_write(pair: Pair, form: str) -> None:
    for size in (126, 127, 128):  # files of other lengths, so of other padding
        text = next(text for text in map(encoded, noisy(size)) if text.endswith("=") and {"+", "/"} <= set(text))
        written = forms_of(text)[form]
        assert written != text or form == "A"
        assert open_picture(written).content == open_picture(text).content
        assert pool_for(written) is pool_for(text)
    assert inference.answer(pair, forms_of(SEVEN)[form]) == inference.answer(pair, SEVEN)


def noisy(size: int) -> Iterator[Image.Image]:
    """A 7 with a few pixels of noise, again and again."""
    for seed in range(100):
        image = drawn(size)
        for at in np.random.default_rng(seed).integers(0, size, (30, 2)).tolist():
            image.putpixel((at[0], at[1]), (at[0], at[1], seed, 255))
        yield image


@pytest.mark.parametrize("text", ["iVBOR=w0KGgo", "iVBORw0KG*go", "\u200biVBORw0KGgo", "iVBORw0KGg\u212a", "A", "%2B"])
def test_what_is_no_base64_is_refused(pair: Pair, text: str) -> None:
    with pytest.raises(CamlossError, match=r"^the picture is not base64 \(.*\); send the image file as base64 text$"):
        inference.answer(pair, text)


def test_the_pad_and_its_links_take_as_many_points_as_the_server() -> None:
    limits = {
        path.name: re.findall(r"MAX_POINTS = ([\d_]+)", path.read_text(encoding="utf-8")) for path in WEB.glob("*.js")
    }
    assert {name: found for name, found in limits.items() if found} == {"strokes.js": [str(inference.MAX_POINTS)]}


def bomb(side: int) -> str:
    """A PNG of a few bytes that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return base64.b64encode(file).decode()


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (None, "the picture is NoneType"),
        (["a"], "the picture is list"),
        ({"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "the picture is dict"),
        ("", "none of PNG, JPEG, WEBP"),
        ("/etc/passwd", "none of PNG, JPEG, WEBP"),
        ("no base64!", "not base64"),
        ("bünt", "not base64"),
        (SEVEN[:-2], r"the picture is damaged \(it ends too early\)"),
        (encoded(drawn().convert("RGB"), "GIF"), "none of PNG, JPEG, WEBP"),
        (encoded(drawn(), "TIFF"), "none of PNG, JPEG, WEBP"),
        (encoded(drawn().convert("RGB"), "EPS"), "none of PNG, JPEG, WEBP"),
        (base64.b64encode(base64.b64decode(SEVEN)[:-60]).decode(), "damaged"),
        ("A" * (MAX_TEXT + 4), "send at most 4,000,000"),
        (bomb(2001), "2001 x 2001 pixels"),
        (bomb(30_000), "none of PNG|30000 x 30000 pixels"),
        (bomb(2000), "damaged"),
    ],
)
def test_pictures_that_are_refused(pair: Pair, picture: Any, complaint: str) -> None:
    with pytest.raises(CamlossError, match=complaint) as caught:
        inference.answer(pair, picture)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_pixels_are_counted_before_they_are_decoded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(CamlossError, match="pixels"):
        inference.answer(pair, bomb(2001))


@pytest.mark.parametrize("class_idx", [-1, 10, 3.0, True, "3", [3], float("nan")])
def test_classes_that_are_refused(pair: Pair, class_idx: Any) -> None:
    with pytest.raises(CamlossError, match="expected a whole number from 0 to 9"):
        inference.answer(pair, SEVEN, class_idx)
    with pytest.raises(CamlossError, match="expected a whole number from 0 to 9"):
        inference.answer(pair, SEVEN, 3, class_idx)
    with pytest.raises(CamlossError, match="expected a whole number from 0 to 9"):
        inference.build_up(pair, SEVEN, "ce", class_idx)


def test_a_class_is_not_held_against_itself(pair: Pair) -> None:
    with pytest.raises(CamlossError, match="4 cannot be contrasted with itself"):
        inference.answer(pair, SEVEN, 4, 4)


@pytest.mark.parametrize("value", ["9" * 1_000_000, ["x" * 1000] * 1000, {"a" * 1000: 0}])
def test_complaints_repeat_little_of_what_was_sent(pair: Pair, value: Any) -> None:
    with pytest.raises(CamlossError) as of_class:
        inference.answer(pair, SEVEN, value)
    with pytest.raises(CamlossError) as of_variant:
        inference.build_up(pair, SEVEN, value)
    assert max(len(str(caught.value)) for caught in (of_class, of_variant)) < 200


def test_build_up_ends_in_the_maps_of_look(pair: Pair) -> None:
    answer = inference.answer(pair, SEVEN, class_idx=2)
    for variant in ("ce", "cam"):
        steps = inference.build_up(pair, SEVEN, variant, class_idx=2)
        last = steps["totals"][-1]
        channels = pair["ce"].head.in_features
        assert last["count"] == channels
        assert [total["count"] for total in steps["totals"][:4]] == [1, 2, 4, 8]
        for name in ("cam", "caam"):
            torch.testing.assert_close(torch.tensor(last[name]), torch.tensor(answer[variant][name]), atol=2e-3, rtol=0)
        assert last["distance"] == pytest.approx(1 - answer[variant]["similarity"], abs=1e-3)


def contribution_sum(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (features.mean((-2, -1)) * weight).sum()


def test_build_up_adds_the_channels_by_what_they_contribute(pair: Pair) -> None:
    sketch = prepare_sketch(drawn())
    assert sketch is not None
    with torch.no_grad():
        _, features = pair["ce"](sketch.pixels)
        weight = pair["ce"].head.weight[2].detach()
    contribution = (features[0].mean((-2, -1)) * weight).abs()
    first, second = contribution.topk(2).indices.tolist()
    steps = inference.build_up(pair, SEVEN, "ce", class_idx=2)
    assert [channel["weight"] for channel in steps["channels"][:2]] == pytest.approx(
        [float(weight[first]), float(weight[second])], abs=1e-4
    )
    assert steps["logit"] == pytest.approx(float(contribution_sum(features[0], weight)) + steps["bias"], abs=1e-3)
    both = features[:, [first, second]]
    expected = {
        "caam": min_max_normalize(caam(both))[0],
        "cam": min_max_normalize(cam(both, weight[None, [first, second]], torch.tensor([0])))[0],
    }
    for name, maps in expected.items():
        torch.testing.assert_close(torch.tensor(steps["totals"][1][name]), maps, atol=6e-4, rtol=0)


def test_build_up_refuses_unknown_variants_and_says_when_blank(pair: Pair) -> None:
    for variant in ("resnet", None, ["ce"]):
        with pytest.raises(CamlossError, match="unknown variant"):
            inference.build_up(pair, SEVEN, variant)
    assert inference.build_up(pair, encoded(Image.new("RGBA", (8, 8))), "ce") == {"blank": True}


def test_ten_drawings_are_answered_as_ever() -> None:
    def assert_same(now: Any, then: Any, name: str) -> None:
        if isinstance(then, dict):
            assert now.keys() >= then.keys(), name  # an answer may say more than it did
            for key in then:
                assert_same(now[key], then[key], f"{name}.{key}")
        elif isinstance(then, list | float):
            same = np.shape(now) == np.shape(then) and np.allclose(now, then, atol=1.01e-4, rtol=1e-4)
            assert same, f"{name} has changed; if that is meant: {AGAIN}"  # numbers in answers are rounded
        else:
            assert now == then, f"{name} has changed; if that is meant: {AGAIN}"

    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    for kind, found in answers().items():
        for number, (now, then) in enumerate(zip(found, recorded[kind], strict=True)):
            assert_same(now, then, f"{kind}, drawing {number}")


BAR = {"width": 20, "points": [10, 10, 10, 400.5]}


def test_strokes_are_read_where_there_is_no_picture(pair: Pair) -> None:
    answer = inference.answer(pair, strokes=[BAR])
    sketch = write_strokes([PenStroke(((10.0, 10.0), (10.0, 400.5)), 20.0)])
    assert sketch is not None
    assert answer["frame"] == pytest.approx([sketch.left, sketch.top, sketch.scale], abs=1e-3)
    assert inference.build_up(pair, None, "ce", strokes=[BAR])["frame"] == answer["frame"]
    assert inference.answer(pair, strokes=[])["blank"] is True


@pytest.mark.parametrize(
    ("strokes", "complaint"),
    [
        ("abc", "expected a list"),
        ([[1, 2]], "expected a list"),
        ([{"width": 3}], "the points of a stroke are None"),
        ([{"width": 3, "points": [1, 2, 3]}], "expected a list"),
        ([{"width": 3, "points": []}], "expected a list"),
        ([{"width": 3, "points": [1, "x"]}], "a stroke holds 'x'"),
        ([{"width": 3, "points": [1, float("nan")]}], "a stroke holds nan"),
        ([{"width": 3, "points": [1, 1e300]}], "numbers up to 1,000,000"),
        ([{"width": 10**400, "points": [1, 1]}], "numbers up to 1,000,000"),
        ([{"width": True, "points": [1, 1]}], "a stroke holds True"),
        ([{"width": 0, "points": [1, 1]}], "a stroke is 0 wide"),
        ([{"width": 3, "points": [1] * 20_002}], "more than 10,000 points"),
        ([{"width": 3, "points": [1, 1]}] * 10_001, "more than 10,000 points"),
    ],
)
def test_strokes_that_are_none_are_refused(pair: Pair, strokes: object, complaint: str) -> None:
    with pytest.raises(CamlossError, match=complaint) as caught:
        inference.answer(pair, strokes=strokes)
    assert len(str(caught.value)) < 300


def test_strokes_and_a_picture_are_one_too_many(pair: Pair) -> None:
    with pytest.raises(CamlossError, match="send one of them"):
        inference.answer(pair, SEVEN, strokes=[BAR])


def test_a_browser_gets_what_the_networks_are_given_of_a_picture(pair: Pair) -> None:
    given = inference.sketch(SEVEN)
    sketch = prepare_sketch(drawn())
    assert sketch is not None
    pixels = torch.frombuffer(bytearray(base64.b64decode(given["pixels"])), dtype=torch.float32)
    assert torch.equal(pixels, sketch.pixels.flatten())
    assert given["frame"] == inference.answer(pair, SEVEN)["frame"]
    assert inference.sketch(encoded(Image.new("RGBA", (8, 8)))) == {"blank": True}
