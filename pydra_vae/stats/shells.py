"""Where the volume of a high-dimensional space lies, and where the latents lie in it (the tutorial's appendix A).

Of a ball of radius R in n dimensions the shell of thickness ε next to the surface holds the share

    1 − (1 − ε/R)^n

The tutorial prints its first-order approximation nε/R as the ratio; that one grows beyond 1 (at n = 24 and ε = R/10 it
is 2.4, the share is .92), so the exact form is used here and the printed one is kept beside it. Its equation 16 has
r = x₁² + … + x_n², which is r². And latents are not spread evenly in a ball: the prior is N(0, I), whose radius follows
a χ distribution with n degrees of freedom, with mean √2 Γ((n+1)/2)/Γ(n/2) ≈ √n and a standard deviation that tends to
1/√2 whatever n is. So a Gaussian concentrates about √n, relative to which its thickness shrinks as 1/√(2n). Latents
whose radii are narrower than that have dimensions that hang together; wider: a heavy tail, or several clusters.
"""

from dataclasses import dataclass

import numpy as np

THICKNESS = 0.1  # ε/R


@dataclass(frozen=True)
class Shell:
    """Radii of a set of points, and what a Gaussian of as many dimensions has.

    Attributes
    ----------
    n, dims : int
        Points, and dimensions that vary.
    radius_mean, radius_sd : float
    expected_mean, expected_sd : float
        Of a standard Gaussian's radius.
    share : float
        Points with a radius within ε √d of √d.
    share_gaussian : float
        The same of a standard Gaussian.
    """

    n: int
    dims: int
    radius_mean: float
    radius_sd: float
    expected_mean: float
    expected_sd: float
    share: float
    share_gaussian: float


def ball_share(n: int, thickness: float = THICKNESS) -> float:
    """Share of a ball's volume in the shell next to its surface, 1 − (1 − ε/R)^n.

    Parameters
    ----------
    n : int
        Dimensions.
    thickness : float
        ε/R, between 0 and 1.

    Examples
    --------
    >>> [round(ball_share(n), 3) for n in (1, 3, 12, 100)]
    [0.1, 0.271, 0.718, 1.0]
    """
    if not 0 <= thickness <= 1:
        raise ValueError(f"a shell of thickness {thickness:g} R does not fit into a ball: give 0 to 1")
    return float(1 - (1 - thickness) ** n)


def gaussian_radius(n: int) -> tuple[float, float]:
    """Mean and standard deviation of the radius of N(0, I) in n dimensions.

    Examples
    --------
    >>> [round(value, 3) for value in gaussian_radius(12)], round(12**0.5, 3)
    ([3.393, 0.699], 3.464)
    """
    from scipy.special import gammaln

    mean = np.sqrt(2) * np.exp(gammaln((n + 1) / 2) - gammaln(n / 2))
    return float(mean), float(np.sqrt(n - mean**2))


def gaussian_share(n: int, thickness: float = THICKNESS) -> float:
    """Share of N(0, I) with a radius within ε √n of √n.

    Examples
    --------
    >>> [round(gaussian_share(n), 2) for n in (1, 12, 1000)]
    [0.1, 0.37, 1.0]
    """
    from scipy.stats import chi

    centre = np.sqrt(n)
    return float(chi.cdf(centre * (1 + thickness), n) - chi.cdf(centre * (1 - thickness), n))


def measure_shell(z: np.ndarray, whiten: bool = True, thickness: float = THICKNESS) -> Shell:
    """Radii of points against those of a Gaussian.

    Parameters
    ----------
    z : (n, d) array
    whiten : bool
        To mean 0 and unit covariance first, over directions that vary; without it radii count as they are, from 0, as
        the prior has them.
    thickness : float

    Raises
    ------
    ValueError
        With fewer than two points.
    """
    z = np.asarray(z, dtype=np.float64)
    if len(z) < 2:
        raise ValueError(f"{len(z)} point has no spread of radii: at least 2 are needed")
    if whiten:
        z = whitened(z)
    dims = z.shape[1]
    radius = np.linalg.norm(z, axis=1)
    expected = gaussian_radius(dims) if dims else (np.nan, np.nan)
    share = np.mean(np.abs(radius - np.sqrt(dims)) <= thickness * np.sqrt(dims)) if dims else np.nan
    return Shell(
        n=len(z),
        dims=dims,
        radius_mean=float(radius.mean()),
        radius_sd=float(radius.std(ddof=1)),
        expected_mean=expected[0],
        expected_sd=expected[1],
        share=float(share),
        share_gaussian=gaussian_share(dims, thickness) if dims else np.nan,
    )


def whitened(z: np.ndarray) -> np.ndarray:
    """Points of mean 0 and unit covariance, (n, d'), without the directions that do not vary."""
    centred = z - z.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = s > 1e-8 * s.max(initial=0)
    return u[:, kept] * np.sqrt(len(z) - 1)


def gaussian_like(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many points of a Gaussian with exactly the mean and sample covariance of z, (n, d): no manifold, only spread.

    The centred points are turned among each other, Q (z − z̄) with Q orthogonal, drawn at random, and Q1 = 1. If the
    points were drawn from a Gaussian, these have the very same distribution: what then differs is no sampling error of
    the covariance, as it would be in independent draws.
    """
    z = np.asarray(z, dtype=np.float64)
    mean = z.mean(axis=0)
    _, s, axes = np.linalg.svd(z - mean, full_matrices=False)
    kept = s > 1e-10 * max(s.max(initial=0), np.finfo(float).tiny)
    random = rng.standard_normal((len(z), int(kept.sum())))
    q, r = np.linalg.qr(random - random.mean(axis=0))
    return mean + (q * np.sign(np.diag(r)) * s[kept]) @ axes[kept]


def shuffled_columns(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each column in its own random order: the same marginals, nothing shared between dimensions."""
    return rng.permuted(np.asarray(z, dtype=np.float64), axis=0)
