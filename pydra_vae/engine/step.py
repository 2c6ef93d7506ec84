"""The one definition of a step: a typed, documented function from files to files becomes a Pydra task.

`step` reads everything from the function: types and defaults from its signature, allowed values from ``Literal``, help
from its numpydoc docstring. The task's key holds, besides the inputs, the step's own name and a digest of the code it
can reach (see `digest`), so two steps never share a result and an edited helper is seen. What the key promised, code
and input files, is checked again in the process that computes, before and after the function runs.
"""

import contextlib
import functools
import importlib
import inspect
import re
import sys
import types
import typing as ty
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.core import FileSet
from pydra.compose import python
from pydra.utils.general import get_fields
from pydra.utils.hash import Cache, hash_function

from pydra_vae.engine import context, digest, hashing
from pydra_vae.engine.errors import ChangedDuringRun, StepDefinitionError

__all__ = ["call", "digest_of", "inputs_of", "stand_in", "step"]

RESERVED = {"function", "step", "together", "split", "combine", "Outputs"}
HASHING = hashing.__name__  # imported for the file hashes that it registers
# What is called in place of a step's function, by the job's checksum.
_stand_ins: dict[str, Callable] = {}


class StepFunction:
    """A step's function as Pydra holds it: hashed by name and reachable code, pickled by name."""

    kind = "step"

    def __init__(self, module: str, name: str, function: Callable | None = None):
        self.__module__, self.__name__, self.__qualname__ = module, name, name
        # Pydra reads these three; the fields are given to it explicitly instead
        self.__doc__, self.__annotations__ = None, {}
        self._function = function
        if function is not None:
            self.__signature__ = inspect.signature(function)

    @property
    def plain(self) -> Callable:
        """The function as it was written."""
        if self._function is None:
            self._function = getattr(importlib.import_module(self.__module__), self.__name__).step
        return self._function

    @property
    def reached(self) -> digest.Closure:
        """The code that the step can reach."""
        return digest.closure(self.__module__)

    @property
    def digest(self) -> str:
        """Digest of the step's name and of the code that it can reach."""
        return self.reached.digest(_public(self.__module__), self.__name__)

    def __call__(self, **inputs):
        try:
            return self.plain(**inputs)
        except (KeyboardInterrupt, SystemExit) as stop:
            # Pydra stores these as a success without outputs
            raise RuntimeError(f"step {self.__name__} was ended by {type(stop).__name__}({stop})") from stop

    def __bytes_repr__(self, cache: Cache) -> Iterator[bytes]:
        yield f"{self.kind}:{_public(self.__module__)}:{self.__name__}:{self.digest}".encode()

    def __reduce__(self):
        return type(self), (_public(self.__module__), self.__name__)

    def __eq__(self, other):
        return isinstance(other, StepFunction) and self.__reduce__() == other.__reduce__()

    def __hash__(self):
        return hash(self.__reduce__()[1])

    def __repr__(self):
        return f"<{self.kind} {self.__module__}.{self.__name__}>"


@attrs.define(kw_only=True, auto_attribs=False, eq=False, repr=False)
class StepTask(python.Task):
    """The Pydra task behind each step."""

    together = None

    def _compute_hashes(self) -> tuple[str, dict[str, str]]:
        """The key, and the hash of each field: values, names and types, without any help text."""
        cache = Cache()
        values = {field.name: getattr(self, field.name) for field in get_fields(self)}
        hashes = {
            name: hash_function(value, cache=cache)
            for name, value in values.items()
            if value is not attrs.NOTHING
        }
        hashes["Outputs"] = _outputs_signature(type(self))
        return hash_function(sorted(hashes.items())), hashes

    def _run(self, job, rerun: bool = True) -> None:
        job._errored = False  # or Pydra takes an earlier failure, now computed again, for this try's
        context.set_for_step(job.cache_dir, job.checksum)
        try:
            check_promise(self, job, self.function)
            returned = _stand_ins.get(job.checksum, self.function)(**inputs_of(self))
            check_promise(self, job, self.function)
        finally:
            context.clear()
        job.return_values = _named(type(self), returned, Path.cwd())


def check_promise(task, job, code: StepFunction):
    """Refuse to store a result under a key that its code or its inputs no longer have.

    Parameters
    ----------
    task : Pydra task
        What the job computes.
    job : Job
        Whose checksum is the key that was promised.
    code : StepFunction
        The task's function.

    Raises
    ------
    ChangedDuringRun
        Naming what changed.
    """
    digest.check_still_as_loaded(code.reached)
    key, hashes = task._compute_hashes()
    if f"{task._task_type()}-{key}" == job.checksum:
        return
    promised = task._hashes or {}
    changed = [name for name, value in hashes.items() if promised.get(name) != value]
    name = f"{code.kind} {code.__name__}"
    if {"function", "constructor"} & set(changed):
        what = f"the code of {name} (the latest edit is in {digest.latest_edit(code.reached)})"
    else:
        what = f"input {', '.join(changed) or 'files'} of {name}"
    raise ChangedDuringRun(f"{what} changed after this run had started; start the run again")


def step(outputs: dict[str, type], together: str | None = None):
    """Make a Pydra task class of a function; see the package's tasks for examples.

    Parameters
    ----------
    outputs : dict
        Name and type of what the function returns, in that order; files are ``File``. The function returns paths
        (relative ones count from the step's own folder), a single output without a tuple.
    together : str, optional
        Name of the module that computes several calls side by side (see `together`), as a literal.

    Returns
    -------
    decorator
        Gives a Pydra task class with the function's name, whose `step` is the function itself.

    Raises
    ------
    StepDefinitionError
        If the function is a closure, takes ``*args``, lacks a type, or takes paths or arrays where files are needed.
    """

    def decorate(function: Callable) -> type[StepTask]:
        check_is_importable(function)
        hints = ty.get_type_hints(function)
        helps = _numpydoc(function.__doc__)
        parameters = inspect.signature(function).parameters.values()
        task = python.define(
            StepFunction(function.__module__, function.__name__, function),
            inputs={p.name: _argument(function, p, hints, helps) for p in parameters},
            outputs={n: python.out(name=n, type=t, help=helps.get(n, "")) for n, t in outputs.items()},
            bases=(StepTask,),
            name=function.__name__,
        )
        task.__doc__, task.__module__ = function.__doc__, function.__module__
        task.__qualname__ = function.__qualname__
        task.Outputs.__module__ = function.__module__
        task.Outputs.__qualname__ = f"{function.__qualname__}.Outputs"
        task.Outputs.__name__ = "Outputs"
        task.step, task.together = staticmethod(function), together
        digest.register(function.__module__)
        return task

    return decorate


@contextlib.contextmanager
def stand_in(checksum: str, function: Callable) -> Iterator[None]:
    """Have a function called in place of that of the step with this key; it takes and returns the same."""
    _stand_ins[checksum] = function
    try:
        yield
    finally:
        del _stand_ins[checksum]


def inputs_of(task: StepTask) -> dict[str, ty.Any]:
    """The inputs of a filled-in step by their names."""
    return {f.name: getattr(task, f.name) for f in get_fields(task) if f.name != "function"}


def digest_of(*tasks: type) -> str:
    """The digest of all code that steps and workflows of ours can reach, 32 hexadecimal digits.

    For a parameter ``code: str = digest_of(…)`` of your own ``workflow.define``, which is then seen to change on a
    plain Pydra worker when the code in it does.

    Parameters
    ----------
    *tasks : Pydra task classes
        Made by `step` or by `graph.define`; name all that the workflow uses.

    Raises
    ------
    TypeError
        If one was made otherwise: Pydra hashes its own source text alone.
    """
    digests = [_function_of(task).digest for task in tasks]
    return digests[0] if len(digests) == 1 else hash_function(digests)


def call(task: type[StepTask], *, cwd, **inputs):
    """Run a step here and now, without cache or worker.

    Parameters
    ----------
    task : step
        What `step` made.
    cwd : path
        Where the step writes; made if need be.
    **inputs
        The step's inputs, checked as Pydra would.

    Returns
    -------
    object
        One attribute for each output.
    """
    filled = task(**inputs)
    filled._check_rules()
    folder = Path(cwd).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        returned = filled.function(**inputs_of(filled))
        return task.Outputs(**_named(task, returned, folder))


# ---- from a function to fields -------------------------------------------------------------------


def check_is_importable(function: Callable, kind: str = "step"):
    """Refuse what another process could not import, or whose code could not be read."""
    name = getattr(function, "__qualname__", repr(function))
    if not isinstance(function, types.FunctionType):
        raise StepDefinitionError(f"a {kind} is made of a function, not of {function!r}")
    if "<locals>" in name or "<lambda>" in name or function.__closure__:
        raise StepDefinitionError(
            f"{kind} {name} is defined inside another function: what it closes over would not be part of its key, and "
            "a worker could not import it. Define it at the top level of a module and pass what varies as an input."
        )
    if not getattr(sys.modules.get(function.__module__), "__file__", None):
        raise StepDefinitionError(f"{kind} {name} must live in a module file, so that its code can be read")


def _argument(function: Callable, parameter: inspect.Parameter, hints: dict, helps: dict) -> python.arg:
    where = f"input {parameter.name!r} of step {function.__name__}"
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise StepDefinitionError(f"{where}: a step takes named inputs only, no *args or **kwargs")
    if parameter.name in RESERVED:
        raise StepDefinitionError(f"{where}: the name is taken by Pydra; choose another")
    if parameter.name not in hints:
        raise StepDefinitionError(f"{where} has no type; File for files, else str, int, float, bool, list, …")
    hint, allowed = _without_literals(hints[parameter.name])
    for part in _parts(hint):
        if part in (ty.Any, object) or (isinstance(part, type) and part.__module__.split(".")[0] in ARRAYS):
            raise StepDefinitionError(f"{where} is {part}: Pydra's hash of it can collide; pass a File")
        if isinstance(part, type) and issubclass(part, Path):
            raise StepDefinitionError(f"{where} is a Path, which is hashed by its name, not by its content; use File")
    options = {} if parameter.default is parameter.empty else {"default": parameter.default}
    return python.arg(
        name=parameter.name, type=hint, help=helps.get(parameter.name, ""), allowed_values=allowed, **options
    )


ARRAYS = {"numpy", "torch", "pandas", "scipy", "nibabel"}


def _parts(hint) -> Iterator:
    yield hint
    for part in ty.get_args(hint):
        yield from _parts(part)


def _without_literals(hint) -> tuple[ty.Any, list]:
    """Replace each ``Literal`` in a type by the type of its values; Pydra takes the values apart."""
    origin, parts = ty.get_origin(hint), ty.get_args(hint)
    if origin is ty.Literal:
        return functools.reduce(lambda a, b: a | b, dict.fromkeys(map(type, parts))), list(parts)
    if not parts:
        return hint, []
    replaced = [_without_literals(part) for part in parts]
    values = [value for _, some in replaced for value in some]
    if not values:
        return hint, []
    kinds = tuple(kind for kind, _ in replaced)
    if origin in (ty.Union, types.UnionType):
        return functools.reduce(lambda a, b: a | b, kinds), values
    return origin[kinds], values


def _numpydoc(docstring: str | None) -> dict[str, str]:
    """The description of each parameter and each returned value, one line each.

    >>> _numpydoc('''Scale.
    ...
    ... Parameters
    ... ----------
    ... factor : float
    ...     By how
    ...     much.
    ... ''')
    {'factor': 'By how much.'}
    """
    helps: dict[str, list[str]] = {}
    section, current = "", None
    lines = inspect.cleandoc(docstring or "").splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        if re.fullmatch(r"-{3,}", below.strip()) and line.strip():
            section, current = line.strip(), None
        elif re.fullmatch(r"-{3,}", line.strip()) or section not in ("Parameters", "Returns"):
            continue
        elif line and not line[0].isspace():
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            current = [helps.setdefault(name, []) for name in names]
        elif current and line.strip():
            for text in current:
                text.append(line.strip())
    return {name: " ".join(text) for name, text in helps.items()}


# ---- from returned values to outputs ------------------------------------------------------------


def _named(task: type[StepTask], returned, folder: Path) -> dict[str, ty.Any]:
    fields = get_fields(task.Outputs)
    values = (returned,) if len(fields) == 1 else returned
    if not isinstance(values, tuple) or len(values) != len(fields):
        names = ", ".join(field.name for field in fields)
        raise TypeError(f"step {task.__name__} returned {returned!r}; needed: {len(fields)} values ({names})")
    # Pydra sorts fields by name in places: go by their definition
    return {field.name: _absolute(value, field, folder) for field, value in zip(fields, values, strict=True)}


def _absolute(value, field, folder: Path):
    """Paths made absolute, and refused where nothing was written."""
    if value is None or not any(_is_files(part) for part in _parts(field.type)):
        return value
    if isinstance(value, list | tuple):
        return [_absolute(item, field, folder) for item in value]
    path = folder / value
    if not path.exists():
        raise FileNotFoundError(f"output {field.name!r} should be at {path}, but nothing was written there")
    return path


def _is_files(part) -> bool:
    return isinstance(part, type) and issubclass(part, FileSet)


@functools.cache
def _outputs_signature(task: type[StepTask]) -> str:
    return hash_function([(field.name, str(field.type)) for field in get_fields(task.Outputs)])


def _function_of(task: type) -> StepFunction:
    held = [field.default for field in get_fields(task) if field.name in ("function", "constructor")]
    if not held or not isinstance(held[0], StepFunction):
        raise TypeError(
            f"{getattr(task, '__name__', task)} is neither a step nor a workflow of pydra_vae's engine, so the code "
            "that it reaches is not known: define it with pydra_vae.engine.step.step or pydra_vae.engine.graph.define"
        )
    return held[0]


def _public(module: str) -> str:
    """A script is `__mp_main__` in a spawned worker and `__main__` in the parent."""
    return "__main__" if module == "__mp_main__" else module
