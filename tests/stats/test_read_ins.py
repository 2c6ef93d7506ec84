"""Coordinates that mean the same in every subject: planted maps, courses of each subject's own."""

import numpy as np
import pytest

from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.read_ins import Stacked, align, rotation_to, template_rows, whitened

K, T, R = 600, 60, 4


@pytest.fixture(scope="module")
def subjects():
    """Four subjects with the same maps of unequal strength, each with orthogonal courses of its own."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(K, R))
    made = []
    for _ in range(4):
        courses = np.linalg.qr(rng.normal(size=(T, R)))[0] * rng.permutation([4.0, 2.0, 1.0, 0.5])
        made.append(maps @ courses.T + rng.normal(size=T) + 0.01 * rng.normal(size=(K, T)))
    return made


def read_ins(subjects):
    pcas = [fit_pca(x, R) for x in subjects]
    found = [whitened(pca, pca.encode(x).var(axis=0)) for pca, x in zip(pcas, subjects, strict=True)]
    return found, [one.encode(x) for one, x in zip(found, subjects, strict=True)]


def test_the_same_place_gets_the_same_coordinates_whatever_a_subjects_courses(subjects):
    found, maps = read_ins(subjects)
    assert np.corrcoef(maps[0][:, 0], maps[1][:, 0])[0, 1] ** 2 < 0.9  # before: each in the order of its own strengths
    turned, template = align(found, maps)
    for one, x in zip(turned, subjects, strict=True):
        assert np.abs(one.encode(x) - template).max() < 0.1
        assert np.allclose(one.encode(x).var(axis=0), 1, atol=1e-6)
        again = one.mean + one.encode(x) @ one.outwards.T
        assert np.allclose(again, fit_pca(x, R).reconstruct(x))
    strength = sum(np.square(one.outwards).sum(axis=0) for one in turned)
    assert (np.diff(strength) <= 0).all()


def test_a_newcomer_is_turned_to_the_template_of_the_others(subjects):
    found, maps = read_ins(subjects)
    _, template = align(found[:3], maps[:3])
    newcomer = found[3].turned(rotation_to(maps[3], template))
    assert np.abs(newcomer.encode(subjects[3]) - template).max() < 0.1


def test_stacked_rows_are_those_of_the_matrices_one_under_the_other():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, 5)).astype(np.float32) for n in (7, 4, 9)]
    rows = [np.array([6, 0, 3]), np.array([1]), np.array([8, 8, 2, 4])]
    whole = np.concatenate([array[own] for array, own in zip(arrays, rows, strict=True)])
    stacked, order = Stacked(arrays, rows), rng.permutation(8)
    assert stacked.shape == whole.shape and np.array_equal(stacked[order], whole[order])
    assert np.allclose(fit_pca(stacked, 2).components, fit_pca(whole, 2).components)


def test_template_places_are_few_and_the_same_for_a_seed():
    places = np.arange(5, 10_005)
    chosen = template_rows(places, 3)
    assert len(chosen) == 4000 and set(chosen) <= set(places) and np.array_equal(chosen, template_rows(places, 3))
