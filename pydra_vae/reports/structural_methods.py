"""The methods text of the structural page: a paragraph for each analysis that the page has, with citations."""

from collections.abc import Iterator

import numpy as np

from pydra_vae.reports.formats import count, fixed, listed, number
from pydra_vae.reports.group_methods import Paragraph
from pydra_vae.reports.group_tables import in_order
from pydra_vae.reports.pages import render
from pydra_vae.reports.references import REFERENCES
from pydra_vae.reports.structural_tables import StructuralTables, text_column, value

NETWORKS = {
    "conv-dense": "a convolutional encoder and a dense decoder over the voxels of the mask",
    "conv": "a convolutional encoder and decoder",
    "dense": "a dense encoder and decoder over the voxels of the mask",
}


def methods(tables: StructuralTables) -> str:
    """Paragraphs and references; "" where nothing was made."""
    made = (_data, _model, _judged, _latents, _regression, _joint, _visits, _networks)
    written = [paragraph for make in made for paragraph in make(tables)]
    if not written:
        return ""
    keys = in_order(["vazquez", *(key for _, cited in written for key in cited)])
    references = sorted((REFERENCES[key] for key in keys), key=lambda reference: reference.text)
    return render("methods.html", paragraphs=[text for text, _ in written], references=references)


def _data(tables: StructuralTables) -> Iterator[Paragraph]:
    split, info, mask = tables("subject_split"), tables.json("volumes_info"), tables.json("mask_info")
    parts = []
    if split is not None:
        n = [f"{split.loc[split['part'] == part, 'person'].nunique()} for {name}" for part, name in
             (("train", "training"), ("validation", "validation"), ("test", "test"))]  # fmt: skip
        parts.append(
            f"{count(len(split), 'image')} of {count(split['person'].nunique(), 'person')}: {listed(n)}; all visits "
            "of a person lie in one part."
        )
    if tables.n_voxels:
        size = info.get("voxel_size_mm") or []
        shown = " × ".join(f"{float(s):g}" for s in size) + " mm" if size else ""
        rule = str(mask.get("rule") or mask.get("mask_rule") or info.get("mask_rule") or "")
        parts.append(
            f"{count(tables.n_voxels, 'voxel')}{f' of {shown}' if shown else ''}" + (f": {rule}." if rule else ".")
        )
    if parts:
        yield f"{' '.join(parts)} Mask, mean image and PCA come from the training images.", ()


def _model(tables: StructuralTables) -> Iterator[Paragraph]:
    main, config = tables.main, tables.config
    if main is None:
        return
    divergence, loss = str(main.get("divergence") or "kl"), str(main.get("reconstruction") or "mse").upper()
    pull = {
        "kl": f"β = {number(value(main, 'beta'))} times the KL divergence to N(0, I), in nats",
        "mmd": f"λ = {number(value(main, 'mmd_weight'))} times the maximum mean discrepancy (Zhao et al., 2019)",
    }.get(divergence, "no divergence")
    text = (
        f"Variational autoencoder with {count(int(value(main, 'k')), 'latent')}: "
        f"{NETWORKS.get(str(main.get('network')), 'a network')}"
    )
    if np.isfinite(value(main, "parameters")):
        text += f" ({number(value(main, 'parameters'))} parameters)"
    text += (
        f". Loss: the negative log likelihood of a Gaussian of the optimal variance, ½ V log {loss}, plus {pull}; "
        "divided by the number of voxels V."
    )
    if np.isfinite(value(main, "steps")):
        rate, batch = value(main, "learning_rate"), value(main, "batch_size")
        text += f" {count(int(value(main, 'steps')), 'step')} of AdamW"
        text += f" at a learning rate of {rate:g} (one cycle), batches of {number(batch)}" if np.isfinite(rate) else ""
        text += f"; the step with the best validation error was kept ({number(value(main, 'best_step'))})."
    device = config.get("device")
    text += (
        f" {fixed(value(main, 'seconds'), 0)} s on {_device(device)}."
        if device and np.isfinite(value(main, "seconds"))
        else ""
    )
    cited = ["kingma"] + (["zhao"] if "mmd" in set(text_column(tables.fits, "divergence")) else [])
    cited += ["wang"] if text_column(tables.fits, "reconstruction").str.contains("dssim").any() else []
    if len(tables.fits) > 1:
        text += f" Beside it: {listed(tables.fits['name'][1:])}, alike in all else."
    yield text, tuple(cited)


def _device(name) -> str:
    return "the CPU" if str(name) == "cpu" else f"the device {name}"


def _judged(tables: StructuralTables) -> Iterator[Paragraph]:
    if tables.main is None:
        return
    yield (
        "R² is 1 − SSE/SSE of the training mean over voxels of the mask and images of a part, with z = μ; its "
        "standard error is a jackknife over persons. The KL, on training and validation images, is taken apart into "
        "mutual information, total correlation and dimension-wise KL (Chen et al., 2018). A fit is collapsed with no "
        "active unit, a variance ratio below 0.05 or a swap ratio below 1.1, and over-regularised with a variance "
        "ratio below 0.3, a swap ratio below 3 or fewer than half of the latents above 0.1 nat.",
        ("chen",),
    )


def _latents(tables: StructuralTables) -> Iterator[Paragraph]:
    told, cited = [], []
    if tables("correlations") is not None:
        told.append(
            "Correlations take the first visit of each person; the false discovery rate is that of all latents and "
            "columns."
        )
    if tables("embeddings") is not None:
        told.append(
            "MDS, locally linear embedding (Roweis & Saul, 2000) and Isomap (Tenenbaum et al., 2000) are fitted to "
            "the training persons, with as many dimensions as there are latents."
        )
        cited += ["roweis", "tenenbaum"]
    if tables("dimension") is not None:
        told.append("Intrinsic dimension: two nearest neighbours (Facco et al., 2017).")
        cited.append("facco")
    if told:
        yield " ".join(told), tuple(cited)


def _regression(tables: StructuralTables) -> Iterator[Paragraph]:
    table = tables("regression")
    if table is None:
        return
    models = [m for m in in_order(table["model"]) if m != "mean"]
    text = (
        f"Regression of {listed(str(t).replace('_', ' ') for t in in_order(table['target']))} by "
        f"{listed(m.upper() if len(m) < 4 else m for m in models)} in nested cross-validation by person; targets are "
        "permuted with frozen hyper-parameters for p and chance. The latents were learnt without the targets, but on "
        "images of the training persons; results of the test persons, whom no fit saw, are given beside."
    )
    yield text, ()


def _joint(tables: StructuralTables) -> Iterator[Paragraph]:
    if tables("joint") is not None:
        yield (
            "Joint models give all modalities one latent; a missing one is left out at test time. The same head on "
            "the latents or on PCA's scores of one modality, and ridge regression, are their controls.",
            (),
        )


def _visits(tables: StructuralTables) -> Iterator[Paragraph]:
    if tables("longitudinal_scores") is not None:
        yield (
            "Repeated visits: a mixed model of each latent on age with a random intercept and slope of each person, "
            "fitted to the training persons; other persons' next visits are predicted from their earlier ones.",
            (),
        )


def _networks(tables: StructuralTables) -> Iterator[Paragraph]:
    if tables.files.network_names:
        yield (
            "Networks: frames of fMRI runs are the samples, in contiguous blocks for training, validation and test; "
            "maps are regressions of the frames on the latents' courses. Beside them: spatial ICA and PCA of the "
            "frames with as many components, and ICA of the latents.",
            (),
        )
