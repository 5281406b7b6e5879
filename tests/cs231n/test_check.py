import sys

import pytest
import torch

from recap.captioners import layers
from recap.core.errors import InputError
from recap.cs231n import check_parts, check_student
from recap.cs231n.check import check

RIGHT = {
    "rnn_layers.py": "from recap.captioners.layers import *\n",
    "optim.py": "from recap.captioners.optim import *\n",
    "classifiers/rnn.py": "from recap.captioners.numpy import CaptioningRNN\n",
}

TENSORS = """
import torch

def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return torch.tanh(x @ Wx + prev_h @ Wh + b)

def word_embedding_forward(x, W):
    return W[x]

def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = torch.chunk(x @ Wx + prev_h @ Wh + b, 4, dim=1)
    next_c = torch.sigmoid(f) * prev_c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(next_c), next_c

def temporal_softmax_loss(x, y, mask, verbose=False):
    logs = torch.log_softmax(x, dim=2).gather(2, y[:, :, None])[:, :, 0]
    return -(logs * mask).sum() / len(x)

def rnn_forward(x, h0, Wx, Wh, b):
    raise NotImplementedError
"""

TENSOR_CAPTIONER = """
import torch
from ..rnn_layers_pytorch import *

class CaptioningRNN:
    def __init__(self, word_to_idx, input_dim, wordvec_dim, hidden_dim, cell_type, dtype):
        self.cell_type = cell_type
        assert dtype == torch.float64

    def loss(self, features, captions):
        p = self.params
        h = features @ p["W_proj"] + p["b_proj"]
        states = []
        for word in captions[:, :-1].T:
            h = rnn_step_forward(p["W_embed"][word], h, p["Wx"], p["Wh"], p["b"])
            states.append(h)
        scores = torch.stack(states, dim=1) @ p["W_vocab"] + p["b_vocab"].detach()
        return temporal_softmax_loss(scores, captions[:, 1:], captions[:, 1:] != 0)

    def sample(self, features, max_length):
        return torch.zeros((len(features), max_length), dtype=torch.long)
"""


TRANSFORMER = {
    "transformer_layers.py": """
import math, torch
from torch import nn

class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        pe = torch.zeros(1, max_len, embed_dim)
        for place in range(10):
            for k in range(0, embed_dim, 2):
                pe[0, place, k] = math.sin(place * 10000 ** (-k / embed_dim))
                pe[0, place, k + 1] = math.cos(place * 10000 ** (-k / embed_dim))
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[:, :x.shape[1]])

class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.1):
        super().__init__()
        self.key, self.query, self.value, self.proj = (
            nn.Linear(embed_dim, embed_dim) for _ in range(4)
        )
        self.attn_drop = nn.Dropout(dropout)
        self.n_head = num_heads

    def forward(self, query, key, value, attn_mask=None):
        N, S, E = query.shape
        T = key.shape[1]
        q = self.query(query).view(N, S, self.n_head, -1).permute(0, 2, 1, 3)
        k = self.key(key).view(N, T, self.n_head, -1).permute(0, 2, 3, 1)
        v = self.value(value).view(N, T, self.n_head, -1).permute(0, 2, 1, 3)
        scores = torch.matmul(q, k) / math.sqrt(E / self.n_head)
        if attn_mask is not None:
            scores = scores.masked_fill(attn_mask == 0, -math.inf)
        seen = torch.matmul(self.attn_drop(scores.softmax(dim=-1)), v)
        return self.proj(seen.permute(0, 2, 1, 3).reshape(N, S, E))
""",
    "classifiers/transformer.py": """
import torch
from recap.cs231n.classifiers import transformer

class CaptioningTransformer(transformer.CaptioningTransformer):
    pass
""",
}


@pytest.fixture
def judge(tmp_path, capsys, monkeypatch):
    """Return a function that checks files and returns their lines by the functions' names."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def judge(files, seconds=20, folder="hand-in 1/cs231n"):
        for name, text in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        given = tmp_path / folder.removesuffix("/cs231n")
        before = sorted(given.rglob("*"))
        try:
            check(given, seconds=seconds)
            passed = True
        except InputError:
            passed = False
        assert sorted(given.rglob("*")) == before
        lines = {}
        printed = capsys.readouterr().out.splitlines()
        for line in printed:
            if line.startswith("  "):
                name, status, *told = line.strip().split("  ", 1)[0], *line[31:].split("  ", 1)
                lines[name] = status, "".join(told).strip()
        assert passed == all(status == "right" for status, _ in lines.values())
        assert printed[-1].startswith(
            f"{[status for status, _ in lines.values()].count('right')} of {len(lines)} right;"
        )
        return lines

    return judge


def broken(code, file="rnn_layers.py"):
    """Return right files of which one says something else in the end."""
    return RIGHT | {file: RIGHT[file] + code}


def others(lines, *names):
    return {status for name, (status, _) in lines.items() if name not in names}


@pytest.mark.parametrize("folder", ["assignment3/cs231n", "somebody's files"])
def test_right_files_are_right(judge, folder):
    lines = judge(RIGHT, folder=folder)
    assert len(lines) == 17 + 4 + 4
    assert others(lines) == {"right"}


def test_a_gru_is_checked_where_there_is_one(judge):
    code = "del gru_forward, gru_backward, gru_step_backward\n"
    lines = judge(broken("right = gru_step_forward\n" + code))
    assert [name for name in lines if name.startswith("gru")] == ["gru_step_forward"]
    code += """
def gru_step_forward(x, prev_h, Wx, Wh, b):
    next_h, cache = right(x, prev_h, Wx, Wh, b)
    return prev_h - next_h, cache
def gru_step_backward(dnext_h, cache):
    raise NotImplementedError
"""
    lines = judge(broken("right = gru_step_forward\n" + code))
    assert lines["gru_step_forward"][0] == "wrong"
    assert lines["gru_step_backward"][0] == "not implemented"
    assert others(lines, "gru_step_forward", "gru_step_backward") == {"right"}


def test_a_wrong_gradient_is_told_by_how_much(judge):
    lines = judge(
        broken(
            "right = lstm_step_backward\n"
            "def lstm_step_backward(dnext_h, dnext_c, cache):\n"
            "    dx, dprev_h, dprev_c, dWx, dWh, db = right(dnext_h, dnext_c, cache)\n"
            "    return dx, dprev_h, dprev_c, dWx, 3 * dWh, db\n"
        )
    )
    status, told = lines["lstm_step_backward"]
    assert status == "wrong"
    assert told.startswith("dWh 5.0e-01; right: dx ")
    assert others(lines, "lstm_step_backward") == {"right"}


def test_a_wrong_step_is_told_where_it_is_repeated(judge):
    """As in the course, the sequence repeats the step of the file."""
    code = """
import numpy as np
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return np.tanh(x @ Wx + prev_h @ Wh), (x, prev_h, Wx, Wh, b)
def rnn_forward(x, h0, Wx, Wh, b):
    h = [h0]
    for t in range(x.shape[1]):
        h.append(rnn_step_forward(x[:, t], h[-1], Wx, Wh, b)[0])
    return np.stack(h[1:], axis=1), None
"""
    lines = judge(broken(code))
    assert lines["rnn_step_forward"][0] == lines["rnn_forward"][0] == "wrong"
    assert lines["rnn_forward"][1].endswith("first mend rnn_step_forward")
    assert lines["rnn_backward"][0] == "crashed"
    assert lines["lstm_forward"][0] == "right"


def test_a_backward_pass_is_held_against_its_own_forward_pass(judge):
    """So of two functions it is the wrong one that is told."""
    code = """
right, right_backward = word_embedding_forward, word_embedding_backward
def word_embedding_forward(x, W):
    out, cache = right(x, W)
    return 2 * out, cache
def word_embedding_backward(dout, cache):
    return 2 * right_backward(dout, cache)
"""
    lines = judge(broken(code))
    assert lines["word_embedding_forward"] == ("wrong", "out 3.3e-01")
    assert lines["word_embedding_backward"][0] == "right"


LINE = "rnn_layers.py, line"
FAULTS = [
    {
        "rnn_step": ("return None, None", "not implemented", ""),
        "word_embedding": ("return x", "wrong", "it returns 1 values, not 2"),
        "lstm_step": ("os._exit(0)", "crashed", "it ended its process, with exit status 0"),
        "temporal_affine": (
            "return x[:1], 0",
            "wrong",
            "out has the shape (1, 3, 4), not (2, 3, 5)",
        ),
    },
    {
        "rnn_step": ("return None, 0", "wrong", "next_h is None"),
        "word_embedding": ("return 'text', 0", "wrong", "out is no array of numbers"),
        "lstm_step": ("return 1 / 0", "crashed", f"{LINE} 8: ZeroDivisionError: division by zero"),
        "lstm": ("sys.exit('bye')", "crashed", f"{LINE} 10: SystemExit: bye"),
        "temporal_affine": ("return x[:, :, :1] * np.full(5, np.nan), 0", "wrong", "out inf"),
    },
    {
        "rnn_step": (
            "os.kill(os.getpid(), 9)",
            "crashed",
            "it ended its process, with exit status -9",
        ),
        "word_embedding": ("raise NotImplementedError('later')", "not implemented", ""),
        "temporal_affine": (
            "return input()",
            "crashed",
            f"{LINE} 8: EOFError: EOF when reading a line",
        ),
    },
]


@pytest.mark.parametrize("faults", FAULTS)
def test_what_goes_wrong_is_told_in_a_line(judge, faults):
    code = "import os, sys, numpy as np\n" + "".join(
        f"def {layer}_forward(x, *rest):\n    {body}\n" for layer, (body, *_) in faults.items()
    )
    lines = judge({"rnn_layers.py": RIGHT["rnn_layers.py"] + code})
    for layer, (_, status, told) in faults.items():
        assert lines[f"{layer}_forward"][0] == status
        assert lines[f"{layer}_forward"][1].split("; first mend")[0] == told
        if status != "wrong":
            unchecked = ("not checked", f"first mend {layer}_forward")
            assert lines[f"{layer}_backward"] == unchecked
    told_of = {f"{layer}_{way}" for layer in faults for way in ("forward", "backward")}
    assert others(lines, *told_of) == {"right"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_an_array_larger_than_memory_is_told(judge):
    code = "import numpy as np\ndef sgd(*inputs):\n    np.zeros(5 << 30, np.uint8)\n"
    status, told = judge({"optim.py": RIGHT["optim.py"] + code})["sgd"]
    assert status == "crashed"
    assert told.startswith("optim.py, line 4: MemoryError: Unable to allocate 5.00 GiB")


def test_an_endless_loop_ends(judge):
    code = "def word_embedding_backward(dout, cache):\n    while True:\n        print('loop')\n"
    lines = judge({"rnn_layers.py": RIGHT["rnn_layers.py"] + code}, seconds=3)
    assert lines["word_embedding_backward"] == ("timed out", "it had not ended after 3 seconds")
    assert others(lines, "word_embedding_backward") == {"right"}


def test_what_a_function_prints_is_not_seen(tmp_path, capfd):
    code = "import os\nprint('loop')\nos.system('echo loop >&2')\n"
    (tmp_path / "optim.py").write_text(RIGHT["optim.py"] + code)
    check(tmp_path)
    assert "loop" not in "".join(capfd.readouterr())


def test_a_function_that_changes_its_input_is_right_and_told(judge):
    code = """
right = rnn_backward
def rnn_backward(dh, cache):
    gradients = right(dh, cache)
    dh *= 2
    return gradients
"""
    status, told = judge(broken(code))["rnn_backward"]
    assert status == "right"
    assert told.endswith("; it changes its input dh")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (", "rnn_layers.py, line 1: SyntaxError: "),
        ("import os\nos._exit(3)", "it ended its process, with exit status 3"),
        (
            "from cs231n.layers import *",
            "rnn_layers.py, line 1: ModuleNotFoundError: No module named 'cs231n.layers'; put that"
            " file of the course into the folder",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_told_once(judge, text, told):
    lines = judge({"rnn_layers.py": text, "optim.py": RIGHT["optim.py"]})
    assert lines["the file"][0] == "crashed"
    assert lines["the file"][1].startswith(told)
    assert list(lines) == ["sgd", "sgd_momentum", "rmsprop", "adam", "the file"]


def test_a_captioner_is_imported_as_a_part_of_the_package(judge):
    """It is told which layer to mend first, and its empty methods are not implemented."""
    code = """
from ..rnn_layers import lstm_step_forward
class CaptioningRNN(CaptioningRNN):
    def loss(self, features, captions):
        if self.cell_type == "lstm":
            return 0.0, {}
        loss, gradients = super().loss(features, captions)
        return loss, gradients | {"b_proj": gradients["b_proj"] + 1, "W_proj": None}
    def sample(self, features, max_length):
        words = super().sample(features, max_length)
        return 0 * words if self.cell_type == "lstm" else words[:, ::-1]
"""
    files = broken(code, "classifiers/rnn.py")
    files["rnn_layers.py"] += "def rnn_step_forward(*inputs): pass\n"
    lines = judge(files)
    first = "first mend rnn_step_forward"
    assert lines["CaptioningRNN.loss, rnn"] == ("wrong", f"dW_proj is None; {first}")
    assert lines["CaptioningRNN.loss, lstm"] == ("not implemented", "")
    assert lines["CaptioningRNN.sample, rnn"][0] == "wrong"
    assert lines["CaptioningRNN.sample, lstm"] == ("not implemented", "")


def test_what_not_every_year_has_is_passed_over(judge):
    """2017's `optim.py` has these two rules alone; what its file has empty is not implemented."""
    text = "from recap.captioners.optim import adam, sgd\n"
    assert judge({"optim.py": text}).keys() == {"sgd", "adam"}
    empty = "def rmsprop(w, dw, config=None):\n    pass\n"
    assert judge({"optim.py": text + empty})["rmsprop"] == ("not implemented", "")
    assert judge({"optim.py": "from recap.captioners.optim import sgd\n"})["adam"] == (
        "not implemented",
        "",
    )


def test_words_after_the_end_do_not_count(judge):
    code = """
class CaptioningRNN(CaptioningRNN):
    def sample(self, features, max_length):
        words = super().sample(features, max_length)
        for row in words:
            ended = list(row).index(2) + 1 if 2 in row else len(row)
            row[ended:] = 0
        return words
"""
    assert others(judge({"classifiers/rnn.py": RIGHT["classifiers/rnn.py"] + code})) == {"right"}


def test_drawn_captioners_write_words_and_end():
    for cell in ("rnn", "lstm"):
        student = check_student.Student(check_parts, tensors=False)
        ((_, _, words),) = check_parts.PARTS["classifiers/rnn.py"][
            f"CaptioningRNN.sample, {cell}"
        ].check(student)
        assert (words == 2).any()
        assert len(set(words[words > 0])) > 3


def test_files_of_later_years_take_tensors(judge):
    # As in a notebook that has computed in threads before.
    torch.ones(512, 512) @ torch.ones(512, 512)
    lines = judge(
        {"rnn_layers_pytorch.py": TENSORS, "classifiers/rnn_pytorch.py": TENSOR_CAPTIONER}
    )
    assert {name for name, (status, _) in lines.items() if status == "right"} == {
        "rnn_step_forward",
        "word_embedding_forward",
        "lstm_step_forward",
        "temporal_softmax_loss",
    }
    assert lines["rnn_forward"] == lines["lstm_forward"] == ("not implemented", "")
    # A tensor that was detached has no gradient.
    assert lines["CaptioningRNN.loss, rnn"][1].startswith("db_vocab is None")
    assert lines["CaptioningRNN.loss, lstm"][0] == "crashed"
    assert lines["CaptioningRNN.sample, rnn"][0] == "not implemented"


def test_a_right_transformer_is_right(judge):
    lines = judge(TRANSFORMER)
    assert list(lines) == [
        "PositionalEncoding",
        "MultiHeadAttention",
        "CaptioningTransformer",
    ]
    assert others(lines) == {"right"}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("return self.dropout(x + self.pe[:, :x.shape[1]])", "return self.dropout(x)", "out"),
        ("return self.dropout(x +", "return nn.functional.dropout(x +", "out"),
        (" / math.sqrt(E / self.n_head)", " / math.sqrt(E)", "self"),
        ("attn_mask == 0", "attn_mask != 0", "masked"),
        ("self.key(key).view(N, T,", "self.query(key).view(N, T,", "self"),
        ("T = key.shape[1]", "T = S", "other"),
    ],
)
def test_a_wrong_layer_of_a_transformer_is_told(judge, right, wrong, told):
    text = TRANSFORMER["transformer_layers.py"].replace(right, wrong)
    assert text != TRANSFORMER["transformer_layers.py"]
    lines = judge({"transformer_layers.py": text})
    name = "PositionalEncoding" if told == "out" else "MultiHeadAttention"
    if told == "other":
        assert lines[name][0] == "crashed"
    else:
        assert lines[name][0] == "wrong"
        assert lines[name][1].startswith(f"{told} ")
    assert others(lines, name) == {"right"}


def test_layers_of_a_transformer_that_are_not_filled_in(judge, monkeypatch):
    """The course's files return empty tensors of the right shapes."""
    # As a training leaves it.
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)
    layers = TRANSFORMER["transformer_layers.py"]
    layers = layers.replace("return self.dropout(x +", "return torch.empty_like(x) #")
    layers = layers.replace("self.n_head = num_heads", "self.scale = nn.Linear(1, 1)")
    captioner = TRANSFORMER["classifiers/transformer.py"].replace(
        "pass",
        "def forward(self, features, captions):\n"
        "        return torch.empty(*captions.shape, self.vocab_size)",
    )
    lines = judge({"transformer_layers.py": layers, "classifiers/transformer.py": captioner})
    first = "first mend PositionalEncoding"
    assert lines["PositionalEncoding"] == ("not implemented", "")
    assert lines["MultiHeadAttention"] == (
        "wrong",
        "its parameters are not the course's: see scale.bias, scale.weight",
    )
    assert lines["CaptioningTransformer"] == ("not implemented", first)


def test_a_captioner_that_looks_ahead_is_wrong(judge):
    code = """
    def forward(self, features, captions):
        words = self.positional_encoding(self.embedding(captions))
        memory = self.visual_projection(features)[:, None]
        return self.output(self.transformer(words, memory))
"""
    files = TRANSFORMER | {
        "classifiers/transformer.py": TRANSFORMER["classifiers/transformer.py"] + code
    }
    assert judge(files)["CaptioningTransformer"][0] == "wrong"


def test_the_arrays_are_those_of_the_notebooks():
    """Their right values are the course's: `tests/captioners/layers` hold them."""
    inputs = check_parts.RNN_LAYERS["lstm"].inputs
    h, _ = layers.lstm_forward(*inputs.values())
    assert h[0, 0, 0] == pytest.approx(0.01764008, abs=1e-8)
    assert h[1, 2, 3] == pytest.approx(0.86935314, abs=1e-8)


def test_a_folder_without_such_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="has none of layers.py, optim.py, rnn_layers.py"):
        check(tmp_path)
    with pytest.raises(InputError, match="`seconds` must be more than 0"):
        check(tmp_path, seconds=0)
