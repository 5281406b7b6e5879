"""Sums of shards, and what is found in them: the same bytes for any number of shards."""

import multiprocessing
import signal
import time

import h5py
import numpy as np
import pytest

from recap.core.errors import InputError
from recap.features import pca as module
from recap.features.covariance import CHUNK, CovarianceSums
from recap.features.files import PHOTO, create_features
from recap.features.gather import gather_features
from recap.features.pca import apply_pca, fit_pca, sum_features

ROWS, COLUMNS, BLOCK = 4000, 24, 100  # 40 blocks
ATTRIBUTES = {"backbone": "vgg16", "layer": "fc7", "precision": "float32", "batch": 16}


def made_rows(count=ROWS):
    """Return rows of a mean that is large against the spread, and of a spread that grows."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((count, COLUMNS)) * np.geomspace(5, 0.05, COLUMNS)
    rows *= np.linspace(1, 2, count)[:, None]
    return (rows + 100 * generator.uniform(0.5, 1, COLUMNS)).astype(np.float32)


def write_shards(folder, shards, rows=None, skipped=(), attributes=None):
    """Write features as extraction writes them, a file a shard, of whole blocks."""
    rows = made_rows() if rows is None else rows
    read = np.zeros(len(rows), PHOTO)
    read["bytes"] = np.arange(len(rows))
    blocks = -(-len(rows) // BLOCK)
    ends = [min(BLOCK * -(-blocks * n // shards), len(rows)) for n in range(shards + 1)]
    paths = []
    for first, end in zip(ends[:-1], ends[1:], strict=True):
        paths.append(folder / f"{len(paths) + 1}-of-{shards}.h5")
        of_shard = np.array([row - first for row in skipped if first <= row < end])
        place = {"first_row": first, "all_rows": len(rows)}
        about = (attributes or ATTRIBUTES) | place
        with create_features(
            paths[-1], (end - first, COLUMNS), about, of_shard, read[first:end], False
        ) as table:
            table[:] = rows[first:end]
    return paths


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", BLOCK)
    monkeypatch.setattr(module, "CHUNK", BLOCK // 2)
    monkeypatch.setattr(module, "progress", lambda rows, **_: rows)


def sum_shards(folder, paths):
    sums = [folder / f"sums-{path.name}" for path in paths]
    for path, output in zip(paths, sums, strict=True):
        sum_features(path, first=paths[0], output=output, device="cpu", threads=1)
    return sums


def reduce(folder, shards, **options):
    """Return the bytes of the components and of the reduced features."""
    folder = folder / str(shards)
    folder.mkdir()
    paths = write_shards(folder, shards, **options)
    sums = sum_shards(folder, paths)
    fit_pca(*reversed(sums), output=folder / "pca.h5", components=5, device="cpu", threads=1)
    reduced = [folder / f"reduced-{path.name}" for path in paths]
    for path, output in zip(paths, reduced, strict=True):
        apply_pca(path, pca=folder / "pca.h5", output=output, threads=1)
    gather_features(*reduced, output=folder / "reduced.h5")
    return (folder / "pca.h5").read_bytes(), (folder / "reduced.h5").read_bytes()


@pytest.mark.parametrize("skipped", [(), (0, 99, 100, 2345, 3999)])
def test_the_number_of_shards_changes_no_byte(tmp_path, skipped):
    whole = reduce(tmp_path, 1, skipped=skipped)
    for shards in (2, 8, 32) if not skipped else (8,):
        assert reduce(tmp_path, shards, skipped=skipped) == whole
    with h5py.File(tmp_path / "8/pca.h5") as file:
        assert "first_row" not in file.attrs
        assert file.attrs["images_bytes"] == sum(range(ROWS))
        found = file["explained_variance"][:]
    rows = np.delete(made_rows(), skipped, axis=0).astype(np.float64)
    wanted = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[:-6:-1]
    np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_features_matters_not(tmp_path, scale):
    rows = (made_rows() * scale).astype(np.float32)
    assert reduce(tmp_path, 1, rows=rows) == reduce(tmp_path, 8, rows=rows)


def test_without_rounding_the_bytes_would_differ(tmp_path, monkeypatch):
    """What the rounding of blocks is for."""
    monkeypatch.setattr("recap.features.covariance.HEADROOM", 0)
    assert len({reduce(tmp_path, shards) for shards in (1, 2, 8)}) > 1


def test_more_than_the_first_rows_let_expect_is_still_summed(tmp_path):
    """Beyond the headroom adding is not exact any more, and as accurate as float64 is."""
    rows = made_rows()
    rows[BLOCK:] *= 50
    reduce(tmp_path, 8, rows=rows)
    with h5py.File(tmp_path / "8/pca.h5") as file:
        found = file["explained_variance"][:]
    wanted = np.linalg.eigvalsh(np.cov(rows.astype(np.float64), rowvar=False))[:-6:-1]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_the_sums_of_one_block_are_not_rounded():
    rows = made_rows(BLOCK).astype(np.float64)
    left = rows - rows.mean(axis=0)
    for all_samples in (0, 10**9):
        sums = CovarianceSums(rows, all_samples)
        sums.add([rows])
        products = np.vstack(list(sums.products()))
        assert np.array_equal(sums.total, left.sum(axis=0)) == (not all_samples)
        np.testing.assert_allclose(products, np.tril(left.T @ left), atol=1e-3)


def test_regions_are_samples_of_shards(tmp_path):
    attributes = ATTRIBUTES | {"regions": "4"}
    found = {reduce(tmp_path, shards, attributes=attributes) for shards in (1, 2, 8)}
    assert len(found) == 1
    with h5py.File(tmp_path / "8/pca.h5") as file:
        assert file["components"].shape == (5, COLUMNS // 4)


# Of a process: what is patched here does not reach it.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["recap.features.pca"])


@pytest.mark.parametrize("stage", [sum_features, apply_pca])
def test_a_kill_changes_no_byte(tmp_path, stage):
    rows = np.tile(made_rows(), (20, 1))[:60_000]
    (path,) = write_shards(tmp_path, 1, rows=rows)
    options = {"threads": 1}
    if stage is sum_features:
        options["device"] = "cpu"
    else:
        sums = tmp_path / "sums.h5"
        sum_features(path, output=sums, device="cpu", threads=1)
        fit_pca(sums, output=tmp_path / "pca.h5", components=5, device="cpu", threads=1)
        options["pca"] = tmp_path / "pca.h5"
    output = tmp_path / "out" / "made.h5"
    output.parent.mkdir()

    def start():
        process = CONTEXT.Process(target=stage, args=(path,), kwargs={"output": output, **options})
        process.start()
        return process

    process = start()
    while not list(output.parent.iterdir()) and process.is_alive():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    process = start()
    process.join()
    again = output.read_bytes()
    process = start()
    process.join()
    assert output.read_bytes() == again
    # What the killed one left is gone.
    assert list(output.parent.iterdir()) == [output]


# --- wrong input --------------------------------------------------------------------------------


@pytest.fixture
def sums(tmp_path):
    """Return the sums of four shards."""
    return sum_shards(tmp_path, write_shards(tmp_path, 4))


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ([0, 1, 3], r"sums-4-of-4\.h5 begins at row 3000, and row 2000 is missing: name every"),
        ([0, 1, 2], "The shards hold 3000 rows, and not all images, which are 4000: name every"),
        ([0, 1, 1, 2, 3], r"sums-2-of-4\.h5 begins at row 1000, and others have its rows, too"),
        ([], "No shard is given that holds a row: name every shard"),
    ],
)
def test_sums_that_are_missing_or_given_twice(sums, tmp_path, chosen, sentence):
    with pytest.raises(InputError, match=sentence):
        fit_pca(*(sums[number] for number in chosen), output=tmp_path / "pca.h5", components=5)
    assert not (tmp_path / "pca.h5").exists()


def test_sums_of_another_total(sums, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    few = sum_shards(other, write_shards(other, 4, rows=made_rows(3600)))
    told = r"other/sums-4-of-4\.h5 is of 3600 images, and .*sums-1-of-4\.h5 of 4000: extract"
    with pytest.raises(InputError, match=told):
        fit_pca(*sums[:3], few[3], output=tmp_path / "pca.h5", components=5)


def test_sums_of_another_length(sums, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    longer = sum_shards(other, write_shards(other, 2))
    with pytest.raises(InputError, match=r"begins at row 1000, and others have its rows, too"):
        fit_pca(longer[0], *sums[1:], output=tmp_path / "pca.h5", components=5)


@pytest.mark.parametrize(
    ("name", "value"), [("rows", "a"), ("samples", [1, 2]), ("first_row", "x"), ("total", None)]
)
def test_sums_that_are_damaged(sums, tmp_path, name, value):
    with h5py.File(sums[1], "a") as file:
        if value is None:
            del file[name]
            file[name] = np.zeros(COLUMNS + 1)
        else:
            file.attrs[name] = value
    with pytest.raises(InputError, match=r"sums-2-of-4\.h5 is damaged: its (tables|attributes) do"):
        fit_pca(*sums, output=tmp_path / "pca.h5", components=5)


def test_sums_around_another_origin(tmp_path):
    paths = write_shards(tmp_path, 2)
    sums = sum_shards(tmp_path, paths)
    other = tmp_path / "other"
    other.mkdir()
    moved = write_shards(other, 2, rows=made_rows() + 1)
    sum_features(paths[1], first=moved[0], output=sums[1], threads=1)
    with pytest.raises(InputError, match=r"sums-2-of-2\.h5 has another origin than .*1-of-2\.h5"):
        fit_pca(*sums, output=tmp_path / "pca.h5", components=5)


def test_the_first_shard_begins_with_the_first_row(tmp_path):
    paths = write_shards(tmp_path, 2)
    with pytest.raises(InputError, match=r"2-of-2\.h5 begins at row 2000: name the shard with"):
        sum_features(paths[0], first=paths[1], output=tmp_path / "sums.h5")
    with pytest.raises(InputError, match=r"2-of-2\.h5 begins at row 2000: name the shard with"):
        sum_features(paths[1], output=tmp_path / "sums.h5")


def test_a_first_shard_of_other_features(tmp_path):
    paths = write_shards(tmp_path, 2)
    with h5py.File(tmp_path / "first.h5", "w") as file:
        file["features"] = np.ones((9, 5), np.float32)
    with pytest.raises(InputError, match=r"has samples of 24 numbers but .*first\.h5 of 5"):
        sum_features(paths[0], first=tmp_path / "first.h5", output=tmp_path / "sums.h5")


def test_a_feature_that_is_not_finite_is_named_by_its_shard(tmp_path):
    rows = made_rows()
    rows[3000, 3] = np.nan
    paths = write_shards(tmp_path, 2, rows=rows)
    with pytest.raises(InputError, match=r"2-of-2\.h5 failed: a feature is not finite; extract"):
        sum_features(paths[1], first=paths[0], output=tmp_path / "sums.h5")
    with pytest.raises(InputError, match=r"A feature of .*2-of-2\.h5 is not finite"):
        fit = tmp_path / "pca.h5"
        fit_pca(*sum_shards(tmp_path, write_shards(tmp_path, 1)), output=fit, components=5)
        apply_pca(write_shards(tmp_path, 2, rows=rows)[1], pca=fit, output=tmp_path / "r.h5")


def test_chunks_fill_blocks():
    from recap.datasets.shards import BLOCK as WHOLE

    assert WHOLE % CHUNK == 0
