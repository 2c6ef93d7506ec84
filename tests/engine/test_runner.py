"""`run`: isolation (point 5), what is told, and what it refuses."""

import io
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from fileformats.generic import File
from pydra.compose import python, workflow
from pydra.engine.submitter import Submitter
from rich.console import Console

from pydra_vae.engine import hashing
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.runner import run
from pydra_vae.engine.worker import LocalWorker


@pytest.fixture
def go(tmp_path):
    """`run` in a folder of its own; the outcome gets `said`, what was shown."""

    def start(tasks, **options):
        shown = io.StringIO()
        outcome = run(
            tasks,
            **{"work_dir": tmp_path / "work", "n_procs": 2, "console": Console(file=shown, width=400), **options},
        )
        outcome.said = shown.getvalue()
        return outcome

    return start


def row(outcome, step):
    return next(row for row in outcome.table if row["step"] == step)


# ---- point 5 -------------------------------------------------------------------------------------


def test_one_failing_subject_of_three(go, toys, tmp_path):
    delivered = {}
    tasks = {
        "sub-01": toys.Copy(text="1"),
        "sub-02": toys.Stops(how="error"),
        "sub-03": toys.Copy(text="3"),
    }
    outcome = go(tasks, on_done=lambda label, outputs: delivered.update({label: Path(outputs.out).read_text()}))
    assert delivered == {"sub-01": "1", "sub-03": "3"}
    assert set(outcome.outputs) == {"sub-01", "sub-03"}
    assert outcome.exit_code == 1
    failure = outcome.failures["sub-02"]
    assert failure.step == "Stops"
    assert failure.message == "ValueError: error it is"
    # the real traceback: the step's own line, and none of the machinery's
    assert 'in Stops\n    raise {"interrupt"' in failure.traceback
    assert "concurrent" not in failure.traceback and "pydra/engine" not in failure.traceback
    assert f"sub-02  Stops  failed: {failure.message}\ncrash file: " in outcome.said
    assert failure.traceback not in outcome.said and failure.traceback in go(tasks, verbose=1).said
    assert str(failure.crash_file) in outcome.said
    crash = failure.crash_file.read_text()
    assert "how = 'error'" in crash and "ValueError: error it is" in crash
    # a failure is tried again, successes are not
    again = go(tasks)
    assert row(again, "Copy")["reused"] == 2 and row(again, "Stops")["failed"] == 1


@pytest.mark.parametrize("how", ["interrupt", "exit"])
def test_interrupt_inside_a_step_is_no_success(go, toys, how):
    for _ in range(2):
        outcome = go({"a": toys.Stops(how=how)})
        assert outcome.exit_code == 1 and "was ended by" in outcome.failures["a"].message


def test_a_killed_child_fails_only_its_own_step(go, toys):
    tasks = {"killed": toys.Dies(signal=int(signal.SIGKILL))}
    tasks |= {f"sub-{n}": toys.Copy(text=str(n)) for n in range(6)}
    outcome = go(tasks, n_procs=3)
    assert set(outcome.outputs) == {f"sub-{n}" for n in range(6)}
    message = outcome.failures["killed"].message
    assert "killed by signal 9 (SIGKILL)" in message and "memory" in message
    assert outcome.failures["killed"].crash_file.exists()
    assert row(outcome, "Copy")["computed"] == 6
    # its lock does not stand in the way
    began = time.monotonic()
    assert "killed" in go(tasks).failures
    assert time.monotonic() - began < 30


def test_an_exception_in_on_done_is_that_labels_failure(go, toys):
    def deliver(label, outputs):
        if label == "a":
            raise OSError("disk full")

    outcome = go({"a": toys.Copy(text="a"), "b": toys.Copy(text="b")}, on_done=deliver)
    assert list(outcome.outputs) == ["b"]
    assert outcome.failures["a"].message == "OSError: disk full"
    assert outcome.exit_code == 1


def test_results_are_handed_over_while_others_run(go, toys, tmp_path):
    order = []
    tasks = {"first": Chain(texts=["a"]), "second": Chain(texts=["b"]), "third": Chain(texts=["c"])}

    def begun():
        return sum(path.is_dir() for path in (tmp_path / "work").glob("python-*"))

    go(tasks, n_procs=1, on_done=lambda label, _: order.append((label, begun())))
    assert [label for label, _ in order] == ["first", "second", "third"]
    # depth first: the first subject is delivered before the last has begun its second step
    assert order[0][1] < 6


def test_stop_on_first_crash(go, toys):
    tasks = {"bad": toys.Stops(how="error")} | {f"sub-{n}": toys.Copy(text=str(n)) for n in range(5)}
    outcome = go(tasks, n_procs=1, stop_on_first_crash=True)
    assert outcome.exit_code == 1 and len(outcome.outputs) < 5


# ---- workflows -----------------------------------------------------------------------------------


@python.define(outputs=["length"])
def PlainTask(file: File) -> int:
    """A user's own Pydra task, that is no step of ours."""
    return len(Path(file).read_text())


@workflow.define(outputs=["file", "files", "length"])
def Chain(texts: list[str]):
    from toysteps import Copy, Speak

    copies = workflow.add(Copy().split(text=texts).combine("text"))
    spoken = workflow.add(Speak(text=texts[0]))
    return spoken.out, copies.out, workflow.add(PlainTask(file=spoken.out)).length


@workflow.define(outputs=["length"])
def Outer(texts: list[str]):
    return workflow.add(Chain(texts=texts)).length


@workflow.define(outputs=["length"])
def Partly(text: str):
    from toysteps import Copy, Stops

    workflow.add(Copy(text=text))
    workflow.add(Stops(how="error"))
    workflow.add(Stops(how="exit"), name="second")
    return workflow.add(PlainTask(file=workflow.add(Copy(text=text + "2"), name="other").out)).length


def test_only_steps_leave_a_folder(go, toys, tmp_path):
    outcome = go({"a": Outer(texts=["a", "bb"])})
    assert outcome.outputs["a"].length == 1
    assert {path.name.split("-")[0] for path in (tmp_path / "work").iterdir()} == {"python"}
    assert len(list((tmp_path / "work").iterdir())) == 4
    assert all(row["computed"] == 0 for row in go({"a": Outer(texts=["a", "bb"])}).table)


def test_independent_nodes_of_a_failing_workflow_finish(go, toys):
    outcome = go({"a": Partly(text="t")})
    assert row(outcome, "Copy")["computed"] == 2 and row(outcome, "PlainTask")["computed"] == 1
    assert row(outcome, "Stops")["failed"] == 2
    assert outcome.said.count("failed:") == 2


@workflow.define(outputs=["out"])
def AfterFlaky(file: str):
    from toysteps import Copy, Flaky

    quick = workflow.add(Copy(text="quick"))
    workflow.add(PlainTask(file=quick.out))
    flaky = workflow.add(Flaky(file=file))
    return workflow.add(PlainTask(file=flaky.out), name="length").length


def test_a_failure_of_the_last_run_is_not_taken_for_one_of_this(go, toys, tmp_path):
    """Pydra looks on disk for the results of queued jobs, whenever one of their siblings has ended."""
    tasks = {"a": AfterFlaky(file=str(tmp_path / "late"))}
    assert go(tasks, n_procs=1).failures["a"].message.startswith("FileNotFoundError")
    (tmp_path / "late").write_text("12345")
    for path in (tmp_path / "work").glob("*/_result.pklz"):
        if "quick" in "".join(p.read_text() for p in path.parent.glob("out.txt")):
            path.unlink()  # so that a sibling runs, and ends, before it
    assert go(tasks, n_procs=1).outputs["a"].out == 5


def test_two_workflows_made_by_one_function_stay_apart(go, toys):
    """Pydra remembers constructed workflows by their source text alone."""

    def make(text):
        @workflow.define(outputs=["out"])
        def Flow(any: int):
            from toysteps import Copy

            return workflow.add(Copy(text=text)).out

        return Flow(any=1)

    outcome = go({"a": make("a"), "b": make("b")})
    assert {label: Path(out.out).read_text() for label, out in outcome.outputs.items()} == {"a": "a", "b": "b"}


@workflow.define(outputs=["lengths"])
def TwoEqual(text: str):
    lengths = workflow.add(Outer().split(texts=[[text], [text], ["zzz"]]).combine("texts"))
    return lengths.length


def test_equal_nodes_are_computed_once(go, toys):
    outcome = go({"a": TwoEqual(text="x"), "b": TwoEqual(text="x")})
    assert outcome.outputs["a"].lengths == [1, 1, 3]
    assert row(outcome, "Speak")["computed"] == 2 and row(outcome, "Speak")["reused"] == 4


def test_inside_pydras_own_submitter(toys, tmp_path):
    (tmp_path / "x").write_text("1")
    with Submitter(worker=LocalWorker(n_procs=2), cache_root=tmp_path / "work") as submitter:
        assert submitter(Outer(texts=["abc"]), raise_errors=True).outputs.length == 3
        split = toys.Copy().split(text=["1", "2"]).combine("text")
        assert len(submitter(split, raise_errors=True).outputs.out) == 2
        with pytest.raises(RuntimeError, match="ValueError: error it is"):
            submitter(toys.Stops(how="error"), raise_errors=True)
        assert submitter(toys.Stops(how="error"), raise_errors=False).errored
        assert submitter(Partly(text="q"), raise_errors=False).errored
    with Submitter(worker=LocalWorker, n_procs=1, cache_root=tmp_path / "work") as submitter:
        assert submitter(Outer(texts=["abc"]), raise_errors=True).outputs.length == 3
    assert not [path for path in (tmp_path / "work").iterdir() if path.name.startswith("workflow")]


def test_a_result_that_was_cut_off_is_computed_again(go, toys, tmp_path):
    out = Path(go({"a": toys.Copy(text="abc")}).outputs["a"].out)
    out.write_text("a")
    again = go({"a": toys.Copy(text="abc")})
    assert Path(again.outputs["a"].out).read_text() == "abc"
    assert row(again, "Copy")["computed"] == 1


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_work_folder_may_be_moved(go, toys, tmp_path, how):
    tasks = {"a": toys.Copy(text="abc"), "b": toys.Tree(names=["x", "y"])}
    go(tasks)
    old, new = tmp_path / "work", tmp_path / "elsewhere"
    old.rename(new) if how == "moved" else shutil.copytree(old, new)
    there = go(tasks, work_dir=new)
    assert [(row["computed"], row["reused"]) for row in there.table] == [(0, 1), (0, 1)]
    found = [there.outputs["a"].out, there.outputs["b"].folder, *there.outputs["b"].files]
    assert all(Path(path).is_relative_to(new) and Path(path).exists() for path in found)


# ---- what is told --------------------------------------------------------------------------------


def test_why(go, toys, tmp_path):
    def whys(**options):
        for name, text in options.pop("files", {}).items():
            (tmp_path / name).write_text(text)
        return row(go({"s": toys.Scale(series=[tmp_path / "x"], **options)}), "Scale")["why"]

    assert whys(files={"x": "1", "y": "y"}) == "first run"
    assert whys() == ""
    assert whys(method="zscore") == "changed parameter method"
    assert whys(files={"x": "2"}) == "new input series"
    assert whys(mean_image=tmp_path / "y") == "new input mean_image"
    for file in (tmp_path / "work").glob("python-*/scaled.txt"):
        file.unlink()
    assert whys() == "its files were deleted or changed"
    for file in (tmp_path / "work").glob("python-*/_result.pklz"):
        file.unlink()
    assert whys() == "interrupted before"
    go({"s": toys.Stops(how="error")})
    assert row(go({"s": toys.Stops(how="error")}), "Stops")["why"] == "failed before"


def test_output_of_a_step_goes_to_its_log(go, toys, tmp_path, capfd):
    outcome = go({"a": toys.Speak(text="hello")})
    said = capfd.readouterr()
    assert "hello" not in said.out + said.err
    log = Path(outcome.outputs["a"].out).parent / "_log.txt"
    assert sorted(log.read_text().splitlines()) == ["said hello", "shouted hello"]


def test_a_run_with_closed_streams(lab, toys):
    """As under a daemon: descriptors 0 to 2 are free, so pipes and locks would get them."""
    lab.path.append(Path(toys.__file__).parent)
    lab.write(
        "script.py",
        """
        import os
        import sys
        from pathlib import Path

        if __name__ == "__main__":
            if len(sys.argv) == 1:
                os.closerange(0, 3)
                os.execv(sys.executable, [sys.executable, "script.py", "closed"])
            from toysteps import Speak
            from pydra_vae.engine.runner import run

            outcome = run({"a": Speak(text="hello")}, work_dir="work", n_procs=1)
            log = Path(outcome.outputs["a"].out).parent / "_log.txt"
            Path("said.txt").write_text(log.read_text())
        """,
    )
    lab.run("script.py")
    assert sorted((lab.folder / "said.txt").read_text().split("\n")) == ["", "said hello", "shouted hello"]


def test_surroundings_of_a_step(go, toys, monkeypatch):
    """One thread whatever the parent has, since the number of threads changes the last digits of a fit."""
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYDRA_VAE_FITS_PER_GPU"]
    outcome = go({"a": toys.Surroundings(names=names)}, fits_per_gpu=3)
    assert Path(outcome.outputs["a"].out).read_text() == "1 1 3"
    assert os.environ["OMP_NUM_THREADS"] == "4" and names[2] not in os.environ


def test_hashing_a_big_file_does_not_hold_up_others(go, toys, tmp_path, monkeypatch):
    compute, order = hashing._compute, []
    monkeypatch.setattr(hashing, "_compute", lambda path: (time.sleep(path.name == "big" and 3), compute(path))[1])
    (tmp_path / "big").write_bytes(bytes(hashing.ON_DISK_FROM + 1))
    tasks = {"big": toys.Scale(series=[tmp_path / "big"]), "small": toys.Copy(text="small")}
    assert go(tasks, on_done=lambda label, _: order.append(label)).exit_code == 0
    assert order == ["small", "big"]


def test_an_input_changed_during_the_step_is_refused(go, toys, tmp_path):
    (tmp_path / "x").write_text("good")
    outcome = go({"a": toys.Spoil(series=tmp_path / "x")})
    assert "input series of step Spoil changed after this run had started" in outcome.failures["a"].message
    (tmp_path / "x").write_text("good")
    assert row(go({"a": toys.Spoil(series=tmp_path / "x")}), "Spoil")["reused"] == 0


# ---- what is refused -----------------------------------------------------------------------------


def test_a_script_without_guard_is_told_so(lab, toys):
    lab.path.append(Path(toys.__file__).parent)
    lab.write(
        "script.py",
        """
        from toysteps import Copy
        from pydra_vae.engine.runner import run

        outcome = run({"a": Copy(text="a")}, work_dir="work", n_procs=1)
        """,
    )
    said = lab.run("script.py", code=1)
    assert 'if __name__ == "__main__":' in said.err
    assert "NestedRun: a run was started inside a worker process" in said.err
    assert "WorkerDied: a worker process ended while it started" in said.err


def test_an_unknown_worker_is_told(go, toys):
    with pytest.raises(ValueError, match="worker 'cloud' is not known; there is local"):
        go({"a": toys.Copy(text="a")}, worker="cloud")


def test_a_work_folder_that_cannot_be_made_is_told(go, toys, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"work folder .*file/work cannot be made: .*--work-dir"):
        go({"a": toys.Copy(text="a")}, work_dir=tmp_path / "file" / "work")


def test_in_a_notebooks_running_loop(go, toys):
    import asyncio

    async def cell():
        return go({"a": toys.Copy(text="a")})

    assert asyncio.run(cell()).exit_code == 0


def test_a_thousand_reused_steps_cost_little(go, toys):
    @workflow.define(outputs=["files"])
    def Wide(texts: list[str]):
        from toysteps import Copy

        return workflow.add(Copy().split(text=texts).combine("text")).out

    tasks = {"a": Wide(texts=[str(n) for n in range(200)])}
    go(tasks)
    began = time.process_time()
    assert row(go(tasks), "Copy")["reused"] == 200
    # 1,000 in 2.5 s on an idle machine
    assert time.process_time() - began < 2 * 0.5
