"""Points 4, 6 and 9: a fit in a spawned child, SIGKILL and resumption, ^C."""

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest
from pydra.engine.submitter import Submitter

from pydra_vae.engine.worker import LocalWorker

FITTING = '''
    import os
    import time
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine import context
    from pydra_vae.engine.step import step


    @step(outputs={"weights": File, "history": File})
    def Fit(folder: str, seed: int = 0, rate: float = 0.05, steps: int = 60, pause: float = 0.0):
        """A small fit with a checkpoint every five steps; notes in `folder` where each try begins."""
        import torch

        torch.manual_seed(seed)
        net = torch.nn.Linear(8, 1)
        optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        x = torch.randn(64, 8, generator=torch.Generator().manual_seed(7))
        y = x.sum(1, keepdim=True)
        losses, checkpoint = [], context.checkpoint_file()
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            net.load_state_dict(state["net"])
            optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["rng"])
            losses = state["losses"]
        note(folder, f"{seed} {rate} begins at {len(losses)} in {os.getpid()}")
        while len(losses) < steps:
            batch = torch.randint(64, (16,))
            loss = (net(x[batch]) - y[batch]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            context.progress(step=len(losses), steps=steps, loss=loss.item())
            if len(losses) % 5 == 0:
                state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(),
                         "rng": torch.get_rng_state(), "losses": losses}
                torch.save(state, checkpoint.with_suffix(".tmp"))
                os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
                if pause and len(losses) == 20:
                    note(folder, "paused")
                    time.sleep(pause)
        torch.save(net.state_dict(), "weights.pt")
        Path("history.txt").write_text("\\n".join(map(repr, losses)))
        return Path("weights.pt"), Path("history.txt")


    @step(outputs={"out": File})
    def Multiply(size: int):
        import torch

        torch.set_num_threads(2)
        Path("out").write_text(str((torch.ones(size, size) @ torch.ones(size, size)).sum().item()))
        return Path("out")


    @step(outputs={"out": File})
    def Wait(folder: str, seconds: float):
        note(folder, f"waits in {os.getpid()}")
        time.sleep(seconds)
        Path("out").write_text("done")
        return Path("out")


    def note(folder, text):
        with open(Path(folder, "notes"), "a") as file:
            file.write(text + "\\n")
'''
SCRIPT = '''
    import json
    import sys
    from pathlib import Path

    from fitting import Fit, Multiply, Wait
    from pydra_vae.engine.runner import run

    if __name__ == "__main__":
        what = json.loads(sys.argv[1])
        here = str(Path.cwd())
        tasks = {f"fit {n}": Fit(folder=here, **inputs) for n, inputs in enumerate(what.get("fits", []))}
        if "multiply" in what:
            tasks["multiply"] = Multiply(size=what["multiply"])
            Multiply.step(what["multiply"])  # a torch operation in the parent
        if "wait" in what:
            tasks["wait"] = Wait(folder=here, seconds=what["wait"])
        outcome = run(tasks, work_dir=what.get("work", "work"), n_procs=what.get("n_procs", 2))
        done = {label: out for label, out in outcome.outputs.items() if "fit" in label}
        fits = {label: Path(out.history).read_text() for label, out in done.items()}
        weights = {label: Path(out.weights).read_bytes().hex() for label, out in done.items()}
        print(json.dumps({"fits": fits, "weights": weights, "labels": sorted(outcome.outputs)}))
        sys.exit(outcome.exit_code)
'''


@pytest.fixture
def fitting(lab):
    lab.write("fitting.py", FITTING)
    lab.write("script.py", SCRIPT)
    return lab


def ask(**what) -> str:
    return json.dumps(what)


def notes(lab) -> list[str]:
    path = lab.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def descendants(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            child = int(stat.parent.name)
            found += [child, *descendants(child)]
    return found


def test_a_fit_in_a_child_after_torch_in_the_parent(fitting):
    """Point 4; a forked child hangs in its first torch operation on several threads."""
    said = fitting.run("script.py", ask(fits=[{"seed": 1}], multiply=1000, n_procs=1))
    assert said.report["labels"] == ["fit 0", "multiply"]


@pytest.mark.parametrize("whom", ["parent", "group"])
def test_kill_and_resume(fitting, tools, whom):
    """Point 6."""
    lab = fitting
    slow = {"seed": 1, "pause": 600.0}
    process = lab.start("script.py", ask(fits=[slow]))
    tools.until(lambda: "paused" in notes(lab), "the fit gets half-way")
    family = [process.pid, *descendants(process.pid)]
    assert len(family) >= 2
    if whom == "parent":
        os.kill(process.pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    try:
        tools.until(lambda: not any(map(tools.is_alive, family)), "every process is gone", limit=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    checkpoints = list((lab.work / "checkpoints").glob("*.pt"))
    assert len(checkpoints) == 1
    # other fits begin at 0, the killed one goes on from its checkpoint and past its pause
    others = [{"seed": 2}, {"seed": 1, "rate": 0.01}] if whom == "parent" else []
    resumed = lab.run("script.py", ask(fits=[slow, *others])).report
    begun = {line.rsplit(" in ", 1)[0] for line in notes(lab)}
    assert "1 0.05 begins at 20" in begun
    assert not others or begun >= {"2 0.05 begins at 0", "1 0.01 begins at 0"}
    assert not list((lab.work / "checkpoints").iterdir())
    # the same fit, never interrupted, elsewhere, beside another number of processes
    whole = lab.run("script.py", ask(fits=[{"seed": 1}, *others], work="elsewhere", n_procs=1)).report
    assert resumed["fits"] == whole["fits"]
    assert resumed["weights"] == whole["weights"]
    assert len(set(whole["fits"].values())) == 1 + len(others)


def test_interrupt(fitting, tools):
    """Point 9: ^C reaches the whole group, as from a terminal."""
    lab = fitting
    process = lab.start("script.py", ask(wait=600))
    tools.until(lambda: notes(lab), "the step begins")
    family = [process.pid, *descendants(process.pid)]
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said = lab.end(process, code=130)
    assert time.monotonic() - began < 10
    tools.until(lambda: not any(map(tools.is_alive, family)), "every process is gone", limit=20)
    assert said.report["labels"] == []
    assert "Traceback" not in said.err and "Task exception" not in said.err
    assert "interrupted" in said.err
    assert not list(lab.work.glob("*/_result.pklz"))
    # no lock of the killed child stays behind
    assert not list(lab.work.glob("*.lock"))
    lab.edit("script.py", "seconds=what", "seconds=0 * what")
    assert lab.run("script.py", ask(wait=1)).report["labels"] == ["wait"]


def test_an_interrupt_is_the_parents_to_answer(fitting, tools):
    """A worker that answered ^C itself could do so while it stores a result."""
    lab = fitting
    process = lab.start("script.py", ask(wait=1.5))
    tools.until(lambda: notes(lab), "the step begins")
    worker = int(notes(lab)[0].rsplit(" ", 1)[1])
    for _ in range(3):
        os.kill(worker, signal.SIGINT)
        time.sleep(0.1)
    assert lab.end(process).report["labels"] == ["wait"]


def test_interrupt_while_workers_start(fitting, tools):
    lab = fitting
    process = lab.start("script.py", ask(wait=600))
    tools.until(lambda: descendants(process.pid), "a worker starts")
    os.killpg(process.pid, signal.SIGINT)
    said = lab.end(process, code=130)
    assert "Traceback" not in said.err


def test_interrupt_under_pydra_s_own_submitter_leaves_no_task(toys, tmp_path):
    """Pydra closes the worker and the loop; what still waits then is told line by line by the interpreter."""

    def interrupt():
        raise KeyboardInterrupt

    with Submitter(worker=LocalWorker(n_procs=1), cache_root=tmp_path) as submitter:
        submitter.loop.call_later(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            submitter(toys.Copy().split(text=["a", "b"]).combine("text"))
        assert asyncio.all_tasks(submitter.loop)
        submitter.worker.close()
        assert not asyncio.all_tasks(submitter.loop)
