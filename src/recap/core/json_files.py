"""Read and write JSON, large files as a stream."""

import io
import json
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from recap.core.errors import InputError
from recap.core.files import atomic_path

# Characters that are read at a time, and that the longest entry of a file may have.
PIECE, LONGEST = 1 << 16, 1 << 24

WHITE_SPACE = " \t\r\n"
COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")


def write_json(path: Path, value: Any, *, record_digest: bool = False, **options: Any) -> None:
    """Write a value as JSON, atomically.

    Parameters
    ----------
    path : Path
        File to make.
    value
        What `json.dumps` accepts.
    record_digest : bool
        As in `atomic_path`.
    **options
        Passed to `json.dumps`, such as `indent=2`.
    """
    with atomic_path(path, record_digest=record_digest) as scratch:
        scratch.write_text(json.dumps(value, **options), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; a byte order mark is passed over.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    InputError
        If the file is missing or unreadable, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except (ValueError, RecursionError) as error:
        raise _not_json(str(path), error) from None


def iterate_json(file: IO[bytes], key: str, name: str) -> Iterator[Any]:
    """Yield what stands under a key of the file's object, without holding the rest.

    The file is read to its end, so that what is not JSON shows. It may hold what Python's `json`
    reads: a byte order mark, whole numbers of any size, `NaN`.

    Parameters
    ----------
    file : binary file
        Open for reading, at its beginning.
    key : str
        A key of the object that the file holds.
    name : str
        What to call the file in an error.

    Yields
    ------
    Any
        Each entry, if a list stands there; else the value itself.

    Raises
    ------
    InputError
        If the file is not JSON.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    try:
        yield from _Reader(text).entries(key)
    except (ValueError, RecursionError) as error:
        raise _not_json(name, error) from None
    finally:
        # The file is the caller's to close.
        text.detach()


class _Reader:
    """Reads one JSON value after another from a text file, as far as it has to."""

    def __init__(self, file: IO[str]):
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._decode = json.JSONDecoder().raw_decode

    def entries(self, key: str) -> Iterator[Any]:
        """Yield the entries of the list under a key of the object, or the value there."""
        if self._peek() != "{":
            # What is not an object has no keys, but it may be JSON.
            self._value()
        elif not self._is_empty("{}"):
            while True:
                found = self._value() == key
                self._expect(":")
                if self._peek() != "[":
                    value = self._value()
                    if found:
                        yield value
                elif not self._is_empty("[]"):
                    if found:
                        yield from self._list()
                    else:
                        deque(self._list(), maxlen=0)
                if self._peek() != ",":
                    self._expect("}")
                    break
                self._at += 1
        if self._peek():
            raise ValueError(f"extra data {self._text[self._at : self._at + 10]!r}")

    def _is_empty(self, brackets: str) -> bool:
        """Step over an opening bracket, and over the closing one if nothing is between them."""
        self._expect(brackets[0])
        if self._peek() != brackets[1]:
            return False
        self._at += 1
        return True

    def _list(self) -> Iterator[Any]:
        """Yield the values of a list, up to its closing bracket."""
        while True:
            yield self._value()
            # Nearly always the comma stands in what is held already.
            comma = COMMA.match(self._text, self._at)
            if comma and comma.end() < len(self._text):
                self._at = comma.end()
            elif self._peek() == ",":
                self._at += 1
            else:
                self._expect("]")
                return

    def _value(self) -> Any:
        """Read a whole value; of one that is cut off by the end of the piece, read on."""
        if self._text[self._at : self._at + 1] in WHITE_SPACE:
            self._peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - max(error.pos, self._at) > LONGEST:
                    raise
            else:
                # A number that ends near the end may go on: 2 is read of `2.`, and of `2e+`.
                if end + 2 < len(self._text) or self._ended:
                    self._at = end
                    return value
            self._read_on()

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            found = self._text[self._at : self._at + 10] or "the end"
            raise ValueError(f"{character!r} was expected, not {found!r}")
        self._at += 1

    def _peek(self) -> str:
        """Return the next character that is no white space; nothing at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in WHITE_SPACE:
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._read_on()

    def _read_on(self) -> None:
        """Drop what is done with, and double what is held, by a piece at least."""
        held = self._text[self._at :]
        piece = self._file.read(max(PIECE, len(held)))
        self._text, self._at, self._ended = held + piece, 0, not piece


def _not_json(name: str, error: Exception) -> InputError:
    reason = "nested too deeply" if isinstance(error, RecursionError) else error
    return InputError(f"{name} is not valid JSON ({reason}): make or download it again.")
