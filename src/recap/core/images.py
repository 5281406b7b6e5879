"""Decode photos, whatever their format and mode."""

import importlib
import io
import struct
import warnings
from contextlib import suppress

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from recap.core.photo_store import BrokenImageError, PhotoStore

# What photos come in; Pillow opens others by programs of theirs.
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF"]
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}

# Pixels of a side at most: what a JPEG can have. A strip of 178,000,000 x 1 fits in 173 kB of PNG,
# and then in no memory when its sides are scaled.
MOST_SIDE = 65_535

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_METADATA = {b"iCCP", b"tEXt", b"zTXt", b"iTXt"}

# How to turn a picture that was stored with one of EXIF's orientations.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageStore(PhotoStore):
    """The photos of zip archives or folders, decoded; a context manager."""

    def read(self, file_name: str) -> Image.Image:
        """Return one photo, upright, in RGB.

        Parameters
        ----------
        file_name : str
            The `file_name` of an annotation.

        Raises
        ------
        BrokenImageError
            If the photo is missing or broken.
        """
        return decode_image(self.read_bytes(file_name), f"{file_name} in {self.source}")


def decode_image(data: bytes, name: str) -> Image.Image:
    """Decode an image file to RGB, rotated as its EXIF orientation says.

    Grayscale (of 8, 16 and 32 bits, and of floating point), palette and CMYK images are converted;
    transparent pixels are laid on white. Damaged metadata is passed over.

    Parameters
    ----------
    data : bytes
        The file's content: JPEG, PNG, WebP, GIF, TIFF, BMP, PPM, JPEG 2000 or AVIF; HEIC, if
        pillow-heif is installed.
    name : str
        What to call the image in an error.

    Raises
    ------
    BrokenImageError
        If the bytes are not a whole image, or one so large that it looks like an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                image = _load(data)
            except ValueError:
                # Pillow refuses a PNG whose profile or texts unpack to more than a megabyte.
                if not data.startswith(PNG_SIGNATURE):
                    raise
                image = _load(_without_metadata(data))
            return _to_rgb(_upright(image))
    except UnidentifiedImageError:
        reason = f"it is none of {', '.join(FORMATS)}, HEIC, or its first bytes are damaged"
    # Each of Pillow's decoders has errors of its own, RuntimeError and struct.error among them.
    except Exception as error:
        reason = " ".join(str(error).split())
    raise BrokenImageError(f"{name} is not an image that can be read ({reason}): replace it.")


def _load(data: bytes) -> Image.Image:
    Image.init()
    # A build of Pillow may lack some.
    formats = [form for form in FORMATS if form in Image.OPEN]
    if _is_heic(data):
        formats = ["HEIF"]
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            raise ValueError(
                "it is HEIC, which takes `pip install pillow-heif`, or its conversion to JPEG"
            ) from None
    image = Image.open(io.BytesIO(data), formats=formats)
    if max(image.size) > MOST_SIDE:
        raise ValueError(
            f"it has {image.width:,} x {image.height:,} pixels, and a side may have {MOST_SIDE:,}"
        )
    image.load()
    return image


def _is_heic(data: bytes) -> bool:
    # AVIF may be named by the brands of its container, too, and then lists its own among others.
    length = int.from_bytes(data[:4], "big")
    brands = {data[start : start + 4] for start in range(16, min(length, 256), 4)}
    return data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS and not brands & AVIF_BRANDS


def _without_metadata(data: bytes) -> bytes:
    """Return a PNG without its colour profile and its texts."""
    kept, start = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while start + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        if kind not in PNG_METADATA:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def _upright(image: Image.Image) -> Image.Image:
    orientation = None
    # Whatever is wrong with other tags, the pixels are whole.
    with suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_bytes(image)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _to_bytes(image: Image.Image) -> np.ndarray:
    """Return the gray values of an image of more than 8 bits, or of floating point, in 8 bits."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode.startswith("I;16") or image.format == "PPM":
        full = 65_535
    else:
        # Nothing in the file tells which value is white.
        scales = [255, 65_535] if image.mode == "I" else [1, 255, 65_535]
        full = next((scale for scale in scales if low >= 0 and high <= scale), None)
    if full is None:
        raise ValueError(f"its values, {low:g} to {high:g}, have no scale that is known")
    if full == 65_535:
        # Pillow clips such values to 255 when it converts them.
        return (values.astype(np.uint32) >> 8).astype(np.uint8)
    return (values * (255 / full) + 0.5).astype(np.uint8)
