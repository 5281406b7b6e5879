"""A captioner that is packed into one folder; tests/report/photos captions with one."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from recap.backbones.load import CAFFE, load_backbone
from recap.captioners.folder import save_captioner
from recap.core.errors import InputError
from recap.evaluation import export as module
from recap.evaluation.export import export_captioner, in_half


@pytest.fixture
def study(tmp_path, make_captioner):
    """Return a folder with a captioner, a PCA that fits it and one that does not."""
    save_captioner(tmp_path / "model", make_captioner())
    for name, components in (("pca.h5", 6), ("other.h5", 5)):
        with h5py.File(tmp_path / name, "w") as file:
            file["mean"] = np.zeros(192)
            file["components"] = np.eye(components, 192)
            file.attrs.update(load_backbone("squeezenet1_0", "random", ["conv1"]).attributes)
            file.attrs["layer"] = "conv1"
    return tmp_path


def export(study, pca="pca.h5", output="small"):
    export_captioner(study / "model", output=study / output, pca=study / pca)


def test_what_does_not_belong_together(study):
    with pytest.raises(InputError, match=r"model looks at 6 numbers .*other\.h5 gives 5: give the"):
        export(study, "other.h5")
    assert not (study / "small").exists()


def test_the_captioner_itself_is_not_replaced(study):
    before = (study / "model" / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="is the captioner that is exported"):
        export(study, output="other/../model")
    assert (study / "model" / "model.safetensors").read_bytes() == before


def test_weights_whose_preprocessing_would_be_forgotten(study, monkeypatch):
    read = module.read_origin

    def caffe(*given):
        origin = read(*given)
        return replace(origin, backbone=replace(origin.backbone, preprocessing=CAFFE))

    monkeypatch.setattr(module, "read_origin", caffe)
    with pytest.raises(InputError, match="the Caffe model's weights cannot be exported"):
        export(study)


@pytest.mark.parametrize("scale", [1e-7, 1e5])
def test_numbers_out_of_the_range_of_float16_stay_as_they_are(scale):
    numbers = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    assert in_half(numbers).dtype == np.float16
    np.testing.assert_allclose(in_half(numbers), numbers, rtol=1e-3)
    assert in_half(numbers * np.float32(scale)).dtype == np.float32
