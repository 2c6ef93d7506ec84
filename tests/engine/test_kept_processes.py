"""Processes that one run hands to the next, and when they are not."""

import io
import json

import pytest
from rich.console import Console

from pydra_vae.engine import digest
from pydra_vae.engine.pool import kept_processes
from pydra_vae.engine.runner import run


@pytest.fixture
def go(tmp_path, toys):
    """Run one step of one label in one process; gives the process' id."""

    def start(text, step=toys.Copy, **options):
        console = Console(file=io.StringIO())
        given = {"how": "error"} if step is toys.Stops else {"text": text}
        run({text: step(**given)}, work_dir=tmp_path / text, n_procs=1, console=console, **options)
        (record,) = (tmp_path / text).glob("*/_step.json")
        return json.loads(record.read_text())["pid"]

    return start


def test_runs_inside_share_their_process_and_none_is_left(go, tools):
    with kept_processes():
        one = go("a")
        assert tools.is_alive(one) and go("b") == one
        with kept_processes():
            assert go("c") == one
        assert tools.is_alive(one)
    tools.until(lambda: not tools.is_alive(one), "the process ends with the block")


def test_a_run_outside_has_processes_of_its_own(go, tools):
    one = go("a")
    tools.until(lambda: not tools.is_alive(one), "the process ends with its run")
    assert go("b") != one


def test_a_failing_step_spoils_nothing_for_the_next_run(go, toys):
    with kept_processes():
        one = go("a", toys.Stops)
        assert go("b") == one


@pytest.mark.parametrize("what", ["option", "variable", "folder", "code"])
def test_what_a_process_would_not_see_change_needs_a_new_one(go, monkeypatch, tmp_path, what, tools):
    with kept_processes():
        one, options = go("a"), {}
        if what == "option":
            options = {"fits_per_gpu": 2}
        elif what == "variable":
            monkeypatch.setenv("NUMBER_OF_THINGS", "3")
        elif what == "folder":
            monkeypatch.chdir(tmp_path)
        else:
            monkeypatch.setattr(digest, "on_disk", lambda: {})
        assert go("b", **options) != one
        tools.until(lambda: not tools.is_alive(one), "the outdated process is ended")
