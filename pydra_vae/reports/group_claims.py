"""The paper and these data: each claim of Singla, Bazin and Scherf (2025), its number, ours, and the control beside it.

In the paper's order: denoising, latent structure, alignment, then what its discussion names. A claim whose analysis was
not made is left out. The sentences are those of `group_sentences`.
"""

from collections.abc import Iterator

import numpy as np

from pydra_vae.reports import group_sentences as say
from pydra_vae.reports import group_sentences_across as across
from pydra_vae.reports.formats import MISSING, fixed, model_name, number, signed, space_name
from pydra_vae.reports.group_findings import Claim, Finding
from pydra_vae.reports.group_tables import Tables, better_linear, by_subject, control_of, mean_of, paired, rows

LINEAR = ("pca", "ica")  # of the CVAE's size; the better one is its control
NAMES = {"cvae, rotated": "the same on random axes", "diffusion": "diffusion"}


def _denoising(tables: Tables) -> Iterator[Claim]:
    metrics = tables.metrics
    split = next(iter(metrics["split"].dropna()), None)
    metrics, pca = rows(metrics, split=split), control_of(metrics)
    if pca is None or not len(metrics):
        return
    short = model_name(pca).partition(" =")[0]
    column = "mse_random" if "mse_random" in metrics else "mse_test"
    ours, control = paired(metrics, column, "model", ("cvae", pca)) or (np.array([]), np.array([]))
    if len(ours):
        where = "2,000 random voxels" if column == "mse_random" else "test voxels"
        found = say.reconstruction(*paired(metrics, "mse_test", "model", ("cvae", pca)), pca)
        r2 = mean_of(metrics, "r2", model="cvae")
        more = (
            ""
            if not np.isfinite(r2)
            else f" MSE depends on how series are scaled, R² ({fixed(r2)} on test voxels) does not."
        )
        yield Claim(
            "reconstruction", f"The CVAE reconstructs BOLD well (MSE, {where})", "0.0011 (subject 1)",
            number(ours.mean()), f"{short}: {number(control.mean())}", Finding(found.text + more, found.verdict),
        )  # fmt: skip
    emse = mean_of(metrics, "emse_frame", model="cvae")
    if np.isfinite(emse) and len(ours):
        of_pca = mean_of(metrics, "emse_frame", model=pca)
        yield Claim(
            "emse", "The error is alike over voxels and over time points (EMSE)", "0.0015", number(emse),
            f"{short}: {number(of_pca)}", say.emse(emse / ours.mean(), of_pca / control.mean()),
        )  # fmt: skip
    gains = {name: mean_of(metrics, "gain_mean", model=name) for name in ("cvae", "shrinkage", pca)}
    if np.isfinite(gains["cvae"]):
        control = "; ".join(
            f"{name}: {signed(v)} %"
            for name, v in (("shrinkage", gains["shrinkage"]), (short, gains[pca]))
            if np.isfinite(v)
        )
        yield Claim(
            "tsnr", "The CVAE denoises: tSNR rises", "+4.6 to +6.5 %", f"{signed(gains['cvae'])} %", control or MISSING,
            say.tsnr(gains["cvae"], gains["shrinkage"], gains[pca]),
        )  # fmt: skip
    yield from _test(tables)


def _test(tables: Tables) -> Iterator[Claim]:
    if (tests := tables("tests")) is None:
        return
    gains = tests[tests["measure"].str.contains("gain|tsnr", case=False, na=False)]
    if len(gains):
        first = gains.iloc[0]
        n, p = int(first["n"]), float(first["p"])
        yield Claim(
            "tests", "The gain in tSNR is significant", "p < 1e−308 in each subject", say.p_value(p),
            f"smallest p that {n} subjects can reach: {number(first['p_smallest'], 2)}",
            say.significance(p, float(first["p_smallest"]), n),
        )  # fmt: skip


def _size(tables: Tables) -> Iterator[Claim]:
    choice = tables.json("choice")
    if not choice:
        return
    chosen, low, high, pca = (choice.get(name) for name in ("size", "low", "high", "pca_size"))
    interval = f" ({low} to {high})" if chosen is not None and low is not None and low != high else ""
    near = {name: choice.get(name) for name in ("near_size", "pca_near_size")}
    near = {name: "" if n is None else f"; within {100 * choice['near_within']:.0f} %: {n}" for name, n in near.items()}
    yield Claim(
        "size", "Nine latent dimensions trade fidelity against complexity", "9 (“empirically”)",
        ("no elbow" if chosen is None else f"{chosen}{interval}") + near["near_size"],
        f"PCA, same rule: {'no elbow' if pca is None else pca}{near['pca_near_size']}",
        say.size(choice),
    )  # fmt: skip


def _transfer(tables: Tables) -> Iterator[Claim]:
    if (table := tables("transfer")) is None:
        return
    same = table["source"] == table["target"]
    within, across = table[same].mean(numeric_only=True), table[~same].mean(numeric_only=True)
    rise = across["mse"] / within["mse"]
    yield Claim(
        "transfer", "Another subject's model fails: the error rises by an order of magnitude", "0.0011 → 0.019 (× 17)",
        f"{number(within['mse'])} → {number(across['mse'])}" + (f" (× {number(rise, 2)})" if np.isfinite(rise) else ""),
        f"PCA: {number(within['pca_mse'])} → {number(across['pca_mse'])}",
        say.cross_subject(within["mse"], across["mse"], within["pca_mse"], across["pca_mse"]),
    )  # fmt: skip


def _structure(tables: Tables) -> Iterator[Claim]:
    if (table := tables("structure")) is not None and len(largest := by_subject(table, "max_abs_r", space="cvae")):
        others = {name: by_subject(table, "max_abs_r", space=name) for name in ("cvae, rotated", "diffusion")}
        others = {name: float(values.mean()) for name, values in others.items() if len(values)}
        yield Claim(
            "correlations", "Latent dimensions are hardly correlated", "all below 0.3",
            f"largest {fixed(largest.max())}",
            "; ".join(f"{NAMES[name]}: {fixed(value)}" for name, value in others.items()) or MISSING,
            say.correlations(largest.to_numpy(), others.get("cvae, rotated", np.nan)),
        )  # fmt: skip
    if (table := tables("dimensions")) is not None:
        lengths = {name: mean_of(table, "correlation_length_mm", space=name) for name in ("cvae", "diffusion", "pca")}
        if np.isfinite(lengths["cvae"]) and np.isfinite(lengths["diffusion"]):
            others = {name: v for name, v in lengths.items() if name != "cvae" and np.isfinite(v)}
            yield Claim(
                "scale", "CVAE maps reflect finer scales than diffusion embedding", "no number",
                f"{fixed(lengths['cvae'], 1)} mm",
                "; ".join(f"{space_name(name)}: {fixed(v, 1)} mm" for name, v in others.items()),
                say.scale(*(lengths[name] for name in ("cvae", "diffusion", "pca"))),
            )  # fmt: skip
    yield from _individuality(tables)
    if table is not None and len(ours := rows(table, space="cvae")):
        null = mean_of(table, "morans_i_null_mean", space="cvae") if "morans_i_null_mean" in table else np.nan
        moran, pca = (mean_of(table, "morans_i", space=name) for name in ("cvae", "pca"))
        yield Claim(
            "smoothness", "Latent maps are smooth and anatomically coherent", "no number", f"Moran's I {fixed(moran)}",
            f"PCA: {fixed(pca)}", say.smoothness(moran, null, float((ours["p"].astype(float) < 0.05).mean()), pca),
        )  # fmt: skip


def _individuality(tables: Tables) -> Iterator[Claim]:
    if (pairs := tables("pairs")) is None:
        return
    r = {
        name: mean_of(pairs, "r_distances", relation=relation, representation=space)
        for name, relation, space in (
            ("cvae", "subjects", "cvae"),
            ("diffusion", "subjects", "diffusion"),
            ("floor", "same subject, other seed", "cvae"),
            ("pca", "subjects", "pca whitened"),
        )
    }  # fmt: skip
    if np.isfinite(r["cvae"]) and np.isfinite(r["diffusion"]):
        control = f"Diffusion: {fixed(r['diffusion'])}"
        control += f"; whitened PCA: {fixed(r['pca'])}" if np.isfinite(r["pca"]) else ""
        control += f"; {tables.floor_name}: {fixed(r['floor'])}" if np.isfinite(r["floor"]) else ""
        yield Claim(
            "individuality", "CVAE maps reflect more individual variation than diffusion embedding", "no number",
            f"r between subjects {fixed(r['cvae'])}", control,
            across.individuality(r["cvae"], r["diffusion"], r["floor"], r["pca"], tables.same_start),
        )  # fmt: skip


def _networks(tables: Tables) -> Iterator[Claim]:
    if (table := tables("separability")) is None:
        return
    silhouette = {name: mean_of(table, "silhouette", space=name) for name in ("cvae", "raw", "labels shuffled")}
    if np.isfinite(silhouette["cvae"]):
        name = better_linear(table, "silhouette", LINEAR)
        linear = mean_of(table, "silhouette", space=name)
        beside = {"raw series": silhouette["raw"], space_name(name): linear,
                  "labels shuffled": silhouette["labels shuffled"]}  # fmt: skip
        yield Claim(
            "clustering", "No clear clustering by network", "no number", f"silhouette {fixed(silhouette['cvae'])}",
            "; ".join(f"{key}: {fixed(value)}" for key, value in beside.items() if np.isfinite(value)),
            say.clustering(*silhouette.values(), (name, linear)),
        )  # fmt: skip
    name = better_linear(table, "knn_accuracy", LINEAR)
    accuracies = paired(table, "knn_accuracy", "space", ("cvae", "raw", name))
    if accuracies and len(accuracies[0]):
        cvae, raw, pca = accuracies
        chance, mm = mean_of(table, "chance", space="cvae"), mean_of(table, "knn_accuracy", space="mm")
        place = f"; position in mm: {fixed(mm)}" if np.isfinite(mm) else ""
        others = {space: mean_of(table, "knn_accuracy", space=space) for space in ("pca-16", "diffusion")}
        yield Claim(
            "separability", "Latents improve the separability of Yeo's 17 networks", "no number",
            f"k-NN accuracy {fixed(cvae.mean())}",
            f"raw series: {fixed(raw.mean())}; {space_name(name)}: {fixed(pca.mean())}{place}; chance: {fixed(chance)}",
            say.separability(cvae, raw, pca, chance, name, others),
        )  # fmt: skip


PAPER = (_denoising, _size, _transfer, _structure, _networks)
