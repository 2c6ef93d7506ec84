"""Diffusion map embedding of a connectome: the gradients that the paper compares its latents with.

Coifman & Lafon (2006, Appl. Comput. Harmon. Anal. 21:5) as in Margulies et al. (2016, PNAS 113:12574). From an
affinity A of nodes, with d = A1:

    A_α = d^−α A d^−α,   P = diag(A_α 1)⁻¹ A_α,   P ψ_k = λ_k ψ_k,   gradient k = λ_k/(1 − λ_k) ψ_k   (k ≥ 1)

where α = .5 removes half of the influence of the nodes' density and λ/(1 − λ) sums over all diffusion
times. Rows of the connectome keep their strongest tenth before the affinity is taken.

A cosine affinity is N Nᵀ of the unit rows N of a sparse connectome, so it acts as a linear operator: no
K × K affinity is ever made, and thousands of voxels need seconds. The normalised angle 1 − arccos(N Nᵀ)/π
has no such form and is for parcels. It makes nodes of nothing in common half alike, the cosine not at all.
"""

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks


def diffusion_map(affinity, n_components: int = 9, alpha: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Diffusion map of an affinity.

    Parameters
    ----------
    affinity : (K, K) array or LinearOperator
        Symmetric, not negative.
    n_components : int
        Gradients; at most K − 2.
    alpha : float
        Share of the nodes' density that is removed, 0 to 1.
    seed : int
        Of the vector from which the eigenvectors are sought.

    Returns
    -------
    gradients : (K, n_components) float64 array
        The largest entry of each is positive; 0 for a node without any affinity.
    eigenvalues : (n_components,) float64 array
        λ of the diffusion, descending.

    Raises
    ------
    ValueError
        When there are too few nodes, or the graph falls apart.
    """
    from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

    apply = aslinearoperator(affinity).matvec
    n = affinity.shape[0]
    if not 1 <= n_components <= n - 2:
        raise ValueError(f"{n} nodes have at most {n - 2} gradients and {n_components} were asked for")
    density = _power(apply(np.ones(n)), -alpha)
    scale = density * _power(density * apply(density), -0.5)
    symmetric = LinearOperator((n, n), matvec=lambda v: scale * apply(scale * v.ravel()), dtype=np.float64)
    start = np.random.default_rng(seed).uniform(0.5, 1.5, n)
    eigenvalues, vectors = eigsh(symmetric, k=n_components + 1, which="LA", v0=start)
    eigenvalues, vectors = eigenvalues[::-1] / eigenvalues[-1], vectors[:, ::-1]
    if eigenvalues[1] > 1 - 1e-9:
        raise ValueError(
            "the affinity falls into parts that share nothing, so that no gradient runs through all of it: "
            "lower the sparsity"
        )
    gradients = np.divide(vectors[:, 1:], vectors[:, :1], out=np.zeros((n, n_components)), where=scale[:, None] > 0)
    gradients *= eigenvalues[1:] / (1 - eigenvalues[1:])
    peak = np.argmax(np.abs(gradients), axis=0)
    return gradients * np.sign(gradients[peak, np.arange(n_components)]), eigenvalues[1:]


def connectome(x: np.ndarray, seeds: np.ndarray, weights: np.ndarray | None = None, sparsity: float = 0.9):
    """Strongest positive correlations of each series with the seeds' series.

    Parameters
    ----------
    x : (K, T) array
        May be memory-mapped: it is read in blocks of rows.
    seeds : (S, T) array
        Such as x itself, or means of parcels.
    weights : (T,) array, optional
        Frames of weight 0 do not count.
    sparsity : float
        Share of the seeds that is dropped in each row, the weakest.

    Returns
    -------
    profiles : (K, S) sparse array
        Negative correlations are 0.
    """
    from scipy.sparse import csr_array

    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is {sparsity}: give a share from 0 up to, but not, 1")
    columns = columns_of(frame_weights(weights, x.shape[1]))
    targets = _unit_rows(seeds, columns).T
    n_seeds = len(seeds)
    n_kept = max(1, round((1 - sparsity) * n_seeds))
    data, index = np.empty((len(x), n_kept)), np.empty((len(x), n_kept), dtype=np.int32)
    for rows in row_chunks(len(x), max(x.shape[1], n_seeds)):
        r = _unit_rows(x[rows], columns) @ targets
        strongest = np.argpartition(r, n_seeds - n_kept, axis=1)[:, n_seeds - n_kept :]
        index[rows] = np.sort(strongest, axis=1)
        data[rows] = np.maximum(np.take_along_axis(r, index[rows].astype(np.int64), axis=1), 0)
    return csr_array((data.ravel(), index.ravel(), np.arange(len(x) + 1) * n_kept), shape=(len(x), n_seeds))


def cosine_affinity(profiles):
    """Cosine of the angle between rows, as a linear operator (K, K).

    Parameters
    ----------
    profiles : (K, S) sparse array
        Not negative.
    """
    from scipy.sparse.linalg import LinearOperator

    unit = _normalised(profiles)
    back = unit.T.tocsr()
    return LinearOperator((unit.shape[0],) * 2, matvec=lambda v: unit @ (back @ v.ravel()), dtype=np.float64)


def angle_affinity(profiles) -> np.ndarray:
    """Normalised angle 1 − arccos(cosine)/π between rows, (K, K): 1 for the same direction, .5 for a right angle."""
    unit = _normalised(profiles)
    return 1 - np.arccos(np.clip((unit @ unit.T).toarray(), -1, 1)) / np.pi


def _normalised(profiles):
    from scipy.sparse import diags_array

    norm = np.sqrt(profiles.multiply(profiles).sum(axis=1))
    return (diags_array(_power(norm, -1)) @ profiles).tocsr()


def _unit_rows(x, columns) -> np.ndarray:
    """Centred rows of norm 1 in float32; 0 for a constant one."""
    x = np.asarray(x, dtype=np.float32)[:, columns]
    x = x - x.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)


def _power(x, exponent) -> np.ndarray:
    """x^exponent, 0 where x is 0."""
    return np.power(x, exponent, out=np.zeros_like(x, dtype=np.float64), where=x > 0)
