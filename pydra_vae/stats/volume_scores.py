"""How a VAE of images is scored: R² over images with its standard error over persons, and the parts of its information.

R² = 1 − Σ_i SSE_i / Σ_i SST_i over the images of a part, SST about the mean of the *training* images: what the mean
image alone reaches is 0, and a model that is worse on unseen images is below it.
"""

import numpy as np


def r_squared(errors: np.ndarray, about_mean: np.ndarray) -> float:
    """1 − Σ errors / Σ about_mean; NaN of no image, or where nothing varies.

    Parameters
    ----------
    errors, about_mean : (n,) arrays
        Sums of squares of each image: of the model, and of the training images' mean.

    >>> r_squared(np.array([1.0, 2.0]), np.array([4.0, 8.0]))
    0.75
    """
    total = float(np.sum(about_mean))
    return 1 - float(np.sum(errors)) / total if total > 0 else np.nan


def r_squared_error(errors: np.ndarray, about_mean: np.ndarray, person: np.ndarray) -> float:
    """Standard error of R² over persons: the jackknife that leaves out one with all visits.

    Parameters
    ----------
    errors, about_mean : (n,) arrays
        As in `r_squared`.
    person : (n,) array
        Whose each image is.

    Returns
    -------
    float
        NaN of fewer than two persons.

    >>> round(r_squared_error(np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0]), np.array(["a", "b", "c"])), 4)
    0.1443
    """
    _, number = np.unique(person, return_inverse=True)
    n = int(number.max()) + 1 if len(number) else 0
    if n < 2:
        return np.nan
    of_model, of_mean = (np.bincount(number, weights=values, minlength=n) for values in (errors, about_mean))
    rest = of_mean.sum() - of_mean
    if not np.all(rest > 0):
        return np.nan
    left_out = 1 - (of_model.sum() - of_model) / rest
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


def gaussian_information(mu: np.ndarray, log_variance: np.ndarray) -> dict[str, float]:
    """Parts of the KL with the aggregate posterior taken as one Gaussian of its own mean and covariance.

    Against an aggregate of N posteriors, the mutual information of sharp ones cannot exceed log N, whatever it is, and
    the rest of the KL moves into the total correlation (`models.factors`). With q(z) = N(m, C), C = Cov μ + mean
    diag σ², the parts are closed forms without that ceiling, and still sum to the KL: total correlation
    −½ log det of C's correlations, dimension-wise KL(N(m_j, C_jj) ‖ N(0, 1)), mutual information the rest. Of all
    densities with these moments the Gaussian has the largest entropy, so this mutual information is an upper bound.

    Parameters
    ----------
    mu, log_variance : (N, k) arrays
        Of at least k + 1 images, or the covariance may be singular where σ² is tiny.

    Returns
    -------
    dict
        mi_gaussian, tc_gaussian, dimension_wise_gaussian: nats an image.

    >>> parts = gaussian_information(np.zeros((5, 2)), np.zeros((5, 2)))
    >>> [abs(round(value, 6)) for value in parts.values()]
    [0.0, 0.0, 0.0]
    """
    mu, log_variance = np.asarray(mu, np.float64), np.asarray(log_variance, np.float64)
    mean, variance = mu.mean(axis=0), np.exp(log_variance)
    covariance = np.atleast_2d(np.cov(mu, rowvar=False, bias=True)) + np.diag(variance.mean(axis=0))
    spread = np.diag(covariance)
    total = 0.5 * (np.log(spread).sum() - np.linalg.slogdet(covariance)[1])
    each = 0.5 * float(np.sum(spread + mean**2 - 1 - np.log(spread)))
    kl = 0.5 * float(np.mean(np.sum(variance + mu**2 - 1 - log_variance, axis=1)))
    return {"mi_gaussian": float(kl - total - each), "tc_gaussian": float(total), "dimension_wise_gaussian": each}
