"""Principal component analysis of features, in one pass over the feature file."""

from collections.abc import Iterator
from dataclasses import dataclass
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
from recap.features.covariance import CHUNK, CovarianceSums
from recap.features.files import FEATURES, create_features, open_features, regions_of, skipped_rows

# Of a mean of equal numbers, relative to it; float32 numbers that differ do so by far more.
ROUNDING = 1e-12


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


def fit_pca(
    features: Path,
    *,
    output: OutputFile,
    components: int = 512,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Find the principal components of the training features.

    Parameters
    ----------
    features : Path
        HDF5 file with `features` of shape (N, D), or (N, K D) where they are of K regions.
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
        If the file is missing or damaged, has fewer rows or columns than components, or rows that
        are all the same.
    """
    require(components >= 1, "components", "at least 1", components)
    limit_threads(threads)
    with (
        open_features(features) as source,
        create_hdf5(output, record_digest=True) as file,
    ):
        try:
            sums = _sum(source[FEATURES], regions_of(source), device)
            found = find_components(sums, components)
        except ValueError as error:
            raise InputError(
                f"PCA of {features} failed: {error}; lower `pca_components` or give more images."
            ) from None
        if found["explained_variance"][0] <= (ROUNDING * np.abs(found["mean"]).max()) ** 2:
            raise InputError(
                f"The rows of {features} are all the same: there are no components to find; check"
                " the images, and the weights that the features were made with."
            )
        for name, array in found.items():
            file[name] = array
        file.attrs.update(read_attributes(source))
        samples = "images" if regions_of(source) == 1 else "regions"
    kept = found["explained_variance_ratio"].sum()
    print(f"{components} components keep {kept:.1%} of the variance of {sums.samples} {samples}.")


def _sum(rows: h5py.Dataset, regions: int, device: Device) -> CovarianceSums:
    """Return the sums of all rows, or of their regions."""
    columns = rows.shape[1] // regions
    sums = _sums_on(device, columns)
    for _, chunk in _chunks(rows, "pca: fit"):
        sums.add(chunk.reshape(-1, columns))
    return sums


def _sums_on(device: Device, columns: int) -> CovarianceSums:
    """Return sums of nothing yet, on a GPU if there is one to use."""
    if device not in ("cpu", "mps"):
        # PyTorch takes 180 MB of memory: what needs no GPU does without.
        from recap.core.devices import choose_device
        from recap.features.gpu_covariance import GPUCovarianceSums

        chosen = choose_device(device)
        if chosen.type == "cuda":
            return GPUCovarianceSums(columns, chosen)
    return CovarianceSums(columns)


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
    """Reduce a feature file to its principal components.

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
        attributes = read_attributes(source)
        with create_features(output, shape, attributes, skipped_rows(rows)) as reduced:
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
        mean = read_table(file, "mean", 1, "f")[:]
        components = read_table(file, "components", 2, "f")[:]
        if components.shape[1:] != mean.shape:
            raise InputError(f"{path} is damaged: its mean does not fit its components.")
        return PCA(mean, components, regions_of(file))


def _chunks(rows: h5py.Dataset, description: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (row numbers, rows) a chunk at a time, without the skipped ones."""
    skipped = skipped_rows(rows)
    for start in progress(range(0, len(rows), CHUNK), desc=description, unit="chunk"):
        chunk = rows[start : start + CHUNK]
        wanted = np.setdiff1d(np.arange(start, start + len(chunk)), skipped)
        if len(wanted):
            yield wanted, chunk[wanted - start]
