"""What Slurm says, and what is made of it: a stand-in for its commands, which tells what the test wants."""

import asyncio
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pydra_vae.engine import leftovers, slurm, squeue
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.locks import own_host
from pydra_vae.engine.parcel import Box, write_json
from pydra_vae.engine.runner import run

# Each command runs `$FOLDER/<name>`, a script that the test wrote.
SBATCH = """
number=$(($(cat "$F/count" 2> /dev/null || echo 0) + 1)); echo $number > "$F/count"; echo $number
for script; do :; done
if [ -f "$F/end" ] && [ $number -le "$(cat "$F/ill")" ]; then echo "$number|$(cat "$F/end")|None" >> "$F/jobs"
else echo "$number|RUNNING|None" >> "$F/jobs"; sh "$script" > "$F/said" 2>&1 & fi
"""
COMMANDS = {
    "sbatch": SBATCH,
    "squeue": 'cat "$F/jobs" 2> /dev/null || true',
    "scontrol": '[ "$2" = config ] && echo "ClusterName = fake" || exit 1',
    "sacct": "exit 1",
    "scancel": 'echo "$@" > "$F/cancelled"',
}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Its folder; `end` and `ill` say how the first jobs end."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / name).write_text(f"#!/bin/sh\nF={folder}\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for module, name, seconds in ((slurm, "GRACE", 0.5), (slurm, "POLL", 0.1), (squeue, "SOON", 0.1)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(squeue, "PAUSE", 0.01)
    monkeypatch.setattr(squeue, "FULL_PAUSE", 0.01)
    return folder


def ends(folder, state, jobs=99):
    (folder / "end").write_text(state)
    (folder / "ill").write_text(str(jobs))


def go(task, work, **options):
    return run({"a": task}, work_dir=work, worker="slurm", worker_options=options)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "reached its time limit: give more with --sbatch-args '--time=…'"),
        ("OUT_OF_MEMORY", "needed more memory than it had: give more with --sbatch-args '--mem=…'"),
        ("COMPLETED", "left no answer in the work folder. Is that folder the same on all nodes?"),
    ],
)
def test_how_a_job_ended(fake, toys, tmp_path, state, words):
    ends(fake, state)
    message = go(toys.Copy(text="a"), tmp_path / "work").failures["a"].message
    assert words in message and f"[{state}]" in message and "Slurm job 1" in message


def test_a_job_that_lost_its_node_is_submitted_again(fake, toys, tmp_path):
    ends(fake, "NODE_FAIL", 2)
    outcome = go(toys.Copy(text="a"), tmp_path / "work")
    assert Path(outcome.outputs["a"].out).read_text() == "a" and (fake / "count").read_text().strip() == "3"


def test_where_no_job_begins_the_run_ends(fake, toys, tmp_path):
    """Every step would fail for the same reason."""
    ends(fake, "FAILED")
    with pytest.raises(EngineError, match="failed with exit status"):
        go(toys.Copy(text="a"), tmp_path / "work")


def test_refused_by_sbatch(fake, toys, tmp_path):
    (fake / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2; exit 1\n")
    with pytest.raises(EngineError, match=r"sbatch refused a job: .*invalid partition specified: x\nThe command was"):
        go(toys.Copy(text="a"), tmp_path / "work", sbatch_args="--partition=x")


FULL = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size "
FULL += "and/or time limits)"


def refuses(folder, said, times):
    """The first submissions after as many as `times` says."""
    script = (folder / "sbatch").read_text()
    refusal = f"""
tries=$(($(cat "$F/tries" 2> /dev/null || echo 0) + 1)); echo $tries > "$F/tries"
if [ $tries -ge {times[0]} ] && [ $tries -le {times[1]} ]; then echo "{said}" >&2; exit 1; fi
"""
    (folder / "sbatch").write_text(script.replace("\nnumber=", f"{refusal}number=", 1))


@pytest.mark.parametrize("said", ["Unable to contact slurm controller", "QOSMaxSubmitJobPerUserLimit"])
def test_a_busy_controller_and_a_full_queue_are_waited_for(fake, toys, tmp_path, said):
    refuses(fake, said, (1, 1))
    assert go(toys.Copy(text="a"), tmp_path / "work").exit_code == 0


def test_a_limit_on_jobs_is_waited_for_as_long_as_it_takes(fake, toys, tmp_path, monkeypatch):
    """Slurm's words for it also tell of jobs that are too big; one like it was taken before."""
    monkeypatch.setattr(squeue, "AT_ONCE", 1)
    refuses(fake, FULL, (2, 2 + 2 * squeue.TRIES))
    tasks = {str(n): toys.Copy(text=str(n)) for n in range(2)}
    assert run(tasks, work_dir=tmp_path / "work", worker="slurm").exit_code == 0


def test_a_full_queue_is_told_once_a_minute(fake):
    told = []
    worker = slurm.SlurmWorker(observer=SimpleNamespace(message=told.append))
    worker._said = float("-inf")
    for _ in range(2):
        worker._say_full("sbatch: error: QOSMaxSubmitJobPerUserLimit\nmore")
    assert told == ["Slurm takes no more jobs for now (sbatch: error: QOSMaxSubmitJobPerUserLimit); waiting"]


@pytest.mark.parametrize(("said", "tries"), [("QOSMaxWallDurationPerJobLimit", 1), (FULL, squeue.TRIES)])
def test_a_job_that_is_too_big_ends_the_run(fake, toys, tmp_path, said, tries):
    refuses(fake, said, (1, 99))
    with pytest.raises(EngineError, match=f"sbatch refused a job: {re.escape(said)}"):
        go(toys.Copy(text="a"), tmp_path / "work")
    assert int((fake / "tries").read_text()) == tries


def test_a_job_that_is_being_submitted_at_the_end_is_cancelled(fake):
    """^C while a hundred jobs are on their way."""
    (fake / "sbatch").write_text("#!/bin/sh\nsleep 0.3; echo 7\n")

    async def submit_and_stop():
        asked = asyncio.ensure_future(squeue.Queue().submit([], [], fake / "script"))
        await asyncio.sleep(0.1)
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()

    asyncio.run(submit_and_stop())
    assert (fake / "cancelled").read_text().split() == ["--quiet", "7"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [("--array=1-3", "--array cannot be given"), ("-o log", "-o cannot be given"), ("--x 'a", "No closing quotation")],
)
def test_arguments_that_cannot_be(fake, toys, tmp_path, arguments, words):
    with pytest.raises(EngineError, match=words):
        go(toys.Copy(text="a"), tmp_path / "work", sbatch_args=arguments)


def test_a_machine_without_slurm(toys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match=r"needs sbatch, squeue, scancel, not found on this machine"):
        go(toys.Copy(text="a"), tmp_path / "work")


@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING"])
def test_locks_of_other_machines(fake, toys, tmp_path, state):
    """One that a job of ours left is removed; one of a job that runs is waited for; any other fails the step."""
    work = tmp_path / "work"
    work.mkdir()
    key = Path(go(toys.Copy(text="b"), work).outputs["a"].out).parent
    (key / "_result.pklz").unlink()
    lock = key.with_suffix(".lock")
    lock.write_text("123\nnode7\ntoken\n")
    assert "locked by the lock of process 123 on node7" in go(toys.Copy(text="b"), work).failures["a"].message
    box = Box.new(work)
    write_json(box.folder / "claim.json", {"pid": 123, "host": "node7"})
    box.record([key.name], worker="slurm", job="77", cluster="fake")
    (fake / "jobs").write_text(f"77|{state}|None\n")
    if state == "RUNNING":

        async def wait_a_moment():
            worker = slurm.SlurmWorker()
            from pydra_vae.engine.locks import holder

            assert await worker.is_at_work(holder(lock)) is True
            (fake / "jobs").write_text("")
            assert await worker.is_at_work(holder(lock)) is False
            box.record([key.name], worker="slurm", job="77", cluster="another")
            assert await worker.is_at_work(holder(lock)) is None

        asyncio.run(wait_a_moment())
    else:
        began = time.monotonic()
        assert go(toys.Copy(text="b"), work).exit_code == 0 and time.monotonic() - began < 60
        assert not lock.exists()


@pytest.mark.parametrize(("queue", "needed"), [("77|PENDING|None", True), ("77|FAILED|None", False), ("", False)])
def test_what_a_killed_run_left_is_needed_as_long_as_its_job_waits(fake, tmp_path, queue, needed):
    box = Box.new(tmp_path)
    box.record(["python-1"], worker="slurm", job="77", cluster="fake")
    (one,) = leftovers.look(tmp_path)
    assert one.needed is True  # this process lives
    write_json(box.root / "python-1.json", json.loads((box.root / "python-1.json").read_text()) | {"host": "login2"})
    (fake / "jobs").write_text(queue)
    (one,) = leftovers.look(tmp_path)
    assert (one.needed, one.whose) == (needed, "Slurm job 77")
    leftovers.remove([one])
    assert not list((tmp_path / "remote").iterdir())


def test_a_box_is_nobody_elses_to_read(tmp_path):
    box = Box.new(tmp_path)
    assert box.folder.stat().st_mode & 0o077 == 0
    box.claim(1)
    assert box.claimed() == {"host": own_host(), "pid": 1} and box.replied() is None
