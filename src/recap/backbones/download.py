"""Download the weights of a backbone."""

from typing import Literal

from recap.backbones.weights import WEIGHTS
from recap.core.errors import InputError
from recap.core.fetch import fetch
from recap.core.outputs import OutputFile


def download_weights(
    backbone: Literal["vgg16", "squeezenet1_0", "squeezenet1_1"],
    weights: str = "imagenet",
    *,
    output: OutputFile,
    mirror: str = "",
    urls: dict[str, str] | None = None,
    checksums: dict[str, str] | None = None,
) -> None:
    """Download a backbone's weights and verify them.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    weights : str
        Name of the weights, such as `imagenet`.
    output : Path
        Where to put them.
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
        If the backbone has no weights of that name, no source has the file, or its size or
        checksum is wrong.
    """
    if weights not in WEIGHTS[backbone]:
        raise InputError(
            f"{backbone} has no weights named {weights} to download: it has"
            f" {', '.join(WEIGHTS[backbone])}."
        )
    fetch(WEIGHTS[backbone][weights], output, mirror, urls, checksums)
