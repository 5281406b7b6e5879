"""The stage generative as a user runs it: whole, again, after an edit, on a folder of pictures."""

import gzip
import json
import re

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

TINY = """
generative:
  digits: {train: 200, test: 1000}
  gans:
    vanilla: {epochs: 2, batch_size: 50}
    spectral: {networks: fully_connected, epochs: 1, batch_size: 50}
  train: [vanilla, spectral]
  classifier_epochs: 2
  samples: 1000
"""
RULES = {
    *("draw_digits", "train_digit_classifier", "train_gan"),
    *("sample_gan", "score_gan", "compare_gans"),
}


@pytest.fixture(scope="module")
def study(fresh):
    (fresh.folder / "gan.yaml").write_text(TINY)
    fresh.run("--cores", "2", "generative", config="gan.yaml")
    return fresh


def test_it_ends_in_a_report_and_has_nothing_left_to_do(study):
    folder = study.folder / "results/gan-digits"
    assert "spectral" in (folder / "report/index.html").read_text(encoding="utf-8")
    assert Image.open(folder / "gans/vanilla/seed0/samples.png").size == (238, 238)
    scores = json.loads((folder / "scores/vanilla/seed0.json").read_text())
    assert scores["samples"] == 1000
    assert study.planned("generative", config="gan.yaml") == set()


def test_other_recipes_train_theirs_again_and_nothing_else(study):
    (study.folder / "other.yaml").write_text(TINY.replace("epochs: 1", "epochs: 3"))
    planned = study.planned("generative", config="other.yaml")
    assert planned == RULES - {"draw_digits", "train_digit_classifier"} | {"generative"}
    lines = study.run("--dry-run", "generative", config="other.yaml")
    assert len(re.findall(r"^rule train_gan:", lines, re.MULTILINE)) == 1


def test_captioning_plans_none_of_it(study):
    assert not RULES & study.planned(config="gan.yaml")


def test_mnist_comes_from_a_mirror(study, tmp_path):
    for name, shape in (
        ("train-images-idx3-ubyte.gz", (100, 28, 28)),
        ("train-labels-idx1-ubyte.gz", (100,)),
        ("t10k-images-idx3-ubyte.gz", (1000, 28, 28)),
        ("t10k-labels-idx1-ubyte.gz", (1000,)),
    ):
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        content = np.random.default_rng(0).integers(0, 10, shape, np.uint8).tobytes()
        (tmp_path / name).write_bytes(gzip.compress(header + content))
    unknown = {path.name: "unknown" for path in tmp_path.glob("*.gz")}
    (study.folder / "mnist.yaml").write_text(
        TINY.replace("generative:", "generative:\n  dataset: mnist\n  study: gan-mnist")
        + f"mirror: {tmp_path}\nchecksums: {json.dumps(unknown)}\n"
    )
    wanted = "results/gan-mnist/gans/vanilla/seed0/samples.png"
    study.run("--cores", "2", wanted, config="mnist.yaml")
    assert (study.folder / "resources/mnist/train-images-idx3-ubyte.gz").exists()


def test_a_folder_of_pictures_is_packed(study, tmp_path):
    for label in range(2):
        for number in range(60):
            path = tmp_path / "pictures" / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (30, 30), 100 * label + number % 50).save(path)
    (study.folder / "own.yaml").write_text(
        TINY.replace(
            "generative:",
            f"generative:\n  dataset: own\n  study: gan-own\n  pictures: {tmp_path / 'pictures'}",
        )
    )
    wanted = "results/gan-own/gans/vanilla/seed0/samples.png"
    study.run("--cores", "2", wanted, config="own.yaml")
    Image.new("L", (30, 30), 7).save(tmp_path / "pictures/class0/0.png")
    planned = study.planned(wanted, config="own.yaml")
    assert planned == {"pack_pictures", "train_gan", "sample_gan"}
