"""The recipes as a user runs them: a process of its own, its tables, and one demo for all tests of each."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from pydra_vae.bids.names import parse
from pydra_vae.bids.tables import columns_of

SCRIPTS = Path(__file__).resolve().parents[2] / "workflows"
SHORT = ("--size", "tiny", "--max-steps", "40")
ROW = re.compile(r"^(\w+) +(\d+) +(\d+) +(\d+) +[\d.]+ *(.*)$", re.MULTILINE)


@dataclass
class Ended:
    """What a run of the program left: its status, what it wrote, and how often each step was computed."""

    returncode: int
    stdout: str
    stderr: str

    def __post_init__(self):
        self.computed, self.reused, self.failed = Counter(), Counter(), Counter()
        self.why: dict[str, str] = {}
        for step, computed, reused, failed, why in ROW.findall(self.stderr):  # a step may be in several tables
            self.computed[step] += int(computed)
            self.reused[step] += int(reused)
            self.failed[step] += int(failed)
            self.why[step] = " ".join((self.why.get(step, ""), why.strip())).strip()

    @property
    def steps(self):
        """Everything that the run's tables name."""
        return set(self.why)

    @property
    def done_again(self):
        """The steps that were computed, and how often."""
        return {step: n for step, n in self.computed.items() if n}


def _program(recipe):
    def call(*arguments, cwd, timeout=600):
        wide = os.environ | {"COLUMNS": "200"}  # no line of a table is folded
        command = [sys.executable, str(call.script), *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, env=wide, capture_output=True, text=True, timeout=timeout)
        return Ended(done.returncode, done.stdout, done.stderr)

    call.short = SHORT
    call.script = SCRIPTS / f"{recipe}.py"
    call.killed = partial(uninterrupted_and_killed, call)
    return call


def uninterrupted_and_killed(recipe, arguments, folder):
    """Run a recipe once to its end, and once killed at its first checkpoint and run again.

    Returns the output folder of either, and what the last run left.
    """
    whole, killed = folder / "whole", folder / "killed"
    for place in (whole, killed):
        place.mkdir()
    done = recipe(*arguments, cwd=whole)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, str(recipe.script), *map(str, arguments)]
    process = subprocess.Popen(command, cwd=killed, start_new_session=True)
    checkpoints = killed / "work" / "checkpoints"
    while not (checkpoints.is_dir() and any(checkpoints.glob("*.pt"))):
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = recipe(*arguments, cwd=killed)
    assert done.returncode == 0, done.stderr
    assert not any(checkpoints.glob("*.pt"))
    return whole / "out", killed / "out", done


@pytest.fixture(scope="session")
def validate():
    """The BIDS validator on a folder: each issue as severity, code, file."""

    def call(folder, *arguments):
        command = ["bids-validator-deno", str(folder), "--format", "json", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        found = json.loads(done.stdout)["issues"]["issues"]
        return [(issue["severity"], issue["code"], issue["location"]) for issue in found]

    return call


@pytest.fixture(scope="session")
def curate():
    """What a curator, or a lab with pybids, would object to in an output folder: one line a fault."""

    def call(folder):
        return [*_columns_without_words(folder), *_dead_sources(folder), *_lost_to_pybids(folder)]

    return call


def _columns_without_words(folder):
    for path in sorted(folder.rglob("*.tsv")):
        said = json.loads(path.with_suffix(".json").read_text())
        said |= said.get("Columns", {})
        for column in columns_of(path):
            if not (isinstance(said.get(column), dict) and said[column].get("Description")):
                yield f"{path.name}: no word on column {column}"


def _dead_sources(folder):
    """Sources that lead to no file of this machine."""
    links = json.loads((folder / "dataset_description.json").read_text())["DatasetLinks"] | {"": "."}
    for path in sorted(folder.rglob("*.json")):
        for uri in json.loads(path.read_text()).get("Sources", []):
            _, name, place = uri.split(":", 2) if uri.startswith("bids:") else ("", "", uri)
            parts = [unquote(part).removeprefix("file://") for part in (links[name], place)]
            if not links[name].startswith("https:") and not folder.joinpath(*parts).is_file():
                yield f"{path.name}: source {uri} is not there"


def _lost_to_pybids(folder):
    """Denoised BOLD that a layout with the derivatives' configuration does not find by its entities."""
    from bids import BIDSLayout

    layout = BIDSLayout(folder, validate=False, is_derivative=True, config=["bids", "derivatives"])
    for path in sorted(folder.rglob("*_desc-denoised_bold.nii.gz")):
        name = parse(path.name)
        asked = {"subject": name.entities["sub"], "task": name.entities["task"], "space": name.entities["space"]}
        found = layout.get(**asked, desc="denoised", suffix="bold", extension=".nii.gz", return_type="filename")
        if str(path) not in found:
            yield f"{path.name}: not found by {asked}"
    values = [*layout.get_spaces(), *layout.get_sessions(), *layout.get_runs(), *layout.get_parts()]
    yield from (f"{value} is taken for an entity" for value in values if isinstance(value, dict))


def _demo(recipe, folder):
    done = recipe(*recipe.short, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / f"{recipe.script.stem}-demo", done


@pytest.fixture(scope="session")
def finn():
    """Run the program in a folder; returns what it left."""
    return _program("finn")


@pytest.fixture(scope="session")
def demo(tmp_path_factory, finn):
    """The demo's folder, and what its run left; its work folder may be used by others, its outputs stay as they are."""
    return _demo(finn, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def motor():
    """The same for motor."""
    call = _program("motor")
    call.short = ("--size", "tiny", "--max-steps", "10")
    return call


@pytest.fixture(scope="session")
def motor_demo(tmp_path_factory, motor):
    """The same for motor."""
    return _demo(motor, tmp_path_factory.mktemp("motor"))


@pytest.fixture(scope="session")
def structural():
    """The same for structural."""
    call = _program("structural")
    call.short = ("--size", "tiny", "--max-steps", "20", "--joint-steps", "20", "--trials", "2", "--permutations", "20")
    return call


@pytest.fixture(scope="session")
def structural_demo(tmp_path_factory, structural):
    """The same for structural."""
    return _demo(structural, tmp_path_factory.mktemp("structural"))
