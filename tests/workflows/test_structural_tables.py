"""Every table that structural makes is delivered, described and given to the page."""

import importlib

import numpy as np
import pandas as pd
import pytest
from pydra.utils.general import get_fields

from pydra_vae.bids.volumes import Volume
from pydra_vae.reports.structural import CLAIMS
from pydra_vae.tasks import (
    _joint_scores,
    compare_networks,
    correlate_latents,
    latent_regression,
    longitudinal_model,
    network_maps,
    recover_factors,
)
from pydra_vae.tasks.structural_report import StructuralReport
from pydra_vae.workflows import structural_page as page
from pydra_vae.workflows.structural_columns import COLUMNS, PATTERNS, described
from pydra_vae.workflows.structural_outputs import OF_ANALYSES, PICTURES, TABLES, Delivery, volume_names

# Tables whose steps declare their columns.
DECLARED = {
    "claims": CLAIMS,
    "correlations": correlate_latents.COLUMNS,
    "regression": latent_regression.SCORES,
    "predictions": latent_regression.PREDICTIONS,
    "importance": latent_regression.IMPORTANCE,
    "recovery": recover_factors.COLUMNS,
    "joint": _joint_scores.SCORES,
    "jointpredictions": _joint_scores.PREDICTIONS,
    "jointdecoded": _joint_scores.LEVELS,
    "coefficients": longitudinal_model.COEFFICIENTS,
    "nextvisits": longitudinal_model.PREDICTIONS,
    "visits": longitudinal_model.SCORES,
    "frozen": longitudinal_model.FROZEN,
    "progression": longitudinal_model.STEPS,
    "networks": ("label", *compare_networks.BEST),
    "networkoverlap": ("label", *compare_networks.OVERLAP),
    "networktask": ("label", *network_maps.TASK),
}
# Those whose columns the docstring of their step names: module, step.
DOCUMENTED = {
    "variance": ("traverse_volumes", "TraverseVolumes"),
    "traversals": ("traverse_volumes", "TraverseVolumes"),
    "draws": ("draw_volumes", "DrawVolumes"),
    "drawn": ("draw_volumes", "DrawVolumes"),
    "interpolation": ("interpolate_volumes", "InterpolateVolumes"),
    "embeddings": ("embed_volumes", "EmbedVolumes"),
    "dimension": ("volume_dimension", "VolumeDimension"),
    "shells": ("volume_dimension", "VolumeDimension"),
    "fits": ("score_volume_vae", "ScoreVolumeVae"),
    "trials": ("choose_model", "ChooseModel"),
    "examples": ("score_volume_vae", "ScoreVolumeVae"),
    "courses": ("network_maps", "NetworkMaps"),
}
ANALYSES = {"explained": "Explained", "joint": "Joint", "longitudinal": "Longitudinal"}


def outputs_of(name):
    workflows = importlib.import_module("pydra_vae.workflows.structural_analyses")
    return {field.name for field in get_fields(getattr(workflows, name).Outputs)}


@pytest.mark.parametrize("name", DECLARED)
def test_columns_are_those_that_the_step_declares(name):
    assert set(COLUMNS[name]) == set(DECLARED[name])


@pytest.mark.parametrize("name", DOCUMENTED)
def test_no_column_is_unknown_to_the_step(name):
    module, step = DOCUMENTED[name]
    text = getattr(importlib.import_module(f"pydra_vae.tasks.{module}"), step).__doc__
    fits = set(COLUMNS["fits"]) if name == "trials" else set()
    # such as pca_r2_test, which the step calls "the same of PCA-k (pca_)"
    unknown = {
        column for column in set(COLUMNS[name]) - fits if column not in text and column.split("_")[0] not in text
    }
    assert not unknown


def test_every_delivered_table_is_described():
    assert set(TABLES) <= set(COLUMNS)
    assert set(PATTERNS) <= set(COLUMNS)
    assert all(text and text[-1] != "." for columns in COLUMNS.values() for text in columns.values())


def test_every_table_that_is_made_is_delivered():
    gathered = {"claims", "trials", *page.GATHERED}  # the page makes the claims, the search its trials
    shared = {"split", "covariates", "regions"}
    analysed = {name for tables in OF_ANALYSES.values() for name in tables}
    assert gathered | shared | analysed == set(TABLES)


def test_tables_and_images_are_outputs_of_their_analyses():
    for label, workflow in ANALYSES.items():
        there = outputs_of(workflow)
        assert set(OF_ANALYSES[label].values()) <= there
        for picture in PICTURES[label]:
            assert {picture.output, picture.table} <= there


def test_every_table_reaches_the_page():
    taken = {field.name for field in get_fields(StructuralReport)}
    for names, workflow in (
        (page.OF_EXPLAINED, "Explained"),
        (page.OF_JOINT, "Joint"),
        (page.OF_LONGITUDINAL, "Longitudinal"),
        (page.OF_REGRESSION, "Regression"),
    ):
        assert set(names) <= taken
        assert set(names.values()) <= outputs_of(workflow)
    networks = importlib.import_module("pydra_vae.workflows.structural_networks").Networks
    made = {field.name for field in get_fields(networks.Outputs)}
    assert set(page.OF_NETWORKS) <= taken
    assert {*page.OF_NETWORKS.values(), *page.OF_RUNS.values()} <= made
    shown = {**page.OF_EXPLAINED, **page.OF_JOINT, **page.OF_LONGITUDINAL}
    for label in ANALYSES:
        assert set(OF_ANALYSES[label].values()) <= set(shown.values())


def test_columns_that_the_data_name_are_described_by_their_own_sidecars():
    own = {"memory": {"Description": "delayed recall", "Units": "points"}}
    found = described("covariates", ["label", "person", "memory", "site"], own)
    assert found["memory"] == own["memory"]
    assert found["site"]["Description"] == PATTERNS["covariates"][".+"]
    assert set(described("embeddings", ["method", "knn_r2_age", "unheard_of"])) == {"method", "knn_r2_age"}


def test_volumes_are_named_by_the_rows_of_their_table(tmp_path):
    table = tmp_path / "steps.tsv"
    pd.DataFrame({"latent": [0, 0], "value_sd": [-2.0, 2 / 3], "step": [0, 1]}).to_csv(table, sep="\t", index=False)
    assert volume_names(table, "z{latent} at {value_sd} sd") == ["z0 at -2 sd", "z0 at 0.6667 sd"]
    pd.DataFrame({"kind": ["between"], "age": [np.nan]}).to_csv(table, sep="\t", index=False, na_rep="n/a")
    assert volume_names(table, "{kind}: age {age}") == ["between: age n/a"]


def test_images_keep_the_space_that_their_sidecars_name(tmp_path):
    beside = tmp_path / "sub-01.json"
    beside.write_text('{"SpatialReference": "https://templateflow.org/tpl"}')
    volume = Volume("sub-01", "sub-01", "", tmp_path / "sub-01.nii.gz", beside, space="MNI152NLin6Asym")
    image = tmp_path / "mean.nii.gz"
    image.write_bytes(b"image")
    Delivery(tmp_path / "out", {"data": tmp_path}, [volume], {})._image(image, "stat-mean_desc-structural", "Mean")
    text = (tmp_path / "out" / "group_space-MNI152NLin6Asym_stat-mean_desc-structural_map.json").read_text()
    assert '"SpatialReference": "https://templateflow.org/tpl"' in text


def test_what_a_table_of_persons_says_of_a_column_is_not_said_of_its_visits(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsite\nsub-1\t60\tA\n")
    (tmp_path / "participants.json").write_text(
        '{"age": {"Description": "at the first visit"}, "site": {"Description": "scanner"}}'
    )
    (tmp_path / "sub-1_sessions.tsv").write_text("session_id\tage\nses-1\t60\nses-2\t62\n")
    tables = [tmp_path / "participants.tsv", tmp_path / "sub-1_sessions.tsv"]
    delivery = Delivery(tmp_path / "out", {"data": tmp_path}, [], {}, tables)
    assert delivery._data_columns() == {"site": {"Description": "scanner"}}
    assert "age" in Delivery(tmp_path / "out", {"data": tmp_path}, [], {}, tables[:1])._data_columns()
