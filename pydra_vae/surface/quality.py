"""How good are clusters: their sizes, and whether each is one piece of cortex."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pydra_vae.surface.mesh import pieces


@dataclass(frozen=True)
class ClusterQuality:
    """One hemisphere's clusters.

    Attributes
    ----------
    size : (C,) int64 array
        Vertices of each cluster.
    pieces : (C,) int64 array or None
        Connected pieces of each cluster on the mesh; None where no mesh was given.
    strays : (C,) int64 array or None
        Vertices outside the largest piece of their cluster.
    region_pieces, region_strays : int or None
        The same of the region as a whole: strays that no clustering can avoid, unless they are clusters of their own.
    """

    size: np.ndarray
    pieces: np.ndarray | None = None
    strays: np.ndarray | None = None
    region_pieces: int | None = None
    region_strays: int | None = None

    def rows(self) -> list[tuple]:
        """(cluster, size, pieces, strays) of each cluster, the last two None where no mesh was given."""
        none = [None] * len(self.size)
        pieces, strays = (none if found is None else found.tolist() for found in (self.pieces, self.strays))
        return list(zip(range(len(self.size)), self.size.tolist(), pieces, strays, strict=True))

    def summary(self) -> dict:
        """Figures over all clusters.

        size_min, size_median, size_max; padding: vertices with padding to the largest cluster / without (1 is even);
        contiguous_share: clusters of one piece / clusters; strays, region_pieces and region_strays, or None.
        """
        known = self.pieces is not None
        return {
            "n_vertices": int(self.size.sum()),
            "size_min": int(self.size.min()),
            "size_median": float(np.median(self.size)),
            "size_max": int(self.size.max()),
            "padding": round(float(self.size.max() * len(self.size) / self.size.sum()), 4),
            "contiguous_share": round(float((self.pieces == 1).mean()), 4) if known else None,
            "strays": int(self.strays.sum()) if known else None,
            "region_pieces": self.region_pieces,
            "region_strays": self.region_strays,
        }


def cluster_quality(clusters: np.ndarray, neighbours: sparse.csr_array | None = None) -> ClusterQuality:
    """Measure the clusters of one hemisphere.

    Parameters
    ----------
    clusters : (n,) integer array
        0 … C−1, none of them empty.
    neighbours : (n, n) sparse array, optional
        Which of these vertices share an edge of the mesh (`mesh.adjacency`, cut to the region).

    Examples
    --------
    >>> line = sparse.csr_array(np.eye(4, k=1) + np.eye(4, k=-1))
    >>> found = cluster_quality(np.array([0, 1, 1, 0]), line)
    >>> found.size.tolist(), found.pieces.tolist(), found.strays.tolist()
    ([2, 2], [2, 1], [1, 0])
    """
    size = np.bincount(clusters)
    if neighbours is None:
        return ClusterQuality(size)
    inside = [pieces(neighbours, np.flatnonzero(clusters == number)) for number in range(len(size))]
    region = pieces(neighbours)
    return ClusterQuality(
        size,
        np.array([piece.max() + 1 for piece in inside]),
        np.array([(piece > 0).sum() for piece in inside]),
        int(region.max() + 1),
        int((region > 0).sum()),
    )


def joined(measured: Sequence[ClusterQuality]) -> ClusterQuality:
    """Both hemispheres' clusters as one list, whose padding is to the largest of all."""
    size = np.concatenate([found.size for found in measured])
    if any(found.pieces is None for found in measured):
        return ClusterQuality(size)
    return ClusterQuality(
        size,
        np.concatenate([found.pieces for found in measured]),
        np.concatenate([found.strays for found in measured]),
        sum(found.region_pieces for found in measured),
        sum(found.region_strays for found in measured),
    )
