"""finn's configuration file repeats a run, and a BIDS filter file chooses its runs."""

import json
import tomllib

import pytest


@pytest.fixture(scope="module")
def first(demo, finn, tmp_path_factory):
    """One subject of the demo, in its work folder; the atlas is named from where the run starts."""
    folder, _ = demo
    output = tmp_path_factory.mktemp("levels") / "out"
    (atlas,) = (folder / "data").glob("*/*_dseg.nii.gz")
    arguments = (
        "data", output, "participant", "--atlas", atlas.relative_to(folder), "--participant_label", "sub-01",
        "--task-id", "story1", "story2", "--max-steps", "10", "--network", "dense", "--no-match-baselines",
        "--analyses", "none", "--mem", "20GB", "-w", "work",
    )  # fmt: skip
    done = finn(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return output / "code" / "finn_participant.toml", done


def test_the_configuration_is_complete(first, demo):
    config, _ = first
    text = config.read_text()
    values = tomllib.loads(text)
    assert values["derivatives"] == str(demo[0] / "data")
    assert values["output"] == str(config.parents[1])
    assert values["level"] == "participant"
    assert values["work-dir"] == str(demo[0] / "work")
    assert values["atlas"].startswith(str(demo[0] / "data"))
    assert values["task-id"] == ["story1", "story2"]
    assert (values["max-steps"], values["no-match-baselines"], values["mem-gb"]) == (10, True, 20.0)
    assert not values.keys() & {"beta", "dry-run", "config", "n-procs"}
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "pydra-vae 0." in comments[0]
    assert f"pydra-vae finn --config {config}" in comments[1]
    assert "--participant_label sub-01" in comments[-1]


def test_it_repeats_the_run_and_computes_nothing(first, finn, tmp_path):
    config, done = first
    before = config.read_bytes()
    again = finn("--config", config, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.steps == done.steps and not again.done_again
    assert config.read_bytes() == before


def test_a_filter_file_chooses_the_runs(first, finn, tmp_path):
    (tmp_path / "filter.json").write_text(json.dumps({"bold": {"task": "story1", "acquisition": None}}))
    arguments = ("--config", first[0], "--task-id", "story1", "story2", "--dry-run", "--bids-filter-file")
    done = finn(*arguments, "filter.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "no task-story2 fits" in done.stderr
    done = finn(*arguments[:3], "story1", *arguments[5:], "filter.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sub-01: 1 run(s)" in done.stdout
