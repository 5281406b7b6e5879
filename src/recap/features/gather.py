"""Put the shards of a split's features together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import read_attributes
from recap.core.outputs import OutputFile
from recap.features.files import (
    ALL_ROWS,
    FEATURES,
    FIRST_ROW,
    PHOTOS,
    create_features,
    describe_read,
    open_features,
    refuse_all_skipped,
    skipped_rows,
)

# Settings that the device decides on where the configuration does not.
SAME_IN_SHARDS = ("precision", "batch")

COPIED_ROWS = 4096  # rows copied at a time


@dataclass(frozen=True)
class _Shard:
    """A feature file that holds some of the rows.

    Attributes
    ----------
    path : Path
    first, rows, all_rows, columns : int
        Its first row, how many it has, how many all have together, and numbers in a row.
    skipped : array of int
        Rows of this file of images that could not be read.
    photos : array of type `PHOTO`, or None
        What was read of each; None where the file is the whole.
    attributes : dict
        The others of the file.
    """

    path: Path
    first: int
    rows: int
    all_rows: int
    columns: int
    skipped: np.ndarray
    photos: np.ndarray | None
    attributes: dict


def gather_features(*shards: Path, output: OutputFile) -> None:
    """Put the shards of a split's features together, in row order.

    Parameters
    ----------
    shards : Path
        What `extract_features` wrote for each shard.
    output : Path
        HDF5 file to write, with the bytes of an extraction in one piece.

    Raises
    ------
    InputError
        If a shard is missing, damaged, no shard, or does not fit the others, or if no image could
        be read.
    """
    pieces = sorted(map(_read_shard, shards), key=lambda shard: (shard.first, shard.rows))
    end = 0
    for shard in pieces:
        _check_fit(shard, pieces[0], end)
        end += shard.rows
    if not pieces or end != pieces[0].all_rows:
        raise InputError(f"The shards hold {end} rows, and not all images: name every shard.")
    skipped = np.concatenate([shard.first + shard.skipped for shard in pieces])
    refuse_all_skipped(skipped, end)
    attributes = pieces[0].attributes
    if pieces[0].photos is not None:
        attributes = attributes | describe_read(np.concatenate([shard.photos for shard in pieces]))
    with create_features(output, (end, pieces[0].columns), attributes, skipped) as features:
        for shard in pieces:
            with open_features(shard.path) as file:
                for start in range(0, shard.rows, COPIED_ROWS):
                    piece = file[FEATURES][start : start + COPIED_ROWS]
                    features[shard.first + start : shard.first + start + len(piece)] = piece


def _read_shard(path: Path) -> _Shard:
    with open_features(path) as file:
        table, attributes = file[FEATURES], read_attributes(file)
        return _Shard(
            path=path,
            first=_place(path, attributes.pop(FIRST_ROW, 0)),
            rows=table.shape[0],
            all_rows=_place(path, attributes.pop(ALL_ROWS, len(table))),
            columns=table.shape[1],
            skipped=skipped_rows(table),
            photos=file[PHOTOS][:] if PHOTOS in file else None,
            attributes=attributes,
        )


def _place(path: Path, value: object) -> int:
    if isinstance(value, int | np.integer):
        return int(value)
    raise InputError(f"{path} is damaged: its attributes do not fit; extract the shard again.")


def _check_fit(shard: _Shard, first: _Shard, end: int) -> None:
    """Refuse a shard that is of another extraction than the first, or does not begin at the end."""
    for name in SAME_IN_SHARDS:
        given, wanted = shard.attributes.get(name), first.attributes.get(name)
        if given != wanted:
            raise InputError(
                f"{shard.path} was extracted with the {name} {given}, and {first.path} with"
                f" {wanted}: set `feature_{name}` in the configuration, or --{name}, and extract"
                " the shards again."
            )
    whole = (shard.all_rows, shard.columns, shard.attributes, shard.photos is None)
    if shard.first != end or whole != (
        first.all_rows,
        first.columns,
        first.attributes,
        first.photos is None,
    ):
        raise InputError(
            f"{shard.path} does not fit the shards before it: extract the same images with the same"
            " settings, and name each shard once."
        )
