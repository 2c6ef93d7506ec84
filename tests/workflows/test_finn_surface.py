"""finn on BOLD of the surface: dtseries and pairs of func.gii of true layout, and every way in which they are bad."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.ignore import CONFIG
from pydra_vae.bids.plan import plan_subjects
from pydra_vae.simulate.surface_bold import write_surface_tree
from pydra_vae.workflows.finn_program import run_finn

QUICK = ("--max-steps", "5", "--latent-dim", "3", "--analyses", "none", "--n-procs", "1")
STEM = "sub-01_task-rest"


@pytest.fixture(scope="session")
def surface_tree(tmp_path_factory):
    """One subject on the S1200 mesh (scaled int16) and on fsaverage5, two runs."""
    return write_surface_tree(tmp_path_factory.mktemp("surface") / "fmriprep")


@pytest.fixture(scope="module")
def fitted(surface_tree, tmp_path_factory, finn):
    """The program on each space, for one subject; outputs by space."""
    found = {}
    for space, atlas in (("fsLR", surface_tree.atlas["fsLR"][0]), ("fsaverage5", "none")):
        folder = tmp_path_factory.mktemp(space)
        where = (surface_tree.derivatives, folder / "out", "participant", "--space", space, "--atlas", atlas)
        done = finn(*where, *QUICK, cwd=folder)
        assert done.returncode == 0, done.stderr
        found[space] = folder / "out" / "sub-01" / "func", done
    return found


def test_a_dtseries_is_denoised_to_one_with_its_brain_models(fitted, surface_tree):
    out, _ = fitted["fsLR"]
    for run in (1, 2):
        name = f"{STEM}_run-{run}_space-fsLR_den-91k"
        was = nib.load(surface_tree.derivatives / "sub-01" / "func" / f"{name}_bold.dtseries.nii")
        now = nib.load(out / f"{name}_desc-denoised_bold.dtseries.nii")
        assert (was.get_data_dtype(), now.get_data_dtype()) == (np.int16, np.float32)
        assert now.header.get_axis(1) == was.header.get_axis(1)
        assert now.header.get_axis(0).step == 2.0
        before, after = was.get_fdata(), now.get_fdata()
        inside = after.any(axis=0)
        assert 0 < (~inside).sum() <= (~was.header.get_axis(1).surface_mask).sum() + inside.size // 10  # no parcel
        np.testing.assert_allclose(after.mean(axis=0)[inside], before.mean(axis=0)[inside], rtol=0.01)
        assert after[:, inside].std(axis=0).mean() < before[:, inside].std(axis=0).mean()


def test_maps_and_tables_are_of_vertices(fitted):
    out, _ = fitted["fsLR"]
    stem = f"{STEM}_space-fsLR_den-91k"
    maps = nib.load(out / f"{stem}_desc-cvae_latents.dscalar.nii")
    assert list(maps.header.get_axis(0).name) == ["z1", "z2", "z3"]
    voxels = pd.read_csv(out / f"{stem}_desc-cvae_voxels.tsv", sep="\t")
    assert set(voxels["structure"]) == {"CORTEX_LEFT", "CORTEX_RIGHT"}
    assert set(voxels["network"]) == {"PlantedA", "PlantedB"}
    mask = nib.load(out / f"{stem}_desc-cvae_mask.dscalar.nii")
    assert mask.get_fdata().sum() == len(voxels)
    beside = json.loads((out / f"{STEM}_run-1_space-fsLR_den-91k_desc-denoised_bold.json").read_text())
    assert beside["Density"]
    assert {"CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"} <= set(beside["SpatialReference"])
    assert beside["Sources"][0].endswith("run-1_space-fsLR_den-91k_bold.dtseries.nii")


def test_the_page_shows_the_cortex(fitted):
    page = (fitted["fsLR"][0].parents[1] / "sub-01.html").read_text(encoding="utf-8")
    assert "On the inflated cortex" in page
    assert "of the cortex left" in page or "of the cortex right" in page
    assert "test vertices" in page
    said = re.sub(r"<pre.*?</pre>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert re.findall(r"[^ ]* [Vv]oxels?\b", said) == ["139,501 voxels"]  # the paper's data


def test_a_pair_comes_back_as_a_pair_and_its_maps_as_both(fitted, surface_tree):
    out, done = fitted["fsaverage5"]
    assert done.computed["JoinHemispheres"] == 2
    for hemi in "LR":
        name = f"{STEM}_run-2_hemi-{hemi}_space-fsaverage5"
        was = nib.load(surface_tree.derivatives / "sub-01" / "func" / f"{name}_bold.func.gii")
        now = nib.load(out / f"{name}_desc-denoised_bold.func.gii")
        assert len(now.darrays) == len(was.darrays) == 36
        assert now.meta["TimeStep"] == was.meta["TimeStep"] == "2000"
        data = [np.stack([a.data for a in image.darrays]) for image in (was, now)]
        has = np.isfinite(data[0]).all(axis=0)
        assert np.isfinite(data[1][:, has]).all()
        np.testing.assert_allclose(data[1].mean(axis=0)[has], data[0].mean(axis=0)[has], rtol=0.01)
        dense = nib.load(out / f"{STEM}_space-fsaverage5_desc-cvae_latents.dscalar.nii").get_fdata()
        sided = nib.load(out / f"{STEM}_hemi-{hemi}_space-fsaverage5_desc-cvae_latents.shape.gii")
        half = dense[:, :10242] if hemi == "L" else dense[:, 10242:]
        np.testing.assert_array_equal(np.stack([a.data for a in sided.darrays]), half.astype(np.float32))
    beside = json.loads((out / f"{STEM}_run-1_hemi-R_space-fsaverage5_desc-denoised_bold.json").read_text())
    assert sum(source.endswith("_bold.func.gii") for source in beside["Sources"]) == 2
    frames = json.loads(next(out.glob("*_frames.json")).read_text())
    assert frames["Runs"][0]["bold"].count("_bold.func.gii") == 2


@pytest.mark.parametrize("space", ["fsLR", "fsaverage5"])
def test_a_curator_has_nothing_to_object(fitted, validate, curate, space):
    output = fitted[space][0].parents[1]
    issues = validate(output, "--config", output / CONFIG)
    assert not [issue for issue in issues if issue[0] == "error"] and not curate(output)


def test_what_has_no_data_is_left_out_and_counted(fitted):
    out, _ = fitted["fsaverage5"]
    scaling = json.loads((out / f"{STEM}_space-fsaverage5_desc-cvae_scaling.json").read_text())["Found"]
    assert scaling["voxels"] == 2 * 10242
    assert scaling["voxels_not_finite"] == scaling["voxels"] - scaling["voxels_kept"] > 0


def refusal(tree, folder, capfd, *arguments, space="fsLR"):
    """What finn says before anything is computed."""
    where = [tree, folder / "out", "participant", "--space", space, "--dry-run", *arguments]
    assert run_finn([str(part) for part in where]) == 2
    return " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--smoothing-fwhm", "6"), "--smoothing-fwhm: {func}/sub-01_task-rest_run-1_space-fsLR_den-91k_bold."
         "dtseries.nii is on the surface, where this program does not smooth: leave it out, or smooth along"),
        (("--atlas", "Schaefer2018_400Parcels7Networks"), "the BOLD is on the surface, and its atlas must be too"),
        (("--atlas", "{tree}/atlas/atlas-Planted_hemi-L_space-fsaverage5.label.gii"), ""),
        (("--mask", "{tree}/mask.nii.gz"), "no CIFTI file"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_surfaces(surface_tree, tmp_path, capfd, arguments, message):
    tree = surface_tree.derivatives
    if not (tree / "mask.nii.gz").exists():
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tree / "mask.nii.gz")
    given = [argument.format(tree=tree) for argument in arguments]
    said = refusal(tree, tmp_path, capfd, *given)
    wanted = message.format(func=tree / "sub-01" / "func") or "32,492"
    assert wanted in said


def test_the_default_atlas_is_said_and_recorded_as_it_was(surface_tree, tmp_path, capfd, monkeypatch):
    """It lies in TemplateFlow's folder on some machines only: what one found, the group level must find again."""
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))
    where = [str(surface_tree.derivatives), str(tmp_path / "out"), "participant", "--space", "fsLR"]
    assert run_finn([*where, "--dry-run"]) == 0
    said = capfd.readouterr()
    assert "no atlas, every grayordinate is a row" in said.err + said.out
    assert "grayordinates, from every grayordinate" in " ".join(said.out.split())
    there = (
        tmp_path / "templateflow" / "tpl-fsLR" / "tpl-fsLR_den-32k_atlas-Schaefer2018_seg-17n_scale-200_dseg.dlabel.nii"
    )
    assert f"{there} is not there" in refusal(surface_tree.derivatives, tmp_path, capfd, "--atlas", "Schaefer2018")
    there.parent.mkdir(parents=True)
    shutil.copy(surface_tree.atlas["fsLR"][0], there)
    plans, _ = plan_subjects(surface_tree.derivatives, atlas=None, space="fsLR")
    assert (plans[0].default_atlas, plans[0].atlas) == ("Schaefer2018", there)
    assert plans[0].atlas_in_words == f"atlas: {there}"


@pytest.fixture
def broken(surface_tree, tmp_path):
    """A copy of the tree's fsLR or fsaverage5 files to damage: its folder of one subject."""
    copy = tmp_path / "tree"
    shutil.copytree(surface_tree.derivatives, copy)
    return copy, copy / "sub-01" / "func"


def test_runs_of_other_vertices_are_never_joined(broken, tmp_path, capfd):
    tree, func = broken
    other = func / f"{STEM}_run-2_space-fsLR_den-91k_bold.dtseries.nii"
    image = nib.load(other)
    models = image.header.get_axis(1)
    kept = np.r_[1 : len(models)]
    axes = image.header.get_axis(0), models[kept]
    nib.Cifti2Image(image.get_fdata(dtype=np.float32)[:, kept], nib.cifti2.Cifti2Header.from_axes(axes)).to_filename(
        other
    )
    assert "runs of one subject are joined on one mesh" in refusal(tree, tmp_path, capfd, "--atlas", "none")


def test_a_damaged_and_a_short_series_are_named(broken, tmp_path, capfd):
    tree, func = broken
    path = func / f"{STEM}_run-1_space-fsLR_den-91k_bold.dtseries.nii"
    path.write_bytes(path.read_bytes()[:300])
    said = refusal(tree, tmp_path, capfd, "--atlas", "none")
    assert f"{path} cannot be read as a CIFTI file" in said
    shutil.rmtree(tree)
    write_surface_tree(tree, spaces=["fsLR"], frames=[20])
    assert "has 20 volumes: at least 32 are needed" in refusal(tree, tmp_path, capfd, "--atlas", "none")


def test_a_lone_hemisphere_and_other_repetition_times_are_named(broken, tmp_path, capfd):
    tree, func = broken
    sidecar = func / f"{STEM}_run-2_hemi-L_space-fsaverage5_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 1.0}))
    said = refusal(tree, tmp_path, capfd, "--atlas", "none", space="fsaverage5")
    assert "says TR = 2 s" in said
    assert "RepetitionTime = 1 s: correct the one that is wrong" in said
    (func / f"{STEM}_run-1_hemi-R_space-fsaverage5_bold.func.gii").unlink()
    assert "missing hemisphere" in refusal(tree, tmp_path, capfd, "--atlas", "none", space="fsaverage5")


@pytest.mark.slow
def test_all_analyses_and_the_group_on_grayordinates(tmp_path, finn):
    tree = write_surface_tree(tmp_path / "fmriprep", spaces=["fsLR"], n_subjects=2, hemi_first=False)
    cleaned = ("--high-pass", "0.01", "--fd-threshold", "0.25")
    where = (tree.derivatives, tmp_path / "out")
    each = (*where, "participant", "--atlas", tree.atlas["fsLR"][0], "--max-steps", "30", *cleaned)
    first = finn(*each, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert not finn(*each, cwd=tmp_path).done_again
    announced = finn(*where, "group", "--dry-run", cwd=tmp_path).stdout
    assert f"writes {tmp_path / 'out' / 'group_desc-template_latents.dscalar.nii'}" in announced
    group = finn(*where, "group", cwd=tmp_path)
    assert group.returncode == 0, group.stderr
    template = nib.load(tmp_path / "out" / "group_desc-template_latents.dscalar.nii")
    assert template.shape[0] == 9
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "On the inflated cortex" in page
    assert "neighbours along the mesh" in page
    assert "Simulated data." in page
    again = finn(*where, "group", cwd=tmp_path)
    assert not again.done_again


def test_the_pages_example_takes_files_as_it_says(surface_tree, tmp_path, monkeypatch):
    """docs/surfaces.md: its Python block, on files of these names."""
    text = (Path(__file__).parents[2] / "docs" / "surfaces.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = re.findall(r'"([^"]+\.(?:nii|gii))"', block)
    monkeypatch.chdir(tmp_path)
    for name in names:
        Path(name).touch()
    given: dict = {}
    exec(block, given)
    assert [Path(path).name for path in given["task"].surfaces] == names[-2:]
    commands = re.findall(r"^pydra-vae finn (.*)$", text, re.MULTILINE)
    for command in commands:
        words = [str(surface_tree.derivatives) if word == "DERIVATIVES" else word for word in command.split()]
        words = [str(surface_tree.atlas["fsLR"][0]) if word.endswith(".dlabel.nii") else word for word in words]
        assert run_finn([*words, "--dry-run"]) == 0
