"""How the memory of training and captioning grows with a table of regions' features.

    python benchmarks/training_memory.py [--quick] [--folder FOLDER]

COCO 2014 has 82,783 training images; `layer: grid` makes of each 49 regions of 512 numbers: 8.3 GB.
An eighth and a quarter of that is made up, five captions an image, and goes through training of an
LSTM with attention (an epoch, then a self-critical one), captioning and perplexity, each in a fresh
process. Peak memory is that of the process, Python and its libraries included; the last line of the
table continues the other two to COCO's size. Sizes other than the table's are those of
config/flickr8k.yaml, but for the hidden states, which are small so that it takes minutes.
"""

import argparse
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
from annotations import run

from recap.captions.words import SPECIAL_WORDS

IMAGES, REGIONS, NUMBERS = 82_783, 49, 512
CAPTIONS = 5  # an image
LENGTH, LONGEST = 10, 17  # of a caption, with its ends; of the table of captions
PIECE = 1000
WORDS = [*SPECIAL_WORDS, *(f"word{number}" for number in range(1000))]
RECIPE = {
    "attention": True,
    "wordvec_dim": 64,
    "hidden_dim": 64,
    "epochs": 1,
    "batch_size": 128,
    "dropout": 0.5,
    "region_dropout": 0.5,
    "self_critical_epochs": 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of each size")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    arguments = parser.parse_args()
    peaks, tables = [], []
    for share in (8, 4):
        images = IMAGES // share // (10 if arguments.quick else 1)
        tables.append(images * REGIONS * NUMBERS * 4 / 1e6)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            peaks.append(measure(Path(folder), images))
    whole = IMAGES * REGIONS * NUMBERS * 4 / 1e6
    tables.append(whole)
    peaks.append({})
    for stage in peaks[0]:
        slope = (peaks[1][stage] - peaks[0][stage]) / (tables[1] - tables[0])
        peaks[2][stage] = peaks[1][stage] + slope * (whole - tables[1])
    print(f"{'features':>12}" + "".join(f"{stage:>20}" for stage in peaks[0]))
    for table, stages in zip(tables, peaks, strict=True):
        print(f"{table:>9.0f} MB" + "".join(f"{peak:>17.0f} MB" for peak in stages.values()))
    names = ("eighth", "quarter", "whole")
    print(
        json.dumps(
            {
                f"{stage}_megabytes_{name}": round(stages[stage])
                for name, stages in zip(names, peaks, strict=True)
                for stage in stages
            }
        )
    )


def measure(folder: Path, images: int) -> dict[str, float]:
    """Return the peak megabytes of each stage."""
    features, captions = folder / "features.h5", folder / "captions.h5"
    vocabulary, annotations = folder / "vocabulary.json", folder / "captions.json"
    model = folder / "model"
    write_study(features, captions, vocabulary, annotations, images)
    stages = {
        "train_captioner": ["--output", model, "--recipe", json.dumps(RECIPE)],
        "generate_captions": ["--output", folder / "said.json", "--model", model],
        "measure_perplexity": ["--output", folder / "perplexity.json", "--model", model],
    }
    files = {"train_captioner": [captions, vocabulary]}
    peaks = {}
    for stage, options in stages.items():
        command = stage.replace("_", "-")
        peaks[stage] = run(command, features, *files.get(stage, [annotations]), *options)[1]
    return peaks


def write_study(
    features: Path, captions: Path, vocabulary: Path, annotations: Path, images: int
) -> None:
    """Write made-up features and captions of images, in the forms that the stages read."""
    generator = np.random.default_rng(0)
    with h5py.File(features, "w") as file:
        shape = images, REGIONS * NUMBERS
        rows = file.create_dataset("features", shape, dtype=np.float32)
        file.attrs["regions"] = REGIONS
        for start in range(0, images, PIECE):
            count = min(PIECE, images - start)
            rows[start : start + count] = generator.standard_normal((count, shape[1]), np.float32)
    numbers = np.zeros((images * CAPTIONS, LONGEST), np.int32)
    ranks = np.arange(1, len(WORDS) - len(SPECIAL_WORDS) + 1)
    numbers[:, :LENGTH] = len(SPECIAL_WORDS) + generator.choice(
        len(ranks), (len(numbers), LENGTH), p=1 / ranks / (1 / ranks).sum()
    )
    numbers[:, 0], numbers[:, LENGTH - 1] = WORDS.index("<START>"), WORDS.index("<END>")
    with h5py.File(captions, "w") as file:
        file["train_captions"] = numbers
        file["train_image_idxs"] = np.repeat(np.arange(images, dtype=np.int32), CAPTIONS)
    word_to_idx = {word: number for number, word in enumerate(WORDS)}
    vocabulary.write_text(json.dumps({"idx_to_word": WORDS, "word_to_idx": word_to_idx}))
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(images)],
        "annotations": [
            {"id": n, "image_id": n // CAPTIONS, "caption": " ".join(WORDS[i] for i in row)}
            for n, row in enumerate(numbers[:, 1 : LENGTH - 1].tolist())
        ],
    }
    annotations.write_text(json.dumps(content))


if __name__ == "__main__":
    main()
