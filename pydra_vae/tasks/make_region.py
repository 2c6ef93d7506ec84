"""The region of the cortical surface to analyse."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"vertices": File, "info": File})
def MakeRegion(
    data: list[File],
    labels: list[File] | None = None,
    region: list[str] = ["7Networks_2"],  # noqa: B006  (Pydra copies it)
    map_name: str | None = None,
    medial_wall: list[File] | None = None,
    space: str | None = None,
):
    """Choose the vertices that have a label and, in every recording given, data.

    Only headers are read. Labels belong to vertex numbers, so label files and data may hold other
    subsets of one mesh.

    Parameters
    ----------
    data : list of file
        CIFTI series, or left and right GIFTI series in pairs.
    labels : list of file, optional
        One dlabel, or left and right label.gii or annot (default: Yeo's 7 networks on fsLR 32k).
    region : list of str
        Labels, in which * stands for any characters; none for the whole cortex. The default is
        somatomotor of Yeo's 7 networks.
    map_name : str, optional
        Map of the label file (default: its first).
    medial_wall : list of file, optional
        Left and right GIFTI that are 0 on the medial wall; its vertices are left out.
    space : str, optional
        Space of the data, such as fsLR or fsaverage5 (default: by the size of their mesh).

    Returns
    -------
    vertices : file
        TSV, one row a column of every series and map: hemi, vertex, label; left ascending, then right.
    info : file
        JSON: space, sizes of the meshes and of the region, where the labels come from.
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.regions import make_region
    from pydra_vae.tasks._io import write_json

    made = make_region(
        [Path(f) for f in data],
        labels and [Path(f) for f in labels],
        region,
        map_name,
        medial_wall and [Path(f) for f in medial_wall],
        space,
    )
    return write_table(Path("vertices.tsv"), made.rows()), write_json(Path("region.json"), made.info)
