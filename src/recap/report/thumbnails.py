"""Small pictures that lie within a page, or beside it."""

import base64
import io

from PIL import Image

SIDE = 320
WEBP_QUALITY = 70


def thumbnail(image: Image.Image, side: int = SIDE) -> tuple[str, int, int]:
    """Return a picture as a WebP data URI, its width and its height; the picture is scaled down."""
    webp, width, height = small_webp(image, side)
    return as_data(webp), width, height


def small_webp(image: Image.Image, side: int = SIDE) -> tuple[bytes, int, int]:
    """Return a picture as WebP, its width and its height; the picture is scaled down."""
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=WEBP_QUALITY)
    return file.getvalue(), image.width, image.height


def as_data(webp: bytes) -> str:
    """Return a WebP as a data URI."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"
