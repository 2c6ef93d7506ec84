"""What a factor does to the surface: decode it along its range, the others at rest (the paper's Fig. 3).

"Interpolating each latent factor independently from its minimum value in the training and validation set in the
latent space, to its maximum value with 50 steps, and then taking the variance over those steps in the reconstructed
surface space." The others stay at their mean (the paper does not say where).
"""

import numpy as np
import torch

from pydra_vae.models.tivae import TiVae


def traversal_maps(
    model: TiVae,
    low: np.ndarray,
    high: np.ndarray,
    rest: np.ndarray,
    n_steps: int = 50,
    factors: np.ndarray | None = None,
    device: torch.device = torch.device("cpu"),  # noqa: B008
) -> np.ndarray:
    """Variance over the steps of each factor's way from its minimum to its maximum.

    Parameters
    ----------
    model : TiVae
        Only its decoder is used, one frame at a time.
    low, high : (k,) arrays
        Ends of each factor's way.
    rest : (k,) array
        Where the other factors stay.
    n_steps : int
        Evenly spaced, both ends included.
    factors : (n,) int array, optional
        Which; all without it.

    Returns
    -------
    maps : (n, V) float32 array
        In squared units of the series; not negative. 0 for a factor without range.
    """
    if n_steps < 2:
        raise ValueError(f"n_steps is {n_steps}: a way needs both of its ends, at least 2")
    model, maps = model.to(device).eval(), []
    for factor in range(len(rest)) if factors is None else factors:
        z = np.tile(np.asarray(rest, dtype=np.float32), (n_steps, 1))
        z[:, factor] = np.linspace(low[factor], high[factor], n_steps)
        with torch.inference_mode():
            x = model.decode(torch.from_numpy(z)[:, None].to(device))[:, 0]
            maps.append(x.double().var(dim=0, correction=0).float().cpu().numpy())
        if low[factor] == high[factor]:
            maps[-1][:] = 0  # not the rounding of equal frames
    return np.array(maps, dtype=np.float32).reshape(len(maps), model.config.n_vertices)


def factor_range(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minimum, maximum and mean of each factor over recordings and frames of (S, T, k), (k,) float64 each.

    >>> [x.tolist() for x in factor_range(np.array([[[0.0, 5], [1, 5]], [[2, 5], [5, 5]]]))]
    [[0.0, 5.0], [5.0, 5.0], [2.0, 5.0]]
    """
    flat = np.asarray(factors, dtype=np.float64).reshape(-1, factors.shape[2])
    return flat.min(axis=0), flat.max(axis=0), flat.mean(axis=0)
