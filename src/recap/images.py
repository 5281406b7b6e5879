"""Read photos in place from a zip archive or a folder, whatever their mode."""

import io
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from recap.errors import InputError
from recap.zip_files import open_zip

# Bytes of a photo's file at most: as many as 89 megapixels have that are not compressed at all. A
# small zip entry can unpack to more than any memory holds.
MOST_BYTES = 1 << 28

# How many times as long as wide an image may be and still be resized whole.
MOST_STRETCHED = 256

# Of what other methods unpack, `zipfile` bounds nothing.
BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class BrokenImageError(InputError):
    """An image that cannot be read, told with its name."""


class ImageStore(AbstractContextManager):
    """The photos of zip archives or folders, found by file name.

    An annotation's `file_name` is looked for as a path first and then by its last part,
    because COCO's and Flickr8k's archives hold their photos in a folder of their own. Archives
    are read in place and never unpacked; what macOS adds to them is passed over.

    Parameters
    ----------
    *sources : Path
        Zip archives or folders.

    Raises
    ------
    InputError
        If a source is missing or is not a zip archive.
    """

    def __init__(self, *sources: Path):
        self.source = " or ".join(map(str, sources))
        self._archives: list[zipfile.ZipFile] = []
        # Where a photo lies, an archive or a folder, and its path there.
        self._by_path: dict[str, list[tuple[zipfile.ZipFile | Path, str]]] = {}
        self._by_base_name: dict[str, list[tuple[zipfile.ZipFile | Path, str]]] = {}
        for source in map(Path, sources):
            if source.is_dir():
                place: zipfile.ZipFile | Path = source
                paths = [path for path in source.rglob("*") if path.is_file()]
                names = [path.relative_to(source).as_posix() for path in paths]
            else:
                place = open_zip(source)
                self._archives.append(place)
                names = [entry.filename for entry in place.infolist() if not entry.is_dir()]
            for name in sorted({name for name in names if not _added_by_macos(name)}):
                self._by_path.setdefault(name, []).append((place, name))
                self._by_base_name.setdefault(PurePosixPath(name).name, []).append((place, name))

    def __exit__(self, *exception: object) -> None:
        """Close the archives."""
        for archive in self._archives:
            archive.close()

    def read_bytes(self, file_name: str) -> bytes:
        """Return the bytes of one photo; safe to call from several threads.

        Parameters
        ----------
        file_name : str
            The `file_name` of an annotation.

        Raises
        ------
        BrokenImageError
            If the photo is missing, is named by two entries, is damaged, or has more than
            `MOST_BYTES`.
        """
        base_name = PurePosixPath(file_name).name
        matches = self._by_path.get(file_name) or self._by_base_name.get(base_name, [])
        if len(matches) != 1:
            found = "is not" if not matches else f"stands {len(matches)} times"
            raise BrokenImageError(
                f"{file_name} {found} in {self.source}: check that the annotations belong to"
                " these images."
            )
        place, name = matches[0]
        try:
            folder = isinstance(place, Path)
            size = (place / name).stat().st_size if folder else place.getinfo(name).file_size
            if size <= MOST_BYTES:
                return (place / name).read_bytes() if folder else _unpack(place, name)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise BrokenImageError(
                f"{file_name} in {self.source} cannot be read ({error}): download the archive again"
                " or set broken_images: skip."
            ) from None
        raise BrokenImageError(
            f"{file_name} in {self.source} has {size:,} bytes, and a photo may have"
            f" {MOST_BYTES:,}: replace it or set broken_images: skip."
        )

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


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return an entry's bytes; one that holds more than it declares is an error."""
    entry = archive.getinfo(name)
    if entry.compress_type not in BOUNDED:
        raise BrokenImageError(
            f"{name} in {archive.filename} is neither stored nor deflated: pack it again so, or set"
            " broken_images: skip."
        )
    with archive.open(entry) as file:
        # Without a number, all that is there would be unpacked first, whatever the entry declares.
        return file.read(entry.file_size)


def _added_by_macos(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parts[0] == "__MACOSX" or path.name.startswith("._") or path.name == ".DS_Store"


def open_images(*sources: Path) -> ImageStore:
    """Open zip archives or folders of photos; a context manager.

    Parameters
    ----------
    *sources : Path
        Zip archives or folders.

    Raises
    ------
    InputError
        If a source is missing or is not a zip archive.
    """
    return ImageStore(*sources)


def decode_image(data: bytes, name: str) -> Image.Image:
    """Decode an image file to RGB, rotated as its EXIF orientation says.

    Grayscale (8 and 16 bit), palette and CMYK images are converted; transparent pixels are laid
    on white.

    Parameters
    ----------
    data : bytes
        The file's content, in any format that Pillow reads.
    name : str
        What to call the image in an error.

    Raises
    ------
    BrokenImageError
        If the bytes are not a whole image, or one so large that it looks like an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    # Each of Pillow's decoders has errors of its own, RuntimeError and struct.error among them.
    except Exception as error:
        raise BrokenImageError(
            f"{name} is not an image that can be read ({error}): replace it or set"
            " broken_images: skip."
        ) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit values to 255 when it converts them.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


@dataclass(frozen=True)
class Preprocessing:
    """How a backbone's weights want their images.

    Attributes
    ----------
    resize : int or None
        Length in pixels that the shorter side is scaled to before the centre is cut out; None to
        scale the whole image to the square, whatever its shape.
    crop : int
        Side in pixels of the square.
    resample : {"bilinear", "bicubic"}
        How pixels are interpolated; with antialiasing.
    channels : {"RGB", "BGR"}
        Their order.
    mean, std : tuple of float
        Per channel, in that order, of values in [0, 1].
    """

    resize: int | None
    crop: int = 224
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __str__(self) -> str:
        """Describe the steps in words, for the attributes of a feature file."""
        how = f"({self.resample}, antialiased)"
        if self.resize is None:
            scaled = f"whole image to {self.crop} x {self.crop} {how}"
        else:
            scaled = f"shorter side to {self.resize} {how}, centre {self.crop}"
        return f"{self.channels}, {scaled}, scaled to [0, 1], mean {self.mean}, std {self.std}"

    def cut(self, image: Image.Image) -> np.ndarray:
        """Resize an image and cut out its centre, pixel by pixel as torchvision does.

        Of a strip that is more than `MOST_STRETCHED` times as long as wide, only the middle is
        looked at: resized whole, it might not fit into memory.

        Parameters
        ----------
        image : PIL.Image.Image
            In RGB.

        Returns
        -------
        array of shape (crop, crop, 3), uint8
            In RGB.
        """
        resample = Image.Resampling[self.resample.upper()]
        if self.resize is None:
            return np.array(image.resize((self.crop, self.crop), resample))
        short = min(image.size)
        image = _cut_middle(image, [min(side, MOST_STRETCHED * short) for side in image.size])
        # The longer side is truncated; of a margin's odd pixel, the half is rounded to even.
        size = tuple(int(self.resize * side / short) for side in image.size)
        return np.array(_cut_middle(image.resize(size, resample), [self.crop, self.crop]))


def _cut_middle(image: Image.Image, size: Sequence[int]) -> Image.Image:
    low = [round((side - kept) / 2) for side, kept in zip(image.size, size, strict=True)]
    return image.crop((*low, *(start + kept for start, kept in zip(low, size, strict=True))))
