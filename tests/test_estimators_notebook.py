"""docs/notebook.md: its blocks of code run from top to bottom, on real data where they are there."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from .conftest import SHARED_DATA

PAGE = Path(__file__).resolve().parents[1] / "docs" / "notebook.md"
RUN = SHARED_DATA / "derivatives/studyforrest/sub-02/func/sub-02_task-oneback_run-1_space-T1w"


def some_run():
    """Values and affine of a part of a real run of 6 mm, or of noise with a few courses in it."""
    if RUN.parent.is_dir():
        image = nib.load(f"{RUN}_desc-preproc_bold.nii.gz")
        return image.get_fdata(dtype=np.float32)[12:30, 10:30, 9:20], image.affine
    rng = np.random.default_rng(0)
    values = rng.normal(size=(18, 20, 11, 5)) @ rng.normal(size=(5, 100)) + rng.normal(size=(18, 20, 11, 100))
    return (1000 + 10 * values).astype(np.float32), np.diag([6.0, 6, 6, 1])


def write_surfaces(folder):
    """Two small spheres, and four recordings on them."""
    from nilearn.surface import InMemoryMesh

    from .surface.meshes import sphere

    (folder / "func").mkdir()
    rng = np.random.default_rng(0)
    for hemi in "LR":
        coordinates, faces = sphere(200, radius=30.0)
        InMemoryMesh(coordinates, faces).to_gifti(folder / f"hemi-{hemi}_midthickness.surf.gii")
        for number in range(1, 5):
            series = rng.normal(size=(30, len(coordinates))).astype(np.float32)
            arrays = [nib.gifti.GiftiDataArray(frame, "NIFTI_INTENT_TIME_SERIES") for frame in series]
            name = f"sub-{number:02}_hemi-{hemi}_bold.func.gii"
            nib.save(nib.GiftiImage(darrays=arrays), folder / "func" / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    values, affine = some_run()
    nib.save(nib.Nifti1Image(values, affine), folder / "bold.nii.gz")
    mask = values.std(-1) > 0
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), folder / "mask.nii.gz")
    (folder / "maps").mkdir()
    for i in range(16):  # frames far apart stand for images of persons
        name = f"sub-{i // 2:02}_ses-{i % 2 + 1}_boldmap.nii.gz"
        nib.save(nib.Nifti1Image(values[..., 5 * i] / 1000, affine), folder / "maps" / name)
    write_surfaces(folder)
    return folder


def test_every_block_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    made = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), made)
    n_frames, n_voxels = made["denoised"].shape
    bold, latents, denoised = (nib.load(folder / f"{name}.nii.gz") for name in ("bold", "latents", "denoised"))
    assert latents.shape == (*bold.shape[:3], 9) and denoised.shape == bold.shape == (*bold.shape[:3], n_frames)
    inside = np.asarray(nib.load(folder / "mask.nii.gz").dataobj) > 0
    before, after = bold.get_fdata()[inside], denoised.get_fdata()[inside]
    assert inside.sum() == n_voxels and np.allclose(before.mean(1), after.mean(1), rtol=0.02)  # scanner units
    train, test, cubes, cvae = (made[name] for name in ("train", "test", "cubes", "cvae"))
    assert not set(cubes[train]) & set(cubes[test])
    assert not set(cubes[train][cvae.split_ == 0]) & set(cubes[train][cvae.split_ == 1])
    of_cvae, of_pca = map(float, re.search(r"R² (\S+), PCA (\S+)\n", capsys.readouterr().out).groups())
    assert of_cvae > of_pca - 0.02 and of_cvae > 0.3
    small, large = made["search"].cv_results_["mean_test_score"]
    assert large > small
    persons, split = np.array(made["persons"]), made["vae"].split_
    assert not set(persons[split == 0]) & set(persons[split == 1]) and made["example"].shape[:3] == bold.shape[:3]
    assert [z.shape for z in made["factors"]] == [(30, 4)] * 4
