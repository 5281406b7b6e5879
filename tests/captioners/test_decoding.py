"""Captions word by word: what may come next, and the loop that training and evaluation share."""

import numpy as np
import pytest
import torch

from recap.captioners.decoding import AllowedWords, decode
from recap.captioners.stepwise import make_stepwise
from recap.captions.words import SPECIAL_WORDS

WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
NULL, START, END, UNK = range(4)
A, CAT, DOG, SAT = range(4, 8)


def allowed_after(before, **options):
    """Return the words that may come after some."""
    log_probabilities = torch.zeros(1, len(WORDS))
    AllowedWords(WORDS, 3, **options).mask(log_probabilities, torch.tensor([before]).long())
    return set(log_probabilities[0].isfinite().nonzero()[:, 0].tolist())


def test_words_that_may_come():
    assert allowed_after([]) == {A, CAT, DOG, SAT}
    assert allowed_after([A]) == allowed_after([A, A]) == {END, A, CAT, DOG, SAT}
    assert allowed_after([A, CAT, DOG]) == {END}


@pytest.mark.parametrize(
    ("block_ngrams", "before", "blocked"),
    [
        (3, [A, CAT, DOG, A, CAT], {DOG}),
        (3, [A, A, A, CAT, A], set()),
        (2, [A, CAT, DOG, A, CAT], {DOG}),
        (2, [A, A, A, CAT, A], {A, CAT}),
        (1, [A, A, CAT], {A, CAT}),
    ],
)
def test_phrases_are_blocked_where_they_would_be_repeated(block_ngrams, before, blocked):
    log_probabilities = torch.zeros(1, len(WORDS))
    AllowedWords(WORDS, 30, block_ngrams).mask(log_probabilities, torch.tensor([before]))
    allowed = set(log_probabilities[0].isfinite().nonzero()[:, 0].tolist())
    assert {A, CAT, DOG, SAT} - allowed == blocked


def test_each_row_is_asked_for_until_it_ends(make_captioner):
    captioner = make_stepwise([make_captioner(seed=1)], 6, torch.device("cpu"))
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32))
    wanted = torch.tensor([[A, END, NULL, NULL], [CAT, DOG, SAT, END], [DOG, A, END, NULL]])
    asked = []

    def choose(log_probabilities, rows, length):
        asked.append(rows.tolist())
        return wanted[rows, length]

    captions, log_probabilities = decode(captioner, features, AllowedWords(WORDS, 3), choose)
    assert captions.tolist() == wanted.tolist()
    assert asked == [[0, 1, 2], [0, 1, 2], [1, 2], [1]]
    state, before = captioner.first_state(features[1:2]), START
    for word, found in zip(wanted[1].tolist(), log_probabilities[1].tolist(), strict=True):
        expected, state = captioner.step(torch.tensor([before]), state)
        assert found == pytest.approx(expected[0, word].item(), abs=1e-5)
        before = word
    assert (log_probabilities[wanted == NULL] == 0).all()
