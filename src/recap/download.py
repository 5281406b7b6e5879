"""Fetch files: from a mirror if one has them, else from their official address; verified."""

import shutil
import time
import zipfile
import zlib
from pathlib import Path

import requests

from recap.errors import InputError
from recap.files import atomic_path, file_hash
from recap.progress import progress
from recap.remote_file import RemoteFile

TRIES = 6
TIMEOUT = 60  # seconds without a byte
PIECE = 1 << 20

NO_ADDRESS = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)


def fetch(
    file: RemoteFile, output: Path, mirror: str = "", urls: dict[str, str] | None = None
) -> None:
    """Bring a file to `output`, from a mirror if it has it, and verify it.

    An interrupted download leaves `output` with `.part` added, from which the next call goes
    on. `output` itself appears only once size and digest are right. Where no digest is known,
    the one seen at the first download is kept in `output` with `.sha256` added, and later
    downloads are held against it.

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

    Raises
    ------
    InputError
        If no source has the file, or if what came is not the file.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(output.name + ".part")
    if mirror and "://" not in mirror:
        found = find_in_folder(Path(mirror), file.name)
        if found is not None:
            verify(file, found, output)
            with atomic_path(output) as scratch:
                shutil.copyfile(found, scratch)
            return
    addresses = [(urls or {}).get(file.name, file.url)]
    if "://" in mirror:
        addresses.insert(0, f"{mirror.rstrip('/')}/{file.name}")
    failures = []
    for address in addresses:
        try:
            _download(address, part, file.size)
            break
        except requests.RequestException as error:
            failures.append(f"{address}: {_in_words(error)}")
    else:
        where = f" (nor does the folder {mirror} hold it)" if mirror and "://" not in mirror else ""
        raise InputError(
            f"{file.name} could not be downloaded{where}; {'; '.join(failures)}. Check the network,"
            " or set `mirror` to a folder or URL that has it."
        )
    verify(file, part, output)
    part.replace(output)


def find_in_folder(folder: Path, name: str) -> Path | None:
    """Return the first file of that name in a folder or below it, or None.

    Parameters
    ----------
    folder : Path
        Where to look.
    name : str
        File name without folders.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"The mirror {folder} is not a folder: correct `mirror` or leave it out.")
    return next((path for path in sorted(folder.rglob(name)) if path.is_file()), None)


def verify(file: RemoteFile, path: Path, output: Path) -> None:
    """Hold a fetched file against what is known of it.

    Parameters
    ----------
    file : RemoteFile
        What is known.
    path : Path
        The fetched file. A wrong `.part` file is deleted.
    output : Path
        Where the file will stand; beside it lies the record of an unknown file's digest.

    Raises
    ------
    InputError
        If size or digest differ, with both values.
    """
    record = output.with_name(output.name + ".sha256")
    expected = [("sha256", file.sha256), ("md5", file.md5)]
    if not any(digest for _, digest in expected) and record.exists():
        expected = [("sha256", record.read_text().split()[0])]
    problem = ""
    if file.size is not None and path.stat().st_size != file.size:
        problem = f"has {path.stat().st_size:,} bytes where {file.size:,} were expected"
    for algorithm, digest in expected:
        if digest and not problem:
            actual = file_hash(path, algorithm)
            if not actual.startswith(digest.rstrip("…")):
                problem = f"has the {algorithm} {actual} where {digest} was expected"
    if problem:
        if path.suffix == ".part":
            path.unlink()
        remedy = "take it from another source"
        if record.exists():
            remedy += f", or delete {record} if the file that it records was the wrong one"
        raise InputError(f"{path} is not the right {file.name}: it {problem}; {remedy}.")
    if not any(digest for _, digest in expected):
        if file.name.endswith(".zip"):
            _check_archive(path, file.name)
        actual = file_hash(path)
        with atomic_path(record) as scratch:
            scratch.write_text(f"{actual}  {file.name}\n")
        print(f"{file.name}: no official checksum is known, so it is unverified; sha256 {actual}")


def _check_archive(path: Path, name: str) -> None:
    """Read a whole zip archive, whose parts bear checksums of their own."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        damaged = str(error)
    if damaged:
        if path.suffix == ".part":
            path.unlink()
        raise InputError(
            f"{path} is not a whole {name} ({damaged}): run the same again, or take it from another"
            " source."
        )


def _download(url: str, part: Path, size: int | None) -> None:
    """Download to `part`, going on from what is there; tries again with growing pauses."""
    for attempt in range(TRIES):
        try:
            _download_once(url, part, size)
            return
        except requests.HTTPError as error:
            if error.response.status_code < 500 and error.response.status_code != 429:
                raise
            failure = error
        except NO_ADDRESS:
            raise
        except requests.RequestException as error:
            failure = error
        if attempt + 1 < TRIES:
            time.sleep(2**attempt)
    raise failure


def _download_once(url: str, part: Path, size: int | None) -> None:
    start = part.stat().st_size if part.exists() else 0
    # A compressed answer would tell another length than that of the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            if start == size:
                return
            part.unlink()
            raise requests.ConnectionError("the server has nothing to go on with")
        response.raise_for_status()
        if response.status_code != 206:
            start = 0
        length = int(response.headers.get("Content-Length", 0))
        bar = progress(
            desc=part.stem,
            total=start + length or size,
            initial=start,
            unit="B",
            unit_scale=True,
        )
        with bar, open(part, "ab" if start else "wb") as file:
            for piece in response.iter_content(PIECE):
                bar.update(file.write(piece))
        if length and part.stat().st_size < start + length:
            raise requests.ConnectionError("the connection was cut")


def _in_words(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError):
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, NO_ADDRESS):
        return "not a URL"
    return "the server could not be reached or cut the connection"
