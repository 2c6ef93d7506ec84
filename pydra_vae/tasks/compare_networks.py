"""Hold the maps of several models against networks that are known."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

OVERLAP = ("model", "component", "network", "r", "dice", "rank", "r_patches", "p")
BEST = (
    "model", "network", "component", "r", "dice", "p_best", "r_all", "r_all_null", "p_all",
    "component_one_to_one", "r_one_to_one",
)  # fmt: skip


@step(outputs={"overlap": File, "best": File})
def CompareNetworks(
    maps: list[File],
    names: list[str],
    mask: File,
    reference: File | None = None,
    labels: File | None = None,
    same_frames: bool = False,
    n_null: int = 500,
    seed: int = 0,
):
    """Overlap of every component of every model with every network.

    Parameters
    ----------
    maps : list of file
        (k, V) `.npy` of each model (NetworkMaps, SpatialIca).
    names : list of str
        The models' names, in the same order.
    mask : file
        Voxels of the maps.
    reference : file, optional
        Networks in the same space: a label image (brought to the grid by the nearest voxel), a 4-D image of maps on the
        mask's grid, or maps (n, V) as `.npy` (TaskMaps). Left out where there are none in the data's space, such as in
        a subject's own: the tables then have a header only.
    labels : file, optional
        TSV with index and name; of a label image with a column network (or Schaefer's names), parcels of one network
        count as one.
    same_frames : bool
        The networks are maps of the same recording (TaskMaps). Whatever is made of one recording shares its noise and
        its components: of a task that has nothing to do with the data, the map agreed with some component beyond maps
        of the same smoothness (p < .05) in 30 of 30 simulations, also between its two halves. So no p is given; that
        of NetworkMaps, from shifts of the task in time, is the test.
    n_null : int
        Random maps of the same smoothness.
    seed : int
        Of them.

    Returns
    -------
    overlap : file
        TSV, one row a component and network: model, component (from 1), network, r (over the voxels, signed), dice
        (with as many of the component's highest voxels), rank (of the network for this component, by |r|), r_patches
        and p (over patches of equal size, against maps of the same smoothness).
    best : file
        TSV, one row a model and network: its component of largest |r|, r, dice, p_best (against the largest |r| of
        random maps with all components), r_all (multiple correlation with all components), r_all_null (its mean over
        random maps), p_all, component_one_to_one and r_one_to_one (each component serves one network only).
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.volumes import load_mask
    from pydra_vae.stats.network_overlap import overlaps
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._networks import best_rows, load_networks, overlap_rows, untested

    if len(maps) != len(names):
        raise ValueError(f"{len(maps)} files of maps but {len(names)} names: give one name for each model")
    overlap, best = [], []
    if reference is not None:
        header, where = read_header(Path(mask)), load_mask(Path(mask))
        networks, known = load_networks(Path(reference), labels and Path(labels), where, header)
        mm = np.argwhere(where) @ header.affine[:3, :3].T + header.affine[:3, 3]
        for path, name in zip(maps, names, strict=True):
            values = load_array(path)
            if values.ndim != 2 or values.shape[1] != len(mm):
                raise ValueError(
                    f"{path} has the shape {values.shape}, but {mask} {len(mm)} voxels: give both of one fit"
                )
            found = overlaps(values, networks, mm, 1 if same_frames else n_null, seed)
            if same_frames:
                found = untested(found)
            overlap += overlap_rows(name, found, known)
            best += best_rows(name, found, known)
    return (
        write_table(Path("overlap.tsv"), pd.DataFrame(overlap, columns=OVERLAP)),
        write_table(Path("best.tsv"), pd.DataFrame(best, columns=BEST)),
    )
