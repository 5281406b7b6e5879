"""What lists in a configuration expand to."""

import re

from recap.sweeps import expand_lists, expand_models


def test_without_lists_there_is_one():
    assert expand_lists({"architecture": "rnn"}) == {"": {"architecture": "rnn"}}
    assert expand_models({"a": {"architecture": "rnn"}}) == {"a": {"a": {"architecture": "rnn"}}}


def test_every_combination_comes_once_and_the_last_list_varies_fastest():
    options = {"architecture": ["rnn", "lstm"], "epochs": 2, "dropout": [0.0, 0.5]}
    assert expand_lists(options) == {
        "architecture=rnn-dropout=0.0": {"architecture": "rnn", "epochs": 2, "dropout": 0.0},
        "architecture=rnn-dropout=0.5": {"architecture": "rnn", "epochs": 2, "dropout": 0.5},
        "architecture=lstm-dropout=0.0": {"architecture": "lstm", "epochs": 2, "dropout": 0.0},
        "architecture=lstm-dropout=0.5": {"architecture": "lstm", "epochs": 2, "dropout": 0.5},
    }


def test_a_list_of_one_is_named_too():
    assert list(expand_models({"a": {"epochs": [3]}})["a"]) == ["a-epochs=3"]


def test_names_are_safe_in_paths():
    options = {"rate": [1e-05, 0.001], "tied": [True, False], "schedule": ["one_cycle"]}
    for name in expand_models({"lstm": options})["lstm"]:
        assert re.fullmatch(r"[A-Za-z0-9_.=-]+", name)
    assert (
        "lstm-rate=1e-05-tied=true-schedule=one_cycle" in expand_models({"lstm": options})["lstm"]
    )


def test_what_is_given_stays_as_it_is():
    models = {"a": {"epochs": [1, 2]}}
    expand_models(models)["a"]["a-epochs=1"]["epochs"] = 9
    assert models == {"a": {"epochs": [1, 2]}}
