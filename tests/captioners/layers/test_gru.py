import numpy as np
import pytest
import torch

from recap.captioners.layers import (
    gru_backward,
    gru_forward,
    gru_recurrence_backward,
    gru_recurrence_forward,
    gru_step_backward,
    gru_step_forward,
)

SHAPES = [(2, 3, 4, 5), (3, 1, 2, 3), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_step_gradients(shape, normal, check_gradients):
    n, _, d, h = shape
    arrays = [normal(n, d), normal(n, h), normal(d, 3 * h), normal(h, 3 * h), normal(3 * h)]
    check_gradients(gru_step_forward, gru_step_backward, arrays)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape, normal, check_gradients):
    n, t, d, h = shape
    arrays = [normal(n, t, d), normal(n, h), normal(d, 3 * h), normal(h, 3 * h), normal(3 * h)]
    check_gradients(gru_forward, gru_backward, arrays)


@pytest.mark.parametrize("sizes", [[3, 2, 2, 1], [4, 0, 0]])
def test_gradients_of_packed_sequences(sizes, normal, check_gradients):
    arrays = [normal(sum(sizes), 9), normal(4, 3), normal(3, 9)]
    # The recurrences write over what the check still needs.
    check_gradients(
        lambda a, h0, Wh: gru_recurrence_forward(a.copy(), sizes, h0, Wh),
        lambda dh, cache: gru_recurrence_backward(dh.copy(), cache),
        arrays,
    )


def test_states_are_those_of_pytorch(normal):
    """PyTorch's blocks stand in the same order; its second bias is zero here."""
    x, h0, Wx, Wh, b = normal(3, 4, 2), normal(3, 5), normal(2, 15), normal(5, 15), normal(15)
    network = torch.nn.GRU(2, 5, batch_first=True, dtype=torch.float64)
    weights = {
        "weight_ih_l0": torch.from_numpy(Wx.T.copy()),
        "weight_hh_l0": torch.from_numpy(Wh.T.copy()),
        "bias_ih_l0": torch.from_numpy(b),
        "bias_hh_l0": torch.zeros(15, dtype=torch.float64),
    }
    given = torch.from_numpy(x), torch.from_numpy(h0)[None]
    expected, _ = torch.func.functional_call(network, weights, given)
    np.testing.assert_allclose(gru_forward(x, h0, Wx, Wh, b)[0], expected.numpy(), rtol=1e-12)


def test_a_step_is_the_formula_of_cho_with_the_reset_after_the_product(normal):
    x, h, Wx, Wh, b = normal(4, 3), normal(4, 5), normal(3, 15), normal(5, 15), normal(15)
    (Wr, Wz, Wn), (Ur, Uz, Un), (br, bz, bn) = (np.split(w, 3, axis=-1) for w in (Wx, Wh, b))
    r = 1 / (1 + np.exp(-(x @ Wr + h @ Ur + br)))
    z = 1 / (1 + np.exp(-(x @ Wz + h @ Uz + bz)))
    wanted = (1 - z) * np.tanh(x @ Wn + bn + r * (h @ Un)) + z * h
    np.testing.assert_allclose(gru_step_forward(x, h, Wx, Wh, b)[0], wanted, rtol=1e-12)


def test_a_packed_sequence_is_computed_like_an_unpacked_one(normal):
    x, h0, Wx, Wh, b = normal(3, 4, 2), normal(3, 5), normal(2, 15), normal(5, 15), normal(15)
    full, _ = gru_forward(x, h0, Wx, Wh, b)
    running = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool).T
    a = x.swapaxes(0, 1)[running] @ Wx + b
    packed, _ = gru_recurrence_forward(a, running.sum(axis=1), h0, Wh)
    np.testing.assert_allclose(packed, full.swapaxes(0, 1)[running], rtol=1e-13)


def test_float32_stays_float32(normal):
    arrays = [normal(2, 3, 4), normal(2, 5), normal(4, 15), normal(5, 15), normal(15)]
    h, cache = gru_forward(*(array.astype(np.float32) for array in arrays))
    assert {array.dtype.name for array in (h, *gru_backward(h, cache))} == {"float32"}


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_one_input_for_all_states(shape, normal):
    x, h, Wx, Wh, b = normal(*shape), normal(4, 5), normal(3, 15), normal(5, 15), normal(15)
    wanted, _ = gru_step_forward(np.tile(x, (4, 1)), h, Wx, Wh, b)
    np.testing.assert_allclose(gru_step_forward(x, h, Wx, Wh, b)[0], wanted, rtol=1e-14)
