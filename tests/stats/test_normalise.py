"""Scalings: the field's definitions, their inverse, and what must be refused."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from pydra_vae.stats import moments as moments_module
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.normalise import METHODS, Scaling, is_residual, restore_mean


def bold(n_voxels=60, lengths=(50, 40), seed=0):
    """Runs in scanner units, with another gain in each run."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(500, 12_000, size=(n_voxels, 1))
    return [
        (mean * (1 + 0.02 * r) + mean * 0.01 * rng.normal(size=(n_voxels, t))).astype(np.float32)
        for r, t in enumerate(lengths)
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("match", [True, False])
def test_inverse_returns_scanner_units(method, match):
    runs = bold()
    scaling = Scaling.fit(runs, method=method, match_baselines=match)
    scaled = scaling.apply(runs)
    assert scaled.dtype == np.float32 and scaled.shape == scaling.shape == (60, 90)
    np.testing.assert_allclose(scaling.invert(scaled), np.hstack(runs), rtol=1e-6)
    for r, run in enumerate(runs):
        part = scaling.invert(scaled[:, scaling.frames_of(r)], run=r)
        np.testing.assert_allclose(part, run, rtol=1e-6)
    np.testing.assert_allclose(scaling.invert(scaled[7:20], slice(7, 20)), np.hstack(runs)[7:20], rtol=1e-6)


def test_minmax_scales_each_voxel_over_the_frames_that_count():
    runs = bold()
    weights = [np.ones(50), np.ones(40)]
    weights[0][3] = 0
    runs[0][:, 3] *= 3  # a censored frame must not set the range
    scaled = Scaling.fit(runs, weights).apply(runs)
    used = np.concatenate(weights).astype(bool)
    np.testing.assert_allclose(scaled[:, used].min(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[:, used].max(axis=1), 1, atol=1e-6)
    assert (scaled[:, 3] > 5).all()


def test_minmax_timepoint_is_sklearns_scaler_on_voxels_by_time():
    (run,) = bold(lengths=(45,))
    run = run.astype(np.float64)
    scaled = Scaling.fit([run], method="minmax_timepoint").apply([run], out=np.empty(run.shape))
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(run), atol=1e-12)


def test_global_and_zscore():
    runs = bold()
    x = Scaling.fit(runs, method="global", match_baselines=False).apply(runs)
    assert x.min() == 0 and x.max() == pytest.approx(1)
    z = Scaling.fit(runs, method="zscore").apply(runs)
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(axis=1), 1, rtol=1e-4)


def test_runs_share_a_mean_after_matching():
    runs = bold()
    scaling = Scaling.fit(runs)
    scaled = scaling.apply(runs)
    np.testing.assert_allclose(scaled[:, :50].mean(axis=1), scaled[:, 50:].mean(axis=1), atol=1e-5)
    means = np.stack([run.mean(axis=1) for run in runs], axis=1)
    np.testing.assert_allclose(np.diff(scaling.baseline), np.diff(means), rtol=1e-3)
    assert not Scaling.fit(runs, match_baselines=False).baseline.any()


def test_unusable_voxels_are_dropped_counted_and_put_back():
    runs = bold()
    runs[0][4, 10] = np.nan
    runs[1][5, 0] = np.inf
    runs[0][6] = 812.0  # constant in one run: outside its field of view
    for run in runs:
        run[7] = 0
    scaling = Scaling.fit(runs)
    assert (scaling.n_not_finite, scaling.n_constant) == (2, 2)
    assert np.flatnonzero(~scaling.kept).tolist() == [4, 5, 6, 7]
    scaled = scaling.apply(runs)
    assert np.isfinite(scaled).all() and len(scaled) == 56
    full = scaling.unmask(scaling.invert(scaled))
    np.testing.assert_allclose(full[8:], np.hstack(runs)[8:], rtol=1e-6)
    assert not full[4:8].any()


def test_constant_up_to_rounding_is_constant():
    (run,) = bold(lengths=(40,))
    run[0] = np.float32(8123.1)
    run[0, ::2] = np.nextafter(run[0, 0], np.float32(9e9))
    assert not Scaling.fit([run]).kept[0]


def test_blocks_of_rows_give_what_one_block_gives(monkeypatch):
    runs = bold()
    runs[0][4, 10] = np.nan
    whole = {m: (s := Scaling.fit(runs, method=m), s.apply(runs)) for m in METHODS}

    def small(n_rows, n_columns):
        return row_chunks(n_rows, n_columns, chunk_bytes=8 * n_columns * 7)

    monkeypatch.setattr(moments_module, "row_chunks", small)
    monkeypatch.setattr("pydra_vae.stats.normalise.row_chunks", small)
    for method, (scaling, scaled) in whole.items():
        again = Scaling.fit(runs, method=method)
        np.testing.assert_array_equal(again.apply(runs), scaled)
        np.testing.assert_array_equal(again.invert(scaled), scaling.invert(scaled))


def test_memory_maps_are_never_copied_whole(tmp_path):
    """Peak memory of fit and apply stays far below one copy of the matrix."""
    import tracemalloc

    n_voxels, n_frames = 40_000, 400  # 64 MB in float32
    run = np.lib.format.open_memmap(tmp_path / "run.npy", "w+", np.float32, (n_voxels, n_frames))
    rng = np.random.default_rng(0)
    run[:] = 1000 + rng.standard_normal((n_voxels, n_frames), dtype=np.float32)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (n_voxels, n_frames))
    tracemalloc.start()
    scaling = Scaling.fit([run[:, :300], run[:, 300:]])
    scaling.apply([run[:, :300], run[:, 300:]], out=out)
    scaling.invert(out, out=run)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * run.nbytes  # blocks of 32 MiB of float64 and their temporaries
    assert peak < 120 * 2**20


def test_the_same_scaling_is_the_same_bytes(tmp_path):
    """Another order of metadata would refit every model at the next change of Normalize."""
    scaling = Scaling.fit(bold())
    assert len({scaling.save(tmp_path / f"{n}.safetensors").read_bytes() for n in range(20)}) == 1


def test_saved_and_loaded(tmp_path):
    runs = bold()
    runs[0][3] = 0
    for method in METHODS:
        scaling = Scaling.fit(runs, method=method)
        again = Scaling.load(scaling.save(tmp_path / "scaling.safetensors"))
        assert (again.method, again.residual, again.n_constant) == (method, False, 1)
        np.testing.assert_array_equal(again.apply(runs), scaling.apply(runs))
    (tmp_path / "other.safetensors").write_bytes(b"not one")
    with pytest.raises(ValueError, match=r"other\.safetensors is not a scaling file"):
        Scaling.load(tmp_path / "other.safetensors")


def test_residuals_are_recognised_and_take_a_mean_image():
    runs = [run - run.mean(axis=1, keepdims=True) for run in bold()]
    assert is_residual(runs[0]) and Scaling.fit(runs).residual
    assert not is_residual(bold()[0])
    mean = np.linspace(500, 900, 60)
    scaling = Scaling.fit(runs, mean=mean)
    assert not scaling.residual
    restored = scaling.invert(scaling.apply(runs), with_mean=True)
    np.testing.assert_allclose(restored.mean(axis=1), mean, rtol=1e-5)
    np.testing.assert_allclose(scaling.apply(runs), Scaling.fit(runs).apply(runs), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_mean_image_is_taken_back_and_survives_the_file(tmp_path, method):
    runs = [run - run.mean(axis=1, keepdims=True) for run in bold()]
    runs[0][4, 10] = np.nan
    scaling = Scaling.fit(runs, method=method, mean=np.linspace(500, 900, 60))
    scaled = scaling.apply(runs, out=np.empty(scaling.shape))
    again = Scaling.load(scaling.save(tmp_path / "scaling.safetensors"))
    np.testing.assert_allclose(again.invert(scaled), np.hstack(runs)[scaling.kept], atol=1e-3)
    second = again.invert(scaled[5:9, 50:], slice(5, 9), run=1)
    np.testing.assert_allclose(second, runs[1][scaling.kept][5:9], atol=1e-3)
    np.testing.assert_allclose(
        again.invert(scaled, with_mean=True)[:, :50].mean(axis=1), np.linspace(500, 900, 60)[scaling.kept], rtol=1e-5
    )
    assert Scaling.load(Scaling.fit(bold()).save(tmp_path / "plain.safetensors")).mean is None


def test_restore_mean():
    rng = np.random.default_rng(0)
    x, decoded = rng.normal(size=(20, 30)), rng.normal(size=(20, 30))
    weights = np.ones(30)
    weights[:5] = 0
    restored = restore_mean(decoded, x, weights)
    np.testing.assert_allclose(restored[:, 5:].mean(axis=1), x[:, 5:].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(restored.std(axis=1), decoded.std(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda runs: [np.ones_like(r) for r in runs], "60 are constant over time"),
        (lambda runs: [r * np.nan for r in runs], "60 hold NaN or infinite values"),
        (lambda runs: [runs[0], runs[1][:50]], r"runs have \[60, 50\] voxels"),
        (lambda runs: [], "no run was given"),
    ],
)
def test_data_that_cannot_be_scaled(change, message):
    with pytest.raises(ValueError, match=message):
        Scaling.fit(change(bold()))


def test_other_misuse():
    runs = bold()
    with pytest.raises(ValueError, match="unknown scaling 'max': choose one of minmax"):
        Scaling.fit(runs, method="max")
    with pytest.raises(ValueError, match="run 1 has 1 usable frame"):
        Scaling.fit(runs, [np.ones(50), np.eye(40)[0]])
    with pytest.raises(ValueError, match="all frames have weight 0"):
        Scaling.fit(runs, [np.ones(50), np.zeros(40)])
    scaling = Scaling.fit(runs)
    with pytest.raises(ValueError, match=r"have \[40, 50\] frames but .* \[50, 40\]"):
        scaling.apply(runs[::-1])
    with pytest.raises(ValueError, match="a run has 12 voxels"):
        scaling.apply([run[:12] for run in runs])
    with pytest.raises(ValueError, match="the scaling needs"):
        scaling.invert(np.zeros((60, 89)))
