"""Download what SPICE needs."""

from recap.core.errors import InputError
from recap.core.outputs import OutputFile
from recap.core.remote_file import UNKNOWN, RemoteFile

CORENLP = RemoteFile("https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip")


def download_spice(
    *,
    output: OutputFile,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
) -> None:
    """Download Stanford CoreNLP 3.6.0, whose parser SPICE uses, and verify it.

    Programs in it are run, and no official checksum is known: `checksums` must name one.

    Parameters
    ----------
    output : Path
        Where to put the archive of 384 MB.
    mirror : str
        Folder or URL where the file is looked for first.
    urls : dict, optional
        Addresses to use in place of the official ones, by file name; JSON on the command line.
    checksums : dict, optional
        Checksums to expect, by file name, such as `sha256:…`; JSON on the command line.

    Raises
    ------
    InputError
        If no checksum is given, no source has the file, or it is another one.
    """
    from recap.core.fetch import fetch  # not needed to know the file

    require_digest(checksums or {})
    fetch(CORENLP, output, mirror, urls, checksums)


def require_digest(checksums: dict[str, str]) -> None:
    """Refuse to trust the parser's archive without a digest to hold it against.

    Parameters
    ----------
    checksums : dict of str to str
        Checksums to expect, by file name.

    Raises
    ------
    InputError
        If there is none of the archive.
    """
    if checksums.get(CORENLP.name, UNKNOWN) == UNKNOWN:
        raise InputError(
            f"SPICE runs programs of {CORENLP.name}, of which no official checksum is known: add"
            f' `{CORENLP.name}: "sha256:…"` to `checksums`, with what `sha256sum` prints of a copy'
            " that you trust, or leave SPICE out."
        )
