"""The parts of structural before any model: images of one grid → one matrix inside a mask, its split and its PCA."""

from __future__ import annotations

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.make_volume_mask import MakeVolumeMask
from pydra_vae.tasks.regional_volumes import RegionalVolumes
from pydra_vae.tasks.split_subjects import SplitSubjects
from pydra_vae.tasks.stack_volumes import StackVolumes
from pydra_vae.tasks.write_volumes import WriteVolumes
from pydra_vae.workflows.finn_parts import EMPTY, Options


@graph.define(
    outputs={
        "volume_split": File,
        "mask": File,
        "mean": File,
        "mask_info": File,
        "volumes": File,
        "volumes_info": File,
        "pca": File,
        "pca_info": File,
        "component_maps": File,
        "regions": File | None,
        "regions_info": File | None,
    }
)
def VolumeData(
    volumes: list[File],
    labels: list[str],
    persons: list[str],
    brain_masks: list[File] | None = None,
    mask_file: File | None = None,
    atlas: File | None = None,
    atlas_labels: File | None = None,
    n_components: int = 32,
    split_seed: int = 42,
    mask: Options = EMPTY,
):
    """Divide the persons, find the mask, put all images into one matrix, and fit its PCA.

    Parameters
    ----------
    volumes : list of file
        Images on one grid (PrepareVolume), one a visit.
    labels, persons : list of str
        Of each image: its own name, and whose it is.
    brain_masks : list of file, optional
        Of each image; for intensities, whose mask they make.
    mask_file : file, optional
        The voxels to model; found from the training images without it.
    atlas, atlas_labels : file, optional
        Regions whose volumes are measured, and their names.
    n_components : int
        Components of the PCA.
    split_seed : int
        Of the division of the persons in training, validation and test.
    mask : dict
        Further parameters of MakeVolumeMask.
    """
    divided = workflow.add(SplitSubjects(labels=labels, persons=persons, seed=split_seed))
    made = workflow.add(
        MakeVolumeMask(
            volumes=volumes,
            volume_split=divided.subject_split,
            mask_file=mask_file,
            brain_masks=brain_masks,
            **mask,
        ),
        name="mask",
    )
    stacked = workflow.add(StackVolumes(volumes=volumes, labels=labels, mask=made.mask, mask_info=made.info))
    linear = workflow.add(
        FitVolumePca(volumes=stacked.volumes, volume_split=divided.subject_split, n_components=n_components)
    )
    components = workflow.add(WriteVolumes(values=linear.pca, mask=made.mask, intent="estimate"), name="components")
    regions, regions_info = None, None
    if atlas is not None:
        measured = workflow.add(
            RegionalVolumes(
                volumes=stacked.volumes,
                volumes_info=stacked.info,
                mask=made.mask,
                atlas=atlas,
                labels=atlas_labels,
            )
        )
        regions, regions_info = measured.regions, measured.info
    return (
        divided.subject_split,
        made.mask,
        made.mean,
        made.info,
        stacked.volumes,
        stacked.info,
        linear.pca,
        linear.info,
        components.image,
        regions,
        regions_info,
    )
