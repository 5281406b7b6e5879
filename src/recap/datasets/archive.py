"""Read text members of a zip archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from recap.core.errors import InputError
from recap.core.json_files import iterate_json
from recap.core.zip_files import DAMAGE, ENCRYPTED, open_zip


@contextmanager
def open_member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """Open the first member of that name, in whatever folder, for reading.

    Parameters
    ----------
    archive : Path
        Zip archive.
    name : str
        File name without folders; `?` stands for any character.

    Yields
    ------
    binary file
        What is wrong with the archive may show only as it is read.

    Raises
    ------
    InputError
        If the archive is missing or damaged, or has no such member.
    """
    try:
        with open_zip(archive) as file:
            for entry in file.infolist():
                path = PurePosixPath(entry.filename)
                if fnmatchcase(path.name, name) and path.parts[0] != "__MACOSX":
                    if entry.flag_bits & ENCRYPTED:
                        raise InputError(
                            f"{name} in {archive} is encrypted: pack it again without a password."
                        )
                    with file.open(entry.filename) as opened:
                        yield opened
                    return
    except DAMAGE as error:
        raise InputError(
            f"{archive} is not a whole zip archive ({error}): download it again."
        ) from None
    raise InputError(f"{archive} holds no {name}: it is not the archive that was expected.")


def read_member(archive: Path, name: str) -> str:
    """Return the text of a member.

    Parameters
    ----------
    archive, name
        As in `open_member`.

    Raises
    ------
    InputError
        As in `open_member`.
    """
    with open_member(archive, name) as member:
        data = member.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} in {archive} is not text in UTF-8 ({error}): save it as UTF-8, or download the"
            " archive again."
        ) from None


def iterate_member(archive: Path, name: str, key: str) -> Iterator[Any]:
    """Yield what stands under a key of a member in JSON, without holding the rest.

    Parameters
    ----------
    archive, name
        As in `open_member`.
    key : str
        A key of the object in the member; of a list there, each entry is given.

    Raises
    ------
    InputError
        As in `open_member`, and if the member is not JSON.
    """
    with open_member(archive, name) as member:
        yield from iterate_json(member, key, f"{name} in {archive}")
