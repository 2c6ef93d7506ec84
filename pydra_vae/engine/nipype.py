"""The same steps as Nipype interfaces, made from their one definition.

    Normalize = interface(tasks.normalize.Normalize)        # in a module of its own, under the step's name
    node = Node(Normalize(method="zscore"), name="normalize")

The traits, their help and their defaults are the Pydra task's fields. What Nipype would get wrong by itself is added:
the step's code is part of the node's hash (Nipype hashes inputs only), the device is not, and a checkpoint is kept
under Pydra's checksum of all inputs, because the folder of a node says nothing about them.

With Nipype's MultiProc, give ``plugin_args={"mp_context": "spawn"}`` (or forkserver): its default forks, and a torch
operation hangs in a forked child once the parent has run one.
"""

import functools
import operator
import re
import sys
import types
import typing as ty
from pathlib import Path

import attrs
from fileformats.core import FileSet
from fileformats.generic import Directory as DirectoryFormat
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from nipype.interfaces.base.support import format_help
from nipype.utils.gpu_count import gpu_count
from pydra.utils.general import get_fields

from pydra_vae.engine import context, step
from pydra_vae.engine.devices import Device
from pydra_vae.engine.digest import check_still_as_loaded, closure
from pydra_vae.engine.errors import ChangedDuringRun

SIMPLE = {bool: traits.Bool, int: traits.Int, float: traits.Float, str: traits.Str, ty.Any: traits.Any}
CODE = "code"


def interface(Step, module: str | None = None) -> type[SimpleInterface]:
    """Make the Nipype interface of a step.

    Parameters
    ----------
    Step : Pydra task class
        As made by `engine.step.step`.
    module : str, optional
        Where the interface will be importable from; by default the module that calls. There it must be bound to the
        step's own name, or its nodes cannot travel to another process.

    Returns
    -------
    class
        A `SimpleInterface` of the step's name, with its input and output specs.

    Raises
    ------
    TypeError
        If the step has an input of a type that has no trait, or one called ``code``.
    """
    module = module or sys._getframe(1).f_globals["__name__"]
    name = Step.__name__
    members = {"__module__": module, "__doc__": Step.__doc__, "step": Step}
    for attribute, base, found in (
        ("input_spec", StepInputSpec, _input_traits(Step)),
        ("output_spec", TraitedSpec, _output_traits(Step)),
    ):
        # pickle finds a spec through its interface, so the module needs no name for it
        found |= {"__module__": module, "__qualname__": f"{name}.{attribute}"}
        kind = attribute.removesuffix("_spec").capitalize()
        members[attribute] = type(f"{name}{kind}Spec", (base,), found)
    return type(name, (StepInterface,), members)


class StepInputSpec(BaseInterfaceInputSpec):
    """Nipype's hash of a float has ten decimals, so a weight of 1e-11 would be one of 0; here it has them all."""

    def _get_sorteddict(self, objekt, *args, **kwargs):
        return repr(objekt) if isinstance(objekt, float) else super()._get_sorteddict(objekt, *args, **kwargs)


class StepInterface(SimpleInterface):
    """Runs a step in the node's folder; `interface` makes one such class for each step."""

    step: ty.ClassVar[type[step.StepTask]]

    @classmethod
    def help(cls, returnhelp: bool = False):
        """Print what the step does, its inputs and its outputs, each once; or return that text."""
        # the docstring's own lists come again as traits
        prose = re.split(r"\n\s*(?:Parameters|Returns)\n\s*-+\n", cls.__doc__ or cls.__name__)[0]
        text = format_help(type(cls.__name__, (cls,), {"__doc__": prose, "__module__": cls.__module__}))
        return text if returnhelp else print(text)

    def _run_interface(self, runtime):
        self._refuse_other_code()
        folder, given = Path(runtime.cwd), self._given()
        key = self.step(**given)._checksum
        context.set_for_step(folder, key)
        try:
            outputs = step.call(self.step, cwd=folder, **given)
        finally:
            context.clear()
        self._refuse_other_code()
        values = {f.name: _as_text(getattr(outputs, f.name)) for f in get_fields(self.step.Outputs)}
        # an output that is None stays undefined
        self._results = {name: value for name, value in values.items() if value is not None}
        context.checkpoint_path(folder.parent, key).unlink(missing_ok=True)
        return runtime

    def _given(self) -> dict:
        """The inputs that are set, as plain Python values: Pydra's hash tells a TraitList from a list."""
        values = {f.name: getattr(self.inputs, f.name) for f in _inputs(self.step)}
        return {name: _plain(value) for name, value in values.items() if isdefined(value)}

    def _refuse_other_code(self):
        """Code edited since the node was made, or since this process loaded it, must not answer for the old code."""
        now = step.digest_of(self.step)
        if self.inputs.code != now:
            raise ChangedDuringRun(
                f"the code of step {self.step.__name__} changed after its node was made (digest {self.inputs.code}, "
                f"now {now}); start the workflow again"
            )
        check_still_as_loaded(closure(self.step.__module__))


def _inputs(Step) -> list:
    return [f for f in get_fields(Step) if f.name != "function"]


def _as_text(value):
    if isinstance(value, Path | FileSet):
        return str(value)
    return [_as_text(v) for v in value] if isinstance(value, list | tuple) else value


def _plain(value):
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, tuple):
        return tuple(_plain(v) for v in value)
    return dict(value) if isinstance(value, dict) else value


# ---- fields to traits ---------------------------------------------------------------------------


def _input_traits(Step) -> dict:
    found = {}
    for f in _inputs(Step):
        if f.name == CODE:
            raise TypeError(f"step {Step.__name__}: an input must not be called {CODE!r}: it holds the code's digest")
        found[f.name] = _input_trait(Step, f)
        if _is(f.type, Device):
            found["use_gpu"] = _use_gpu(f.name)
    desc = "digest of the step's code, not to be set: it makes edited code run again"
    found[CODE] = traits.Str(step.digest_of(Step), usedefault=True, desc=desc)
    return found


def _input_trait(Step, f):
    metadata = {"desc": f.help or f.name}
    inner, is_optional = _without_none(f.type)
    default = None
    if f.mandatory:
        metadata["mandatory"] = True
    else:
        default = f.default.factory() if isinstance(f.default, attrs.Factory) else f.default
        if default is not None:
            metadata["usedefault"] = True
    if f.allowed_values:
        # Pydra keeps them as a set
        allowed = sorted(f.allowed_values, key=str)
        if ty.get_origin(inner) is not list:
            return traits.Enum(allowed[0] if default is None else default, allowed + [None] * is_optional, **metadata)
        return InputMultiObject(traits.Enum(*allowed), **({"value": default} if default else {}), **metadata)
    if is_optional:
        # None first: a list of one would take it as its member
        return traits.Either(None, _trait(Step, f.name, inner), default=default, **metadata)
    return _trait(Step, f.name, inner, default, **metadata)


def _trait(Step, name: str, tp, default=None, is_input: bool = True, **metadata):
    """The trait of a type; `default` None stands for none."""
    args = () if default is None else (default,)
    origin, of = ty.get_origin(tp), ty.get_args(tp)
    if _is(tp, Device):
        # no part of the hash, as in Pydra
        return traits.Str(str(default or "auto"), nohash=True, **metadata)
    if _is(tp, FileSet):
        kind = Directory if issubclass(tp, DirectoryFormat) else File
        return kind(exists=True, **metadata)
    if tp is str:
        # Nipype takes any text that happens to name a file for that file's content
        metadata["hash_files"] = False
    if tp in SIMPLE:
        return SIMPLE[tp](*args, **metadata)
    if origin is list:
        # one value may stand for a list of one, as everywhere in Nipype
        kind = InputMultiObject if is_input else traits.List
        value = {"value": default} if args else {}
        return kind(_trait(Step, name, of[0], is_input=is_input), **value, **metadata)
    if origin is tuple and Ellipsis not in of:
        return traits.Tuple(*args, *(_trait(Step, name, t, is_input=is_input) for t in of), **metadata)
    if origin in (ty.Union, types.UnionType):
        value = {"default": default} if args else {}
        members = [None if t is types.NoneType else _trait(Step, name, t, is_input=is_input) for t in of]
        return traits.Either(*members, **value, **metadata)
    raise TypeError(
        f"step {Step.__name__}: {name} has type {tp}, for which there is no Nipype trait here; "
        "use a file, bool, int, float, str, a Literal, a device, or a list, tuple or union of these"
    )


def _output_traits(Step) -> dict:
    found = {}
    for f in get_fields(Step.Outputs):
        inner, _ = _without_none(f.type)
        found[f.name] = _trait(Step, f.name, inner, is_input=False, desc=f.help or f.name)
    return found


def _without_none(tp):
    """(the type without None, whether None was allowed)."""
    if ty.get_origin(tp) not in (ty.Union, types.UnionType):
        return tp, False
    rest = [t for t in ty.get_args(tp) if t is not type(None)]
    return functools.reduce(operator.or_, rest), len(rest) < len(ty.get_args(tp))


def _is(tp, kind) -> bool:
    return isinstance(tp, type) and issubclass(tp, kind)


def _use_gpu(name: str) -> property:
    """What Nipype asks whether MultiProc must count a node as a GPU's, and a user may set in place of the device."""

    def ask(spec) -> bool:
        # Nipype counts the GPUs with nvidia-smi; where it sees none, a node that asks for one would be refused, while
        # "auto" has the CPU to fall back on and the slot's own lock guards what Nipype cannot see.
        return getattr(spec, name) != "cpu" and _gpus() > 0

    def choose(spec, wanted: bool):
        if not wanted:
            setattr(spec, name, "cpu")
        elif getattr(spec, name) == "cpu":
            setattr(spec, name, "auto")

    return property(ask, choose, doc=f"Whether a GPU is used where there is one; False sets {name} to cpu.")


@functools.cache
def _gpus() -> int:
    return gpu_count()
