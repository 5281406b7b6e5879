"""Verify files that were downloaded before."""

from pathlib import Path

from recap.backbones.weights import WEIGHTS
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.datasets.registry import DATASETS
from recap.evaluation.scoring.corenlp import CORENLP

DOWNLOADS = {
    file.name: file
    for file in (
        *(file for dataset in DATASETS.values() for file in dataset.files),
        *(file for known in WEIGHTS.values() for file in known.values()),
        CORENLP,
    )
}
"""Every file that recap downloads, by its name."""


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

    if file.name not in DOWNLOADS:
        raise InputError(f"{file} is no file that recap downloads: {', '.join(DOWNLOADS)}.")
    if not file.is_file():
        raise InputError(f"{file} does not exist: check the path.")
    digests = verify(DOWNLOADS[file.name].expecting(checksum), file)
    write_json(output, {"file": file.name, "bytes": file.stat().st_size, **digests})
