"""A file server on the loopback device that fails in the ways in which servers fail."""

import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePosixPath


class FaultyServer:
    """A server that holds files by name, in whatever folder they are asked for.

    Attributes
    ----------
    files : dict
        Content by file name.
    behaviours : list, or callable that returns one
        How to answer: each request takes the next; the last one stays. `whole`, a status such as
        500, `cuts` (after half of what is left), `stalls` (the same, but silently), `trickles` (a
        byte each twentieth of a second), `ignores Range`, `no length`, `wrong byte`, or a function
        that is given the handler.
    versions : {"ETag", "Last-Modified", None}
        How the server names the version of a file.
    requests : list
        Path and headers of each request.
    """

    def __init__(self, files: dict[str, bytes], *behaviours: str | int):
        self.files = files
        self.behaviours: list | Callable = list(behaviours) or ["whole"]
        self.versions: str | None = "ETag"
        self.retry_after: str | None = None
        self.stall = 0.6
        self.requests: list[tuple[str, dict]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer._answer(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _next(self) -> str | int:
        if callable(self.behaviours):
            return self.behaviours()
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.requests.append((handler.path, dict(handler.headers)))
            behaviour = self._next()
        content = self.files.get(PurePosixPath(handler.path).name)
        if content is None:
            behaviour = 404
        if callable(behaviour):
            with suppress(OSError):
                behaviour(handler)
            return
        if isinstance(behaviour, int):
            handler.send_response(behaviour)
            if self.retry_after is not None:
                handler.send_header("Retry-After", self.retry_after)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = self._start(handler, content, behaviour)
        if start is not None and start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if start is None:
            handler.send_response(200)
            start = 0
        else:
            handler.send_response(206)
            last = len(content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        if self.versions:
            handler.send_header(self.versions, self.version(content))
        if behaviour != "no length":
            handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        body = content[start:]
        if behaviour in ("cuts", "stalls"):
            body = body[: len(body) // 2]
        if behaviour == "wrong byte":
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        try:
            if behaviour == "trickles":
                for byte in body:
                    handler.wfile.write(bytes([byte]))
                    time.sleep(0.05)
            else:
                handler.wfile.write(body)
            handler.wfile.flush()
        except OSError:
            return
        if behaviour == "stalls":
            time.sleep(self.stall)

    def _start(self, handler, content: bytes, behaviour: str) -> int | None:
        """Return where the answer begins, or None for the whole file."""
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        version = handler.headers.get("If-Range")
        if not wanted or behaviour == "ignores Range":
            return None
        if version is not None and version != self.version(content):
            return None
        return int(wanted[1])

    def version(self, content: bytes) -> str:
        """Return what the server calls this version of a file."""
        digest = hashlib.sha256(content).hexdigest()
        if self.versions == "ETag":
            return f'"{digest[:16]}"'
        return (
            f"Sat, 21 Nov 2026 {int(digest[:2], 16) % 24:02}:{int(digest[2:4], 16) % 60:02}:00 GMT"
        )

    def ranges(self) -> list[str | None]:
        """Return the `Range` of each request."""
        return [headers.get("Range") for _, headers in self.requests]

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
