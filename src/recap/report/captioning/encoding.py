"""The captions as the captioners learn from them: in numbers, with what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.captions.files import read_captions, read_vocabulary
from recap.captions.words import NULL, SPECIAL_WORDS, UNK, encode_caption, tokenize
from recap.datasets.annotations import Annotations
from recap.report.captioning.gallery import Card
from recap.report.captioning.study import Study

CAPTIONS = "coco_captioning/coco2014_captions.h5"
DEV_CAPTIONS = "coco_captioning/dev2014_captions.h5"
VOCABULARY = "coco_captioning/coco2014_vocab.json"
EXAMPLES = 4


@dataclass(frozen=True)
class EncodedSplit:
    """What became of the captions of a split.

    Attributes
    ----------
    name : str
        What the split is for.
    images, captions : int or None
        How many there are; None where the study does not tell.
    encoded : int
        Captions that are neither too long nor empty.
    words_per_caption : float
        Mean length of those.
    known : float
        Share of their words that are in the vocabulary.
    """

    name: str
    images: int | None
    captions: int | None
    encoded: int
    words_per_caption: float
    known: float

    @property
    def left_out(self) -> float | None:
        """Share of the captions that are too long or empty."""
        return None if self.captions is None else 1 - self.encoded / self.captions


@dataclass(frozen=True)
class EncodedCaption:
    """A caption of a photo of the gallery, as a person wrote it and in numbers.

    Attributes
    ----------
    card : Card
        The photo.
    written : str
        The caption as it was written; empty where none of the photo's is encoded so.
    tokens : list of tuple of (str, int)
        From `<START>` to `<END>`, each word with its number.
    fill : int
        How often `<NULL>` follows.
    """

    card: Card
    written: str
    tokens: list[tuple[str, int]]
    fill: int


@dataclass(frozen=True)
class Encoding:
    """The captions of a study in numbers.

    Attributes
    ----------
    study : str
        Its name.
    vocabulary : int
        Words that have a number, `<NULL>`, `<START>`, `<END>` and `<UNK>` not counted.
    distinct_words : int or None
        Words in the training captions; None where those are not known.
    max_words : int
        Words that a caption may have.
    splits : list of EncodedSplit
        Those that are learnt from, choose the epoch, and are scored.
    examples : list of EncodedCaption
        Those with unknown words first.
    """

    study: str
    vocabulary: int
    distinct_words: int | None
    max_words: int
    splits: list[EncodedSplit]
    examples: list[EncodedCaption]


def read_encoding(
    study: Study,
    learnt: set[tuple[str, ...]] | None,
    annotations: Annotations,
    cards: list[Card],
) -> Encoding | None:
    """Read a study's encoded captions; None if it has none, or no vocabulary.

    Parameters
    ----------
    study : Study
        Whose captions.
    learnt : set of tuple of str, or None
        The training captions in words.
    annotations : Annotations
        References of the scored photos.
    cards : list of Card
        The gallery's photos, from which the examples are taken.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    path = study.folder / CAPTIONS
    if not path.exists() or not (study.folder / VOCABULARY).exists():
        return None
    idx_to_word = read_vocabulary(study.folder / VOCABULARY)
    sizes = study.record.sizes
    val, image_idxs = read_captions(path, "val")
    train, _ = read_captions(path, "train")
    splits = [
        _count(
            "learnt from",
            train,
            idx_to_word,
            sizes.get("train_images"),
            sizes.get("train_captions"),
        ),
        *_dev(study.folder / DEV_CAPTIONS, idx_to_word),
        _count("scored", val, idx_to_word, sizes.get("images"), sizes.get("captions")),
    ]
    return Encoding(
        study=study.name,
        vocabulary=len(idx_to_word) - len(SPECIAL_WORDS),
        distinct_words=None if learnt is None else len(set().union(*learnt)),
        max_words=train.shape[1] - 2,
        splits=splits,
        examples=_examples(val, image_idxs, idx_to_word, annotations, cards),
    )


def _dev(path: Path, idx_to_word: Sequence[str]) -> list[EncodedSplit]:
    """Return what became of the dev captions; nothing where there is no such split."""
    if not path.exists():
        return []
    captions, image_idxs = read_captions(path, "dev")
    return [_count("choose the epoch", captions, idx_to_word, len(np.unique(image_idxs)), None)]


def _count(
    name: str,
    captions: np.ndarray,
    idx_to_word: Sequence[str],
    images: int | None,
    written: int | None,
) -> EncodedSplit:
    no_words = [idx_to_word.index(word) for word in SPECIAL_WORDS if word != UNK]
    words = np.isin(captions, no_words, invert=True).sum()
    unknown = (captions == idx_to_word.index(UNK)).sum()
    return EncodedSplit(
        name=name,
        images=images,
        captions=written,
        encoded=len(captions),
        words_per_caption=float(words / len(captions)),
        known=float(1 - unknown / words),
    )


def _examples(
    captions: np.ndarray,
    image_idxs: np.ndarray,
    idx_to_word: Sequence[str],
    annotations: Annotations,
    cards: list[Card],
) -> list[EncodedCaption]:
    """Return a caption each of a few photos, those with unknown words first."""
    row_of = {image["file_name"]: row for row, image in enumerate(annotations.images)}
    null, unknown = idx_to_word.index(NULL), idx_to_word.index(UNK)
    found = []
    for card in cards:
        of_card = captions[image_idxs == row_of[card.file_name]]
        if len(of_card):
            # The first with an unknown word, or the first.
            found.append((card, of_card[(of_card == unknown).any(axis=1).argmax()]))
    found.sort(key=lambda pair: unknown not in pair[1])
    word_to_idx = {word: number for number, word in enumerate(idx_to_word)}
    examples = []
    for card, row in found[:EXAMPLES]:
        alike = (
            written
            for written in card.references
            if encode_caption(tokenize(written), word_to_idx, len(row) - 2) == row.tolist()
        )
        numbers = row[row != null].tolist()
        examples.append(
            EncodedCaption(
                card=card,
                written=next(alike, ""),
                tokens=[(idx_to_word[number], number) for number in numbers],
                fill=len(row) - len(numbers),
            )
        )
    return examples
