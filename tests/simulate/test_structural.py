"""Simulated grey-matter images: what was planted is there, and nothing else was."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pydra_vae.simulate.structural import (
    FACTORS,
    SITES,
    StructuralSize,
    draw_visits,
    functional_map,
    grey_matter,
    simulate_structural,
)
from pydra_vae.simulate.structural_effects import VENTRICLE_MM, severity, widening


@pytest.fixture(scope="module")
def group():
    return simulate_structural("tiny", seed=0)


@pytest.fixture(scope="module")
def first(group):
    return [visit for visit in group.visits if visit.session == 1]


@pytest.fixture(scope="module")
def images(group, first):
    return np.array([grey_matter(group, visit) for visit in first])


def with_factor(visit, **factors):
    return replace(visit, factors=visit.factors | factors)


def region(anatomy, values, above=0.6):
    return (np.asarray(values) > above).reshape(anatomy.shape) & anatomy.brain


def test_images_are_probabilities_inside_the_brain(group, images):
    assert images.dtype == np.float32 and images.min() == 0 and images.max() <= 1
    assert not images[:, ~group.anatomy.brain].any()
    assert (images.std(axis=0)[images.mean(axis=0) > 0.08] > 0.01).all()


def test_a_person_is_the_same_whatever_their_number(group):
    small = simulate_structural("tiny", n_subjects=3, seed=0)
    assert small.visits == group.visits[: len(small.visits)]
    np.testing.assert_array_equal(grey_matter(small, small.visits[2]), grey_matter(group, group.visits[2]))
    assert draw_visits(1, seed=1) != draw_visits(1, seed=0)


def test_factors_act_where_they_were_planted(group, first):
    anatomy, visit = group.anatomy, first[0]
    ventricles = np.linalg.norm(anatomy.ventricles, axis=1)
    regions = dict(zip(FACTORS[:3], (ventricles / ventricles.max(), *anatomy.loss), strict=True))
    for name, where in regions.items():
        mild, severe = (grey_matter(group, with_factor(visit, **{name: value})) for value in (-2, 2))
        change = np.abs(severe - mild)
        inside, outside = region(anatomy, where), anatomy.brain & (where < 0.05).reshape(anatomy.shape)
        assert change[inside].mean() > 10 * max(change[outside].mean(), 1e-6)
        if name != "ventricles":  # which move tissue
            assert (severe - mild)[inside].mean() < -0.1


def test_widening_never_folds_and_is_mirrored():
    axis = np.linspace(-80, 80, 81)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    u = widening(points).reshape(81, 81, 81, 3)
    jacobian = np.stack([np.stack(np.gradient(u[..., c], 2.0, axis=(0, 1, 2)), axis=-1) for c in range(3)], axis=-2)
    assert np.linalg.det(jacobian + np.eye(3)).min() > 0
    np.testing.assert_allclose(u[::-1] * [-1, 1, 1], u, atol=1e-9)
    assert np.linalg.norm(u, axis=-1).max() == pytest.approx(VENTRICLE_MM, rel=0.02)


def test_the_score_is_an_interaction_and_memory_a_sum():
    visits = [draw_visits(person)[0] for person in range(1, 1501)]
    planted = severity([[v.factors[name] for name in FACTORS[:3]] for v in visits]) - 0.5
    ages = np.array([v.age for v in visits])
    linear = np.column_stack([np.ones(len(visits)), planted, ages])
    crossed = np.column_stack([linear, planted[:, 0] * planted[:, 1]])
    r2 = {}
    for outcome in ("score", "memory", "education"):
        y = np.array([getattr(v, outcome) for v in visits])
        for name, x in (("linear", linear), ("crossed", crossed)):
            rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
            r2[outcome, name] = 1 - rest.var() / y.var()
    assert r2["score", "linear"] < 0.4 < 0.85 < r2["score", "crossed"]
    assert r2["memory", "linear"] > 0.7 and r2["memory", "crossed"] - r2["memory", "linear"] < 0.01
    assert r2["education", "crossed"] < 0.02


def test_visits_progress_at_each_persons_rate():
    visits = [draw_visits(person) for person in range(1, 601)]
    repeated = [own for own in visits if len(own) > 1]
    assert 0.25 < len(repeated) / len(visits) < 0.35
    assert 0.2 < sum(len(own) == 3 for own in repeated) / len(repeated) < 0.45
    for own in repeated:
        for before, after in pairwise(own):
            years, rate = after.age - before.age, own[0].factors["rate"]
            assert 1.4 < years < 3.1 and rate > 0
            for name in ("ventricles", "hippocampus"):
                assert after.factors[name] - before.factors[name] == pytest.approx(rate * years)
            assert after.factors["temporal"] == before.factors["temporal"]


def test_covariates_are_those_of_a_study():
    visits = [draw_visits(person)[0] for person in range(1, 401)]
    assert {v.sex for v in visits} == {"F", "M"} and {v.site for v in visits} == set(SITES)
    assert 0.3 < np.mean([v.diagnosis == "patient" for v in visits]) < 0.55
    loss = {d: np.mean([v.factors["hippocampus"] for v in visits if v.diagnosis == d]) for d in ("patient", "control")}
    assert loss["patient"] > loss["control"] + 0.8
    tiv = {sex: np.mean([v.tiv for v in visits if v.sex == sex]) for sex in "FM"}
    assert tiv["M"] > tiv["F"] + 20


def test_few_modes_carry_the_images_and_planted_effects_a_known_share(group, first, images):
    mask = images.mean(axis=0) > 0.08
    x, planted = images[:, mask], np.array([grey_matter(group, visit, nuisance=False) for visit in first])[:, mask]
    share = planted.var(axis=0).sum() / x.var(axis=0).sum()
    assert 0.15 < share < 0.5
    train, test = x[:45] - x[:45].mean(axis=0), x[45:] - x[:45].mean(axis=0)
    components = np.linalg.svd(train, full_matrices=False)[2][:12]
    assert 1 - ((test - test @ components.T @ components) ** 2).sum() / (test**2).sum() > 0.65


def test_modalities_share_the_temporal_factor_only(group, first):
    visit = first[0]
    base = functional_map(group, visit)
    assert (base >= 0).all() and not base[~group.anatomy.brain].any()
    assert np.abs(functional_map(group, with_factor(visit, temporal=3.0)) - base).mean() > 0.005
    for other in ("hippocampus", "ventricles", "deformation1"):
        np.testing.assert_array_equal(functional_map(group, with_factor(visit, **{other: 3.0})), base)
    changed = with_factor(visit, functional1=3.0)
    assert np.abs(functional_map(group, changed) - base).max() > 0.05
    np.testing.assert_array_equal(grey_matter(group, changed), grey_matter(group, visit))


def test_another_size_and_none():
    small = simulate_structural(StructuralSize(12.0, 2))
    assert len({visit.person for visit in small.visits}) == 2 and max(small.anatomy.shape) < 18
    with pytest.raises(ValueError, match="0 subjects cannot be simulated"):
        simulate_structural("tiny", n_subjects=0)
