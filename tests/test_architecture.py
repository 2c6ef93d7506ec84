"""The arrows of docs/design.md: arrays → files → graphs → people; imports only point left."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each part of the package may import of the package itself.
ARRAYS = {"images", "stats", "surface", "simulate"}
MAY_IMPORT = {
    "images": set(),
    "stats": set(),
    "surface": set(),
    "models": set(),
    "training": {"models"},
    "estimators": {"_estimators_cvae", "_estimators_tivae", "_estimators_volumes"},
    "_estimators_cvae": {"_estimators_base", "training", "models", "stats"},
    "_estimators_tivae": {"_estimators_base", "training", "models"},
    "_estimators_volumes": {"_estimators_base", "training", "models"},
    "_estimators_base": {"training"},
    "simulate": {"images", "stats", "surface"},
    "bids": {"images"},
    "downloads": {"bids"},
    "fetch": {"downloads", "options"},
    "reports": ARRAYS | {"bids"},
    "engine": set(),
    "tasks": ARRAYS | {"models", "training", "bids", "fetch", "reports", "engine"},
    "interfaces": {"tasks", "engine"},
    "options": set(),
    "workflows": {"engine", "bids", "tasks", "interfaces", "options"},
    "cli": {"workflows", "fetch", "options"},
}
# Heavy libraries that a layer must not need at all.
FORBIDDEN = {
    "models": {"numpy", "nibabel", "nilearn", "pydra", "nipype", "rich", "sklearn"},
    "training": {"nibabel", "nilearn", "pydra", "nipype", "rich", "sklearn"},
    "images": {"torch", "pydra", "nipype"},
    "stats": {"torch", "pydra", "nipype", "nibabel"},
    "simulate": {"torch", "pydra", "nipype"},
    "bids": {"torch", "pydra", "nipype"},
    "reports": {"torch", "pydra", "nipype"},
    "engine": {"nibabel", "nilearn", "sklearn"},
    "downloads": {"torch", "nibabel", "nilearn", "pydra", "nipype", "numpy"},
    "options": {"torch", "nilearn", "matplotlib", "pydra", "nipype", "numpy"},
    "workflows": {"torch", "nilearn", "matplotlib"},
}


def _modules():
    for folder, prefix in ((ROOT / "pydra_vae", ()), (ROOT / "workflows", ("workflows",))):
        for path in sorted(folder.rglob("*.py")):
            parts = prefix + path.relative_to(folder).with_suffix("").parts
            layer = parts[0]
            if layer != "__init__":
                yield path, layer, ("pydra_vae", *parts)


def _imports(path, name):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = name if path.name == "__init__.py" else name[:-1]
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "pydra_vae":
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield module, node.lineno


MODULES = list(_modules())


@pytest.mark.parametrize(
    ("path", "layer", "name"), MODULES, ids=[".".join(name[1:]) for *_, name in MODULES]
)
def test_imports_point_left(path, layer, name):
    assert layer in MAY_IMPORT, f"{path} belongs to no layer of docs/design.md"
    for module, line in _imports(path, name):
        top, _, rest = module.partition(".")
        if top == "pydra_vae" and rest and not rest.startswith("__"):
            target = rest.split(".")[0]
            allowed = MAY_IMPORT[layer] | {layer}
            assert target in allowed, f"{path}:{line}: {layer} must not import {target}"
        assert top not in FORBIDDEN.get(layer, ()), f"{path}:{line}: {layer} must not import {top}"


def _loaded(statement, *suspects):
    code = f"import sys; {statement}; print([m for m in {suspects!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_arrays_of_torch_need_no_pipeline_library():
    statement = "import pydra_vae.models.cvae, pydra_vae.training.fit"
    assert _loaded(statement, "pydra", "nipype", "nilearn", "nibabel") == "[]"


@pytest.mark.parametrize(
    "statement",
    [
        "import pydra_vae",
        "import contextlib, io; from pydra_vae import cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    cli.main(['--help'])\n",
        "import pydra_vae.workflows.finn",
        "import pydra_vae.estimators",
    ],
    ids=["import pydra_vae", "pydra-vae --help", "import the recipe", "import the estimators"],
)
def test_start_loads_nothing_heavy(statement):
    code = f"import sys\n{statement}\nprint([m for m in ('torch', 'nilearn', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_package_initialisers_hold_no_imports_of_ours():
    """A re-export would tie unrelated steps together in the code digest."""
    for path in [*(ROOT / "pydra_vae").rglob("__init__.py"), ROOT / "workflows" / "__init__.py"]:
        if path.parent.name == "interfaces":
            continue
        name = ("pydra_vae", *path.parent.relative_to(ROOT / "pydra_vae").parts, "__init__") if (
            ROOT / "pydra_vae") in path.parents else ("pydra_vae", "workflows", "__init__")
        assert not [m for m, _ in _imports(path, name) if m.startswith("pydra_vae")], path
