"""Every stage on a full disk: one sentence with the file, and the work goes on once there is room.

A limit of a file's size stands for the full disk: a write beyond it fails in the same way.
"""

import resource
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from places import SCENES

from recap.captioners.folder import load_captioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captions.encode import encode_captions
from recap.captions.vocabulary import build_vocabulary
from recap.core.errors import InputError
from recap.datasets.shapes.draw import draw_shapes
from recap.evaluation.scoring.submission import write_submission
from recap.features.gather import gather_features
from recap.features.partial_rows import PartialRows
from recap.features.pca import apply_pca, fit_pca, sum_features
from recap.training.train import train_captioner

# Captured output is else a file, which the limit holds for too.
pytestmark = pytest.mark.usefixtures("capsys")


@contextmanager
def room(count):
    """Let no file grow beyond a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def gather(study, output):
    gather_features(study / "results/shapes/coco_captioning/val2014_vgg16_fc7.h5", output=output)


def add_up(study, output):
    train = study / "results/shapes/coco_captioning/train2014_vgg16_fc7_pca.h5"
    sum_features(train, output=output, threads=1)


def fit(study, output):
    fit_pca(study / SCENES / "sums.h5", output=output, components=16, threads=1)


def project(study, output):
    val = study / "results/shapes/coco_captioning/val2014_vgg16_fc7.h5"
    apply_pca(val, pca=study / "results/shapes/features/pca.h5", output=output, threads=1)


def number(study, output):
    annotations = study / SCENES / "annotations"
    build_vocabulary(annotations / "captions_train.json", output=output)


def encode(study, output):
    annotations = study / SCENES / "annotations"
    encode_captions(
        study / "results/shapes/coco_captioning/coco2014_vocab.json",
        train=annotations / "captions_train.json",
        val=annotations / "captions_val.json",
        output=output,
    )


@pytest.mark.parametrize("stage", [gather, add_up, fit, project, number, encode])
def test_a_stage_ends_with_a_sentence_and_begins_anew(shapes_study, tmp_path, stage):
    stage(shapes_study, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    output = tmp_path / "new/output"
    told = "new/output could not be written .*: make room on"
    for count in (0, 1, len(whole) // 20, len(whole) // 2, len(whole) - 1):
        with pytest.raises(InputError, match=told), room(count):
            stage(shapes_study, output)
        assert list(output.parent.iterdir()) == []
    stage(shapes_study, output)
    assert output.read_bytes() == whole


def test_archives(tmp_path):
    outputs = {name: tmp_path / f"{name}.zip" for name in ("train_images", "val_images")}
    for count in (0, 1000, 10_000):
        with pytest.raises(InputError, match=r"\.zip could not be written"), room(count):
            draw_shapes(
                **outputs,
                annotations=tmp_path / "annotations.zip",
                train_scenes=4,
                val_scenes=1,
                threads=1,
            )
        assert list(tmp_path.iterdir()) == []


def test_a_submission(tmp_path):
    (tmp_path / "results.json").write_text('[{"image_id": 1, "caption": "a dog"}]')
    (tmp_path / "images.json").write_text('{"images": [{"id": 1}]}')
    files = tmp_path / "results.json", tmp_path / "images.json"
    output = tmp_path / "new/submission.zip"
    for count in (0, 60):
        with pytest.raises(InputError, match=r"submission\.zip could not be written"), room(count):
            write_submission(*files, algorithm="lstm", output=output)
        assert list(output.parent.iterdir()) == []
    write_submission(*files, algorithm="lstm", output=output)
    assert zipfile.ZipFile(output).testzip() is None


def test_rows_that_are_kept_for_the_next_job(tmp_path):
    """What was whole is gone on with; also where not even the header had room."""
    path = tmp_path / "rows.part"
    row = np.dtype([("numbers", "<f4", 3)])
    block = np.ones((4, 3), np.float32).view(row)[:, 0]
    told = r"rows\.part could not be written"
    with pytest.raises(InputError, match=told), room(100), PartialRows(path, row, 4, {}):
        pass
    with (
        pytest.raises(InputError, match=told),
        room(4096 + 2 * block.nbytes - 1),
        PartialRows(path, row, 4, {}) as rows,
    ):
        rows.write(0, block)
        rows.write(4, block)
    with PartialRows(path, row, 4, {}) as rows:
        assert rows.count == 4
        rows.write(4, block)
        assert (rows.read()["numbers"] == 1).all()


def train(study, output):
    captioning = study / "results/shapes/coco_captioning"
    train_captioner(
        captioning / "train2014_vgg16_fc7_pca.h5",
        captioning / "coco2014_captions.h5",
        captioning / "coco2014_vocab.json",
        output=output,
        recipe=Recipe(epochs=2, hidden_dim=8, wordvec_dim=4),
        device="cpu",
        threads=1,
    )


def test_a_training_goes_on(shapes_study, tmp_path):
    train(shapes_study, tmp_path / "whole")
    whole = (tmp_path / "whole/model.safetensors").read_bytes()
    # No room for the owner's file, and none for the checkpoint.
    for count in (0, len(whole)):
        told = "checkpoint.safetensors could not be written"
        with pytest.raises(InputError, match=told), room(count):
            train(shapes_study, tmp_path / "model")
    train(shapes_study, tmp_path / "model")
    assert (tmp_path / "model/model.safetensors").read_bytes() == whole


def test_a_captioner(make_captioner, tmp_path):
    captioner = make_captioner()
    save_captioner(tmp_path / "whole", captioner)
    size = (tmp_path / "whole/model.safetensors").stat().st_size
    assert (tmp_path / "whole/config.json").stat().st_size < size
    for count, file in ((0, "config.json"), (size - 1, "model.safetensors")):
        with pytest.raises(InputError, match=f"{file} could not be written"), room(count):
            save_captioner(tmp_path / "model", captioner)
    save_captioner(tmp_path / "model", captioner)
    parameters = load_captioner(tmp_path / "model").parameters
    for name, value in captioner.parameters.items():
        np.testing.assert_array_equal(parameters[name], value)
