"""The best of many fitted VAEs of images, by a stated rule."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"chosen": File, "table": File})
def ChooseModel(trials: File):
    """Choose one trial of a search, and say which others no trial beats.

    Among the trials that are neither collapsed nor over-regularised, the one with the smallest KL whose validation R²
    is within one standard error (over persons) of the best. Where the trials differ only in how they were trained
    (learning rate, batch size, width, epochs), the one with the best validation R² itself: a short training has a small
    KL too. On simulated images with six validation persons, whose standard error was .1, searches of epochs and
    learning rate with three seeds gave test R² .734, .668 and .673 by the best, .678, .663 and .664 by the smallest KL.
    Test images have no part in either.

    Parameters
    ----------
    trials : file
        Rows of ScoreVolumeVae under one another, one a trial.

    Returns
    -------
    chosen : file
        TSV, the chosen row of the table, with rule and sentence.
    table : file
        TSV: trial (from 1, in the order of the rows), then all columns of the trials, then healthy, within (one
        standard error of the best), pareto (no healthy trial has a higher validation R² at no higher KL), best, chosen.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats.search import INFORMATION, RULE, RULE_OF_TRAINING, choose, pareto

    table = read_table(trials)
    needed = ("r2_validation", "r2_validation_se", "kl", "divergence", "collapsed", "over_regularised")
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{trials} lacks the columns {', '.join(missing)}: give gathered tables of ScoreVolumeVae")
    if not len(table):
        raise ValueError(f"{trials} has no rows: a model is chosen from at least one trial")
    spoiled = [table[name].astype(str).str.lower().eq("true").to_numpy() for name in ("collapsed", "over_regularised")]
    r2 = table["r2_validation"].to_numpy(float)
    # an autoencoder without divergence has variances that nothing has shaped, so that its KL is none
    kl = np.where(table["divergence"] == "none", np.nan, table["kl"].to_numpy(float))
    healthy = ~(spoiled[0] | spoiled[1])
    named = [name for name in INFORMATION if name in table]
    trained = len(table) > 1 and bool(named) and bool(table[named].nunique().le(1).all())
    weighed = np.full(len(table), np.nan) if trained else kl
    found = choose(r2, table["r2_validation_se"].to_numpy(float), weighed, healthy)
    if "trial" in table:
        table = table.drop(columns="trial")
    table.insert(0, "trial", np.arange(1, len(table) + 1))
    table = table.assign(
        healthy=healthy,
        within=found.within,
        pareto=pareto(np.where(healthy, r2, np.nan), kl),
        best=np.arange(len(table)) == found.best,
        chosen=np.arange(len(table)) == found.chosen,
    )
    chosen = table.iloc[[found.chosen]].assign(rule=RULE_OF_TRAINING if trained else RULE, sentence=found.sentence)
    return write_table(Path("chosen.tsv"), chosen), write_table(Path("trials.tsv"), table)
