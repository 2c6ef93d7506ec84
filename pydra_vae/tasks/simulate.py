"""Write a simulated derivatives tree, for the demo."""

import typing as ty
from pathlib import Path

from fileformats.generic import Directory, File

from pydra_vae.engine.step import step


@step(outputs={"derivatives": Directory, "atlas": File, "atlas_labels": File})
def SimulateFinn(size: ty.Literal["default", "tiny"] = "default", seed: int = 0, n_subjects: int = 3):
    """Simulate subjects that listen to a story, with planted networks, latents and artefacts.

    The data are simulated on the geometry of nilearn's MNI152 template; the truth stands beside
    them, in files with ``desc-truth``.

    Parameters
    ----------
    size : str
        default: three runs of 526, 452 and 332 frames at TR 1 s, about 9,000 grey-matter voxels;
        tiny: three runs of 60, 50 and 44 frames at TR 2 s, about 2,000 voxels.
    seed : int
        Seed of everything that is drawn.
    n_subjects : int
        Number of subjects; a subject is the same whatever their number.

    Returns
    -------
    derivatives : directory
        The tree, laid out as fMRIPrep's outputs.
    atlas : file
        Label image of the planted networks' parcels.
    atlas_labels : file
        Their names and networks.
    """
    from pydra_vae.engine import context
    from pydra_vae.simulate.tree import write_tree

    tree = write_tree(Path.cwd() / "derivatives", size, seed, n_subjects, context.progress)
    return tree.derivatives, tree.atlas, tree.atlas_labels
