"""Downloads in miniature: official names and inner layouts, a handful of photos."""

import hashlib
import io
import json
import zipfile

import h5py
import numpy as np
import torch
import yaml
from faulty_server import FaultyServer
from PIL import Image

from recap.backbones.load import load_backbone

# Ids of COCO's photos, not in order, as in COCO.
IDS = {"train": range(30, 6, -1), "val": range(107, 101, -1)}
# Of val2014, Karpathy learns from the rest.
KARPATHYS = {102: "test", 103: "val", 104: "test", 105: "restval", 106: "val", 107: "restval"}
COCO_WORDS = ["dog", "cat", "close-up", "man's hat", "bus"]

# Photos of Flickr8k and of the tests' own data.
PHOTOS = {"train": 20, "val": 4, "dev": 3}
FLICKR8K_LISTS = {"train": "train", "val": "test", "dev": "dev"}


def serve(workflow, files, *behaviours):
    """Start a server in place of the official ones; `server.yaml` tells where and what it has."""
    server = FaultyServer(files, *behaviours)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    config = {
        "urls": {name: f"{server.url}/official/{name}" for name in files},
        "checksums": {name: f"sha256:{digest}" for name, digest in digests.items()},
    }
    (workflow.folder / "server.yaml").write_text(yaml.dump(config))
    return server


def photo(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG")
    return packed.getvalue()


def course(folder, kinds):
    """Make a folder in the layout of the course's own, with features of these kinds."""
    folder.mkdir(parents=True)
    words = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "on", "street", "dog", "cat"]
    numbers = {word: number for number, word in enumerate(words)}
    vocabulary = {"idx_to_word": words, "word_to_idx": numbers}
    (folder / "coco2014_vocab.json").write_text(json.dumps(vocabulary))
    draw = np.random.default_rng(0)
    with h5py.File(folder / "coco2014_captions.h5", "w") as file:
        for split, ids in IDS.items():
            # "a dog on a street", or "a cat <UNK> a street".
            rows = [[1, 4, 7 + n % 2, 5 - 2 * (n % 2), 4, 6, 2] for n in ids for _ in range(5)]
            file[f"{split}_captions"] = np.pad(np.array(rows, np.int32), ((0, 0), (0, 10)))
            file[f"{split}_image_idxs"] = np.repeat(np.arange(len(ids), dtype=np.int32), 5)
    for split, ids in IDS.items():
        lines = {
            "images": [f"coco/images/{split}2014/{coco_name(split, n, 2014)}" for n in ids],
            "urls": [f"http://farm1.staticflickr.com/{n}_z.jpg" for n in ids],
        }
        for name, listed in lines.items():
            (folder / f"{split}2014_{name}.txt").write_text("\n".join([*listed, ""]))
        for kind in kinds:
            with h5py.File(folder / f"{split}2014_vgg16_fc7{kind}.h5", "w") as file:
                file["features"] = draw.standard_normal((len(ids), 8)).astype(np.float32)
    return folder


def squeezenet_weights():
    """Return random weights in the form of torchvision's file."""
    packed = io.BytesIO()
    torch.save(load_backbone("squeezenet1_0", "random").network.state_dict(), packed)
    return packed.getvalue()


def coco(year):
    """Return the three archives of COCO 2014 or 2017."""
    files = {
        f"{split}{year}.zip": _pack(
            {f"{split}{year}/": b""}
            | {f"{split}{year}/{coco_name(split, n, year)}": photo(n) for n in numbers}
        )
        for split, numbers in IDS.items()
    }
    described = (("instances", _instances), ("captions", _captions))
    files[f"annotations_trainval{year}.zip"] = _pack(
        {
            f"annotations/{kind}_{split}{year}.json": json.dumps(content(split, year))
            for split in IDS
            for kind, content in described
        }
    )
    return files


def karpathys_splits():
    """Return Karpathy's archive, with his splits of COCO 2014."""
    images = [
        {
            "filepath": f"{split}2014",
            "filename": coco_name(split, number, 2014),
            "cocoid": number,
            "split": KARPATHYS.get(number, "train"),
            "sentences": [
                {"raw": _caption(number, position), "sentid": 10 * number + position}
                for position in range(5)
            ],
        }
        for split in ("val", "train")
        for number in sorted(IDS[split])
    ]
    content = json.dumps({"images": images, "dataset": "coco"})
    return {"caption_datasets.zip": _pack({"dataset_coco.json": content})}


def flickr8k():
    """Return the two archives of Flickr8k."""
    names = {split: [f"{split}{n}_f.jpg" for n in range(count)] for split, count in PHOTOS.items()}
    every = sum(names.values(), [])
    photos = {f"Flicker8k_Dataset/{name}": photo(seed) for seed, name in enumerate(every)}
    photos |= {f"__MACOSX/Flicker8k_Dataset/._{name}": b"junk" for name in every}
    captions = "".join(
        f"{name}#{k}\tA {word} runs on grass .\n"
        for name in every
        for k, word in enumerate(["dog", "cat", "horse", "child", "man"])
    )
    lists = {
        f"Flickr_8k.{FLICKR8K_LISTS[split]}Images.txt": "\n".join(listed)
        for split, listed in names.items()
    }
    return {
        "Flickr8k_Dataset.zip": _pack(photos),
        "Flickr8k_text.zip": _pack(lists | {"Flickr8k.token.txt": captions}),
    }


def coco_name(split, number, year):
    return f"COCO_{split}2014_{number:012}.jpg" if year == 2014 else f"{number:012}.jpg"


def _caption(number, position):
    return f"A {COCO_WORDS[(number + position) % 5]}, on a street."


def _captions(split, year):
    return {
        "info": {"description": f"COCO {year} Dataset", "year": year},
        "images": [
            {
                "license": 1,
                "file_name": coco_name(split, number, year),
                "coco_url": f"http://images.cocodataset.org/{split}{year}/"
                + coco_name(split, number, year),
                "flickr_url": f"http://farm1.staticflickr.com/{number}_z.jpg",
                "id": number,
            }
            for number in IDS[split]
        ],
        "licenses": [{"id": 1}],
        "annotations": [
            {
                "image_id": number,
                "id": 10 * number + position,
                "caption": _caption(number, position),
            }
            for position in range(5)
            for number in sorted(IDS[split])
        ],
    }


def _instances(split, year):
    shown = [{"image_id": number, "category_id": 18, "bbox": [0, 0, 9, 9]} for number in IDS[split]]
    return {"images": [], "annotations": shown, "categories": [{"id": 18, "name": "dog"}]}


def _pack(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def write_photos_of_own(folder):
    """Write what config/own.yaml names, but for the photos themselves."""
    for split, count in (("train", 6), ("val", 3)):
        (folder / "photos" / split).mkdir(parents=True)
        images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(count)]
        said = [{"image_id": n, "id": n, "caption": "一只狗"} for n in range(count)]
        content = {"images": images, "annotations": said}
        (folder / f"photos/{split}.json").write_text(json.dumps(content))
