"""Recovery of planted latents: mixtures are found, chance is not, and parcels do not leak."""

import numpy as np
import pytest

from pydra_vae.stats.latent_recovery import recovered_r2

RNG = np.random.default_rng(0)
PARCEL = np.repeat(np.arange(50), 20) + 1


def test_share_of_noise_in_closed_form():
    z = RNG.normal(size=(1000, 3)) * [1, 10, 0.01]
    noisy = (z / [1, 10, 0.01] + [0, 0.5, 2] * RNG.normal(size=(1000, 3))) @ RNG.normal(size=(3, 3))
    r2 = recovered_r2(noisy, z, PARCEL)
    np.testing.assert_allclose(r2, [1, 1 / 1.25, 1 / 5], atol=0.05)


def test_nothing_is_found_by_chance():
    """Both spaces differ between parcels; with 50 parcels and 20 dimensions folds over voxels would find a lot."""
    found, z = (RNG.normal(size=(50, n))[PARCEL - 1] + 0.1 * RNG.normal(size=(1000, n)) for n in (20, 4))
    assert (recovered_r2(found, z, PARCEL) < 0.1).all()
    assert (recovered_r2(found, z, np.arange(1000) + 1) > 0.2).all()


def test_voxels_of_no_parcel_and_constants():
    z = RNG.normal(size=(1000, 2))
    z[:, 1] = 0.3
    broken = z.copy()
    broken[:100] = 1e9
    parcel = np.where(np.arange(1000) < 100, 0, PARCEL)
    r2 = recovered_r2(broken, z, parcel)
    assert r2[0] == pytest.approx(1) and np.isnan(r2[1])
    assert np.isnan(recovered_r2(z, z, np.ones(1000, int))).all()
    with pytest.raises(ValueError, match="1000 found, 1000 planted and 9 parcels"):
        recovered_r2(z, z, np.ones(9, int))


def test_same_figures_each_time():
    z = RNG.normal(size=(1000, 3))
    x = z + RNG.normal(size=z.shape)
    np.testing.assert_array_equal(recovered_r2(x, z, PARCEL), recovered_r2(x, z, PARCEL))
