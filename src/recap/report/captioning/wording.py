"""How rich the models' language is, beside people's."""

from dataclasses import dataclass

import numpy as np

from recap.captions.words import tokenize
from recap.report.captioning.comparison import Comparison


@dataclass(frozen=True)
class Wording:
    """The language of one caption for each of the scored images.

    Attributes
    ----------
    words_per_caption : float
        Mean length in words.
    distinct_captions : float
        Share of the captions that differ from each other; small for a model that repeats itself.
    distinct_words : float
        How many words occur at all.
    novel_captions : float or None
        Share of the captions that no training caption equals; None where those are not known.
    """

    words_per_caption: float
    distinct_captions: float
    distinct_words: float
    novel_captions: float | None


def words_of(caption: str) -> tuple[str, ...]:
    """Return the words of a caption, cut like the captions that captioners learn from."""
    return tuple(tokenize(caption))


def describe_wording(
    captions: list[str], training_captions: set[tuple[str, ...]] | None
) -> Wording:
    """Count the words of one or more captions, repetitions, and what training did not show."""
    in_words = [words_of(caption) for caption in captions]
    novel = None
    if training_captions is not None:
        novel = sum(caption not in training_captions for caption in in_words) / len(captions)
    return Wording(
        words_per_caption=sum(map(len, in_words)) / len(captions),
        distinct_captions=len(set(in_words)) / len(captions),
        distinct_words=len({word for words in in_words for word in words}),
        novel_captions=novel,
    )


def wording_of_models(
    comparison: Comparison,
    decoder: str,
    training_captions: dict[str, set[tuple[str, ...]] | None],
) -> dict[str, Wording]:
    """Return the wording of each model by one decoder, averaged over its seeds."""
    wordings = {}
    for model in comparison.models:
        learnt = training_captions[comparison.study_of[model].name]
        by_seed = [
            describe_wording(decoding.captions, learnt)
            for decoding in comparison.decodings(model, decoder)
        ]
        wordings[model] = Wording(
            words_per_caption=_mean(item.words_per_caption for item in by_seed),
            distinct_captions=_mean(item.distinct_captions for item in by_seed),
            distinct_words=_mean(item.distinct_words for item in by_seed),
            novel_captions=None
            if learnt is None
            else _mean(item.novel_captions for item in by_seed),
        )
    return wordings


def wording_of_references(
    comparison: Comparison, training_captions: set[tuple[str, ...]] | None
) -> Wording:
    """Return the wording of the first reference of each scored image that has one."""
    firsts = [captions[0] for captions in comparison.references if captions]
    return describe_wording(firsts or [""], training_captions)


def _mean(values) -> float:
    return float(np.mean(list(values)))
