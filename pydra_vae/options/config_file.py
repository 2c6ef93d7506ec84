"""Configuration files: every option and positional argument of a command line as a key of a TOML file, and back.

Keys are options without their dashes (underscores serve too), and DERIVATIVES, OUTPUT and LEVEL in small letters. What
`given_values` takes out of a parsed command line, `use` puts in again: so a run can be repeated.
"""

from __future__ import annotations

import argparse
import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

# No key of a configuration file: they say or end something, and repeat no run.
NO_KEYS = ("help", "version", "config", "print-completion")
# Not worth repeating: a dry run computes nothing, and locks are broken for once.
NOT_REPEATED = ("dry_run", "break_locks")
# Options that take a name or a file; and names that stand where a path is taken.
NAMES_OR_FILES, WORDS = ("atlas",), ("oasis",)
# Positional arguments by the names that users know them under.
ALIASES = {"data": "derivatives", "analysis-level": "level"}


def use(parser: argparse.ArgumentParser, path: Path) -> None:
    """Take the values of a TOML file as a parser's defaults; ends the program with status 2 where one is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        parser.error(f"--config {path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        parser.error(f"--config {path}: not UTF-8 text, which TOML is: {error}")
    except tomllib.TOMLDecodeError as error:
        parser.error(f"--config {path}: not valid TOML: {error}")
    actions = keys(parser)
    said: dict[str, str] = {}
    for key, value in values.items():
        action = actions.get(key.replace("_", "-"))
        if action is None:
            near = difflib.get_close_matches(key.replace("_", "-"), [name for name in actions if len(name) > 1], 1)
            meant = f"; do you mean {near[0]}?" if near else "."
            parser.error(
                f"--config {path}: unknown key {key!r}{meant} Keys are options without their dashes, in no "
                "[section]; --help lists them"
            )
        if said.setdefault(action.dest, key) != key:
            parser.error(f"--config {path}: {said[action.dest]} and {key} set the same: leave one out")
        default = _value(parser, path, key, action, value)
        for other in parser._actions:  # argparse takes the default of the first action of a destination
            if other.dest == action.dest and default is not None:
                own_defaults(parser).setdefault(other, other.default)
                other.default, other.required = default, False


def keys(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Every key that a configuration file may hold, to what it sets."""
    found = {option.lstrip("-"): action for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if not action.option_strings:
            name = action.dest.replace("_", "-")
            found |= {ALIASES.get(name, name): action, name: action}
    return {name: action for name, action in found.items() if name not in NO_KEYS and action.dest not in NO_KEYS}


def make_absolute(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Name the files of options by their absolute paths, so that sidecars and a repeated run say the same.

    What is not there stays as it was typed, for the message.
    """
    for action in parser._actions:
        value = getattr(options, action.dest, None)
        if action.option_strings and value is not None and (action.type is Path or action.dest in NAMES_OR_FILES):
            made = [_absolute(item) for item in (value if isinstance(value, list) else [value])]
            setattr(options, action.dest, made if isinstance(value, list) else made[0])


def _absolute(path: Any) -> Any:
    there = path.exists() if isinstance(path, Path) else Path(path).is_file()  # a folder may bear an atlas' name
    return type(path)(os.path.abspath(path)) if there else path


def own_defaults(parser: argparse.ArgumentParser) -> dict[argparse.Action, Any]:
    """Defaults as the program has them, of the options that a configuration file changed."""
    return vars(parser).setdefault("_own_defaults", {})


def given_values(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Any]:
    """What a command line and its configuration file said, ready for TOML.

    Parameters
    ----------
    parser : ArgumentParser
    options : Namespace
        As the parser gave it: before a recipe fills in what was left open.

    Returns
    -------
    values : dict
        Key to value, of everything that is not the default; paths are absolute.
    """
    found: dict[str, Any] = {}
    names = {action: name for name, action in reversed(keys(parser).items()) if len(name) > 1}
    done: set[str] = set()
    for action in parser._actions:
        value = getattr(options, action.dest, None)
        default = own_defaults(parser).get(action, action.default)
        if action not in names or action.dest in (*NOT_REPEATED, *done) or value is None or value == default:
            continue
        done.add(action.dest)
        found[names[action]] = True if action.const is value and action.nargs == 0 else _plain(action.dest, value)
    return found


def _plain(dest: str, value: Any) -> Any:
    """A value as TOML and the option's own type read it."""
    if isinstance(value, tuple):  # of `options.structural_analyses.entity`
        return "=".join(value)
    if isinstance(value, list):
        return [_plain(dest, item) for item in value]
    if isinstance(value, Path):
        return str(value) if str(value) in WORDS and not value.exists() else os.path.abspath(value)
    if dest in NAMES_OR_FILES and Path(value).is_file():
        return os.path.abspath(value)
    return value


def _value(parser: argparse.ArgumentParser, path: Path, key: str, action: argparse.Action, value: Any) -> Any:
    """A value of the file as the command line would give it; None for a switch that is off."""
    where = f"--config {path}: {key}"
    if action.nargs == 0:
        if isinstance(action, argparse._CountAction) and isinstance(value, int):
            return int(value)
        if not isinstance(value, bool):
            parser.error(f"{where} is a switch: write true or false, not {value!r}")
        return action.const if value else None
    number = action.nargs if isinstance(action.nargs, int) else None
    many = action.nargs in ("+", "*") or number is not None
    values = value if isinstance(value, list) else [value]
    if number is not None and len(values) != number:
        parser.error(f"{where} takes {number} values, not {value!r}")
    if not many and len(values) != 1:
        parser.error(f"{where} takes one value, not {value!r}")
    try:
        typed = [parser._get_value(action, str(item)) for item in values]
        for item in typed:
            parser._check_value(action, item)
    except argparse.ArgumentError as error:
        parser.error(f"--config {path}: {error}")
    return typed if many else typed[0]
