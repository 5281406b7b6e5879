"""Training holds the table of features once, which may be most of the memory; captioning never.

What PyTorch holds is not counted, but it computes on what NumPy gives it, batch by batch.
"""

import json
import tracemalloc

import h5py
import numpy as np
import pytest

from recap.captioners.folder import save_captioner
from recap.captioners.recipe import Recipe
from recap.captions.words import SPECIAL_WORDS
from recap.evaluation.generate import generate_captions
from recap.evaluation.perplexity import measure_perplexity
from recap.training.train import train_captioner

IMAGES, FEATURE_DIM = 400, 16_384
TABLE = 4 * IMAGES * FEATURE_DIM  # bytes
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    features = np.random.default_rng(0).standard_normal((IMAGES, FEATURE_DIM), np.float32)
    with h5py.File(folder / "features.h5", "w") as file:
        file["features"] = features
    with h5py.File(folder / "captions.h5", "w") as file:
        file["train_captions"] = np.tile(np.int32([[1, 4, 5, 2]]), (IMAGES, 1))
        file["train_image_idxs"] = np.arange(IMAGES, dtype=np.int32)
    word_to_idx = {word: number for number, word in enumerate(WORDS)}
    vocabulary = {"idx_to_word": WORDS, "word_to_idx": word_to_idx}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    numbers = range(IMAGES)
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in numbers],
        "annotations": [{"id": n, "image_id": n, "caption": "a cat sat"} for n in numbers],
    }
    (folder / "captions.json").write_text(json.dumps(content))
    return folder


def peak(run, *arguments, **options):
    """Return the most bytes that NumPy and Python hold while a function runs."""
    run(*arguments, threads=1, device="cpu", **options)  # modules are loaded beforehand
    tracemalloc.start()
    try:
        run(*arguments, threads=1, device="cpu", **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("self_critical_epochs", [0, 1])
def test_training_holds_the_table_once(study, tmp_path, self_critical_epochs):
    recipe = Recipe(
        wordvec_dim=4,
        hidden_dim=4,
        epochs=1,
        batch_size=32,
        self_critical_epochs=self_critical_epochs,
    )
    files = [study / name for name in ("features.h5", "captions.h5", "vocabulary.json")]
    held = peak(train_captioner, *files, output=tmp_path, recipe=recipe, dev_share=0.1)
    assert TABLE < held < 1.5 * TABLE


@pytest.mark.parametrize("self_critical_epochs", [0, 1])
def test_training_holds_a_part_of_a_table_that_is_larger(
    study, tmp_path, monkeypatch, self_critical_epochs
):
    monkeypatch.setattr("recap.features.rows_in_file.PIECE_BYTES", TABLE // 20)
    recipe = Recipe(
        wordvec_dim=4,
        hidden_dim=4,
        epochs=1,
        batch_size=32,
        self_critical_epochs=self_critical_epochs,
    )
    files = [study / name for name in ("features.h5", "captions.h5", "vocabulary.json")]
    options = {"dev_share": 0.01, "feature_memory": TABLE // 4 // 10**6}
    held = peak(train_captioner, *files, output=tmp_path, recipe=recipe, **options)
    assert held < 0.6 * TABLE


@pytest.mark.parametrize(
    ("of_split", "options"), [(generate_captions, {"decoder": "greedy"}), (measure_perplexity, {})]
)
def test_captioning_holds_a_batch(study, tmp_path, monkeypatch, make_captioner, of_split, options):
    monkeypatch.setattr(f"{of_split.__module__}.BATCH", 10)
    save_captioner(tmp_path, make_captioner(inputs=FEATURE_DIM, scale=0.01))
    files = study / "features.h5", study / "captions.json"
    options |= {"model": [tmp_path], "output": tmp_path / "out.json"}
    assert peak(of_split, *files, **options) < 0.6 * TABLE
