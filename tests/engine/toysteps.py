"""Steps for the tests of `step`; imported as a module of its own, since a step must be importable."""

import os
import time
import typing as ty
from pathlib import Path

from fileformats.generic import Directory, File

from pydra_vae.engine.step import step

FACTOR = 3


@step(outputs={"scaled": File, "note": File})
def Scale(
    series: list[File],
    method: ty.Literal["minmax", "zscore"] = "minmax",
    levels: list[ty.Literal[1, 2]] | None = None,
    mean_image: File | None = None,
):
    """Scale series.

    More about it.

    Parameters
    ----------
    series : list of file
        What to scale,
        in scanner units.
    method, levels : str
        How.

    Returns
    -------
    scaled : file
        The scaled series.
    note : file
        What was done.
    """
    Path("note.txt").write_text(method)
    out = Path.cwd() / "scaled.txt"
    out.write_text("".join(Path(s).read_text() for s in series))
    return out, Path("note.txt")


@step(outputs={"out": File})
def Copy(text: str):
    Path("out.txt").write_text(text)
    return Path("out.txt")


@step(outputs={"out": File})
def Clone(text: str):
    Path("out.txt").write_text(text)
    return Path("out.txt")


@step(outputs={"a": File, "b": File})
def OneOfTwo(text: str):
    return Path("a.txt")


@step(outputs={"out": File})
def WritesNothing(text: str):
    return Path("out.txt")


@step(outputs={"out": File})
def Stops(how: str):
    raise {"interrupt": KeyboardInterrupt, "exit": SystemExit, "error": ValueError}[how](f"{how} it is")


@step(outputs={"out": File})
def Dies(signal: int):
    time.sleep(0.2)
    os.kill(os.getpid(), signal)
    return Path("out.txt")


@step(outputs={"out": File})
def Speak(text: str):
    print("said", text)
    os.system(f"echo shouted {text} >&2")
    Path("out.txt").write_text(text)
    return Path("out.txt")


@step(outputs={"out": File})
def Spoil(series: File):
    """Changes its own input, which no step may."""
    Path(series).write_text("spoilt")
    Path("out.txt").write_text("1")
    return Path("out.txt")


@step(outputs={"out": File})
def Flaky(file: str):
    """Fails as long as a file is missing."""
    Path("out.txt").write_text(Path(file).read_text())
    return Path("out.txt")


@step(outputs={"out": File})
def Surroundings(names: list[str]):
    Path("out.txt").write_text(" ".join(os.environ.get(name, "-") for name in names))
    return Path("out.txt")


@step(outputs={"folder": Directory, "files": list[File]})
def Tree(names: list[str]):
    folder = Path("tree")
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder, [folder / name for name in names]
