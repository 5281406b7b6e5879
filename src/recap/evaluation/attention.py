"""Where a captioner looked for each word of its captions."""

from collections.abc import Sequence

import h5py
import numpy as np
import torch

from recap.captioners.folder import TrainedCaptioner
from recap.captioners.stepwise import make_stepwise
from recap.captions.words import NULL, START
from recap.core.progress import progress
from recap.evaluation.given_captions import say_given

BATCH = 500  # captions at a time

# Of a map, which is kept in 8 bits.
LEVELS = 255


@torch.inference_mode()
def attention_maps(
    captioner: TrainedCaptioner,
    features: np.ndarray | h5py.Dataset,
    rows: np.ndarray,
    captions: Sequence[list[int]],
    device: torch.device,
) -> list[np.ndarray]:
    """Return the attention behind each word of captions.

    Parameters
    ----------
    captioner : TrainedCaptioner
        With attention.
    features : array of shape (I, F), float32, or h5py.Dataset
        Of the kind that the captioner was trained on; read in batches.
    rows : array of shape (N,), int64
        For each caption its image's row, rising.
    captions : sequence of N lists of int
        Word numbers, without `<START>` and `<END>`.
    device : torch.device
        Where to compute.

    Returns
    -------
    list of N arrays of shape (T, side, side), float32
        The captioner's weights of the photo's regions, which add up to 1 for each of the T words.
    """
    stepwise = make_stepwise([captioner], features.shape[1], device)
    start, null = (captioner.idx_to_word.index(word) for word in (START, NULL))
    found = []
    with progress(desc="attention", total=len(captions), unit="image") as bar:
        for first in range(0, len(captions), BATCH):
            said = [[start, *caption] for caption in captions[first : first + BATCH]]
            longest_first = sorted(range(len(said)), key=lambda place: -len(said[place]))
            shown = torch.from_numpy(features[rows[first : first + BATCH]])[longest_first]
            given = [said[place] for place in longest_first]
            of_batch = [[] for _ in said]
            for _, state, _ in say_given(stepwise, shown.to(device), given, null):
                weights = stepwise.attention_map(state).float().cpu().numpy()
                side = round(weights.shape[1] ** 0.5)
                for place, map_ in zip(
                    longest_first, weights.reshape(-1, side, side), strict=False
                ):
                    of_batch[place].append(map_)
            found += [np.stack(maps) for maps in of_batch]
            bar.update(len(said))
    return found


def in_levels(maps: np.ndarray) -> np.ndarray:
    """Return maps (T, side, side) as uint8, each 255 where it is highest."""
    highest = maps.max(axis=(1, 2), keepdims=True)
    return np.round(LEVELS * maps / np.where(highest > 0, highest, 1)).astype(np.uint8)
