"""Correlations of latents with covariates and with regional volumes."""

from pathlib import Path
from typing import Literal

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = (
    "model", "latent", "with", "kind", "type", "levels", "r", "rho", "eta2", "f", "n", "p", "q", "significant",
)  # fmt: skip
MAX_LEVELS = 20  # a text column with more is a name or a remark
ALPHA = 0.05


@step(outputs={"correlations": File})
def CorrelateLatents(
    latents: File,
    volume_split: File,
    covariates: File,
    regions: File | None = None,
    parts: Literal["all", "test"] = "all",
    model: str = "VAE",
):
    """Correlate every latent with every covariate and every region's volume, with one FDR over all of them.

    One image a person, the first visit. The scores of a PCA given as latents are the control.

    Parameters
    ----------
    latents : file
        (N, k) array: posterior means (EncodeVolumes), or scores of a PCA (VolumePcaScores).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    covariates : file
        Table of the images (Covariates): label, then one column a covariate; n/a where unknown.
    regions : file, optional
        Regional volumes (RegionalVolumes): label, then one column a region.
    parts : {"all", "test"}
        Persons to use: all, or those that no model has seen.
    model : str
        Name of the model in the table.

    Returns
    -------
    correlations : file
        TSV, one row a latent and covariate: model, latent (from 0), with, kind (covariate, region), type (number,
        category), levels (of a category; r counts towards the second of two), r (Pearson), rho (Spearman), eta2 and f
        (of a category, one-way analysis of variance), n persons, p (two-sided), q (Benjamini-Hochberg over the table),
        significant (1 for q < .05). Columns that do not vary, and text columns of more than 20 levels, have n/a.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.latent_correlations import false_discovery, relate
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_latents import NAMES, load_latents, once, read_covariates

    split = Split.load(volume_split)
    z, table = load_latents(latents, split), read_covariates(covariates, split)
    rows = once(split, table, ("test",) if parts == "test" else ("train", "validation", "test"))
    tables = {"covariate": table}
    if regions is not None:
        tables["region"] = read_covariates(regions, split)
    found = []
    for kind, values in tables.items():
        for name in values:
            if name not in NAMES:
                relation = relate(z[rows], _column(values[name].iloc[rows]))
                found += [{"model": model, "with": name, "kind": kind, **row} for row in _rows(relation)]
    result = pd.DataFrame(found, columns=list(COLUMNS))
    result["q"] = false_discovery(result["p"].to_numpy(dtype=float))
    result["significant"] = (result["q"] < ALPHA).astype(int).where(np.isfinite(result["p"].astype(float)))
    result["significant"] = result["significant"].astype("Int64")
    return write_table(Path("correlations.tsv"), result)


def _column(values):
    """Numbers as they are; texts with missing ones as None; a text column with too many levels as all missing."""
    import numpy as np

    if values.dtype.kind in "biuf":
        return values.to_numpy(dtype=float)
    texts = np.array([value if isinstance(value, str) else None for value in values], dtype=object)
    return texts if len({t for t in texts if t is not None}) <= MAX_LEVELS else np.full(len(texts), None, dtype=object)


def _rows(relation) -> list[dict]:
    return [
        {
            "latent": i,
            "type": relation.type,
            "levels": ", ".join(relation.levels) or None,
            **{name: getattr(relation, name)[i] for name in ("r", "rho", "eta2", "f", "p")},
            "n": relation.n,
        }
        for i in range(len(relation.r))
    ]
