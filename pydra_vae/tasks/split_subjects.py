"""Divide persons in training, validation and test."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"subject_split": File})
def SplitSubjects(
    labels: list[str],
    persons: list[str],
    seed: int = 42,
    fractions: list[float] = [0.7, 0.1, 0.2],  # noqa: B006 (a step's default is read, never changed)
):
    """Divide the persons 70/10/20 in training, validation and test; all recordings of a person lie in one part.

    Parameters
    ----------
    labels : list of str
        One label a recording; their order is the order of all lists of recordings from here on.
    persons : list of str
        Whose recording each is.
    seed : int
        Of the order in which persons are dealt out; 42 is the first of the paper's.
    fractions : list of float
        Shares of training, validation and test; each part gets one person at least.

    Returns
    -------
    subject_split : file
        TSV, one row a recording: label, person, part (train, validation, test).
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.subject_split import split_persons

    if len(labels) != len(persons):
        raise ValueError(f"{len(labels)} labels but {len(persons)} persons: give one person for each recording")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"labels must tell recordings apart, and these occur twice: {', '.join(twice[:5])}")
    part = split_persons(persons, fractions, seed)
    rows = [
        {"label": label, "person": person, "part": part[person]} for label, person in zip(labels, persons, strict=True)
    ]
    return write_table(Path("subject_split.tsv"), rows)
