"""``pydra-vae`` itself: its help, its completion in shells, and its exit statuses."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pydra_vae.cli import COMMANDS, main, whole_parser
from pydra_vae.options.parser import EXIT_CODES


def test_help_lists_every_command_and_the_exit_statuses(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", said, re.MULTILINE)
    assert EXIT_CODES.strip() in said


def test_an_unknown_word_is_refused(capsys):
    assert main(["fin"]) == 2
    assert capsys.readouterr().err == (
        "pydra-vae: unknown recipe 'fin'; there are finn, motor, structural, fetch, clean, and --help\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_under_its_own_name(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: pydra-vae {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--print-completion"], ["--print-completion", "ksh"]])
def test_completion_names_the_shells_there_are(arguments, capsys):
    assert main(arguments) == 2
    assert "takes one shell, of bash, zsh, tcsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_completion_of_each_shell_knows_all_commands(shell, capsys):
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in (*COMMANDS, "participant-label", "bids-filter-file"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mo"], {"motor"}),
        (["finn", "--latent"], {"--latent-dim"}),
        (["motor", "--hrf", "spm", "--print"], set()),
        (["structural", "--network", "conv-"], {"conv-dense"}),
        (["finn", "data", "out", "par"], {"participant"}),
        (["finn", "--mask", "test_pack"], {"test_package.py"}),
    ],
)
def test_bash_completes(words, expected, capsys, tmp_path):
    main(["--print-completion", "bash"])
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    ask = (
        'compopt() { :; }; source "$1"; shift; COMP_WORDS=(pydra-vae "$@"); COMP_CWORD=$#; '
        '_shtab_pydra_vae; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", ask, "bash", script, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    assert set(done.stdout.split()) == expected


def test_the_whole_parser_parses_what_the_recipes_parse():
    found = whole_parser().parse_args(["finn", "d", "o", "group", "--participant-label", "01", "02"])
    assert (found.command, found.analysis_level, found.participant_label) == ("finn", "group", ["01", "02"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finn", "d"], "DERIVATIVES, OUTPUT and participant or group belong together"),
        (["motor", "d"], "DATA and OUTPUT belong together"),
        (["structural", "d", "o", "participant"], "there is no participant level"),
        (["finn", "d", "o", "session"], "invalid choice: 'session'"),
        (["finn", "d", "o", "group", "--particpant_label", "1"], "do you mean --participant-label?"),
        (["finn", "d", "o", "group", "--config"], "pydra-vae finn: error: argument --config: expected one argument"),
        (["motor", "d", "o", "--mem", "much"], "'much' is no amount of memory, such as 16GB"),
    ],
)
def test_wrong_arguments_end_with_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["finn", "motor", "structural"])
def test_unusable_input_ends_with_status_2(recipe, tmp_path, capsys):
    level = ["participant"] if recipe == "finn" else []
    assert main([recipe, str(tmp_path / "nowhere"), str(tmp_path / "out"), *level, "-w", str(tmp_path / "work")]) == 2
    assert "does not exist" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out" / "code").exists()


def test_the_documented_statuses_are_those_of_a_run():
    """0, 1 and 130; 2 is of wrong arguments and unusable input, above."""
    from pydra_vae.engine.errors import Failure
    from pydra_vae.engine.runner import Outcome

    one = {"sub-01": Failure("Step", "", "")}
    found = [Outcome(), Outcome(failures=one), Outcome(failures=one, interrupted=True)]
    documented = [int(code) for code in re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)]
    assert documented == [0, 1, 2, 130]
    assert [outcome.exit_code for outcome in found] == [0, 1, 130]
