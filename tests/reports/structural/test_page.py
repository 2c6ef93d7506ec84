"""The structural page: complete, self-contained, the same twice, and true where tables are missing or empty."""

import html
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.reports import structural_slices
from pydra_vae.reports.structural import LISTS, StructuralReport
from pydra_vae.tasks.structural_report import StructuralReport as Step

SECTIONS = [
    "paper", "reconstruction", "training", "losses", "collapse", "search", "latents", "draws", "maps", "dimension",
    "regression", "joint", "longitudinal", "networks", "planted", "methods", "parameters",
]  # fmt: skip
TABLES = [f.name for f in fields(StructuralReport) if "Path" in str(f.type)]


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Small pictures: what is on them is tested elsewhere."""
    monkeypatch.setattr(structural_slices, "PIXELS", 20)
    monkeypatch.setattr("pydra_vae.reports.drawing.DPI", 30)


@pytest.fixture
def undrawn(monkeypatch):
    """Figures as empty drawings, for what is said beside them."""
    monkeypatch.setattr("pydra_vae.reports.drawing.svg", lambda figure, name, description: "<svg></svg>")
    monkeypatch.setattr(structural_slices, "webp", lambda figure, description, quality: "<img >")


def write(folder: Path, given: dict, **more) -> str:
    found = {"simulated": True, "dataset": "A test", **given, **more}
    text = StructuralReport(**found).write(folder / "structural.html").read_text(encoding="utf-8")
    return html.unescape(text).replace("\u00a0", " ")


def words(page: str) -> list[str]:
    """What a reader sees, as words."""
    shown = re.sub(r"<svg.*?</svg>|base64,[^\"]+|<style>.*?</style>|<pre>.*?</pre>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", shown).lower().split()


def section(page: str, name: str) -> str:
    return page[page.index(f'<section id="{name}">') :].partition("</section>")[0]


def test_everything_is_there_in_the_order_of_the_tutorial(structural, tmp_path):
    page = write(tmp_path, structural)
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert len(page) < 3e6
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    linked = [link for _, link in re.findall(r'(src|href)="((?:https?:)?//[^"]*)"', page)]
    assert all(link.startswith("https://doi.org/") for link in linked)
    assert not {"nan", "none", "inf", "<na>"} & set(words(page))


def test_the_same_images_give_the_same_bytes(structural, tmp_path):
    few = {key: structural[key] for key in ("mask", "mean", "examples", "examples_tables", "example_names", "scores")}
    (tmp_path / "again").mkdir()
    assert write(tmp_path, few) == write(tmp_path / "again", few)


def test_the_step_writes_page_and_claims(structural, tmp_path, undrawn):
    kept = [name for name in structural if not name.startswith(("network", "joint", "regression"))]
    given = {name: list(v) if isinstance(v := structural[name], tuple) else v for name in kept}
    skipped = '{"search": "optuna failed: it is not installed", "overlap": "the data are in native space"}'
    made = call(Step, cwd=tmp_path, **given, dataset="A test", skipped=skipped, parameters='{"beta": 10}')
    claims = pd.read_csv(made.claims, sep="\t", keep_default_na=False)
    assert list(claims.columns) == [
        "claim", "paper_says", "paper", "ours", "control", "verdict", "finding", "rule",
    ]  # fmt: skip
    assert claims["claim"][0] == "short" and claims["finding"][0].startswith("In short: VAE KL β 10 with 6 latents")
    assert (claims["rule"][1:] != "").all() and (claims["finding"][1:] != "").all()
    assert set(claims["verdict"][1:]) <= {"as in the paper", "its control does as well", "otherwise", "open"}
    assert Path(made.report).name == "structural.html"


def test_a_page_of_nothing_says_what_is_missing(tmp_path):
    page = write(tmp_path, {})
    assert "Nothing was analysed" in page
    assert "It needs persons with repeated visits" in page
    assert StructuralReport().claims() == []


@pytest.mark.parametrize("every", range(4))
def test_every_table_may_be_absent(structural, tmp_path, undrawn, every):
    absent = {name for i, name in enumerate(TABLES) if i % 4 == every}
    page = write(tmp_path, {key: value for key, value in structural.items() if key not in absent})
    assert '<section id="paper">' in page and not {"nan", "none", "inf"} & set(words(page))


def test_every_table_may_hold_a_header_only(structural, tmp_path, undrawn):
    def emptied(path):
        if Path(path).suffix != ".tsv":
            return path
        target = tmp_path / Path(path).name
        target.write_text(Path(path).read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
        return target

    lists = {k: tuple(map(emptied, v)) for k, v in structural.items() if isinstance(v, tuple) and k in LISTS}
    plain = {k: emptied(v) for k, v in structural.items() if isinstance(v, Path)}
    page = write(tmp_path, {**structural, **lists, **plain})
    assert not {"nan", "none", "inf"} & set(words(page))


def test_figures_of_nothing_known_are_left_out(structural, tmp_path, undrawn):
    def unknown(path, keep):
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        for column in set(table) - keep:
            if pd.to_numeric(table[column], errors="coerce").notna().any():
                table[column] = "n/a"
        target = tmp_path / f"unknown-{Path(path).name}"
        table.to_csv(target, sep="\t", index=False)
        return target

    keys = {"latent", "row", "k", "step", "component", "frame", "label", "dims", "pair"}
    lists = {
        k: tuple(unknown(p, keys) if p.suffix == ".tsv" else p for p in v)
        for k, v in structural.items()
        if isinstance(v, tuple) and k in LISTS
    }
    plain = {k: unknown(v, keys) for k, v in structural.items() if isinstance(v, Path) and v.suffix == ".tsv"}
    page = write(tmp_path, {**structural, **lists, **plain})
    assert not {"nan", "none", "inf"} & set(words(page))


def test_a_table_without_its_column_is_named(structural, tmp_path):
    bad = tmp_path / "bad.tsv"
    bad.write_text("latent\tr\n0\t0.5\n")
    with pytest.raises(ValueError, match=r"bad\.tsv has no column model, with, p, q \(it has latent, r\)"):
        write(tmp_path, {"correlations": (bad,)})


def test_arrays_of_another_mask_are_refused(structural, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros((6, 7), np.float32))
    few = {"mask": structural["mask"], "network_names": ("VAE",)}
    with pytest.raises(ValueError, match=r"short\.npy has 7 voxels but the mask .* 2477"):
        write(tmp_path, {**few, "effects": tmp_path / "short.npy"})
    with pytest.raises(ValueError, match="maps of VAE have 7 voxels but the mask 2477"):
        write(tmp_path, {**few, "network_maps": (tmp_path / "short.npy",)})


def test_labels_must_be_as_many_as_files(structural):
    with pytest.raises(ValueError, match="verdicts has 5 files but fit_names 1 labels"):
        StructuralReport(**{**structural, "fit_names": ("KL β 10",)}).claims()


def test_a_collapsed_main_fit_warns(structural, tmp_path, undrawn):
    table = pd.read_csv(structural["scores"], sep="\t").iloc[[4, 0]]
    table.to_csv(tmp_path / "scores.tsv", sep="\t", index=False, na_rep="n/a")
    page = write(tmp_path, {"scores": tmp_path / "scores.tsv"})
    assert "The main fit is collapsed" in section(page, "collapse")


def test_failed_analyses_are_said_in_their_section(structural, tmp_path, undrawn):
    skipped = {"longitudinal": "LongitudinalModel failed: no convergence", "joint": "no scores were given"}
    page = write(tmp_path, {"scores": structural["scores"]}, skipped=skipped)
    assert "no convergence" in section(page, "longitudinal")
    assert "No scores were given." in section(page, "missing")


def test_a_page_of_networks_alone_says_so(structural, tmp_path, undrawn):
    page = write(tmp_path, {name: structural[name] for name in structural if name.startswith("network")})
    assert "functional networks" in page and "Nothing was analysed" not in page
    assert "Only functional networks were asked for (--analyses)." in page
    assert "Search of hyper-parameters" not in page


def test_other_fits_share_a_picture_and_those_that_fell_have_their_own(structural, tmp_path, undrawn, monkeypatch):
    drawn = []

    def named(figure, description, quality):
        drawn.append(description)
        return "<img >"

    monkeypatch.setattr(structural_slices, "webp", named)
    scores = pd.read_csv(structural["scores"], sep="\t", keep_default_na=False)
    settings = list(dict.fromkeys(scores.loc[scores["model"] == "VAE", "setting"].astype(str)))[:4]
    target = tmp_path / "scores.tsv"
    scores.assign(collapsed=scores["setting"].eq(settings[3])).to_csv(target, sep="\t", index=False)
    examples = {
        "examples": tuple(structural["examples"][:1]) * 4,
        "examples_tables": tuple(structural["examples_tables"][:1]) * 4,
        "example_names": tuple(settings),
    }
    page = write(tmp_path, {**structural, **examples, "scores": target})
    shown = [name for name in drawn if name.startswith("Images over")]
    assert sorted(shown) == sorted(
        [
            *(f"Images over reconstructions of {settings[i]}" for i in (0, 3)),
            "Images over reconstructions of other fits",
        ]
    )
    assert f"{settings[3]}: a fit that has collapsed" in page
