"""Recordings of one timing are averaged, others not."""

import numpy as np

from pydra_vae.stats.task_designs import average, designs

T, T_R = 284, 0.72
LR = {"rh": (11, 132), "lf": (26, 117), "t": (41, 102), "rf": (56, 177), "lh": (71, 162)}
RL = {"lh": (11, 132), "rf": (26, 117), "t": (71, 162), "lf": (56, 177), "rh": (41, 102)}


def blocks(onsets, jitter=0.0):
    time = np.arange(T * 20) * T_R / 20
    fine = np.stack([sum((time >= o + jitter) & (time < o + jitter + 12) for o in onsets[n]) for n in sorted(onsets)])
    return fine.reshape(len(onsets), T, 20).mean(axis=2).T.astype(float)


def test_timings_are_told_apart_and_milliseconds_are_not():
    rng = np.random.default_rng(0)
    given = np.stack([blocks([LR, RL][i % 2], rng.normal(0, 0.02)) for i in range(8)])
    assert designs(given).tolist() == [0, 1] * 4


def test_a_timing_of_its_own_is_a_design_of_its_own():
    given = np.stack([blocks({n: (o[0] + 7 * i, o[1] + 3 * i) for n, o in LR.items()}) for i in range(4)])
    assert designs(given).tolist() == [0, 1, 2, 3]


def test_recordings_without_a_sub_task_or_without_events():
    whole = blocks(LR)
    part = whole.copy()
    part[:, 2] = np.nan
    assert designs(np.stack([whole, part, np.full_like(whole, np.nan), part, whole])).tolist() == [0, 1, -1, 1, 0]


def test_averages_stay_within_designs():
    given = np.stack([blocks(LR), blocks(RL), blocks(LR), blocks(RL)])
    factors = np.random.default_rng(1).normal(size=(4, T, 3))
    kept = average(factors, given, given, designs(given), np.array([True, True, True, False]))
    assert kept.n == 3 and kept.design.tolist() == [0, 1]
    centred = factors - factors.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(kept.factors, [(centred[0] + centred[2]) / 2, centred[1]], atol=1e-12)
