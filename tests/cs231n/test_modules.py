"""The modules have the names and the arguments of the course's."""

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import recap.cs231n

# By module, what notebooks and students' own files call, and how.
SIGNATURES = {
    "gradient_check": {
        "eval_numerical_gradient": "f, x, verbose=True, h=1e-05",
        "eval_numerical_gradient_array": "f, x, df, h=1e-05",
        "grad_check_sparse": "f, x, analytic_grad, num_checks=10, h=1e-05",
    },
    "rnn_layers": {
        "affine_forward": "x, w, b",
        "affine_backward": "dout, cache",
        "rnn_step_forward": "x, prev_h, Wx, Wh, b",
        "rnn_step_backward": "dnext_h, cache",
        "rnn_forward": "x, h0, Wx, Wh, b",
        "rnn_backward": "dh, cache",
        "word_embedding_forward": "x, W",
        "word_embedding_backward": "dout, cache",
        "sigmoid": "x",
        "lstm_step_forward": "x, prev_h, prev_c, Wx, Wh, b",
        "lstm_step_backward": "dnext_h, dnext_c, cache",
        "lstm_forward": "x, h0, Wx, Wh, b",
        "lstm_backward": "dh, cache",
        "temporal_affine_forward": "x, w, b",
        "temporal_affine_backward": "dout, cache",
        "temporal_softmax_loss": "x, y, mask, verbose=False",
    },
    "rnn_layers_pytorch": {
        "affine_forward": "x, w, b",
        "rnn_step_forward": "x, prev_h, Wx, Wh, b",
        "rnn_forward": "x, h0, Wx, Wh, b",
        "word_embedding_forward": "x, W",
        "lstm_step_forward": "x, prev_h, prev_c, Wx, Wh, b",
        "lstm_forward": "x, h0, Wx, Wh, b",
        "temporal_affine_forward": "x, w, b",
        "temporal_softmax_loss": "x, y, mask, verbose=False",
    },
    "layers": {
        "affine_forward": "x, w, b",
        "affine_backward": "dout, cache",
        "relu_forward": "x",
        "relu_backward": "dout, cache",
        "softmax_loss": "x, y",
    },
    "optim": {
        "sgd": "w, dw, config=None",
        "sgd_momentum": "w, dw, config=None",
        "rmsprop": "w, dw, config=None",
        "adam": "x, dx, config=None",
    },
    "classifiers.rnn": {
        "CaptioningRNN": "word_to_idx, input_dim=512, wordvec_dim=128, hidden_dim=128,"
        " cell_type='rnn', dtype=float32",
        "CaptioningRNN.loss": "self, features, captions",
        "CaptioningRNN.sample": "self, features, max_length=30",
    },
    "classifiers.rnn_pytorch": {
        "CaptioningRNN": "word_to_idx, input_dim=512, wordvec_dim=128, hidden_dim=128,"
        " cell_type='rnn', dtype=torch.float32",
        "CaptioningRNN.loss": "self, features, captions",
        "CaptioningRNN.sample": "self, features, max_length=30",
    },
    "captioning_solver": {
        "CaptioningSolver": "model, data, update_rule='sgd', optim_config=None, batch_size=100,"
        " num_epochs=10, lr_decay=1.0, print_every=10, verbose=True",
        "CaptioningSolver.train": "self",
        "CaptioningSolver.check_accuracy": "self, X, y, num_samples=None, batch_size=100",
        "CaptioningSolver._reset": "self",
        "CaptioningSolver._step": "self",
    },
    "captioning_solver_pytorch": {
        "CaptioningSolverPytorch": "model, data, learning_rate=0.001, batch_size=100,"
        " num_epochs=10, print_every=10, verbose=True",
        "CaptioningSolverPytorch.train": "self",
    },
    "transformer_layers": {
        "PositionalEncoding": "embed_dim, dropout=0.1, max_len=5000",
        "MultiHeadAttention": "embed_dim, num_heads, dropout=0.1",
        "MultiHeadAttention.forward": "self, query, key, value, attn_mask=None",
    },
    "classifiers.transformer": {
        "CaptioningTransformer": "word_to_idx, input_dim, wordvec_dim, num_heads=4, num_layers=2,"
        " max_length=50",
        "CaptioningTransformer.forward": "self, features, captions",
        "CaptioningTransformer.sample": "self, features, max_length=30",
        "TransformerDecoderLayer": "input_dim, num_heads, dim_feedforward=2048, dropout=0.1",
        "TransformerDecoder": "decoder_layer, num_layers",
        "clones": "module, N",
    },
    "captioning_solver_transformer": {
        "CaptioningSolverTransformer": "model, data, idx_to_word, learning_rate=0.001,"
        " batch_size=100, num_epochs=10, print_every=10, verbose=True",
        "CaptioningSolverTransformer.train": "self",
    },
    "coco_utils": {
        "load_coco_data": "base_dir=None, max_train=None, pca_features=True",
        "sample_coco_minibatch": "data, batch_size=100, split='train'",
        "decode_captions": "captions, idx_to_word",
    },
    "image_utils": {"image_from_url": "url"},
    "data_utils": {"load_imagenet_val": "num=None"},
    "net_visualization_pytorch": {
        "compute_saliency_maps": "X, y, model",
        "make_fooling_image": "X, target_y, model",
        "class_visualization_update_step": "img, model, target_y, l2_reg, learning_rate",
        "preprocess": "img, size=224",
        "deprocess": "img, should_rescale=True",
        "rescale": "x",
        "blur_image": "X, sigma=1",
        "jitter": "X, ox, oy",
    },
}


def arguments(function):
    """Return what a function takes, as the course would write it; its own further options not."""
    parameters = inspect.signature(function).parameters.values()
    told = []
    for parameter in parameters:
        if parameter.kind == parameter.VAR_KEYWORD or parameter.name == "out":
            continue
        default = parameter.default
        shown = getattr(default, "__name__", repr(default))
        told.append(parameter.name + ("" if default is parameter.empty else f"={shown}"))
    return ", ".join(told)


@pytest.mark.parametrize("module", SIGNATURES)
def test_signatures_are_the_courses(module):
    found = importlib.import_module(f"recap.cs231n.{module}")
    taken = {}
    for name in SIGNATURES[module]:
        function = found
        for part in name.split("."):
            function = getattr(function, part)
        taken[name] = arguments(function)
    assert taken == SIGNATURES[module]


@pytest.mark.parametrize("module", ["rnn_layers", "layers", "rnn_layers_pytorch"])
def test_all_that_a_notebook_uses_comes_with_a_star(module):
    names = {}
    exec(f"from recap.cs231n.{module} import *", names)
    assert set(SIGNATURES[module]) <= names.keys()
    assert ("torch" if "pytorch" in module else "np") in names


def test_two_lines_put_it_in_place_of_a_students_files(tmp_path):
    """Also where the student's were imported before."""
    package = tmp_path / "cs231n"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text("softmax_loss = 'the student'")
    code = """
import cs231n.layers
assert cs231n.layers.softmax_loss == 'the student'
import recap.cs231n
recap.cs231n.put_in_place()
from cs231n.layers import *
import cs231n.classifiers.rnn
from cs231n import optim
import recap.captioners.numpy
import torchvision.transforms as T
assert T.ToTensor
assert softmax_loss.__module__ == 'cs231n.layers'
assert cs231n.classifiers.rnn.CaptioningRNN is recap.captioners.numpy.CaptioningRNN
print(optim.__file__)
"""
    path = str(recap.cs231n.__file__).removesuffix("recap/cs231n/__init__.py")
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert ran.stdout == f"{path}recap/cs231n/optim.py\n", ran.stderr


def test_the_softmax_loss_leaves_its_input(normal, numeric_gradient, relative_error):
    from recap.cs231n.layers import softmax_loss

    x, y = normal(4, 5), np.array([0, 4, 2, 2])
    before = x.copy()
    loss, dx = softmax_loss(x, y)
    np.testing.assert_array_equal(x, before)
    probabilities = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(4), y]).mean())
    assert relative_error(dx, numeric_gradient(lambda: softmax_loss(x, y)[0], x)) < 1e-7


def test_relu(normal):
    from recap.cs231n.layers import relu_backward, relu_forward

    x = np.array([[-1.0, 0.0, 2.0]])
    out, cache = relu_forward(x)
    np.testing.assert_array_equal(out, [[0, 0, 2]])
    np.testing.assert_array_equal(relu_backward(np.full((1, 3), 3.0), cache), [[0, 0, 3]])


def test_adam_is_the_one_that_the_solver_takes():
    from recap.captioners.optim import UPDATE_RULES
    from recap.cs231n import optim

    for name in optim.__all__:
        assert getattr(optim, name) is UPDATE_RULES[name]
