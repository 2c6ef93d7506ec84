"""PCA, ICA and rotations as steps: shapes, scales, training only, messages."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from pydra_vae.engine.step import call
from pydra_vae.tasks.fit_surface_pca import FitSurfacePca
from pydra_vae.tasks.ica import Ica
from pydra_vae.tasks.rotate_factors import RotateFactors
from pydra_vae.tasks.split_subjects import SplitSubjects

N, T, V, K = 10, 120, 300, 4


def series(folder, seed, maps, strange=False):
    """Sparse sources in known maps; a strange recording has another map, by far the strongest."""
    rng = np.random.default_rng(seed)
    x = rng.laplace(size=(T, K)) @ maps + 0.1 * rng.normal(size=(T, V))
    if strange:
        x += 20 * np.outer(rng.normal(size=T), rng.normal(size=V))
    path = folder / f"{seed}.npy"
    np.save(path, x.astype(np.float32))
    return path


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ica")
    names = [f"sub-{i}" for i in range(N)]
    split = call(SplitSubjects, cwd=folder / "split", labels=names, persons=names).subject_split
    part = pd.read_csv(split, sep="\t").part
    rng = np.random.default_rng(100)
    maps = rng.normal(size=(K, V)) * (rng.random((K, V)) < 0.2)
    files = [series(folder, i, maps, strange=part[i] == "test") for i in range(N)]
    inputs = {"series": files, "subject_split": split}
    fitted = call(FitSurfacePca, cwd=folder / "pca", **inputs, n_components=6)
    return {"maps": maps, "part": part, "pca": fitted, "inputs": inputs}


def test_the_pca_has_seen_training_recordings_only(given):
    pca = load_file(given["pca"].pca)
    assert set(pca) == {f"{a}.{b}" for a in ("concatenated", "mean") for b in ("mean", "components", "variance")}
    assert pca["concatenated.components"].shape == (6, V) and pca["mean.variance"].shape == (6,)
    share = ((given["maps"] @ pca["concatenated.components"][:K].T) ** 2).sum() / (given["maps"] ** 2).sum()
    assert share > 0.99 and pca["concatenated.variance"][4] < 0.1  # the strange map is not there


@pytest.mark.parametrize("data", ["concatenated", "mean"])
@pytest.mark.parametrize("independence", ["temporal", "spatial"])
def test_every_variant_gives_factors_of_all_recordings(tmp_path, given, independence, data):
    made = call(
        Ica, cwd=tmp_path, **given["inputs"], pca=given["pca"].pca, n_components=K, independence=independence, data=data
    )
    factors, maps = np.load(made.factors), np.load(made.maps)
    assert factors.shape == (N, T, K) and maps.shape == (K, V) and factors.dtype == maps.dtype == np.float32
    train = factors[given["part"] == "train"].reshape(-1, K)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-3)
    if (independence, data) != ("temporal", "mean"):  # 120 time points of a mean of Laplacians are nearly Gaussian
        r = np.abs(np.corrcoef(given["maps"], maps)[:K, K:]).max(axis=1)
        assert (r > 0.9).all()
    stability = pd.read_csv(made.stability, sep="\t", na_values="n/a")
    assert list(stability) == [
        "model", "k", "beta", "seed", "restart", "iterations", "converged", "objective", "similarity", "kept",
    ]  # fmt: skip
    assert stability.model[0] == f"{independence} Infomax (extended), {data}" and len(stability) == 4


def test_recordings_are_not_all_open_at_once(given):
    import resource

    from pydra_vae.tasks._recordings import load_series

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        recordings = load_series(given["inputs"]["series"] * 60)
        assert len(recordings) == 600 and sum(x[0, 0] != 0 for x in recordings) == 600
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_pca_is_a_variant(tmp_path, given):
    made = call(Ica, cwd=tmp_path, **given["inputs"], pca=given["pca"].pca, n_components=3, method="pca")
    assert np.load(made.maps).shape == (3, V) and pd.read_csv(made.stability, sep="\t").model.tolist() == ["PCA"]


@pytest.mark.parametrize("by", ["series", "maps"])
def test_rotation_brings_mixed_factors_back(tmp_path, given, by):
    plain = call(Ica, cwd=tmp_path / "pca", **given["inputs"], pca=given["pca"].pca, n_components=K, method="pca")
    source = {"series": given["inputs"]["series"]} if by == "series" else {"maps": plain.maps}
    split = given["inputs"]["subject_split"]
    turned = call(RotateFactors, cwd=tmp_path / "turn", factors=plain.factors, subject_split=split, **source)
    factors, new = np.load(plain.factors), np.load(turned.factors)
    np.testing.assert_allclose(factors @ np.load(turned.rotation), new, atol=1e-4)

    def least(path):
        return np.abs(np.corrcoef(given["maps"], np.load(path))[:K, K:]).max(axis=1).min()

    assert least(turned.maps) > 0.9 > least(plain.maps)


def test_messages(tmp_path, given):
    inputs = given["inputs"] | {"pca": given["pca"].pca}
    with pytest.raises(Exception, match="holds 6 components and 7 are needed"):
        call(Ica, cwd=tmp_path / "a", **inputs, n_components=7)
    with pytest.raises(Exception, match="9 series but the split lists 10 recordings"):
        call(Ica, cwd=tmp_path / "b", **inputs | {"series": inputs["series"][1:]})
    short = tmp_path / "short.npy"
    np.save(short, np.zeros((T - 1, V), np.float32))
    with pytest.raises(Exception, match="recordings of one length and one region are needed"):
        call(FitSurfacePca, cwd=tmp_path / "c", **given["inputs"] | {"series": [*inputs["series"][1:], short]})
    with pytest.raises(Exception, match="no maps to turn"):
        np.save(tmp_path / "f.npy", np.zeros((N, T, 2)))
        call(RotateFactors, cwd=tmp_path / "d", factors=tmp_path / "f.npy", subject_split=inputs["subject_split"])
