"""Are the factors independent over time? Total correlation, the parts of the KL, and TI-VAE's loss.

The population is the T timesteps of one recording: q(z) = 1/T Σ_s N(z; m_s, s²_s), and the KL of the posteriors from
N(0, I), averaged over time, falls into three parts (Chen et al. 2018):

    1/T Σ_t KL(q(z|x_t) ‖ p(z)) = I(z; t) + KL(q(z) ‖ Π_j q(z_j)) + Σ_j KL(q(z_j) ‖ p(z_j)):

mutual information of z and time, total correlation, and dimension-wise KL. The second needs no correction for a
minibatch, since all T timesteps are there; the constants of minibatch-weighted sampling would add (k − 1) log T.

With sharp posteriors the total correlation is blind (σ = .1, k = 5: 5.74 nats for independent, 5.68 for correlated
latents), so that its weight then mostly rewards wide posteriors: look at log mean σ and the factors' correlations.
"""

import math

import torch
from torch import Tensor

from pydra_vae.models.losses import full_precision, gaussian_kl, squared_error

LOG_2PI = math.log(2 * math.pi)


def total_correlation(z: Tensor, mu: Tensor, log_variance: Tensor, stride: int = 1) -> Tensor:
    """KL(q(z) ‖ Π_j q(z_j)) of each recording, in nats.

    1/T Σ_t { LSE_s Σ_j log N(z_tj; m_sj, s²_sj) − log T − Σ_j [LSE_s log N(z_tj; m_sj, s²_sj) − log T] }.

    Parameters
    ----------
    z, mu, log_variance : (B, T, k) tensors
        A draw from the posteriors, and the posteriors.
    stride : int
        Average over every `stride`-th z only; all T posteriors still make up q(z). Without bias, and cheaper.

    Returns
    -------
    (B,) tensor
    """
    joint, each = _log_aggregate(z, mu, log_variance, stride)
    return (joint - each.sum(-2)).mean(-1)


def kl_decomposition(z: Tensor, mu: Tensor, log_variance: Tensor, stride: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Mutual information, total correlation and dimension-wise KL of each recording, in nats a frame.

    E log q(z|x) and E log p(z) are exact, E log q(z) and E log q(z_j) come from the draw z: with `stride` 1 the three
    sum to the mean of `gaussian_kl` over time for every draw, not only on average.

    Parameters
    ----------
    z, mu, log_variance : (B, T, k) tensors
    stride : int
        As in `total_correlation`.

    Returns
    -------
    mutual_information, total_correlation, dimension_wise : (B,) tensors
    """
    joint, each = _log_aggregate(z, mu, log_variance, stride)
    joint, each = joint.mean(-1), each.sum(-2).mean(-1)
    mu, log_variance = mu.float(), log_variance.float()
    posterior = -0.5 * (LOG_2PI + 1 + log_variance).sum(-1).mean(-1)  # E log q(z|x)
    prior = -0.5 * (LOG_2PI + mu.square() + log_variance.exp()).sum(-1).mean(-1)  # E log p(z)
    return posterior - joint, joint - each, each - prior


def tivae_terms(
    x: Tensor,
    px: Tensor,
    z: Tensor,
    mu: Tensor,
    log_variance: Tensor,
    n_frames: int | None = None,
    stride: int = 1,
    decompose: bool = False,
) -> dict[str, Tensor]:
    """Terms of the loss of each recording; `tivae_weights` has their weights.

    Parameters
    ----------
    x, px : (B, T, V) tensors
        Data and reconstruction.
    z, mu, log_variance : (B, T, k) tensors
    n_frames : int, optional
        Frames of a whole recording where x is a crop: the reconstruction is scaled to it.
    stride : int
        As in `total_correlation`.
    decompose : bool
        Add `mi` and `dimension_wise`, which with `tc` make up `kl`.

    Returns
    -------
    dict of (B,) tensors
        `reconstruction`: squared error, mean over vertices, summed over time, in squared data units; `kl`, `tc`, `mi`,
        `dimension_wise`: nats a frame, summed over the k factors; `log_mean_sigma`: of the posteriors.
    """
    frames = x.shape[1]
    terms = {
        "reconstruction": squared_error(x, px).sum(-1) * ((n_frames or frames) / frames),
        "kl": gaussian_kl(mu, log_variance).mean(-1),
    }
    if decompose:
        terms["mi"], terms["tc"], terms["dimension_wise"] = kl_decomposition(z, mu, log_variance, stride)
    else:
        terms["tc"] = total_correlation(z, mu, log_variance, stride)
    return terms | {"log_mean_sigma": (0.5 * log_variance.float()).exp().mean((-1, -2)).log()}


def tivae_weights(latent_dim: int, beta: float, kind: str = "tivae") -> dict[str, float]:
    """Weights of the terms of `tivae_terms`.

    The paper averages the KL over dimensions, so that the ELBO's weight of the KL in nats is 1/k there. `tivae` adds
    β · TC, and β = 0 leaves that ELBO; `beta-vae` multiplies the KL by β instead: at β = 1 the two are the same model.

    >>> tivae_weights(8, 2.0)
    {'reconstruction': 1.0, 'kl': 0.125, 'tc': 2.0, 'mi': 0.0, 'dimension_wise': 0.0, 'log_mean_sigma': 0.0}
    """
    if kind not in ("tivae", "beta-vae"):
        raise ValueError(f"kind is {kind!r}: it must be one of tivae, beta-vae")
    kl, tc = (1.0, beta) if kind == "tivae" else (beta, 0.0)
    shown = dict.fromkeys(("mi", "dimension_wise", "log_mean_sigma"), 0.0)
    return {"reconstruction": 1.0, "kl": kl / latent_dim, "tc": tc} | shown


def _log_aggregate(z: Tensor, mu: Tensor, log_variance: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """log q(z_t) (B, T') and log q(z_tj) (B, k, T') of every `stride`-th t."""
    z, mu, log_variance = z.float().mT[..., ::stride, None], mu.float().mT, log_variance.float().mT
    with full_precision(z.device):
        scaled = (z - mu[..., None, :]) * torch.exp(-0.5 * log_variance)[..., None, :]  # (B, k, T', T)
        densities = -0.5 * (scaled.square() + (log_variance + LOG_2PI)[..., None, :])
        log_t = math.log(mu.shape[-1])
        joint = torch.logsumexp(densities.sum(-3), -1) - log_t
        return joint, torch.logsumexp(densities, -1) - log_t
