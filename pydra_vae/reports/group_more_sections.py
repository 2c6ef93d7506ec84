"""Further sections of the group report: outliers and samples, tests over subjects, controls, what was planted."""

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.reports import group_figures_subjects as across
from pydra_vae.reports import group_figures_trust as trust
from pydra_vae.reports.formats import MISSING, fixed, number, p_value, signed, space_name
from pydra_vae.reports.group_findings import Claim, Finding
from pydra_vae.reports.group_further_claims import measure_name, reliabilities, surrogate_gains
from pydra_vae.reports.group_more_sentences import LEAK, planted_latents, stimulus
from pydra_vae.reports.group_more_sentences import reliability as reliability_sentence
from pydra_vae.reports.group_sentences_across import mantel as mantel_sentence
from pydra_vae.reports.group_tables import Tables, by_subject, control_of, in_order, mean_of, rows
from pydra_vae.reports.group_words import findings, table_of
from pydra_vae.reports.pages import figure

WORDS = {
    "mse (test voxels)": "MSE, test voxels",
    "tsnr gain (%)": "tSNR gain",
    "r2": "R²",
    "r_distances": "r of distances",
    "disparity": "Disparity",
}


def outliers_and_samples(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Outlier scores against planted artefacts, and new series from the latents' density."""
    fragments = []
    if (table := tables("outliers")) is not None:
        caption = (
            "Area under the ROC curve for artefacts that were planted; a dot a subject. Grey and orange: controls."
        )
        fragments += [findings(found, "outliers"), figure(trust.outliers(table), caption), _flagged(table)]
    if (table := tables("samples")) is not None:
        caption = (
            "New series are decoded from a density fitted to the latents; PCA's from one fitted to its scores. Both "
            "lack what their reconstructions lack, so compare them with those first."
        )
        fragments += [findings(found, "samples"), figure(trust.samples(table, tables.files.frequency_unit), caption)]
    return fragments


def _flagged(table: pd.DataFrame) -> str:
    """How many voxels and frames each detector flags, where nobody knows which are outliers."""
    if np.isfinite(pd.to_numeric(table["auc"], errors="coerce")).any():
        return ""
    shown = [
        [kind, detector, *(number(mean_of(table, c, kind=kind, detector=detector), 3) for c in ("n", "n_flagged"))]
        for kind in in_order(table["kind"])
        for detector in in_order(rows(table, kind=kind)["detector"])
    ]
    return table_of(["Outlier", "Detector", "n|mean over subjects", "Flagged|mean over subjects"], shown, text=(0, 1))


def score_and_tests(tables: Tables) -> list[str]:
    """Tests over subjects, and a score held against latent distances."""
    fragments = []
    if (tests := tables("tests")) is not None:
        shown = [
            [
                _test_name(str(row.test)), _measure(row),
                number(row.n), _change(row), fixed(row.effect),
                number(row.p, 2), number(row.p_smallest, 2),
            ]
            for row in tests.itertuples()
        ]  # fmt: skip
        heads = ["Test", "Measure", "n", "Difference|mean", "Effect|size", "p", "smallest p|reachable"]
        title = "Tests over subjects (signs of differences flipped)"
        fragments.append(table_of(heads, shown, text=(0, 1), caption=title))
        if any("shrinkage" in str(row.test) and "tsnr" not in str(row.measure) for row in tests.itertuples()):
            note = "Shrinkage keeps each voxel's course, noise and all, so that its error is small by construction."
            fragments.append(f'<p class="note">{note}</p>')
    if (table := tables("mantel")) is not None:
        first = table.iloc[0]
        said = mantel_sentence(str(first["score"]), first["r"], first["p"], first["p_smallest"], int(first["n"]))
        shown = [
            [str(r.score), space_name(str(r.measure)), number(r.n), fixed(r.r), number(r.p, 2), number(r.p_smallest, 2)]
            for r in table.itertuples()
        ]
        heads = ["Score", "Distances of", "n", "r|Mantel", "p", "smallest p|reachable"]
        fragments += [
            findings({}, extra=[said]),
            table_of(heads, shown, text=(0, 1), caption="A score and latent distances"),
        ]
    if (table := tables("identification")) is not None:
        shown = [
            [
                space_name(str(r.method)), number(r.n),
                f"{fixed(100 * r.accuracy, 0)} %", f"{fixed(100 * r.chance, 0)} %",
                number(r.p, 2), number(r.p_smallest, 2), fixed(r.self_r), fixed(r.other_r),
            ]
            for r in table.itertuples()
        ]  # fmt: skip
        heads = ["By", "n", "Identified", "Chance", "p", "smallest p|reachable", "r|own half", "r|others' halves"]
        fragments.append(table_of(heads, shown, marked=0, caption="Does a subject's half find its other half?"))
    return fragments


def _test_name(name: str) -> str:
    """A comparison as readers know it.

    Examples
    --------
    >>> _test_name("cvae vs pca-9 = ica-9"), _test_name("other subjects vs own other seed")
    ('CVAE against PCA-9', 'Other subjects against own other seed')
    """
    first, *rest = (part.partition(" =")[0] for part in name.split(" vs "))
    again = [part.upper() if part.startswith(("cvae", "pca")) else part for part in rest]
    return " against ".join([space_name(first), *again])


def _measure(row) -> str:
    measure = str(row.measure)
    if "," in measure:  # "disparity, cvae whitened"
        what, _, of = measure.partition(", ")
        return f"{WORDS.get(what, what)}, {space_name(of)}"
    split = getattr(row, "split", "")
    return WORDS.get(measure, measure) + (f", {split} split" if isinstance(split, str) and split else "")


def _change(row) -> str:
    if "gain" in str(row.measure):  # a difference of two percentages
        return f"{signed(row.mean_difference)} points"
    return number(row.mean_difference)


def controls(tables: Tables, found: dict[str, Claim]) -> list[str]:
    """Fair reliability, and Gaussian surrogates."""
    fragments = []
    if tables.given("reliability"):
        series = reliabilities(tables)
        said = [reliability_sentence(s, measure_name(m)) for m, s in list(series.items())[1:]]
        caption = (
            "Each model was fitted on the first half of the frames; its denoised map of that half is correlated with "
            "the <b>raw</b> map of the second. (The naive measure, two denoised halves that share one fit, is "
            "inflated and not shown.) Dashed: raw against raw."
        )
        said = findings(found, "reliability", extra=said)
        fragments += [said, figure(trust.reliability(series), caption)]
    if (table := tables("surrogate")) is not None:
        drawn = trust.surrogate(surrogate_gains(table), _gains(tables.metrics), LEAK)
        caption = (
            "Surrogates are Gaussian with the data's mean series and covariance over frames, where PCA is the best "
            "that any model can do: what the CVAE gains over PCA on the data is real only as far as it gains nothing "
            "here."
        )
        fragments += [findings(found, "surrogate"), figure(drawn, caption)]
    return fragments


def _gains(metrics: pd.DataFrame) -> pd.Series:
    """1 − MSE/MSE of PCA on the data, by subject; of the first split."""
    if (pca := control_of(metrics)) is None:
        return pd.Series(dtype=float)
    first = rows(metrics, split=metrics["split"].dropna().iloc[0])
    return (1 - by_subject(first, "mse_test", model="cvae") / by_subject(first, "mse_test", model=pca)).dropna()


def planted(tables: Tables) -> list[str]:
    """What was planted, and what was found of it; for simulated data."""
    if not tables.files.simulated:
        return []
    shown = [*_planted_signal(tables), *_planted_latents(tables), *_planted_artefacts(tables), *_planted_group(tables)]
    if not shown:
        return []
    heads = ["Planted", "Measure", "Found", "Control"]
    fragments = [table_of(heads, shown, text=(0, 1, 3))]
    if (isc := tables("isc")) is not None:
        share = tables.json("stimulus").get("ShareOfNeuralVariance", {})
        (r, n), (r_raw, _) = (across.planted_r(isc, share, model) for model in ("cvae", "raw"))
        values = [mean_of(isc, "isc", network="all", model=m) for m in ("cvae", "raw", "pca")]
        fragments.append(findings({}, extra=[stimulus(r, n, *values, r_raw)]) if np.isfinite(values[:2]).all() else "")
    if (table := tables("latent_recovery")) is not None:
        caption = "A dot a subject, a bar their mean; below −0.2 dots lie on the edge."
        fragments += [findings({}, extra=[_recovered(table)]), figure(trust.recovery(table), str(escape(caption)))]
    return fragments


def _recovered(table: pd.DataFrame) -> Finding:
    spaces = in_order(table["space"], ("cvae", "pca", "diffusion"))
    return planted_latents({space: mean_of(table, "r2", space=space) for space in spaces})


def _planted_signal(tables: Tables) -> list[list[str]]:
    metrics = tables.metrics
    ours = mean_of(metrics, "r_clean_mean", model="cvae")
    if not np.isfinite(ours):
        return []
    names = {"input": "input", control_of(metrics) or "": "PCA of the same size"}
    beside = {text: mean_of(metrics, "r_clean_mean", model=name) for name, text in names.items()}
    control = ", ".join(f"{text} {fixed(v, 3)}" for text, v in beside.items() if np.isfinite(v))
    return [["Clean signal", "r of denoised and planted series", fixed(ours, 3), control]]


def _planted_latents(tables: Tables) -> list[list[str]]:
    if (table := tables("latent_recovery")) is None:
        return []
    spaces = in_order(table["space"], ("cvae",))
    value = {space: fixed(mean_of(table, "r2", space=space)) for space in spaces}
    control = ", ".join(f"{space_name(s)} {value[s]}" for s in spaces if s != "cvae")
    return [["Latents of each voxel", "R², linear regression", value.get("cvae", MISSING), control]]


def _planted_artefacts(tables: Tables) -> list[list[str]]:
    if (table := tables("outliers")) is None:
        return []
    shown = []
    for kind in in_order(table["kind"], ("voxel", "frame")):
        auc = {d: mean_of(table, "auc", kind=kind, detector=d) for d in in_order(rows(table, kind=kind)["detector"])}
        auc = {d: v for d, v in auc.items() if np.isfinite(v)}
        own = {d: v for d, v in auc.items() if d in trust.DETECTORS}
        rest = {d: v for d, v in auc.items() if d not in own}
        if own:
            best, other = max(own, key=own.__getitem__), max(rest, key=rest.__getitem__, default="")
            control = f"{trust.control_name(other)} {fixed(rest[other])}" if other else MISSING
            n = mean_of(table, "n_planted", kind=kind)
            name = f"Artefact {kind}s ({number(round(n))} a subject)" if np.isfinite(n) else f"Artefact {kind}s"
            shown.append([name, f"AUC ({best})", fixed(own[best]), control])
    return shown


def _planted_group(tables: Tables) -> list[list[str]]:
    shown = []
    if (isc := tables("isc")) is not None:
        share = tables.json("stimulus").get("ShareOfNeuralVariance", {})
        (r, n), (raw, _) = (across.planted_r(isc, share, model) for model in ("cvae", "raw"))
        if np.isfinite(r):
            shown.append(
                [
                    "Shared stimulus",
                    f"r over {n} networks of ISC and planted share",
                    fixed(r),
                    f"raw series {fixed(raw)}",
                ]
            )
    if (table := tables("identification")) is not None:
        ours = table.iloc[0]
        chance = f"chance {fixed(100 * ours['chance'], 0)} %, {p_value(ours['p'], ours['p_smallest'])}"
        shown.append(
            ["Individual maps", "identified by their other half", f"{fixed(100 * ours['accuracy'], 0)} %", chance]
        )
    if (table := tables("mantel")) is not None:
        ours = table.iloc[0]
        shown.append([f"Trait behind “{ours['score']}”", "Mantel's r with latent distances", fixed(ours["r"]),
                      p_value(ours["p"], ours["p_smallest"])])  # fmt: skip
    return shown
