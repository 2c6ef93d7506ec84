"""Classical maps of the images (MDS, LLE, Isomap) beside PCA and the VAE, judged on unseen persons."""

from pathlib import Path
from typing import Literal

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step

ORDER = ("PCA", "VAE", "MDS", "LLE", "Isomap", "random", "images")


@step(outputs={"scores": File, "coordinates": File, "table": File})
def EmbedVolumes(
    volumes: File,
    volume_split: File,
    latents: File,
    pca: File,
    covariates: File | None = None,
    targets: list[str] = [],  # noqa: B006 (Pydra copies it)
    methods: list[Literal["MDS", "LLE", "Isomap"]] = ["MDS", "LLE", "Isomap"],  # noqa: B006
    n_neighbors: int = 10,
    seed: int = 0,
):
    """Map the images into as many dimensions as the VAE has, by five methods, and judge the maps on unseen persons.

    One image a person, the first visit. Maps are fitted to the training persons and place the others; neighbours are
    looked for among the training persons.

    Parameters
    ----------
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    latents : file
        (N, k) posterior means (EncodeVolumes).
    pca : file
        PCA of the training images (FitVolumePca), with at least k components.
    covariates : file, optional
        Table of the images (Covariates).
    targets : list of str
        Columns to predict from the neighbours; all columns of numbers where empty.
    methods : list of {"MDS", "LLE", "Isomap"}
        Beside PCA and the VAE.
    n_neighbors : int
        Of LLE and Isomap, and of all scores.
    seed : int
        Of the random directions, and of the choice where there are more than 2,000 persons.

    Returns
    -------
    scores : file
        TSV, one row a method and part: method (PCA, VAE, MDS, LLE, Isomap; the controls random: as many random
        directions of the images, and images: the images themselves), dims, part (train, test), n, n_train,
        trustworthiness, continuity, knn_overlap, stress (see `stats.embeddings`; of neighbours among the training
        persons), out_of_sample (how unseen persons are placed), and knn_r2_<covariate>: R² of the mean of the nearest
        training persons' values (over the part's persons, against the training mean).
    coordinates : file
        (methods, n, 2) float32: two-dimensional maps of the same methods (the first two components; of the VAE the two
        principal directions of its latents), in the order of `table`.
    table : file
        TSV: method, label, person, part, x, y.
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.embeddings import distances, isometric
    from pydra_vae.tasks._io import load_array, new_array
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_latents import check_rows, limited, load_latents, once, pca_scores, read_covariates

    split, x = Split.load(volume_split), load_array(volumes)
    check_rows(x, volumes, split)
    table = None if covariates is None else read_covariates(covariates, split)
    rows = limited(once(split, table), seed)
    z, train = load_latents(latents, split)[rows], split.part[rows] == "train"
    if train.sum() < 4 or n_neighbors < 1:
        raise ValueError(f"{int(train.sum())} training persons and {n_neighbors} neighbours: a map needs 4 and 1")
    c, scores = isometric(x, rows), pca_scores(pca, x, rows, z.shape[1])[0]
    made = {name: _places(name, c, scores, z, train, n_neighbors, seed, methods) for name in _names(methods)}
    y = {name: table[name].to_numpy(dtype=float)[rows] for name in _targets(table, targets, covariates)}
    apart, found = distances(c, c[train]), []
    for name, (places, _) in made.items():
        within = distances(places, places[train])
        for part in ("train", "test"):
            found.append(
                {"method": name, "dims": places.shape[1], "part": part}
                | _judged(apart, within, split.part[rows], part, y, n_neighbors)
                | {"out_of_sample": _PLACED[name]}
            )
    views = {name: view for name, (_, view) in made.items() if view is not None}
    coordinates = new_array(Path("coordinates.npy"), (len(views), len(rows), 2))
    for i, view in enumerate(views.values()):
        coordinates[i] = view
    coordinates.flush()
    listed = [
        {
            "method": name,
            "label": split.label[row],
            "person": split.person[row],
            "part": split.part[row],
            "x": x,
            "y": y,
        }
        for name, view in views.items()
        for row, (x, y) in zip(rows, view, strict=True)
    ]
    return (
        write_table(Path("scores.tsv"), found),
        Path("coordinates.npy").absolute(),
        write_table(Path("table.tsv"), listed),
    )


_PLACED = {
    "PCA": "projection",
    "VAE": "encoder",
    "MDS": "least stress against the training images",
    "LLE": "weights of the neighbours",
    "Isomap": "paths through the training images",
    "random": "projection",
    "images": "none needed",
}


def _names(methods) -> list[str]:
    return [name for name in ORDER if name in (*methods, "PCA", "VAE", "random", "images")]


def _targets(table, targets, path) -> list[str]:
    from pydra_vae.tasks._volume_latents import numbers

    if table is None:
        return []
    there = numbers(table)
    missing = [name for name in targets if name not in there]
    if missing:
        raise ValueError(
            f"{path} has no column of numbers called {', '.join(missing)}: it has {', '.join(there) or 'none'}"
        )
    return list(targets) or there


def _places(name, c, scores, z, train, n_neighbors: int, seed: int, methods) -> tuple[np.ndarray, np.ndarray | None]:
    """Places of the images in a map of as many dimensions as the VAE has, and in one of two dimensions."""
    from pydra_vae.stats.embeddings import embed

    k = z.shape[1]
    if name == "images":
        return c, None
    if name == "random":
        return c @ np.random.default_rng(seed).standard_normal((c.shape[1], k)) / np.sqrt(k), None
    if name == "PCA":
        return scores, _two(scores)
    if name == "VAE":
        centred = z - z[train].mean(axis=0)
        return z, _two(centred @ np.linalg.svd(centred[train], full_matrices=False)[2].T)
    most = int(train.sum()) - 2
    dims, neighbors = min(k, most), min(n_neighbors, most)
    return embed(name, c, train, dims, neighbors, seed), embed(name, c, train, 2, neighbors, seed)


def _two(x) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))[:, :2]


def _judged(apart, within, parts, part: str, y, n_neighbors: int) -> dict:
    """Scores of one part's persons by their neighbours among the training persons."""
    from pydra_vae.stats.embeddings import judge_map, knn_r2

    chosen, train = parts == part, parts == "train"
    itself = np.arange(chosen.sum()) if part == "train" else None
    found = judge_map(apart[chosen], within[chosen], itself, n_neighbors)
    places = within[chosen].copy()
    if itself is not None:
        places[itself, itself] = np.inf
    return {
        "n": int(chosen.sum()),
        "n_train": int(train.sum()),
        "trustworthiness": found.trustworthiness,
        "continuity": found.continuity,
        "knn_overlap": found.overlap,
        "stress": found.stress,
        **{f"knn_r2_{name}": knn_r2(places, v[chosen], v[train], n_neighbors) for name, v in y.items()},
    }
