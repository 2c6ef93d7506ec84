"""From the simulated tree to the table of recovery."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.images.volumes import extract
from pydra_vae.tasks._io import load_controls
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.recovery import Recovery
from pydra_vae.tasks.simulate import SimulateFinn


def test_pca_recovers_part_of_the_planted_signal(tmp_path):
    tree = call(SimulateFinn, cwd=tmp_path / "simulate", size="tiny", n_subjects=1)
    atlas = nib.load(tree.atlas)
    voxels = atlas.get_fdata() > 0
    mask = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(voxels.astype(np.uint8), atlas.affine), mask)
    func = tmp_path / "simulate" / "derivatives" / "sub-01" / "func"
    series, frames, truth = [], [], []
    for task in ("story1", "story2", "story3"):
        x = extract(next(func.glob(f"*{task}*desc-preproc_bold.nii.gz")), voxels)
        x[:, :2] = x[:, 2:3]
        np.save(tmp_path / f"{task}.npy", x)
        table = pd.DataFrame({"frame": range(x.shape[1]), "weight": 1, "reason": "n/a"})
        table.loc[:1, ["weight", "reason"]] = [0, "non_steady_state"]
        table.to_csv(tmp_path / f"{task}.tsv", sep="\t", index=False)
        series.append(tmp_path / f"{task}.npy")
        frames.append(tmp_path / f"{task}.tsv")
        truth.append(next(func.glob(f"*{task}*desc-truth_bold.nii.gz")))
    n = call(Normalize, cwd=tmp_path / "n", series=series, frames=frames)
    scaled = np.load(n.scaled)
    split = np.random.default_rng(0).choice(3, len(scaled), p=[0.7, 0.1, 0.2]).astype(np.int8)
    np.save(tmp_path / "split.npy", split)
    controls = call(
        FitControls, cwd=tmp_path / "c", scaled=n.scaled, voxel_split=tmp_path / "split.npy", frames=n.frames
    ).controls
    np.save(tmp_path / "reconstruction.npy", load_controls(controls)[16].reconstruct(scaled))
    out = call(
        Recovery, cwd=tmp_path / "r", truth=truth, scaled=n.scaled, scaling=n.scaling, mask=mask, frames=n.frames,
        reconstruction=tmp_path / "reconstruction.npy", controls=controls,
    )  # fmt: skip
    r = pd.read_csv(out.recovery, sep="\t").set_index("model")["r_clean_mean"]
    assert list(r.index) == ["input", "cvae", "pca-9 = ica-9", "pca-16"]
    assert r["cvae"] == pytest.approx(r["pca-16"], abs=1e-4)
    # nine linear dimensions are too few for the planted manifold, sixteen do better
    assert r["pca-16"] > r["input"] > 0.6 and r["pca-16"] > r["pca-9 = ica-9"] + 0.03
    gained = nib.load(out.recovery_map).get_fdata()[voxels]
    assert gained.mean() == pytest.approx(r["cvae"] - r["input"], abs=1e-4)
