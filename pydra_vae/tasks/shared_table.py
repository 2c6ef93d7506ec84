"""What shared models cost and what they gain, in one table."""

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = (
    "kind", "member", "n_subjects", "mse_test", "price_percent", "disparity", "disparity_whitened", "r_distances",
    "r2", "mse_common", "parameters_own",
)  # fmt: skip
# Pairs of these relations are compared, the first that there are.
RELATIONS = ("subjects", "same person, other run")


@step(outputs={"table": File})
def SharedTable(
    kinds: list[str],
    scores: list[File],
    alignments: list[File],
    independent: list[File],
    independent_alignments: list[File] | None = None,
):
    """Price in error and gain in alignment of shared models, beside independent models and PCA.

    Parameters
    ----------
    kinds : list of str
        Of the shared models, in the order of the lists.
    scores : list of file
        Rows of ScoreShared of each kind (GatherTables).
    alignments : list of file
        Pairs of Align on the latents of each kind, at held-out places.
    independent : list of file
        Tables with participant_id and mse_test of a model of each subject of its own: SubjectMetrics (the rows of
        the CVAE on the delivered split) or ScoreFit.
    independent_alignments : list of file, optional
        Pairs of Align on the latents of those, at the places that each kind holds out.

    Returns
    -------
    table : file
        TSV: kind member n_subjects mse_test price_percent disparity disparity_whitened r_distances r2 mse_common
        parameters_own. The price is the mean over subjects of the error above that of the same subject's own
        model, in per cent of it. Alignment: of members among themselves; of newcomers with everybody. Controls are
        rows: kind "independent", "pca" (of each subject) and "pooled pca".
    """
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table

    if not len(kinds) == len(scores) == len(alignments):
        raise ValueError(
            f"{len(kinds)} kinds, {len(scores)} tables of scores and {len(alignments)} of pairs were given: "
            "give one of each for each kind"
        )
    own = _independent([read_table(path) for path in independent])
    apart = _relation(pd.concat(map(read_table, independent_alignments))) if independent_alignments else None
    rows = []
    for kind, score, pairs in zip(kinds, scores, alignments, strict=True):
        table, aligned = read_table(score), _relation(read_table(pairs))
        for member, some in table.groupby("member", sort=False):
            chosen = _pairs_of(aligned, some["label"], alone=member == "training")
            rows.append(_row(kind, member, some, some["mse_test"], own) | _alignment(chosen))
    rows.append(
        {"kind": "independent", "member": "independent", "n_subjects": len(own), "mse_test": own.mean()}
        | {"price_percent": 0.0}
        | _alignment(apart)
    )
    rows += _controls([read_table(path) for path in scores], own)
    return write_table("table.tsv", pd.DataFrame(rows, columns=list(COLUMNS)))


def _independent(tables):
    """Test error of each subject's own model, by label."""
    import pandas as pd

    table = pd.concat(tables, ignore_index=True)
    missing = [name for name in ("participant_id", "mse_test") if name not in table]
    if missing:
        raise ValueError(
            f"the tables of independent models lack {', '.join(missing)}: give SubjectMetrics' or ScoreFit's"
        )
    if "model" in table:
        table = table[table["model"] == "cvae"]
    if "split" in table:  # the delivered split comes first
        table = table[table["split"] == table.groupby("participant_id")["split"].transform("first")]
    return table.groupby(table["participant_id"].astype(str), sort=False)["mse_test"].mean()


def _row(kind: str, member: str, some, errors, own) -> dict:
    """Means over the subjects of one kind and membership."""
    beside = some["label"].astype(str).map(own)
    price = 100 * (errors.to_numpy() / beside.to_numpy() - 1)
    known = price[beside.notna().to_numpy()]
    means = {name: some[name].mean() for name in ("r2", "mse_common", "parameters_own")}
    return {
        "kind": kind,
        "member": member,
        "n_subjects": len(some),
        "mse_test": errors.mean(),
        "price_percent": known.mean() if len(known) else float("nan"),
        **means,
    }


def _controls(tables, own) -> list[dict]:
    """PCA of each subject, and the pooled PCA where a pooled model was scored."""
    import pandas as pd

    table, rows = pd.concat(tables, ignore_index=True), []
    for kind, column in (("pca", "pca_mse_test"), ("pooled pca", "pooled_pca_mse_test")):
        some = table[table[column].notna()].drop_duplicates("label")
        for member, these in some.groupby("member", sort=False) if kind == "pooled pca" else [("independent", some)]:
            made = _row(kind, member, these, these[column], own)
            rows.append({name: value for name, value in made.items() if name not in ("r2", "mse_common")})
            rows[-1]["parameters_own"] = float("nan")
    return [row for row in rows if row["n_subjects"]]


def _relation(pairs):
    """Pairs of different subjects; of different runs where there is one person only."""
    for relation in RELATIONS:
        chosen = pairs[pairs["relation"] == relation]
        if len(chosen):
            return chosen
    return pairs[:0]


def _pairs_of(pairs, labels, alone: bool):
    """Pairs among some subjects alone, or of them with anybody."""
    names = set(labels.astype(str))  # a table gives "01" back as a number
    first, second = (pairs[end].astype(str).isin(names) for end in ("first", "second"))
    return pairs[(first & second) if alone else (first | second)]


def _alignment(pairs) -> dict:
    """Mean disparity, raw and whitened, and mean correlation of the distance matrices."""
    if pairs is None:
        return {}
    raw, whitened = (pairs[pairs["representation"] == name] for name in ("cvae", "cvae whitened"))
    return {
        "disparity": raw["disparity"].mean(),
        "disparity_whitened": whitened["disparity"].mean(),
        "r_distances": raw["r_distances"].mean(),
    }
