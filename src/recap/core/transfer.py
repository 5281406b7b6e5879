"""Bring a file over HTTP, and go on where the connection broke off."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError
from urllib3.util import Retry

from recap import __version__
from recap.core.connection import Connections, TransferError, Watch
from recap.core.errors import InputError
from recap.core.files import name_full_disk
from recap.core.progress import progress

# Bytes that are taken from a connection at a time, at most.
PIECE = 1 << 17

# Digits of a number of bytes, at most.
DIGITS = 18

BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """How much to put up with from a server.

    Attributes
    ----------
    silence : float
        Seconds without a byte after which a connection counts as lost.
    least_rate : float
        Bytes a second; a connection that is slower over `silence` seconds counts as lost too.
    tries : int
        Tries in a row that bring nothing new, or trickle.
    first_pause : float
        Seconds to wait after the first of them; each further wait is twice as long.
    longest_pause : float
        Seconds to wait at most, and the longest wait that a server may ask for.
    """

    silence: float = 60
    least_rate: float = 1000
    tries: int = 6
    first_pause: float = 1
    longest_pause: float = 300


PATIENCE = Patience()


class _Interruption(TransferError):
    """A transient failure, worth another try, after as many seconds as the server asks for.

    Bytes that trickled came too slowly to be worth a further try.
    """

    def __init__(self, reason: str, pause: float | None = None, trickled: int = 0):
        if pause:
            reason += f" and asks to be left alone for {pause:,.0f} s"
        super().__init__(reason)
        self.pause = pause
        self.trickled = trickled


def transfer(
    url: str,
    part: Path,
    *,
    size: int | None = None,
    will_be_checked: bool = False,
    patience: Patience = PATIENCE,
) -> None:
    """Bring the file at an address to `part`, going on from what is there of it.

    A partial file is resumed only if it is of the same version: the request names the version that
    the first bytes came from (its `ETag` or date, kept beside `part` with `.json` added), and a
    server that has another by now sends it whole. Lost connections, and servers that are busy, are
    tried again with growing pauses, or after as long as the server asks for.

    Parameters
    ----------
    url : str
        Address.
    part : Path
        File to fill. It stays if the transfer fails.
    size : int, optional
        Bytes that the file has; an answer of another length is refused before it is read.
    will_be_checked : bool
        Whether a digest will detect a mixture of two versions, so that a file of unknown version,
        or one that another address began, may be resumed.
    patience : Patience
        How long to wait, and how often to try.

    Raises
    ------
    TransferError
        If the server refuses, has no file of that size, or is lost or busy for too long.
    InputError
        If the disk has no room for the file.
    """
    furthest = failures = 0
    while True:
        try:
            _transfer_once(url, part, size, will_be_checked, patience)
            return
        except _Interruption as interruption:
            reached = part.stat().st_size if part.exists() else 0
            failures = 1 if reached - interruption.trickled > furthest else failures + 1
            furthest = max(furthest, reached)
            pause = min(patience.first_pause * 2 ** (failures - 1), patience.longest_pause)
            if interruption.pause is not None:
                pause = interruption.pause
            if failures >= patience.tries or pause > patience.longest_pause:
                raise
        time.sleep(pause)


def _transfer_once(
    url: str, part: Path, size: int | None, will_be_checked: bool, patience: Patience
) -> None:
    origin = _origin(part)
    version = _version_of(origin, url)
    start = part.stat().st_size if part.exists() and (version or will_be_checked) else 0
    # A compressed answer would tell another length than that of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"recap/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    watch = Watch(patience.silence)
    with Connections(watch) as connections, _in_words(connections), name_full_disk(part):
        request = connections.get(url, headers=headers, stream=True, timeout=patience.silence)
        with request as response:
            _refuse(response, start)
            if response.status_code == 416 and _total(response) == start:
                return
            if response.status_code != 206:
                start = 0
            total = _total(response)
            if response.status_code == 416 or (start and _first(response) != start):
                part.unlink()
                raise _Interruption("it has no more of the file, or another file by now")
            if size is not None and total is not None and total != size:
                raise TransferError(f"its file has {total:,} bytes where {size:,} were expected")
            if not start:
                # In this order: bytes must never lie beside the version of others.
                part.unlink(missing_ok=True)
                origin.write_text(json.dumps({"url": url, "version": _version(response)}))
            end = size if total is None else total
            check_room(part, (end or 0) - start)
            bar = progress(desc=part.stem, total=end, initial=start, unit="B", unit_scale=True)
            with bar, open(part, "ab" if start else "wb") as file:
                for piece in _pieces(response, patience, watch):
                    if end is not None and file.tell() + len(piece) > end:
                        discard(part)
                        raise TransferError(f"it sends more than the {end:,} bytes of the file")
                    bar.update(file.write(piece))
    if part.stat().st_size < (end or 0):
        raise _Interruption("the server cut the connection")


@contextmanager
def _in_words(connections: Connections) -> Iterator[None]:
    """Say in a few words what went wrong, and at which address it did."""
    try:
        yield
    except requests.exceptions.InvalidProxyURL as error:
        raise TransferError(f"the proxy of the environment is not a URL ({error})") from None
    except ValueError:
        raise TransferError(f"{connections.led}not a URL") from None
    except requests.TooManyRedirects:
        raise TransferError(f"{connections.led}and so on without an end") from None
    except requests.exceptions.SSLError as error:
        reason = "the server's certificate is not valid"
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            reason = f"there is no secure connection ({getattr(error.args[0], 'reason', error)})"
        raise TransferError(connections.led + reason) from None
    except (requests.Timeout, ReadTimeoutError):
        raise _Interruption(f"{connections.led}the server did not answer in time") from None
    except (requests.RequestException, HTTPError):
        raise _Interruption(
            f"{connections.led}the server could not be reached or cut the connection"
        ) from None
    except OSError as error:
        # requests' own, of a file of certificates; the system's errors have a number.
        if error.errno is not None:
            raise
        raise TransferError(f"{error}; see REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE") from None


def _pieces(response: requests.Response, patience: Patience, watch: Watch) -> Iterator[bytes]:
    """Yield an answer's bytes as they come, as long as they come fast enough."""
    came, waited, slow = 0, 0.0, ""
    while True:
        asked = time.monotonic()
        watch.restart()
        # requests' own pieces are of a fixed size: one that trickles in would be waited for.
        piece = response.raw.read1(PIECE)
        waited += time.monotonic() - asked
        if not piece:
            return
        if slow:
            raise _Interruption(slow, trickled=came)
        yield piece
        came += len(piece)
        if waited >= patience.silence:
            if came < patience.least_rate * waited:
                # Were this the last piece, the file would be whole.
                slow = f"the server sends only {came / waited:,.0f} bytes a second"
            else:
                came, waited = 0, 0.0


def _refuse(response: requests.Response, start: int) -> None:
    """Raise what an answer without the file means."""
    status = response.status_code
    reason = f"the server answered {status}"
    if status in BUSY:
        raise _Interruption(reason, _wanted_pause(response))
    if status not in (200, 206) and not (status == 416 and start):
        raise TransferError(reason)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TransferError("the server sends the file compressed")


def _wanted_pause(response: requests.Response) -> float | None:
    """Return for how many seconds the server asks to be left alone, if it says."""
    wanted = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(wanted) if wanted else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _version(response: requests.Response) -> str | None:
    """Return what tells this version of the file from others, for `If-Range` (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag


def discard(part: Path) -> None:
    """Remove what a transfer left.

    Parameters
    ----------
    part : Path
        File that was being filled, whether it is still there or not.
    """
    part.unlink(missing_ok=True)
    _origin(part).unlink(missing_ok=True)


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _version_of(origin: Path, url: str) -> str | None:
    """Return the version that the bytes at hand are of, if this address gave them."""
    try:
        content = json.loads(origin.read_text())
        return content["version"] if content["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _first(response: requests.Response) -> int | None:
    """Return the position of an answer's first byte in the file."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return _number(first)


def _total(response: requests.Response) -> int | None:
    """Return the whole file's size in bytes, as an answer tells it."""
    total = response.headers.get("Content-Length", "")
    if response.status_code != 200:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return _number(total)


def _number(text: str) -> int | None:
    """Read a number of bytes in an answer's headers; None where there is none."""
    if not text.isdecimal():
        return None
    if len(text) > DIGITS:
        raise TransferError(f"it tells a length of {len(text):,} digits")
    return int(text)


def check_room(path: Path, wanted: int) -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    path : Path
        File to write.
    wanted : int
        Bytes to write.

    Raises
    ------
    InputError
        If the disk has less room.
    """
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise InputError(
            f"{path.name.removesuffix('.part')} needs {wanted / 1e9:,.1f} GB, but the disk of"
            f" {path.parent} has only {free / 1e9:,.1f} GB free: make room, or put the project on a"
            " larger disk."
        )
