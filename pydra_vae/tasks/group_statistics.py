"""Tests over subjects: does the model do better than its controls in the group?"""

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = ["test", "measure", "split", "n", "mean_difference", "effect", "p", "p_smallest", "text"]
# What is better is no matter of the test; what differs is: measure in words, column, whether it belongs to tSNR.
MEASURES = {
    "tsnr gain (%)": "gain_mean",
    "mse (test voxels)": "mse_test",
    "r2": "r2",
    "r with planted signal": "r_clean_mean",
}


@step(outputs={"tests": File})
def GroupStatistics(metrics: File, pairs: File | None = None, n_permutations: int = 10_000, seed: int = 0):
    """Compare the model with the raw data and with its controls, one value a subject.

    Sign-flip tests of the mean difference over persons, all patterns of signs up to 14 persons, beside the smallest p
    that so many can give. Recordings of one person (labels that agree up to the first underscore) are averaged.

    Parameters
    ----------
    metrics : file
        Gathered tables of SubjectMetrics.
    pairs : file, optional
        Pairs of Align: adds whether subjects differ more from each other than from their own second fit.
    n_permutations : int
        Patterns of signs above 14 persons.
    seed : int

    Returns
    -------
    tests : file
        TSV: test measure split n mean_difference effect p p_smallest text. Effect: matched-pairs rank-biserial
        correlation.
    """
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats.group_tests import sign_flip
    from pydra_vae.tasks._group import at_least_two

    table = read_table(metrics)
    if not {"participant_id", "model", "split"} <= set(table.columns):
        raise ValueError(f"{metrics} lacks participant_id, model or split: give gathered tables of SubjectMetrics")
    at_least_two(list(dict.fromkeys(table["participant_id"])), "group statistics")
    found = [*_of_metrics(table), *([] if pairs is None else _of_pairs(read_table(pairs)))]
    rows = []
    for names, differences in found:
        one = sign_flip(differences, n_permutations, seed)
        if one.n:
            figures = {"n": one.n, "mean_difference": one.mean, "effect": one.effect, "p": one.p}
            rows.append(names | figures | {"p_smallest": one.p_smallest, "text": _sentence(names, one)})
    return write_table("tests.tsv", pd.DataFrame(rows, columns=COLUMNS))


def _of_metrics(table):
    """Names of each comparison and one difference a person; tSNR's first."""
    import numpy as np

    table = table.assign(person=table["participant_id"].astype(str).str.split("_").str[0])
    for measure, column in MEASURES.items():
        if column not in table:
            continue
        for split, part in table.groupby("split", sort=False):
            wide = part.pivot_table(index="person", columns="model", values=column, sort=False, dropna=False)
            if "cvae" not in wide:
                continue
            if column == "gain_mean":  # a gain is a difference from raw already
                yield {"test": "cvae vs raw", "measure": measure, "split": split}, wide["cvae"].to_numpy()
            for other in ("input", *_same_size(wide), "shrinkage"):
                if other in wide and np.isfinite(wide[other]).any():
                    name = "raw" if other == "input" else other
                    names = {"test": f"cvae vs {name}", "measure": measure, "split": split}
                    yield names, (wide["cvae"] - wide[other]).to_numpy()


def _same_size(wide) -> list[str]:
    """The PCA of the model's size is the one that ICA equals."""
    return [name for name in wide if " = ica-" in name]


def _of_pairs(pairs):
    """Whether a person's pairs with others differ from the floor of the own second fit; persons share pairs."""
    import pandas as pd

    between = pairs[pairs["relation"] == "subjects"]
    # each pair counts for both
    ends = pd.concat([between.assign(label=between[end]) for end in ("first", "second")])
    floor = pairs[pairs["relation"] == "same subject, other seed"].assign(label=lambda t: t["first"])
    for representation in dict.fromkeys(floor["representation"]):
        for measure in ("disparity", "r_distances"):
            mean, own = (
                t[t["representation"] == representation]
                .assign(person=lambda t: t["label"].astype(str).str.split("_").str[0])
                .groupby("person", sort=True)[measure]
                .mean()
                for t in (ends, floor)
            )
            names = {"test": "other subjects vs own other seed", "measure": f"{measure}, {representation}"}
            yield names, (mean - own).to_numpy()


def _sentence(names, one) -> str:
    text = f"{names['test']}, {names['measure']}: mean difference {one.mean:.3g} in {one.n} persons, p = {one.p:.2g}"
    if one.p_smallest > 0.01:
        text += f"; {one.n} persons cannot give less than {one.p_smallest:.2g}"
    return text
