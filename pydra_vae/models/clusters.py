"""Vertices in the order of their clusters and back.

Every hemisphere's C clusters are padded to M vertices (M: the largest cluster of both hemispheres), so that one linear
map suits all of them. A padded place reads 0, and what is decoded there is dropped: it counts neither in the
reconstruction nor in any gradient.

Frames lie in the third dimension, (2, C, N, M): mixing clusters and mixing features are then both products of
contiguous matrices, and nothing is transposed between the layers.
"""

import torch
from torch import Tensor, nn


def largest_cluster(clusters: Tensor, n_left: int) -> int:
    """M, the vertices in the largest cluster of either hemisphere.

    >>> largest_cluster(torch.tensor([0, 0, 1, 0, 1, 1, 1]), n_left=3)
    3
    """
    return max(int(torch.bincount(half).max()) for half in (clusters[:n_left], clusters[n_left:]))


class ClusterLayout(nn.Module):
    """Where each vertex lies in (2, C, M), and which vertex is at each place.

    Parameters
    ----------
    n_left, n_right, n_clusters, cluster_size : int
        Vertices of each hemisphere, C, M.
    clusters : (V,) int tensor, optional
        Cluster of each vertex within its hemisphere, 0 … C − 1, left hemisphere first; to be loaded from a state
        dict without it.

    Attributes
    ----------
    clusters : (V,) int64 buffer
    places : (2 · C · M,) int64 buffer
        Vertex at each place; V at a padded one.
    slots : (V,) int64 buffer
        Place of each vertex.
    """

    def __init__(self, n_left: int, n_right: int, n_clusters: int, cluster_size: int, clusters: Tensor | None = None):
        super().__init__()
        self.shape = (2, n_clusters, cluster_size)
        v = n_left + n_right
        if clusters is None:
            slots, clusters = torch.zeros(v, dtype=torch.int64), torch.zeros(v, dtype=torch.int64)
        else:
            clusters = clusters.to(torch.int64).clone()
            _check(clusters, n_left, n_right, n_clusters, cluster_size)
            slots = _slots(clusters, n_left, self.shape)
        places = torch.full((2 * n_clusters * cluster_size,), v, dtype=torch.int64)
        places[slots] = torch.arange(v)
        self.register_buffer("clusters", clusters)
        self.register_buffer("places", places)
        self.register_buffer("slots", slots)

    def gather(self, x: Tensor) -> Tensor:
        """(N, V) → (2, C, N, M), 0 at padded places."""
        h, c, m = self.shape
        return _Reorder.apply(x.float(), self.places, self.slots).view(-1, h, c, m).permute(1, 2, 0, 3)

    def scatter(self, y: Tensor) -> Tensor:
        """(2, C, N, M) → float32 (N, V); padded places are dropped."""
        return _Reorder.apply(y.float().permute(2, 0, 1, 3).flatten(1), self.slots, self.places)


class _Reorder(torch.autograd.Function):
    """Columns `index` of x, 0 for an index one beyond the last; its gradient is the same with `back`.

    Autograd's own gradient of index_select adds element by element. In float32, since a CPU gathers bf16 five times
    more slowly.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, index: Tensor, back: Tensor) -> Tensor:
        if len(index) > len(back):  # the padded side
            x = nn.functional.pad(x, (0, 1))
        return x.index_select(1, index)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1], inputs[2])

    @staticmethod
    def backward(ctx, gradient: Tensor):
        index, back = ctx.saved_tensors
        return _Reorder.apply(gradient, back, index), None, None


def _slots(clusters: Tensor, n_left: int, shape: tuple[int, int, int]) -> Tensor:
    """Vertices of a cluster lie in ascending order."""
    _, c, m = shape
    group = clusters.clone()
    group[n_left:] += c
    order = torch.argsort(group, stable=True)
    sizes = torch.bincount(group, minlength=2 * c)
    starts = sizes.cumsum(0) - sizes
    rank = torch.empty_like(group)
    rank[order] = torch.arange(len(group)) - starts[group[order]]
    return group * m + rank


def _check(clusters: Tensor, n_left: int, n_right: int, n_clusters: int, cluster_size: int):
    if clusters.shape != (n_left + n_right,):
        raise ValueError(
            f"the region has {n_left} + {n_right} vertices, but the clusters have shape {tuple(clusters.shape)}"
        )
    if clusters.min() < 0 or clusters.max() >= n_clusters:
        raise ValueError(
            f"clusters are numbered {int(clusters.min())} to {int(clusters.max())}, "
            f"but {n_clusters} a hemisphere need 0 to {n_clusters - 1}"
        )
    if (largest := largest_cluster(clusters, n_left)) > cluster_size:
        raise ValueError(f"cluster_size is {cluster_size}, but the largest cluster has {largest} vertices")
