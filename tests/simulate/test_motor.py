"""Planted motor runs: patches where the homunculus has them, the paper's timing, sub-tasks that a GLM finds."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from pydra_vae.images.surface_templates import surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.simulate.motor import (
    planted_maps,
    simulate_motor_group,
    simulate_motor_run,
)
from pydra_vae.simulate.motor_sheet import FS_LR, smooth, smooth_scale, somatomotor_sheet
from pydra_vae.simulate.motor_timing import SUBTASKS, Event, course, draw_events, planted_courses
from pydra_vae.stats.filtering import operator
from pydra_vae.surface.geodesics import geodesic_distances

# Paper, Biological data.
PAPER = {
    "right_hand": (11, 132),
    "left_foot": (26, 117),
    "tongue": (41, 102),
    "right_foot": (56, 177),
    "left_hand": (71, 162),
}


@pytest.fixture(scope="module")
def whole():
    return somatomotor_sheet()


@pytest.fixture(scope="module")
def group():
    return simulate_motor_group(somatomotor_sheet(600), seed=0)


def centre_of(sheet, body, hemi):
    (patch,) = [p for p in sheet.patches if (p.body, p.hemi) == (body, hemi)]
    vertices = sheet.vertices["LR".index(hemi)]
    return sheet.coordinates[sheet.columns(hemi)][np.searchsorted(vertices, patch.centre)]


def test_region_is_the_papers(whole):
    assert [len(part) for part in whole.vertices] == [5866, 6094] and whole.size == 11_960
    assert all((np.diff(part) > 0).all() for part in whole.vertices)


@pytest.mark.parametrize(("hemi", "side"), [("L", -1), ("R", 1)])
def test_patches_lie_where_the_homunculus_has_them(whole, hemi, side):
    foot, hand, tongue = (centre_of(whole, body, hemi) for body in ("foot", "hand", "tongue"))
    assert abs(foot[0]) < 8 and foot[2] > 60, "foot: medial and superior"
    assert 30 < side * hand[0] < 45 and 48 < hand[2] < 64, "hand: dorsolateral"
    assert side * tongue[0] > 50 and tongue[2] < 32, "tongue: inferior and lateral"


def test_left_limbs_move_the_right_hemisphere_and_the_tongue_both(whole):
    maps = dict(zip(SUBTASKS, planted_maps(whole), strict=True))
    for subtask, values in maps.items():
        left, right = values[whole.columns("L")], values[whole.columns("R")]
        assert left.any() == (subtask.startswith("right") or subtask == "tongue")
        assert right.any() == (subtask.startswith("left") or subtask == "tongue")
        assert values.min() == 0 and values.max() == pytest.approx(max(left.max(), right.max()))


def test_patches_are_round_along_the_surface(whole):
    patch = whole.patches[1]
    mesh = load_surface(surfaces_for("fsLR", (FS_LR, FS_LR), "midthickness")[0])
    exact = geodesic_distances(*mesh, sources=np.array([patch.centre]), targets=whole.vertices[0])[0]
    near = np.isfinite(patch.distances[0])
    np.testing.assert_allclose(patch.distances[0][near], exact[near], atol=1e-3)
    assert exact[~near].min() > 45 and patch.offsets[0] == 0
    assert (np.diff(patch.offsets) >= 0).all()


def test_strip_is_connected_and_holds_the_centres(whole):
    sheet = somatomotor_sheet(600)
    assert [len(part) for part in sheet.vertices] == [600, 600]
    assert connected_components(sheet.neighbours)[0] == 2  # hemispheres
    for patch in sheet.patches:
        vertices = sheet.vertices["LR".index(patch.hemi)]
        assert patch.centre in vertices and np.isin(vertices, whole.vertices["LR".index(patch.hemi)]).all()
    with pytest.raises(ValueError, match="6000 vertices a hemisphere were asked for and the region has 5866"):
        somatomotor_sheet(6000)


def test_smoothed_noise_has_unit_variance(group):
    noise = np.random.default_rng(0).standard_normal((group.sheet.size, 4000), dtype=np.float32)
    smoothed = smooth_scale(group.sheet, 5) * smooth(group.sheet, noise, 5)
    np.testing.assert_allclose(smoothed.std(axis=1), 1, atol=0.06)


def test_blocks_follow_the_papers_timing():
    events = draw_events("LR", 284 * 0.72, np.random.default_rng(0))
    blocks = [e for e in events if e.name != "cue"]
    assert len(blocks) == 10 and {e.duration for e in blocks} == {12.0}
    for subtask, onsets in PAPER.items():
        late = np.array([e.onset for e in blocks if e.name == subtask]) - onsets
        assert (late >= 0).all() and (late < 0.2).all()
    cues = [e for e in events if e.name == "cue"]
    np.testing.assert_allclose([b.onset - c.onset for b, c in zip(blocks, cues, strict=True)], 3)
    short = draw_events("LR", 120 * 0.72, np.random.default_rng(0))
    assert sorted(e.name for e in short if e.name != "cue") == sorted(SUBTASKS)


def test_course_has_a_response_of_integral_one_that_peaks_at_five_seconds():
    long = course([Event("x", 0, 200)], 250, 1.0)
    assert long[100] == pytest.approx(1, abs=1e-3)
    short = course([Event("x", 10, 0.1)], 400, 0.1)
    assert np.argmax(short) * 0.1 - 10 == pytest.approx(5, abs=0.15)
    assert short.sum() == pytest.approx(1, rel=0.1)
    late = course([Event("x", 10, 0.1)], 400, 0.1, delay=1.5)
    assert np.argmax(late) - np.argmax(short) == pytest.approx(15, abs=1)


def test_seed_decides_everything(group):
    run = simulate_motor_run(group, 1)
    again = simulate_motor_run(simulate_motor_group(group.sheet, seed=0), 1)
    np.testing.assert_array_equal(run.series, again.series)
    assert run.events == again.events
    other = simulate_motor_run(simulate_motor_group(group.sheet, seed=1), 1)
    assert abs(np.corrcoef(run.series.ravel(), other.series.ravel())[0, 1]) < 0.1


def test_runs_of_a_subject_differ_in_noise_and_timing(group):
    runs = [simulate_motor_run(group, 0, *which) for which in (("LR",), ("RL",), ("LR", 2))]
    onsets = [{e.name: round(e.onset) for e in run.events} for run in runs]
    assert onsets[0] != onsets[1] and onsets[0] == onsets[2]
    assert not np.array_equal(runs[0].series, runs[2].series)


def test_a_glm_finds_the_subtasks_on_the_average(group):
    sheet, maps = group.sheet, planted_maps(group.sheet)
    mean = np.mean([simulate_motor_run(group, s).series for s in range(16)], axis=0)
    band = operator(group.n_frames, group.t_r, 0.01, 0.15, True)
    design = band @ planted_courses("LR", group.n_frames, group.t_r).T
    betas = np.linalg.lstsq(design, band @ mean.T, rcond=None)[0]
    for subtask, beta, planted in zip(SUBTASKS, betas, maps, strict=True):
        assert np.corrcoef(beta, planted)[0, 1] > 0.25, subtask
        inside = planted > 0.5 * planted.max()
        assert beta[inside].mean() > 3 * abs(beta[planted < 0.05].mean()), subtask
    assert sheet.size == betas.shape[1]


def test_nonlinearity_saturates_the_signal_only(group):
    def series(nonlinearity):
        return simulate_motor_run(simulate_motor_group(group.sheet, 0, nonlinearity), 0).series

    noise = series(1e6)  # a signal of at most a millionth
    linear, saturated = series(0) - noise, series(2) - noise
    assert np.abs(saturated).max() < 0.5 + 1e-3 < np.abs(linear).max()
    np.testing.assert_allclose(saturated, np.tanh(2 * linear) / 2, atol=1e-3)
    with pytest.raises(ValueError, match="nonlinearity of -1"):
        simulate_motor_group(group.sheet, 0, -1)


@pytest.mark.slow
def test_eight_components_explain_a_fifth_of_unseen_subjects(whole):
    """The regime of the notes, in which the sizes of signal and noise were set."""
    group = simulate_motor_group(whole, seed=3)
    band = operator(group.n_frames, group.t_r, 0.01, 0.15, True).astype(np.float32)
    runs = []
    for subject in range(40):
        x = band @ simulate_motor_run(group, subject).series.T
        runs.append((x - x.mean(axis=0)) / x.std(axis=0))
    train, test = np.vstack(runs[:30]), np.vstack(runs[30:])
    from sklearn.utils.extmath import randomized_svd

    axes = randomized_svd(train, 8, random_state=0)[2]
    share = ((test @ axes.T) ** 2).sum() / (test**2).sum()
    assert 0.17 < share < 0.25
