"""Normalize refuses, before anything is fitted, what would fail after the fit."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.normalize import Normalize


@pytest.fixture
def residuals(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 40)).astype(np.float32)
    np.save(tmp_path / "series.npy", x - x.mean(axis=1, keepdims=True))
    frames = pd.DataFrame({"frame": range(40), "weight": 1, "reason": "n/a"})
    frames.to_csv(tmp_path / "frames.tsv", sep="\t", index=False)
    return {"series": [tmp_path / "series.npy"], "frames": [tmp_path / "frames.tsv"]}


def test_units_of_tsnr_that_residuals_leave_undefined(residuals, tmp_path):
    with pytest.raises(ValueError, match="tSNR in scanner units is undefined: the data are residuals"):
        call(Normalize, cwd=tmp_path, **residuals, tsnr_units="scanner")
    with pytest.raises(ValueError, match="tSNR in scaled units is undefined for z-scored series"):
        call(Normalize, cwd=tmp_path, **residuals, tsnr_units="scaled", method="zscore")
    assert call(Normalize, cwd=tmp_path, **residuals).scaled  # auto: scaled units
