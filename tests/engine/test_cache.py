"""Points 1 and 2: an edit reruns what depends on it, and nothing else; an edit during a run is never stored.

On an installed copy of the package, with steps written into it: Load → Fit → Report, as a recipe has them, each
with helpers of its own.
"""

import json
import textwrap

import pytest

STEPS = '''
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"series": File})
    def Load(bold: File):
        """Read.

        Parameters
        ----------
        bold : file
            What to read.

        Returns
        -------
        series : file
            What was read.
        """
        from pydra_vae.images import toy_reading

        return toy_reading.read(bold)
'''
FIT = '''
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"model": File})
    def Fit(series: File, seed: int = 0):
        """Fit."""
        from ..stats.toy_mean import mean

        Path("model.txt").write_text(f"{mean(Path(series).read_text())} {seed}")
        return Path("model.txt")
'''
REPORT = '''
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step
    from pydra_vae.reports import toy_page


    @step(outputs={"page": File})
    def Report(models: list[File]):
        """Report."""
        Path("page.html").write_text(toy_page.page(Path(model).read_text() for model in models))
        return Path("page.html")
'''
GRAPHS = """
    from fileformats.generic import File
    from pydra.compose import workflow

    from pydra_vae.tasks.toy_fit import Fit
    from pydra_vae.tasks.toy_load import Load
    from pydra_vae.tasks.toy_report import Report


    @workflow.define(outputs=["page"])
    def Plain(bold: File, seed: int = 0):
        load = workflow.add(Load(bold=bold))
        fits = workflow.add(Fit(series=load.series).split(seed=[seed]).combine("seed"))
        return workflow.add(Report(models=fits.model)).page


    @workflow.define(outputs=["page"])
    def Nested(bold: File):
        inner = workflow.add(Plain(bold=bold))
        return inner.page


    @workflow.define(outputs=["page"])
    def Split(bold: File, seeds: list[int]):
        load = workflow.add(Load(bold=bold))
        fits = workflow.add(Fit(series=load.series).split(seed=seeds).combine("seed"))
        return workflow.add(Report(models=fits.model)).page
"""
SCRIPT = """
    import json
    import sys
    from pathlib import Path

    from fileformats.generic import File
    from pydra.compose import workflow

    import pydra_vae
    import pydra_vae.workflows.toy
    from pydra_vae.engine.runner import run
    from pydra_vae.tasks.toy_fit import Fit
    from pydra_vae.tasks.toy_load import Load
    from pydra_vae.workflows.toy import Nested, Plain, Split


    @workflow.define(outputs=["model"])
    def Users(bold: File):
        return workflow.add(Fit(series=workflow.add(Load(bold=bold)).series)).model


    if __name__ == "__main__":
        tasks = {
            "nested": Nested(bold="nested.txt"),
            "split": Split(bold="split.txt", seeds=[1, 2]),
            "user": Users(bold="user.txt"),
        }
        outcome = run(tasks, work_dir="work", n_procs=2)
        print(json.dumps({
            "from": [pydra_vae.__file__, pydra_vae.workflows.toy.__file__, pydra_vae.workflows.__file__],
            "computed": {row["step"]: row["computed"] for row in outcome.table},
            "reused": {row["step"]: row["reused"] for row in outcome.table},
            "why": {row["step"]: row["why"] for row in outcome.table},
            "page": Path(outcome.outputs["nested"].page).read_text(),
            "model": Path(outcome.outputs["user"].model).read_text(),
        }))
        sys.exit(outcome.exit_code)
"""
ALL = {"Load": 3, "Fit": 4, "Report": 2}
NONE = {"Load": 0, "Fit": 0, "Report": 0}


@pytest.fixture
def recipe(installed):
    """The toy recipe in an installed package, run once."""
    here = installed
    here.write("pydra_vae/tasks/toy_load.py", STEPS)
    here.write("pydra_vae/tasks/toy_fit.py", FIT)
    here.write("pydra_vae/tasks/toy_report.py", REPORT)
    here.write("pydra_vae/workflows/toy.py", GRAPHS)
    here.write(
        "pydra_vae/images/toy_reading.py",
        '''
        """Reading."""
        from pathlib import Path


        def read(path):
            """Read."""
            Path("series.txt").write_text(Path(path).read_text().strip())
            return Path("series.txt")
        ''',
    )
    here.write("pydra_vae/stats/toy_mean.py", "def mean(text):\n    return sum(map(float, text.split())) / 1\n")
    here.write(
        "pydra_vae/reports/toy_page.py",
        """
        from importlib.resources import files


        def page(models):
            template = files("pydra_vae.reports").joinpath("toys", "page.html").read_text()
            return template.replace("MODELS", ", ".join(models))
        """,
    )
    here.write("pydra_vae/reports/toys/page.html", "<p>MODELS</p>\n")
    here.write("pydra_vae/stats/toy_other.py", "OTHER = 1\n")
    here.write("script.py", SCRIPT)
    here.write("clean.py", "import sys\nfrom pydra_vae.workflows.clean import main\n\nsys.exit(main(sys.argv[1:]))\n")
    for number, name in enumerate(("nested", "split", "user")):
        here.write(f"{name}.txt", f"1 2 {number}\n")
    first = here.run("script.py").report
    assert all(str(here.folder) in file for file in first["from"]), first["from"]
    assert first["computed"] == ALL
    assert set(first["why"].values()) == {"first run"}
    assert here.run("script.py").report["computed"] == NONE
    return here


def test_an_edited_helper_reruns_what_reaches_it_and_what_depends_on_that(recipe):
    """In nested and split workflows and in a user's own; Load, upstream, is left alone."""
    recipe.edit("pydra_vae/stats/toy_mean.py", "/ 1", "/ 2")
    again = recipe.run("script.py").report
    assert again["computed"] == {"Load": 0, "Fit": 4, "Report": 2}
    assert again["page"] == "<p>1.5 0</p>\n"
    assert again["model"] == "2.5 0"
    assert again["why"]["Fit"] == "changed code (pydra_vae.stats.toy_mean)"
    assert again["why"]["Report"] == "new input models"
    assert recipe.run("script.py").report["computed"] == NONE
    # and back: the old results are still there
    recipe.edit("pydra_vae/stats/toy_mean.py", "/ 2", "/ 1")
    assert recipe.run("script.py").report["computed"] == NONE


def test_an_edited_first_step_reruns_downstream_only_where_its_result_differs(recipe):
    recipe.edit("pydra_vae/images/toy_reading.py", "path).read_text().strip()", "path).read_text().strip() + ''")
    assert recipe.run("script.py").report["computed"] == {"Load": 3, "Fit": 0, "Report": 0}
    recipe.edit("pydra_vae/images/toy_reading.py", "strip() + ''", "strip() + ' 4'")
    assert recipe.run("script.py").report["computed"] == ALL


REPORT_ONLY = {"Load": 0, "Fit": 0, "Report": 2}
OTHER_EDITS = {
    "a template": ("pydra_vae/reports/toys/page.html", "<p>", "<p class='a'>", REPORT_ONLY),
    "a report": ("pydra_vae/reports/toy_page.py", '", ".join', '"; ".join', REPORT_ONLY),
    "an unrelated module": ("pydra_vae/stats/toy_other.py", "1", "2", NONE),
    "docstring, comment": ("pydra_vae/images/toy_reading.py", '"""Reading."""', '"""Else."""  # and more', NONE),
    "help of an output": ("pydra_vae/tasks/toy_load.py", "What was read.", "What was found.", NONE),
}


def test_other_edits_refit_nothing(recipe):
    computed = {}
    for what, (file, old, new, _) in OTHER_EDITS.items():
        recipe.edit(file, old, new)
        computed[what] = recipe.run("script.py").report["computed"]
    assert computed == {what: expected for what, (*_, expected) in OTHER_EDITS.items()}


EDITING = '''
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"done": File})
    def Edit(text: str, file: str):
        """Edits code that it does not reach while the run is under way, as a user might."""
        Path(file).write_text(text)
        Path("done").write_text(text)
        return Path("done")
'''
USING = """
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"value": File})
    def Use(word: str, after: File | None = None):
        import helper

        Path("value.txt").write_text(f"{word} {helper.VALUE}")
        return Path("value.txt")
"""
EDITING_SCRIPT = """
    import json
    import sys
    from pathlib import Path

    from pydra.compose import workflow

    from editing import Edit
    from pydra_vae.engine.runner import run
    from using import Use

    FILE = str(Path.cwd() / "code" / "helper.py")


    @workflow.define(outputs=["value"])
    def UseEditUse(text: str):
        first = workflow.add(Use(word="before"), name="first")
        edit = workflow.add(Edit(text=text, file=FILE))
        return workflow.add(Use(word="after", after=edit.done), name="second").value


    @workflow.define(outputs=["value"])
    def EditUse(text: str):
        edit = workflow.add(Edit(text=text, file=FILE.replace("helper", "using")))
        return workflow.add(Use(word="queued", after=edit.done)).value


    if __name__ == "__main__":
        if sys.argv[1] == "queued":  # one process: Use is hashed before Edit runs, and imported after
            tasks = {"edit": Edit(text=sys.argv[2], file=FILE), "use": Use(word="queued")}
        elif sys.argv[1] == "loaded":  # Use is hashed after Edit, in a process that had loaded the helper before
            tasks = {"use": UseEditUse(text=sys.argv[2])}
        elif sys.argv[1] == "imported":  # the same, in a process that had imported Use's module but never run Use
            tasks = {"use": EditUse(text=sys.argv[2])}
        else:
            tasks = {"use": Use(word="queued")}
        outcome = run(tasks, work_dir="work", n_procs=1)
        values = {k: Path(v.value).read_text() for k, v in outcome.outputs.items() if k == "use"}
        print(json.dumps({"values": values, "failures": {k: f.message for k, f in outcome.failures.items()}}))
"""


@pytest.mark.parametrize("how", ["queued", "loaded"])
def test_code_edited_during_a_run_is_refused(lab, how):
    lab.path.append(lab.folder / "code")  # its neighbours would be the reach of Edit too
    lab.write("editing.py", EDITING)
    lab.write("script.py", EDITING_SCRIPT)
    lab.write("code/using.py", USING)
    lab.write("code/helper.py", "VALUE = 1\n")
    during = lab.run("script.py", how, "VALUE = 2\n").report
    assert during["values"] == {}
    assert "start the run again" in during["failures"]["use"]
    assert "helper.py" in during["failures"]["use"]
    # nothing was stored under a wrong key: with each code it is computed, and right
    for value in (1, 2):
        lab.write("code/helper.py", f"VALUE = {value}\n")
        assert lab.run("script.py", "alone").report["values"] == {"use": f"queued {value}"}


def test_a_step_edited_before_its_first_use_is_refused(lab):
    lab.path.append(lab.folder / "code")
    lab.write("editing.py", EDITING)
    lab.write("script.py", EDITING_SCRIPT)
    using, edited = textwrap.dedent(USING), textwrap.dedent(USING).replace("{word}", "edited")
    lab.write("code/using.py", using)
    lab.write("code/helper.py", "VALUE = 1\n")
    during = lab.run("script.py", "imported", edited).report
    assert during["values"] == {}
    assert "start the run again" in during["failures"]["use"]
    assert "using.py" in during["failures"]["use"]
    assert lab.run("script.py", "imported", edited).report["values"] == {"use": "edited 1"}


# ---- pydra-vae clean ------------------------------------------------------------------------------


def stored(recipe):
    """How many results of each step the work folder holds."""
    found = [json.loads(path.read_text())["step"].rpartition(".")[2] for path in recipe.work.glob("*/_step.json")]
    return {name: found.count(name) for name in ALL}


def test_cleaning_deletes_what_no_run_can_find_and_nothing_else(recipe):
    assert "0 results, 0 MB, deleted; 9," in recipe.run("clean.py", "work").err
    # an edit without effect on the files: the old results of the first step alone are out of reach
    recipe.edit("pydra_vae/images/toy_reading.py", "path).read_text().strip()", "path).read_text().strip() + ''")
    assert recipe.run("script.py").report["computed"] == {"Load": 3, "Fit": 0, "Report": 0}
    said = recipe.run("clean.py", "work", "--dry-run").err
    assert "3 of 6" in said and "its code was edited" in said
    assert stored(recipe)["Load"] == 6
    recipe.run("clean.py", "work")
    assert stored(recipe) == ALL
    assert recipe.run("script.py").report["computed"] == NONE
    # an edit that was not run yet: what follows from the old results goes with them
    recipe.edit("pydra_vae/stats/toy_mean.py", "/ 1", "/ 2")
    assert "it was made from an older result of Fit" in recipe.run("clean.py", "work").err
    assert stored(recipe) == {"Load": 3, "Fit": 0, "Report": 0}
    assert recipe.run("script.py").report["computed"] == {"Load": 0, "Fit": 4, "Report": 2}


def test_cleaning_can_keep_the_latest_until_there_is_a_later_one(recipe):
    recipe.edit("pydra_vae/stats/toy_mean.py", "/ 1", "/ 2")
    recipe.run("clean.py", "work", "--keep-latest")
    assert stored(recipe) == ALL
    recipe.run("script.py")
    assert stored(recipe) == {"Load": 3, "Fit": 8, "Report": 4}
    recipe.run("clean.py", "work", "--keep-latest")
    assert stored(recipe) == ALL
    assert recipe.run("script.py").report["computed"] == NONE


def test_cleaning_tells_a_changed_input_from_a_folder_that_is_not_there(recipe):
    recipe.write("user.txt", "7 8 9\n")
    said = recipe.run("clean.py", "work").err
    assert "input bold changed" in said
    assert stored(recipe) == {"Load": 2, "Fit": 3, "Report": 2}
    recipe.edit("script.py", 'bold="nested.txt"', 'bold="disk/nested.txt"')
    recipe.write("disk/nested.txt", "1 2 5\n")
    recipe.run("script.py")
    before = stored(recipe)
    (recipe.folder / "disk").rename(recipe.folder / "unmounted")
    said = recipe.run("clean.py", "work").err
    assert "disk is not there (a disk that is not mounted?)" in said
    assert stored(recipe) == before


def test_cleaning_refuses_what_is_no_work_folder_and_one_that_is_at_work(recipe):
    assert "is no folder" in recipe.run("clean.py", "nowhere", code=2).err
    assert "holds no results" in recipe.run("clean.py", "pydra_vae", code=2).err
    folder = next(recipe.work.glob("python-*"))
    folder.with_suffix(".lock").write_text("77\nnode42\n")
    said = recipe.run("clean.py", "work", code=2).err
    assert "process 77 on node42" in said
    assert stored(recipe) == ALL
