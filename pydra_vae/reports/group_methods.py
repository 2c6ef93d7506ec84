"""The methods text of a group report: one paragraph for each analysis that the page has, with citations."""

from collections.abc import Iterator

from pydra_vae.reports.formats import count, listed
from pydra_vae.reports.group_tables import Tables, in_order
from pydra_vae.reports.pages import render
from pydra_vae.reports.references import REFERENCES

Paragraph = tuple[str, tuple[str, ...]]  # text, and the works that it cites


def methods(tables: Tables) -> str:
    """Paragraphs and references; "" where nothing beside the subjects was made."""
    written = [*_subjects(tables), *_groups(tables)]
    if not written:
        return ""
    keys = in_order(["singla", *(key for _, cited in written for key in cited)])
    references = sorted((REFERENCES[key] for key in keys), key=lambda reference: reference.text)
    n = tables.metrics["participant_id"].nunique()
    each = ", each" if n > 1 else ""
    first = (
        f"{count(n, 'subject')}{each} with a model of its own, as in Singla et al. (2025); the subjects' pages say how "
        "they were read, scaled and fitted. Dots in figures are subjects or pairs of them, so that tests are over what "
        "was drawn at random, not over voxels."
    )
    return render("methods.html", paragraphs=[first, *(text for text, _ in written)], references=references)


def _subjects(tables: Tables) -> Iterator[Paragraph]:
    if tables.given("curve"):
        seeds = tables("sweep")["seed"].nunique() if tables.given("sweep") and "seed" in tables("sweep") else 0
        each = f", {count(seeds, 'seed')} each" if seeds else ""
        yield (
            f"Latent size: models of every size were trained on the same voxels{each}; the choice is the elbow of "
            "the error on validation voxels, its interval that of bootstrap resamples over subjects, and over seeds "
            "within them. What is drawn is the error on test voxels.",
            (),
        )  # fmt: skip
    if tables.given("structure") or tables.given("dimensions"):
        yield (
            "Structure: correlations of latents over voxels; intrinsic dimension by TwoNN (Facco et al., 2017) and "
            "the participation ratio; smoothness by Moran's I (Moran, 1950) between neighbours of the voxel grid. "
            f"Diffusion embedding (Coifman & Lafon, 2006; Margulies et al., 2016) of {_embedding(tables)}; "
            "gradients were compared with latents by correlation, against maps of the same spatial autocorrelation "
            "(Moran spectral randomisation; Wagner & Dray, 2015).",
            ("facco", "moran", "coifman", "margulies", "wagner"),
        )
    if tables.given("separability"):
        yield (
            "Networks: silhouettes (Rousseeuw, 1987), accuracy of k nearest neighbours and of a linear probe, both "
            "cross-validated over whole parcels, and the ratio of variances between and within networks; in raw "
            "series, PCA, ICA, diffusion embedding and the CVAE's latents, and with shuffled labels.",
            ("rousseeuw",),
        )
    if tables.given("divergence"):
        yield (
            "KL: the same network with β (Higgins et al., 2017) in nats of the evidence lower bound, which for a noise "
            "variance σ² (the validation error of PCA of the same size) and T frames is a weight of 2βσ²/T beside the "
            "mean squared error; constant, or with a linear or cyclical warm-up (Fu et al., 2019); and with the "
            "maximum mean discrepancy of InfoVAE (Zhao et al., 2019) instead.",
            ("higgins", "fu", "zhao"),
        )
    if tables.given("outliers") or tables.given("samples"):
        yield (
            "Outliers: voxels and frames were scored by reconstruction error and by the density of their latents. "
            "New series: drawn from a density fitted to the latents and decoded.",
            (),
        )
    if tables.given("reliability") or tables.given("surrogate"):
        yield (
            "Controls: a model fitted on the first half of the frames gives denoised maps that are compared with "
            "raw maps of the second half; and a model fitted to Gaussian data with the subject's own mean series "
            "and covariance over frames, where no model can beat PCA.",
            (),
        )


def _embedding(tables: Tables) -> str:
    """What was embedded and how, as its JSON says; the defaults where there is none."""
    info = tables.json("gradients_info")
    sparsity, alpha = info.get("sparsity", 0.9), info.get("alpha", 0.5)
    nodes = {"voxel": "voxels", "seed": "voxels with parcels", "parcel": "parcels"}.get(info.get("level"), "")
    affinity = f", {str(info['affinity']).replace('_', ' ')} affinity" if info.get("affinity") else ""
    default = "" if info else " (by default)"
    return (
        f"the connectome{' of ' + nodes if nodes else ''}, whose {100 * (1 - sparsity):.3g} % largest connections were "
        f"kept{affinity}, with α = {alpha:g}{default}"
    )


def _start(tables: Tables) -> str:
    return ", which start from nearly the same components of PCA (linear skip)" if tables.same_start else ""


def _groups(tables: Tables) -> Iterator[Paragraph]:
    if tables.given("transfer"):
        yield (
            "Transfer: every subject's series were passed through every other subject's model (as in the paper) and "
            "through its PCA; frames must be equal in number.",
            (),
        )
    if tables.given("pairs"):
        yield (
            "Alignment: orthogonal Procrustes (Schönemann, 1966) on the voxels that both subjects have, and "
            "generalised Procrustes (Gower, 1975) to a template. Floor: two fits of one subject from different "
            f"seeds{_start(tables)}. Nulls: random rotations, permutations of parcels, and permutations that keep "
            "spatial autocorrelation. Without rotation: correlation of the distances between parcels beyond what mm "
            "explain.",
            ("schonemann", "gower"),
        )
    if tables.given("shared"):
        yield (
            "Shared models: one decoder with small parts for each subject, one latent space with a decoder for each "
            "subject (Huang et al., 2022), and a pooled model; test voxels were the same places in all subjects.",
            ("huang",),
        )
    if tables.given("geometry"):
        yield (
            "Connectivity: Pearson's correlations of parcels' mean series were compared with distances of their "
            "mean latents and of their mean scores of PCA, plain and whitened (of which the better is the "
            "control), with permutations of parcels (Mantel, 1967), and with the distance in mm partialled out.",
            ("mantel",),
        )
    names = [
        name
        for name, table in (
            ("paired tests over subjects, whose smallest reachable p is given", "tests"),
            ("identification by the other half of the frames (Finn et al., 2015)", "identification"),
            ("correlation of each subject with the mean of the others (Nastase et al., 2019)", "isc"),
            ("Mantel's test of a score's differences against latent distances", "mantel"),
        )
        if tables.given(table)
    ]
    cited = {"identification": "finn2015", "isc": "nastase", "mantel": "mantel"}
    if names:
        yield f"Group statistics: {listed(names)}.", tuple(key for table, key in cited.items() if tables.given(table))
