"""From EV files, events.tsv or the paper's table to the same regressors."""

import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.task_regressors import PAPER_EVENTS
from pydra_vae.tasks._events import EVS
from pydra_vae.tasks.task_regressors import TaskRegressors

RUN = {"n_frames": 284, "t_r": 0.72}


def ev_files(folder, shift=0.0):
    folder.mkdir()
    for stem, name in EVS.items():
        rows = [f"{onset + shift:.3f}\t{duration:g}\t1" for onset, duration, _ in PAPER_EVENTS[name]]
        (folder / f"{stem}.txt").write_text("\n".join(rows) + "\n")
    (folder / "cue.txt").write_text("8\t3\t1\n")
    (folder / "Sync.txt").write_text("10.6\n")
    return sorted(folder.glob("*.txt"))


def read(path):
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_three_sources_of_the_same_events(tmp_path):
    events = [(onset, duration, name) for name, times in PAPER_EVENTS.items() for onset, duration, _ in times]
    table = pd.DataFrame([*events, (8.0, 3.0, "cue")], columns=["onset", "duration", "trial_type"])
    table.sort_values("onset").to_csv(tmp_path / "sub-01_events.tsv", sep="\t", index=False)
    given = {
        "paper": {"events": [], "layout": "paper"},
        "hcp": {"events": ev_files(tmp_path / "EVs")},
        "bids": {"events": [tmp_path / "sub-01_events.tsv"]},
    }
    tables = {k: read(call(TaskRegressors, cwd=tmp_path / k, **RUN, **v).regressors) for k, v in given.items()}
    names = list(PAPER_EVENTS)
    assert list(tables["hcp"]) == ["frame", "time", "block", *names, *[f"raw_{name}" for name in names]]
    for name in ("hcp", "bids"):
        pd.testing.assert_frame_equal(tables[name][list(tables["paper"])], tables["paper"])
    assert tables["paper"][names].mean().abs().max() < 0.01 < tables["paper"][f"raw_{names[0]}"].mean()  # filtered
    assert len(tables["paper"]) == 284


def test_sub_tasks_can_be_chosen(tmp_path):
    given = {"events": [], "layout": "paper", **RUN}
    table = read(call(TaskRegressors, cwd=tmp_path / "a", subtasks=["tongue"], **given).regressors)
    assert list(table)[3:] == ["tongue", "raw_tongue"] and set(table.block) == {"", "tongue"}
    with pytest.raises(Exception, match="no events of nose: there are right_hand"):
        call(TaskRegressors, cwd=tmp_path / "b", subtasks=["nose"], **given)


def test_events_outside_the_run_name_the_file(tmp_path):
    with pytest.raises(Exception, match=r"lf\.txt.*left_foot begins at 226 s, outside the run of 204\.48 s"):
        call(TaskRegressors, cwd=tmp_path, events=ev_files(tmp_path / "EVs", shift=200.0)[2:4], **RUN)


def test_unreadable_events(tmp_path):
    (tmp_path / "lh.txt").write_text("71 12\n")
    with pytest.raises(Exception, match=r"lh\.txt cannot be read as an EV file"):
        call(TaskRegressors, cwd=tmp_path / "a", events=[tmp_path / "lh.txt"], **RUN)
    (tmp_path / "events.tsv").write_text("onset\tduration\n1\t2\n")
    with pytest.raises(Exception, match=r"events\.tsv has no column trial_type"):
        call(TaskRegressors, cwd=tmp_path / "b", events=[tmp_path / "events.tsv"], **RUN)
    (tmp_path / "Sync.txt").write_text("10.6\n")
    with pytest.raises(Exception, match=r"no events in Sync\.txt"):
        call(TaskRegressors, cwd=tmp_path / "c", events=[tmp_path / "Sync.txt"], **RUN)
