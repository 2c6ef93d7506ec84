"""The bias of predicted age, and its correction.

A regression shrinks its predictions to the mean, so the young are predicted too old and the old too young, and the gap
(predicted − chronological age) correlates with age whatever the brains are like. The correction subtracts the gap that
is expected at a person's age (de Lange & Cole 2020; Beheshti et al. 2019), fitted on out-of-sample predictions of the
training persons. It uses the person's own age: a corrected prediction is no longer a prediction, and even the mean-only
model seems perfect after it. Only the gap is to be used.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AgeBias:
    """gap ≈ intercept + slope · age.

    Attributes
    ----------
    intercept : float
        In years.
    slope : float
        Years of gap for each year of age; −1 where the prediction does not depend on age.
    """

    intercept: float
    slope: float

    @classmethod
    def fit(cls, age: np.ndarray, predicted: np.ndarray) -> "AgeBias":
        """Least squares over training persons, whose predictions must be out of sample.

        Parameters
        ----------
        age, predicted : (n,) arrays
            In years.

        Examples
        --------
        >>> age = np.array([50.0, 60, 70])
        >>> bias = AgeBias.fit(age, 60 + 0.5 * (age - 60))
        >>> round(bias.slope, 6), bias.correct(np.array([65.0]), np.array([70.0])).round(6).tolist()
        (-0.5, [70.0])
        """
        centred = age - age.mean()
        spread = float(centred @ centred)
        slope = float(centred @ (predicted - age)) / spread if spread > 0 else 0.0
        return cls(float((predicted - age).mean() - slope * age.mean()), slope)

    def correct(self, predicted: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Predictions less the gap that is expected at that age."""
        return predicted - (self.intercept + self.slope * age)
