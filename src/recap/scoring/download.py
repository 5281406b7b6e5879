"""Download what SPICE needs."""

from recap.download import fetch
from recap.outputs import OutputFile
from recap.remote_file import RemoteFile

CORENLP = RemoteFile("http://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip")


def download_spice(
    *,
    output: OutputFile,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
) -> None:
    """Download Stanford CoreNLP 3.6.0, whose parser SPICE uses, and verify it.

    No official checksum is known: that of the first download is recorded beside the file.

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
        If no source has the file, or it is damaged.
    """
    fetch(CORENLP, output, mirror, urls, checksums)
