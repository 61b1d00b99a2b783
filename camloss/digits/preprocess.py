"""Any drawing or photo of a digit -> the (1, 1, 28, 28) float32 a model expects.

A drawing has its own size, position, colours and brush. So the ink is found and thinned to the path of the pen, and
the path is drawn again at MNIST's size and position, with one pen for all.

    >>> import PIL.Image, PIL.ImageDraw
    >>> canvas = PIL.Image.new("RGBA", (280, 280))
    >>> preprocess_sketch(canvas) is None
    True
    >>> PIL.ImageDraw.Draw(canvas).line([(60, 40), (60, 150)], fill="navy", width=9)
    >>> sketch = prepare_sketch(canvas)
    >>> sketch.pixels.shape
    torch.Size([1, 1, 28, 28])
    >>> [round(x) for x in sketch.to_drawing(14.0, 14.0)]  # the middle of the digit, in the canvas's own pixels
    [61, 95]
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.bitmap import Bitmap, pack, unpack
from camloss.digits.frames import frame_of
from camloss.digits.rasterize import MIN_SHARE, PEN, Sketch, draw_points, write
from camloss.errors import CamlossError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

LIMITS = (1, 255, 1023, 4095, 65535)  # what white may be in an array, beside 1: data of 8, 10, 12 or 16 bits
LOOK = 320  # longest side of the picture in which ink is looked for
WORK = 80  # longest side of the digit while it is thinned
MIN_CONTRAST = 0.06  # of the range from black to white; fainter marks are taken for paper
MIN_SIGNAL_TO_NOISE = 6.0
BROAD = (0.05, 0.12, 0.4)  # of the picture's longer side: what is broader is paper or a shadow, for pens of any width
BROAD_LINE = 0.7  # of the broadest line that can be found, which is a pixel narrower than what is looked for
FEW_MISSED = 0.02  # of what lies beside the lines
MOST_MISSED = 0.5  # of it: where more is missed there is no digit
MANY_MISSED, MAIN_SHARE = 0.3, 0.75  # of it, where less than that share of the ink hangs together
TANGLED = 6.5  # times the longer side of all ink; the lines of an 8 in outline are 6 times as long
PAPER = 0.25  # of the longer side of a shape: a square that wide fits into no stroke
MOST_FRAMES = 3  # around one another
NEARBY = 8  # of the digit's size: what was seen is looked at again with so much around it
FAINT = 0.25  # of ink: where 0.5 is a stroke
FRAME_EDGE = 3  # pixels, of a frame's blurred edge
INK_THRESHOLD = 0.4  # of the strongest contrast with the paper; pencils and photos have weak parts


def preprocess_sketch(image: "Image | np.ndarray[Any, Any]") -> Tensor | None:
    """A drawing or photo of a digit -> (1, 1, 28, 28) float32 in [0, 1], white ink on black; None when it shows none.

    The digit is as large as MNIST's, its centre of mass lies in the middle, its strokes are
    `camloss.digits.rasterize.PEN` pixels wide.

    Args:
        image: a PIL image of any mode, or an array (H, W) or (H, W, C): grey, grey and alpha, RGB or RGBA, of bool,
            whole numbers of 1, 8, 10, 12 or 16 bits, or float in [0, 1] or [0, 255]. Dark ink on light paper or light
            on dark, in any colours, on even or uneven paper, or on a transparent canvas; a frame around the digit is
            left out. 1 x 1 pixel to 6000 x 6000 and beyond.

    Raises:
        CamlossError: `image` is not such a picture.
    """
    sketch = prepare_sketch(image)
    return None if sketch is None else sketch.pixels


def prepare_sketch(image: "Image | np.ndarray[Any, Any]", pen: float = PEN) -> Sketch | None:
    """`preprocess_sketch` with the geometry that leads from the 28 x 28 pixels back to the drawing; with any pen."""
    with torch.device("cpu"):  # whatever the default device is
        return _prepared(_open(image), pen)


def _prepared(picture: Tensor, pen: float) -> Sketch | None:
    found = _find_ink(picture)
    if found is None:
        return None
    ink, factor, left, top = found
    path, brush = _path(ink)
    sketch = write(path, brush, partial(draw_points, pen=pen))
    return replace(
        sketch,
        scale=sketch.scale * factor,
        left=left + sketch.left * factor,
        top=top + sketch.top * factor,
    )


def _open(image: Any) -> Tensor:
    """The picture as (H, W, C) uint8, or float32 in [0, 1]; C is 1 to 4 as in PIL's L, LA, RGB and RGBA."""
    if hasattr(image, "getexif"):
        return _open_pil(image)
    if hasattr(image, "__array_interface__"):
        return _open_array(image)
    raise CamlossError(f"cannot read a digit from {type(image).__name__}; give a PIL image or a numpy array")


def _open_pil(image: "Image") -> Tensor:
    if min(image.size) == 0:
        raise CamlossError(f"the picture is {image.width} x {image.height} pixels; give one with at least one pixel")
    image = _upright(image)
    if image.mode[0] in "IF":
        import numpy

        return _open_array(numpy.asarray(_loaded(image)))
    image = _loaded(image)
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, -1)


def _loaded(image: "Image") -> "Image":
    """In one of the modes of which we know what its numbers say."""
    try:
        image.load()
        if image.mode == "La":  # which Pillow converts to nothing else
            return image.convert("LA")
        if image.mode[0] in "IF" or image.mode in ("L", "LA", "RGB", "RGBA"):
            return image
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except Exception as error:  # Pillow raises whatever it stumbles over
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise CamlossError(f"the picture cannot be read ({reason}); give a whole file of a common kind") from error


def _upright(image: "Image") -> "Image":
    try:
        if image.getexif().get(0x0112, 1) == 1:
            return image
        from PIL.ImageOps import exif_transpose

        return exif_transpose(image)
    except Exception:  # Pillow raises whatever it stumbles over: what damaged EXIF says is not worth a picture
        return image


def _open_array(array: "np.ndarray[Any, Any]") -> Tensor:
    shape = array.shape
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] > 4):
        raise CamlossError(f"the picture has shape {shape}; give (H, W) or (H, W, C), C from 1 to 4, no side 0")
    if array.dtype == "uint8" and int(array.max()) > 1:
        picture = torch.from_numpy(array.copy())
    elif array.dtype.kind in "buif":
        picture = torch.from_numpy(array.astype("float32"))
        low, high = float(picture.min()), float(picture.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise CamlossError("the picture holds NaN or infinite values; replace them first")
        limit = next((limit for limit in LIMITS if high <= limit), None)
        if low < 0 or limit is None:
            raise CamlossError(f"the picture's values run from {low:g} to {high:g}; scale them to [0, 1] or [0, 255]")
        picture /= limit
    else:
        raise CamlossError(f"the picture's values are {array.dtype}; give uint8, or float in [0, 1]")
    return picture.view(shape[0], shape[1], -1)


def _find_ink(picture: Tensor) -> tuple[Tensor, int, float, float] | None:
    """Where the ink is: ((h, w) in [0, 1], picture pixels per ink pixel, left, top), cropped to the ink; or None."""
    height, width, _ = picture.shape
    factor = math.ceil(max(height, width) / LOOK)
    planes = _reduce(picture, factor)
    is_glass = _is_glass(planes)
    if is_glass:
        picture, planes = picture[:, :, -1:], planes[-1:]  # the only plane that counts
    ink, frame = _ink(planes, is_glass)
    box = None if ink is None else _bounding_box(ink)
    if ink is None or box is None:
        return None
    x0, y0, x1, y1 = box
    if factor > 1 and max(x1 - x0, y1 - y0) < LOOK / 4:  # small in a large picture: look again from near by
        margin = max(x1 - x0, y1 - y0)
        x2, y2 = max(0, x0 - margin), max(0, y0 - margin)
        closer = picture[y2 * factor : (y1 + margin) * factor, x2 * factor : (x1 + margin) * factor]
        near_factor = math.ceil(max(closer.shape[:2]) / LOOK)
        near = _reduce(closer, near_factor)
        unseen = frame | ~_grown(ink >= 0.5, margin // NEARBY + 1)
        near_ink, _ = _ink(near, is_glass, _resized(unseen[y2 : y1 + margin, x2 : x1 + margin], near.shape[1:]))
        near_box = None if near_ink is None else _bounding_box(near_ink)
        if near_ink is not None and near_box is not None:
            x0, y0, x1, y1 = near_box
            return near_ink[y0:y1, x0:x1], near_factor, x2 * factor + x0 * near_factor, y2 * factor + y0 * near_factor
    return ink[y0:y1, x0:x1], factor, x0 * factor, y0 * factor


def _is_glass(planes: Tensor) -> bool:
    """Whether a picture (C, h, w) is ink on a transparent canvas, as a browser's: then alpha is the ink, in any colour.

    Paper that was cut out, and what is equally transparent everywhere, has its ink in its colours: its shape is too
    broad for a stroke.
    """
    if len(planes) not in (2, 4) or float(planes[-1].mean()) >= 0.5:
        return False
    shape = planes[-1] >= 0.5 * planes[-1].max()
    colours = planes[:-1, shape]
    if float((colours.amax(1) - colours.amin(1)).max()) < MIN_CONTRAST:
        return True
    mask = pack(shape)
    return not mask.holds_square(math.ceil(PAPER * max(mask.size)))


def _resized(mask: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(mask.float()[None, None], size=size, mode="nearest-exact")[0, 0] > 0


def _reduce(picture: Tensor, factor: int) -> Tensor:
    """(H, W, C) -> (C, h, w) float in [0, 1], the mean of each factor x factor square, without a full-size copy."""
    unit = _unit(picture)
    if factor == 1:
        return picture.permute(2, 0, 1).float().div_(unit)
    down, across = (min(factor, side) for side in picture.shape[:2])  # a ribbon is thinner than a square
    height, width = picture.shape[0] // down, picture.shape[1] // across
    whole = picture[: height * down, : width * across]
    total = torch.zeros(height, width, picture.shape[2], dtype=torch.float32)
    for row in range(down):
        total += whole[row::down].float().view(height, width, across, -1).sum(2)
    return total.div_(unit * down * across).permute(2, 0, 1).contiguous()


def _unit(picture: Tensor) -> int:
    """The value of white, or of full cover."""
    return 255 if picture.dtype == torch.uint8 else 1


def _ink(planes: Tensor, is_glass: bool, ignored: Tensor | None = None) -> tuple[Tensor | None, Tensor]:
    """(C, h, w) -> the ink (h, w) in [0, 1], at least 0.5 where there is some, or None; and what is left out.

    Args:
        planes: of the picture, or alpha alone.
        is_glass: whether alpha alone is given.
        ignored: (h, w) bool, what is known to be no ink.
    """
    ignored = torch.zeros(planes.shape[1:], dtype=torch.bool) if ignored is None else ignored
    if is_glass:
        return _unframed(planes[0], ignored, _above_glass)
    grey = _grey(planes)
    if max(grey.shape) > LOOK / 2:  # large enough to spare its sharpness, for less noise
        grey = _blur(grey)
    flat = grey - _shading(grey)
    found, left_out, least = None, ignored, 1.0
    for share in BROAD:
        width = max(1, round(share * max(flat.shape)))
        contrast, inkward = _contrast(flat, width)
        ink, frame = _unframed(contrast, ignored, _above_noise)
        missed = None if ink is None else _share_missed(ink, inkward, width)
        if missed is not None and missed <= least:
            found, left_out, least = ink, frame, missed
            if missed < FEW_MISSED:
                break
    return found, left_out


def _unframed(
    contrast: Tensor, left_out: Tensor, above: Callable[[Tensor], Tensor | None]
) -> tuple[Tensor | None, Tensor]:
    """The ink without the frames around it, which may be darker than it; and what was left out."""
    for _ in range(MOST_FRAMES + 1):
        ink = above(contrast.masked_fill(left_out, contrast.median()) if bool(left_out.any()) else contrast)
        frame = None if ink is None else frame_of(ink >= 0.5)
        if frame is None and ink is not None:
            frame = frame_of(ink >= FAINT)  # may be printed paler than the digit is written
        if frame is None:
            break
        left_out = left_out | _grown(frame, FRAME_EDGE)
    return ink, left_out


def _above_glass(alpha: Tensor) -> Tensor | None:
    peak = float(alpha.max())
    return alpha / peak if peak >= MIN_CONTRAST else None


def _above_noise(contrast: Tensor) -> Tensor | None:
    values = contrast.flatten()
    middle = values.median()
    noise = 1.5 * float((values - middle).abs().median())
    peak = float(values.topk(max(1, len(values) // 500)).values.mean() - middle)
    if peak < max(MIN_CONTRAST, MIN_SIGNAL_TO_NOISE * noise):
        return None
    return ((contrast - middle) / (2 * INK_THRESHOLD * peak)).clamp(0, 1)


def _share_missed(ink: Tensor, inkward: Tensor, width: int) -> float | None:
    """How much of what lies beside the lines that were found is nearly as dark; 1 where they are too broad or short.

    Of a brush wider than what was looked for, ends, corners and edges are left: no line as long as the box that they
    fill connects them, or what they are pieces of goes on beside them. None where there is no writing: dots alone, far
    more lines than a digit has, or many marks that are no lines.
    """
    ink = ink.clone()
    box = _bounding_box(ink)
    if box is None:
        return None
    lines = ink >= 0.5
    mask = pack(lines)
    length, extent = mask.thinning()[-1].length, max(box[2] - box[0], box[3] - box[1])
    if mask.count > length**2 or length > TANGLED * extent:
        return None
    if mask.count > BROAD_LINE * (width - 1) * length:
        return 1.0
    depth = inkward - _extreme(inkward, width + 6, highest=False)  # above the paper nearby, lit or in shadow
    beside = _grown(lines, 3) & ~_grown(lines, 1)
    missed = float((depth[beside] > 0.3 * depth[lines].median()).float().mean())
    is_apart = length + mask.count / length < extent
    if missed > MOST_MISSED or (missed > MANY_MISSED and (is_apart or _main_share(lines) < MAIN_SHARE)):
        return None
    return 1.0 if is_apart else missed


def _main_share(lines: Tensor) -> float:
    """How much of all ink the largest part has, with what is close to it."""
    parts = pack(_grown(lines, 2)).parts()
    counts = [part.count for part in parts]
    return max(counts) / sum(counts)


def _contrast(flat: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """(h, w), evenly lit but for shadows -> how far each pixel lies from the paper around it, and `flat`, ink upwards.

    Strokes are narrow in some direction, paper and shadows are broad in both: what is narrower than `width` is ink or
    what ink encloses (an opening or closing by a square; Serra, 1982). Of the two, paper is what goes on outside.
    """
    lit, dim = _closing(flat, width), -_closing(-flat, width)
    narrow = lit - dim
    zone = narrow > 0.5 * float(narrow.max())
    around = _grown(zone, max(2, max(flat.shape) // 60)) & ~zone
    paper = float(flat[around].median()) if bool(around.any()) else float(flat.max())
    is_dark = abs(float(lit[zone].median()) - paper) <= abs(float(dim[zone].median()) - paper)
    return (lit - flat, -flat) if is_dark else (flat - dim, flat)


def _closing(values: Tensor, width: int) -> Tensor:
    """Fill what is lower than what is around it and narrower than `width` pixels in some direction."""
    return _extreme(_extreme(values, width, highest=True), width, highest=False)


def _extreme(values: Tensor, width: int, highest: bool) -> Tensor:
    """The highest or lowest value in the square of `width` pixels around each; by doubling, rows and then columns."""
    pick = torch.maximum if highest else torch.minimum
    before = width // 2 if highest else width - 1 - width // 2  # so that the two cancel out
    for _ in range(2):
        values = F.pad(values[None, None], (before, width - 1 - before, 0, 0), mode="replicate")[0, 0]
        covered = 1
        while covered < width:
            step = min(covered, width - covered)
            values = pick(values[:, :-step], values[:, step:])
            covered += step
        values = values.T
    return values


def _grown(mask: Tensor, reach: int) -> Tensor:
    """With all pixels up to `reach` rows and columns away."""
    return _extreme(mask.float(), 2 * reach + 1, highest=True) > 0


def _grey(planes: Tensor) -> Tensor:
    """(C, h, w) -> (h, w): the mixture of the colours that varies most, so that ink and paper may have any two."""
    if len(planes) in (2, 4):  # a picture with holes: fill them with its mean colour
        alpha = planes[-1]
        colours = planes[:-1]
        mean = (colours * alpha).sum((1, 2)) / alpha.sum()
        planes = colours * alpha + mean[:, None, None] * (1 - alpha)
    if len(planes) == 1:
        return planes[0]
    colours = planes.flatten(1)
    spread = colours - colours.mean(1, keepdim=True)
    axis = torch.linalg.eigh(spread @ spread.T)[1][:, -1]
    grey: Tensor = axis / axis.abs().sum() @ colours
    return grey.view(planes.shape[1:])


def _fit(shape: torch.Size, longest: int) -> tuple[int, int]:
    """The (height, width) of a picture scaled so that its longer side is `longest`."""
    return max(1, round(shape[0] * longest / max(shape))), max(1, round(shape[1] * longest / max(shape)))


def _blur(grey: Tensor) -> Tensor:
    """3 x 3 mean."""
    return F.avg_pool2d(F.pad(grey[None, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0, 0]


def _shading(grey: Tensor) -> Tensor:
    """(h, w) -> the smooth surface of second degree that most of the picture lies on: evenly or softly lit paper."""
    coarse = F.interpolate(grey[None, None], size=_fit(grey.shape, 64), mode="area")[0, 0]
    surface = _surface(coarse)
    return F.interpolate(surface[None, None], size=grey.shape, mode="bilinear")[0, 0]


def _surface(grey: Tensor) -> Tensor:
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side, dtype=grey.dtype) for side in grey.shape), indexing="ij")
    terms = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], -1).view(-1, 6)
    values = grey.flatten()
    weights = torch.ones_like(values)
    for _ in range(6):  # least squares, each time with less say for what lies far off
        weighted = terms * weights[:, None]
        surface: Tensor = terms @ torch.linalg.solve(
            weighted.T @ terms + 1e-4 * torch.eye(6, dtype=grey.dtype), weighted.T @ values
        )
        distance = (values - surface).abs()
        weights = 1 / (1 + (distance / (2 * distance.median() + 0.005)) ** 2) ** 2
    return surface.view(grey.shape)


def _bounding_box(ink: Tensor) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) around the strokes, half open. Isolated dots are erased from `ink`."""
    mask = ink >= 0.5
    strokes = _strokes(mask)
    if strokes is not None:
        ink *= F.interpolate(strokes[None, None], size=ink.shape, mode="nearest-exact")[0, 0]
        mask = ink >= 0.5
    columns, rows = mask.any(0).nonzero(), mask.any(1).nonzero()
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _strokes(mask: Tensor) -> Tensor | None:
    """(h, w) bool -> a coarse grid: 1 for strokes, 0 for nothing or an isolated dot; None where all hangs together."""
    size = _fit(mask.shape, min(32, max(mask.shape)))
    mass = F.adaptive_avg_pool2d(mask.float()[None], size)[0]
    parts = pack(mass > 0).parts()
    if len(parts) < 2:
        return None
    grids = unpack(parts)  # (parts, rows, columns)
    masses = (grids * mass).sum((1, 2))
    return grids[masses >= MIN_SHARE * masses.max()].any(0).float()


def _path(ink: Tensor) -> tuple[Tensor, float]:
    """Where the pen went, (N, 2) points (x, y), less than two pixels of `ink` apart, and the pen's width.

    A blob of points is left where a wide brush has filled a loop; MNIST's digits show such loops as blobs, too.
    """
    height, width = _fit(ink.shape, WORK)
    pixel = torch.tensor([ink.shape[1] / width, ink.shape[0] / height], dtype=torch.float32)
    ink = ink[None, None]
    if max(ink.shape) > WORK and _is_thin(pack(ink[0, 0] >= 0.5)):
        ink = F.max_pool2d(ink, 3, stride=1, padding=1)
    scaled = F.interpolate(ink, size=(height, width), mode="bilinear", antialias=True)[0, 0]
    mask = pack(scaled >= min(0.5, float(scaled.max())))  # scattered dots may all grow paler than half
    stages = mask.thinning()
    pen = mask.count / max(1.0, stages[-1].length)
    thinned = stages[min(round(pen), len(stages) - 1)]  # two stages a layer, half the pen from either side
    points = thinned.unpack().nonzero().flip(1) + 0.5
    return points * pixel, pen * float(pixel.max())


def _is_thin(mask: Bitmap) -> bool:
    """Whether the lines would vanish where the picture is scaled down."""
    return mask.inner.count < 0.3 * mask.count
