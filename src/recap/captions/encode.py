"""Write the captions of the splits in numbers."""

import tempfile
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from recap.captions.files import read_vocabulary
from recap.captions.words import (
    _require_length,
    encode_caption,
    tokenize,
)
from recap.core.errors import InputError
from recap.core.files import check_different
from recap.core.hdf5 import create_hdf5
from recap.core.outputs import OutputFile
from recap.datasets.annotations import iterate_captions, iterate_images, number_images
from recap.datasets.shared_photos import check_shared_photos

BLOCK = 1 << 14  # captions held in memory at a time
# How many of the photos that are scored are learnt from, too.
LEARNT_FROM = "learnt_from"


def encode_captions(
    vocabulary: Path,
    *,
    train: Path,
    val: Path,
    output: OutputFile,
    dev: Path | None = None,
    dev_output: OutputFile | None = None,
    max_words: int = 15,
    photos: dict[str, str] | None = None,
) -> None:
    """Write the captions of the splits in numbers, in the form of `coco2014_captions.h5`.

    A caption of more than `max_words` words is dropped, not cut. Splits that share photos are told:
    of `dev` and `val` they are refused, of `train` and `val` there is a warning, and the attribute
    `learnt_from` of `val_image_idxs` says how many.

    Parameters
    ----------
    vocabulary : Path
        What `build_vocabulary` wrote.
    train : Path
        COCO caption file of the split that is learnt from.
    val : Path
        COCO caption file of the split that is scored.
    output : Path
        HDF5 file to write: `train_captions` (M, max_words + 2), `train_image_idxs` (M,), and the
        same for `val`, int32. `image_idxs` are rows of the split's feature file.
    dev : Path, optional
        COCO caption file of the split that chooses the checkpoint.
    dev_output : Path, optional
        HDF5 file to write for it, with `dev_captions` and `dev_image_idxs`.
    max_words : int
        Words that a caption may have.
    photos : dict, optional
        Folder or archive of each split's photos, by split; JSON on the command line. Splits whose
        photos lie in one place must list different ones.

    Raises
    ------
    InputError
        If a file is missing or damaged, a split has no caption that is short enough, `dev` and
        `val` share a photo, `dev` or `dev_output` is given alone, or both outputs are one file.
    """
    _require_length(max_words)
    check_different(output, dev_output)
    if (dev is None) != (dev_output is None):
        raise InputError("Of `dev` and `dev_output`, one is given alone: give both or neither.")
    given = {"train": train, "val": val} | ({"dev": dev} if dev else {})
    learnt_from = check_shared_photos(given, photos or {})
    word_to_idx = {word: number for number, word in enumerate(read_vocabulary(vocabulary))}
    outputs = [(output, {"train": train, "val": val})]
    if dev is not None:
        outputs.append((dev_output, {"dev": dev}))
    for path, splits in outputs:
        with create_hdf5(path, record_digest=True) as file:
            for split, annotations in splits.items():
                _encode_split(annotations, word_to_idx, max_words, file, split, path.parent)
            if learnt_from and "val" in splits:
                file["val_image_idxs"].attrs[LEARNT_FROM] = learnt_from


def _encode_split(
    annotations: Path,
    word_to_idx: dict[str, int],
    max_words: int,
    file: h5py.File,
    split: str,
    folder: Path,
) -> None:
    """Write a split's datasets; what grows with the captions lies in a folder, not in memory."""
    row_of = number_images(annotations, iterate_images(annotations))
    captioned = bytearray(len(row_of))
    seen = kept = 0
    # How many captions are kept shows at the end, and a dataset in one piece must know it at first.
    with tempfile.TemporaryFile(dir=folder) as scratch:
        entries = iterate_captions(annotations, row_of)
        for block in iter(lambda: list(islice(entries, BLOCK)), []):
            rows = []
            for image_id, caption in block:
                captioned[row_of[image_id]] = 1
                encoded = encode_caption(tokenize(caption), word_to_idx, max_words)
                if encoded is not None:
                    rows.append([row_of[image_id], *encoded])
            scratch.write(np.array(rows, dtype=np.int32))
            seen += len(block)
            kept += len(rows)
        if (row := captioned.find(0)) >= 0:
            bare = next(islice(row_of, row, None))
            raise InputError(
                f"{annotations} has no caption of image {bare}: give every image one, or leave it"
                " out."
            )
        if not kept:
            raise InputError(f"{annotations} has no caption of 1 to {max_words} words.")
        scratch.seek(0)
        captions = file.create_dataset(f"{split}_captions", (kept, max_words + 2), np.int32)
        image_idxs = file.create_dataset(f"{split}_image_idxs", (kept,), np.int32)
        for start in range(0, kept, BLOCK):
            rows = np.fromfile(scratch, np.int32, min(BLOCK, kept - start) * (max_words + 3))
            rows = rows.reshape(-1, max_words + 3)
            image_idxs[start : start + len(rows)] = rows[:, 0]
            captions[start : start + len(rows)] = rows[:, 1:]
    print(f"{annotations}: {kept} captions ({kept / seen:.1%}) have at most {max_words} words.")
