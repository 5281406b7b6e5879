"""Which host this is, and which of its processes run, where several hosts share files."""

import os
import socket
from pathlib import Path


def this_host() -> str:
    """Return what names this host, and the container in it, in which a process has a number."""
    try:
        container = Path("/proc/self/ns/pid").readlink()
    except OSError:  # Only Linux has it.
        container = ""
    return f"{socket.gethostname()} {container}"


def is_running(process: int) -> bool:
    """Return whether a process of this host, by its number, may still run."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
