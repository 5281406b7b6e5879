"""Read and write vocabularies and encoded captions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recap.captions.python2_dict import python2_order
from recap.captions.words import (
    SPECIAL_WORDS,
)
from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_table
from recap.core.json_files import read_json, write_json


def read_captions(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split's encoded captions.

    Parameters
    ----------
    path : Path
        HDF5 file in the form of `coco2014_captions.h5`.
    split : str
        `train`, `val` or `dev`.

    Returns
    -------
    captions : array of shape (M, T), int32
        Words by their number in the vocabulary.
    image_idxs : array of shape (M,), int32
        For each caption its image's row in the feature file.

    Raises
    ------
    InputError
        If the file is missing or damaged, or lacks the split.
    """
    with open_hdf5(path) as file:
        captions = read_table(file, f"{split}_captions", 2, "i")
        image_idxs = read_table(file, f"{split}_image_idxs", 1, "i")
        if len(captions) != len(image_idxs):
            raise InputError(
                f"{path} has {len(captions)} captions of the split {split}, but {len(image_idxs)}"
                " image_idxs: encode the captions again."
            )
        return captions[:], image_idxs[:]


def write_vocabulary(path: Path, idx_to_word: Sequence[str]) -> None:
    """Write a vocabulary file; from CS231n's words, the bytes of CS231n's file.

    Parameters
    ----------
    path : Path
        JSON file to make.
    idx_to_word : sequence of str
        Words in the order of their numbers.
    """
    numbers = {word: number for number, word in enumerate(idx_to_word)}
    content = {
        "idx_to_word": list(idx_to_word),
        # The course's program wrote a dict of Python 2, and the order tells.
        "word_to_idx": {word: numbers[word] for word in python2_order(idx_to_word)},
    }
    write_json(path, content, record_digest=True)


def read_vocabulary(path: Path) -> list[str]:
    """Read the words of a vocabulary file in the order of their numbers.

    Parameters
    ----------
    path : Path
        JSON file in the form of `coco2014_vocab.json`.

    Raises
    ------
    InputError
        If the file is missing, is not a vocabulary, or numbers its words in two ways.
    """
    content = read_json(path)
    try:
        idx_to_word, word_to_idx = content["idx_to_word"], content["word_to_idx"]
        numbers = {word: number for number, word in enumerate(idx_to_word)}
    except (KeyError, TypeError):
        raise InputError(
            f"{path} is not a vocabulary: it lacks idx_to_word or word_to_idx."
        ) from None
    if word_to_idx != numbers or len(numbers) < len(idx_to_word):
        raise InputError(f"{path} is not a vocabulary: idx_to_word and word_to_idx differ.")
    if missing := [word for word in SPECIAL_WORDS if word not in word_to_idx]:
        raise InputError(f"{path} is not a vocabulary of captions: it lacks {missing[0]}.")
    return idx_to_word


def read_lines(path: Path) -> list[str]:
    """Read a list of images or addresses.

    Parameters
    ----------
    path : Path
        Text file, of which each line has its end.

    Raises
    ------
    InputError
        If the file is missing or no text.
    """
    if not path.exists():
        raise InputError(f"{path.name} is missing")
    try:
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not text in UTF-8 ({error})") from None
