"""Trajectories with planted clusters, and without."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from pydra_vae.stats import trajectories as t

NAMES = ["hand", "foot", "tongue", "foot", "hand", "tongue"]


def blocks(n=120, length=12, gap=6):
    found = np.full(n, "", dtype="U8")
    for i, name in enumerate(NAMES):
        first = 5 + i * (length + gap)
        found[first : first + length] = name
    return found


def planted(labels, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    at = {"": [0, 0, 0], "hand": [3, 0, 0], "foot": [0, 3, 0], "tongue": [2.5, 0, 1]}
    return np.array([at[name] for name in labels]) + noise * rng.normal(size=(len(labels), 3))


def test_opacity_as_in_the_paper():
    found = t.opacities(np.array(["", *["a"] * 17, *["b"] * 17]))
    ramp = [0.5, 0.625, 0.75, 0.875, 1]
    np.testing.assert_allclose(found[1:18], [*ramp, *[1] * 7, *ramp[::-1]])
    np.testing.assert_allclose(found[18:35], found[1:18])  # a block that follows at once begins anew
    assert found[0] == 1
    assert t.opacities(np.array(["a", "a", "a"])).max() < 1  # too short to become opaque


def test_silhouette_is_that_of_scikit_learn():
    labels = blocks()
    x, used = planted(labels, 1.0), labels != ""
    assert t.silhouette(x, labels) == pytest.approx(silhouette_score(x[used], labels[used]))
    assert np.isnan(t.silhouette(x, np.where(labels == "hand", "hand", "")))
    assert t.silhouette(np.array([[0.0], [1], [5]]), np.array(["a", "a", "b"])) == pytest.approx((0.8 + 0.75 + 0) / 3)


def test_planted_clusters_are_found():
    labels = blocks()
    found = t.silhouette_test(planted(labels), [labels], 200)
    assert found["value"] > 0.5 > found["null_mean"] and found["p"] == pytest.approx(1 / 120)  # 119 shifts


def test_smooth_noise_is_no_cluster():
    """Neighbouring frames are alike: against exchanged labels this would always be significant."""
    labels, p = blocks(), []
    for seed in range(60):
        x = np.cumsum(np.random.default_rng(seed).normal(size=(len(labels), 3)), axis=0)
        p.append(t.silhouette_test(x, [labels], 100)["p"])
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_several_designs_are_shifted_together():
    labels = [blocks(), np.roll(blocks(), 31)]
    x = np.concatenate([planted(one) for one in labels])
    found = t.silhouette_test(x, labels, 50)
    assert found["p"] == pytest.approx(1 / 51)
    assert found == t.silhouette_test(x, labels, 50)
    for moved in t.shifted(labels, 5, np.random.default_rng(0)):
        assert [sorted(one) for one in moved] == [sorted(one) for one in labels]
        np.testing.assert_array_equal(moved[1], np.roll(moved[0], 31))


def test_near_sub_tasks_are_near():
    labels = blocks()
    rows = {(row["first"], row["second"]): row for row in t.distance_test(planted(labels, 0.05), [labels], 300)}
    assert rows["hand", "tongue"]["distance"] == pytest.approx(np.hypot(0.5, 1), abs=0.05)
    assert rows["foot", "hand"]["distance"] == pytest.approx(np.hypot(3, 3), abs=0.05)
    assert np.mean([row["relative"] for row in rows.values()]) == pytest.approx(1)
    assert rows["hand", "tongue"]["p_closer"] < 0.1 < rows["foot", "hand"]["p_closer"]


def test_rest_has_no_sub_tasks():
    empty = np.full(20, "")
    assert t.distance_test(np.ones((20, 2)), [empty], 10) == []
    assert np.isnan(list(t.silhouette_test(np.ones((20, 2)), [empty], 10).values())).all()


def test_delay():
    labels = blocks()
    np.testing.assert_array_equal(t.delayed(labels, 5)[5:], labels[:-5])
    assert t.delayed(np.array(["a", "b"]), 5).tolist() == ["", ""]
