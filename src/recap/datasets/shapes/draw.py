"""The embedded data set: scenes drawn from a seed, laid out like COCO 2014.

It lets the whole workflow run anywhere in minutes, with the same code as real data and with
the truth about every image at hand.
"""

import io
import json
import zipfile
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from recap.core.checks import require, require_seed
from recap.core.files import atomic_path, check_different
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.core.threads import available_threads
from recap.core.workers import map_in_order
from recap.datasets.archive import read_member
from recap.datasets.shapes.captions import write_captions
from recap.datasets.shapes.pictures import paint
from recap.datasets.shapes.scenes import SIDE, DrawnObject, Scene, draw_lots

JPEG_QUALITY = 90
ZIP_DATE = (2014, 1, 1, 0, 0, 0)
"""Of every zip member, so that a file's bytes do not depend on when it was made."""

CAPTIONS_A_SCENE = 5
BASE_URL = "https://example.invalid/shapes"
"""Where the images would be if they were on the web; the domain is reserved for no one."""


def draw_shapes(
    *,
    train_images: OutputFile,
    val_images: OutputFile,
    annotations: OutputFile,
    train_scenes: int = 2000,
    val_scenes: int = 300,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Draw the embedded data set `shapes` in COCO 2014's layout.

    A scene's picture and captions depend on the seed, its split and its number alone.

    Parameters
    ----------
    train_images : Path
        Zip archive to make, with `train2014/COCO_train2014_000000000001.jpg` and so on.
    val_images : Path
        Zip archive to make, with `val2014/COCO_val2014_….jpg`; the ids continue train's.
    annotations : Path
        Zip archive to make, with `captions_train2014.json` and `captions_val2014.json` in
        COCO's caption format, and `scenes_train2014.json` and `scenes_val2014.json`, which say
        what was drawn; all in the folder `annotations/`.
    train_scenes : int
        Number of scenes to train on.
    val_scenes : int
        Number of scenes to validate on.
    seed : int
        Seed of everything; the same seed gives the same bytes.
    threads : int, optional
        Processes that draw; as many as the machine has threads by default.

    Raises
    ------
    InputError
        If a number is out of range, or two outputs are one file.
    """
    require(train_scenes >= 1, "train_scenes", "at least 1", train_scenes)
    require(val_scenes >= 1, "val_scenes", "at least 1", val_scenes)
    require_seed(seed)
    check_different(train_images, val_images, annotations)
    splits = (
        ("train", train_images, 0, train_scenes),
        ("val", val_images, train_scenes, val_scenes),
    )
    with ExitStack() as outputs:
        described = _open_zip(outputs, annotations)
        for split_number, (split, path, ids_before, count) in enumerate(splits):
            archive = _open_zip(outputs, path)
            records, captions, scenes = [], [], []
            draw = partial(draw_scene, seed, split_number)
            drawn = map_in_order(draw, range(count), available_threads(threads))
            drawn = outputs.enter_context(closing(drawn))
            drawn = progress(drawn, desc=f"draw shapes, {split}", total=count, unit="scene")
            drawn = outputs.enter_context(drawn)
            for number, (scene, jpeg, sentences) in enumerate(drawn):
                image_id = ids_before + number + 1
                record = _image_record(split, image_id)
                _store(archive, f"{split}2014/{record['file_name']}", jpeg)
                records.append(record)
                for sentence in sentences:
                    caption_id = len(captions) + 1 + ids_before * CAPTIONS_A_SCENE
                    captions.append({"image_id": image_id, "id": caption_id, "caption": sentence})
                scenes.append({"image_id": image_id, **asdict(scene)})
            header = _header(seed)
            coco = {**header, "images": records, "annotations": captions}
            truth = {"info": header["info"], "scenes": scenes}
            for name, content in (("captions", coco), ("scenes", truth)):
                text = json.dumps(content).encode()
                _store(described, f"annotations/{name}_{split}2014.json", text)


def draw_scene(seed: int, split: int, number: int) -> tuple[Scene, bytes, list[str]]:
    """Draw one scene.

    Parameters
    ----------
    seed : int
        Of the data set.
    split : int
        0 for train, 1 for val.
    number : int
        Of the scene in its split, from 0.

    Returns
    -------
    tuple of (Scene, bytes, list of str)
        What was drawn, its picture as a JPEG file, and its captions.
    """
    random = np.random.default_rng([seed, split, number])
    scene = draw_lots(random)
    captions = write_captions(scene, random, CAPTIONS_A_SCENE)
    jpeg = io.BytesIO()
    paint(scene, random).save(jpeg, "JPEG", quality=JPEG_QUALITY)
    return scene, jpeg.getvalue(), captions


def read_scenes(annotations: Path, split: str) -> dict[int, Scene]:
    """Read what was drawn.

    Parameters
    ----------
    annotations : Path
        Zip archive that `draw_shapes` made.
    split : {"train", "val"}
        Split.

    Returns
    -------
    dict of int to Scene
        By image id, in the order of the annotations.

    Raises
    ------
    InputError
        If the archive is missing, damaged or another data set's.
    """
    content = json.loads(read_member(annotations, f"scenes_{split}2014.json"))
    return {
        entry["image_id"]: Scene(
            entry["background"], tuple(DrawnObject(**thing) for thing in entry["objects"])
        )
        for entry in content["scenes"]
    }


def _open_zip(outputs: ExitStack, path: Path) -> zipfile.ZipFile:
    """Open a zip archive that appears under its name when all outputs are whole."""
    return outputs.enter_context(zipfile.ZipFile(outputs.enter_context(atomic_path(path)), "w"))


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member, not compressed, so that an image can be read in place."""
    member = zipfile.ZipInfo(name, ZIP_DATE)
    member.external_attr = 0o644 << 16
    archive.writestr(member, content)


def _header(seed: int) -> dict:
    """Return the parts of COCO's format that are the same for both splits."""
    return {
        "info": {
            "description": "shapes: synthetic scenes drawn by recap",
            "url": BASE_URL,
            "version": "1.0",
            "year": ZIP_DATE[0],
            "contributor": f"recap draw-shapes, seed {seed}",
        },
        "licenses": [{"id": 1, "name": "MIT License", "url": "https://opensource.org/license/mit"}],
    }


def _image_record(split: str, image_id: int) -> dict:
    """Return the COCO record of an image."""
    file_name = f"COCO_{split}2014_{image_id:012d}.jpg"
    url = f"{BASE_URL}/{split}2014/{file_name}"
    return {
        "license": 1,
        "file_name": file_name,
        "coco_url": url,
        "height": SIDE,
        "width": SIDE,
        "date_captured": "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*ZIP_DATE),
        "flickr_url": url,
        "id": image_id,
    }
