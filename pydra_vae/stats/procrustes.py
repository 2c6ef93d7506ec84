"""Orthogonal Procrustes alignment of latent spaces: every pair, and a whole group to one template.

Latents Z_s (K voxels × D, the same voxels in every subject) are centred and scaled to norm 1. Rotations and reflections
do not matter to a latent space, so two of them are compared after the best one (Gower & Dijksterhuis 2004), as in
`scipy.spatial.procrustes`:

    disparity = min over orthogonal R and c of |Z_s − c Z_t R|² = 1 − (Σ σ_i)²,  σ the singular values of Z_sᵀ Z_t

0 is the same space, 1 nothing in common. Whitened (Σ z zᵀ = I before scaling), σ_i / D are canonical correlations: the
disparity then no longer depends on how strong each latent is, which is what a fair comparison with PCA needs.
All of it follows from the D × D cross-products, which one pass over the voxels sums: time and memory of the rest do not
depend on K.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import row_chunks

# Directions of less variance than this share of the largest are rounding, and are left out of a whitened space.
DEAD = 1e-6


def disparity(first: np.ndarray, second: np.ndarray) -> float:
    """Disparity of two latent spaces on the same voxels, (K, D) each.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(50, 3))
    >>> rotated = 4 * z[:, [2, 0, 1]] * [1, -1, 1] + 7
    >>> round(abs(disparity(z, rotated)), 12)
    0.0
    """
    return float(disparities(normalised(cross_products([first, second])), np.array([[0, 1]]))[0])


def cross_products(items: Sequence[np.ndarray], rows: np.ndarray | None = None) -> np.ndarray:
    """Z_sᵀ Z_t of all pairs, each Z centred.

    Parameters
    ----------
    items : sequence of N arrays, (K_s, D)
        May be memory-mapped.
    rows : (N, K) int array, optional
        Rows of each that are the same places (`shared_voxels.shared_rows`); all rows by default.

    Returns
    -------
    cross : (N, N, D, D) float64 array

    Raises
    ------
    ValueError
        If the numbers of latents differ, or a value is not finite.
    """
    sizes = {item.shape[1] for item in items}
    if len(sizes) > 1:
        raise ValueError(f"the spaces have {sorted(sizes)} dimensions: align models of one latent size")
    n, d = len(items), sizes.pop()
    n_rows = len(items[0]) if rows is None else rows.shape[1]
    gram, total = np.zeros((n * d, n * d)), np.zeros(n * d)
    for part in row_chunks(n_rows, n * d):
        block = np.hstack([item[part if rows is None else own[part]] for item, own in _with_rows(items, rows)])
        block = block.astype(np.float64)
        gram += block.T @ block
        total += block.sum(axis=0)
    if not np.isfinite(gram).all():
        raise ValueError("latents hold values that are not finite: did a fit diverge?")
    gram -= np.outer(total, total) / n_rows
    return gram.reshape(n, d, n, d).transpose(0, 2, 1, 3)


def _with_rows(items, rows):
    return zip(items, [None] * len(items) if rows is None else rows, strict=True)


def own_products(cross: np.ndarray) -> np.ndarray:
    """Z_sᵀ Z_s of each, (N, D, D)."""
    return np.einsum("ssij->sij", cross)


def normalised(cross: np.ndarray) -> np.ndarray:
    """Cross-products of the items scaled to norm 1; NaN for an item that is constant."""
    power = np.einsum("sii->s", own_products(cross))
    norm = np.sqrt(np.where(power > 0, power, np.nan))
    return cross / (norm[:, None] * norm[None])[..., None, None]


def whitening(own: np.ndarray) -> np.ndarray:
    """W of each item so that Z W has orthonormal columns, and zero ones where Z has no variance.

    Parameters
    ----------
    own : (N, D, D) array
        Z_sᵀ Z_s.

    Returns
    -------
    w : (N, D, D) array
        Symmetric.
    """
    values, vectors = np.linalg.eigh(own)
    alive = values > DEAD * values[:, -1:]
    inverse = np.where(alive, 1 / np.sqrt(np.where(alive, values, 1)), 0)
    return (vectors * inverse[:, None]) @ vectors.transpose(0, 2, 1)


def whitened(cross: np.ndarray) -> np.ndarray:
    """Cross-products of the items whitened, then scaled to norm 1."""
    w = whitening(own_products(cross))
    return normalised(w[:, None] @ cross @ w[None])


def disparities(cross: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Disparity of each pair, (n,), from cross-products of items of norm 1 and (n, 2) indices."""
    return disparity_of(cross[pairs[:, 0], pairs[:, 1]])


def disparity_of(products: np.ndarray) -> np.ndarray:
    """1 − (Σ σ)² of (…, D, D) products of items of norm 1; NaN where one is not finite."""
    fine = np.isfinite(products).all(axis=(-2, -1))
    sums = np.linalg.svd(np.where(fine[..., None, None], products, 0), compute_uv=False).sum(axis=-1)
    return np.where(fine, 1 - sums**2, np.nan)


@dataclass(frozen=True)
class Template:
    """A group's common space: M = Σ_s w_s Z_s R_s, after generalized Procrustes analysis.

    Attributes
    ----------
    rotations : (N, D, D) array
        R_s, orthogonal. The template's axes are its principal ones, the strongest first.
    weights : (N,) array
        w_s; they sum to 1.
    loss : float
        Σ_s w_s |Z_s R_s − M|² = 1 − |M|²; 0 when all spaces are one.
    n_iterations : int
    converged : bool
    """

    rotations: np.ndarray
    weights: np.ndarray
    loss: float
    n_iterations: int
    converged: bool


def generalized(
    cross: np.ndarray,
    weights: np.ndarray | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> Template:
    """Rotate all items to their common mean (Gower 1975).

    Each round rotates every item to the mean of the last one; the loss cannot rise. It begins at the item that is
    closest to all others and ends when the loss falls by less than `tolerance`.

    Parameters
    ----------
    cross : (N, N, D, D) array
        Of items of norm 1.
    weights : (N,) array, optional
        How much an item counts; equal by default.
    """
    n = len(cross)
    w = np.full(n, 1 / n) if weights is None else np.asarray(weights, dtype=float) / np.sum(weights)
    rotations = _rotations(cross[:, _most_central(cross)])
    loss = 1 - _power(_inner(cross, rotations), w)
    for n_iterations in range(1, max_iterations + 1):  # noqa: B007 (reported)
        rotations = _rotations(np.einsum("t,stij,tjk->sik", w, cross, rotations, optimize=True))
        last, loss = loss, 1 - _power(_inner(cross, rotations), w)
        if last - loss < tolerance:
            break
    turned = _turned(cross, rotations)
    axes = np.linalg.eigh(np.einsum("s,t,stij->ij", w, w, turned, optimize=True))[1][:, ::-1]
    return Template(rotations @ axes, w, float(loss), n_iterations, bool(last - loss < tolerance))


def disparity_to_others(cross: np.ndarray, template: Template, persons: Sequence) -> np.ndarray:
    """Disparity of each item to the template of all other persons, (N,).

    An item that is part of its template would lie too close to it: half of a template of two is oneself. Where all
    items are one person's, only the item itself is left out.
    """
    persons = np.unique(np.asarray(persons), return_inverse=True)[1].reshape(-1)
    if persons.max() == 0:
        persons = np.arange(len(persons))
    inner = _inner(cross, template.rotations)
    found = np.empty(len(persons))
    for s, person in enumerate(persons):
        w = np.where(persons == person, 0, template.weights)
        towards = np.einsum("t,tij,tjk->ik", w, cross[s], template.rotations, optimize=True)
        power = _power(inner, w)
        found[s] = disparity_of(towards / np.sqrt(power)) if power > 0 else np.nan
    return found


def _most_central(cross) -> int:
    n = len(cross)
    sums = np.linalg.svd(cross.reshape(n * n, *cross.shape[2:]), compute_uv=False).sum(axis=-1)
    return int(np.argmax(sums.reshape(n, n).sum(axis=1)))


def _rotations(products) -> np.ndarray:
    """Orthogonal R that maximise tr(Rᵀ P), as `scipy.linalg.orthogonal_procrustes` finds them one at a time."""
    u, _, vt = np.linalg.svd(products)
    return u @ vt


def _turned(cross, rotations) -> np.ndarray:
    """(Z_s R_s)ᵀ Z_t R_t."""
    return rotations.transpose(0, 2, 1)[:, None] @ cross @ rotations[None]


def _inner(cross, rotations) -> np.ndarray:
    """⟨Z_s R_s, Z_t R_t⟩, (N, N)."""
    return np.einsum("stii->st", _turned(cross, rotations))


def _power(inner, w) -> float:
    return float(w @ inner @ w)
