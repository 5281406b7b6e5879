"""Principal component analysis of features, shard by shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from recap.core.checks import require
from recap.core.device_names import Device
from recap.core.errors import InputError
from recap.core.hdf5 import create_hdf5, open_hdf5, read_attributes, read_table
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.core.threads import limit_threads
from recap.datasets.shards import ALL_ROWS, BLOCK, FIRST_ROW
from recap.features.covariance import CHUNK, SLAB, CovarianceSums
from recap.features.files import (
    FEATURES,
    PHOTOS,
    REGIONS,
    create_features,
    open_features,
    regions_of,
    skipped_rows,
)
from recap.features.shards import (
    Shard,
    in_order,
    read_shard,
    whole_attributes,
)

# Of a mean of equal numbers, relative to it; float32 numbers that differ do so by far more.
ROUNDING = 1e-12

# What a file of sums holds.
ORIGIN, TOTAL, PRODUCTS = "origin", "total", "products"
ROWS, SAMPLES = "rows", "samples"


@dataclass(frozen=True)
class PCA:
    """The principal components of features.

    Attributes
    ----------
    mean : array of shape (D,), float64
    components : array of shape (C, D), float64
        Rows of unit length, by falling variance.
    regions : int
        Parts that a row of features consists of, one after another. Each part is a sample: all are
        projected onto the same components.
    """

    mean: np.ndarray
    components: np.ndarray
    regions: int = 1

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Project features onto the components.

        Parameters
        ----------
        rows : array of shape (N, regions * D)

        Returns
        -------
        array of shape (N, regions * C), float64
        """
        parts = rows.astype(np.float64).reshape(-1, len(self.mean))
        return ((parts - self.mean) @ self.components.T).reshape(len(rows), -1)


def sum_features(
    features: Path,
    *,
    output: OutputFile,
    first: Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Sum the features of a shard and their products, in which `fit_pca` finds components.

    Blocks of `BLOCK` images are summed, and the sums of blocks added without an error of rounding:
    what is found has the same bytes for any number of shards, each of whole blocks.

    Parameters
    ----------
    features : Path
        HDF5 file with `features` of shape (n, D), or (n, K D) where they are of K regions: a shard
        of the training features, or all of them.
    output : Path
        HDF5 file to write: `origin` (D,), `total` (D,) and `products` (D, D), float64, the sums of
        what is left of the samples when the origin is subtracted, and of its products; below the
        diagonal. Attributes tell how many samples and which rows they are of.
    first : Path, optional
        The shard that begins with the first row: the mean of its first images is the origin. By
        default `features` itself.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute; Apple's MPS has no float64, and leaves it to the processor.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, `first` does not begin with the first row, or a feature is
        not finite.
    """
    limit_threads(threads)
    origin = _first_rows(first or features)
    with open_features(features) as source, create_hdf5(output) as file:
        rows, regions = source[FEATURES], regions_of(source)
        shard = read_shard(features, source, *rows.shape)
        columns = rows.shape[1] // regions
        if columns != origin.shape[1]:
            raise InputError(
                f"{features} has samples of {columns} numbers but {first} of {origin.shape[1]}:"
                " extract the same images with the same settings."
            )
        several_blocks = shard.all_rows > BLOCK
        sums = _sums_on(device, origin, shard.all_rows * regions if several_blocks else 0)
        chunks = _chunks(rows, "pca: sum")
        try:
            for _, block in groupby(chunks, key=lambda chunk: chunk[0][0] // BLOCK):
                sums.add(chunk.reshape(-1, columns) for _, chunk in block)
        except ValueError as error:
            raise InputError(
                f"PCA of {features} failed: {error}; extract the features again."
            ) from None
        file[ORIGIN], file[TOTAL] = sums.origin, sums.total
        products = file.create_dataset(PRODUCTS, (columns, columns), dtype=np.float64)
        for start, slab in zip(range(0, columns, SLAB), sums.products(), strict=True):
            products[start : start + SLAB] = slab
        if shard.has_photos:
            file[PHOTOS] = source[PHOTOS][:]
        place = {FIRST_ROW: shard.first, ALL_ROWS: shard.all_rows}
        file.attrs.update(shard.attributes | place | {ROWS: shard.rows, SAMPLES: sums.samples})


def fit_pca(
    *sums: Path,
    output: OutputFile,
    components: int = 512,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Find the principal components of the training features.

    Parameters
    ----------
    sums : Path
        What `sum_features` wrote for each shard.
    output : Path
        HDF5 file to write: `mean` (D,), `components` (C, D), `explained_variance` and
        `explained_variance_ratio` (C,), all float64, and the attributes of the feature file.
    components : int
        Components to keep, C.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute; Apple's MPS has no float64, and leaves it to the processor.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing, damaged, or does not fit the others, has fewer rows or columns than
        components, or rows that are all the same.
    """
    require(components >= 1, "components", "at least 1", components)
    limit_threads(threads)
    shards = in_order([_read_sums(path) for path in sums])
    added = _add(shards, device)
    about = whole_attributes(shards)
    samples = "regions" if REGIONS in about else "images"
    try:
        found = find_components(added, components)
    except ValueError as error:
        raise InputError(
            f"PCA of {shards[0].path} failed: {error}; lower `pca_components` or give more images."
        ) from None
    if found["explained_variance"][0] <= (ROUNDING * np.abs(found["mean"]).max()) ** 2:
        raise InputError(
            f"The rows that {shards[0].path} sums are all the same: there are no components to"
            " find; check the images, and the weights that the features were made with."
        )
    with create_hdf5(output, record_digest=True) as file:
        for name, array in found.items():
            file[name] = array
        file.attrs.update(sorted(about.items()))
    kept = found["explained_variance_ratio"].sum()
    print(f"{components} components keep {kept:.1%} of the variance of {added.samples} {samples}.")


def _first_rows(features: Path) -> np.ndarray:
    """Return the first samples of all, of shape (n, D); zeros where no image could be read."""
    with open_features(features) as file:
        rows, columns = file[FEATURES], file[FEATURES].shape[1] // regions_of(file)
        if first := read_shard(features, file, *rows.shape).first:
            raise InputError(
                f"{features} begins at row {first}: name the shard with the first row as `first`."
            )
        for _, chunk in _chunks(rows):
            if not np.isfinite(chunk).all():
                raise InputError(f"A feature of {features} is not finite: extract them again.")
            return chunk.reshape(-1, columns)
    return np.zeros((1, columns))


def _sums_on(device: Device, first: np.ndarray, all_samples: int) -> CovarianceSums:
    """Return sums of nothing yet, on a GPU if there is one to use."""
    if device not in ("cpu", "mps"):
        # PyTorch takes 180 MB of memory: what needs no GPU does without.
        from recap.core.devices import choose_device
        from recap.features.gpu_covariance import GPUCovarianceSums

        chosen = choose_device(device)
        if chosen.type == "cuda":
            return GPUCovarianceSums(first, all_samples, chosen)
    return CovarianceSums(first, all_samples)


def _read_sums(path: Path) -> Shard:
    """Return of which rows sums are."""
    with open_hdf5(path) as file:
        columns = len(read_table(file, TOTAL, 1, "f"))
        attributes = read_attributes(file)
        rows, samples = (attributes.get(name) for name in (ROWS, SAMPLES))
        tables = read_table(file, ORIGIN, 1, "f"), read_table(file, PRODUCTS, 2, "f")
        if not all(isinstance(value, int | np.integer) for value in (rows, samples)) or [
            table.shape for table in tables
        ] != [(columns,), (columns, columns)]:
            raise InputError(f"{path} is damaged: its tables do not fit; sum the features again.")
        shard = read_shard(path, file, int(rows), columns)
        for name in (ROWS, SAMPLES):
            del shard.attributes[name]
        return shard


def _add(shards: list[Shard], device: Device) -> CovarianceSums:
    """Return the sums of all shards, which have one origin."""
    added = None
    for shard in shards:
        with open_hdf5(shard.path) as file:
            origin, products = file[ORIGIN][:], file[PRODUCTS]
            if added is None:
                added = _sums_on(device, origin[None], 0)
            elif not np.array_equal(origin, added.origin):
                raise InputError(
                    f"{shard.path} has another origin than {shards[0].path}: sum the shards again,"
                    " with the same `first`."
                )
            slabs = (products[start : start + SLAB] for start in range(0, len(origin), SLAB))
            added.add_sums(int(read_attributes(file)[SAMPLES]), file[TOTAL][:], slabs)
    return added


def find_components(sums: CovarianceSums, count: int) -> dict[str, np.ndarray]:
    """Return the principal components of rows, as scikit-learn's `PCA(svd_solver="full")` does.

    As there, a component's sign makes its largest entry positive.

    Parameters
    ----------
    sums : CovarianceSums
        Of the rows; they are used up.
    count : int
        Components to find.

    Returns
    -------
    dict of str to array, float64
        `mean`, `components`, `explained_variance` (of a sample: divided by n - 1) and
        `explained_variance_ratio`, by falling variance.

    Raises
    ------
    ValueError
        If there are fewer rows or columns than components.
    """
    if count > min(sums.samples, len(sums.total)):
        raise ValueError(
            f"{count} components cannot be found in {sums.samples} samples of {len(sums.total)}"
            " features"
        )
    variance, vectors, all_variance = sums.solve(count)
    variance = np.maximum(variance[::-1], 0)
    components = vectors.T[::-1]
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(count), largest])[:, None]
    with np.errstate(invalid="ignore"):
        ratio = variance / all_variance
    return {
        "mean": sums.mean,
        "components": np.ascontiguousarray(components),
        "explained_variance": variance,
        "explained_variance_ratio": ratio,
    }


def apply_pca(features: Path, *, pca: Path, output: OutputFile, threads: int | None = None) -> None:
    """Reduce the features of a shard, or of all images, to their principal components.

    Parameters
    ----------
    features : Path
        HDF5 file with `features` of shape (N, D).
    pca : Path
        What `fit_pca` wrote.
    output : Path
        HDF5 file to write: `features` of shape (N, C), or (N, K C) for K regions, float32, with
        the attributes of the feature file.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the features are not of the kind that the PCA was
        fitted on.
    """
    limit_threads(threads)
    with open_features(features) as source:
        rows = source[FEATURES]
        fitted = read_pca(pca)
        columns = fitted.regions * len(fitted.mean)
        if rows.shape[1] != columns:
            raise InputError(
                f"{features} has {rows.shape[1]} columns but {pca} was fitted on {columns}: fit it"
                " on features of the same backbone."
            )
        shape = len(rows), fitted.regions * len(fitted.components)
        photos = source[PHOTOS][:] if PHOTOS in source else None
        # The file is gone once the shards are gathered, and nothing beside it may be left.
        with create_features(
            output,
            shape,
            read_attributes(source),
            skipped_rows(rows),
            photos,
            record_digest=False,
        ) as reduced:
            for wanted, chunk in _chunks(rows, "pca: project"):
                if not np.isfinite(chunk).all():
                    raise InputError(f"A feature of {features} is not finite: extract them again.")
                reduced[wanted] = fitted.transform(chunk).astype(np.float32)


def read_pca(path: Path) -> PCA:
    """Read the PCA that `fit_pca` wrote.

    Parameters
    ----------
    path : Path
        HDF5 file.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not a PCA.
    """
    with open_hdf5(path) as file:
        mean = read_table(file, "mean", 1, "f")[:].astype(np.float64)
        components = read_table(file, "components", 2, "f")[:].astype(np.float64)
        if components.shape[1:] != mean.shape:
            raise InputError(f"{path} is damaged: its mean does not fit its components.")
        return PCA(mean, components, regions_of(file))


def _chunks(rows: h5py.Dataset, description: str = "") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (row numbers, rows) a chunk at a time, without the skipped ones."""
    skipped = skipped_rows(rows)
    starts = range(0, len(rows), CHUNK)
    if description:
        starts = progress(starts, desc=description, unit="chunk")
    for start in starts:
        chunk = rows[start : start + CHUNK]
        wanted = np.setdiff1d(np.arange(start, start + len(chunk)), skipped)
        if len(wanted):
            yield wanted, chunk[wanted - start]
