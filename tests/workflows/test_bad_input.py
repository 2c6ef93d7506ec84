"""What a lab meets at the command line when its input is not what finn needs: a line that says what to do, never less.

Trees of a few voxels are made on the spot. What is wrong with names, headers and options comes out while planning, in
plain lines; what only the data show fails that subject's step, with its traceback, and keeps nothing from the others.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.workflows import finn_program
from pydra_vae.workflows.finn_program import run_finn

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "workflows" / "finn.py"
PLAIN = ("--atlas", "none")
SPACE = "MNI152NLin2009cAsym"
GRID = np.diag([3.0, 3.0, 3.0, 1.0])
FRAMES = 40
DUMMIES = 3


def series(shape=(6, 6, 6), frames=FRAMES, mean=1000.0, seed=0):
    """Three sources mixed in every voxel, noise, and a mean."""
    rng = np.random.default_rng(seed)
    sources = np.stack([np.sin(np.arange(frames) / period) for period in (3, 5, 7)])
    noise = 5 * rng.normal(size=(*shape, frames))
    return (mean + 20 * rng.normal(size=(*shape, 3)) @ sources + noise).astype(np.float32)


def save(path, data, affine=GRID, t_r=None):
    image = nib.Nifti1Image(data, affine)
    if t_r is not None and data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def add_run(tree, sub="01", task="rest", run=None, space=SPACE, data=None, affine=GRID, t_r=2.0, json_t_r=None,
            mask=True, confounds=None):  # fmt: skip
    """One run as fMRIPrep leaves it; `mask` may be another array or affine."""
    stem = f"sub-{sub}_task-{task}" + (f"_run-{run}" if run else "")
    func = tree / f"sub-{sub}" / "func"
    data = series() if data is None else data
    bold = save(func / f"{stem}_space-{space}_desc-preproc_bold.nii.gz", data, affine, t_r)
    if json_t_r or t_r:
        bold.with_name(bold.name.replace(".nii.gz", ".json")).write_text(
            json.dumps({"RepetitionTime": json_t_r or t_r})
        )
    if mask is not None:
        values = np.ones(data.shape[:3] if mask is True else mask[0], np.uint8)
        save(func / f"{stem}_space-{space}_desc-brain_mask.nii.gz", values, affine if mask is True else mask[1])
    if confounds is not None:
        table = func / f"{stem}_desc-confounds_timeseries.tsv"
        pd.DataFrame(confounds).to_csv(table, sep="\t", index=False, na_rep="n/a")
    return bold


def confounds(frames=FRAMES, moved=()):
    """fMRIPrep's columns for nilearn's simple strategy; the first frame is not in the steady state."""
    rng = np.random.default_rng(1)
    table = {}
    for name in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "white_matter", "csf"):
        values = rng.normal(size=frames)
        change = np.r_[np.nan, np.diff(values)]
        table |= {name: values, f"{name}_derivative1": change, f"{name}_power2": values**2}
        table[f"{name}_derivative1_power2"] = change**2
    table["framewise_displacement"] = [np.nan, *(2.0 if t in moved else 0.1 for t in range(1, frames))]
    table["std_dvars"] = [np.nan] + [1.0] * (frames - 1)
    table["non_steady_state_outlier00"] = [1] + [0] * (frames - 1)
    table["cosine00"] = np.cos(np.pi * (np.arange(frames) + 0.5) / frames)
    return table


@pytest.fixture
def tree(tmp_path):
    """An empty derivatives folder."""
    return described(tmp_path / "fmriprep")


def described(folder):
    folder.mkdir(parents=True)
    content = {"Name": "toy", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    content["GeneratedBy"] = [{"Name": "fMRIPrep"}]
    (folder / "dataset_description.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def finn(tmp_path, capsys, monkeypatch):
    """Run the program here, where it should stop before it computes: its status and what it wrote to stderr, stdout."""
    monkeypatch.chdir(tmp_path)

    def never(*args, **kwargs):
        raise AssertionError("a run was started")

    monkeypatch.setattr(finn_program, "run", never)

    def call(*arguments):
        try:
            status = run_finn([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return status, told.err, told.out

    return call


@pytest.fixture
def refused(finn, tmp_path):
    """Expect the program to stop with status 2 and one message that has all these parts, on unfolded lines."""

    def call(arguments, *parts):
        status, told, _ = finn(*arguments)
        assert status == 2, told
        for part in parts:
            assert str(part) in told
        assert not (tmp_path / "work").exists()
        return told

    return call


# ---- while planning ------------------------------------------------------------------------------


def test_no_derivatives_there(refused, tree, tmp_path):
    out = tmp_path / "out"
    refused((tmp_path / "nothing", out, "participant"), "nothing does not exist", "give the folder that holds sub-*")
    file = tmp_path / "file"
    file.write_text("")
    refused((file, out, "participant"), "file is a file")
    refused((tree, out, "participant"), f"{tree} holds no sub-* folder", "give fMRIPrep's output folder")
    add_run(tmp_path / "outer" / "derivatives" / "fmriprep")
    refused((tmp_path / "outer", out, "participant"), "(but these do: ", "outer/derivatives/fmriprep)")


def test_not_a_derivatives_folder(refused, tmp_path):
    raw = tmp_path / "raw"
    save(raw / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz", series())
    (raw / "dataset_description.json").write_text('{"Name": "raw", "DatasetType": "raw"}')
    refused((raw, tmp_path / "out", "participant"), f"not a derivatives folder: {raw}", "DatasetType: raw")


def test_output_that_cannot_be_written(refused, tree, tmp_path):
    add_run(tree)
    file = tmp_path / "file"
    file.write_text("")
    for output in (file, file / "below"):
        refused((tree, output, "participant", *PLAIN), f"{output} cannot be made: {file} is a file; give another")
    for output in (tree, tree / "results"):
        refused((tree, output, "participant", *PLAIN), f"{output} lies inside the input {tree}", "give a folder beside")
    assert not (tree / "results").exists()


def test_output_of_another_program(refused, tree, tmp_path):
    add_run(tree)
    other = described(tmp_path / "other")
    refused((tree, other, "participant", *PLAIN), "holds a dataset of fMRIPrep", "give a folder of its own")


def test_work_folder_in_the_input_or_on_the_results(refused, tree, tmp_path, monkeypatch):
    add_run(tree)
    out = tmp_path / "out"
    for work in (tree, tree / "work"):
        arguments = (tree, out, "participant", *PLAIN, "--work-dir", work)
        refused(arguments, f"{work} lies inside the input", "give another with --work-dir")
    refused((tree, out, "participant", *PLAIN, "--work-dir", out), "is the output folder itself")
    (tmp_path / "file").write_text("")
    refused((tree, out, "participant", *PLAIN, "--work-dir", tmp_path / "file"), "file is a file")
    monkeypatch.chdir(tree)  # the default is ./work
    refused((".", out, "participant", *PLAIN), "lies inside the input")
    assert sorted(path.name for path in tree.iterdir()) == ["dataset_description.json", "sub-01"]


def test_unknown_subject_and_session(refused, tree, tmp_path):
    add_run(tree)
    add_run(tree, "02")
    arguments = (tree, tmp_path / "out", "participant", *PLAIN)
    refused((*arguments, "--participant-label", "sub-09"), f"unknown participant: 09; {tree} has 01, 02")
    refused((*arguments, "--session-label", "x"), "unknown session: x", "has none")


def test_a_device_that_is_not_there(refused, tree, tmp_path):
    add_run(tree)
    arguments = (tree, tmp_path / "out", "participant", *PLAIN, "--device")
    refused((*arguments, "cuda:77"), "--device cuda:77: device 'cuda:77' is not there", "Give one of these, or auto")
    refused((*arguments, "gpu"), "device 'gpu' is not known: give auto, cpu, cuda, cuda:N")


@pytest.mark.parametrize(
    ("second", "parts"),
    [
        ({"t_r": 1.5}, ("run-2_", "has TR = 1.5 s", "run-1_", "has 2 s", "choose runs with --task-id or --run")),
        ({"data": series((6, 6, 5))}, ("run-2_", "has 6×6×5 voxels", "run-1_", "6×6×6", "resample one")),
        ({"affine": np.diag([3, 3, 3.2, 1])}, ("run-2_", "other affines (largest difference 0.2)", "resample one")),
        ({"space": "T1w"}, (f"run-2 is not there in {SPACE}, only in T1w", "choose with --space")),
    ],
    ids=["tr", "grid", "affine", "space"],
)
def test_runs_of_one_subject_that_differ(refused, tree, tmp_path, second, parts):
    add_run(tree, run=1)
    add_run(tree, run=2, **second)
    refused((tree, tmp_path / "out", "participant", *PLAIN), "sub-01: ", *parts)


def test_several_spaces_or_tasks_are_listed(refused, tree, tmp_path):
    arguments = (tree, tmp_path / "out", "participant", *PLAIN)
    for space in ("T1w", "MNI152NLin6Asym"):
        add_run(tree, "01", space=space)
    for task in ("story", "rest"):
        add_run(tree, "02", task)
    told = refused(arguments, "sub-01: several spaces", "--space MNI152NLin6Asym | T1w")
    assert "sub-02: several tasks: choose with --task-id rest story" in told
    refused((*arguments, "--participant-label", "02", "--task-id", "movie"), "no run fits", "sub-02_task-story_")


@pytest.mark.parametrize(
    ("run", "parts"),
    [
        ({"json_t_r": 2.5}, ("says TR = 2 s", "_bold.json says RepetitionTime = 2.5 s", "correct the one")),
        ({"t_r": 0}, ("no repetition time: the header of", "write one into its .json")),
        ({"data": series(frames=20)}, ("has 20 volumes: at least 32 are needed",)),
        ({"data": series()[..., 0]}, ("has 1 volume: at least 32",)),
        ({"mask": ((6, 6, 5), GRID)}, ("desc-brain_mask.nii.gz has 6×6×5 voxels, but ", "has 6×6×6: resample one")),
        ({"mask": ((6, 6, 6), 2 * GRID)}, ("desc-brain_mask.nii.gz and ", "other affines (largest difference 3)")),
        ({"mask": None}, ("there is no brain mask", "give --mask FILE, or an --atlas")),
        ({"confounds": confounds(39)}, ("_timeseries.tsv has 39 rows, but the BOLD has 40 volumes",)),
    ],
    ids=["header-against-sidecar", "no-tr", "short", "one-volume", "mask-shape", "mask-affine", "no-mask", "confounds"],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_run_that_does_not_fit_is_found_in_its_headers(refused, tree, tmp_path, run, parts, dry):
    add_run(tree, **run)
    refused((tree, tmp_path / "out", "participant", *PLAIN, *dry), "finn: sub-01: ", *parts)


def test_no_confounds_where_they_are_asked_for(refused, tree, tmp_path):
    bold = add_run(tree)
    for option in (("--confounds", "simple"), ("--fd-threshold", "0.5")):
        arguments = (tree, tmp_path / "out", "participant", *PLAIN, *option)
        refused(arguments, f"there is no confounds table for {bold}", "leave these options out")


def test_a_given_mask(refused, finn, tree, tmp_path):
    add_run(tree)
    arguments = (tree, tmp_path / "out", "participant", *PLAIN, "--dry-run", "--mask")
    refused((*arguments, tmp_path / "gone.nii.gz"), "gone.nii.gz: there is no such file")
    half = np.zeros((6, 6, 6), np.uint8)
    half[:3] = 1
    status, _, told = finn(*arguments, save(tmp_path / "half.nii.gz", half))
    assert status == 0
    assert "108 voxels, from the mask file" in told
    moved = save(tmp_path / "moved.nii.gz", half, np.diag([3, 3, 4, 1]))
    refused((*arguments, moved), f"the mask {moved} and ", "other affines", "resample one to the other's grid")
    empty = save(tmp_path / "empty.nii.gz", np.zeros((6, 6, 6), np.uint8))
    refused((*arguments, empty), f"the mask {empty} has no voxel")


def test_a_mean_image_on_another_grid(refused, tree, tmp_path):
    add_run(tree)
    mean = save(tmp_path / "mean.nii.gz", np.full((6, 6, 5), 900, np.float32))
    arguments = (tree, tmp_path / "out", "participant", *PLAIN, "--mean-image", mean)
    refused(arguments, f"the mean image {mean} has 6×6×5 voxels, but ", "has 6×6×6: resample one")


def atlas(folder, name="my", labels=(1, 2), affine=GRID):
    values = np.ones((6, 6, 6), np.int16)
    values[3:] = 2
    dseg = save(folder / f"{name}_dseg.nii.gz", values, affine)
    if labels:
        table = pd.DataFrame({"index": labels, "name": [f"area {n}" for n in labels]})
        table.to_csv(folder / f"{name}_dseg.tsv", sep="\t", index=False)
    return dseg


def test_an_atlas_of_one_s_own(refused, finn, tree, tmp_path):
    add_run(tree)
    arguments = (tree, tmp_path / "out", "participant", "--dry-run", "--atlas")
    status, _, told = finn(*arguments, atlas(tmp_path))
    assert status == 0
    assert "216 voxels, from the atlas" in told
    other = atlas(tmp_path, "space-MNI152NLin6Asym_atlas-my")
    refused((*arguments, other), f"the atlas {other} is in the space MNI152NLin6Asym, but the BOLD is in {SPACE}")
    bare = atlas(tmp_path, "bare", labels=())
    refused((*arguments, bare), f"no labels for the atlas {bare}: put a table bare_dseg.tsv beside it")
    refused((*arguments, atlas(tmp_path, "less", labels=(1,))), "holds labels that", "does not list: 2")
    far = np.diag([3.0, 3, 3, 1])
    far[:3, 3] = 1000
    refused((*arguments, atlas(tmp_path, "far", affine=far)), "no parcel of the atlas", "Give --atlas FILE")
    refused((*arguments, tmp_path / "gone_dseg.nii.gz"), "no such atlas file")


def test_an_atlas_that_cannot_be_fetched(refused, tree, tmp_path, monkeypatch):
    from pydra_vae.images import atlases

    def unreachable(*args):
        raise ConnectionError("a long story of the libraries") from OSError(-2, "Name or service not known")

    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))
    monkeypatch.setattr(atlases, "_download", unreachable)
    for sub in ("01", "02"):
        add_run(tree, sub)
    told = refused(
        (tree, tmp_path / "out", "participant"),
        "sub-01, sub-02: TemplateFlow's Schaefer2018",
        "could not be fetched (OSError: [Errno -2] Name or service not known)",
        f"  tpl-{SPACE}_res-02_atlas-Schaefer2018_desc-200Parcels17Networks_dseg.nii.gz\n",
        "With a network: python -c",
        "or --atlas none for the brain mask",
    )
    assert told.count("TEMPLATEFLOW_HOME") == 1  # once, not for each subject
    native = described(tmp_path / "native")
    add_run(native, space="T1w")
    refused((native, tmp_path / "out", "participant"), "lies in template spaces, but the BOLD is in T1w", "--space")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--emse-frame", "40"), ("--emse-frame 40: its runs have 40 frames", "up to 39")),
        (("--latent-dim", "40"), ("--latent-dim 40: its runs have 40 frames",)),
        (("--high-pass", "-1"), ("argument --high-pass: '-1' is not a number from 0 on",)),
        (("--smoothing-fwhm", "wide"), ("argument --smoothing-fwhm: 'wide' is not a number",)),
        (("--max-steps", "many"), ("argument --max-steps: 'many' is not a whole number from 1 on",)),
        (("--mixing", "3"), ("argument --mixing: '3' is not a share between 0 and 1",)),
        (("--dummy-scans", "-1"), ("argument --dummy-scans: '-1' is not a whole number of frames",)),
        (("--seed", "x"), ("argument --seed: 'x' is not",)),
        (("--network", "huge"), ("invalid choice: 'huge'", "'lk', 'paper', 'dense'")),
        (("--nonsense",), ("unrecognized arguments: --nonsense",)),
        (("--split", "parcel"), ("sub-01: --split parcel needs parcels: give --atlas",)),
        (("--mean-image", "gone.nii.gz"), ("sub-01: no such image: gone.nii.gz",)),
        (("--model", "gone.safetensors"), ("gone.safetensors is not there", "with its .json beside it")),
    ],
    ids=lambda value: value[0].strip("-") if value[0].startswith("--") else "",
)
def test_options_that_cannot_be(refused, tree, tmp_path, options, parts):
    add_run(tree)
    told = refused((tree, tmp_path / "out", "participant", *PLAIN, *options), *parts)
    assert len(told.splitlines()) <= 6  # the message is not lost below pages of usage


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"latent-dims = 4", ("unknown key 'latent-dims'; do you mean latent-dim?", "--help")),
        (b"[fit]\nmax-steps = 3", ("unknown key 'fit'", "no [section]")),
        (b'max-steps = "many"', ("--max-steps: 'many' is not a whole number",)),
        (b'dry-run = "yes"', ("dry-run is a switch: write true or false",)),
        (b"[x", ("not valid TOML",)),
        (b"\xff\xfe", ("not UTF-8 text",)),
        (None, ("cannot be read: No such file",)),
    ],
)
def test_a_bad_config(refused, tree, tmp_path, text, parts):
    config = tmp_path / "finn.toml"
    if text is not None:
        config.write_bytes(text)
    refused((tree, tmp_path / "out", "participant", "--config", config), f"--config {config}: ", *parts)


@pytest.mark.parametrize("order", [
    "{d} {o} participant --participant-label 02 --dry-run --atlas none",
    "--participant-label 02 --dry-run --atlas none {d} {o} participant",
    "--atlas none --dry-run --participant-label 02 {d} {o} participant",
    "{d} {o} --dry-run --atlas none --participant-label 02 participant",
    "{d} --participant_label sub-02 {o} participant --dry-run --atlas=none",
    "{d} --dry-run --task-id rest --atlas none {o} participant --participant-label 02",
])  # fmt: skip
def test_positionals_stand_anywhere(finn, tree, tmp_path, order):
    add_run(tree)
    add_run(tree, "02")
    status, told, out = finn(*order.format(d=tree, o=tmp_path / "out").split())
    assert status == 0, told
    assert out.startswith("sub-02: 1 run(s), 40 frames, TR 2.0 s")
    assert "sub-01" not in out
    assert list(tmp_path.iterdir()) == [tree]  # no demo, no output, no work


def test_a_missing_word_is_no_demo(refused, tree, tmp_path):
    add_run(tree)
    refused((tree, tmp_path / "out"), "participant or group belong together")
    refused((tree, tmp_path / "out", "particpant"), "invalid choice: 'particpant'")
    assert list(tmp_path.iterdir()) == [tree]


def test_tasks_are_joined_in_the_order_given(finn, tree, tmp_path):
    for task, frames in (("a", 40), ("b", 50)):
        add_run(tree, task=task, data=series(frames=frames))
    status, _, told = finn(tree, tmp_path / "out", "participant", *PLAIN, "--dry-run", "--task-id", "b", "a")
    assert status == 0
    assert "sub-01: 2 run(s), 90 frames" in told
    assert told.index("task-b_space") < told.index("task-a_space")
    assert "sub-01_task-b+a_space" in told


def test_one_bad_subject_does_not_keep_a_dry_run_from_the_others(finn, tree, tmp_path):
    add_run(tree, "01", mask=((6, 6, 5), GRID))
    add_run(tree, "02")
    status, told, out = finn(tree, tmp_path / "out", "participant", *PLAIN, "--dry-run", "--preset", "paper")
    assert status == 1
    assert "sub-01: the mask" in told
    assert "sub-02: 1 run(s)" in out
    assert "sub-01" not in out


def test_haxby_is_joined_to_1452_frames(finn, shared_data, tmp_path):
    haxby = shared_data / "derivatives" / "haxby"
    status, _, told = finn(haxby, tmp_path / "out", "participant", *PLAIN, "--dry-run")
    assert status == 0
    assert "sub-01: 12 run(s), 1452 frames, TR 2.5 s" in told
    assert told.count("desc-denoised_bold.nii.gz") == 12
    assert told.index("run-9_space") < told.index("run-10_space")


def test_group_with_nothing_there(refused, tree, tmp_path):
    add_run(tree)
    out = tmp_path / "out"
    refused((tree, out, "group"), f"{out} does not exist: run the participant level into it first")
    assert not out.exists()
    out.mkdir()
    refused((tree, out, "group"), f"{out} holds no ", "run the participant level into it first")


# ---- while running -------------------------------------------------------------------------------


def program(*arguments, cwd, command=(sys.executable, str(SCRIPT)), before=""):
    """Run the program as a process of its own; `before` is shell that limits it."""
    line = " ".join([before, *map(str, command), *map(str, arguments)])
    done = subprocess.run(
        ["bash", "-c", line], cwd=cwd, capture_output=True, text=True, timeout=120, env=os.environ | {"COLUMNS": "200"}
    )
    assert "no running event loop" not in done.stderr  # the failure's own traceback, and nothing before it
    return done


PAPER = ("--network", "paper", "--recipe", "paper", "--max-epochs", "2")
LAB = (*PLAIN, *PAPER, "--split", "both", "--high-pass", "0.01", "--dummy-scans", str(DUMMIES), "--n-procs", "2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Five subjects, of which one is damaged, one empty and one too short; what came out, and the printed text."""
    folder = tmp_path_factory.mktemp("lab")
    tree = described(folder / "fmriprep")
    holes = series()
    holes[0, 0, 0] = 5
    holes[1, 1, 1, 20] = np.nan
    holes[2, 2, 2, 20] = np.inf
    add_run(tree, "01", data=holes)
    truncated = add_run(tree, "02")
    truncated.write_bytes(truncated.read_bytes()[:-20_000])
    residual = series((12, 12, 12), mean=0)
    add_run(tree, "03", data=residual, affine=np.diag([12.0, 12, 12, 1]))
    add_run(tree, "04", data=np.full((6, 6, 6, FRAMES), 7, np.float32))
    add_run(tree, "05", data=series(frames=20))
    done = program(tree, "out", "participant", *LAB, cwd=folder)
    return folder, tree, done


def result(folder, sub, end):
    (path,) = (folder / "out" / f"sub-{sub}" / "func").glob(f"*_{end}")
    return path


def test_bad_subjects_do_not_keep_the_others_from_being_delivered(lab):
    folder, _, done = lab
    assert done.returncode == 1
    assert "2 subject(s) delivered" in done.stderr
    assert "2 subject(s) failed: " in done.stderr
    assert "1 subject(s) not started, see the top: sub-05" in done.stderr
    assert sorted(path.name for path in (folder / "out").glob("sub-*")) == [
        "sub-01", "sub-01.html", "sub-03", "sub-03.html"
    ]  # fmt: skip


def test_a_truncated_file_is_named_with_the_volume(lab):
    _, tree, done = lab
    assert "sub-02  MaskBold  failed:" in done.stderr
    text = done.stderr[done.stderr.index("sub-02  MaskBold  failed:") :]
    assert "Traceback" not in done.stderr  # -v shows it
    assert f"{tree}/sub-02/func/sub-02_task-rest_space-{SPACE}_desc-preproc_bold.nii.gz is truncated or dam" in text
    assert "of 40 cannot be read" in text
    assert "copy or download it again" in text
    crash = text[text.index("crash file: ") :].splitlines()[0].removeprefix("crash file: ")
    crash = Path(crash.removesuffix(" (-v shows the traceback)")).read_text()
    assert "is truncated or damaged" in crash and "Traceback (most recent call last):" in crash


def test_constant_data_are_told(lab):
    _, _, done = lab
    assert "none of the 216 voxels of" in done.stderr
    assert "0 hold NaN or infinite values, 216 are constant over time" in done.stderr


def test_dropped_voxels_are_back_in_the_denoised_image(lab):
    folder, tree, _ = lab
    before = nib.load(next(tree.glob("sub-01/func/*_bold.nii.gz")))
    after = nib.load(result(folder, "01", "desc-denoised_bold.nii.gz"))
    assert after.shape == before.shape
    x, y = before.get_fdata(), after.get_fdata()
    for voxel in ((0, 0, 0), (1, 1, 1), (2, 2, 2)):
        assert np.array_equal(x[voxel], y[voxel], equal_nan=True)
    kept = np.isfinite(x).all(axis=3) & (np.ptp(x, axis=3) > 0)
    assert kept.sum() == 213
    assert not np.allclose(x[kept], y[kept])
    page = (folder / "out" / "sub-01.html").read_text()
    assert "1 constant voxel and 2 not finite voxels" in page


def test_dummy_scans_are_listed(lab):
    folder, _, _ = lab
    frames = pd.read_csv(result(folder, "01", "desc-cvae_frames.tsv"), sep="\t", keep_default_na=False)
    assert list(frames["weight"]) == [0] * DUMMIES + [1] * (FRAMES - DUMMIES)
    assert set(frames["reason"][:DUMMIES]) == {"dummy"}


def test_a_mask_too_small_for_blocks_has_one_line_why(lab):
    folder, _, _ = lab
    assert "No blocked split: it needs at least 20 blocks" in (folder / "out" / "sub-01.html").read_text()
    assert set(metrics(folder, "01")["split"]) == {"random"}
    assert "No blocked split" not in (folder / "out" / "sub-03.html").read_text()
    blocked = metrics(folder, "03").query("split == 'blocked'")
    assert "cvae" in set(blocked["model"])


def metrics(folder, sub):
    return pd.read_csv(result(folder, sub, "desc-cvae_metrics.tsv"), sep="\t", na_values="n/a")


def test_residuals_are_measured_in_scaled_units(lab):
    folder, _, _ = lab
    for sub, units in (("01", "scanner"), ("03", "scaled")):
        table = metrics(folder, sub).set_index(["split", "model"])
        assert table.loc[("random", "cvae"), "units"] == units
    parameters = json.loads(result(folder, "03", "desc-cvae_model.json").read_text())
    assert (parameters["network"], parameters["scaling"]["residual"]) == ("paper", True)


def test_the_command_and_the_script_share_the_cache(lab, tmp_path):
    folder, tree, _ = lab
    command = (sys.executable, "-m", "pydra_vae.cli") if shutil.which("pydra-vae") is None else ("pydra-vae",)
    arguments = ("finn", tree, tmp_path / "out", "participant", *LAB, "--participant-label", "01", "--work-dir",
                 folder / "work")  # fmt: skip
    done = program(*arguments, cwd=tmp_path, command=command)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stderr.splitlines() if line.startswith(("MakeMask ", "FitCvae ", "Subject"))]
    assert len(rows) >= 4
    assert all(row[1] == "0" and int(row[2]) > 0 for row in rows)


def test_a_disk_that_fills_up_leaves_nothing_half_written(lab, tmp_path):
    folder, tree, _ = lab
    arguments = (tree, tmp_path / "out", "participant", *LAB, "--participant-label", "01")
    arguments += ("--work-dir", folder / "work")
    done = program(*arguments, cwd=tmp_path, before="ulimit -f 20;")  # KiB; the work folder has it all
    assert done.returncode == 1
    assert "File too large: free space or raise the limit; nothing was kept under this name" in done.stderr
    assert f"{tmp_path}/out/sub-01/func/sub-01_task-rest_space-{SPACE}_desc-" in done.stderr
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    for path in written:
        whole = folder / "out" / path.relative_to(tmp_path / "out")
        told = path.suffix in (".json", ".toml")  # which tell of this run, not of the lab's
        assert told or path.read_bytes() == whole.read_bytes()
    done = program(*arguments, cwd=tmp_path)  # space has been made
    assert done.returncode == 0
    assert (tmp_path / "out" / "sub-01.html").is_file()


def test_a_disk_that_fills_up_in_a_step_is_told(tree, tmp_path):
    add_run(tree, data=series((12, 12, 12)))
    done = program(tree, tmp_path / "out", "participant", *PLAIN, cwd=tmp_path, before="ulimit -f 100;")
    assert done.returncode == 1
    assert "free space or raise the limit; nothing was kept under this name: '" in done.stderr
    assert "series.npy" in done.stderr
    assert not list((tmp_path / "work").rglob("series.npy"))


@pytest.fixture(scope="module")
def outputs_only(lab, tmp_path_factory):
    """The lab's results as another machine gets them."""
    target = tmp_path_factory.mktemp("copy") / "out"
    shutil.copytree(lab[0] / "out", target, copy_function=shutil.copy2)
    return target


def test_group_after_the_work_folder_is_gone_and_with_an_incomplete_subject(lab, outputs_only, tmp_path):
    _, tree, _ = lab
    out = shutil.copytree(outputs_only, tmp_path / "out")
    for sub, name in (("06", "metrics.tsv"), ("07", "model.safetensors")):
        func = out / f"sub-{sub}" / "func"
        func.mkdir(parents=True)
        (func / f"sub-{sub}_task-rest_desc-cvae_{name}").write_text("junk\n")
    done = program(tree, out, "group", "--analyses", "none", cwd=tmp_path)
    assert done.returncode == 1
    assert "sub-06: missing in " in done.stderr
    assert "model (sub-06_task-rest_desc-cvae_model.safetensors)" in done.stderr
    assert "sub-07: missing in " in done.stderr
    assert "metrics (sub-07_task-rest_desc-cvae_metrics.tsv)" in done.stderr
    assert done.stderr.count("run its participant level again") == 2
    assert "group of 2" in done.stderr
    table = pd.read_csv(out / "group_desc-cvae_metrics.tsv", sep="\t")
    assert set(table["participant_id"]) == {"sub-01", "sub-03"}
    assert "Traceback" not in done.stderr


def test_an_analysis_of_the_group_that_fails_is_named_and_the_rest_delivered(lab, outputs_only, tmp_path):
    folder, tree, _ = lab
    out = shutil.copytree(outputs_only, tmp_path / "out")
    # their fields of view hardly meet: what needs common voxels says so, and keeps nothing else from ending
    arguments = ("group", "--analyses", "transfer", "statistics", "--work-dir", folder / "work")
    done = program(tree, out, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    reason = "only 8 voxels are shared by all 2 subjects"
    assert "intersubject  IntersubjectCorrelation  failed:" in done.stderr
    assert reason in done.stderr and "or give one mask for all" in done.stderr
    assert "group of 2" in done.stderr
    assert set(pd.read_csv(out / "group_desc-cvae_metrics.tsv", sep="\t")["participant_id"]) == {"sub-01", "sub-03"}
    assert (out / "group_desc-cvae_transfer.tsv").is_file() and (out / "group_desc-cvae_tests.tsv").is_file()
    assert not (out / "group_desc-cvae_isc.tsv").exists()
    page = (out / "index.html").read_text()
    assert "intersubject failed" in page and reason in page


def test_group_with_a_table_that_is_none(lab, outputs_only, refused, tmp_path):
    out = shutil.copytree(outputs_only, tmp_path / "out")
    for table in out.rglob("*_desc-cvae_metrics.tsv"):
        table.write_text("junk\n")
    refused((lab[1], out, "group"), "_desc-cvae_metrics.tsv is no table of metrics", "run its participant level again")


@pytest.fixture
def model(outputs_only):
    (path,) = outputs_only.glob("sub-01/func/*_desc-cvae_model.safetensors")
    return path


def test_a_model_for_other_data_is_refused(refused, lab, model, tree, tmp_path):
    add_run(tree)
    add_run(tree, "02", data=series(frames=50))
    arguments = (tree, tmp_path / "out", "participant", *PLAIN, "--model", model)
    told = refused((*arguments, "--participant-label", "02"), f"--model {model} was fitted on 40 frames")
    assert "its runs have 50" in told
    refused((*arguments, "--normalize", "zscore"), "was fitted on data scaled by minmax", "give --normalize minmax")
    scaling = next(model.parent.glob("*_scaling.safetensors"))
    refused((*arguments[:-1], scaling), "_scaling.json is not the model.json of a fitted CVAE")
    refused((*arguments[:-1], model.with_suffix(".json")), "give the *_model.safetensors")


def test_a_model_reads_new_runs_without_fitting(lab, model, tree, tmp_path):
    add_run(tree, "01", confounds=confounds(moved=(20, 30)), data=series(seed=5))
    few = {name: confounds()[name] for name in ("trans_x", "framewise_displacement")}
    add_run(tree, "02", confounds=few)
    add_run(tree, "03", confounds=confounds(), data=series((5, 6, 6)))
    cleaning = ("--confounds", "simple", "--fd-threshold", "0.5", "--smoothing-fwhm", "4")
    done = program(tree, "out", "participant", *PLAIN, "--model", model, *cleaning, "--n-procs", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 subject(s) delivered" in done.stderr
    assert "FitCvae" not in done.stderr
    assert result(tmp_path, "01", "desc-cvae_latents.nii.gz").is_file()
    frames = pd.read_csv(result(tmp_path, "01", "desc-cvae_frames.tsv"), sep="\t", keep_default_na=False)
    assert dict(frames.query("weight == 0")[["frame", "reason"]].to_numpy()) == {
        0: "non_steady_state", 20: "scrub", 30: "scrub"
    }  # fmt: skip
    # columns that the strategy needs, and a mask that is not the model's, are seen in the data only
    assert "does not hold what the strategy simple needs" in done.stderr
    assert "its columns are: trans_x, framewise_displacement. Choose another --confounds" in done.stderr
    assert "the model's of 6×6×6: give the mask that the model was fitted in (--mask" in done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--confounds", "scrubbing"), "does not hold what the strategy scrubbing needs"),
        (("--dummy-scans", "10"), "are left after censoring (dummy 10): at least 32 are needed"),
    ],
    ids=["missing-columns", "too-few-frames"],
)
def test_cleaning_that_cannot_be(tree, tmp_path, options, part):
    add_run(tree, confounds={"trans_x": np.zeros(FRAMES)})
    done = program(tree, "out", "participant", *PLAIN, *options, "--n-procs", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert part in done.stderr
    assert "sub-01  MaskBold  failed:" in done.stderr


@pytest.mark.slow
def test_haxby_comes_back_run_by_run(shared_data, tmp_path):
    haxby = shared_data / "derivatives" / "haxby"
    done = program(haxby, "out", "participant", *PLAIN, "--network", "dense", "--max-steps", "30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for n in range(1, 13):
        name = f"sub-01_task-objectviewing_run-{n}_space-T1w_desc-{{}}_bold.nii.gz"
        before = nib.load(haxby / "sub-01" / "func" / name.format("preproc"))
        after = nib.load(tmp_path / "out" / "sub-01" / "func" / name.format("denoised"))
        assert after.shape == before.shape
        assert np.allclose(after.affine, before.affine)
        assert after.header.get_zooms()[3] == before.header.get_zooms()[3]
