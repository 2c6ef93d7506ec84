"""What a lab meets at the command line when its input is not what structural needs: a line that says what to do.

What is wrong with names, headers, tables, options and the files given beside the images comes out while planning, in
plain lines and before anything is computed.
"""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.simulate.structural_standin import write_volume_tree
from pydra_vae.workflows import passes
from pydra_vae.workflows.structural_program import run_structural

N = 24
AWAY = np.diag([12, 12, 12, 1.0]) + 900 * np.eye(4, k=3)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """24 maps in images.tsv; it stays as it is."""
    return write_volume_tree(tmp_path_factory.mktemp("table"), "table", N)


@pytest.fixture(scope="module")
def smriprep(tmp_path_factory):
    """The same as sMRIPrep leaves them; it stays as it is."""
    return write_volume_tree(tmp_path_factory.mktemp("raw"), "smriprep", N)


@pytest.fixture
def structural(tmp_path, capsys, monkeypatch):
    """Run the program where it should stop before it computes: its status, and what it wrote to stderr and stdout."""
    monkeypatch.chdir(tmp_path)

    def never(*args, **kwargs):
        raise AssertionError("a run was started")

    monkeypatch.setattr(passes, "run", never)

    def call(*arguments):
        try:
            status = run_structural([*map(str, arguments)])
        except SystemExit as stop:
            status = stop.code
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert not (tmp_path / "work").exists()
        return status, told.err, told.out

    return call


@pytest.fixture
def changed(table, tmp_path):
    """Write images.tsv anew with other columns, or another first image."""

    def write(first=None, **columns):
        rows = pd.read_csv(table, sep="\t", dtype=str)
        rows["path"] = [str(table.parent / path) for path in rows["path"]]
        if first is not None:
            rows.loc[0, "path"] = str(first)
        rows.assign(**columns).to_csv(tmp_path / "changed.tsv", sep="\t", index=False, na_rep="n/a")
        return tmp_path / "changed.tsv"

    return write


@pytest.fixture
def image(table, tmp_path):
    """Write an image on the maps' grid, or elsewhere."""
    like = nib.load(table.parent / "images" / "sub-01.nii.gz")

    def write(name, values=None, affine=None):
        values = np.ones(like.shape) if values is None else values(like.shape)
        nib.save(nib.Nifti1Image(np.asarray(values, "f4"), like.affine if affine is None else affine), tmp_path / name)
        return tmp_path / name

    return write


def one_line(told):
    """The last line, which is the only one that is red."""
    line = told.strip().splitlines()[-1]
    assert line.startswith("structural: ")
    return line


REFUSED = {
    "an unknown target": (("--targets", "agee"), "--targets agee", "there are age, diagnosis, memory", "images.tsv"),
    "an unknown score": (("--scores", "iq"), "--scores iq: there is no such column", "--covariates"),
    "an unknown confound": (("--confounds", "scanner"), "--confounds scanner: there is no such column"),
    "a score in words": (("--scores", "diagnosis"), "needs numbers", "control, patient"),
    "more folds than persons": (("--folds", "30"), "19 persons cannot be divided in 30 folds", "at most 19"),
    "a link that the target has not": (("--targets", "age", "--link", "logit"), "--targets age", "24 values"),
    "a mask that is not there": (("--mask", "no.nii"), "--mask no.nii: there is no such file"),
    "an atlas that is not there": (("--atlas", "no.nii"), "--atlas no.nii: there is no such file"),
    "a grid that is no image": (("--grid", __file__), "--grid", "cannot be read as a NIfTI image"),
    "voxels beyond the head": (("--resolution", "500"), "--resolution 500", "1×1×1 voxels", "2 to 8 are usual"),
    "voxels in metres": (("--resolution", "0.01"), "15600×19200×16800 voxels", "is it in mm?"),
    "a second modality of a table": (("--second", "suffix=boldmap"), "is a table", "--second-data"),
    "a second folder alone": (("--second-data", "."), "add it, such as --second suffix=boldmap"),
    "trials without a search": (("--trials", "3"), "belong to a search: give --search grid or optuna"),
    "a search's choice without it": (("--use-best",), "belong to a search"),
    "trials of a grid": (("--search", "grid", "--trials", "3"), "--trials is of --search optuna"),
    "an annealing too long": (("--annealing", "linear", "--annealing-steps", "600"), "600", "has 500 steps", "17 of"),
    "an annealing longer than a short training": (
        ("--annealing", "cyclical", "--annealing-steps", "9", "--max-epochs", "5"), "--annealing-steps 9", "has 5 steps"
    ),
    "steps of no annealing": (("--annealing-steps", "60"), "give --annealing linear, cyclical or sigmoid"),
    "a window larger than the images": (("--ssim-window", "31"), "are 13 voxels wide", "at most 13"),
    "a window without a centre": (("--ssim-window", "4"), "an odd number of voxels from 3 on"),
    "a window that a coarse grid is too small for": (
        ("--reconstruction", "dssim", "--resolution", "24"), "--ssim-window 11", "7 voxels wide", "finer grid"
    ),
    "more latents than training images": (("--latent-dim", "17"), "17 of the 24 images", "16 directions", "5 or less"),
    "too few persons": (("--participant-label", "01", "02", "03"), "3 person(s)", "15 at least"),
    "a person who is none": (("--participant-label", "99"), "no map of sub-99; there are sub-01"),
    "a session that is none": (("--session-label", "2"), "no session 2"),
    "networks of a table": (("--analyses", "networks"), "is no folder: give fMRIPrep's derivatives with --bold"),
    "visits that are none": (("--analyses", "longitudinal"), "--analyses longitudinal: no person has several visits"),
    "nothing to join": (("--analyses", "joint"), "--scores", "--second"),
    "nothing and something": (("--analyses", "none", "joint"), "--analyses none"),
    "no comparison and one": (("--compare", "none", "losses"), "--compare none"),
    "a number of persons of no download": (("--n-subjects", "5"), "--n-subjects is of oasis"),
    "covariates that are not there": (("--covariates", "no.tsv"), "no such table of covariates: no.tsv"),
    "a device that is not there": (("--device", "tpu"), "--device tpu"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_computed_is_refused_in_one_line(table, structural, wrong):
    arguments, *expected = REFUSED[wrong]
    status, told, out = structural(table, "out", *arguments)
    assert status == 2 and not out
    line = one_line(told)
    assert all(text in line for text in expected), line


COLUMNS = {
    "a target that does not vary": (["3"] * N, ("--targets", "x"), "'3.0' for all 24 persons", "that differs"),
    "a target of many words": ([f"w{i}" for i in range(N)], ("--targets", "x"), "24 values (w0, w1", "two classes"),
    "a target with few values": (["1", "2", "3"] + [None] * 21, ("--targets", "x"), "cannot be divided in 5 folds"),
    "a target with none": ([None] * N, ("--targets", "x"), "no value for any of the 24 images"),
    "a rare class": (["a"] * 3 + ["b"] * 21, ("--targets", "x"), "person(s) of class a and 5 folds", "fewer folds"),
    "a logarithm of less than 0": (range(-5, 19), ("--targets", "x", "--link", "log"), "below 0 (smallest -5)"),
    "a category of the test part alone": (["z", *"xy" * 11, "x"], ("--confounds", "x"), "x is 'z' only", "(sub-01)"),
    "a score that does not vary": (["1"] * N, ("--scores", "x"), "is 1 for all 17 training images: leave it out"),
    "a score of few persons": (["1", "2"] * 6 + [None] * 12, ("--scores", "x"), "of 17 training images: at least 10"),
    "a score with a word": ([*range(23), "x7"], ("--scores", "x"), "needs numbers", "x7"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", COLUMNS)
def test_columns_that_cannot_be_used_are_refused_in_one_line(changed, structural, wrong):
    values, arguments, *expected = COLUMNS[wrong]
    status, told, _ = structural(changed(x=list(values)), "out", *arguments)
    assert status == 2
    line = one_line(told)
    assert all(text in line for text in expected), line


def test_usual_targets_that_cannot_be_predicted_are_left_out_with_a_word(changed, structural):
    status, told, out = structural(changed(sex=["F"] * 23 + ["M"]), "out", "--dry-run")
    assert status == 0 and "targets: age\n" in out
    assert "no regression of sex: the target has 1 person(s) of class M" in told


def test_a_search_over_epochs_says_that_steps_do_not_limit_its_trials(table, structural):
    search = ("--dry-run", "--search", "optuna", "--search-over", "epochs")
    assert "--max-steps" not in structural(table, "out", *search)[1]
    status, told, _ = structural(table, "out", *search, "--max-steps", "60")
    assert status == 0 and "--search-over epochs: each trial takes its own epochs; --max-steps is of the other" in told


def test_masks_are_read_before_anything_runs(table, structural, image):
    cases = {
        image("empty.nii", np.zeros): "has no voxel",
        image("many.nii", lambda shape: np.ones((*shape, 3))): "3 volumes: one is needed",
        image("holes.nii", lambda shape: np.full(shape, np.nan)): "has no voxel",
        image("away.nii", affine=AWAY): "do not overlap",
    }
    for path, expected in cases.items():
        status, told, _ = structural(table, "out", "--mask", path)
        assert status == 2 and f"--mask {path}: " in one_line(told) and expected in told


def test_atlases_are_read_before_anything_runs(table, smriprep, structural, image, tmp_path):
    labels, none = "index\tname\n1\tA\n", None
    cases = {
        image("bare_dseg.nii"): (none, "no labels for the atlas", "bare_dseg.tsv beside it"),
        image("away_dseg.nii", affine=AWAY): (labels, "no region of it lies on the images' grid", "one space?"),
        image("odd_dseg.nii"): ("number\tregion\n1\tA\n", "has the columns number, region: index and name are needed"),
        image("shares_dseg.nii", lambda shape: np.full(shape, 0.4)): (labels, "values that are no integers"),
    }
    for path, (text, *expected) in cases.items():
        if text:
            path.with_suffix(".tsv").write_text(text)
        status, told, _ = structural(table, "out", "--atlas", path)
        line = one_line(told)
        assert status == 2 and f"--atlas {path}: " in line and all(part in line for part in expected), line
    other = image("tpl-MNIInfant_dseg.nii")
    other.with_suffix(".tsv").write_text(labels)
    status, told, _ = structural(smriprep, "out", "--atlas", other)
    assert status == 2 and "in the space MNIInfant, but the images are in MNI152NLin2009aSym" in one_line(told)


def test_a_grid_elsewhere(table, structural, image):
    status, told, _ = structural(table, "out", "--grid", image("away.nii", affine=AWAY))
    assert status == 2 and "does not overlap" in one_line(told) and "away.nii" in told


def test_images_on_different_grids_name_two_and_the_options(changed, structural, image):
    data = changed(first=image("larger.nii", lambda shape: np.ones((20, 20, 20))))
    status, told, _ = structural(data, "out")
    line = one_line(told)
    assert status == 2 and "23 of 24 differ" in line and "larger.nii has 20×20×20 voxels of 12" in line
    assert "--resolution" in line and "--grid" in line
    status, told, out = structural(data, "out", "--resolution", "14", "--dry-run")
    assert status == 0 and "images of 24 persons" in out


def test_headers_tell_of_images_that_are_left_out_and_the_rest_goes_on(changed, structural, image, tmp_path):
    (tmp_path / "text.nii").write_text("no image")
    (tmp_path / "empty.nii.gz").touch()
    cases = {
        image("series.nii", lambda shape: np.ones((*shape, 5))): "has 5 volumes, but one map a visit is needed",
        tmp_path / "text.nii": "cannot be read as a NIfTI image",
        tmp_path / "empty.nii.gz": "copy or download it again",
        tmp_path / "gone.nii": "line 2: there is no file",
    }
    for path, expected in cases.items():
        status, told, out = structural(changed(first=path), "out", "--dry-run")
        assert status == 1 and "23 images of 23 persons" in out
        assert "structural: sub-01: " in told and expected in told and path.name in told


def test_tables_that_are_none(table, structural, tmp_path):
    cases = {
        "a\tb\n1\t2\n": "no column of images (path, image, file); its columns: a, b",
        "path,age\na.nii,3\n": "has ',' and no tab between names",
        "": "cannot be read as a table",
        "path\tage\na.nii\t2\t3\n": "lines have more cells than the header has columns",
        "path\tage\n": "has a header but no row",
        "path\tage\na.nii\t3\n": "line 2: whose image is a.nii? Add a column participant_id",
    }
    for text, expected in cases.items():
        (tmp_path / "bad.tsv").write_text(text)
        status, told, _ = structural(tmp_path / "bad.tsv", "out")
        assert status == 2 and expected in one_line(told) and "bad.tsv" in told
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00\x01" * 20)
    status, told, _ = structural(tmp_path / "binary.tsv", "out")
    assert status == 2 and "cannot be read as a table" in one_line(told)
    status, told, _ = structural(table.parent / "images" / "sub-01.nii.gz", "out")
    assert status == 2 and "is no table: give a .tsv with a column path" in one_line(told)


def test_persons_twice_and_persons_without_covariates(table, changed, smriprep, structural, tmp_path):
    rows = pd.read_csv(changed(), sep="\t", dtype=str)
    pd.concat([rows, rows.iloc[:1]]).to_csv(tmp_path / "twice.tsv", sep="\t", index=False)
    status, told, _ = structural(tmp_path / "twice.tsv", "out")
    assert status == 2 and "lists sub-01 twice: keep one row, or tell visits apart" in one_line(told)
    (tmp_path / "few.tsv").write_text("participant_id\tage\nsub-01\t33\n")
    status, told, _ = structural(smriprep, "out", "--covariates", tmp_path / "few.tsv")
    assert status == 2 and "23 of 24 persons are in no table of covariates: sub-02" in one_line(told)
    (tmp_path / "who.tsv").write_text("who\tage\nsub-01\t33\n")
    status, told, _ = structural(smriprep, "out", "--covariates", tmp_path / "who.tsv")
    assert status == 2 and "no column participant_id, and its columns are who, age" in one_line(told)


def test_without_participants_the_latents_are_made_and_a_target_is_refused(smriprep, structural, tmp_path):
    alone = shutil.copytree(smriprep, tmp_path / "alone" / "deep" / "smriprep")
    status, told, out = structural(alone, "out", "--dry-run")
    assert status == 0 and "no participants.tsv was found" in told and "give a table with --covariates" in told
    assert "analyses: explained\n" in out
    status, told, _ = structural(alone, "out", "--targets", "age")
    assert status == 2 and "no table was found beside the data" in one_line(told)
    status, told, _ = structural(alone, "out", "--analyses", "regression")
    assert status == 2 and "--analyses regression: no participants.tsv was found" in one_line(told)


def test_maps_of_the_persons_own_space(smriprep, structural, tmp_path):
    own = shutil.copytree(smriprep, tmp_path / "own")
    for path in own.glob("sub-*/anat/*_space-*"):
        path.unlink()
    status, told, _ = structural(own, "out")
    assert status == 2 and "in each subject's own space" in one_line(told) and "--output-spaces" in told
    status, told, _ = structural(smriprep, "out", "--space", "T1w")
    assert status == 2 and "choose --space MNI152NLin2009aSym" in one_line(told)
    cat12 = write_volume_tree(tmp_path / "cat12", "cat12", 16)
    status, told, _ = structural(cat12, "out", "--kind", "p1")
    assert status == 2 and "each person's own space (p1*, c1*)" in one_line(told) and "mwp1" in told


def test_folders_without_maps(smriprep, structural, tmp_path):
    (tmp_path / "empty").mkdir()
    for data, expected in {
        tmp_path / "nothing": "does not exist; give a folder of derivatives or a table",
        tmp_path / "empty": "holds neither sub-* folders nor VBM maps (mwp1*.nii): give the folder",
        smriprep.parents[1]: f"(but these hold sub-*: {smriprep})",
    }.items():
        status, told, _ = structural(data, "out")
        assert status == 2 and expected in one_line(told) and str(data) in told
    for options, expected in (
        (("--kind", "grey"), "the kind 'grey' is not known: choose gm, wm"),
        (("--kind", "t2w"), "holds no map with suffix T2w, desc preproc; its images: "),
        (("--filter", "desc=smooth"), "desc smooth; its images: desc-brain_mask"),
        (("--space", "MNIInfant"), "no such map with space-MNIInfant; there is MNI152NLin2009aSym"),
        (("--analyses", "networks"), "holds no *_desc-preproc_bold.nii.gz"),
    ):
        status, told, _ = structural(smriprep, "out", *options)
        assert status == 2 and expected in one_line(told)


def test_a_second_modality_of_others_or_of_none(smriprep, structural, tmp_path):
    status, told, _ = structural(smriprep, "out", "--second", "suffix=boldmap")
    assert status == 2 and "--second: " in one_line(told) and "no map with suffix boldmap; its images:" in told
    other = write_volume_tree(tmp_path / "other", "fmriprep", 2)
    for path in sorted(other.rglob("sub-0*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.replace("sub-0", "sub-9")))
    status, told, _ = structural(smriprep, "out", "--second", "suffix=boldmap", "--second-data", other)
    line = one_line(told)
    assert (
        status == 2 and "2 such maps, none of a person and visit of the 24 images; they are of sub-91, sub-92" in line
    )


def test_data_are_never_written_to(smriprep, table, structural):
    for output in (smriprep / "sub-01" / "out", smriprep):
        status, told, _ = structural(smriprep, output)
        assert status == 2 and "lies inside the input" in one_line(told)
    status, told, _ = structural(smriprep, "out", "--work-dir", smriprep / "work")
    assert status == 2 and "give another with --work-dir" in one_line(told)
    status, told, _ = structural(table, table)
    assert status == 2 and "is a file; give another folder" in one_line(told)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--analyses", "trajectories"), "invalid choice: 'trajectories' (choose from"),
        (("--folds", "1"), "'1' is not a whole number from 2 on"),
        (("--second", "suffix:boldmap"), "'suffix:boldmap' is not ENTITY=VALUE, such as suffix=boldmap"),
        (("--latnet-dim", "3"), "unrecognized arguments: --latnet-dim"),
        (("--config", "no.toml"), "--config no.toml: cannot be read"),
    ],
)
def test_mistyped_options_are_named(table, structural, arguments, expected):
    status, told, _ = structural(table, "out", *arguments)
    assert status == 2 and expected in told.strip().splitlines()[-1]


def test_what_is_no_mistake_but_worth_a_word(table, smriprep, structural):
    status, told, _ = structural(table, "out", "--batch-size", "1000", "--dry-run")
    assert status == 0 and "17 of the 24 images are for training, so each batch holds them all" in told
    status, told, _ = structural(smriprep, "out", "--kind", "t1w", "--dry-run")
    assert status == 0 and "--normalization zscore is wanted" in told
    status, told, _ = structural(smriprep, "out", "--kind", "t1w", "--normalization", "zscore", "--dry-run")
    assert status == 0 and "wanted" not in told


def test_a_configuration_file_is_the_command_line(table, structural, tmp_path):
    (tmp_path / "mine.toml").write_text('compare = "none"\nanalyses = ["regression"]\ntargets = ["memory"]\nbeta = 3\n')
    status, told, out = structural(table, "out", "--config", "mine.toml", "--dry-run")
    assert status == 0 and "fits VAE KL β 3\n" in out and "targets: memory\n" in out
    (tmp_path / "mine.toml").write_text("latent_dims = 3\n")
    status, told, _ = structural(table, "out", "--config", "mine.toml")
    assert status == 2 and "unknown key 'latent_dims'; do you mean latent-dim?" in told


def test_networks_in_another_space_than_the_runs(structural, shared_data, tmp_path, image):
    data = shared_data / "derivatives" / "studyforrest"
    networks = ("--analyses", "networks")
    status, told, out = structural(data, "out", *networks, "--dry-run")
    assert status == 0 and "sub-02: " in out
    assert "the runs of sub-02 lie in the subject's own space, where no template's networks are" in told
    atlas = image("tpl-MNI152NLin2009cAsym_atlas-Yeo_dseg.nii.gz")
    (tmp_path / "tpl-MNI152NLin2009cAsym_atlas-Yeo_dseg.tsv").write_text("index\tname\n1\tA\n")
    status, told, _ = structural(data, "out", *networks, "--networks-atlas", atlas)
    line = one_line(told)
    assert status == 2 and "in the space MNI152NLin2009cAsym, but the runs of sub-02 are in T1w" in line
    status, told, _ = structural(data, "out", *networks, "--networks-atlas", image("bare_dseg.nii.gz"))
    assert status == 2 and "no labels for the atlas" in one_line(told)
    status, told, _ = structural(data, "out", *networks, "--task-id", "rest")
    assert status == 2 and "structural: sub-02: no run fits; found were" in told
    status, told, _ = structural(data, "out", *networks, "--participant-label", "09")
    assert status == 2 and "of sub-09; there is that of sub-02" in one_line(told)
