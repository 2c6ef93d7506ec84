"""A planted regressor is found; nothing is found in noise; the paper's score is never below ours."""

import numpy as np
import pytest
from scipy.linalg import hadamard

from pydra_vae.stats.task_designs import average, designs
from pydra_vae.stats.task_scores import averages, glm, task_scores
from pydra_vae.stats.task_shifts import correlations, cross, draw_shifts

T = 200
PART = np.array(["train"] * 6 + ["validation"] * 3 + ["test"] * 5)


def smooth(rng, *shape):
    """Noise with the autocorrelation of a band-passed series, time on axis −2."""
    x = rng.normal(size=(*shape[:-2], shape[-2], shape[-1]))
    spectrum = np.fft.rfft(x, axis=-2)
    kept = (np.arange(spectrum.shape[-2]) > 2) & (np.arange(spectrum.shape[-2]) < 25)
    return np.fft.irfft(spectrum * kept[:, None], shape[-2], axis=-2)


def planted(noise=0.5, seed=0, own_timing=False):
    """Sub-task 0 in factor 3, sub-task 1 with the other sign in factor 1, sub-task 2 in none."""
    rng = np.random.default_rng(seed)
    regressors = np.repeat(smooth(rng, 1, T, 3), len(PART), axis=0)
    if own_timing:
        regressors = smooth(rng, len(PART), T, 3)
    regressors /= regressors.std(axis=1, keepdims=True)
    factors = noise * smooth(rng, len(PART), T, 5) / 0.3
    factors[:, :, 3] += regressors[:, :, 0]
    factors[:, :, 1] -= regressors[:, :, 1]
    return factors, regressors


@pytest.mark.parametrize("own_timing", [False, True])
def test_a_planted_regressor_is_found(own_timing):
    scores = task_scores(*planted(own_timing=own_timing), PART)
    assert scores.factor[:2].tolist() == [3, 1] and scores.sign[:2].tolist() == [1, -1]
    assert scores.paper_factor[:2].tolist() == [3, 1]
    least = 0.7 if own_timing else 0.85  # averages over subjects are less noisy than subjects in a row
    assert (scores.r_test[:2] > least).all() and scores.r_test[2] < 0.4
    assert (scores.p_shift[:2] < 0.03).all() and scores.overall["p_shift"] < 0.03
    assert (scores.readout[:2] > least).all() and scores.readout_chance.max() < 0.6
    assert scores.overall["n_designs"] == (len(PART) if own_timing else 1)
    assert (scores.subject_r[:, :2] > 0.5).all() and scores.subjects.tolist() == list(range(9, 14))


def test_the_paper_s_score_is_never_below_ours():
    for seed in range(20):
        factors, regressors = planted(noise=2, seed=seed)
        scores = task_scores(factors, regressors, PART, n_permutations=20)
        assert (scores.r_paper >= scores.r_test - 1e-12).all()
        assert scores.overall["r_paper"] == pytest.approx(scores.r_paper.mean())
        assert scores.overall["r_validation"] == pytest.approx(np.abs(scores.r_validation).mean())


def test_p_is_uniform_where_nothing_is_planted():
    rng = np.random.default_rng(3)
    regressors = np.repeat(smooth(rng, 1, 80, 2), 6, axis=0)
    part = np.array(["train", "train", "validation", "validation", "test", "test"])
    p = []
    for seed in range(300):
        common = smooth(rng, 1, 80, 4)  # the subjects agree, on what has nothing to do with the task
        factors = common + 0.5 * smooth(rng, 6, 80, 4)
        overall = task_scores(factors, regressors, part, seed=seed).overall
        p.append([overall[name] for name in ("p_shift", "p_paper", "p_readout")])
    p = np.array(p)
    assert np.abs(p.mean(axis=0) - 0.5).max() < 0.06  # 3.6 standard errors of 300 uniform numbers
    assert ((p <= 0.1).mean(axis=0) < 0.16).all()


def test_a_read_out_knows_nothing_of_slots_that_all_timings_share():
    """Each subject has the same blocks in another order; factors follow a course that all share, and no sub-task."""
    rng = np.random.default_rng(4)
    n_frames, part = 80, np.repeat(["train", "validation", "test"], [6, 2, 4])
    slots = np.zeros((6, n_frames))
    for slot, onset in zip(slots, (5, 14, 23, 32, 41, 50), strict=True):
        slot[onset : onset + 6] = 1
    own = np.stack([slots[rng.permutation(6)].reshape(3, 2, n_frames).sum(axis=1).T for _ in part])
    p = []
    for seed in range(150):
        factors = smooth(rng, 1, n_frames, 4) + 0.5 * smooth(rng, len(part), n_frames, 4)
        p.append(task_scores(factors, own, part, seed=seed).overall["p_readout"])
    assert abs(np.mean(p) - 0.5) < 0.1 and np.mean(np.array(p) <= 0.1) < 0.17


def test_a_sign_that_turns_is_told():
    factors, regressors = planted(noise=0.1)
    factors[PART == "test"] *= -1
    scores = task_scores(factors, regressors, PART, n_permutations=10)
    assert scores.turned[:2].tolist() == [1, 1] and (scores.subject_r[:, :2] < -0.8).all()
    assert (scores.r_test[:2] > 0.9).all() and scores.overall["n_turned"] >= 2
    assert task_scores(*planted(noise=0.1), PART, n_permutations=10).turned[:2].tolist() == [0, 0]


def test_the_readout_finds_what_is_spread_over_factors():
    factors, regressors = planted(noise=0.3)
    turn = np.eye(5)
    turn[:4, :4] = hadamard(4) / 2  # factors 1 and 3 in equal parts on four axes: r of 1/√2 at best
    spread = task_scores(factors @ turn, regressors, PART, n_permutations=20)
    straight = task_scores(factors, regressors, PART, n_permutations=20)
    assert spread.r_test[:2].max() < 0.8 and (spread.readout[:2] > 0.93).all()
    np.testing.assert_allclose(spread.readout[:2], straight.readout[:2], atol=0.01)


def test_the_readout_does_not_trust_what_only_averages_show():
    """A factor with the regressor and much noise of each subject's own, beside one with a little of the regressor."""
    rng = np.random.default_rng(4)
    part = np.array(["train"] * 60 + ["validation"] * 4 + ["test"] * 4)
    g = np.repeat(smooth(rng, 1, T, 1), len(part), axis=0)
    g /= g.std(axis=1, keepdims=True)
    noise = smooth(rng, len(part), T, 8)
    noise /= noise.std(axis=1, keepdims=True)
    factors = noise.copy()
    factors[:, :, 0] = 0.7 * g[:, :, 0] + 0.5 * noise[:, :, 0]
    scores = task_scores(factors, g, part, n_permutations=5)
    assert scores.readout[0] > scores.r_test[0] - 0.01


def test_chance_grows_with_the_number_of_factors():
    rng = np.random.default_rng(5)
    regressors = np.repeat(smooth(rng, 1, T, 5), len(PART), axis=0)
    factors = smooth(rng, 1, T, 32) + 0.3 * smooth(rng, len(PART), T, 32)
    chance = [task_scores(factors[:, :, :k], regressors, PART).overall["chance"] for k in (5, 8, 16, 32)]
    assert (np.diff(chance) > 0).all() and 0.1 < chance[0] < chance[-1] < 0.5


def test_missing_events_and_sub_tasks():
    factors, regressors = planted()
    regressors[0] = np.nan  # no events
    regressors[PART == "validation", :, 1] = np.nan  # a sub-task that nobody did there
    scores = task_scores(factors, regressors, PART, n_permutations=10)
    assert scores.factor.tolist()[1] == -1 and np.isnan(scores.r_test[1]) and np.isnan(scores.p_shift[1])
    assert scores.r_paper[1] > 0.8  # chosen on the test average
    assert scores.overall["n_train"] == 5 and np.isfinite(scores.overall["r_test"])
    rest = task_scores(factors, np.full_like(regressors, np.nan), PART, n_permutations=10)
    assert np.isnan(rest.overall["r_test"]) and rest.overall["n_designs"] == 0


def test_a_constant_factor_is_never_chosen():
    factors, regressors = planted()
    factors[:, :, 0] = 7
    scores = task_scores(factors, regressors, PART, n_permutations=10)
    assert scores.factor[0] == 3 and np.isfinite(scores.readout).all()


def test_the_ceiling_is_the_filter_s():
    factors, regressors = planted()
    trend = np.linspace(-1, 1, T)[:, None]
    scores = task_scores(factors, regressors, PART, raw=regressors + trend, n_permutations=5)
    expected = [np.corrcoef(regressors[0, :, i], regressors[0, :, i] + trend[:, 0])[0, 1] for i in range(3)]
    np.testing.assert_allclose(scores.ceiling, expected)
    np.testing.assert_allclose(task_scores(factors, regressors, PART, n_permutations=5).ceiling, 1)


def test_shifted_correlations_are_those_of_rolled_regressors():
    factors, regressors = planted(own_timing=True)
    design = designs(regressors)
    part = average(factors, regressors, regressors, design, PART == "test")
    shifts = draw_shifts(T, 3)
    rolled = np.stack([np.roll(regressors[PART == "test"], s, axis=1).reshape(-1, 3) for s in shifts])
    f = np.concatenate(part.factors)
    np.testing.assert_allclose(cross(part, shifts), np.einsum("tj,ptn->pjn", f, rolled), atol=1e-8)
    expected = np.corrcoef(f.T, rolled[2].T)[:5, 5:]
    np.testing.assert_allclose(correlations(part, shifts)[2], expected, atol=1e-6)


def test_glm_of_a_known_mixture():
    rng = np.random.default_rng(0)
    g = np.repeat(smooth(rng, 1, T, 2), 3, axis=0)
    g /= g.std(axis=1, keepdims=True)
    f = np.stack([2 * g[..., 0] + g[..., 1], g[..., 1]], axis=2)
    means, _ = averages(f, g, ["train", "validation", "test"])
    coefficients, r2 = glm(means["test"])
    np.testing.assert_allclose(r2, 1)
    np.testing.assert_allclose(coefficients[1], [0, 1], atol=1e-12)
    np.testing.assert_allclose(coefficients[0, 0] / coefficients[0, 1], 2)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="do not belong together"):
        task_scores(np.zeros((3, 10, 2)), np.zeros((3, 9, 2)), ["train"] * 3)
