"""ROUGE-L: how much of a caption's words a reference has in the same order."""

from collections.abc import Sequence

BETA = 1.2  # how much more recall counts than precision


def rouge_l(caption: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return ROUGE-L of a caption, a fraction, as coco-caption computes it.

    C.-Y. Lin, Text Summarization Branches Out 2004. The best precision and the best recall over
    the references are taken separately.

    Parameters
    ----------
    caption : sequence of str
        Words; one empty word for an empty caption, as `"".split(" ")` gives it.
    references : sequence of sequences of str
        Words of one or more references, likewise.
    """
    # Bit i of a word's mask says that it is the caption's word i.
    masks: dict[str, int] = {}
    for position, word in enumerate(caption):
        masks[word] = masks.get(word, 0) | 1 << position
    common = [_common(masks, len(caption), words) for words in references]
    precision = max(common) / len(caption)
    recall = max(length / len(words) for length, words in zip(common, references, strict=True))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common(masks: dict[str, int], length: int, words: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a row of the usual table at a time.

    A row is kept as the bits where it does not grow (H. Hyyrö, Bit-parallel LCS-length
    computation revisited, 2004).
    """
    everywhere = (1 << length) - 1
    row = everywhere
    for word in words:
        if mask := masks.get(word):
            grows = row & mask
            row = (row + grows | row - grows) & everywhere
    return length - row.bit_count()
