"""Steps for the tests of clusters."""

import os
import time
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine import context
from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"out": File})
def Counted(folder: str, upto: int, pause: float = 0.0):
    """Counts with a checkpoint after each number; notes where each try begins, and by which process.

    From half-way on it waits at each number for a file ``go``, as long as `pause` says.
    """
    checkpoint = context.checkpoint_file()
    begin = int(checkpoint.read_text()) if checkpoint.exists() else 0
    note(folder, f"{begin} {os.getpid()} {os.environ.get('SLURM_JOB_ID', '')}")
    for number in range(begin + 1, upto + 1):
        checkpoint.write_text(str(number))
        context.progress(step=number, steps=upto)
        end = time.monotonic() + pause
        while number >= upto // 2 and time.monotonic() < end and not Path(folder, "go").exists():
            time.sleep(0.05)
    Path("out.txt").write_text(f"{begin} to {upto}")
    return Path("out.txt")


@step(outputs={"out": File})
def Whereabouts(names: list[str], device: Device = Device("cpu")):
    """Who computes: variables of the environment, and the parent process' command line."""
    parent = Path(f"/proc/{os.getppid()}/cmdline").read_text().replace("\0", " ")
    Path("out.txt").write_text("\n".join([*(os.environ.get(name, "-") for name in names), parent]))
    return Path("out.txt")


def note(folder, text):
    """Append a line."""
    with open(Path(folder, "notes"), "a") as file:
        file.write(text + "\n")
