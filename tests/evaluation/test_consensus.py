"""Minimum Bayes risk: the caption that is most like the others."""

import json

import h5py
import numpy as np
import pytest

from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.ngrams import References
from recap.core.errors import InputError
from recap.evaluation.consensus import TEMPERATURE, rank_by_consensus
from recap.evaluation.generate import generate_captions
from recap.evaluation.search import FoundCaption

END = 2
# Training captions of three images: 4 is in all of them, 5, 6 and 7 are each in one.
SPOKEN = [[[4, 5, END], [4, 6, END]], [[4, 7, END]], [[4, 8, 9, END]]]


def caption(words, log_probability=-1.0):
    return FoundCaption(words, [log_probability / 2] * 2)


def found(*captions):
    first, *others = captions
    return FoundCaption(first.words, first.log_probabilities, tuple(others))


def in_order(best):
    return [one.words for one in (best, *best.others)]


def test_what_most_captions_say_comes_before_what_is_likeliest():
    group = found(caption([7, 7]), caption([4, 5, 6]), caption([4, 5, 8]), caption([4, 5, 9]))
    (best,) = rank_by_consensus([group], SPOKEN, END)
    assert best.words[:2] == [4, 5]
    assert in_order(best)[-1] == [7, 7]


def test_what_is_far_likelier_than_the_others_stays_first():
    group = found(caption([7, 7], -1), *(caption([4, 5, last], -60) for last in (6, 8, 9)))
    (best,) = rank_by_consensus([group], SPOKEN, END)
    assert best.words == [7, 7]


def test_it_is_the_expected_cider_with_the_training_captions_weights():
    """Each pair alone, by CIDEr-D, whose n-grams weigh as in the training captions."""
    generator = np.random.default_rng(0)
    groups = [
        [
            caption(generator.integers(4, 10, generator.integers(1, 7)).tolist(), -number / 2)
            for number in range(1, 6)
        ]
        for _ in range(5)
    ]
    ranked = rank_by_consensus([found(*group) for group in groups], SPOKEN, END)
    for group, best in zip(groups, ranked, strict=True):
        chances = np.array([np.exp(one.log_probability / TEMPERATURE) for one in group])
        expected = []
        for one in group:
            likeness = [
                CiderD(References([*SPOKEN, [[*other.words, END]]]), range(3))(
                    [3], [[*one.words, END]]
                )[0]
                for other in group
            ]
            expected.append(chances @ likeness / chances.sum())
        order = sorted(range(len(group)), key=lambda number: -round(expected[number], 12))
        assert in_order(best) == [group[number].words for number in order]


def test_a_caption_alone_and_equal_captions_stay_as_they_are():
    alone, twins = found(caption([4])), found(caption([4, 5], -1), caption([5, 4], -1))
    assert [in_order(best) for best in rank_by_consensus([alone, twins], SPOKEN, END)] == [
        [[4]],
        [[4, 5], [5, 4]],
    ]


def run(study, **options):
    generate_captions(
        study / "features.h5",
        study / "captions.json",
        model=[study / "model"],
        output=study / "results.json",
        device="cpu",
        **options,
    )
    return json.loads((study / "results.json").read_text())


def write_captions(path, rows):
    with h5py.File(path, "w") as file:
        file["train_captions"] = np.array(rows, np.int32)
        file["train_image_idxs"] = np.arange(len(rows), dtype=np.int32)
    return path


def test_a_split_is_captioned_by_it(decoding_study):
    captions = write_captions(
        decoding_study / "train.h5", [[1, 4, 5, 2, 0], [1, 5, 2, 0, 0], [1, 4, 2, 0, 0]]
    )
    results = run(decoding_study, decoder="mbr4", captions=captions)
    assert [result["image_id"] for result in results] == [7, 9]
    again = run(decoding_study, decoder="mbr4", captions=captions)
    assert again == results


def test_it_needs_the_training_captions(decoding_study):
    with pytest.raises(InputError, match="needs the captions that the captioner learnt from"):
        run(decoding_study, decoder="mbr4")
    strange = write_captions(decoding_study / "other.h5", [[1, 4000, 2]])
    with pytest.raises(InputError, match="words that the captioner does not know"):
        run(decoding_study, decoder="mbr4", captions=strange)
