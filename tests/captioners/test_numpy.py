import numpy as np
import pytest
import torch

from recap.captioners.numpy import CaptioningRNN
from recap.captioners.optim import course_adam
from recap.cs231n.captioning_solver import CaptioningSolver

VOCABULARY = {"<NULL>": 0, "<START>": 1, "<END>": 2, "<UNK>": 3, "a": 4, "cat": 5, "sat": 6}
NULL, START, END = 0, 1, 2
CAPTIONS = np.array(
    [
        [1, 4, 5, 2, 0, 0],
        [1, 4, 5, 6, 3, 2],
        [1, 6, 0, 0, 2, 0],
        [0, 4, 0, 5, 0, 6],
        [1, 0, 0, 0, 0, 0],
    ]
)
# The blocks i, f, o, g of the course, in PyTorch's order i, f, g, o; the exchange is its own
# inverse.
GATES = {"rnn": [0], "lstm": [0, 1, 3, 2]}


def make_model(cell_type, dtype=np.float64, word_to_idx=VOCABULARY):
    """Return a small model with every parameter random, the biases too."""
    np.random.seed(0)  # noqa: NPY002
    model = CaptioningRNN(word_to_idx, 4, 3, 5, cell_type, dtype)
    generator = np.random.default_rng(1)
    for name, value in model.params.items():
        model.params[name] = generator.normal(0, 0.5, value.shape).astype(dtype)
    return model


def make_features(n, dtype=np.float64):
    return np.random.default_rng(2).standard_normal((n, 4)).astype(dtype)


def operations_states(p, inputs, h, cell_type):
    """Return the hidden states (N, T, H) by PyTorch's elementary operations."""
    x, c, states = p["W_embed"][inputs], torch.zeros_like(h), []
    for t in range(inputs.shape[1]):
        a = x[:, t] @ p["Wx"] + h @ p["Wh"] + p["b"]
        if cell_type == "rnn":
            h = torch.tanh(a)
        else:
            i, f, o, g = a.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states, dim=1)


def module_states(p, inputs, h, cell_type):
    """Return the hidden states (N, T, H) by PyTorch's own recurrent layer."""

    def exchange(columns):
        blocks = columns.chunk(len(GATES[cell_type]), dim=-1)
        return torch.cat([blocks[gate] for gate in GATES[cell_type]], dim=-1)

    state = h[None] if cell_type == "rnn" else (h[None], torch.zeros_like(h[None]))
    width, n_units = p["Wx"].shape[0], h.shape[1]
    network = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[cell_type](
        width, n_units, batch_first=True, dtype=h.dtype
    )
    weights = {
        "weight_ih_l0": exchange(p["Wx"]).T,
        "weight_hh_l0": exchange(p["Wh"]).T,
        "bias_ih_l0": exchange(p["b"]),
        "bias_hh_l0": torch.zeros_like(p["b"]),
    }
    states, _ = torch.func.functional_call(network, weights, (p["W_embed"][inputs], state))
    return states


def torch_loss(params, features, captions, cell_type, hidden_states):
    """Return the loss and its gradients by PyTorch's automatic differentiation."""
    p = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    h0 = torch.tensor(features) @ p["W_proj"] + p["b_proj"]
    states = hidden_states(p, torch.tensor(captions[:, :-1]), h0, cell_type)
    scores = states @ p["W_vocab"] + p["b_vocab"]
    loss = torch.nn.functional.cross_entropy(
        scores.flatten(0, 1),
        torch.tensor(captions[:, 1:]).flatten(),
        ignore_index=NULL,
        reduction="sum",
    ) / len(captions)
    loss.backward()
    return loss.item(), {name: value.grad.numpy() for name, value in p.items()}


@pytest.mark.parametrize(
    ("cell_type", "start", "stop", "wanted"),
    [("rnn", -1.5, 0.3, 9.83235591003), ("lstm", -0.5, 1.7, 9.82445935443)],
)
def test_loss_is_that_of_the_course(cell_type, start, stop, wanted):
    model = CaptioningRNN({"<NULL>": 0, "cat": 2, "dog": 3}, 20, 30, 40, cell_type, np.float64)
    for name, value in model.params.items():
        model.params[name] = np.linspace(-1.4, 1.3, num=value.size).reshape(value.shape)
    features = np.linspace(start, stop, num=200).reshape(10, 20)
    captions = (np.arange(10 * 13) % 3).reshape(10, 13)
    loss, _ = model.loss(features, captions)
    assert loss == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("cell_type", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("captions", [CAPTIONS, CAPTIONS[:1], CAPTIONS[1:3, :2]])
def test_gradients_are_numeric_ones(cell_type, captions, numeric_gradient, relative_error):
    model, features = make_model(cell_type), make_features(len(captions))
    _, grads = model.loss(features, captions)
    assert grads.keys() == model.params.keys()
    for name, value in model.params.items():
        wanted = numeric_gradient(lambda: model.loss(features, captions)[0], value)
        assert relative_error(grads[name], wanted) < 1e-7, name


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("hidden_states", [operations_states, module_states])
@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_loss_and_gradients_are_those_of_pytorch(
    cell_type, hidden_states, dtype, tolerance, relative_error
):
    model, features = make_model(cell_type, dtype), make_features(len(CAPTIONS), dtype)
    loss, grads = model.loss(features, CAPTIONS)
    wanted_loss, wanted = torch_loss(model.params, features, CAPTIONS, cell_type, hidden_states)
    assert loss == pytest.approx(wanted_loss, rel=tolerance)
    for name, gradient in grads.items():
        assert gradient.dtype == dtype
        assert relative_error(gradient, wanted[name]) < tolerance, name


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_null_is_any_id_of_the_vocabulary(cell_type):
    ids = {"<NULL>": 6, "<START>": 1, "<END>": 2, "<UNK>": 3, "a": 4, "cat": 5, "sat": 0}
    renamed = np.choose(CAPTIONS, [6, 1, 2, 3, 4, 5, 0])
    model, features = make_model(cell_type), make_features(len(CAPTIONS))
    other = make_model(cell_type, word_to_idx=ids)
    for name, axis in {"W_embed": 0, "W_vocab": 1, "b_vocab": 0}.items():
        other.params[name] = np.take(model.params[name], [6, 1, 2, 3, 4, 5, 0], axis=axis)
    assert other.loss(features, renamed)[0] == pytest.approx(model.loss(features, CAPTIONS)[0])


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_captions_without_words_cost_nothing(cell_type):
    model = make_model(cell_type)
    loss, grads = model.loss(make_features(2), np.array([[1, 0, 0], [0, 0, 0]]))
    assert loss == 0
    assert {name: value.shape for name, value in grads.items()} == {
        name: value.shape for name, value in model.params.items()
    }
    assert not any(gradient.any() for gradient in grads.values())


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
@pytest.mark.parametrize("hidden_states", [operations_states, module_states])
def test_sample_takes_the_likeliest_word(cell_type, hidden_states):
    model, features = make_model(cell_type), make_features(6)
    model.params["b_vocab"][:] = 0
    captions = model.sample(features, max_length=9)
    assert captions.shape == (6, 9)
    assert captions.dtype == np.int32
    p = {name: torch.tensor(value) for name, value in model.params.items()}
    inputs = np.column_stack([np.full(6, START), captions[:, :-1]])
    h0 = torch.tensor(features) @ p["W_proj"] + p["b_proj"]
    states = hidden_states(p, torch.tensor(inputs), h0, cell_type)
    scores = states @ p["W_vocab"] + p["b_vocab"]
    np.testing.assert_array_equal(captions, scores.argmax(dim=2).numpy())
    assert len(np.unique(captions)) > 3


def test_sample_writes_30_words_unless_told():
    assert make_model("rnn").sample(make_features(2)).shape == (2, 30)


@pytest.mark.parametrize(("cell_type", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_parameters_begin_as_in_the_course(cell_type, gates):
    np.random.seed(3)  # noqa: NPY002
    words = {"<NULL>": 0, **{str(n): n for n in range(1, 300)}}
    params = CaptioningRNN(words, 200, 150, 100, cell_type).params
    deviations = {
        "W_embed": ((300, 150), 0.01),
        "W_proj": ((200, 100), 200**-0.5),
        "b_proj": ((100,), 0),
        "Wx": ((150, gates * 100), 150**-0.5),
        "Wh": ((100, gates * 100), 100**-0.5),
        "b": ((gates * 100,), 0),
        "W_vocab": ((100, 300), 100**-0.5),
        "b_vocab": ((300,), 0),
    }
    assert list(params) == list(deviations)
    for name, (shape, deviation) in deviations.items():
        assert params[name].shape == shape
        assert params[name].dtype == np.float32
        assert params[name].std() == pytest.approx(deviation, rel=0.05)
    np.random.seed(3)  # noqa: NPY002
    first_draws = np.random.randn(300, 150) / 100  # noqa: NPY002
    np.testing.assert_allclose(params["W_embed"], first_draws, rtol=1e-6)


def test_wrong_models_are_refused():
    with pytest.raises(ValueError, match="'cnn'.*rnn, gru, lstm"):
        CaptioningRNN(VOCABULARY, cell_type="cnn")
    with pytest.raises(ValueError, match="<NULL>"):
        CaptioningRNN({"a": 0})
    with pytest.raises(ValueError, match="<START>"):
        CaptioningRNN({"<NULL>": 0}, input_dim=4).sample(make_features(1))
    with pytest.raises(ValueError, match="'adagrad'.*sgd, sgd_momentum, rmsprop, adam"):
        CaptioningSolver(make_model("rnn"), {}, update_rule="adagrad")
    with pytest.raises(ValueError, match="Unrecognized arguments 'lr', 'epochs'"):
        CaptioningSolver(make_model("rnn"), {}, lr=1, epochs=2)


def test_the_model_tells_its_words():
    model = CaptioningRNN({"<NULL>": 0, "<START>": 1, "<END>": 4, "dog": 3})
    assert model.idx_to_word == {0: "<NULL>", 1: "<START>", 4: "<END>", 3: "dog"}
    assert (model._null, model._start, model._end) == (0, 1, 4)
    assert CaptioningRNN({"<NULL>": 0})._end is None


def test_a_reset_solver_starts_anew():
    data = synthetic_data(n_captions=20, n_words=7, feature_dim=4)
    solver = CaptioningSolver(
        CaptioningRNN(VOCABULARY, 4, 3, 5),
        data,
        update_rule="adam",
        optim_config={"learning_rate": 0.1},
        batch_size=8,
        num_epochs=3,
        verbose=False,
    )
    assert solver.update_rule is course_adam
    solver.train()
    assert solver.epoch == 3
    assert solver.optim_config == {"learning_rate": 0.1}
    assert {config["t"] for config in solver.optim_configs.values()} == {6}
    assert solver.check_accuracy(None, None) == 0
    solver._reset()
    assert solver.epoch == solver.best_val_acc == 0
    assert solver.loss_history == solver.train_acc_history == solver.val_acc_history == []
    assert solver.best_params == {}
    assert all(config == {"learning_rate": 0.1} for config in solver.optim_configs.values())


@pytest.mark.parametrize(
    ("features", "captions", "message"),
    [
        (np.zeros((2, 3)), CAPTIONS[:2], r"\(2, 3\); \(N, 4\)"),
        (np.zeros(4), CAPTIONS[:1], r"\(4,\); \(N, 4\)"),
        (np.array([[0, 0, 0, 0], [0, 0, np.nan, 0]]), CAPTIONS[:2], "1 images.*first in row 1"),
        (np.full((2, 4), np.inf), CAPTIONS[:2], "2 images.*first in row 0"),
        (np.zeros((2, 4)), CAPTIONS[:3], r"\(3, 6\); \(2, T \+ 1\)"),
        (np.zeros((2, 4)), CAPTIONS[:2, :1], r"\(2, 1\); \(2, T \+ 1\)"),
        (np.zeros((2, 4)), CAPTIONS[:2] * 1.0, "float64; integers"),
        (np.zeros((2, 4)), CAPTIONS[:2] + 2, "2 to 8; the vocabulary's are 0 to 6"),
        (np.zeros((2, 4)), CAPTIONS[:2] - 1, "-1 to 5; the vocabulary's are 0 to 6"),
    ],
)
def test_wrong_batches_are_refused(features, captions, message):
    with pytest.raises(ValueError, match=message):
        make_model("rnn").loss(features, captions)


def synthetic_data(n_captions=50, n_words=1004, feature_dim=512):
    """Return data in the form of `load_coco_data`: random features, random words of Zipf's law.

    The features have about the spread of VGG-16's, reduced by PCA.
    """
    generator = np.random.default_rng(1)
    chances = 1 / np.arange(1, n_words - 3)
    captions = np.full((n_captions, 17), NULL, dtype=np.int32)
    for caption in captions:
        length = generator.integers(7, 13)
        words = generator.choice(n_words - 4, length, p=chances / chances.sum()) + 4
        caption[: length + 2] = [START, *words, END]
    return {
        "train_captions": captions,
        "train_image_idxs": np.arange(n_captions, dtype=np.int32),
        "train_features": generator.normal(0, 3, (n_captions, feature_dim)).astype(np.float32),
        "train_urls": np.full(n_captions, ""),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell_type", "lr_decay", "bound"), [("rnn", 0.95, 0.1), ("lstm", 0.995, 0.5)]
)
def test_fifty_captions_are_learnt_by_heart(cell_type, lr_decay, bound):
    data = synthetic_data()
    words = {"<NULL>": 0, "<START>": 1, "<END>": 2, **{str(n): n for n in range(3, 1004)}}
    np.random.seed(1)  # noqa: NPY002
    model = CaptioningRNN(words, 512, 256, 512, cell_type)
    solver = CaptioningSolver(
        model,
        data,
        update_rule="adam",
        optim_config={"learning_rate": 5e-3},
        batch_size=25,
        num_epochs=50,
        lr_decay=lr_decay,
        verbose=False,
    )
    solver.train()
    assert len(solver.loss_history) == 100
    assert solver.loss_history[0] > 50
    assert solver.loss_history[-1] < bound
    written = model.sample(data["train_features"], max_length=16)
    wanted = data["train_captions"][:, 1:]
    assert np.mean((written == wanted)[wanted != NULL]) > 0.95


def test_solver_follows_the_seed_and_its_settings(capsys):
    data = synthetic_data(n_captions=20, n_words=7, feature_dim=4)

    def losses():
        np.random.seed(0)  # noqa: NPY002
        solver = CaptioningSolver(
            CaptioningRNN(VOCABULARY, 4, 3, 5),
            data,
            optim_config={"learning_rate": 0.5},
            batch_size=8,
            num_epochs=3,
            lr_decay=0.5,
            print_every=4,
        )
        solver.train()
        rates = {config["learning_rate"] for config in solver.optim_configs.values()}
        assert rates == {0.5 * 0.5**3}
        return solver.loss_history

    first = losses()
    assert len(first) == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"(Iteration 1 / 6) loss: {first[0]:f}",
        f"(Iteration 5 / 6) loss: {first[4]:f}",
    ]
    assert losses() == first


@pytest.mark.parametrize("cell_type", ["rnn", "lstm"])
def test_memory_that_is_kept_changes_nothing(cell_type):
    """Larger, smaller and more precise steps in turn give what a new model gives."""
    model = make_model(cell_type)
    generator = np.random.default_rng(5)
    for n_captions, dtype in [(3, np.float64), (9, np.float64), (2, np.float64), (4, np.float32)]:
        model.params = {name: value.astype(dtype) for name, value in model.params.items()}
        captions = generator.integers(2, len(model.word_to_idx), (n_captions, 6))
        features = make_features(n_captions)
        new = make_model(cell_type)
        new.params = model.params
        loss, grads = model.loss(features, captions)
        wanted_loss, wanted = new.loss(features, captions)
        assert loss == wanted_loss
        for name, gradient in grads.items():
            np.testing.assert_array_equal(gradient, wanted[name])
