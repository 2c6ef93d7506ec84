"""`step`: everything is read from the function, what cannot be a step is refused, point 3."""

import sys
import typing as ty
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from fileformats.generic import File
from pydra.utils.general import get_fields

from pydra_vae.engine.errors import StepDefinitionError
from pydra_vae.engine.step import call, digest_of, step


def field(task, name):
    return {f.name: f for f in get_fields(task)}[name]


def test_fields_come_from_the_signature_and_the_docstring(toys):
    scale = toys.Scale
    assert field(scale, "series").help == "What to scale, in scanner units."
    assert field(scale, "method").help == field(scale, "levels").help == "How."
    assert field(scale, "method").type is str and field(scale, "method").default == "minmax"
    assert field(scale, "method").allowed_values == {"minmax", "zscore"}
    assert field(scale, "levels").type == list[int] | None
    assert field(scale, "levels").allowed_values == {1, 2}
    assert field(scale, "mean_image").type == File | None
    assert [(f.name, f.help) for f in get_fields(scale.Outputs)] == [
        ("scaled", "The scaled series."),
        ("note", "What was done."),
    ]
    assert scale.__doc__.startswith("Scale series.")
    assert scale.step.__name__ == "Scale"


def test_values_are_checked(toys, tmp_path):
    with pytest.raises(ValueError, match=r"method has to be from .*but median provided"):
        toys.Scale(series=[], method="median")
    with pytest.raises(ValueError, match="levels has to be from"):
        toys.Scale(series=[], levels=[3])
    with pytest.raises((FileNotFoundError, TypeError), match="missing"):
        toys.Scale(series=[tmp_path / "missing"])
    assert toys.Scale(series=[], levels=None).levels is None


def test_call(toys, tmp_path):
    (tmp_path / "x").write_text("1 2")
    outputs = call(toys.Scale, cwd=tmp_path / "out", series=[tmp_path / "x"], method="zscore")
    assert Path(outputs.scaled) == tmp_path / "out" / "scaled.txt"
    assert Path(outputs.note) == tmp_path / "out" / "note.txt"
    assert Path(outputs.note).read_text() == "zscore"


def test_wrong_returns_are_told(toys, tmp_path):
    with pytest.raises(TypeError, match=r"OneOfTwo returned .*a\.txt.*needed: 2 values \(a, b\)"):
        call(toys.OneOfTwo, cwd=tmp_path, text="")
    with pytest.raises(FileNotFoundError, match=r"'out' should be at .*out\.txt, but nothing was written"):
        call(toys.WritesNothing, cwd=tmp_path, text="")


@pytest.mark.parametrize("how", ["interrupt", "exit"])
def test_interrupt_and_exit_inside_a_step_are_errors(toys, tmp_path, how):
    with pytest.raises(RuntimeError, match=f"Stops was ended by .*{how} it is"):
        call(toys.Stops, cwd=tmp_path, how=how)


def test_a_closure_is_refused():
    def make(n):
        @step(outputs={"out": File})
        def Add(x: int):
            return n + x

        return Add

    with pytest.raises(StepDefinitionError, match=r"make\.<locals>\.Add is defined inside another function.*top level"):
        make(1)


def untyped(x): ...
def starred(*x: int): ...
def keyworded(**x: int): ...
def with_array(x: np.ndarray): ...
def with_arrays(x: list[np.ndarray] | None): ...
def with_anything(x: ty.Any): ...
def with_path(x: Path): ...
def reserved(split: int): ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "input 'x' of step untyped has no type"),
        (starred, r"no \*args"),
        (keyworded, r"no \*args"),
        (with_array, "pass a File"),
        (with_arrays, "pass a File"),
        (with_anything, "pass a File"),
        (with_path, "hashed by its name, not by its content; use File"),
        (reserved, "'split'.*taken by Pydra"),
        (len, "made of a function"),
    ],
)
def test_what_cannot_be_a_step_is_refused(function, message):
    with pytest.raises(StepDefinitionError, match=message):
        step(outputs={"out": File})(function)


def test_same_body_different_steps_different_keys(toys):
    """Point 3."""
    assert toys.Copy(text="a")._checksum != toys.Clone(text="a")._checksum
    assert toys.Copy(text="a")._checksum == toys.Copy(text="a")._checksum
    assert toys.Copy(text="a")._checksum != toys.Copy(text="b")._checksum
    assert digest_of(toys.Copy) != digest_of(toys.Clone)


def test_a_step_travels_by_name(toys):
    task = toys.Copy(text="a")
    pickled = cloudpickle.dumps(task)
    assert b"write_text" not in pickled
    restored = cloudpickle.loads(pickled)
    assert restored._checksum == task._checksum
    assert type(restored) is toys.Copy
    assert cloudpickle.loads(cloudpickle.dumps(toys.Copy.Outputs)) is toys.Copy.Outputs
    assert repr(restored) == "Copy(text='a')"


def test_importing_the_engine_loads_nothing_heavy(lab):
    lab.write(
        "script.py",
        """
        import json, sys
        import pydra_vae.engine.step, pydra_vae.engine.runner, pydra_vae.engine.worker
        print(json.dumps([m for m in ("torch", "nilearn", "nibabel", "matplotlib", "nipype") if m in sys.modules]))
        """,
    )
    assert lab.run("script.py").report == []


def test_the_function_must_live_in_a_file():
    namespace = {"__name__": "nowhere", "File": File}
    exec("def Typed(x: int): ...", namespace)
    assert "nowhere" not in sys.modules
    with pytest.raises(StepDefinitionError, match="must live in a module file"):
        step(outputs={"out": File})(namespace["Typed"])
