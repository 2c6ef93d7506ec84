"""Maps of the region as surface files that a person receives."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"cifti": File, "left": File, "right": File})
def WriteSurfaceMaps(maps: File, vertices: File, region: File, names: list[str]):
    """Write maps as CIFTI and GIFTI.

    Parameters
    ----------
    maps : file
        (k, V) maps (SpatialMaps, Ica, …).
    vertices : file
        The region's vertices (MakeRegion).
    region : file
        Its description (MakeRegion's info).
    names : list of str
        Of the maps, in order.

    Returns
    -------
    cifti : file
        dscalar.nii of the region's vertices of both hemispheres; the others are absent.
    left, right : file
        shape.gii of the whole left and right mesh; NaN outside the region.
    """
    from pydra_vae.images.surface_maps import write_dscalar, write_shape
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._region import Region

    where, values = Region.load(vertices, region), load_array(maps)
    if values.ndim != 2:
        raise ValueError(f"{maps} has the shape {values.shape}: maps × vertices is needed")
    where.check(maps, values.shape[1])
    if len(names) != len(values):
        raise ValueError(f"{maps} holds {len(values)} maps, but {len(names)} names were given: give one for each")
    cifti = write_dscalar(Path("maps.dscalar.nii"), values, names, where.vertices, where.mesh_sizes)
    sides = (values[:, where.left], values[:, ~where.left])
    paths = [
        write_shape(Path(f"maps_hemi-{hemi}.shape.gii"), side, names, numbers, size, hemi)
        for hemi, side, numbers, size in zip("LR", sides, where.vertices, where.mesh_sizes, strict=True)
    ]
    return cifti, *paths
