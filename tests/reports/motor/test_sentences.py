"""Sentences of the motor page are true for the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.reports import motor_sentences as say
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN
from pydra_vae.reports.motor_tables import Chosen, Key, MotorTables


def scored(*r: float, k: int = 8, beta: float = 1.0, model: str = "TI-VAE-S", on: str = "validation") -> Chosen:
    return Chosen(model, k, beta, np.array(r), on)


ICA = scored(0.5, model="temporal Infomax (extended), mean", beta=np.nan)


def test_higher_by_more_than_seeds_differ():
    found = say.versus([(scored(0.60, 0.62), ICA)], "ICA")
    assert (
        found.verdict == AGREES
        and "higher than ICA by more than a standard deviation over seeds at k = 8" in found.text
    )


def test_higher_but_within_what_seeds_differ():
    found = say.versus([(scored(0.40, 0.66), ICA)], "ICA")
    assert found.verdict == DIFFERS and "higher, but within a standard deviation at k = 8" in found.text


def test_at_some_sizes_only():
    found = say.versus([(scored(0.60, 0.62), ICA), (scored(0.3, 0.3, k=16), scored(0.5, k=16))], "ICA")
    assert found.verdict == DIFFERS
    assert "at k = 8 (0.61 ± 0.01 against 0.50) and lower at k = 16 (0.30 ± 0.00 against 0.50)" in found.text


def test_equal_is_neither_higher_nor_lower():
    found = say.versus([(scored(0.50, 0.505), ICA)], "ICA")
    assert found.verdict == DIFFERS and "scores as ICA" in found.text
    assert "higher" not in found.text and "lower" not in found.text


@pytest.mark.parametrize(("r", "verdict"), [(0.9, OPEN), (0.2, DIFFERS)])
def test_one_seed_can_only_disagree(r, verdict):
    assert say.versus([(scored(r), ICA)], "ICA").verdict == verdict


def test_factors_are_held_against_chance_and_linear_components():
    follows = {"null": (0.2, 0.001), "ceiling": 0.9, "readout": 0.7}
    assert say.follows(scored(0.6), linear=scored(0.4), **follows).verdict == AGREES
    assert say.follows(scored(0.6), linear=scored(0.6), **follows).verdict == ALSO
    assert say.follows(scored(0.2), linear=None, **follows).verdict == DIFFERS
    assert say.follows(scored(0.6), linear=None, **{**follows, "null": (0.2, 0.3)}).verdict == DIFFERS
    unknown = say.follows(scored(0.6), (np.nan, np.nan), None, np.nan, np.nan)
    assert unknown.verdict == OPEN and "nan" not in unknown.text and "–" not in unknown.text


def test_the_term_says_nothing_at_chance():
    up = [(scored(0.15, 0.16), scored(0.05, 0.06, beta=0.0))]
    assert say.independence(up, 0.2).verdict == OPEN and say.independence(up, 0.05).verdict == AGREES
    assert say.independence(up[::-1], np.nan).verdict == AGREES
    down = [(scored(0.5, 0.5), scored(0.6, 0.6, beta=0.0))]
    assert "does not score as high as" in say.independence(down, 0.2).text


def test_less_correlated_by_wider_posteriors_is_said():
    assert "posteriors are wider" in say.disentangled(0.3, 0.1, -1.1, -0.5, 1.0).text
    assert "posteriors" not in say.disentangled(0.3, 0.1, -1.1, -1.1, 1.0).text
    assert say.disentangled(0.1, 0.3, np.nan, np.nan, 1.0).verdict == DIFFERS


def test_sharing_is_held_against_pca():
    assert say.sharing(0.2, 0.19, 0.1, 8).verdict == AGREES
    assert say.sharing(0.2, 0.19, 0.3, 8).verdict == ALSO
    assert say.sharing(0.1, 0.19, np.nan, 8).verdict == DIFFERS


def test_a_gain_by_squaring_alone_is_the_controls():
    high, low = ({s: v for s in say.SHARES} for v in (0.8, 0.7))
    assert say.maps_agree((high, low), (high, low), "ICA").verdict == AGREES
    assert say.maps_agree((high, low), (low, high), "ICA").verdict == ALSO
    assert say.maps_agree((low, high), (low, high), "ICA").verdict == DIFFERS
    part = {**low, "r_top1": 0.9}
    assert "higher at the top 1 % only" in say.maps_agree((part, {**high, "r_top1": 0.3}), ({}, {}), "ICA").text


def test_the_papers_means_are_those_of_its_figure():
    figure = {
        "TI-VAE-S": ((0.862, 0.763, 0.854, 0.803, 0.883), (0.893, 0.800, 0.866, 0.838, 0.807),
                     (0.618, 0.601, 0.581, 0.574, 0.434)),
        "TI-VAE-F": ((0.879, 0.776, 0.880, 0.773, 0.875), (0.893, 0.801, 0.876, 0.829, 0.805),
                     (0.614, 0.59, 0.593, 0.596, 0.435)),
        "ICA": ((0.789, 0.706, 0.825, 0.741, 0.799), (0.689, 0.613, 0.708, 0.671, 0.637),
                (0.380, 0.358, 0.404, 0.385, 0.312)),
    }  # fmt: skip
    for model, shares in figure.items():
        assert say.PAPER_MAPS[model] == pytest.approx([np.mean(values) for values in shares], abs=6e-4)


def test_clusters_need_a_null_and_more_than_chance():
    assert say.trajectories(0.4, 0.0, 0.01, np.nan).verdict == AGREES
    assert say.trajectories(0.4, 0.0, 0.01, 0.5).verdict == ALSO
    assert say.trajectories(0.4, 0.3, 0.4, np.nan).verdict == DIFFERS
    assert say.trajectories(0.1, 0.0, 0.01, np.nan).verdict == DIFFERS
    assert say.trajectories(0.4, np.nan, np.nan, np.nan).verdict == OPEN


def test_the_feet_are_named_with_their_rank():
    pairs = [("left_hand", "tongue", 1.0), ("left_foot", "right_foot", 2.0), ("left_hand", "left_foot", 3.0)]
    assert say.nearest(pairs).text.endswith("the feet, nearest in the paper, are number 2.")
    assert say.nearest([(*pairs[1][:2], 0.5), *pairs]).verdict == AGREES
    assert say.nearest([("a", "b", 1.0), ("a", "c", 2.0)]).verdict == OPEN and say.nearest(pairs[:1]) is None


def tables_of(tmp_path, **given):
    from types import SimpleNamespace

    paths = {"comparison": None, "sweep": None}
    for name, rows in given.items():
        paths[name] = tmp_path / f"{name}.tsv"
        pd.DataFrame(rows).to_csv(paths[name], sep="\t", index=False, na_rep="n/a")
    return MotorTables(SimpleNamespace(**paths))


def test_beta_and_variants_are_chosen_on_validation_not_on_test(tmp_path):
    fits = [("TI-VAE-S", 0.0, 0.9, 0.9), ("TI-VAE-S", 1.0, 0.4, 0.6), ("TI-VAE-S", 2.0, 0.7, 0.5),
            ("spatial FastICA, mean", np.nan, 0.8, 0.2), ("temporal FastICA, mean", np.nan, 0.3, 0.3)]  # fmt: skip
    summary = [{"model": m, "k": 8, "beta": b, "seed": 0, "r_test": test, "r_validation": v, "chance": 0.2}
               for m, b, test, v in fits]  # fmt: skip
    tables = tables_of(tmp_path, comparison=summary)
    ours = tables.chosen("TI-VAE-S", 8)
    assert (ours.beta, ours.mean, ours.on) == (1.0, 0.4, "validation")  # not β = 0, the control of the term
    assert tables.best(8, ["spatial FastICA, mean", "temporal FastICA, mean"]).model == "temporal FastICA, mean"
    assert tables.chosen("TI-VAE-S", 16) is None and tables.main == "TI-VAE-S" and tables.size == 8


def test_beta_is_chosen_among_the_fits_of_the_grid_too(tmp_path):
    def row(beta, test, validation):
        named = {"model": "TI-VAE-S", "k": 8, "beta": beta, "seed": 0}
        return {**named, "r_test": test, "r_validation": validation, "chance": 0.2}

    tables = tables_of(tmp_path, comparison=[row(1.0, 0.4, 0.5)], sweep=[row(1.0, 0.4, 0.5), row(2.0, 0.3, 0.6)])
    assert (tables.chosen("TI-VAE-S", 8).beta, tables.chosen("TI-VAE-S", 8).on) == (2.0, "validation")
    assert tables.results["beta"].tolist() == [1, 2]


def test_labels_name_only_what_they_name():
    key = Key.parse("temporal Infomax (extended), mean k=8")
    table = pd.DataFrame({"model": [key.model] * 2, "k": [8, 16], "seed": [0, 0], "r": [1, 2]})
    assert key.rows(table)["r"].tolist() == [1] and Key.parse("PCA").rows(table).empty


def test_of_many_fits_those_of_the_claims_are_shown(tmp_path):
    fits = [("linear", 8, np.nan, 0.9), ("TI-VAE-S", 8, 0.5, 0.4), ("TI-VAE-S", 8, 1.0, 0.6),
            ("TI-VAE-S", 16, 1.0, 0.5), ("spatial FastICA, mean", 8, np.nan, 0.8),
            ("temporal FastICA, mean", 8, np.nan, 0.3)]  # fmt: skip
    rows = [
        {"model": m, "k": k, "beta": b, "seed": s, "r_test": r, "chance": 0.2} for m, k, b, r in fits for s in (0, 1)
    ]
    tables = tables_of(tmp_path, comparison=rows)
    labels = [f"{m} k={k}" + (f" beta={b:g} seed={s}" if b == b else "") for m, k, b, _ in fits for s in (1, 0)]
    assert tables.picked(labels, 3) == [
        "TI-VAE-S k=8 beta=1 seed=0",
        "temporal FastICA, mean k=8",
        "spatial FastICA, mean k=8",
    ]
    assert tables.picked(labels, 2, ["linear"]) == ["TI-VAE-S k=8 beta=1 seed=0", "linear k=8"]
