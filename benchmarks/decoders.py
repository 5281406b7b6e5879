"""Score what each search finds: greedy, and beams with length penalties, on a dev split.

    python benchmarks/decoders.py STUDY FEATURES ANNOTATIONS [--seed 0]

STUDY is a folder such as results/flickr8k whose captioners are trained. FEATURES and ANNOTATIONS
are those of the split to caption, such as results/flickr8k/coco_captioning/
dev2014_vgg16_fc7_pca.h5 and resources/flickr8k/annotations/official/captions_dev.json. A decoder
is chosen there, never on what the study scores.
"""

import argparse
import json
import sys
from pathlib import Path

from recap.captioners.stepwise import load_captioners
from recap.core.devices import choose_device, use_threads
from recap.core.errors import InputError
from recap.datasets.annotations import read_annotations
from recap.evaluation.decoders import read_decoder
from recap.evaluation.generate import caption_features
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores
from recap.features.files import open_usable_features

DECODERS = [
    "greedy",
    "beam3-length_penalty=1",
    "beam3",
    "beam3-length_penalty=0.4",
    "beam3-length_penalty=0",
    "beam3-length_penalty=1-block_ngrams=3",
    "beam5-length_penalty=1",
    "beam5",
]
SCORES = ("BLEU-1", "BLEU-4", "CIDEr-D")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder of the study, such as results/flickr8k")
    parser.add_argument("features", type=Path, help="reduced features of the split's photos")
    parser.add_argument("annotations", type=Path, help="COCO caption file of the split")
    parser.add_argument("--seed", type=int, default=0, help="which of each captioner's seeds")
    arguments = parser.parse_args()
    try:
        measure(arguments)
    except InputError as error:
        sys.exit(f"error: {error}")


def measure(arguments: argparse.Namespace) -> None:
    """Print a table and, as the last line, the figures in JSON."""
    folders = sorted(arguments.study.glob(f"models/*/seed{arguments.seed}"))
    if not folders:
        raise InputError(f"{arguments.study} has no trained captioners: run the study first.")
    use_threads(None)
    device = choose_device("auto")
    split = read_annotations(arguments.annotations)
    references = split.captions_by_image()
    figures = {}
    with open_usable_features(arguments.features, arguments.annotations, split) as (table, usable):
        images = [split.images[row]["id"] for row in usable]
        prepared = PreparedReferences({image: references[image] for image in images})
        print(f"{'captioner':22}{'decoder':40}", *(f"{name:>8}" for name in (*SCORES, "words")))
        for folder in folders:
            captioners = load_captioners([folder])
            words = captioners[0].idx_to_word
            for name in DECODERS:
                found = caption_features(captioners, table, read_decoder(name), device, usable)
                texts = [" ".join(words[number] for number in caption.words) for caption in found]
                captions = dict(zip(images, texts, strict=True))
                scores = compute_scores(captions, prepared, meteor=False)["scores"]
                values = [100 * scores[score] for score in SCORES]
                values.append(sum(len(caption.words) for caption in found) / len(found))
                print(f"{folder.parent.name:22}{name:40}", *(f"{value:8.1f}" for value in values))
                figures[f"{folder.parent.name} {name}"] = [round(value, 2) for value in values]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
