"""Minimum Bayes risk: the caption that is most like the others."""

import json

import h5py
import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.ngrams import References
from recap.core.errors import InputError
from recap.evaluation import generate as module
from recap.evaluation import neighbours
from recap.evaluation.consensus import TEMPERATURE, WEIGHT, rank_by_consensus
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


def test_what_people_said_of_photos_that_look_alike_counts():
    """Of equal captions, the one like those of the image's neighbours comes first."""
    groups = [found(caption([4, 5]), caption([4, 6]), caption([8, 9])) for _ in range(3)]
    near = np.array([[0], [1], [2]])
    ranked = rank_by_consensus(groups, SPOKEN, END, near)
    assert ranked[2].words == [8, 9]
    alone = rank_by_consensus(groups[:1], SPOKEN, END)[0]
    assert alone.words == [4, 5]
    # The score is that without them, plus the mean over them.
    generator = np.random.default_rng(1)
    group = [caption(generator.integers(4, 10, 4).tolist(), -number) for number in range(6)]
    chances = np.exp([one.log_probability / TEMPERATURE for one in group])
    chances /= chances.sum()
    expected = []
    for one in group:
        said = [[*one.words, END]]
        likeness = [
            CiderD(References([*SPOKEN, [[*other.words, END]]]), range(3))([3], said)[0]
            for other in group
        ]
        people = [CiderD(References(SPOKEN))([row], said)[0] for row in (2, 0)]
        expected.append(chances @ likeness + WEIGHT * np.mean(people))
    order = sorted(range(6), key=lambda number: -round(expected[number], 12))
    (best,) = rank_by_consensus([found(*group)], SPOKEN, END, np.array([[2, 0]]))
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


@pytest.fixture
def with_neighbours(decoding_study):
    """Return options of a decoder that asks the photos of four training images."""
    captions = write_captions(
        decoding_study / "train.h5",
        [[1, 4, 5, 2, 0], [1, 5, 2, 0, 0], [1, 4, 2, 0, 0], [1, 7, 6, 2, 0]],
    )
    training = decoding_study / "training.h5"
    with h5py.File(training, "w") as file:
        rows = np.random.default_rng(4).normal(size=(4, 6)).astype(np.float32)
        file["features"] = rows
        file["features"].attrs["skipped"] = np.array([1])
    return {
        "decoder": "mbr4-neighbours=2",
        "captions": captions,
        "training_features": training,
    }


def test_a_split_is_captioned_with_the_nearest_photos(decoding_study, with_neighbours, monkeypatch):
    asked = []

    def kept(found, spoken, end, near):
        asked.append(near)
        return rank_by_consensus(found, spoken, end, near)

    monkeypatch.setattr(module, "rank_by_consensus", kept)
    results = run(decoding_study, **with_neighbours)
    assert [result["image_id"] for result in results] == [7, 9]
    with h5py.File(with_neighbours["training_features"]) as file:
        known = file["features"][:][[0, 2, 3]]
    # The second image is broken, and so is the second training photo, which nobody asks.
    asking = (decoding_study.features[[0, 2]] - known.mean(0)) / known.std(0)
    known = (known - known.mean(0)) / known.std(0)
    cosines = (asking @ known.T) / np.linalg.norm(known, axis=1)
    expected = np.array([0, 2, 3])[np.argsort(-cosines, axis=1)[:, :2]]
    np.testing.assert_array_equal(asked[0], expected)


def test_neighbours_need_their_features(decoding_study, with_neighbours, monkeypatch):
    # Nothing is searched before.
    monkeypatch.setattr(module, "caption_features", None)
    with pytest.raises(InputError, match="needs the features of the training photos: give --train"):
        run(decoding_study, **with_neighbours | {"training_features": None})
    training = with_neighbours["training_features"]
    for rows, width in ((3, 6), (4, 5)):
        with h5py.File(training, "w") as file:
            file["features"] = np.ones((rows, width), np.float32)
        with pytest.raises(InputError, match=r"training\.h5 does not belong to the captions"):
            run(decoding_study, **with_neighbours)
    with h5py.File(training, "w") as file:
        file["features"] = np.ones((4, 6), np.float32)
        file["features"].attrs["skipped"] = np.arange(4)
    with pytest.raises(InputError, match="None of the 4 images could be read"):
        run(decoding_study, **with_neighbours)
    assert not (decoding_study / "results.json").exists()


def test_the_nearest_are_the_same_in_any_blocks(monkeypatch):
    generator = np.random.default_rng(6)
    training = generator.normal(size=(50, 12)).astype(np.float32)
    training[:, 1::4] += 2 * training[:, ::4]  # of one region, so that whitening counts
    training[:, 3::4] = 0.5  # the same in all regions of all photos
    features = generator.normal(size=(20, 12)).astype(np.float32)
    among, rows = np.arange(0, 50, 2), np.arange(1, 20)
    options = {"regions": 3, "count": 7}
    found = neighbours.nearest_photos(features, rows, training, among, **options)
    assert found.shape == (19, 7)
    known, asking = (
        table.reshape(len(table), 3, 4).mean(1)[:, :3]
        for table in (training[among], features[rows])
    )
    asking = (asking - known.mean(0)) / known.std(0)
    known = (known - known.mean(0)) / known.std(0)
    # Mahalanobis' product, by the covariance that scikit-learn estimates.
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(known).covariance_)
    lengths = np.sqrt(np.einsum("id,de,ie->i", known, precision, known))
    cosines = asking @ precision @ known.T / lengths
    np.testing.assert_array_equal(found, np.argsort(-cosines, axis=1)[:, :7])
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 4 * 12 * 4)
    monkeypatch.setattr(neighbours, "QUERIES", 3)
    again = neighbours.nearest_photos(features, rows, training, among, **options)
    np.testing.assert_array_equal(again, found)
    everyone = neighbours.nearest_photos(features, rows, training, among, regions=3, count=99)
    assert sorted(everyone[0]) == list(range(25))


@pytest.mark.parametrize("photos", [1, 2, 3, 40])
def test_few_photos_and_features_that_tell_nothing_have_neighbours(photos):
    """Fewer photos than features, one alone, or all alike: an order is still found."""
    generator = np.random.default_rng(7)
    training = generator.normal(size=(photos, 8)).astype(np.float32)
    features = generator.normal(size=(4, 8)).astype(np.float32)
    for known in (training, np.ones_like(training)):
        with np.errstate(all="raise"):
            found = neighbours.nearest_photos(
                features, np.arange(4), known, np.arange(photos), regions=1, count=5
            )
        assert [sorted(row) for row in found] == [sorted(set(row)) for row in found.tolist()]
        assert found.shape == (4, min(5, photos)) and found.max() < photos


def test_of_two_photos_the_one_that_is_nearly_the_same_comes_first():
    """All that two photos tell is one direction."""
    generator = np.random.default_rng(8)
    training = generator.normal(size=(2, 8)).astype(np.float32)
    features = np.repeat(training, 10, axis=0)
    features += generator.normal(size=features.shape).astype(np.float32) / 10
    found = neighbours.nearest_photos(
        features, np.arange(20), training, np.arange(2), regions=1, count=1
    )
    assert found[:, 0].tolist() == [0] * 10 + [1] * 10
