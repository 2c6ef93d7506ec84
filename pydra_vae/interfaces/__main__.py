"""Write the stub that editors and type checkers read: ``python -m pydra_vae.interfaces``, after a step has changed.

Interfaces are made when they are asked for, which no static tool can see. The stub has a class for each, whose
constructor lists the step's inputs with their types and defaults.
"""

import inspect
import types
import typing as ty
from collections.abc import Iterable
from pathlib import Path

from fileformats.core import FileSet
from pydra.utils.general import get_fields

from pydra_vae import interfaces
from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import StepTask

STUB = Path(interfaces.__file__).with_suffix(".pyi")
HEAD = '''"""What `pydra_vae.interfaces` offers; written by ``python -m pydra_vae.interfaces``, not by hand."""

# fmt: off
# ruff: noqa: E501

from collections.abc import Sequence
from os import PathLike
from typing import Literal

from pydra_vae.engine.nipype import StepInterface

_Path = str | PathLike[str]

__all__ = [
{names}
]
'''
CLASS = '''
class {name}(StepInterface):
    """{summary}

    Outputs: {outputs}
    """

    def __init__(
        self,
        *,
{inputs}
    ) -> None: ...
'''


def stub_text() -> str:
    """The whole stub, from the steps as they are now."""
    names = "\n".join(f'    "{name}",' for name in interfaces.__all__)
    classes = [stub_class(getattr(interfaces, name).step) for name in interfaces.__all__]
    return "".join([HEAD.format(names=names), *classes])


def stub_class(Step: type[StepTask]) -> str:
    """One step's interface as a class without a body."""
    hints = ty.get_type_hints(Step.step)
    lines = []
    for name, parameter in inspect.signature(Step.step).parameters.items():
        # an input that may stay unset has no default of its own
        unset = parameter.default in (parameter.empty, None)
        default = "..." if unset else _literal(parameter.default)
        lines.append(f"{name}: {type_text(hints[name])} = {default},")
        if hints[name] is Device:
            lines.append("use_gpu: bool = ...,")
    return CLASS.format(
        name=Step.__name__,
        summary=inspect.cleandoc(Step.__doc__).splitlines()[0],
        outputs=", ".join(field.name for field in get_fields(Step.Outputs)),
        inputs="\n".join(" " * 8 + line for line in lines),
    )


def type_text(tp) -> str:
    """A type as a user of the interface gives it: paths for files, one value or several for a list.

    >>> type_text(list[int] | None)
    'int | Sequence[int] | None'
    >>> type_text(ty.Literal["a", "b"])
    'Literal["a", "b"]'
    """
    origin, of = ty.get_origin(tp), ty.get_args(tp)
    if origin is ty.Literal:
        return f"Literal[{', '.join(map(_literal, of))}]"
    if origin is list:
        member = type_text(of[0])
        return _union([member, f"Sequence[{member}]"])
    if origin is tuple:
        return f"tuple[{', '.join(map(type_text, of))}]"
    if origin in (ty.Union, types.UnionType):
        return _union(map(type_text, of))
    if isinstance(tp, type) and issubclass(tp, FileSet):
        return "_Path"
    return {Device: "str", types.NoneType: "None"}.get(tp, tp.__name__)


def _union(texts: Iterable[str]) -> str:
    """Nothing twice, and None last."""
    parts = dict.fromkeys(part for text in texts for part in _alternatives(text))
    return " | ".join(sorted(parts, key=lambda part: part == "None"))


def _alternatives(text: str) -> list[str]:
    """The members of a union, where no bracket is open."""
    parts, depth = [""], 0
    for piece in text.split(" | "):
        parts[-1] += (" | " if parts[-1] else "") + piece
        depth += piece.count("[") - piece.count("]")
        if not depth:
            parts.append("")
    return parts[:-1]


def _literal(value) -> str:
    """A default as ruff writes it.

    >>> _literal(["a", 1.0])
    '["a", 1.0]'
    """
    if isinstance(value, str):
        return '"' + str(value).replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_literal, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)


if __name__ == "__main__":
    STUB.write_text(stub_text(), encoding="utf-8")
    print(f"{STUB}: {len(interfaces.__all__)} interfaces")
