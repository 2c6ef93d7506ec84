"""How well networks separate in a space of voxels: silhouette, nearest neighbours, a linear probe, variance.

Neighbouring voxels of one parcel resemble each other in every space, so all accuracies are cross-validated
over parcels: whole parcels are held out, each network's dealt evenly to five folds. Every figure counts
networks alike (mean recall; votes and priors are weighted), so that chance is 1 / networks in a space of
any kind and size. Silhouette and variance ratio have no such level: compare them with shuffled labels,
where the networks are permuted over whole parcels. Distances are Euclidean in the space as it is given,
whose overall scale has no effect: scaling each dimension would blow up dimensions that a model does not
use. The probe is linear discriminant analysis, which scaling or mixing the dimensions hardly changes.
Parcels of two folds may touch; what that is worth shows when the voxels' positions are given as a space.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

N_FOLDS = 5
N_NEIGHBOURS, N_CANDIDATES = 15, 300
N_VOXELS = 4000
_NONE = ("", "n/a")


@dataclass(frozen=True)
class Separation:
    """How well networks separate; NaN where fewer than two networks have two parcels each.

    Attributes
    ----------
    silhouette : float
        Mean over voxels of (b − a)/max(a, b), where a is the mean distance to the voxel's own network and b
        that to the nearest other one: −1 to 1.
    knn_accuracy, knn_sd : float
        Balanced accuracy of 15 nearest neighbours in other folds; its standard deviation over folds, or
        over shuffles where labels were shuffled.
    probe_accuracy, probe_sd : float
        The same of a linear probe.
    chance : float
        1 / networks.
    variance_ratio : float
        Variance between the networks' means over variance within networks.
    n_networks, n_parcels, n_voxels : int
        Of those that were used.
    """

    silhouette: float
    knn_accuracy: float
    knn_sd: float
    probe_accuracy: float
    probe_sd: float
    chance: float
    variance_ratio: float
    n_networks: int
    n_parcels: int
    n_voxels: int


def separability_of(
    latents: np.ndarray,
    network: np.ndarray,
    parcel: np.ndarray,
    seed: int = 0,
    n_voxels: int = N_VOXELS,
    n_shuffles: int = 0,
) -> Separation:
    """Measure how well networks separate in a space.

    Parameters
    ----------
    latents : (K, n) array
        Place of each voxel in the space; may be memory-mapped.
    network : (K,) array of str
        "" or "n/a" for none. Voxels of no network, of no parcel, or of a network of one parcel are left out.
    parcel : (K,) int array
        0 for none.
    seed : int
        Of the sample, the folds and the shuffles.
    n_voxels : int
        At most so many voxels, drawn at random, evenly over parcels.
    n_shuffles : int
        If not 0: the mean over so many permutations of the networks over parcels, the null of the figures.

    Raises
    ------
    ValueError
        When the lengths differ.
    """
    if not len(latents) == len(network) == len(parcel):
        raise ValueError(
            f"{len(latents)} voxels in the space, networks of {len(network)} and parcels of {len(parcel)}: "
            "one each for every voxel is needed"
        )
    rows = sample_voxels(network, parcel, n_voxels, seed)
    parcels, members = np.unique(np.asarray(parcel)[rows], return_inverse=True)
    names, first = np.asarray(network)[rows], np.unique(members, return_index=True)[1]
    label = np.unique(names, return_inverse=True)[1][first] if len(rows) else np.empty(0, int)  # of each parcel
    size = {"n_networks": len(set(names)), "n_parcels": len(parcels), "n_voxels": len(rows)}
    if not len(rows):
        return Separation(**dict.fromkeys(_FIGURES, np.nan), **size)
    x = np.asarray(latents[rows], dtype=np.float64)
    distance = _distances(x)
    space = _Space(x - x.mean(axis=0), distance, _order(distance), members.reshape(-1))
    rng = np.random.default_rng([seed, 1])
    if not n_shuffles:
        return Separation(**space.figures(label, rng), **size)
    drawn = [space.figures(rng.permutation(label), rng) for _ in range(n_shuffles)]
    null = {name: float(np.mean([d[name] for d in drawn])) for name in _FIGURES}
    for name in ("knn", "probe"):
        null[f"{name}_sd"] = float(np.std([d[f"{name}_accuracy"] for d in drawn], ddof=min(1, n_shuffles - 1)))
    return Separation(**null, **size)


_FIGURES = ("silhouette", "knn_accuracy", "knn_sd", "probe_accuracy", "probe_sd", "chance", "variance_ratio")


def sample_voxels(network: np.ndarray, parcel: np.ndarray, n_voxels: int = N_VOXELS, seed: int = 0) -> np.ndarray:
    """Rows of at most n_voxels voxels that can be used, ascending; none where nothing can be separated.

    As many are drawn from each parcel as it has, up to one number for all: none is left out, none outweighs.

    Examples
    --------
    >>> sample_voxels(np.array(["A", "A", "B", "B", "C", ""]), np.array([1, 2, 3, 4, 5, 6])).tolist()
    [0, 1, 2, 3]
    """
    network, parcel = np.asarray(network), np.asarray(parcel)
    usable = (parcel > 0) & ~np.isin(network, _NONE)
    for name in np.unique(network[usable]):
        here = usable & (network == name)
        if len(np.unique(parcel[here])) < 2:  # nothing to learn from while its only parcel is held out
            usable &= ~here
    rows = np.flatnonzero(usable)
    if len(np.unique(network[rows])) < 2:
        return rows[:0]
    drawn = np.random.default_rng(seed).permutation(rows)
    by_parcel = np.argsort(parcel[drawn], kind="stable")
    sizes = np.unique(parcel[drawn], return_counts=True)[1]
    turn = np.empty(len(drawn), dtype=int)  # the how-manieth voxel of its parcel each one is
    turn[by_parcel] = np.arange(len(drawn)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(drawn[np.argsort(turn, kind="stable")[:n_voxels]])


def parcel_folds(label: np.ndarray, rng: np.random.Generator, n_folds: int = N_FOLDS) -> np.ndarray:
    """Fold of each parcel, (P,): each network's parcels in random order, dealt evenly.

    Parameters
    ----------
    label : (P,) int array
        Network of each parcel.
    """
    fold, dealt = np.empty(len(label), dtype=int), int(rng.integers(n_folds))
    for network in rng.permutation(np.unique(label)):
        here = rng.permutation(np.flatnonzero(label == network))
        fold[here] = (dealt + np.arange(len(here))) % n_folds
        dealt += len(here)
    return fold


@dataclass(frozen=True)
class _Space:
    """Centred places x (N, n), their distances (N, N), nearest voxels (N, M), and parcels as an index (N,)."""

    x: np.ndarray
    distance: np.ndarray
    order: np.ndarray
    parcel: np.ndarray

    def figures(self, label: np.ndarray, rng) -> dict[str, float]:
        """All figures, for these networks of the parcels."""
        y = label[self.parcel]
        n_networks = int(label.max()) + 1
        fold = parcel_folds(label, rng)[self.parcel]
        knn, knn_sd = _accuracy(_nearest(self.order, self.distance, y, fold, n_networks), y, fold)
        probe, probe_sd = _accuracy(_probe(self.x, y, fold, n_networks), y, fold)
        return {
            "silhouette": _silhouette(self.distance, y, n_networks),
            "knn_accuracy": knn,
            "knn_sd": knn_sd,
            "probe_accuracy": probe,
            "probe_sd": probe_sd,
            "chance": 1 / n_networks,
            "variance_ratio": _variance_ratio(self.x, y, n_networks),
        }


def _distances(x) -> np.ndarray:
    """Euclidean, float32: a space of 1,310 dimensions is one matrix product."""
    x = x - x.mean(axis=0)
    x = (x / max(x.std(), np.finfo(float).tiny)).astype(np.float32)
    norm = (x**2).sum(axis=1)
    squared = norm[:, None] + norm - 2 * (x @ x.T)
    np.fill_diagonal(squared, 0)
    return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def _silhouette(distance, y, n) -> float:
    member = np.eye(n, dtype=np.float32)[y]
    total, count = (distance @ member).astype(np.float64), np.bincount(y, minlength=n).astype(float)
    own = total[np.arange(len(y)), y] / np.maximum(count[y] - 1, 1)
    others = total / np.maximum(count, 1)
    others[np.arange(len(y)), y] = np.inf
    others[:, count == 0] = np.inf
    nearest = others.min(axis=1)
    scale = np.maximum(own, nearest)
    value = np.divide(nearest - own, scale, out=np.zeros(len(y)), where=scale > 0)
    return float(value[count[y] > 1].mean())


def _variance_ratio(x, y, n) -> float:
    count = np.bincount(y, minlength=n)[:, None]
    means = (np.eye(n)[y].T @ x) / np.maximum(count, 1)
    within = np.sum((x - means[y]) ** 2)
    return float(np.sum(count * means**2) / within) if within > 0 else np.nan


def _order(distance) -> np.ndarray:
    """The nearest voxels of each one, nearest first, itself left out, (N, ≤ 300): sorted once for all shuffles."""
    distance = distance + np.diag(np.full(len(distance), np.inf, np.float32))
    n = min(N_CANDIDATES, len(distance) - 1)
    near = np.argpartition(distance, n - 1, axis=1)[:, :n]
    return np.take_along_axis(near, np.take_along_axis(distance, near, axis=1).argsort(axis=1, kind="stable"), axis=1)


def _nearest(order, distance, y, fold, n) -> np.ndarray:
    """What the nearest voxels of other folds are, each network's votes over its share of those voxels."""
    votes = _votes(order, y, fold, fold, n)
    few = np.flatnonzero((fold[order] != fold[:, None]).sum(axis=1) < N_NEIGHBOURS)
    if len(few):  # large parcels: look among all voxels
        votes[few] = _votes(distance[few].argsort(axis=1, kind="stable"), y, fold, fold[few], n)
    for train, test in _parts(fold):
        votes[test] /= np.maximum(np.bincount(y[train], minlength=n), 1)
    return votes.argmax(axis=1)


def _votes(order, y, fold, own_fold, n) -> np.ndarray:
    """Votes of the first 15 of `order` that are in another fold, (len(order), networks)."""
    counts = fold[order] != own_fold[:, None]
    counts &= np.cumsum(counts, axis=1, dtype=np.int32) <= N_NEIGHBOURS
    row, place = np.nonzero(counts)
    votes = np.bincount(row * n + y[order[row, place]], minlength=len(order) * n)
    return votes.reshape(len(order), n).astype(float)


def _probe(x, y, fold, n) -> np.ndarray:
    """Linear discriminants with equal priors; the covariance shrunk as Ledoit and Wolf (2004) do."""
    from scipy.linalg import cho_factor, cho_solve

    second = [x[fold == f].T @ x[fold == f] for f in range(N_FOLDS)]
    found = np.zeros(len(y), dtype=int)
    for train, test in _parts(fold):
        count = np.bincount(y[train], minlength=n)
        means = (np.eye(n)[y[train]].T @ x[train]) / np.maximum(count, 1)[:, None]
        scatter = sum(second[f] for f in range(N_FOLDS) if f != fold[test[0]]) - (means.T * count) @ means
        norms = ((x[train] - means[y[train]]) ** 2).sum(axis=1)
        weights = cho_solve(cho_factor(_shrunk(scatter / len(train), norms)), means.T)
        score = x[test] @ weights - 0.5 * np.sum(means.T * weights, axis=0)
        score[:, count == 0] = -np.inf
        found[test] = score.argmax(axis=1)
    return found


def _shrunk(covariance, norms) -> np.ndarray:
    """Towards a multiple of the identity; `norms` are the squared lengths of the residuals."""
    n, size = len(norms), len(covariance)
    mean = np.trace(covariance) / size
    spread = np.sum(covariance**2) - size * mean**2
    error = (np.mean(norms**2) - np.sum(covariance**2)) / n
    share = min(1.0, error / spread) if spread > 0 else 1.0
    # A dimension that does not vary, as an unused unit, must not make the matrix singular.
    return (1 - share) * covariance + (share * mean + 1e-9 * mean + np.finfo(float).tiny) * np.eye(size)


def _parts(fold) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to test on, for each fold that has any."""
    for f in np.unique(fold):
        yield np.flatnonzero(fold != f), np.flatnonzero(fold == f)


def _accuracy(found, y, fold) -> tuple[float, float]:
    """Mean recall over networks, and its standard deviation over folds."""
    each = [_recall(found[fold == f], y[fold == f]) for f in np.unique(fold)]
    return _recall(found, y), float(np.std(each, ddof=1)) if len(each) > 1 else np.nan


def _recall(found, y) -> float:
    return float(np.mean([np.mean(found[y == network] == network) for network in np.unique(y)]))
