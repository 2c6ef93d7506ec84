"""The paper and these data: each claim of the TI-VAE paper, its number, ours, and the control beside it.

In the paper's order: sub-tasks and their nulls, the term for independence, weight sharing, maps, trajectories. A claim
that no table can decide is left out. The sentences are those of `motor_sentences`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pydra_vae.reports import motor_sentences as say
from pydra_vae.reports.formats import MISSING, fixed, number
from pydra_vae.reports.group_findings import Claim, Finding
from pydra_vae.reports.group_tables import rows
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.motor_tables import (
    BETA,
    FUNCTIONAL,
    ICA,
    OURS,
    PCA,
    Chosen,
    Key,
    MotorTables,
    is_temporal,
    kind_of,
    title_of,
)

LIMBS = ("hand", "foot", "arm", "leg", "finger", "toe")
SHARED = ("encoder mixers", "mixers")  # names of parts that share their weights over clusters


def claims_of(tables: MotorTables) -> list[Claim]:
    """Every claim that these tables can decide."""
    return [claim for make in (_subtasks, _independence, _sharing, _maps, _trajectories) for claim in make(tables)]


def _scores(pairs: Sequence[say.Pair], which: int) -> str:
    return "; ".join(f"k = {pair[which].k}: {say.spread_over(pair[which])}" for pair in pairs)


def _named(pairs: Sequence[say.Pair]) -> str:
    """The controls' scores, with their names where these differ."""
    names = {other.model for _, other in pairs}
    if len(names) == 1:
        return f"{names.pop()}; {_scores(pairs, 1)}"
    return "; ".join(f"k = {other.k}: {say.spread_over(other)} ({other.model})" for _, other in pairs)


def pairs_with(tables: MotorTables, models: list[str]) -> list[say.Pair]:
    """The main family beside the best of others, at each number of factors that has both."""
    made = ((tables.chosen(tables.main, k), tables.best(k, models)) for k in tables.sizes)
    return [(ours, other) for ours, other in made if ours is not None and other is not None]


def _subtasks(tables: MotorTables) -> Iterator[Claim]:
    main = tables.main
    if not main:
        return
    ours = tables.chosen(main, tables.size)
    linear = tables.best(ours.k, tables.families(ICA, PCA))
    ceiling, readout, p = (tables.of(ours, name) for name in ("ceiling", "readout", "p_shift"))
    chance = tables.chance(ours)
    beside = {"chance": chance, "ceiling": ceiling, linear.model if linear else "": linear.mean if linear else np.nan}
    yield Claim(
        "factors", "Factors correspond to the sub-tasks", "“high” (Fig. 2), no number",
        f"mean |r| {say.spread_over(ours)} (k = {ours.k})",
        "; ".join(f"{name}: {fixed(value)}" for name, value in beside.items() if np.isfinite(value)) or MISSING,
        say.follows(ours, (chance, p), linear, ceiling, readout),
    )  # fmt: skip
    ica = tables.families(ICA)
    for name, claim, models, words in (
        ("temporal", "TI-VAE beats InfoMax ICA, read as temporal ICA", [m for m in ica if is_temporal(m)],
         "the best temporal ICA"),
        ("ica", "TI-VAE beats ICA, whichever variant is best", ica, "the best ICA"),
        ("beta-vae", "TI-VAE beats the β-VAE", tables.families(BETA), "the best β-VAE"),
    ):  # fmt: skip
        if pairs := pairs_with(tables, models):
            beats = "above by > 1 SD, at each k"
            finding = say.versus(pairs, words)
            yield Claim(name, claim, beats, _scores(pairs, 0), _named(pairs), finding)


def _independence(tables: MotorTables) -> Iterator[Claim]:
    pairs = without_term(tables)
    if pairs:
        yield Claim(
            "beta", "The term for temporal independence (β > 0) improves the factors", "“clearly” (Fig. 2)",
            _scores(pairs, 0), "; ".join(f"β = 0, k = {b.k}: {say.spread_over(b)}" for _, b in pairs),
            say.independence(pairs, tables.chance(pairs[0][0])),
        )  # fmt: skip
        ours = next((a for a, _ in pairs if a.k == tables.size), pairs[0][0])
        found = {name: [fit_mean(tables, ours.model, ours.k, beta, name) for beta in (ours.beta, 0.0)]
                 for name in ("factor_r", "mean_log_sigma")}  # fmt: skip
        (r, r0), (sigma, sigma0) = found["factor_r"], found["mean_log_sigma"]
        sd = float(np.std(of_seeds(tables, ours, "factor_r"), ddof=1)) if len(ours.r) > 1 else np.nan
        if np.isfinite([r, r0]).all():
            yield Claim(
                "disentangled", "Factors become independent over time", "no number", f"|r| between factors {fixed(r)}",
                f"β = 0: {fixed(r0)}; log σ: {fixed(sigma)}, {fixed(sigma0)} at β = 0",
                say.disentangled(r0, r, sigma0, sigma, ours.beta, sd),
            )  # fmt: skip


def without_term(tables: MotorTables) -> list[say.Pair]:
    """The main family at its chosen β beside β = 0, at each number of factors that has both."""
    found = []
    for k in tables.sizes if tables.main else ():
        ours, zero = tables.chosen(tables.main, k), tables.at(tables.main, k, 0.0)
        if ours is not None and ours.beta > 0 and len(zero):
            found.append((ours, Chosen(tables.main, k, 0.0, zero, ours.on)))
    return found


def of_seeds(tables: MotorTables, chosen: Chosen, column: str) -> np.ndarray:
    """A column of the fits of what was chosen, one value a seed."""
    found = map_rows(tables("fits"), chosen) if tables("fits") is not None else pd.DataFrame()
    return pd.to_numeric(found[column], errors="coerce").dropna().to_numpy() if column in found else np.empty(0)


def fit_mean(tables: MotorTables, model: str, k: int, beta: float, column: str) -> float:
    """Mean over seeds of a column of the fits at one β; NaN where it is not known."""
    tables_ = [t for t in (tables("fits"), tables("sweep")) if t is not None and column in t]
    for table in tables_:
        found = rows(table, model=model, k=k)
        if np.isfinite(beta) and "beta" in found:
            found = found[np.isclose(pd.to_numeric(found["beta"], errors="coerce"), beta)]
        values = pd.to_numeric(found[column], errors="coerce")
        if np.isfinite(values).any():
            return float(values.mean())
    return np.nan


def _sharing(tables: MotorTables) -> Iterator[Claim]:
    fits = tables("fits")
    if fits is not None and (found := _reconstruction(tables, fits)):
        k, ours, linear, pca = found
        yield Claim(
            "sharing", "Weight sharing does not degrade reconstruction", "no number", f"R² {fixed(ours, 3)} (k = {k})",
            f"linear layers: {fixed(linear, 3)}" + (f"; PCA: {fixed(pca, 3)}" if np.isfinite(pca) else ""),
            say.sharing(ours, linear, pca, k),
        )  # fmt: skip
    if pairs := pairs_with(tables, ["random clusters"]):
        ours, random = pairs[0]
        r2 = tuple(fit_mean(tables, c.model, c.k, c.beta, "r2_test") for c in pairs[0])
        yield Claim(
            "bias", "Clusters along the surface are a useful inductive bias", "no number", say.spread_over(ours),
            f"random clusters: {say.spread_over(random)}", say.bias(ours, random, r2),
        )  # fmt: skip
    configs = [(Key.parse(label), read_json(path)) for label, path in zip(*_configs(tables), strict=True)]
    ours = [config for key, config in configs if kind_of(key.model) == OURS and config.get("parameters")]
    linear = [config for key, config in configs if config.get("network") == "linear" and config.get("parameters")]
    if ours:
        total = float(ours[0]["parameters"])
        parts = parts_of(ours[0])
        mixers = next((float(n) for name, n in parts.items() if _is_encoder_mixer(name)), np.nan)
        other = float(linear[0]["parameters"]) if linear else np.nan
        yield Claim(
            "parameters", "Weight sharing saves most of the parameters", "44k instead of 76 million",
            number(total), f"without sharing: {number(other)}" if linear else MISSING,
            say.parameters(total, mixers, other),
        )  # fmt: skip


def _configs(tables: MotorTables):
    return tables.files.config_names, tables.files.configs


def parts_of(config: dict) -> dict[str, int]:
    """Parameters by part of a model.json; {} where it has none."""
    for name in ("parameters_by_part", "parameter_counts", "parts"):
        if isinstance(config.get(name), dict):
            return {part: n for part, n in config[name].items() if part not in ("total", "all")}
    return {}


def _is_encoder_mixer(name: str) -> bool:
    return "mixer" in name.lower() and "decod" not in name.lower()


def _reconstruction(tables: MotorTables, fits: pd.DataFrame) -> tuple[int, float, float, float] | None:
    """A number of factors at which the main family and the linear network were fitted, and R² of both and of PCA."""
    model = tables.main or next((m for m in fits["model"] if kind_of(m) == OURS), "")
    for k in sorted({int(k) for k in rows(fits, model="linear")["k"]}):
        chosen = tables.chosen(model, k)
        beta = chosen.beta if chosen is not None else _usual_beta(fits, model, k)
        ours, linear = (fit_mean(tables, m, k, b, "r2_test") for m, b in ((model, beta), ("linear", np.nan)))
        if np.isfinite([ours, linear]).all():
            return k, ours, linear, fit_mean(tables, model, k, beta, "pca_r2_test")
    return None


def _usual_beta(fits: pd.DataFrame, model: str, k: int) -> float:
    """The β > 0 of most fits, where there are no scores to choose it by; β = 0 is the control of the term."""
    betas = pd.to_numeric(rows(fits, model=model, k=k).get("beta"), errors="coerce")
    usual = betas[betas > 0].mode() if betas is not None else ()
    return float(usual.iloc[0]) if len(usual) else np.nan


def map_means(tables: MotorTables, chosen: Chosen | None, reading: str, columns: Sequence[str]) -> dict[str, float]:
    """Means over sub-tasks (and seeds) of some columns of the map scores; {} where there are none."""
    table = tables("map_scores")
    if table is None or chosen is None:
        return {}
    found = map_rows(table, chosen)
    found = found[(found["reading"] == reading) & found["subtask"].notna()]
    means = {c: float(pd.to_numeric(found[c], errors="coerce").mean()) for c in columns if c in found}
    return {name: value for name, value in means.items() if np.isfinite(value)}


def map_rows(table: pd.DataFrame, chosen: Chosen) -> pd.DataFrame:
    """The map scores of what was chosen; all seeds."""
    found = rows(table, model=chosen.model, k=chosen.k)
    if np.isfinite(chosen.beta) and "beta" in found:
        found = found[np.isclose(pd.to_numeric(found["beta"], errors="coerce"), chosen.beta)]
    return found


def readings(model: str) -> tuple[str, str]:
    """How the paper reads a family's maps, and as amplitudes."""
    return ("signed", "abs") if kind_of(model) in (ICA, PCA) or "rotated" in model else ("variance", "sd")


def _maps(tables: MotorTables) -> Iterator[Claim]:
    if not tables.main or tables("map_scores") is None:
        return
    ours = tables.chosen(tables.main, tables.size)
    ica = tables.families(ICA)
    control = tables.best(tables.size, [m for m in ica if is_temporal(m)]) or tables.best(tables.size, ica)
    yield from _agreement(tables, ours, control)
    yield from _local(tables)
    right, n = opposite(tables, ours)
    if n:
        beside = opposite(tables, control)
        yield Claim(
            "homunculus", "Maps follow the motor homunculus", "Fig. 3, no number", f"{right} of {n} limbs opposite",
            f"ICA: {beside[0]} of {beside[1]}" if beside[1] else MISSING,
            say.homunculus((right, n), beside, own_reference(tables, ours)),
        )  # fmt: skip


def _local(tables: MotorTables) -> Iterator[Claim]:
    """Structural beside functional sharing, at the number of factors that has both; the chosen one if it has."""
    both = [ours.k for ours, _ in pairs_with(tables, [FUNCTIONAL])] if tables.main != FUNCTIONAL else []
    if not both:
        return
    k = tables.size if tables.size in both else both[-1]
    ica = tables.families(ICA)
    control = tables.best(k, [m for m in ica if is_temporal(m)]) or tables.best(k, ica)
    spreads = [
        map_means(tables, c, readings(c.model)[1], ["spread_mm"]).get("spread_mm", np.nan) if c is not None else np.nan
        for c in (tables.chosen(tables.main, k), tables.chosen(FUNCTIONAL, k), control)
    ]
    if np.isfinite(spreads[:2]).all():
        yield Claim(
            "local", "Maps of structural sharing are more local than those of functional sharing", "no number",
            f"{fixed(spreads[0], 1)} mm (k = {k})",
            f"functional: {fixed(spreads[1], 1)} mm" + (f"; ICA: {fixed(spreads[2], 1)} mm" if control else ""),
            say.local(*spreads, k),
        )  # fmt: skip


def _agreement(tables: MotorTables, ours: Chosen, control: Chosen | None) -> Iterator[Claim]:
    paper, like = (
        tuple(map_means(tables, c, readings(c.model)[i], list(say.SHARES)) if c else {} for c in (ours, control))
        for i in (0, 1)
    )
    if not paper[0]:
        return
    of_paper = " / ".join(fixed(v) for v in say.PAPER_MAPS.get(ours.model, say.PAPER_MAPS["TI-VAE-S"]))
    of_ica = " / ".join(fixed(v) for v in say.PAPER_MAPS["ICA"])
    shown = [" / ".join(fixed(found.get(s)) for s in say.SHARES) for found in paper]
    finding = (
        say.maps_agree(paper, like, control.model)
        if paper[1]
        else Finding(f"Over the reference's top 10, 5 and 1 %: {shown[0]}; without ICA's maps this says little.")
    )
    yield Claim(
        "maps", "Maps agree with the group map, most where it is largest, better than ICA's",
        f"top 10 / 5 / 1 %: {of_paper}; ICA {of_ica}", shown[0], f"ICA: {shown[1]}" if paper[1] else MISSING, finding,
    )  # fmt: skip


def opposite(tables: MotorTables, chosen: Chosen | None) -> tuple[int, int]:
    """How many limbs peak in the hemisphere opposite to them, and of how many; over the first seed's maps."""
    table = tables("map_scores")
    if table is None or chosen is None or "peak_hemi" not in table:
        return 0, 0
    found = map_rows(table, chosen)
    found = found[(found["reading"] == readings(chosen.model)[1]) & found["peak_hemi"].isin(["L", "R"])]
    found = found.drop_duplicates("subtask")
    right = n = 0
    for row in found.itertuples():
        words = str(row.subtask).lower().split("_")
        side = {"left": "R", "right": "L"}.get(words[0])
        if side and any(word in LIMBS for word in words):
            right, n = right + (row.peak_hemi == side), n + 1
    return right, n


def own_reference(tables: MotorTables, chosen: Chosen) -> tuple[int, int]:
    """How many maps agree with the reference of their sub-task more than with those of the others, and of how many.

    Over the first seed's maps, as amplitudes.
    """
    table = tables("map_scores")
    if table is None or "others_r_all" not in table:
        return 0, 0
    found = map_rows(table, chosen)
    found = found[found["reading"] == readings(chosen.model)[1]].drop_duplicates("subtask")
    r, others = (pd.to_numeric(found[name], errors="coerce") for name in ("r_all", "others_r_all"))
    known = np.isfinite(r) & np.isfinite(others)
    return int((r[known] > others[known]).sum()), int(known.sum())


def silhouettes(tables: MotorTables) -> dict[str, pd.Series]:
    """The silhouette in the space of all factors, by the label of its embedding."""
    from pydra_vae.bids.tables import read_table

    found = {}
    for label, path in zip(tables.files.embedding_models, tables.files.silhouette, strict=False):
        table = read_table(path)
        if not len(table):
            continue
        plane = table["space"].astype(str).str.lower().str.contains("t-?sne|embedding|plane|2-?d", regex=True)
        chosen = table[~plane] if (~plane).any() else table
        found[label] = chosen.iloc[0]
    return found


def _trajectories(tables: MotorTables) -> Iterator[Claim]:
    found = silhouettes(tables)
    labels = tables.picked(list(found), len(found))
    ours = [found[label] for label in labels if kind_of(Key.parse(label).model) == OURS]
    ica = {title_of(label): row for label, row in found.items() if kind_of(Key.parse(label).model) == ICA}
    known = {name: float(row["value"]) for name, row in ica.items() if np.isfinite(float(row["value"]))}
    if not ours or not np.isfinite(float(ours[0]["value"])):
        return
    value, null, p = (float(ours[0][name]) for name in ("value", "null_mean", "p"))
    best = max(known, key=known.__getitem__, default="")
    beside = known.get(best, np.nan)
    control = f"shifted labels: {fixed(null)}" + (f"; ICA: {fixed(beside)}" if best else "")
    yield Claim(
        "trajectories", "Sub-tasks form clear clusters in the space of the factors (t-SNE)", "Fig. 4, no number",
        f"silhouette {fixed(value)}", control, say.trajectories(value, null, p, beside, best),
    )  # fmt: skip
