"""Recordings in trees of HCP's and fMRIPrep's layout."""

import json

import numpy as np
import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.bids.recordings import find_recordings

from ..images.surface_files import MESH, write_dtseries, write_func

T = 40
EVS = ("cue", "lf", "rf", "lh", "rh", "t")
DATA = np.zeros((T, 80), np.float32)


def hcp_run(folder, subject, direction="LR", task="MOTOR", kind="_Atlas_MSMAll", evs=EVS, data=DATA, t_r=0.72):
    name = f"tfMRI_{task}_{direction}"
    run = folder / subject / "MNINonLinear" / "Results" / name
    path = write_dtseries(run / f"{name}{kind}.dtseries.nii", data, t_r=t_r)
    for ev in evs:
        (run / "EVs").mkdir(exist_ok=True)
        (run / "EVs" / f"{ev}.txt").write_text("8.1\t12\t1\n")
    return path


def touch(path, text="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def dense_run(folder, sub, entities="task-motor", space="space-fsLR_den-91k", sidecar=None, **how):
    """fMRIPrep's dense series of one run, with its sidecar."""
    stem = folder / f"sub-{sub}" / "func" / f"sub-{sub}_{entities}_{space}_bold"
    path = write_dtseries(stem.with_name(f"{stem.name}.dtseries.nii"), how.pop("data", DATA), **how)
    if sidecar is not None:
        touch(stem.with_name(f"{stem.name}.json"), json.dumps(sidecar))
    return path


def gifti_run(folder, sub, pattern, hemispheres="LR", **how):
    name = f"sub-{sub}_task-motor_{pattern}_bold.func.gii"
    paths = [folder / f"sub-{sub}" / "func" / name.format(hemi) for hemi in hemispheres]
    return [write_func(p, np.zeros((T, MESH)), h, **how) for p, h in zip(paths, hemispheres, strict=True)]


def labels(found):
    return [recording.label for recording in found[0]]


class TestHcp:
    def test_the_papers_runs(self, tmp_path):
        paths = [hcp_run(tmp_path, s, d) for s in ("100307", "100408") for d in ("LR", "RL")]
        hcp_run(tmp_path, "100610", task="EMOTION")  # without the motor task: left out silently
        found, problems = find_recordings(tmp_path)
        assert problems == {}
        assert [r.label for r in found] == ["sub-100307", "sub-100408"]
        first = found[0]
        assert (first.person, first.layout, first.data) == ("sub-100307", "hcp", (paths[0],))
        assert (first.t_r, first.n_frames, first.mesh_sizes) == (0.72, T, (MESH, MESH))
        assert [p.name for p in first.events] == [f"{ev}.txt" for ev in EVS]
        assert first.entities == {"sub": "100307", "task": "motor", "dir": "LR", "space": "fsLR"}
        assert (first.sidecar, first.confounds, first.surfaces) == (None, None, None)

    def test_directions(self, tmp_path):
        for way in ("LR", "RL"):
            hcp_run(tmp_path, "100307", way)
        assert find_recordings(tmp_path, direction="RL")[0][0].data[0].name.startswith("tfMRI_MOTOR_RL")
        both = find_recordings(tmp_path, direction="both")
        assert labels(both) == ["sub-100307_dir-LR", "sub-100307_dir-RL"]
        assert {r.person for r in both[0]} == {"sub-100307"}

    def test_numbered_rest_runs_and_other_versions(self, tmp_path):
        for number in (1, 2):
            name = f"rfMRI_REST{number}_LR"
            run = tmp_path / "100307" / "MNINonLinear" / "Results" / name
            write_dtseries(run / f"{name}_Atlas_MSMAll_hp2000_clean.dtseries.nii", DATA)
        assert labels(find_recordings(tmp_path, task="rest")) == ["sub-100307_run-1", "sub-100307_run-2"]
        assert labels(find_recordings(tmp_path, task="REST2")) == ["sub-100307"]
        assert labels(find_recordings(tmp_path, task="rest", run=[2])) == ["sub-100307"]
        assert find_recordings(tmp_path, task="rest")[0][0].events == ()

    def test_the_registration_by_areal_features_is_preferred(self, tmp_path):
        hcp_run(tmp_path, "100307", kind="_Atlas")
        assert find_recordings(tmp_path)[0][0].data[0].name == "tfMRI_MOTOR_LR_Atlas.dtseries.nii"
        hcp_run(tmp_path, "100307")
        assert find_recordings(tmp_path)[0][0].data[0].name == "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"

    def test_own_surfaces(self, tmp_path):
        hcp_run(tmp_path, "100307")
        folder = tmp_path / "100307" / "MNINonLinear" / "fsaverage_LR32k"
        names = [f"100307.{h}.{k}_MSMAll.32k_fs_LR.surf.gii" for k in ("midthickness", "pial") for h in "LR"]
        for name in names[:2]:
            touch(folder / name)
        assert [p.name for p in find_recordings(tmp_path, surfaces=True)[0][0].surfaces] == names[:2]
        for name in names[2:]:
            touch(folder / name)
        assert [p.name for p in find_recordings(tmp_path, surfaces=True)[0][0].surfaces] == names[2:]

    def test_one_bad_subject_does_not_keep_the_others(self, tmp_path):
        hcp_run(tmp_path, "100307")
        hcp_run(tmp_path, "100408", evs=("cue", "lf", "rf", "lh", "rh"))
        hcp_run(tmp_path, "100610").unlink()
        hcp_run(tmp_path, "101006").write_bytes(b"cut off")
        found, problems = find_recordings(tmp_path)
        assert [r.label for r in found] == ["sub-100307"]
        assert list(problems) == ["sub-100408", "sub-100610", "sub-101006"]
        assert "EVs lacks t.txt: download the run's EVs" in problems["sub-100408"]
        assert "holds no tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii" in problems["sub-100610"]
        assert "cannot be read as a CIFTI file" in problems["sub-101006"]

    def test_what_was_asked_for_is_not_there(self, tmp_path):
        hcp_run(tmp_path, "100307", "RL")
        with pytest.raises(InputError, match=r"no run of task motor, direction LR; there are: MOTOR_RL"):
            find_recordings(tmp_path)
        with pytest.raises(InputError, match=r"unknown participant: 7; .* has 100307"):
            find_recordings(tmp_path, participant_label=["7"])
        _, problems = find_recordings(tmp_path, participant_label=["sub-100307"])
        assert "its runs: tfMRI_MOTOR_RL" in problems["sub-100307"]


class TestAlike:
    def test_runs_of_another_length(self, tmp_path):
        for subject in ("1", "2"):
            hcp_run(tmp_path, subject)
        hcp_run(tmp_path, "3", data=DATA[:30])
        found, problems = find_recordings(tmp_path)
        assert [r.label for r in found] == ["sub-1", "sub-2"]
        assert (
            "has 30 frames, but 2 of 3 recordings have 40: all recordings of an analysis need one length"
            in (problems["sub-3"])
        )

    def test_another_repetition_time(self, tmp_path):
        for subject, t_r in (("1", 0.72), ("2", 0.7200001), ("3", 0.8)):
            hcp_run(tmp_path, subject, t_r=t_r)
        found, problems = find_recordings(tmp_path)
        assert len(found) == 2 and "has 0.8 s, but 2 of 3 recordings have 0.72" in problems["sub-3"]

    def test_another_mesh(self, tmp_path):
        from ..images.surface_files import axis

        for subject in ("1", "2"):
            dense_run(tmp_path, subject)
        dense_run(tmp_path, "3", data=DATA[:, :20], models=axis(np.arange(10), np.arange(10), 50, 0))
        assert r"has 50 + 50 vertices, but 2 of 3 recordings have 40 + 40" in find_recordings(tmp_path)[1]["sub-3"]


class TestFmriprep:
    def test_dense_series_and_what_lies_beside_them(self, tmp_path):
        path = dense_run(tmp_path, "01", sidecar={"RepetitionTime": 0.72, "TaskName": "motor"})
        func = path.parent
        events = touch(func / "sub-01_task-motor_events.tsv", "onset\tduration\ttrial_type\n")
        table = touch(func / "sub-01_task-motor_desc-confounds_timeseries.tsv")
        described = touch(func / "sub-01_task-motor_desc-confounds_timeseries.json")
        touch(func / "sub-01_task-rest_desc-confounds_timeseries.tsv")
        found, problems = find_recordings(tmp_path)
        assert problems == {}
        one = found[0]
        assert (one.label, one.layout, one.data, one.events) == ("sub-01", "fmriprep", (path,), (events,))
        assert (one.confounds, one.confounds_json) == (table, described)
        assert one.sidecar.name == "sub-01_task-motor_space-fsLR_den-91k_bold.json"
        assert one.entities == {"sub": "01", "task": "motor", "space": "fsLR", "den": "91k"}

    @pytest.mark.parametrize("pattern", ["hemi-{}_space-fsaverage5", "space-fsaverage5_hemi-{}"])
    def test_pairs_in_both_orders_of_the_name(self, tmp_path, pattern):
        gifti_run(tmp_path, "01", pattern)
        touch(
            tmp_path / "sub-01" / "func" / "sub-01_task-motor_hemi-L_space-fsaverage5_bold.json",
            '{"RepetitionTime": 0.72}',
        )
        one = find_recordings(tmp_path)[0][0]
        assert ["hemi-L" in p.name for p in one.data] == [True, False]
        assert one.entities["space"] == "fsaverage5" and "hemi" not in one.entities
        assert one.sidecar.name.endswith("_bold.json")

    def test_runs_and_sessions_are_recordings_of_their_own(self, tmp_path):
        for number in (1, 2, 10):
            dense_run(tmp_path, "01", f"task-motor_run-{number}")
        dense_run(tmp_path, "02", "task-motor_run-1")
        assert labels(find_recordings(tmp_path)) == ["sub-01_run-1", "sub-01_run-2", "sub-01_run-10", "sub-02_run-1"]
        assert labels(find_recordings(tmp_path, run=[2])) == ["sub-01"]

    def test_sessions(self, tmp_path):
        for session in ("a", "b"):
            name = f"sub-01_ses-{session}_task-motor_space-fsLR_den-91k_bold.dtseries.nii"
            write_dtseries(tmp_path / "sub-01" / f"ses-{session}" / "func" / name, DATA)
        assert labels(find_recordings(tmp_path)) == ["sub-01_ses-a", "sub-01_ses-b"]
        assert labels(find_recordings(tmp_path, session_label=["ses-b"])) == ["sub-01"]
        with pytest.raises(InputError, match=r"unknown session: c; .* has a, b"):
            find_recordings(tmp_path, session_label=["c"])

    def test_events_of_the_raw_data(self, tmp_path):
        folder = tmp_path / "raw" / "derivatives" / "fmriprep"
        dense_run(folder, "01")
        dense_run(folder, "02")
        shared = touch(tmp_path / "raw" / "task-motor_events.tsv")
        assert find_recordings(folder)[0][0].events == ()  # no sub-* above: not the raw data
        own = touch(tmp_path / "raw" / "sub-02" / "func" / "sub-02_task-motor_events.tsv")
        touch(tmp_path / "raw" / "sub-02" / "func" / "sub-02_task-rest_events.tsv")
        for where in (None, tmp_path / "raw"):
            assert [r.events for r in find_recordings(folder, events_dir=where)[0]] == [(shared,), (own,)]

    def test_spaces(self, tmp_path):
        dense_run(tmp_path, "01")
        gifti_run(tmp_path, "01", "hemi-{}_space-fsaverage5")
        gifti_run(tmp_path, "01", "hemi-{}_space-fsnative")
        assert find_recordings(tmp_path)[0][0].entities["space"] == "fsLR"
        assert len(find_recordings(tmp_path, space="fsaverage5")[0][0].data) == 2
        with pytest.raises(InputError, match="no recording of task motor"):
            find_recordings(tmp_path, space="fsaverage6")

    def test_several_spaces_and_versions(self, tmp_path):
        for space in ("fsaverage5", "fsaverage6"):
            gifti_run(tmp_path, "01", f"hemi-{{}}_space-{space}")
        with pytest.raises(InputError, match=r"several spaces .* choose with --space fsaverage5 \| fsaverage6"):
            find_recordings(tmp_path)
        for den in ("91k", "170k"):
            dense_run(tmp_path, "01", space=f"space-fsLR_den-{den}")
        assert "several versions of one run: choose with --den" in find_recordings(tmp_path)[1]["sub-01"]
        assert find_recordings(tmp_path, den="91k")[0][0].entities["den"] == "91k"

    def test_what_other_programs_made_is_not_taken_for_fmripreps(self, tmp_path):
        dense_run(tmp_path, "01")
        dense_run(tmp_path, "01", space="space-fsLR_den-91k_desc-denoised")
        assert "desc" not in find_recordings(tmp_path)[0][0].data[0].name

    def test_a_missing_hemisphere(self, tmp_path):
        gifti_run(tmp_path, "01", "hemi-{}_space-fsaverage5")
        gifti_run(tmp_path, "02", "hemi-{}_space-fsaverage5", "R")
        found, problems = find_recordings(tmp_path)
        assert len(found) == 1
        assert "missing hemisphere: there is" in problems["sub-02"] and "no hemi-L beside it" in problems["sub-02"]

    def test_repetition_times(self, tmp_path):
        dense_run(tmp_path, "01", sidecar={"RepetitionTime": 2.0})
        dense_run(tmp_path, "02", unit="HERTZ")
        dense_run(tmp_path, "03", sidecar={"RepetitionTime": "fast"})
        dense_run(tmp_path, "04", unit="HERTZ", sidecar={"RepetitionTime": 0.72})
        found, problems = find_recordings(tmp_path)
        assert [r.label for r in found] == ["sub-04"]
        assert "says TR = 0.72 s, but" in problems["sub-01"] and "RepetitionTime = 2 s" in problems["sub-01"]
        assert "no repetition time" in problems["sub-02"]
        assert "RepetitionTime is 'fast', a number of seconds is needed" in problems["sub-03"]
        assert "sub-02" in labels(find_recordings(tmp_path, t_r=0.72))

    def test_the_time_of_the_first_frame(self, tmp_path):
        """fMRIPrep aligns slices to the middle of a frame and says so."""
        dense_run(tmp_path, "01", sidecar={"RepetitionTime": 0.72, "StartTime": 0.33, "SliceTimingCorrected": True})
        dense_run(tmp_path, "02", sidecar={"RepetitionTime": 0.72, "StartTime": None})
        dense_run(tmp_path, "03", sidecar={"RepetitionTime": 0.72, "StartTime": 2})
        found, problems = find_recordings(tmp_path)
        assert [r.start_time for r in found] == [0.33, 0.0]
        assert "StartTime is 2, but a frame lasts from 0 to 0.72 s" in problems["sub-03"]

    def test_a_shared_sidecar(self, tmp_path):
        dense_run(tmp_path, "01", unit="HERTZ", sidecar={"Density": "91k"})
        touch(tmp_path / "task-motor_bold.json", '{"RepetitionTime": 0.72}')
        assert find_recordings(tmp_path)[0][0].t_r == 0.72

    def test_directions_count_where_names_have_them(self, tmp_path):
        for way in ("LR", "RL"):
            dense_run(tmp_path, "01", f"task-motor_dir-{way}")
        assert labels(find_recordings(tmp_path, direction="LR")) == ["sub-01"]
        assert labels(find_recordings(tmp_path)) == ["sub-01_dir-LR", "sub-01_dir-RL"]
        dense_run(tmp_path / "other", "01", "task-motor_dir-AP")
        assert labels(find_recordings(tmp_path / "other", direction="LR")) == ["sub-01"]

    def test_own_surfaces(self, tmp_path):
        dense_run(tmp_path, "01")
        assert find_recordings(tmp_path, surfaces=True)[0][0].surfaces is None
        for kind in ("midthickness", "pial"):
            for hemi in "LR":
                touch(tmp_path / "sub-01" / "anat" / f"sub-01_hemi-{hemi}_space-fsLR_den-32k_{kind}.surf.gii")
                touch(tmp_path / "sub-01" / "anat" / f"sub-01_hemi-{hemi}_{kind}.surf.gii")  # the native mesh
        found = find_recordings(tmp_path, surfaces=True)[0][0].surfaces
        assert [p.name for p in found] == [f"sub-01_hemi-{h}_space-fsLR_den-32k_pial.surf.gii" for h in "LR"]

    def test_folders_without_what_is_needed(self, tmp_path):
        with pytest.raises(InputError, match="does not exist"):
            find_recordings(tmp_path / "none")
        touch(tmp_path / "sub-01" / "func" / "sub-01_task-motor_space-T1w_desc-preproc_bold.nii.gz")
        with pytest.raises(InputError, match=r"no series on the cortical surface .* run fMRIPrep with --cifti-output"):
            find_recordings(tmp_path)
        dense_run(tmp_path, "01", "task-rest")
        with pytest.raises(InputError, match=r"no series of task motor .* its tasks: rest. Choose with --task-id"):
            find_recordings(tmp_path)
        with pytest.raises(InputError, match="unknown participant: 9"):
            find_recordings(tmp_path, task="rest", participant_label=["9"])

    def test_a_subject_asked_for_without_the_task(self, tmp_path):
        dense_run(tmp_path, "01")
        dense_run(tmp_path, "02", "task-rest")
        assert find_recordings(tmp_path)[1] == {}
        assert "sub-02: no recording fits" in find_recordings(tmp_path, participant_label=["01", "02"])[1]["sub-02"]
