"""`SlurmWorker` on a real controller (marker `slurm`; `tests/slurm/start.sh` starts one)."""

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from pydra_vae.engine.runner import run

pytestmark = pytest.mark.slurm
SCRIPT = """
    import json
    import sys
    from pathlib import Path

    from remotesteps import Counted
    from pydra_vae.engine.runner import run

    if __name__ == "__main__":
        tasks = {name: Counted(folder=str(Path.cwd()), upto=n, pause=600.0) for name, n in json.loads(sys.argv[1])}
        outcome = run(tasks, work_dir="work", worker="slurm")
        print(json.dumps({label: Path(out.out).read_text() for label, out in outcome.outputs.items()}))
        sys.exit(outcome.exit_code)
"""


@pytest.fixture(autouse=True, scope="module")
def controller():
    """One that answers; nothing is cancelled that was there before."""
    try:
        slurm("sinfo", "-h")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no Slurm controller answers ({error}): tests/slurm/start.sh starts one")


@pytest.fixture
def go(tmp_path):
    def start(tasks, **options):
        shown = io.StringIO()
        outcome = run(
            tasks,
            work_dir=tmp_path / "work",
            worker="slurm",
            worker_options=options,
            console=Console(file=shown, width=400),
        )
        outcome.said = shown.getvalue()
        return outcome

    return start


@pytest.fixture
def counting(lab):
    lab.path.append(Path(__file__).parent)
    lab.write("script.py", SCRIPT)
    return lab


def row(outcome, step):
    return next(row for row in outcome.table if row["step"] == step)


def notes(lab) -> list[list[str]]:
    """What each try wrote: where it began, its process, its job."""
    path = lab.folder / "notes"
    return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def in_queue() -> list[str]:
    return slurm("squeue", "--me", "-h", "-o", "%i").split()


def ask(**upto) -> str:
    return json.dumps(list(upto.items()))


def test_it_keeps_the_promises(go, toys, tmp_path):
    """Cache, failure isolation, the true traceback, a killed job; keys are those of any other worker."""
    tasks = {f"sub-{n}": toys.Copy(text=str(n)) for n in range(3)}
    bad = {"bad": toys.Stops(how="error"), "killed": toys.Dies(signal=int(signal.SIGKILL))}
    outcome = go(tasks | bad, max_jobs=4)
    assert {label: Path(out.out).read_text() for label, out in outcome.outputs.items()} == {
        "sub-0": "0", "sub-1": "1", "sub-2": "2",
    }  # fmt: skip
    failure = outcome.failures["bad"]
    assert 'in Stops\n    raise {"interrupt"' in failure.traceback and "elsewhere" not in failure.traceback
    assert "was killed by signal 9; its node may have run out of memory [FAILED]" in outcome.failures["killed"].message
    assert row(go(tasks), "Copy")["reused"] == 3
    assert row(run(tasks, work_dir=tmp_path / "work", n_procs=1), "Copy")["reused"] == 3
    assert not list((tmp_path / "work" / "remote").iterdir()) and not list((tmp_path / "work").glob("*.lock"))


def test_arguments_of_steps_with_a_device(go, toys):
    from remotesteps import Whereabouts

    names = ["SLURM_JOB_PARTITION", "SLURM_JOB_NAME", "OMP_NUM_THREADS"]
    tasks = {"gpu": Whereabouts(names=names, device="auto"), "none": Whereabouts(names=[*names, "x"], device="cpu")}
    outcome = go(tasks, sbatch_args="--time=5", gpu_sbatch_args="--partition=gpu --comment='a b'")
    said = {label: Path(out.out).read_text().splitlines() for label, out in outcome.outputs.items()}
    assert said["gpu"][:3] == ["gpu", "Whereabouts.gpu", "1"]
    assert said["none"][:3] == ["main", "Whereabouts.none", "1"]


def test_a_cancelled_job_is_told_and_a_requeued_one_resumes(counting, tools):
    lab = counting
    process = lab.start("script.py", ask(one=4, two=6))
    tools.until(lambda: len(notes(lab)) == 2 and len(list(lab.work.glob("checkpoints/*"))) == 2, "both begin")
    jobs = {note[2] for note in notes(lab)}
    names = {number: slurm("squeue", "-h", "-j", number, "-o", "%j").strip() for number in jobs}
    one, two = (next(number for number in jobs if label in names[number]) for label in ("one", "two"))
    slurm("scancel", one)
    slurm("scontrol", "requeue", two)  # as a preemption does
    tools.until(lambda: slurm("squeue", "-h", "-j", two, "-o", "%r").strip() != "None", "it waits again")
    time.sleep(2)  # a job that starts in the second in which it was stopped is refused by its node
    slurm("scontrol", "update", f"jobid={two}", "StartTime=now")  # instead of after two minutes
    tools.until(lambda: len(notes(lab)) == 3 or process.poll() is not None, "it begins again")
    (lab.folder / "go").touch()
    said = lab.end(process, code=1)
    assert said.report == {"two": "3 to 6"} and notes(lab)[2][2] == two
    assert f"its Slurm job {one} was cancelled, by scancel or an administrator [CANCELLED]" in said.err


def test_interrupt_cancels_the_jobs(counting, tools):
    lab = counting
    process = lab.start("script.py", ask(one=4, two=6))
    tools.until(lambda: len(notes(lab)) == 2, "both begin")
    os.killpg(process.pid, signal.SIGINT)
    said = lab.end(process, code=130)
    assert "cancelling Slurm jobs" in said.err and "Traceback" not in said.err
    tools.until(lambda: not any(tools.is_alive(int(note[1])) for note in notes(lab)), "the jobs end", 20)
    tools.until(lambda: not in_queue(), "nothing is left in the queue", 20)


def test_jobs_of_a_killed_run_are_waited_for(counting, tools):
    """A login node that restarts costs no place in the queue."""
    lab = counting
    process = lab.start("script.py", ask(one=4))
    tools.until(lambda: notes(lab), "it begins")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process = lab.start("script.py", ask(one=4))
    (lab.folder / "go").touch()
    assert lab.end(process).report == {"one": "0 to 4"}
    assert len(notes(lab)) == 1 and not in_queue()
    # what the killed run left is tidied up by the next that computes something
    assert lab.run("script.py", ask(one=4, two=1)).report == {"one": "0 to 4", "two": "0 to 1"}
    assert not list((lab.work / "remote").iterdir())
