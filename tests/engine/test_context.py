"""Progress and checkpoints as a step sees them."""

import json

import numpy as np
import pytest

from pydra_vae.engine import context


@pytest.fixture(autouse=True)
def _outside():
    context._current.set(None)
    yield
    context._current.set(None)


def test_progress_reaches_the_reader_whole(tmp_path):
    context.set_for_step(tmp_path / "python-abc", "python-abc")
    (tmp_path / "python-abc").mkdir()
    context.progress(step=np.int64(1), steps=10, loss=np.float32(0.5))
    lines, offset = context.read_progress(tmp_path / "python-abc")
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5)]
    assert context.read_progress(tmp_path / "python-abc", offset) == ([], offset)


def test_rate_limit_keeps_the_first_the_last_and_what_is_new(tmp_path):
    context.set_for_step(tmp_path, "k")
    for step in range(1, 1001):
        context.progress(step=step, steps=1000)
    context.progress(message="waiting")
    lines, _ = context.read_progress(tmp_path)
    steps = [line["step"] for line in lines if "step" in line]
    assert steps[0] == 1 and steps[-1] == 1000
    assert len(steps) < 20
    assert lines[-1]["message"] == "waiting"


def test_flush_writes_what_the_rate_limit_held_back(tmp_path):
    context.set_for_step(tmp_path, "k")
    for step in range(5):
        context.progress(step=step)
    context.flush()
    context.flush()
    assert [line["step"] for line in context.read_progress(tmp_path)[0]] == [0, 4]


def test_progress_never_raises(tmp_path, monkeypatch):
    context.set_for_step(tmp_path / "gone", "k")
    context.progress(step=1)
    context.set_for_step(tmp_path, "k")
    context.progress(what=object(), steps="many", step=1)
    context.progress(odd={1: object()})
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    context._current.set(None)
    context.progress(step=1)


def test_outside_the_engine_the_current_folder_serves(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        context.progress(step=1)
        assert (tmp_path / name / "_progress.jsonl").is_file()
        assert context.checkpoint_file() == tmp_path / name / "checkpoint.pt"


def test_checkpoint_lies_beside_the_cache_under_the_key(tmp_path):
    context.set_for_step(tmp_path / "folder", "python-1")
    first = context.checkpoint_file()
    assert first == tmp_path / "checkpoints" / "python-1.pt" and first.parent.is_dir()
    context.set_for_step(tmp_path / "folder", "python-2")
    assert context.checkpoint_file() != first
    assert context.checkpoint_path(tmp_path, "python-1") == first


def test_reader_leaves_a_half_written_line(tmp_path):
    path = tmp_path / "_progress.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    lines, offset = context.read_progress(tmp_path)
    assert [line["step"] for line in lines] == [1, 2]
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\nnot json\n[1]\n')
    lines, offset = context.read_progress(tmp_path, offset)
    assert [line["step"] for line in lines] == [3]


def test_reader_starts_over_when_the_step_does(tmp_path):
    path = tmp_path / "_progress.jsonl"
    path.write_text("".join(json.dumps({"step": n}) + "\n" for n in range(50)))
    _, offset = context.read_progress(tmp_path)
    path.write_text('{"step": 7}\n')
    assert [line["step"] for line in context.read_progress(tmp_path, offset)[0]] == [7]
    path.unlink()
    assert context.read_progress(tmp_path, offset) == ([], 0)
