"""Fetch files: from a mirror if one has them, else from their official address; verified."""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.json_files import read_json, write_json
from recap.core.progress import progress
from recap.core.remote_file import RemoteFile
from recap.core.sole_owner import sole_owner
from recap.core.transfer import PATIENCE, Patience, TransferError, check_room, discard, transfer

PIECE = 1 << 20


class _WrongFileError(Exception):
    """What is wrong with a fetched file, in words that follow on "it"."""


def fetch(
    file: RemoteFile,
    output: Path,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
    patience: Patience = PATIENCE,
    remedy: str = "set `mirror` to a folder or URL that has it",
) -> None:
    """Bring a file to `output`, from a mirror if it has it, and verify it.

    An interrupted download leaves `output` with `.part` added, from which the next call goes
    on. `output` itself appears only once size and digest are right. Where no digest is known,
    the one seen at the first download is kept in `output` with `.sha256` added, and later
    downloads are held against it. What was verified is noted in `output` with `.digests.json`
    added, so that `verify` need not read it again. While another process fetches the same file,
    it is waited for.

    Parameters
    ----------
    file : RemoteFile
        What to fetch.
    output : Path
        Where to put it.
    mirror : str
        Folder, searched by file name with its sub-folders, or URL under which the file name is
        tried first. Empty for none.
    urls : dict, optional
        Addresses to use in place of the official ones, by file name.
    checksums : dict, optional
        Checksums to expect in place of the published ones, by file name, such as `sha256:…`, or
        `unknown`.
    patience : Patience
        How long to wait for a server, and how often to try.
    remedy : str
        What a reader does who has the file, where nothing can be downloaded.

    Raises
    ------
    InputError
        If no source has the file, if what came is not the file, or if the disk has no room.
    """
    file = file.expecting((checksums or {}).get(file.name))
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mirror).expanduser() if mirror and "://" not in mirror else None
    if folder is not None and (found := find_in_folder(folder, file, output)):
        _copy(file, found, output)
        return
    addresses = [urls[file.name]] if urls and file.name in urls else [file.url, *file.other_urls]
    if mirror and folder is None:
        addresses.insert(0, f"{mirror.rstrip('/')}/{file.name}")
    failures = []
    for address in addresses:
        strict = not file.has_variants or address in (file.url, *file.other_urls)
        try:
            before = output.exists()
            with sole_owner(output):
                if output.exists() and not before:  # Another brought it meanwhile.
                    _accept(file, output, output, strict)
                else:
                    _download(address, file, output, strict, patience)
            return
        except TransferError as failure:
            failures.append(f"{address}: {failure}")
        except _WrongFileError as failure:
            failures.append(f"{address}: the file that came {failure}")
        print(f"No luck with {failures[-1]}.")
    where = f" (nor does the folder {folder} hold it)" if folder else ""
    if mirror and folder is None:
        failures[-1] += "; if your mirror has other bytes on purpose, set `checksums`"
    raise InputError(
        f"{file.name} could not be downloaded{where}; {'; '.join(failures)}. Check the network, or"
        f" {remedy}{_doubt(output)}."
    )


def verify(file: RemoteFile, path: Path) -> dict[str, str]:
    """Return digests of a file that was fetched before, if it is still what is expected.

    Only what has been written since, or what is now expected by another digest than then, is read.

    Parameters
    ----------
    file : RemoteFile
        What it should be.
    path : Path
        Where it is.

    Raises
    ------
    InputError
        If it is another file.
    """
    try:
        # A variant that a mirror gave is recorded.
        _accept(file, path, path, strict=not (file.has_variants and _record(path).exists()))
    except _WrongFileError as error:
        raise InputError(
            f"{path} is not the right {file.name}: it {error}; correct `checksums`, or move the"
            f" file away, so that it is downloaded anew{_doubt(path)}."
        ) from None
    return _noted(path)


def find_in_folder(folder: Path, file: RemoteFile, output: Path) -> Path | None:
    """Return the file of that name in a folder or below it, or None.

    Of several files of that name with different content, the one that is right is taken.

    Parameters
    ----------
    folder : Path
        Where to look.
    file : RemoteFile
        What to look for.
    output : Path
        Where the file will stand; beside it lies the record of an unknown file's digest.

    Raises
    ------
    InputError
        If the folder does not exist, or if several different files may be meant.
    """
    if not folder.is_dir():
        raise InputError(f"The mirror {folder} is not a folder: correct `mirror` or leave it out.")
    found = [path for path in sorted(folder.rglob(file.name)) if path.is_file()]
    if len(found) < 2:
        return found[0] if found else None
    different = {_digests(file, path, "sha256")["sha256"]: path for path in reversed(found)}
    if len(different) > 1:
        different = {
            digest: path
            for digest, path in different.items()
            if _expected(file, output, strict=True) and _is_right(file, path, output)
        }
    if len(different) != 1:
        raise InputError(
            f"The mirror {folder} holds different files named {file.name}"
            f" ({', '.join(str(path.relative_to(folder)) for path in found)}): set `mirror` to the"
            " folder of the right one."
        )
    return next(iter(different.values()))


def _is_right(file: RemoteFile, path: Path, output: Path) -> bool:
    try:
        _check(file, path, output, strict=True)
    except _WrongFileError:
        return False
    return True


def _copy(file: RemoteFile, found: Path, output: Path) -> None:
    """Copy a file of a mirror folder; what is wrong with it is told before it takes its place."""
    check_room(output, found.stat().st_size)
    try:
        _check_size(file, found, strict=not file.has_variants)
        with atomic_path(output) as scratch:
            with open(scratch, "wb") as copy:
                for piece in _read(found, f"copying {file.name}"):
                    copy.write(piece)
            _accept(file, scratch, output, strict=not file.has_variants)
    except _WrongFileError as error:
        raise InputError(
            f"{found} is not the right {file.name}: it {error}; take it from another source"
            f"{_doubt(output)}, or set `checksums` if it is the one that you mean."
        ) from None


def _download(
    address: str, file: RemoteFile, output: Path, strict: bool, patience: Patience
) -> None:
    """Bring a file from one address; a wrong one, damaged on its way perhaps, is tried again."""
    part = output.with_name(output.name + ".part")
    for tries_left in (1, 0):
        transfer(
            address,
            part,
            size=file.size if strict else None,
            will_be_checked=bool(_expected(file, output, strict)),
            patience=patience,
        )
        try:
            _accept(file, part, output, strict)
        except _WrongFileError:
            discard(part)
            if not tries_left:
                raise
        else:
            part.replace(output)
            discard(part)
            return


def _accept(file: RemoteFile, path: Path, output: Path, strict: bool) -> None:
    """Check a file and note its digests; record and tell that of one that nothing is known of."""
    digests = _check(file, path, output, strict)
    if not _expected(file, output, strict):
        digests = _digests(file, path, "sha256", "md5")
        if not any(_fits(digests, *published) for published in _published(file)):
            if file.name.endswith(".zip"):
                _check_archive(path)
            with atomic_path(_record(output)) as scratch:
                scratch.write_text(f"{digests['sha256']}  {file.name}\n")
            reason = "it is not the published file" if _published(file) else "no checksum is known"
            print(f"{file.name} is unverified: {reason}; sha256 {digests['sha256']}")
    write_json(_note(output), {"state": _state(path), "digests": digests})


def _check(file: RemoteFile, path: Path, output: Path, strict: bool) -> dict[str, str]:
    """Return the digests of a file that are expected, or raise what is wrong with it."""
    _check_size(file, path, strict)
    expected = _expected(file, output, strict)
    digests = _digests(file, path, *{name for name, _ in expected}) if expected else {}
    for name, digest in expected:
        if not _fits(digests, name, digest):
            raise _WrongFileError(f"has the {name} {digests[name]} where {digest} was expected")
    return digests


def _fits(digests: dict[str, str], name: str, digest: str) -> bool:
    return digests[name].startswith(digest.rstrip("…"))


def _check_size(file: RemoteFile, path: Path, strict: bool) -> None:
    actual = path.stat().st_size
    if strict and file.size is not None and actual != file.size:
        raise _WrongFileError(f"has {actual:,} bytes where {file.size:,} were expected")


def _expected(file: RemoteFile, output: Path, strict: bool) -> list[tuple[str, str]]:
    """Return the digests that a file must have: those published, and that of its first download."""
    record = _record(output)
    seen = [("sha256", record.read_text().split()[0])] if record.exists() else []
    return seen + (_published(file) if strict else [])


def _published(file: RemoteFile) -> list[tuple[str, str]]:
    known = [("sha256", file.sha256), ("md5", file.md5)]
    return [(name, digest) for name, digest in known if digest]


def _record(output: Path) -> Path:
    return output.with_name(output.name + ".sha256")


def _note(output: Path) -> Path:
    return output.with_name(output.name + ".digests.json")


def _noted(path: Path) -> dict[str, str]:
    """Return the digests that were noted of a file when it was as it is."""
    if not _note(path).exists():
        return {}
    note = read_json(_note(path))
    return note["digests"] if note["state"] == _state(path) else {}


def _state(path: Path) -> list[int]:
    """Return what changes when a file is written: its size, and its time in nanoseconds."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _doubt(output: Path) -> str:
    """Return what to do if the record of an earlier download is what is wrong."""
    record = _record(output)
    if not record.exists():
        return ""
    return f", or delete {record} if the file that it records was the wrong one"


def _check_archive(path: Path) -> None:
    """Read a whole zip archive, whose parts bear checksums of their own."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # Damage shows as errors of many kinds: of zipfile, zlib, lzma.
        damaged = str(error) or type(error).__name__
    if damaged:
        raise _WrongFileError(f"is not a whole zip archive ({damaged})")


def _digests(file: RemoteFile, path: Path, *names: str) -> dict[str, str]:
    """Return hexadecimal digests of a file by the names that `hashlib` knows.

    A file is not read if they were noted and it has not been written since.
    """
    noted = _noted(path)
    if noted.keys() >= set(names):
        return {name: noted[name] for name in names}
    digests = {name: hashlib.new(name) for name in names}
    for piece in _read(path, f"checking {file.name}"):
        for digest in digests.values():
            digest.update(piece)
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _read(path: Path, action: str) -> Iterator[bytes]:
    """Read a file in pieces, with a progress bar."""
    size = path.stat().st_size
    with (
        open(path, "rb") as file,
        progress(desc=action, total=size, unit="B", unit_scale=True) as bar,
    ):
        while piece := file.read(PIECE):
            yield piece
            bar.update(len(piece))
