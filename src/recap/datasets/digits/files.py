"""The files of MNIST and Fashion-MNIST, and where they come from."""

import hashlib
from pathlib import Path

from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_COPY = "https://storage.googleapis.com/cvdf-datasets/mnist/"
FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"

CLASSES = 10

# By split and kind, the names that the files of both have.
NAMES = {
    ("train", "images"): "train-images-idx3-ubyte.gz",
    ("train", "labels"): "train-labels-idx1-ubyte.gz",
    ("test", "images"): "t10k-images-idx3-ubyte.gz",
    ("test", "labels"): "t10k-labels-idx1-ubyte.gz",
}

# Sizes and SHA-256 of the official archives.
MNIST_FACTS = {
    "train-images-idx3-ubyte.gz": (
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte.gz": (
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte.gz": (
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
# MD5 as Zalando's README gives it.
FASHION_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}

DIGIT_FILES = {
    **{
        f"mnist/{name}": RemoteFile(
            MNIST + name, size=size, sha256=sha256, other_urls=(MNIST_COPY + name,)
        )
        for name, (size, sha256) in MNIST_FACTS.items()
    },
    **{
        # MNIST's have the same names, and a mirror may have both.
        f"fashion_mnist/fashion-{name}": RemoteFile(
            FASHION + name, md5=md5, saved_as=f"fashion-{name}"
        )
        for name, md5 in FASHION_MD5.items()
    },
}
"""What is downloaded of digits and clothes, by path below `resources`."""


def list_pictures(folder: Path) -> list[list[Path]]:
    """Return the pictures of each class of a folder, in order.

    Parameters
    ----------
    folder : Path
        With two to ten sub-folders, one a class. Names that begin with a dot are passed over.

    Raises
    ------
    InputError
        If it is no folder, or has another number of sub-folders.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one with a sub-folder a class.")
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
    if not 2 <= len(classes) <= CLASSES:
        raise InputError(
            f"{folder} has {len(classes)} sub-folders: it needs two to ten, one a class."
        )
    return [
        [path for path in sorted(of_class.rglob("[!.]*")) if path.is_file()] for of_class in classes
    ]


def describe_pictures(folder: Path) -> str:
    """Return a digest that changes when a picture of a folder is replaced, added or taken away."""
    digest = hashlib.sha256()
    for of_class in list_pictures(folder):
        for path in of_class:
            state = path.stat()
            told = f"{path.relative_to(folder)}\0{state.st_size}\0{state.st_mtime_ns}\0"
            digest.update(told.encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
