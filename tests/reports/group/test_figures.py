"""Figures and tables of the group: what is drawn is what the tables say."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pydra_vae.reports import group_figures_fits as fits
from pydra_vae.reports import group_figures_latents as inside
from pydra_vae.reports import group_figures_subjects as across
from pydra_vae.reports import group_figures_trust as trust
from pydra_vae.reports.group_further_claims import hardest, spectral_distance
from pydra_vae.reports.group_tables import by_subject, matrix_of, mean_of, paired
from pydra_vae.reports.strips import Strip, draw_strips


def texts(svg: str) -> list[str]:
    return [re.sub(r"\s+", " ", t).strip() for t in re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL)]


def test_by_subject_leaves_out_what_is_unknown():
    table = pd.DataFrame({"participant_id": ["b", "a", "a", "c"], "space": "cvae", "r": [1.0, 2, 4, np.nan]})
    assert by_subject(table, "r", space="cvae").to_dict() == {"b": 1.0, "a": 3.0}
    assert mean_of(table, "r") == 2 and np.isnan(mean_of(table, "r", space="pca")) and np.isnan(mean_of(None, "r"))


def test_pairs_are_of_subjects_that_have_both():
    table = pd.DataFrame({"participant_id": ["a", "b", "a"], "model": ["x", "x", "y"], "mse": [1.0, 2, 3]})
    assert [v.tolist() for v in paired(table, "mse", "model", ("x", "y"))] == [[1.0], [3.0]]


def test_matrix_has_rows_of_models_and_columns_of_data():
    table = pd.DataFrame({"source": ["a", "a", "b"], "target": ["a", "b", "a"], "mse": [1.0, 2, 3]})
    matrix = matrix_of(table, "source", "target", "mse")
    assert matrix.loc["a", "b"] == 2 and matrix.loc["b", "a"] == 3 and np.isnan(matrix.loc["b", "b"])


def test_empty_cells_of_the_transfer_matrix_have_a_letter(group_of):
    table = pd.read_csv(group_of(3)["transfer"], sep="\t", na_values="n/a", keep_default_na=False)
    svg, reasons = fits.transfer_matrices(table)
    assert reasons == [("a", "the model was fitted to 1310 frames, the data have 1290")]
    assert texts(svg).count("a") == 8  # four cells of each matrix
    empty = table.assign(mse=np.nan, pca_mse=np.nan)
    assert fits.transfer_matrices(empty)[0] == ""


def test_strips_have_a_dot_a_subject_and_a_bar_of_the_mean():
    axes = Figure().subplots()
    draw_strips(axes, [Strip("one", [0.5]), Strip("many", [1.0, 2.0, np.nan, 3.0]), Strip("none", [])])
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    bars = [line for line in axes.lines if line.get_marker() == "None"]
    assert [len(line.get_xdata()) for line in dots] == [1, 3]
    assert [line.get_xdata()[0] for line in bars] == [2.0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["one", "many", "none"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row on top


def test_hardest_null_is_held_against_its_own_observation():
    nulls = pd.DataFrame({
        "representation": "cvae", "relation": "subjects", "measure": "disparity", "null": ["rotation", "spatial"],
        "observed": [0.6, 0.5], "low": [0.95, 0.55], "high": [1.0, 0.7],
    })  # fmt: skip
    assert hardest(lambda name: nulls, "disparity") == (0.5, 0.55)
    assert np.isnan(hardest(lambda name: None, "disparity")[0])


def test_spectral_distance_of_a_constant_factor():
    table = pd.DataFrame({"quantity": "spectrum", "data": [1.0, 2, 0], "samples": [10.0, 20, 5]})
    assert spectral_distance(table, "samples") == pytest.approx(1)
    assert np.isnan(spectral_distance(table, "pca_samples"))


def test_best_gradient_of_each_latent():
    table = pd.DataFrame({
        "participant_id": "a", "latent": [1, 1, 2, 2], "gradient": [1, 2, 1, 2],
        "r": [0.2, -0.7, 0.5, 0.1], "p_spatial": 0.1,
        "p_best": [0.01, 0.01, 0.2, 0.2],
    })  # fmt: skip
    best = inside.best_gradients(table, "a")
    assert best["gradient"].tolist() == [2, 1] and best["p"].tolist() == [0.01, 0.2]


def test_planted_share_is_followed_over_networks():
    share = {f"n{i}": i / 10 for i in range(5)}
    isc = pd.DataFrame({"network": [*share, "all"], "model": "cvae", "isc": [0.1 * v for v in share.values()] + [0.3]})
    r, n = across.planted_r(isc, share)
    assert (round(r, 6), n) == (1.0, 5)
    assert np.isnan(across.planted_r(isc, {"n0": 1})[0])


def test_samples_are_averaged_over_subjects_of_the_same_frequencies():
    table = pd.DataFrame(
        {"participant_id": ["a", "a", "b", "b", "c"], "at": [1, 2, 1, 2, 5], "data": [1.0, 2, 3, 4, 9]}
    )
    mean = trust.common(table)
    assert mean["data"].tolist() == [2, 3] and mean["at"].tolist() == [1, 2]


def test_no_auc_no_figure():
    table = pd.DataFrame({"participant_id": "a", "kind": "voxel", "detector": "error", "auc": [np.nan]})
    assert trust.outliers(table) == ""


def test_views_are_small_and_without_png(group_of):
    table = pd.read_csv(group_of(3)["views"], sep="\t")
    drawn = inside.views(table[table["participant_id"] == "sub-01"])
    assert "image/webp" in drawn and "image/png" not in drawn and len(drawn) < 200_000
    assert {"PCA", "ICA", "VisCent", "TempPar"} <= set(texts(drawn))
