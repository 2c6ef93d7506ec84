"""The linear joint model that a training of a `JointVae` on vectors starts from.

The latent is made of the modalities' own principal components where it has room for all of them, else of the first
components of all together; with unit variance each. Encoders and decoders are ridge regressions between it and each
modality on the training images, and an encoder is as sure of a dimension as its regression is: log σ² = log(1 − R²).
With a latent of one dimension and Gaussian data this is the exact posterior.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from pydra_vae.models.joint import LOWEST, Bridge, JointVae

PENALTIES = 10.0 ** np.arange(-3, 5)
MOST = 0.98  # R² of an encoder: more would be no noise at all
LEAST_SPREAD = -6.0  # of the logit of log σ²/LOWEST, where a modality says nothing of a dimension

Data = Mapping[str, tuple[np.ndarray, np.ndarray]]


def start_linear(model: JointVae, data: Data, rows: np.ndarray):
    """Put the linear solution into a model, in place.

    Parameters
    ----------
    model : JointVae
        All of its modalities are vectors.
    data : mapping of str to (x, given)
        (N, n) standardised values, 0 where missing, and (N, n) 0/1.
    rows : (n,) int array
        Training images.
    """
    latent = _latent({name: x[rows] for name, (x, _) in data.items() if name != "scores"}, model.config.latent_dim)
    for name, (x, given) in data.items():
        there = given[rows].max(-1) > 0
        weights, share = ridge(x[rows][there], latent[there])
        _put_encoder(model.encoders[name], weights, share)
        if name != "scores":
            _put(model.decoders[name], ridge(latent[there], x[rows][there])[0])
    for i, head in enumerate(model.heads):
        x, given = data["scores"]
        start_head(head, latent, x[rows][:, i], given[rows][:, i] > 0)


def start_head(head: Bridge, z: np.ndarray, y: np.ndarray, there: np.ndarray):
    """Put the ridge regression of y (n,) on z (n, K) into a head; images where `there` is False are left out."""
    offset = y[there].mean()
    _put(head, ridge(z[there] - z[there].mean(0), y[there, None] - offset)[0])
    with torch.no_grad():
        head.linear.bias.fill_(float(offset) - float(z[there].mean(0) @ head.linear.weight[0].double().cpu().numpy()))


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression without intercept, its penalty by generalised cross-validation (Golub et al. 1979).

    Parameters
    ----------
    x : (n, p) array
    y : (n, q) array
        Both of mean 0.

    Returns
    -------
    weights : (p, q) array
    share : (q,) array
        R² of each column, its error divided by the degrees of freedom that are left; between 0 and 1.
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    projected, power = u.T @ y, np.square(y).sum(0)
    best = None
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        error = power - ((2 * shrink - shrink**2)[:, None] * projected**2).sum(0)
        left = max(1.0, len(x) - shrink.sum())
        score = float((error / np.maximum(power, 1e-12)).sum()) * len(x) / left**2
        if best is None or score < best[0]:
            share = 1 - (error / left) / np.maximum(power / len(x), 1e-12)
            best = (score, vt.T @ ((s / (s**2 + penalty))[:, None] * projected), np.clip(share, 0, 1))
    return best[1], best[2]


def _latent(features: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """(n, size) standardised components of the features; zeros where there are fewer."""
    blocks = list(features.values())
    if sum(x.shape[1] for x in blocks) > size:
        blocks = [np.concatenate(blocks, axis=1)]
    scores = np.concatenate([_components(x) for x in blocks], axis=1)[:, :size]
    return np.pad(scores, ((0, 0), (0, size - scores.shape[1])))


def _components(x: np.ndarray) -> np.ndarray:
    """Principal component scores of unit variance, (n, p)."""
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return u * np.sqrt(len(x)) * (s > 1e-6 * s[0])


def _put(bridge: Bridge, weights: np.ndarray):
    with torch.no_grad():
        bridge.linear.weight.copy_(torch.from_numpy(weights.T))
        nn.init.zeros_(bridge.linear.bias)


def _put_encoder(encoder: nn.Module, weights: np.ndarray, share: np.ndarray):
    n = len(weights)
    surplus = np.log(1 - np.minimum(share, MOST)) / LOWEST  # sigmoid of the logit
    logit = np.log(np.maximum(surplus, 1e-9)) - np.log1p(-surplus)
    with torch.no_grad():
        for bridge in (encoder.mean, encoder.spread):
            nn.init.zeros_(bridge.linear.weight)
            nn.init.zeros_(bridge.linear.bias)
        encoder.mean.linear.weight[:, :n] = torch.from_numpy(weights.T)
        encoder.spread.linear.bias.copy_(torch.from_numpy(np.maximum(logit, LEAST_SPREAD)))
