"""The sections of the motor page, in the order of the paper: sentences first, then figures with their captions."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import escape

from pydra_vae.reports import motor_figures as draw
from pydra_vae.reports import motor_figures_scores as draw_scores
from pydra_vae.reports.formats import count, fixed, glued, listed, number
from pydra_vae.reports.group_findings import AGREES, ALSO, BADGES, DIFFERS, OPEN, Claim, Finding
from pydra_vae.reports.group_missing import failed
from pydra_vae.reports.group_tables import rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.motor_claims import claims_of, map_rows, pairs_with
from pydra_vae.reports.motor_methods import methods
from pydra_vae.reports.motor_missing import ANALYSES, missing
from pydra_vae.reports.motor_more_sections import controls, planted
from pydra_vae.reports.motor_sections_fits import fits, sharing
from pydra_vae.reports.motor_sections_maps import maps, trajectories
from pydra_vae.reports.motor_sentences import spread_over, versus
from pydra_vae.reports.motor_short import in_short
from pydra_vae.reports.motor_tables import (
    FUNCTIONAL,
    ICA,
    OURS,
    PCA,
    Chosen,
    MotorTables,
    is_papers,
    is_temporal,
    subtask_name,
    subtasks_of,
)
from pydra_vae.reports.pages import Section, figure, render

SOURCE = "TI-VAE paper"
SET = (
    "How well ICA and PCA do is no independent finding here: the sizes of the simulated signals were set so that they "
    "score about 0.4 to 0.8 (see Planted and found)."
)


def sections(tables: MotorTables) -> list[Section]:
    """Every section; those without fragments are left out by the page."""
    made = claims_of(tables)
    found = {claim.name: claim for claim in made}
    page = [
        Section("paper", "The paper and these data", [claims(made, tables)]),
        Section("scores", "Factors and sub-tasks", scores(tables, found)),
        Section("courses", "Time courses", courses(tables)),
        Section("maps", "Maps", maps(tables, found)),
        Section("trajectories", "Trajectories", trajectories(tables, found)),
        Section("sharing", "Weight sharing", sharing(tables, found)),
        Section("fits", "Fits", fits(tables, found)),
        Section("controls", "Controls", controls(tables)),
        Section("planted", "Planted and found", planted(tables)),
        Section("methods", "Methods", [methods(tables)]),
        Section("missing", "Not on this page", [missing(tables)]),
    ]
    skipped = tables.files.skipped
    return [replace(part, fragments=[failed(skipped, part.name, ANALYSES), *part.fragments]) for part in page]


def claims(found: Sequence[Claim], tables: MotorTables) -> str:
    """The paper's claims beside ours."""
    if not found:
        return ""
    verdicts = [claim.finding.verdict for claim in found]
    n = {verdict: verdicts.count(verdict) for verdict in (AGREES, ALSO, DIFFERS, OPEN)}
    what = "simulated recordings" if tables.files.simulated else "recordings"
    told = [
        f"{verb(n[AGREES], 'hold')} beyond the control" if n[AGREES] else "",
        f"{verb(n[ALSO], 'hold')} for the control as well" if n[ALSO] else "",
        f"{n[DIFFERS]} {'does' if n[DIFFERS] == 1 else 'do'} not hold" if n[DIFFERS] else "",
        f"{verb(n[OPEN], 'stay')} open" if n[OPEN] else "",
    ]
    lead = f"Of {count(sum(n.values()), 'claim')} that these {what} speak to, {listed(filter(None, told))}."
    lead += (
        " β, variants of ICA and "
        "factors are chosen on validation recordings and scored on the average of the test recordings; the paper chose "
        "and scored on the test average. ± is the standard deviation over seeds."
        if len(tables.results)
        else ""
    )
    table = render("claims.html", claims=found, lead=lead, badges=BADGES, source=SOURCE)
    notes = [in_short(found, tables), SET if tables.files.simulated and tables.families(ICA, PCA) else ""]
    shown = "".join(f"<p>{escape(glued(note))}</p>" for note in notes if note)
    return (f'<div class="notice">{shown}</div>' if shown else "") + table


def verb(n: int, name: str) -> str:
    """A number with its verb.

    Examples
    --------
    >>> verb(1, "hold"), verb(2, "hold")
    ('1 holds', '2 hold')
    """
    return f"{n} {name}{'s' if n == 1 else ''}"


def scores(tables: MotorTables, found: dict[str, Claim]) -> list[str]:
    """Every family beside every other, and Figure 2A."""
    if not len(tables.results):
        return []
    size = tables.size or tables.sizes[0]
    caption = (
        "Figure 2A again. The factor of each sub-task is chosen on the validation average; points: mean over seeds, "
        "bars: ± one standard deviation, small dots: the seeds. ICA and PCA have no β, and are lines; grey: what "
        "shifted regressors reach."
    )
    functional = pairs_with(tables, [FUNCTIONAL]) if tables.main != FUNCTIONAL else []
    extra = [Finding(versus(functional, FUNCTIONAL).text)] if functional else []
    said = findings(found, "factors", "temporal", "ica", "beta-vae", "beta", extra=extra)
    fragments = [said, figure(draw_scores.scores_over_beta(tables), caption)]
    strips = "Each family at its chosen β; a dot a seed, a bar their mean. Orange: temporal ICA, ochre: spatial ICA."
    fragments.append(figure(draw_scores.variants(tables, size), strips))
    others = [folded(f"k = {k} factors", comparison(tables, k)) for k in tables.sizes if k != size]
    return [*fragments, comparison(tables, size), *by_subtask(tables), glm(tables), *others]


def comparison(tables: MotorTables, k: int) -> str:
    """A row a family at k factors; the best of ours and of ICA are named."""
    found = tables.all_chosen(k)
    if not found:
        return ""
    best = tables.best(k, tables.families(ICA))
    shown, marked, stars = [], None, 0
    for i, c in enumerate(found):
        star, marked = is_papers(c.model), i if c.model == tables.main else marked
        stars += star
        note = (" *" if star else "") + (" (best ICA)" if best is not None and best.model == c.model else "")
        shown.append([
            c.model + note, number(c.beta), spread_over(c), number(len(c.r)), fixed(tables.chance(c)),
            number(tables.of(c, "p_shift"), 2), fixed(tables.of(c, "r_paper")), fixed(tables.of(c, "readout")),
            fixed(tables.of(c, "subject_r_mean")),
        ])  # fmt: skip
    heads = ["Model", "β", "Score|± SD over seeds", "Seeds", "Chance", "p|shifts", "Paper's way|chosen on test",
             "Read-out|all factors", "r|single recordings"]  # fmt: skip
    made = table_of(heads, shown, marked=marked, caption=f"Every model, k = {k} factors")
    note = (
        "* The paper's null as its words read: “InfoMax ICA” of Lee et al. (1999) “for temporal independence”; it does "
        "not say of which data. The best ICA is chosen on validation recordings, as β is. The paper's way of scoring "
        "is optimistic."
    )
    return f'{made}<p class="note">{note}</p>' if stars else made


def by_subtask(tables: MotorTables) -> list[str]:
    """Scores of each sub-task: ours, the best ICA, the ceiling."""
    table = tables("scores")
    if table is None or not tables.main:
        return []
    chosen = [c for c in shown_models(tables) if len(map_rows(table, c))]
    if not chosen:
        return []
    names = subtasks_of(table)
    shown = [
        [c.model, *(fixed(rows(map_rows(table, c), subtask=name)["r_test"].astype(float).mean()) for name in names)]
        for c in chosen
    ]
    if "ceiling" in table:
        shown.append(["Ceiling", *(fixed(rows(table, subtask=n)["ceiling"].astype(float).mean()) for n in names)])
    caption = f"|r| of each sub-task, k = {tables.size}, test average, mean over seeds"
    return [table_of(["Model", *(subtask_name(n) for n in names)], shown, marked=0, caption=caption)]


def glm(tables: MotorTables) -> str:
    """Every factor on all sub-tasks together; folded."""
    table, parts = tables("glm"), []
    if table is None or not tables.main:
        return ""
    names = subtasks_of(table)
    for chosen in shown_models(tables):
        found = map_rows(table, chosen)
        found = rows(found, seed=found["seed"].min())
        shown = []
        for factor, part in found.groupby("factor"):
            values = part.drop_duplicates("subtask").set_index("subtask")
            cells = [fixed(values["coefficient"].get(name)) for name in names]
            shown.append([f"Factor {int(factor) + 1}", *cells, fixed(values["r2"].iloc[0])])
        parts.append(table_of(["", *map(subtask_name, names), "R²"], shown, caption=_first_seed(chosen)))
    note = "Standardised coefficients over the test average; a factor of one sub-task alone has one that is large."
    made = "".join(parts)
    return folded("GLM: each factor on all sub-tasks together", f'<p class="note">{note}</p>{made}' if made else "")


def _first_seed(chosen: Chosen) -> str:
    seed = ", the first seed" if len(chosen.r) > 1 else ""
    return f"{chosen.model}, k = {chosen.k}{seed}"


def shown_models(tables: MotorTables) -> list[Chosen]:
    """Who is drawn beside the task: TI-VAE, the best temporal ICA and the best of all."""
    ica = tables.families(ICA)
    best = [tables.best(tables.size, models) for models in ([m for m in ica if is_temporal(m)], ica)]
    found = [*(tables.chosen(m, tables.size) for m in tables.families(OURS)), *best]
    return list({c.model: c for c in found if c is not None}.values())


def courses(tables: MotorTables) -> list[str]:
    """Figure 2B."""
    table = tables("courses")
    if table is None:
        return []
    models = {}
    for chosen in shown_models(tables):
        found = map_rows(table, chosen)
        if len(found):
            models[chosen.model] = rows(found, seed=found["seed"].min())
    names = subtasks_of(table)
    t_r = read_json(tables.files.series_info).get("t_r")
    caption = (
        "Figure 2B again: the average over test recordings of the factor that was chosen on validation recordings, "
        "times its sign, beside the haemodynamic response (filtered as the data are); both standardised. "
        f"k = {tables.size}, the first seed."
    )
    if "design" in table and table["design"].nunique() > 1:
        caption += f" The first of {int(table['design'].nunique())} timings is shown; r is that of this timing."
    return [figure(draw.courses(table, models, t_r, names), caption)]
