"""The weights that each backbone knows by name, and where they come from."""

from recap.download import RemoteFile

# Weights drawn from a seed: a random projection, for runs that can download nothing.
RANDOM = "random"

WEIGHTS = {
    "vgg16": {
        "imagenet": RemoteFile(
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            size=553_433_881,
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        )
    },
    "squeezenet1_0": {
        "imagenet": RemoteFile(
            "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth", sha256="b66bff10…"
        )
    },
}
