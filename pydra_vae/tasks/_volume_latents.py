"""What the steps share that explain a VAE's latents: latents, covariates, one visit a person; no network."""

from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.latent_correlations import first_visits
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._recordings import Split

# Columns that name an image or order a person's visits, and are no covariates.
NAMES = ("label", "person", "session", "participant_id", "session_id", "time")

MAX_PERSONS = 2000


def load_latents(path: Path, split: Split) -> np.ndarray:
    """Latents (N, k) as float64, one row an image of the split."""
    z = load_array(path)
    if z.ndim != 2:
        raise ValueError(f"{path} has shape {z.shape}: latents (images × dimensions) are needed")
    check_rows(z, path, split)
    if not np.isfinite(z).all():
        raise ValueError(f"{path} holds values that are not finite: fit the model again with a lower learning rate")
    return np.asarray(z, dtype=np.float64)


def check_rows(array: np.ndarray, path: Path, split: Split) -> None:
    """Raise ValueError unless there is one row for each image of the split."""
    if len(array) != len(split.label):
        raise ValueError(
            f"{path} has {len(array)} rows but the split lists {len(split.label)} images: give both of one study"
        )


def read_covariates(path: Path, split: Split):
    """A table with a column `label`, as a DataFrame in the order of the split's rows.

    Raises
    ------
    ValueError
        Without the column, with a label twice, or with an image that has no row.
    """
    table = read_table(path)
    if "label" not in table:
        raise ValueError(f"{path} has no column 'label': give the covariates.tsv of Covariates, one row an image")
    labels = table["label"].astype(str)
    if labels.duplicated().any():
        raise ValueError(f"{path} has two rows for {labels[labels.duplicated()].iloc[0]}: one row an image is needed")
    missing = [label for label in split.label if label not in set(labels)]
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise ValueError(f"{path} has no row for {len(missing)} of {len(split.label)} images: {shown}")
    return table.set_index(labels).loc[list(split.label)].reset_index(drop=True)


def once(split: Split, table=None, parts: tuple[str, ...] = ("train", "validation", "test")) -> np.ndarray:
    """Rows of the first visit of each person of some parts, in the split's order.

    `table` may give the visits' ages or times; otherwise the first listed counts.
    """
    time = None
    for name in ("age", "time"):  # the last one found counts
        if table is not None and name in table and table[name].dtype.kind in "if":
            time = table[name].to_numpy(dtype=float)
    rows = np.sort(first_visits(split.person, time))
    return rows[np.isin(split.part[rows], parts)]


def limited(rows: np.ndarray, seed: int) -> np.ndarray:
    """At most 2,000 of the rows, drawn at random, in their order: N × N distances of more take gigabytes."""
    if len(rows) <= MAX_PERSONS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MAX_PERSONS, replace=False))


def numbers(table, but: tuple[str, ...] = NAMES) -> list[str]:
    """Columns of a table that hold numbers, without those that name images."""
    return [name for name in table if name not in but and table[name].dtype.kind in "biuf"]


def pca_scores(path: Path, x: np.ndarray, rows: np.ndarray, k: int):
    """Scores (n, ≤ k) of some images on the first k components of a pca.safetensors, and the PCA itself."""
    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.tasks._volume_pca import load_pca

    pca = load_pca(path, x.shape[1])
    chunks = row_chunks(len(rows), x.shape[1])
    return np.concatenate([(x[rows[part]] - pca.mean) @ pca.components[:k].T for part in chunks]), pca
