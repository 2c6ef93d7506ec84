"""Checkpoints that survive a kill at any moment: written beside, then renamed over the old one."""

import os
from pathlib import Path

import torch


def save(path: Path, state: dict):
    """Write tensors, numbers, strings, lists and dicts; never leaves a half-written file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the process number keeps two writers of one work folder apart
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        torch.save(state, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path, fingerprint: str) -> dict | None:
    """The state of the fit with that fingerprint; None when the file is absent, unreadable or another fit's."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever is wrong with it, starting again is right
        return None
    return state if isinstance(state, dict) and state.get("fingerprint") == fingerprint else None
