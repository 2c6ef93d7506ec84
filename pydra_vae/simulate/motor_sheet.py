"""The cortex on which motor runs are simulated: region, patches of the body, smoothness along the surface.

The patches lie where the motor homunculus has them: foot on the medial wall (paracentral lobule), hand at the
hand knob, tongue at the foot of the central sulcus. A patch is Gaussian in geodesic distance. The centre of a
subject's patch is drawn near the group's, so distances are kept from every vertex where it may fall.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.sparse import block_diag, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import dijkstra

from pydra_vae.images.surface_templates import packaged_cortex, packaged_file, surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.surface.mesh import mesh_graph

# MNI millimetres of the left hemisphere; the right is its mirror image. Each lies ≥ 18 mm inside the region.
SEEDS = {"foot": (-5.0, -28.0, 66.0), "hand": (-38.0, -23.0, 56.0), "tongue": (-56.0, -7.0, 26.0)}
WIDER = 5.0  # mm that a strip is wider about the centres
SOMATOMOTOR = 2  # of Yeo's seven networks
FS_LR = 32_492  # vertices of a hemisphere
REACH = 45.0  # mm; a patch is nought beyond


@dataclass(frozen=True)
class Patch:
    """Where one part of the body lies in one hemisphere.

    Attributes
    ----------
    body : str
        "hand", "foot" or "tongue".
    hemi : str
        "L" or "R".
    centre : int
        Vertex of the mesh.
    offsets : (c,) array
        Millimetres from the centre to each vertex where a subject's own centre may fall; the first is 0.
    distances : (c, n) float32 array
        Geodesic millimetres from these to the hemisphere's simulated vertices; infinite beyond REACH.
    """

    body: str
    hemi: str
    centre: int
    offsets: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Sheet:
    """The simulated vertices of both hemispheres, left before right.

    Attributes
    ----------
    space : str
        "fsLR" or "fsaverage5".
    mesh_sizes : (int, int)
        Vertices of the whole meshes, left and right.
    vertices : (left, right) int arrays
        Simulated vertices, ascending.
    coordinates : (V, 3) array
        Millimetres, of the midthickness.
    patches : list of Patch
    neighbours : (V, V) sparse array
        Row-stochastic: one step of smoothing along the surface.
    """

    space: str
    mesh_sizes: tuple[int, int]
    vertices: tuple[np.ndarray, np.ndarray]
    coordinates: np.ndarray
    patches: list[Patch]
    neighbours: csr_array

    @property
    def n_left(self) -> int:
        return len(self.vertices[0])

    @property
    def size(self) -> int:
        return len(self.vertices[0]) + len(self.vertices[1])

    def columns(self, hemi: str) -> slice:
        """Where a hemisphere's vertices stand among all."""
        return slice(0, self.n_left) if hemi == "L" else slice(self.n_left, self.size)


def build_sheet(
    surfaces: Sequence[tuple[np.ndarray, np.ndarray]],
    regions: Sequence[np.ndarray],
    space: str = "fsLR",
    n_kept: int | None = None,
    jitter: float = 4.0,
) -> Sheet:
    """Place patches on two hemispheres.

    Parameters
    ----------
    surfaces : sequence of (coordinates, triangles)
        Midthickness, left and right.
    regions : sequence of int arrays
        Vertices of the region, left and right.
    space : str
    n_kept : int, optional
        Keep only so many vertices of a hemisphere: those nearest to the shortest path from foot over hand to
        tongue. They are connected and hold all patches.
    jitter : float
        Standard deviation of a subject's centres, in mm along each direction.
    """
    vertices, patches, graphs, places = [], [], [], []
    for hemi, (coordinates, triangles), region in zip("LR", surfaces, regions, strict=True):
        graph = mesh_graph(coordinates, triangles)
        centres = _nearest(coordinates, np.sort(region), SEEDS.values(), hemi)
        if n_kept is not None:
            region = _strip(graph, np.sort(region), centres, n_kept)
        region = np.sort(region)
        vertices.append(region)
        for body, centre in zip(SEEDS, centres, strict=True):
            patches.append(_patch(body, hemi, centre, graph, region, jitter))
        graphs.append(mesh_graph(coordinates, triangles, diagonals=False)[region][:, region])
        places.append(coordinates[region])
    sizes = tuple(len(coordinates) for coordinates, _ in surfaces)
    return Sheet(space, sizes, tuple(vertices), np.vstack(places), patches, _one_step(graphs))


@lru_cache(maxsize=2)  # a second or two to build; nothing in it is changed
def somatomotor_sheet(n_kept: int | None = None, jitter: float = 4.0) -> Sheet:
    """Yeo's somatomotor network on the S1200 midthickness: 5,866 + 6,094 vertices, or n of each hemisphere."""
    surfaces = [load_surface(path) for path in surfaces_for("fsLR", (FS_LR, FS_LR), "midthickness")]
    with np.load(packaged_file("yeo7.npz")) as stored:
        network = stored["map_all"]
    left, right = packaged_cortex()
    of_left, of_right = network[: len(left)], network[len(left) : len(left) + len(right)]
    regions = left[of_left == SOMATOMOTOR], right[of_right == SOMATOMOTOR]
    return build_sheet(surfaces, regions, "fsLR", n_kept, jitter)


def smooth(sheet: Sheet, values: np.ndarray, steps: int) -> np.ndarray:
    """Average (V, n) values with their neighbours, so many times; about 0.98 √steps mm of Gaussian σ on fsLR 32k."""
    for _ in range(steps):
        values = sheet.neighbours @ values
    return values


def smooth_scale(sheet: Sheet, steps: int) -> np.ndarray:
    """What white noise of unit variance must be multiplied with after `smooth` to have it again, (V, 1) float32."""
    operator = eye_array(sheet.size, format="csr", dtype=np.float32)
    for _ in range(steps):
        operator = sheet.neighbours @ operator
    power = np.asarray(operator.multiply(operator).sum(axis=1)).ravel()
    return (1 / np.sqrt(power)).astype(np.float32)[:, None]


def smooth_maps(sheet: Sheet, n: int, steps: int, rng) -> np.ndarray:
    """Random smooth maps of unit variance in each hemisphere, (V, n) float32; hemispheres half alike.

    The halves are drawn by vertex number, which on fsLR means about the same place in both.
    """
    shared = rng.standard_normal((max(sheet.mesh_sizes), n))
    drawn = np.vstack([shared[part] + rng.standard_normal((len(part), n)) for part in sheet.vertices])
    maps = smooth(sheet, drawn, steps)
    for hemi in "LR":
        part = maps[sheet.columns(hemi)]
        part -= part.mean(axis=0)
        part /= part.std(axis=0)
    return maps.astype(np.float32)


def _nearest(coordinates, region, seeds, hemi) -> np.ndarray:
    """Vertices of the region that are nearest to points of the left hemisphere or to their mirror images."""
    points = np.array(list(seeds)) * [1 if hemi == "L" else -1, 1, 1]
    distance = np.linalg.norm(coordinates[region][:, None] - points, axis=2)
    return region[distance.argmin(axis=0)]


def _strip(graph, region, centres, n_kept) -> np.ndarray:
    """The n vertices of the region nearest to the path through the centres."""
    if n_kept > len(region):
        raise ValueError(f"{n_kept} vertices a hemisphere were asked for and the region has {len(region)}")
    inside = graph[region][:, region]
    stops = np.searchsorted(region, centres)
    path = []
    for start, stop in pairwise(stops):
        before = dijkstra(inside, indices=start, return_predecessors=True)[1]
        while stop != start:
            path.append(stop)
            stop = before[stop]
    distance = dijkstra(inside, indices=[stops[0], *path], min_only=True)
    # Wider about the centres, so that the patches at both ends are not cut at one standard deviation.
    distance = np.minimum(distance, dijkstra(inside, indices=stops, min_only=True) - WIDER)
    return region[np.sort(np.argsort(distance, kind="stable")[:n_kept])]


def _patch(body, hemi, centre, graph, region, jitter) -> Patch:
    offsets = dijkstra(graph, indices=centre, limit=2.5 * jitter)[region]
    order = np.argsort(offsets, kind="stable")
    order = order[np.isfinite(offsets[order])]
    distances = dijkstra(graph, indices=region[order], limit=REACH)[:, region]
    return Patch(body, hemi, int(centre), offsets[order], distances.astype(np.float32))


def _one_step(graphs) -> csr_array:
    """Average of a vertex and its neighbours, block-diagonal over hemispheres."""
    graph = csr_array(block_diag(graphs, format="csr"))
    links = graph.astype(bool).astype(np.float32) + eye_array(graph.shape[0], dtype=np.float32, format="csr")
    degree = links.sum(axis=1)
    return csr_array(diags_array((1 / degree).astype(np.float32)) @ links)
