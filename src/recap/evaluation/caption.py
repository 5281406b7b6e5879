"""Caption any photo with a trained captioner."""

import sys
from pathlib import Path
from typing import get_args

import numpy as np

from recap.captioners.stepwise import load_captioners
from recap.core.devices import Device, Precision, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.images import decode_image
from recap.core.photo_store import BrokenImageError, read_photo
from recap.datasets.registry import DRAWN
from recap.evaluation.decoders import read_decoder
from recap.evaluation.generate import caption_features
from recap.evaluation.origin import read_origin
from recap.features.extractor import FeatureExtractor
from recap.features.pca import read_pca


def caption(
    *photos: Path,
    model: list[Path],
    pca: Path | None = None,
    weights: str = "",
    decoder: str = "beam3",
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Print a caption for each photo.

    A photo of the study gets the same features as in the study, if those were made on the same kind
    of device: the number format is kept, and batches are filled up to their usual size. A captioner
    that was trained on drawn scenes alone says so on standard error.

    Parameters
    ----------
    photos : Path
        Picture files.
    model : list of Path
        Folder of a trained captioner, such as `results/shapes/models/lstm/seed0`; several caption
        as an ensemble, by the mean of their probabilities.
    pca : Path, optional
        What `fit_pca` wrote in the captioner's study; found beside the captioner by default.
    weights : str
        File of the backbone's weights, where they are not random.
    decoder : str
        `greedy`, `sample`, or `beam` and a width, such as `beam3`; then options, such as
        `beam5-length_penalty=0.7-block_ngrams=3` or `sample-temperature=0.8-nucleus=0.9-seed=1`.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read (the others are captioned before), or the captioner, its PCA or
        the weights are not found.
    """
    if not photos:
        raise InputError("There is no photo to caption: name one or more picture files.")
    use_threads(threads)
    chosen_decoder = read_decoder(decoder)
    captioners = load_captioners(model)
    for dataset in sorted({str(item.facts.get("dataset")) for item in captioners} & DRAWN):
        print(
            f"warning: this captioner was trained on the drawn scenes of `{dataset}` and has never"
            " seen a photograph: of one, it can only say what those scenes show",
            file=sys.stderr,
        )
    if pca is None:
        pca = (model[0].resolve() / "../../../features/pca.h5").resolve()
        if not pca.exists():
            raise InputError(
                f"The PCA of the captioner's study is not at {pca}: give the file that fit-pca"
                " wrote in the study with --pca, such as --pca results/shapes/features/pca.h5."
            )
    origin = read_origin(pca, weights)
    backbone = origin.backbone
    chosen_device = choose_device(device)
    precision = str(origin.attributes.get("precision", "auto"))
    if precision not in get_args(Precision):
        raise InputError(
            f"{pca} is damaged: its features have the precision {precision!r}; fit it again on what"
            " extract-features writes."
        )
    extractor = FeatureExtractor(backbone, origin.layer, chosen_device, precision)
    pixels = {}
    for photo in photos:
        try:
            image = decode_image(read_photo(photo), str(photo))
        except BrokenImageError as error:
            if len(photos) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
        else:
            pixels[photo] = backbone.preprocessing.cut(image)
    lost = len(set(photos)) - len(pixels)
    if pixels:
        squares = list(pixels.values())
        if np.array_equal(extractor.batch, origin.attributes.get("batch")):
            # A row's last bits depend on the size of its batch, which is filled up as in the study.
            squares += [np.zeros_like(squares[0])] * (-len(squares) % extractor.batch)
        starts = range(0, len(squares), extractor.batch)
        batches = [squares[start : start + extractor.batch] for start in starts]
        features = np.concatenate([extractor(np.stack(batch)) for batch in batches])[: len(pixels)]
        features = read_pca(pca).transform(features).astype(np.float32)
        found = caption_features(captioners, features, chosen_decoder, chosen_device)
        for photo, written in zip(pixels, found, strict=True):
            text = " ".join(captioners[0].idx_to_word[number] for number in written.words)
            print(f"{photo}: {text}" if len(photos) > 1 else text)
    if lost:
        raise InputError(f"{lost} of {len(set(photos))} photos could not be captioned.")
