"""Has an autoencoder collapsed, or is it over-regularised? One detector for every model.

Two kinds of collapse exist: the posterior equals the prior, so that no latent is active, and "every
sample gets the mean": reconstructions hardly differ between samples. The second is seen in the
variance *across samples* (voxels, subjects, frames) and in the error after swapping the inputs;
variance within a series does not detect it, since the mean series has plenty.

    active units    dimensions whose mean μ varies over samples: Var(μ_d) > .01
    variance ratio  Σ_t Var_samples(x̂_t) / Σ_t Var_samples(x_t)
    swap ratio      MSE(x of one sample, x̂ of another) / MSE(x, x̂)

Collapsed: no active unit, or variance ratio < .05, or swap ratio < 1.1. Over-regularised: variance
ratio < .3, or swap ratio < 3, or fewer than half of the dimensions with KL > .1 nat. Measured on
deliberately over-regularised models and on healthy ones (those: ratio ≥ .52, swap ≥ 6, on images).
Noisy data lower both in a healthy model too: `reference`, the reconstruction of a PCA of the same
size, moves the thresholds of over-regularisation to half of what PCA reaches.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks

ACTIVE_VARIANCE = 0.01
COLLAPSED_VARIANCE_RATIO, COLLAPSED_SWAP_RATIO = 0.05, 1.1
WEAK_VARIANCE_RATIO, WEAK_SWAP_RATIO, WEAK_KL = 0.3, 3.0, 0.1
MAX_SAMPLES = 5000

ADVICE = (
    "lower the KL weight (or anneal it), use MMD or free bits in its place, weaken the decoder, or "
    "train longer: a model that has not learnt yet looks the same"
)
# Without a weight on the divergence there is nothing to lower.
UNREGULARISED_ADVICE = (
    "train longer (a model that has not learnt yet looks the same), lower the learning rate, or give it more samples"
)


@dataclass(frozen=True)
class Verdict:
    """What the detector found.

    Attributes
    ----------
    collapsed, over_regularised : bool
        The two verdicts; the first implies the second.
    active_units, n_latents : int
    informative_units : int or None
        Dimensions with a KL above .1 nat; None without variances.
    variance_ratio, swap_ratio : float
        Across samples.
    reasons : tuple of str
        One for each criterion that fired.
    advice : str
        What to try; empty for a healthy model.
    """

    collapsed: bool
    over_regularised: bool
    active_units: int
    n_latents: int
    informative_units: int | None
    variance_ratio: float
    swap_ratio: float
    reasons: tuple[str, ...]
    advice: str

    def to_dict(self) -> dict:
        """As JSON can hold it."""
        return {**asdict(self), "reasons": list(self.reasons)}


def detect_collapse(
    x: np.ndarray,
    reconstruction: np.ndarray,
    mu: np.ndarray,
    logvar: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    reference: np.ndarray | Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> Verdict:
    """Judge a fitted autoencoder on some samples.

    Parameters
    ----------
    x, reconstruction : (N, F) arrays
        Inputs and what the model makes of them: voxels × frames, or subjects × voxels. Of more
        than 5,000 samples, 5,000 are drawn.
    mu : (N, D) array
        Means of the posterior.
    logvar : (N, D) array, optional
        Log variances of the posterior; without them (or where the KL weight is 0, so that they
        mean nothing) the criterion on KL is left out.
    weights : (F,) array, optional
        Features of weight 0 do not count.
    reference : (N, F) array or function, optional
        Reconstruction by a PCA of D components, or what makes it of rows of x.
    seed : int

    Raises
    ------
    ValueError
        When shapes do not fit, or there are fewer than two samples.
    """
    if x.shape != reconstruction.shape or len(x) != len(mu):
        raise ValueError(
            f"inputs {x.shape}, reconstructions {reconstruction.shape} and latents {mu.shape} do "
            "not describe the same samples"
        )
    if len(x) < 2:
        raise ValueError(f"collapse shows only between samples: {len(x)} is too few")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(x))[:MAX_SAMPLES])
    columns = columns_of(frame_weights(weights, x.shape[1]))

    def sample(a):
        return a if len(rows) == len(a) else a[rows]

    inputs, decoded = sample(x)[:, columns], sample(reconstruction)[:, columns]
    swap_with = _cycle(len(rows), rng)
    ratio, swap = _variance_ratio(inputs, decoded), swap_ratio(inputs, decoded, swap_with)
    floor = None
    if reference is not None:
        linear = reference(sample(x)) if callable(reference) else sample(reference)
        linear = linear[:, columns]
        floor = _variance_ratio(inputs, linear), swap_ratio(inputs, linear, swap_with)
    mu = np.asarray(sample(mu), dtype=np.float64)
    informative = None
    if logvar is not None:
        informative = int((kl_per_unit(mu, np.asarray(sample(logvar), dtype=np.float64)) > WEAK_KL).sum())
    return judge(active_units(mu), mu.shape[1], informative, ratio, swap, floor)


def judge(
    active: int,
    n_latents: int,
    informative: int | None,
    ratio: float,
    swap: float,
    reference: tuple[float, float] | None = None,
) -> Verdict:
    """The two verdicts from their figures; `reference` holds a PCA's variance and swap ratios."""
    severe, mild = [], []
    if active == 0:
        severe.append("no latent dimension is active")
    if ratio < COLLAPSED_VARIANCE_RATIO:
        severe.append(
            f"reconstructions hardly differ from each other (variance ratio {ratio:.3f}, "
            f"below {COLLAPSED_VARIANCE_RATIO:g})"
        )
    if not swap >= COLLAPSED_SWAP_RATIO:
        severe.append(
            f"another sample's reconstruction fits as well (swap ratio {swap:.2f}, below {COLLAPSED_SWAP_RATIO:g})"
        )
    weak_ratio, weak_swap = WEAK_VARIANCE_RATIO, WEAK_SWAP_RATIO
    if reference is not None:
        weak_ratio = min(weak_ratio, reference[0] / 2)
        weak_swap = min(weak_swap, 1 + (reference[1] - 1) / 2)
    if ratio < weak_ratio:
        mild.append(f"variance ratio {ratio:.3f}, below {weak_ratio:.3g}")
    if not swap >= weak_swap:
        mild.append(f"swap ratio {swap:.2f}, below {weak_swap:.3g}")
    if informative is not None and informative < n_latents / 2:
        mild.append(f"only {informative} of {n_latents} dimensions have a KL above {WEAK_KL:g} nat")
    reasons = tuple(severe + [reason for reason in mild if not severe])
    return Verdict(
        collapsed=bool(severe),
        over_regularised=bool(severe or mild),
        active_units=int(active),
        n_latents=int(n_latents),
        informative_units=informative,
        variance_ratio=float(ratio),
        swap_ratio=float(swap),
        reasons=reasons,
        advice="" if not reasons else UNREGULARISED_ADVICE if informative is None else ADVICE,
    )


def active_units(mu: np.ndarray) -> int:
    """Number of latent dimensions whose mean varies over samples: Var(μ_d) > .01."""
    return int((np.var(np.asarray(mu, dtype=np.float64), axis=0) > ACTIVE_VARIANCE).sum())


def kl_per_unit(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Mean KL(N(μ, σ²) ‖ N(0, 1)) of each dimension, in nats, (D,).

    Examples
    --------
    >>> kl_per_unit(np.array([[0.0, 2.0]]), np.zeros((1, 2))).tolist()
    [0.0, 2.0]
    """
    return 0.5 * np.mean(mu**2 + np.exp(logvar) - 1 - logvar, axis=0)


def swap_ratio(x: np.ndarray, reconstruction: np.ndarray, swap_with: np.ndarray) -> float:
    """MSE(x, x̂ of other samples) / MSE(x, x̂); infinite where the reconstruction is perfect."""
    error = swapped = 0.0
    for rows in row_chunks(*x.shape):
        inputs = np.asarray(x[rows], dtype=np.float64)
        error += np.sum((inputs - reconstruction[rows]) ** 2)
        swapped += np.sum((inputs - reconstruction[swap_with[rows]]) ** 2)
    return float(swapped / error) if error > 0 else (np.inf if swapped > 0 else np.nan)


def _variance_ratio(x, reconstruction) -> float:
    total = _variance_across(x)
    return float(_variance_across(reconstruction) / total) if total > 0 else np.nan


def _variance_across(x) -> float:
    """Variance over rows, summed over columns."""
    mean = np.mean(x, axis=0, dtype=np.float64)
    return sum(np.sum((x[rows] - mean) ** 2) for rows in row_chunks(*x.shape)) / len(x)


def _cycle(n, rng) -> np.ndarray:
    """A permutation that leaves no sample in place: one random cycle."""
    order = rng.permutation(n)
    swap_with = np.empty(n, dtype=int)
    swap_with[order] = np.roll(order, 1)
    return swap_with
