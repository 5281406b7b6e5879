"""What tests of several folders share."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from downloads import CONTENT, NAME
from faulty_server import FaultyServer
from places import SCENES
from study_copies import Workflow, copy_workflow

from recap.captioners.folder import TrainedCaptioner, expected_shapes, save_captioner
from recap.captioners.recipe import Recipe
from recap.captions.encode import encode_captions
from recap.captions.vocabulary import build_vocabulary
from recap.captions.words import SPECIAL_WORDS
from recap.core import transfer
from recap.datasets.list_images import list_images
from recap.datasets.registry import prepare_annotations
from recap.datasets.shapes.draw import draw_shapes
from recap.features.extract import extract_features
from recap.features.gather import gather_features
from recap.features.pca import apply_pca, fit_pca, sum_features

SPLITS = ("train", "val")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole runs, so that no process is left with a long one at the end."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture
def numeric_gradient() -> Callable[[Callable[[], float], np.ndarray], np.ndarray]:
    """Return a function that measures the gradient of `loss()` with respect to an array."""

    def gradient(loss: Callable[[], float], array: np.ndarray, step: float = 1e-5) -> np.ndarray:
        result = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + step
            above = loss()
            array[index] = value - step
            below = loss()
            array[index] = value
            result[index] = (above - below) / (2 * step)
        return result

    return gradient


@pytest.fixture
def normal() -> Callable[..., np.ndarray]:
    """Return a function that draws an array of the given shape."""
    generator = np.random.default_rng(0)
    return lambda *shape: generator.standard_normal(shape)


@pytest.fixture
def relative_error() -> Callable[[np.ndarray, np.ndarray], float]:
    """Return a function that measures how far two arrays are apart, for their size."""

    def error(actual: np.ndarray, wanted: np.ndarray) -> float:
        assert actual.shape == wanted.shape
        return np.abs(actual - wanted).max() / max(np.abs(wanted).max(), 1e-12)

    return error


@pytest.fixture
def start_server() -> Iterator[Callable[..., FaultyServer]]:
    """Return a function that starts a server of one file, with its behaviours."""
    servers = []

    def start(*behaviours: str | int) -> FaultyServer:
        servers.append(FaultyServer({NAME: CONTENT}, *behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(start_server) -> FaultyServer:
    """Return a server of one file."""
    return start_server()


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """Make the pauses between tries short, and list them."""
    taken: list[float] = []
    clock = SimpleNamespace(sleep=taken.append, monotonic=time.monotonic)
    monkeypatch.setattr(transfer, "time", clock)
    return taken


@pytest.fixture
def output(tmp_path) -> Path:
    """Return where to put a download."""
    return tmp_path / "resources" / "out" / NAME


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mirror" / "deep" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mirror"


@pytest.fixture(scope="session")
def shapes_study(tmp_path_factory) -> Path:
    """Return a folder with a small study of `shapes`, laid out as the workflow lays it out.

    60 scenes to learn from and 10 to score; SqueezeNet's features with random weights, and 32
    principal components of them. Tests read it and write elsewhere.
    """
    folder = tmp_path_factory.mktemp("shapes_study")
    resources = folder / SCENES
    captioning = folder / "results/shapes/coco_captioning"
    pca = folder / "results/shapes/features/pca.h5"
    for directory in (resources / "annotations", captioning, pca.parent):
        directory.mkdir(parents=True)

    archive = resources / "annotations_trainval2014.zip"
    draw_shapes(
        train_images=resources / "train2014.zip",
        val_images=resources / "val2014.zip",
        annotations=archive,
        train_scenes=60,
        val_scenes=10,
    )
    captions = {split: resources / f"annotations/captions_{split}.json" for split in SPLITS}
    features = {split: captioning / f"{split}2014_vgg16_fc7.h5" for split in SPLITS}
    for split in SPLITS:
        prepare_annotations("shapes", archive, split=split, output=captions[split])
        list_images(
            captions[split],
            images=captioning / f"{split}2014_images.txt",
            urls=captioning / f"{split}2014_urls.txt",
        )
        extract_features(
            resources / f"{split}2014.zip",
            captions[split],
            output=features[split],
            backbone="squeezenet1_0",
            device="cpu",
            threads=1,
        )
    sum_features(features["train"], output=resources / "sums.h5", threads=1)
    fit_pca(resources / "sums.h5", output=pca, components=32, threads=1)
    for split in SPLITS:
        reduced = resources / f"{split}_pca.h5"
        apply_pca(features[split], pca=pca, output=reduced, threads=1)
        gather_features(reduced, output=captioning / f"{split}2014_vgg16_fc7_pca.h5")
    vocabulary = captioning / "coco2014_vocab.json"
    build_vocabulary(captions["train"], output=vocabulary)
    encode_captions(vocabulary, **captions, output=captioning / "coco2014_captions.h5")
    return folder


@pytest.fixture
def make_captioner() -> Callable[..., TrainedCaptioner]:
    """Return a function that makes a captioner with random weights."""

    def make(
        *,
        architecture: str = "lstm",
        backend: str = "torch",
        words: list[str] | None = None,
        seed: int = 0,
        scale: float = 2.0,
        inputs: int = 6,
        **sizes: int,
    ) -> TrainedCaptioner:
        sizes = {"wordvec_dim": 5, "hidden_dim": 7} | sizes
        words = words or [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
        recipe = Recipe(architecture=architecture, backend=backend, **sizes)
        generator = np.random.default_rng(seed)
        parameters = {
            name: generator.normal(scale=scale, size=shape).astype(np.float32)
            for name, shape in expected_shapes(recipe, inputs, len(words)).items()
        }
        return TrainedCaptioner(recipe, words, parameters)

    return make


class DecodingStudy:
    """A folder with features, annotations and captioners; the second of three images is broken."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.features = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
        with h5py.File(folder / "features.h5", "w") as file:
            file["features"] = self.features
            file["features"].attrs["skipped"] = np.array([1])
        images = [{"id": number, "file_name": f"{number}.jpg"} for number in (7, 8, 9)]
        content = {"images": images, "annotations": []}
        (folder / "captions.json").write_text(json.dumps(content))

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def save(self, captioner: TrainedCaptioner, name: str) -> None:
        save_captioner(self.folder / name, captioner)


@pytest.fixture
def decoding_study(tmp_path, make_captioner) -> DecodingStudy:
    """Return a folder in which the captioner `model` can caption three images."""
    study = DecodingStudy(tmp_path)
    study.save(make_captioner(), "model")
    return study


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    """A fresh copy in which nothing has run."""
    return copy_workflow(tmp_path / "recap")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Workflow:
    """A copy in which nothing has run, for the tests of a module together."""
    return copy_workflow(tmp_path_factory.mktemp("fresh") / "recap")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """A copy in which the tiny study has run once; tests leave it as they find it."""
    workflow = copy_workflow(tmp_path_factory.mktemp("finished") / "recap")
    workflow.output = workflow.run("--cores", "2")
    return workflow
