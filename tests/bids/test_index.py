"""Runs found in trees of names: no file of them has any content."""

import builtins
import csv
import io
import json
import os
from pathlib import Path

import pytest

from pydra_vae.bids.index import InputError, find_runs, index, select_runs

MNI = "space-MNI152NLin2009cAsym"


@pytest.fixture
def tree(tmp_path):
    """Make files by name: ``tree("sub-01_task-a_desc-preproc_bold.nii.gz")``."""
    root = tmp_path / "derivatives"

    def make(*names):
        for name in names:
            subject, *rest = name.split("_")
            session = [part for part in rest if part.startswith("ses-")][:1]
            kind = "anat" if "T1w.nii" in name else "func"
            path = root if not subject.startswith("sub-") else root.joinpath(subject, *session, kind)
            path.mkdir(parents=True, exist_ok=True)
            (path / name).touch()
        return root

    return make


def bold(subject="01", task="rest", *more, space=MNI):
    return "_".join(filter(None, [f"sub-{subject}", f"task-{task}", *more, space, "desc-preproc_bold.nii.gz"]))


def names(runs):
    return [run.bold.name for run in runs]


@pytest.fixture(scope="module")
def ds001338(shared_data, tmp_path_factory):
    root = tmp_path_factory.mktemp("ds001338")
    with open(shared_data / "meta" / "ds001338-fmriprep_files.tsv", newline="") as table:
        paths = [row["path"] for row in csv.DictReader(table, delimiter="\t")]
    for folder in {os.path.dirname(p) for p in paths}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path in paths:
        (root / path).touch()
    return root


def test_ds001338_opens_no_file_and_scans_each_folder_once(ds001338, monkeypatch):
    scanned, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": scanned.append(os.fspath(path)) or scandir(path))
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", lambda *a, **k: pytest.fail(f"opened {a[0]}"))
    files = index(ds001338)
    runs, problems = select_runs(files, task_id=["story1", "story2", "story3"])
    monkeypatch.undo()
    assert len(files) > 2900
    assert len(scanned) == len(set(scanned)) == 1 + 22 * 3
    assert not problems
    assert len(runs) == 22


def test_ds001338_run_with_all_that_lies_beside_it(ds001338):
    runs = find_runs(ds001338, participant_label=["sub-tb2994"], task_id=["story3", "story1"])
    assert list(runs) == ["sub-tb2994"]
    stem = f"sub-tb2994_task-story3_{MNI}_res-2"
    run, second = runs["sub-tb2994"]
    assert second.entities["task"] == "story1"
    assert run.bold.name == f"{stem}_desc-preproc_bold.nii.gz"
    assert run.mask.name == f"{stem}_desc-brain_mask.nii.gz"
    assert run.boldref.name == f"{stem}_boldref.nii.gz"
    assert run.sidecar.name == f"{stem}_desc-preproc_bold.json"
    assert run.confounds.name == "sub-tb2994_task-story3_desc-confounds_timeseries.tsv"
    assert run.confounds_json.name == "sub-tb2994_task-story3_desc-confounds_timeseries.json"
    assert run.t1w.name == f"sub-tb2994_{MNI}_res-2_desc-preproc_T1w.nii.gz"
    assert run.space == "MNI152NLin2009cAsym"
    assert run.bold.is_file()


def test_spaces_of_ds001338(ds001338):
    def one(**filters):
        return find_runs(ds001338, participant_label=["tb2994"], task_id=["story1"], **filters)["sub-tb2994"][0]

    assert one(space="T1w").t1w.name == "sub-tb2994_desc-preproc_T1w.nii.gz"
    assert one(space="func").bold.name == "sub-tb2994_task-story1_desc-preproc_bold.nii.gz"
    assert one(space="func").mask.name == "sub-tb2994_task-story1_desc-brain_mask.nii.gz"
    with pytest.raises(InputError, match=r"sub-tb2994: no run fits; found were\n  sub-tb2994_task-story1_desc-pre"):
        one(space="MNI152NLin6Asym")


def test_tasks_are_joined_only_on_request(ds001338):
    with pytest.raises(InputError, match="several tasks: choose with --task-id story1 story2 story3"):
        find_runs(ds001338, participant_label=["tb2994"])
    with pytest.raises(InputError, match=r"no task-story4 fits; found were\n  sub-tb2994_task-story1"):
        find_runs(ds001338, participant_label=["tb2994"], task_id=["story1", "story4"])


def test_unknown_subject_and_session(ds001338, tree):
    with pytest.raises(InputError, match=r"unknown participant: 99; .* has tb2994, .*\(22 in all\)"):
        find_runs(ds001338, participant_label=["99", "tb2994"])
    with pytest.raises(InputError, match=r"unknown session: c; .* has a"):
        find_runs(tree(bold("01", "rest", "ses-a").replace("task-rest_ses-a", "ses-a_task-rest")), session_label=["c"])


def test_folders_that_are_no_derivatives(tmp_path, tree):
    with pytest.raises(InputError, match=r"no derivatives there: .*nowhere does not exist"):
        index(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"no derivatives there: .*file is a file"):
        index(tmp_path / "file")
    root = tree(bold())
    with pytest.raises(InputError, match=r"holds no sub-\* folder \(but these do: .*derivatives\)"):
        index(root.parent)
    raw = tmp_path / "raw" / "sub-01" / "func"
    raw.mkdir(parents=True)
    (raw / "sub-01_task-rest_bold.nii.gz").touch()
    with pytest.raises(InputError, match=r"not a derivatives folder: .*raw holds no \*_desc-preproc_bold"):
        index(tmp_path / "raw")
    description = tmp_path / "raw" / "dataset_description.json"
    description.write_text(json.dumps({"DatasetType": "raw"}))
    with pytest.raises(InputError, match=r"not a derivatives folder: .*says DatasetType: raw"):
        index(tmp_path / "raw")
    description.write_text(json.dumps({"DatasetType": "derivative"}))
    with pytest.raises(InputError, match=r"were volumes among fMRIPrep's --output-spaces\?"):
        index(tmp_path / "raw")


def test_default_space_then_the_only_one_then_an_error(tree):
    root = tree(bold("01"), bold("01", space="space-T1w"), bold("02", space="space-T1w"), bold("03", space=None))
    runs = find_runs(root)
    assert [r.space for label in runs for r in runs[label]] == ["MNI152NLin2009cAsym", "T1w", None]
    root = tree(bold("04", space="space-T1w"), bold("04", space=None))
    with pytest.raises(InputError, match=r"sub-04: several spaces and none is .*--space T1w \| func"):
        find_runs(root, participant_label="04")


def test_runs_in_another_space_are_not_lost_silently(tree):
    root = tree(bold("01", "rest", "run-1"), bold("01", "rest", "run-2", space="space-T1w"))
    with pytest.raises(InputError, match="task-rest_run-2 is not there in MNI152NLin2009cAsym, only in T1w"):
        find_runs(root)
    assert len(find_runs(root, run=[1])["sub-01"]) == 1


def test_runs_come_in_natural_order(tree):
    root = tree(*(bold("01", "rest", f"run-{n}") for n in (10, 2, 1)))
    assert [r.entities["run"] for r in find_runs(root)["sub-01"]] == ["1", "2", "10"]
    assert [r.entities["run"] for r in find_runs(root, run=[10, 1])["sub-01"]] == ["1", "10"]
    with pytest.raises(InputError, match="no run-3 fits"):
        find_runs(root, run=[1, 3])
    padded = tree(*(bold("02", "rest", f"run-0{n}") for n in (2, 1)))
    assert len(find_runs(padded, participant_label="02", run=[1])["sub-02"]) == 1


@pytest.mark.parametrize(
    ("key", "other", "wanted", "choice"),
    [("echo", "echo-1", "echo-2", "2"), ("rec", "rec-a", "", "none"), ("res", "res-1", "res-02", "2"),
     ("den", "den-1", "den-2", "2"), ("acq", "acq-fast", "acq-slow", "slow"), ("part", "part-mag", "", "none")],
)  # fmt: skip
def test_versions_of_a_run_are_never_joined(tree, key, other, wanted, choice):
    root = tree(*(bold("01", "rest", "run-1", value) for value in (other, wanted)))
    with pytest.raises(InputError, match=rf"files differ in {key}, and such are never joined: choose with --{key} "):
        find_runs(root)
    (run,) = find_runs(root, **{key: choice})["sub-01"]
    assert run.bold.name == bold("01", "rest", "run-1", wanted)


def test_raw_and_smoothed_copies_are_told_apart(tree):
    smooth = "sub-tb2994_denoise_smooth6mm_task-story_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    plain = smooth.replace("denoise_smooth6mm_", "")
    root = tree(smooth, plain, "sub-tb2994_task-story_run-1_desc-confounds_regressors.tsv")
    with pytest.raises(InputError, match=r"differ in prefix.*--prefix denoise_smooth6mm \| none"):
        find_runs(root)
    for prefix, name in (("none", plain), ("denoise_smooth6mm", smooth)):
        (run,) = find_runs(root, prefix=prefix)["sub-tb2994"]
        assert run.bold.name == name
        assert run.confounds.name == "sub-tb2994_task-story_run-1_desc-confounds_regressors.tsv"


def test_sessions_are_entries_of_their_own(tree):
    stem = f"task-rest_{MNI}_desc-preproc_bold.nii.gz"
    root = tree(f"sub-01_ses-b_{stem}", f"sub-01_ses-a_{stem}", bold("02"))
    assert list(find_runs(root)) == ["sub-01_ses-a", "sub-01_ses-b", "sub-02"]
    runs, problems = select_runs(index(root), session_label=["ses-b"])
    assert list(runs) == ["sub-01_ses-b"]
    assert problems["sub-02"].startswith("sub-02: no run fits; found were\n  sub-02_task-rest")


def test_one_subject_s_problem_leaves_the_others(tree):
    root = tree(bold("01"), bold("02", "rest", "echo-1"), bold("02", "rest", "echo-2"))
    runs, problems = select_runs(index(root))
    assert list(runs) == ["sub-01"]
    assert list(problems) == ["sub-02"]
    with pytest.raises(InputError, match="sub-02: files differ in echo"):
        find_runs(root)


def test_a_run_there_twice(tree):
    root = tree(bold(), bold().removesuffix(".gz"))
    with pytest.raises(InputError, match="two files for one run, remove one"):
        find_runs(root)


def test_masks_of_other_resolutions_and_runs_are_not_taken(tree):
    stem = f"sub-01_task-rest_run-1_{MNI}"
    root = tree(
        bold("01", "rest", "run-1"),
        f"{stem}_res-2_desc-brain_mask.nii.gz",
        f"sub-01_task-rest_{MNI}_desc-brain_mask.nii.gz",
        "sub-01_task-rest_run-1_desc-brain_mask.nii.gz",
        f"sub-01_{MNI}_desc-preproc_T1w.nii.gz",
    )
    (run,) = find_runs(root)["sub-01"]
    assert (run.mask, run.confounds, run.boldref, run.sidecar) == (None, None, None, None)
    assert run.t1w.name == f"sub-01_{MNI}_desc-preproc_T1w.nii.gz"
    assert run.t_r is None


def test_sidecars_are_inherited(tree):
    root = tree(bold(), bold("02"), "task-rest_bold.json", "task-other_bold.json",
                bold().replace(".nii.gz", ".json"))  # fmt: skip
    (root / "task-rest_bold.json").write_text('{"RepetitionTime": 2, "EchoTime": 0.03}')
    near = root / "sub-01" / "func" / bold().replace(".nii.gz", ".json")
    near.write_text('{"RepetitionTime": 1.5}')
    one, two = (runs[0] for runs in find_runs(root).values())
    assert one.metadata() == {"RepetitionTime": 1.5, "EchoTime": 0.03}
    assert (one.t_r, two.t_r) == (1.5, 2.0)
    assert one.sidecar == near
    near.write_text("{")
    with pytest.raises(InputError, match=r"bold\.json cannot be read as a JSON object"):
        find_runs(root)["sub-01"][0].metadata()
    near.write_text('{"RepetitionTime": "2 s"}')
    with pytest.raises(InputError, match="RepetitionTime is '2 s', a number of seconds"):
        _ = find_runs(root)["sub-01"][0].t_r


def test_surfaces_and_grayordinates_are_no_volumes(tree):
    root = tree(
        bold(),
        "sub-01_task-rest_hemi-L_space-fsaverage5_bold.func.gii",
        "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii",
        f"sub-01_task-rest_{MNI}_desc-smoothAROMAnonaggr_bold.nii.gz",
    )
    assert names(find_runs(root)["sub-01"]) == [bold()]


def test_links_of_datalad_count_as_files(tree):
    root = tree(bold())
    path = Path(root, "sub-01", "func", bold())
    path.unlink()
    path.symlink_to("/nowhere/annex")
    assert names(find_runs(root)["sub-01"]) == [bold()]


@pytest.mark.parametrize(("name", "label", "n"), [("studyforrest", "sub-02", 1), ("haxby", "sub-01", 12)])
def test_real_trees(shared_data, name, label, n):
    runs = find_runs(shared_data / "derivatives" / name)
    assert list(runs) == [label]
    assert len(runs[label]) == n
    assert [int(r.entities["run"]) for r in runs[label]] == list(range(1, n + 1))
    for run in runs[label]:
        assert run.space == "T1w"
        assert run.mask.is_file()
        assert run.confounds.is_file()
        assert run.t_r == {"studyforrest": 2.0, "haxby": 2.5}[name]
