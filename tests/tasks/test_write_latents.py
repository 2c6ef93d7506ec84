"""WriteLatents and WriteVolumes: what leaves the work folder, readable by other software."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from pydra_vae.engine.step import call
from pydra_vae.tasks.write_latents import WriteLatents
from pydra_vae.tasks.write_volumes import WriteVolumes


@pytest.fixture
def latents(tmp_path):
    z = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "v.npy", np.log(np.full((3, 2), 0.25, np.float32)))
    split = pd.DataFrame({"label": list("abc"), "person": list("aab"), "part": ["train", "train", "test"]})
    split.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    return tmp_path, z


def test_columns_are_numbered_as_in_all_tables(latents):
    folder, z = latents
    files = {"latents": folder / "z.npy", "volume_split": folder / "split.tsv"}
    made = call(WriteLatents, cwd=folder / "w", log_variance=folder / "v.npy", **files)
    table = pd.read_csv(made.table, sep="\t")
    assert list(table) == ["label", "person", "part", "z0", "z1", "sd0", "sd1"]
    assert np.array_equal(table[["z0", "z1"]], z) and np.allclose(table[["sd0", "sd1"]], 0.5)
    scores = pd.read_csv(call(WriteLatents, cwd=folder / "c", name="component", **files).table, sep="\t")
    assert list(scores)[3:] == ["component0", "component1"]


def test_persons_with_numbers_for_names_keep_their_zeros(latents):
    folder, _ = latents
    names = ["01", "02", "10"]
    split = pd.DataFrame({"label": names, "person": names, "part": ["train", "train", "test"]})
    split.to_csv(folder / "split.tsv", sep="\t", index=False)
    made = call(WriteLatents, cwd=folder / "w", latents=folder / "z.npy", volume_split=folder / "split.tsv")
    table = pd.read_csv(made.table, sep="\t", dtype=str)
    assert list(table["label"]) == list(table["person"]) == names


def test_components_of_a_pca_become_an_image(tmp_path):
    where = np.zeros((3, 3, 3), np.uint8)
    where[1, 1] = 1
    nib.save(nib.Nifti1Image(where, np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "mask.nii.gz")
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    save_file({"mean": np.ones(3, np.float32), "components": components}, tmp_path / "pca.safetensors")
    files = {"values": tmp_path / "pca.safetensors", "mask": tmp_path / "mask.nii.gz"}
    image = nib.load(call(WriteVolumes, cwd=tmp_path / "w", **files, intent="estimate", fill=-1.0).image)
    assert image.header.get_intent()[0] == "estimate"
    data = image.get_fdata()
    assert np.allclose(data[where > 0], components.T) and (data[where == 0] == -1).all()
