"""Linear removal of confounds that is learnt on some persons and applied to others (Snoek et al. 2019).

Removing confounds from all persons before cross-validation lets the test persons into the fit; here the coefficients
come from the training persons of a fold alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


def confound_design(columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    """Numbers as they are, categories as indicators without the first; (n, c), without an intercept.

    Examples
    --------
    >>> confound_design({"site": np.array(["a", "b", "a"]), "age": np.array([50.0, 60, 70])}, 3).tolist()
    [[0.0, 50.0], [1.0, 60.0], [0.0, 70.0]]
    """
    parts = [np.empty((n, 0))]
    for values in columns.values():
        if values.dtype.kind in "OU":
            parts.append((values[:, None] == np.unique(values)[None, 1:]).astype(float))
        else:
            parts.append(np.asarray(values, dtype=float)[:, None])
    return np.hstack(parts)


@dataclass(frozen=True)
class Confounds:
    """What confounds explain, learnt on training persons.

    Attributes
    ----------
    centre : (c,) array
        Of the design.
    coefficients : (c, p) array
        Of each of p variables.
    """

    centre: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def fit(cls, design: np.ndarray, values: np.ndarray) -> "Confounds":
        """Least squares of (n, p) values on the (n, c) design; both are centred, so means stay as they are."""
        centre = design.mean(axis=0)
        centred = values - values.mean(axis=0)
        return cls(centre, np.linalg.lstsq(design - centre, centred, rcond=None)[0])

    def predict(self, design: np.ndarray) -> np.ndarray:
        """The confounds' part of the values, (m, p), 0 for a person of mean confounds.

        Examples
        --------
        >>> age = np.array([[1.0], [2], [3]])
        >>> Confounds.fit(age, 5 + 2 * age).predict(np.array([[4.0]])).round(6).tolist()
        [[4.0]]
        """
        return (design - self.centre) @ self.coefficients
