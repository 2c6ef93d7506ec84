"""Hold a model's maps against reference maps of the sub-tasks."""

from pathlib import Path
from typing import Literal

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"map_scores": File})
def CompareMaps(
    maps: File,
    vertices: File,
    region: File,
    surfaces: list[File],
    scores: File | None = None,
    reference: File | None = None,
    reference_names: File | None = None,
    kind: Literal["variance", "signed"] = "variance",
    model: str = "",
    beta: float | None = None,
    seed: int = 0,
):
    """Agreement of maps with references; sparsity, spread and lateralisation of each.

    The map of a sub-task is that of the factor chosen for it. As the control of each agreement stands the same map's
    agreement with the references of the other sub-tasks: a map that agrees with all of them shows no sub-task.

    Parameters
    ----------
    maps : file
        (k, V) ``.npy``: SpatialMaps, Ica.
    vertices : file
        Vertices of the region (MakeRegion).
    region : file
        The region's JSON (MakeRegion).
    surfaces : list of file
        Left and right surface, for distances along it.
    scores : file, optional
        Which factor shows which sub-task, and its sign (HrfRegression). Left out, all factors are measured alone.
    reference : file, optional
        (n, V) reference maps (ProjectReference).
    reference_names : file, optional
        Their names (ProjectReference); a sub-task is compared with the map of its name.
    kind : {"variance", "signed"}
        variance: maps of TI-VAE; signed: of ICA and PCA.
    model : str
        What the table calls the model.
    beta : float, optional
        Its β, for the table.
    seed : int
        Its seed, for the table.

    Returns
    -------
    map_scores : file
        TSV, one row a sub-task and reading; then one a reading of each factor chosen for none: model, k, beta, seed,
        subtask, factor (from 0), sign; reading (variance, as the paper's, or sd, its root; signed, as the paper's ICA,
        or abs); r_all, r_top10, r_top5, r_top1 with the reference over all vertices and where it is largest;
        sparsity (Hoyer's, of amplitudes), spread_mm (mean geodesic distance of the energy from the peak of its
        hemisphere), lateralisation (1 all left, −1 all right), peak_hemi, peak_vertex (on the mesh), reference (name),
        others_r_all, others_r_top10 (mean agreement with the other sub-tasks' references).
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._map_scores import MapComparison

    compared = MapComparison.load(maps, scores, vertices, region, reference, reference_names)
    rows = compared.rows(kind, [Path(path) for path in surfaces])
    named = {"model": model, "k": len(compared.maps), "beta": beta, "seed": seed}
    return write_table(Path("map_scores.tsv"), [{**named, **row} for row in rows])
