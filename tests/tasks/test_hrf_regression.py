"""From factors and events to tables: what was planted is found; without events the tables are empty."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.task_regressors import PAPER_EVENTS
from pydra_vae.tasks.hrf_regression import HrfRegression
from pydra_vae.tasks.split_subjects import SplitSubjects
from pydra_vae.tasks.task_regressors import TaskRegressors

N, T, K = 12, 284, 6
TABLES = ("scores", "summary", "subjects", "courses", "glm")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Twelve recordings of two timings; factor 4 follows the tongue, factor 2 the left hand with the other sign."""
    folder = tmp_path_factory.mktemp("task")
    labels = [f"sub-{i:02d}" for i in range(N)]
    tables = []
    for name, shift in (("LR", 0.0), ("RL", 9.0)):
        events = [(o + shift, d, kind) for kind, times in PAPER_EVENTS.items() for o, d, _ in times]
        pd.DataFrame(events, columns=["onset", "duration", "trial_type"]).to_csv(
            folder / f"{name}_events.tsv", sep="\t", index=False
        )
        step = call(TaskRegressors, cwd=folder / name, events=[folder / f"{name}_events.tsv"], n_frames=T, t_r=0.72)
        tables.append(step.regressors)
    split = call(SplitSubjects, cwd=folder / "split", labels=labels, persons=labels).subject_split
    factors = np.random.default_rng(0).normal(size=(N, T, K))
    for i in range(N):
        table = pd.read_csv(tables[i % 2], sep="\t")
        factors[i, :, 4] += 3 * table["tongue"]
        factors[i, :, 2] -= 3 * table["left_hand"]
    np.save(folder / "factors.npy", factors.astype(np.float32))
    regressors = [tables[i % 2] for i in range(N)]
    return {"factors": folder / "factors.npy", "regressors": regressors, "subject_split": split}


def read(outputs):
    return {name: pd.read_csv(getattr(outputs, name), sep="\t", na_values="n/a") for name in TABLES}


def test_what_was_planted_is_found(tmp_path, given):
    tables = read(call(HrfRegression, cwd=tmp_path, **given, model="planted", beta=0.5, seed=3, n_permutations=200))
    for table in tables.values():
        assert list(table)[:4] == ["model", "k", "beta", "seed"]
        assert (table.k == K).all() and (table.beta == 0.5).all() and (table.seed == 3).all()
    scores = tables["scores"].set_index("subtask")
    assert scores.loc["tongue", ["factor", "sign"]].tolist() == [4, 1]
    assert scores.loc["left_hand", ["factor", "sign", "paper_factor"]].tolist() == [2, -1, 2]
    assert (scores.loc[["tongue", "left_hand"], ["r_test", "r_paper", "readout_r", "subject_r_mean"]] > 0.5).all(None)
    assert (scores.loc[["tongue", "left_hand"], "p_shift"] < 0.02).all()
    summary = tables["summary"].iloc[0]
    assert summary.n_designs == 2 and summary.n_subtasks == 5
    assert summary.r_test == pytest.approx(scores.r_test.mean(), abs=1e-6)
    assert summary.chance < summary.r_paper <= 1 and summary.r_test <= summary.r_paper + 1e-8
    subjects, courses, glm = tables["subjects"], tables["courses"], tables["glm"]
    assert len(subjects) == 5 * summary.n_test and subjects.groupby("subtask").r.mean()["tongue"] > 0.5
    tongue = courses[courses.subtask == "tongue"]
    n_designs = tongue.design.nunique()
    assert len(tongue) == n_designs * T and len(courses) == 5 * len(tongue)
    np.testing.assert_allclose(tongue.groupby("design").factor_value.std(ddof=0), 1, atol=1e-6)
    strongest = glm.loc[glm[glm.subtask == "left_hand"].coefficient.idxmin()]
    assert strongest.factor == 2 and strongest.r2 > 0.3


def test_the_same_inputs_give_the_same_bytes(tmp_path, given):
    once, again = (call(HrfRegression, cwd=tmp_path / n, **given, n_permutations=20) for n in "ab")
    assert all(Path(getattr(once, n)).read_bytes() == Path(getattr(again, n)).read_bytes() for n in TABLES)


def test_recordings_without_events(tmp_path, given):
    some = [None, *given["regressors"][1:]]
    tables = read(call(HrfRegression, cwd=tmp_path / "some", **given | {"regressors": some}, n_permutations=20))
    whole = tables["summary"].iloc[0]
    assert whole.n_train + whole.n_validation + whole.n_test == N - 1
    rest = call(HrfRegression, cwd=tmp_path / "rest", **given | {"regressors": [None] * N})
    for name, table in read(rest).items():
        assert table.empty and list(table)[:4] == ["model", "k", "beta", "seed"], name


def test_lists_must_match_the_split(tmp_path, given):
    with pytest.raises(Exception, match="11 tables of regressors but the split lists 12 recordings"):
        call(HrfRegression, cwd=tmp_path, **given | {"regressors": given["regressors"][1:]})
    np.save(tmp_path / "short.npy", np.zeros((N, 100, K), np.float32))
    with pytest.raises(Exception, match="284 frames but the series have 100"):
        call(HrfRegression, cwd=tmp_path / "short", **given | {"factors": tmp_path / "short.npy"})
