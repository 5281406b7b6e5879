"""Principal component analysis of features, in one pass over the feature file."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from recap.devices import use_threads
from recap.errors import InputError
from recap.feature_files import (
    FEATURES,
    create_features,
    open_features,
    open_hdf5,
    regions_of,
    skipped_rows,
)
from recap.files import atomic_path
from recap.progress import progress

CHUNK = 1024  # rows held in memory at a time


class StreamingPCA(TransformerMixin, BaseEstimator):
    """Exact PCA that reads its data in chunks, once.

    The covariance is summed in float64 around the mean of the first chunk, which keeps it exact
    where the mean is large against the spread, and its eigenvectors are the components. They are
    those of scikit-learn's `PCA(svd_solver="full")`; as there, a component's sign makes its
    largest entry positive.

    Parameters
    ----------
    n_components : int
        Components to keep.
    n_regions : int
        Parts that a row consists of, one after another. Each part is a sample: all are projected
        onto the same components.

    Attributes
    ----------
    mean_ : array of shape (n_features,), float64
    components_ : array of shape (n_components, n_features), float64
        Rows of unit length, by falling variance.
    explained_variance_, explained_variance_ratio_ : arrays of shape (n_components,), float64
        Variance along each component (of a sample: divided by n - 1), and its share.
    n_samples_ : int
        Rows seen, or parts of rows.
    n_features_in_ : int
        Columns seen.
    """

    def __init__(self, n_components: int = 512, n_regions: int = 1):
        self.n_components = n_components
        self.n_regions = n_regions

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
        if isinstance(X, h5py.Dataset):
            self.n_features_in_ = X.shape[1]
        else:
            X = validate_data(self, X, dtype="numeric")
        n_features = self.n_features_in_ // self.n_regions
        origin = None
        total = np.zeros(n_features)
        products = np.zeros((n_features, n_features), order="F")
        self.n_samples_ = 0
        for _, chunk in _chunks(X, "pca: fit"):
            chunk = chunk.astype(np.float64).reshape(-1, n_features)
            if not np.isfinite(chunk).all():
                raise ValueError("a feature is not finite")
            if origin is None:
                origin = chunk.mean(axis=0)
            chunk -= origin
            total += chunk.sum(axis=0)
            # Only the upper triangle is summed: half the work of the whole product.
            products = linalg.blas.dsyrk(1.0, chunk.T, beta=1.0, c=products, overwrite_c=True)
            self.n_samples_ += len(chunk)
        if self.n_components > min(self.n_samples_, n_features):
            raise ValueError(
                f"{self.n_components} components cannot be found in {self.n_samples_} samples of"
                f" {n_features} features"
            )
        offset = total / self.n_samples_
        self.mean_ = origin + offset
        products = linalg.blas.dsyr(-float(self.n_samples_), offset, a=products, overwrite_a=True)
        products /= max(self.n_samples_ - 1, 1)
        all_variance = np.trace(products)
        variance, vectors = linalg.eigh(
            products,
            lower=False,
            overwrite_a=True,
            check_finite=False,
            subset_by_index=(n_features - self.n_components, n_features - 1),
        )
        components = vectors.T[::-1]
        largest = np.abs(components).argmax(axis=1)
        components *= np.sign(components[np.arange(self.n_components), largest])[:, None]
        self.components_ = np.ascontiguousarray(components)
        self.explained_variance_ = np.maximum(variance[::-1], 0)
        self.explained_variance_ratio_ = self.explained_variance_ / all_variance
        return self

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
    features: Path, *, output: Path, components: int = 512, threads: int | None = None
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
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If the file is missing or damaged, or has fewer rows or columns than components.
    """
    use_threads(threads)
    with (
        open_features(features) as source,
        atomic_path(output) as scratch,
        h5py.File(scratch, "w") as file,
    ):
        try:
            pca = StreamingPCA(components, regions_of(source)).fit(source[FEATURES])
        except ValueError as error:
            raise InputError(
                f"PCA of {features} failed: {error}; lower `pca_components` or give more images."
            ) from None
        file["mean"] = pca.mean_
        file["components"] = pca.components_
        file["explained_variance"] = pca.explained_variance_
        file["explained_variance_ratio"] = pca.explained_variance_ratio_
        file.attrs.update(source.attrs)
    kept = pca.explained_variance_ratio_.sum()
    print(
        f"{components} components keep {kept:.1%} of the variance of {pca.n_samples_}"
        f" {'images' if pca.n_regions == 1 else 'regions'}."
    )


def apply_pca(features: Path, *, pca: Path, output: Path, threads: int | None = None) -> None:
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
    use_threads(threads)
    with open_features(features) as source:
        rows = source[FEATURES]
        fitted = read_pca(pca)
        if rows.shape[1] != fitted.n_features_in_:
            raise InputError(
                f"{features} has {rows.shape[1]} columns but {pca} was fitted on"
                f" {fitted.n_features_in_}: fit it on features of the same backbone."
            )
        shape = len(rows), fitted.n_regions * len(fitted.components_)
        with create_features(output, shape, dict(source.attrs), skipped_rows(rows)) as reduced:
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
        try:
            mean, components = file["mean"][:], file["components"][:]
        except KeyError:
            raise InputError(f"{path} is not a PCA that recap wrote.") from None
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
