"""Write simulated grey-matter images, for the demo."""

import typing as ty
from pathlib import Path

from fileformats.generic import Directory, File

from pydra_vae.engine.step import step


@step(
    outputs={
        "data": Directory,
        "truth": File,
        "networks_truth": File,
        "networks_names": File,
        "regions_truth": File,
        "atlas": File,
        "atlas_labels": File,
    }
)
def SimulateStructural(size: ty.Literal["default", "tiny"] = "default", n_subjects: int | None = None, seed: int = 0):
    """Simulate persons whose images differ along shared modes, three planted effects of disease, sex, age and site.

    Images are warped and modulated versions of nilearn's grey-matter template (MNI152NLin2009aSym). Some persons have
    a second visit, some a third, at which ventricles and hippocampus are worse. Every visit has a second modality that
    shares one factor. The first person also has a BOLD run with planted networks and events.

    Parameters
    ----------
    size : str
        default: 300 persons at 6 mm, about 90 of them with a second visit; a run of 240 frames; tiny: 60 persons at
        9 mm; 120 frames.
    n_subjects : int, optional
        Another number of persons; a person is the same whatever their number.
    seed : int
        Seed of everything that is drawn.

    Returns
    -------
    data : directory
        The tree, laid out as sMRIPrep's, XCP-D's and fMRIPrep's outputs; participants.tsv has age, sex, site,
        diagnosis, score, memory, education and tiv, each person's sessions.tsv the age at each visit.
    truth : file
        TSV, one row an image: label, person, session, and the planted factors ventricles, hippocampus, temporal,
        thinning, head_scale, rate (of progression, a year), functional1, functional2, deformation1 to 3, modulation1
        and 2.
    networks_truth : file
        4-D image of the planted networks, on the run's grid.
    networks_names : file
        TSV: index, name, condition (that the network follows; empty for the others).
    regions_truth : file
        4-D image: where ventricles, hippocampus and temporal act, 0 to 1.
    atlas, atlas_labels : file
        Label image of regions on the images' grid, and its table.
    """
    from pydra_vae.engine import context
    from pydra_vae.simulate.structural_tree import write_structural_tree

    tree = write_structural_tree(Path.cwd(), size, n_subjects, seed, context.progress)
    return (
        tree.data,
        tree.truth,
        tree.networks,
        tree.network_names,
        tree.regions,
        tree.atlas,
        tree.atlas_labels,
    )
