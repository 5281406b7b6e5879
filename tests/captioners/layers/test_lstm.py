import numpy as np
import pytest
import scipy.special

from recap.captioners.layers import (
    lstm_backward,
    lstm_forward,
    lstm_recurrence_backward,
    lstm_recurrence_forward,
    lstm_step_backward,
    lstm_step_forward,
    sigmoid,
)

SHAPES = [(2, 3, 4, 5), (1, 3, 4, 2), (3, 1, 2, 3), (1, 1, 1, 1), (4, 5, 3, 2)]


def test_step_check_values(spaced):
    next_h, next_c, _ = lstm_step_forward(
        spaced(-0.4, 1.2, 3, 4),
        spaced(-0.3, 0.7, 3, 5),
        spaced(-0.4, 0.9, 3, 5),
        spaced(-2.1, 1.3, 4, 20),
        spaced(-0.7, 2.2, 5, 20),
        spaced(0.3, 0.7, 20),
    )
    wanted_h = [
        [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
        [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
        [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299],
    ]
    wanted_c = [
        [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
        [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
        [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676],
    ]
    np.testing.assert_allclose(next_h, wanted_h, rtol=0, atol=1e-8)
    np.testing.assert_allclose(next_c, wanted_c, rtol=0, atol=1e-8)


def test_forward_check_values(spaced):
    h, _ = lstm_forward(
        spaced(-0.4, 0.6, 2, 3, 5),
        spaced(-0.4, 0.8, 2, 4),
        spaced(-0.2, 0.9, 5, 16),
        spaced(-0.3, 0.6, 4, 16),
        spaced(0.2, 0.7, 16),
    )
    wanted = [
        [
            [0.01764008, 0.01823233, 0.01882671, 0.0194232],
            [0.11287491, 0.12146228, 0.13018446, 0.13902939],
            [0.31358768, 0.33338627, 0.35304453, 0.37250975],
        ],
        [
            [0.45767879, 0.4761092, 0.4936887, 0.51041945],
            [0.6704845, 0.69350089, 0.71486014, 0.7346449],
            [0.81733511, 0.83677871, 0.85403753, 0.86935314],
        ],
    ]
    np.testing.assert_allclose(h, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_step_gradients(shape, normal, check_gradients):
    n, _, d, h = shape
    arrays = [normal(n, d), normal(n, h), normal(n, h)]
    arrays += [normal(d, 4 * h), normal(h, 4 * h), normal(4 * h)]
    check_gradients(lstm_step_forward, lstm_step_backward, arrays)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape, normal, check_gradients):
    n, t, d, h = shape
    arrays = [normal(n, t, d), normal(n, h), normal(d, 4 * h), normal(h, 4 * h), normal(4 * h)]
    check_gradients(lstm_forward, lstm_backward, arrays)


@pytest.mark.parametrize("sizes", [[3, 2, 2, 1], [2, 1], [4, 0, 0]])
def test_gradients_of_packed_sequences(sizes, normal, check_gradients):
    arrays = [normal(sum(sizes), 12), normal(4, 3), normal(3, 12)]
    # The recurrences write over what the check still needs.
    check_gradients(
        lambda a, h0, Wh: lstm_recurrence_forward(a.copy(), sizes, h0, Wh),
        lambda dh, cache: lstm_recurrence_backward(dh.copy(), cache),
        arrays,
    )


def test_a_packed_sequence_is_computed_like_an_unpacked_one(normal):
    x, h0, Wx, Wh, b = normal(3, 4, 2), normal(3, 5), normal(2, 20), normal(5, 20), normal(20)
    full, _ = lstm_forward(x, h0, Wx, Wh, b)
    running = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool).T
    a = x.swapaxes(0, 1)[running] @ Wx + b
    packed, _ = lstm_recurrence_forward(a, running.sum(axis=1), h0, Wh)
    np.testing.assert_allclose(packed, full.swapaxes(0, 1)[running], rtol=1e-13)


def test_forward_repeats_the_step(normal):
    x, h, Wx, Wh, b = normal(2, 3, 4), normal(2, 5), normal(4, 20), normal(5, 20), normal(20)
    states, _ = lstm_forward(x, h, Wx, Wh, b)
    c = np.zeros_like(h)
    for t in range(3):
        h, c, _ = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        np.testing.assert_allclose(states[:, t], h, rtol=1e-13)


def test_float32_stays_float32(normal):
    arrays = [normal(2, 3, 4), normal(2, 5), normal(4, 20), normal(5, 20), normal(20)]
    h, cache = lstm_forward(*(array.astype(np.float32) for array in arrays))
    assert {array.dtype.name for array in (h, *lstm_backward(h, cache))} == {"float32"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid(dtype):
    x = np.array([-1e4, -100, -20, -1, 0, 1e-3, 1, 20, 100, 1e4], dtype=dtype)
    before = x.copy()
    result = sigmoid(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, scipy.special.expit(x), rtol=0, atol=np.finfo(dtype).eps)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(sigmoid(x, out=x), result)
    np.testing.assert_array_equal(x, result)


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_one_input_for_all_states(shape, normal):
    x, states = normal(*shape), (normal(4, 5), normal(4, 5))
    weights = normal(3, 20), normal(5, 20), normal(20)
    wanted = lstm_step_forward(np.tile(x, (4, 1)), *states, *weights)
    given = lstm_step_forward(x, *states, *weights)
    for state in range(2):
        np.testing.assert_allclose(given[state], wanted[state], rtol=1e-14)
