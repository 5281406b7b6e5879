"""Find photos by the names that annotations give them, in zip archives and folders."""

import hashlib
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from recap.core.errors import InputError
from recap.core.zip_files import ENCRYPTED, open_zip

# Bytes of a photo's file at most: as many as 89 megapixels have that are not compressed at all. A
# small zip entry can unpack to more than any memory holds.
MOST_BYTES = 1 << 28

# Of what other methods unpack, `zipfile` bounds nothing.
BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

# Bytes of the digest that tells a photo's file from another version of it.
STATE_BYTES = 16

# Names outside UTF-8 are in the code page of the machine that made them, which nothing tells.
CODE_PAGES = ("cp850", "cp1252", "cp866", "cp1251", "cp932", "gb18030", "cp949", "big5")
UTF8_NAME = 0x800  # flag of a zip entry

NO_BYTES = (zipfile.BadZipFile, OSError, RuntimeError, ValueError, EOFError, zlib.error)

# What does not match, and is less than all that does.
NO_LIKENESS = (False, False, 0)

# A file in a folder, or an entry of an archive.
Place = tuple[Path | zipfile.ZipFile, str]


class BrokenImageError(InputError):
    """An image that cannot be read, told with its name."""


class PhotoStore(AbstractContextManager):
    """The photos of zip archives or folders, found by file name.

    The `file_name` of an annotation and the path of a file match if one of them is the end of the
    other, part by part: `train2014/1.jpg` and `1.jpg`, but never `val/1.jpg` and `train/1.jpg`. Of
    several files that match, it is the one of the same path, or else the one with the longest end
    in common. Backslashes, `.` and `..` and composed letters count as what they stand for; capital
    letters count only where a name differs by them alone. Linked folders are followed. Archives
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
        self._unreadable: list[str] = []
        self._by_base_name: dict[str, list[tuple[Place, str]]] = {}
        for source in map(Path, sources):
            if source.is_dir():
                for path in sorted(self._walk(source)):
                    self._add((source, path), _names_of_file(path))
            else:
                archive = open_zip(source)
                self._archives.append(archive)
                entries = {entry.filename: entry for entry in archive.infolist()}
                for entry in entries.values():
                    # Of an entry without a name, `is_dir` is an IndexError.
                    if not entry.filename.endswith("/"):
                        self._add((archive, entry.filename), _names_of_entry(entry))

    def __exit__(self, *exception: object) -> None:
        """Close the archives."""
        for archive in self._archives:
            archive.close()

    def _walk(self, folder: Path, inside: str = "", above: tuple = ()) -> Iterator[str]:
        """Yield the paths of all files below a folder; note what cannot be looked into."""
        try:
            state = folder.stat()
            # A link to a folder that it lies in itself would never end.
            if (identity := (state.st_dev, state.st_ino)) in above:
                return
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = inside + entry.name
                    if entry.is_dir():
                        yield from self._walk(Path(entry), f"{path}/", (*above, identity))
                    else:
                        yield path
        except OSError as error:
            self._unreadable.append(f"{folder} cannot be read ({error.strerror})")

    def _add(self, place: Place, names: Sequence[str]) -> None:
        for name in names:
            base = name.rpartition("/")[2]
            of_macos = base.startswith("._") or base == ".DS_Store" or name.startswith("__MACOSX/")
            if base and not of_macos:
                self._by_base_name.setdefault(_base_name(name), []).append((place, name))

    def find(self, file_name: str) -> Place:
        """Return where a photo lies: a folder or an archive, and its path there.

        Parameters
        ----------
        file_name : str
            The `file_name` of an annotation.

        Raises
        ------
        BrokenImageError
            If the photo is missing, or several may be meant.
        """
        wanted = _normal(file_name)
        candidates = self._by_base_name.get(_base_name(wanted), [])
        alike = [(_likeness(wanted, name), place) for place, name in candidates]
        best = max((likeness for likeness, _ in alike), default=NO_LIKENESS)
        # Under two spellings of its name, a place may stand twice.
        found = list(dict.fromkeys(place for likeness, place in alike if likeness == best))
        if best == NO_LIKENESS:
            others = " and ".join(sorted({name for _, name in candidates})[:3])
            raise BrokenImageError(
                f"{file_name} is not in {self.source}"
                + (f", which has {others} in another folder" if others else "")
                + "".join(f", where {folder}" for folder in self._unreadable[:3])
                + ": check that the annotations belong to these images."
            )
        if len(found) > 1 and not _are_one_file(found):
            raise BrokenImageError(
                f"{file_name} stands {len(found)} times in {self.source}"
                f" ({', '.join(name for _, name in found[:3])}): name its folder in the"
                " annotations, or check that they belong to these images."
            )
        return found[0]

    def states(self, file_names: Sequence[str]) -> list[bytes]:
        """Return what tells each photo's file from another version of it, without reading it.

        Parameters
        ----------
        file_names : sequence of str
            The `file_name` of each photo.

        Returns
        -------
        list of bytes
            `STATE_BYTES` each: a digest of the photo's path, size and time of change, or of those
            of its archive; zeros for a photo that is not found.
        """
        states = []
        archives = {archive: _size_and_time(archive.filename) for archive in self._archives}
        for file_name in file_names:
            try:
                place, name = self.find(file_name)
                size, changed = archives.get(place) or _size_and_time(f"{place}/{name}")
            except (BrokenImageError, OSError):
                states.append(bytes(STATE_BYTES))
                continue
            text = os.fsencode(f"{size} {changed} {name}")
            states.append(hashlib.blake2b(text, digest_size=STATE_BYTES).digest())
        return states

    def read_bytes(self, file_name: str) -> bytes:
        """Return the bytes of one photo; safe to call from several threads.

        Parameters
        ----------
        file_name : str
            The `file_name` of an annotation.

        Raises
        ------
        BrokenImageError
            If the photo is missing, several may be meant, it is damaged, or has more than
            `MOST_BYTES`.
        """
        place, name = self.find(file_name)
        if isinstance(place, Path):
            return read_photo(place / name)
        try:
            return _unpack(place, name)
        except NO_BYTES as error:
            raise BrokenImageError(
                f"{file_name} in {self.source} cannot be read ({error}): download or pack the"
                " archive again."
            ) from None


def read_photo(path: Path) -> bytes:
    """Return the bytes of a photo's file.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    BrokenImageError
        If it is no file, such as a pipe or a device, cannot be read, or has more than `MOST_BYTES`.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise BrokenImageError(f"{path} is not a file: name a picture file.")
        _check_size(str(path), state.st_size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BrokenImageError(f"{path} cannot be read ({reason}): check the path.") from None


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return an entry's bytes; one that holds more than it declares is an error."""
    entry = archive.getinfo(name)
    told = f"{name} in {archive.filename}"
    if entry.flag_bits & ENCRYPTED:
        raise BrokenImageError(f"{told} is encrypted: pack it again without a password.")
    if entry.compress_type not in BOUNDED:
        raise BrokenImageError(f"{told} is neither stored nor deflated: pack it again so.")
    _check_size(told, entry.file_size)
    with archive.open(entry) as file:
        # Without a number, all that is there would be unpacked first, whatever the entry declares.
        return file.read(entry.file_size)


def _check_size(told: str, size: int) -> None:
    if size > MOST_BYTES:
        raise BrokenImageError(
            f"{told} has {size:,} bytes, and a photo may have {MOST_BYTES:,}: replace it."
        )


def _size_and_time(path: str | Path) -> tuple[int, int]:
    # Of a hundred thousand photos, `Path` would take as long as all the rest.
    state = os.stat(path)  # noqa: PTH116
    return state.st_size, state.st_mtime_ns


def _are_one_file(places: Sequence[Place]) -> bool:
    """Return whether links lead from all these places to one file."""
    if not all(isinstance(place, Path) for place, _ in places):
        return False
    first, *others = (place / name for place, name in places)
    return all(first.samefile(other) for other in others)


def _normal(name: str) -> str:
    """Return a path in one spelling: `/` between its parts, composed letters, no `.` and `..`."""
    parts: list[str] = []
    for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _base_name(name: str) -> str:
    return name.rpartition("/")[2].casefold()


def _likeness(wanted: str, name: str) -> tuple[bool, bool, int]:
    """Return how well two paths match, ordered: to the letter, whole, how long."""
    for exact in (True, False):
        short, long = sorted((wanted, name), key=len)
        if f"/{long}".endswith(f"/{short}"):
            return exact, short == long, short.count("/") + 1
        wanted, name = wanted.casefold(), name.casefold()
    return NO_LIKENESS


def _names_of_file(path: str) -> list[str]:
    """Return the spellings of a file's path; several only where it is not in UTF-8."""
    raw = os.fsencode(path)
    return [_normal(name) for name in _spellings(raw)]


def _names_of_entry(entry: zipfile.ZipInfo) -> list[str]:
    """Return the spellings of a zip entry's name; several where nothing tells its code page."""
    names = [entry.filename]
    if not (entry.flag_bits & UTF8_NAME or entry.filename.isascii()):
        # `zipfile` takes such a name for one in code page 437.
        names += _spellings(entry.filename.encode("cp437"))
    return list(dict.fromkeys(map(_normal, names)))


def _spellings(raw: bytes) -> list[str]:
    try:
        return [raw.decode()]
    except UnicodeDecodeError:
        names = []
        for page in CODE_PAGES:
            with suppress(UnicodeDecodeError):
                names.append(raw.decode(page))
        return names
