"""All steps as Nipype interfaces: none is missing, all keep the rules of Nipype's own checker, editors find them."""

import ast
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys

import pytest
from nipype import Node
from nipype.interfaces.base import BaseInterface, BaseInterfaceInputSpec, TraitedSpec, isdefined
from traits.api import Enum, TraitError

from pydra_vae import interfaces, tasks
from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import StepTask
from pydra_vae.interfaces import __main__ as generator

ALL = interfaces.__all__
# What Nipype's tools/checkspecs.py lets a trait carry, beside what traits itself puts there.
METADATA = {
    "argstr", "copyfile", "deprecated", "desc", "extensions", "genfile", "hash_files", "keep_extension", "mandatory",
    "max_ver", "min_ver", "name_source", "name_template", "new_name", "nohash", "output_name", "position", "requires",
    "sep", "units", "usedefault", "xor",
}  # fmt: skip
BY_TRAITS = {"array", "comparison_mode", "copy", "default", "editor", "instance_handler", "parent", "type"}
# Their default is their first value, and says nothing of whether it is used.
WITH_ANY_DEFAULT = {"TraitCompound", "Tuple", "Enum"}


def steps():
    """Every step of the package, found by importing all modules of its tasks."""
    for found in pkgutil.iter_modules(tasks.__path__):
        module = importlib.import_module(f"pydra_vae.tasks.{found.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, StepTask) and value.__module__ == module.__name__:
                yield value


def of(name):
    return getattr(interfaces, name)


# ---- what is offered --------------------------------------------------------------------------


def test_every_step_has_its_interface():
    found = list(steps())
    assert sorted(step.__name__ for step in found) == ALL
    assert len(ALL) == len(set(ALL)) > 100
    for step in found:
        assert of(step.__name__).step is step
    assert set(ALL) <= set(dir(interfaces))


def test_names_that_are_none_are_refused():
    with pytest.raises(AttributeError, match=r"no interface 'FitCvea'.*dir\(pydra_vae\.interfaces\)"):
        of("FitCvea")
    with pytest.raises(ImportError, match="FitCvea"):
        from pydra_vae.interfaces import FitCvea  # noqa: F401


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [("import pydra_vae.interfaces", []), ("from pydra_vae.interfaces import MaskBold", ["mask_bold"])],
)
def test_importing_one_interface_imports_one_step(statement, loaded):
    code = (
        f"import sys\n{statement}\nprefix = 'pydra_vae.tasks.'\n"
        "print(sorted(m.removeprefix(prefix) for m in sys.modules if m.startswith(prefix) and '._' not in m))\n"
        "print([m for m in ('torch', 'nilearn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(loaded), "[]"]


def test_interfaces_and_their_nodes_travel():
    for name in ALL:
        made = of(name)()
        back = pickle.loads(pickle.dumps(made))
        assert type(back) is of(name) and type(back.inputs) is of(name).input_spec, name
    node = pickle.loads(pickle.dumps(Node(interfaces.FitCvae(latent_dim=3), name="fit")))
    assert node.inputs.latent_dim == 3


def test_the_stub_is_current():
    now = generator.STUB.read_text(encoding="utf-8")
    assert now == generator.stub_text(), "a step has changed: run python -m pydra_vae.interfaces"
    classes = {node.name: node for node in ast.parse(now).body if isinstance(node, ast.ClassDef)}
    assert sorted(classes) == ALL
    made = classes["FitCvae"].body[-1].args
    assert [name.arg for name in made.kwonlyargs][:2] == ["scaled", "voxel_split"] and made.args[0].arg == "self"


# ---- Nipype's rules -----------------------------------------------------------------------------


def broken_rules(interface):
    """What Nipype's tools/checkspecs.py would say of an interface, and what it takes for granted."""
    for spec, base in ((interface.input_spec, BaseInterfaceInputSpec), (interface.output_spec, TraitedSpec)):
        taken = set(dir(base))
        for name, trait in spec().traits(transient=None).items():
            carried = set(vars(trait)) - BY_TRAITS
            parents = set(vars(trait.parent)) if "parent" in vars(trait) else set()
            if unknown := carried - METADATA - set(interface._additional_metadata) - parents:
                yield name, f"metadata that Nipype does not know: {sorted(unknown)}"
            if not trait.desc or not trait.desc.strip():
                yield name, "no description"
            if name in taken:
                yield name, f"the name is an attribute of {base.__name__}"
            if spec is interface.input_spec:
                yield from ((name, said) for said in broken_input_rules(trait))


def broken_input_rules(trait):
    carried = vars(trait)
    if "mandatory" in carried and carried["mandatory"] is not None and not carried["mandatory"]:
        yield "mandatory=False: leave it out"
    if carried.get("usedefault") is False:
        yield "usedefault=False: leave it out"
    if carried.get("mandatory") and carried.get("usedefault"):
        yield "mandatory, but with a default"
    has_default = type(trait.trait_type).__name__ not in WITH_ANY_DEFAULT and trait.default
    if has_default and not {"usedefault", "requires", "xor"} & set(carried):
        yield "a default that is never used: no usedefault"


@pytest.mark.parametrize("name", ALL)
def test_rules_of_nipypes_checkspecs(name):
    interface = of(name)
    assert list(broken_rules(interface)) == []
    assert issubclass(interface, BaseInterface) and interface.__name__ == name
    assert (interface.__module__, interface.__qualname__) == ("pydra_vae.interfaces", name)
    assert inspect.getdoc(interface).splitlines()[0].endswith((".", "?")), "the docstring's first line is a sentence"


def test_broken_rules_are_seen():
    """The check itself: it must find what Nipype's finds."""
    from nipype.interfaces.base import traits

    class Bad(BaseInterface):
        class input_spec(BaseInterfaceInputSpec):
            a = traits.Int(3, desc="a")
            b = traits.Int(mandatory=False, desc="b")
            c = traits.Int(usedefault=False, desc="c")
            d = traits.Int(colour="red", desc="d")
            e = traits.Int()
            items = traits.Int(desc="f")

        class output_spec(TraitedSpec):
            out = traits.Int()

    said = {name for name, _ in broken_rules(Bad)}
    assert said == {"a", "b", "c", "d", "e", "items", "out"}


@pytest.mark.parametrize("name", ALL)
def test_help_is_readable(name):
    text = of(name).help(returnhelp=True)
    first = text.partition("\n")[0]
    assert first == inspect.getdoc(of(name)).partition("\n")[0]
    assert "Inputs::" in text and "Outputs::" in text
    assert "Parameters\n" not in text, "each input stands there once"
    for spec in (of(name).input_spec(), of(name).output_spec()):
        for field in spec.copyable_trait_names():
            assert f"{field}: (" in text


# ---- traits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_choices_defaults_and_files_are_typed(name):
    made = of(name)()
    hints = inspect.get_annotations(of(name).step.step, eval_str=True)
    for field, parameter in inspect.signature(of(name).step.step).parameters.items():
        trait, value = made.inputs.trait(field), getattr(made.inputs, field)
        if parameter.default in (parameter.empty, None):
            assert not isdefined(value), field
            assert bool(trait.mandatory) == (parameter.default is parameter.empty), field
        else:
            assert value == parameter.default and trait.usedefault, field
        text = str(hints[field])
        if text.startswith("typing.Literal"):
            assert isinstance(trait.trait_type, Enum), field
        if "File" in text and "list" not in text:
            with pytest.raises(TraitError, match=field):
                setattr(made.inputs, field, "/no/such/file")
        if "None" in text and parameter.default is None:
            setattr(made.inputs, field, None)
            assert getattr(made.inputs, field) is None, field


def test_a_list_may_hold_recordings_without_events(tmp_path):
    table = tmp_path / "a.tsv"
    table.touch()
    made = interfaces.ScoreTiVae(regressors=[str(table), None])
    assert made._given()["regressors"] == [str(table), None]


def test_use_gpu_speaks_for_the_device(monkeypatch):
    from pydra_vae.engine import nipype

    with_device = [n for n in ALL if Device in inspect.get_annotations(of(n).step.step, eval_str=True).values()]
    assert {"FitCvae", "FitTiVae", "FitVolumeVae", "Encode", "EncodeVolumes"} <= set(with_device)
    monkeypatch.setattr(nipype, "_gpus", lambda: 1)
    for name in ALL:
        made = of(name)()
        assert Node(made, name="x").is_gpu_node() == (name in with_device)
        assert hasattr(made.inputs, "use_gpu") == (name in with_device)
    fit = interfaces.FitCvae(use_gpu=False)
    assert (fit.inputs.device, fit.inputs.use_gpu) == ("cpu", False)
    fit.inputs.use_gpu = True
    assert (fit.inputs.device, fit.inputs.use_gpu) == ("auto", True)
    fit.inputs.device = "cuda:1"
    fit.inputs.use_gpu = True
    assert fit.inputs.device == "cuda:1", "a device that was named stays"
    monkeypatch.setattr(nipype, "_gpus", lambda: 0)
    assert not fit.inputs.use_gpu
