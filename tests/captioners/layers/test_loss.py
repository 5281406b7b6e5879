import numpy as np
import pytest

from recap.captioners.layers import cross_entropy, temporal_softmax_loss


@pytest.mark.parametrize(
    ("n", "t", "v", "share", "wanted", "tolerance"),
    [
        (100, 1, 10, 1, 2.3, 0.01),
        (100, 10, 10, 1, 23, 0.1),
        (5000, 10, 10, 0.1, 2.3, 0.1),
    ],
)
def test_small_random_scores_cost_log_v_a_word(n, t, v, share, wanted, tolerance):
    generator = np.random.default_rng(0)
    x = 0.001 * generator.standard_normal((n, t, v))
    y = generator.integers(v, size=(n, t))
    mask = generator.random((n, t)) <= share
    assert temporal_softmax_loss(x, y, mask)[0] == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 3), (4, 1, 2), (1, 1, 7)])
def test_gradient(shape, normal, numeric_gradient, relative_error):
    generator = np.random.default_rng(0)
    x, y = normal(*shape), generator.integers(shape[2], size=shape[:2])
    mask = generator.random(shape[:2]) < 0.7
    mask[0, 0] = True
    _, dx = temporal_softmax_loss(x, y, mask)
    wanted = numeric_gradient(lambda: temporal_softmax_loss(x, y, mask)[0], x)
    assert relative_error(dx, wanted) < 1e-7
    assert not dx[~mask].any()


def test_gradient_of_weighted_rows(normal, numeric_gradient, relative_error):
    scores, targets, weights = normal(4, 5), np.array([0, 4, 2, 2]), np.array([0.5, 0, 2, 1])
    _, dscores = cross_entropy(scores.copy(), targets, weights)
    wanted = numeric_gradient(lambda: cross_entropy(scores.copy(), targets, weights)[0], scores)
    assert relative_error(dscores, wanted) < 1e-7


@pytest.mark.filterwarnings("error")
def test_huge_scores_do_not_overflow():
    x = np.array([[[1e4, 0, -1e4], [-1e4, 1e4, 0]]], dtype=np.float32)
    before = x.copy()
    loss, dx = temporal_softmax_loss(x, np.array([[0, 2]]), np.ones((1, 2), dtype=bool))
    assert loss == pytest.approx(1e4)
    np.testing.assert_array_equal(dx, [[[0, 0, 0], [0, 1, -1]]])
    assert dx.dtype == np.float32
    np.testing.assert_array_equal(x, before)


def test_verbose_prints_a_shape(normal, capsys):
    x, y, mask = normal(2, 3, 4), np.zeros((2, 3), int), np.ones((2, 3), bool)
    quiet = temporal_softmax_loss(x, y, mask, verbose=False)
    assert not capsys.readouterr().out
    assert temporal_softmax_loss(x, y, mask, True)[0] == quiet[0]
    assert capsys.readouterr().out == "dx_flat:  (6, 4)\n"
