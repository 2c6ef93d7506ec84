"""Maps of the cortex against closed forms and planted patches."""

import numpy as np
import pytest

from pydra_vae.stats.surface_maps import (
    amplitude,
    correlations,
    lateralisation,
    peaks,
    read_map,
    sparsity,
    spread,
    top_correlation,
)


def test_top_share_is_that_of_the_reference():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=1000)
    values = rng.normal(size=1000)
    top = np.argsort(-reference)[:100]
    values[top] = 3 * reference[top] + 7  # agrees there only
    found = correlations(values, reference)
    assert found["r_top10"] == pytest.approx(1) and found["r_top5"] == pytest.approx(1)
    assert found["r_top1"] == pytest.approx(1) and found["r_all"] < 0.95
    assert found["r_all"] == pytest.approx(np.corrcoef(values, reference)[0, 1])


def test_negative_reference_values_are_not_its_top():
    reference = np.concatenate([np.linspace(-9, -8, 50), np.linspace(0, 1, 50)])
    values = np.concatenate([np.zeros(50), np.linspace(0, 1, 50)])
    assert top_correlation(values, reference, 0.5) == pytest.approx(1)


def test_places_without_reference_do_not_count():
    reference = np.arange(10.0)
    values = reference.copy()
    values[9], reference[[9, 8]] = -100, np.nan
    assert top_correlation(values, reference) == pytest.approx(1)
    assert np.isnan(top_correlation(values, reference, 0.1))  # one vertex
    assert np.isnan(top_correlation(np.ones(10), reference))


@pytest.mark.parametrize("n", [4, 100])
def test_hoyer_of_m_equal_values_among_n(n):
    for m in (1, 2, n):
        x = np.zeros(n)
        x[:m] = 1e-200
        assert sparsity(x) == pytest.approx((np.sqrt(n) - np.sqrt(m)) / (np.sqrt(n) - 1), abs=1e-12)
    assert np.isnan(sparsity(np.zeros(n)))


def test_readings_and_what_they_show():
    x = np.array([4.0, -9, 0])
    np.testing.assert_array_equal(amplitude(read_map(x, "signed", -1), "signed"), [0, 9, 0])
    np.testing.assert_array_equal(amplitude(read_map(x, "abs", -1), "abs"), [4, 9, 0])
    variance = np.array([4.0, 9, 0])
    np.testing.assert_array_equal(amplitude(read_map(variance, "variance"), "variance"), [2, 3, 0])
    np.testing.assert_array_equal(amplitude(read_map(variance, "sd"), "sd"), [2, 3, 0])
    with pytest.raises(ValueError, match="goes down to -9: variances are not negative"):
        read_map(x, "variance")


def test_lateralisation_is_blind_to_the_size_of_a_hemisphere():
    left = np.array([True] * 10 + [False] * 30)
    assert lateralisation(np.ones(40), left) == pytest.approx(0)
    assert lateralisation(np.where(left, 0, 1.0), left) == -1
    assert np.isnan(lateralisation(np.zeros(40), left)) and np.isnan(lateralisation(np.ones(40), np.ones(40, bool)))


def test_spread_of_a_disc():
    """The mean distance from the centre of an even disc of radius R is 2R/3."""
    xy = np.stack(np.meshgrid(*[np.linspace(-20, 20, 401)] * 2), axis=-1).reshape(-1, 2)
    distance = np.linalg.norm(xy, axis=1)
    for radius in (6.0, 12.0):
        assert spread((distance <= radius).astype(float), distance) == pytest.approx(2 * radius / 3, rel=0.01)
    assert spread(np.ones(3), np.array([0, 2, np.inf])) == 1  # an island counts nowhere


def test_a_peak_a_hemisphere():
    assert peaks(np.array([0.0, 5, 2, 9]), np.ones(4, bool)) == [3]
