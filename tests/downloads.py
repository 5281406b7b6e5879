"""What tests of downloads share."""

import hashlib

from recap.core import fetch as download
from recap.core.remote_file import RemoteFile
from recap.core.transfer import Patience

CONTENT = bytes(range(256)) * 2000
NAME = "photos.bin"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def fetch(file, output, mirror="", **options):
    """Fetch with little patience."""
    download.fetch(file, output, mirror, patience=Patience(silence=0.3), **options)


def remote(server, **known):
    return RemoteFile(f"{server.url}/data/{NAME}", **known)


def left_in(folder):
    """Return the names of the files in a folder, but for the notes of what was verified."""
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in names if not name.endswith(".digests.json"))
