"""Download the files of a data set."""

from typing import Literal

from recap.core.errors import InputError
from recap.core.fetch import fetch
from recap.core.outputs import OutputFile
from recap.datasets.registry import DATASETS


def download_dataset(
    dataset: Literal["coco2014", "coco2017", "flickr8k"],
    file: str,
    *,
    output: OutputFile,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
) -> None:
    """Download one file of a data set and verify it.

    Parameters
    ----------
    dataset : {"coco2014", "coco2017", "flickr8k"}
        Data set.
    file : str
        File name, such as `train2014.zip`.
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
        If the data set has no such file, no source has it, or its size or checksum is wrong.
    """
    files = {
        remote.name: remote
        for (name, _), found in DATASETS.items()
        if name == dataset
        for remote in found.files
    }
    if file not in files:
        raise InputError(f"{dataset} has no file {file}: it has {', '.join(files)}.")
    fetch(files[file], output, mirror, urls, checksums)
