"""The course's modules for PyTorch compute what those for NumPy compute."""

import numpy as np
import pytest
import torch

from recap.captioners.numpy import CaptioningRNN as NumpyCaptioningRNN
from recap.cs231n import rnn_layers, rnn_layers_pytorch
from recap.cs231n.captioning_solver_pytorch import CaptioningSolverPytorch
from recap.cs231n.classifiers.rnn_pytorch import CaptioningRNN

WORDS = {"<NULL>": 0, "<START>": 1, "<END>": 2, "a": 3, "dog": 4, "cat": 5}
CAPTIONS = np.array([[1, 3, 4, 2, 0], [1, 3, 5, 4, 2], [1, 5, 2, 0, 0]])


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


@pytest.mark.parametrize("name", ["rnn_forward", "rnn_step_forward", "lstm_forward"])
def test_recurrent_layers(name, normal):
    k = 4 if name.startswith("lstm") else 1
    x = normal(2, 3) if "step" in name else normal(2, 6, 3)
    arrays = x, normal(2, 5), normal(3, 5 * k), normal(5, 5 * k), normal(5 * k)
    wanted, _ = getattr(rnn_layers, name)(*arrays)
    given = getattr(rnn_layers_pytorch, name)(*tensors(*arrays))
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-12, atol=1e-14)


def test_a_step_of_the_lstm(normal):
    arrays = normal(2, 3), normal(2, 5), normal(2, 5), normal(3, 20), normal(5, 20), normal(20)
    *wanted, _ = rnn_layers.lstm_step_forward(*arrays)
    given = rnn_layers_pytorch.lstm_step_forward(*tensors(*arrays))
    np.testing.assert_allclose(np.stack(given), wanted, rtol=1e-12, atol=1e-14)


def test_the_other_layers(normal):
    x, w, b = normal(2, 3, 4), normal(4, 5), normal(5)
    out = rnn_layers_pytorch.temporal_affine_forward(*tensors(x, w, b))
    wanted, _ = rnn_layers.temporal_affine_forward(x, w, b)
    np.testing.assert_allclose(out, wanted)
    w = normal(12, 5)
    out = rnn_layers_pytorch.affine_forward(*tensors(x, w, b))
    np.testing.assert_allclose(out, rnn_layers.affine_forward(x, w, b)[0])
    words = np.array([[0, 3], [2, 3]])
    out = rnn_layers_pytorch.word_embedding_forward(*tensors(words, w))
    np.testing.assert_array_equal(out, w[words])


def test_the_loss(normal):
    x, y, mask = normal(3, 4, 5), CAPTIONS[:, :4] % 5, CAPTIONS[:, :4] != 0
    scores, targets, counted = tensors(x, y, mask)
    scores.requires_grad_()
    loss = rnn_layers_pytorch.temporal_softmax_loss(scores, targets, counted, verbose=False)
    loss.backward()
    wanted, dx = rnn_layers.temporal_softmax_loss(x, y, mask)
    assert loss.item() == pytest.approx(wanted)
    np.testing.assert_allclose(scores.grad, dx, atol=1e-15)


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_the_captioner(cell_type, normal):
    model = CaptioningRNN(WORDS, 4, 3, 5, cell_type, dtype=torch.float64)
    reference = NumpyCaptioningRNN(WORDS, 4, 3, 5, cell_type, dtype=np.float64)
    assert {n: p.shape for n, p in model.params.items()} == {
        n: p.shape for n, p in reference.params.items()
    }
    for name, array in reference.params.items():
        reference.params[name] = normal(*array.shape)
        model.params[name] = torch.from_numpy(reference.params[name]).requires_grad_()
    features = normal(3, 4)
    loss = model.loss(*tensors(features, CAPTIONS))
    loss.backward()
    wanted, gradients = reference.loss(features, CAPTIONS)
    assert loss.item() == pytest.approx(wanted)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(model.params[name].grad, gradient, atol=1e-12)
    written = model.sample(torch.from_numpy(features), max_length=7)
    np.testing.assert_array_equal(written.numpy(), reference.sample(features, max_length=7))
    assert written.dtype == torch.int64


def test_the_captioner_begins_as_numpys():
    torch.manual_seed(0)
    params = CaptioningRNN(WORDS, 400, 300, 200).params
    deviations = {"W_embed": 0.01, "W_proj": 400**-0.5, "Wx": 300**-0.5, "Wh": 200**-0.5}
    for name, deviation in deviations.items():
        assert params[name].std().item() == pytest.approx(deviation, rel=0.05)
    for name in ("b_proj", "b", "b_vocab"):
        assert not params[name].any()
    assert {array.dtype for array in params.values()} == {torch.float32}
    with pytest.raises(ValueError, match="'gru'.*rnn, lstm"):
        CaptioningRNN(WORDS, cell_type="gru")


def test_the_solver_learns(capsys):
    data = {
        "train_captions": CAPTIONS.astype(np.int32),
        "train_image_idxs": np.arange(3, dtype=np.int32),
        "train_features": np.eye(3, 4, dtype=np.float32),
        "train_urls": np.full(3, ""),
    }

    def train():
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        model = CaptioningRNN(WORDS, 4, 8, 16)
        solver = CaptioningSolverPytorch(
            model, data, learning_rate=0.02, batch_size=2, num_epochs=80, print_every=40
        )
        solver.train()
        return model, solver

    model, solver = train()
    assert solver.epoch == 80
    assert len(solver.loss_history) == 80
    assert solver.loss_history[-1] < 0.1 < 5 < solver.loss_history[0]
    assert not any(array.requires_grad for array in model.params.values())
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"(Iteration 1 / 80) loss: {solver.loss_history[0]:f}",
        f"(Iteration 41 / 80) loss: {solver.loss_history[40]:f}",
    ]
    assert train()[1].loss_history == solver.loss_history
    with pytest.raises(ValueError, match="Unrecognized arguments 'update_rule'"):
        CaptioningSolverPytorch(model, data, update_rule="adam")
