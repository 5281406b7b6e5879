"""Find captions for images: greedy decoding and beam search."""

import math
from pathlib import Path

import numpy as np
import torch

from recap.annotations import read_annotations
from recap.captioners.folder import TrainedCaptioner, load_captioner
from recap.captioners.torch import Captioner
from recap.decoders import beam_width
from recap.devices import Device, choose_device, use_threads
from recap.errors import InputError
from recap.feature_files import FEATURES, open_features, skipped_rows
from recap.files import write_json
from recap.progress import progress
from recap.vocabulary import END, NULL, START, UNK

MAX_WORDS = 30
BATCH = 750  # partial captions at a time


def generate_captions(
    model: Path,
    features: Path,
    annotations: Path,
    *,
    output: Path,
    decoder: str = "beam3",
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Caption the images of a split.

    Parameters
    ----------
    model : Path
        Folder of a trained captioner.
    features : Path
        HDF5 file with the images' features, of the kind that the captioner was trained on.
    annotations : Path
        COCO caption file that lists the images in the features' order.
    output : Path
        JSON file to write, in COCO's results format: `[{"image_id": 1, "caption": "…"}, …]`.
        Images that could not be read are left out.
    decoder : str
        `greedy`, or `beam` and a width, such as `beam3`.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the files do not belong together.
    """
    use_threads(threads)
    width = beam_width(decoder)
    captioner = load_captioner(model)
    images = read_annotations(annotations).images
    with open_features(features) as file:
        rows = file[FEATURES][:]
        skipped = set(skipped_rows(file[FEATURES]).tolist())
    if len(rows) != len(images):
        raise InputError(
            f"{features} has {len(rows)} rows but {annotations} lists {len(images)} images:"
            " make the features from these annotations."
        )
    usable = [row for row in range(len(rows)) if row not in skipped]
    captions = caption_features(captioner, rows[usable], width, choose_device(device))
    results = [
        {"image_id": images[row]["id"], "caption": caption}
        for row, caption in zip(usable, captions, strict=True)
    ]
    write_json(output, results, ensure_ascii=False, indent=0)


def caption_features(
    captioner: TrainedCaptioner, features: np.ndarray, width: int, device: torch.device
) -> list[str]:
    """Caption images by their features.

    Parameters
    ----------
    captioner : TrainedCaptioner
        From `load_captioner`.
    features : array of shape (N, F), float32
        Of the kind that the captioner was trained on.
    width : int
        Beam width; 1 is greedy decoding.
    device : torch.device
        Where to compute.

    Returns
    -------
    list of N str
        Never empty, without `<UNK>` and other special words.

    Raises
    ------
    InputError
        If the features have another length than the captioner's.
    """
    if features.shape[1] != captioner.feature_dim:
        raise InputError(
            f"The features have {features.shape[1]} numbers an image but the captioner was trained"
            f" on {captioner.feature_dim}: use its own study's features."
        )
    words = captioner.idx_to_word
    model = Captioner(captioner.recipe, captioner.feature_dim, len(words), words.index(NULL))
    model.load_course_parameters(captioner.parameters)
    model.to(device).eval()
    captions = []
    with progress(desc="captions", total=len(features), unit="image") as bar:
        size = max(1, BATCH // width)
        for start in range(0, len(features), size):
            batch = torch.from_numpy(features[start : start + size]).to(device)
            for numbers in beam_search(model, batch, words, width):
                captions.append(" ".join(words[number] for number in numbers))
            bar.update(len(batch))
    return captions


@torch.inference_mode()
def beam_search(
    captioner: Captioner,
    features: torch.Tensor,
    idx_to_word: list[str],
    width: int,
    max_words: int = MAX_WORDS,
) -> list[list[int]]:
    """Find for each image a caption of high mean log-probability a word.

    At each step the K likeliest partial captions of an image go on, and those that end are set
    aside; once K have ended, or after `max_words`, the one with the highest mean wins. With width
    1 this is greedy decoding. All images go through the search together. `<NULL>`, `<START>` and
    `<UNK>` are forbidden, `<END>` is as the first word and is forced after `max_words`, so that
    every caption has a word and ends.

    Parameters
    ----------
    captioner : Captioner
        In evaluation mode.
    features : tensor of shape (N, F)
        A row an image.
    idx_to_word : list of V str
        Vocabulary.
    width : int
        Partial captions kept for each image, K.
    max_words : int
        Words that a caption may have.

    Returns
    -------
    list of N lists of int
        Word numbers, without `<START>` and `<END>`.
    """
    count, size = len(features), len(idx_to_word)
    end = idx_to_word.index(END)
    forbidden = [idx_to_word.index(word) for word in (NULL, START, UNK)]
    state = tuple(part.repeat_interleave(width, dim=0) for part in captioner.first_state(features))
    words = torch.full((count * width,), idx_to_word.index(START), device=features.device)
    partial = torch.zeros((count, width, 0), dtype=torch.long, device=features.device)
    # All rows of a beam are equal at first: only one of them may put forward candidates.
    scores = torch.full((count, width), -math.inf, device=features.device)
    scores[:, 0] = 0
    best_scores = [-math.inf] * count
    best: list[list[int]] = [[] for _ in range(count)]
    finished = [0] * count

    for length in range(max_words + 1):
        log_probabilities, state = captioner.step(words, state)
        log_probabilities = log_probabilities.view(count, width, size)
        if length == max_words:
            only_end = torch.full_like(log_probabilities, -math.inf)
            only_end[..., end] = log_probabilities[..., end]
            log_probabilities = only_end
        log_probabilities[..., forbidden] = -math.inf
        if length == 0:
            log_probabilities[..., end] = -math.inf
        # At most K of the 2K best candidates end, so that K are left to go on.
        candidates = (scores[..., None] + log_probabilities).flatten(1)
        top_scores, top = candidates.topk(2 * width, dim=1)
        beams, next_words = top // size, top % size
        ends = next_words == end

        ended = ends[:, :width] & top_scores[:, :width].isfinite() & (length > 0)
        for image, rank in ended.nonzero().tolist():
            score = top_scores[image, rank].item() / (length + 1)
            if finished[image] < width and score > best_scores[image]:
                best_scores[image] = score
                best[image] = partial[image, beams[image, rank]].tolist()
            finished[image] += 1
        if length == max_words or all(number >= width for number in finished):
            break

        # A stable sort puts the candidates that go on first, in the order of their scores.
        going_on = ends.int().argsort(dim=1, stable=True)[:, :width]
        scores = top_scores.gather(1, going_on).masked_fill(ends.gather(1, going_on), -math.inf)
        beams, next_words = beams.gather(1, going_on), next_words.gather(1, going_on)
        partial = torch.cat(
            [partial.gather(1, beams[..., None].expand(-1, -1, length)), next_words[..., None]], 2
        )
        words = next_words.flatten()
        rows = (torch.arange(count, device=beams.device)[:, None] * width + beams).flatten()
        state = tuple(part[rows] for part in state)
    return best
