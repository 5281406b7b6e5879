"""Let a captioner say captions that are given."""

from collections.abc import Iterator

import numpy as np
import torch

from recap.captioners.stepwise import State, StepwiseCaptioner


def say_given(
    captioner: StepwiseCaptioner, features: torch.Tensor, captions: list[list[int]], null: int
) -> Iterator[tuple[torch.Tensor, State, torch.Tensor]]:
    """Let a captioner say captions word by word.

    Parameters
    ----------
    captioner : StepwiseCaptioner
        Says how likely each word is to be next.
    features : tensor of shape (N, F)
        A row a caption.
    captions : list of N lists of int
        Each `<START>` and the words that follow, the longest first.
    null : int
        The number of `<NULL>`.

    Yields
    ------
    log_probabilities : tensor of shape (R, V)
        Of the next word, for the first R captions, which are those that have one.
    state : tuple of tensors
        Of the captioner, R rows each.
    following : tensor of shape (R,), int64
        The next word.
    """
    lengths = np.array([len(caption) for caption in captions])
    padded = np.full((len(captions), lengths[0]), null)
    for row, caption in zip(padded, captions, strict=True):
        row[: len(caption)] = caption
    words = torch.from_numpy(padded).to(features.device)
    state = captioner.first_state(features)
    for place in range(1, words.shape[1]):
        # Those that have ended are dropped from the end.
        running = int((lengths > place).sum())
        state = tuple(part[:running] for part in state)
        log_probabilities, state = captioner.step(words[:running, place - 1], state)
        yield log_probabilities, state, words[:running, place]
