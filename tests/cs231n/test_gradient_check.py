import numpy as np

from recap.cs231n.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    grad_check_sparse,
)


def test_the_gradient_of_a_number(capsys):
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = x.copy()
    gradient = eval_numerical_gradient(lambda x: (x**3).sum(), x)
    np.testing.assert_allclose(gradient, 3 * before**2, rtol=1e-8)
    np.testing.assert_array_equal(x, before)
    assert len(capsys.readouterr().out.splitlines()) == 4
    eval_numerical_gradient(lambda x: (x**3).sum(), x, verbose=False)
    assert not capsys.readouterr().out


def test_the_gradient_through_an_array():
    x, weights, df = np.array([1.0, 2.0]), np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1.0, 0, 2])
    gradient = eval_numerical_gradient_array(lambda x: x @ weights, x, df)
    np.testing.assert_allclose(gradient, weights @ df, rtol=1e-8)
    # A function that writes every value into the same memory.
    memory = np.empty(3)
    gradient = eval_numerical_gradient_array(lambda x: np.matmul(x, weights, out=memory), x, df)
    np.testing.assert_allclose(gradient, weights @ df, rtol=1e-8)


def test_a_few_numbers_of_a_gradient(capsys):
    x = np.array([1.0, 2.0])
    grad_check_sparse(lambda x: (x**2).sum(), x, 2 * x, num_checks=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(float(line.rpartition(" ")[2]) < 1e-8 for line in lines)
    grad_check_sparse(lambda x: (x**2).sum(), x, 3 * x, num_checks=1)
    assert abs(float(capsys.readouterr().out.rpartition(" ")[2]) - 0.2) < 1e-6
