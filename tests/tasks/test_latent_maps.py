"""LatentStructure, LatentViews, DiffusionEmbedding and CompareGradients: as steps, from file to file."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from pydra_vae.engine.step import call
from pydra_vae.stats.parcels import parcels_or_blocks
from pydra_vae.tasks.compare_gradients import CompareGradients
from pydra_vae.tasks.diffusion_embedding import DiffusionEmbedding
from pydra_vae.tasks.latent_structure import LatentStructure
from pydra_vae.tasks.latent_views import LatentViews
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize

SHAPE, N_FRAMES, EDGE = (13, 14, 12), 90, 4.0


def write_tsv(path, table):
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """Two smooth maps with a time course each, and noise; four parcels of two networks; bad frames."""
    folder, rng = tmp_path_factory.mktemp("subject"), np.random.default_rng(0)
    mask = np.linalg.norm((np.indices(SHAPE).T - (np.array(SHAPE) - 1) / 2) / np.array(SHAPE), axis=-1).T < 0.49
    ijk = np.argwhere(mask)
    planted = np.stack([gaussian_filter(rng.standard_normal(SHAPE), 2.5)[mask] for _ in range(2)], axis=1)
    planted /= planted.std(axis=0)
    x = planted @ rng.normal(size=(2, N_FRAMES)) + 0.5 * rng.normal(size=(len(ijk), N_FRAMES))
    x[:, 10:20] = 50 * rng.normal(size=(1, 10)) * planted[::-1, :1]  # what censored frames hold counts nowhere
    x = 100 + 5 * x
    x[3] = 1  # a constant voxel is not usable
    np.save(folder / "series.npy", x.astype(np.float32))
    frames = pd.DataFrame({"frame": range(N_FRAMES), "weight": 1, "reason": "n/a"})
    frames.loc[10:19, ["weight", "reason"]] = [0, "scrub"]
    made = call(Normalize, cwd=folder / "n", series=[folder / "series.npy"],
                frames=[write_tsv(folder / "frames.tsv", frames)])  # fmt: skip
    nib.save(nib.Nifti1Image(mask.astype("u1"), np.diag([EDGE] * 3 + [1])), folder / "mask.nii.gz")
    parcel = 1 + (ijk[:, 0] > 6) + 2 * (ijk[:, 1] > 6)
    table = pd.DataFrame(ijk, columns=["i", "j", "k"]).assign(
        parcel=parcel, name=[f"p{p}" for p in parcel], network=[f"N{p % 2}" for p in parcel]
    )
    np.save(folder / "latents.npy", np.delete(planted, 3, 0) @ np.array([[1, 0.5, 0], [0, 1, 0.0]]))
    np.save(folder / "pca.npy", np.delete(planted, 3, 0))
    return {
        "space": {"voxels": write_tsv(folder / "voxels.tsv", table), "scaling": made.scaling,
                  "mask": folder / "mask.nii.gz"},
        "series": {"scaled": made.scaled, "frames": made.frames},
        "folder": folder, "planted": np.delete(planted, 3, 0), "mm": np.delete(ijk, 3, 0) * EDGE,
    }  # fmt: skip


@pytest.fixture(scope="module")
def gradients(subject, tmp_path_factory):
    return call(DiffusionEmbedding, cwd=tmp_path_factory.mktemp("diffusion"), **subject["series"], **subject["space"],
                n_components=3)  # fmt: skip


def explained(x, y):
    """R² of the columns of y by those of x."""
    design = np.column_stack([np.ones(len(x)), x])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1 - left.var(axis=0) / y.var(axis=0)


def test_gradients_tell_the_planted_directions(subject, gradients, tmp_path):
    info = json.loads(gradients.info.fspath.read_text())
    n = len(subject["planted"])
    assert (info["level"], info["n_nodes"], info["n_seeds"], info["parcels"]) == ("voxel", n, n, "atlas")
    assert sorted(info["eigenvalues"], reverse=True) == info["eigenvalues"]
    found = np.load(gradients.gradients)
    assert found.shape == (n, 3) and found.dtype == np.float32
    again = call(DiffusionEmbedding, cwd=tmp_path, **subject["series"], **subject["space"], n_components=3)
    np.testing.assert_array_equal(np.load(again.gradients), found)
    # correlations know a voxel's direction in the planted plane, and not how strong its signal is
    direction = subject["planted"] / np.linalg.norm(subject["planted"], axis=1, keepdims=True)
    assert (explained(found, direction) > 0.8).all()


@pytest.mark.parametrize("affinity", ["cosine", "normalized_angle"])
def test_parcels_are_painted_onto_their_voxels(subject, tmp_path, affinity):
    table = pd.read_csv(subject["space"]["voxels"], sep="\t").assign(parcel=0, name="", network="")
    space = subject["space"] | {"voxels": write_tsv(tmp_path / "voxels.tsv", table)}
    options = {"affinity": affinity, "level": "parcel", "n_components": 2, "sparsity": 0.5}
    made = call(DiffusionEmbedding, cwd=tmp_path / affinity, **subject["series"], **space, **options)
    info, found = json.loads(made.info.fspath.read_text()), np.load(made.gradients)
    cubes = parcels_or_blocks(np.zeros(len(found), int), subject["mm"])
    assert (info["level"], info["parcels"], info["n_nodes"]) == ("parcel", "cubes of 24 mm", len(np.unique(cubes)))
    for cube in np.unique(cubes):
        assert len(np.unique(found[cubes == cube], axis=0)) == 1
    assert len(np.unique(found, axis=0)) == info["n_nodes"]


def test_levels_that_cannot_be(subject, tmp_path, monkeypatch):
    def embed(**options):
        return call(DiffusionEmbedding, cwd=tmp_path, **subject["series"], **subject["space"], **options)

    with pytest.raises(ValueError, match=r"normalised angle needs every pair.*level=parcel, or the cosine"):
        embed(affinity="normalized_angle", level="voxel")
    with pytest.raises(ValueError, match="4 nodes have at most 2 gradients and 9 were asked for"):
        embed(level="parcel")
    from pydra_vae.tasks import diffusion_embedding

    monkeypatch.setattr(diffusion_embedding, "MAX_VOXELS", 100)
    with pytest.raises(ValueError, match=r"is too large \(at most 100\): choose level=seed"):
        embed(level="voxel")
    made = embed(n_components=2, sparsity=0)
    assert json.loads(made.info.fspath.read_text())["level"] == "seed"


def test_structure_beside_its_controls(subject, gradients, tmp_path):
    folder = subject["folder"]
    made = call(LatentStructure, cwd=tmp_path, latents=folder / "latents.npy", pca=folder / "pca.npy",
                gradients=gradients.gradients, **subject["series"], **subject["space"], n_null=99)  # fmt: skip
    table = pd.read_csv(made.structure, sep="\t", index_col="space")
    assert list(table.index) == ["cvae", "cvae, rotated", "cvae, gaussian", "pca", "diffusion", "raw"]
    planted = subject["planted"]
    r = np.corrcoef(planted[:, 0], planted @ [0.5, 1])[0, 1]  # the third latent is dead
    assert table["max_abs_r"]["cvae"] == pytest.approx(abs(r), abs=1e-6)
    assert table["twonn"]["cvae"] == pytest.approx(2, rel=0.15)  # a grid of voxels is no random sample of points
    assert table["twonn"]["raw"] > 5 and table["n_dimensions"]["raw"] == N_FRAMES - 10
    variance = np.linalg.eigvalsh(np.cov(np.load(folder / "latents.npy").T))
    assert table["participation_ratio"]["cvae"] == pytest.approx(variance.sum() ** 2 / (variance**2).sum())
    assert table["twonn"]["cvae, gaussian"] == pytest.approx(2, abs=0.3)
    pairs = pd.read_csv(made.correlations, sep="\t")
    assert pairs.groupby("space").size().to_dict() == {"cvae": 3, "diffusion": 3, "pca": 1}
    assert pairs["r"].isna().tolist() == [False, True, True] + [False] * 4
    maps = pd.read_csv(made.dimensions, sep="\t")
    assert maps.groupby("space", sort=False).size().to_dict() == {"cvae": 3, "pca": 2, "diffusion": 3, "raw": 3}
    smooth = maps[(maps["space"] == "pca") | (maps["space"] == "cvae") & (maps["dimension"] < 3)]
    assert (smooth["p"] == 0.01).all() and (smooth["morans_i"] > 0.8).all()
    # noise smoothed with σ = 2.5 voxels of 4 mm: 1/e at 2σ = 20 mm; a small volume cuts the largest waves
    assert smooth["correlation_length_mm"].between(11, 22).all()
    dead = maps[(maps["space"] == "cvae") & (maps["dimension"] == 3)].iloc[0]
    assert dead[["morans_i", "p", "correlation_length_mm"]].isna().all() and dead["sd"] == 0
    raw = maps[maps["space"] == "raw"]
    assert (raw["correlation_length_mm"] < smooth["correlation_length_mm"].max()).all()


def test_latents_alone(subject, tmp_path):
    made = call(LatentStructure, cwd=tmp_path, latents=subject["folder"] / "pca.npy", **subject["space"], n_null=9)
    assert pd.read_csv(made.structure, sep="\t")["space"].tolist() == ["cvae", "cvae, rotated", "cvae, gaussian"]
    np.save(tmp_path / "one.npy", subject["planted"][:, :1])
    made = call(LatentStructure, cwd=tmp_path / "1", latents=tmp_path / "one.npy", **subject["space"], n_null=9)
    assert pd.read_csv(made.correlations, sep="\t").empty
    assert np.isnan(pd.read_csv(made.structure, sep="\t")["max_abs_r"][0])
    np.save(tmp_path / "other.npy", np.zeros((7, 2)))
    with pytest.raises(ValueError, match=r"other\.npy has the shape \(7, 2\), but there are \d+ voxels"):
        call(LatentStructure, cwd=tmp_path, latents=tmp_path / "other.npy", **subject["space"])


def test_views_show_the_same_voxels(subject, tmp_path):
    latents = subject["folder"] / "latents.npy"
    made = call(LatentViews, cwd=tmp_path, latents=latents, **subject["space"], tsne=True, n_voxels=60)
    table = pd.read_csv(made.views, sep="\t")
    assert list(table) == ["view", "row", "network", "parcel", "x", "y"]
    assert table["view"].unique().tolist() == ["pca", "ica", "tsne"] and len(table) == 180
    shown = [part[["row", "network", "parcel"]].to_numpy().tolist() for _, part in table.groupby("view")]
    assert shown[0] == shown[1] == shown[2]
    assert (table["network"] == "N" + (table["parcel"] % 2).astype(str)).all()
    pca = table[table["view"] == "pca"]
    z = np.load(latents)
    assert np.hypot(pca["x"], pca["y"]).to_numpy() == pytest.approx(
        np.linalg.norm((z - z.mean(axis=0))[pca["row"]], axis=1)
    )


def test_matching_gradients_are_found(subject, gradients, tmp_path):
    rng = np.random.default_rng(1)
    g = np.load(gradients.gradients)
    np.save(tmp_path / "latents.npy", np.c_[rng.normal(size=len(g)), -3 * g[:, 1] + 0.1 * rng.normal(size=len(g))])
    made = call(CompareGradients, cwd=tmp_path / "c", latents=tmp_path / "latents.npy", n_null=199,
                gradients=gradients.gradients, **subject["space"])  # fmt: skip
    table = pd.read_csv(made.matches, sep="\t")
    assert table[["latent", "gradient"]].to_numpy().tolist() == [[a, b] for a in (1, 2) for b in (1, 2, 3)]
    match = table[(table["latent"] == 2) & (table["best"] == 1)].iloc[0]
    assert match["gradient"] == 2 and match["r"] < -0.9 and match["r_voxels"] < -0.9
    assert match["p_spatial"] == match["p_best"] == match["p_all"] == 0.005 and match["r_all"] > 0.9
    assert (table.groupby("latent")["best"].sum() == 1).all()
    assert table["p_best"][0] > 0.01  # noise matches nothing
    few = call(CompareGradients, cwd=tmp_path / "f", latents=tmp_path / "latents.npy", n_patches=8,
               gradients=gradients.gradients, **subject["space"])  # fmt: skip
    empty = pd.read_csv(few.matches, sep="\t")
    assert empty.empty and list(empty) == list(table)


def test_studyforrest(shared_data, tmp_path):
    """Real data: maps of a PCA are smoother than single voxels, and its space has less than nine dimensions."""
    from pydra_vae.stats.pca import fit_pca

    folder = shared_data / "derivatives" / "studyforrest" / "sub-02" / "func"
    bold, brain = (next(folder.glob(f"*desc-{kind}.nii.gz")) for kind in ("preproc_bold", "brain_mask"))
    made = call(MakeMask, cwd=tmp_path / "m", bolds=[bold], brain_masks=[brain])
    run = call(MaskBold, cwd=tmp_path / "r", bold=bold, mask=made.mask)
    n = call(Normalize, cwd=tmp_path / "n", series=[run.series], frames=[run.frames])
    x = np.load(n.scaled)
    np.save(tmp_path / "z.npy", fit_pca(x, 9).encode(x))
    space = {"voxels": made.voxels, "scaling": n.scaling, "mask": made.mask}
    seeds = call(DiffusionEmbedding, cwd=tmp_path / "d", scaled=n.scaled, frames=n.frames, level="seed", **space)
    out = call(LatentStructure, cwd=tmp_path / "s", latents=tmp_path / "z.npy", gradients=seeds.gradients, **space,
               n_points=2000, n_null=9)  # fmt: skip
    maps = pd.read_csv(out.dimensions, sep="\t")
    assert len(maps) == 18 and (maps["p"] == 0.1).all() and maps["morans_i"].between(0.3, 0.95).all()
    assert maps["correlation_length_mm"].between(6, 40).all()
    table = pd.read_csv(out.structure, sep="\t", index_col="space")
    assert table["max_abs_r"]["cvae"] < 1e-6 and 6 < table["twonn"]["cvae"] < 8
