"""The estimators: scikit-learn's checks, the steps' fits to the bit, searches and pipelines, and what they refuse."""

import doctest
import importlib
import io
import pickle

import numpy as np
import pytest
import sklearn
import torch
from safetensors.numpy import load_file
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from pydra_vae.engine.step import call
from pydra_vae.estimators import CvaeDecomposition, TiVaeDecomposition, VolumeVae

from .training.motor_sheets import sheets

QUICK = {"network": "dense", "max_steps": 30, "device": "cpu"}


def series(n=240, n_frames=40, rank=3, noise=0.3, seed=0):
    """Rows of a few planted courses."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n_frames))
    return (x + noise * rng.normal(size=x.shape)).astype(np.float32)


def weights(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def same_weights(model, path):
    stored, own = load_file(path), weights(model)
    assert stored.keys() == own.keys()
    return all(np.array_equal(stored[name], own[name]) for name in own)


@parametrize_with_checks(
    [
        CvaeDecomposition(network="dense", max_steps=20),
        VolumeVae(network="dense", max_steps=5, width=1),
        # takes recordings, frames × vertices each: the checks of matrices skip themselves
        TiVaeDecomposition(network="linear", max_steps=5),
    ]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ["base", "cvae", "tivae", "volumes"])
def test_examples_of_the_docstrings(name):
    module = importlib.import_module(f"pydra_vae._estimators_{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "options",
    [
        {"linear_skip": "pca", "mixing": 0.5, "seed": 3},
        {"beta": 1.0, "kl_annealing_steps": 5, "batch_size": 50, "threads": 2, "max_steps": 6},
        {"network": "lk", "max_steps": 3, "recipe": "paper"},
    ],
    ids=["skip", "beta", "paper"],
)
def test_a_cvae_is_that_of_the_step(tmp_path, options):
    from pydra_vae.tasks.fit_cvae import FitCvae

    x, split = series(), np.arange(240) % 10 // 7  # 0 × 7, 1 × 3
    split[::20] = 2
    used = np.ones(40)
    used[:2] = 0
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "split.npy", split.astype(np.int8))
    rows = "".join(f"0\t{i}\t{int(use)}\tn/a\n" for i, use in enumerate(used))
    (tmp_path / "frames.tsv").write_text("run\tframe\tweight\treason\n" + rows)
    options = QUICK | {"latent_dim": 3} | options
    files = {"scaled": tmp_path / "x.npy", "voxel_split": tmp_path / "split.npy", "frames": tmp_path / "frames.tsv"}
    step = call(FitCvae, cwd=tmp_path, **files, **options)
    own = {"random_state": options.pop("seed", 0), "n_jobs": options.pop("threads", None)}
    fitted = CvaeDecomposition(**options, **own, frame_weights=used).fit(x, split=split)
    assert same_weights(fitted.model_, step.model)


def test_a_tivae_is_that_of_the_step(tmp_path):
    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks.fit_tivae import FitTiVae

    made = sheets(side=6, n_frames=40, parts=(4, 2, 1))
    for i, array in enumerate(made.arrays):
        np.save(tmp_path / f"{i}.npy", array)
    np.save(tmp_path / "clusters.npy", made.clusters.astype(np.int32))
    rows = [{"label": f"sub-{i}", "person": i, "part": part} for i, part in enumerate(made.parts)]
    options = {"latent_dim": 3, "beta": 0.5, "max_steps": 4, "crop": 20, "device": "cpu"}
    step = call(
        FitTiVae,
        cwd=tmp_path,
        series=[tmp_path / f"{i}.npy" for i in range(len(rows))],
        subject_split=write_table(tmp_path / "split.tsv", rows),
        vertices=write_table(
            tmp_path / "vertices.tsv", [{"hemi": h, "vertex": i, "label": "motor"} for h in "LR" for i in range(36)]
        ),
        clusters=tmp_path / "clusters.npy",
        **options,
    )
    fitted = TiVaeDecomposition(**options, clusters=made.clusters).fit(made.arrays, split=made.parts)
    assert same_weights(fitted.model_, step.model)


def test_a_vae_of_volumes_is_that_of_the_step(tmp_path):
    import nibabel as nib

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks.fit_volume_vae import FitVolumeVae

    mask = np.zeros((8, 7, 6), np.uint8)
    mask[2:7, 1:6, 1:5] = np.random.default_rng(0).random((5, 5, 4)) < 0.8
    x, parts = series(40, int(mask.sum())), ["train"] * 28 + ["validation"] * 6 + ["test"] * 6
    np.save(tmp_path / "x.npy", x)
    affine = np.array([[0, 4.0, 0, 0], [-4.0, 0, 0, 0], [0, 0, 4.0, 0], [0, 0, 0, 1]])  # left to right is axis 1
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    rows = [{"label": f"sub-{i:02}", "person": i, "part": part} for i, part in enumerate(parts)]
    split = write_table(tmp_path / "split.tsv", rows)
    options = {"latent_dim": 3, "width": 2, "max_steps": 6, "augmentation": "flip", "annealing": "linear"}
    options |= {"reconstruction": "mse+dssim", "ssim_window": 3, "device": "cpu"}
    files = {"volumes": tmp_path / "x.npy", "volume_split": split, "mask": tmp_path / "mask.nii.gz"}
    step = call(FitVolumeVae, cwd=tmp_path, **files, **options)
    fitted = VolumeVae(**options, mask=mask, left_right=1).fit(x, split=parts)
    assert same_weights(fitted.model_, step.model)


def test_the_score_is_r2_against_the_training_mean():
    x = series() + np.linspace(0, 3, 40, dtype=np.float32)
    used = np.arange(40) >= 4
    model = CvaeDecomposition(3, **QUICK, frame_weights=used).fit(x[:160])
    test, reconstructed = x[160:, used], model.inverse_transform(model.transform(x[160:]))[:, used]
    mean = x[:160][model.split_ == 0].mean(0)[used]
    expected = 1 - np.square(test - reconstructed).sum() / np.square(test - mean).sum()
    assert model.score(x[160:]) == pytest.approx(expected, rel=1e-5)
    pca = PCA(3).fit(x[:160])
    linear = 1 - np.square(x[160:] - pca.inverse_transform(pca.transform(x[160:]))).sum() / np.square(
        x[160:] - pca.mean_).sum()  # fmt: skip
    started_as_pca = clone(model).set_params(linear_skip="pca", max_steps=100, frame_weights=None).fit(x[:160])
    assert started_as_pca.score(x[160:]) == pytest.approx(linear, abs=0.02)


def test_a_search_finds_the_planted_size_and_keeps_blocks_together():
    x, blocks = series(rank=2, noise=0.05), np.repeat(np.arange(24), 10)
    rows_to_unit = FunctionTransformer(lambda x: x / x.std(1, keepdims=True))
    pipeline = make_pipeline(rows_to_unit, CvaeDecomposition(**QUICK))
    grid = {"cvaedecomposition__latent_dim": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(3)).fit(x, groups=blocks)
    assert search.best_params_ == {"cvaedecomposition__latent_dim": 2}
    assert search.best_score_ > search.cv_results_["mean_test_score"][0] + 0.1


def test_groups_reach_the_fits_of_a_search_where_they_are_routed():
    x, blocks = series(120), np.repeat(np.arange(12), 10)
    with sklearn.config_context(enable_metadata_routing=True):
        model = CvaeDecomposition(2, **QUICK | {"max_steps": 2}).set_fit_request(groups=True)
        search = GridSearchCV(model, {"latent_dim": [1, 2]}, cv=GroupKFold(2)).fit(x, groups=blocks)
    assert not search.best_estimator_.split_.reshape(12, 10).std(axis=1).any()


def test_latents_feed_a_regression():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 2))
    images = hidden @ rng.normal(size=(2, 30)) + 0.1 * rng.normal(size=(200, 30))
    vae = VolumeVae(2, network="dense", beta=0.1, max_steps=100, device="cpu")
    pipeline = make_pipeline(StandardScaler(), vae, Ridge())
    assert cross_val_score(pipeline, images, hidden[:, 0], cv=2).min() > 0.8


def test_tables_come_out_as_tables():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(series(20), index=[f"voxel {i}" for i in range(20)]).rename(columns="t{}".format)
    model = CvaeDecomposition(2, **QUICK).set_output(transform="pandas")
    made = model.fit_transform(table)
    assert list(made.columns) == ["cvaedecomposition0", "cvaedecomposition1"] and made.index[3] == "voxel 3"


def test_the_seed_decides_everything_and_torch_is_left_as_it_was():
    x, model = series(60), CvaeDecomposition(2, **QUICK | {"max_steps": 3})
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    clone(model).set_params(n_jobs=2).fit(x[:10])
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
    first = clone(model).fit_transform(x)
    assert np.array_equal(clone(model).fit_transform(x), first)
    assert not np.allclose(clone(model).set_params(random_state=1).fit_transform(x), first)
    drawn = [clone(model).set_params(random_state=np.random.RandomState(5)).fit_transform(x) for _ in range(2)]
    assert np.array_equal(*drawn)


def test_fitted_estimators_can_be_pickled():
    x = series(60)
    recordings = [x[:30], x[30:]]
    for estimator, data in (
        (CvaeDecomposition(2, **QUICK), x),
        (VolumeVae(2, network="dense", max_steps=3), x),
        (TiVaeDecomposition(2, network="linear", max_steps=3), recordings),
    ):
        assert type(estimator).__module__ == "pydra_vae.estimators"
        estimator.fit(data)
        again = pickle.loads(pickle.dumps(estimator))
        assert np.array_equal(again.transform(data), estimator.transform(data))
        assert again.history_ == estimator.history_


@pytest.mark.parametrize("estimator", [CvaeDecomposition(3, **QUICK), VolumeVae(3, **QUICK, precision="float32")])
def test_a_sample_alone_has_the_latents_that_it_has_among_others(estimator):
    x = series(300)
    model = clone(estimator).fit(x)
    z = model.transform(x)
    alone = [model.transform(x[i : i + 1]) for i in (0, 17, 299)]
    assert np.array_equal(np.concatenate(alone), z[[0, 17, 299]])
    assert np.array_equal(model.inverse_transform(z)[299:], model.inverse_transform(z[299:]))


def test_groups_lie_on_one_side_and_a_given_split_is_kept():
    x, persons = series(40), np.repeat(np.arange(20), 2)
    model = VolumeVae(2, network="dense", max_steps=2, validation_fraction=0.3, device="cpu").fit(x, groups=persons)
    sides = [set(persons[model.split_ == code]) for code in (0, 1)]
    assert not sides[0] & sides[1] and len(sides[1]) == 6
    split = np.repeat(["train", "validation", "test"], [20, 10, 10])
    changed = x.copy()
    changed[30:] = 7  # what the test holds matters to nothing
    assert np.array_equal(*(clone(model).fit(data, split=split).transform(x) for data in (x, changed)))


def test_recordings_of_any_length_after_a_fit_to_equal_ones():
    made = sheets(side=6, n_frames=40, parts=(6, 2, 2))
    model = TiVaeDecomposition(3, clusters=made.clusters, max_steps=15, device="cpu").fit(np.stack(made.arrays[:8]))
    assert model.split_.sum() == 1
    short = [made.arrays[8][:25], made.arrays[9]]
    factors = model.transform(short)
    assert [z.shape for z in factors] == [(25, 3), (40, 3)]
    assert np.allclose(factors[0], model.transform(made.arrays[8:9])[0][:25], atol=1e-5)  # causal
    stacked = model.transform(np.stack(made.arrays[8:]))
    assert stacked.shape == (2, 40, 3) and model.inverse_transform(stacked).shape == (2, 40, 72)
    errors = [np.square(x - y).sum() for x, y in zip(short, model.inverse_transform(factors), strict=True)]
    about_mean = [np.square(x - x.mean(0)).sum() for x in short]
    assert model.score(short) == pytest.approx(1 - sum(errors) / sum(about_mean), abs=1e-5)
    scores = cross_val_score(clone(model).set_params(max_steps=2), made.arrays, cv=2)
    assert np.isfinite(scores).all()


def test_progress_is_told_to_a_callback_and_shown_where_asked(monkeypatch):
    told, shown = [], io.StringIO()
    model = CvaeDecomposition(2, **QUICK, progress=lambda **figures: told.append(figures))
    model.fit(series(60))
    assert [figures["step"] for figures in told] == [10, 20, 30] and told[-1]["steps"] == model.n_steps_ == 30
    monkeypatch.setattr("sys.stderr", shown)
    model.set_params(verbose=1).fit(series(60))
    assert "CvaeDecomposition" in shown.getvalue() and "30/30 steps" in shown.getvalue() and len(told) == 6


CVAE, TIVAE, VOLUMES = CvaeDecomposition(2, **QUICK), TiVaeDecomposition(2, max_steps=2), VolumeVae(2, max_steps=2)
X, SHEETS = series(20), [np.ones((40, 8))] * 3


@pytest.mark.parametrize(
    ("estimator", "x", "options", "message"),
    [
        (CVAE.set_params(network="dense"), X, {"network": "resnet"}, "network is 'resnet'.*lk, paper, dense"),
        (CVAE, X, {"linear_skip": "ica"}, "linear_skip is 'ica'.*none, pca"),
        (CVAE, X, {"recipe": "slow"}, "recipe is 'slow'.*fast, paper"),
        (CVAE, X[:, :20], {"network": "lk"}, "20 frames.*at least 32"),
        (CVAE, X, {"beta": 1.0, "kl_weight": 0.1}, "beta.*kl_weight.*give one"),
        (CVAE, X, {"frame_weights": [1, 0]}, "2"),
        (CVAE, X, {"validation_fraction": 1.5}, "validation_fraction is 1.5"),
        (CVAE, X, {"split": np.zeros(3)}, "split has shape .3,. but there are 20 voxels"),
        (CVAE, X, {"split": np.full(20, 4)}, "split holds 4: its entries are 0, 1, 2 or train"),
        (CVAE, X, {"split": np.zeros(20)}, "leaves 0 validation voxels"),
        (CVAE, X, {"groups": np.zeros(20)}, "groups has 1 group"),
        (CVAE, X, {"latent_dim": "9"}, "latent_dim is '9': it must be a whole number"),
        (CVAE, X, {"latent_dim": 2.5}, "latent_dim is 2.5"),
        (CVAE, X, {"batch_size": 0}, "batch_size is 0: it must be at least 1"),
        (CVAE, X, {"device": "tpu"}, "device 'tpu' is unknown"),
        (CVAE, np.zeros((20, 5)), {}, "all the same series"),
        (TIVAE, SHEETS, {}, "needs the cluster of every vertex.*network='linear'"),
        (TIVAE, SHEETS, {"clusters": np.zeros(5, int)}, "clusters has shape .5,.*each of the 8 vertices"),
        (TIVAE, SHEETS, {"clusters": np.zeros(8, int), "n_left": 8}, "n_left is 8 of 8"),
        (TIVAE, SHEETS[0], {"network": "linear"}, "X is no list of recordings.*a single recording is .X."),
        (TIVAE, None, {"network": "linear"}, "X is no list of recordings"),
        (TIVAE, SHEETS[:1], {"network": "linear"}, "X has 1 recording"),
        (TIVAE, [*SHEETS, np.ones((40, 7))], {"network": "linear"}, "recording 4 of X has 7 vertices"),
        (TIVAE, [*SHEETS, np.full((40, 8), np.nan)], {"network": "linear"}, "recording 4 contains NaN"),
        (TIVAE, [*SHEETS, np.ones((39, 8))], {"network": "linear"}, "39 frames × 8 vertices"),
        (VOLUMES, X, {}, "mask is None, but convolutions"),
        (VOLUMES, X, {"mask": "mask.nii.gz"}, r"mask is a str: give its array, as masker\.mask_img_"),
        (VOLUMES, X, {"mask": np.ones((3, 3, 3))}, "27 voxels, but X has 40 columns"),
        (VOLUMES, X, {"network": "dense", "precision": "float16"}, "precision is 'float16'"),
    ],
)  # fmt: skip
def test_refused(estimator, x, options, message):
    fitting = {name: value for name, value in options.items() if name in ("split", "groups")}
    parameters = {name: value for name, value in options.items() if name not in fitting}
    with pytest.raises(ValueError, match=message):
        clone(estimator).set_params(**parameters).fit(x, **fitting)


def test_refused_latents():
    model = clone(CVAE).fit(X)
    with pytest.raises(ValueError, match="Z has 3 columns but the model has 2 latents"):
        model.inverse_transform(np.zeros((4, 3)))


@pytest.mark.gpu
def test_a_fit_on_a_gpu_is_applied_without_one():
    x = series(400)
    model = CvaeDecomposition(3, network="dense", max_steps=100, device="cuda").fit(x[:300])
    assert {value.device.type for value in model.model_.state_dict().values()} == {"cpu"}
    on_gpu = model.transform(x[300:])
    assert np.allclose(on_gpu, pickle.loads(pickle.dumps(model)).set_params(device="cpu").transform(x[300:]), atol=1e-2)
