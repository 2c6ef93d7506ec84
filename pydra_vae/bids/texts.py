"""Plain text in the output folder."""

from __future__ import annotations

from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.images.streams import writing


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, complete or not at all; folders are made.

    Raises
    ------
    InputError
        Naming the file, if that cannot be.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as stream:
            stream.write(text.encode("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}: give another OUTPUT") from error
