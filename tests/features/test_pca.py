import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from recap.core import devices
from recap.core.errors import InputError
from recap.features import pca as module
from recap.features.covariance import CovarianceSums
from recap.features.gpu_covariance import GPUCovarianceSums
from recap.features.pca import apply_pca, find_components, fit_pca, read_pca, sum_features

ATTRIBUTES = {"backbone": "vgg16", "layer": "fc7", "weights_sha256": "00ff"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(module, "progress", lambda rows, **_: rows)


@pytest.fixture(params=[7, 64, 1024])
def chunk(request, monkeypatch):
    """Cut the rows into many chunks, into a few with a rest, and into one."""
    monkeypatch.setattr(module, "CHUNK", request.param)


def made_rows(count=200, columns=30, mean=1000.0, dtype=np.float32):
    """Return correlated rows whose mean is large against their spread."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((columns, columns)) * np.geomspace(5, 0.05, columns)[:, None]
    rows = generator.standard_normal((count, columns)) @ mixing
    return (rows + mean * generator.uniform(0.5, 1, columns)).astype(dtype)


def write_features(path, rows, skipped=()):
    with h5py.File(path, "w") as file:
        file["features"] = rows
        file["features"].attrs["skipped"] = np.array(skipped, dtype=np.int64)
        file.attrs.update(ATTRIBUTES)
    return path


def fit_to(features, *, output, components, **options):
    """Find the components of features that are one shard."""
    sums = output.with_name("sums.h5")
    sum_features(features, output=sums, **options)
    try:
        fit_pca(sums, output=output, components=components, **options)
    finally:
        sums.unlink()


def read(path):
    with h5py.File(path) as file:
        return {key: file[key][:] for key in file}


@pytest.fixture
def fit(tmp_path):
    """Return a function that fits a PCA to rows, and returns what is in its file."""

    def fit(rows, components, **options):
        features = write_features(tmp_path / "features.h5", rows)
        fit_to(features, output=tmp_path / "fitted.h5", components=components, **options)
        return SimpleNamespace(**read(tmp_path / "fitted.h5"), pca=read_pca(tmp_path / "fitted.h5"))

    return fit


# --- the components -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 30), (40, 60)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("chunk")
def test_agrees_with_scikit_learn(fit, shape, dtype):
    rows = made_rows(*shape, dtype=dtype)
    exact = PCA(12, svd_solver="full").fit(rows.astype(np.float64))
    ours = fit(rows, 12)
    np.testing.assert_allclose(ours.mean, exact.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.components, exact.components_, atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance, exact.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(
        ours.explained_variance_ratio, exact.explained_variance_ratio_, rtol=1e-9
    )
    scale = np.abs(rows - exact.mean_).max()
    np.testing.assert_allclose(
        ours.pca.transform(rows), exact.transform(rows.astype(np.float64)), atol=1e-9 * scale
    )


@pytest.mark.usefixtures("chunk")
def test_a_mean_that_is_huge_against_the_spread(fit):
    # Sums of squares around zero would lose every digit of this variance.
    rows = np.random.default_rng(1).standard_normal((300, 5)) * [5, 4, 3, 2, 1] + 1e8
    exact = PCA(5, svd_solver="full").fit(rows)
    ours = fit(rows, 5)
    np.testing.assert_allclose(ours.explained_variance, exact.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(ours.components, exact.components_, atol=1e-6)


def test_hand_made_points(fit):
    # Four points on the axes of an ellipse: variances 2 * 9 / 3 and 2 * 1 / 3.
    fitted = fit(np.array([[13.0, 5], [7, 5], [10, 6], [10, 4]]), 2)
    assert fitted.mean.tolist() == [10, 5]
    np.testing.assert_allclose(fitted.components, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(fitted.explained_variance, [6, 2 / 3])
    np.testing.assert_allclose(fitted.explained_variance_ratio, [0.9, 0.1])
    np.testing.assert_allclose(fitted.pca.transform(np.array([[11, 7]])), [[1, 2]], atol=1e-12)


def test_components_are_orthonormal_and_their_largest_entry_is_positive(fit):
    components = fit(made_rows(), 20).components
    np.testing.assert_allclose(components @ components.T, np.eye(20), atol=1e-10)
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(20), largest] > 0).all()


@pytest.mark.parametrize(("count", "columns"), [(9, 30), (30, 9)])
def test_too_few_samples_or_features(fit, count, columns):
    with pytest.raises(InputError, match=f"10 components cannot be found in {count} samples of"):
        fit(made_rows(count, columns), 10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    rows = made_rows()
    features = write_features(tmp_path / "fc7.h5", rows)
    fit_to(features, output=tmp_path / "pca.h5", components=3)
    rows[150, 3] = value
    broken = write_features(tmp_path / "broken.h5", rows)
    with pytest.raises(InputError, match=r"broken\.h5 is not finite: extract"):
        fit_to(broken, output=tmp_path / "new.h5", components=3)
    with pytest.raises(InputError, match=r"A feature of .*broken\.h5 is not finite"):
        apply_pca(broken, pca=tmp_path / "pca.h5", output=tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()


def test_the_way_of_a_gpu_finds_the_same():
    # Its arithmetic, on the processor.
    rows = made_rows()
    found = []
    for sums in (
        CovarianceSums(rows[:60], 200),
        GPUCovarianceSums(rows[:60], 200, torch.device("cpu")),
    ):
        for part in np.split(rows, [1, 60, 61]):
            sums.add([part])
        assert sums.samples == 200
        found.append(find_components(sums, 5))
    for ours, gpu in zip(*map(dict.values, found), strict=True):
        np.testing.assert_allclose(gpu, ours, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("device", "there", "kind"),
    [
        ("auto", "cuda", GPUCovarianceSums),
        ("cuda", "cuda", GPUCovarianceSums),
        ("auto", "mps", CovarianceSums),
        ("auto", "cpu", CovarianceSums),
        ("cpu", "cuda", CovarianceSums),
        ("mps", "mps", CovarianceSums),
    ],
)
def test_a_gpu_is_used_where_there_is_one(monkeypatch, device, there, kind):
    monkeypatch.setattr(devices, "choose_device", lambda _: torch.device(there))
    # There is no such device here to put numbers on.
    monkeypatch.setattr(GPUCovarianceSums, "__init__", lambda *_: None)
    assert type(module._sums_on(device, np.ones((2, 3)), 0)) is kind


def test_on_a_processor_pytorch_is_not_loaded(tmp_path):
    write_features(tmp_path / "fc7.h5", made_rows())
    code = (
        "import sys; from pathlib import Path; from recap.features import pca;"
        "pca.sum_features(Path('fc7.h5'), output=Path('sums.h5'), device='cpu');"
        "pca.fit_pca(Path('sums.h5'), output=Path('pca.h5'), components=3, device='cpu');"
        "pca.apply_pca(Path('fc7.h5'), pca=Path('pca.h5'), output=Path('reduced.h5'));"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


# --- the stages ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
def test_files_of_fit_and_apply(tmp_path, capsys):
    rows = made_rows()
    features = write_features(tmp_path / "fc7.h5", rows)
    fit_to(features, output=tmp_path / "pca.h5", components=8)
    content = read(tmp_path / "pca.h5")
    assert {key: array.shape for key, array in content.items()} == {
        "mean": (30,),
        "components": (8, 30),
        "explained_variance": (8,),
        "explained_variance_ratio": (8,),
    }
    assert {array.dtype for array in content.values()} == {np.dtype(np.float64)}
    with h5py.File(tmp_path / "pca.h5") as file:
        assert dict(file.attrs) == ATTRIBUTES
    kept = content["explained_variance_ratio"].sum()
    assert f"8 components keep {kept:.1%} of the variance of 200 images" in capsys.readouterr().out

    apply_pca(features, pca=tmp_path / "pca.h5", output=tmp_path / "fc7_pca.h5")
    with h5py.File(tmp_path / "fc7_pca.h5") as file:
        assert list(file) == ["features"]
        assert file["features"].dtype == np.float32
        assert file["features"].chunks is None
        assert dict(file.attrs) == ATTRIBUTES
        reduced = file["features"][:]
    assert reduced.shape == (200, 8)
    expected = (rows - content["mean"]) @ content["components"].T
    np.testing.assert_allclose(reduced, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(reduced.mean(axis=0), 0, atol=1e-3)


@pytest.mark.usefixtures("chunk")
def test_skipped_rows_are_left_out(tmp_path):
    rows, skipped = made_rows(), [0, 63, 64, 199]
    rows[skipped] = 0
    features = write_features(tmp_path / "fc7.h5", rows, skipped)
    fit_to(features, output=tmp_path / "pca.h5", components=5)
    seen = np.delete(rows, skipped, axis=0)
    expected = PCA(5, svd_solver="full").fit(seen.astype(np.float64))
    np.testing.assert_allclose(read(tmp_path / "pca.h5")["mean"], expected.mean_, rtol=1e-10)
    np.testing.assert_allclose(
        read(tmp_path / "pca.h5")["components"], expected.components_, atol=1e-8
    )
    apply_pca(features, pca=tmp_path / "pca.h5", output=tmp_path / "reduced.h5")
    with h5py.File(tmp_path / "reduced.h5") as file:
        reduced = file["features"][:]
        assert file["features"].attrs["skipped"].tolist() == skipped
    assert not reduced[skipped].any()
    np.testing.assert_allclose(
        np.delete(reduced, skipped, axis=0), expected.transform(seen), rtol=1e-4, atol=1e-3
    )


def test_all_rows_skipped(tmp_path):
    features = write_features(tmp_path / "fc7.h5", np.zeros((3, 4), np.float32), [0, 1, 2])
    with pytest.raises(InputError, match=r"sums\.h5 failed: 2 components cannot be found in 0"):
        fit_to(features, output=tmp_path / "pca.h5", components=2)


def test_too_few_images_is_one_sentence_and_leaves_no_file(tmp_path):
    features = write_features(tmp_path / "fc7.h5", made_rows(10))
    with pytest.raises(InputError, match=r"11 components .* in 10 samples.*lower `pca_components`"):
        fit_to(features, output=tmp_path / "pca.h5", components=11)
    assert list(tmp_path.iterdir()) == [features]


@pytest.mark.parametrize("value", [0, 0.1, 1e-30, 3e38])
def test_rows_that_are_all_the_same(tmp_path, recwarn, value):
    path = tmp_path / "features.h5"
    rows = np.full((1500, 6), value, dtype=np.float32)
    rows[:, 1] = 7
    with h5py.File(path, "w") as file:
        file["features"] = rows
    with pytest.raises(InputError, match="are all the same: there are no components to find"):
        fit_to(path, output=tmp_path / "pca.h5", components=2)
    assert not (tmp_path / "pca.h5").exists()
    assert [str(warning.message) for warning in recwarn] == []
    with h5py.File(path, "w") as file:
        rows[3, 1] = np.nextafter(rows[3, 1], np.float32(np.inf))
        file["features"] = rows
    if value < 1:
        fit_to(path, output=tmp_path / "pca.h5", components=2)


@pytest.mark.parametrize("components", [0, -1])
def test_a_number_of_components_that_is_none(tmp_path, components):
    with pytest.raises(InputError, match=f"`components` must be at least 1, not {components}"):
        fit_pca(tmp_path / "sums.h5", output=tmp_path / "pca.h5", components=components)


def test_features_of_another_backbone(tmp_path):
    fit_to(
        write_features(tmp_path / "fc7.h5", made_rows()), output=tmp_path / "pca.h5", components=2
    )
    other = write_features(tmp_path / "other.h5", made_rows(columns=31))
    with pytest.raises(InputError, match=r"other\.h5 has 31 columns but .* was fitted on 30"):
        apply_pca(other, pca=tmp_path / "pca.h5", output=tmp_path / "reduced.h5")
    assert not (tmp_path / "reduced.h5").exists()


def test_what_is_no_pca(tmp_path):
    features = write_features(tmp_path / "fc7.h5", made_rows())
    with pytest.raises(InputError, match=r"fc7\.h5 has no table `mean`"):
        read_pca(features)
    with pytest.raises(InputError, match=r"none\.h5 does not exist"):
        apply_pca(features, pca=tmp_path / "none.h5", output=tmp_path / "reduced.h5")


def test_twice_the_same_bytes(tmp_path):
    features = write_features(tmp_path / "fc7.h5", made_rows())
    for name in ("first.h5", "second.h5"):
        fit_to(features, output=tmp_path / name, components=6, threads=1)
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


# --- features of regions ------------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
def test_every_region_is_a_sample(tmp_path):
    rows = made_rows(40 * 49, 12).reshape(40, -1)
    wanted = np.setdiff1d(np.arange(40), [3, 17])
    exact = PCA(5, svd_solver="full").fit(rows[wanted].reshape(-1, 12).astype(np.float64))
    path = write_features(tmp_path / "features.h5", rows, skipped=[3, 17])
    with h5py.File(path, "r+") as file:
        file.attrs["regions"] = "49"
    fit_to(path, output=tmp_path / "pca.h5", components=5)
    apply_pca(path, pca=tmp_path / "pca.h5", output=tmp_path / "reduced.h5")
    reduced = read(tmp_path / "reduced.h5")["features"]
    expected = np.zeros((40, 49 * 5))
    expected[wanted] = exact.transform(rows[wanted].reshape(-1, 12)).reshape(len(wanted), -1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(reduced, expected, atol=1e-5 * scale)
    one = read_pca(tmp_path / "pca.h5").transform(rows[5:6])
    np.testing.assert_allclose(one, expected[5:6], atol=1e-9 * scale)


def test_a_pca_of_regions_refuses_features_of_whole_images(tmp_path):
    path = write_features(tmp_path / "features.h5", made_rows(40, 49 * 4))
    with h5py.File(path, "r+") as file:
        file.attrs["regions"] = "49"
    fit_to(path, output=tmp_path / "pca.h5", components=3)
    other = write_features(tmp_path / "other.h5", made_rows(40, 4))
    with pytest.raises(InputError, match="4 columns but .* was fitted on 196"):
        apply_pca(other, pca=tmp_path / "pca.h5", output=tmp_path / "reduced.h5")


@pytest.mark.parametrize("regions", ["abc", 0, -1, 2.5])
def test_a_pca_whose_regions_are_no_number(tmp_path, regions):
    with h5py.File(tmp_path / "pca.h5", "w") as file:
        file["mean"], file["components"] = np.zeros(3), np.eye(3)
        file.attrs["regions"] = regions
    with pytest.raises(InputError, match=r"pca\.h5 is damaged: .*`regions` is"):
        read_pca(tmp_path / "pca.h5")
