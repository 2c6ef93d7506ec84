"""Descriptions of columns: which names may not be keys of a sidecar."""

import json
from pathlib import Path

import bids

from pydra_vae.bids.columns import ENTITIES


def test_names_that_pybids_takes_for_entities():
    folder = Path(bids.__file__).parent / "layout" / "config"
    known = [json.loads((folder / f"{name}.json").read_text())["entities"] for name in ("bids", "derivatives")]
    assert {entity["name"] for entities in known for entity in entities} <= ENTITIES
