"""Small pictures that lie within a page."""

import base64
import io

from PIL import Image

SIDE = 320
WEBP_QUALITY = 70


def thumbnail(image: Image.Image, side: int = SIDE) -> tuple[str, int, int]:
    """Return a picture as a WebP data URI, its width and its height; the picture is scaled down."""
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=WEBP_QUALITY)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}", image.width, image.height
