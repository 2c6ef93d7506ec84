"""What a lab meets at the command line when its input is not what motor needs: a line that says what to do.

What is wrong with names, headers, surfaces, labels, events and options comes out while planning, in plain lines and
before anything is computed.
"""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images.surface_templates import surface_image, surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.simulate.motor_files import save_image, write_func_gii, write_json
from pydra_vae.simulate.motor_standin import write_recording_tree
from pydra_vae.workflows import motor_checks, passes
from pydra_vae.workflows.motor_program import run_motor

N_FRAMES, N_KEPT, FSAVERAGE5 = 120, 70, 10_242
LABELS = ("990001", "990002", "990003", "990004")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Four HCP subjects, 70 vertices a hemisphere; it stays as it is."""
    folder = tmp_path_factory.mktemp("small") / "hcp"
    return write_recording_tree(folder, n_subjects=4, n_frames=N_FRAMES, n_kept=N_KEPT)


@pytest.fixture
def tree(small, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(small, tmp_path / "hcp")


@pytest.fixture
def motor(tmp_path, capsys, monkeypatch):
    """Run the program where it should stop before it computes: its status, and what it wrote to stderr and stdout."""
    monkeypatch.chdir(tmp_path)

    def never(*args, **kwargs):
        raise AssertionError("a run was started")

    monkeypatch.setattr(passes, "run", never)

    def call(*arguments):
        try:
            status = run_motor([*map(str, arguments)])
        except SystemExit as stop:
            status = stop.code
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert not (tmp_path / "work").exists()
        return status, told.err, told.out

    return call


def series_of(tree, label):
    return tree / label / "MNINonLinear" / "Results" / "tfMRI_MOTOR_LR" / "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"


def rewritten(path, n_frames=N_FRAMES, t_r=0.72):
    """The same series, shorter or with another repetition time."""
    image = nib.load(path)
    rows, axis = np.array(image.dataobj)[:n_frames], image.header.get_axis(1)
    nib.save(nib.Cifti2Image(rows, (nib.cifti2.SeriesAxis(0, t_r, n_frames), axis)), path)


def one_line(told):
    """The last line, which is the only one."""
    (line,) = told.strip().splitlines()
    assert line.startswith("motor: ")
    return line


REFUSED = {
    "a region that is none": (("--region", "Somatomotr"), "no label 'Somatomotr'", "7Networks_2"),
    "a region without data": (("--region", "Visual"), "has data in", "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"),
    "a map without labels": (("--label-map", "7 networks"), "give it with --labels"),
    "labels that are not there": (("--labels", "no.dlabel.nii"), "--labels no.dlabel.nii: there is no such file"),
    "more clusters than vertices": (("--n-clusters", "71"), "70 left and 70 right vertices", "ask for 70 at most"),
    "more factors than components": (("--latent-dims", "8", "120"), "--latent-dims 120", "119 components at most"),
    "surfaces that are not there": (("--surfaces", "L.gii", "R.gii"), "--surfaces L.gii: there is no such file"),
    "two kinds of surfaces": (("--surfaces", __file__, __file__, "--subject-surfaces"), "leave one out"),
    "a file that is no surface": (("--surfaces", __file__, __file__), "--surfaces", "test_motor_input.py"),
    "no own surfaces": (("--subject-surfaces",), "--subject-surfaces: no surfaces"),
    "a pass band upside down": (("--low-pass", "0.005"), "the high-pass (0.01 Hz) must lie below the low-pass"),
    "a low-pass beyond the sampling": (("--low-pass", "0.7"), "TR = 0.72 s", "0.6944 Hz"),
    "too many dummy scans": (("--dummy-scans", "90"), "--dummy-scans drops 90: at least 34 must be left"),
    "an unknown response": (("--hrf", "gamma"), "unknown haemodynamic response 'gamma'", "spm, glover"),
    "an unknown sub-task": (("--subtasks", "tongue", "toe"), "--subtasks toe: no recording has such", "tongue"),
    "confounds that HCP has not": (("--confounds", "simple"), "no recording in", "leave the option out"),
    "a session in HCP's layout": (("--session-label", "1"), "HCP's layout, which has no sessions"),
    "a subject that is none": (("--participant-label", "7"), "unknown participant: 7", "990001"),
    "maps of a subject that is none": (("--subject-maps", "7"), "--subject-maps 7", "990001, 990002"),
    "another task": (("--task-id", "rest"), "no run of task rest", "MOTOR_LR"),
    "another direction": (("--direction", "RL"), "direction RL", "MOTOR_LR"),
    "a reference that is not there": (("--reference", "no.dscalar.nii"), "--reference no.dscalar.nii: there is no"),
    "a reference of another kind": (("--reference", __file__), "--reference", "cannot be read"),
    "names without maps": (("--reference-names", "tongue"), "which was not given"),
    "too few persons": (("--participant-label", "990001", "990002"), "2 person(s)", "3 at least"),
    "events elsewhere that are not there": (("--events-dir", "raw"), "--events-dir raw: there is no such folder"),
    "a crop of one frame": (("--crop", "1"), "--crop 1", "2 frames at least"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_computed_is_refused_in_one_line(small, motor, wrong):
    arguments, *expected = REFUSED[wrong]
    status, told, out = motor(small, "out", *arguments)
    assert status == 2 and not out
    line = one_line(told)
    assert all(text in line for text in expected), line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--models", "tivae"), "invalid choice: 'tivae' (choose from"),
        (("--latent-dims", "0"), "'0' is not a whole number from 1 on"),
        (("--max-stesp", "3"), "unrecognized arguments: --max-stesp"),
        (("--preset", "tivae"), "(choose from"),
        (("--config", "no.toml"), "--config no.toml: cannot be read"),
    ],
)
def test_mistyped_options_are_named(small, motor, arguments, expected):
    status, told, _ = motor(small, "out", *arguments)
    assert status == 2
    assert expected in told.strip().splitlines()[-1]


def test_data_without_output_and_data_that_are_not_there(small, motor, tmp_path):
    assert motor(small)[:1] == (2,)
    status, told, _ = motor(tmp_path / "nothing", "out")
    assert status == 2 and f"{tmp_path / 'nothing'} does not exist" in one_line(told)
    (tmp_path / "empty").mkdir()
    status, told, _ = motor(tmp_path / "empty", "out")
    assert status == 2 and str(tmp_path / "empty") in one_line(told)


def test_a_dry_run_counts_what_would_be_fitted(small, motor, tmp_path):
    status, told, out = motor(
        small, "out", "--dry-run", "--models", "tivae-s", "no-tc", "--seeds", "1", "--grid", "beta"
    )
    assert status == 0 and not told
    assert "3 fits, and a grid of 16 for figure 2A, and 20 ICA and PCA, of 4 recordings of 4 persons" in out
    assert f"writes {tmp_path / 'out' / 'index.html'}" in out
    assert list(tmp_path.iterdir()) == []


def test_one_recording_that_is_unlike_the_others_is_left_out(tree, motor):
    rewritten(series_of(tree, "990002"), n_frames=100)
    status, told, out = motor(tree, "out", "--dry-run")
    assert status == 1
    line = one_line(told)
    assert "990002" in line and "has 100 frames, but 3 of 4 recordings have 120" in line
    assert "3 recordings of 3 persons" in out and "sub-990002:" not in out


def test_one_recording_with_another_repetition_time_is_left_out(tree, motor):
    rewritten(series_of(tree, "990003"), t_r=2.0)
    status, told, _ = motor(tree, "out", "--dry-run")
    assert status == 1
    assert "has 2 s" in one_line(told) and "one repetition time" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9000 12 1", "left_hand begins at 9000 s, outside the run of 86.4 s: are the times in seconds"),
        ("11 12", "each row needs onset, duration and amplitude"),
        ("one two three", "cannot be read as an EV file"),
    ],
)
def test_one_recording_with_impossible_events_is_left_out(tree, motor, text, expected):
    (series_of(tree, "990001").parent / "EVs" / "lh.txt").write_text(text)
    status, told, out = motor(tree, "out", "--dry-run")
    assert status == 1
    line = one_line(told)
    assert line.startswith("motor: sub-990001: ") and "EVs" in line and expected in line
    assert "3 recordings" in out


def test_events_that_lack_a_movement_name_the_file(tree, motor):
    (series_of(tree, "990001").parent / "EVs" / "t.txt").unlink()
    status, told, _ = motor(tree, "out", "--dry-run")
    assert status == 1 and "EVs lacks t.txt" in one_line(told)


def test_the_paper_s_timing_needs_runs_that_are_as_long(small, motor):
    status, told, _ = motor(small, "out", "--paper-timing")
    assert status == 2
    first, last = told.strip().splitlines()
    assert "the paper's table of onsets: right_hand begins at 132 s, outside the run of 86.4 s" in first
    assert "0 person(s)" in last


def test_rest_is_announced(tree, motor):
    for label in LABELS:
        shutil.rmtree(series_of(tree, label).parent / "EVs")
    status, told, _ = motor(tree, "out", "--dry-run")
    assert status == 0 and "no recording has events" in one_line(told)


def test_surfaces_of_another_mesh(small, motor):
    pair = surfaces_for("fsaverage5", (FSAVERAGE5, FSAVERAGE5), "pial")
    status, told, _ = motor(small, "out", "--surfaces", *pair)
    assert status == 2
    assert f"{pair[0]} has 10,242 vertices but the data lie on a mesh of 32,492" in one_line(told)


def test_a_mesh_in_two_pieces(small, motor, tmp_path):
    pair = surfaces_for("fsLR", (32_492, 32_492), "pial")
    coordinates, triangles = load_surface(pair[1])
    column = series_region(small)
    severed = triangles[~np.isin(triangles, column).any(axis=1)]
    save_image(surface_image(coordinates, severed, "R"), tmp_path / "right.surf.gii")
    status, told, _ = motor(small, "out", "--surfaces", pair[0], tmp_path / "right.surf.gii")
    assert status == 2
    assert "right.surf.gii: disconnected mesh" in one_line(told)


def series_region(tree):
    """One vertex of the right hemisphere that the data have."""
    axis = nib.load(series_of(tree, LABELS[0])).header.get_axis(1)
    right = axis[axis.name == "CIFTI_STRUCTURE_CORTEX_RIGHT"]
    return right.vertex[0]


def test_as_many_names_as_reference_maps(small, motor, tmp_path):
    np.save(tmp_path / "truth.npy", np.ones((2, 2 * N_KEPT), np.float32))
    status, told, _ = motor(small, "out", "--reference", "truth.npy", "--reference-names", "tongue")
    assert status == 2 and "there are 2 map(s), and 1 --reference-names" in one_line(told)


@pytest.fixture
def gifti(tmp_path):
    """Four subjects of fMRIPrep's layout with GIFTI series on fsaverage5, the repetition time in sidecars only."""
    folder = tmp_path / "fmriprep"
    folder.mkdir()
    write_json(
        folder / "dataset_description.json", {"Name": "toy", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    )
    rows = np.tile(np.arange(40, dtype=np.float32)[:, None], FSAVERAGE5)
    for subject in ("01", "02", "03", "04"):
        for hemi in "LR":
            stem = folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-motor_hemi-{hemi}_space-fsaverage5_bold"
            stem.parent.mkdir(parents=True, exist_ok=True)
            write_func_gii(stem.with_suffix(".func.gii"), rows, hemi, 0.0)
            write_json(stem.with_suffix(".json"), {"RepetitionTime": 2.0})
    return folder


def bold(folder, subject, hemi, extension):
    return folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-motor_hemi-{hemi}_space-fsaverage5_bold{extension}"


def test_a_missing_hemisphere_and_repetition_times_that_are_absent_or_contradict(gifti, motor):
    bold(gifti, "01", "R", ".func.gii").unlink()
    status, told, out = motor(gifti, "out", "--region", "none", "--dry-run")
    assert status == 1 and "3 recordings" in out
    assert "missing hemisphere" in told and "no hemi-R beside it" in told
    for hemi in "LR":
        bold(gifti, "02", hemi, ".json").unlink()
    status, told, _ = motor(gifti, "out", "--region", "none", "--dry-run")
    assert status == 2 and "sub-02" in told and "--repetition-time" in told
    assert "no repetition time" in told
    write_func_gii(bold(gifti, "03", "L", ".func.gii"), np.ones((40, FSAVERAGE5), np.float32), "L", 1.5)
    status, told, _ = motor(gifti, "out", "--region", "none", "--dry-run")
    assert "says TR = 1.5 s, but" in told and "RepetitionTime = 2 s: correct the one that is wrong" in told
    (gifti / "sub-02" / "func" / "sub-02_task-motor_bold.json").write_text(json.dumps({"RepetitionTime": "2 s"}))
    status, told, _ = motor(gifti, "out", "--region", "none", "--dry-run")
    assert "RepetitionTime is '2 s', a number of seconds is needed" in told


def test_labels_for_another_mesh_than_fslr(gifti, motor):
    status, told, _ = motor(gifti, "out")
    assert status == 2
    line = one_line([text for text in told.splitlines() if "events" not in text][-1])
    assert "the packaged Yeo-7 labels lie on fsLR 32k" in line and "--region none" in line


def test_the_papers_clusters_of_a_region_too_large_for_all_pairs(small, motor, monkeypatch):
    monkeypatch.setattr(motor_checks, "MAX_PAIRS", 60)
    status, told, _ = motor(small, "out", "--paper-clusters", "--n-clusters", "4")
    assert status == 2
    assert "--paper-clusters needs the distances of all pairs of a hemisphere's 70 vertices" in one_line(told)
    assert "--region of at most 60" in told
