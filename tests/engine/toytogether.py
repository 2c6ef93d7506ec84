"""A step that can be computed together with others of its kind, for the tests of `together`."""

import json
import os
import signal
import time
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine import context
from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"out": File, "history": File}, together="toytogether")
def Grow(
    folder: str,
    seed: int = 0,
    steps: int = 4,
    kind: str = "a",
    trouble: str = "",
    data: File | None = None,
    device: Device = Device("cpu"),
):
    """Counts up from its seed; notes in `folder` what begins where. `kind` says which calls may be together."""
    return grow([({"folder": folder, "seed": seed, "steps": steps, "trouble": trouble, "data": data}, Path.cwd())])[0]


def together_key(inputs):
    return None if inputs["kind"] == "alone" else inputs["kind"]


def fit_together(calls):
    return grow(calls)


def grow(calls):
    folder, checkpoint = calls[0][0]["folder"], context.checkpoint_file()
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {}
    seeds = [inputs["seed"] for inputs, _ in calls]
    begun = min((len(history) for history in state.values()), default=0)
    note(folder, f"{sorted(seeds)} at {begun} in {os.getpid()}")
    print("grows", *seeds)
    for inputs, _ in calls:
        misbehave(inputs, len(calls))
    for inputs, cwd in calls:
        history = state.setdefault(str(inputs["seed"]), [])
        while len(history) < inputs["steps"]:
            history.append(inputs["seed"] + len(history))
            context.progress(step=len(history), steps=inputs["steps"])
        checkpoint.write_text(json.dumps(state))
        (cwd / "history.txt").write_text(" ".join(map(str, history)))
        (cwd / "out.txt").write_text(str(sum(history)))
    for inputs, _ in calls:
        if inputs["trouble"] == "pause" and not Path(folder, "go on").exists():
            note(folder, "paused")
            time.sleep(600)
        if inputs["trouble"] == "slow":
            time.sleep(1.5)
    return [(cwd / "out.txt", cwd / "history.txt") for _, cwd in calls]


def misbehave(inputs, n):
    trouble = inputs["trouble"]
    if trouble == "error" or (trouble == "error together" and n > 1):
        raise ValueError(f"seed {inputs['seed']} cannot grow")
    if trouble == "kill" or (trouble == "kill together" and n > 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "exit":
        raise SystemExit(3)
    if trouble == "spoil":
        Path(inputs["data"]).write_text("spoilt")


def note(folder, text):
    with open(Path(folder, "notes"), "a") as file:
        file.write(text + "\n")
