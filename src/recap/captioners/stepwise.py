"""A captioner word by word: what a search needs of it, whatever computes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from recap.captioners.architectures import make_captioner
from recap.captioners.folder import TrainedCaptioner, load_captioner
from recap.captioners.layers import affine_forward
from recap.captioners.numpy import CELLS, first_state
from recap.captions.words import NULL
from recap.core.errors import InputError

State = tuple[torch.Tensor, ...]


class StepwiseCaptioner(Protocol):
    """Says how likely each word is to be next. All tensors are where the features are.

    The first axis of every tensor counts partial captions. A search picks, repeats and drops rows,
    of each tensor of the state alike, and looks at nothing else of the state: it may hold several
    layers, or the grid that a captioner attends to.
    """

    def first_state(self, features: torch.Tensor) -> State:
        """Return the state before the first word, from features of shape (N, ...)."""

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word a row, (N,); return log-probabilities of the next, (N, V), and the state.

        The log-probabilities are a new tensor, which the caller may change.
        """


class NumpySteps:
    """Takes the steps of the captioner in NumPy.

    Parameters
    ----------
    captioner : TrainedCaptioner
        A recurrent one.
    """

    def __init__(self, captioner: TrainedCaptioner):
        self._cell = captioner.recipe.architecture
        self._parameters = captioner.parameters

    def first_state(self, features: torch.Tensor) -> State:
        """Return the hidden state (N, H) before the first word, and the LSTM's cell state."""
        p = self._parameters
        hidden, _ = affine_forward(features.cpu().numpy(), p["W_proj"], p["b_proj"])
        state = first_state(self._cell, hidden)
        return tuple(torch.from_numpy(part).to(features.device) for part in state)

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word a row, (N,); return log-probabilities of the next, (N, V), and the state."""
        p = self._parameters
        x = p["W_embed"][words.cpu().numpy()]
        before = [part.cpu().numpy() for part in state]
        *_, step_forward = CELLS[self._cell]
        *after, _ = step_forward(x, *before, p["Wx"], p["Wh"], p["b"])
        scores, _ = affine_forward(after[0], p["W_vocab"], p["b_vocab"])
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        device = words.device
        state = tuple(torch.from_numpy(part).to(device) for part in after)
        return torch.from_numpy(scores).to(device), state


class Ensemble:
    """Several captioners that speak with one voice: the mean of their probabilities.

    Parameters
    ----------
    members : sequence of StepwiseCaptioner
        With one vocabulary, for the same features.
    """

    def __init__(self, members: Sequence[StepwiseCaptioner]):
        self._members = members
        self._lengths = [0] * len(members)

    def first_state(self, features: torch.Tensor) -> State:
        """Return the members' states before the first word, one after another."""
        states = [member.first_state(features) for member in self._members]
        self._lengths = [len(state) for state in states]
        return sum(states, ())

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word a row, (N,); return log-probabilities of the next, (N, V), and the state."""
        mean, after, start = None, (), 0
        for member, length in zip(self._members, self._lengths, strict=True):
            log_probabilities, part = member.step(words, state[start : start + length])
            mean = log_probabilities if mean is None else mean.logaddexp(log_probabilities)
            after += part
            start += length
        return mean - math.log(len(self._members)), after


def load_captioners(folders: Sequence[Path]) -> list[TrainedCaptioner]:
    """Read one captioner or more from their folders.

    Parameters
    ----------
    folders : sequence of Path
        What `recap train-captioner` wrote.

    Raises
    ------
    InputError
        If there is no folder, or a file is missing or damaged.
    """
    if not folders:
        raise InputError("There is no captioner: give a folder such as results/…/lstm/seed0.")
    return [load_captioner(folder) for folder in folders]


def make_stepwise(
    captioners: Sequence[TrainedCaptioner], feature_dim: int, device: torch.device
) -> StepwiseCaptioner:
    """Make trained captioners ready to be searched; several are an ensemble.

    Parameters
    ----------
    captioners : sequence of TrainedCaptioner
        One or more, with one vocabulary, for the same features.
    feature_dim : int
        Numbers an image that they are to caption.
    device : torch.device
        Where PyTorch computes; NumPy always computes on the CPU.

    Raises
    ------
    InputError
        If they were trained on other features, or their vocabularies differ.
    """
    first = captioners[0]
    for other in captioners[1:]:
        if other.idx_to_word != first.idx_to_word:
            raise InputError(
                "Captioners of different vocabularies make no ensemble: give those of one study."
            )
    for captioner in captioners:
        if captioner.feature_dim != feature_dim:
            raise InputError(
                f"The features have {feature_dim} numbers an image but the captioner was trained on"
                f" {captioner.feature_dim}: use its own study's features."
            )
    members = [_make_one(captioner, device) for captioner in captioners]
    return members[0] if len(members) == 1 else Ensemble(members)


def _make_one(captioner: TrainedCaptioner, device: torch.device) -> StepwiseCaptioner:
    if captioner.recipe.backend == "numpy":
        return NumpySteps(captioner)
    words = captioner.idx_to_word
    model = make_captioner(captioner.recipe, captioner.region_dim, len(words), words.index(NULL))
    model.load_course_parameters(captioner.parameters)
    return model.to(device).eval()
