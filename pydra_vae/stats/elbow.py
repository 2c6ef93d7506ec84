"""Where a curve of error against latent size bends, if it does: the elbow, with its uncertainty.

Any falling curve has a point farthest from its chord, but that point moves with the sizes tried: a smooth decay has no
elbow. Here an elbow is a *break*: the size at which a line of one slope gives way to a flatter one. For each curve,

    broken line   m(k) = c + b·k + d·max(0, k − κ), b < 0, d > 0, κ one of the sizes between the first and the last
    smooth decay  m(k) = c + b·exp(−k/τ)  or  c + b·k^−a  or a straight line

are fitted by least squares, and there is an elbow at κ where the broken line has the lowest Bayesian information
criterion (n log RSS + p log n). Which subjects and seeds were measured is uncertain: subjects are drawn with
replacement, then seeds within each, and the elbow of each draw's mean curve is looked for.

A curve without an elbow still leaves the question how many dimensions are worth it. `near_size` describes it, and
chooses nothing: the smallest size whose error is within a few per cent of that at the largest size tried. It depends on
which size that is.
"""

from dataclasses import dataclass

import numpy as np

MIN_SIZES = 5
# Fits that miss a curve by less than this share of its range are equally good.
EQUAL = 0.005
# A size is chosen where at least this share of the draws has an elbow at or beside it.
SURE = 0.8
# An error within this share of that at the largest size is near it.
NEAR = 0.05


@dataclass(frozen=True)
class Elbow:
    """What the draws say.

    Attributes
    ----------
    size : int or None
        The elbow of the mean curve.
    low, high : int or None
        Limits of 95 % of the draws' elbows, draws without one left out.
    shares : dict of int to float
        Share of the draws with their elbow at each size; the rest has none.
    verdict : {"elbow", "uncertain", "none"}
    sentence : str
        The verdict in words.
    """

    size: int | None
    low: int | None
    high: int | None
    shares: dict[int, float]
    verdict: str
    sentence: str


def breaks_of(sizes: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """The size at which each curve breaks; 0 for one that is smooth, straight or bent the other way.

    Parameters
    ----------
    sizes : (n,) array, ascending
        Of fewer than five, no curve breaks.
    curves : (m, n) array
        Error at each size.

    Returns
    -------
    (m,) int array

    Examples
    --------
    >>> sizes = np.array([2, 4, 6, 9, 12, 16])
    >>> breaks_of(sizes, np.array([np.maximum(9 - sizes, 0), 1 / sizes])).tolist()
    [9, 0]
    """
    sizes, curves = np.asarray(sizes, dtype=float), np.asarray(curves, dtype=float)
    n, inner = len(sizes), np.asarray(sizes[1:-1])
    if n < MIN_SIZES or not len(curves):
        return np.zeros(len(curves), dtype=int)
    spread = np.ptp(curves, axis=1)
    floor = n * (EQUAL * spread) ** 2 + np.finfo(float).tiny

    def criterion(squares: np.ndarray, parameters: int) -> np.ndarray:
        return n * np.log(squares + floor) + parameters * np.log(n)

    broken = np.array([_broken(sizes, curves, at) for at in inner])
    smooth = np.minimum(criterion(_decay(sizes, curves), 3), criterion(_fit([sizes], curves)[0], 2))
    found = (criterion(broken.min(axis=0), 4) < smooth) & (spread > 0)
    return np.where(found, inner[broken.argmin(axis=0)], 0).astype(int)


def find_elbow(sizes: np.ndarray, curves: list[np.ndarray], n_bootstrap: int = 1000, seed: int = 0) -> Elbow:
    """The elbow of the mean of several curves, and how sure it is.

    Parameters
    ----------
    sizes : (n,) int array, ascending
    curves : list of (seeds, n) arrays
        Of each subject: one row a seed.
    n_bootstrap : int
    seed : int
    """
    sizes, mean = np.asarray(sizes, dtype=int), mean_curve(curves)
    whole = int(breaks_of(sizes, mean[None])[0]) or None
    found = breaks_of(sizes, bootstrap(curves, n_bootstrap, seed))
    shares = {int(size): float(np.mean(found == size)) for size in sizes[1:-1]} if len(found) else {}
    low = high = None
    if found.any():
        low, high = (int(q) for q in np.quantile(found[found > 0], (0.025, 0.975), method="nearest"))
    return Elbow(whole, low, high, shares, *_verdict(sizes, mean, whole, (low, high), shares, sum(map(len, curves))))


@dataclass(frozen=True)
class Near:
    """The smallest size whose error is near that at the largest size tried.

    Attributes
    ----------
    size : int
        Of the mean curve.
    low, high : int or None
        Limits of 95 % of the draws; None of a single curve.
    sentence : str
    """

    size: int
    low: int | None
    high: int | None
    sentence: str


def near_sizes(sizes: np.ndarray, curves: np.ndarray, within: float = NEAR) -> np.ndarray:
    """The smallest size whose error is at most this share above that at the largest size, of each curve.

    Parameters
    ----------
    sizes : (n,) array, ascending
    curves : (m, n) array
        Error at each size.
    within : float

    Returns
    -------
    (m,) int array

    Examples
    --------
    >>> near_sizes(np.array([2, 4, 9]), np.array([[2, 1.04, 1], [2, 1.06, 1], [0.5, 0.7, 1]])).tolist()
    [4, 9, 2]
    """
    curves = np.asarray(curves, dtype=float)
    return np.asarray(sizes, dtype=int)[(curves <= (1 + within) * curves[:, -1:]).argmax(axis=1)]


def find_near(sizes: np.ndarray, curves: list[np.ndarray], n_bootstrap: int = 1000, seed: int = 0) -> Near:
    """The near size of the mean of several curves with its interval; curves and draws as in `find_elbow`."""
    size = int(near_sizes(sizes, mean_curve(curves)[None])[0])
    draws, low, high = bootstrap(curves, n_bootstrap, seed), None, None
    text = f"{size} is the smallest size with an error within {percent(NEAR)} of that at {int(sizes[-1])}"
    text += ", the largest tried" if size < sizes[-1] else ", the largest tried: the error is still falling"
    if len(draws):
        low, high = (int(q) for q in np.quantile(near_sizes(sizes, draws), (0.025, 0.975), method="nearest"))
        text += f" ({low} to {high} in 95 % of the draws)" if low < high else " (the same in 95 % of the draws)"
    return Near(size, low, high, text)


def percent(share: float) -> str:
    """A share in whole per cent.

    >>> percent(0.215)
    '22 %'
    """
    return f"{100 * share:.0f} %"


def mean_curve(curves: list[np.ndarray]) -> np.ndarray:
    """Mean over subjects of the mean over each one's seeds, (n,)."""
    return np.mean([np.mean(own, axis=0) for own in curves], axis=0)


def bootstrap(curves: list[np.ndarray], n_bootstrap: int, seed: int = 0) -> np.ndarray:
    """Mean curves of draws of subjects, and of seeds within them, with replacement; (n_bootstrap, n).

    No draw where there is one curve only: it says nothing about another one.
    """
    if sum(map(len, curves)) < 2:
        return np.empty((0, curves[0].shape[1]))
    rng = np.random.default_rng(seed)

    def draw():
        subjects = rng.integers(len(curves), size=len(curves))
        return mean_curve([curves[s][rng.integers(len(curves[s]), size=len(curves[s]))] for s in subjects])

    return np.array([draw() for _ in range(n_bootstrap)])


def _verdict(sizes, mean, whole, limits, shares, n_curves) -> tuple[str, str]:
    if len(sizes) < MIN_SIZES:
        return "none", f"no elbow can be told from {len(sizes)} sizes: give at least {MIN_SIZES}"
    if whole is None:
        how = "falls smoothly" if mean[-1] < mean[0] else "does not fall"
        some = sum(shares.values())
        draws = f", but {percent(some)} of the draws have one" if some else ""
        text = f"no elbow: the error {how} from {sizes[0]} to {sizes[-1]} latents{draws}"
        return "uncertain" if some > 1 - SURE else "none", text
    if not shares:
        return "uncertain", f"an elbow at {whole}, of a single curve: fit more seeds or subjects to see how sure it is"
    place = list(sizes).index(whole)
    share = sum(shares.get(int(size), 0.0) for size in sizes[place - 1 : place + 2])
    text = f"an elbow at {whole}, between {limits[0]} and {limits[1]} in 95 % of the draws that have one"
    text += f" ({n_curves} curves)"
    if share < SURE:
        return "uncertain", f"{text}; only {percent(share)} of all draws have one at or beside it"
    return "elbow", text


def _fit(columns: list[np.ndarray], curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residual sums of squares of linear fits with a constant, (m,), and their coefficients, (1 + columns, m)."""
    design = np.column_stack([np.ones(curves.shape[1]), *columns])
    coefficients = np.linalg.lstsq(design, curves.T, rcond=None)[0]
    return np.sum((curves.T - design @ coefficients) ** 2, axis=0), coefficients


def _broken(sizes, curves, at) -> np.ndarray:
    """Residuals of the line that breaks at one size; infinite where it is not a fall that becomes flatter."""
    squares, (_, before, change) = _fit([sizes, np.maximum(0, sizes - at)], curves)
    return np.where((before < 0) & (change > 0), squares, np.inf)


def _decay(sizes, curves) -> np.ndarray:
    """Residuals of the best smooth decay; its rate is searched on a grid."""
    span = sizes[-1] - sizes[0]
    shapes = [np.exp(-(sizes - sizes[0]) / tau) for tau in np.geomspace(span / 50, span * 10, 60)]
    shapes += [(sizes / sizes[0]) ** -power for power in np.geomspace(0.05, 10, 60)]
    fits = [_fit([shape], curves) for shape in shapes]
    return np.min([np.where(scale > 0, squares, np.inf) for squares, (_, scale) in fits], axis=0)
