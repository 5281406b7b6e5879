"""How rich the models' language is, beside people's."""

import re
from dataclasses import dataclass

from recap.annotations import Annotations
from recap.report.study import Study


@dataclass(frozen=True)
class Wording:
    """The language of one caption for each of the scored images.

    Attributes
    ----------
    words_per_caption : float
        Mean length in words.
    distinct_captions : float
        Share of the captions that differ from each other; small for a model that repeats itself.
    distinct_words : int
        How many words occur at all.
    """

    words_per_caption: float
    distinct_captions: float
    distinct_words: int


def describe_wording(captions: list[str]) -> Wording:
    """Count words and repetitions, whatever the case and the punctuation.

    Parameters
    ----------
    captions : list of str
        At least one caption.
    """
    captions_in_words = [tuple(re.findall(r"[\w'-]+", caption.lower())) for caption in captions]
    return Wording(
        words_per_caption=sum(map(len, captions_in_words)) / len(captions),
        distinct_captions=len(set(captions_in_words)) / len(captions),
        distinct_words=len({word for words in captions_in_words for word in words}),
    )


def wording_of_models(study: Study, decoder: str) -> dict[str, Wording]:
    """Return the wording of each model's first seed by one decoder."""
    return {
        model: describe_wording(study.decodings(model, decoder)[0].captions)
        for model in study.models
    }


def wording_of_people(study: Study, annotations: Annotations) -> Wording:
    """Return the wording of the first reference of each scored image that has one."""
    references = annotations.captions_by_image()
    firsts = [references[image_id][0] for image_id in study.image_ids if references[image_id]]
    return describe_wording(firsts or [""])
