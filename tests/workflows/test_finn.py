"""The finn recipe as a user runs it: the embedded demo, what a rerun computes, and the group from outputs alone."""

import json
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest


def test_demo_says_what_it_is_and_ends_with_the_table(demo):
    folder, done = demo
    assert "SIMULATED" in done.stderr
    assert "Mean correlation with the planted clean signal" in done.stdout
    assert str(folder / "output" / "index.html") in done.stdout.replace("\n", "")
    assert done.steps
    assert all(done.computed[step] and not done.failed[step] for step in done.steps)


def test_outputs_have_their_names_and_sidecars(demo):
    folder, _ = demo
    func = folder / "output" / "sub-01" / "func"
    stem = "sub-01_task-story1+story2+story3_space-MNI152NLin2009aSym"
    for name in ("desc-cvae_mask.nii.gz", "desc-cvae_latents.nii.gz", "desc-cvae_metrics.tsv", "desc-cvae_voxels.tsv",
                 "desc-cvae_model.safetensors", "desc-cvae_history.tsv", "stat-tsnr_desc-preproc_boldmap.nii.gz",
                 "stat-tsnr_desc-denoised_boldmap.nii.gz", "stat-tsnrchange_desc-denoised_boldmap.nii.gz"):  # fmt: skip
        path = func / f"{stem}_{name}"
        assert path.is_file(), path
        beside = json.loads(path.with_name(path.name.split(".")[0] + ".json").read_text())
        assert beside["Sources"][0].startswith("bids:data:sub-01/func/")
        assert beside["Parameters"]["FitCvae"]["latent_dim"] == 9
        assert beside["Parameters"]["device"] == "cpu"
    assert (folder / "output" / "sub-01.html").is_file()
    description = json.loads((folder / "output" / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Name"] == "pydra_vae"


def test_each_run_comes_back_with_its_frames_and_geometry(demo):
    import nibabel as nib

    folder, _ = demo
    for task in ("story1", "story2", "story3"):
        name = f"sub-02_task-{task}_space-MNI152NLin2009aSym"
        before = nib.load(folder / "data" / "sub-02" / "func" / f"{name}_desc-preproc_bold.nii.gz")
        after = nib.load(folder / "output" / "sub-02" / "func" / f"{name}_desc-denoised_bold.nii.gz")
        assert after.shape == before.shape
        assert np.allclose(after.affine, before.affine)
        assert after.header.get_zooms()[3] == before.header.get_zooms()[3]
        inside = after.get_fdata()[..., 10] != 0
        # scanner units: the voxels' baselines are back
        ratio = after.get_fdata()[inside].mean() / before.get_fdata()[inside].mean()
        assert abs(ratio - 1) < 0.01


def test_group_table_holds_every_model_of_every_subject(demo):
    folder, _ = demo
    metrics = pd.read_csv(folder / "output" / "group_desc-cvae_metrics.tsv", sep="\t")
    expected = ["input", "cvae", "pca-9 = ica-9", "pca-16", "shrinkage", "voxel mean"]
    for _, rows in metrics.groupby("participant_id"):
        assert list(rows["model"]) == expected
    index = (folder / "output" / "index.html").read_text()
    assert all(f'href="sub-0{n}.html"' in index for n in (1, 2, 3))


def test_second_run_computes_nothing(demo, finn):
    folder, first = demo
    done = finn(*finn.short, cwd=folder.parent)
    assert done.returncode == 0
    assert done.steps == first.steps
    assert not done.done_again and not any(done.failed.values())


def test_a_late_parameter_recomputes_only_what_depends_on_it(demo, finn):
    folder, _ = demo
    done = finn(*finn.short, "--emse-frame", "50", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    computed = set(done.done_again)
    assert {"ReconstructionError", "SubjectReport"} <= computed
    # two read the table of measures; TakeModel keeps the parameter, which a model's JSON tells, from all that uses it
    assert computed <= {"ReconstructionError", "SubjectMetrics", "SubjectVerdict", "SubjectReport", "GatherTables",
                        "GroupReport", "GroupStatistics", "SharedTable", "TakeModel"}  # fmt: skip
    assert "emse_frame" in done.why["ReconstructionError"]


def test_a_deleted_output_comes_back_without_computing(demo, finn):
    folder, _ = demo
    (denoised,) = (folder / "output" / "sub-03").rglob("*task-story2*desc-denoised_bold.nii.gz")
    before = denoised.read_bytes()
    denoised.unlink()
    done = finn(*finn.short, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert not done.done_again
    assert denoised.read_bytes() == before


def test_group_without_analyses_needs_only_the_output_folder(demo, finn, tmp_path):
    folder, _ = demo
    shutil.copytree(folder / "output", tmp_path / "output", copy_function=shutil.copy2)
    arguments = (folder / "data", tmp_path / "output", "group", "--analyses", "none")
    done = finn(*arguments, "--work-dir", tmp_path / "empty", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.steps == {"GatherTables", "ChooseSize", "GroupReport"}


def test_dry_run_says_what_and_runs_nothing(demo, finn, tmp_path):
    folder, _ = demo
    atlas = next((folder / "data").glob("tpl-*/*dseg.nii.gz"))
    done = finn(folder / "data", tmp_path / "out", "participant", "--atlas", atlas, "--task-id", "story1", "story2",
                "--dry-run", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sub-01: 2 run(s)" in done.stdout
    assert "voxels" in done.stdout and "desc-denoised_bold.nii.gz" in done.stdout
    assert "_samples.tsv" in done.stdout  # and nothing that was not asked for, or needs planted truth
    assert not any(name in done.stdout for name in ("_sweep.tsv", "_divergence.tsv", "_recovery.tsv"))
    assert list(tmp_path.iterdir()) == []


def test_a_model_used_where_it_lies_keeps_its_record(demo, finn, tmp_path):
    folder, _ = demo
    shutil.copytree(folder / "output", tmp_path / "output", copy_function=shutil.copy2)
    model = next((tmp_path / "output").rglob("sub-01*_desc-cvae_model.safetensors"))
    record = model.with_suffix(".json").read_bytes()
    atlas = next((folder / "data").glob("tpl-*/*dseg.nii.gz"))
    arguments = (folder / "data", tmp_path / "output", "participant", "--participant-label", "01", "--model", model,
                 "--atlas", atlas, "--task-id", "story1", "story2", "story3")  # fmt: skip
    for again in (False, True):
        done = finn(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert model.with_suffix(".json").read_bytes() == record
        assert done.steps and "FitCvae" not in done.steps
        if again:
            assert not done.done_again


OUTER = """
from pathlib import Path
from fileformats.generic import File
from pydra.compose import workflow
from pydra_vae.engine.runner import run
from pydra_vae.workflows.finn import SubjectCvae

@workflow.define(outputs={"denoised": list[File]})
def Lab(bolds: list[File], atlas: File, labels: File):
    latents = workflow.add(SubjectCvae(label="x", bolds=bolds, atlas=atlas, atlas_labels=labels,
                                       fit={"network": "dense", "max_steps": 20}))
    return latents.denoised

if __name__ == "__main__":
    data = Path("finn-demo/data")
    bolds = sorted(data.glob("sub-01/func/*desc-preproc_bold.nii.gz"))
    atlas = next(data.glob("tpl-*/*dseg.nii.gz"))
    labels = next(data.glob("tpl-*/*dseg.tsv"))
    outcome = run({"lab": Lab(bolds=bolds, atlas=atlas, labels=labels)}, work_dir="lab-work", n_procs=2)
    print(len(outcome.outputs["lab"].denoised), sum(row["computed"] for row in outcome.table))
"""


def test_subject_workflow_nests_in_a_lab_s_own(demo):
    folder, _ = demo
    script = folder.parent / "lab.py"
    script.write_text(OUTER)
    for computed_again in (True, False):
        done = subprocess.run(
            [sys.executable, str(script)], cwd=folder.parent, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        n_denoised, computed = map(int, done.stdout.split())
        assert n_denoised == 3
        assert (computed > 0) == computed_again


@pytest.mark.slow
def test_a_killed_fit_resumes_to_the_uninterrupted_result(demo, finn):
    folder, _ = demo
    atlas = next((folder / "data").glob("tpl-*/*dseg.nii.gz"))
    arguments = (folder / "data", "out", "participant", "--atlas", atlas, "--task-id", "story1", "story2", "story3",
                 "--participant-label", "01", "--max-steps", "500")  # fmt: skip
    whole, killed, _ = finn.killed(arguments, folder.parent)
    for end in ("_desc-cvae_history.tsv", "_desc-cvae_model.safetensors"):
        assert next(whole.rglob(f"*{end}")).read_bytes() == next(killed.rglob(f"*{end}")).read_bytes()
    assert json.loads(next(killed.rglob("*_desc-cvae_model.json")).read_text())["resumed_at"] > 0


def test_the_outputs_are_a_valid_dataset(validate, curate, demo):
    """Nobody but the user knows the authors; there is nothing else that the validator would say."""
    issues = validate(demo[0] / "output")
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues
    assert not curate(demo[0] / "output")


# ---- levels and configuration files --------------------------------------------------------------


@pytest.fixture(scope="module")
def configured(demo, finn, tmp_path_factory):
    """One subject of the demo, in its work folder; the atlas is named from where the run starts."""
    folder, _ = demo
    output = tmp_path_factory.mktemp("levels") / "out"
    (atlas,) = (folder / "data").glob("*/*_dseg.nii.gz")
    arguments = (
        "data", output, "participant", "--atlas", atlas.relative_to(folder), "--participant_label", "sub-01",
        "--task-id", "story1", "story2", "--max-steps", "10", "--network", "dense", "--no-match-baselines",
        "--analyses", "none", "--mem", "20GB", "-w", "work",
    )  # fmt: skip
    done = finn(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return output / "code" / "finn_participant.toml", done


def test_the_configuration_is_complete(configured, demo):
    config, _ = configured
    text = config.read_text()
    values = tomllib.loads(text)
    assert values["derivatives"] == str(demo[0] / "data")
    assert values["output"] == str(config.parents[1])
    assert values["level"] == "participant"
    assert values["work-dir"] == str(demo[0] / "work")
    assert values["atlas"].startswith(str(demo[0] / "data"))
    assert values["task-id"] == ["story1", "story2"]
    assert (values["max-steps"], values["no-match-baselines"], values["mem-gb"]) == (10, True, 20.0)
    assert not values.keys() & {"beta", "dry-run", "config", "n-procs"}
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "pydra-vae 0." in comments[0]
    assert f"pydra-vae finn --config {config}" in comments[1]
    assert "--participant_label sub-01" in comments[-1]


def test_it_repeats_the_run_and_computes_nothing(configured, finn, tmp_path):
    config, done = configured
    before = config.read_bytes()
    again = finn("--config", config, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.steps == done.steps and not again.done_again
    assert config.read_bytes() == before


def test_a_filter_file_chooses_the_runs(configured, finn, tmp_path):
    (tmp_path / "filter.json").write_text(json.dumps({"bold": {"task": "story1", "acquisition": None}}))
    arguments = ("--config", configured[0], "--task-id", "story1", "story2", "--dry-run", "--bids-filter-file")
    done = finn(*arguments, "filter.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "no task-story2 fits" in done.stderr
    done = finn(*arguments[:3], "story1", *arguments[5:], "filter.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sub-01: 1 run(s)" in done.stdout
