"""Every step of the package as a Nipype interface, under the step's own name.

    from nipype import Node
    from pydra_vae.interfaces import Normalize

    normalize = Node(Normalize(method="zscore"), name="normalize")

An interface is made by `engine.nipype.interface` when its name is first asked for, so that importing one does not
import a hundred steps. ``__init__.pyi`` beside this file lists them all, with their inputs, for editors and type
checkers; ``python -m pydra_vae.interfaces`` writes it anew from the steps.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

# A step's decorator, which may go over some lines, and the function under it.
_STEP = re.compile(r"^@step\(.*?^def (\w+)\(", re.MULTILINE | re.DOTALL)


def _modules() -> dict[str, str]:
    """Name of each step, and the module of `tasks` that defines it."""
    folder = Path(__file__).parents[1] / "tasks"
    return {
        name: f"pydra_vae.tasks.{path.stem}"
        for path in sorted(folder.glob("*.py"))
        for name in _STEP.findall(path.read_text(encoding="utf-8"))
    }


_MODULE_OF = _modules()
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no interface {name!r}; dir({__name__}) names all of them")
    from pydra_vae.engine.nipype import interface

    made = interface(getattr(import_module(_MODULE_OF[name]), name), module=__name__)
    # One class for all who ask, from any thread: pickle refuses another of the same name
    return globals().setdefault(name, made)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
