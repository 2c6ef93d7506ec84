"""The three models as scikit-learn estimators over arrays, for notebooks: no files, no cache, no Pydra.

| estimator | a sample (row of X) | a feature (column) |
|---|---|---|
| `CvaeDecomposition` | a voxel's (vertex's) time series | a frame |
| `TiVaeDecomposition` | a recording (frames × vertices) | a vertex |
| `VolumeVae` | an image | a voxel within a mask |

A sample is what the model takes as one independent draw of x: what is held out when it is tested, what it can be
applied to later, and what `GridSearchCV` deals to its folds. So a CVAE, which describes single voxels, has voxels as
rows: `masker.fit_transform(bold).T` of a nilearn masker, which gives time × voxels.

All have `fit`, `transform` (latents μ), `inverse_transform`, `score` (R² against the mean predictor), and the
parameters of the steps FitCvae, FitTiVae and FitVolumeVae: on the same arrays and split, `fit` gives the step's weights
to the bit. torch is loaded by the first `fit`.
"""

from pydra_vae._estimators_cvae import CvaeDecomposition
from pydra_vae._estimators_tivae import TiVaeDecomposition
from pydra_vae._estimators_volumes import VolumeVae

__all__ = ["CvaeDecomposition", "TiVaeDecomposition", "VolumeVae"]

for _estimator in (CvaeDecomposition, TiVaeDecomposition, VolumeVae):
    _estimator.__module__ = __name__  # where a pickle and `help` look for them
