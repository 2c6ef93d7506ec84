"""One file of grayordinates from the two GIFTI files of a surface run."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"bold": File})
def JoinHemispheres(left: File, right: File, sidecar: File | None = None, t_r: float | None = None) -> Path:
    """Join the series of the left and the right hemisphere, so that every step reads one file a run.

    Parameters
    ----------
    left : file
        ``func.gii`` of the left hemisphere.
    right : file
        ``func.gii`` of the right hemisphere, of as many frames.
    sidecar : file, optional
        JSON with RepetitionTime, for files without a TimeStep.
    t_r : float, optional
        Repetition time in seconds, where neither has it.

    Returns
    -------
    bold : file
        CIFTI dense series (``dtseries.nii``, float32) of every vertex of both meshes, left first.
    """
    from pydra_vae.images.hemispheres import join_hemispheres
    from pydra_vae.tasks.mask_bold import repetition_time

    name = Path(left).name.replace("_hemi-L", "").replace("lh.", "").removesuffix(".gz").removesuffix(".func.gii")
    return join_hemispheres(
        Path(left), Path(right), Path.cwd() / f"{name}.dtseries.nii", repetition_time(sidecar, t_r)[0]
    )
