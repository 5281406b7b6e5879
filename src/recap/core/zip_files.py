"""Open zip archives, and say what is wrong with one."""

import lzma
import struct
import zipfile
import zlib
from pathlib import Path

from recap.core.errors import InputError

# How other files begin that are given for an archive.
BEGINNINGS = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\xff\xd8\xff": "a JPEG photo",
    b"\x89PNG": "a PNG picture",
    b"<": "a page of HTML or XML",
}

ENCRYPTED = 1  # flag of a zip entry

# What `zipfile` raises as a damaged archive is read: of its own, of the compressions, and for
# entries that are encrypted or of unknown methods.
DAMAGE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
)

TAR = slice(257, 262), b"ustar"


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading.

    Parameters
    ----------
    path : Path
        Archive.

    Raises
    ------
    InputError
        If the archive is missing, cannot be read, is damaged, or is something else.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        if kind := _kind(path):
            raise InputError(
                f"{path} is {kind}, not a zip archive: pack what it holds as zip, or give the right"
                " file."
            ) from None
        raise InputError(
            f"{path} is not a whole zip archive ({error}): download or make it again."
        ) from None


def _kind(path: Path) -> str | None:
    """Return what a file that is no zip archive is, if its first bytes tell."""
    with open(path, "rb") as file:
        head = file.read(512)
    if head[TAR[0]] == TAR[1]:
        return "a tar archive"
    return next((kind for start, kind in BEGINNINGS.items() if head.startswith(start)), None)
