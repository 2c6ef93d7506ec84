"""Claims on groups of subjects, what the paper leaves to future work, and controls that decide what can be believed."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pydra_vae.reports import group_more_sentences as further
from pydra_vae.reports import group_sentences as say
from pydra_vae.reports import group_sentences_across as across
from pydra_vae.reports.formats import MISSING, fixed, number, signed, space_name
from pydra_vae.reports.group_findings import Claim, Finding
from pydra_vae.reports.group_tables import (
    Tables,
    better_linear,
    by_subject,
    control_of,
    in_order,
    mean_of,
    paired,
    rows,
)

FLOOR = "same subject, other seed"
FUTURE, NO_NUMBER = "future work", "no number"


def hardest(tables: Tables, measure: str, representation: str = "cvae") -> tuple[float, float]:
    """What is held against the hardest null, and the end of its range: chance's lowest disparity, or its highest r."""
    if (nulls := tables("nulls")) is None:
        return np.nan, np.nan
    found = rows(nulls, measure=measure, representation=representation)
    found = rows(found, relation="subjects") if "relation" in found else found
    if not len(found):
        return np.nan, np.nan
    sign = 1 if measure == "disparity" else -1
    edges = found["low" if sign > 0 else "high"].astype(float)
    nearest = (sign * (edges - found["observed"].astype(float))).idxmin()
    return float(found.loc[nearest, "observed"]), float(edges[nearest])


def _alignment(tables: Tables) -> Iterator[Claim]:
    if (pairs := tables("pairs")) is None:
        return

    def mean(column: str, relation: str, representation: str) -> float:
        return mean_of(pairs, column, relation=relation, representation=representation)

    for name, claim, column, say_it in (
        ("alignment", "Latent spaces of different subjects do not align (Procrustes)", "disparity", across.alignment),
        (
            "geometry_shared",
            "Latent spaces share geometric patterns across subjects",
            "r_distances",
            across.shared_geometry,
        ),
    ):
        between, floor = mean(column, "subjects", "cvae"), mean(column, FLOOR, "cvae")
        pca, chance = mean(column, "subjects", "pca whitened"), hardest(tables, column)
        if not np.isfinite(between):
            continue
        other_run = mean(column, "same person, other run", "cvae")
        control = {tables.floor_name: floor, "same person, other run": other_run, "whitened PCA": pca,
                   "diffusion": mean(column, "subjects", "diffusion"), "hardest null": chance[1]}  # fmt: skip
        yield Claim(
            name, claim, NO_NUMBER, f"{'disparity' if column == 'disparity' else 'r'} {fixed(between)}",
            "; ".join(f"{key}: {fixed(value)}" for key, value in control.items() if np.isfinite(value)) or MISSING,
            say_it(between, floor, chance, pca, tables.same_start),
        )  # fmt: skip


def _connectivity(tables: Tables) -> Iterator[Claim]:
    if (table := tables("geometry")) is None:
        return
    name = better_linear(table, "r", ("pca", "pca whitened"))
    cvae, pca = (mean_of(table, "r", space=space) for space in ("cvae", name))
    yield Claim(
        "connectivity", "Geometry of the latent space assesses functional connectivity", NO_NUMBER, f"r {fixed(cvae)}",
        f"{space_name(name)}: {fixed(pca)}; nearness in mm: {fixed(mean_of(table, 'r', space='raw distance mm'))}",
        say.connectivity(cvae, mean_of(table, "r_partial", space="cvae"), pca, name),
    )  # fmt: skip


def _identification(tables: Tables) -> Iterator[Claim]:
    if (table := tables("identification")) is None:
        return
    ours, others = table.iloc[0], table.iloc[1:]
    control = float(others["accuracy"].iloc[0]) if len(others) else np.nan
    beside = (
        f"{others['method'].iloc[0].removeprefix('control: ')}: {fixed(100 * control, 0)} %; " if len(others) else ""
    )
    yield Claim(
        "identification", "Latent spaces are individual", NO_NUMBER, f"{fixed(100 * ours['accuracy'], 0)} % identified",
        f"{beside}chance: {fixed(100 * ours['chance'], 0)} %",
        across.identification(*(ours[c] for c in ("accuracy", "chance", "p", "p_smallest")), int(ours["n"]), control),
    )  # fmt: skip


def _outliers(tables: Tables) -> Iterator[Claim]:
    if (table := tables("outliers")) is None:
        return
    kinds = in_order(table["kind"], ("voxel", "frame"))
    auc = {
        k: {d: mean_of(table, "auc", kind=k, detector=d) for d in in_order(rows(table, kind=k)["detector"])}
        for k in kinds
    }
    ours, controls = [], []
    for kind, by_detector in auc.items():
        known = {d: v for d, v in by_detector.items() if np.isfinite(v)}
        own = [v for d, v in known.items() if not further.is_control(d)]
        other = [v for d, v in known.items() if further.is_control(d)]
        ours += [f"{kind}s {fixed(max(own))}"] if own else []
        controls += [f"{kind}s {fixed(max(other))}"] if other else []
    every = {k: {d: mean_of(table, "n_flagged", kind=k, detector=d) for d in auc[k]} for k in kinds}
    flagged = {k: next(iter(by_detector.values())) for k, by_detector in every.items()}
    shown = (
        "AUC " + ", ".join(ours) if ours else ", ".join(f"{number(round(v))} {k}s flagged" for k, v in flagged.items())
    )
    planted = {kind: mean_of(table, "n_planted", kind=kind) for kind in kinds}
    yield Claim(
        "outliers", "CVAEs can detect outliers", FUTURE, shown,
        f"best control: {', '.join(controls)}" if controls else MISSING, further.outliers(auc, planted, every),
    )  # fmt: skip


def spectral_distance(samples: pd.DataFrame, column: str) -> float:
    """Root mean square difference of log10 spectra to the data's, over frequencies and subjects."""
    spectra = rows(samples, quantity="spectrum")
    if column not in spectra:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.log10(spectra[column].astype(float)) - np.log10(spectra["data"].astype(float))
    difference = difference[np.isfinite(difference)]
    return float(np.sqrt((difference**2).mean())) if len(difference) else np.nan


def _samples(tables: Tables) -> Iterator[Claim]:
    if (table := tables("samples")) is None:
        return
    ours, pca, again = (spectral_distance(table, name) for name in ("samples", "pca_samples", "reconstruction"))
    if np.isfinite(ours):
        yield Claim(
            "samples", "CVAEs can generate new BOLD series", FUTURE, f"power × {fixed(10**ours, 1)} off",
            f"PCA's: × {fixed(10**pca, 1)}; reconstructions: × {fixed(10**again, 1)}",
            further.samples(ours, pca, again),
        )  # fmt: skip


def _divergence(tables: Tables) -> Iterator[Claim]:
    if (table := tables("divergence")) is None:
        return
    settings = in_order(table["setting"])
    errors = {name: mean_of(table, "mse_test", setting=name) for name in settings}
    accuracies = {name: mean_of(table, "knn_accuracy", setting=name) for name in settings}
    none = errors.get("no KL", np.nan)
    price = [100 * (error / none - 1) for name, error in errors.items() if name != "no KL" and np.isfinite(none)]
    yield Claim(
        "divergence", "How the KL term affects reconstruction and separability", FUTURE,
        f"{signed(min(price))} to {signed(max(price))} % in error" if price else MISSING,
        f"no KL: {number(none)}", further.divergence(errors, accuracies),
    )  # fmt: skip


def _shared(tables: Tables) -> Iterator[Claim]:
    if (table := tables("shared")) is None:
        return
    table = table.assign(kind=table["kind"].astype(str))
    own = rows(table, member="training")
    own = own if len(own) else table
    new = {
        kind: {member: mean_of(table, "price_percent", kind=kind, member=member) for member in ("joined", "zero-shot")}
        for kind in in_order(table["kind"]) if kind in across.KINDS and "pca" not in kind
    }  # fmt: skip
    kinds = [kind for kind in in_order(own["kind"]) if kind != "independent"]
    price = {kind: mean_of(own, "price_percent", kind=kind) for kind in kinds}
    disparity = {kind: mean_of(own, "disparity", kind=kind) for kind in kinds}
    price = {kind: value for kind, value in price.items() if np.isfinite(value) and np.isfinite(disparity[kind])}
    apart = mean_of(table, "disparity", kind="independent")
    disparity = {kind: disparity[kind] for kind in price}
    pca = mean_of(table, "price_percent", kind="pca")
    if price:
        best = min(disparity, key=lambda kind: (disparity[kind], kind))
        yield Claim(
            "shared", "A shared embedding would generalise to new participants", FUTURE,
            f"disparity {fixed(disparity[best])} at {signed(price[best])} % in error",
            f"independent models: {fixed(apart)}" + (f"; PCA of each: {signed(pca)} %" if np.isfinite(pca) else ""),
            Finding(across.shared(price, disparity, apart).text + across.newcomers(new)),
        )  # fmt: skip


def reliabilities(tables: Tables) -> dict[str, dict[str, np.ndarray]]:
    """r by measure and model, over subjects; the PCA of the CVAE's size is "pca"."""
    if (table := tables("reliability")) is None:
        return {}
    found = {}
    for measure in in_order(table["measure"]):
        part = rows(table, measure=measure)
        series = {name: by_subject(part, "r", model=name).to_numpy() for name in in_order(part["model"])}
        found[str(measure)] = {name: values for name, values in series.items() if len(values)}
    return found


def _reliability(tables: Tables) -> Iterator[Claim]:
    """Of task maps where there are events, else of connectivity."""
    found = {measure: series for measure, series in reliabilities(tables).items() if "cvae" in series}
    if not found:
        return
    measure, series = next(iter(found.items()))
    others = {name: series[name] for name in ("raw", "smoothing", "pca") if name in series}
    name = measure_name(measure)
    yield Claim(
        "reliability", f"Denoised data are more reliable ({name[0].lower()}{name[1:]})",
        "not tested", f"r {fixed(series['cvae'].mean())}",
        "; ".join(f"{space_name(name)}: {fixed(values.mean())}" for name, values in others.items()),
        further.reliability(series, name),
    )  # fmt: skip


def measure_name(measure: str) -> str:
    """A measure of reliability as readers know it.

    Examples
    --------
    >>> measure_name("glm"), measure_name("connectivity > 20 mm")
    ('Task maps', 'Connectivity > 20 mm')
    """
    names = {"glm": "Task maps", "glm conditions": "Task maps, between conditions"}
    return names.get(measure, measure[:1].upper() + measure[1:])


def _surrogate(tables: Tables) -> Iterator[Claim]:
    if (table := tables("surrogate")) is None:
        return
    gains = surrogate_gains(table)
    if len(gains):
        metrics = tables.metrics
        stayed = tables.same_start and "best_step" in table and bool((table["best_step"].astype(float) == 0).all())
        real = paired(metrics, "mse_test", "model", ("cvae", control_of(metrics) or "")) if len(metrics) else []
        beside = (
            f"; these data: {signed(100 * (1 - real[0] / real[1]).mean())} %" if len(real) == 2 and len(real[0]) else ""
        )
        yield Claim(
            "surrogate", "The gain over PCA is no leak", "not tested", f"{signed(100 * gains.max())} % on surrogates",
            f"allowed: 1 %{beside}", further.surrogate(gains.to_numpy(), stayed),
        )  # fmt: skip


def surrogate_gains(table: pd.DataFrame) -> pd.Series:
    """1 − MSE/MSE of PCA by subject."""
    ours, pca = by_subject(table, "mse_test"), by_subject(table, "pca_mse_test")
    return (1 - ours / pca).dropna()


FURTHER = (
    _alignment, _identification, _connectivity, _outliers, _samples, _divergence, _shared, _reliability, _surrogate,
)  # fmt: skip
