"""Which fits are warned of, and which are not."""

import pytest

from pydra_vae.stats.fit_warnings import fit_warnings, gain_warnings, tsnr_warnings


def found(warnings):
    assert all(set(w) == {"code", "severity", "text"} for w in warnings)
    return [(w["code"], w["severity"]) for w in warnings]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (800, [("few_voxels", "strong")]),
        (1999, [("few_voxels", "strong")]),
        (2000, [("few_voxels", "mild")]),
        (5999, [("few_voxels", "mild")]),
        (6000, []),
    ],
)
def test_number_of_voxels(n, expected):
    assert found(fit_warnings(n_train=n)) == expected


def test_healthy_fit():
    steps = list(range(0, 1050, 50))
    losses = [0.04 * 0.9**k for k in range(20)] + [0.0055]
    assert not fit_warnings(n_train=97_650, steps=steps, validation=losses)
    assert not fit_warnings(steps=[0], validation=[0.01])


def test_overfitting():
    steps = [0, 100, 200, 300, 400, 500]
    rising = fit_warnings(steps=steps, validation=[0.04, 0.02, 0.01, 0.0105, 0.011, 0.0112])
    assert found(rising) == [("overfitted", "mild")]
    assert "step 200" in rising[0]["text"] and "1.12 times" in rising[0]["text"]
    early = fit_warnings(steps=steps, validation=[0.01, 0.02, 0.02, 0.02, 0.02, 0.0101], linear_skip=True)
    assert found(early) == [("best_step_early", "strong")]
    assert "which is PCA" in early[0]["text"]
    with pytest.raises(ValueError, match="2 steps but 1 validation"):
        fit_warnings(steps=[0, 1], validation=[0.1])


def test_no_gain_over_pca():
    assert found(gain_warnings(0.0130, 0.0122, "blocked", 9)) == [("no_gain_over_pca", "strong")]
    assert found(gain_warnings(0.0130, 0.0122, "random", 9)) == [("no_gain_over_pca", "mild")]
    assert not gain_warnings(0.0125, 0.0165, "blocked", 9)


def test_tsnr_up_while_r2_is_low():
    """The figures of docs: the worst model had the highest gain."""
    assert found(tsnr_warnings(186, 0.054)) == [("tsnr_up_r2_low", "strong")]
    assert found(tsnr_warnings(90, 0.24, 84, 0.26)) == [("tsnr_up_r2_below_pca", "mild")]
    assert not tsnr_warnings(41, 0.44, 84, 0.26)
    assert not tsnr_warnings(1, 0.05)
