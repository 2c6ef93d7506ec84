"""What a step's code digest sees: every file that the step can reach, and nothing else."""

import importlib
import sys
import textwrap
import uuid

import pytest

from pydra_vae.engine import digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package from `{file: text}`, import its module `steps`; gives a function that tells what is reached."""
    name = f"lab_{uuid.uuid4().hex[:8]}"
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**files):
        for file, text in {"__init__.py": "", **files}.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).replace("PKG", name))
        importlib.import_module(f"{name}.steps")

    def reached():
        files = digest.closure(f"{name}.steps").files
        return {file.removeprefix(name).removeprefix(".") for file in files} - {"", "steps"}

    write.name, write.reached, write.folder = name, reached, tmp_path / name
    write.digest = lambda: digest.closure(f"{name}.steps").digest()
    yield write
    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        del sys.modules[module]


HELPERS = {"helper.py": "VALUE = 1", "other.py": "", "sub/__init__.py": "", "sub/deep.py": ""}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import PKG.helper", {"helper"}),
        ("from PKG import helper", {"helper"}),
        ("from . import helper as h", {"helper"}),
        ("from .helper import VALUE", {"helper"}),
        ("def f():\n    from PKG.sub.deep import missing", {"sub", "sub.deep"}),
        ("def f():\n    from .sub import deep", {"sub", "sub.deep"}),
        ("if 1 > 2:\n    from . import helper\nelse:\n    from . import other", {"helper", "other"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    from . import helper", {"helper"}),
        ("try:\n    import PKG.helper\nexcept ImportError:\n    pass", {"helper"}),
        ("def f():\n    from importlib import import_module\n    import_module('PKG.helper')", {"helper"}),
        ("def f():\n    import importlib\n    importlib.import_module('.helper', __package__)", {"helper"}),
        ("from . import sub\n\ndef f():\n    return sub.deep.x", {"sub", "sub.deep"}),
        ("import PKG\n\ndef f():\n    return PKG.sub.deep.x", {"sub", "sub.deep"}),
        ("from .helper import *", {"helper"}),
        ("import json, numpy, pydra_vae.engine.step", set()),
        ("'''Not PKG.helper.'''\n# import PKG.helper", set()),
    ],
)
def test_imports_are_followed(package, code, expected):
    package(**{"steps.py": code, **HELPERS})
    ours = {name for name in package.reached() if not name.startswith("pydra_vae")}
    assert ours == expected
    assert not any("engine" in name for name in package.reached())


def test_star_import_of_a_package_and_chains(package):
    package(
        **{
            "steps.py": "from .sub import *",
            "sub/__init__.py": "__all__ = ['deep']",
            "sub/deep.py": "from ..helper import VALUE",
            "helper.py": "from . import steps\nVALUE = 1",
            "other.py": "",
        }
    )
    assert package.reached() == {"sub", "sub.deep", "helper"}


def test_nothing_is_imported_by_looking(package):
    package(**{"steps.py": "def f():\n    import PKG.sub.deep", "sub/__init__.py": "1 / 0", "sub/deep.py": ""})
    assert package.reached() == {"sub", "sub.deep"}
    assert f"{package.name}.sub" not in sys.modules


def test_data_files_named_in_strings_count(package):
    package(
        **{
            "steps.py": "def f():\n    return 'style.css', 'page.html'",
            "style.css": "a {}",
            "templates/page.html": "{% include 'head.html' %}",
            "templates/head.html": "",
            "templates/unused.html": "",
            "unused.css": "",
        }
    )
    assert package.reached() == {":style.css", ":templates/page.html", ":templates/head.html"}


def test_a_data_folder_named_in_a_string_counts_whole_also_from_elsewhere(package):
    package(
        **{
            "steps.py": "def f():\n    return files('PKG.reports') / 'templates'",
            "reports/__init__.py": "",
            "reports/templates/a.html": "",
            "reports/templates/deep/b.html": "",
        }
    )
    assert package.reached() == {"reports", "reports:templates/a.html", "reports:templates/deep/b.html"}


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("helper.py", "VALUE = 2", True),
        ("helper.py", "'''Doc.'''\n\n# comment\nVALUE    =   1", False),
        ("helper.py", "VALUE = 1  # changed", False),
        ("other.py", "x = 1", False),
        ("page.html", "<b>", True),
        ("new.py", "", False),
    ],
)
def test_what_changes_the_digest(package, file, text, changes):
    package(
        **{
            "steps.py": "from . import helper\nPAGE = 'page.html'",
            "helper.py": "VALUE = 1",
            "other.py": "",
            "page.html": "",
        }
    )
    before = package.digest()
    (package.folder / file).write_text(text)
    assert (package.digest() != before) is changes


def test_a_new_module_that_an_import_now_finds_changes_the_digest(package):
    package(**{"steps.py": "try:\n    from .new import x\nexcept ImportError:\n    x = 0"})
    before = package.digest()
    (package.folder / "new.py").write_text("x = 1")
    assert package.digest() != before


def test_a_script_has_its_neighbours(tmp_path, monkeypatch):
    name = f"script_{uuid.uuid4().hex[:8]}"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{name}.py").write_text("import numpy\ndef f():\n    import neighbour")
    (tmp_path / "neighbour.py").write_text("from pydra_vae import stats")
    importlib.import_module(name)
    assert set(digest.closure(name).files) == {name, "neighbour", "pydra_vae", "pydra_vae.stats"}


def test_reading_a_closure_again_costs_little(package, benchmark_seconds=0.01):
    import time

    package(**{"steps.py": "from . import helper", **HELPERS})
    package.digest()
    began = time.process_time()
    for _ in range(10):
        package.digest()
    assert (time.process_time() - began) / 10 < benchmark_seconds
