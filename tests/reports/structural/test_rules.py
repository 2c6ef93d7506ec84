"""The verdicts of the structural page: each from tables of which the answer is known."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.tables import write_table
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN
from pydra_vae.reports.structural import StructuralReport
from pydra_vae.reports.structural_claims import claims_of
from pydra_vae.reports.structural_rules import Difference, compared, paired
from pydra_vae.reports.structural_tables import StructuralTables


def verdicts(**files) -> dict[str, str]:
    return {claim.name: claim.finding.verdict for claim in claims_of(StructuralTables(StructuralReport(**files)))}


def fit(**more) -> dict:
    return {"model": "VAE", "setting": "", "k": 4, "r2_test": 0.8, "r2_test_se": 0.01, "pca_r2_test": 0.7,
            "pca2_r2_test": 0.75, "variance_ratio": 0.9, "swap_ratio": 10.0, "collapsed": False,
            "over_regularised": False, "divergence": "kl", "reconstruction": "mse", "beta": 10.0, "mmd_weight": 0.0,
            "network": "conv-dense"} | more  # fmt: skip


@pytest.mark.parametrize(
    ("change", "mean", "pca"),
    [
        ({}, AGREES, AGREES),
        ({"pca2_r2_test": 0.81}, AGREES, ALSO),
        ({"pca_r2_test": 0.85}, AGREES, DIFFERS),
        ({"pca_r2_test": 0.79, "r2_test_se": 0.05}, AGREES, OPEN),
        ({"r2_test": 0.0, "collapsed": True}, DIFFERS, DIFFERS),
        ({"r2_test": 0.02, "r2_test_se": 0.05}, OPEN, DIFFERS),
    ],
)
def test_reconstruction(tmp_path, change, mean, pca):
    found = verdicts(scores=write_table(tmp_path / "scores.tsv", [fit(**change)]))
    assert (found["mean"], found["pca"]) == (mean, pca)


@pytest.mark.parametrize(("ssim", "verdict"), [(0.95, AGREES), (0.90, DIFFERS), (0.85, DIFFERS)])
def test_dssim_is_judged_by_its_own_measure(tmp_path, ssim, verdict):
    rows = [fit(ssim_test=0.9), fit(setting="DSSIM", reconstruction="dssim", ssim_test=ssim)]
    assert verdicts(scores=write_table(tmp_path / "scores.tsv", rows))["dssim"] == verdict


@pytest.mark.parametrize(
    ("mmd", "low", "verdict"),
    [
        ({"mi": 20.0}, None, AGREES),
        ({"mi": 20.0}, {"beta": 1.0, "mi": 25.0}, ALSO),
        ({"mi": 10.0}, None, DIFFERS),
        ({"mi": 20.0, "r2_test": 0.6}, None, OPEN),
    ],
)
def test_information_is_compared_at_equal_reconstruction(tmp_path, mmd, low, verdict):
    rows = [fit(mi=10.0), fit(setting="MMD", divergence="mmd", **mmd)]
    rows += [fit(setting="KL low", **low)] if low else []
    assert verdicts(scores=write_table(tmp_path / "scores.tsv", rows))["mmd"] == verdict


def test_collapse_stays_open_without_a_collapsed_fit(tmp_path):
    healthy = verdicts(scores=write_table(tmp_path / "one.tsv", [fit()]))
    fallen = fit(setting="β 10000", collapsed=True, variance_ratio=0.001, swap_ratio=1.0, r2_test=0.0)
    assert healthy["collapse"] == OPEN
    assert verdicts(scores=write_table(tmp_path / "two.tsv", [fit(), fallen]))["collapse"] == AGREES


def test_paired_difference_is_the_difference_of_r2():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(4000)
    tables = [
        pd.DataFrame({"label": range(4000), "observed": y, "predicted": y + sd * rng.standard_normal(4000), "model": m})
        for m, sd in (("a", 0.3), ("b", 0.5))
    ]
    found = paired(pd.concat(tables), {"model": "a"}, {"model": "b"})
    assert found.value == pytest.approx(0.25 - 0.09, abs=0.02)
    assert 0.003 < found.se < 0.02 and found.above
    assert not paired(pd.concat(tables), {"model": "a"}, {"model": "a"}).above
    assert not paired(pd.concat(tables), {"model": "a"}, {"model": "c"}).known


def test_a_difference_within_its_error_is_open_and_one_without_doubt_is_not():
    assert compared(Difference(0.03, 0.02)) == OPEN
    assert compared(Difference(-0.001, 0.2)) == OPEN
    assert compared(Difference(0.001, 0.002)) == DIFFERS
    assert compared(Difference(np.nan)) == OPEN


def regression(folder, error: dict[tuple[str, str], float], p: float = 0.01) -> dict:
    rng = np.random.default_rng(1)
    y, scores, predictions = rng.standard_normal(200), [], []
    for (features, model), sd in error.items():
        told = y + sd * rng.standard_normal(200)
        r2 = 1 - float(np.mean((y - told) ** 2)) / y.var()
        scores.append({"features": features, "model": model, "target": "age", "metric": "r2", "r2": r2,
                       "p_permutation": p, "chance": -0.1})  # fmt: skip
        predictions += [
            {"label": i, "target": "age", "features": features, "model": model, "fold": i % 5, "observed": a,
            "predicted": b}
            for i, (a, b) in enumerate(zip(y, told, strict=True))
        ]  # fmt: skip
    return {
        "regression": (write_table(folder / "r.tsv", scores),),
        "regression_predictions": (write_table(folder / "p.tsv", predictions),),
    }


@pytest.mark.parametrize(
    ("vae", "pca", "p", "verdict"),
    [(0.3, 0.6, 0.01, AGREES), (0.5, 0.3, 0.01, ALSO), (0.5, 0.3, 0.4, DIFFERS), (1.3, 1.3, 0.01, DIFFERS)],
)
def test_latents_tell_a_target_only_beyond_chance_and_beside_pca(tmp_path, vae, pca, p, verdict):
    found = verdicts(**regression(tmp_path, {("VAE", "glm"): vae, ("PCA-4", "glm"): pca}, p))
    assert found["predict age"] == verdict


@pytest.mark.parametrize(("svr", "verdict"), [(0.3, AGREES), (0.9, DIFFERS)])
def test_svr_against_glm(tmp_path, svr, verdict):
    found = verdicts(**regression(tmp_path, {("VAE", "glm"): 0.6, ("VAE", "svr"): svr}))
    assert found["svr"] == verdict


@pytest.mark.parametrize(
    ("ours", "voxel", "verdict"),
    [
        ((0.8, 0.7, 0.9), 0.95, AGREES),
        ((0.8, 0.7, 0.9), 0.75, ALSO),
        ((0.95, 0.8, 1.1), 1.0, OPEN),
        ((1.4, 1.2, 1.6), 1.0, DIFFERS),
    ],
)
def test_the_next_visit_against_the_last_one(tmp_path, ours, voxel, verdict):
    rows = [
        {"method": m, "region": "whole", "mse": 1.0, "ratio_to_carry_forward": r[0], "ratio_low": r[1],
        "ratio_high": r[2]}
        for m, r in (("carry_forward", (1, 1, 1)), ("decoded_difference", ours), ("voxel_slope", (voxel,) * 3))
    ]  # fmt: skip
    found = verdicts(longitudinal_scores=write_table(tmp_path / "scores.tsv", rows))
    assert found["trajectory"] == verdict


@pytest.mark.parametrize(
    ("upper", "verdict"), [(5.0, AGREES), (9.5, ALSO)], ids=["below the Gaussian", "as the Gaussian"]
)
def test_a_manifold_only_below_a_gaussian(tmp_path, upper, verdict):
    rows = [
        {"space": "images", "control": c, "dims": 50, "twonn": (low + high) / 2, "lower": low, "upper": high}
        for c, low, high in (("none", upper - 1, upper), ("gaussian", 9.0, 10.0))
    ]
    assert verdicts(dimension=write_table(tmp_path / "dimension.tsv", rows))["manifold"] == verdict


@pytest.mark.parametrize(("ica", "p", "verdict"), [(0.4, 0.01, AGREES), (0.9, 0.01, ALSO), (0.4, 0.5, DIFFERS)])
def test_networks_beyond_smooth_maps_and_beside_ica(tmp_path, ica, p, verdict):
    rows = [
        {"model": m, "network": n, "component": 1, "r": r + 0.01 * i, "p_best": p}
        for m, r in (("VAE", 0.7), ("ICA-4", ica)) for i, n in enumerate("abc")
    ]  # fmt: skip
    assert verdicts(network_best=write_table(tmp_path / "best.tsv", rows))["networks"] == verdict
