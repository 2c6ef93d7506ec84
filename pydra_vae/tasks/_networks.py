"""Reference networks from their files, and the rows of CompareNetworks."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.network_overlap import Overlap

MIN_VOXELS = 10  # inside the mask, for a network to be compared


def load_networks(path: Path, labels: Path | None, where: np.ndarray, header) -> tuple[np.ndarray, list[str]]:
    """Reference networks over a mask's voxels, (n, V), and their names.

    Parameters
    ----------
    path : Path
        Label image, 4-D image of maps on the mask's grid, or (n, V) `.npy`.
    labels : Path, optional
        Their names.
    where : (I, J, K) bool array
        The mask.
    header : images.headers.Header
        Its geometry.
    """
    from pydra_vae.images.headers import check_same_grid, read_header
    from pydra_vae.images.volumes import extract
    from pydra_vae.tasks._io import load_array

    if path.suffix == ".npy":
        values = np.asarray(load_array(path), dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != int(where.sum()):
            raise ValueError(f"{path} has the shape {values.shape}, but the mask {int(where.sum())} voxels")
        return values, _names(labels, len(values), path)
    found = read_header(path)
    if found.n_frames == 1:
        return _labelled(path, labels, where, header)
    check_same_grid(found, header, "image of networks")
    values = extract(path, where).T.astype(np.float64)
    return values, _names(labels, len(values), path)


def _labelled(path, labels, where, header) -> tuple[np.ndarray, list[str]]:
    """Networks of a label image, or its regions where no network is named."""
    from pydra_vae.images.atlases import read_labels, resample_labels

    values = resample_labels(path, header)[0][where]
    table = read_labels(labels) if labels else {}
    named = {int(v): table.get(int(v)) for v in np.unique(values[values > 0])}
    by_network = any(label and label.network != "n/a" for label in named.values())
    owner = {v: (label.network if by_network else label.name) if label else str(v) for v, label in named.items()}
    names = list(dict.fromkeys(owner.values()))
    maps = np.array([np.isin(values, [v for v in owner if owner[v] == name]) for name in names], dtype=np.float64)
    large = maps.sum(axis=1) >= MIN_VOXELS
    if not large.any():
        raise ValueError(
            f"no network of {path} has {MIN_VOXELS} voxels inside the mask {header.path}: are both in one space?"
        )
    return maps[large], [name for name, enough in zip(names, large, strict=True) if enough]


def _names(labels, n, path) -> list[str]:
    """Names of n maps in their order."""
    if labels is None:
        return [f"network {i + 1}" for i in range(n)]
    table = read_table(labels)
    if "name" not in table or len(table) != n:
        raise ValueError(f"{labels} must have a column name and {n} rows, one for each map of {path}")
    return table["name"].astype(str).tolist()


def untested(found: Overlap) -> Overlap:
    """The same agreement without anything that random maps tell."""
    if found.matches is None:
        return found
    names = ("p", "p_best", "r_all_null", "p_all")
    unknown = {name: np.full(np.shape(getattr(found.matches, name)), np.nan) for name in names}
    return found._replace(matches=replace(found.matches, **unknown))


def overlap_rows(model: str, found: Overlap, networks: list[str]) -> list[dict]:
    """One row a component and network."""
    size = np.nan_to_num(np.abs(found.r), nan=-1)
    rank = 1 + (-size).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    matches = found.matches
    return [
        {
            "model": model,
            "component": i + 1,
            "network": name,
            "r": found.r[i, j],
            "dice": found.dice[i, j],
            "rank": int(rank[i, j]),
            "r_patches": matches.r[j, i] if matches else np.nan,
            "p": matches.p[j, i] if matches else np.nan,
        }
        for i in range(len(found.r))
        for j, name in enumerate(networks)
    ]


def best_rows(model: str, found: Overlap, networks: list[str]) -> list[dict]:
    """One row a network."""
    size, matches, rows = np.nan_to_num(np.abs(found.r), nan=-1), found.matches, []
    for j, name in enumerate(networks):
        i, own = int(size[:, j].argmax()), int(found.assigned[j])
        tested = ("p_best", "r_all", "r_all_null", "p_all")
        row = {"model": model, "network": name, "component": i + 1, "r": found.r[i, j], "dice": found.dice[i, j]}
        row |= {key: getattr(matches, key)[j] if matches else np.nan for key in tested}
        row |= {"component_one_to_one": own + 1 if own >= 0 else None}
        row |= {"r_one_to_one": found.r[own, j] if own >= 0 else np.nan}
        rows.append(row)
    return rows
