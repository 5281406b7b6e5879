"""The overlays as a user runs them, with their own settings, from a server of tiny archives."""

import json
import re
import shlex

import numpy as np
import pytest
import yaml
from miniatures import (
    IDS,
    PHOTOS,
    coco,
    coco_name,
    flickr8k,
    karpathys_splits,
    serve,
    squeezenet_weights,
    write_photos_of_own,
)

from recap.captioners.verify import verify
from recap.cs231n.coco_utils import load_coco_data

pytestmark = pytest.mark.slow

# In the place of 553 MB: downloaded and verified, but nothing is computed with them.
VGG16 = {"vgg16-397923af.pth": b"weights"}

# What makes a report of so few photos in seconds.
TINY_COCO = {
    "backbone": "squeezenet1_0",
    "weights": "random",
    "pca_components": 4,
    "models": {"rnn": {"wordvec_dim": 8, "hidden_dim": 8, "epochs": 1}},
    "train": ["rnn"],
    "decoders": ["greedy"],
    "meteor": False,
}
TINY_FLICKR8K = {
    "backbone": "squeezenet1_0",
    "models": {
        "lstm_self_critical": {"hidden_dim": 16, "epochs": 1, "self_critical_epochs": 1},
    },
    "train": ["lstm_self_critical"],
    "decoders": ["greedy"],
    "meteor": False,
}


@pytest.fixture
def start(workflow):
    """Return a function that starts a server of an overlay's files and runs its command."""
    servers = []

    def start(overlay, files, *behaviours):
        servers.append(serve(workflow, files | VGG16, *behaviours))
        # The very words of the README, and of the end of `make reproduce`, for COCO 2014.
        words = shlex.split(f"snakemake --cores 8 --configfile config/{overlay}.yaml")[1:]
        workflow.run(*words, "server.yaml", "--", "download", "encode", config="")
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def asked_for(server):
    return {path.rpartition("/")[2] for path, _ in server.requests}


def test_coco_2014_from_servers_that_fail_at_times(workflow, start):
    files = coco(2014) | karpathys_splits()
    server = start("coco2014", files, "cuts", 503, "whole", "wrong byte", "whole")
    assert asked_for(server) == {*coco(2014), *VGG16}
    (workflow.folder / "tiny.yaml").write_text(yaml.dump(TINY_COCO))
    overlays = "config/coco2014.yaml server.yaml tiny.yaml"
    workflow.run("--cores", "2", config=overlays)
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
    assert lines == [f"coco/images/val2014/{coco_name('val', n, 2014)}" for n in IDS["val"]]

    # Karpathy's splits: the same two archives, which are not downloaded again.
    server.requests.clear()
    workflow.run(
        "features", "encode", "--cores", "2", "--config", "split=karpathy", config=overlays
    )
    assert asked_for(server) == {"caption_datasets.zip"}
    folder = workflow.folder / "results/coco2014-karpathy/coco_captioning"
    annotations = workflow.folder / "resources/coco2014/annotations/karpathy"
    verify(folder, **{split: annotations / f"captions_{split}.json" for split in IDS})
    lines = (folder / "train2014_images.txt").read_text().split()
    assert lines[:3] == [
        f"coco/images/{split}2014/{coco_name(split, number, 2014)}"
        for split, number in (("val", 105), ("val", 107), ("train", 7))
    ]
    split_data = load_coco_data(folder, pca_features=False)
    # The row of a photo is the same, whatever the split that it stands in.
    rows = {"train": len(IDS["train"]) + 2, "val": 2}
    assert {split: len(split_data[f"{split}_features"]) for split in rows} == rows
    restval = data["val_features"][list(IDS["val"]).index(105)]
    np.testing.assert_allclose(split_data["train_features"][0], restval, rtol=1e-2, atol=1e-3)
    assert (folder / "dev2014_vgg16_fc7.h5").exists()


def test_coco_2017_is_downloaded_and_encoded(workflow, start):
    server = start("coco2017", coco(2017))
    assert asked_for(server) == {*coco(2017), *VGG16}
    folder = workflow.folder / "results/coco2017/coco_captioning"
    lines = (folder / "val2014_images.txt").read_text().split()
    assert lines == [f"coco/images/val2017/{number:012}.jpg" for number in IDS["val"]]


def test_flickr8k_from_the_first_download_to_the_report_and_under_other_checksums(workflow, start):
    files = flickr8k() | {"squeezenet1_0-b66bff10.pth": squeezenet_weights()}
    server = start("flickr8k", files)
    assert asked_for(server) == {*flickr8k(), *VGG16}
    (workflow.folder / "tiny.yaml").write_text(yaml.dump(TINY_FLICKR8K))
    overlays = "config/flickr8k.yaml server.yaml tiny.yaml"
    workflow.run("--cores", "2", config=overlays)
    results = workflow.folder / "results/flickr8k"
    captions = json.loads((results / "captions/lstm_self_critical/seed0/greedy.json").read_text())
    assert len(captions) == PHOTOS["val"]
    assert (results / "report/index.html").exists()

    # Where bytes come from does not matter: another mirror reruns nothing, whatever its name.
    mirror = workflow.folder / "-a 'mirror'\n{of} \"mine\""
    mirror.mkdir()
    (workflow.folder / "mirror.yaml").write_text(yaml.dump({"mirror": mirror.name}))
    assert workflow.planned(config=f"{overlays} mirror.yaml") == set()

    # What they are is: another checksum verifies the file that it names, and downloads nothing.
    server.requests.clear()
    archive = workflow.folder / "resources/flickr8k/Flickr8k_Dataset.zip"
    other = {"checksums": {archive.name: f"md5:{'0' * 32}"}}
    (workflow.folder / "other.yaml").write_text(yaml.dump(other))
    overlays_of_other = f"{overlays} other.yaml"
    told = {"verify_download", "record_provenance", "compare_captioners", "all"}
    assert workflow.planned(config=overlays_of_other) == told
    output = workflow.run("download", "--cores", "2", config=overlays_of_other, fails=True)
    assert "rule verify_download" in output
    assert re.search(r"^verify_download +1$", output, re.MULTILINE)
    assert f"where {'0' * 32} was expected; correct `checksums`, or move the file away" in output
    assert "Traceback" not in output
    assert archive.read_bytes() == files[archive.name]
    assert server.requests == []

    # An archive that was cut short: one sentence, and nothing in its place.
    (mirror / archive.name).write_bytes(files[archive.name][:-50])
    archive.unlink()
    output = workflow.run("download", "--cores", "2", config=f"{overlays} mirror.yaml", fails=True)
    assert "error: " in output
    assert "is not the right Flickr8k_Dataset.zip: it has the sha256" in output
    assert "Traceback" not in output
    assert not archive.exists()
    (mirror / archive.name).write_bytes(files[archive.name])
    workflow.run("download", "--cores", "2", config=f"{overlays} mirror.yaml")
    assert archive.read_bytes() == files[archive.name]
    assert server.requests == []


@pytest.mark.parametrize(
    ("overlay", "settings"),
    [
        ("coco2017", []),
        ("flickr8k", ["split=karpathy"]),
        ("coco-small", ["max_images=100"]),
    ],
)
def test_studies_that_no_document_writes_out_are_planned(workflow, overlay, settings):
    config = f"config/{overlay}.yaml"
    # `--config` must come before the file that follows.
    words = ["--config", *settings] if settings else []
    planned = workflow.planned(*words, config=config)
    assert {"download_file", "prepare_annotations"} <= planned
    assert {"extract_features", "fit_pca", "train_captioner", "compare_captioners"} <= planned
    assert ("choose_captions" in planned) == ("max_images=100" in settings)


def test_your_own_photos_with_captions_of_characters_are_planned(workflow):
    write_photos_of_own(workflow.folder)
    config = "config/own.yaml"
    output = workflow.run("--dry-run", "-p", "--config", "words=characters", config=config)
    assert "6 photos (6 captions) to learn from and 3 photos (3 captions) to score on" in output
    assert "--annotations=photos/train.json" in output
    assert "--words=characters" in output
    assert "--annotations=results/own/annotations/captions_train.json" in output
    assert "--components=3 " in output
