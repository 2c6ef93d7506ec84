"""Rows of the tables of LatentStructure."""

from pathlib import Path

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.dimension import participation_ratio, sample_rows, twonn
from pydra_vae.stats.moran import morans_i, permuted_morans_i
from pydra_vae.tasks._io import load_array

SMALL = 0.3  # "all below 0.3" in Singla et al.
N_ROTATIONS = 100


def read_rows(path: Path, n_voxels: int) -> np.ndarray:
    """A (K, n) matrix, one row a voxel, as float64."""
    values = load_array(path)
    if values.ndim != 2 or len(values) != n_voxels:
        raise ValueError(
            f"{path} has the shape {values.shape}, but there are {n_voxels} voxels: do they belong together?"
        )
    return np.array(values, dtype=np.float64)


def describe(name: str, z: np.ndarray, n_points: int, seed: int) -> dict:
    """Correlations and dimension of one space."""
    return _row(name, _pairs(z), z.shape[1]) | _dimension(z, n_points, seed)


def controls(z: np.ndarray, n_points: int, seed: int) -> list[dict]:
    """The latents on random axes, and a Gaussian of their covariance."""
    rng, size = np.random.default_rng(seed), z.shape[1]
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    turned = [_pairs(covariance=_turned(covariance, rng)) for _ in range(N_ROTATIONS)]
    rows = [_row("", r, size) for r in turned]
    rotated = {"space": "cvae, rotated", "n_dimensions": size} | {
        key: float(np.mean([row[key] for row in rows])) for key in ("max_abs_r", "share_below_0.3")
    }
    gaussian = rng.multivariate_normal(np.zeros(size), covariance, size=min(len(z), n_points))
    return [rotated, describe("cvae, gaussian", gaussian, n_points, seed)]


def describe_series(x: np.ndarray, used, n_points: int, seed: int) -> dict:
    """Dimension of the voxel series themselves."""
    points = sample_rows(x, n_points, seed)[:, used]
    return {"space": "raw", "n_dimensions": points.shape[1]} | _dimension(points, n_points, seed)


def single_frames(x: np.ndarray, used, n: int) -> np.ndarray:
    """n frames, evenly spaced among those that count, minus each voxel's mean, (K, n)."""
    frames = np.arange(x.shape[1])[used]
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, n + 2).round().astype(int)[1:-1])]
    maps = np.empty((len(x), len(chosen)))
    for rows in row_chunks(*x.shape):
        block = np.asarray(x[rows], dtype=np.float64)
        maps[rows] = block[:, chosen] - block[:, used].mean(axis=1, keepdims=True)
    return maps


def correlation_rows(name: str, z: np.ndarray):
    """DataFrame: space, first, second (from 1), r."""
    import pandas as pd

    first, second = np.triu_indices(z.shape[1], 1)
    return pd.DataFrame({"space": name, "first": first + 1, "second": second + 1, "r": _pairs(z)})


def smoothness_rows(maps: dict[str, np.ndarray], beside, n_null: int, seed: int):
    """DataFrame: one row a map of each space, in the columns of LatentStructure's `dimensions`.

    `beside` is `_neighbours.Neighbours`: which rows touch, and how far a map reaches.
    """
    import pandas as pd

    weights = beside.weights()
    tables = []
    for name, z in maps.items():
        found, null = morans_i(z, weights), permuted_morans_i(z, weights, n_null, np.random.default_rng(seed))
        p = (1 + (null >= found).sum(axis=0)) / (1 + n_null)
        columns = {
            "space": name,
            "dimension": np.arange(1, z.shape[1] + 1),
            "sd": z.std(axis=0),
            "morans_i": found,
            "morans_i_null_mean": null.mean(axis=0),
            "morans_i_null_sd": null.std(axis=0),
            "p": np.where(np.isfinite(found), p, np.nan),
            "correlation_length_mm": beside.correlation_length(z),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables)


def _row(name: str, r: np.ndarray, size: int) -> dict:
    known = np.abs(r[np.isfinite(r)])
    largest, share = (known.max(), (known < SMALL).mean()) if known.size else (np.nan, np.nan)
    return {"space": name, "n_dimensions": size, "max_abs_r": float(largest), "share_below_0.3": float(share)}


def _dimension(points: np.ndarray, n_points: int, seed: int) -> dict:
    found = twonn(points, n_points, seed)
    return {
        "twonn": found.value,
        "twonn_low": found.low,
        "twonn_high": found.high,
        "participation_ratio": participation_ratio(points),
        "n_points": found.n_points,
    }


def _pairs(z: np.ndarray | None = None, covariance: np.ndarray | None = None) -> np.ndarray:
    """Correlations of all pairs of dimensions; NaN where one is constant."""
    covariance = np.atleast_2d(np.cov(z, rowvar=False)) if covariance is None else covariance
    variance = np.diag(covariance)
    sd = np.sqrt(np.where(variance > 1e-12 * variance.max(initial=0), variance, np.nan))
    return (covariance / np.outer(sd, sd))[np.triu_indices(len(sd), 1)]


def _turned(covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turn = np.linalg.qr(rng.normal(size=covariance.shape))[0]
    return turn @ covariance @ turn.T
