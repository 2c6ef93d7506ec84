"""The split's table: one row a recording, whole persons."""

import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.split_subjects import SplitSubjects


def test_recordings_of_a_person_stay_together(tmp_path):
    persons = [f"sub-{i:02d}" for i in range(10) for _ in range(2)]
    labels = [f"{person}_dir-{'LR' if i % 2 else 'RL'}" for i, person in enumerate(persons)]
    table = pd.read_csv(call(SplitSubjects, cwd=tmp_path, labels=labels, persons=persons).subject_split, sep="\t")
    assert table.label.tolist() == labels and table.person.tolist() == persons
    assert (table.groupby("person").part.nunique() == 1).all()
    assert table.part.value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}


def test_labels_and_persons_must_match(tmp_path):
    with pytest.raises(Exception, match="one person for each recording"):
        call(SplitSubjects, cwd=tmp_path / "a", labels=["a", "b"], persons=["a"])
    with pytest.raises(Exception, match="occur twice: a"):
        call(SplitSubjects, cwd=tmp_path / "b", labels=["a", "a", "b"], persons=["a", "b", "c"])
