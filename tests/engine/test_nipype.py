"""Steps as Nipype interfaces: typed, cached by their code too, and safe with checkpoints.

A small package of steps is written to a folder, as a lab's own would be, so that it can be edited and imported by
other processes.
"""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from nipype import MapNode, Node, Workflow, config
from traits.api import TraitError

from pydra_vae.engine import context, nipype
from pydra_vae.engine.errors import ChangedDuringRun

FILES = {
    "__init__.py": "",
    "helper.py": "def scale(value): return 2 * value\n",
    "other.py": "def word(): return 'first'\n",
    "steps.py": '''
        """Steps small enough to read at a glance."""
        import typing as ty
        from pathlib import Path
        from fileformats.generic import File
        from pydra_vae.engine import context
        from pydra_vae.engine.devices import Device
        from pydra_vae.engine.step import step
        from nipype_steps.helper import scale

        @step(outputs={"scaled": File, "total": float})
        def Scale(series: list[File], factor: float = 1.0, method: ty.Literal["sum", "mean"] = "sum",
                  mask: File | None = None, times: int | None = None, log: str = ""):
            """Scale the numbers of all files.

            Parameters
            ----------
            series : list of file
                Files with one number each.
            factor : float
                What to multiply with.
            method : str
                How to join them.
            mask : file, optional
                Not used.

            Returns
            -------
            scaled : file
                The result.
            total : float
                The number in it.
            """
            values = [float(Path(f).read_text()) for f in series]
            total = scale(sum(values)) * factor / (len(values) if method == "mean" else 1)
            out = Path.cwd() / "scaled.txt"
            out.write_text(str(total))
            if log:
                with open(log, "a") as f:
                    f.write("Scale\\n")
            return out, total

        @step(outputs={"model": File})
        def Fit(data: File, seed: int, steps: int = 5, stop_at: str = "", device: Device = Device("auto")):
            """Fit slowly: writes which steps this try did; dies at step 3 while `stop_at` exists.

            Parameters
            ----------
            data : file
                A number.
            seed : int
                The seed.

            Returns
            -------
            model : file
                The seed and the step that this try began at.
            """
            kept = context.checkpoint_file()
            began = int(kept.read_text().split()[1]) if kept.exists() else 0
            for n in range(began, steps):
                if n == 3 and stop_at and Path(stop_at).exists():
                    raise RuntimeError("stopped on purpose")
                context.progress(step=n + 1, steps=steps)
                kept.write_text(f"{seed} {n + 1}")
            out = Path.cwd() / "model.txt"
            out.write_text(f"seed {seed} began {began} kept {kept.name}")
            return out
        ''',
    "report.py": '''
        from pathlib import Path
        from fileformats.generic import File
        from pydra_vae.engine.step import step
        from nipype_steps import other

        @step(outputs={"report": File})
        def Report(scaled: File, log: str = ""):
            """Write a word about a number.

            Parameters
            ----------
            scaled : file
                The number.

            Returns
            -------
            report : file
                The word.
            """
            out = Path.cwd() / "report.txt"
            out.write_text(other.word() + " " + Path(scaled).read_text())
            if log:
                with open(log, "a") as f:
                    f.write("Report\\n")
            return out
        ''',
    "odd.py": """
        import typing as ty
        from fileformats.generic import Directory
        from pydra_vae.engine.step import step

        @step(outputs={"files": list[Directory], "number": float | None})
        def Many(folder: Directory, flag: bool = False, many: list[int] = [1, 2],
                 pair: tuple[float, float] = (0.0, 1.0), either: int | str = 3, maybe: float | None = 6.0,
                 kinds: list[ty.Literal["a", "b"]] = ["b"],
                 kind: ty.Literal["a", "b"] | None = None):
            '''Take a field of every kind.'''
            return [folder], None

        @step(outputs={"y": int})
        def Odd(x: dict[str, int]):
            '''Take a dictionary.'''
            return 1

        @step(outputs={"y": int})
        def Coded(code: int):
            '''Take a forbidden name.'''
            return 1
        """,
    "interfaces.py": """
        from pydra_vae.engine.nipype import interface
        from nipype_steps import odd, report, steps

        Scale = interface(steps.Scale)
        Report = interface(report.Report)
        Many = interface(odd.Many)
        Fit = interface(steps.Fit)
        """,
}


def write_package(folder: Path) -> Path:
    package = folder / "nipype_steps"
    package.mkdir(parents=True)
    for name, text in FILES.items():
        (package / name).write_text(textwrap.dedent(text))
    return folder


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The interfaces of the small package, imported."""
    folder = write_package(tmp_path_factory.mktemp("package"))
    sys.path.insert(0, str(folder))
    try:
        from nipype_steps import interfaces

        yield interfaces
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "nipype_steps"]:
            del sys.modules[name]


@pytest.fixture
def number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config.set("execution", "crashdump_dir", str(tmp_path))
    config.set("execution", "crashfile_format", "txt")
    config.set("execution", "poll_sleep_duration", "0.05")
    path = tmp_path / "number.txt"
    path.write_text("3")
    return path


# ---- traits ---------------------------------------------------------------------------------


def test_traits_come_from_the_one_definition(toys):
    spec = toys.Scale().inputs
    trait = spec.traits()
    assert trait["series"].mandatory and trait["series"].desc == "Files with one number each."
    assert (spec.factor, trait["factor"].usedefault, trait["factor"].desc) == (1.0, True, "What to multiply with.")
    assert spec.method == "sum" and set(trait["method"].trait_type.values) == {"sum", "mean"}
    assert not trait["mask"].mandatory and not nipype.isdefined(spec.mask) and not nipype.isdefined(spec.times)
    assert toys.Scale.output_spec().traits()["scaled"].desc == "The result."
    assert toys.Fit().inputs.traits()["device"].nohash
    assert "Scale the numbers of all files." in toys.Scale.help(returnhelp=True)


@pytest.mark.parametrize(("name", "value"), [
    ("method", "median"), ("factor", "much"), ("times", 1.5), ("series", ["/not/there"]), ("mask", "/not/there"),
])
def test_wrong_values_are_refused_when_set(toys, name, value):
    with pytest.raises(TraitError, match=name):
        setattr(toys.Scale().inputs, name, value)


def test_mandatory_inputs_are_asked_for(toys, number):
    with pytest.raises(ValueError, match="series"):
        toys.Scale().run()


def test_device_is_checked_by_the_step(toys, number):
    with pytest.raises(TypeError, match="device"):
        toys.Fit(data=number, seed=1, device="gpu").run()


def test_types_without_a_trait_are_refused(toys):
    from nipype_steps import odd

    with pytest.raises(TypeError, match=r"step Odd: x has type dict.*no Nipype trait.*use a file"):
        nipype.interface(odd.Odd)
    with pytest.raises(TypeError, match="step Coded: an input must not be called 'code'"):
        nipype.interface(odd.Coded)


def test_every_kind_of_field_has_its_trait(toys, tmp_path):
    made = toys.Many(folder=str(tmp_path))
    assert made._given() == {
        "folder": str(tmp_path), "flag": False, "many": [1, 2], "pair": (0.0, 1.0), "either": 3, "maybe": 6.0,
        "kinds": ["b"],
    }
    made.inputs.trait_set(maybe=None, either="x", many=5, kinds=["a", "b"], kind="a")
    given = made._given()
    assert (given["maybe"], given["either"], given["many"], given["kind"]) == (None, "x", [5], "a")
    assert type(given["many"]) is list
    with pytest.raises(TraitError):
        made.inputs.kinds = ["c"]
    outputs = made.run(cwd=str(tmp_path)).outputs
    assert outputs.files == [str(tmp_path)] and not nipype.isdefined(outputs.number)


# ---- running --------------------------------------------------------------------------------


def test_run_in_a_folder(toys, number):
    done = toys.Scale(series=[number, number], factor=0.5, method="mean").run()
    assert done.outputs.total == 3.0 and done.outputs.scaled == str(number.parent / "scaled.txt")
    assert toys.Scale(series=number).run().outputs.total == 6.0  # one file for a list of one


def build(toys, base, number, log, n_fits=2):
    flow = Workflow("flow", base_dir=str(base))
    scale = Node(toys.Scale(series=[str(number)], log=str(log)), name="scale")
    report = Node(toys.Report(log=str(log)), name="report")
    flow.connect(scale, "scaled", report, "scaled")
    for seed in range(n_fits):
        fit = Node(toys.Fit(seed=seed), name=f"fit{seed}")
        flow.connect(scale, "scaled", fit, "data")
    return flow


@pytest.mark.parametrize(("plugin", "arguments"), [
    ("Linear", {}),
    ("MultiProc", {"n_procs": 2, "mp_context": "fork"}),
    ("MultiProc", {"n_procs": 2, "mp_context": "spawn"}),
])
def test_workflow_runs_and_is_cached(toys, number, tmp_path, plugin, arguments):
    log = tmp_path / "log"
    for _ in range(2):
        graph = build(toys, tmp_path, number, log).run(plugin, plugin_args=arguments)
    found = {node.name: node.result.outputs for node in graph.nodes()}
    assert Path(found["report"].report).read_text() == "first 6.0"
    assert Path(found["fit1"].model).read_text().startswith("seed 1 began 0")
    assert log.read_text().split() == ["Scale", "Report"]


def test_nodes_and_results_travel(toys, number):
    made = toys.Fit(data=number, seed=1)
    for thing in (made, Node(made, name="fit"), made.run()):
        back = pickle.loads(pickle.dumps(thing))
        assert type(back) is type(thing)
    assert type(pickle.loads(pickle.dumps(made)).inputs) is toys.Fit.input_spec


# ---- checkpoints (point 6 of the engine, under Nipype) ----------------------------------------


def test_another_seed_never_resumes_this_seeds_checkpoint(toys, number, tmp_path):
    """All in one node's folder, whose name says nothing of the seed."""
    stop = tmp_path / "stop"
    stop.touch()

    def fit(seed, steps=5):
        made = toys.Fit(data=number, seed=seed, steps=steps, stop_at=str(stop))
        node = Node(made, name="fit", base_dir=str(tmp_path))
        return Path(node.run().outputs.model).read_text().rpartition(" kept ")[0]

    with pytest.raises(Exception, match="stopped on purpose"):
        fit(seed=1)
    kept = list((tmp_path / "checkpoints").iterdir())
    assert [path.read_text() for path in kept] == ["1 3"]
    stop.unlink()
    assert fit(seed=2) == "seed 2 began 0"
    assert fit(seed=1, steps=6) == "seed 1 began 0"
    assert kept[0].exists(), "seed 1's checkpoint is still of use"
    assert fit(seed=1) == "seed 1 began 3"
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_map_node_resumes_each_of_its_fits(toys, number, tmp_path):
    stop = tmp_path / "stop"
    stop.touch()

    def fit():
        node = MapNode(toys.Fit(data=number, stop_at=str(stop)), iterfield="seed", name="fit", base_dir=str(tmp_path))
        node.inputs.seed = [1, 2]
        return [Path(path).read_text().rpartition(" kept ")[0] for path in node.run().outputs.model]

    with pytest.raises(Exception, match="stopped on purpose"):
        fit()
    stop.unlink()
    assert fit() == ["seed 1 began 3", "seed 2 began 3"]


def test_checkpoint_has_pydras_own_key(toys, number, tmp_path):
    from nipype_steps import steps

    done = toys.Fit(data=number, seed=7).run(cwd=str(tmp_path))
    kept = Path(done.outputs.model).read_text().rpartition(" kept ")[2]
    assert kept == steps.Fit(data=number, seed=7)._checksum + ".pt"


def test_list_inputs_have_pydras_own_key(toys, number):
    """A TraitList hashes as another type than the list it stands for."""
    from nipype_steps import steps

    given = toys.Scale(series=[number])._given()
    assert steps.Scale(**given)._checksum == steps.Scale(series=[number])._checksum


def test_nothing_of_the_step_is_left_behind(toys, number, tmp_path):
    toys.Fit(data=number, seed=1).run(cwd=str(tmp_path))
    assert context.checkpoint_file() == Path.cwd() / "checkpoint.pt"


# ---- the node's hash ------------------------------------------------------------------------


def test_device_is_no_part_of_the_hash(toys, number):
    from nipype_steps import steps

    devices = ("cpu", "cuda:1", "auto")
    hashes = [toys.Fit(data=number, seed=1, device=d).inputs.get_hashval()[1] for d in devices]
    assert len(set(hashes)) == 1
    assert toys.Fit(data=number, seed=2).inputs.get_hashval()[1] != hashes[0]
    assert len({steps.Fit(data=number, seed=1, device=d)._checksum for d in devices}) == 1


def test_small_numbers_count_in_the_hash(toys, number):
    hashes = {toys.Scale(series=[number], factor=f).inputs.get_hashval()[1] for f in (0.0, 1e-11, 2e-11)}
    assert len(hashes) == 3


def test_text_is_hashed_as_text(toys, number):
    """Nipype would take text that happens to name a file for that file's content."""
    made = toys.Report(scaled=number, log=str(number.parent / "log"))
    before = made.inputs.get_hashval()[1]
    (number.parent / "log").touch()
    assert made.inputs.get_hashval()[1] == before
    number.write_text("44")
    assert made.inputs.get_hashval()[1] != before


def test_gpu_nodes_are_counted_where_there_are_gpus(toys, number, monkeypatch):
    def counts(device):
        return Node(toys.Fit(data=number, seed=1, device=device), name="fit").is_gpu_node()

    monkeypatch.setattr(nipype, "_gpus", lambda: 2)
    assert [counts(d) for d in ("auto", "cuda", "cuda:1", "cpu")] == [True, True, True, False]
    monkeypatch.setattr(nipype, "_gpus", lambda: 0)
    assert not counts("auto")
    assert not Node(toys.Scale(), name="scale").is_gpu_node()


def test_gpu_nodes_wait_for_multiprocs_gpu_slots(toys, number, tmp_path, monkeypatch):
    """With one slot no two GPU nodes run at once, though there are processes for both; CPU nodes do not wait."""
    from nipype.pipeline.plugins.multiproc import MultiProcPlugin

    at_once = []

    class Watched(MultiProcPlugin):
        def _submit_job(self, node, updatehash=False):
            running = [self.procs[job] for _, job in self.pending_tasks]
            if node.is_gpu_node():
                at_once.append(sum(other.is_gpu_node() for other in running))
            return super()._submit_job(node, updatehash)

    monkeypatch.setattr(nipype, "_gpus", lambda: 1)
    flow = Workflow("flow", base_dir=str(tmp_path))
    fits = [Node(toys.Fit(data=number, seed=seed), name=f"fit{seed}") for seed in (1, 2, 3)]
    flow.add_nodes([*fits, Node(toys.Fit(data=number, seed=4, use_gpu=False), name="on_cpu")])
    flow.run(Watched({"n_procs": 2, "n_gpu_procs": 1, "mp_context": "fork"}))
    assert at_once == [0, 0, 0]


RUN = """
import sys
from nipype import Node, Workflow
from nipype_steps import interfaces as toys
number, log, base = sys.argv[1:]
flow = Workflow("flow", base_dir=base)
scale = Node(toys.Scale(series=[number], log=log), name="scale")
report = Node(toys.Report(log=log), name="report")
flow.connect(scale, "scaled", report, "scaled")
flow.run()
"""


def test_edited_helper_runs_its_steps_again_and_no_others(number, tmp_path):
    folder = write_package(tmp_path / "package")
    log = tmp_path / "log"

    def ran():
        log.write_text("")
        env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", RUN, str(number), str(log), str(tmp_path / "work")]
        subprocess.run(command, env=env, check=True, capture_output=True, cwd=tmp_path)
        return log.read_text().split(), (tmp_path / "work/flow/report/report.txt").read_text()

    package = folder / "nipype_steps"
    assert ran() == (["Scale", "Report"], "first 6.0")
    assert ran() == ([], "first 6.0")
    (package / "helper.py").write_text("def scale(value): return 3 * value\n")
    assert ran() == (["Scale", "Report"], "first 9.0")
    (package / "other.py").write_text("def word(): return 'second'\n")
    assert ran() == (["Report"], "second 9.0")
    (package / "other.py").write_text("# a comment\ndef word(): return 'second'\n")
    assert ran() == ([], "second 9.0")


def test_code_edited_after_the_node_was_made_is_refused(toys, number):
    made = toys.Scale(series=[number])
    made.inputs.code = "0" * 32
    with pytest.raises(ChangedDuringRun, match=r"code of step Scale changed.*start the workflow"):
        made.run()


def test_importing_the_adapter_loads_nothing_heavy():
    heavy = ("torch", "nilearn", "matplotlib")
    code = f"import sys, pydra_vae.engine.nipype\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
