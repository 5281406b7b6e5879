"""Captioners word by word: NumPy and PyTorch alike, and several as one."""

import numpy as np
import pytest
import torch

from recap.captioners.numpy import CaptioningRNN
from recap.captioners.stepwise import Ensemble, NumpySteps, make_stepwise
from recap.captions.words import SPECIAL_WORDS, START
from recap.core.errors import InputError
from recap.evaluation.decoders import read_decoder
from recap.evaluation.search import search_captions

CPU = torch.device("cpu")
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
FEATURES = torch.from_numpy(np.random.default_rng(8).normal(size=(40, 6)).astype(np.float32))
CELLS = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])


@CELLS
def test_numpy_and_pytorch_say_the_same(make_captioner, cell):
    both = [
        make_stepwise([make_captioner(architecture=cell, backend=backend, scale=1.0)], 6, CPU)
        for backend in ("numpy", "torch")
    ]
    assert isinstance(both[0], NumpySteps)
    states = [captioner.first_state(FEATURES) for captioner in both]
    words = torch.full((len(FEATURES),), WORDS.index(START))
    for _ in range(5):
        steps = [
            captioner.step(words, state) for captioner, state in zip(both, states, strict=True)
        ]
        (ours, first), (theirs, second) = steps
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        for part, other in zip(first, second, strict=True):
            torch.testing.assert_close(part, other, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.exp().sum(dim=1), torch.ones(len(ours)))
        states, words = [first, second], ours.argmax(dim=1)


@pytest.mark.parametrize("name", ["greedy", "beam4", "beam3-block_ngrams=2", "sample"])
@CELLS
def test_numpy_and_pytorch_find_the_same_captions(make_captioner, cell, name):
    numpy, pytorch = (
        search_captions(
            make_stepwise([make_captioner(architecture=cell, backend=backend)], 6, CPU),
            FEATURES,
            WORDS,
            read_decoder(name),
        )
        for backend in ("numpy", "torch")
    )
    assert [caption.words for caption in numpy] == [caption.words for caption in pytorch]
    for ours, theirs in zip(numpy, pytorch, strict=True):
        assert ours.log_probabilities == pytest.approx(theirs.log_probabilities, abs=1e-3)


@CELLS
def test_greedy_decoding_is_that_of_the_course(make_captioner, cell):
    trained = make_captioner(architecture=cell, backend="numpy", seed=2)
    trained.parameters["b_vocab"][:4] = [-99, -99, 0, -99]  # of the special words, only <END>
    course = CaptioningRNN({word: i for i, word in enumerate(WORDS)}, 6, 5, 7, cell)
    course.params = trained.parameters
    end = WORDS.index("<END>")
    found = search_captions(
        make_stepwise([trained], 6, CPU), FEATURES, WORDS, read_decoder("greedy")
    )
    compared = 0
    for ours, theirs in zip(found, course.sample(FEATURES.numpy()).tolist(), strict=True):
        theirs = theirs[: theirs.index(end)] if end in theirs else theirs
        if theirs:  # recap's captions have a word
            assert ours.words == theirs
            compared += 1
    assert compared > 20


def test_an_ensemble_says_the_mean_of_the_probabilities(make_captioner):
    trained = [
        make_captioner(seed=0),
        make_captioner(seed=1, architecture="rnn", backend="numpy"),
        make_captioner(seed=2),
    ]
    alone = [make_stepwise([one], 6, CPU) for one in trained]
    together = make_stepwise(trained, 6, CPU)
    assert isinstance(together, Ensemble)
    states = [captioner.first_state(FEATURES) for captioner in alone]
    state = together.first_state(FEATURES)
    words = torch.full((len(FEATURES),), WORDS.index(START))
    for _ in range(4):
        steps = [captioner.step(words, part) for captioner, part in zip(alone, states, strict=True)]
        states = [part for _, part in steps]
        mean = torch.stack([found.exp() for found, _ in steps]).mean(dim=0)
        found, state = together.step(words, state)
        torch.testing.assert_close(found.exp(), mean, atol=1e-6, rtol=1e-4)
        assert len(state) == 5
        words = found.argmax(dim=1)
        # A search picks rows of every part of the state alike.
        rows = torch.arange(len(words) - 1, -1, -1)
        words, state = words[rows], tuple(part[rows] for part in state)
        states = [tuple(part[rows] for part in state_) for state_ in states]


@pytest.mark.parametrize("name", ["greedy", "beam3"])
def test_an_ensemble_of_one_captioner_twice_is_that_captioner(make_captioner, name):
    trained = make_captioner(seed=4)
    alone, twice = (
        search_captions(make_stepwise(members, 6, CPU), FEATURES, WORDS, read_decoder(name))
        for members in ([trained], [trained, trained])
    )
    assert [caption.words for caption in alone] == [caption.words for caption in twice]


def test_captioners_of_different_studies_make_no_ensemble(make_captioner):
    other = make_captioner(words=[*SPECIAL_WORDS, "a", "cat", "dog", "ran"])
    with pytest.raises(InputError, match="different vocabularies make no ensemble"):
        make_stepwise([make_captioner(), other], 6, CPU)
