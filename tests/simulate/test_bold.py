"""What is planted can be found, and is the same for the same seed."""

import numpy as np
import pytest

from pydra_vae.simulate.bold import SIZES, simulate_group, simulate_subject
from pydra_vae.simulate.geometry import N_NETWORKS, smooth_maps
from pydra_vae.stats.recovery import correlation_with


@pytest.fixture(scope="module")
def group():
    return simulate_group("tiny", seed=0)


@pytest.fixture(scope="module")
def subjects(group):
    return [simulate_subject(group, s) for s in range(3)]


def steady(group, run):
    return run[:, group.size.non_steady_state :]


def test_seed_decides_everything(group, subjects):
    again = simulate_subject(simulate_group("tiny", seed=0), 1)
    for ours, theirs in zip(again.bold, subjects[1].bold, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.score == subjects[1].score
    other = simulate_subject(simulate_group("tiny", seed=1), 1)
    assert not np.array_equal(other.bold[0], again.bold[0])


def test_sizes():
    assert sum(SIZES["default"].runs.values()) == 1310
    assert SIZES["default"].runs == {"story1": 526, "story2": 452, "story3": 332}
    # a run with fewer than 32 usable frames would be refused
    assert min(SIZES["tiny"].runs.values()) - SIZES["tiny"].non_steady_state >= 40


def test_geometry(group):
    g = group.geometry
    assert 1500 < g.grey.sum() < 3000 and g.white.sum() > 100
    assert (g.parcel > 0).sum() == g.grey.sum() and not g.parcel[~g.grey].any()
    assert set(g.network[1:]) == set(range(N_NETWORKS))
    assert len(set(g.names)) == len(g.names) == 4 * N_NETWORKS
    assert np.bincount(g.parcel)[1:].min() >= 5
    left = g.coordinates_mm[np.isin(g.parcel, [k + 1 for k, n in enumerate(g.names) if "_LH_" in n])]
    assert (left[:, 0] < 0).all()
    # the same network on both sides
    half = len(g.names) // 2
    np.testing.assert_array_equal(g.network[1 : half + 1], g.network[half + 1 :])


def test_smooth_maps_are_smooth(group):
    maps = smooth_maps(group.geometry, 2, 40, np.random.default_rng(0))
    np.testing.assert_allclose(maps.std(axis=0), 1, rtol=1e-4)
    box = group.geometry.volume(maps[:, 0])
    both = group.geometry.brain[1:] & group.geometry.brain[:-1]
    assert np.corrcoef(box[1:][both], box[:-1][both])[0, 1] > 0.9


def test_clean_share_and_correlation(group, subjects):
    subject, grey = subjects[0], group.geometry.grey
    total = np.mean([steady(group, run)[grey].var(axis=1) for run in subject.bold])
    clean = np.mean([steady(group, run).var(axis=1) for run in subject.clean])
    assert 0.4 < clean / total < 0.6
    r = correlation_with(
        np.hstack([steady(group, run)[grey] for run in subject.bold]),
        np.hstack([steady(group, run) for run in subject.clean]),
        lengths=[run.shape[1] - group.size.non_steady_state for run in subject.clean],
    )
    assert 0.6 < r.mean() < 0.75


def test_a_linear_model_of_nine_dimensions_leaves_room(subjects):
    """Six latents a voxel, but series that span more than nine linear dimensions."""
    clean = np.hstack(subjects[0].clean)
    clean = clean / clean.std(axis=1, keepdims=True)
    values = np.linalg.eigvalsh(clean.T @ clean)[::-1]
    assert values[:9].sum() / values.sum() < 0.85
    assert values[:32].sum() / values.sum() > 0.98


def test_scanner_units(group, subjects):
    run = subjects[0].bold[0]
    baseline = steady(group, run).mean(axis=1)
    assert baseline.min() > 2000 and baseline.max() < 25_000
    tsnr = baseline / steady(group, run).std(axis=1)
    assert 40 < np.median(tsnr) < 150
    assert run[:, 0].mean() / baseline.mean() > 1.2  # before the steady state
    gains = [steady(group, r).mean() for r in subjects[0].bold]
    assert np.ptp(gains) / np.mean(gains) > 0.001


def test_the_story_is_shared_and_maps_are_individual(group, subjects):
    courses = [np.hstack(s.clean) for s in subjects]
    networks = group.geometry.network[group.geometry.parcel[group.geometry.grey]]

    def means(x):
        return np.stack([x[networks == n].mean(axis=0) for n in range(N_NETWORKS)])

    together = [np.corrcoef(a, b)[0, 1] for a, b in zip(means(courses[0]), means(courses[1]), strict=True)]
    shifted = means(np.roll(courses[1], 40, axis=1))
    apart = [np.corrcoef(a, b)[0, 1] for a, b in zip(means(courses[0]), shifted, strict=True)]
    assert np.mean(together) > 0.2 > abs(np.mean(apart))
    tables = [s.latents.table() for s in subjects]
    across = np.corrcoef(tables[0][:, 3], tables[1][:, 3])[0, 1]
    assert 0.2 < across < 0.8  # one vascular map, individual deviations


def test_artefacts_are_there(group, subjects):
    subject, grey = subjects[0], group.geometry.grey
    rows = np.flatnonzero(grey)
    outliers = np.isin(rows, subject.artefacts.voxels)
    assert outliers.sum() == subject.artefacts.voxels.size >= 8
    residual = np.hstack(
        [
            (steady(group, b)[grey] - steady(group, c)) / b[grey].mean(axis=1, keepdims=True)
            for b, c in zip(subject.bold, subject.clean, strict=True)
        ]
    )
    spread = residual.std(axis=1)
    assert spread[outliers].min() > np.quantile(spread[~outliers], 0.98)
    for run, motion, frames in zip(subject.bold, subject.motion, subject.artefacts.frames, strict=True):
        assert frames.min() >= group.size.non_steady_state
        z = (run - steady(group, run).mean(axis=1, keepdims=True)) / steady(group, run).std(axis=1, keepdims=True)
        energy = np.square(z).mean(axis=0)
        usual = np.setdiff1d(np.arange(group.size.non_steady_state, run.shape[1]), frames)
        assert energy[frames].min() > energy[usual].max()
        steps = np.abs(np.diff(motion[:, :3], axis=0)).sum(axis=1)
        assert steps[frames - 1].min() > 0.5


def test_score_follows_the_trait_and_the_trait_bends_the_maps(group):
    many = [simulate_subject(group, s) for s in range(24)]
    trait, score = (np.array([getattr(s, name) for s in many]) for name in ("trait", "score"))
    assert np.corrcoef(trait, score)[0, 1] > 0.8
    bend = group.trait_map.ravel()
    centred = np.stack([s.latents.gradients.ravel() for s in many])
    centred = centred - centred.mean(axis=0)
    assert np.corrcoef(centred @ bend, trait)[0, 1] > 0.9
