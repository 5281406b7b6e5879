"""Principal component analysis of features, in one pass over the feature file."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.hdf5 import create_hdf5, open_hdf5, read_attributes, read_table
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.core.threads import limit_threads
from recap.features.covariance import CHUNK, CovarianceSums, TorchCovarianceSums
from recap.features.files import FEATURES, create_features, open_features, regions_of, skipped_rows

# What a fitted PCA has found.
FOUND = ("mean_", "components_", "explained_variance_", "explained_variance_ratio_")

Device = Literal["auto", "cpu", "cuda", "mps"]

# Of a mean of equal numbers, relative to it; float32 numbers that differ do so by far more.
ROUNDING = 1e-12

# NVIDIA's driver on Linux, and on Windows' Linux.
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


class StreamingPCA(TransformerMixin, BaseEstimator):
    """Exact PCA that reads its data in chunks, once.

    The covariance is summed in float64 around the mean of the first chunk, which keeps it exact
    where the mean is large against the spread, and its eigenvectors are the components. They are
    those of scikit-learn's `PCA(svd_solver="full")`; as there, a component's sign makes its
    largest entry positive. Memory depends on the number of features, not on that of samples.

    Parameters
    ----------
    n_components : int
        Components to keep.
    n_regions : int
        Parts that a row consists of, one after another. Each part is a sample: all are projected
        onto the same components.
    device : str
        Where to compute: `cpu`, or a GPU as PyTorch calls it, such as `cuda`.

    Attributes
    ----------
    mean_ : array of shape (n_features,), float64
    components_ : array of shape (n_components, n_features), float64
        Rows of unit length, by falling variance.
    explained_variance_, explained_variance_ratio_ : arrays of shape (n_components,), float64
        Variance along each component (of a sample: divided by n - 1), and its share.
    n_samples_seen_ : int
        Rows seen, or parts of rows.
    n_features_in_ : int
        Columns seen.
    """

    def __init__(
        self,
        n_components: int = 512,
        n_regions: int = 1,
        device: str = "cpu",
    ):
        self.n_components = n_components
        self.n_regions = n_regions
        self.device = device

    def fit(self, X: np.ndarray | h5py.Dataset, y: None = None) -> "StreamingPCA":
        """Find the components.

        Parameters
        ----------
        X : array or h5py.Dataset of shape (n_samples, n_features)
            Read in chunks of rows; rows that the attribute `skipped` of a dataset lists are left
            out.
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer samples or features than components, or a value is not finite.
        """
        self._forget()
        if isinstance(X, h5py.Dataset):
            self.n_features_in_ = X.shape[1]
        else:
            X = validate_data(self, X, dtype="numeric")
        for _, chunk in _chunks(X, "pca: fit"):
            self._add(chunk)
        self._solve(self.__dict__.pop("_sums", None))
        return self

    def partial_fit(self, X: np.ndarray, y: None = None) -> "StreamingPCA":
        """Add rows to those that the components are found in.

        The components are found when they are first asked for, so that many calls cost no more
        than one.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            In memory.
        y : ignored

        Raises
        ------
        ValueError
            If the rows have another number of features than those before, or a value is not
            finite.
        """
        first = not hasattr(self, "_sums")
        if first:
            self._forget()
        X = validate_data(self, X, dtype="numeric", reset=first)
        for name in FOUND:
            self.__dict__.pop(name, None)
        self._add(X)
        return self

    def __getattr__(self, name: str):
        if name in FOUND and "_sums" in self.__dict__:
            self._solve(deepcopy(self._sums))
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _forget(self) -> None:
        for name in ("_sums", "n_samples_seen_", *FOUND):
            self.__dict__.pop(name, None)
        self.n_samples_seen_ = 0

    def _add(self, rows: np.ndarray) -> None:
        """Add rows to the sums."""
        rows = rows.reshape(-1, rows.shape[1] // self.n_regions)
        if not self.n_samples_seen_:
            origin = rows.mean(axis=0, dtype=np.float64)
            on_cpu = self.device == "cpu"
            self._sums = (
                CovarianceSums(origin) if on_cpu else TorchCovarianceSums(origin, self.device)
            )
        self.n_samples_seen_ += len(rows)
        self._sums.add(rows)

    def _solve(self, sums: CovarianceSums | None) -> None:
        """Find the components in the sums, which are used up."""
        samples, features = self.n_samples_seen_, self.n_features_in_ // self.n_regions
        if self.n_components > min(samples, features):
            raise ValueError(
                f"{self.n_components} components cannot be found in {samples} samples of"
                f" {features} features"
            )
        offset = sums.total / samples
        self.mean_ = sums.origin + offset
        variance, vectors, all_variance = sums.solve(offset, samples, self.n_components)
        components = vectors.T[::-1]
        largest = np.abs(components).argmax(axis=1)
        components *= np.sign(components[np.arange(self.n_components), largest])[:, None]
        self.components_ = np.ascontiguousarray(components)
        self.explained_variance_ = np.maximum(variance[::-1], 0)
        with np.errstate(invalid="ignore"):
            self.explained_variance_ratio_ = self.explained_variance_ / all_variance

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Project rows onto the components.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            In memory.

        Returns
        -------
        array of shape (n_samples, n_regions * n_components), float64

        Raises
        ------
        ValueError
            If the rows have another number of features, or a value is not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = X.reshape(-1, len(self.mean_))
        return ((parts - self.mean_) @ self.components_.T).reshape(len(X), -1)


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
            pca = StreamingPCA(components, regions_of(source), _choose_device(device))
            pca.fit(source[FEATURES])
        except ValueError as error:
            raise InputError(
                f"PCA of {features} failed: {error}; lower `pca_components` or give more images."
            ) from None
        if pca.explained_variance_[0] <= (ROUNDING * np.abs(pca.mean_).max()) ** 2:
            raise InputError(
                f"The rows of {features} are all the same: there are no components to find; check"
                " the images, and the weights that the features were made with."
            )
        file["mean"] = pca.mean_
        file["components"] = pca.components_
        file["explained_variance"] = pca.explained_variance_
        file["explained_variance_ratio"] = pca.explained_variance_ratio_
        file.attrs.update(read_attributes(source))
    kept = pca.explained_variance_ratio_.sum()
    print(
        f"{components} components keep {kept:.1%} of the variance of {pca.n_samples_seen_}"
        f" {'images' if pca.n_regions == 1 else 'regions'}."
    )


def _choose_device(device: Device) -> str:
    """Return where to compute.

    PyTorch takes 200 MB of memory, more than all else here: it is loaded only to use a GPU.
    """
    if device in ("cpu", "mps") or not any(path.exists() for path in GPU_DRIVERS):
        return "cpu"
    from recap.core.devices import choose_device

    chosen = choose_device(device)
    return str(chosen) if chosen.type == "cuda" else "cpu"


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
        if rows.shape[1] != fitted.n_features_in_:
            raise InputError(
                f"{features} has {rows.shape[1]} columns but {pca} was fitted on"
                f" {fitted.n_features_in_}: fit it on features of the same backbone."
            )
        shape = len(rows), fitted.n_regions * len(fitted.components_)
        attributes = read_attributes(source)
        with create_features(output, shape, attributes, skipped_rows(rows)) as reduced:
            for wanted, chunk in _chunks(rows, "pca: project"):
                if not np.isfinite(chunk).all():
                    raise InputError(f"A feature of {features} is not finite: extract them again.")
                reduced[wanted] = fitted.transform(chunk).astype(np.float32)


def read_pca(path: Path) -> StreamingPCA:
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
        pca = StreamingPCA(len(components), regions_of(file))
    pca.mean_, pca.components_ = mean, components
    pca.n_features_in_ = pca.n_regions * len(mean)
    return pca


def _chunks(
    rows: np.ndarray | h5py.Dataset, description: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (row numbers, rows) a chunk at a time, without the skipped ones."""
    skipped = skipped_rows(rows) if isinstance(rows, h5py.Dataset) else []
    for start in progress(range(0, len(rows), CHUNK), desc=description, unit="chunk"):
        chunk = rows[start : start + CHUNK]
        wanted = np.setdiff1d(np.arange(start, start + len(chunk)), skipped)
        if len(wanted):
            yield wanted, chunk[wanted - start]
