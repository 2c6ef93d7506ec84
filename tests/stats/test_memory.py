"""Matrices are read in blocks: no function of a voxels × time file needs memory for the whole of it."""

import tracemalloc

import numpy as np
import pytest

from pydra_vae.stats.collapse import detect_collapse
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.reconstruction import compare, shrink
from pydra_vae.stats.tsnr import tsnr_in_units

N_VOXELS, N_FRAMES = 30_000, 1000


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.float32, (N_VOXELS, N_FRAMES))
    rng = np.random.default_rng(0)
    for start in range(0, N_VOXELS, 1000):
        x[start : start + 1000] = 100 + rng.normal(size=(1000, N_FRAMES))
    x.flush()
    return np.load(path, mmap_mode="r")


def test_every_measure_needs_less_than_half_of_the_matrix(series):
    scaling = Scaling.fit([series])
    measures = {
        "scaling": lambda: Scaling.fit([series]),
        "pca": lambda: fit_pca(series, 9),
        "errors": lambda: compare(series, {"file": series, "shrunk": lambda x: shrink(x, 0.5)}),
        "tsnr": lambda: tsnr_in_units(series, scaling, "scanner", series),
        "collapse": lambda: detect_collapse(series, series, series[:, :9]),
    }
    peaks = {}
    for name, measure in measures.items():
        tracemalloc.start()
        measure()
        peaks[name] = tracemalloc.get_traced_memory()[1] / series.nbytes
        tracemalloc.stop()
    assert max(peaks.values()) < 0.5, peaks
