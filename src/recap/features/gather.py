"""Put the shards of a split's features together."""

from pathlib import Path

import numpy as np

from recap.core.outputs import OutputFile
from recap.features.files import (
    FEATURES,
    create_features,
    open_features,
    refuse_all_skipped,
    skipped_rows,
)
from recap.features.shards import Shard, in_order, read_shard, whole_attributes

COPIED_ROWS = 4096  # rows copied at a time


def gather_features(*shards: Path, output: OutputFile) -> None:
    """Put the shards of a split's features together, in row order.

    Parameters
    ----------
    shards : Path
        What `extract_features` wrote for each shard, or what `apply_pca` made of it.
    output : Path
        HDF5 file to write, with the bytes of an extraction in one piece.

    Raises
    ------
    InputError
        If a shard is missing, damaged, no shard, or does not fit the others, or if no image could
        be read.
    """
    read = [_read(path) for path in shards]
    skipped_of = {shard.path: skipped for shard, skipped in read}
    pieces = in_order([shard for shard, _ in read])
    skipped = np.concatenate([piece.first + skipped_of[piece.path] for piece in pieces])
    refuse_all_skipped(skipped, pieces[0].all_rows)
    shape = pieces[0].all_rows, pieces[0].columns
    with create_features(output, shape, whole_attributes(pieces), skipped) as features:
        for piece in pieces:
            with open_features(piece.path) as file:
                for start in range(0, piece.rows, COPIED_ROWS):
                    rows = file[FEATURES][start : start + COPIED_ROWS]
                    features[piece.first + start : piece.first + start + len(rows)] = rows


def _read(path: Path) -> tuple[Shard, np.ndarray]:
    """Return a shard, and which of its rows are of images that could not be read."""
    with open_features(path) as file:
        table = file[FEATURES]
        return read_shard(path, file, *table.shape), skipped_rows(table)
