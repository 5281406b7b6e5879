"""The reference captions of images, made ready once for scoring many captioners."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

from recap.captions.metrics.ngrams import References
from recap.core.text import UNSPACED
from recap.evaluation.scoring.treebank import tokenize_captions

# Where words of such scripts are parted all the same, fewer letters stand together.
LETTERS_OF_A_WORD = 6
RUN = re.compile(f"{UNSPACED}+")


def lacks_spaces(captions: Iterable[str]) -> bool:
    """Return whether captions have no spaces, and are mostly in a script that has none."""
    runs = letters = characters = 0
    for caption in captions:
        found = [] if caption.isascii() else RUN.findall(caption)
        runs += len(found)
        letters += sum(map(len, found))
        characters += len(caption)
    return letters > characters / 2 and letters > LETTERS_OF_A_WORD * runs


def tokenized(captions: Sequence[str]) -> list[str]:
    """Return the words that scores count of captions in a row, each caption's joined by spaces."""
    return [" ".join(words) for words in tokenize_captions(captions)]


class PreparedReferences:
    """Reference captions, tokenized, and their n-grams counted.

    Parameters
    ----------
    captions : mapping of int to sequence of str
        One or more captions of each image, as people wrote them, by image id, in the order of the
        annotation file.

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
        texts = iter(tokenized(list(chain.from_iterable(captions.values()))))
        self.texts = [list(islice(texts, len(of_image))) for of_image in captions.values()]
        self.ngrams = References([[text.split() for text in texts] for texts in self.texts])
