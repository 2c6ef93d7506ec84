"""Alignment of latent spaces across subjects, beside its floor and its nulls."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = {
    "pairs": "first second relation representation disparity r_distances disparity_parcels r_distances_plain n_voxels "
    "n_parcels",
    "nulls": "representation relation null measure observed mean sd low high p n n_pairs",
    "template": "label representation disparity n_iterations converged",
}
# Raw first. PCA is whitened only: unwhitened, its first component is nearly all of the comparison.
WHITEN = {"cvae": (False, True), "pca": (True,), "diffusion": (False,)}


@step(outputs={"pairs": File, "nulls": File, "template": File, "template_maps": File})
def Align(
    labels: list[str],
    latents: list[File],
    voxels: list[File],
    scalings: list[File],
    masks: list[File],
    other_seed: list[File] | None = None,
    pca: list[File] | None = None,
    gradients: list[File] | None = None,
    persons: list[str] | None = None,
    held_out: list[File] | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
):
    """Align latent spaces by orthogonal Procrustes, and compare distances in them, which need no alignment.

    Beside each pair of subjects stand the same subject's fit with another seed, whitened PCA, diffusion gradients, and
    three nulls, so that "does not align" can be told from "does not align even with itself".

    Parameters
    ----------
    labels : list of str
        Of the recordings, in the order of all lists.
    latents : list of file
        (K, D) latents of each (Encode), of one D.
    voxels, scalings, masks : list of file
        Where their rows lie (MakeMask, Normalize), in one standard space; masks and grids may differ: what is
        compared are the shared voxels.
    other_seed : list of file, optional
        Latents of a second fit of each recording, with another seed, of the split of its voxels too: where fits start
        from a PCA, those to the same voxels hardly differ (disparity .01, to other voxels .03, of PCAs .02; .16 to .26
        from random weights; one simulated subject).
    pca : list of file, optional
        Scores of a PCA of the same size (PcaScores).
    gradients : list of file, optional
        Diffusion gradients (DiffusionEmbedding).
    persons : list of str, optional
        Whose each recording is; recordings of one person are a floor and never count as subjects. All different by
        default.
    held_out : list of file, optional
        (K,) of each, 1 for the voxels that count (ScoreShared): models that were trained to agree are compared where
        they were not. All by default; fewer than 30 such voxels say nothing, and the tables stay empty.
    n_permutations : int
        Draws of each null; 0: none is drawn.
    seed : int

    Returns
    -------
    pairs : file
        TSV: first second relation representation disparity r_distances disparity_parcels r_distances_plain n_voxels
        n_parcels. Disparity over voxels, and over parcel means; correlation of the two parcel × parcel matrices of
        latent distances after what the distance in mm explains was taken out of both (any two smooth spaces share
        that), and without. Parcels are the atlas's, else cubes of 24 mm, all with as many voxels.
    nulls : file
        TSV: representation relation null measure observed mean sd low high p n n_pairs. `observed` is the mean over
        pairs of subjects (of recordings, where all are one person's) that the null is to be held against: over voxels
        for the rotation null, over parcel means for the others; p is one-sided for alignment, low and high hold 95 %.
    template : file
        TSV: label representation disparity n_iterations converged. Disparity of each recording to the generalized
        Procrustes template of all other persons.
    template_maps : file
        4-D image of the CVAE's template on the shared voxels, its principal axes, the strongest first.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.parcels import parcels_or_blocks
    from pydra_vae.tasks._group import SharedSpace, at_least_two, check_lengths

    at_least_two(labels, "alignment")
    check_lengths(labels, latents=latents, other_seed=other_seed, pca=pca, gradients=gradients)
    group = SharedSpace.load(labels, voxels, scalings, masks, persons)
    chosen = group if held_out is None else group.only(held_out)
    group = chosen or group  # too few are chosen: only the maps are made
    parcel = group.parcels(parcels_or_blocks(group.space.parcel[group.own], group.space.mm[group.own]))
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    for source, files in {"cvae": latents, "pca": pca, "diffusion": gradients}.items():
        if files is None:
            continue
        items = group.arrays(files, source)
        seconds = group.arrays(other_seed, "other_seed") if source == "cvae" and other_seed else []
        template = _compare(rows, source, group, items + seconds, parcel, n_permutations, seed)
        if source == "cvae":
            maps = _save_template(template, group, items, scalings, masks)
    return *(
        write_table(f"{name}.tsv", pd.DataFrame(rows[name] if chosen else [], columns=columns.split()))
        for name, columns in COLUMNS.items()
    ), maps


def _compare(tables, source, group, items, parcel, n_permutations, seed):
    """Add the rows of one kind of latent space to the tables; its raw template."""
    import numpy as np

    from pydra_vae.stats.alignment import Alignment
    from pydra_vae.stats.procrustes import cross_products

    rows = np.concatenate([group.rows] * (len(items) // len(group.labels)))
    cross, means = cross_products(items, rows), group.means(items, rows, parcel) if parcel.any() else None
    centres = None if means is None else group.centres(parcel)
    names = group.labels * (len(items) // len(group.labels))
    counts = {"n_voxels": rows.shape[1], "n_parcels": 0 if means is None else means.shape[1]}
    first = None
    for whiten in WHITEN[source]:
        name = {"representation": source + " whitened" * whiten}
        one = Alignment.of(cross, group.persons, whiten, means, centres)
        for pair in one.measured():
            pair |= {"first": names[pair["first"]], "second": names[pair["second"]]}
            tables["pairs"].append(name | counts | pair)
        if n_permutations:
            tables["nulls"] += [name | row for row in _null_rows(one, n_permutations, seed)]
        template, used, disparity = one.template()
        first = first or (template, used)
        facts = {"n_iterations": template.n_iterations, "converged": template.converged}
        for label, value in zip(group.labels, disparity, strict=True):
            tables["template"].append(name | facts | {"label": label, "disparity": value})
    return first


def _null_rows(one, n_permutations, seed):
    import numpy as np

    for name, null, relation, n_pairs in one.nulls(n_permutations, seed):
        low, high = np.quantile(null.null, [0.025, 0.975])
        yield {
            "relation": relation, "null": name, "measure": null.measure, "observed": null.observed,
            "mean": null.null.mean(), "sd": null.null.std(), "low": low, "high": high, "p": null.p, "n": n_permutations,
            "n_pairs": n_pairs,
        }  # fmt: skip


def _save_template(found, group, items, scalings, masks) -> Path:
    """The template's maps, in units of their root mean square over voxels; the largest value of each is positive."""
    import numpy as np

    from pydra_vae.images.geometry import load_geometry
    from pydra_vae.stats.normalise import Scaling

    template, used = found
    mean = 0
    for s, weight, rotation in zip(used, template.weights, template.rotations, strict=True):
        z = np.asarray(items[s][group.rows[s]], dtype=np.float64)
        z -= z.mean(axis=0)
        mean = mean + weight * z / np.linalg.norm(z) @ rotation
    mean *= np.sqrt(len(mean))
    mean *= np.sign(mean[np.abs(mean).argmax(axis=0), np.arange(mean.shape[1])])
    scaling, mask = Scaling.load(Path(scalings[group.reference])), Path(masks[group.reference])
    values = np.zeros((int(scaling.kept.sum()), mean.shape[1]), np.float32)
    values[group.own] = mean
    return load_geometry(mask).write_maps(Path.cwd() / "template_maps", scaling.unmask(values))
