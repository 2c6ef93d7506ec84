"""Which frames count and which regressors go, on real tables of both naming generations of fMRIPrep."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pydra_vae.images.confounds import (
    ConfoundsError,
    check_enough_frames,
    count_reasons,
    frame_table,
    load,
    non_steady_state,
    read_table,
)

N = 30  # frames of nilearn's tables


@pytest.fixture(params=["nilearn_test-v21_desc-confounds_timeseries", "nilearn_test_desc-confounds_regressors"])
def table(request, shared_data):
    return shared_data / "meta" / f"{request.param}.tsv"


@pytest.mark.parametrize("strategy", ["simple", "scrubbing", "compcor"])
def test_strategies_are_those_of_nilearn(table, strategy, tmp_path):
    """The same columns and frames as nilearn gives for a canonically named copy of the tree."""
    from nilearn.interfaces.fmriprep import load_confounds_strategy

    for kind in ("tsv", "json"):
        (tmp_path / f"sub-1_task-a_desc-confounds_timeseries.{kind}").write_bytes(
            table.with_suffix(f".{kind}").read_bytes()
        )
    image = tmp_path / "sub-1_task-a_space-MNI_desc-preproc_bold.nii.gz"
    image.touch()
    given = {"fd_threshold": 0.4, "scrub": 2} if strategy == "scrubbing" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, kept = load_confounds_strategy(str(image), strategy, **given)
    regressors, frames = load(table, N, strategy, table.with_suffix(".json"), **given)
    pd.testing.assert_frame_equal(regressors, expected)
    assert np.nonzero(frames["weight"].to_numpy())[0].tolist() == (range(N) if kept is None else kept.tolist())


def test_parameters_of_nilearn_pass_through(table):
    basic, _ = load(table, N, "simple", motion="basic", global_signal="basic")
    full, _ = load(table, N, "simple")
    assert "global_signal" in basic
    assert "global_signal" not in full
    assert sum("trans" in c for c in basic) == 3
    assert sum("trans" in c for c in full) == 12
    with pytest.raises(
        ConfoundsError, match="the strategy simple takes no scrub; it takes: motion, wm_csf, global_sig"
    ):
        load(table, N, "simple", scrub=5)
    with pytest.raises(ConfoundsError, match="unknown strategy 'best': choose one of none, simple"):
        load(table, N, "best")


def test_aroma_regresses_the_table_s_components(shared_data):
    path = shared_data / "meta" / "nilearn_test_desc-confounds_regressors.tsv"
    aroma = {c for c in read_table(path, N) if c.startswith("aroma_motion_")}
    regressors, _ = load(path, N, "ica_aroma")
    assert aroma
    assert aroma | {"csf", "white_matter"} <= set(regressors)


def test_reasons_are_one_union():
    frames = frame_table(6, {"dummy": [0, 1], "non_steady_state": [0, 2], "scrub": [2, 5]})
    assert frames["weight"].tolist() == [0, 0, 0, 1, 1, 0]
    assert frames["reason"].tolist() == [
        "dummy+non_steady_state",
        "dummy",
        "non_steady_state+scrub",
        "n/a",
        "n/a",
        "scrub",
    ]
    assert count_reasons(frames) == {"dummy": 2, "non_steady_state": 2, "scrub": 2}


def test_frames_of_a_real_table(shared_data):
    path = shared_data / "meta" / "nilearn_test-v21_desc-confounds_timeseries.tsv"
    table = read_table(path, N)
    assert non_steady_state(table) == [0, 1, 2]
    _, frames = load(path, N, dummy_scans=5)
    assert frames["weight"].tolist() == [0] * 5 + [1] * 25
    _, frames = load(path, N, fd_threshold=0.2)
    above = set(np.nonzero(table["framewise_displacement"] > 0.2)[0])
    assert set(np.nonzero(frames["weight"] == 0)[0]) == above | {0, 1, 2}


def test_no_table_censors_the_dummies_only():
    regressors, frames = load(None, 40, dummy_scans=2)
    assert regressors is None
    assert frames["weight"].sum() == 38
    with pytest.raises(ConfoundsError, match="the strategy simple needs a confounds table, and this run has none"):
        load(None, 40, "simple")
    with pytest.raises(ConfoundsError, match="a threshold on framewise_displacement needs a confounds table"):
        load(None, 40, fd_threshold=0.5)


def test_another_length_is_an_error(table):
    with pytest.raises(ConfoundsError, match=rf"{table.name} has 30 rows, but the BOLD has 31 volumes"):
        load(table, 31)


def test_missing_columns_are_listed(shared_data):
    path = next((shared_data / "derivatives" / "studyforrest" / "sub-02" / "func").glob("*timeseries.tsv"))
    columns = "its columns are: global_signal, dvars, std_dvars, cosine00"
    for strategy in ("simple", "scrubbing", "ica_aroma"):
        with pytest.raises(
            ConfoundsError, match=rf"timeseries\.tsv does not hold what the strategy {strategy}.*{columns}"
        ):
            load(path, 156, strategy)
    with pytest.raises(ConfoundsError, match=r"compcor needs the description of .*, a \.json of the same name"):
        load(path, 156, "compcor")
    with pytest.raises(ConfoundsError, match=f"has no column framewise_displacement.*{columns}"):
        load(path, 156, fd_threshold=0.5)
    _, frames = load(path, 156, std_dvars_threshold=1.5)
    assert 0 < (frames["weight"] == 0).sum() < 40


def test_an_empty_selection_is_an_error(tmp_path):
    """nilearn gives an empty table for a strategy whose only columns, the cosines, are not there."""
    path = tmp_path / "c.tsv"
    pd.DataFrame({"csf": range(40), "white_matter": range(40)}).to_csv(path, sep="\t", index=False)
    with pytest.raises(ConfoundsError, match="does not hold what the strategy ica_aroma needs"):
        load(path, 40, "ica_aroma")
    path.write_text("")
    with pytest.raises(ConfoundsError, match=r"c\.tsv cannot be read"):
        load(path, 40)


def test_holes_after_the_first_row_are_named(tmp_path, shared_data):
    table = pd.read_csv(shared_data / "meta" / "nilearn_test_desc-confounds_regressors.tsv", sep="\t", na_values="n/a")
    table.loc[7, "csf"] = np.nan
    path = tmp_path / "c.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(ConfoundsError, match="holds n/a after the first row, in: csf"):
        load(path, N, "simple")


def test_fewer_than_32_frames_left():
    frames = frame_table(50, {"dummy": range(4), "scrub": range(2, 20)})
    with pytest.raises(ValueError, match=r"30 of 50 frames of run\.nii are left after censoring \(dummy 4, scrub 18\)"):
        check_enough_frames(frames, "run.nii")
    check_enough_frames(frame_table(34, {"dummy": [0, 1]}), "run.nii")
