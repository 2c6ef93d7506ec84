"""Diffusion maps of a ring in closed form, against dense eigenvectors, and against brainspace."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from pydra_vae.stats.diffusion import angle_affinity, connectome, cosine_affinity, diffusion_map

SERIES = np.random.default_rng(2).normal(size=(80, 6)) @ np.random.default_rng(3).normal(size=(6, 120))
SERIES = SERIES + np.random.default_rng(4).normal(size=(80, 120))


def dense(affinity, alpha):
    """Eigenvalues and right eigenvectors of the diffusion, by the book."""
    a = affinity / np.outer(affinity.sum(1) ** alpha, affinity.sum(1) ** alpha)
    values, vectors = np.linalg.eig(a / a.sum(1, keepdims=True))
    order = np.argsort(-values.real)
    return values.real[order][1:], vectors.real[:, order][:, 1:]


def test_gradients_of_a_ring_are_its_waves():
    n = 40
    step = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    affinity = np.where(np.minimum(step, n - step) <= 1, 1.0, 0.0)
    gradients, eigenvalues = diffusion_map(affinity, 4)
    expected = (1 + 2 * np.cos(2 * np.pi * np.array([1, 1, 2, 2]) / n)) / 3
    np.testing.assert_allclose(eigenvalues, expected, rtol=1e-9)
    radius = np.linalg.norm(gradients[:, :2], axis=1)
    np.testing.assert_allclose(radius, np.sqrt(2) * expected[0] / (1 - expected[0]), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_dense_eigenvectors_are_the_same(alpha):
    profiles = connectome(SERIES, SERIES, sparsity=0.8)
    operator = cosine_affinity(profiles)
    affinity = operator @ np.eye(80)
    unit = profiles.toarray() / np.linalg.norm(profiles.toarray(), axis=1, keepdims=True)
    np.testing.assert_allclose(affinity, unit @ unit.T, atol=1e-12)
    gradients, eigenvalues = diffusion_map(operator, 5, alpha)
    values, vectors = dense(affinity, alpha)
    np.testing.assert_allclose(eigenvalues, values[:5], rtol=1e-9)
    stationary = (affinity / np.outer(affinity.sum(1) ** alpha, affinity.sum(1) ** alpha)).sum(1)
    for k in range(5):
        r = np.corrcoef(gradients[:, k], vectors[:, k])[0, 1]
        assert abs(r) == pytest.approx(1, abs=1e-9)
        power = np.average(gradients[:, k] ** 2, weights=stationary)
        assert power == pytest.approx((values[k] / (1 - values[k])) ** 2, rel=1e-8)
    assert (gradients[np.abs(gradients).argmax(0), range(5)] > 0).all()


@pytest.mark.parametrize(
    ("affinity", "total", "scale", "rows", "tolerance"),
    [  # brainspace 0.3.0: compute_affinity(r, kernel, sparsity=.9), which keeps 7 of 80, and
        # diffusion_mapping(alpha=.5), whose solver for symmetric matrices is given P, which is not one: hence the
        # tolerance. Every 16th row.
        (cosine_affinity, 572.694562572533, [5.39356281, 4.18130522, 2.37207586],
         [[-2.7841, 3.3754, 3.7903], [-5.1236, -5.8603, -3.4962], [10.1809, -3.2956, -0.8416],
          [12.7695, -3.2359, 0.3025], [-3.472, 0.4892, -0.4626]], 0.03),
        (angle_affinity, 3405.5538949448824, [0.06379358, 0.0572963, 0.04642691],
         [[-0.0332, 0.0208, -0.0813], [-0.0342, -0.0975, 0.0708], [0.1066, -0.0009, 0.0077],
          [0.1947, 0.0113, 0.0026], [-0.0249, -0.005, -0.0097]], 0.005),
    ],
)  # fmt: skip
def test_brainspace_finds_the_same(affinity, total, scale, rows, tolerance):
    like = affinity(connectome(SERIES, SERIES, sparsity=1 - 7 / 80))
    assert (like @ np.ones(80)).sum() == pytest.approx(total, rel=1e-7)
    gradients, eigenvalues = diffusion_map(like, 3)
    np.testing.assert_allclose(eigenvalues / (1 - eigenvalues), scale, rtol=tolerance)
    np.testing.assert_allclose(gradients[::16], rows, atol=tolerance * np.abs(gradients).max())


def test_connectome_keeps_the_strongest_of_the_frames_that_count():
    weights = np.ones(120)
    weights[30:60] = 0
    x = SERIES.copy()
    x[:, 30:60] = 1000 * np.random.default_rng(0).normal(size=(80, 30))  # what censored frames hold
    x[5, weights > 0] = 3  # a voxel that is constant without them
    found = connectome(x, x[:20], weights, sparsity=0.75).toarray()
    r = np.nan_to_num(np.corrcoef(np.delete(x[:, weights > 0], 5, axis=0)))
    r = np.insert(np.insert(r, 5, 0, axis=0), 5, 0, axis=1)[:, :20]
    kept = (r >= np.sort(r, axis=1)[:, [-5]]) & (r > 0)
    np.testing.assert_allclose(found, np.where(kept, r, 0), atol=1e-5)
    with pytest.raises(ValueError, match="sparsity is 1"):
        connectome(x, x, sparsity=1)


def test_nodes_without_affinity_and_graphs_in_parts():
    profiles = connectome(SERIES, SERIES, sparsity=0.8).toarray()
    alone = profiles.copy()
    alone[3] = 0
    gradients, _ = diffusion_map(cosine_affinity(csr_array(alone)), 2)
    assert (gradients[3] == 0).all() and np.isfinite(gradients).all() and (np.delete(gradients, 3, 0) != 0).all()
    parts = np.zeros((8, 8))
    parts[:4, :4] = parts[4:, 4:] = 1
    with pytest.raises(ValueError, match=r"parts that share nothing.*lower the sparsity"):
        diffusion_map(parts, 2)
    with pytest.raises(ValueError, match="8 nodes have at most 6 gradients and 9 were asked for"):
        diffusion_map(parts, 9)


def test_same_seed_same_bytes():
    like = cosine_affinity(connectome(SERIES, SERIES))
    assert diffusion_map(like, 3, seed=1)[0].tobytes() == diffusion_map(like, 3, seed=1)[0].tobytes()
