"""What `recap check` holds a student's files against: a table of files and their functions."""

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from recap.captioners import layers, optim
from recap.captioners.numpy import CaptioningRNN
from recap.cs231n.check_student import Function, Student, WrongError, outputs_of
from recap.cs231n.gradient_check import eval_numerical_gradient_array
from recap.cs231n.layers import softmax_loss


class Layer(NamedTuple):
    """A pair of functions, `{name}_forward` and `{name}_backward`.

    Parameters
    ----------
    outputs : tuple of str
        Outputs before the `cache`.
    inputs : dict of str to array
        As the course's notebooks fill them. Those of real numbers have gradients.
    step : str
        The layer that it repeats at each step.
    of_every_year : bool
        As of `Function`.
    """

    outputs: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    step: str = ""
    of_every_year: bool = True


# Both captioners that are drawn with it write several words and then <END>.
SEED = 377


def _spaced(start: float, stop: float, *shape: int) -> np.ndarray:
    return np.linspace(start, stop, num=np.prod(shape)).reshape(shape)


def _drawn(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays of the same shapes with random numbers; whole numbers stay."""
    generator = np.random.default_rng(SEED)
    return {
        name: generator.standard_normal(array.shape) if array.dtype == float else array
        for name, array in inputs.items()
    }


RNN_LAYERS = {
    "rnn_step": Layer(
        ("next_h",),
        {
            "x": _spaced(-0.4, 0.7, 3, 10),
            "prev_h": _spaced(-0.2, 0.5, 3, 4),
            "Wx": _spaced(-0.1, 0.9, 10, 4),
            "Wh": _spaced(-0.3, 0.7, 4, 4),
            "b": _spaced(-0.2, 0.4, 4),
        },
    ),
    "rnn": Layer(
        ("h",),
        {
            "x": _spaced(-0.1, 0.3, 2, 3, 4),
            "h0": _spaced(-0.3, 0.1, 2, 5),
            "Wx": _spaced(-0.2, 0.4, 4, 5),
            "Wh": _spaced(-0.4, 0.1, 5, 5),
            "b": _spaced(-0.7, 0.1, 5),
        },
        step="rnn_step",
    ),
    "word_embedding": Layer(
        ("out",), {"x": np.array([[0, 3, 1, 2], [2, 1, 0, 3]]), "W": _spaced(0, 1, 5, 3)}
    ),
    "lstm_step": Layer(
        ("next_h", "next_c"),
        {
            "x": _spaced(-0.4, 1.2, 3, 4),
            "prev_h": _spaced(-0.3, 0.7, 3, 5),
            "prev_c": _spaced(-0.4, 0.9, 3, 5),
            "Wx": _spaced(-2.1, 1.3, 4, 20),
            "Wh": _spaced(-0.7, 2.2, 5, 20),
            "b": _spaced(0.3, 0.7, 20),
        },
    ),
    "lstm": Layer(
        ("h",),
        {
            "x": _spaced(-0.4, 0.6, 2, 3, 5),
            "h0": _spaced(-0.4, 0.8, 2, 4),
            "Wx": _spaced(-0.2, 0.9, 5, 16),
            "Wh": _spaced(-0.3, 0.6, 4, 16),
            "b": _spaced(0.2, 0.7, 16),
        },
        step="lstm_step",
    ),
    "gru_step": Layer(
        ("next_h",),
        {
            "x": _spaced(-0.4, 1.2, 3, 4),
            "prev_h": _spaced(-0.3, 0.7, 3, 5),
            "Wx": _spaced(-2.1, 1.3, 4, 15),
            "Wh": _spaced(-0.7, 2.2, 5, 15),
            "b": _spaced(0.3, 0.7, 15),
        },
        of_every_year=False,
    ),
    "gru": Layer(
        ("h",),
        {
            "x": _spaced(-0.4, 0.6, 2, 3, 5),
            "h0": _spaced(-0.4, 0.8, 2, 4),
            "Wx": _spaced(-0.2, 0.9, 5, 12),
            "Wh": _spaced(-0.3, 0.6, 4, 12),
            "b": _spaced(0.2, 0.7, 12),
        },
        step="gru_step",
        of_every_year=False,
    ),
    "temporal_affine": Layer(
        ("out",),
        {
            "x": _spaced(-0.3, 0.5, 2, 3, 4),
            "w": _spaced(-0.2, 0.6, 4, 5),
            "b": _spaced(-0.4, 0.1, 5),
        },
    ),
}
AFFINE = Layer(
    ("out",),
    {"x": _spaced(-0.1, 0.5, 2, 3, 4), "w": _spaced(-0.2, 0.3, 12, 3), "b": _spaced(-0.3, 0.1, 3)},
)
TARGETS = {
    "x": _spaced(-2, 3, 3, 4, 5),
    "y": np.array([[3, 1, 4, 2], [2, 4, 1, 0], [4, 2, 0, 0]]),
    "mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool),
}
WORDS = {
    word: number
    for number, word in enumerate(
        ("<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "sits", "here")
    )
}
CAPTIONS = np.array([[1, 4, 5, 6, 2], [1, 7, 3, 2, 0], [1, 5, 2, 0, 0]])
SIZES = {"input_dim": 4, "wordvec_dim": 5, "hidden_dim": 6}


def _check_forward(name: str, layer: Layer, student: Student) -> Iterator[tuple[str, Any, Any]]:
    n_outputs = len(layer.outputs)
    for inputs in (layer.inputs, _drawn(layer.inputs)):
        outputs = student.call(f"{name}_forward", inputs, n_outputs + (not student.tensors))
        wanted = getattr(layers, f"{name}_forward")(*inputs.values())
        yield from zip(layer.outputs, outputs[:n_outputs], wanted[:n_outputs], strict=True)


def _check_backward(name: str, layer: Layer, student: Student) -> Iterator[tuple[str, Any, Any]]:
    """Hold a backward pass against the gradients of the student's own forward pass."""
    inputs = _drawn(layer.inputs)

    def run_forward(inputs: dict[str, np.ndarray]) -> tuple:
        return student.call(f"{name}_forward", inputs, len(layer.outputs) + 1)

    *outputs, cache = run_forward(inputs)
    weights = _drawn({f"d{name}": out for name, out in zip(layer.outputs, outputs, strict=True)})
    learnt = [name for name, array in inputs.items() if array.dtype == float]
    gradients = student.call(f"{name}_backward", {**weights, "cache": cache}, len(learnt))
    for key, gradient in zip(learnt, gradients, strict=True):
        measured = sum(
            eval_numerical_gradient_array(
                lambda array, key=key, place=place: run_forward({**inputs, key: array})[place],
                inputs[key],
                weight,
            )
            for place, weight in enumerate(weights.values())
        )
        yield f"d{key}", gradient, measured


def _check_temporal_softmax_loss(student: Student) -> Iterator[tuple[str, Any, Any]]:
    names = ("loss",) if student.tensors else ("loss", "dx")
    for inputs in (TARGETS, _drawn(TARGETS)):
        outputs = student.call("temporal_softmax_loss", inputs, len(names))
        wanted = layers.temporal_softmax_loss(*inputs.values())
        yield from zip(names, outputs, wanted[: len(names)], strict=True)


def _check_softmax_loss(student: Student) -> Iterator[tuple[str, Any, Any]]:
    inputs = _drawn({"x": TARGETS["x"][0], "y": TARGETS["y"][0]})
    outputs = student.call("softmax_loss", inputs, 2)
    wanted = softmax_loss(*inputs.values())
    yield from zip(("loss", "dx"), outputs, wanted, strict=True)


def _check_update(rule: str, student: Student) -> Iterator[tuple[str, Any, Any]]:
    """Take three steps. The course's Adam changes `w` in place, which is no mistake."""
    arrays = _drawn({"w": _spaced(-1, 1, 4, 5), "dw": _spaced(-1, 1, 4, 5)})
    w, wanted, config, wanted_config = arrays["w"].copy(), arrays["w"], None, None
    for _ in range(3):
        w, config = outputs_of(student.find(rule)(w, arrays["dw"].copy(), config), 2)
        wanted, wanted_config = getattr(optim, rule)(wanted, arrays["dw"], wanted_config)
    yield "next_w", w, wanted


def _make_captioners(cell: str, student: Student) -> tuple[Any, CaptioningRNN, np.ndarray]:
    """Return a student's captioner and the right one with equal weights, and features."""
    right = CaptioningRNN(WORDS, **SIZES, cell_type=cell, dtype=np.float64)
    right.params = _drawn(right.params)
    features = _drawn({"features": np.zeros((len(CAPTIONS), SIZES["input_dim"]))})["features"]
    dtype = student.copy(features).dtype
    given = student.find("CaptioningRNN")(WORDS, **SIZES, cell_type=cell, dtype=dtype)
    given.params = {name: student.copy(array) for name, array in right.params.items()}
    return given, right, features


def _check_loss(cell: str, student: Student) -> Iterator[tuple[str, Any, Any]]:
    given, right, features = _make_captioners(cell, student)
    if student.tensors:
        for tensor in given.params.values():
            tensor.requires_grad_()
    returned = given.loss(student.copy(features), student.copy(CAPTIONS))
    if student.tensors:
        (loss,) = outputs_of(returned, 1)
        if not hasattr(loss, "backward"):
            raise NotImplementedError
        loss.backward()
        gradients = {name: tensor.grad for name, tensor in given.params.items()}
        loss = loss.detach()
    else:
        loss, gradients = outputs_of(returned, 2)
    if not gradients:
        raise NotImplementedError
    wanted, wanted_gradients = right.loss(features, CAPTIONS)
    yield "loss", loss, wanted
    for name, gradient in wanted_gradients.items():
        yield f"d{name}", gradients.get(name), gradient


def _check_sample(cell: str, student: Student) -> Iterator[tuple[str, Any, Any]]:
    """Compare the words up to `<END>`."""
    given, right, features = _make_captioners(cell, student)
    wanted = right.sample(features, max_length=8)
    (words,) = outputs_of(given.sample(student.copy(features), max_length=8), 1)
    words = np.asarray(words)
    if words.shape == wanted.shape:
        if not words.any():
            raise NotImplementedError
        ended = np.cumsum(wanted == WORDS["<END>"], axis=1) - (wanted == WORDS["<END>"]) > 0
        words, wanted = np.where(ended, 0, words), np.where(ended, 0, wanted)
    yield "captions", words, wanted


def _check_module(
    name: str, made_of: str, sizes: tuple, calls: dict[str, tuple], student: Student
) -> Iterator[tuple[str, Any, Any]]:
    """Compare the outputs of a PyTorch module and of the right one, of equal weights.

    Nothing is dropped. Calls are inputs by the name of an output; `made_of` has the right module.
    """
    torch = importlib.import_module("torch")
    # What the course's files return until they are filled in, an empty tensor, is then all NaN.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = True
    right = getattr(importlib.import_module(made_of), name)(*sizes)
    given = student.find(name)(*sizes)
    weights = _drawn({key: np.zeros(value.shape) for key, value in right.named_parameters()})
    if other := weights.keys() ^ dict(given.named_parameters()).keys():
        raise WrongError(f"its parameters are not the course's: see {', '.join(sorted(other))}")
    for module in (given, right):
        for key, parameter in module.eval().named_parameters():
            parameter.data = student.copy(weights[key])
    for output, inputs in calls.items():
        with torch.no_grad():
            (value,) = outputs_of(given(*map(student.copy, inputs)), 1)
            wanted = right(*map(student.copy, inputs)).numpy()
        if np.isnan(np.asarray(value)).all():
            raise NotImplementedError
        yield output, value, wanted


def _functions_of(table: dict[str, Layer]) -> dict[str, Function]:
    functions = {}
    for name, layer in table.items():
        forward, steps = f"{name}_forward", [layer.step] if layer.step else []
        functions[forward] = Function(
            partial(_check_forward, name, layer),
            tuple(f"{step}_forward" for step in steps),
            of_every_year=layer.of_every_year,
        )
        functions[f"{name}_backward"] = Function(
            partial(_check_backward, name, layer),
            (forward, *(f"{step}_backward" for step in steps)),
            forward,
            layer.of_every_year,
        )
    return functions


def _captioner_functions() -> dict[str, Function]:
    functions = {}
    for cell in ("rnn", "lstm"):
        needs = [
            f"{layer}_{direction}"
            for layer in (f"{cell}_step", cell, "word_embedding", "temporal_affine")
            for direction in ("forward", "backward")
        ]
        functions[f"CaptioningRNN.loss, {cell}"] = Function(
            partial(_check_loss, cell), (*needs, "temporal_softmax_loss")
        )
        functions[f"CaptioningRNN.sample, {cell}"] = Function(
            partial(_check_sample, cell),
            tuple(need for need in needs if need.endswith("_forward")),
        )
    return functions


def _forward_alone(functions: dict[str, Function]) -> dict[str, Function]:
    """Return the functions that are left where PyTorch differentiates."""
    return {
        name: function._replace(
            needs=tuple(need for need in function.needs if not need.endswith("_backward"))
        )
        for name, function in functions.items()
        if not name.endswith("_backward")
    }


_RNN_FUNCTIONS = {
    **_functions_of(RNN_LAYERS),
    "temporal_softmax_loss": Function(_check_temporal_softmax_loss),
}

_QUERIES, _KEYS = (_drawn({"x": np.zeros((2, places, 8))})["x"] for places in (3, 4))
_MASK = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)
_TRANSFORMER_LAYERS = {
    "PositionalEncoding": ((8,), {"out": (_QUERIES,)}),
    "MultiHeadAttention": (
        (8, 2),
        {
            "self": (_QUERIES, _QUERIES, _QUERIES),
            "masked": (_QUERIES, _QUERIES, _QUERIES, _MASK),
            "other": (_QUERIES, _KEYS, _KEYS),
        },
    ),
}
_CAPTIONING_TRANSFORMER = Function(
    partial(
        _check_module,
        "CaptioningTransformer",
        "recap.cs231n.classifiers.transformer",
        (WORDS, SIZES["input_dim"], 8, 2),
        {"scores": (_drawn({"x": np.zeros((3, SIZES["input_dim"]))})["x"], CAPTIONS[:, :-1])},
    ),
    tuple(_TRANSFORMER_LAYERS),
)

# By file, and by a function's name in it. A later part of the assignment is an entry more.
PARTS = {
    "layers.py": {
        **_functions_of({"affine": AFFINE}),
        "softmax_loss": Function(_check_softmax_loss),
    },
    "optim.py": {
        rule: Function(partial(_check_update, rule), of_every_year=rule in ("sgd", "adam"))
        for rule in ("sgd", "sgd_momentum", "rmsprop", "adam")
    },
    "rnn_layers.py": _RNN_FUNCTIONS,
    "classifiers/rnn.py": _captioner_functions(),
    "rnn_layers_pytorch.py": _forward_alone(_RNN_FUNCTIONS),
    "classifiers/rnn_pytorch.py": _forward_alone(_captioner_functions()),
    "transformer_layers.py": {
        name: Function(partial(_check_module, name, "recap.captioners.transformer_layers", *how))
        for name, how in _TRANSFORMER_LAYERS.items()
    },
    "classifiers/transformer.py": {"CaptioningTransformer": _CAPTIONING_TRANSFORMER},
}


def takes_tensors(file: str) -> bool:
    """Tell whether what a file of `PARTS` holds takes PyTorch's tensors."""
    return file.endswith(("_pytorch.py", "transformer_layers.py", "transformer.py"))
