"""The sections of the group report, in the order of the paper: sentences first, then figures with their captions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.reports import group_figures_fits as fits
from pydra_vae.reports import group_figures_latents as inside
from pydra_vae.reports import group_figures_subjects as across
from pydra_vae.reports.formats import count, fixed, number, signed, space_name
from pydra_vae.reports.group_claims import PAPER
from pydra_vae.reports.group_findings import AGREES, ALSO, BADGES, DIFFERS, Claim, Finding
from pydra_vae.reports.group_further_claims import FURTHER
from pydra_vae.reports.group_maps import example_maps, example_matrices
from pydra_vae.reports.group_methods import methods
from pydra_vae.reports.group_missing import failed, missing
from pydra_vae.reports.group_more_sections import controls, outliers_and_samples, planted, score_and_tests
from pydra_vae.reports.group_more_sentences import dimensions as dimensions_sentence
from pydra_vae.reports.group_more_sentences import gradients as gradients_sentence
from pydra_vae.reports.group_sentences_across import template as template_sentence
from pydra_vae.reports.group_subjects import subject_rows, subject_tests, subjects_figure
from pydra_vae.reports.group_tables import Tables, example_label, in_order, mean_of, rows
from pydra_vae.reports.group_words import findings, table_of
from pydra_vae.reports.pages import Section, figure, render


def sections(tables: Tables) -> list[Section]:
    """Every section; those without fragments are left out by the page."""
    found = {claim.name: claim for make in (*PAPER, *FURTHER) for claim in make(tables)}
    made = [
        Section("paper", "The paper and these data", [claims(list(found.values()), tables)]),
        Section("subjects", "Subjects", [subjects(tables)]),
        Section("size", "Latent size", latent_size(tables, found)),
        Section("transfer", "Denoising and transfer", transfer(tables, found)),
        Section("structure", "Latent structure", structure(tables, found)),
        Section("networks", "Networks", networks(tables, found)),
        Section("alignment", "Alignment", alignment(tables, found)),
        Section("shared", "Shared models", shared(tables, found)),
        Section("kl", "KL and its relatives", divergence(tables, found)),
        Section("outliers", "Outliers and samples", outliers_and_samples(tables, found)),
        Section("connectivity", "Connectivity by geometry", connectivity(tables, found)),
        Section("statistics", "Group statistics", statistics(tables, found)),
        Section("controls", "Controls", controls(tables, found)),
        Section("planted", "Planted and found", planted(tables)),
        Section("methods", "Methods", [methods(tables)]),
        Section("missing", "Not on this page", [missing(tables)]),
    ]
    skipped = tables.files.skipped
    return [replace(section, fragments=[failed(skipped, section.name), *section.fragments]) for section in made]


def claims(found: Sequence[Claim], tables: Tables) -> str:
    """The paper's claims beside ours."""
    if not found:
        return ""
    verdicts = [claim.finding.verdict for claim in found]
    n = {verdict: verdicts.count(verdict) for verdict in (AGREES, ALSO, DIFFERS)}
    lead = (
        f"Of {count(sum(n.values()), 'claim')} that can be decided, {n[AGREES]} hold here beyond their control, "
        f"{n[ALSO]} hold for the control as well, and {n[DIFFERS]} do not hold. Figures are means over "
        f"{count(tables.metrics['participant_id'].nunique(), 'subject')}; beside each stands the control that it must "
        "be read with."
    )  # fmt: skip
    return render("claims.html", claims=found, lead=lead, badges=BADGES, source="Singla et al. (2025)")


def subjects(tables: Tables) -> str:
    """The table of subjects and its figure."""
    table = tables.metrics
    splits = list(table["split"].dropna().unique())
    return render(
        "subjects.html",
        figure=subjects_figure(table, splits),
        tables=[(split, *subject_rows(table, split, tables.files)) for split in splits],
        tests=subject_tests(table, splits),
    )


def latent_size(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Error against latent size."""
    if (curve := tables("curve")) is None:
        return []
    choice = tables.json("choice")
    n = number(choice.get("n_curves")) if choice.get("n_curves") else ""
    caption = (
        f"Mean over {n + ' ' if n else ''}curves (subjects × seeds); bands: 95 % of bootstrap resamples. PCA has no "
        f"seed. Rule: {escape(choice.get('rule', 'not recorded'))}."
    )
    if choice.get("near_size") is not None:
        caption += (
            f" Dotted: the smallest size whose mean validation error is within {100 * choice['near_within']:.0f} % of "
            "that at the largest size tried; it describes the curve, chooses nothing, and depends on that largest size."
        )
    return [findings(found, "size"), figure(fits.size_curves(curve, choice), caption)]


def transfer(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Reconstruction, and every subject's data through every other subject's model."""
    if (table := tables("transfer")) is None:
        return []
    drawn, reasons = fits.transfer_matrices(table)
    voxels = int(table["n_voxels"].max()) if "n_voxels" in table else 0
    caption = (
        "Rows: whose model; columns: whose data. On the diagonal test voxels count, elsewhere "
        f"{voxels:,} random voxels of the other subject. Both matrices share one scale. " if voxels else ""
    ) + " ".join(f"<b>{letter}</b>: {escape(reason)}." for letter, reason in reasons)  # fmt: skip
    same = table["source"] == table["target"]
    shown = []
    for column, name in (("r2", "CVAE"), ("pca_r2", "PCA")):
        if column in table:
            within, beyond = (float(table.loc[where, column].mean()) for where in (same, ~same))
            shown.append([name, fixed(within, 3), fixed(beyond, 3)])
    tabled = table_of(["R²", "own data", "others' data"], shown) if shown else ""
    said = findings(found, "reconstruction", "tsnr", "transfer")
    return [said, figure(drawn, caption), tabled]


def structure(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Correlations, views, maps beside gradients, smoothness and dimension."""
    extra = [*_dimensions(tables), *_gradients(tables)]
    fragments = [findings(found, "correlations", "scale", "individuality", "smoothness", extra=extra)]
    if (correlated := tables("correlations")) is not None:
        caption = (
            "Correlations over voxels; above, of the first subjects. Hollow: the same latents on random axes, and "
            "random points of the same covariance. Components of PCA and gradients are uncorrelated by construction."
        )
        fragments.append(figure(inside.correlations(correlated, tables("structure")), caption))
    label = example_label(tables.files, tables)
    if (views := tables("views")) is not None:
        shown = rows(views, participant_id=label) if "participant_id" in views else views
        shown = shown if len(shown) else rows(views, participant_id=views["participant_id"].iloc[0])
        caption = f"Latent space of {escape(label)}, a dot a voxel; axes have no unit. Voxels of no network are grey."
        caption += " The networks are those that were planted." if tables.files.simulated else ""
        fragments.append(figure(inside.views(shown), caption))
    fragments.append(example_maps(tables))
    if tables("dimensions") is not None or tables("structure") is not None:
        caption = (
            "A dot a subject (its mean over dimensions), a bar their mean. Correlation length: distance at which the "
            "autocorrelation of a map has fallen to 1/e. Intrinsic dimension by TwoNN on a sample of voxels; hollow: "
            "random points of the same covariance."
        )
        fragments.append(figure(inside.smoothness(tables("dimensions"), tables("structure")), caption))
    return fragments


def _dimensions(tables: Tables) -> list[Finding]:
    table = tables("structure")
    if table is None or "twonn" not in table or not np.isfinite(mean_of(table, "twonn", space="cvae")):
        return []
    ours = tuple(mean_of(table, column, space="cvae") for column in ("twonn", "twonn_low", "twonn_high"))
    others = (mean_of(table, "twonn", space=name) for name in ("pca", "raw", "cvae, gaussian"))
    return [dimensions_sentence(ours, *others)]


def _gradients(tables: Tables) -> list[Finding]:
    if (table := tables("matches")) is None:
        return []
    best = inside.best_gradients(table)
    together = [float(best[c].astype(float).mean()) if c in best else np.nan for c in ("r_all", "r_all_null")]
    return [gradients_sentence(float(best["size"].mean()), float((best["p"] < 0.05).mean()), *together)]


def networks(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Separability of networks."""
    if (table := tables("separability")) is None:
        return []
    first = table.iloc[0]
    what = [count(int(first[c]), n) for c, n in (("n_networks", "network"), ("n_parcels", "parcel")) if c in table]
    caption = (
        f"{', '.join(what)}; cross-validated over parcels, so that neighbouring voxels do not leak. Dashed: chance, "
        "or 0. A dot a subject, a bar their mean; the last row has the networks' labels shuffled over parcels."
    )
    return [findings(found, "clustering", "separability"), figure(inside.separability(table), caption)]


def alignment(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Pairs of subjects beside floor and nulls, and the group template."""
    if (pairs := tables("pairs")) is None:
        return []
    extra = []
    if (template := tables("template")) is not None:
        near = [mean_of(template, "disparity", representation=name) for name in ("cvae", "pca whitened")]
        extra = [template_sentence(*near)] if np.isfinite(near[0]) else []
    voxels = f"{int(pairs['n_voxels'].min()):,} shared voxels. " if "n_voxels" in pairs else ""
    plain = mean_of(pairs, "r_distances_plain", relation="subjects", representation="cvae")
    caption = (
        f"{voxels}Left: Procrustes disparity after the best rotation, reflection and scale. Right: no rotation is "
        "needed; distances between all pairs of parcels are correlated, after what their distance in mm explains was "
        "taken out of both, since any two smooth spaces share that"
        + (f" (left in, r = {fixed(plain)} between subjects). " if np.isfinite(plain) else ". ")
        + "Dots: pairs of latent spaces; bar: their mean; grey: 95 % of a null, and the diamond what it is held "
        "against (for permuted parcels the disparity of parcel means). The floor is a second fit of the same subject "
        "from another seed; PCA and gradients have none, as they are the same at every fit."
    )
    if tables.same_start and across.FLOOR in set(pairs["relation"]):
        caption += (
            " <b>Here both fits start from nearly the same PCA components (the linear skip), so that the floor is "
            "small by construction</b>: it does not say how far fits of one brain may lie apart; fits without the "
            "skip would."
        )
    if "subjects" not in set(pairs["relation"]):
        extra.append(Finding("All recordings are of one person, so what is shown is the floor: runs of one brain."))
    said = findings(found, "alignment", "geometry_shared", extra=extra)
    return [said, figure(across.alignment(pairs, tables("nulls")), caption), _alignment_table(pairs, tables("nulls"))]


def _alignment_table(pairs: pd.DataFrame, nulls: pd.DataFrame | None) -> str:
    relations = in_order(pairs["relation"], across.RELATIONS)
    shown = []
    for name in in_order(pairs["representation"], across.REPRESENTATIONS):
        cells = [space_name(name)]
        for relation in relations:
            found = rows(pairs, representation=name, relation=relation)
            cells += [fixed(found[m].astype(float).mean(), 3) for m in ("disparity", "r_distances")]
        cells += [_p(nulls, name, m) for m in ("disparity", "r_distances")]
        shown.append(cells)
    heads = ["Mean"] + [f"{h}|{across.RELATIONS.get(r, (r,))[0]}" for r in relations for h in ("disparity", "r")]
    return table_of([*heads, "p|disparity", "p|r"], shown, marked=0)


def _p(nulls: pd.DataFrame | None, name: str, measure: str) -> str:
    """The largest p over the nulls of a measure."""
    found = rows(nulls, representation=name, measure=measure) if nulls is not None and "p" in nulls else pd.DataFrame()
    return number(float(found["p"].astype(float).max()), 2) if len(found) else "–"


def shared(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Price and gain of models of several subjects."""
    if (table := tables("shared")) is None:
        return []
    caption = (
        "Each point is a kind of model on some subjects: those it was trained on, those that joined by fitting only "
        "their own part, or new ones without any fit. Dashed: independent models. Up is more alike on the right, "
        "down on the left. Few subjects are few pairs, and not those of the independent models."
    )
    columns = {"disparity": "Disparity", "disparity_whitened": "Disparity|whitened", "r_distances": "r|distances"}
    columns = {name: head for name, head in columns.items() if name in table}
    shown = [
        [
            fits.kind_name(str(row["kind"])),
            fits.MEMBER_NAMES.get(row["member"], str(row["member"])),
            number(row.get("n_subjects")),
            number(row["mse_test"]),
            f"{signed(row['price_percent'])} %",
            *(fixed(row[name]) for name in columns),
        ]
        for row in table.to_dict("records")
    ]
    heads = ["Model", "Subjects", "n", "MSE|test voxels", "Price", *columns.values()]
    return [findings(found, "shared"), figure(fits.shared_models(table), caption), table_of(heads, shown, text=(0, 1))]


def divergence(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """What a KL term changes."""
    if (table := tables("divergence")) is None:
        return []
    caption = (
        "β is the weight of the KL term in the evidence lower bound, in nats; MMD the weight of InfoVAE's term. "
        "β alone has its weight from the first step; “linear” and “cyclical” say how it rises. Dashed: PCA of the same "
        "size in the first panel, the mean without KL in the others. An active unit's mean varies over voxels."
    )
    return [findings(found, "divergence"), figure(fits.divergence(table), caption)]


def connectivity(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Distances in latent space beside connectivity."""
    if (table := tables("geometry")) is None:
        return []
    matrices, names = example_matrices(tables)
    label = escape(example_label(tables.files, tables))
    caption = f"Above: parcels of {label}" if matrices else ""
    caption += ", sorted by network (colours at the left edge). " if names and matrices else ". " if matrices else ""
    caption += (
        "Spearman's correlation over pairs of parcels of nearness (minus the distance) with Pearson connectivity; a "
        "dot a subject. The last row is nearness in the brain."
    )
    return [findings(found, "connectivity"), figure(across.geometry(table, matrices, names), caption)]


def statistics(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Tests over subjects, identification, correlation between subjects, and a score."""
    fragments = [findings(found, "tests", "identification"), *score_and_tests(tables)]
    matrix, table = tables("identification_matrix"), tables("identification")
    if matrix is not None and table is not None:
        caption = "White frames: the half that is most alike. A frame on the diagonal is right."
        fragments.append(figure(across.identification(matrix, table), caption))
    if (isc := tables("isc")) is not None:
        share = tables.json("stimulus").get("ShareOfNeuralVariance", {})
        fragments.append(figure(across.intersubject(isc, share), _isc_caption(isc, share)))
    return fragments


def _isc_caption(isc: pd.DataFrame, share: dict[str, Any]) -> str:
    text = "A story that all hear makes their series alike; denoising should raise this, and keep the networks' order."
    return text + (
        " Red: the share of the stimulus that was planted (in neural courses, not in BOLD)." if share else ""
    )
