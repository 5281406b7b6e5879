"""Caption the images of a split with a trained captioner, or with several as one."""

import base64
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from recap.captioners.folder import TrainedCaptioner
from recap.captioners.stepwise import load_captioners, make_stepwise
from recap.captions.files import read_captions
from recap.captions.words import END, captions_by_image
from recap.core.devices import Device, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.files import check_different
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.datasets.annotations import read_annotations
from recap.evaluation.attention import attention_maps, in_levels
from recap.evaluation.consensus import rank_by_consensus
from recap.evaluation.decoders import Decoder, read_decoder
from recap.evaluation.neighbours import nearest_photos
from recap.evaluation.search import FoundCaption, search_captions
from recap.features.files import (
    FEATURES,
    open_features,
    open_usable_features,
    refuse_all_skipped,
    regions_of,
    seen_of,
    skipped_rows,
)

BATCH = 750  # partial captions at a time


def generate_captions(
    features: Path,
    annotations: Path,
    *,
    model: list[Path],
    output: OutputFile,
    words_output: OutputFile | None = None,
    captions: Path | None = None,
    training_features: Path | None = None,
    decoder: str = "beam3",
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Caption the images of a split.

    Parameters
    ----------
    features : Path
        HDF5 file with the images' features, of the kind that the captioner was trained on.
    annotations : Path
        COCO caption file that lists the images in the features' order.
    model : list of Path
        Folder of a trained captioner; several caption as an ensemble, by the mean of their
        probabilities.
    output : Path
        JSON file to write, in COCO's results format: `[{"image_id": 1, "caption": "…"}, …]`.
        Images that could not be read are left out.
    words_output : Path, optional
        JSON file to write with how sure the captioner was, in nats: `[{"image_id": 1, "words":
        ["a", …], "log_probabilities": [-0.7, …], "log_probability": -9.3}, …]`, of each word after
        those before it, and of the whole caption with its end. Where one captioner with attention
        speaks, and the features tell what the network saw, each entry also has `attention`, of each
        word where it looked, (T, side, side), uint8, 255 where the map is highest, in base64, and
        `seen`, the share of the photo's shorter side that the square about its middle has over
        which the maps lie, 0 for the whole photo.
    captions : Path, optional
        HDF5 file with the captions that the captioner learnt from, which tell an `mbr` decoder how
        rare phrases are; others do not read it.
    training_features : Path, optional
        HDF5 file with the features of the photos of `captions`, which tell a decoder with
        `neighbours` which of them look alike; others do not read it.
    decoder : str
        `greedy`, `sample`, or `beam` or `mbr` and a width, such as `beam3`; then options, such as
        `beam5-length_penalty=0.7-block_ngrams=3` or `sample-temperature=0.8-nucleus=0.9-seed=1`.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, the files do not belong together, there is no such
        decoder, or both outputs are one file.
    """
    check_different(output, words_output)
    use_threads(threads)
    chosen = read_decoder(decoder)
    if chosen.mbr and captions is None:
        raise InputError(
            f"The decoder {decoder} needs the captions that the captioner learnt from: give"
            " --captions, such as results/…/coco_captioning/coco2014_captions.h5."
        )
    if chosen.neighbours and training_features is None:
        raise InputError(
            f"The decoder {decoder} needs the features of the training photos: give"
            " --training-features, such as"
            " results/…/coco_captioning/train2014_vgg16_fc7_pca.h5."
        )
    captioners = load_captioners(model)
    idx_to_word = captioners[0].idx_to_word
    images, spoken = _read_spoken(captions, idx_to_word) if chosen.mbr else (None, [])
    split = read_annotations(annotations)
    chosen_device = choose_device(device)
    with open_usable_features(features, annotations, split) as (table, usable):
        # What can be wrong with the files is told before the search, which takes the longest.
        seen = seen_of(table.file)
        near = None
        if chosen.neighbours:
            near = _find_alike(table, usable, training_features, images, chosen.neighbours)
        found = caption_features(
            captioners,
            table,
            chosen,
            chosen_device,
            rows=usable,
            best=chosen.beam_width if chosen.mbr else 1,
        )
        if chosen.mbr:
            found = rank_by_consensus(found, spoken, idx_to_word.index(END), near)
        told = [{}] * len(found)
        alone = len(captioners) == 1 and captioners[0].recipe.attention
        if words_output is not None and alone and seen is not None:
            looks = attention_maps(
                captioners[0], table, usable, [one.words for one in found], chosen_device
            )
            told = [{"attention": _in_base64(maps), "seen": seen} for maps in looks]
    results, confidence = [], []
    for row, caption, attention in zip(usable, found, told, strict=True):
        image_id = split.images[row]["id"]
        words = [idx_to_word[number] for number in caption.words]
        results.append({"image_id": image_id, "caption": " ".join(words)})
        confidence.append(
            {
                "image_id": image_id,
                "words": words,
                "log_probabilities": [
                    round(value, 4) for value in caption.log_probabilities[: len(words)]
                ],
                "log_probability": round(caption.log_probability, 4),
                **attention,
            }
        )
    if words_output is not None:
        write_json(words_output, confidence, record_digest=True, ensure_ascii=False)
    write_json(output, results, record_digest=True, ensure_ascii=False, indent=0)
    lengths = [len(caption.words) for caption in found]
    print(
        f"{len(found)} captions of {np.mean(lengths):.1f} words by {chosen.in_words}, mean"
        f" log-probability {np.mean([caption.log_probability for caption in found]):.2f} nats:"
        f" {output}"
    )


def _read_spoken(path: Path, idx_to_word: list[str]) -> tuple[np.ndarray, list[list[list[int]]]]:
    """Return the rows of the training images, and of each the captions in their words' numbers."""
    captions, image_idxs = read_captions(path, "train")
    if captions.max(initial=0) >= len(idx_to_word):
        raise InputError(
            f"{path} has words that the captioner does not know: give the captions that it learnt"
            " from."
        )
    return captions_by_image(captions, image_idxs, idx_to_word)


def _find_alike(
    table: h5py.Dataset, rows: np.ndarray, training: Path, images: np.ndarray, count: int
) -> np.ndarray:
    """Return, for each row, the places in `images` of the training photos that look alike."""
    with open_features(training) as file:
        known = file[FEATURES]
        if known.shape[1] != table.shape[1] or len(known) <= images.max():
            raise InputError(
                f"{training} does not belong to the captions, or has another kind of features than"
                " those of the photos to caption: give the features that the captioner learnt"
                " from."
            )
        broken = np.intersect1d(images, skipped_rows(known))
        refuse_all_skipped(broken, len(images))
        among = np.setdiff1d(images, broken)
        near = nearest_photos(
            table, rows, known, among, regions=regions_of(table.file), count=count
        )
    return np.searchsorted(images, among)[near]


def _in_base64(maps: np.ndarray) -> str:
    """Return maps (T, side, side) in 8 bits a region, as text."""
    return base64.b64encode(in_levels(maps).tobytes()).decode("ascii")


def caption_features(
    captioners: Sequence[TrainedCaptioner],
    features: np.ndarray | h5py.Dataset,
    decoder: Decoder,
    device: torch.device,
    rows: np.ndarray | None = None,
    *,
    best: int = 1,
) -> list[FoundCaption]:
    """Caption images by their features.

    Parameters
    ----------
    captioners : sequence of TrainedCaptioner
        One, or several that caption as an ensemble.
    features : array of shape (I, F), float32, or h5py.Dataset
        Of the kind that the captioners were trained on; read in batches.
    decoder : Decoder
        How to find captions.
    device : torch.device
        Where to compute.
    rows : array of shape (N,), int64, optional
        Rows to caption, rising; all by default.
    best : int
        Captions an image; more than one only of a beam that is as wide.

    Returns
    -------
    list of N FoundCaption

    Raises
    ------
    InputError
        If the features have another length than the captioners', the captioners do not belong
        together, or the beam is narrower than `best`.
    """
    stepwise = make_stepwise(captioners, features.shape[1], device)
    idx_to_word = captioners[0].idx_to_word
    rows = np.arange(len(features)) if rows is None else rows
    found = []
    with progress(desc="captions", total=len(rows), unit="image") as bar:
        size = max(1, BATCH // decoder.beam_width)
        for start in range(0, len(rows), size):
            batch = torch.from_numpy(features[rows[start : start + size]]).to(device)
            found += search_captions(
                stepwise, batch, idx_to_word, decoder, first_row=start, best=best
            )
            bar.update(len(batch))
    return found
