"""Models that predict a target from latents: mean, GLM with a link, SVR, polynomials and splines.

The models of section 5 of Vázquez-García et al. (2025). All but SVR are penalised generalised linear models in a
basis: the latents themselves (`glm`), their squares and products (`polynomial`), or cubic splines of each
(`spline`, additive). With the identity link they are ridge regressions, which predict many targets at once: that is
what makes permutations cheap. SVR takes a class as 0 and 1, as the tutorial has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

MODELS = ("mean", "glm", "svr", "polynomial", "spline")
LINKS = ("identity", "logit", "log")
# Penalties in units of n: from none to so much that only the mean is left.
RIDGE = tuple(10.0**e for e in np.arange(-3, 2.1, 0.5))
LOGIT = tuple(10.0**e for e in np.arange(-3, 1.1, 1.0))
# C and γ·k of the SVR on standardised latents and target: mild curvature first.
SVR_GRID = tuple((c, g) for g in (0.1, 0.3, 1.0) for c in (0.5, 2.5, 12.0))
SVR_TUBE = 0.1
N_KNOTS = 5


@dataclass(frozen=True)
class Fit:
    """A model fitted with each of S hyper-parameters to each of B targets.

    Attributes
    ----------
    predict : callable
        (m, k) latents → (S, m, B) predictions.
    coefficients : (S, k, B) array or None
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


def fit_model(model: str, link: str, x: np.ndarray, y: np.ndarray, settings: Sequence) -> Fit:
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

    Examples
    --------
    >>> x = np.linspace(-1, 1, 9)[:, None]
    >>> square = fit_model("polynomial", "identity", x, x**2, [1e-8])
    >>> square.predict(np.array([[0.5]])).round(4).tolist()
    [[[0.25]]]
    """
    if model == "mean":
        mean = y.mean(axis=0)
        return Fit(lambda new: np.tile(mean, (len(settings), len(new), 1)))
    centre, scale = x.mean(axis=0), _scale(x)
    z = (x - centre) / scale
    if model == "svr":
        return _svr(z, y, settings, lambda new: (new - centre) / scale)
    expand = BASES[model](z)
    a = expand(z)
    middle, width = a.mean(axis=0), _scale(a)
    a = (a - middle) / width
    b, b0 = PENALISED[link](a, y, settings)

    def predict(new):
        eta = ((expand((new - centre) / scale) - middle) / width) @ b + b0[:, None]
        return INVERSE[link](eta)

    return Fit(predict, b if model == "glm" else None)


def _scale(x):
    """Standard deviations; 1 for a column that does not vary."""
    scale = x.std(axis=0)
    return np.where(scale > 1e-9 * (1 + np.abs(x).max(axis=0)), scale, 1.0)


def _linear(z):
    return lambda new: new


def _polynomial(z):
    rows, columns = np.triu_indices(z.shape[1])
    return lambda new: np.hstack([new, new[:, rows] * new[:, columns]])


def _spline(z):
    """Natural cubic splines, linear beyond the outer knots (Hastie et al. 2009, equations 5.4 and 5.5)."""
    knots = np.quantile(z, np.linspace(0.05, 0.95, N_KNOTS), axis=0)  # (knots, k)
    knots = knots + 1e-6 * np.arange(N_KNOTS)[:, None]  # a latent of few different values has equal quantiles

    def part(new, i):
        cubes = np.maximum(new - knots[i], 0) ** 3 - np.maximum(new - knots[-1], 0) ** 3
        return cubes / (knots[-1] - knots[i])

    def expand(new):
        last = part(new, N_KNOTS - 2)
        return np.hstack([new, *(part(new, i) - last for i in range(N_KNOTS - 2))])

    return expand


BASES = {"glm": _linear, "polynomial": _polynomial, "spline": _spline}


def _ridge(a, y, settings):
    """Ridge regressions from one decomposition; the penalty is n·α, the mean is free of it: (S, p, B), (S, B)."""
    mean = y.mean(axis=0)
    left, values, right = _decomposed(a)
    projected = left.T @ (y - mean)
    shrunk = [(values / (values**2 + len(a) * alpha))[:, None] * projected for alpha in settings]
    return np.stack([right @ part for part in shrunk]), np.tile(mean, (len(settings), 1))


def _decomposed(a):
    """(n, r), (r,), (p, r) singular vectors and values, from the smaller of the two products: some times faster."""
    wide = a.shape[1] > a.shape[0]
    squares, vectors = np.linalg.eigh(a @ a.T if wide else a.T @ a)
    kept = squares > 1e-10 * max(squares[-1], 1e-300)
    values, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    other = (a.T if wide else a) @ vectors / values
    return (vectors, values, other) if wide else (other, values, vectors)


def _logistic(a, y, settings, max_iterations=500, tolerance=1e-5):
    """Logistic ridge regressions of all targets at once, by the bound of Böhning & Lindsay (1988).

    The curvature of the likelihood is at most that at probability ½, AᵀA/4, so that one factor serves every target
    and every step; each step lessens the loss.
    """
    left, values, right = _decomposed(a)
    scores, n, found = left * values, len(a), []  # in these axes the bound is diagonal
    start = logit(np.clip(y.mean(axis=0), 1e-4, 1 - 1e-4))
    for alpha in settings:
        step = 1 / (values**2 / 4 + n * alpha)[:, None]
        b, b0 = np.zeros((len(values), y.shape[1])), start
        for _ in range(max_iterations):
            left_over = y - expit(scores @ b + b0)
            change = step * (scores.T @ left_over - n * alpha * b)
            b, b0 = b + change, np.clip(b0 + 4 * left_over.mean(axis=0), -10, 10)
            if np.abs(values[:, None] * change).max(initial=0) < tolerance * np.sqrt(n):
                break
        found.append((right @ b, b0))
    return np.stack([b for b, _ in found]), np.stack([b0 for _, b0 in found])


def _poisson(a, y, settings):
    from sklearn.linear_model import PoissonRegressor

    models = [[PoissonRegressor(alpha=alpha, max_iter=300).fit(a, column) for column in y.T] for alpha in settings]
    b = [np.stack([found.coef_ for found in row], axis=1) for row in models]
    return np.stack(b), np.array([[found.intercept_ for found in row] for row in models])


PENALISED = {"identity": _ridge, "logit": _logistic, "log": _poisson}
INVERSE = {"identity": np.positive, "logit": expit, "log": lambda eta: np.exp(np.clip(eta, -30, 30))}


def _svr(z, y, settings, standardise):
    from sklearn.svm import SVR

    k, mean, scale = z.shape[1], y.mean(axis=0), _scale(y)
    target = (y - mean) / scale
    kernels = {gamma: _rbf(z, z, gamma / k) for gamma in {gamma for _, gamma in settings}}
    fits = []
    for c, gamma in settings:
        dual, b0 = np.zeros(y.shape), np.empty(y.shape[1])
        for j in range(y.shape[1]):
            model = SVR(kernel="precomputed", C=c, epsilon=SVR_TUBE, tol=0.02)
            found = model.fit(kernels[gamma], target[:, j])
            dual[found.support_, j], b0[j] = found.dual_coef_[0], found.intercept_[0]
        fits.append((gamma, dual, b0))

    def predict(new):
        new = standardise(new)
        near = {gamma: _rbf(new, z, gamma / k) for gamma in kernels}
        return np.stack([mean + scale * (near[gamma] @ dual + b0) for gamma, dual, b0 in fits])

    return Fit(predict)


def _rbf(a, b, gamma):
    apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.exp(-gamma * np.maximum(apart, 0))
