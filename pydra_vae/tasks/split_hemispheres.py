"""Maps and series of grayordinates as GIFTI files of the two hemispheres, as their runs came."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"left": File, "right": File})
def SplitHemispheres(dense: File):
    """Write the vertices of a CIFTI file as GIFTI, one file a hemisphere.

    Parameters
    ----------
    dense : file
        Maps (dscalar.nii) or series (dtseries.nii).

    Returns
    -------
    left : file
        ``shape.gii`` of maps, an array a map; ``func.gii`` of a series, an array a frame.
    right : file
        The same of the right hemisphere.
    """
    from pydra_vae.images.hemispheres import split_hemispheres

    stem = Path(dense).name.partition(".")[0]
    return split_hemispheres(Path(dense), Path.cwd() / stem)
