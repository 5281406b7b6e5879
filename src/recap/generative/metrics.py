"""How alike two sets of pictures are, by their features."""

from collections.abc import Iterator

import numpy as np

NEIGHBOURS = 3  # as Kynkäänniemi et al. take
ROWS_AT_ONCE = 500


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet distance between two sets of features, each taken for a Gaussian.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with sample covariances; of Inception's features it
    is FID (Heusel et al., https://arxiv.org/abs/1706.08500). Distances of other features, or of
    another number of pictures, cannot be compared with it.

    Parameters
    ----------
    first, second : ndarray of shape (N, D)
        Features of two pictures or more each; N may differ.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    covariances = [np.atleast_2d(np.cov(of, rowvar=False)) for of in (first, second)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    # The product of the two covariances has the eigenvalues of this symmetric matrix.
    both = np.linalg.eigvalsh(root @ covariances[1] @ root)
    means = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    traces = sum(np.trace(covariance) for covariance in covariances)
    return max(0.0, float(means + traces - 2 * np.sqrt(both.clip(0)).sum()))


def precision_and_recall(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Return how many made pictures look real, and how much of what is real is made.

    Precision is the share of made pictures that lie within the real ones' manifold: no further
    from one of them than its third neighbour among them. Recall is the same with the sets swapped
    (Kynkäänniemi et al., https://arxiv.org/abs/1904.06991).

    Parameters
    ----------
    real, made : ndarray of shape (N, D), float32
        Features, of more than three pictures each.
    """
    return _covered(made, real), _covered(real, made)


def nearest(wanted: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest of a set for each of another.

    Parameters
    ----------
    wanted : ndarray of shape (N, D)
        What neighbours are wanted of.
    among : ndarray of shape (M, D)
        Where they are looked for.

    Returns
    -------
    places : ndarray of shape (N,), int64
        Of the neighbours in `among`.
    distances : ndarray of shape (N,), float32
        Euclidean ones.
    """
    places, distances = [], []
    for squares in _squares(wanted, among):
        place = squares.argmin(axis=1)
        places.append(place)
        distances.append(np.sqrt(squares[np.arange(len(place)), place]))
    return np.concatenate(places), np.concatenate(distances)


def _covered(points: np.ndarray, manifold: np.ndarray) -> float:
    """Return the share of the points that lie within the manifold of others."""
    radii = np.concatenate(
        # The nearest is the point itself.
        [
            np.partition(squares, NEIGHBOURS)[:, NEIGHBOURS]
            for squares in _squares(manifold, manifold)
        ]
    )
    inside = [(squares <= radii).any(axis=1) for squares in _squares(points, manifold)]
    return float(np.concatenate(inside).mean())


def _squares(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the squared distances of some rows at a time to all of the second."""
    first, second = first.astype(np.float32), second.astype(np.float32)
    lengths = np.square(second).sum(axis=1)
    for start in range(0, len(first), ROWS_AT_ONCE):
        rows = first[start : start + ROWS_AT_ONCE]
        squares = np.square(rows).sum(axis=1)[:, None] + lengths - 2 * rows @ second.T
        yield np.maximum(squares, 0, out=squares)
