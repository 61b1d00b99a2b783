"""From a drawing to what two models see in it, as plain JSON; the page's pad and its API share `answer`.

A drawing comes as strokes of a pen or as a picture in base64 text. Callers are strangers: both are checked before
anything is made of them. `web/map_statistics.js` computes the same in the browser; a test compares the two.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.demo.pairs import side_by_side
from camloss.demo.safe_images import open_picture
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import PenStroke, Sketch, write_strokes
from camloss.errors import CamlossError, quoted
from camloss.explain import Explanation, explain
from camloss.maps import min_max_normalize
from camloss.metrics import stroke_energy
from camloss.models import pool_features
from camloss.pair import Pair

SHOWN = 8  # channels that are given one by one
BYTE_STEPS = 254  # even, so that the middle of a signed map is a whole number too

MAX_POINTS = 10_000  # of all strokes together
MAX_UNITS = 1e6  # of a point's coordinates, and of a stroke's width
MIN_WIDTH = 1e-3


def as_lists(maps: Tensor, low: float = 0.0) -> list[Any]:  # noqa: ARG001, takes what as_bytes takes
    """Nested lists of numbers, rounded to 3 digits."""
    return list(maps.double().round(decimals=3).tolist())


def as_bytes(maps: Tensor, low: float = 0.0) -> str:
    """Base64 of one byte per cell, row by row: 0 stands for `low`, 254 for 1."""
    scaled = ((maps - low) * (BYTE_STEPS / (1 - low))).round().to(torch.uint8)
    return base64.b64encode(scaled.numpy().tobytes()).decode()


def answer(
    pair: Pair,
    picture: object = None,
    class_idx: object = None,
    other_idx: object = None,
    *,
    encode: Callable[..., Any] = as_lists,
    strokes: object = None,
    second: object = None,
) -> dict[str, Any]:
    """Classify the digit in a drawing with two models of a pair and say where they look.

    Args:
        pair: the models.
        picture: a PNG, JPEG or WebP image as base64 text, with or without a `data:` prefix; or None.
        class_idx: the digit to explain, by default the one that each model predicts.
        other_idx: explain why `class_idx` *rather than* this digit, too.
        encode: how maps are written: `as_lists` or `as_bytes`.
        strokes: in place of a picture, a list of `{"width": w, "points": [x, y, x, y, ...]}`, y down, in any one unit.
        second: the variant beside the baseline, by default the pair's second.

    Returns:
        blank: whether there is nothing to read; if so, all that follows is left out.
        source: which models these are.
        seen: the 28 x 28 pixels that the models are shown, in [0, 1].
        frame: [left, top, scale]: pixel (x, y) of those 28 x 28 lies at (left + scale * x, top + scale * y) in the
            picture, in its pixels, or among the strokes, in their unit. The maps cover the same square.
        map_size: [height, width] of a map.
        ce, cam: what each model says, trained with cross-entropy and with CAM-loss; in place of cam the `second`.
            digit, probs: the digit it predicts, the probability of each.
            class_idx, other_idx: the digit that the maps explain, and the one to contrast it with, or null.
            cam, caam: maps in [0, 1].
            contrast: null, or a map in [-1, 1]: positive is evidence for class_idx, negative for other_idx.
            similarity: of CAM and CAAM: 1 minus their distance, in [0, 1].
            stroke_energy: the share of the evidence that lies on the strokes, in [0, 1]. The evidence is the CAM, or
                where one is asked for the evidence for class_idx in the contrast.
            area_above_half: the share of the 28 x 28 on which the evidence reaches half of its maximum, in [0, 1].
            ood_score: in [0, 1]; at 0.5 or more this may be no digit. Only where the model was fitted for it.

    Raises:
        CamlossError: the picture is none, or too large, a class is not a digit or is contrasted with itself, or the
            pair has no such variant.
    """
    wanted, other = asked_classes(pair, class_idx, other_idx)
    models = side_by_side(pair, second)
    sketch = _sketch_of(picture, strokes)
    if sketch is None:
        return {"blank": True}
    seen = {variant: explain(model, sketch.pixels, wanted, other) for variant, model in models.items()}
    return {
        "blank": False,
        "source": pair.source,
        "seen": encode(sketch.pixels[0, 0]),
        "frame": _frame(sketch),
        "map_size": list(next(iter(seen.values())).cam.shape[1:]),
        **{variant: _describe(explanation, sketch.pixels, encode) for variant, explanation in seen.items()},
    }


def build_up(
    pair: Pair,
    picture: object,
    variant: object,
    class_idx: object = None,
    *,
    encode: Callable[..., Any] = as_lists,
    strokes: object = None,
) -> dict[str, Any]:
    """How CAM and CAAM arise from the feature maps of one model, a few channels after the other.

    Channels come in the order of what they add to the logit of the class, the largest first, whatever its sign.

    Args:
        pair: the models.
        picture, strokes: as for `answer`.
        variant: which of them.
        class_idx: the digit to explain, by default the one that the model predicts.
        encode: how maps are written.

    Returns:
        blank: as for `answer`, and so are `frame` and `map_size`.
        class_idx: the digit explained.
        channels: the first `SHOWN` of them: `features` in [0, 1], as a share of the highest of them all, the
            `weight` of each for the class, and its `pooled` value; it adds weight times pooled to the logit.
        logit, bias: of the class.
        totals: after 1, 2, 4, ... and all channels: `count`, the maps `caam` and `cam` so far, their distance map
            `difference`, all in [0, 1], and its mean `distance`.

    Raises:
        CamlossError: as for `answer`.
    """
    if not isinstance(variant, str) or variant not in pair.models:
        raise CamlossError(f"unknown variant {quoted(variant)}; expected one of {', '.join(pair.variants)}")
    wanted = _check_class(pair, class_idx)
    model = pair[variant]
    with torch.inference_mode():
        sketch = _sketch_of(picture, strokes)
        if sketch is None:
            return {"blank": True}
        logits, features = model(sketch.pixels)
        digit = int(logits.argmax()) if wanted is None else wanted
        weight = model.head.weight[digit]  # (C,)
        order = (features[0].mean((-2, -1)) * weight).abs().argsort(descending=True)
        features, weight = features[0, order], weight[order]  # (C, H, W), (C,)
        pooled = pool_features(features, str(model.pooling))  # (C,)
        counts = [2**power for power in range(len(order).bit_length()) if 2**power < len(order)] + [len(order)]
        last = torch.tensor(counts) - 1
        caams = min_max_normalize(features.cumsum(0)[last])
        cams = min_max_normalize((features * weight[:, None, None]).cumsum(0)[last])
        differences = (cams - caams).abs()
        peak = features[:SHOWN].amax().clamp_min(torch.finfo(features.dtype).tiny)
    return {
        "blank": False,
        "frame": _frame(sketch),
        "map_size": list(features.shape[1:]),
        "class_idx": digit,
        "channels": [
            {
                "features": encode(channel / peak),
                "weight": round(float(channel_weight), 4),
                "pooled": round(float(channel_pooled), 4),
            }
            for channel, channel_weight, channel_pooled in zip(
                features[:SHOWN], weight[:SHOWN], pooled[:SHOWN], strict=True
            )
        ],
        "logit": round(float(logits[0, digit]), 4),
        "bias": round(float(model.head.bias[digit].detach()), 4),
        "totals": [
            {
                "count": count,
                "caam": encode(caam),
                "cam": encode(cam),
                "difference": encode(difference),
                "distance": round(float(difference.mean()), 4),
            }
            for count, caam, cam, difference in zip(counts, caams, cams, differences, strict=True)
        ],
    }


def sketch(picture: object) -> dict[str, Any]:
    """What the models are given of a picture, for a browser that computes the rest itself.

    Returns:
        blank: as for `answer`, and so is `frame`.
        pixels: base64 of 28 x 28 float32, row by row, lowest byte first.

    Raises:
        CamlossError: as for `answer`.
    """
    found = _sketch_of(picture, None)
    if found is None:
        return {"blank": True}
    return {
        "blank": False,
        "pixels": base64.b64encode(found.pixels.numpy().astype("<f4").tobytes()).decode(),
        "frame": _frame(found),
    }


def _sketch_of(picture: object, strokes: object) -> Sketch | None:
    if strokes is None:
        return prepare_sketch(open_picture(picture).decode())
    if picture is not None:
        raise CamlossError("there are both strokes and a picture; send one of them")
    return write_strokes(open_strokes(strokes))


def open_strokes(strokes: object) -> list[PenStroke]:
    """Check strokes that a stranger sent; see `answer`.

    Raises:
        CamlossError: they are not such a list, or have too many points.
    """
    expected = 'expected a list of {"width": w, "points": [x, y, x, y, ...]}'
    if not isinstance(strokes, list) or not all(isinstance(stroke, dict) for stroke in strokes):
        raise CamlossError(f"the strokes are {quoted(strokes)}; {expected}")
    opened = []
    points_left = MAX_POINTS
    for stroke in strokes:
        width, points = stroke.get("width"), stroke.get("points")
        if not isinstance(points, list) or len(points) < 2 or len(points) % 2:
            raise CamlossError(f"the points of a stroke are {quoted(points)}; {expected}")
        points_left -= len(points) // 2
        if points_left < 0:
            raise CamlossError(f"the strokes have more than {MAX_POINTS:,} points; leave some out on the way")
        odd = [value for value in (width, *points) if not _is_coordinate(value)]
        if odd:
            raise CamlossError(f"a stroke holds {quoted(odd[0])}; expected numbers up to {MAX_UNITS:,.0f}")
        if width < MIN_WIDTH:
            raise CamlossError(f"a stroke is {width:g} wide; expected at least {MIN_WIDTH:g}")
        pairs = zip(map(float, points[::2]), map(float, points[1::2]), strict=True)
        opened.append(PenStroke(tuple(pairs), float(width)))
    return opened


def _is_coordinate(value: Any) -> bool:
    """NaN is within no limits, and whole numbers of any size can be compared."""
    return type(value) in (int, float) and -MAX_UNITS <= value <= MAX_UNITS


def asked_classes(pair: Pair, class_idx: object, other_idx: object) -> tuple[int | None, int | None]:
    """The class to explain and the one to contrast it with, checked.

    Raises:
        CamlossError: one of them is not among the models', or they are the same.
    """
    wanted, other = _check_class(pair, class_idx), _check_class(pair, other_idx)
    if wanted is not None and wanted == other:
        raise CamlossError(f"{wanted} cannot be contrasted with itself; name another class as other_idx, or none")
    return wanted, other


def _check_class(pair: Pair, class_idx: object) -> int | None:
    last = pair.num_classes - 1
    if class_idx is None or (isinstance(class_idx, int) and not isinstance(class_idx, bool) and 0 <= class_idx <= last):
        return class_idx
    raise CamlossError(f"class {quoted(class_idx)} is not one of the models'; expected a whole number from 0 to {last}")


def _frame(sketch: Sketch) -> list[float]:
    return [round(number, 3) for number in (sketch.left, sketch.top, sketch.scale)]


def evidence_in(seen: Explanation) -> Tensor:
    """(1, H, W), at least 0: the evidence for the class in the map that is shown."""
    return seen.cam if seen.contrast is None else seen.contrast.clamp_min(0)


def _describe(seen: Explanation, pixels: Tensor, encode: Callable[..., Any]) -> dict[str, Any]:
    return {
        "digit": int(seen.probs.argmax()),
        **told_of(seen, pixels.shape[-2:], encode),
        "stroke_energy": round(float(stroke_energy(evidence_in(seen), pixels)), 4),
        **({} if seen.ood_score is None else {"ood_score": round(float(seen.ood_score), 4)}),
    }


def told_of(seen: Explanation, size: Sequence[int], encode: Callable[..., Any]) -> dict[str, Any]:
    """What is said of one model's answer for an image of that height and width, be it a digit or not; see `answer`."""
    return {
        "probs": [round(p, 6) for p in seen.probs[0].tolist()],
        "class_idx": int(seen.class_idx),
        "other_idx": None if seen.other_idx is None else int(seen.other_idx),
        "cam": encode(seen.cam[0]),
        "caam": encode(seen.caam[0]),
        "contrast": None if seen.contrast is None else encode(seen.contrast[0], low=-1.0),
        "similarity": round(1 - float(seen.distance), 4),
        "area_above_half": round(_area_above_half(evidence_in(seen), size), 4),
    }


def _area_above_half(evidence: Tensor, size: Sequence[int]) -> float:
    """The share on which a map (1, H, W), at least 0, upsampled to height and width, reaches half of its maximum."""
    upsampled = F.interpolate(evidence[None].double(), tuple(size), mode="bilinear")
    above = (upsampled > 0) & (upsampled >= 0.5 * evidence.max().double())
    return float(above.double().mean())
