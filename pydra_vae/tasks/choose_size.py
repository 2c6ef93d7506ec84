"""Which latent size a sweep speaks for, by a stated rule."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

RULE = (
    "elbow of the mean validation error: the size at which a broken line bends, where it describes the curve better "
    "than any smooth decay (Bayesian information criterion); bootstrap over subjects, and over seeds within them"
)


@step(outputs={"choice": File, "curve": File})
def ChooseSize(sweep: File, n_bootstrap: int = 1000, seed: int = 0):
    """Look for the elbow of the error against latent size, and say how sure it is.

    The elbow is looked for on validation voxels, so that the error on test voxels at the chosen size is unbiased.

    Parameters
    ----------
    sweep : file
        Rows of ScoreFit under one another, of one or several subjects (column participant_id), each fitted at every
        size with one or several seeds. A fit without its curve's other sizes is left out.
    n_bootstrap : int
        Draws of subjects and seeds.
    seed : int
        Seed of the draws.

    Returns
    -------
    choice : file
        JSON: size (null without an elbow), low, high (95 % of the draws that have one), rule, shares (of the draws at
        each size), verdict (elbow, uncertain or none), sentence, pca_size, pca_sentence, n_curves, n_subjects. Beside
        the rule and only to describe: near_size, the smallest size whose mean validation error is within near_within of
        that at the largest size tried, near_low, near_high (95 % of the draws; null of a single curve), near_sentence,
        pca_near_size.
    curve : file
        TSV, one row a model (cvae, pca) and size: mse_mean, mse_sd, mse_low, mse_high (95 % of the draws' means), n,
        on test voxels; val_mean on validation voxels.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats.elbow import NEAR, find_elbow, find_near
    from pydra_vae.tasks._io import write_json

    table = read_table(sweep)
    wide = {name: _curves(table, name, Path(sweep)) for name in ("mse_val", "mse_test", "pca_mse_val", "pca_mse_test")}
    sizes = wide["mse_val"].columns.to_numpy(dtype=int)
    found, pca = (find_elbow(sizes, _of_subjects(wide[name]), n_bootstrap, seed) for name in ("mse_val", "pca_mse_val"))
    near, pca_near = (
        find_near(sizes, _of_subjects(wide[name]), n_bootstrap, seed) for name in ("mse_val", "pca_mse_val")
    )
    choice = {
        "size": found.size,
        "low": found.low,
        "high": found.high,
        "rule": RULE,
        "shares": found.shares,
        "verdict": found.verdict,
        "sentence": found.sentence,
        "pca_size": pca.size,
        "pca_sentence": pca.sentence,
        "near_size": near.size,
        "near_low": near.low,
        "near_high": near.high,
        "near_within": NEAR,
        "near_sentence": near.sentence,
        "pca_near_size": pca_near.size,
        "n_curves": len(wide["mse_val"]),
        "n_subjects": wide["mse_val"].index.get_level_values(0).nunique(),
    }
    rows = [
        _summary(wide[f"{prefix}mse_test"], n_bootstrap, seed).assign(
            model=model, val_mean=np.mean(_means(wide[f"{prefix}mse_val"]), axis=0)
        )
        for model, prefix in (("cvae", ""), ("pca", "pca_"))
    ]
    columns = ["model", "latent_dim", "mse_mean", "mse_sd", "mse_low", "mse_high", "n", "val_mean"]
    curve = write_table(Path("curve.tsv"), pd.concat(rows, ignore_index=True)[columns])
    return write_json(Path("choice.json"), choice), curve


def _curves(table, measure: str, path: Path):
    """One row a subject and seed, one column a size, ascending; only whole rows.

    Raises
    ------
    ValueError
        If columns are missing, a fit is there twice, or no subject and seed has all sizes.
    """
    keys = ["participant_id", "seed", "latent_dim"]
    table = table.assign(participant_id="") if "participant_id" not in table else table
    missing = [name for name in (*keys, measure) if name not in table]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}: give gathered tables of ScoreFit")
    if not len(table):
        raise ValueError(f"{path} has no rows: a size is chosen from at least one fit")
    if table.duplicated(keys).any():
        subject, seed, size = table.loc[table.duplicated(keys), keys].iloc[0]
        raise ValueError(
            f"{path} has several fits of {size} latents with seed {seed}{f' of {subject}' if subject else ''}: "
            "give those of one setting"
        )
    wide = table.pivot(index=keys[:2], columns="latent_dim", values=measure)
    whole = wide.dropna()
    if not len(whole):
        sizes = ", ".join(map(str, wide.columns))
        raise ValueError(f"{path}: no subject was fitted with one seed at all of {sizes} latents; fit the missing ones")
    return whole


def _of_subjects(wide) -> list:
    """Of each subject, one row a seed."""
    return [own.to_numpy(dtype=float) for _, own in wide.groupby(level=0)]


def _means(wide) -> list:
    """Of each subject, the mean over its seeds."""
    return [own.mean(axis=0) for own in _of_subjects(wide)]


def _summary(wide, n_bootstrap: int, seed: int):
    """Mean over subjects, spread over curves and the draws' interval of the mean, one row a size."""
    import numpy as np
    import pandas as pd

    from pydra_vae.stats.elbow import bootstrap

    draws = bootstrap(_of_subjects(wide), n_bootstrap, seed)
    low, high = np.quantile(draws, (0.025, 0.975), axis=0) if len(draws) else (np.nan, np.nan)
    spread = wide.std(ddof=1).to_numpy() if len(wide) > 1 else np.nan
    summary = {"mse_mean": np.mean(_means(wide), axis=0), "mse_sd": spread, "mse_low": low, "mse_high": high}
    return pd.DataFrame({"latent_dim": wide.columns.astype(int), **summary, "n": len(wide)})
