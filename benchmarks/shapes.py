"""How much of the embedded data set can be seen in the features, and how much is told.

    python benchmarks/shapes.py [--quick] [--study results/shapes] [--annotations FILE.zip]

The probe is a linear classifier, fitted to the training scenes' features and asked about the
validation scenes: what it can tell is there for a captioner to learn. It knows how many objects
a scene has; the object that stands alone, the left one of a pair and the right one have a
classifier each, and the share right is taken over all objects.

The captions are the LSTM's, by beam search with three beams, parsed by the grammar that wrote the
references and held against what was drawn. An attribute counts where a caption names it. Which
drawn object a caption means is settled by the pairing under which most of its claims hold; of an
object too many, every claim is wrong (`recap.datasets.shapes.captions.check_claims`).

Both have a floor beside them: a probe that always gives training's most frequent answer, and the
same captions, each dealt to the next scene.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from sklearn.linear_model import RidgeClassifierCV

from recap.core.errors import InputError
from recap.core.json_files import read_json
from recap.datasets.shapes.captions import check_claims, parse_caption
from recap.datasets.shapes.draw import read_scenes
from recap.datasets.shapes.scenes import Scene

PROBED = ("shape", "colour", "size", "background")
TOLD = ("shape", "colour", "size", "place", "background")
REMEDY = "make the study with `snakemake --cores all`"

# Number of objects in the scene, and which of them is asked about.
STANDINGS = ((1, 0), (2, 0), (2, 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds anyway")
    parser.add_argument("--study", type=Path, default=Path("results/shapes"), metavar="FOLDER")
    parser.add_argument(
        "--annotations",
        type=Path,
        default=Path(
            "resources/shapes/seed=0-train_scenes=2000-val_scenes=300/annotations_trainval2014.zip"
        ),
        metavar="FILE.zip",
        help="the archive that `recap draw-shapes` made",
    )
    arguments = parser.parse_args()
    try:
        measure(arguments.study, arguments.annotations)
    except InputError as error:
        sys.exit(str(error))


def measure(study: Path, annotations: Path) -> None:
    captions_file = study / "captions/lstm/seed0/beam3.json"
    feature_files = {
        split: study / f"coco_captioning/{split}2014_vgg16_fc7_pca.h5" for split in ("train", "val")
    }
    for path in (annotations, captions_file, *feature_files.values()):
        if not path.exists():
            raise InputError(f"{path} does not exist: {REMEDY}.")
    scenes = {split: read_scenes(annotations, split) for split in feature_files}
    features = {
        split: read_features(path, len(scenes[split])) for split, path in feature_files.items()
    }
    probed = {
        attribute: probe(
            features, {split: list(scenes[split].values()) for split in scenes}, attribute
        )
        for attribute in PROBED
    }
    results = read_json(captions_file)
    captions = [result["caption"] for result in results]
    try:
        captioned = [scenes["val"][result["image_id"]] for result in results]
    except KeyError as image_id:
        raise InputError(
            f"{captions_file} has a caption of image {image_id}, which {annotations} lacks:"
            f" {REMEDY}."
        ) from None
    told = judge(captions, captioned)
    dealt = judge(captions, [*captioned[1:], *captioned[:1]])

    print(f"{'':<12}{'probe':>8}{'floor':>8}{'captions':>10}{'floor':>8}{'claims':>8}")
    for attribute in TOLD:
        right_and_floor = [mean(hits) for hits in probed.get(attribute, ([], []))]
        cells = [*right_and_floor, mean(told[attribute]), mean(dealt[attribute])]
        row = "".join(
            f"{'-' if share is None else f'{share:.1%}':>{width}}"
            for share, width in zip(cells, (8, 8, 10, 8), strict=True)
        )
        print(f"{attribute:<12}{row}{len(told[attribute]):>8}")
    print(
        f"{len(scenes['train'])} scenes to fit the probe, {len(scenes['val'])} to test it;"
        f" {len(captions)} captions"
    )
    figures = {f"probe_{attribute}": mean(hits) for attribute, (hits, _) in probed.items()}
    figures |= {f"caption_{attribute}": mean(told[attribute]) for attribute in TOLD}
    print(json.dumps(figures))


def read_features(path: Path, rows: int) -> np.ndarray:
    """Read a split's features, (N, F) float32."""
    with h5py.File(path) as file:
        features = file["features"][:]
    if len(features) != rows:
        raise InputError(f"{path} has {len(features)} rows for {rows} annotated images: {REMEDY}.")
    return features


def probe(
    features: dict[str, np.ndarray], scenes: dict[str, list[Scene]], attribute: str
) -> tuple[list[bool], list[bool]]:
    """Return of each question about a validation scene whether the probe, and the floor, is right.

    The strength of the ridge penalty is chosen by leaving one out on the training scenes.
    """
    hits, lucky = [], []
    for known, asked in zip(*(answers(scenes[split], attribute) for split in scenes), strict=True):
        seen = features["train"][list(known)]
        penalties = np.logspace(-3, 3, 7) * seen.var()
        classifier = RidgeClassifierCV(alphas=penalties).fit(seen, list(known.values()))
        given = classifier.predict(features["val"][list(asked)])
        favourite = Counter(known.values()).most_common(1)[0][0]
        for truth, answer in zip(asked.values(), given, strict=True):
            hits.append(bool(truth == answer))
            lucky.append(truth == favourite)
    return hits, lucky


def answers(scenes: list[Scene], attribute: str) -> list[dict[int, str]]:
    """Return the truth by row, for each standing that an object can have."""
    if attribute == "background":
        return [{row: scene.background for row, scene in enumerate(scenes)}]
    return [
        {
            row: getattr(scene.objects[position], attribute)
            for row, scene in enumerate(scenes)
            if len(scene.objects) == count
        }
        for count, position in STANDINGS
    ]


def judge(captions: Iterable[str], scenes: Iterable[Scene]) -> dict[str, list[bool]]:
    """Return by attribute whether each claim of the captions holds."""
    verdicts: dict[str, list[bool]] = {attribute: [] for attribute in TOLD}
    for caption, scene in zip(captions, scenes, strict=True):
        for attribute, holds in check_claims(parse_caption(caption), scene):
            verdicts[attribute].append(holds)
    return verdicts


def mean(hits: list[bool]) -> float | None:
    """Return the share of hits; None where nothing was asked or claimed."""
    return round(sum(hits) / len(hits), 4) if hits else None


if __name__ == "__main__":
    main()
