"""Pages from templates: sections are put together by nireports, the index by Jinja; one style sheet for both."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydra_vae.reports import formats

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    name : str
        Anchor; letters only.
    title : str
        Heading, and entry of the navigation. Empty: no heading, no entry.
    fragments : sequence of str
        HTML; empty ones are left out, and a section without any, too.
    """

    name: str
    title: str
    fragments: Sequence[str]


@cache
def environment():
    """The Jinja environment of fragments and of the index; everything is escaped unless marked safe."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    env.filters |= {
        "number": formats.number,
        "fixed": formats.fixed,
        "signed": formats.signed,
        "model": formats.model_name,
        "listed": formats.listed,
        "glued": formats.glued,
    }
    env.globals["count"] = formats.count
    return env


def render(template: str, **values) -> str:
    """Fill in a template of ours."""
    return environment().get_template(template).render(**values)


def figure(image: str, caption: str = "", title: str = "") -> str:
    """A drawn figure with its caption (may hold HTML); "" without an image."""
    return render("figure.html", image=image, caption=caption, title=title) if image else ""


def assemble(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Put sections together with nireports, into one self-contained file.

    Parameters
    ----------
    path : Path
        The page to write.
    title : str
        Of the browser's tab.
    sections : sequence of Section
        In order.
    """
    import yaml
    from nireports.assembler.report import Report

    path = Path(path).absolute()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "reportlets"
        figures = root / "sub-0" / "figures"
        figures.mkdir(parents=True)
        spec = []
        for section in sections:
            reportlets = []
            for i, fragment in enumerate(f for f in section.fragments if f.strip()):
                key = f"{section.name}{i}"
                # nireports finds reportlets by BIDS names, and takes WebP only inside HTML
                (figures / f"sub-0_task-report_desc-{key}_bold.html").write_text(fragment, encoding="utf-8")
                reportlets.append({"name": f"{section.name}-{i}", "bids": {"desc": key}})
            if reportlets:
                spec.append({"name": section.name, "title": section.title, "reportlets": reportlets})
        settings = {"title": title, "template_path": str(TEMPLATES / "page.html"), "sections": spec}
        bootstrap = Path(scratch) / "report.yml"
        bootstrap.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
        Report(path.parent, None, bootstrap, out_filename=path.name, reportlets_dir=root).generate_report()
    return path
