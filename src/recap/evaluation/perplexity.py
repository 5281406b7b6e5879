"""How likely a captioner finds captions that people wrote."""

import math
from pathlib import Path

import h5py
import numpy as np
import torch

from recap.captioners.stepwise import StepwiseCaptioner, load_captioners, make_stepwise
from recap.captions.words import NULL, UNK, encode_caption, tokenize
from recap.core.devices import Device, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.datasets.annotations import read_annotations
from recap.evaluation.given_captions import say_given
from recap.features.files import open_usable_features

BATCH = 500  # captions at a time
POOL = 8  # batches among which captions are ordered by length


def measure_perplexity(
    features: Path,
    annotations: Path,
    *,
    model: list[Path],
    output: OutputFile,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Measure how likely a captioner finds given captions: its perplexity on the references.

    The perplexity is e to the mean of minus the log-probability of a word after those before it,
    over all words of all captions and each caption's end; a word that is not in the vocabulary
    counts as `<UNK>`, so perplexities of different vocabularies cannot be compared.

    Parameters
    ----------
    features : Path
        HDF5 file with the images' features, of the kind that the captioner was trained on.
    annotations : Path
        COCO caption file with the captions, which lists the images in the features' order.
    model : list of Path
        Folder of a trained captioner; several are an ensemble, the mean of their probabilities.
    output : Path
        JSON file to write: `perplexity`; `log_probability`, the mean of a caption, in nats;
        `captions`, `words` (ends counted) and `unknown_words`, counts; `caption_log_probabilities`,
        of each caption in the annotations' order, null for one without a word or without features.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, the files do not belong together, or there is no caption.
    """
    use_threads(threads)
    captioners = load_captioners(model)
    idx_to_word = captioners[0].idx_to_word
    split = read_annotations(annotations)
    chosen_device = choose_device(device)
    numbers = {word: number for number, word in enumerate(idx_to_word)}
    with open_usable_features(features, annotations, split) as (table, usable):
        captioner = make_stepwise(captioners, table.shape[1], chosen_device)
        row_of = {split.images[row]["id"]: row for row in usable}
        places, image_rows, captions = [], [], []
        for place, (image_id, text) in enumerate(split.captions):
            words = tokenize(text)
            if words and image_id in row_of:
                places.append(place)
                image_rows.append(row_of[image_id])
                captions.append(encode_caption(words, numbers, len(words)))
        if not captions:
            raise InputError(f"{annotations} has no caption of an image that could be read.")
        found = caption_log_probabilities(
            captioner,
            table,
            np.array(image_rows),
            captions,
            null=numbers[NULL],
            device=chosen_device,
        )
    every: list[float | None] = [None] * len(split.captions)
    for place, value in zip(places, found.tolist(), strict=True):
        every[place] = round(value, 4)
    words = sum(len(caption) - 1 for caption in captions)
    perplexity = math.exp(-found.sum() / words)
    write_json(
        output,
        {
            "perplexity": perplexity,
            "log_probability": float(found.mean()),
            "captions": len(captions),
            "words": words,
            "unknown_words": sum(caption.count(numbers[UNK]) for caption in captions),
            "caption_log_probabilities": every,
        },
        record_digest=True,
    )
    print(f"perplexity {perplexity:.2f} on {len(captions)} captions of {words} words: {output}")


@torch.inference_mode()
def caption_log_probabilities(
    captioner: StepwiseCaptioner,
    features: np.ndarray | h5py.Dataset,
    image_rows: np.ndarray,
    captions: list[list[int]],
    *,
    null: int,
    device: torch.device,
) -> np.ndarray:
    """Return how likely each of the given captions is.

    Parameters
    ----------
    captioner : StepwiseCaptioner
        Says how likely each word is to be next.
    features : array of shape (I, F), float32, or h5py.Dataset
        A row an image; read for a few thousand captions at a time.
    image_rows : array of shape (M,), int64
        For each caption its image's row.
    captions : list of M lists of int
        Each `<START>`, words, `<END>`.
    null : int
        The number of `<NULL>`.
    device : torch.device
        Where to compute.

    Returns
    -------
    array of shape (M,), float64
        Log-probabilities in nats: the sum over a caption's words and its end.
    """
    lengths = np.array([len(caption) for caption in captions])
    # Captions of one image lie together, so that each row is read about once.
    by_image = np.argsort(image_rows, kind="stable")
    found = np.empty(len(captions))
    with progress(desc="perplexity", total=len(captions), unit="caption") as bar:
        for start in range(0, len(by_image), POOL * BATCH):
            pool = by_image[start : start + POOL * BATCH]
            pool = pool[np.argsort(-lengths[pool], kind="stable")]
            images, places = np.unique(image_rows[pool], return_inverse=True)
            seen = features[images]
            for first in range(0, len(pool), BATCH):
                wanted = pool[first : first + BATCH]
                shown = torch.from_numpy(seen[places[first : first + BATCH]]).to(device)
                found[wanted] = _of_batch(captioner, shown, [captions[n] for n in wanted], null)
                bar.update(len(wanted))
    return found


def _of_batch(
    captioner: StepwiseCaptioner, features: torch.Tensor, captions: list[list[int]], null: int
) -> np.ndarray:
    """Return the log-probabilities (N,) of captions, the longest first, of features (N, F)."""
    total = torch.zeros(len(captions), dtype=torch.float64)
    for log_probabilities, _, following in say_given(captioner, features, captions, null):
        total[: len(following)] += log_probabilities.gather(1, following[:, None])[:, 0].cpu()
    return total.numpy()
