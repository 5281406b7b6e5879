import numpy as np
import pytest
import torch

from recap.captioners.optim import (
    UPDATE_RULES,
    adam,
    course_adam,
    rmsprop,
    sgd,
    sgd_momentum,
)

RULES = [
    (sgd, {"learning_rate": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
    (
        sgd_momentum,
        {"learning_rate": 0.1, "momentum": 0.8},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8),
    ),
    (
        rmsprop,
        {"learning_rate": 0.01, "decay_rate": 0.9},
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9),
    ),
    (
        adam,
        {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95},
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95)),
    ),
]


@pytest.mark.parametrize(("rule", "config", "make_optimizer"), RULES)
def test_steps_are_those_of_pytorch(rule, config, make_optimizer):
    generator = np.random.default_rng(0)
    w = generator.standard_normal((3, 4))
    parameter = torch.nn.Parameter(torch.tensor(w))
    optimizer = make_optimizer([parameter])
    for _ in range(5):
        dw = generator.standard_normal((3, 4))
        w, config = rule(w, dw, config)
        parameter.grad = torch.tensor(dw)
        optimizer.step()
        np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=1e-12)


def test_defaults_are_those_of_the_course():
    w, dw = np.zeros(2), np.ones(2)
    settings = {
        name: {key: value for key, value in rule(w, dw)[1].items() if np.isscalar(value)}
        for name, rule in UPDATE_RULES.items()
    }
    adam_settings = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 1}
    assert settings == {
        "sgd": {"learning_rate": 1e-2},
        "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
        "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
        "adam": adam_settings,
        "adam_bias_corrected": adam_settings,
    }


@pytest.mark.parametrize("rule", UPDATE_RULES.values())
def test_arguments_stay_and_float32_stays_float32(rule):
    w, dw = np.ones(3, dtype=np.float32), np.full(3, 0.5, dtype=np.float32)
    next_w, config = rule(w, dw, None)
    next_w, config = rule(next_w, dw, config)
    assert next_w.dtype == np.float32
    assert {v.dtype.name for v in config.values() if isinstance(v, np.ndarray)} <= {"float32"}
    np.testing.assert_array_equal(dw, 0.5)
    # Of all rules, the course's Adam alone works in place.
    assert (next_w is w) == (rule is course_adam)
    assert (w == 1).all() == (rule is not course_adam)


def test_the_courses_adam_adds_epsilon_before_the_correction():
    x, _ = course_adam(x=np.zeros(1), dx=np.full(1, 1e-6), config={"learning_rate": 1.0})
    w, _ = adam(np.zeros(1), np.full(1, 1e-6), {"learning_rate": 1.0})
    assert -x[0] == pytest.approx(0.760, abs=5e-4)
    assert -w[0] == pytest.approx(0.990, abs=5e-4)


def test_without_epsilon_both_adams_are_one():
    generator = np.random.default_rng(0)
    w = generator.standard_normal(5)
    x, config, course_config = w.copy(), {"epsilon": 0.0}, {"epsilon": 0.0}
    for _ in range(20):
        gradient = generator.standard_normal(5)
        w, config = adam(w, gradient, config)
        x, course_config = course_adam(x, gradient, course_config)
    np.testing.assert_allclose(x, w, rtol=1e-12)
    assert course_config["t"] == 20
