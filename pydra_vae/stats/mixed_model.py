"""Linear mixed models with a random intercept and slope for each person (Laird & Ware 1982), by REML.

y_i = X_i β + Z_i b_i + ε, b_i ~ N(0, D), ε ~ N(0, σ²), where Z_i = [1, t_i] and t is years since the person's first
visit. D = σ² ΛΛᵀ, so that a variance of 0, which is common where most persons were seen once or twice, lies within the
search and is no failure. β and σ² have closed forms given Λ (Bates et al. 2015), which leaves three numbers to search;
every product is one of 2 × 2 matrices for all persons at once. Agrees with statsmodels, which needs seconds for each
latent and often does not converge on such data.
"""

from dataclasses import dataclass

import numpy as np

MAX_RATIO = 1e3  # largest entry of Λ: a random effect of a thousand times the residual


@dataclass(frozen=True)
class MixedModel:
    """A fitted model; everything in the units of y and of the time.

    Attributes
    ----------
    beta, se : (q,) arrays
        Fixed effects and their standard errors.
    random : (2, 2) array
        D: variances of intercepts and slopes, and their covariance.
    sigma : float
        Residual standard deviation.
    log_likelihood : float
        Restricted, up to the constants that do not depend on the parameters.
    dof : int
        Persons less fixed effects.
    """

    beta: np.ndarray
    se: np.ndarray
    random: np.ndarray
    sigma: float
    log_likelihood: float
    dof: int

    def effects(self, x: np.ndarray, time: np.ndarray, y: np.ndarray) -> np.ndarray:
        """A person's own intercept and slope beyond the fixed effects, (2,): the best linear unbiased prediction.

        Parameters
        ----------
        x : (n, q) array
            Fixed-effects design of the person's visits.
        time : (n,) array
            Years since the first of them.
        y : (n,) array
        """
        z = np.column_stack([np.ones(len(time)), time])
        covariance = z @ self.random @ z.T + self.sigma**2 * np.eye(len(time))
        return self.random @ z.T @ np.linalg.solve(covariance, y - x @ self.beta)


def fit_mixed_model(
    y: np.ndarray, x: np.ndarray, time: np.ndarray, person: np.ndarray, repeated: bool = True
) -> MixedModel:
    """Fit by restricted maximum likelihood.

    Parameters
    ----------
    y : (N,) array
    x : (N, q) array
        Fixed effects, the intercept among them.
    time : (N,) array
        Years since the person's first visit.
    person : (N,) int array
        From 0.
    repeated : bool
        Without repeated visits nothing tells a person's own level from noise: False leaves out the random effects.

    Raises
    ------
    ValueError
        If there are no more persons than fixed effects.
    """
    from scipy.optimize import minimize

    n_persons, q = int(person.max()) + 1, x.shape[1]
    if n_persons <= q:
        raise ValueError(
            f"{n_persons} persons are too few for {q} fixed effects: give more persons or fewer covariates"
        )
    scale = max(float(np.std(time)), 1e-9)
    sums = _Sums.of(y, x, time / scale, person, n_persons)
    best = np.zeros(3)
    if repeated:
        bounds = [(0, MAX_RATIO), (-MAX_RATIO, MAX_RATIO), (0, MAX_RATIO)]
        starts = ([1.0, 0.0, 0.3], [5.0, 0.0, 0.05])
        found = [minimize(sums.deviance, start, method="L-BFGS-B", bounds=bounds) for start in starts]
        best = min(found, key=lambda result: result.fun).x
    beta, covariance, variance = sums.solve(best)[:3]
    back = np.diag([1, 1 / scale])
    random = back @ (variance * _lower(best) @ _lower(best).T) @ back
    deviance = sums.deviance(best)
    se = np.sqrt(np.diag(covariance) * variance)
    return MixedModel(beta, se, random, float(np.sqrt(variance)), -0.5 * deviance, n_persons - q)


def _lower(theta):
    return np.array([[theta[0], 0.0], [theta[1], theta[2]]])


@dataclass(frozen=True)
class _Sums:
    """Products that the likelihood needs: over all images, and for each person with Z (2 × 2, 2 × q, 2)."""

    n: int
    xx: np.ndarray
    xy: np.ndarray
    yy: float
    zz: np.ndarray
    zx: np.ndarray
    zy: np.ndarray

    @classmethod
    def of(cls, y, x, time, person, n_persons):
        z = np.column_stack([np.ones(len(y)), time])

        def by_person(values):
            total = np.zeros((n_persons, *values.shape[1:]))
            np.add.at(total, person, values)
            return total

        products = (z[:, :, None] * z[:, None], z[:, :, None] * x[:, None], z * y[:, None])
        return cls(len(y), x.T @ x, x.T @ y, float(y @ y), *map(by_person, products))

    def solve(self, theta):
        """β, (XᵀV⁻¹X)⁻¹, σ², log|V|, log|XᵀV⁻¹X| for V = I + ZΛΛᵀZᵀ, by Woodbury's identity."""
        factor = _lower(theta)
        inner = np.eye(2) + factor.T @ self.zz @ factor
        a, b, d = inner[:, 0, 0], inner[:, 0, 1], inner[:, 1, 1]
        det = a * d - b * b
        inverse = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / det[:, None, None]
        middle = factor @ inverse @ factor.T
        weighted = middle @ self.zx
        xvx = self.xx - np.einsum("pai,paj->ij", self.zx, weighted)
        xvy = self.xy - np.einsum("pai,pa->i", weighted, self.zy)
        yvy = self.yy - np.einsum("pa,pab,pb->", self.zy, middle, self.zy)
        covariance = np.linalg.pinv(xvx, hermitian=True)
        beta = covariance @ xvy
        variance = max((yvy - beta @ xvy) / (self.n - len(beta)), 1e-300)
        return beta, covariance, variance, np.log(det).sum(), np.linalg.slogdet(xvx)[1]

    def deviance(self, theta):
        """−2 × the restricted log likelihood, without constants."""
        _, _, variance, log_v, log_xvx = self.solve(theta)
        return log_v + log_xvx + (self.n - len(self.xy)) * np.log(variance)
