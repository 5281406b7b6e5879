"""A small study such as the workflow leaves, with captions that mean harm."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, ImageDraw

from recap.captions.encode import encode_captions
from recap.captions.vocabulary import build_vocabulary
from recap.features.files import IMAGES_BYTES, IMAGES_SHA256
from recap.report.captioning.compare import compare_captioners
from recap.report.captioning.comparison import Comparison, build_comparisons
from recap.report.captioning.record import record_provenance
from recap.report.captioning.selection import Selection
from recap.report.captioning.study import METRICS, read_study

IMAGES = 20
HOSTILE = [
    "<script>alert(1)</script>",
    '"quotes" & ampersands',
    "<img src=x onerror=alert(2)>",
    "{{ 7 * 7 }} {% raw %}",
    "</style></svg><b>bold</b>",
]


@dataclass(frozen=True)
class FakeStudy:
    """Where the parts of a made-up study lie."""

    folder: Path
    images: Path
    annotations: Path
    train_annotations: Path
    categories: Path

    def compared(self, **choice) -> Comparison:
        """Return the study as it is compared when it stands alone."""
        (comparison,) = build_comparisons([read_study(self.folder, Selection(**choice))])
        return comparison


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def image_ids(count: int = IMAGES) -> list[int]:
    return [100 + 7 * index for index in range(count)]


def write_images(folder: Path, keys: list[int]) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for image_id in keys:
        image = Image.new("RGB", (64, 64), tuple(generator.integers(256, size=3).tolist()))
        left, top = generator.integers(8, 30, size=2).tolist()
        ImageDraw.Draw(image).ellipse((left, top, left + 24, top + 24), fill="white")
        image.save(folder / f"{image_id}.jpg")


def write_annotations(path: Path, keys: list[int]) -> None:
    write_json(
        path,
        {
            "info": {"description": "Twenty <drawn> discs"},
            "images": [{"id": key, "file_name": f"{key}.jpg"} for key in keys],
            "annotations": [
                {"id": 5 * key + turn, "image_id": key, "caption": f"disc {key} & view {turn}"}
                for key in keys
                for turn in range(5)
            ],
        },
    )


def write_train_annotations(path: Path) -> None:
    """Write captions to learn from, one of which a model repeats in other letters."""
    captions = ["a red disc", f"{HOSTILE[0].upper()} by rnn 0"]
    write_json(
        path,
        {
            "images": [{"id": 1, "file_name": "1.jpg"}],
            "annotations": [
                {"id": number, "image_id": 1, "caption": caption}
                for number, caption in enumerate(captions)
            ],
        },
    )


def write_categories(path: Path, keys: list[int]) -> None:
    """Write that the first twelve images show a disc, the last ten a <ring>, and one a dot."""
    shown = {1: keys[:12], 2: keys[-10:], 3: keys[:1]}
    write_json(
        path,
        {
            "categories": [
                {"id": 1, "name": "disc"},
                {"id": 2, "name": "<ring>"},
                {"id": 3, "name": "dot"},
            ],
            "annotations": [
                {"image_id": key, "category_id": category}
                for category, images in shown.items()
                for key in images
            ],
        },
    )


def write_words(
    folder: Path, model: str, seed: int, decoder: str, seen: float | None = None
) -> None:
    """Write a probability of each word of the captions, 0.5 for the first, then 0.9.

    With `seen` also maps of attention, of which that of word w is highest in its w-th region.
    """
    place = folder / "captions" / model / f"seed{seed}"
    captions = json.loads((place / f"{decoder}.json").read_text())
    write_json(
        place / f"{decoder}.words.json",
        [
            {
                "image_id": entry["image_id"],
                "words": entry["caption"].split(),
                "log_probabilities": [
                    float(np.log(0.9 if number else 0.5))
                    for number in range(len(entry["caption"].split()))
                ],
                **({} if seen is None else attention_of(len(entry["caption"].split()), seen)),
            }
            for entry in captions
        ],
    )


def attention_of(words: int, seen: float) -> dict:
    """Return the attention of a caption of some words, by which each looks at its own region."""
    levels = np.full((words, 49), 60, np.uint8)
    levels[range(words), range(words)] = 255
    return {"attention": base64.b64encode(levels.tobytes()).decode(), "seen": seen}


def write_explanations(folder: Path, model: str, decoder: str, attention: bool = False) -> None:
    """Write maps of the words of a model's first four captions, as `explain_captions` does.

    Of each caption the last word has the most in its map, and a map is highest in its last cell.
    The second word of two captions names an object, which the gradient finds better than the rest.
    """
    place = Path(model) / "seed0" / f"{decoder}.json"
    photos = []
    for index, entry in enumerate(json.loads((folder / "captions" / place).read_text())[:4]):
        words = entry["caption"].split()
        share = {"gradient": 0.6 + 0.1 * index, "contrast": 0.3, "centre": 0.2, "random": 0.1}
        if attention:
            share = {"gradient": share["gradient"], "attention": 0.5, **share}
        named = [{"word": 1, "pointing": {**share, "gradient": 1.0}, "share": share}]
        photos.append(
            {
                "image_id": entry["image_id"],
                "file_name": f"{entry['image_id']}.jpg",
                "words": words,
                "log_probabilities": [-0.5] * len(words),
                "nats": [float(number) for number in range(1, len(words) + 1)],
                "named": named if index < 2 else [],
            }
        )
    write_json(folder / "explanations" / place, {"seen": 1.0, "photos": photos})
    count = sum(len(photo["words"]) for photo in photos)
    cells = np.arange(28 * 28).reshape(28, 28) * 255 // (28 * 28 - 1)
    arrays = {"gradient": np.stack([cells.astype(np.uint8)] * count)}
    if attention:
        arrays["attention"] = arrays["gradient"][:, ::4, ::4]
    np.savez((folder / "explanations" / place).with_suffix(".npz"), **arrays)


def write_scores(folder: Path, model: str, seed: int, decoder: str, cider: np.ndarray) -> None:
    """Write the captions and the scores of one decoding; `cider` is a value an image."""
    keys = image_ids(len(cider))
    place = Path(model) / f"seed{seed}" / f"{decoder}.json"
    write_json(
        folder / "captions" / place,
        [
            {"image_id": key, "caption": f"{HOSTILE[index % len(HOSTILE)]} by {model} {index}"}
            for index, key in enumerate(keys)
        ],
    )
    scores = {
        metric: round(0.6 - 0.1 * index + 0.01 * seed, 4) for index, metric in enumerate(METRICS)
    }
    write_json(
        folder / "scores" / place,
        {
            "scores": {**scores, "METEOR": None, "CIDEr-D": float(cider.mean())},
            "images": len(keys),
            "tokenizer": "PTB",
            "notes": ["METEOR was not computed: no Java was found"],
            "per_image": {
                "image_id": keys,
                "BLEU-4": [0.1] * len(keys),
                "ROUGE-L": [0.2] * len(keys),
                "CIDEr-D": cider.tolist(),
            },
        },
    )


def write_training(folder: Path, model: str, seed: int, level: float) -> None:
    """Write the configuration and a history of three epochs of ten steps."""
    trained = folder / "models" / model / f"seed{seed}"
    write_json(
        trained / "config.json",
        {
            "architecture": model,
            "seed": seed,
            "recipe": {"hidden_dim": 512, "learning_rate": 0.001 if model == "rnn" else 0.005},
            "feature_dim": 512,
            "idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", "disc"],
            "best_epoch": 2,
            "versions": {"python": "3.11", "torch": "2.13", "recap": "0.1.0"},
        },
    )
    lines = ["step,epoch,loss,learning_rate,captions_per_second,validation_loss"]
    for step in range(1, 31):
        epoch = (step - 1) // 10 + 1
        loss = level + 40 * np.exp(-step / 8)
        validation = f"{level + 5 + abs(epoch - 2)}" if step % 10 == 0 else ""
        lines.append(f"{step},{epoch},{loss},0.001,2500.0,{validation}")
    (trained / "history.csv").write_text("\n".join(lines) + "\n")


def write_study(folder: Path, advantage: float, images: int) -> None:
    """Write two models, two seeds and two decoders; the lstm is ahead by `advantage` CIDEr-D."""
    generator = np.random.default_rng(1)
    base = generator.uniform(0.2, 1.0, size=images)
    for model, level, gain in [("rnn", 25.0, 0.0), ("lstm", 22.0, advantage)]:
        for seed in (0, 1):
            write_training(folder, model, seed, level)
            for decoder, extra in [("greedy", 0.0), ("beam3", 0.05)]:
                noise = generator.normal(0, 0.1, size=images)
                cider = base + gain + extra + noise - noise.mean() + 0.01 * seed
                write_scores(folder, model, seed, decoder, cider)
    features = folder / "coco_captioning" / "val2014_vgg16_fc7_pca.h5"
    features.parent.mkdir(parents=True)
    with h5py.File(features, "w") as file:
        file.attrs.update(backbone="vgg16", weights="random", layer="fc7", precision="float32")
        file.attrs.update({IMAGES_BYTES: 12_000, IMAGES_SHA256: "5d1e"})
        file["features"] = np.zeros((images, 2), np.float32)
    (folder / "features").mkdir()
    with h5py.File(folder / "features" / "pca.h5", "w") as file:
        file.attrs.update(backbone="vgg16", weights="random")
        file["explained_variance_ratio"] = np.full(512, 0.0015)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, cells in {
        "train_captioner/rnn-seed0.tsv": "60.0\t0:01:00\t800.0\t0\t0\t0\t0\t0\t190.0\t110.0",
        "train_captioner/lstm-seed0.tsv": "90.5\t0:01:30\t1234.5\t0\t0\t0\t0\t0\t190.0\t170.0",
        "encode_captions/all.tsv": "0.4\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA",
    }.items():
        path = folder / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}{cells}\n")


def write_encoding(fake: FakeStudy) -> None:
    """Write the vocabulary and the encoded captions of the study."""
    vocabulary = fake.folder / "coco_captioning/coco2014_vocab.json"
    build_vocabulary(fake.train_annotations, output=vocabulary)
    encode_captions(
        vocabulary,
        train=fake.train_annotations,
        val=fake.annotations,
        output=fake.folder / "coco_captioning/coco2014_captions.h5",
    )


def record(fake: FakeStudy) -> None:
    """Write the study's `provenance.json`."""
    record_provenance(
        fake.folder,
        images=fake.images,
        annotations=fake.annotations,
        train_annotations=fake.train_annotations,
        categories=fake.categories,
        settings={"dataset": "discs", "note": "<i>hostile</i>", "vocabulary": {"size": 10}},
    )


def write_fake(
    parent: Path, advantage: float, *, name: str = "discs", images: int = IMAGES
) -> FakeStudy:
    """Write a study, and beside it the photos and captions that studies of one parent share."""
    data = parent / "data"
    fake = FakeStudy(
        parent / name,
        data / "photos",
        data / "captions_val.json",
        data / "captions_train.json",
        data / "categories_val.json",
    )
    write_study(fake.folder, advantage, images)
    if not data.exists():
        keys = image_ids(images)
        write_images(fake.images, keys)
        write_annotations(fake.annotations, keys)
        write_train_annotations(fake.train_annotations)
        write_categories(fake.categories, keys)
    record(fake)
    return fake


@pytest.fixture
def make_fake(tmp_path: Path) -> Callable[..., FakeStudy]:
    """Return what writes a study in which the lstm is ahead by as much CIDEr-D as is asked."""

    def make(advantage: float, name: str = "discs", images: int = IMAGES) -> FakeStudy:
        return write_fake(tmp_path, advantage, name=name, images=images)

    return make


@pytest.fixture
def fake(make_fake) -> FakeStudy:
    """Return a study of two models that a test may change."""
    return make_fake(0.2)


@pytest.fixture
def with_words(fake) -> FakeStudy:
    """Return the same with the words of one decoder: probabilities, and the lstm's attention."""
    write_words(fake.folder, "lstm", 0, "beam3", seen=0.875)
    write_words(fake.folder, "rnn", 0, "beam3")
    return fake


@pytest.fixture
def encode() -> Callable[[FakeStudy], None]:
    """Return what writes the vocabulary and the encoded captions of a study."""
    return write_encoding


@pytest.fixture
def with_encoding(fake, encode) -> FakeStudy:
    """Return the study with a vocabulary and encoded captions."""
    encode(fake)
    return fake


@pytest.fixture(scope="session")
def report_page(tmp_path_factory) -> Path:
    """Return a page about 30 images with all that a page can have, captions that mean harm too."""
    parent = tmp_path_factory.mktemp("report_page")
    fake = write_fake(parent, 0.2, images=30)
    write_words(fake.folder, "lstm", 0, "beam3", seen=0.875)
    write_words(fake.folder, "rnn", 0, "beam3")
    write_encoding(fake)
    write_explanations(fake.folder, "lstm", "beam3", attention=True)
    write_explanations(fake.folder, "rnn", "beam3")
    compare_captioners(fake.folder, output=parent / "report")
    return parent / "report/index.html"


@pytest.fixture
def explained(fake) -> FakeStudy:
    """Return the study with maps of the words of a few captions, the lstm's with attention."""
    write_explanations(fake.folder, "lstm", "beam3", attention=True)
    write_explanations(fake.folder, "rnn", "beam3")
    return fake


@pytest.fixture(scope="session")
def two_chapters(tmp_path_factory) -> Path:
    """Return a page about two studies that were scored on different references."""
    parents = [tmp_path_factory.mktemp(name) for name in ("two_chapters", "another")]
    one, two = (
        write_fake(parent, 0.2, name=name)
        for parent, name in zip(parents, ("one", "two"), strict=True)
    )
    two.annotations.write_text(two.annotations.read_text().replace("view 4", "view of four"))
    compare_captioners(one.folder, two.folder, output=parents[0] / "report")
    return parents[0] / "report/index.html"


@pytest.fixture
def hostile_captions() -> list[str]:
    """Return what the captions of every model begin with."""
    return HOSTILE
