"""Words and their numbers: tokenise, count, encode, decode."""

from collections import Counter
from pathlib import Path

from recap.captions.files import write_vocabulary
from recap.captions.python2_dict import python2_order
from recap.captions.words import SPECIAL_WORDS, _require_length, tokenize
from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.outputs import OutputFile
from recap.datasets.annotations import iterate_captions


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
    in CS231n's vocabulary (docs/captions.md says what speaks for these rules).

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
