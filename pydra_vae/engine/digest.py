"""A digest of the code that a step can reach.

The key of a step's result must change with the code that makes it, and with nothing else. `closure` follows the
imports of the step's module, statically, through its own package and through `pydra_vae`: lazy, conditional, relative
and star imports, ``TYPE_CHECKING`` blocks, attributes of imported packages, names of modules and of data files given
as strings (``import_module("…")``, templates, style sheets). What counts of a module is its syntax tree without
docstrings, so comments and layout do not count. Left out are `pydra_vae.engine`, which determines no result, and
everything installed from elsewhere.
"""

import ast
import contextlib
import importlib
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from pydra_vae.engine.errors import ChangedDuringRun
from pydra_vae.engine.parsed import remembered

OWN = __name__.split(".")[0]
LEFT_OUT = __name__.rpartition(".")[0]
IMPORTERS = {"import_module", "__import__", "find_spec"}
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
FILE_NAME = re.compile(r"[\w.][\w.\-/ ]{0,200}")
QUOTED = re.compile(rb"""["']([\w.][\w.\-/ ]{0,200})["']""")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SOURCES = {".py", ".pyc", ".so", ".pyd"}


@dataclass(frozen=True)
class Module:
    """Where a module lies: its file, or none for a namespace package, and its folders if it is a package."""

    name: str
    file: Path | None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """What one source file contributes: its digest, the dotted names it may import, its strings."""

    digest: str
    names: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()


@dataclass
class Closure:
    """The files that a module reaches, each with its digest, and what of the disk it was read from."""

    files: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    state: tuple = ()
    module: str = ""

    def digest(self, *salt: str) -> str:
        """One digest of all files, 32 hexadecimal digits."""
        return _hash(repr((salt, sorted(self.files.items()))).encode())


_sources: dict[tuple, Source] = {}
_closures: dict[str, Closure] = {}
_first_seen: dict[Path, str] = {}
_modules_of_steps: dict[str, int] = {}  # each with when this process imported it, in ns since the epoch


def closure(module: str) -> Closure:
    """The code that a module reaches, read anew where files have changed.

    Parameters
    ----------
    module : str
        Dotted name of an imported module.

    Returns
    -------
    Closure
        `files` maps names (of modules, or of data files relative to their module) to digests.
    """
    main = getattr(_main(), "__spec__", None)
    if module in ("__main__", "__mp_main__"):
        module = main.name if main else "__main__"  # `python -m package.module` is that module
    known = _closures.get(module)
    if known is None or known.state != _state(known.watched):
        known = _closures[module] = _walk(module)
    return known


def check_still_as_loaded(reached: Closure):
    """Refuse to run code that was edited after this process had loaded it.

    A worker process lives for many steps: without this, a module that it loaded before an edit would answer for the
    digest of the edited file.
    """
    for name, path in reached.paths.items():
        if path not in _first_seen and not _is_newer_than_loaded(name, path, reached.module):
            _first_seen[path] = reached.files[name]
        if _first_seen.get(path) != reached.files[name]:
            raise ChangedDuringRun(f"{path} was edited after this process had loaded it; start the run again")


def _is_newer_than_loaded(name: str, path: Path, module: str) -> bool:
    """Whether a loaded module's file, of which this process knows no digest, is younger than the step's import."""
    if name not in sys.modules or module not in _modules_of_steps:
        return False
    with contextlib.suppress(OSError):
        # a time still to come was set by a clock that is wrong, or not ours
        return _modules_of_steps[module] < path.stat().st_mtime_ns <= time.time_ns()
    return False


def register(module: str):
    """Tell that a module defines a step or a workflow; it is being imported now."""
    _modules_of_steps[module] = time.time_ns()


def on_disk() -> dict[Path, str]:
    """The files that the steps of this process reach, each with its digest now."""
    found = {}
    for module in sorted(_modules_of_steps):
        with contextlib.suppress(OSError):  # told when the step's key is made
            reached = closure(module)
            found |= {path: reached.files[name] for name, path in reached.paths.items()}
    return found


def loaded_since(files: dict[Path, str]):
    """Tell, in a new process, what `on_disk` was before it started.

    It imports the modules of all steps at its start, and uses some of them for the first time hours later.
    """
    _first_seen.update(files)


def latest_edit(reached: Closure) -> Path | None:
    """The file of a closure that was edited last."""
    there = [path for path in reached.paths.values() if path.exists()]
    return max(there, key=lambda path: path.stat().st_mtime_ns, default=None)


# ---- the walk ------------------------------------------------------------------------------------


def _walk(module: str) -> Closure:
    importlib.invalidate_caches()
    found, watched = Closure(module=module), set()
    ours = _scope(module)
    todo, seen, located, folders = [module], set(), {}, {}
    while todo:
        name = todo.pop()
        if name in seen or not ours(name) or name == LEFT_OUT or name.startswith(LEFT_OUT + "."):
            continue
        seen.add(name)
        here = _locate(name, located)
        if here is None:
            continue
        todo.append(name.rpartition(".")[0])
        watched.update(here.folders)
        if here.file is None:
            continue
        source = _source(here)
        found.files[name], found.paths[name] = source.digest, here.file
        watched |= {str(here.file), str(here.file.parent)}
        todo.extend(source.names)
        mentioned = {text for text in source.strings if DOTTED.fullmatch(text) and ours(text)}
        todo.extend(mentioned)
        bases = {here.file.parent: name if here.folders else name.rpartition(".")[0]} if _is_in_package(here) else {}
        for text in mentioned:
            bases |= {Path(folder): text for folder in getattr(_locate(text, located), "folders", ())}
        for label, path in _data_files(source.strings, bases, folders):
            found.files[label], found.paths[label] = _hash(path.read_bytes()), path
            watched |= {str(path), str(path.parent)}
    found.watched = tuple(sorted(watched))
    found.state = _state(found.watched)
    return found


def _scope(module: str):
    """Which dotted names belong to the code of a step's module: its own top-level package, and ours."""
    tops = {module.split(".")[0], OWN}
    loaded = _main() if module == "__main__" else sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if "." not in module and file and not hasattr(loaded, "__path__"):  # a script: its neighbours are its package
        folder = Path(file).parent
        tops |= {path.stem for path in folder.glob("*.py")}
        tops |= {path.parent.name for path in folder.glob("*/__init__.py")}
    return lambda name: name.split(".")[0] in tops


def _locate(name: str, located: dict[str, Module | None]) -> Module | None:
    """Find a module without importing anything, as `importlib` would if its parents were imported."""
    if name in located:
        return located[name]
    located[name] = None
    if name in ("__main__", "__mp_main__"):
        file = getattr(_main(), "__file__", None)
        located[name] = Module(name, Path(file)) if file else None
        return located[name]
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        above = _locate(parent, located)
        if above is None or not above.folders:
            return None
        path = list(above.folders)
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, path)) is not None:
            file = Path(spec.origin) if spec.has_location and spec.origin else None
            located[name] = Module(name, file, tuple(spec.submodule_search_locations or ()))
            break
    return located[name]


def _main():
    """The script; a spawned process that is still importing it has it under the second name alone."""
    return sys.modules.get("__mp_main__", sys.modules.get("__main__"))


def _is_in_package(module: Module) -> bool:
    return bool(module.folders) or "." in module.name


def _state(paths: Iterable[str]) -> tuple:
    return tuple(map(_stat, paths))


def _stat(path: str) -> tuple | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


# ---- one file ------------------------------------------------------------------------------------


def _source(module: Module) -> Source:
    key = (module.name, str(module.file), _stat(str(module.file)))
    if key not in _sources:
        if module.file.suffix == ".py":
            what = (module.name, bool(module.folders))
            found = remembered(module.file, what, Path(__file__), lambda: _parse(module.file.read_bytes(), module))
            _sources[key] = Source(found["digest"], frozenset(found["names"]), frozenset(found["strings"]))
        else:
            _sources[key] = Source(_hash(module.file.read_bytes()))
    return _sources[key]


def _parse(content: bytes, module: Module) -> dict[str, str | list[str]]:
    """The fields of a `Source`; of the strings, those that may name a module or a file."""
    try:
        tree = ast.parse(content, filename=str(module.file))
    except SyntaxError:  # it will fail at its import; until then its text is what counts
        return {"digest": _hash(content), "names": [], "strings": []}
    nodes = _nodes(tree)
    strings = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    naming = [text for text in strings if DOTTED.fullmatch(text) or FILE_NAME.fullmatch(text)]
    return {
        "digest": _hash(ast.dump(tree).encode()),
        "names": sorted(set(_names(nodes, module))),
        "strings": sorted(naming),
    }


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """All nodes of a tree, breadth first, with docstrings taken out of it."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:  # which grows meanwhile
        if isinstance(node, DOCUMENTED) and node.body and _is_text(node.body[0]):
            node.body = node.body[1:]
        nodes.extend(ast.iter_child_nodes(node))
    return nodes


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _names(nodes: list[ast.AST], module: Module) -> Iterator[str]:
    """Every dotted name that the module may import; those that are no modules are dropped by the walk."""
    package = module.name if module.folders else module.name.rpartition(".")[0]
    bound: dict[str, str] = {}
    strings = []
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                first = alias.name.split(".")[0]
                bound[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", node.level, package)
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"
                bound[alias.asname or alias.name] = f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and _callee(node.func) in IMPORTERS:
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            for text in texts[:1]:
                yield _absolute(text.lstrip("."), len(text) - len(text.lstrip(".")), package)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            strings.append(node.value)
    for node in nodes:
        if isinstance(node, ast.Attribute) and (chain := _chain(node)) and chain[0] in bound:
            yield ".".join([bound[chain[0]], *chain[1:]])
    if module.folders:  # `__all__` of a package names the modules that a star import loads
        yield from (f"{module.name}.{text}" for text in strings)


def _absolute(name: str, level: int, package: str) -> str:
    if not level:
        return name
    base = package.split(".")
    return ".".join([*base[: len(base) - level + 1], *([name] if name else [])])


def _callee(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _chain(node: ast.expr) -> list[str]:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


# ---- data files ----------------------------------------------------------------------------------


def _data_files(
    strings: Iterable[str], bases: dict[Path, str], known: dict[Path, list[Path]]
) -> Iterator[tuple[str, Path]]:
    """Files in packages' folders, or in data folders there, that strings name; a named data folder counts whole.

    `known` has the data folders of the packages that this walk met before.
    """
    for base, package in bases.items():
        folders = known[base] if base in known else known.setdefault(base, _data_folders(base))
        for text in strings:
            if not FILE_NAME.fullmatch(text) or ".." in text:
                continue
            found: set[Path] = set()
            for path in (folder / text for folder in (base, *folders)):
                if path.is_file() and path.suffix not in SOURCES:
                    found |= _with_included(path)
                elif path in folders:
                    found |= {file for file in path.rglob("*") if file.is_file() and file.suffix not in SOURCES}
            yield from ((f"{package}:{path.relative_to(base).as_posix()}", path) for path in found)


def _data_folders(base: Path) -> list[Path]:
    def holds_data(path: Path) -> bool:
        return path.is_dir() and path.name != "__pycache__" and not any(path.glob("*.py"))

    return [path for path in sorted(base.iterdir()) if not path.name.startswith(".") and holds_data(path)]


def _with_included(path: Path) -> set[Path]:
    """A data file and those that it names in quotes: templates include and extend each other."""
    found, todo = set(), [path]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            named = (file.parent / text.decode() for text in QUOTED.findall(file.read_bytes()))
            todo.extend(other for other in named if other.is_file() and other.suffix not in SOURCES)
    return found


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
