"""Scores of predicted modalities, from cases whose figures are known."""

import numpy as np
import pytest

from pydra_vae.stats.joint_scores import image_figures, related_voxels, ridge_predictions, score_figures


def test_the_mean_has_r2_zero_and_a_worse_guess_less():
    y = np.array([1.0, 2.0, 4.0, 7.0])
    assert score_figures(y, np.full(4, 3.0), 3.0)["r2"] == 0
    assert np.isnan(score_figures(y, np.full(4, 3.0), 3.0)["r"])
    assert score_figures(y, -y, 3.0)["r2"] < 0


def test_images_are_judged_by_region_and_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 40)) + 5
    mean, rows = x[:8].mean(0), np.arange(8, 12)
    left = np.arange(40) < 10
    half = np.where(left, x, mean)  # right where left is known

    def figures():
        regions = {"whole": np.ones(40, dtype=bool), "left": left, "right": ~left}
        return {f["region"]: f for f in image_figures(x, rows, lambda part: half[rows[part]], mean, regions)}

    found = figures()
    assert found["left"]["r2"] == pytest.approx(1)
    assert found["right"]["r2"] == pytest.approx(0)
    power = np.square(x[rows] - mean).sum(0)
    assert found["whole"]["r2"] == pytest.approx(power[left].sum() / power.sum())
    monkeypatch.setattr("pydra_vae.stats.joint_scores.row_chunks", lambda n, _: (slice(i, i + 1) for i in range(n)))
    assert figures()["whole"]["mae"] == pytest.approx(found["whole"]["mae"])


def test_voxels_that_follow_the_source_are_found():
    rng = np.random.default_rng(0)
    source = rng.standard_normal((60, 2))
    x = rng.standard_normal((60, 100))
    x[:, :10] += 3 * source @ rng.standard_normal((2, 10))
    assert related_voxels(x, np.arange(60), source).nonzero()[0].tolist() == list(range(10))


def test_ridge_learns_from_its_rows_only():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3))
    y = x @ np.array([[1.0], [2.0], [0.0]])
    spoilt = y.copy()
    spoilt[50:] = 1e6
    np.testing.assert_allclose(ridge_predictions(x, spoilt, np.arange(50)), y, atol=0.05)
