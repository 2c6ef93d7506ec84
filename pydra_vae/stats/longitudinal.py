"""Repeated visits: who comes back when, how latents and voxels change, and what the next visit looks like.

After the tutorial's section on brain age trajectories: linear models of latents over age, and what each latent adds to
the prediction. The decoded prediction itself lacks all that the model does not reconstruct, so that the decoded
*difference* between two visits is added to the last image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.mixed_model import MixedModel, fit_mixed_model


@dataclass(frozen=True)
class NextVisit:
    """A visit that is predicted from the earlier ones of the same person.

    Attributes
    ----------
    row : int
        Of the visit among all images.
    earlier : tuple of int
        Rows of the visits before it, in order.
    """

    row: int
    earlier: tuple[int, ...]

    @property
    def last(self) -> int:
        """Row of the visit before it."""
        return self.earlier[-1]


def next_visits(person: np.ndarray, time: np.ndarray, rows: Sequence[int] | None = None) -> list[NextVisit]:
    """Every visit of some rows that has earlier ones.

    Parameters
    ----------
    person : (N,) array
    time : (N,) array
        In years; visits of equal times have no order, and the later one listed is left out.
    rows : sequence of int, optional
        Those to look at; all by default.

    Examples
    --------
    >>> [(v.row, v.earlier) for v in next_visits(np.array(["a", "a", "b", "a"]), np.array([2.0, 0, 0, 5]))]
    [(0, (1,)), (3, (1, 0))]
    """
    rows = np.arange(len(person)) if rows is None else np.asarray(rows, dtype=int)
    found = []
    for name in dict.fromkeys(person[rows]):
        seen: list[int] = []
        own = rows[person[rows] == name]
        for row in own[np.argsort(time[own], kind="stable")]:
            if seen and not time[row] > time[seen[-1]]:
                continue
            if seen:
                found.append(NextVisit(int(row), tuple(seen)))
            seen.append(int(row))
    return found


def since_first(person: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Years since each person's first visit, (N,).

    >>> since_first(np.array(["a", "b", "a"]), np.array([70.0, 60, 68])).tolist()
    [2.0, 0.0, 0.0]
    """
    numbers = np.unique(person, return_inverse=True)[1]
    first = np.full(numbers.max() + 1, np.inf)
    np.minimum.at(first, numbers, time)
    return time - first[numbers]


@dataclass(frozen=True)
class Trajectories:
    """A mixed model of each latent over age.

    Fixed effects are the age at the first visit and the years since, each with its own slope (Neuhaus & Kalbfleisch
    1998): older persons differ from younger ones in more than age, so the difference between persons is no measure of
    how one person changes. Level and change differ from person to person (random intercept and slope).

    Attributes
    ----------
    models : list of MixedModel
        One a latent; fixed effects in the order of `names`.
    names : list of str
        "intercept", then, where they vary, "within", "between", and covariates.
    design : (N, q) array
        Fixed effects of all images: 1, years since the first visit, and, centred on the training images, the time of
        the first visit and covariates.
    since : (N,) array
        Years since the person's first visit.
    centre : float
        Mean time of the training persons' first visits.
    """

    models: list[MixedModel]
    names: list[str]
    design: np.ndarray
    since: np.ndarray
    centre: float

    @classmethod
    def fit(
        cls, z: np.ndarray, time: np.ndarray, person: np.ndarray, covariates: np.ndarray, training: np.ndarray
    ) -> "Trajectories":
        """Fit on the rows `training`.

        Parameters
        ----------
        z : (N, k) array
            Latents.
        time : (N,) array
            In years.
        person : (N,) array
        covariates : (N, c) array
            Further fixed effects, c may be 0.
        training : (n,) int array
        """
        since = since_first(person, time)
        columns = {"intercept": np.ones(len(time)), "within": since, "between": time - since}
        columns |= {f"covariate {j + 1}": values for j, values in enumerate(covariates.T)}
        names = [name for name, values in columns.items() if name == "intercept" or np.ptp(values[training]) > 1e-9]
        centre = float(columns["between"][training][since[training] == 0].mean())
        for name in names[1:]:
            if name != "within":
                columns[name] = columns[name] - (centre if name == "between" else columns[name][training].mean())
        design = np.column_stack([columns[name] for name in names])
        numbers = np.unique(person[training], return_inverse=True)[1]
        models = [
            fit_mixed_model(y, design[training], since[training], numbers, "within" in names) for y in z[training].T
        ]
        return cls(models, names, design, since, centre)

    def slope(self, name: str) -> np.ndarray:
        """(k,) change a year, "within" or "between" persons; the other where the training images lack it, else 0."""
        for known in (name, "within", "between"):
            if known in self.names:
                return np.array([model.beta[self.names.index(known)] for model in self.models])
        return np.zeros(len(self.models))

    def population(self, times: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Latents (n, k) of average persons, first seen at some times, some years later."""
        level = np.array([model.beta[0] for model in self.models])
        first = np.asarray(times, dtype=float) - self.centre
        return level + np.outer(first, self.slope("between")) + np.outer(years, self.slope("within"))

    def own_slope(self, visit: NextVisit, z: np.ndarray) -> np.ndarray:
        """(k,) change of each latent a year, of that person, from the visits before."""
        return self.slope("within") + self._effects(visit, z)[:, 1]

    def predict(self, visit: NextVisit, z: np.ndarray) -> np.ndarray:
        """(k,) latents of a visit, from the visits before: fixed effects, the person's own level and slope."""
        effects, years = self._effects(visit, z), self.since[visit.row] - self.since[visit.last]
        fixed = np.array([self.design[visit.last] @ model.beta for model in self.models])
        return fixed + effects @ [1.0, self.since[visit.row]] + years * self.slope("within")

    def _effects(self, visit, z):
        rows = list(visit.earlier)
        return np.array([
            model.effects(self.design[rows], self.since[rows], z[rows, j]) for j, model in enumerate(self.models)
        ])  # fmt: skip


def slope_weights(person: np.ndarray, time: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Weights (n,) of the images `rows` whose sum is the slope within persons, pooled over them; 0 for one visit.

    Examples
    --------
    >>> slope_weights(np.array(["a", "a", "b"]), np.array([50.0, 52, 60]), np.arange(3)).tolist()
    [-0.5, 0.5, 0.0]
    """
    numbers = np.unique(person[rows], return_inverse=True)[1]
    mean = np.bincount(numbers, time[rows]) / np.bincount(numbers)
    centred = time[rows] - mean[numbers]
    whole = centred @ centred
    return centred / whole if whole > 1e-12 else np.zeros(len(rows))


def voxel_slopes(x: np.ndarray, person: np.ndarray, time: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(V,) change of each voxel a year within the persons of some rows; the images are read one after the other."""
    slope = np.zeros(x.shape[1])
    for row, weight in zip(rows, slope_weights(person, time, rows), strict=True):
        if weight:
            slope += weight * x[row]
    return slope
