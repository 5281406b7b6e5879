"""A trained captioner's folder, whole and damaged."""

import copy
import json
import math

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from recap.captioners.folder import load_captioner, save_captioner
from recap.core.errors import InputError

FACTS = {"seed": 0, "best_epoch": 2, "regions": 3, "versions": {"torch": "2"}}
ODD = [None, True, 0, -1, 0.5, math.nan, 10**400, "", "lstm", [], [1], {}, {"a": 1}, [[]]]


@pytest.fixture
def folder(tmp_path, make_captioner):
    captioner = make_captioner()
    captioner.facts = FACTS
    save_captioner(tmp_path, captioner)
    return tmp_path


def write(folder, config):
    (folder / "config.json").write_text(json.dumps(config))


def read(folder):
    return json.loads((folder / "config.json").read_text())


def test_what_was_saved_is_read(folder, make_captioner):
    captioner, made = load_captioner(folder), make_captioner()
    assert (captioner.recipe, captioner.idx_to_word) == (made.recipe, made.idx_to_word)
    assert captioner.facts.items() >= FACTS.items()
    assert captioner.feature_dim == 18
    for name, value in made.parameters.items():
        np.testing.assert_array_equal(captioner.parameters[name], value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipe": None}, "must be a mapping, not NoneType"),
        (
            {"recipe": {"architecture": "cnn"}},
            "`architecture` must be one of rnn, gru, lstm, transformer, not 'cnn'",
        ),
        ({"recipe": {"cells": "rnn"}}, "unexpected keyword argument 'cells'"),
        ({"recipe": {"hidden_dim": 0}}, "`hidden_dim` must be at least 1"),
        ({"recipe": {"hidden_dim": 7.0}}, "`hidden_dim` must be a whole number, not 7.0"),
        ({"recipe": {"dropout": math.nan}}, "`dropout` must be a finite number, not nan"),
        ({"regions": 0}, "`regions` must be a whole number from 1 up, not 0"),
        ({"regions": 5}, "`feature_dim` must be a multiple of 5 regions, not 18"),
        ({"feature_dim": "18"}, "`feature_dim` must be a whole number from 1 up, not '18'"),
        ({"best_epoch": None}, "`best_epoch` must be a whole number"),
        ({"versions": "2"}, "`versions` must be a mapping, not '2'"),
        ({"idx_to_word": ["a", "cat", "dog"]}, "<UNK> among them"),
        ({"idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", "a", "a"]}, "different words"),
        ({"idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", 3]}, "different words"),
        ({"idx_to_word": {"<NULL>": 0}}, "`idx_to_word` must be a list"),
    ],
)
def test_a_damaged_description_is_told(folder, changes, reason):
    write(folder, read(folder) | changes)
    with pytest.raises(InputError) as caught:
        load_captioner(folder)
    assert str(caught.value).startswith(f"{folder / 'config.json'} does not describe a captioner (")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("): train it again.")


def test_no_damage_ends_in_anything_but_a_sentence(folder):
    whole = read(folder)
    damaged = list(ODD)
    for key in whole:
        damaged.append({name: value for name, value in whole.items() if name != key})
        damaged += [{**whole, key: odd} for odd in ODD]
    for key in whole["recipe"]:
        for odd in ODD:
            damaged.append(copy.deepcopy(whole))
            damaged[-1]["recipe"][key] = odd
    refused = 0
    for content in damaged:
        write(folder, content)
        try:
            load_captioner(folder)
        except InputError:
            refused += 1
    assert refused > len(damaged) / 2


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda value: value * np.float32(np.nan), r"not finite \(W_proj\): train the captioner"),
        (lambda value: value.astype(np.float64), "does not fit config.json beside it"),
        (lambda value: value[:1], "does not fit config.json beside it"),
    ],
)
def test_parameters_that_no_captioner_has(folder, spoil, sentence):
    path = folder / "model.safetensors"
    parameters = safetensors.numpy.load_file(path)
    parameters["W_proj"] = spoil(parameters["W_proj"])
    safetensors.numpy.save_file(parameters, path)
    with pytest.raises(InputError, match=sentence):
        load_captioner(folder)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_parameters_in_a_number_format_that_numpy_lacks(folder, dtype):
    path = folder / "model.safetensors"
    safetensors.torch.save_file({"b": torch.ones(3).to(dtype)}, path)
    with pytest.raises(InputError, match="cannot be read .*: train the captioner again"):
        load_captioner(folder)
