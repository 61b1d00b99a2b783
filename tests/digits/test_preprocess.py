from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from camloss.data.synthetic_digits import STYLES, draw_synthetic_digits
from camloss.digits import preprocess
from camloss.digits.pendigits import Stroke, render_strokes
from camloss.digits.preprocess import prepare_sketch, preprocess_sketch
from camloss.digits.rasterize import BOX, MNIST_PEN, PEN, Sketch
from camloss.errors import CamlossError

# Drawn in a unit square, y down.
DIGITS: dict[str, tuple[Stroke, ...]] = {
    "1": (((0.5, 0.0), (0.45, 1.0)),),
    "2": (((0.1, 0.2), (0.3, 0.0), (0.55, 0.05), (0.6, 0.3), (0.0, 1.0), (0.7, 1.0)),),
    "4": (((0.2, 0.0), (0.0, 0.6), (0.7, 0.6)), ((0.5, 0.3), (0.45, 1.0))),
    "7": (((0.0, 0.0), (0.6, 0.0), (0.2, 1.0)), ((0.15, 0.5), (0.55, 0.5))),
    "0": (((0.3, 0.0), (0.05, 0.3), (0.05, 0.7), (0.3, 1.0), (0.55, 0.7), (0.55, 0.3), (0.3, 0.0)),),
}
EVERY_DIGIT = pytest.mark.parametrize("name", DIGITS)


def draw(
    name: str, side: int = 280, extent: float = 0.6, at: tuple[float, float] = (0.25, 0.2), brush: float = 0.05
) -> Image.Image:
    """A digit on a transparent canvas: extent, place of the upper left corner and brush in shares of its side."""
    strokes = tuple(
        tuple(((at[0] + extent * x) * side, (at[1] + extent * y) * side) for x, y in stroke) for stroke in DIGITS[name]
    )
    return render_strokes(strokes, (side, side), brush * side)


def ink(canvas: Image.Image) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.asarray(canvas.getchannel("A"), dtype=np.float64) / 255


def pixels_of(image: Any) -> Tensor:
    """With a pen so broad that a path which is found a hair beside the right one is much the same ink."""
    sketch = prepare_sketch(image, MNIST_PEN)
    assert sketch is not None
    return sketch.pixels


def difference(one: Tensor, other: Tensor) -> float:
    """Mean absolute difference as a share of the ink: 2 for two digits that nowhere overlap."""
    return float((one - other).abs().sum() / one.sum())


def stroke_width(pixels: Tensor) -> float:
    """Ink of a digit over the length of its path; for a straight line."""
    return float(pixels.sum()) / BOX


@EVERY_DIGIT
def test_fills_mnists_box_centred_by_mass(name: str) -> None:
    pixels = pixels_of(draw(name))
    assert pixels.shape == (1, 1, 28, 28)
    assert pixels.dtype == torch.float32
    assert pixels.min() == 0
    assert 0.9 < pixels.max() <= 1
    rows = pixels[0, 0].amax(1) > 0.5
    columns = pixels[0, 0].amax(0) > 0.5
    assert 19 <= max(int(rows.sum()), int(columns.sum())) <= 21
    places = torch.arange(28) + 0.5
    assert float(pixels.sum((0, 1, 2)) @ places / pixels.sum()) == pytest.approx(14, abs=0.2)
    assert float(pixels.sum((0, 1, 3)) @ places / pixels.sum()) == pytest.approx(14, abs=0.2)


@EVERY_DIGIT
@pytest.mark.parametrize(("extent", "at"), [(0.9, (0.05, 0.05)), (0.3, (0.6, 0.65)), (0.15, (0.02, 0.8))])
def test_size_and_place_do_not_matter(name: str, extent: float, at: tuple[float, float]) -> None:
    usual = draw(name)
    other = draw(name, extent=extent, at=at, brush=0.05 * extent / 0.6)
    assert difference(pixels_of(usual), pixels_of(other)) < 0.15


@EVERY_DIGIT
@pytest.mark.parametrize("side", [28, 56, 112, 333, 1000, 2500])
def test_resolution_does_not_matter(name: str, side: int) -> None:
    assert difference(pixels_of(draw(name)), pixels_of(draw(name, side=side))) < (0.35 if side < 100 else 0.15)


def test_of_pictures_as_small_as_mnists_the_ink_is_found_whole() -> None:
    """There a pen is as broad as what is looked for first, which finds its narrower parts alone."""
    images = draw_synthetic_digits(5, 0, list(STYLES)).images
    whole = 0
    for image in images:
        found, _ = preprocess._ink(image / 255, is_glass=False)
        assert found is not None
        whole += float((found[image[0] > 127] >= 0.5).float().mean()) > 0.9
    assert whole >= 0.97 * len(images)


@EVERY_DIGIT
@pytest.mark.parametrize("brush", [0.02, 0.08, 0.12])
def test_brush_does_not_matter(name: str, brush: float) -> None:
    assert difference(pixels_of(draw(name)), pixels_of(draw(name, brush=brush))) < 0.35


@pytest.mark.parametrize("brush", [0.004, 0.02, 0.05, 0.1, 0.15])
def test_strokes_have_the_width_of_the_pen(brush: float) -> None:
    canvas = draw("1", brush=brush)
    assert stroke_width(pixels_of(canvas)) == pytest.approx(MNIST_PEN, rel=0.08)
    pixels = preprocess_sketch(canvas)
    assert pixels is not None
    assert stroke_width(pixels) == pytest.approx(PEN, rel=0.1)


def test_colours_and_polarity_do_not_matter() -> None:
    canvas = draw("2")
    usual = pixels_of(canvas)
    a = ink(canvas)
    for paper, pen in [
        ((255, 255, 255), (0, 0, 0)),
        ((0, 0, 0), (255, 255, 255)),
        ((90, 90, 90), (130, 130, 130)),
        ((255, 255, 255), (255, 240, 0)),  # yellow felt pen
        ((230, 76, 76), (76, 153, 76)),  # red and green, equally bright
    ]:
        colour = np.array(paper) + (np.array(pen) - np.array(paper)) * a[..., None]
        assert difference(usual, pixels_of(colour.round().astype(np.uint8))) < 0.1, (paper, pen)
    for pen in [(255, 255, 255), (255, 0, 0)]:
        solid = Image.new("RGBA", canvas.size, (*pen, 0))
        solid.putalpha(canvas.getchannel("A"))
        assert difference(usual, pixels_of(solid)) == 0


def test_kinds_of_input_do_not_matter() -> None:
    canvas = draw("4")
    usual = pixels_of(canvas)
    grey = 255 - np.asarray(canvas.getchannel("A"))
    opaque = pixels_of(grey)
    assert difference(usual, opaque) < 0.1
    image = Image.fromarray(grey)
    same: dict[str, Any] = {
        "L": image,
        "RGB": image.convert("RGB"),
        "RGBA": image.convert("RGBA"),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
        "F": image.convert("F"),
        "float 0-1": grey / 255,
        "float 0-255": grey.astype(np.float64),
        "uint16": grey.astype(np.uint16) * 257,
        "int": grey.astype(np.int64),
        "(H, W, 1)": grey[..., None],
        "(H, W, 2)": np.dstack([grey, np.full_like(grey, 255)]),
        "(H, W, 3)": np.dstack([grey] * 3),
        "flipped twice": grey[::-1].copy()[::-1],
        "column order": np.asfortranarray(grey),
    }
    for kind, picture in same.items():
        assert difference(opaque, pixels_of(picture)) < 1e-3, kind
    for kind, picture in {"P": image.convert("P"), "1": image.convert("1"), "bool": grey > 127}.items():
        assert difference(opaque, pixels_of(picture)) < 0.1, kind
    cmyk = image.convert("RGB").convert("CMYK")
    assert difference(opaque, pixels_of(cmyk)) < 1e-3


def test_picture_is_left_as_it_was() -> None:
    grey = 255 - np.asarray(draw("4").getchannel("A"))
    before = grey.copy()
    pixels_of(grey)
    assert (grey == before).all()


@pytest.mark.parametrize("name", ["2", "4", "7"])
@pytest.mark.parametrize("lighting", ["side", "corner", "lamp", "blackboard", "pencil"])
def test_photo_gives_the_digit(name: str, lighting: str) -> None:
    canvas = draw(name)
    a = ink(canvas)
    y, x = np.mgrid[:280, :280] / 280
    photo = {
        "side": (0.5 + 0.4 * x) * (1 - 0.7 * a),
        "corner": (0.9 - 0.3 * x - 0.3 * y) * (1 - 0.6 * a),
        "lamp": (0.9 - 0.8 * ((x - 0.4) ** 2 + (y - 0.6) ** 2)) * (1 - 0.6 * a),
        "blackboard": 0.2 + 0.15 * x + 0.5 * a,
        "pencil": (0.6 + 0.3 * y) * (1 - 0.3 * a),
    }[lighting]
    noisy = photo + np.random.default_rng(0).normal(0, 0.03, photo.shape)
    assert difference(pixels_of(canvas), pixels_of((noisy.clip(0, 1) * 255).astype(np.uint8))) < 0.2


@EVERY_DIGIT
@pytest.mark.parametrize("brush", [0.1, 0.11, 0.12, 0.13])
def test_wide_brush_does_not_pass_for_shading(name: str, brush: float) -> None:
    canvas = draw(name, extent=0.85, at=(0.1, 0.07), brush=brush)
    y, x = np.mgrid[:280, :280] / 280
    photo = (0.95 - 0.45 * x - 0.2 * y) * (1 - 0.5 * ink(canvas))
    for seed in range(3):
        noisy = photo + np.random.default_rng(seed).normal(0, 0.02, photo.shape)
        assert difference(pixels_of(canvas), pixels_of(noisy.clip(0, 1))) < 0.2, seed


def test_isolated_dots_are_ignored_and_strokes_far_apart_are_kept() -> None:
    canvas = draw("7", extent=0.5)
    speckled = canvas.copy()
    speckled.paste((0, 0, 0, 255), (270, 5, 275, 10))
    assert difference(pixels_of(canvas), pixels_of(speckled)) < 1e-6
    apart = render_strokes((((20.0, 20.0), (20.0, 260.0)), ((260.0, 20.0), (260.0, 260.0))), (280, 280), brush=12)
    columns = pixels_of(apart)[0, 0].amax(0) > 0.5
    assert columns[:8].any()
    assert columns[20:].any()
    assert not columns[9:19].any()


def test_loops_stay_open_under_a_wide_brush() -> None:
    pixels = pixels_of(draw("0", brush=0.14))[0, 0]
    assert pixels[14, 12:16].min() < 0.1
    assert pixels[14, :12].max() > 0.9
    assert pixels[14, 16:].max() > 0.9


@EVERY_DIGIT
@pytest.mark.parametrize(
    ("side", "extent", "at", "brush"),
    [(280, 0.6, (0.25, 0.2), 0.05), (280, 0.2, (0.7, 0.75), 0.02), (2000, 0.04, (0.9, 0.9), 0.004)],
)
def test_geometry_leads_back_to_the_drawing(
    name: str, side: int, extent: float, at: tuple[float, float], brush: float
) -> None:
    sketch = prepare_sketch(draw(name, side, extent, at, brush), MNIST_PEN)
    assert sketch is not None
    x = [x for stroke in DIGITS[name] for x, _ in stroke]
    y = [y for stroke in DIGITS[name] for _, y in stroke]
    bright = sketch.pixels[0, 0] > 0.5
    rows, columns = bright.any(1).nonzero(), bright.any(0).nonzero()
    # the path's own corners: half a pen inside the bright pixels' outline
    left, top = sketch.to_drawing(float(columns[0]) + MNIST_PEN / 2, float(rows[0]) + MNIST_PEN / 2)
    right, bottom = sketch.to_drawing(float(columns[-1]) + 1 - MNIST_PEN / 2, float(rows[-1]) + 1 - MNIST_PEN / 2)
    tolerance = 0.8 * sketch.scale
    assert left == pytest.approx((at[0] + extent * min(x)) * side, abs=tolerance)
    assert right == pytest.approx((at[0] + extent * max(x)) * side, abs=tolerance)
    assert top == pytest.approx((at[1] + extent * min(y)) * side, abs=tolerance)
    assert bottom == pytest.approx((at[1] + extent * max(y)) * side, abs=tolerance)


def test_to_drawing() -> None:
    assert Sketch(torch.zeros(1, 1, 28, 28), scale=2.0, left=3.0, top=-4.0).to_drawing(10, 20) == (23, 36)


def test_photo_lying_on_its_side_is_turned_upright() -> None:
    canvas = Image.fromarray(255 - np.asarray(draw("7").getchannel("A")))
    sideways = canvas.transpose(Image.Transpose.ROTATE_90)
    sideways.getexif()[0x0112] = 6  # turn a quarter clockwise to see it upright
    assert difference(pixels_of(canvas), pixels_of(sideways)) == 0


def noise(level: float, spread: float, size: tuple[int, int] = (280, 280)) -> Any:
    picture = np.random.default_rng(0).normal(level, spread, size)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "blank",
    [
        Image.new("RGBA", (280, 280)),
        Image.new("RGBA", (280, 280), "white"),
        Image.new("RGB", (280, 280), "navy"),
        Image.new("L", (1, 1)),
        Image.new("RGBA", (1, 1), (9, 9, 9, 255)),
        Image.new("L", (3, 1), 7),
        np.zeros((28, 28), np.uint8),
        np.ones((28, 28, 3), np.float32),
        noise(0.7, 0.06),
        noise(0.2, 0.03, (1000, 700)),
        np.linspace(0.3, 0.9, 280)[None].repeat(200, 0),
        (noise(0.5, 0.03) / 255 + np.linspace(-0.3, 0.3, 280)).clip(0, 1),
    ],
    ids=lambda image: type(image).__name__,
)
def test_blank(blank: Any) -> None:
    assert preprocess_sketch(blank) is None


@pytest.mark.parametrize("size", [(2, 2), (1, 500), (500, 1), (7, 3000), (6000, 40), (20000, 3)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    width, height = size
    image = Image.new("L", size, 255)
    image.paste(0, (width // 3, height // 3, width // 3 + max(1, width // 4), height // 3 + max(1, height // 4)))
    pixels = preprocess_sketch(image)
    assert pixels is None or (pixels.shape == (1, 1, 28, 28) and bool(pixels.isfinite().all()))


@pytest.mark.parametrize("extent", [0.6, 0.05])
def test_six_thousand_pixels(extent: float) -> None:
    small = draw("2", side=600, extent=extent, brush=extent / 12)
    large = small.resize((6000, 6000), Image.Resampling.NEAREST)
    assert difference(pixels_of(draw("2")), pixels_of(large)) < 0.2
    white = Image.new("RGB", large.size, "white")
    white.paste(large, mask=large)
    assert difference(pixels_of(draw("2")), pixels_of(white)) < 0.2


def test_a_dot_is_a_dot() -> None:
    pixels = pixels_of(render_strokes((((200.0, 90.0),),), (280, 280), brush=20))
    bright = (pixels[0, 0] > 0.5).nonzero().float() + 0.5
    assert 4 <= len(bright) <= 9
    assert bright.mean(0).tolist() == pytest.approx([14, 14], abs=0.5)


@pytest.mark.parametrize("side", [5, 28, 160, 280, 600])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.25])
def test_a_dot_in_a_photo_is_no_reason_to_fail(side: int, share: float) -> None:
    y, x = np.mgrid[:side, :side]
    grey = np.where(np.hypot(x - side // 2, y - side // 2) <= share * side, 0.1, 0.9)
    noisy = grey + np.random.default_rng(0).normal(0, 0.02, grey.shape)
    for picture in (grey, 1 - grey, noisy.clip(0, 1)):
        pixels = preprocess_sketch(picture)
        assert pixels is None or bool((pixels[0, 0] > 0).any())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "NoneType"),
        ("digit.png", "str"),
        (b"\x89PNG", "bytes"),
        ([[0, 1], [1, 0]], "list"),
        (np.zeros(5), r"\(5,\)"),
        (np.zeros(()), r"\(\)"),
        (np.zeros((1, 28, 28, 1)), r"\(1, 28, 28, 1\)"),
        (np.zeros((28, 28, 5)), r"\(28, 28, 5\)"),
        (np.zeros((0, 28)), r"\(0, 28\)"),
        (np.zeros((28, 28, 0)), r"\(28, 28, 0\)"),
        (Image.new("L", (0, 3)), "0 x 3"),
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), np.inf, np.float32), "infinite"),
        (np.full((28, 28), -1.0), "-1"),
        (np.full((28, 28), 1e6), r"1e\+06"),
        (np.full((28, 28), "a"), "<U1"),
        (np.full((28, 28), 1j), "complex"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_wrong_input_is_refused_in_one_line(bad: Any, message: str) -> None:
    with pytest.raises(CamlossError, match=message) as caught:
        preprocess_sketch(bad)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_a_mask_grows_as_the_maximum_over_squares_does(reach: int) -> None:
    generator = torch.Generator().manual_seed(reach)
    for size in ((1, 1), (3, 40), (64, 50)):
        mask = torch.rand(size, generator=generator) > 0.97
        largest = F.max_pool2d(mask.float()[None], 2 * reach + 1, stride=1, padding=reach)[0] > 0
        assert torch.equal(preprocess._grown(mask, reach), largest)
