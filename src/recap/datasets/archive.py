"""Read text members of a zip archive."""

import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from recap.errors import InputError


def read_member(archive: Path, name: str) -> str:
    """Return the text of the first member of that name, in whatever folder.

    Parameters
    ----------
    archive : Path
        Zip archive.
    name : str
        File name without folders; `?` stands for any character.

    Raises
    ------
    InputError
        If the archive is missing or damaged, or has no such member.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.namelist():
                path = PurePosixPath(member)
                if fnmatchcase(path.name, name) and path.parts[0] != "__MACOSX":
                    return file.read(member).decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{archive} does not exist: check the path.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{archive} is not a whole zip archive ({error}): delete it and download it again."
        ) from None
    raise InputError(f"{archive} holds no {name}: it is not the archive that was expected.")
