"""Reference maps on the region's vertices."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"maps": File, "names": File})
def ProjectReference(
    reference: list[File],
    vertices: File,
    region: File,
    surfaces: list[File] | None = None,
    names: list[str] | None = None,
):
    """Bring maps of what is known (group effects of the sub-tasks, say) to the vertices of the region.

    Parameters
    ----------
    reference : list of file
        CIFTI maps (``dscalar.nii``), NIfTI images in the space of the surfaces (MNI for the group surfaces), the
        GIFTI maps of both hemispheres one after the other, or ``.npy`` (n, V).
    vertices : file
        Vertices of the region (MakeRegion).
    region : file
        The region's JSON (MakeRegion).
    surfaces : list of file, optional
        Left and right midthickness surface; needed for NIfTI images.
    names : list of str, optional
        One a map, in the order of the files; the sub-task that it shows, so that it is compared with it. Left out,
        the files' own names count, in which HCP's LH, RH, LF, RF and T are known (the plain contrast goes before
        that against the average).

    Returns
    -------
    maps : file
        (n, V) float32 ``.npy``; NaN where a reference says nothing.
    names : file
        TSV: index (from 0), name, source (the map's name in its file).
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.references import reference_maps, subtask_names
    from pydra_vae.images.surfaces import left_right
    from pydra_vae.tasks._region import Region

    where = Region.load(vertices, region)
    pair = left_right([Path(path) for path in surfaces]) if surfaces else None
    maps, found = reference_maps([Path(path) for path in reference], where.vertices, where.mesh_sizes, pair)
    if names is not None and len(names) != len(maps):
        raise ValueError(
            f"{len(names)} names were given for {len(maps)} reference maps ({', '.join(found)}): give one for each"
        )
    called = subtask_names(found) if names is None else names
    np.save("reference.npy", maps)
    rows = [{"index": i, "name": a, "source": b} for i, (a, b) in enumerate(zip(called, found, strict=True))]
    return Path.cwd() / "reference.npy", write_table(Path("reference.tsv"), rows)
