"""BLEU and ROUGE-L equal pycocoevalcap's."""

import math

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.rouge.rouge import Rouge

from recap.captions.metrics.bleu import bleu_counts, bleu_of_counts
from recap.captions.metrics.ngrams import References
from recap.captions.metrics.rouge import rouge_l


def drawn_captions(generator, count, longest=9):
    return [
        " ".join(f"w{n}" for n in generator.geometric(0.25, generator.integers(0, longest + 1)))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def corpus():
    """Return 60 captions and one to five references of each, some of them empty."""
    generator = np.random.default_rng(0)
    references = [drawn_captions(generator, generator.integers(1, 6)) for _ in range(60)]
    captions = drawn_captions(generator, 60)
    captions[0], references[0] = "", ["", "w1"]
    captions[1] = references[1][0] = "w1 " * 70 + "w2"  # longer than a machine word has bits
    captions[2], references[2] = "w1 w1 w1", ["w1 w1", "w1 w1 w2 w2"]
    return captions, references


def official(scorer, captions, references):
    truths = dict(enumerate(references))
    hypotheses = {image: [caption] for image, caption in enumerate(captions)}
    options = {"verbose": 0} if isinstance(scorer, Bleu) else {}
    return scorer.compute_score(truths, hypotheses, **options)


def counts_of(captions, references):
    prepared = References([[text.split() for text in texts] for texts in references])
    words = [caption.split() for caption in captions]
    return bleu_counts(prepared, prepared.match(range(len(captions)), words))


def bleu(captions, references):
    """Return BLEU-1 to BLEU-4 of the corpus and of each caption."""
    counts = counts_of(captions, references)
    return bleu_of_counts(counts.sum(axis=1)), bleu_of_counts(counts)


def test_bleu_equals_pycocoevalcap(corpus):
    corpus_scores, scores = bleu(*corpus)
    wanted_corpus, wanted = official(Bleu(4), *corpus)
    assert min(wanted_corpus) > 0
    np.testing.assert_allclose(corpus_scores, wanted_corpus, rtol=0, atol=1e-14)
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-14)


def test_counts_add_up_to_bleu_of_any_choice_of_captions(corpus):
    captions, references = corpus
    counts = counts_of(captions, references)
    chosen = [3, 7, 7, 11]
    wanted, _ = official(
        Bleu(4), [captions[row] for row in chosen], [references[row] for row in chosen]
    )
    several = np.stack([counts[:, chosen].sum(axis=1), counts.sum(axis=1)], axis=-1)
    np.testing.assert_allclose(bleu_of_counts(several)[:, 0], wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("captions", [["a"], ["a b"], [""]])
@pytest.mark.parametrize("references", [[""], ["a"], ["a b c", "b"]])
def test_bleu_of_one_short_caption(captions, references):
    corpus_scores, scores = bleu(captions, [references])
    wanted_corpus, wanted = official(Bleu(4), captions, [references])
    np.testing.assert_allclose(corpus_scores, wanted_corpus, rtol=0, atol=1e-14)
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-14)


def test_bleu_by_hand():
    """Right are 4 of 5 words, 3 of 4 pairs, 2 of 3 triples and 1 of 2 runs of four.

    The caption is short: its 5 words are held against the 6 of the second reference, which is 1
    word off, where the first is 2 off.
    """
    corpus_scores, _ = bleu(["a cat sat on tiles"], [["the cat sat", "a cat sat on the mat"]])
    shares = np.cumprod([4 / 5, 3 / 4, 2 / 3, 1 / 2])
    wanted = math.exp(1 - 6 / 5) * shares ** (1 / np.arange(1, 5))
    np.testing.assert_allclose(corpus_scores, wanted, atol=1e-8)


def test_rouge_equals_pycocoevalcap(corpus):
    captions, references = corpus
    _, wanted = official(Rouge(), captions, references)
    scores = [
        rouge_l(caption.split(" "), [text.split(" ") for text in texts])
        for caption, texts in zip(captions, references, strict=True)
    ]
    assert max(scores) == 1
    assert scores == wanted.tolist()


def test_rouge_by_hand():
    """In order are 3 of 4 words of the caption; of the other reference 2 words, all it has."""
    references = ["a black cat sits on it", "on grass"]
    score = rouge_l(["a", "cat", "on", "grass"], [text.split() for text in references])
    precision, recall = 3 / 4, 2 / 2
    assert score == pytest.approx(2.44 * precision * recall / (recall + 1.44 * precision))
