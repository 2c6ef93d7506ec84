"""Halves of a recording, and what is compared between them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from pydra_vae.stats import halves
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.halves import averages, border, far_pairs, smoother, unit_series

RNG = np.random.default_rng(0)
MM = np.argwhere(np.ones((6, 6, 5))) * 3.0


@given(st.lists(st.integers(40, 900), min_size=1, max_size=12))
def test_halves_are_never_smaller_than_two_fifths(lengths):
    share = border(lengths) / sum(lengths)
    assert 0.39 < share < 0.61


def test_smoothing_keeps_a_constant_and_is_gaussian():
    matrix = smoother(MM, 6.0)
    np.testing.assert_allclose(matrix @ np.ones(len(MM)), 1)
    row, sigma = matrix.toarray()[90], 6 / 2.3548
    near = row > 0
    distance = cdist(MM[90:91], MM)[0]
    np.testing.assert_allclose(row[near] / row[90], np.exp(-(distance[near] ** 2) / 2 / sigma**2), rtol=1e-3)
    assert distance[near].max() <= 2.5 * sigma


def test_series_of_units_are_those_of_the_whole_matrix(monkeypatch):
    x, members = RNG.normal(size=(180, 20)), RNG.integers(0, 9, 180)
    units = averages(members)
    monkeypatch.setattr(halves, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 7))
    expected = [2 * x[members == label].mean(axis=0) for label in range(1, 9)]
    np.testing.assert_allclose(unit_series(x, units, lambda rows: 2 * rows), expected)
    smooth = smoother(MM, 6.0)
    np.testing.assert_allclose(unit_series(x, units @ smooth), units @ (smooth @ x))


def test_far_pairs_are_each_there_once():
    pairs = far_pairs(MM, 12.0)
    assert (cdist(MM, MM)[pairs] > 12).all() and len(pairs[0]) == (cdist(MM, MM) > 12).sum() / 2
