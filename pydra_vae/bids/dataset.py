"""The output folder described: which recipe filled it, from what, and what a person should read first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydra_vae.bids.derivatives import (
    GENERATOR,
    generator_version,
    read_description,
    refuse_others,
    write_dataset_description,
)
from pydra_vae.bids.files import InputError
from pydra_vae.bids.ignore import write_bidsignore
from pydra_vae.images.streams import writing

TITLES = {
    "finn": "latent spaces of BOLD series",
    "motor": "latent factors of cortical surface series",
    "structural": "latents of brain volumes",
}
README = """\
# {title}

<!-- written by pydra_vae; delete this line and the file stays as you edit it -->

These are derivatives in the sense of BIDS, written by `pydra-vae {recipe}` {version}. Begin with the report,
`{report}`: it says what was done, in words for a methods section, and shows every result beside its control.

- `dataset_description.json` names the datasets that were read; the JSON beside each file says what it holds, from which
  files it was made (Sources), with which parameters and versions, and what each column of a table is.
- `.bidsignore` lists, with the reasons, the kinds of files that BIDS has no name for yet.
- Models are safetensors beside the JSON that rebuilds them. Tables are tab-separated, missing values `n/a`.

Read from: {sources} (`DatasetLinks` in `dataset_description.json` says where each lies).
"""
WRITTEN = "<!-- written by pydra_vae;"


def describe_dataset(output: Path, recipe: str, sources: Mapping[str, Path] | None = None) -> bool:
    """Make a folder a BIDS-derivatives dataset: dataset_description.json, README.md and .bidsignore.

    Parameters
    ----------
    output : Path
    recipe : {"finn", "motor", "structural"}
    sources : mapping, optional
        Datasets that were read, by the name that BIDS URIs use for them.

    Returns
    -------
    written : bool
        False if all was there and said the same.

    Raises
    ------
    InputError
        If the folder holds a dataset of another program, or of another recipe.
    """
    check_recipe(output, recipe)
    written = write_dataset_description(
        output,
        f"{GENERATOR}: {TITLES[recipe]}",
        sources,
        GeneratedBy=[{"Name": GENERATOR, "Version": generator_version(), "Description": f"pydra-vae {recipe}"}],
    )
    written = _write_readme(Path(output), recipe, sources or {}) or written
    return write_bidsignore(output, recipe) or written


def check_recipe(output: Path, recipe: str) -> None:
    """Refuse an output folder that holds another dataset, before anything is computed.

    Two recipes in one folder would overwrite each other's report, description and sources.

    Raises
    ------
    InputError
        Naming what is there.
    """
    path = Path(output) / "dataset_description.json"
    refuse_others(path)
    there = read_description(path)
    known = {f"{GENERATOR}: {title}": name for name, title in TITLES.items()}
    other = known.get(str(there.get("Name")), recipe)
    for maker in there.get("GeneratedBy") or []:
        other = str(maker.get("Description", "")).removeprefix("pydra-vae ") or other
    if other != recipe and other in TITLES:
        raise InputError(
            f"{output} holds the results of pydra-vae {other}, whose report and description those of pydra-vae "
            f"{recipe} would overwrite: give a folder of its own for OUTPUT, such as {output}-{recipe}"
        )


def _write_readme(output: Path, recipe: str, sources: Mapping[str, Path]) -> bool:
    """README.md, unless the dataset has a README of somebody else's."""
    path = output / "README.md"
    others = [name for name in ("README", "README.rst", "README.txt") if (output / name).exists()]
    there = path.read_text(encoding="utf-8") if path.is_file() else None
    text = README.format(
        title=f"{GENERATOR}: {TITLES[recipe]}",
        recipe=recipe,
        version=generator_version(),
        report="sub-*.html` and `index.html" if recipe == "finn" else "index.html",
        sources=", ".join(f"`{name}`" for name in sources) or "files that the user named",
    )
    if others or there == text or (there is not None and WRITTEN not in there):
        return False
    with writing(path) as stream:
        stream.write(text.encode())
    return True
