"""The lists of a split's shards: COCO caption files of some of the images, without captions."""

from dataclasses import dataclass
from pathlib import Path

from recap.core.errors import InputError
from recap.datasets.annotations import iterate_images, read_info

# A shard is of whole blocks of so many images, but for the last one: what is summed block by block
# has then the same bytes for any number of shards. The devices' own batches fill blocks, too.
BLOCK = 2048

# Of the lists: it is raised when their content changes, and they are then written anew. Another
# edit of how they are written makes no feature anew.
FORM = 1

# What `info` of a list tells: its first row among those of all images, and how many those are.
FIRST_ROW, ALL_ROWS = "first_row", "all_rows"


@dataclass(frozen=True)
class ShardList:
    """Some of a split's images, or all.

    Attributes
    ----------
    names : list of str
        The `file_name` of each.
    first_row, all_rows : int
        Row of the first among those of all images, and how many those are.
    """

    names: list[str]
    first_row: int
    all_rows: int

    @property
    def is_whole(self) -> bool:
        """Whether these are all images."""
        return len(self.names) == self.all_rows


def read_list(path: Path) -> ShardList:
    """Read the images of a shard.

    Parameters
    ----------
    path : Path
        What `list_shards` wrote, or a COCO caption file of all images.

    Raises
    ------
    InputError
        If the file is missing, not in COCO's format, lists no images, or its place is none.
    """
    names = [record["file_name"] for record in iterate_images(path)]
    info = read_info(path)
    first, count = info.get(FIRST_ROW, 0), info.get(ALL_ROWS, len(names))
    if type(first) is not int or type(count) is not int or not 0 <= first <= count - len(names):
        raise InputError(
            f"{path} lists {len(names)} images from row {first} of {count}, which cannot be: list"
            " the shards again."
        )
    if not count:
        raise InputError(f"{path} lists no images: there is nothing to compute.")
    return ShardList(names, first, count)
