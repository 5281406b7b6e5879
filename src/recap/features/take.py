"""Take features that others computed, in place of extracting them."""

from pathlib import Path

import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import read_attributes
from recap.core.outputs import OutputFile
from recap.datasets.annotations import iterate_images
from recap.features.files import FEATURES, create_features, open_features, skipped_rows

BLOCK = 4096  # rows held in memory at a time
GIVEN = "given"  # attribute: the name of the file that was taken


def take_features(features: Path, annotations: Path, *, output: OutputFile) -> None:
    """Take features that others computed, in place of extracting them.

    Parameters
    ----------
    features : Path
        HDF5 file with `features`, floating point numbers of shape (N, D), in the order of the
        images. Its attributes are kept.
    annotations : Path
        COCO caption file that lists the N images.
    output : Path
        Feature file to write, float32.

    Raises
    ------
    InputError
        If the file is missing or damaged, has other rows than there are images, or numbers that
        are not finite.
    """
    n_images = sum(1 for _ in iterate_images(annotations))
    with open_features(features) as file:
        rows = file[FEATURES]
        if len(rows) != n_images:
            raise InputError(
                f"{features} has features of {len(rows)} images, but {annotations} lists"
                f" {n_images}: give a row for each image, in its order."
            )
        skipped = skipped_rows(rows)
        attributes = read_attributes(file) | {GIVEN: features.name}
        with create_features(output, rows.shape, attributes, skipped) as taken:
            for start in range(0, n_images, BLOCK):
                block = rows[start : start + BLOCK].astype(np.float32)
                bad = start + np.flatnonzero(~np.isfinite(block).all(axis=1))
                if bad.size:
                    raise InputError(
                        f"{features} has a number that is not finite in row {bad[0]}: mend it, or"
                        " leave the image out."
                    )
                taken[start : start + len(block)] = block
    print(f"{n_images} images: {output}")
