"""What the Nipype builders share: the kind of workflow, nodes with their resources, and small functions as nodes.

The functions here become `Function` nodes, of which Nipype keeps the source alone: each imports what it uses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from pydra_vae import __version__
from pydra_vae.engine.devices import Device

SOFTWARE = f"*pydra_vae* {__version__}, with PyTorch (Paszke et al., 2019) and Nilearn (Abraham et al., 2014)"
KINGMA = "a variational autoencoder (Kingma & Welling, 2019)"


def new_workflow(name: str, text: str) -> pe.Workflow:
    """An empty workflow with its methods text in ``__desc__``.

    Where niworkflows is in use, as in fMRIPrep and XCP-D, it is one of its ``LiterateWorkflow``s, whose parent collects
    the texts of its children; niworkflows is not needed otherwise.
    """
    literate = sys.modules.get("niworkflows.engine.workflows")
    kind = literate.LiterateWorkflow if literate else pe.Workflow
    made = kind(name=name)
    made.__desc__ = f"\n{text}\n"
    return made


def identity(name: str, fields: Iterable[str]) -> pe.Node:
    """The node that takes a workflow's inputs, or holds its outputs."""
    return pe.Node(niu.IdentityInterface(fields=list(fields)), name=name)


def function(call, outputs: Iterable[str], name: str) -> pe.Node:
    """A function of this module as a node that is done in no time."""
    return pe.Node(niu.Function(function=call, output_names=list(outputs)), name=name, mem_gb=0.1)


def picked(**wanted: Any) -> dict[str, Any]:
    """Those that are not None: what is left out keeps the step's default.

    >>> picked(beta=None, seed=0)
    {'seed': 0}
    """
    return {name: value for name, value in wanted.items() if value is not None}


def further(own: dict[str, Any], more: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """A step's inputs: the builder's own, and what its parameter `name` adds to them.

    >>> further({"seed": 0}, {"network": "lk"}, "fit")
    {'seed': 0, 'network': 'lk'}
    """
    if twice := sorted(own.keys() & (more or {}).keys()):
        raise ValueError(f"{name} holds {twice[0]!r}, which this workflow sets itself: use the builder's own parameter")
    return {**own, **(more or {})}


@dataclass(frozen=True)
class Resources:
    """What the nodes of a workflow may use.

    Attributes
    ----------
    use_gpu : bool
        Fit and encode on a GPU where there is one.
    omp_nthreads : int
        CPU threads of a fit; sums depend on their number, so they are part of its result.
    mem_gb : float
        Size of the data in memory, in GB.
    """

    use_gpu: bool = False
    omp_nthreads: int = 1
    mem_gb: float = 1.0

    @property
    def device(self) -> Device:
        """For a step's input of that name."""
        return Device("auto" if self.use_gpu else "cpu")

    def node(self, interface, name: str, times: float = 2.0) -> pe.Node:
        """A node that holds the data in memory `times` times."""
        return pe.Node(interface, name=name, mem_gb=self._memory(times))

    def each(self, interface, name: str, over: Iterable[str], times: float = 2.0) -> pe.MapNode:
        """The same once a run, or once an image."""
        return pe.MapNode(interface, name=name, iterfield=list(over), mem_gb=self._memory(times))

    def fit(self, interface, name: str) -> pe.Node:
        """A node that trains."""
        # MultiProc takes a node's processes for GPU slots too, and a fit needs one
        n_procs = 1 if self.use_gpu else self.omp_nthreads
        return pe.Node(interface, name=name, n_procs=n_procs, mem_gb=self._memory(3.0))

    def _memory(self, times: float) -> float:
        # Python with PyTorch and Nilearn takes half a GB by itself
        return round(times * self.mem_gb + 0.5, 3)


def repetition_time(metadata: dict | None) -> float | None:
    """``RepetitionTime`` of a BOLD series' BIDS metadata, in seconds; None where it has none."""
    return None if metadata is None else metadata.get("RepetitionTime")


# ---- functions that become nodes --------------------------------------------------------------


def per_run(bold_file=None, bold_mask=None, confounds_file=None, confounds_metadata=None):
    """Give every run its companions, whether one run came or a list of them."""
    import json
    from pathlib import Path

    def many(value):
        return list(value) if isinstance(value, list | tuple) else [value]

    if not bold_file:
        raise ValueError("inputnode.bold_file is not set, or empty: give a run, or a list of runs")
    runs = many(bold_file)
    if pairs := [run for run in runs if isinstance(run, list | tuple) or str(run).endswith((".gii", ".gii.gz"))]:
        raise ValueError(f"{pairs[0]} is of one hemisphere, or a pair: build the workflow with hemispheres=True")

    def companions(value, name, shared=False):
        if value is None:
            return [None] * len(runs)
        found = many(value)
        if len(found) == 1 and shared:
            return found * len(runs)
        if len(found) != len(runs):
            raise ValueError(
                f"inputnode.{name} has {len(found)} entries and inputnode.bold_file {len(runs)}: give one a run, in "
                "the order of the runs"
            )
        return found

    described = companions(confounds_metadata, "confounds_metadata")
    for i, entry in enumerate(described):
        if isinstance(entry, dict):
            described[i] = str(Path.cwd() / f"confounds_{i}.json")
            Path(described[i]).write_text(json.dumps(entry), encoding="utf-8")
    masks = None if bold_mask is None else companions(bold_mask, "bold_mask", shared=True)
    tables = companions(confounds_file, "confounds_file")
    return runs, masks, tables, described, list(range(len(runs)))


def as_given(files, bold_file):
    """One file for one run; a list for a list."""
    return files if isinstance(bold_file, list | tuple) else files[0]


def per_hemisphere(bold_file=None):
    """The left and the right files of runs in pairs, whether one pair came or a list of them."""
    pairs = [bold_file] if bold_file and isinstance(bold_file[0], str) else bold_file
    if not pairs or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"inputnode.bold_file is {bold_file!r}: give the left and the right func.gii of a run, or a list of such "
            "pairs; without hemispheres=True, 4-D images or dtseries.nii"
        )
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def as_given_pairs(left, right, bold_file):
    """One pair for one run; a list of pairs for a list."""
    pairs = [list(pair) for pair in zip(left, right, strict=True)]
    return pairs[0] if isinstance(bold_file[0], str) else pairs


def fitted_model(model=None, config=None):
    """A fitted CVAE, and how its voxels were split: only so are its held-out voxels known."""
    import json
    from pathlib import Path

    if not model:
        raise ValueError("inputnode.model is not set: give the model.safetensors that FitCvae or finn wrote")
    config = Path(config or Path(model).with_suffix(".json"))
    if not config.is_file():
        raise ValueError(f"the description of {model} is not there: {config}; give it as inputnode.config")
    made = json.loads(config.read_text(encoding="utf-8"))
    return str(model), str(config), made["latent_dim"], made.get("scheme") or "random", made["seed"]


def per_recording(bold_file=None, subject_id=None, confounds_file=None, confounds_metadata=None):
    """Give every recording its label, and its files as a list: one dtseries, or a left and a right GIFTI."""
    import json
    from pathlib import Path

    for name, value in (("bold_file", bold_file), ("subject_id", subject_id)):
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(
                f"inputnode.{name} is {value!r}: give a list, with an entry for each recording of the group"
            )
    data = [list(entry) if isinstance(entry, list | tuple) else [entry] for entry in bold_file]
    given = {"subject_id": subject_id, "confounds_file": confounds_file, "confounds_metadata": confounds_metadata}
    for name, value in given.items():
        if value is None:
            given[name] = [None] * len(data)
        elif isinstance(value, str | dict) or len(value) != len(data):
            n = len(value) if isinstance(value, list | tuple) else 1
            raise ValueError(
                f"inputnode.{name} has {n} entries, but there are {len(data)}: give one for each file (for each pair "
                "of hemispheres), in the same order"
            )
    persons = [f"sub-{str(person).removeprefix('sub-')}" for person in given["subject_id"]]
    labels = [
        person if persons.count(person) == 1 else f"{person}_{persons[:i].count(person) + 1}"
        for i, person in enumerate(persons)
    ]
    described = list(given["confounds_metadata"])
    for i, entry in enumerate(described):
        if isinstance(entry, dict):
            described[i] = str(Path.cwd() / f"confounds_{i}.json")
            Path(described[i]).write_text(json.dumps(entry), encoding="utf-8")
    return data, data[0], labels, persons, list(given["confounds_file"]), described


def per_image(anat_file=None, subject_id=None, anat_mask=None, grid_file=None):
    """Give every image its label, and all of them one grid: the first image's, where none is given."""
    for name, value in (("anat_file", anat_file), ("subject_id", subject_id)):
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"inputnode.{name} is {value!r}: give a list, with an entry for each image of the group")
    for name, value in (("subject_id", subject_id), ("anat_mask", anat_mask)):
        if value is not None and (isinstance(value, str) or len(value) != len(anat_file)):
            n = 1 if isinstance(value, str) else len(value)
            raise ValueError(
                f"inputnode.{name} has {n} entries, but there are {len(anat_file)} images: give one an image, in the "
                "same order"
            )
    persons = [f"sub-{str(person).removeprefix('sub-')}" for person in subject_id]
    labels = [
        person if persons.count(person) == 1 else f"{person}_{persons[:i].count(person) + 1}"
        for i, person in enumerate(persons)
    ]
    masks = [None] * len(anat_file) if anat_mask is None else list(anat_mask)
    return list(anat_file), masks, labels, persons, grid_file or anat_file[0]
