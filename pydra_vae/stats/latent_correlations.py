"""Which latent goes with which covariate? Correlations of every latent with every column, and one FDR over all.

A number is correlated (Pearson's r and Spearman's ρ; the p is that of r, two-sided). A category with m levels is
tested by one-way analysis of variance of the latent (F, η² = share of the latent's variance between levels); of two
levels r is the point-biserial correlation with the second, and its p is the same as that of F. False discoveries are
controlled by Benjamini and Hochberg (1995) over everything that was tested, not column by column. Persons must be
independent: give one image of each (`first_visits`).
"""

from dataclasses import dataclass

import numpy as np

MIN_SUBJECTS = 4  # with three, any two columns are all but collinear


@dataclass(frozen=True)
class Relation:
    """One column against k latents.

    Attributes
    ----------
    type : {"number", "category"}
    levels : tuple of str
        Of a category, sorted.
    n : int
        Images for which the column is there.
    r, rho, eta2, f, p : (k,) float64 arrays
        NaN where they do not exist: r and ρ of a category with more than two levels, η² and F of a number, and
        everything where column or latent does not vary or fewer than four images are left.
    """

    type: str
    levels: tuple[str, ...]
    n: int
    r: np.ndarray
    rho: np.ndarray
    eta2: np.ndarray
    f: np.ndarray
    p: np.ndarray


def relate(z: np.ndarray, column: np.ndarray) -> Relation:
    """Relation of k latents with one covariate.

    Parameters
    ----------
    z : (n, k) array
    column : (n,) array
        Numbers (NaN: missing) or texts (None, NaN or "": missing).

    Examples
    --------
    >>> z = np.array([[0.0, 1], [1, 0], [2, 1], [3, 0]])
    >>> relate(z, np.array([1.0, 3, 5, 7])).r.round(3).tolist()
    [1.0, -0.447]
    >>> found = relate(z, np.array(["b", "a", "b", "a"]))
    >>> found.levels, found.eta2.round(3).tolist()
    (('a', 'b'), [0.2, 1.0])
    """
    column = np.asarray(column)
    if len(column) != len(z):
        raise ValueError(f"{len(column)} values of a covariate beside {len(z)} images: one for each is needed")
    if column.dtype.kind in "biuf":
        return _number(np.asarray(z, dtype=np.float64), column.astype(np.float64))
    return _category(np.asarray(z, dtype=np.float64), column)


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's q of each p; NaN stays NaN and does not count.

    Examples
    --------
    >>> false_discovery(np.array([0.01, np.nan, 0.04, 0.03])).round(3).tolist()
    [0.03, nan, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    p, q = np.asarray(p, dtype=np.float64), np.full(np.shape(p), np.nan)
    there = np.isfinite(p)
    if there.any():
        q[there] = false_discovery_control(p[there])
    return q


def first_visits(person: np.ndarray, time: np.ndarray | None = None) -> np.ndarray:
    """One row a person: the earliest, or without times (or where all of a person's are missing) the first listed.

    Parameters
    ----------
    person : (n,) array of str
    time : (n,) array, optional
        Age, or years since the first visit; NaN where unknown.

    Returns
    -------
    rows : (m,) int array
        In the order in which the persons are first listed.

    Examples
    --------
    >>> first_visits(np.array(["a", "b", "a"]), np.array([61.0, 40, 59])).tolist()
    [2, 1]
    """
    when = np.zeros(len(person)) if time is None else np.nan_to_num(np.asarray(time, dtype=float), nan=np.inf)
    best: dict = {}
    for row, name in enumerate(person):
        if name not in best or when[row] < when[best[name]]:
            best[name] = row
    return np.array(list(best.values()), dtype=int)


def correlation(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of z (n, k) with y (n,); NaN where either does not vary."""
    z, y = z - z.mean(axis=0), y - y.mean()
    size = np.linalg.norm(z, axis=0) * np.linalg.norm(y)
    floor = 1e-12 * len(y)
    return np.divide(z.T @ y, size, out=np.full(z.shape[1], np.nan), where=size > floor).clip(-1, 1)


def _number(z, y) -> Relation:
    from scipy.stats import rankdata

    there = np.isfinite(y)
    z, y, empty = z[there], y[there], np.full(z.shape[1], np.nan)
    if len(y) < MIN_SUBJECTS:
        return Relation("number", (), len(y), empty, empty, empty, empty, empty)
    r = correlation(z, y)
    rho = correlation(rankdata(z, axis=0), rankdata(y))
    return Relation("number", (), len(y), r, rho, empty, empty, _p_of_r(r, len(y)))


def _category(z, column) -> Relation:
    from scipy.stats import f as f_distribution
    from scipy.stats import rankdata

    there = np.array([value is not None and value == value and str(value) != "" for value in column], dtype=bool)
    levels, group = np.unique(column[there].astype(str), return_inverse=True)
    z, empty = z[there], np.full(z.shape[1], np.nan)
    names, n, m = tuple(levels.tolist()), len(z), len(levels)
    if n < MIN_SUBJECTS or m < 2 or n <= m:
        return Relation("category", names, n, empty, empty, empty, empty, empty)
    member = np.eye(m)[group]
    means = (member.T @ z) / member.sum(axis=0)[:, None]
    total = ((z - z.mean(axis=0)) ** 2).sum(axis=0)
    within = ((z - member @ means) ** 2).sum(axis=0)
    eta2 = np.divide(total - within, total, out=empty.copy(), where=total > 1e-24 * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (eta2 / (m - 1)) / ((1 - eta2) / (n - m))
    p = f_distribution.sf(f, m - 1, n - m)
    if m != 2:
        return Relation("category", names, n, empty, empty, eta2, f, p)
    r, rho = correlation(z, group.astype(float)), correlation(rankdata(z, axis=0), rankdata(group))
    return Relation("category", names, n, r, rho, eta2, f, p)


def _p_of_r(r, n) -> np.ndarray:
    """Two-sided p of Pearson's r, from Student's t with n − 2 degrees of freedom."""
    from scipy.stats import t

    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * t.sf(np.abs(r) * np.sqrt((n - 2) / (1 - r**2)), n - 2)
