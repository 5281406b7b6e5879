"""Files of weights as people save them, and numbers that are no weights."""

import errno
import os

import pytest
import safetensors.torch
import torch

from recap.backbones import weight_files
from recap.backbones.load import load_backbone
from recap.backbones.weights import RANDOM
from recap.core.errors import InputError

BACKBONE, LAYER = "squeezenet1_0", ["fire2"]


@pytest.fixture(scope="module")
def state():
    """Weights up to the layer, and one that another layer would need."""
    state = load_backbone(BACKBONE, RANDOM, LAYER).network.state_dict()
    return {key: value + 1 for key, value in state.items()} | {"head.weight": torch.ones(1)}


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def assert_reads(path, state):
    loaded = load_backbone(BACKBONE, str(path), LAYER).network.state_dict()
    assert len(loaded) == 8
    for key, value in loaded.items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: prefixed(state, "module."),
        lambda state: prefixed(state, "_orig_mod.backbone."),
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"epoch": 3, "model": prefixed(state, "module."), "optimizer": {0: {}}},
        lambda state: {"run": {"model_state_dict": state}, "names": ["a", "b"]},
        # Of two networks in one file, only the second is this one.
        lambda state: {"head.features.0.weight": torch.ones(2), **prefixed(state, "net.")},
    ],
)
def test_weights_behind_prefixes_and_within_dicts(tmp_path, state, wrap):
    path = tmp_path / "best.pth.tar"
    torch.save(wrap(state), path)
    assert_reads(path, state)


@pytest.mark.parametrize("name", ["blob", "weights.pth", "weights.bin"])
def test_safetensors_under_another_ending(tmp_path, state, name):
    safetensors.torch.save_file(prefixed(state, "module."), tmp_path / name)
    assert_reads(tmp_path / name, state)


def test_a_state_dict_that_is_called_safetensors(tmp_path, state):
    torch.save(state, tmp_path / "weights.safetensors")
    assert_reads(tmp_path / "weights.safetensors", state)


def test_weights_that_are_there_twice(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save({"model": state, "ema": prefixed(state, "module.")}, path)
    with pytest.raises(InputError, match=r"squeezenet1_0 more than once \(ema.module., model.\)"):
        load_backbone(BACKBONE, str(path), LAYER)


def test_names_that_are_no_backbones_are_told(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save({"encoder.conv1.weight": torch.ones(2)}, path)
    with pytest.raises(InputError, match="its names begin with encoder.conv1.weight"):
        load_backbone(BACKBONE, str(path), LAYER)
    torch.save({"net": {"features.0.weight": torch.ones(2)}}, path)
    with pytest.raises(InputError, match="its names begin with net.features.0.weight"):
        load_backbone(BACKBONE, str(path), LAYER)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda value: value.index_fill(0, torch.tensor(3), torch.nan),
            "has numbers that are not finite",
        ),
        (
            lambda value: value.index_fill(0, torch.tensor(3), torch.inf),
            "has numbers that are not finite",
        ),
        (lambda value: value.to("meta"), "has a shape but no numbers"),
        (lambda value: value.to_sparse(), "is sparse"),
        (lambda value: value.to(torch.complex64), "is of type complex64, no floating-point type"),
        (lambda value: value.to(torch.int8), "is of type int8"),
    ],
)
def test_numbers_that_are_no_weights(tmp_path, state, spoil, reason):
    path = tmp_path / "weights.pth"
    key = "features.3.expand3x3.weight"
    torch.save(state | {key: spoil(state[key])}, path)
    with pytest.raises(InputError) as caught:
        load_backbone(BACKBONE, str(path), LAYER)
    assert f"{path} cannot serve as weights ({key} {reason}" in str(caught.value)
    # What the layer does not need may be anything.
    torch.save(state | {"head.weight": spoil(torch.ones(9))}, path)
    assert_reads(path, state)


def test_the_largest_weights_are_still_finite(tmp_path, state):
    large = {key: torch.full_like(value, 3e38) for key, value in state.items()}
    torch.save(large, tmp_path / "weights.pth")
    assert_reads(tmp_path / "weights.pth", large)


def test_a_dict_that_holds_itself(tmp_path):
    content = {}
    content["model"] = content
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="does not hold the weights"):
        load_backbone(BACKBONE, str(tmp_path / "weights.pth"), LAYER)


def test_weights_without_permission(tmp_path, state, monkeypatch):
    torch.save(state, tmp_path / "weights.pth")

    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The tests may be run by root, who may read everything.
    monkeypatch.setattr(weight_files, "_is_safetensors", refuse)
    with pytest.raises(InputError, match="cannot be read .Permission denied.: check the path"):
        load_backbone(BACKBONE, str(tmp_path / "weights.pth"), LAYER)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_that_was_saved_whole(tmp_path):
    network = torch.nn.Linear(2, 2)
    torch.save(network, tmp_path / "whole.pth")
    torch.jit.save(torch.jit.script(network), tmp_path / "script.pth")
    for name in ("whole.pth", "script.pth"):
        with pytest.raises(InputError, match="other objects beside weights.*state_dict"):
            load_backbone(BACKBONE, str(tmp_path / name), LAYER)
