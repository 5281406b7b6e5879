import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from recap.core.errors import InputError
from recap.features import pca as module
from recap.features.pca import StreamingPCA, apply_pca, fit_pca, read_pca

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


def read(path):
    with h5py.File(path) as file:
        return {key: file[key][:] for key in file}


# --- the estimator ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 30), (40, 60)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("chunk")
def test_agrees_with_scikit_learn(shape, dtype):
    rows = made_rows(*shape, dtype=dtype)
    exact = PCA(12, svd_solver="full").fit(rows.astype(np.float64))
    ours = StreamingPCA(12).fit(rows)
    assert ours.n_samples_seen_ == shape[0]
    np.testing.assert_allclose(ours.mean_, exact.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.components_, exact.components_, atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, exact.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, exact.explained_variance_ratio_, rtol=1e-9
    )
    scale = np.abs(rows - exact.mean_).max()
    np.testing.assert_allclose(
        ours.transform(rows), exact.transform(rows.astype(np.float64)), atol=1e-9 * scale
    )


@pytest.mark.usefixtures("chunk")
def test_a_mean_that_is_huge_against_the_spread():
    # Sums of squares around zero would lose every digit of this variance.
    rows = np.random.default_rng(1).standard_normal((300, 5)) * [5, 4, 3, 2, 1] + 1e8
    exact = PCA(5, svd_solver="full").fit(rows)
    ours = StreamingPCA(5).fit(rows)
    np.testing.assert_allclose(ours.explained_variance_, exact.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(ours.components_, exact.components_, atol=1e-6)


def test_hand_made_points():
    # Four points on the axes of an ellipse: variances 2 * 9 / 3 and 2 * 1 / 3.
    rows = np.array([[13.0, 5], [7, 5], [10, 6], [10, 4]])
    fitted = StreamingPCA(2).fit(rows)
    assert fitted.mean_.tolist() == [10, 5]
    np.testing.assert_allclose(fitted.components_, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(fitted.explained_variance_, [6, 2 / 3])
    np.testing.assert_allclose(fitted.explained_variance_ratio_, [0.9, 0.1])
    np.testing.assert_allclose(fitted.transform([[11.0, 7.0]]), [[1, 2]], atol=1e-12)


def test_components_are_orthonormal_and_their_largest_entry_is_positive():
    components = StreamingPCA(20).fit(made_rows()).components_
    np.testing.assert_allclose(components @ components.T, np.eye(20), atol=1e-10)
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(20), largest] > 0).all()


def test_fit_leaves_the_data_alone():
    rows = made_rows(dtype=np.float64)
    before = rows.copy()
    StreamingPCA(3).fit(rows)
    assert (rows == before).all()


@pytest.mark.parametrize(("count", "columns"), [(9, 30), (30, 9)])
def test_too_few_samples_or_features(count, columns):
    with pytest.raises(ValueError, match=f"10 components cannot be found in {count} samples of"):
        StreamingPCA(10).fit(made_rows(count, columns))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    rows = made_rows()
    features = write_features(tmp_path / "fc7.h5", rows)
    fit_pca(features, output=tmp_path / "pca.h5", components=3)
    rows[150, 3] = value
    broken = write_features(tmp_path / "broken.h5", rows)
    with pytest.raises(InputError, match=r"broken\.h5 failed: a feature is not finite"):
        fit_pca(broken, output=tmp_path / "new.h5", components=3)
    with pytest.raises(InputError, match=r"A feature of .*broken\.h5 is not finite"):
        apply_pca(broken, pca=tmp_path / "pca.h5", output=tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()


@pytest.mark.usefixtures("chunk")
def test_partial_fit_sees_the_same_as_fit():
    rows = made_rows()
    whole = StreamingPCA(5).fit(rows)
    parts = StreamingPCA(5)
    for part in np.split(rows, [1, 60, 61]):
        assert parts.partial_fit(part) is parts
    assert parts.n_samples_seen_ == 200
    np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-9)
    np.testing.assert_allclose(parts.transform(rows), whole.transform(rows), atol=1e-6)
    # More rows after the components were asked for.
    more = made_rows(50, mean=10)
    parts.partial_fit(more)
    both = StreamingPCA(5).fit(np.concatenate([rows, more]))
    np.testing.assert_allclose(parts.mean_, both.mean_, rtol=1e-9)
    np.testing.assert_allclose(parts.components_, both.components_, atol=1e-9)
    # And fit begins anew.
    np.testing.assert_allclose(parts.fit(rows).components_, whole.components_, atol=1e-9)


def test_partial_fit_of_too_few_rows_says_so_when_it_is_asked():
    pca = StreamingPCA(5).partial_fit(made_rows(3))
    with pytest.raises(ValueError, match="5 components cannot be found in 3 samples"):
        _ = pca.components_
    assert pca.partial_fit(made_rows(10)).components_.shape == (5, 30)
    with pytest.raises(ValueError, match="features"):
        pca.partial_fit(made_rows(columns=31))


def test_the_way_of_a_gpu_finds_the_same():
    # Its arithmetic, on the processor: what is not called plainly "cpu" is PyTorch's.
    rows = made_rows()
    ours, gpu = StreamingPCA(5).fit(rows), StreamingPCA(5, device="cpu:0").fit(rows)
    for name in module.FOUND:
        np.testing.assert_allclose(getattr(gpu, name), getattr(ours, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("driver", "there", "chosen"), [(0, 1, "cpu"), (1, 0, "cpu"), (1, 1, "cuda:0")]
)
def test_a_gpu_is_used_where_there_is_one(monkeypatch, tmp_path, driver, there, chosen):
    monkeypatch.setattr(module, "GPU_DRIVERS", (tmp_path,) if driver else (tmp_path / "none",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(there))
    assert module._choose_device("auto") == chosen
    assert module._choose_device("cpu") == "cpu"
    assert module._choose_device("mps") == "cpu"


def test_without_a_gpu_pytorch_is_not_loaded(tmp_path):
    write_features(tmp_path / "fc7.h5", made_rows())
    code = (
        "import sys; from pathlib import Path; from recap.features import pca;"
        "pca.GPU_DRIVERS = ();"
        "pca.fit_pca(Path('fc7.h5'), output=Path('pca.h5'), components=3);"
        "pca.apply_pca(Path('fc7.h5'), pca=Path('pca.h5'), output=Path('reduced.h5'));"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_is_a_scikit_learn_estimator():
    estimator = StreamingPCA(n_components=4)
    assert estimator.get_params() == {"n_components": 4, "n_regions": 1, "device": "cpu"}
    assert StreamingPCA().n_components == 512
    copy = clone(estimator.set_params(n_components=3))
    assert copy.n_components == 3
    assert not hasattr(copy, "components_")
    with pytest.raises(NotFittedError):
        copy.transform(made_rows())
    rows = made_rows(dtype=np.float64)
    assert copy.fit(rows) is copy
    assert clone(estimator).fit_transform(rows).shape == (200, 3)
    assert make_pipeline(StandardScaler(), clone(estimator)).fit_transform(rows).shape == (200, 3)


# One of scikit-learn's checks is of another library's arrays and runs only if SciPy was told so.
CHECKS = [
    check
    for _, check in estimator_checks_generator(StreamingPCA(1))
    if "array_api" not in check.func.__name__
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.func.__name__)
def test_passes_the_checks_of_scikit_learn(check):
    check(StreamingPCA(1))


# --- the stages ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
def test_files_of_fit_and_apply(tmp_path, capsys):
    rows = made_rows()
    features = write_features(tmp_path / "fc7.h5", rows)
    fit_pca(features, output=tmp_path / "pca.h5", components=8)
    fitted = StreamingPCA(8).fit(rows)
    content = read(tmp_path / "pca.h5")
    assert content.keys() == {
        "mean",
        "components",
        "explained_variance",
        "explained_variance_ratio",
    }
    for key, array in content.items():
        assert array.dtype == np.float64
        np.testing.assert_allclose(array, getattr(fitted, f"{key}_"), rtol=1e-9, atol=1e-9)
    kept = fitted.explained_variance_ratio_.sum()
    assert f"8 components keep {kept:.1%} of the variance of 200 images" in capsys.readouterr().out

    apply_pca(features, pca=tmp_path / "pca.h5", output=tmp_path / "fc7_pca.h5")
    with h5py.File(tmp_path / "fc7_pca.h5") as file:
        assert list(file) == ["features"]
        assert file["features"].dtype == np.float32
        assert file["features"].chunks is None
        assert dict(file.attrs) == ATTRIBUTES
        reduced = file["features"][:]
    assert reduced.shape == (200, 8)
    np.testing.assert_allclose(reduced, fitted.transform(rows), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(reduced.mean(axis=0), 0, atol=1e-3)


@pytest.mark.usefixtures("chunk")
def test_skipped_rows_are_left_out(tmp_path):
    rows, skipped = made_rows(), [0, 63, 64, 199]
    rows[skipped] = 0
    features = write_features(tmp_path / "fc7.h5", rows, skipped)
    fit_pca(features, output=tmp_path / "pca.h5", components=5)
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
    with pytest.raises(InputError, match=r"fc7\.h5 failed: 2 components cannot be found in 0"):
        fit_pca(features, output=tmp_path / "pca.h5", components=2)


def test_too_few_images_is_one_sentence_and_leaves_no_file(tmp_path):
    features = write_features(tmp_path / "fc7.h5", made_rows(10))
    with pytest.raises(InputError, match=r"11 components .* in 10 samples.*lower `pca_components`"):
        fit_pca(features, output=tmp_path / "pca.h5", components=11)
    assert list(tmp_path.iterdir()) == [features]


@pytest.mark.parametrize("value", [0, 0.1, 1e-30, 3e38])
def test_rows_that_are_all_the_same(tmp_path, recwarn, value):
    path = tmp_path / "features.h5"
    rows = np.full((1500, 6), value, dtype=np.float32)
    rows[:, 1] = 7
    with h5py.File(path, "w") as file:
        file["features"] = rows
    with pytest.raises(InputError, match="are all the same: there are no components to find"):
        fit_pca(path, output=tmp_path / "pca.h5", components=2)
    assert not (tmp_path / "pca.h5").exists()
    assert [str(warning.message) for warning in recwarn] == []
    with h5py.File(path, "w") as file:
        rows[3, 1] = np.nextafter(rows[3, 1], np.float32(np.inf))
        file["features"] = rows
    if value < 1:
        fit_pca(path, output=tmp_path / "pca.h5", components=2)


@pytest.mark.parametrize("components", [0, -1])
def test_a_number_of_components_that_is_none(tmp_path, components):
    with pytest.raises(InputError, match=f"`components` must be at least 1, not {components}"):
        fit_pca(tmp_path / "features.h5", output=tmp_path / "pca.h5", components=components)


def test_features_of_another_backbone(tmp_path):
    fit_pca(
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


def test_read_pca_projects_as_the_fitted_one(tmp_path):
    rows = made_rows()
    features = write_features(tmp_path / "fc7.h5", rows)
    fit_pca(features, output=tmp_path / "pca.h5", components=6)
    expected = StreamingPCA(6).fit(rows).transform(rows[:3])
    np.testing.assert_allclose(
        read_pca(tmp_path / "pca.h5").transform(rows[:3]), expected, rtol=1e-9
    )


def test_twice_the_same_bytes(tmp_path):
    features = write_features(tmp_path / "fc7.h5", made_rows())
    for name in ("first.h5", "second.h5"):
        fit_pca(features, output=tmp_path / name, components=6, threads=1)
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
    fit_pca(path, output=tmp_path / "pca.h5", components=5)
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
    fit_pca(path, output=tmp_path / "pca.h5", components=3)
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
