"""--worker and what belongs to it; docs/cluster.md's commands."""

import re
import shlex
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.engine.runner import WORKERS
from pydra_vae.options import cluster
from pydra_vae.workflows.program import check_device, worker_options

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pydra-vae .*", PAGE, re.MULTILINE)


def parsed(words):
    recipe, *rest = words
    module = import_module(f"pydra_vae.options.{recipe}")
    return getattr(module, f"{recipe}_parser")("pydra-vae", "0").parse_args(rest)


@pytest.mark.parametrize("command", COMMANDS, ids=[c.split()[1] for c in COMMANDS])
def test_commands_of_the_page(command):
    options = parsed(shlex.split(command)[1:])
    given = worker_options(options)
    assert options.worker in ("slurm", "dask") and str(options.work_dir) == "/scratch/me/work"
    if options.worker == "slurm":
        assert given["sbatch_args"] == "--time=2:00:00 --mem=8G --account=lab"
        check_device(options)  # the login node has no GPU


def test_code_of_the_page(tmp_path, monkeypatch):
    """A worker that is handed to Pydra."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "engine"))
    import toysteps

    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = {"work": tmp_path, "task": toysteps.Copy(text="a")}
    exec(code, found)
    assert Path(found["result"].outputs.out).read_text() == "a"


@pytest.mark.parametrize("args", ["--time=1", "--gres gpu:a_b", "--mem=1G --export=A_B"])
@pytest.mark.parametrize("form", [["--sbatch-args", "{}"], ["--sbatch_args", "{}"], ["--sbatch-args={}"]])
def test_arguments_of_sbatch_are_left_alone(form, args):
    options = parsed(["finn", "--worker", "slurm", *(word.format(args) for word in form), "-v"])
    assert options.sbatch_args == args and options.verbose == 1


def test_an_option_of_another_worker():
    with pytest.raises(InputError, match="--sbatch-args is for --worker slurm, not local"):
        worker_options(parsed(["finn", "--sbatch-args", "--mem=1G"]))
    with pytest.raises(InputError, match="--max-jobs is for --worker dask or slurm, not local"):
        worker_options(parsed(["finn", "--max-jobs", "3"]))


def test_names_are_the_runners():
    assert set(cluster.WORKERS) == set(WORKERS)


def test_a_device_of_this_machine_is_checked(monkeypatch):
    monkeypatch.setattr("pydra_vae.workflows.program.available", list)  # which loads torch
    options = SimpleNamespace(device="cuda:77", worker="local", dask_scheduler=None)
    with pytest.raises(InputError, match="--device cuda:77"):
        check_device(options)
