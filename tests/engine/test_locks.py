"""Points 7 and 8: other people's locks, and two runs at once."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from pydra_vae.engine import locks
from pydra_vae.engine.runner import run


@pytest.fixture
def locked(toys, tmp_path):
    """Write a lock on a step with the given lines, then run it."""
    work = tmp_path / "work"
    work.mkdir()
    step = toys.Copy(text="locked")

    def attempt(text: str, age: float = 0.0, kind: str = ".lock", **options):
        lock = work / f"{step._checksum}{kind}"
        lock.write_text(text)
        os.utime(lock, (time.time() - age, time.time() - age))
        shown = io.StringIO()
        tasks = {"locked": step, "free": toys.Copy(text="free")}
        outcome = run(tasks, work_dir=work, n_procs=1, console=Console(file=shown, width=1000), **options)
        outcome.said, outcome.lock = shown.getvalue(), lock
        return outcome

    attempt.folder = work / step._checksum
    return attempt


@pytest.mark.parametrize("kind", [".lock", "_save.lock"])
def test_a_lock_of_another_host_is_named(locked, kind):
    locked.folder.mkdir()
    progress = locked.folder / "_progress.jsonl"
    progress.write_text("{}\n")
    for path in (progress, locked.folder):
        os.utime(path, (time.time() - 600, time.time() - 600))
    outcome = locked("4242\nnode17\n", age=7200, kind=kind)
    message = outcome.failures["locked"].message
    for part in (str(outcome.lock), "process 4242 on node17", "2.0 h old", "last sign of life 10.0 min ago"):
        assert part in message
    assert "--break-locks" in message
    assert message in outcome.said
    # others are not held up, and the lock is not touched
    assert list(outcome.outputs) == ["free"] and outcome.exit_code == 1
    assert outcome.lock.exists()


def test_an_empty_lock_is_named_after_some_seconds(locked):
    message = locked("").failures["locked"].message
    assert "an empty lock" in message and "no sign of life" in message and "--break-locks" in message


@pytest.mark.parametrize("text", ["4242\nnode17\n", ""])
def test_break_locks(locked, text):
    outcome = locked(text, age=7200, break_locks=True)
    assert set(outcome.outputs) == {"locked", "free"}
    assert f"broke {'the lock of process 4242 on node17' if text else 'an empty lock'} of Copy" in outcome.said
    assert not outcome.lock.exists()


def test_a_lock_of_a_dead_process_of_this_machine_is_no_obstacle(locked):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    outcome = locked(f"{gone.pid}\n{locks.own_host()}\n", age=7200)
    assert outcome.exit_code == 0


def test_a_live_process_of_this_machine_is_waited_for(locked):
    code = f"""if True:
        import sys, time
        from filelock import SoftFileLock
        with SoftFileLock({str(locked.folder) + ".lock"!r}):
            print("locked", flush=True)
            time.sleep(1.5)
    """
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "locked\n"
    shown = io.StringIO()
    from toysteps import Copy

    began = time.monotonic()
    # break_locks must not break the lock of a live process
    console = Console(file=shown, width=1000)
    outcome = run({"a": Copy(text="locked")}, work_dir=locked.folder.parent, break_locks=True, console=console)
    assert outcome.exit_code == 0 and time.monotonic() - began > 0.5
    assert f"waiting for process {other.pid}, which computes Copy" in shown.getvalue()
    other.wait()


def test_two_runs_at_once_share_one_fit(lab):
    """Point 8."""
    lab.write(
        "slow.py",
        """
        import os
        import time
        from pathlib import Path

        from fileformats.generic import File

        from pydra_vae.engine.step import step


        @step(outputs={"out": File})
        def Slow(folder: str):
            with open(Path(folder, "notes"), "a") as file:
                file.write("computed\\n")
            time.sleep(2)
            Path("out").write_text("result")
            return Path("out")
        """,
    )
    lab.write(
        "script.py",
        """
        import json
        from pathlib import Path

        from pydra_vae.engine.runner import run
        from slow import Slow

        if __name__ == "__main__":
            outcome = run({"a": Slow(folder=str(Path.cwd()))}, work_dir="work", n_procs=1)
            row, = outcome.table
            print(json.dumps([row["computed"], row["reused"], Path(outcome.outputs["a"].out).read_text()]))
        """,
    )
    both = [lab.start("script.py") for _ in range(2)]
    reports = sorted(lab.end(process).report for process in both)
    assert (Path(lab.folder) / "notes").read_text() == "computed\n"
    assert reports == [[0, 1, "result"], [1, 0, "result"]], json.dumps(reports)
