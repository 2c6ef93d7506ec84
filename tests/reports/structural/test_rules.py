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


@pytest.mark.parametrize(
    ("mse", "ssim", "verdict"),
    [(0.9, 0.95, AGREES), (0.9, 0.9, DIFFERS), (0.9, 0.85, DIFFERS), (0.985, 0.988, AGREES), (0.985, 0.9851, DIFFERS)],
)
def test_dssim_is_judged_by_its_own_measure(tmp_path, mse, ssim, verdict):
    rows = [fit(ssim_test=mse), fit(setting="DSSIM", reconstruction="dssim", ssim_test=ssim)]
    assert verdicts(scores=write_table(tmp_path / "scores.tsv", rows))["dssim"] == verdict


@pytest.mark.parametrize(
    ("mmd", "low", "verdict"),
    [
        ({"mi": 20.0}, None, AGREES),
        ({"mi": 20.0}, {"beta": 1.0, "mi": 25.0}, ALSO),
        ({"mi": 10.0}, None, DIFFERS),
        ({"mi": 20.0, "r2_test": 0.6}, None, OPEN),
        ({"mi": 20.0, "mmd": 0.09}, None, OPEN),  # information bought by leaving the prior
        ({"mi": 20.0, "mmd": 0.01}, {"beta": 1.0, "mi": 25.0, "mmd": 0.2}, AGREES),
        ({"mi": 20.0, "mmd": 0.01}, {"beta": 1.0, "mi": 25.0, "mmd": 0.01}, ALSO),
    ],
)
def test_information_is_compared_at_equal_reconstruction(tmp_path, mmd, low, verdict):
    rows = [fit(mi=10.0, mmd=0.05), fit(setting="MMD", divergence="mmd", **mmd)]
    rows += [fit(setting="KL low", **low)] if low else []
    assert verdicts(scores=write_table(tmp_path / "scores.tsv", rows))["mmd"] == verdict


def test_collapse_stays_open_without_a_collapsed_fit(tmp_path):
    healthy = verdicts(scores=write_table(tmp_path / "one.tsv", [fit()]))
    fallen = fit(setting="β 10000", beta=1e4, collapsed=True, variance_ratio=0.001, swap_ratio=1.0, r2_test=0.0)
    assert healthy["collapse"] == OPEN
    assert verdicts(scores=write_table(tmp_path / "two.tsv", [fit(), fallen]))["collapse"] == AGREES


def test_a_fit_that_has_not_learnt_is_no_pull_to_the_prior(tmp_path):
    fallen = fit(setting="β 1", beta=1.0, collapsed=True, variance_ratio=0.001, swap_ratio=1.0, r2_test=0.0)
    assert verdicts(scores=write_table(tmp_path / "scores.tsv", [fit(), fallen]))["collapse"] == OPEN


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


def regression(folder, error: dict[tuple[str, str], float], p: float = 0.01, n_permutations: int = 100) -> dict:
    rng = np.random.default_rng(1)
    y, scores, predictions = rng.standard_normal(200), [], []
    for (features, model), sd in error.items():
        told = y + sd * rng.standard_normal(200)
        r2 = 1 - float(np.mean((y - told) ** 2)) / y.var()
        scores.append({"features": features, "model": model, "target": "age", "metric": "r2", "r2": r2,
                       "p_permutation": p, "chance": -0.1, "n_permutations": n_permutations})  # fmt: skip
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


@pytest.mark.parametrize(
    ("p", "n_permutations", "verdict"), [(0.01, 100, AGREES), (0.02, 100, DIFFERS), (0.05, 19, OPEN)]
)
def test_the_best_of_four_models_pays_for_four(tmp_path, p, n_permutations, verdict):
    error = {("VAE", model): 0.3 for model in ("glm", "svr", "polynomial", "spline")} | {("PCA-4", "glm"): 0.6}
    assert verdicts(**regression(tmp_path, error, p, n_permutations))["predict age"] == verdict


def test_pca_may_have_twice_as_many_components(tmp_path):
    error = {("VAE", "glm"): 0.3, ("PCA-4", "glm"): 0.6, ("PCA-8", "glm"): 0.2}
    assert verdicts(**regression(tmp_path, error))["predict age"] == ALSO


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


@pytest.mark.parametrize(("spread", "verdict"), [(0.01, AGREES), (0.5, ALSO)])
def test_a_gain_over_pca_within_its_error_is_none(tmp_path, spread, verdict):
    ratios = {"carry_forward": 1.0, "decoded_difference": 0.6, "pca_change": 0.7}
    rows = [
        {"method": m, "region": "whole", "mse": r, "ratio_to_carry_forward": r, "ratio_low": r - 0.1,
         "ratio_high": min(1.0, r + 0.1)}
        for m, r in ratios.items()
    ]  # fmt: skip
    away = np.resize([-spread, spread], 12)  # persons for whom PCA does better, and worse
    visits = [
        {"label": f"{i}", "person": f"{i}", "method": m, "region": region, "mse": r + away[i] * (m == "pca_change")}
        for m, r in ratios.items() for i in range(12) for region in ("whole", "changing")
    ]  # fmt: skip
    found = verdicts(
        longitudinal_scores=write_table(tmp_path / "scores.tsv", rows),
        longitudinal_predictions=write_table(tmp_path / "predictions.tsv", visits),
    )
    assert found["trajectory"] == verdict


def joint(folder, error: dict[tuple[str, str], float]) -> dict:
    """Of a score from sources by methods, each with an error of its own."""
    rng, rows, predictions = np.random.default_rng(2), [], []
    y = rng.standard_normal(60)
    for (source, method), sd in error.items():
        told = y + sd * rng.standard_normal(60)
        r2 = 1 - float(np.mean((y - told) ** 2)) / y.var()
        rows.append({"direction": f"{source} → memory", "method": method, "region": "whole", "r2": r2})
        predictions += [
            {"label": i, "person": i, "score": "memory", "source": source, "method": method, "observed": a,
             "predicted": b}
            for i, (a, b) in enumerate(zip(y, told, strict=True))
        ]  # fmt: skip
    return {
        "joint": (write_table(folder / "joint.tsv", rows),),
        "joint_predictions": (write_table(folder / "predictions.tsv", predictions),),
    }


@pytest.mark.parametrize(("both", "verdict"), [(0.2, AGREES), (0.55, OPEN), (1.2, DIFFERS)])
def test_a_second_modality_helps_beyond_its_error(tmp_path, both, verdict):
    found = verdicts(**joint(tmp_path, {("image", "two-stage"): 0.6, ("both", "two-stage"): both}))
    assert found["fusion memory"] == verdict


@pytest.mark.parametrize(("products", "verdict"), [(0.05, AGREES), (0.12, ALSO)])
def test_images_from_scores_have_a_control_that_bends(tmp_path, products, verdict):
    rows = [
        {"direction": "scores → image", "method": m, "region": "whole", "r2": r2}
        for m, r2 in (("two-stage", 0.12), ("ridge", 0.06), ("ridge on products", products))
    ]
    assert verdicts(joint=(write_table(tmp_path / "joint.tsv", rows),))["image from scores"] == verdict


@pytest.mark.parametrize(
    ("linear", "bent", "verdict"),
    [(0.9, 0.95, AGREES), (0.95, 0.95, DIFFERS), (0.999, 0.997, OPEN), (0.999, 0.9, DIFFERS)],
)
def test_maps_are_compared_where_there_is_room(tmp_path, linear, bent, verdict):
    rows = [{"method": m, "dims": 4, "part": "test", "trustworthiness": t} for m, t in (("PCA", linear), ("VAE", bent))]
    assert verdicts(embeddings=write_table(tmp_path / "embeddings.tsv", rows))["maps"] == verdict


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


@pytest.mark.parametrize(("p", "verdict"), [(0.01, AGREES), (0.4, DIFFERS)])
def test_maps_of_the_same_frames_are_tested_by_shifts_of_the_task(tmp_path, p, verdict):
    models = (("VAE", 0.9), ("PCA", 0.5))
    best = [{"model": m, "network": "rest", "component": 1, "r": r, "p_best": None} for m, r in models]
    task = [{"model": "VAE", "component": i, "condition": "rest", "r": 0.5, "p_any": p + 0.1 * i} for i in range(2)]
    tables = {"network_best": write_table(tmp_path / "best.tsv", best)}
    assert verdicts(**tables)["networks"] == OPEN
    assert verdicts(**tables, network_task=[write_table(tmp_path / "task.tsv", task)])["networks"] == verdict


def test_gains_of_scores_are_about_the_training_mean_as_their_r2(tmp_path):
    observed, errors = 70 + np.arange(6.0), {"two-stage": 2.0, "ridge on latents": 4.0, "mean": None}
    rows, scores = [], []
    for method, error in errors.items():
        predicted = np.full(6, 50.0) if error is None else observed + error
        rows += [
            {"label": f"sub-{i}", "score": "memory", "source": "image", "method": method, "observed": y, "predicted": p}
            for i, (y, p) in enumerate(zip(observed, predicted, strict=True))
        ]
        r2 = 1 - ((observed - predicted) ** 2).sum() / ((observed - 50) ** 2).sum()
        scores.append({"direction": "image → memory", "source": "image", "target": "memory", "method": method,
                       "region": "whole", "n": 6, "r2": r2})  # fmt: skip
    files = {
        "joint": [write_table(tmp_path / "joint.tsv", scores)],
        "joint_predictions": [write_table(tmp_path / "predictions.tsv", rows)],
    }
    (claim,) = (c for c in claims_of(StructuralTables(StructuralReport(**files))) if c.name == "score memory")
    assert f"{scores[0]['r2'] - scores[1]['r2']:+.3f}" in claim.finding.text


@pytest.mark.parametrize("names", [("VAE", "PCA-4"), ("KL β 10", "PCA-4"), ("PCA-4", "DSSIM", "KL β 10")])
def test_planted_factors_are_held_against_the_main_fit_by_either_name(tmp_path, names):
    ours = next(name for name in names if name in ("VAE", "KL β 10"))
    rows = [
        {"model": name, "target": target, "kind": "linear", "r2": 0.8, "r": 0.9, "n_test": 60,
         "best_single_r": 0.5 if name == ours else 0.9}
        for target in ("ventricles", "age") for name in names
    ]  # fmt: skip
    scores = write_table(tmp_path / "scores.tsv", [fit(setting="KL β 10")])
    found = verdicts(scores=scores, recovery=write_table(tmp_path / "recovery.tsv", rows))
    assert found["combination"] == AGREES
