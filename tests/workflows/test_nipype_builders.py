"""The Nipype builders: embedded between other people's nodes, for one run and for several, and over a group."""

import inspect
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nipype import Node, Workflow, config
from nipype.algorithms.confounds import TSNR
from nipype.algorithms.misc import Gunzip

from pydra_vae.engine import nipype
from pydra_vae.workflows import nipype_builders as builders
from pydra_vae.workflows.nipype_parts import (
    as_given_pairs,
    fitted_model,
    per_hemisphere,
    per_image,
    per_recording,
    per_run,
)

from ..images.surface_files import axis, write_dtseries, write_func, write_label
from ..surface.meshes import sphere

DOCS = Path(__file__).resolve().parents[2] / "docs" / "nipype.md"
SHAPE, T, T_R = (7, 8, 6), 36, 2.0
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
SHORT = {"network": "dense", "max_steps": 12}
MESH = 150
TIVAE = {"metadata": {"RepetitionTime": 0.72}, "region": ("motor",), "n_clusters": 4, "latent_dim": 3}
ALL = {
    builders.init_cvae_latents_wf: {},
    builders.init_cvae_denoise_wf: {},
    builders.init_tivae_factors_wf: {"metadata": {"RepetitionTime": 0.72}},
    builders.init_volume_latents_wf: {},
}


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config.set("execution", "crashdump_dir", str(tmp_path))
    config.set("execution", "crashfile_format", "txt")
    config.set("execution", "poll_sleep_duration", "0.05")


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """Two runs with their mask, table of confounds and an atlas, named as fMRIPrep names them."""
    folder, rng = tmp_path_factory.mktemp("subject"), np.random.default_rng(0)
    inside = np.zeros(SHAPE, bool)
    inside[1:6, 1:7, 1:5] = True
    maps = rng.normal(size=(3, inside.sum()))
    bolds, tables = [], []
    for run in (1, 2):
        data = np.zeros((*SHAPE, T), np.float32)
        signal = maps.T @ rng.normal(size=(3, T)).cumsum(axis=1)
        data[inside] = 1000 + 5 * signal + rng.normal(size=signal.shape)
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_zooms((3, 3, 3, T_R))
        image.header.set_xyzt_units("mm", "sec")
        bolds.append(str(folder / f"sub-01_task-rest_run-{run}_desc-preproc_bold.nii.gz"))
        nib.save(image, bolds[-1])
        tables.append(str(folder / f"sub-01_task-rest_run-{run}_desc-confounds_timeseries.tsv"))
        columns = {f"{kind}_{axis}": rng.normal(size=T) for kind in ("trans", "rot") for axis in "xyz"}
        columns |= {name: rng.normal(size=T) for name in ("csf", "white_matter", "cosine00")}
        columns["non_steady_state_outlier00"] = np.eye(T)[0]
        pd.DataFrame(columns).to_csv(tables[-1], sep="\t", index=False)
    mask = folder / "sub-01_desc-brain_mask.nii.gz"
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), AFFINE), mask)
    return SimpleNamespace(bolds=bolds, tables=tables, mask=str(mask), inside=inside)


def stamps(base):
    """When each node of a finished workflow was last computed."""
    return {path: path.stat().st_mtime_ns for path in sorted(Path(base).rglob("_report/report.rst"))} | {
        path: path.stat().st_mtime_ns for path in sorted(Path(base).rglob("*.nii*")) if path.is_file()
    }


def outputs(graph, name):
    """Outputs of a node by the end of its name."""
    (node,) = [node for node in graph.nodes() if node.fullname.endswith(name)]
    return node.result.outputs


# ---- CVAE ---------------------------------------------------------------------------------------


def between_two_nodes(subject, base):
    """Gunzip → ours → TSNR, the first and the last as Nipype ships them."""
    flow = Workflow("mine", base_dir=str(base))
    unpack = Node(Gunzip(in_file=subject.bolds[0]), name="unpack")
    denoise = builders.init_cvae_denoise_wf(latent_dim=3, fit=SHORT)
    denoise.inputs.inputnode.bold_mask = subject.mask
    snr = Node(TSNR(), name="snr")
    flow.connect([
        (unpack, denoise, [("out_file", "inputnode.bold_file")]),
        (denoise, snr, [("outputnode.denoised_bold", "in_file")]),
    ])  # fmt: skip
    return flow


def test_denoising_stands_between_ordinary_nodes_and_is_cached(subject, tmp_path):
    graph = between_two_nodes(subject, tmp_path).run("Linear")
    denoised = outputs(graph, "cvae_denoise_wf.denoised_bold").denoised_bold
    assert isinstance(denoised, str), "one run in, one file out"
    before, after = nib.load(subject.bolds[0]), nib.load(denoised)
    assert after.shape == before.shape and np.allclose(after.affine, before.affine)
    assert after.header.get_zooms()[3] == pytest.approx(T_R)
    assert (after.get_fdata().any(axis=-1) == subject.inside).all()
    means = before.get_fdata()[subject.inside].mean(axis=1), after.get_fdata()[subject.inside].mean(axis=1)
    assert np.allclose(*means, rtol=1e-3)
    assert np.isfinite(nib.load(outputs(graph, "mine.snr").tsnr_file).get_fdata()).all()

    done = stamps(tmp_path)
    between_two_nodes(subject, tmp_path).run("Linear")
    assert stamps(tmp_path) == done, "the second run computes nothing"


def test_several_runs_with_confounds_and_a_dictionary_of_metadata(subject, tmp_path):
    flow = builders.init_cvae_denoise_wf(
        latent_dim=2, confounds_strategy="simple", extract={"motion": "basic", "wm_csf": "basic"},
        fit=SHORT, metadata={"RepetitionTime": T_R}, seed=3,
    )  # fmt: skip
    flow.base_dir = str(tmp_path)
    flow.inputs.inputnode.bold_file = subject.bolds
    flow.inputs.inputnode.bold_mask = subject.mask  # one for both
    flow.inputs.inputnode.confounds_file = subject.tables
    flow.inputs.inputnode.confounds_metadata = [{"trans_x": {}}, {"trans_x": {}}]
    graph = flow.run("Linear")
    files = outputs(graph, ".denoised_bold").denoised_bold
    assert isinstance(files, list) and [nib.load(path).shape[3] for path in files] == [T, T]
    latents = np.load(outputs(graph, "encode").latents)
    assert latents.shape == (subject.inside.sum(), 2)
    assert nib.load(outputs(graph, "latent_maps").maps).shape == (*SHAPE, 2)
    settings = json.loads(Path(outputs(graph, "fit_cvae").config).read_text())
    assert (settings["latent_dim"], settings["seed"]) == (2, 3)
    assert "collapsed" in json.loads(Path(outputs(graph, "judge_fit").verdict).read_text())


def test_frames_that_xcp_d_interpolated_do_not_count(subject, tmp_path):
    table = tmp_path / "outliers.tsv"  # as XCP-D's temporal_mask: 1 is an outlier
    pd.DataFrame({"framewise_displacement": [1, 0, 0, 1] + [0] * (T - 4)}).to_csv(table, sep="\t", index=False)
    flow = builders.init_cvae_latents_wf(latent_dim=2, extract={"fd_threshold": 0.5}, fit=SHORT)
    flow.base_dir = str(tmp_path)
    flow.inputs.inputnode.trait_set(bold_file=subject.bolds[0], bold_mask=subject.mask, confounds_file=str(table))
    frames = pd.read_csv(outputs(flow.run("Linear"), "normalize").frames, sep="\t")
    assert frames.index[frames["weight"] == 0].tolist() == [0, 3]


def test_companions_that_do_not_fit_the_runs_are_named():
    with pytest.raises(ValueError, match=r"inputnode\.confounds_file has 1 entries and inputnode\.bold_file 2: give"):
        per_run(["a", "b"], confounds_file="x.tsv")
    assert per_run("a", bold_mask="m") == (["a"], ["m"], [None], [None], [0])


@pytest.mark.parametrize("given", [{}, {"bold_file": []}])
def test_a_workflow_without_runs_says_so(given):
    with pytest.raises(ValueError, match=r"inputnode\.bold_file is not set, or empty: give a run, or a list of runs"):
        per_run(**given, bold_mask=["m", "m"])


def test_further_inputs_do_not_contradict_the_builders_own():
    with pytest.raises(ValueError, match="fit holds 'latent_dim', which this workflow sets itself"):
        builders.init_cvae_denoise_wf(latent_dim=3, fit={"latent_dim": 4})
    with pytest.raises(ValueError, match="extract holds 'strategy'"):
        builders.init_cvae_latents_wf(extract={"strategy": "simple"})
    for builder, further in ((builders.init_tivae_factors_wf, "prepare"), (builders.init_tivae_factors_wf, "fit")):
        with pytest.raises(ValueError, match=f"{further} holds"):
            builder(**ALL[builder], **{further: {"t_r": 1.0, "beta": 2.0}})
    fit = builders.init_volume_latents_wf(fit={"beta": 2.0, "device": "cuda:1"}).get_node("fit_vae")
    assert (fit.inputs.beta, fit.inputs.device) == (2.0, "cuda:1")


def test_a_fitted_model_is_applied_to_other_runs(subject, tmp_path):
    first = builders.init_cvae_latents_wf(latent_dim=2, seed=3, fit=SHORT, name="first")
    first.base_dir = str(tmp_path)
    first.inputs.inputnode.trait_set(bold_file=subject.bolds[0], bold_mask=subject.mask)
    network = outputs(first.run("Linear"), "fit_cvae")

    flow = builders.init_cvae_denoise_wf(fitted=True)
    flow.base_dir = str(tmp_path)
    given = {"bold_file": subject.bolds[1], "bold_mask": subject.mask, "model": network.model}
    flow.inputs.inputnode.trait_set(**given)
    graph = flow.run("Linear")
    assert not [node for node in graph.nodes() if node.name == "fit_cvae"]
    assert outputs(graph, "cvae_latents_wf.fitted_model").config == network.config
    split, controls = (outputs(graph, name) for name in ("split_voxels", "fit_controls"))
    (mine,) = [node for node in graph.nodes() if node.name == "split_voxels"]
    assert (mine.inputs.scheme, mine.inputs.seed) == ("random", 3), "no voxel of the training is held out"
    assert Path(split.voxel_split).is_file() and Path(controls.controls).is_file()
    assert nib.load(outputs(graph, "latent_maps").maps).shape == (*SHAPE, 2)
    assert nib.load(outputs(graph, ".denoised_bold").denoised_bold).shape == (*SHAPE, T)
    assert "fitted beforehand" in flow.__desc__


def test_what_a_fitted_model_needs(tmp_path):
    with pytest.raises(ValueError, match=r"fit says how to fit .network., but fitted=True fits nothing"):
        builders.init_cvae_latents_wf(fitted=True, fit={"network": "lk"})
    with pytest.raises(ValueError, match=r"inputnode\.model is not set: give the model\.safetensors"):
        fitted_model()
    with pytest.raises(ValueError, match=r"model\.json; give it as inputnode\.config"):
        fitted_model(str(tmp_path / "model.safetensors"))


def test_pairs_of_hemispheres_are_told_from_lists_of_runs():
    pair, other = ["l.func.gii", "r.func.gii"], ["l2.func.gii", "r2.func.gii"]
    assert per_hemisphere(pair) == (pair[:1], pair[1:])
    assert per_hemisphere([pair, other]) == ([pair[0], other[0]], [pair[1], other[1]])
    assert as_given_pairs(*per_hemisphere(pair), pair) == pair
    assert as_given_pairs(*per_hemisphere([pair, other]), [pair, other]) == [pair, other]
    for wrong in (None, pair[0], pair + other, [pair, other[:1]]):
        with pytest.raises(ValueError, match=r"give the left and the right func\.gii of a run"):
            per_hemisphere(wrong)
    for wrong in (pair, [pair, other]):
        with pytest.raises(ValueError, match="build the workflow with hemispheres=True"):
            per_run(wrong)


# ---- GPU slots ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("use_gpu", "n_procs"), [(False, 4), (True, 1)])
def test_use_gpu_and_threads_reach_the_nodes(monkeypatch, use_gpu, n_procs):
    monkeypatch.setattr(nipype, "_gpus", lambda: 2)
    flow = builders.init_cvae_denoise_wf(use_gpu=use_gpu, omp_nthreads=4, mem_gb=2)
    on_gpu = {node.name for node in flow._get_all_nodes() if hasattr(node, "is_gpu_node") and node.is_gpu_node()}
    assert on_gpu == ({"fit_cvae", "encode", "reconstruct"} if use_gpu else set())
    fit = flow.get_node("cvae_latents_wf").get_node("fit_cvae")
    assert (fit.n_procs, fit.inputs.threads) == (n_procs, 4)
    assert fit.mem_gb > 2
    assert fit.inputs.device == ("auto" if use_gpu else "cpu")


# ---- over a group -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """Five recordings of four persons on a small sphere, as pairs of GIFTI; surfaces and labels."""
    folder, rng = tmp_path_factory.mktemp("group"), np.random.default_rng(0)
    points, triangles = sphere(MESH)
    surfaces, labels = [], []
    for hemi in "LR":
        arrays = [nib.gifti.GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
                  nib.gifti.GiftiDataArray(triangles.astype(np.int32), "NIFTI_INTENT_TRIANGLE")]  # fmt: skip
        surfaces.append(str(folder / f"hemi-{hemi}_pial.surf.gii"))
        nib.save(nib.gifti.GiftiImage(darrays=arrays), surfaces[-1])
        labels.append(str(write_label(folder / f"{hemi}.label.gii", points[:, 2] > 0, {1: "motor"}, hemi)))
    data = [
        [str(write_func(folder / f"{i}_{h}.func.gii", rng.normal(size=(60, MESH)).cumsum(0), h)) for h in "LR"]
        for i in range(5)
    ]
    return SimpleNamespace(data=data, people=["01", "01", "02", "03", "04"], surfaces=surfaces, labels=labels)


def test_factors_of_a_group(group, tmp_path):
    flow = builders.init_tivae_factors_wf(**TIVAE, fit={"max_steps": 6, "crop": 60}, seed=1)
    flow.base_dir = str(tmp_path)
    given = flow.inputs.inputnode
    given.bold_file, given.subject_id = group.data, group.people
    given.surfaces, given.region_labels = group.surfaces, group.labels
    graph = flow.run("Linear")
    assert np.load(outputs(graph, "encode_factors").factors).shape == (5, 60, 3)
    split = pd.read_csv(outputs(graph, "split_subjects").subject_split, sep="\t", dtype=str)
    assert list(split["label"]) == ["sub-01_1", "sub-01_2", "sub-02", "sub-03", "sub-04"]
    tables = Path(outputs(graph, "write_factors").tables)
    times = pd.read_csv(tables / "sub-02.tsv", sep="\t")["time"]
    assert times[1] == pytest.approx(0.72)
    assert nib.load(outputs(graph, "write_maps").cifti).shape[0] == 3
    assert "collapsed" in json.loads(Path(outputs(graph, "score_tivae").verdict).read_text())


def test_a_run_on_the_surface_comes_back_as_one(group, tmp_path):
    vertices, rng = np.arange(MESH), np.random.default_rng(0)
    models = axis(vertices, vertices, mesh=MESH, volume=6)
    data = 1000 + rng.normal(size=(T, 3)).cumsum(axis=0) @ rng.normal(size=(3, len(models)))
    bold = write_dtseries(tmp_path / "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", data, models, t_r=T_R)
    flow = builders.init_cvae_denoise_wf(latent_dim=2, fit=SHORT)
    flow.base_dir = str(tmp_path)
    flow.inputs.inputnode.trait_set(bold_file=str(bold), surfaces=group.surfaces)
    denoised = outputs(flow.run("Linear"), ".denoised_bold").denoised_bold
    assert denoised.endswith(".dtseries.nii")
    image = nib.load(denoised)
    assert image.shape == (T, len(models)) and image.header.get_axis(0).step == pytest.approx(T_R)


def test_pairs_on_the_surface_come_back_as_pairs(group, tmp_path):
    flow = builders.init_cvae_denoise_wf(latent_dim=2, fit=SHORT, hemispheres=True, metadata={"RepetitionTime": 0.72})
    flow.base_dir = str(tmp_path)
    flow.inputs.inputnode.trait_set(bold_file=group.data[:2], surfaces=group.surfaces)
    graph = flow.run("Linear")
    denoised = outputs(graph, "denoise_wf.denoised_bold").denoised_bold
    for pair in denoised:
        for hemi, path in zip("LR", pair, strict=True):
            assert path.endswith(f"_hemi-{hemi}.func.gii")
            assert [len(array.data) for array in nib.load(path).darrays] == [MESH] * 60
    assert len(denoised) == 2
    maps = outputs(graph, "cvae_latents_wf.both_hemispheres").out
    assert [len(nib.load(path).darrays) for path in maps] == [2, 2]


@pytest.mark.parametrize("call", [per_recording, per_image])
def test_a_group_is_given_as_lists(call):
    field = {per_recording: "bold_file", per_image: "anat_file"}[call]
    files = [["a.dtseries.nii"], ["b.dtseries.nii"]] if call is per_recording else ["a.nii", "b.nii"]
    for wrong in ({}, {field: "a.nii", "subject_id": "01"}):
        with pytest.raises(ValueError, match=rf"inputnode\.{field} is .*: give a list, with an entry for each"):
            call(**wrong)
    with pytest.raises(ValueError, match=r"inputnode\.subject_id is None: give a list"):
        call(**{field: files})
    with pytest.raises(ValueError, match=r"inputnode\.subject_id has 1 entries, but there are 2"):
        call(**{field: files, "subject_id": ["01"]})


def test_factors_need_a_repetition_time():
    with pytest.raises(ValueError, match=r"metadata has no RepetitionTime, only \['EchoTime'\]"):
        builders.init_tivae_factors_wf(metadata={"EchoTime": 0.03})


def test_latents_of_volumes(tmp_path):
    rng, images = np.random.default_rng(0), []
    for i in range(24):
        data = np.zeros((10, 12, 8), np.float32)
        data[2:8, 2:10, 2:6] = rng.uniform(0.3, 0.9, (6, 8, 4))
        images.append(str(tmp_path / f"sub-{i:02d}_label-GM_probseg.nii.gz"))
        nib.save(nib.Nifti1Image(data, AFFINE), images[-1])
    flow = builders.init_volume_latents_wf(latent_dim=2, beta=1.0, fit={"network": "dense", "max_steps": 6})
    flow.base_dir = str(tmp_path)
    flow.inputs.inputnode.anat_file = images
    flow.inputs.inputnode.subject_id = [f"{i:02d}" for i in range(24)]
    graph = flow.run("Linear")
    table = pd.read_csv(outputs(graph, "write_latents").table, sep="\t", dtype=str)
    assert list(table["label"]) == [f"sub-{i:02d}" for i in range(24)]
    assert list(table)[:5] == ["label", "person", "part", "z0", "z1"]
    assert json.loads(Path(outputs(graph, "fit_vae").config).read_text())["latent_dim"] == 2


# ---- what a builder promises ----------------------------------------------------------------------


def described(builder, section):
    """Names in a section of a builder's docstring, as niworkflows writes them."""
    text = inspect.getdoc(builder)
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)[1]
    heads = [line.partition(" : ")[0] for line in body.splitlines() if line and not line.startswith(" ")]
    return [name.strip() for head in heads for name in head.split(",")]


@pytest.mark.parametrize("builder", ALL, ids=lambda builder: builder.__name__)
def test_builders_are_documented_keyword_only_and_say_their_methods(builder):
    assert builder.__name__ in builders.__all__
    parameters = inspect.signature(builder).parameters.values()
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    assert described(builder, "Parameters") == [parameter.name for parameter in parameters]
    flow = builder(**ALL[builder])
    assert flow.name == builder.__name__.removeprefix("init_")
    of_model = builder(**ALL[builder], fitted=True) if "fitted" in inspect.signature(builder).parameters else flow
    for section, node in (("Inputs", "inputnode"), ("Outputs", "outputnode")):
        fields = of_model.get_node(node).interface._fields
        assert sorted(described(builder, section)) == sorted(fields)
    fed = {field for *_, edge in flow._graph.in_edges(flow.get_node("outputnode"), data=True)
           for _, field in edge["connect"]}  # fmt: skip
    assert fed == set(flow.get_node("outputnode").interface._fields)
    assert "autoencoder" in flow.__desc__ and "pydra_vae" in flow.__desc__
    assert builder(**ALL[builder], name="other").name == "other"


def test_methods_text_is_collected_where_niworkflows_is_in_use(monkeypatch):
    class LiterateWorkflow(Workflow):
        """What niworkflows' parents look for among their children."""

    monkeypatch.setitem(sys.modules, "niworkflows.engine.workflows", SimpleNamespace(LiterateWorkflow=LiterateWorkflow))
    flow = builders.init_cvae_denoise_wf()
    assert isinstance(flow, LiterateWorkflow) and isinstance(flow.get_node("cvae_latents_wf"), LiterateWorkflow)
    texts = flow.__desc__ + flow.get_node("cvae_latents_wf").__desc__
    assert texts.count("Singla") == 1, "each method is said once"


# ---- docs/nipype.md -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    """Everything that the page's blocks define, each run as it stands there."""
    found = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(block, str(DOCS), "exec"), found)
    return found


def test_the_pages_workflow_runs(page, subject, tmp_path):
    made = page["init_my_wf"](subject.bolds[0], subject.mask, str(tmp_path), fit=SHORT)
    assert Path(outputs(made.run("Linear"), "tsnr").tsnr_file).is_file()


def test_the_pages_place_in_fmriprep_runs(page, subject, tmp_path):
    made = page["init_single_run_wf"]({"RepetitionTime": T_R}, {"resampled": 1}, 1)
    made.base_dir = str(tmp_path)
    made.get_node("bold_std_wf").inputs.bold_file = subject.bolds[0]
    made.get_node("resample_mask").inputs.output_image = subject.mask
    tables = {"confounds_file": subject.tables[0], "confounds_metadata": {"trans_x": {}}}
    made.get_node("bold_confounds_wf").inputs.trait_set(**tables)
    made.get_node("cvae_denoise_wf").get_node("cvae_latents_wf").get_node("fit_cvae").inputs.trait_set(**SHORT)
    graph = made.run("Linear")
    assert nib.load(outputs(graph, ".denoised_bold").denoised_bold).shape == (*SHAPE, T)


def test_the_page_names_every_builder_with_its_fields():
    rows = dict(re.findall(r"^\| `(init_\w+)` \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert sorted(rows) == sorted(builders.__all__)
    for name, text in rows.items():
        flow = {builder.__name__: builder(**options) for builder, options in ALL.items()}[name]
        known = {f for node in ("inputnode", "outputnode") for f in flow.get_node(node).interface._fields}
        assert set(re.findall(r"`(\w+)`", text)) <= known


def test_options_of_the_page_are_taken():
    found = re.findall(r"`(\w+=[^`]+)`", DOCS.read_text(encoding="utf-8").partition("## Where it goes")[0])
    names = {text.partition("=")[0] for text in found}
    assert {"fitted", "hemispheres", "metadata", "extract", "normalize", "fit"} <= names
    for text in found:
        builders.init_cvae_denoise_wf(**eval(f"dict({text})"))
