"""The search on a known landscape without fits, a grid of real ones: what is asked for, and what is fitted again."""

import math

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.runner import run
from pydra_vae.engine.step import call
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.workflows import structural_search
from pydra_vae.workflows.structural_search import AXES, VolumeGrid, grid_points, search, setting_of_point

NAMES = ("latent-dim", "beta")
MAIN = {"latent_dim": 12, "beta": 10.0}


class Landscape:
    """R² and KL that fall with β as measured on simulated volumes; collapse above β 100."""

    def __init__(self, until=math.inf, failing=()):
        self.rounds, self.until, self.failing = [], until, failing

    def __call__(self, points):
        if len(self.rounds) >= self.until:
            return None
        self.rounds.append(points)
        return [None if setting_of_point(point) in self.failing else self.row(**point) for point in points]

    @staticmethod
    def row(latent_dim, beta):
        r2 = 0.92 - 0.5 / latent_dim - 0.0004 * beta
        unhealthy = beta > 100
        return {
            "r2_validation": 0.0 if unhealthy else r2,
            "kl": 0.1 if unhealthy else latent_dim * 20 / (1 + math.sqrt(beta)),
            "collapsed": unhealthy,
            "over_regularised": unhealthy,
        }

    @property
    def asked(self):
        return [point for points in self.rounds for point in points]


def test_it_begins_with_the_recipes_own_point_and_stays_within_limits():
    trials = search(Landscape(), NAMES, 12, first=[MAIN])
    assert trials[0].point == MAIN and trials[0].setting == "k 12, β 10"
    for trial in trials:
        for axis in (AXES[name] for name in NAMES):
            assert axis.low <= trial.point[axis.parameter] <= axis.high
    assert all(isinstance(trial.point["latent_dim"], int) for trial in trials)


def test_more_trials_add_to_those_that_there_are():
    """Whatever the number asked for: the points come in one order, and none is fitted twice."""
    few, many = Landscape(), Landscape()
    search(few, NAMES, 10, first=[MAIN])
    search(many, NAMES, 24, first=[MAIN])
    assert many.asked[: len(few.asked)] == few.asked
    names = [setting_of_point(point) for point in many.asked]
    assert len(set(names)) == len(names) > len(few.asked)


def test_after_an_interrupt_it_asks_for_the_same_points_again():
    whole, stopped = Landscape(), Landscape(until=2)
    trials = search(whole, NAMES, 16)
    assert len(search(stopped, NAMES, 16)) == len(stopped.asked)
    assert whole.asked[: len(stopped.asked)] == stopped.asked
    again = search(Landscape(), NAMES, 16)
    assert [(t.point, t.row) for t in again] == [(t.point, t.row) for t in trials]


def test_another_seed_looks_elsewhere():
    a, b = Landscape(), Landscape()
    search(a, NAMES, 8, seed=0)
    search(b, NAMES, 8, seed=1)
    assert a.asked != b.asked


def test_a_failed_fit_does_not_end_the_search():
    failing = Landscape(failing=("k 12, β 10",))
    trials = search(failing, NAMES, 12, first=[MAIN])
    assert trials[0].row is None and len(trials) > 8 and all(trial.row for trial in trials[1:])
    assert all(trial.row is None for trial in search(lambda points: [None] * len(points), NAMES, 6))


def test_the_sampler_is_told_that_a_collapsed_trial_is_infeasible():
    """By R² and KL alone it would lie on the front: nothing has less information."""
    study = structural_search._study(0, structural_search.OBJECTIVES)
    for beta in (1000.0, 10.0):
        trial, row = study.ask(), Landscape.row(latent_dim=12, beta=beta)
        structural_search._tell(study, trial, row, structural_search.OBJECTIVES)
    assert [trial.number for trial in study.best_trials] == [1]


def test_a_set_of_few_points_is_not_asked_for_again():
    calls = []

    def run_points(points):
        calls.extend(points)
        return [{"r2_validation": 0.5, "kl": 1.0}] * len(points)

    trials = search(run_points, ["batch-size"], 20)
    assert len(calls) == len(trials) == 3


def test_one_objective_where_the_kl_means_nothing():
    assert structural_search.objectives_of(NAMES) == structural_search.OBJECTIVES
    trials = search(Landscape(), NAMES, 8, objectives={"r2_validation": "maximize"})
    assert len(trials) == 8


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"a search over depth: choose among latent-dim, .*epochs"):
        search(Landscape(), ["depth"])
    with pytest.raises(ValueError, match="a search over nothing"):
        grid_points([])


@pytest.mark.slow
def test_a_point_added_to_a_grid_fits_only_that_point(tmp_path):
    rng, shape = np.random.default_rng(0), (6, 7, 5)
    x = (0.5 + 0.1 * rng.normal(size=(40, 3)) @ rng.normal(size=(3, 210))).astype(np.float32)
    np.save(tmp_path / "volumes.npy", x)
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), np.eye(4)), tmp_path / "mask.nii.gz")
    labels = [f"sub-{i:02d}" for i in range(40)]
    part = np.resize(["train", "train", "train", "validation", "test"], 40)
    split = pd.DataFrame({"label": labels, "person": labels, "part": part})
    split.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    data = {"volumes": tmp_path / "volumes.npy", "volume_split": tmp_path / "split.tsv"}
    data |= {"pca": call(FitVolumePca, cwd=tmp_path, **data, n_components=8).pca, "mask": tmp_path / "mask.nii.gz"}
    fit = {"network": "dense", "width": 1, "max_steps": 10, "device": "cpu"}

    def fits(values):
        points = [{"latent_dim": k, "setting": f"k {k}"} for k in values]
        task = VolumeGrid(**data, points=points, fit=fit)
        outcome = run({"grid": task}, work_dir=tmp_path / "work", n_procs=1)
        assert not outcome.failures
        table = pd.read_csv(outcome.outputs["grid"].table, sep="\t")
        assert table["k"].tolist() == list(values) and table["setting"].tolist() == [f"k {k}" for k in values]
        rows = {row["step"]: row for row in outcome.table}
        return [(rows[step]["computed"], rows[step]["reused"]) for step in ("FitVolumeVae", "ScoreVolumeVae")]

    assert fits([2, 3]) == [(2, 0), (2, 0)]
    assert fits([2, 3, 4]) == [(1, 2), (1, 2)]
