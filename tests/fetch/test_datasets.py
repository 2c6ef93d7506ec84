"""The datasets: the real listing of ds001338's derivatives served with stubs, a DataLad dataset, HCP's bucket."""

import csv
import datetime as dt
import hashlib
import os
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
import requests

from pydra_vae import fetch
from pydra_vae.bids.index import find_runs, index, select_runs
from pydra_vae.bids.recordings_fmriprep import find_fmriprep
from pydra_vae.bids.recordings_hcp import find_hcp
from pydra_vae.downloads import datasets
from pydra_vae.downloads.annex import annexed_files
from pydra_vae.downloads.datasets import Places, openneuro
from pydra_vae.downloads.files import FetchError
from pydra_vae.downloads.http import Client
from pydra_vae.downloads.needed import Wanted
from pydra_vae.downloads.s3 import Bucket
from pydra_vae.downloads.sigv4 import Credentials, SigV4, credentials

ROOT = "openneuro-derivatives/fmriprep/ds001338-fmriprep"
TABLES = ("dataset_description.json", "participants.tsv")


@pytest.fixture
def bucket(server, shared_data):
    """The bucket of OpenNeuro's derivatives as it is listed; a file's bytes are its own name."""
    with (shared_data / "meta" / "ds001338-fmriprep_files.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            server.objects[f"{ROOT}/{row['path']}"] = b"{}" if row["path"].endswith(".json") else row["path"].encode()
    server.objects[f"{ROOT}/dataset_description.json"] = b"{}"
    server.objects["openneuro.org/ds001338/participants.tsv"] = b"participant_id\tgptsa_score\n"
    server.objects["openneuro.org/ds001338/T1w.json"] = b"{}"
    for subject in ("tb2994", "tb3132"):
        name = f"openneuro.org/ds001338/sub-{subject}/func/sub-{subject}_task-story1"
        server.objects[f"{name}_events.tsv"] = b"onset\tduration\n"
        server.objects[f"{name}_bold.nii.gz"] = b"raw"
    return server


def run(server, *words):
    return fetch.main([*map(str, words), "--endpoint-url", server.url], "pydra-vae fetch")


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_finn_gets_what_it_reads_and_no_more(bucket, tmp_path, capsys):
    words = ("ds001338", "--participant-label", "tb2994", "sub-tb3132", "--task-id", "story1", "-o", tmp_path / "d")
    assert run(bucket, *words) == 0
    runs = find_runs(tmp_path / "d", task_id=["story1"])
    assert sorted(runs) == ["sub-tb2994", "sub-tb3132"]
    for (one,) in runs.values():
        assert one.mask and one.confounds and one.confounds_json and one.boldref and one.t1w and one.sidecar
        assert one.bold.read_text().endswith("story1_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz")
    got = tree(tmp_path / "d")
    assert set(TABLES) <= got
    assert not [name for name in got if any(word in name for word in ("story2", "AROMA", "fsLR", "space-T1w", "xfm"))]
    assert all(one.events for (one,) in runs.values())
    # image and JSON of series, mask and T1w; boldref; table and JSON of confounds; events of the raw data
    assert len(got) == len(TABLES) + 2 * 10
    first = bucket.asked.total()
    assert run(bucket, *words) == 0
    assert bucket.asked.total() == first and "22 there already" in capsys.readouterr().err


def test_all_participants_of_the_real_listing_have_their_three_stories(bucket, tmp_path, capsys):
    assert run(bucket, "ds001338", "--dry-run", "-o", tmp_path / "d") == 0
    listed = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    series = [name for name in listed if name.endswith("res-2_desc-preproc_bold.nii.gz")]
    assert len({PurePosixPath(name).parts[0] for name in series}) == 22 and len(series) == 66
    assert not (tmp_path / "d").exists() and bucket.asked.total() == 0


def test_motor_gets_grayordinates_and_the_raw_events(bucket, tmp_path):
    words = ("ds001338", "--for", "motor", "--participant-label", "tb2994", "--task-id", "story1")
    assert run(bucket, *words, "-o", tmp_path / "d") == 0
    found, problems = find_fmriprep(tmp_path / "d", task="story1")
    (recording,) = found
    assert not problems and recording.data[0].name.endswith("space-fsLR_den-91k_bold.dtseries.nii")
    assert recording.events[0].read_text().startswith("onset")
    assert not [name for name in tree(tmp_path / "d") if name.endswith(".nii.gz")]


def test_motor_on_another_surface_gets_both_hemispheres(bucket, tmp_path):
    words = ("ds001338", "--for", "motor", "--space", "fsaverage5", "--participant-label", "tb2994")
    assert run(bucket, *words, "-o", tmp_path / "d") == 0
    found, _ = find_fmriprep(tmp_path / "d", task="story2", space="fsaverage5")
    assert len(found[0].data) == 2


def test_structural_gets_its_maps(bucket, tmp_path):
    words = ("ds001338", "--for", "structural", "--participant-label", "tb2994", "-o", tmp_path / "d")
    assert run(bucket, *words) == 0
    images = {name.rpartition("/")[2] for name in tree(tmp_path / "d") if name.endswith(".nii.gz")}
    space = "sub-tb2994_space-MNI152NLin2009cAsym_res-2_"
    assert images == {f"{space}label-GM_probseg.nii.gz", f"{space}desc-brain_mask.nii.gz"}


def test_native_space(bucket, tmp_path):
    assert run(bucket, "ds001338", "--space", "func", "--participant-label", "tb2994", "-o", tmp_path / "d") == 0
    assert [len(runs) for runs in find_runs(tmp_path / "d", space="func", task_id=["story1", "story2"]).values()] == [2]


def test_the_t1w_lies_behind_runs_in_its_space(bucket, tmp_path):
    words = ("ds001338", "--space", "space-T1w", "--participant-label", "tb2994", "--task-id", "task-story1")
    assert run(bucket, *words, "-o", tmp_path / "d") == 0
    ((one,),) = find_runs(tmp_path / "d", space="T1w").values()
    assert one.t1w.name == "sub-tb2994_desc-preproc_T1w.nii.gz" and one.mask and one.boldref


def test_runs_on_a_subject_s_own_mesh_bring_it(bucket, tmp_path):
    for hemi in "LR":
        bucket.objects[f"{ROOT}/sub-tb2994/func/sub-tb2994_task-story1_hemi-{hemi}_space-fsnative_bold.func.gii"] = b"x"
    words = ("ds001338", "--space", "fsnative", "--participant-label", "tb2994", "-o", tmp_path / "d")
    assert run(bucket, *words) == 0
    runs, _ = select_runs(index(tmp_path / "d", surfaces=True), space="fsnative", surfaces=True)
    ((one,),) = runs.values()
    assert one.bold_right and set(one.surfaces) == {"pial", "inflated"}


def test_structural_gets_the_visits_of_the_raw_data(bucket, tmp_path):
    bucket.objects["openneuro.org/ds001338/sub-tb2994/sub-tb2994_sessions.tsv"] = b"session_id\tage\n"
    words = ("ds001338", "--for", "structural", "--participant-label", "tb2994", "-o", tmp_path / "d")
    assert run(bucket, *words) == 0
    assert (tmp_path / "d" / "sub-tb2994" / "sub-tb2994_sessions.tsv").exists()
    assert not [name for name in tree(tmp_path / "d") if "events" in name]


def test_an_interrupt_ends_a_listing_that_is_asked_for_again_and_again(bucket, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    client = Client(wait=0.01)
    monkeypatch.setattr(datasets.Bucket, "files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets._side_by_side(client, Bucket(bucket.url, client).files, ["a/"])
    assert client.stopped.is_set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ds999999",), "ds999999-fmriprep/: OpenNeuro preprocessed only some"),
        (
            ("ds001338", "--participant-label", "tb2995"),
            "no participant tb2995; do you mean tb2994? There are 22: tb2994,",
        ),
        (
            ("ds001338", "--space", "MNI"),
            "Spaces there: MNI152NLin2009cAsym, MNI152NLin6Asym, T1w, fsLR, fsaverage5, none",
        ),
        (("ds001338", "--task-id", "rest"), "tasks: story1, story2, story3. Choose with --space and --task-id"),
        (("neuro",), "'neuro' is no dataset that can be fetched: give dsNNNNNN, paranoia, gin:OWNER/NAME or hcp-motor"),
    ],
)
def test_what_cannot_be_had_is_said(bucket, tmp_path, capsys, words, said):
    assert run(bucket, *words, "-o", tmp_path / "d") == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "d").exists()


def test_a_participant_without_the_task_is_left_out_by_name(bucket, tmp_path, capsys):
    for name in [name for name in bucket.objects if "sub-tb2994" in name and "story1" in name]:
        del bucket.objects[name]
    words = ("ds001338", "--participant-label", "tb2994", "tb3132", "--task-id", "story1", "-o", tmp_path / "d")
    assert run(bucket, *words) == 1
    assert "left out sub-tb2994 has nothing of what finn reads" in capsys.readouterr().err
    assert list(find_runs(tmp_path / "d")) == ["sub-tb3132"]


def test_failures_on_the_way_leave_the_rest_and_a_rerun_completes(bucket, tmp_path, capsys):
    func = f"{ROOT}/sub-tb2994/func/sub-tb2994_task-story1"
    bold = f"{func}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
    bucket.objects[bold] = bytes(300_000)
    bucket.faults = {bold: ("cut", 2), f"{func}_desc-confounds_timeseries.tsv": (404, 1)}
    words = ("ds001338", "--participant-label", "tb2994", "--task-id", "story1", "-o", tmp_path / "d")
    assert run(bucket, *words) == 1
    assert "confounds_timeseries.tsv: the server answers 404" in capsys.readouterr().err
    assert run(bucket, *words) == 0
    assert "1 fetched, 11 there already" in capsys.readouterr().err


def test_a_listing_that_fails_for_a_while(bucket):
    bucket.faults["openneuro-derivatives?list"] = (503, 2)
    assert openneuro("ds001338", Wanted(), ["tb2994"], Client(wait=0.01), Places.at(bucket.url)).files


def test_raw_data_that_cannot_be_listed_leave_the_derivatives(bucket, tmp_path, capsys):
    bucket.faults["openneuro.org?list"] = (403, 9)
    assert run(bucket, "ds001338", "--participant-label", "tb2994", "-o", tmp_path / "d") == 1
    assert "left out tables of the raw data (participants.tsv and the like):" in capsys.readouterr().err
    assert len(find_runs(tmp_path / "d", task_id=["story1"])) == 1


def test_a_page_that_is_no_listing_is_said(bucket):
    """As a proxy or a hotel's network answers."""
    bucket.pages["openneuro-derivatives"] = b"<html>Log in</html>"
    with pytest.raises(FetchError, match="no listing of a bucket came, but <html>"):
        openneuro("ds001338", Wanted(), None, Client(wait=0.01), Places.at(bucket.url))
    bucket.pages["openneuro-derivatives"] = b"Log in"
    with pytest.raises(FetchError, match="no listing of a bucket came, but b'Log in'"):
        openneuro("ds001338", Wanted(), None, Client(wait=0.01), Places.at(bucket.url))


# ── GIN ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def gin(server, tmp_path, monkeypatch):
    """A DataLad dataset as git-annex commits it; git clones it from disk, contents come from the server."""
    work = tmp_path / "repositories" / "ljchang" / "Paranoia"
    contents = {"participants.tsv": b"participant_id\n", "dataset_description.json": b"raw"}
    func = "fmriprep/sub-tb2994/func/sub-tb2994"
    space = "space-MNI152NLin2009cAsym_desc"
    contents["fmriprep/dataset_description.json"] = b"{}"
    for run_ in "12":
        contents[f"{func}_denoise_smooth6mm_task-story_run-{run_}_{space}-preproc_bold.nii.gz"] = (
            f"paper {run_}".encode()
        )
        contents[f"{func}_denoise_task-story_run-{run_}_{space}-preproc_bold.nii.gz"] = b"not smoothed"
        contents[f"{func}_task-story_run-{run_}_{space}-preproc_bold.nii.gz"] = b"fMRIPrep's"
        contents[f"{func}_task-story_run-{run_}_{space}-brain_mask.nii.gz"] = b"mask"
        contents[f"{func}_task-story_run-{run_}_desc-confounds_regressors.tsv"] = b"csf\n"
    for path, content in contents.items():
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith((".tsv", ".json")) and "confounds" not in path:
            file.write_bytes(content)
            continue
        key = f"MD5E-s{len(content)}--{hashlib.md5(content).hexdigest()}.nii.gz"
        if "mask" in path:  # an unlocked file: a pointer instead of a link
            file.write_text(f"/annex/objects/{key}\n")
        else:
            file.symlink_to(f"../../../.git/annex/objects/Ab/cD/{key}/{key}")
    own = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "data"]):
        subprocess.run(["git", "-C", work, *words], check=True, env=os.environ | own)
    head = subprocess.run(["git", "-C", work, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    for path, content in contents.items():
        server.objects[f"ljchang/Paranoia/raw/{head.stdout.strip()}/{path}"] = content
        server.faults[f"ljchang/Paranoia/raw/{head.stdout.strip()}/{path}"] = ("no range", 1000)  # as GIN does
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/repositories/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"{server.url}/")
    return server


def test_the_paper_s_copy(gin, tmp_path):
    """The smoothed, denoised runs by default, found by finn under the prefix that they have."""
    assert run(gin, "paranoia", "-o", tmp_path / "d") == 0
    (runs,) = find_runs(tmp_path / "d").values()
    assert [one.bold.read_text() for one in runs] == ["paper 1", "paper 2"]
    assert runs[0].prefix == "denoise_smooth6mm" and runs[0].mask and runs[0].confounds
    assert (tmp_path / "d" / "participants.tsv").exists()
    assert (tmp_path / "d" / "dataset_description.json").read_text() == "{}"


def test_fmriprep_s_own_runs_of_that_copy(gin, tmp_path):
    assert run(gin, "gin:ljchang/Paranoia", "--run", "2", "--prefix", "none", "-o", tmp_path / "d") == 0
    (runs,) = find_runs(tmp_path / "d").values()
    assert [one.bold.read_text() for one in runs] == ["fMRIPrep's"]


def test_bytes_of_an_annexed_file_are_held_against_its_key(gin, tmp_path, capsys):
    for name in list(gin.objects):
        if "smooth6mm_task-story_run-1" in name:
            gin.faults[name] = ("wrong", 9)
    assert run(gin, "paranoia", "-o", tmp_path / "d") == 1
    assert "wrong bytes came, twice" in capsys.readouterr().err


def test_a_repository_that_is_not_there(gin, tmp_path, capsys):
    assert run(gin, "gin:nobody/Nothing", "-o", tmp_path / "d") == 2
    assert "git clone failed" in capsys.readouterr().err


def test_git_that_is_not_there(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FetchError, match="git is not installed"):
        annexed_files("file:///nowhere", "http://127.0.0.1:9", lambda _: True)


# ── HCP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hcp(server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/key")
    for subject in ("100206", "100307", "100408"):
        top = f"hcp-openaccess/HCP_1200/{subject}/MNINonLinear"
        for run_ in ("tfMRI_MOTOR_LR", "tfMRI_MOTOR_RL", "rfMRI_REST1_LR"):
            if (subject, run_) == ("100408", "tfMRI_MOTOR_LR"):
                continue
            own = f"{top}/Results/{run_}"
            for kind in ("_Atlas_MSMAll.dtseries.nii", "_Atlas.dtseries.nii", ".nii.gz", "_SBRef.nii.gz"):
                server.objects[f"{own}/{run_}{kind}"] = f"{run_}{kind}".encode()
            for name in ("cue", "lf", "rf", "lh", "rh", "t", "Sync"):
                server.objects[f"{own}/EVs/{name}.txt"] = b"1 2 1\n"
        for hemi in "LR":
            for kind in ("pial_MSMAll", "midthickness_MSMAll", "white_MSMAll", "pial"):
                server.objects[f"{top}/fsaverage_LR32k/{subject}.{hemi}.{kind}.32k_fs_LR.surf.gii"] = b"surface"
    return server


def test_hcp_runs_are_found_by_motor_and_every_request_is_signed(hcp, tmp_path):
    words = ("hcp-motor", "--subjects", "100206", "100307", "--subject-surfaces", "-o", tmp_path / "d")
    assert run(hcp, *words) == 0
    found, problems = find_hcp(tmp_path / "d", task="motor", surfaces=True)
    assert [recording.label for recording in found] == ["sub-100206", "sub-100307"] and not problems
    for recording in found:
        assert recording.data[0].name == "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"
        assert len(recording.events) == 6 and "pial_MSMAll" in recording.surfaces[0].name
    got = tree(tmp_path / "d")
    assert not [name for name in got if name.endswith(".nii.gz") or "_RL" in name or "REST" in name]
    assert len(got) == 2 * (1 + 7 + 4)
    assert all("Credential=AKIDEXAMPLE/" in headers["Authorization"] for _, headers in hcp.headers)
    assert not any("secret" in str(headers) for _, headers in hcp.headers)


def test_hcp_subjects_without_the_run_are_named(hcp, tmp_path, capsys):
    assert run(hcp, "hcp-motor", "-o", tmp_path / "d") == 1
    assert "left out 100408:" in capsys.readouterr().err
    assert {name.split("/")[0] for name in tree(tmp_path / "d")} == {"100206", "100307"}


def test_both_directions(hcp, tmp_path, capsys):
    assert run(hcp, "hcp-motor", "--subjects", "100206", "--direction", "both", "-o", tmp_path / "d", "--dry-run") == 0
    assert capsys.readouterr().out.count(".dtseries.nii") == 2


def test_refused_keys_are_said_without_the_secret(hcp, tmp_path, capsys):
    hcp.faults["hcp-openaccess?list"] = (403, 99)
    assert run(hcp, "hcp-motor", "--subjects", "100206", "-o", tmp_path / "d") == 2
    said = capsys.readouterr().err
    assert "access refused (403 Forbidden)" in said and "db.humanconnectome.org" in said and "secret/key" not in said


def test_credentials_are_found_where_amazon_s_tools_look(tmp_path):
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = D\naws_secret_access_key = d%\n[hcp]\naws_access_key_id = H\n"
                    "aws_secret_access_key = h/+\naws_session_token = t\n")  # fmt: skip
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(path)}
    assert credentials(environ=environ) == Credentials("H", "h/+", "t")
    assert credentials("default", environ) == Credentials("D", "d%")
    assert credentials(environ=environ | {"AWS_PROFILE": "default"}).key == "D"
    both = environ | {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e"}
    assert credentials(environ=both) == Credentials("E", "e")
    assert credentials("hcp", both).key == "H"
    assert "h/+" not in repr(credentials(environ=environ))
    with pytest.raises(FetchError, match=r"no credentials: .*\[lab\] in .*db\.humanconnectome\.org"):
        credentials("lab", environ)
    path.write_text("nonsense")
    with pytest.raises(FetchError, match="cannot be read as a file of credentials"):
        credentials(environ=environ)


@pytest.mark.parametrize(
    ("url", "headers", "signature"),
    [
        ("/test.txt", {"Range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/?lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_signatures_are_those_of_amazon_s_examples(url, headers, signature):
    """The three GET requests of "Authenticating Requests: Using the Authorization Header", S3's API reference."""
    own = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    auth = SigV4(own, now=lambda: dt.datetime(2013, 5, 24, tzinfo=dt.UTC))
    asked = requests.Request(
        "GET", f"https://examplebucket.s3.amazonaws.com{url}", headers=headers, auth=auth
    ).prepare()
    assert asked.headers["Authorization"].endswith(f"Signature={signature}")


def test_the_help_is_quick_and_needs_no_network_library():
    code = (
        "import sys, contextlib, io\nfrom pydra_vae import fetch\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    fetch.main(['--help'])\n"
        "print([m for m in ('requests', 'pooch', 'numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
