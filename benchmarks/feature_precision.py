"""Hold captions from features in bfloat16, or in int8, against those from features in float32.

    python benchmarks/feature_precision.py STUDY IMAGES ANNOTATIONS [--weights FILE]
        [--calibration FILE]

STUDY is a folder such as results/shapes whose captioners are trained; IMAGES and ANNOTATIONS are
the photos and the captions of its scored split, such as val2014.zip and
annotations/official/captions_val.json in the scenes' folder in resources/shapes. recap extracts the
features twice, in float32 and in bfloat16, or in int8 if a calibration is named: what
`recap calibrate-extraction` found on the training photos. Both are projected by the study's PCA and
captioned by each of its captioners. The difference of the scores has the interval of the paired
bootstrap over the images.
"""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from recap.captioners.folder import TrainedCaptioner
from recap.captioners.stepwise import load_captioners
from recap.captions.metrics.bleu import bleu_of_counts
from recap.core.devices import choose_device, choose_precision, use_threads
from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5
from recap.datasets.annotations import Annotations, read_annotations
from recap.evaluation.decoders import Decoder, read_decoder
from recap.evaluation.generate import caption_features
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores
from recap.features.extract import extract_features
from recap.features.files import open_usable_features
from recap.features.pca import apply_pca
from recap.report.statistics import interval, resampled_means

SCORES = ("CIDEr-D", "BLEU-4")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder of the study, such as results/shapes")
    parser.add_argument("images", type=Path, help="archive or folder of the scored split's photos")
    parser.add_argument("annotations", type=Path, help="COCO caption file of the scored split")
    parser.add_argument("--more-images", type=Path, nargs="*", help="further archives of them")
    parser.add_argument(
        "--weights", default="random", help="file of the backbone's weights, if they are not random"
    )
    parser.add_argument(
        "--calibration", type=Path, help="for int8: of `recap calibrate-extraction`"
    )
    parser.add_argument("--decoder", default="beam3")
    try:
        measure(parser.parse_args())
    except InputError as error:
        sys.exit(f"error: {error}")


def measure(arguments: argparse.Namespace) -> None:
    """Print a table and, as the last line, the figures in JSON."""
    folders = sorted(arguments.study.glob("models/*/seed*"))
    if not folders:
        raise InputError(f"{arguments.study} has no trained captioners: run the study first.")
    threads, device = use_threads(None), choose_device("auto")
    split = read_annotations(arguments.annotations)
    features, coordinates = {}, {}
    other = "int8" if arguments.calibration else "bfloat16"
    for precision in ("float32", other):
        features[precision], coordinates[precision], usable = extract(arguments, precision, split)
    images = [split.images[row]["id"] for row in usable]
    references = split.captions_by_image()
    prepared = PreparedReferences({image: references[image] for image in images})

    print(
        f"{platform.processor() or platform.machine()}, {device.type}, {threads} threads, PyTorch"
        f" {torch.__version__}; {len(images)} images, {arguments.decoder}"
    )
    if other == "bfloat16" and choose_precision(device) != torch.bfloat16:
        print(
            "There are no instructions for bfloat16 here: it is emulated, and recap takes float32."
        )
    figures = {"images": len(images)}
    for name, pair in (("features", features), ("coordinates", coordinates)):
        found = cosines(*pair.values())
        print(f"cosine of {name}: {found.min():.6f} at least, {found.mean():.6f} on average")
        figures[f"{name}_cosine_min"] = round(float(found.min()), 6)
    print(f"\n{'captioner':<25}{'the same':>9}{'score':>9}", end="")
    print(f"{'float32':>9}{other:>9}{'difference and its 95% interval':>34}")
    compared = {}
    for folder in folders:
        name = "/".join(folder.parts[-2:])
        captioners = load_captioners([folder])
        said = [
            say(captioners, rows, images, read_decoder(arguments.decoder), device)
            for rows in coordinates.values()
        ]
        same = np.mean([said[0][image] == said[1][image] for image in images])
        scores = [compute_scores(captions, prepared, meteor=False) for captions in said]
        compared[name] = {"same": round(float(same), 4), **compare(*scores)}
        for score in SCORES:
            values = [100 * found["scores"][score] for found in scores]
            low, high = (100 * end for end in compared[name][f"{score}_interval"])
            print(
                f"{name:<25}{same:>9.1%}{score:>9}{values[0]:>9.2f}{values[1]:>9.2f}"
                f"{values[1] - values[0]:>+14.3f} ({low:+.3f} to {high:+.3f})"
            )
    print(json.dumps(figures | {"captioners": compared}))


def extract(
    arguments: argparse.Namespace, precision: str, split: Annotations
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features of the photos that can be read, their coordinates, and their rows."""
    pca = arguments.study / "features/pca.h5"
    with open_hdf5(pca) as file:
        origin = dict(file.attrs)
    if Path(arguments.weights).name != origin["weights"]:
        raise InputError(
            f"{arguments.study} was made with the weights {origin['weights']}: name them with"
            " --weights."
        )
    with tempfile.TemporaryDirectory() as folder:
        whole, reduced = Path(folder) / "features.h5", Path(folder) / "coordinates.h5"
        extract_features(
            arguments.images,
            arguments.annotations,
            output=whole,
            more_images=arguments.more_images,
            backbone=origin["backbone"],
            weights=arguments.weights,
            layer=origin["layer"],
            broken_images="skip",
            precision=precision,
            calibration=arguments.calibration if precision == "int8" else None,
        )
        apply_pca(whole, pca=pca, output=reduced)
        with (
            open_usable_features(whole, arguments.annotations, split) as (features, usable),
            open_usable_features(reduced, arguments.annotations, split) as (coordinates, _),
        ):
            return features[usable], coordinates[usable], usable


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of one array with that of the other."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / norms


def say(
    captioners: list[TrainedCaptioner],
    rows: np.ndarray,
    images: list[int],
    decoder: Decoder,
    device: torch.device,
) -> dict[int, str]:
    """Return the caption of each image."""
    found = caption_features(captioners, rows, decoder, device)
    words = captioners[0].idx_to_word
    texts = [" ".join(words[number] for number in caption.words) for caption in found]
    return dict(zip(images, texts, strict=True))


def compare(first: dict, second: dict) -> dict:
    """Return how much the second scores are higher, and the interval of the paired bootstrap."""
    pair = first["per_image"], second["per_image"]
    counts = [np.array(scores["BLEU counts"], dtype=np.float64).T for scores in pair]
    cider = [np.array([scores["CIDEr-D"]]) for scores in pair]
    means = resampled_means(np.concatenate([*counts, *cider]), seed=0)
    # Counts added up over the resampled images, of which BLEU is computed.
    sums = means.T * counts[0].shape[1]
    bleu = [bleu_of_counts(sums[start : start + 10])[3] for start in (0, 10)]
    resampled = {"CIDEr-D": means[:, 21] - means[:, 20], "BLEU-4": bleu[1] - bleu[0]}
    found = {}
    for score in SCORES:
        difference = second["scores"][score] - first["scores"][score]
        found[f"{score}_difference"] = round(difference, 6)
        found[f"{score}_interval"] = [round(end, 6) for end in interval(resampled[score])]
    return found


if __name__ == "__main__":
    main()
