"""Models that predict a target from latents: mean, GLM with a link, SVR, polynomials and splines.

The models of section 5 of Vázquez-García et al. (2025). All but SVR are penalised generalised linear models in a
basis: the latents themselves (`glm`), their squares and products (`polynomial`), or cubic splines of each
(`spline`, additive). With the identity link they are ridge regressions, which predict many targets at once: that is
what makes permutations cheap. SVR takes a class as 0 and 1, as the tutorial has it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MODELS = ("mean", "glm", "svr", "polynomial", "spline")
LINKS = ("identity", "logit", "log")
# Penalties in units of n: from none to so much that only the mean is left.
RIDGE = tuple(10.0**e for e in np.arange(-3, 2.1, 0.5))
LOGIT = tuple(10.0**e for e in np.arange(-3, 1.1, 1.0))
# C and γ·k of the SVR on standardised latents and target: mild curvature first.
SVR_GRID = tuple((c, g) for g in (0.1, 0.3, 1.0) for c in (0.5, 3.0, 15.0))
SVR_TUBE = 0.1


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    predict : callable
        (m, k) latents → (m, B) predictions, one column a target.
    coefficients : (k, B) array or None
        Per standard deviation of a latent, on the scale of the link; of `glm` only.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    coefficients: np.ndarray | None = None


def settings_of(model: str, link: str) -> tuple:
    """Hyper-parameters among which inner folds choose."""
    if model == "mean":
        return (None,)
    if model == "svr":
        return SVR_GRID
    return RIDGE if link == "identity" else LOGIT


def link_of(model: str, link: str) -> str:
    """Mean and SVR have no link.

    >>> link_of("svr", "logit")
    'identity'
    """
    return "identity" if model in ("mean", "svr") else link


def fit_model(model: str, link: str, x: np.ndarray, y: np.ndarray, settings) -> list[Fit]:
    """Fit one model with each of some hyper-parameters.

    Parameters
    ----------
    model : str
        One of MODELS.
    link : str
        One of LINKS; SVR and the mean do without.
    x : (n, k) array
        Latents; standardised here.
    y : (n, B) array
        Targets, each fitted by itself.
    settings : sequence
        Some of `settings_of`.

    Returns
    -------
    fits : list of Fit
        One a setting.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 9)[:, None]
    >>> square = fit_model("polynomial", "identity", x, x**2, [1e-8])[0]
    >>> square.predict(np.array([[0.5]])).round(4).tolist()
    [[0.25]]
    """
    if model == "mean":
        mean = y.mean(axis=0)
        return [Fit(lambda new: np.tile(mean, (len(new), 1)))] * len(settings)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def standardise(new):
        return (new - centre) / scale

    z = standardise(x)
    if model == "svr":
        return [_svr(z, y, *setting, standardise) for setting in settings]
    basis = BASES[model](z)
    fit = _ridge if link == "identity" else _linked
    return fit(basis(z), y, settings, lambda new: basis(standardise(new)), link, model == "glm")


def _linear(z):
    return lambda new: new


def _polynomial(z):
    rows, columns = np.triu_indices(z.shape[1])

    def basis(new):
        return np.hstack([new, new[:, rows] * new[:, columns]])

    return _standardised(basis, z)


def _spline(z, n_knots=5):
    from sklearn.preprocessing import SplineTransformer

    spline = SplineTransformer(n_knots, 3, knots="quantile", extrapolation="linear", include_bias=False)
    try:
        spline.fit(z)
    except ValueError:  # a latent of few different values has no quantiles that rise
        spline = SplineTransformer(n_knots, 3, extrapolation="linear", include_bias=False).fit(z)
    return _standardised(lambda new: np.hstack([new, spline.transform(new)]), z)


def _standardised(basis, z):
    values = basis(z)
    centre, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return lambda new: (basis(new) - centre) / scale


BASES = {"glm": _linear, "polynomial": _polynomial, "spline": _spline}


def _ridge(a, y, settings, basis, link, keep):
    """Ridge regressions from one singular value decomposition; the penalty is n·α, the mean is free of it."""
    n = len(a)
    centre, mean = a.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(a - centre, full_matrices=False)
    projected = u.T @ (y - mean)
    fits = []
    for alpha in settings:
        b = vt.T @ ((s / (s**2 + n * alpha))[:, None] * projected)
        fits.append(Fit(lambda new, b=b: (basis(new) - centre) @ b + mean, b if keep else None))
    return fits


def _linked(a, y, settings, basis, link, keep):
    """Penalised likelihood with a logit (classes 0 and 1) or log link (Poisson, whose mean may be any y ≥ 0)."""
    return [_one_penalty(a, y, alpha, basis, link, keep) for alpha in settings]


def _one_penalty(a, y, alpha, basis, link, keep):
    b, b0 = np.empty((a.shape[1], y.shape[1])), np.empty(y.shape[1])
    for j in range(y.shape[1]):
        b[:, j], b0[j] = _logistic(a, y[:, j], alpha) if link == "logit" else _poisson(a, y[:, j], alpha)

    def predict(new):
        eta = np.clip(basis(new) @ b + b0, -30, 30)
        return 1 / (1 + np.exp(-eta)) if link == "logit" else np.exp(eta)

    return Fit(predict, b if keep else None)


def _logistic(a, y, alpha):
    from sklearn.linear_model import LogisticRegression

    if np.ptp(y) == 0:  # a fold of few persons may hold one class only
        return np.zeros(a.shape[1]), np.where(y[0] > 0.5, 3.0, -3.0)
    found = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-3, max_iter=300).fit(a, y > 0.5)
    return found.coef_[0], found.intercept_[0]


def _poisson(a, y, alpha):
    from sklearn.linear_model import PoissonRegressor

    found = PoissonRegressor(alpha=alpha, max_iter=300, tol=1e-5).fit(a, y)
    return found.coef_, found.intercept_


def _svr(z, y, c, gamma, standardise):
    from sklearn.svm import SVR

    k = z.shape[1]
    mean, scale = y.mean(axis=0), y.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    kernel = _rbf(z, z, gamma / k)
    dual, b0 = np.zeros_like(y, dtype=float), np.empty(y.shape[1])
    for j in range(y.shape[1]):
        found = SVR(kernel="precomputed", C=c, epsilon=SVR_TUBE, tol=1e-2).fit(kernel, (y[:, j] - mean[j]) / scale[j])
        dual[found.support_, j], b0[j] = found.dual_coef_[0], found.intercept_[0]

    def predict(new):
        return mean + scale * (_rbf(standardise(new), z, gamma / k) @ dual + b0)

    return Fit(predict)


def _rbf(a, b, gamma):
    apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.exp(-gamma * np.maximum(apart, 0))
