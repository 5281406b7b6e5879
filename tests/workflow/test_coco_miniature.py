"""COCO 2014 in miniature: official names and inner layout, from a server that fails at times."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
import yaml
from faulty_server import FaultyServer
from PIL import Image

from recap.data import load_coco_data
from recap.verify import verify

pytestmark = pytest.mark.slow

# Ids of the photos, not in order, as in COCO.
IDS = {"train": range(30, 6, -1), "val": range(107, 101, -1)}
# Of val2014, Karpathy learns from the rest.
KARPATHYS = {102: "test", 103: "val", 104: "test", 105: "restval", 106: "val", 107: "restval"}
WORDS = ["dog", "cat", "close-up", "man's hat", "bus"]

TINY_COCO = {
    "backbone": "squeezenet1_0",
    "weights": "random",
    "pca_components": 4,
    "models": {"rnn": {"wordvec_dim": 8, "hidden_dim": 8, "epochs": 1}},
    "train": ["rnn"],
    "decoders": ["greedy"],
}


def file_name(split, number):
    return f"COCO_{split}2014_{number:012}.jpg"


def caption(number, position):
    return f"A {WORDS[(number + position) % 5]}, on a street."


def pack(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def photo(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG")
    return packed.getvalue()


def official_captions(split):
    return {
        "info": {"description": "COCO 2014 Dataset", "year": 2014},
        "images": [
            {
                "license": 1,
                "file_name": file_name(split, number),
                "coco_url": f"http://images.cocodataset.org/{split}2014/{file_name(split, number)}",
                "flickr_url": f"http://farm1.staticflickr.com/{number}_z.jpg",
                "id": number,
            }
            for number in IDS[split]
        ],
        "licenses": [{"id": 1}],
        "annotations": [
            {"image_id": number, "id": 10 * number + position, "caption": caption(number, position)}
            for position in range(5)
            for number in sorted(IDS[split])
        ],
    }


def official_instances(split):
    shown = [{"image_id": number, "category_id": 18, "bbox": [0, 0, 9, 9]} for number in IDS[split]]
    return {"images": [], "annotations": shown, "categories": [{"id": 18, "name": "dog"}]}


def karpathys_captions():
    images = [
        {
            "filepath": f"{split}2014",
            "filename": file_name(split, number),
            "cocoid": number,
            "split": KARPATHYS.get(number, "train"),
            "sentences": [
                {"raw": caption(number, position), "sentid": 10 * number + position}
                for position in range(5)
            ],
        }
        for split in ("val", "train")
        for number in sorted(IDS[split])
    ]
    return {"images": images, "dataset": "coco"}


@pytest.fixture
def server():
    files = {
        f"{split}2014.zip": pack(
            {f"{split}2014/": b""}
            | {f"{split}2014/{file_name(split, number)}": photo(number) for number in numbers}
        )
        for split, numbers in IDS.items()
    }
    files["annotations_trainval2014.zip"] = pack(
        {
            f"annotations/{kind}_{split}2014.json": json.dumps(content(split))
            for split in IDS
            for kind, content in (
                ("instances", official_instances),
                ("captions", official_captions),
            )
        }
    )
    files["caption_datasets.zip"] = pack({"dataset_coco.json": json.dumps(karpathys_captions())})
    server = FaultyServer(files, "cuts", 503, "whole", "wrong byte", "whole")
    yield server
    server.close()


def test_coco_2014_from_a_server_in_place_of_the_official_one(workflow, server):
    overlay = yaml.safe_load((workflow.folder / "config/coco2014.yaml").read_text()) | TINY_COCO
    overlay["mirror"] = server.url
    overlay["checksums"] = {
        name: f"sha256:{hashlib.sha256(content).hexdigest()}"
        for name, content in server.files.items()
    }
    (workflow.folder / "tiny.yaml").write_text(yaml.dump(overlay))
    workflow.run("--cores", "2")
    results = workflow.folder / "results/coco2014"
    captions = json.loads((results / "captions/rnn/seed0/greedy.json").read_text())
    assert {entry["image_id"] for entry in captions} == set(IDS["val"])
    assert (results / "report/index.html").exists()

    folder = results / "coco_captioning"
    annotations = workflow.folder / "resources/coco2014/annotations/official"
    verify(folder, **{split: annotations / f"captions_{split}.json" for split in IDS})
    data = load_coco_data(folder, pca_features=False)
    assert data["train_captions"].shape == (5 * len(IDS["train"]), 17)
    assert len(data["val_features"]) == len(IDS["val"])
    assert data["idx_to_word"][4:6] == ["a", "on"]
    assert {"mans", "closeup"} <= set(data["idx_to_word"])
    lines = (folder / "val2014_images.txt").read_text().split()
    assert lines == [f"coco/images/val2014/{file_name('val', number)}" for number in IDS["val"]]

    # Karpathy's splits: the same two archives, which are not downloaded again.
    server.requests.clear()
    karpathy = ("--config", "split=karpathy")
    workflow.run("features", "encode", "--cores", "2", *karpathy)
    assert {path for path, _ in server.requests} == {"/caption_datasets.zip"}
    folder = workflow.folder / "results/coco2014-karpathy/coco_captioning"
    annotations = workflow.folder / "resources/coco2014/annotations/karpathy"
    verify(folder, **{split: annotations / f"captions_{split}.json" for split in IDS})
    lines = (folder / "train2014_images.txt").read_text().split()
    assert lines[:3] == [
        f"coco/images/{split}2014/{file_name(split, number)}"
        for split, number in (("val", 105), ("val", 107), ("train", 7))
    ]
    split_data = load_coco_data(folder, pca_features=False)
    # The row of a photo is the same, whatever the split that it stands in.
    rows = {"train": len(IDS["train"]) + 2, "val": 2}
    assert {split: len(split_data[f"{split}_features"]) for split in rows} == rows
    restval = data["val_features"][list(IDS["val"]).index(105)]
    np.testing.assert_allclose(split_data["train_features"][0], restval, rtol=1e-2, atol=1e-3)
    assert (folder / "dev2014_vgg16_fc7.h5").exists()


@pytest.mark.parametrize(
    ("overlay", "settings"),
    [
        ("coco2014", []),
        ("coco2017", []),
        ("flickr8k", []),
        ("coco2014", ["split=karpathy"]),
        ("flickr8k", ["split=karpathy"]),
    ],
)
def test_the_whole_study_is_planned_offline(workflow, overlay, settings):
    config = f"config/{overlay}.yaml"
    # Eight cores, as the README has it; `--config` must come before the file that follows.
    words = ["--config", *settings] if settings else []
    planned = workflow.planned(*words, config=config)
    assert {"download_dataset", "download_weights", "prepare_annotations"} <= planned
    assert {"extract_features", "fit_pca", "train_captioner", "compare_captioners"} <= planned
