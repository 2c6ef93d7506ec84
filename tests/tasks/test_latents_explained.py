"""The steps that explain a volumetric VAE's latents, on a small study with planted factors."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.correlate_latents import CorrelateLatents
from pydra_vae.tasks.draw_volumes import DrawVolumes
from pydra_vae.tasks.embed_volumes import EmbedVolumes
from pydra_vae.tasks.encode_volumes import EncodeVolumes
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.interpolate_volumes import InterpolateVolumes
from pydra_vae.tasks.recover_factors import RecoverFactors
from pydra_vae.tasks.split_subjects import SplitSubjects
from pydra_vae.tasks.traverse_volumes import TraverseVolumes
from pydra_vae.tasks.volume_dimension import VolumeDimension
from pydra_vae.tasks.volume_pca_scores import VolumePcaScores

N, K, SHAPE = 120, 4, (6, 5, 4)
V = int(np.prod(SHAPE))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """120 persons, 20 of them twice; three factors of which the first is age; a fit of four latents."""
    folder = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(0)
    again = np.arange(20)
    who = np.concatenate([np.arange(N), again])
    labels = [f"sub-{p:03d}_ses-{1 + (i >= N)}" for i, p in enumerate(who)]
    persons = [f"sub-{p:03d}" for p in who]
    factors = rng.normal(size=(N, 3))[who]
    factors[N:, 0] += 0.5
    waves = np.cos(np.outer(np.arange(1, 4), np.linspace(0, 3, V)))
    x = 0.5 + 0.06 * np.tanh(factors) @ waves + 0.005 * rng.normal(size=(len(who), V))
    np.save(folder / "volumes.npy", x.astype(np.float32))
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.diag([10.0, 10, 10, 1])), folder / "mask.nii.gz")
    split = call(SplitSubjects, cwd=folder / "split", labels=labels, persons=persons).subject_split
    sex = np.where(factors[:, 1] > 0, "M", "F")
    noise = rng.normal(size=N)[who]
    table = {"label": labels, "person": persons, "age": 60 + 8 * factors[:, 0], "sex": sex, "noise": noise}
    pd.DataFrame(table).sample(frac=1, random_state=0).to_csv(folder / "covariates.tsv", sep="\t", index=False)
    regions = pd.DataFrame({"label": labels, "left": x[:, : V // 2].sum(axis=1), "right": x[:, V // 2 :].sum(axis=1)})
    regions.to_csv(folder / "regions.tsv", sep="\t", index=False)
    data = {"volumes": folder / "volumes.npy", "volume_split": split}
    fit = call(
        FitVolumeVae, cwd=folder / "vae", **data, mask=folder / "mask.nii.gz", network="dense", latent_dim=K, width=2,
        beta=1.0, max_steps=150, device="cpu",
    )  # fmt: skip
    network = {"model": fit.model, "config": fit.config}
    encoded = call(
        EncodeVolumes,
        cwd=folder / "codes",
        **network,
        volumes=data["volumes"],
        mask=folder / "mask.nii.gz",
        device="cpu",
    )
    pca = call(FitVolumePca, cwd=folder / "pca", **data, n_components=8).pca
    scores = call(VolumePcaScores, cwd=folder / "scores", volumes=data["volumes"], pca=pca, n_components=K).scores
    truth = pd.DataFrame({"label": labels, "text": "a", "one": factors[:, 0], "two": factors[:, 1], "none": noise})
    truth.to_csv(folder / "truth.tsv", sep="\t", index=False)
    return {
        "folder": folder,
        "data": data,
        "network": network | {"device": "cpu"},
        "latents": {"latents": encoded.latents},
        "posterior": {"latents": encoded.latents, "log_variance": encoded.log_variance},
        "pca": pca,
        "scores": scores,
        "covariates": folder / "covariates.tsv",
        "parts": pd.read_csv(split, sep="\t").part.to_numpy(),
        "persons": np.array(persons),
    }


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def first(study, *parts):
    return int((np.isin(study["parts"], parts) & (np.arange(len(study["parts"])) < N)).sum())


def test_traversals(study, tmp_path):
    found = call(TraverseVolumes, cwd=tmp_path, **study["network"], **study["posterior"], **study["data"], n_steps=5)
    walks, effects = np.load(found.traversals), np.load(found.effects)
    steps, table = read(found.steps), read(found.table)
    assert walks.shape == (5 * K, V) and effects.shape == (K, V) and len(steps) == 5 * K
    # all walks meet in the middle, and an effect is the slope there
    middle = steps[steps.value_sd == 0].row
    assert np.ptp(walks[middle], axis=0).max() < 1e-5
    near = steps[(steps.latent == 1) & (steps.value_sd.abs() == 1)].row.to_numpy()
    np.testing.assert_allclose((walks[near[1]] - walks[near[0]]) / 2, effects[1], atol=1e-6)
    assert sorted(table.order) == [1, 2, 3, 4] and table.r2.nunique() == 1 and table.r2[0] > 0.6
    assert table.loc[table.order == 1, "r2_lost"].item() == table.r2_lost.max() <= table.r2[0] + 1
    assert (table.n_test == (study["parts"] == "test").sum()).all()


def test_correlations_find_age_and_sex_and_not_noise(study, tmp_path):
    inputs = {"volume_split": study["data"]["volume_split"], "covariates": study["covariates"]}
    found = call(
        CorrelateLatents, cwd=tmp_path / "all", **study["latents"], **inputs, regions=study["folder"] / "regions.tsv"
    )
    table = read(found.correlations)
    assert list(table)[:4] == ["model", "latent", "with", "kind"] and len(table) == K * 5
    assert (table.n == N).all()  # first visits only
    significant = table[table.significant == 1]["with"].value_counts()
    assert set(significant.index) >= {"age", "sex", "left", "right"} and "noise" not in significant
    assert table[table["with"] == "sex"].levels.unique().tolist() == ["F, M"]
    assert (table.q >= table.p - 1e-12).all()
    linear = call(
        CorrelateLatents, cwd=tmp_path / "pca", latents=study["scores"], **inputs, parts="test", model=f"PCA-{K}"
    )
    table = read(linear.correlations)
    assert (table.model == f"PCA-{K}").all() and (table.n == first(study, "test")).all()


def test_draws_beside_the_data(study, tmp_path):
    inputs = {**study["network"], **study["posterior"], **study["data"], "pca": study["pca"], "n": 60}
    found = call(DrawVolumes, cwd=tmp_path / "a", **inputs)
    table = read(found.statistics).set_index("source")
    assert list(table.index) == ["data", "reconstruction", "prior", "gmm", "gaussian", "pca-gaussian"]
    assert table.n.tolist() == [first(study, "test")] * 2 + [60] * 4
    assert table.total["data"] == pytest.approx(0.5 * V, rel=0.1)  # voxels of 1 ml
    # a density of the latents gives the data's variance, as far as reconstructions do
    assert table.voxel_variance_ratio["gaussian"] == pytest.approx(
        table.voxel_variance_ratio["reconstruction"], abs=0.35
    )
    assert table.nearest_image["data"] == pytest.approx(1, abs=0.4) and table.impossible["data"] < 0.01
    rows, drawn = read(found.table), np.load(found.drawn)
    assert drawn.shape == (12, V) and rows.source.unique().tolist() == ["prior", "gmm", "pca-gaussian"]
    assert rows.row.tolist() == list(range(12))
    again = call(DrawVolumes, cwd=tmp_path / "b", **inputs)
    assert all(
        Path(getattr(found, n)).read_bytes() == Path(getattr(again, n)).read_bytes() for n in ("statistics", "drawn")
    )


def test_interpolation_between_the_most_different(study, tmp_path):
    inputs = {**study["network"], **study["latents"], **study["data"]}
    found = call(InterpolateVolumes, cwd=tmp_path, **inputs, n_pairs=2, n_steps=4)
    table, images = read(found.table), np.load(found.volumes)
    assert images.shape == (12, V) and table.row.tolist() == list(range(12))
    assert len({*table.label_a, *table.label_b}) == 4  # nobody twice
    assert table.latent_distance.is_monotonic_decreasing
    ends = table[table.kind == "image"]
    split = pd.read_csv(study["data"]["volume_split"], sep="\t")
    expected = [label for pair in (0, 1) for label in table[table.pair == pair].iloc[0][["label_a", "label_b"]]]
    volumes = np.load(study["data"]["volumes"])
    np.testing.assert_array_equal(images[ends.row], volumes[split.set_index("label").index.get_indexer(expected)])
    on_the_way = table[table.kind == "decoded"].set_index(["pair", "step"])
    assert (on_the_way.to_linear.xs(0, level="step") == 0).all() and (on_the_way.to_linear < 0.5).all()


def test_maps_beside_pca(study, tmp_path):
    inputs = {**study["data"], **study["latents"], "pca": study["pca"]}
    found = call(EmbedVolumes, cwd=tmp_path / "all", **inputs, covariates=study["covariates"])
    table = read(found.scores)
    assert table.method.unique().tolist() == ["PCA", "VAE", "MDS", "LLE", "Isomap", "random", "images"]
    test = table[table.part == "test"].set_index("method")
    assert (test.n == first(study, "test")).all() and (test.n_train == first(study, "train")).all()
    assert test.trustworthiness["images"] == 1 and test.trustworthiness["PCA"] > 0.95 > test.trustworthiness["random"]
    assert test.knn_r2_age["PCA"] > 0.4 and test.knn_r2_noise["PCA"] < 0.2
    views, rows = np.load(found.coordinates), read(found.table)
    assert views.shape == (5, N, 2) and len(rows) == 5 * N
    np.testing.assert_allclose(rows[["x", "y"]].to_numpy(), views.reshape(-1, 2), rtol=1e-4, atol=1e-5)
    bare = read(call(EmbedVolumes, cwd=tmp_path / "bare", **inputs, methods=["MDS"]).scores)
    assert bare.method.unique().tolist() == ["PCA", "VAE", "MDS", "random", "images"]
    assert not [name for name in bare if name.startswith("knn_r2")]
    with pytest.raises(ValueError, match=r"no column of numbers called iq: it has age, noise"):
        call(EmbedVolumes, cwd=tmp_path / "iq", **inputs, covariates=study["covariates"], targets=["iq"])


def test_dimension_and_shells_beside_controls(study, tmp_path):
    inputs = {**study["data"], **study["latents"], "pca": study["pca"]}
    found = call(VolumeDimension, cwd=tmp_path, **inputs)
    table, shells = read(found.dimension), read(found.shells)
    assert table.space.unique().tolist() == ["images", f"PCA-{K} scores", "VAE latents"]
    assert table.control.unique().tolist() == ["none", "gaussian", "shuffled"] and (table.n == N).all()
    images = table[table.space == "images"].set_index("control")
    # three factors and little noise; the participation ratio depends on the covariance alone
    assert images.participation_ratio["none"] == pytest.approx(images.participation_ratio["gaussian"], rel=1e-5)
    assert images.participation_ratio["none"] < 4
    assert (shells.shell_share_ball < 1).all() and (shells.sqrt_d**2 - shells.dims).abs().max() < 1e-5
    white = shells[(shells.space == "VAE latents, whitened") & (shells.control == "gaussian")].iloc[0]
    assert white.radius_mean == pytest.approx(white.expected_mean, rel=0.05)


def test_recovery_of_planted_factors(study, tmp_path):
    inputs = {"volume_split": study["data"]["volume_split"], "targets": study["folder"] / "truth.tsv"}
    features = [study["latents"]["latents"], study["scores"]]
    found = call(RecoverFactors, cwd=tmp_path, features=features, names=["VAE", "PCA"], **inputs, n_shuffles=20)
    table = read(found.recovery)
    assert len(table) == 2 * 3 * 2 and set(table.target) == {"one", "two", "none"}  # texts are left out
    assert (table.n_train == first(study, "train", "validation")).all() and (table.n_test == first(study, "test")).all()
    planted = table[table.target.isin(["one", "two"]) & (table.kind == "linear")]
    assert (planted.r > 0.8).all() and (planted.r > planted.best_single_r - 0.05).all()
    assert (table[table.target == "none"].r2 < 0.2).all()


def test_messages(study, tmp_path):
    data, folder = study["data"], study["folder"]
    inputs = {**study["network"], **study["posterior"], **data}
    np.save(tmp_path / "few.npy", np.zeros((7, K)))
    with pytest.raises(ValueError, match=r"few.npy has 7 rows but the split lists 140 images"):
        call(TraverseVolumes, cwd=tmp_path / "a", **inputs | {"latents": tmp_path / "few.npy"})
    np.save(tmp_path / "other.npy", np.zeros((140, 3)))
    with pytest.raises(ValueError, match="has 3 latents but the model 4"):
        call(DrawVolumes, cwd=tmp_path / "b", **inputs | {"latents": tmp_path / "other.npy"})
    np.save(tmp_path / "nan.npy", np.full((140, K), np.nan))
    with pytest.raises(ValueError, match="not finite"):
        call(DrawVolumes, cwd=tmp_path / "c", **inputs | {"latents": tmp_path / "nan.npy"})
    read(folder / "covariates.tsv").iloc[2:].to_csv(tmp_path / "short.tsv", sep="\t", index=False)
    correlate = {**study["latents"], "volume_split": data["volume_split"]}
    with pytest.raises(ValueError, match=r"short.tsv has no row for 2 of 140 images: sub-"):
        call(CorrelateLatents, cwd=tmp_path / "d", **correlate, covariates=tmp_path / "short.tsv")
    with pytest.raises(ValueError, match="has no column 'label'"):
        pd.DataFrame({"age": [1]}).to_csv(tmp_path / "bare.tsv", sep="\t", index=False)
        call(CorrelateLatents, cwd=tmp_path / "e", **correlate, covariates=tmp_path / "bare.tsv")
    recover = {"volume_split": data["volume_split"], "targets": folder / "truth.tsv"}
    with pytest.raises(ValueError, match="1 files of features but 2 names"):
        call(RecoverFactors, cwd=tmp_path / "f", features=[study["scores"]], names=["a", "b"], **recover)


def test_a_collapsed_model_is_described_and_not_refused(study, tmp_path):
    """All latents alike: nothing correlates, nothing is carried, and no step falls over."""
    np.save(tmp_path / "flat.npy", np.zeros((140, K), np.float32))
    latents, data = {"latents": tmp_path / "flat.npy"}, study["data"]
    posterior = {**study["posterior"], **latents}
    table = read(call(TraverseVolumes, cwd=tmp_path / "t", **study["network"], **posterior, **data).table)
    assert table.variance_share.isna().all() and (table.r2_lost.abs() < 1e-9).all()
    covariates = {"volume_split": data["volume_split"], "covariates": study["covariates"]}
    assert read(call(CorrelateLatents, cwd=tmp_path / "c", **latents, **covariates).correlations).r.isna().all()
    drawn = read(call(DrawVolumes, cwd=tmp_path / "d", **study["network"], **posterior, **data, n=20).statistics)
    assert drawn.set_index("source").voxel_variance_ratio["reconstruction"] == 0
    call(InterpolateVolumes, cwd=tmp_path / "i", **study["network"], **latents, **data)
    call(EmbedVolumes, cwd=tmp_path / "e", **latents, **data, pca=study["pca"])
    dimension = read(call(VolumeDimension, cwd=tmp_path / "v", **latents, **data, pca=study["pca"]).dimension)
    assert dimension[dimension.space == "VAE latents"].twonn.isna().all()
    targets = {"volume_split": data["volume_split"], "targets": study["folder"] / "truth.tsv"}
    found = read(
        call(RecoverFactors, cwd=tmp_path / "r", features=[tmp_path / "flat.npy"], names=["VAE"], **targets).recovery
    )
    assert (found.r2 < 0.1).all()
    assert json.loads(Path(study["network"]["config"]).read_text())["latent_dim"] == K
