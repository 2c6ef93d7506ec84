"""Group the region's vertices into clusters that share weights."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"clusters": File, "quality": File, "info": File})
def SpectralClusters(
    vertices: File,
    distances: list[File] | None = None,
    method: ty.Literal["structural", "functional", "paper_literal", "paper_similarity", "random"] = "structural",
    n_clusters: int = 64,
    n_neighbors: int = 30,
    series: list[File] | None = None,
    subject_split: File | None = None,
    like: File | None = None,
    surfaces: list[File] | None = None,
    seed: int = 0,
):
    """Cluster the vertices of each hemisphere by their distances, by their time courses, or at random.

    Parameters
    ----------
    vertices : file
        The region's vertices (MakeRegion).
    distances : list of files, optional
        Left and right distances (GeodesicDistances). Structural clusters need them, the paper's graphs those of all
        pairs; functional ones use them only for vertices that correlate with no other.
    method : str
        structural: Gaussian weights of the nearest vertices, normalised Laplacian. functional: the same with the
        positive correlations of the most similar vertices. paper_literal: appendix B as it stands, distances as
        weights. paper_similarity: the same with 1 − distance / largest. random: vertices scattered, a control.
    n_clusters : int
        In each hemisphere.
    n_neighbors : int
        Vertices that each is linked to (structural, functional).
    series : list of files, optional
        Series of all recordings (PrepareSurface), in the order of the split's rows; only training ones are read.
    subject_split : file, optional
        Which recordings are for training (SplitSubjects).
    like : file, optional
        Clusters whose sizes random ones take; without, sizes are even.
    surfaces : list of files, optional
        Left and right surface, for the connected pieces of clusters; those columns are empty without.
    seed : int
        Of k-means, of the start of the eigenvectors, and of random clusters.

    Returns
    -------
    clusters : file
        (V,) int32 .npy: each vertex's cluster, 0 to C−1 within its hemisphere, numbered by their first vertex.
    quality : file
        TSV, one row a cluster: hemi, cluster, size, pieces, strays (vertices outside the largest piece).
    info : file
        JSON: method and its settings; of both hemispheres together and of each: size_min, size_median, size_max,
        padding (largest size × clusters / vertices), contiguous_share, strays, the region's own pieces and strays.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._clusters import Clustering, describe_clusters, measure_clusters
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._region import read_vertices

    sides = read_vertices(vertices)
    clustering = Clustering(method, n_clusters, n_neighbors, seed, distances, series, subject_split, like)
    clustering.check(tuple(map(len, sides)))
    labels = [clustering.of(side, tuple(map(len, sides))) for side in range(2)]
    measured = measure_clusters(labels, sides, surfaces)
    columns = ["hemi", "cluster", "size", "pieces", "strays"]
    rows = [
        dict(zip(columns, (hemi, *row), strict=True))
        for hemi, found in zip("LR", measured, strict=True)
        for row in found.rows()
    ]
    path = Path("clusters.npy").absolute()
    np.save(path, np.concatenate(labels).astype(np.int32))
    about = {**clustering.about, **describe_clusters(measured)}
    return path, write_table(Path("clusters.tsv"), rows), write_json(Path("clusters.json"), about)
