"""`DaskWorker`: on a local cluster, and on one that was there before, with a GPU and a worker that is lost."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pydra_vae.engine import pool
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.runner import run

Client = pytest.importorskip("distributed").Client

SCRIPT = """
    import json
    import sys
    from pathlib import Path

    from remotesteps import Counted
    from pydra_vae.engine.runner import run

    if __name__ == "__main__":
        what = json.loads(sys.argv[1])
        tasks = {"one": Counted(folder=str(Path.cwd()), upto=4, pause=what["pause"])}
        outcome = run(tasks, work_dir="work", worker=what["worker"], worker_options=what["options"])
        print(json.dumps({label: Path(out.out).read_text() for label, out in outcome.outputs.items()}))
        sys.exit(outcome.exit_code)
"""


@pytest.fixture
def go(tmp_path):
    def start(tasks, **options):
        shown = io.StringIO()
        where = {"work_dir": tmp_path / "work", "n_procs": 2, "worker": "dask"}
        outcome = run(tasks, **{**where, "console": Console(file=shown, width=400), **options})
        outcome.said = shown.getvalue()
        return outcome

    return start


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, of which one offers a GPU, each a program of its own."""
    folder = tmp_path_factory.mktemp("dask")
    paths = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    class Cluster:
        def __init__(self):
            self.processes: dict[str, subprocess.Popen] = {}

        def start(self, name, program, *arguments):
            command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", folder / "at.json"]
            options = {"cwd": folder, "env": environment, "stderr": subprocess.DEVNULL, "start_new_session": True}
            self.processes[name] = subprocess.Popen([*map(str, [*command, *arguments])], **options)

        def worker(self, name, *arguments):
            options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--name", name, "--death-timeout", "60"]
            self.start(name, "worker", *options, *arguments)

        @property
        def address(self):
            return json.loads((folder / "at.json").read_text())["address"]

    made = Cluster()
    made.start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    made.worker("plain")
    made.worker("gpu", "--resources", "GPU=1")
    with Client(scheduler_file=str(folder / "at.json"), timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


def row(outcome, step):
    return next(row for row in outcome.table if row["step"] == step)


def notes(folder):
    path = Path(folder, "notes")
    return path.read_text().splitlines() if path.exists() else []


def test_a_local_cluster_keeps_the_promises(go, toys, tmp_path):
    """Cache, failure isolation, the true traceback, a killed process; one client for several runs."""
    tasks = {f"sub-{n}": toys.Copy(text=str(n)) for n in range(3)}
    bad = {"bad": toys.Stops(how="error"), "killed": toys.Dies(signal=int(signal.SIGKILL))}
    with pool.kept_processes():
        outcome = go(tasks | bad)
        assert {label: Path(out.out).read_text() for label, out in outcome.outputs.items()} == {
            "sub-0": "0", "sub-1": "1", "sub-2": "2",
        }  # fmt: skip
        assert outcome.exit_code == 1
        failure = outcome.failures["bad"]
        assert 'in Stops\n    raise {"interrupt"' in failure.traceback and "elsewhere" not in failure.traceback
        assert "ValueError: error it is" in failure.crash_file.read_text()
        assert "was killed by signal 9" in outcome.failures["killed"].message
        assert "a local cluster of 2 processes" in outcome.said
        again = go(tasks)
        assert row(again, "Copy")["reused"] == 3 and "local cluster" not in again.said
    assert not list((tmp_path / "work" / "remote").iterdir()) and not list((tmp_path / "work").glob("*.lock"))
    # the keys are those of any other worker
    assert row(go(tasks, worker="local"), "Copy")["reused"] == 3


def test_steps_with_a_device_go_where_a_gpu_is_declared(go, cluster, toys):
    from remotesteps import Whereabouts

    tasks = {
        f"{d} {n}": Whereabouts(names=["OMP_NUM_THREADS", str(n)], device=d) for d in ("cuda", "cpu") for n in range(3)
    }
    with pool.kept_processes():
        outcome = go(tasks, worker_options={"scheduler": cluster.address})
        assert outcome.exit_code == 0, outcome.said
        said = {label: Path(out.out).read_text() for label, out in outcome.outputs.items()}
        assert all("--name gpu" in said[f"cuda {n}"] for n in range(3))
        assert all(text.startswith("1\n-\n") for text in said.values())
        # workers that live for days compute with the code as it is now
        assert cluster.processes["plain"].poll() is None


def test_a_lost_worker_takes_its_step_to_another(lab, cluster, tools):
    """Killed like an allocation that is preempted: the step goes on from its checkpoint; ^C ends what runs there."""
    lab.path.append(Path(__file__).parent)
    lab.write("script.py", SCRIPT)
    what = {"pause": 600.0, "worker": "dask", "options": {"scheduler": cluster.address}}
    process = lab.start("script.py", json.dumps(what))
    tools.until(lambda: notes(lab.folder), "the step begins")
    tools.until(lambda: list(lab.work.glob("checkpoints/*")), "a checkpoint")
    first = int(notes(lab.folder)[0].split()[1])
    computing = next(name for name in ("plain", "gpu") if cluster.processes[name].pid == parent_of(first))
    cluster.processes[computing].kill()
    tools.until(lambda: not tools.is_alive(first), "the lost worker's process ends", 20)
    tools.until(lambda: len(notes(lab.folder)) == 2, "the other worker begins")
    assert int(notes(lab.folder)[1].split()[0]) > 0
    # ^C reaches a step that a thread of another program computes
    os.killpg(process.pid, signal.SIGINT)
    lab.end(process, code=130)
    second = int(notes(lab.folder)[1].split()[1])
    tools.until(lambda: not tools.is_alive(second), "the cancelled step ends", 20)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_a_work_folder_that_workers_do_not_see(tmp_path, monkeypatch):
    from pydra_vae.engine import elsewhere
    from pydra_vae.engine.errors import WorkerDied
    from pydra_vae.engine.parcel import Box

    monkeypatch.setattr(elsewhere, "GRACE", 0.0)
    with pytest.raises(WorkerDied, match=r"does not see .*there: the work folder must be the same") as caught:
        elsewhere.check_seen(Box(tmp_path / "there"))
    assert not caught.value.started  # no step would fare better: the run ends
    elsewhere.check_seen(Box.new(tmp_path))


@pytest.mark.parametrize("who", ["nobody", "another program", "nonsense"])
def test_no_scheduler_at_the_address(go, toys, monkeypatch, who):
    """Told in one line after a while; the dashboard's address answers, but not as a scheduler."""
    from pydra_vae.engine import dask

    monkeypatch.setattr(dask, "TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        address = {"nobody": "tcp://127.0.0.1:1", "another program": f"127.0.0.1:{port}", "nonsense": "nonsense"}[who]
        with pytest.raises(EngineError, match=rf"no Dask scheduler answers at {address} \(.*needed: its address"):
            go({"a": toys.Copy(text="a")}, worker_options={"scheduler": address})
