"""Files that are of some of the rows of a split each: which rows, and whether they fit together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_attributes
from recap.datasets.shards import ALL_ROWS, FIRST_ROW
from recap.features.files import PHOTOS, describe_read

# Settings that the device decides on where the configuration does not.
SAME_IN_SHARDS = ("precision", "batch")


@dataclass(frozen=True)
class Shard:
    """A file that is of some of the rows.

    Attributes
    ----------
    path : Path
    first, rows, all_rows, columns : int
        Its first row, of how many it is, how many all have together, and numbers in a row.
    has_photos : bool
        Whether it tells what was read of each photo; not where the file is the whole.
    attributes : dict
        The others of the file.
    """

    path: Path
    first: int
    rows: int
    all_rows: int
    columns: int
    has_photos: bool
    attributes: dict


def read_shard(path: Path, file: h5py.File, rows: int, columns: int) -> Shard:
    """Return what a shard says of itself.

    Parameters
    ----------
    path : Path
        Its name in errors.
    file : h5py.File
        Open for reading.
    rows, columns : int
        Of how many rows it is, and numbers in a row.

    Raises
    ------
    InputError
        If its place is no number.
    """
    attributes = read_attributes(file)
    first, all_rows = attributes.pop(FIRST_ROW, 0), attributes.pop(ALL_ROWS, rows)
    if not all(isinstance(value, int | np.integer) for value in (first, all_rows)):
        raise InputError(f"{path} is damaged: its attributes do not fit; extract the shard again.")
    return Shard(path, int(first), rows, int(all_rows), columns, PHOTOS in file, attributes)


def in_order(shards: Sequence[Shard]) -> list[Shard]:
    """Return shards in the order of their rows, without those that are of none.

    Parameters
    ----------
    shards : sequence of Shard
        In any order.

    Raises
    ------
    InputError
        If there is none, one is missing or given twice, or one does not fit the others.
    """
    # Beside empty shards, of few images, one may be the whole and say nothing of a place.
    ordered = sorted((shard for shard in shards if shard.rows), key=lambda shard: shard.first)
    if not ordered:
        raise InputError("No shard is given that holds a row: name every shard.")
    whole, end = ordered[0], 0
    for shard in ordered:
        _check_fit(shard, whole)
        if shard.first != end:
            what = f"row {end} is missing" if shard.first > end else "others have its rows, too"
            raise InputError(
                f"{shard.path} begins at row {shard.first}, and {what}: name every shard, each"
                " once."
            )
        end += shard.rows
    if end != whole.all_rows:
        raise InputError(
            f"The shards hold {end} rows, and not all images, which are {whole.all_rows}: name"
            " every shard."
        )
    return ordered


def whole_attributes(shards: Sequence[Shard]) -> dict:
    """Return the attributes of what is made of all shards, in the order of their rows."""
    attributes = shards[0].attributes
    return attributes | describe_read(_photos(shards)) if shards[0].has_photos else attributes


def _photos(shards: Sequence[Shard]) -> Iterator[np.ndarray]:
    for shard in shards:
        with open_hdf5(shard.path) as file:
            yield file[PHOTOS][:]


def _check_fit(shard: Shard, other: Shard) -> None:
    """Refuse a shard that is of another extraction."""
    for name in SAME_IN_SHARDS:
        given, wanted = shard.attributes.get(name), other.attributes.get(name)
        if given != wanted:
            raise InputError(
                f"{shard.path} was extracted with the {name} {given}, and {other.path} with"
                f" {wanted}: set `feature_{name}` in the configuration, or --{name}, and extract"
                " the shards again."
            )
    if shard.all_rows != other.all_rows:
        raise InputError(
            f"{shard.path} is of {shard.all_rows} images, and {other.path} of {other.all_rows}:"
            " extract the shards again, of one list of images."
        )
    if (shard.columns, shard.attributes, shard.has_photos) != (
        other.columns,
        other.attributes,
        other.has_photos,
    ):
        raise InputError(
            f"{shard.path} does not fit {other.path}: extract the same images with the same"
            " settings."
        )
