import numpy as np
import pytest

from recap.captioners.layers import (
    rnn_backward,
    rnn_forward,
    rnn_recurrence_backward,
    rnn_recurrence_forward,
    rnn_step_backward,
    rnn_step_forward,
)

SHAPES = [(2, 3, 4, 5), (1, 3, 4, 2), (3, 1, 2, 3), (1, 1, 1, 1), (4, 5, 3, 2)]


def test_step_check_values(spaced):
    next_h, _ = rnn_step_forward(
        spaced(-0.4, 0.7, 3, 10),
        spaced(-0.2, 0.5, 3, 4),
        spaced(-0.1, 0.9, 10, 4),
        spaced(-0.3, 0.7, 4, 4),
        spaced(-0.2, 0.4, 4),
    )
    wanted = [
        [-0.58172089, -0.50182032, -0.41232771, -0.31410098],
        [0.66854692, 0.79562378, 0.87755553, 0.92795967],
        [0.97934501, 0.99144213, 0.99646691, 0.99854353],
    ]
    np.testing.assert_allclose(next_h, wanted, rtol=0, atol=1e-8)


def test_forward_check_values(spaced):
    h, _ = rnn_forward(
        spaced(-0.1, 0.3, 2, 3, 4),
        spaced(-0.3, 0.1, 2, 5),
        spaced(-0.2, 0.4, 4, 5),
        spaced(-0.4, 0.1, 5, 5),
        spaced(-0.7, 0.1, 5),
    )
    wanted = [
        [
            [-0.42070749, -0.27279261, -0.11074945, 0.05740409, 0.22236251],
            [-0.39525808, -0.22554661, -0.0409454, 0.14649412, 0.32397316],
            [-0.42305111, -0.24223728, -0.04287027, 0.15997045, 0.35014525],
        ],
        [
            [-0.55857474, -0.39065825, -0.19198182, 0.02378408, 0.23735671],
            [-0.27150199, -0.07088804, 0.13562939, 0.33099728, 0.50158768],
            [-0.51014825, -0.30524429, -0.06755202, 0.17806392, 0.40333043],
        ],
    ]
    np.testing.assert_allclose(h, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_step_gradients(shape, normal, check_gradients):
    n, _, d, h = shape
    arrays = [normal(n, d), normal(n, h), normal(d, h), normal(h, h), normal(h)]
    check_gradients(rnn_step_forward, rnn_step_backward, arrays)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape, normal, check_gradients):
    n, t, d, h = shape
    arrays = [normal(n, t, d), normal(n, h), normal(d, h), normal(h, h), normal(h)]
    check_gradients(rnn_forward, rnn_backward, arrays)


@pytest.mark.parametrize("sizes", [[3, 2, 2, 1], [2, 1], [4, 0, 0]])
def test_gradients_of_packed_sequences(sizes, normal, check_gradients):
    arrays = [normal(sum(sizes), 3), normal(4, 3), normal(3, 3)]
    # The recurrences write over what the check still needs.
    check_gradients(
        lambda a, h0, Wh: rnn_recurrence_forward(a.copy(), sizes, h0, Wh),
        lambda dh, cache: rnn_recurrence_backward(dh.copy(), cache),
        arrays,
    )


def test_a_packed_sequence_is_computed_like_an_unpacked_one(normal):
    x, h0, Wx, Wh, b = normal(3, 4, 2), normal(3, 5), normal(2, 5), normal(5, 5), normal(5)
    full, _ = rnn_forward(x, h0, Wx, Wh, b)
    running = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool).T
    a = x.swapaxes(0, 1)[running] @ Wx + b
    packed, _ = rnn_recurrence_forward(a, running.sum(axis=1), h0, Wh)
    np.testing.assert_allclose(packed, full.swapaxes(0, 1)[running], rtol=1e-13)


def test_float32_stays_float32(normal):
    arrays = [normal(2, 3, 4), normal(2, 5), normal(4, 5), normal(5, 5), normal(5)]
    h, cache = rnn_forward(*(array.astype(np.float32) for array in arrays))
    assert {array.dtype.name for array in (h, *rnn_backward(h, cache))} == {"float32"}


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_one_input_for_all_states(shape, normal):
    x, prev_h, Wx, Wh, b = normal(*shape), normal(4, 5), normal(3, 5), normal(5, 5), normal(5)
    wanted, _ = rnn_step_forward(np.tile(x, (4, 1)), prev_h, Wx, Wh, b)
    np.testing.assert_allclose(rnn_step_forward(x, prev_h, Wx, Wh, b)[0], wanted, rtol=1e-14)
