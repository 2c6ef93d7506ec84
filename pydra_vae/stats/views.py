"""Two-dimensional views of a space of many dimensions: PCA, ICA, t-SNE and UMAP.

PCA and ICA are linear: each axis of the view is a direction in the space. t-SNE and UMAP keep neighbours
and little else: distances between groups, and their sizes, mean nothing there.
"""

import warnings

import numpy as np

UMAP_MISSING = "the UMAP view needs a library that is not installed: pip install 'pydra-vae[umap]', or leave it out"


def pca_view(x: np.ndarray) -> np.ndarray:
    """Scores on the first two principal components, (K, 2).

    Parameters
    ----------
    x : (K, D) array
        With one dimension only, the second coordinate is 0.

    Examples
    --------
    >>> pca_view(np.array([[3.0, 0, 0], [-3, 0, 0], [0, 0, 1], [0, 0, -1]])).round(6).tolist()
    [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    """
    return _signed(_two(_scores(x))) + 0.0


def ica_view(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """The two most non-Gaussian independent components of the space, (K, 2), of variance 1.

    Parameters
    ----------
    x : (K, D) array
        All its dimensions are unmixed (FastICA) before two are chosen: an ICA of two dimensions would only turn
        the plane of `pca_view`.
    seed : int
        Of the unmixing's first guess.
    """
    from scipy.stats import kurtosis
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    scores = _scores(x)
    spread = scores.std(axis=0)
    scores = scores[:, spread > 1e-6 * spread.max(initial=0)]  # an unused dimension has nothing to unmix
    if not scores.size:
        return np.zeros((len(x), 2))
    with warnings.catch_warnings():
        # Directions of a Gaussian are all alike: no guess is better than another, and none converges.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = FastICA(whiten="unit-variance", max_iter=500, tol=1e-3, random_state=seed).fit_transform(scores)
    order = np.argsort(-np.abs(kurtosis(found, axis=0)), kind="stable")
    return _signed(_two(found[:, order]))


def tsne_view(x: np.ndarray, seed: int = 0, perplexity: float = 30.0) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008), begun at the PCA, (K, 2); some seconds for 3,000 points.

    `perplexity` is the number of neighbours that count, at most a third of the points.
    """
    from sklearn.manifold import TSNE

    perplexity = min(perplexity, max(1.0, (len(x) - 1) / 3))
    init = pca_view(x)
    init = 1e-4 * init / max(init[:, 0].std(), np.finfo(float).tiny)
    return TSNE(2, perplexity=perplexity, init=init.astype(np.float32), random_state=seed).fit_transform(_centred(x))


def umap_view(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """UMAP (McInnes et al. 2018), (K, 2).

    Raises
    ------
    ModuleNotFoundError
        When umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(UMAP_MISSING) from error
    return UMAP(n_components=2, random_state=seed, n_jobs=1).fit_transform(_centred(x))


def _centred(x) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return x - x.mean(axis=0)


def _scores(x) -> np.ndarray:
    """Principal component scores, the widest first."""
    centred = _centred(x)
    return centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1]


def _two(x) -> np.ndarray:
    return x[:, :2] if x.shape[1] >= 2 else np.pad(x, ((0, 0), (0, 1)))


def _signed(x) -> np.ndarray:
    """The largest entry of each column is positive."""
    peak = np.argmax(np.abs(x), axis=0)
    return x * np.where(x[peak, np.arange(x.shape[1])] < 0, -1, 1)
