import numpy as np
import pytest

from recap.captioners.layers import word_embedding_backward, word_embedding_forward


def test_check_values(spaced):
    x, W = np.array([[0, 3, 1, 2], [2, 1, 0, 3]]), spaced(0, 1, 5, 3)
    wanted = [
        [[0, 0.07142857, 0.14285714], [0.64285714, 0.71428571, 0.78571429]]
        + [[0.21428571, 0.28571429, 0.35714286], [0.42857143, 0.5, 0.57142857]],
        [[0.42857143, 0.5, 0.57142857], [0.21428571, 0.28571429, 0.35714286]]
        + [[0, 0.07142857, 0.14285714], [0.64285714, 0.71428571, 0.78571429]],
    ]
    np.testing.assert_allclose(word_embedding_forward(x, W)[0], wanted, atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 4), (1, 6), (5, 1), (7,)])
def test_gradients(shape, normal, check_gradients):
    x = np.random.default_rng(0).integers(0, 4, shape)
    check_gradients(lambda W: word_embedding_forward(x, W), word_embedding_backward, [normal(6, 3)])


def test_gradient_sums_over_the_places_of_a_word():
    x = np.array([[2, 0, 2], [2, 2, 1]])
    dout = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    dW = word_embedding_backward(dout, word_embedding_forward(x, np.zeros((4, 2)))[1])
    assert dW.dtype == np.float32
    np.testing.assert_array_equal(dW, [[2, 3], [10, 11], [0 + 4 + 6 + 8, 1 + 5 + 7 + 9], [0, 0]])


def test_gradient_of_no_words_is_zero():
    _, cache = word_embedding_forward(np.zeros((0,), dtype=int), np.ones((3, 2)))
    np.testing.assert_array_equal(
        word_embedding_backward(np.zeros((0, 2)), cache), np.zeros((3, 2))
    )
