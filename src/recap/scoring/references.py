"""The reference captions of images, made ready once for scoring many captioners."""

from collections.abc import Mapping, Sequence

from recap.metrics.ngrams import References
from recap.scoring.treebank import tokenize_for_scoring


def tokenized(caption: str) -> str:
    """Return the words of a caption that scores count, joined by spaces."""
    return " ".join(tokenize_for_scoring(caption))


class PreparedReferences:
    """Reference captions, tokenized, and their n-grams counted.

    Parameters
    ----------
    captions : mapping of int to sequence of str
        One or more captions of each image, as people wrote them, by image id.

    Attributes
    ----------
    rows : dict of int to int
        Row of each image by its id.
    texts : list of list of str
        Captions of each image by row, tokens joined by spaces.
    ngrams : References
        What BLEU and CIDEr-D count.
    """

    def __init__(self, captions: Mapping[int, Sequence[str]]):
        self.rows = {image: row for row, image in enumerate(captions)}
        self.texts = [[tokenized(text) for text in texts] for texts in captions.values()]
        self.ngrams = References([[text.split() for text in texts] for texts in self.texts])
