"""The two hemispheres' clusters as SpectralClusters makes and measures them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pydra_vae.images.surfaces import load_surface
from pydra_vae.surface import affinities, spectral
from pydra_vae.surface.mesh import adjacency
from pydra_vae.surface.quality import ClusterQuality, cluster_quality, joined
from pydra_vae.tasks._distances import load_distances, pairs_of
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._recordings import Split

SIDES = ("left", "right")


@dataclass(frozen=True)
class Clustering:
    """What SpectralClusters was asked for; `of` makes one hemisphere's clusters and adds to `about` what it saw."""

    method: str
    n_clusters: int
    n_neighbors: int
    seed: int
    distances: Sequence[Path] | None = None
    series: Sequence[Path] | None = None
    subject_split: Path | None = None
    like: Path | None = None
    about: dict = field(default_factory=dict)

    def check(self, sizes: tuple[int, int]) -> None:
        """Refuse before any work what cannot be done; note the settings that count."""
        for side, n in zip(SIDES, sizes, strict=True):
            if not 1 <= self.n_clusters <= n:
                raise ValueError(
                    f"{self.n_clusters} clusters were asked for but the {side} hemisphere of the region has {n} "
                    f"vertices: ask for at most {min(sizes)}, or take a larger region"
                )
        if self.method not in ("random", "functional") and self.distances is None:
            raise ValueError(f"{self.method} clusters need the distances of GeodesicDistances: give left and right")
        if self.distances is not None and len(self.distances) != 2:
            raise ValueError(f"{len(self.distances)} distance files were given: two are needed, left and right")
        if self.method == "functional" and (not self.series or self.subject_split is None):
            raise ValueError("functional clusters need the series of all recordings and the split of the subjects")
        self.about.update(method=self.method, n_clusters=self.n_clusters, seed=self.seed)
        if self.method in ("structural", "functional"):
            self.about["n_neighbors"] = self.n_neighbors

    def of(self, side: int, sizes: tuple[int, int]) -> np.ndarray:
        """Clusters of the left (0) or right (1) hemisphere, (n,) int64."""
        n = sizes[side]
        if self.method == "random":
            return spectral.random_clusters(self._sizes(side, sizes), seed=[self.seed, side])
        if self.method == "functional":
            return self._functional(side, sizes)
        distances = load_distances(self.distances[side], n)
        if self.method == "structural":
            affinity = affinities.distance_affinity(distances, self.n_neighbors)
            return spectral.spectral_clusters(self._linked(affinity, side), self.n_clusters, self.seed)
        try:
            adjacent = affinities.paper_adjacency(distances, similarity=self.method == "paper_similarity")
        except ValueError as error:
            raise ValueError(f"{self.distances[side]}: {error}") from error
        return spectral.paper_clusters(adjacent, self.n_clusters, self.seed)

    def _functional(self, side: int, sizes: tuple[int, int]) -> np.ndarray:
        paths, n = self._training(), sizes[side]
        columns = slice(0, n) if side == 0 else slice(sizes[0], sizes[0] + n)

        def recordings() -> Iterator[np.ndarray]:
            for path in paths:
                x = load_array(path)
                if x.ndim != 2 or x.shape[1] != sum(sizes):
                    raise ValueError(f"{path} has values {x.shape} but the region has {sum(sizes)} vertices")
                yield x[:, columns]

        affinity, negative = affinities.correlation_affinity(recordings, n, self.n_neighbors)
        linked = affinity.sum(axis=1) > 0
        self.about.setdefault("n_recordings", len(paths))
        self.about.setdefault("negative_share", {})[SIDES[side]] = round(negative, 4)
        self.about.setdefault("unlike_any", {})[SIDES[side]] = int((~linked).sum())
        if linked.sum() < self.n_clusters:
            raise ValueError(f"only {linked.sum()} vertices correlate with any other: are the series empty?")
        labels = np.full(n, -1)
        labels[linked] = spectral.spectral_clusters(affinity[linked][:, linked], self.n_clusters, self.seed)
        return spectral.numbered(self._nearest_cluster(labels, side))

    def _nearest_cluster(self, labels: np.ndarray, side: int) -> np.ndarray:
        """Vertices without a cluster, such as constant ones, join that of the nearest vertex."""
        alone = np.flatnonzero(labels < 0)
        if not len(alone):
            return labels
        if self.distances is None:
            raise ValueError(
                f"{len(alone)} vertices of the {SIDES[side]} hemisphere correlate with no other (constant series?): "
                "give distances, so that they can join their nearest vertex"
            )
        distances = load_distances(self.distances[side], len(labels))
        nearest = affinities.nearest_known(distances, alone, labels >= 0)
        if (nearest < 0).any():
            raise ValueError(
                f"{(nearest < 0).sum()} vertices of the {SIDES[side]} hemisphere correlate with no other, and none "
                "lies within the distances' limit: measure distances with a larger limit"
            )
        labels[alone] = labels[nearest]
        return labels

    def _linked(self, affinity, side: int):
        alone = int((affinity.sum(axis=1) == 0).sum())
        if alone:
            raise ValueError(
                f"{alone} vertices of the {SIDES[side]} hemisphere have no other vertex of the region within the "
                "distances' limit: measure distances with a larger limit"
            )
        return affinity

    def _sizes(self, side: int, sizes: tuple[int, int]) -> np.ndarray:
        if self.like is None:
            return spectral.even_sizes(sizes[side], self.n_clusters)
        like = np.asarray(load_array(self.like))
        if like.shape != (sum(sizes),):
            raise ValueError(f"{self.like} has clusters of {like.shape} vertices but the region has {sum(sizes)}")
        found = np.bincount(like[: sizes[0]] if side == 0 else like[sizes[0] :])
        if len(found) != self.n_clusters:
            raise ValueError(
                f"{self.like} has {len(found)} clusters in the {SIDES[side]} hemisphere and {self.n_clusters} were "
                "asked for: give n_clusters of the clusters whose sizes are taken"
            )
        return found

    def _training(self) -> list[Path]:
        split = Split.load(self.subject_split)
        split.check("series", self.series)
        rows = split.rows("train")
        if not len(rows):
            raise ValueError(f"{self.subject_split} has no training recording, which functional clusters are made of")
        return [self.series[row] for row in rows]


def measure_clusters(
    labels: Sequence[np.ndarray], vertices: Sequence[np.ndarray], surfaces: Sequence[Path] | None
) -> list[ClusterQuality]:
    """Quality of each hemisphere's clusters; connected pieces where surfaces are given."""
    if not surfaces:
        return [cluster_quality(found) for found in labels]
    [pair] = pairs_of(surfaces[:2])
    return [
        cluster_quality(found, _region_mesh(path, side))
        for found, side, path in zip(labels, vertices, pair, strict=True)
    ]


def describe_clusters(measured: Sequence[ClusterQuality]) -> dict:
    """Figures of both hemispheres together, padded to one size as the model does, and of each."""
    each = {side: found.summary() for side, found in zip(SIDES, measured, strict=True)}
    return {**joined(measured).summary(), **each}


def _region_mesh(path: Path, vertices: np.ndarray):
    coordinates, triangles = load_surface(path)
    if len(vertices) and vertices.max() >= len(coordinates):
        raise ValueError(
            f"{path} has {len(coordinates)} vertices but the region names vertex {vertices.max()}: give surfaces of "
            "the same space and density as the data"
        )
    return adjacency(triangles, len(coordinates))[vertices][:, vertices]
