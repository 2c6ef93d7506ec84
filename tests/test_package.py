"""What a stranger installs: the wheel's files, the README's commands, the pins."""

import ast
import configparser
import contextlib
import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def _tracked(folder):
    """Files of a folder that belong in the wheel, relative to it."""
    skip = {"__pycache__"}
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not skip & set(path.parts) and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"  # a copy, so that no build folder is left in the tree
    for name in ("pydra_vae", "workflows"):
        for file in _tracked(ROOT / name):
            target = source / name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name / file).read_bytes())
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_holds_the_tree(wheel_names):
    package = {f"pydra_vae/{name}" for name in _tracked(ROOT / "pydra_vae")}
    recipes = {f"pydra_vae/workflows/{name}" for name in _tracked(ROOT / "workflows")}
    shipped = {name for name in wheel_names if ".dist-info/" not in name}
    assert shipped == package | recipes


def test_readme_commands_stand_as_agreed():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = "python3 -m venv .venv && . .venv/bin/activate && python -m pip install -c constraints.txt -e "
    assert f"{start}. && python workflows/finn.py\n" in readme
    assert f"{start}'.[test]' && python -m pytest\n" in readme


def _normalised(name):
    return re.split(r"[<>=!~ ;\[(]", name.strip())[0].lower().replace("_", "-").replace(".", "-")


def _required(*extras):
    """Names of the distributions that setup.cfg asks for."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"]
    wanted += "".join(config["options.extras_require"][extra] for extra in extras)
    return {_normalised(line) for line in wanted.splitlines() if line.strip() and not line.strip().startswith("#")}


def _imported():
    """Top-level names that any module of the package imports, anywhere in it."""
    for path in [*(ROOT / "pydra_vae").rglob("*.py"), *(ROOT / "workflows").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module.split(".")[0], path


def test_every_import_of_the_package_is_required():
    required, known = _required("umap", "dask"), packages_distributions()
    known |= {"umap": ["umap-learn"]}  # an extra, not installed here
    ours = set(sys.stdlib_module_names) | {"pydra_vae"}
    for name, path in sorted(set(_imported())):
        if name not in ours:
            distributions = {_normalised(found) for found in known.get(name, [name])}
            assert distributions & required, f"{path} imports {name}: setup.cfg must ask for {distributions}"


def test_every_dependency_is_pinned():
    """Those of dependencies too, as far as this machine needs them."""
    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    left, seen = list(_required("test")), set()
    while left:
        if (name := left.pop()) in seen:
            continue
        seen.add(name)
        with contextlib.suppress(PackageNotFoundError):  # a wheel of another platform
            needed = [Requirement(text) for text in requires(name) or []]
            left += [_normalised(r.name) for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    missing = {name for name in seen - set(pins) if _installed(name)}
    assert not missing, missing
    assert pins["pydra"] == "1.0a12"
    assert pins["torch"] == "2.13.0"


def _installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def test_no_script_shadows_a_package():
    """``python workflows/x.py`` puts that folder first on sys.path."""
    for path in (ROOT / "workflows").glob("*.py"):
        if path.stem != "__init__":
            done = subprocess.run(
                [sys.executable, "-c", f"import importlib.util as u; print(u.find_spec({path.stem!r}))"],
                capture_output=True,
                text=True,
                check=True,
                cwd="/",
            )
            assert done.stdout.strip() == "None", path
