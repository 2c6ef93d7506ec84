"""Distances along the cortical surface between the region's vertices."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"left": File, "right": File, "info": File})
def GeodesicDistances(
    surfaces: list[File],
    vertices: File,
    region: File,
    limit: float | None = 15.0,
    diagonals: bool = True,
    threads: int = 1,
):
    """Measure distances over the whole of each hemisphere, between the region's vertices.

    Shortest ways leave the region, so they are looked for on the whole surface. With a limit only pairs that near are
    kept: enough for a graph of nearest vertices, and what makes the whole cortex possible.

    Parameters
    ----------
    surfaces : list of files
        Left and right surface (GIFTI), pial in the paper; or those of several subjects (left and right of the first,
        of the second, …), whose distances are averaged.
    vertices : file
        The region's vertices (MakeRegion).
    region : file
        JSON of the region (MakeRegion): the mesh sizes.
    limit : float, optional
        In mm; none measures all pairs, which takes a minute a hemisphere and n² numbers. With several subjects a pair
        counts by its mean, and is left out where a subject has it further apart than half as much again.
    diagonals : bool
        Whether ways may cross two triangles straight. Without, they follow edges and are some 9 % too long.
    threads : int
        Processes; no part of the result.

    Returns
    -------
    left : file
        Distances in mm, float32: (n, n) .npy, or with a limit .npz (SciPy CSR; its entries are the pairs within).
    right : file
        The same of the right hemisphere.
    info : file
        JSON: limit, diagonals, number of subjects, and for each hemisphere vertices, neighbours a vertex, vertices
        without any, largest distance.
    """
    from pydra_vae.tasks._distances import describe_distances, hemisphere_distances, pairs_of, save_distances
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._region import Region

    place, pairs, paths, described = Region.load(vertices, region), pairs_of(surfaces), {}, {}
    for side, hemi in enumerate("LR"):
        distances = hemisphere_distances(
            [pair[side] for pair in pairs], place.vertices[side], place.mesh_sizes[side], limit, diagonals, threads
        )
        paths[hemi] = save_distances(f"distances-{hemi}", distances)
        described[{"L": "left", "R": "right"}[hemi]] = describe_distances(distances)
    about = {
        "limit_mm": limit,
        "diagonals": diagonals,
        "n_subjects": len(pairs),
        "surfaces": [Path(surface).name for surface in surfaces],
        **described,
    }
    return paths["L"], paths["R"], write_json(Path("distances.json"), about)
