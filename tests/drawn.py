"""Drawings as the page and its API take them."""

import base64
import io

from PIL import Image, ImageDraw


def encoded(image: Image.Image, file_format: str = "PNG") -> str:
    file = io.BytesIO()
    image.save(file, file_format)
    return base64.b64encode(file.getvalue()).decode()


def drawn(size: int = 128) -> Image.Image:
    """A 7 on a transparent canvas."""
    image = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(image)
    pen.line([(0.3 * size, 0.2 * size), (0.7 * size, 0.2 * size), (0.45 * size, 0.8 * size)], "black", size // 16)
    return image


SEVEN = encoded(drawn())
