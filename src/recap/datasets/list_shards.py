"""List the images of each shard of a split."""

import math
from itertools import islice
from pathlib import Path
from typing import Literal

from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFolder
from recap.datasets.annotations import caption_file, iterate_images
from recap.datasets.shards import ALL_ROWS, BLOCK, FIRST_ROW


def list_shards(
    annotations: Path,
    *,
    output: OutputFolder,
    shards: int = 1,
    batch: int | Literal["auto"] = "auto",
) -> None:
    """List the images of each shard of a split, so that no other job reads the list of all.

    Shards are of about equal size, each of whole blocks of 2,048 images but for the last; of few
    images, the last shards are empty.

    Parameters
    ----------
    annotations : Path
        COCO caption file.
    output : Path
        Folder to write `1-of-8.json` and so on to: COCO caption files without captions, whose
        `info` tells the shard's `first_row` and how many images there are in `all_rows`.
    shards : int
        How many to write.
    batch : int or "auto"
        Images that `extract_features` will compute together: a shard is of whole batches, too.

    Raises
    ------
    InputError
        If the annotations are missing, not in COCO's format or without images, or a number is out
        of range.
    """
    require(shards >= 1, "shards", "at least 1", shards)
    require(batch == "auto" or batch >= 1, "batch", "at least 1", batch)
    block = BLOCK if batch == "auto" else math.lcm(BLOCK, batch)
    count = sum(1 for _ in iterate_images(annotations))
    if not count:
        raise InputError(f"{annotations} lists no images: there is nothing to list.")
    blocks = -(-count // block)
    # Rounded up, so that the first shard is never empty.
    ends = [min(block * -(-blocks * number // shards), count) for number in range(shards + 1)]
    records = iterate_images(annotations)
    for number in range(shards):
        first, end = ends[number : number + 2]
        images = (
            {"id": record["id"], "file_name": record["file_name"]}
            for record in islice(records, end - first)
        )
        with (
            atomic_path(output / f"{number + 1}-of-{shards}.json") as scratch,
            open(scratch, "wb") as file,
        ):
            file.writelines(caption_file({FIRST_ROW: first, ALL_ROWS: count}, images, []))
