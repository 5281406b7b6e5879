"""Every file that recap downloads, and how one is brought and verified."""

from pathlib import Path

from recap.backbones.weights import WEIGHT_FILES
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.core.remote_file import RemoteFile
from recap.datasets.digits.files import DIGIT_FILES
from recap.datasets.registry import DATASET_FILES
from recap.evaluation.scoring.corenlp import SPICE_FILES
from recap.vision.files import VISION_FILES

CATALOGUE = DATASET_FILES | WEIGHT_FILES | SPICE_FILES | DIGIT_FILES | VISION_FILES
"""Every file that recap downloads, by the path below `resources` where the workflow puts it."""

DOWNLOADS = {file.name: file for file in CATALOGUE.values()}
"""The same files by their names."""


def download_file(
    file: str,
    *,
    output: OutputFile,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
) -> None:
    """Download a file of the catalogue and verify it.

    Parameters
    ----------
    file : str
        Its name, such as `train2014.zip` or `vgg16-397923af.pth`.
    output : Path
        Where to put it.
    mirror : str
        Folder or URL where the file is looked for first.
    urls : dict, optional
        Addresses to use in place of the official ones, by file name; JSON on the command line.
    checksums : dict, optional
        Checksums to expect in place of the published ones, by file name, such as `sha256:…`, or
        `unknown`; JSON on the command line.

    Raises
    ------
    InputError
        If there is no such file in the catalogue, no source has it, or its size or checksum is
        wrong.
    """
    from recap.core.fetch import fetch  # not needed to know the files

    fetch(_find(file), output, mirror, urls, checksums)


def verify_download(file: Path, *, checksum: str | None = None, output: OutputFile) -> None:
    """Verify a downloaded file again, and record its digests.

    It is read only if it has been written since it was verified, or if another kind of digest
    is expected.

    Parameters
    ----------
    file : Path
        File that recap has downloaded; its name tells what it should be.
    checksum : str, optional
        Checksum to expect in place of the published one, such as `sha256:…`, or `unknown`.
    output : Path
        JSON file to write: name, size in bytes and digests.

    Raises
    ------
    InputError
        If the file is missing, is none that recap downloads, or has another size or checksum.
    """
    from recap.core.fetch import verify  # not needed to know the files

    expected = _find(file.name)
    if not file.is_file():
        raise InputError(f"{file} does not exist: check the path.")
    digests = verify(expected.expecting(checksum), file)
    write_json(output, {"file": file.name, "bytes": file.stat().st_size, **digests})


def _find(name: str) -> RemoteFile:
    if name not in DOWNLOADS:
        raise InputError(f"{name} is no file that recap downloads: {', '.join(DOWNLOADS)}.")
    return DOWNLOADS[name]
