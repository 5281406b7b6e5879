"""CIDEr-D equals pycocoevalcap's, for text and for numbers, however captions are grouped."""

import numpy as np
import pytest
from pycocoevalcap.cider.cider import Cider

from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.ngrams import References


def drawn_captions(generator, count, longest=12):
    """Draw captions of 0 to `longest` words, the first words of the vocabulary most often."""
    vocabulary = [f"word{n}" for n in range(30)]
    return [
        [vocabulary[n] for n in np.minimum(generator.geometric(0.2, length), 29)]
        for length in generator.integers(0, longest + 1, count)
    ]


@pytest.fixture(scope="module")
def corpus():
    """Return a caption of each of 40 images, and one to five references."""
    generator = np.random.default_rng(0)
    references = [drawn_captions(generator, generator.integers(1, 6)) for _ in range(40)]
    references[3] = [[]]
    references[4] = [references[5][0]] * 3
    captions = drawn_captions(generator, 40)
    captions[0] = []
    captions[1] = ["unseen"] * 5 + ["word1"]
    captions[4] = references[4][0] * 2
    return captions, references


def official(captions, references, images=None):
    """Return pycocoevalcap's scores of captions of some images among the references."""
    images = range(len(captions)) if images is None else images
    truths = {image: [" ".join(words) for words in references[image]] for image in images}
    hypotheses = {image: [" ".join(words)] for image, words in zip(images, captions, strict=True)}
    return Cider().compute_score(truths, hypotheses)[1]


def test_equals_pycocoevalcap(corpus):
    captions, references = corpus
    scores = CiderD(References(references))(range(40), captions)
    assert scores.dtype == np.float64
    assert scores.max() > 1
    np.testing.assert_allclose(scores, official(captions, references), rtol=0, atol=1e-12)


def test_some_of_the_images(corpus):
    captions, references = corpus
    images = [31, 2, 17, 5]
    chosen = [captions[image] for image in images]
    scores = CiderD(References(references), images)(images, chosen)
    wanted = official(chosen, references, images)
    assert wanted.max() > 0
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-12)


def test_many_captions_of_an_image(corpus):
    captions, references = corpus
    cider = CiderD(References(references))
    generator = np.random.default_rng(1)
    images = generator.integers(0, 40, 200)
    samples = drawn_captions(generator, 200)
    together = cider(images, samples)
    one_by_one = [cider([image], [words])[0] for image, words in zip(images, samples, strict=True)]
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-12)
    image, words = int(images[7]), samples[7]
    alone = [words if other == image else captions[other] for other in range(40)]
    assert together[7] == pytest.approx(official(alone, references)[image], abs=1e-12)


def test_numbers_do_as_well_as_text(corpus):
    captions, references = corpus
    numbers = {}

    def numbered(words):
        return [numbers.setdefault(word, 3 + len(numbers)) for word in words]

    encoded = [[numbered(words) for words in texts] for texts in references]
    scores = CiderD(References(encoded))(range(40), [numbered(words) for words in captions])
    np.testing.assert_array_equal(scores, CiderD(References(references))(range(40), captions))


def test_scoring_leaves_the_references_as_they_are(corpus):
    captions, references = corpus
    cider = CiderD(References(references))
    before = cider(range(40), captions)
    cider([0, 0], [["new"], ["newer", "new"]])
    np.testing.assert_array_equal(cider(range(40), captions), before)


@pytest.mark.parametrize("references", [[[[]]], [[["a"]]], [[[], ["a", "b"]], [["c"]]]])
def test_tiny_corpora(references):
    captions = [["a", "b"], []][: len(references)]
    scores = CiderD(References(references))(range(len(references)), captions)
    assert np.isfinite(scores).all()
    if any(any(texts) for texts in references):
        np.testing.assert_allclose(scores, official(captions, references), rtol=0, atol=1e-12)


def test_a_caption_said_of_one_image_alone():
    """Two images share no word, so each word weighs log 2, and equal captions score 10."""
    references = References([[["a", "b", "c", "d"]], [["e", "f", "g", "h"]]])
    same, shorter, other = CiderD(references)(
        [0, 0, 0], [["a", "b", "c", "d"], ["a", "b", "c"], ["e", "f"]]
    )
    assert same == pytest.approx(10)
    # Of orders 1 to 3; none of order 4; a word too few.
    cosines = 3 / np.sqrt(3 * 4) + 2 / np.sqrt(2 * 3) + 1 / np.sqrt(1 * 2)
    assert shorter == pytest.approx(10 * cosines / 4 * np.exp(-1 / 72))
    assert other == 0
