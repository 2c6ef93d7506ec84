"""How sparse, how local and how one-sided a map of the cortex is, and how well it agrees with a reference.

Models give different kinds of maps: a VAE the variance over a traversal (≥ 0), ICA and PCA signed weights. They are
compared as what they show of a sub-task, in up to three readings:

- "variance": as the paper shows its own model.
- "signed": an ICA map times the sign of its course's correlation with the sub-task, as the paper shows ICA.
- "abs" for signed maps, "sd" (the root of the variance) for variances: amplitudes. A variance is a squared amplitude,
  and squaring alone makes a map sparser and its top narrower, so only these two may be held against each other.
"""

import numpy as np

READINGS = {"variance": ("variance", "sd"), "signed": ("signed", "abs")}
SHARES = {"r_top10": 0.10, "r_top5": 0.05, "r_top1": 0.01}
_FEWEST = 3  # places: with two, every correlation is ±1


def read_map(values: np.ndarray, reading: str, sign: int = 1) -> np.ndarray:
    """A map in one of the readings, (V,) float64.

    Examples
    --------
    >>> read_map(np.array([4.0, -1]), "signed", -1).tolist()
    [-4.0, 1.0]
    >>> read_map(np.array([4.0, 1]), "sd").tolist()
    [2.0, 1.0]
    """
    values = np.asarray(values, dtype=np.float64)
    if reading == "signed":
        return sign * values
    if reading == "abs":
        return np.abs(values)
    if reading not in ("variance", "sd"):
        raise ValueError(f"a reading {reading!r} is not known: variance, sd, signed or abs")
    if (values < 0).any():
        raise ValueError(
            f"a map of variances goes down to {values.min():.3g}: variances are not negative; "
            "is it a map of ICA or PCA (kind='signed')?"
        )
    return np.sqrt(values) if reading == "sd" else values


def amplitude(values: np.ndarray, reading: str) -> np.ndarray:
    """What a reading shows as active, on the scale of the data and not of their variance, (V,) ≥ 0.

    Negative values of a signed map show nothing: its sign was chosen so that the sub-task is positive.
    """
    shown = np.clip(values, 0, None)
    return np.sqrt(shown) if reading == "variance" else shown


def top_correlation(values: np.ndarray, reference: np.ndarray, share: float = 1.0) -> float:
    """Pearson correlation of a map with a reference, over the vertices where the reference is largest.

    One reading of the paper's "correlation between the top 10 %, top 5 %, and top 1 % values of the HCP group average
    effect size maps with the produced spatial maps" (Fig. 3): both maps, restricted to those vertices.

    Parameters
    ----------
    values, reference : (V,) arrays
        Vertices where either is not finite are left out.
    share : float
        Of the vertices that are left, rounded up.

    Returns
    -------
    r : float
        NaN with fewer than three vertices, or where one of the maps does not vary over them.

    Examples
    --------
    >>> round(top_correlation(np.array([9.0, 0, 1, 2]), np.array([0.0, 1, 2, 3]), 0.75), 6)
    1.0
    """
    values, reference = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    both = np.isfinite(values) & np.isfinite(reference)
    values, reference = values[both], reference[both]
    n = int(np.ceil(round(share * len(reference), 9)))
    if n < _FEWEST:
        return float("nan")
    top = np.argsort(-reference, kind="stable")[:n]
    return _correlation(values[top], reference[top])


def correlations(values: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Agreement over all vertices and over the reference's top 10, 5 and 1 %: r_all, r_top10, r_top5, r_top1."""
    return {"r_all": top_correlation(values, reference)} | {
        name: top_correlation(values, reference, share) for name, share in SHARES.items()
    }


def sparsity(values: np.ndarray) -> float:
    """Hoyer's sparsity: 0 where all places hold the same amount, 1 where one holds everything.

    (√n − ‖x‖₁ / ‖x‖₂) / (√n − 1), Hoyer 2004 (J. Mach. Learn. Res. 5:1457); NaN for an empty map.

    Examples
    --------
    >>> sparsity(np.array([0.0, 0, 3, 0])), sparsity(np.array([1.0, 1, 1, 1]))
    (1.0, 0.0)
    """
    x = np.abs(np.asarray(values, dtype=np.float64))
    x, root = x / max(x.max(), np.finfo(float).tiny), np.sqrt(x.size)  # scaled: squares neither overflow nor vanish
    length = np.linalg.norm(x)
    return float((root - x.sum() / length) / (root - 1)) if length > 0 and x.size > 1 else float("nan")


def lateralisation(values: np.ndarray, left: np.ndarray) -> float:
    """(L − R) / (L + R) of the mean energy of a vertex: 1 all in the left hemisphere, −1 all in the right one.

    Parameters
    ----------
    values : (V,) array
        Amplitudes; their squares are the energy.
    left : (V,) bool array

    Examples
    --------
    >>> lateralisation(np.array([2.0, 0, 0]), np.array([True, True, False]))
    1.0
    """
    energy = np.asarray(values, dtype=np.float64) ** 2
    if left.all() or not left.any():
        return float("nan")
    sides = energy[left].mean(), energy[~left].mean()
    return float((sides[0] - sides[1]) / sum(sides)) if sum(sides) > 0 else float("nan")


def peaks(values: np.ndarray, left: np.ndarray) -> list[int]:
    """Where a map is largest in the left and in the right hemisphere; hemispheres without vertices are left out.

    Examples
    --------
    >>> peaks(np.array([0.0, 5, 2, 9]), np.array([True, True, False, False]))
    [1, 3]
    """
    sides = (np.flatnonzero(side) for side in (left, ~left))
    return [int(side[np.argmax(values[side])]) for side in sides if len(side)]


def spread(values: np.ndarray, distances: np.ndarray) -> float:
    """Mean distance of a map's energy from the peak of its own hemisphere, in mm.

    A map with one patch in each hemisphere is as local as one with a single patch.

    Parameters
    ----------
    values : (V,) array
        Amplitudes; their squares are the weights.
    distances : (V,) array
        Geodesic distance of each vertex from the peak of its hemisphere, in mm; where it is infinite (an island that
        no path reaches) a vertex does not count.

    Examples
    --------
    >>> spread(np.array([1.0, 1, 0]), np.array([0.0, 4, 90]))
    2.0
    """
    reached = np.isfinite(distances)
    energy = np.asarray(values, dtype=np.float64)[reached] ** 2
    return float(energy @ distances[reached] / energy.sum()) if energy.sum() > 0 else float("nan")


def _correlation(a, b) -> float:
    a, b = a - a.mean(), b - b.mean()
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.clip(a @ b / lengths, -1, 1)) if lengths > 0 else float("nan")
