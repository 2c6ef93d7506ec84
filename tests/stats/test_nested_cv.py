"""Nested cross-validation: planted effects, confounds inside folds, and p values that hold under the null."""

import numpy as np
import pytest

from pydra_vae.stats.brain_age import AgeBias
from pydra_vae.stats.confound_removal import Confounds, confound_design
from pydra_vae.stats.latent_regression import permutation_row, score_row
from pydra_vae.stats.nested_cv import Part, Problem, nested_cv
from pydra_vae.stats.person_folds import check_categories, deal_folds
from pydra_vae.stats.skill import area_under_curve, balanced_accuracy, r_squared


def problem(y, design=None, link="identity", n_test=0, seed=0):
    fold = np.full(len(y), -1)
    known = len(y) - n_test
    fold[:known] = deal_folds(y[:known], 5, classes=link == "logit", seed=seed)
    return Problem(y, np.empty((len(y), 0)) if design is None else design, link, fold)


def rows(x, given, model, n=39, seed=0):
    outcome = nested_cv(x, given, model, seed=seed)
    row = score_row(outcome, given, model, False)
    return outcome, row | permutation_row(row, x, outcome, given, model, n, seed=seed)


def test_a_planted_effect_and_its_latent_are_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 4))
    y = 10 + 2 * x[:, 2] + rng.normal(size=150)
    outcome, row = rows(x, problem(y, n_test=50), "glm")
    assert row["r2"] == pytest.approx(0.8, abs=0.08) == row["r2_test"]  # 4/5 of the variance
    assert row["p_permutation"] == row["p_test"] == 1 / 40
    assert row["mae"] < 0.6 * row["baseline_mae"] and (row["n"], row["n_test"]) == (100, 50)
    importance = outcome.importance.mean(axis=0)
    # shuffling y's only latent leaves an error of 2 × 4 + 1 instead of 1, of a variance of 5
    assert importance.argmax() == 2 and importance[2] == pytest.approx(1.6, abs=0.4)
    assert outcome.coefficients.mean(axis=0)[2] == pytest.approx(2 * x[:100, 2].std(), rel=0.1)


def test_classes():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    y = (x[:, 0] + 0.5 * rng.normal(size=200) > 0.8).astype(float)
    for model in ("glm", "svr"):
        outcome, row = rows(x, problem(y, link="logit", n_test=60), model)
        assert row["auc"] > 0.85 < row["auc_test"] and row["balanced_accuracy"] > 0.7 and row["metric"] == "auc"
        assert row["p_permutation"] == 1 / 40 and 0.4 < row["chance"] < 0.6
        assert "mae" not in row and 0 <= np.nanmin(outcome.predicted) <= np.nanmax(outcome.predicted) <= 1


def test_what_only_the_confounds_tell_is_not_counted():
    rng = np.random.default_rng(2)
    site = rng.normal(size=(200, 1))
    x = rng.normal(size=(200, 3)) + 2 * site
    y = 3 * site[:, 0] + rng.normal(size=200)
    _, with_site = rows(x, problem(y), "glm")
    _, without = rows(x, problem(y, site), "glm")
    assert with_site["r2"] > 0.7 and with_site["p_permutation"] == 1 / 40
    assert abs(without["r2"]) < 0.06 and without["p_permutation"] > 0.05


def test_confounds_are_learnt_from_the_training_persons_alone():
    rng = np.random.default_rng(3)
    x, y, design = rng.normal(size=(60, 2)), rng.normal(size=(60, 1)), rng.normal(size=(60, 1))
    given = problem(y[:, 0], design)
    train, new = given.splits()[0]
    part = Part.of(x, y, given, train, new)
    x[new], y[new] = 100.0, -100.0
    again = Part.of(x, y, given, train, new)
    np.testing.assert_array_equal(part.x, again.x)
    np.testing.assert_array_equal(part.offset, again.offset)
    np.testing.assert_allclose(design[train].T @ part.x, np.outer(design[train].sum(), part.x.mean(axis=0)), atol=1e-9)


def test_permuted_targets_keep_folds_classes_and_confounds():
    rng = np.random.default_rng(4)
    design = rng.normal(size=(80, 1))
    y = 5 * design[:, 0] + rng.normal(size=80)
    given = problem(y, design, n_test=20)
    permuted = given.permuted(50, 0)
    np.testing.assert_array_equal(permuted[60:], np.tile(y[60:, None], (1, 50)))
    slopes = Confounds.fit(design[:60], permuted[:60]).coefficients[0]
    assert (np.abs(slopes - 5) < 0.6).all() and slopes.std() > 0
    classes = problem((y > 0).astype(float), link="logit")
    for number in range(5):
        assert np.ptp(classes.permuted(20, 0)[classes.fold == number].sum(axis=0)) == 0


@pytest.mark.parametrize(("link", "n"), [("identity", 100), pytest.param("logit", 300, marks=pytest.mark.slow)])
def test_p_values_hold_under_the_null(link, n):
    """Studies without an effect: p ≤ .1 in 10 % of them, give or take three standard errors."""
    rng = np.random.default_rng(5)
    p = []
    for seed in range(n):
        x = rng.normal(size=(50, 3))
        y = (rng.random(50) < 0.4).astype(float) if link == "logit" else rng.normal(size=50)
        if link == "logit" and not 5 <= y[:40].sum() <= 35:
            continue
        _, row = rows(x, problem(y, link=link, n_test=10, seed=seed), "glm", n=19, seed=seed)
        p.append((row["p_permutation"], row["p_test"]))
    hits = (np.array(p) <= 0.1).mean(axis=0)
    assert (np.abs(hits - 0.1) < 3 * np.sqrt(0.09 / len(p))).all(), hits


def test_bias_of_age_is_corrected_and_the_mean_model_shows_what_that_is_worth():
    rng = np.random.default_rng(6)
    age = rng.uniform(50, 80, 200)
    x = ((age - 65) / 9)[:, None] + rng.normal(size=(200, 3))
    given = problem(age)
    row = score_row(nested_cv(x, given, "glm"), given, "glm", True)
    assert row["gap_r_with_age"] < -0.4 and abs(row["gap_r_with_age_corrected"]) < 0.1
    assert row["mae_corrected"] < row["mae"] < row["baseline_mae"]
    mean = score_row(nested_cv(x, given, "mean"), given, "mean", True)
    assert mean["r2"] == 0 and mean["mae_corrected"] < 0.2 * mean["mae"]  # perfect, and worth nothing
    bias = AgeBias.fit(age, 65 + 0.25 * (age - 65))
    assert (bias.slope, bias.intercept) == (pytest.approx(-0.75), pytest.approx(0.75 * 65))


def test_measures_of_skill():
    y, p = np.array([0.0, 0, 1, 1]), np.array([[0.1], [0.6], [0.4], [0.9]])
    assert area_under_curve(y, p, np.zeros(4))[0] == 0.75
    assert np.isnan(area_under_curve(np.zeros(3), p[:3], np.zeros(3))[0])
    assert area_under_curve(y, np.ones((4, 1)), np.zeros(4))[0] == 0.5
    assert balanced_accuracy(y, p[:, 0], np.full(4, 0.5)) == 0.5
    assert np.isnan(r_squared(y, y, y))


def test_folds_spread_target_and_categories():
    rng = np.random.default_rng(7)
    y, site = rng.normal(size=100), np.repeat(np.array(["a", "b"], dtype=object), [95, 5])
    fold = deal_folds(y, 5, [site])
    assert np.bincount(fold).tolist() == [20] * 5
    assert sorted(fold[95:]) == [0, 1, 2, 3, 4]  # one of the five persons of b in each
    assert np.ptp([y[fold == f].mean() for f in range(5)]) < 0.35
    assert confound_design({}, 4).shape == (4, 0)


def test_folds_that_cannot_be_made_are_refused():
    with pytest.raises(ValueError, match="4 persons cannot be divided in 5 folds"):
        deal_folds(np.arange(4.0), 5)
    with pytest.raises(ValueError, match=r"3 person\(s\) of class 1.0 and 5 folds"):
        deal_folds(np.repeat([0.0, 1], [17, 3]), 5, classes=True)
    site = {"site": np.array(["a", "a", "b"], dtype=object), "age": np.array([1.0, 2, 3])}
    training = np.array([True, True, False])
    with pytest.raises(ValueError, match=r"site is 'b' only among the persons to be predicted in fold 2 \(sub-3\)"):
        check_categories(site, training, ["sub-1", "sub-2", "sub-3"], "fold 2")
    check_categories(site, ~np.array([False, True, False]), ["sub-1", "sub-2", "sub-3"], "fold 1")
