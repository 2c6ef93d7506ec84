"""How well one modality is predicted from another, for vectors of images and for single scores.

R² = 1 − SSE/SSE(mean of the training images), so the mean image, or mean score, has 0. Of images, r is the correlation
between predicted and true differences from the training mean, over all voxels and images together.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pydra_vae.stats.chunks import row_chunks

RELATED = 0.1  # share of the voxels that follow a source most
COLUMNS = 4096
PENALTIES = np.logspace(-3, 5, 17)


def score_figures(y: np.ndarray, predicted: np.ndarray, mean: float) -> dict[str, float]:
    """R², r and mean absolute error of one score over n persons; NaN where they cannot be computed.

    Parameters
    ----------
    y, predicted : (n,) arrays
        Without missing values.
    mean : float
        Of the training images.

    >>> {k: round(v, 9) for k, v in score_figures(np.array([1.0, 2, 3]), np.array([1.0, 2, 3]), 2.0).items()}
    {'n': 3, 'r2': 1.0, 'r': 1.0, 'mae': 0.0}
    """
    left = y - mean
    figures = {"n": len(y), "r2": _share(np.square(y - predicted).sum(), np.square(left).sum())}
    return figures | {"r": _pearson(y, predicted), "mae": float(np.abs(y - predicted).mean()) if len(y) else np.nan}


def image_figures(
    x: np.ndarray,
    rows: np.ndarray,
    predict: Callable[[slice], np.ndarray],
    mean: np.ndarray,
    regions: Mapping[str, np.ndarray],
) -> list[dict]:
    """R², r and mean absolute error of predicted images, one row a region.

    Parameters
    ----------
    x : (N, V) array
        May be memory-mapped.
    rows : (n,) int array
        Images that are judged.
    predict : callable
        Gives the predictions of a slice of `rows`, (b, V).
    mean : (V,) array
        Of the training images.
    regions : mapping of str to (V,) bool array
    """
    sums = {name: np.zeros(5) for name in regions}
    for part in row_chunks(len(rows), x.shape[1]):
        truth = np.asarray(x[rows[part]], dtype=np.float64) - mean
        guess = np.asarray(predict(part), dtype=np.float64) - mean
        for name, inside in regions.items():
            t, g = truth[:, inside], guess[:, inside]
            sums[name] += [np.square(t - g).sum(), np.square(t).sum(), np.square(g).sum(), (t * g).sum(),
                           np.abs(t - g).sum()]  # fmt: skip
    found = []
    for name, (error, power, own, both, distance) in sums.items():
        r = float(both / np.sqrt(power * own)) if power * own > 0 else np.nan
        mae = float(distance / (len(rows) * regions[name].sum())) if len(rows) else np.nan
        found.append({"region": name, "n": len(rows), "r2": _share(error, power), "r": r, "mae": mae})
    return found


def related_voxels(x: np.ndarray, rows: np.ndarray, source: np.ndarray, share: float = RELATED) -> np.ndarray:
    """The share of the voxels that a linear map of the source explains best, (V,) bool.

    Parameters
    ----------
    x : (N, V) array
        Images; may be memory-mapped.
    rows : (n,) int array
        Training images.
    source : (n, p) array
        What the images are predicted from, of the same images.
    """
    basis, _ = np.linalg.qr(source - source.mean(0))
    explained = np.empty(x.shape[1])
    for start in range(0, x.shape[1], COLUMNS):
        block = np.asarray(x[:, start : start + COLUMNS][rows], dtype=np.float64)
        block -= block.mean(0)
        power = np.square(block).sum(0)
        explained[start : start + COLUMNS] = np.square(basis.T @ block).sum(0) / np.where(power > 0, power, np.inf)
    chosen = np.argsort(-explained, kind="stable")[: max(1, round(share * len(explained)))]
    return np.isin(np.arange(len(explained)), chosen)


def ridge_predictions(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Ridge regression of y on x from some rows, for all rows; its penalty by cross-validation among those rows.

    Parameters
    ----------
    x : (N, p) array
    y : (N, q) array
    rows : (n,) int array
        Fitted to.

    Returns
    -------
    (N, q) array
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return model.fit(x[rows], y[rows]).predict(x).reshape(len(x), -1)


def products(x: np.ndarray) -> np.ndarray:
    """Columns of x (n, p), their squares and their pairwise products.

    >>> products(np.array([[2.0, 3.0]])).tolist()
    [[2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], axis=1)


def _share(error: float, power: float) -> float:
    return float(1 - error / power) if power > 0 else np.nan


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean() if len(a) else a, b - b.mean() if len(b) else b
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if len(a) > 2 and size > 1e-12 else np.nan
