"""Which maps of one set agree with which of another, beyond what their smoothness alone gives?

Correlations over places of equal noise, such as means over `moran.equal_patches`; p values from Moran
spectral randomisation of the first set, whose maps are randomised together. p of the best match counts the
search for it: it is compared with the best match of each random map. As the axes of a latent space are
arbitrary, the multiple correlation with all maps of the second set at once stands beside them.

False positives at p ≤ .05 for nine smooth maps beside nine (FWHM 0 to 40 mm; brain, grey matter, one slice):
p .048 to .060, p of the best .039 to .070, p of all .041 to .065; at 70 mm, where nine maps span nearly all
that is smooth, p of all reaches .11 in few patches.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.moran import moran_randomise, standardised

_BLOCK = 100  # draws in memory at a time
_TIE = 1e-9


@dataclass(frozen=True)
class Matches:
    """Agreement of D maps with n maps.

    Attributes
    ----------
    r, p : (D, n) arrays
        Correlation and its two-sided p, at least 1/(draws + 1); NaN for a constant map.
    p_best : (D,) array
        Of the largest absolute correlation of each of the D maps.
    r_all, r_all_null, p_all : (D,) arrays
        Multiple correlation with all n maps, its mean over random maps, its p.
    """

    r: np.ndarray
    p: np.ndarray
    p_best: np.ndarray
    r_all: np.ndarray
    r_all_null: np.ndarray
    p_all: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Index of the best match of each of the D maps, (D,)."""
        return np.argmax(np.nan_to_num(np.abs(self.r), nan=-1), axis=1)


def match_maps(x: np.ndarray, y: np.ndarray, basis: np.ndarray, n_null: int, rng: np.random.Generator) -> Matches:
    """Correlate each column of x with each of y, against random maps like x.

    Parameters
    ----------
    x : (P, D) array
    y : (P, n) array
    basis : (P, P − 1) array
        Of `moran.moran_basis` for the P places.
    n_null : int
        Random maps.
    rng : Generator
    """
    x, y = (standardised(values) / np.sqrt(len(values)) for values in (x, y))
    span = _orthonormal(y[:, np.isfinite(y).all(axis=0)])
    r, r_all = _agreement(x, y, span)
    null, null_all = (np.concatenate(parts) for parts in zip(*_null(x, y, span, basis, n_null, rng), strict=True))
    return Matches(
        r=r,
        p=_p(np.abs(null), np.abs(r)),
        p_best=_p(_largest(null), _largest(r)),
        r_all=r_all,
        r_all_null=null_all.mean(axis=0),
        p_all=_p(null_all, r_all),
    )


def _null(x, y, span, basis, n_null, rng):
    for start in range(0, n_null, _BLOCK):
        yield _agreement(moran_randomise(x, basis, min(_BLOCK, n_null - start), rng), y, span)


def _agreement(x, y, span) -> tuple[np.ndarray, np.ndarray]:
    """Correlations (…, D, n), and multiple correlations (…, D), of unit maps (…, P, D)."""
    turned = np.swapaxes(x, -1, -2)
    return turned @ y, np.linalg.norm(turned @ span, axis=-1)


def _largest(r) -> np.ndarray:
    return np.nan_to_num(np.abs(r), nan=-1).max(axis=-1)


def _p(null, found) -> np.ndarray:
    p = (1 + (null >= found - _TIE).sum(axis=0)) / (1 + len(null))
    return np.where(np.isfinite(found) & (found >= 0), p, np.nan)


def _orthonormal(y) -> np.ndarray:
    """Basis of the span of the columns."""
    u, s, _ = np.linalg.svd(y, full_matrices=False)
    return u[:, s > 1e-9 * s.max(initial=0)]
