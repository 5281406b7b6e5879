"""Rules that turn a gradient into a step, in CS231n's form `(w, dw, config) -> w, config`.

Each rule takes a parameter `w`, the gradient `dw` of the loss with respect to it, and a dict that
holds the rule's settings and what it remembers of earlier steps. It returns the new parameter and
the dict for the next call. `w` and `dw` stay as they are, unless a rule says otherwise; the dict is
filled with defaults and updated. All three have the dtype of `w`.
"""

import math

import numpy as np


def sgd(w: np.ndarray, dw: np.ndarray, config: dict | None = None) -> tuple[np.ndarray, dict]:
    """Stochastic gradient descent: `w - learning_rate · dw`.

    H. Robbins and S. Monro, "A stochastic approximation method", Ann. Math. Statist. 22 (1951).

    Parameters
    ----------
    w, dw : array
        Parameter and gradient, of one shape.
    config : dict, optional
        `learning_rate` (1e-2).

    Returns
    -------
    next_w : array
    config : dict
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw, config


def sgd_momentum(
    w: np.ndarray, dw: np.ndarray, config: dict | None = None
) -> tuple[np.ndarray, dict]:
    """Gradient descent of a ball that rolls: the step keeps a share of the step before.

    `velocity = momentum · velocity - learning_rate · dw`, `next_w = w + velocity`.
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Comp.
    Math. and Math. Phys. 4 (1964).

    Parameters
    ----------
    w, dw : array
        Parameter and gradient, of one shape.
    config : dict, optional
        `learning_rate` (1e-2), `momentum` (0.9), `velocity` (zeros).

    Returns
    -------
    next_w : array
    config : dict
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    velocity = config.get("velocity", np.zeros_like(w))
    config["velocity"] = config["momentum"] * velocity - config["learning_rate"] * dw
    return w + config["velocity"], config


def rmsprop(w: np.ndarray, dw: np.ndarray, config: dict | None = None) -> tuple[np.ndarray, dict]:
    """RMSProp: gradient descent with each element's gradient divided by its recent size.

    `cache = decay_rate · cache + (1 - decay_rate) · dw²`,
    `next_w = w - learning_rate · dw / (√cache + epsilon)`.
    T. Tieleman and G. Hinton, "Neural networks for machine learning", lecture 6.5, Coursera 2012.

    Parameters
    ----------
    w, dw : array
        Parameter and gradient, of one shape.
    config : dict, optional
        `learning_rate` (1e-2), `decay_rate` (0.99), `epsilon` (1e-8), `cache` (zeros).

    Returns
    -------
    next_w : array
    config : dict
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    decay_rate = config["decay_rate"]
    cache = config.get("cache", np.zeros_like(w))
    config["cache"] = decay_rate * cache + (1 - decay_rate) * dw * dw
    step = config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"])
    return w - step, config


def adam(w: np.ndarray, dw: np.ndarray, config: dict | None = None) -> tuple[np.ndarray, dict]:
    """Adam: momentum and RMSProp together, without their bias towards zero in the first steps.

    `t = t + 1`, `m = beta1 · m + (1 - beta1) · dw`, `v = beta2 · v + (1 - beta2) · dw²`,
    `next_w = w - learning_rate · m̂ / (√v̂ + epsilon)` with `m̂ = m / (1 - beta1^t)` and
    `v̂ = v / (1 - beta2^t)`. D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization",
    ICLR 2015, algorithm 1.

    Parameters
    ----------
    w, dw : array
        Parameter and gradient, of one shape.
    config : dict, optional
        `learning_rate` (1e-3), `beta1` (0.9), `beta2` (0.999), `epsilon` (1e-8), `m` and `v`
        (zeros), `t` (0), the steps taken so far.

    Returns
    -------
    next_w : array
    config : dict
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    beta1, beta2 = config["beta1"], config["beta2"]
    m = config.get("m", np.zeros_like(w))
    v = config.get("v", np.zeros_like(w))
    config["t"] = config.get("t", 0) + 1
    config["m"] = beta1 * m + (1 - beta1) * dw
    config["v"] = beta2 * v + (1 - beta2) * dw * dw
    m_hat = config["m"] / (1 - beta1 ** config["t"])
    v_hat = config["v"] / (1 - beta2 ** config["t"])
    return w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + config["epsilon"]), config


def course_adam(
    x: np.ndarray, dx: np.ndarray, config: dict | None = None
) -> tuple[np.ndarray, dict]:
    """Adam as CS231n's third assignment ships it: `adam`, but for what epsilon is added to.

    `next_x = x - learning_rate · √(1 - beta2^t) / (1 - beta1^t) · m / (√v + epsilon)`, the faster
    form at the end of the paper's section 2. Epsilon weighs more in the first steps: of a gradient
    of 1e-6 the first step is 0.76 learning rates long, and 0.99 with `adam`.

    Parameters
    ----------
    x : array
        Parameter; changed in place.
    dx : array
        Its gradient, of the same shape.
    config : dict, optional
        As of `adam`.

    Returns
    -------
    next_x : array
        `x`.
    config : dict
    """
    config = {} if config is None else config
    defaults = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0}
    for key, value in {**defaults, "m": np.zeros_like(x), "v": np.zeros_like(x)}.items():
        config.setdefault(key, value)
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = beta1 * config["m"] + (1 - beta1) * dx
    config["v"] = beta2 * config["v"] + (1 - beta2) * (dx * dx)
    alpha = config["learning_rate"] * math.sqrt(1 - beta2 ** config["t"])
    alpha /= 1 - beta1 ** config["t"]
    x -= alpha * (config["m"] / (np.sqrt(config["v"]) + config["epsilon"]))
    return x, config


UPDATE_RULES = {
    "sgd": sgd,
    "sgd_momentum": sgd_momentum,
    "rmsprop": rmsprop,
    "adam": course_adam,
    "adam_bias_corrected": adam,
}
