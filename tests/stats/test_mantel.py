"""Mantel: against scikit-bio, exact for few items, uniform p without an effect, a common cause removed."""

import numpy as np
import pytest

from pydra_vae.stats.mantel import mantel, upper


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


i = np.arange(12)  # any points will do
X = np.column_stack([(7 * i**2 + 3 * i) % 11, (5 * i + i**3) % 13]).astype(float)
Y = X + 4 * np.column_stack([3 * i % 5, 4 * i**2 % 7])
Y[:, 0] = Y[::-1, 0].copy()


@pytest.mark.parametrize(
    ("method", "alternative", "r", "p"),
    [
        # scikit-bio 0.7.4, mantel(permutations=100000, seed=1)
        ("pearson", "two-sided", 0.6387467620983317, 0.0034899651003489963),
        ("pearson", "greater", 0.6387467620983317, 0.0034899651003489963),
        ("spearman", "two-sided", 0.48258850141200865, 0.01860981390186098),
        ("spearman", "greater", 0.48258850141200865, 0.015739842601573985),
    ],
)
def test_scikit_bio_finds_the_same(method, alternative, r, p):
    found = mantel(distances(X[:8]), distances(Y[:8]), 50_000, method=method, alternative=alternative)
    assert found.r == pytest.approx(r, abs=1e-10)
    assert len(found.null) == 40_319  # 8! − 1: every permutation once
    assert found.p == pytest.approx(p, abs=4 * np.sqrt(p / 100_000))  # theirs is drawn at random
    drawn = mantel(distances(X[:8]), distances(Y[:8]), 5000, method=method, alternative=alternative)
    assert len(drawn.null) == 5000 and drawn.p == pytest.approx(p, abs=4 * np.sqrt(p / 5000))


def test_p_is_uniform_without_an_effect():
    rng = np.random.default_rng(0)
    p = [mantel(*(distances(rng.normal(size=(15, 2))) for _ in "ab"), 99, seed).p for seed in range(300)]
    assert min(p) >= 0.01
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=0.07)


def test_smallest_p_and_determinism():
    a, b = distances(X), distances(Y)
    found = mantel(a, b, 199, seed=3)
    assert found.p_smallest == 1 / 200 <= found.p
    np.testing.assert_array_equal(found.null, mantel(a, b, 199, seed=3).null)
    assert (found.null != mantel(a, b, 199, seed=4).null).any()
    assert mantel(a[:4, :4], b[:4, :4], 1000).p_smallest == pytest.approx(1 / 24)
    assert mantel(a, -a, 199).r == -1


def test_a_common_cause_is_removed():
    rng = np.random.default_rng(0)
    place = rng.normal(size=(60, 3))
    a, b = (distances(place + 0.4 * rng.normal(size=place.shape)) for _ in "ab")
    apart = distances(place)
    plain, partial = mantel(a, b, 199), mantel(a, b, 199, control=apart)
    assert plain.r > 0.7 and plain.p == 0.005
    assert abs(partial.r) < 0.1 and partial.p > 0.05
    # Pearson's partial correlation in closed form
    r = np.corrcoef([upper(m) for m in (a, b, apart)])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert mantel(a, b, 1, control=apart, method="pearson").r == pytest.approx(expected, abs=1e-10)
    own = mantel(a, a, 199, control=a)  # nothing is left
    assert np.isnan(own.r) and np.isnan(own.p)


def test_misuse():
    a = distances(X)
    with pytest.raises(ValueError, match=r"square matrices of one size.*\(5, 5\) beside 12 items"):
        mantel(a, a[:5, :5])
    with pytest.raises(ValueError, match=r"at least 3 × 3"):
        mantel(a[:2, :2], a[:2, :2])
    with pytest.raises(ValueError, match="not finite"):
        mantel(a, np.where(a == a.max(), np.nan, a))
    with pytest.raises(ValueError, match="not symmetric"):
        mantel(a, np.triu(a))
    assert np.isnan(mantel(a, np.ones_like(a)).r)
