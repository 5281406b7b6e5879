"""Choose among the captions of a split what a study takes."""

from pathlib import Path
from typing import Literal

import numpy as np

from recap.core.checks import require, require_seed
from recap.core.files import atomic_path
from recap.core.outputs import OutputFile
from recap.core.text import part_characters
from recap.datasets.annotations import caption_file, read_annotations


def choose_captions(
    annotations: Path,
    *,
    output: OutputFile,
    max_images: int | None = None,
    words: Literal["spaces", "characters"] = "spaces",
    seed: int = 0,
) -> None:
    """Write the captions of some of a split's images, parted into words.

    Parameters
    ----------
    annotations : Path
        COCO caption file of the split.
    output : Path
        COCO caption file to write. Images and captions stand in the order that they had.
    max_images : int, optional
        Images to keep at most, drawn by seed; all by default. Of a larger number the same ones are
        among them.
    words : {"spaces", "characters"}
        What parts words: spaces; or in scripts that are written without them, such as Chinese,
        nothing: each letter is a word, and gets spaces around it.
    seed : int
        Of what is drawn.

    Raises
    ------
    InputError
        If the file is missing or not in COCO's caption format, or a number is out of range.
    """
    require(max_images is None or max_images >= 1, "max_images", "at least 1", max_images)
    require_seed(seed)
    split = read_annotations(annotations)
    order = np.random.default_rng(seed).permutation(len(split.images))
    images = [split.images[row] for row in np.sort(order[:max_images])]
    kept = {image["id"] for image in images}
    captions = [
        {
            "id": number,
            "image_id": image_id,
            "caption": part_characters(text) if words == "characters" else text,
        }
        for number, (image_id, text) in enumerate(split.captions)
        if image_id in kept
    ]
    with atomic_path(output) as scratch, scratch.open("wb") as file:
        file.writelines(caption_file({"description": split.description}, images, captions))
    print(f"{len(images)} of {len(split.images)} images, {len(captions)} captions: {output}")
