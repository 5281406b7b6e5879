"""The captioners in NumPy and in PyTorch are one model, and are trained alike."""

import numpy as np
import pytest
import torch

from recap.captioners.folder import TrainedCaptioner
from recap.captioners.numpy import CaptioningRNN
from recap.captioners.recipe import Recipe
from recap.captions.words import END, SPECIAL_WORDS
from recap.core.errors import InputError
from recap.evaluation.decoders import Decoder
from recap.evaluation.generate import caption_features
from recap.training.numpy_trainer import NumpyTrainer
from recap.training.torch_trainer import TorchTrainer
from recap.training.trainer import make_trainer

WORDS = [*SPECIAL_WORDS, *(f"word{number}" for number in range(20))]
FEATURE_DIM, WORDVEC_DIM, HIDDEN_DIM = 7, 5, 6
CPU = torch.device("cpu")


def recipe(cell, **settings):
    return Recipe(architecture=cell, wordvec_dim=WORDVEC_DIM, hidden_dim=HIDDEN_DIM, **settings)


def both(cell, dtype=np.float32, **settings):
    """Return a trainer of either backend, with the same parameters."""
    numpy = NumpyTrainer(recipe(cell, backend="numpy", **settings), FEATURE_DIM, WORDS, 0)
    precision = {np.float32: torch.float32, np.float64: torch.float64}[dtype]
    pytorch = TorchTrainer(recipe(cell, **settings), FEATURE_DIM, WORDS, 0, CPU, precision)
    numpy.captioner.dtype = dtype
    generator = np.random.default_rng(1)
    for name, weights in numpy.captioner.params.items():
        drawn = generator.normal(size=weights.shape, scale=0.7)
        numpy.captioner.params[name] = drawn.astype(dtype)
    if dtype == np.float64:
        pytorch.captioner.double()
    pytorch.captioner.load_course_parameters(numpy.parameters())
    return numpy, pytorch


def minibatch(dtype=np.float32):
    generator = np.random.default_rng(2)
    captions = np.zeros((8, 10), np.int32)
    for row in captions:
        words = generator.integers(4, len(WORDS), generator.integers(1, 8))
        row[: len(words) + 2] = [1, *words, 2]
    return generator.normal(size=(8, FEATURE_DIM)).astype(dtype), captions


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_loss_and_gradients_are_equal(cell, dtype, tolerance):
    numpy, pytorch = both(cell, dtype)
    features, captions = minibatch(dtype)
    loss, gradients = numpy.captioner.loss(features, captions)
    torch_loss = pytorch.captioner(torch.from_numpy(features), captions)
    torch_loss.backward()
    assert loss == pytest.approx(torch_loss.item(), rel=tolerance)
    expected = {
        name: parameter.grad.numpy() for name, parameter in pytorch.captioner.named_parameters()
    }
    assert set(gradients) == set(expected)
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient, expected[name], atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_steps_of_adam_are_equal(cell):
    numpy, pytorch = both(cell, weight_decay=0.3, gradient_clip=0.5)
    for _ in range(5):
        losses = [trainer.step(*minibatch(), 0.01) for trainer in (numpy, pytorch)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    expected = pytorch.parameters()
    for name, weights in numpy.parameters().items():
        np.testing.assert_allclose(weights, expected[name], atol=2e-5, err_msg=name)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_greedy_captions_are_equal(cell):
    numpy, pytorch = both(cell)
    features = np.random.default_rng(3).normal(size=(40, FEATURE_DIM)).astype(np.float32)
    for trainer in (numpy, pytorch):
        # What recap's decoder forbids, the course's `sample` does not: make it unlikely.
        parameters = trainer.captioner.params if trainer is numpy else trainer.parameters()
        parameters["b_vocab"][[0, 1, 3]] = -1e3
        parameters["b_vocab"][2] = -2
    trained = TrainedCaptioner(recipe(cell), WORDS, numpy.parameters())
    expected = []
    for row in numpy.captioner.sample(features):
        words = [WORDS[number] for number in row]
        expected.append(" ".join(words[: words.index(END)] if END in words else words))
    captions = caption_features([trained], features, Decoder(), CPU)
    found = [" ".join(WORDS[number] for number in caption.words) for caption in captions]
    same = [a == b for a, b in zip(found, expected, strict=True) if b]
    assert len(same) > 20
    assert all(same)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_parameters_go_into_pytorch_and_come_back(cell):
    numpy, pytorch = both(cell)
    returned = pytorch.parameters()
    for name, weights in numpy.parameters().items():
        np.testing.assert_array_equal(returned[name], weights)
        assert returned[name].flags.c_contiguous


def test_parameters_are_copies():
    for trainer in both("lstm"):
        before = trainer.parameters()
        kept = {name: weights.copy() for name, weights in before.items()}
        trainer.step(*minibatch(), 0.01)
        for name in before:
            np.testing.assert_array_equal(before[name], kept[name])


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_the_seed_decides_the_initial_weights(backend):
    def weights(seed):
        trainer = make_trainer(
            recipe("lstm", backend=backend), FEATURE_DIM, WORDS, seed, CPU, torch.float32
        )
        return trainer.parameters()["Wx"]

    np.testing.assert_array_equal(weights(0), weights(0))
    assert not np.array_equal(weights(0), weights(1))


def test_dropout_in_numpy_is_refused():
    with pytest.raises(InputError, match="has no `dropout`"):
        recipe("rnn", backend="numpy", dropout=0.5)


def test_the_course_captioner_takes_trained_parameters():
    _, pytorch = both("lstm")
    model = CaptioningRNN(
        {word: number for number, word in enumerate(WORDS)},
        input_dim=FEATURE_DIM,
        wordvec_dim=WORDVEC_DIM,
        hidden_dim=HIDDEN_DIM,
        cell_type="lstm",
    )
    model.params = pytorch.parameters()
    features, captions = minibatch()
    assert model.loss(features, captions)[0] == pytest.approx(
        pytorch.loss(features, captions), rel=1e-4
    )
