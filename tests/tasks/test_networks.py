"""Separability, parcel distances, connectivity by geometry, recovery: as steps, from file to file."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from pydra_vae.engine.step import call
from pydra_vae.images.atlases import read_labels, resolve
from pydra_vae.images.masks import voxel_table
from pydra_vae.images.volumes import load_volume
from pydra_vae.simulate.response import LATENTS
from pydra_vae.stats.normalise import Scaling
from pydra_vae.tasks._io import load_controls
from pydra_vae.tasks.connectivity_geometry import ConnectivityGeometry
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.latent_recovery import LatentRecovery
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.parcel_connectivity import ParcelConnectivity
from pydra_vae.tasks.parcel_distances import ParcelDistances
from pydra_vae.tasks.separability import Separability

N_NETWORKS, EDGE = 4, 12
AFFINE = np.diag([6.0, 6, 6, 1])


def read(path):
    return pd.read_csv(path, sep="\t")


def prepare(folder, series, mask, voxels, weights):
    """Normalize and FitControls; returns the inputs that the steps share."""
    np.save(folder / "series.npy", series.astype(np.float32))
    frames = pd.DataFrame({"frame": range(len(weights)), "weight": weights, "reason": "n/a"})
    frames.to_csv(folder / "frames.tsv", sep="\t", index=False)
    n = call(Normalize, cwd=folder / "n", series=[folder / "series.npy"], frames=[folder / "frames.tsv"])
    split = np.random.default_rng(0).choice(3, int(Scaling.load(n.scaling).kept.sum()), p=[0.7, 0.1, 0.2])
    np.save(folder / "split.npy", split.astype(np.int8))
    controls = call(
        FitControls, cwd=folder / "c", scaled=n.scaled, voxel_split=folder / "split.npy", frames=n.frames, latent_dim=3
    ).controls
    space = {"voxels": voxels, "scaling": n.scaling, "mask": mask}
    return SimpleNamespace(scaled=n.scaled, controls=controls, frames=n.frames, space=space)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """12³ voxels in 64 parcels of four networks; each voxel has a place, and its series follows from it."""
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    mask = np.ones((EDGE,) * 3, np.uint8)
    nib.save(nib.Nifti1Image(mask, AFFINE), folder / "mask.nii.gz")
    voxels = pd.DataFrame(np.argwhere(mask), columns=["i", "j", "k"])
    parcel = np.ravel_multi_index((voxels // 3).to_numpy().T, (4, 4, 4))
    network = rng.permutation(np.arange(64) % N_NETWORKS)
    voxels["parcel"] = parcel + 1
    voxels["name"] = [f"P{p}" for p in parcel]
    voxels["network"] = [f"N{n}" for n in network[parcel]]
    voxels.to_csv(folder / "voxels.tsv", sep="\t", index=False)
    place = 1.5 * rng.normal(size=(N_NETWORKS, 3))[network[parcel]] + 0.5 * rng.normal(size=(64, 3))[parcel]
    place += 0.4 * rng.normal(size=place.shape)
    series = 100 + place @ rng.normal(size=(3, 120)) + 4 * rng.normal(size=(len(place), 120))
    series[7] = 100  # unusable
    weights = np.ones(120, int)
    weights[:3] = 0
    series[:, :3] += 50
    data = prepare(folder, series, folder / "mask.nii.gz", folder / "voxels.tsv", weights)
    data.place = np.delete(place, 7, axis=0)
    data.latents = folder / "latents.npy"
    np.save(data.latents, data.place.astype(np.float32))
    data.folder = folder
    return data


def test_separability_beside_its_controls(planted):
    out = call(
        Separability, cwd=planted.folder / "sep", scaled=planted.scaled, latents=planted.latents,
        controls=planted.controls, frames=planted.frames, gradients=planted.latents, **planted.space,
    )  # fmt: skip
    table = read(out.separability).set_index("space")
    assert list(table.index) == [
        "raw", "pca", "pca-16", "ica", "diffusion", "cvae", "cvae whitened", "mm", "labels shuffled"
    ]  # fmt: skip
    assert table["n_dimensions"].tolist() == [117, 3, 16, 3, 3, 3, 3, 3, 3]
    assert set(table["n_networks"]) == {4} and set(table["n_parcels"]) == {64} and set(table["n_voxels"]) == {1727}
    assert set(table["chance"]) == {0.25}
    cvae, null = table.loc["cvae"], table.loc["labels shuffled"]
    pd.testing.assert_series_equal(cvae, table.loc["diffusion"], check_names=False)  # the same places
    assert cvae["knn_accuracy"] > 0.9 and cvae["probe_accuracy"] > 0.9 and cvae["silhouette"] > 0.2
    assert null["knn_accuracy"] == pytest.approx(0.25, abs=0.06) and null["silhouette"] < 0
    assert table.loc["mm", "knn_accuracy"] < 0.5  # networks are scattered
    assert table.loc["raw", "silhouette"] < cvae["silhouette"]  # the noise of 117 frames
    assert table.loc["pca", "probe_accuracy"] == pytest.approx(table.loc["ica", "probe_accuracy"], abs=0.01)


def test_seventeen_networks_of_templateflow(shared_data, tmp_path, monkeypatch):
    """Schaefer's 200 parcels as MakeMask reads them: 17 networks, and latents of noise at chance."""
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(shared_data / "templateflow"))
    dseg, labels = resolve("Schaefer2018", "MNI152NLin2009cAsym")
    volume, header = load_volume(dseg)
    parcels = np.rint(volume).astype(int)
    chosen = (parcels > 0) & (np.indices(parcels.shape).sum(axis=0) % 9 == 0)  # every ninth voxel
    nib.save(nib.Nifti1Image(chosen.astype(np.uint8), header.affine), tmp_path / "mask.nii.gz")
    voxels = voxel_table(chosen, parcels[chosen], read_labels(labels))
    voxels.to_csv(tmp_path / "voxels.tsv", sep="\t", index=False, na_rep="n/a")
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(voxels), 40))
    data = prepare(tmp_path, noise, tmp_path / "mask.nii.gz", tmp_path / "voxels.tsv", [1] * 40)
    np.save(tmp_path / "latents.npy", rng.normal(size=(len(voxels), 3)).astype(np.float32))
    out = call(
        Separability, cwd=tmp_path / "sep", scaled=data.scaled, latents=tmp_path / "latents.npy",
        controls=data.controls, frames=data.frames, n_shuffles=1, n_voxels=2500, **data.space,
    )  # fmt: skip
    table = read(out.separability).set_index("space")
    assert set(table["n_networks"]) == {17} and set(table["n_parcels"]) == {200} and set(table["n_voxels"]) == {2500}
    assert table.loc["cvae", "knn_accuracy"] == pytest.approx(1 / 17, abs=0.02)
    assert table.loc["mm", "knn_accuracy"] > 3 / 17  # parcels of one network lie side by side


def test_parcel_distances(planted):
    out = call(ParcelDistances, cwd=planted.folder / "pd", latents=planted.latents, **planted.space)
    distances, parcels = np.load(out.distances), read(out.parcels)
    assert distances.dtype == np.float32 and distances.shape == (64, 64)
    np.testing.assert_array_equal(distances, distances.T)
    assert list(parcels) == ["parcel", "name", "network", "x", "y", "z", "n"]
    assert parcels["n"].sum() == 1727 and parcels["n"].iloc[2] == 26
    np.testing.assert_allclose(parcels[["x", "y", "z"]].iloc[1], [6, 6, 24])
    number = read(planted.space["voxels"])["parcel"].drop(7).to_numpy()
    means = [planted.place[number == p].mean(axis=0) for p in (1, 64)]
    assert distances[0, 63] == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-5)
    short = planted.folder / "short.npy"
    np.save(short, planted.place[:50].astype(np.float32))
    with pytest.raises(ValueError, match=r"short\.npy has 50 rows but there are 1727 usable voxels"):
        call(ParcelDistances, cwd=planted.folder / "pd2", latents=short, **planted.space)


def test_parcel_connectivity_leaves_censored_frames_out(planted):
    given = {"frames": planted.frames, **planted.space}
    fc = np.load(call(ParcelConnectivity, cwd=planted.folder / "fc", scaled=planted.scaled, **given).connectivity)
    x, used = np.load(planted.scaled), read(planted.frames)["weight"].to_numpy() > 0
    number = read(planted.space["voxels"])["parcel"].drop(7).to_numpy()
    means = [x[number == p][:, used].mean(axis=0) for p in (1, 64)]
    assert fc.shape == (64, 64) and not used.all()
    assert fc[0, 63] == pytest.approx(np.corrcoef(means)[0, 1], abs=1e-4)
    x[number == 1] = 0.5
    np.save(planted.folder / "constant.npy", x)
    out = call(ParcelConnectivity, cwd=planted.folder / "fc2", scaled=planted.folder / "constant.npy", **given)
    assert not np.load(out.connectivity)[0].any()


def test_connectivity_geometry(planted):
    out = call(
        ConnectivityGeometry, cwd=planted.folder / "geo", scaled=planted.scaled, latents=planted.latents,
        controls=planted.controls, frames=planted.frames, n_permutations=99, **planted.space,
    )  # fmt: skip
    table = read(out.geometry).set_index("space")
    assert list(table) == ["r", "p_mantel", "r_partial", "p_partial", "n_parcels"]
    assert list(table.index) == [
        "cvae", "cvae whitened", "pca", "pca-16", "pca whitened", "raw series", "raw distance mm"
    ]  # fmt: skip
    assert table.loc["cvae", "r"] > 0.5 and table.loc["cvae", "p_mantel"] == 0.01
    assert table.loc["cvae", "r_partial"] == pytest.approx(table.loc["cvae", "r"], abs=0.02)
    assert abs(table.loc["raw distance mm", "r"]) < 0.1 and np.isnan(table.loc["raw distance mm", "r_partial"])
    matrices = load_file(out.matrices)
    assert {name: m.shape for name, m in matrices.items()} == dict.fromkeys(["fc", "cvae", "pca", "mm"], (64, 64))
    number = read(planted.space["voxels"])["parcel"].drop(7).to_numpy()
    x = np.load(planted.scaled)[:, 3:]
    expected = np.corrcoef([x[number == p].mean(axis=0) for p in (2, 9)])[0, 1]
    assert matrices["fc"][1, 8] == pytest.approx(expected, abs=1e-5)
    scores = load_controls(planted.controls)[3].encode(np.load(planted.scaled))
    means = [scores[number == p].mean(axis=0) for p in (2, 9)]
    assert matrices["pca"][1, 8] == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-4)
    assert len(read(out.parcels)) == 64


def test_geometry_where_no_parcel_is_large_enough(tmp_path):
    """Voxels wider than the 24 mm cubes: each would be a parcel of its own, so tables are empty and nothing fails."""
    mask, rng = np.ones((4, 4, 4), np.uint8), np.random.default_rng(0)
    nib.save(nib.Nifti1Image(mask, np.diag([25.0, 25, 25, 1])), tmp_path / "mask.nii.gz")
    voxels = pd.DataFrame(np.argwhere(mask), columns=["i", "j", "k"]).assign(parcel=0, name="n/a", network="n/a")
    voxels.to_csv(tmp_path / "voxels.tsv", sep="\t", index=False)
    series = 100 + rng.normal(size=(64, 40))
    data = prepare(tmp_path, series, tmp_path / "mask.nii.gz", tmp_path / "voxels.tsv", np.ones(40, int))
    np.save(tmp_path / "z.npy", rng.normal(size=(64, 3)).astype(np.float32))
    given = {"scaled": data.scaled, "latents": tmp_path / "z.npy", "controls": data.controls, "frames": data.frames}
    out = call(ConnectivityGeometry, cwd=tmp_path / "g", n_permutations=9, **given, **data.space)
    assert read(out.geometry).empty and read(out.parcels).empty
    assert {name: matrix.shape for name, matrix in load_file(out.matrices).items()}["cvae"] == (0, 0)
    apart = call(ParcelDistances, cwd=tmp_path / "d", latents=tmp_path / "z.npy", **data.space)
    assert np.load(apart.distances).shape == (0, 0) and read(apart.parcels).empty


def test_latent_recovery(planted, tmp_path):
    """Six planted latents of which the found ones hold three; nothing is planted in some voxels."""
    kept = Scaling.load(planted.space["scaling"]).kept
    values = np.zeros((len(kept), 6), np.float32)
    values[kept, :3] = planted.place
    values[:, 3:] = np.random.default_rng(1).normal(size=(len(kept), 3))
    values[:100] = 0
    nib.save(nib.Nifti1Image(values.reshape(EDGE, EDGE, EDGE, 6), AFFINE), tmp_path / "truth.nii.gz")
    out = call(
        LatentRecovery, cwd=tmp_path / "r", truth=tmp_path / "truth.nii.gz", scaled=planted.scaled,
        latents=planted.latents, controls=planted.controls, gradients=planted.latents, **planted.space,
    )  # fmt: skip
    table = read(out.recovery)
    assert list(table) == ["planted", "space", "r2", "n_dimensions", "n_voxels", "n_parcels"]
    assert list(table["planted"].drop_duplicates()) == list(LATENTS)
    assert set(table["n_voxels"]) == {1628}
    r2 = table.pivot(index="planted", columns="space", values="r2")
    assert set(r2) == {"cvae", "pca", "pca-16", "diffusion", "mm"}
    assert (r2.loc[list(LATENTS[:3]), "cvae"] > 0.999).all()
    assert (r2.loc[list(LATENTS[:3]), "pca"].between(0.3, 0.99)).all()  # three dimensions, with noise
    assert (r2.loc[list(LATENTS[3:])] < 0.05).all(axis=None)
    assert (r2["mm"] < 0.3).all()


def test_real_data_without_an_atlas(shared_data, tmp_path):
    """studyforrest in T1w space: no networks, and cubes of 24 mm in the place of parcels."""
    func = shared_data / "derivatives" / "studyforrest" / "sub-02" / "func"
    (bold,), (brain,) = (sorted(func.glob(f"*desc-{kind}.nii.gz")) for kind in ("preproc_bold", "brain_mask"))
    mask = call(MakeMask, cwd=tmp_path / "m", bolds=[bold], brain_masks=[brain])
    run = call(MaskBold, cwd=tmp_path / "b", bold=bold, mask=mask.mask)
    data = prepare(
        tmp_path, np.load(run.series), mask.mask, mask.voxels, read(run.frames)["weight"].tolist()
    )
    x = np.load(data.scaled)
    np.save(tmp_path / "latents.npy", load_controls(data.controls)[3].encode(x).astype(np.float32))
    common = {"scaled": data.scaled, "latents": tmp_path / "latents.npy", "controls": data.controls}
    out = call(Separability, cwd=tmp_path / "sep", frames=data.frames, **common, **data.space)
    assert read(out.separability).empty and "knn_accuracy" in read(out.separability)
    out = call(ConnectivityGeometry, cwd=tmp_path / "g", frames=data.frames, n_permutations=19, **common, **data.space)
    table = read(out.geometry).set_index("space")
    assert table.loc["cvae", "r"] == pytest.approx(table.loc["pca", "r"], abs=1e-4)  # PCA stands in for the model
    assert table.loc["raw distance mm", "r"] == pytest.approx(0.356, abs=0.01)  # near cubes correlate
    assert table.loc["cvae", "r"] > table.loc["cvae", "r_partial"] > 0.3
    parcels = read(out.parcels)
    assert len(parcels) == 194 and parcels["n"].min() >= 5
    assert parcels["name"][0].startswith("cube at ") and parcels["network"].isna().all()
    assert Path(out.matrices).stat().st_size > 4 * 194**2 * 4
