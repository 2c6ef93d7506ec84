"""The container recipes: no image is built here, so what would break one is read out of them."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "containers"
TEXT = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
# of Docker's reference
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}
SECTIONS = {"arguments", "labels", "files", "post", "environment", "runscript", "test", "help"}


def _setup():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def docker():
    """Instructions of the Dockerfile, a list a stage: (word, rest)."""
    lines = [line for line in TEXT["Dockerfile"].splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    stages = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, " ".join(rest.split())))
    return stages


@pytest.fixture(scope="module")
def apptainer():
    """Sections of the Apptainer definition, with its header as ``header``."""
    parts = re.split(r"(?m)^%(\w+)\n", TEXT["apptainer.def"])
    return {"header": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def _environment(stage):
    return dict(pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in shlex.split(rest))


def _of(stage, name):
    return [rest for word, rest in stage if word == name]


def test_instructions_are_docker_s_and_sections_apptainer_s(docker, apptainer):
    assert {word for stage in docker for word, _ in stage} <= KNOWN
    assert set(apptainer) - {"header"} == SECTIONS
    assert len(docker) == 2 and docker[0][0] == ("FROM", docker[1][0][1] + " AS build")


def test_python_is_the_one_that_the_constraints_were_tested_with(docker, apptainer):
    image = docker[1][0][1]
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", image)[1]
    assert f"(Python {version})" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]
    assert SpecifierSet(_setup()["options"]["python_requires"]).contains(version)
    assert f"\nFrom: {image}\n" in apptainer["header"] and "Bootstrap: docker\n" in apptainer["header"]


def _copied(docker):
    sources = []
    for rest in _of(docker[0], "COPY"):
        words = rest.split()
        sources += [(word, words[-1]) for word in words[:-1]]
    return sources


def test_both_copy_all_that_an_installation_reads(docker, apptainer):
    copied = {source for source, _ in _copied(docker)}
    in_files = {line.split()[0]: line.split()[1] for line in apptainer["files"].strip().splitlines()}
    assert copied == set(in_files) and all(target == f"/src/{source}" for source, target in in_files.items())
    setup = _setup()
    readme = setup["metadata"]["long_description"].removeprefix("file: ")
    folders = {line.split("=")[1].strip() for line in setup["options"]["package_dir"].strip().splitlines()}
    needed = {"setup.cfg", "pyproject.toml", "constraints.txt", readme, setup["metadata"]["license_files"], *folders}
    assert needed | {"containers/install.sh"} == copied
    assert all((ROOT / source).exists() for source in copied)
    for source, target in _copied(docker):  # a folder's content is copied, not the folder
        assert target == ("./" if "/" not in source and (ROOT / source).is_file() else source.replace("install.sh", ""))


def test_nothing_that_is_copied_is_ignored_and_nothing_else_is_sent(docker):
    lines = [line for line in TEXT["Dockerfile.dockerignore"].splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {source for source, _ in _copied(docker)}


def test_the_entry_point_is_the_console_script(docker, apptainer):
    script = _setup()["options.entry_points"]["console_scripts"].strip().split(" = ")[0]
    assert _of(docker[1], "ENTRYPOINT") == [f'["{script}"]'] and _of(docker[1], "CMD") == ['["--help"]']
    assert apptainer["runscript"].strip() == f'exec {script} "$@"'
    assert f"{script} --version" in apptainer["test"]


def test_the_image_runs_as_a_user_who_can_write_what_is_written(docker):
    final = docker[1]
    assert [rest for word, rest in final if word == "USER"] == ["vae"]
    words = [word for word, _ in final]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY"))
    environment = _environment(final)
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME"):
        assert environment[name].startswith(environment["HOME"] + "/")
    # a user whom the image does not know has no name of his own
    assert environment["USER"] and environment["PYTHONNOUSERSITE"] == "1" and environment["NO_ET"] == "1"
    assert 'chmod -R a+rwX "$TEMPLATEFLOW_HOME" "$HOME"' in TEXT["install.sh"]
    assert f"mkdir -m 777 {environment['HOME']} {environment['TEMPLATEFLOW_HOME']}" in " ".join(_of(final, "RUN"))


def test_both_have_the_same_places(docker, apptainer):
    built, final = _environment(docker[0]), _environment(docker[1])
    assert {name: final[name] for name in built} == built
    assert f"export HOME={built['HOME']} TEMPLATEFLOW_HOME={built['TEMPLATEFLOW_HOME']}\n" in apptainer["post"]
    for name in ("PATH", "TEMPLATEFLOW_AUTOUPDATE", "NO_ET", "PYTHONNOUSERSITE"):
        assert f"export {name}={final[name]}\n" in apptainer["environment"]
    prefix = re.search(r"PREFIX:-([^}]+)", TEXT["install.sh"])[1]
    assert final["PATH"].startswith(f"{prefix}/bin:")
    for place in (prefix, built["TEMPLATEFLOW_HOME"], built["HOME"]):
        assert any(rest.endswith(f"{place} {place}") for rest in _of(docker[1], "COPY"))


def test_both_install_by_the_same_script_and_leave_no_package_lists(docker, apptainer):
    assert _of(docker[0], "RUN")[-1] == 'TORCH_INDEX="$TORCH_INDEX" sh containers/install.sh "$DEVICE"'
    assert 'TORCH_INDEX="{{ TORCH_INDEX }}" sh containers/install.sh "{{ DEVICE }}"' in apptainer["post"]
    assert _of(docker[0], "ARG") == apptainer["arguments"].split() == ["DEVICE=cpu", "TORCH_INDEX="]
    packages = re.compile(r"apt-get install -y --no-install-recommends ([a-z -]+?)(?: &&|\n)")
    runs = " ".join(_of(docker[1], "RUN"))
    assert packages.search(runs)[1].split() == packages.search(apptainer["post"])[1].split()
    assert "rm -rf /var/lib/apt/lists/*" in runs and "rm -rf /var/lib/apt/lists/*" in apptainer["post"]


@pytest.mark.parametrize("name", ["install.sh", "post", "runscript", "environment", "test"])
def test_shell_can_read_it(name, apptainer):
    text = TEXT.get(name) or apptainer[name]
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def _install(tmp_path, device, **given):
    """Run install.sh with a python that only writes down how it is called."""
    log, prefix = tmp_path / "log", tmp_path / "opt"
    recorder = tmp_path / "bin" / "python"
    recorder.parent.mkdir()
    recorder.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n'
        f'if [ "$1" = -m ] && [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    recorder.chmod(0o755)
    places = {"HOME": str(tmp_path / "home"), "TEMPLATEFLOW_HOME": str(tmp_path / "templates")}
    for place in places.values():
        Path(place).mkdir()
    done = subprocess.run(
        ["sh", FOLDER / "install.sh", device],
        cwd=ROOT,
        env=places | given | {"PATH": f"{recorder.parent}:{os.environ['PATH']}", "PREFIX": str(prefix)},
        capture_output=True,
        text=True,
    )
    return done, log.read_text() if log.exists() else ""


def test_cpu_takes_the_pinned_torch_without_cuda_first(tmp_path):
    done, log = _install(tmp_path, "cpu", TORCH_INDEX="https://index.example/cpu")
    assert done.returncode == 0, done.stderr
    pin = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    first, second = (line for line in log.splitlines() if " install " in line)
    assert first.endswith(f"--index-url https://index.example/cpu {pin}") and "--no-deps" in first
    assert second.endswith("install -c constraints.txt .[dask]")
    assert log.index("find_atlas") > log.index("constraints.txt .")


def test_cpu_without_an_index_of_its_own_says_what_that_brings(tmp_path):
    done, log = _install(tmp_path, "cpu")
    assert done.returncode == 0 and "CUDA may come along" in done.stderr
    assert len([line for line in log.splitlines() if " install " in line]) == 1


def test_cuda_takes_everything_from_the_package_index(tmp_path):
    done, log = _install(tmp_path, "cuda")
    assert done.returncode == 0 and len([line for line in log.splitlines() if " install " in line]) == 1


def test_another_device_is_refused(tmp_path):
    done, log = _install(tmp_path, "rocm")
    assert done.returncode == 2 and "DEVICE is cpu or cuda, not 'rocm'" in done.stderr and " install " not in log


def test_the_extras_that_are_installed_exist():
    extras = re.search(r'"\.\[([a-z,]+)\]"', TEXT["install.sh"])[1].split(",")
    assert set(extras) <= set(_setup()["options.extras_require"])


def test_the_atlas_that_is_put_in_is_the_one_that_a_run_looks_for(shared_data, tmp_path):
    """The script's own lines, on a folder that holds one of its two spaces; a run then needs no network."""
    shutil.copytree(shared_data / "templateflow", tmp_path / "templates")
    code = re.search(r'-c "\n(.*?)"\n', TEXT["install.sh"], re.DOTALL)[1]
    code = code.replace(", 'MNI152NLin6Asym'", ",")
    environment = os.environ | {"TEMPLATEFLOW_HOME": str(tmp_path / "templates")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("atlas-Schaefer2018_desc-200Parcels17Networks_dseg") == 2


def test_the_page_gives_the_commands_of_the_recipes():
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    for name in ("Dockerfile", "apptainer.def"):
        for command in re.findall(r"(?m)^#   ((?:docker|apptainer) build .*)$", TEXT[name]):
            assert command in page or command.replace("pydra-vae.sif", "pydra-vae-cuda.sif") in page
    for command in re.findall(r"pydra-vae(?::cuda|-cuda\.sif)? (finn|motor|structural|fetch) ", page):
        assert (ROOT / "pydra_vae" / "options" / f"{command}.py").exists()
