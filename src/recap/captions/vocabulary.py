"""Words and their numbers: tokenise, count, encode, decode."""

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from recap.captions.python2_dict import python2_order
from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.files import check_different
from recap.core.hdf5 import create_hdf5
from recap.core.json_files import read_json, write_json
from recap.core.outputs import OutputFile
from recap.datasets.annotations import iterate_captions, iterate_images, number_images
from recap.datasets.shared_photos import check_shared_photos

NULL, START, END, UNK = "<NULL>", "<START>", "<END>", "<UNK>"
SPECIAL_WORDS = [NULL, START, END, UNK]

BLOCK = 1 << 14  # captions held in memory at a time

LONGEST_CAPTION = 1000  # words

# How many of the photos that are scored are learnt from, too.
LEARNT_FROM = "learnt_from"


class _WithoutPunctuation(dict):
    """A table for `str.translate` that deletes punctuation and symbols of every script."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in "PS" else code
        return self[code]


WITHOUT_PUNCTUATION = _WithoutPunctuation()


def tokenize(caption: str) -> list[str]:
    """Cut a caption into words as CS231n's captions are cut.

    Lower case; punctuation vanishes (`man's` is `mans`, `close-up` is `closeup`); words are what
    white space parts.

    Parameters
    ----------
    caption : str
        As a person wrote it.

    Returns
    -------
    list of str
        Words, without punctuation.
    """
    return caption.lower().translate(WITHOUT_PUNCTUATION).split()


def build_vocabulary(
    annotations: Path,
    *,
    output: OutputFile,
    size: int = 1000,
    min_count: int = 1,
    max_words: int = 15,
) -> None:
    """Give the most frequent words of the training captions their numbers.

    Words are counted in the captions that are learnt from, those of at most `max_words` words.
    Words of equal count stand in the order in which a dict of Python 2 gives them, as they seem to
    in CS231n's vocabulary (docs/data.md says what speaks for these rules).

    Parameters
    ----------
    annotations : Path
        COCO caption file of the training split.
    output : Path
        JSON file to write, in the form of `coco2014_vocab.json`: `idx_to_word`, with `<NULL>`,
        `<START>`, `<END>`, `<UNK>` as its first four, and `word_to_idx`.
    size : int
        Words to keep at most, the special ones not counted.
    min_count : int
        Leave out words that occur less often.
    max_words : int
        Words that a caption may have to be counted.

    Raises
    ------
    InputError
        If the annotations are missing or not in COCO's format, a number is out of range, or no word
        is left.
    """
    require(size >= 1, "size", "at least 1", size)
    require(min_count >= 1, "min_count", "at least 1", min_count)
    _require_length(max_words)
    counts: Counter[str] = Counter()
    for _, caption in iterate_captions(annotations):
        words = tokenize(caption)
        if len(words) <= max_words:
            counts.update(words)
    # Sorting keeps the order of words with equal counts.
    by_count = sorted(python2_order(counts), key=counts.__getitem__, reverse=True)
    frequent = [word for word in by_count[:size] if counts[word] >= min_count]
    if not frequent:
        raise InputError(
            f"No word of {annotations} occurs {min_count} times in captions of at most {max_words}"
            " words: lower the vocabulary's `min_count` or raise `max_words`."
        )
    write_vocabulary(output, SPECIAL_WORDS + frequent)
    covered = sum(counts[word] for word in frequent) / counts.total()
    print(f"{len(frequent)} of {len(counts)} words cover {covered:.1%} of the training captions.")


def _require_length(max_words: int) -> None:
    wanted = f"at least 1 and at most {LONGEST_CAPTION}"
    require(1 <= max_words <= LONGEST_CAPTION, "max_words", wanted, max_words)


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


def encode_caption(
    words: Sequence[str], word_to_idx: dict[str, int], max_words: int
) -> list[int] | None:
    """Write a caption in numbers.

    Parameters
    ----------
    words : sequence of str
        From `tokenize`.
    word_to_idx : dict
        Number of each word.
    max_words : int
        Words that a caption may have.

    Returns
    -------
    list of max_words + 2 int, or None
        `<START>`, the words, `<END>`, then `<NULL>` to the end; None for a caption that has more
        words, or none at all.
    """
    if not 0 < len(words) <= max_words:
        return None
    unknown = word_to_idx[UNK]
    row = [word_to_idx[START], *(word_to_idx.get(word, unknown) for word in words)]
    row.append(word_to_idx[END])
    return row + [word_to_idx[NULL]] * (max_words + 2 - len(row))


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


def decode_captions(captions: np.ndarray, idx_to_word: Sequence[str]) -> str | list[str]:
    """Write numbered captions in words, up to and with `<END>`; `<NULL>` is left out.

    Parameters
    ----------
    captions : array of shape (T,) or (N, T), int
        One caption or several.
    idx_to_word : sequence of str
        Words by number.

    Returns
    -------
    str or list of str
        A string for one caption, a list for several; `<START>`, `<END>` and `<UNK>` are shown.
    """
    if captions.ndim == 1:
        return _decode_caption(captions, idx_to_word)
    return [_decode_caption(caption, idx_to_word) for caption in captions]


def _decode_caption(caption: Iterable[int], idx_to_word: Sequence[str]) -> str:
    words = []
    for number in caption:
        word = idx_to_word[number]
        if word != NULL:
            words.append(word)
        if word == END:
            break
    return " ".join(words)
