"""Write simulated motor runs on the cortical surface, for the demo."""

import typing as ty
from pathlib import Path

from fileformats.generic import Directory, File

from pydra_vae.engine.step import step


@step(outputs={"data": Directory, "truth": File, "truth_names": File, "truth_vertices": File, "truth_courses": File})
def SimulateMotor(
    size: ty.Literal["default", "half", "tiny"] = "default",
    n_subjects: int | None = None,
    seed: int = 0,
    layout: ty.Literal["hcp", "fmriprep", "gifti"] = "hcp",
    directions: list[str] | None = None,
    nonlinearity: float = 0.0,
):
    """Simulate subjects who move hands, feet and tongue, with planted patches on the real S1200 surface.

    The paper's timing (HCP's LR run), TR 0.72 s, 284 frames. Left limbs move the right hemisphere and the reverse,
    the tongue both. Subjects differ in the delay, size and place of their responses; networks, drift, white and
    smooth noise hide them.

    Parameters
    ----------
    size : str
        default: all 11,960 vertices of Yeo's somatomotor network, 46 subjects; half: of each hemisphere the 3,000
        vertices nearest to the way from foot over hand to tongue, 46 subjects; tiny: 1,000 of each, 12 subjects.
    n_subjects : int, optional
        Another number of subjects; a subject is the same whatever their number.
    seed : int
        Seed of everything that is drawn.
    layout : str
        hcp: dtseries and EV text files; fmriprep: dtseries, sidecar and events.tsv; gifti: pairs of func.gii.
    directions : list of str, optional
        LR (the paper's, the default), RL (other onsets, same maps) or both.
    nonlinearity : float
        Saturation of the signal; 0: linear.

    Returns
    -------
    data : directory
        The tree.
    truth : file
        Planted maps of the sub-tasks, (5, V) `.npy`, columns as truth_vertices.
    truth_names : file
        Table of their names.
    truth_vertices : file
        Table of the vertices, left then right, ascending.
    truth_courses : file
        Table of the planted courses at the nominal onsets.
    """
    from pydra_vae.engine import context
    from pydra_vae.simulate.motor_tree import write_motor_tree

    tree = write_motor_tree(
        Path.cwd(), size, n_subjects, seed, layout, nonlinearity, directions or ["LR"], context.progress
    )
    return tree.data, tree.maps, tree.names, tree.vertices, tree.courses
