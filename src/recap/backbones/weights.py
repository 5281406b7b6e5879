"""The weights that each backbone knows by name, and where they come from."""

import os
from pathlib import Path

from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile

# Weights drawn from a seed: a random projection, for runs that can download nothing.
RANDOM = "random"

WEIGHTS = {
    "vgg16": {
        "imagenet": RemoteFile(
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            size=553_433_881,
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
        "caffe": RemoteFile(
            "https://web.eecs.umich.edu/~justincj/models/vgg16-00b39a1b.pth", sha256="00b39a1b…"
        ),
    },
    "squeezenet1_0": {
        "imagenet": RemoteFile(
            "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth", sha256="b66bff10…"
        )
    },
    "squeezenet1_1": {
        "imagenet": RemoteFile(
            "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", sha256="b8a52dc0…"
        )
    },
}

WEIGHT_FILES = {
    f"weights/{file.name}": file for known in WEIGHTS.values() for file in known.values()
}
"""What is downloaded for the backbones, by path below `resources`."""


def weights_source(backbone: str, weights: str) -> RemoteFile | Path | None:
    """Return where a backbone's weights come from.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    weights : str
        `random`, a name that the backbone knows, or a file.

    Returns
    -------
    RemoteFile, Path or None
        A download, a file that is there, or nothing for random weights.

    Raises
    ------
    InputError
        If `weights` is no name that the backbone knows and no file.
    """
    if weights == RANDOM:
        return None
    if weights in WEIGHTS[backbone]:
        return WEIGHTS[backbone][weights]
    # Of a name that no file can have, such as a long one, Path.is_file raises an error.
    if not os.path.isfile(weights):  # noqa: PTH113
        names = ", ".join([RANDOM, *WEIGHTS[backbone]])
        raise InputError(
            f"The weights {weights} are no file, and no name that {backbone} knows: give a file or"
            f" one of {names}."
        )
    return Path(weights)
