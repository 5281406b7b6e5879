"""Connections to servers, with an end to each wait, and with no step back from https to http."""

import http.client
import io
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

# Bytes that a server may send at a time that are none of a file: headers and the like.
BESIDES = 1 << 24


class TransferError(Exception):
    """Why a server does not give the file, in a few words."""


class Watch:
    """Ends each wait for bytes of a file: for the first ones and their headers, and for the next.

    The time limit of a socket does not: a byte now and then of a header keeps it waiting, and so
    do notes that the answer is still to come, without an end.

    Parameters
    ----------
    seconds : float
        Longest wait.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Begin the next wait."""
        self._end = time.monotonic() + self._seconds
        self._left = BESIDES

    def count(self, received: int) -> None:
        """Take note of bytes of any kind.

        Parameters
        ----------
        received : int
            How many came.

        Raises
        ------
        TimeoutError
            If the wait is over.
        """
        self._left -= received
        if self._left < 0 or time.monotonic() > self._end:
            raise TimeoutError("the wait is over")


class _Watched(io.RawIOBase):
    """The bytes of a connection."""

    def __init__(self, raw: io.RawIOBase, watch: Watch):
        self._raw = raw
        self._watch = watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        received = self._raw.readinto(buffer)
        self._watch.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class Connections(requests.Session):
    """Connections that follow where a server leads, but not from https to http.

    Parameters
    ----------
    watch : Watch
        Told of all bytes that come.

    Attributes
    ----------
    led : str
        Where a server led to, in words that an error goes on from; empty before.
    """

    def __init__(self, watch: Watch):
        super().__init__()
        self.led = ""
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter(watch))

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Return where an answer leads to, or None.

        Raises
        ------
        TransferError
            If it leads from https to http.
        """
        target = super().get_redirect_target(response)
        if target:
            self.led = f"it leads to {target[:200]!r}: "
            to = urlsplit(urljoin(response.url, target)).scheme
            if urlsplit(response.url).scheme == "https" and to == "http":
                raise TransferError(f"{self.led}from https to http, which anyone can change")
        return target


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, watch: Watch):
        super().__init__()
        self._watch = watch

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        watch = self._watch

        class Response(http.client.HTTPResponse):
            def __init__(self, *arguments: Any, **options: Any):
                super().__init__(*arguments, **options)
                self.fp = io.BufferedReader(_Watched(self.fp.detach(), watch))

        class Connection(pool.ConnectionCls):
            response_class = Response

        pool.ConnectionCls = Connection
        return pool
