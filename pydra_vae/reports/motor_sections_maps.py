"""Sections of the motor page on maps (Figure 3) and trajectories (Figure 4)."""

from collections.abc import Sequence

import pandas as pd
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import motor_figures as draw
from pydra_vae.reports.formats import fixed, number
from pydra_vae.reports.group_findings import DIFFERS, Claim, Finding
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.motor_claims import map_rows, readings
from pydra_vae.reports.motor_maps import homunculus, shown_maps
from pydra_vae.reports.motor_sentences import nearest
from pydra_vae.reports.motor_tables import OURS, Chosen, Key, MotorTables, kind_of, subtasks_of, title_of
from pydra_vae.reports.pages import figure

PLANES = 3  # trajectories side by side
MAP_COLUMNS = {
    "r_all": "r|whole map", "r_top10": "r|top 10 %", "r_top5": "r|top 5 %", "r_top1": "r|top 1 %",
    "others_r_all": "r, others|whole map", "sparsity": "Sparsity|Hoyer", "spread_mm": "Spread|mm",
}  # fmt: skip


def maps(tables: MotorTables, found: dict[str, Claim]) -> list[str]:
    """Figure 3 and its numbers."""
    said = findings(found, "maps", "local", "homunculus")
    drawn = homunculus(tables)
    caption = (
        "Figure 3 again, on inflated surfaces: left hemisphere on the left, lateral above, medial below; dorsal "
        "between, anterior up. The line is the region's border. Maps of VAEs are variances over a traversal of the "
        "factor (≥ 0); those of ICA weights"
    )
    caption += (
        ", times the sign of the factor's correlation with the sub-task."
        if tables("scores") is not None
        else ". Without sub-tasks, each model's factors are in its own order: a row has nothing in common."
    )
    caption += " Each map has its own scale, up to its 99.5th percentile of size."
    if tables("map_scores") is not None:
        caption += " Below a map: r with the reference over its top 10, 5 and 1 % (the reading of the paper)."
    shown = f'<figure class="wide">{drawn}<figcaption>{caption}</figcaption></figure>' if drawn else ""
    return [said, shown, map_table(tables)]


def map_table(tables: MotorTables) -> str:
    """Agreement with the reference, sparsity and spread of each family and reading."""
    table = tables("map_scores")
    if table is None or not tables.size:
        return ""
    drawn = {Key.parse(label).model for label, _ in shown_maps(tables)}
    chosen = tables.all_chosen(tables.size)
    first = _map_rows(table, [c for c in chosen if c.model in drawn] or chosen)
    rest = _map_rows(table, [c for c in chosen if c.model not in drawn]) if drawn else ""
    if not first and not rest:
        return ""
    note = (
        "variance and signed are the paper's readings; sd and abs are amplitudes of both kinds of map, which can be "
        "held against each other. Sparsity and spread are of amplitudes in each row; of a signed map, of its positive "
        "part."
    )
    if "others_r_all" in table:
        note += " “Others”: r with the references of the other sub-tasks; a map that agrees with all shows none."
    caption = f"<h3>Means over sub-tasks, k = {tables.size}</h3>"
    return f'{caption}{first}<p class="note">{escape(note)}</p>{folded("Other models", rest)}'


def _map_rows(table: pd.DataFrame, chosen: Sequence[Chosen]) -> str:
    """A row a family and reading."""
    columns, shown = [c for c in MAP_COLUMNS if c in table], []
    for c in chosen:
        found = map_rows(table, c)
        for reading in readings(c.model):
            part = found[(found["reading"] == reading) & found["subtask"].notna()]
            if len(part):
                means = [pd.to_numeric(part[name], errors="coerce").mean() for name in columns]
                cells = (fixed(v, 1 if name == "spread_mm" else 2) for name, v in zip(columns, means, strict=True))
                shown.append([c.model, reading, *cells])
    return table_of(["Model", "Reading", *(MAP_COLUMNS[c] for c in columns)], shown, text=(0, 1))


def trajectories(tables: MotorTables, found: dict[str, Claim]) -> list[str]:
    """Figure 4."""
    files, labels = tables.files, tables.files.embedding_models
    found_at, apart_at = (
        dict(zip(labels, files.embedding, strict=True)),
        dict(zip(labels, files.distances, strict=False)),
    )
    shown = tables.picked(labels, PLANES)
    planes = {title_of(label): table for label in shown if len(table := read_table(found_at[label]))}
    if not planes:
        return []
    apart = {
        title_of(label): table for label in shown if label in apart_at and len(table := read_table(apart_at[label]))
    }
    blocks = pd.concat([t[["block"]].rename(columns={"block": "subtask"}) for t in planes.values()])
    names = subtasks_of(blocks[blocks["subtask"].notna() & (blocks["subtask"] != "")])
    ours = next((t for title, t in apart.items() if kind_of(title) == OURS), None)
    near = None if ours is None else nearest(list(zip(ours["first"], ours["second"], ours["distance"], strict=True)))
    caption = (
        "Figure 4 again: t-SNE of the test average, a point a frame, in the space of all factors. The first and last "
        "five frames of a block fade in and out, as in the paper, since the response is late. t-SNE shows clusters "
        "where there are none, so that the table below has silhouettes in the space of all factors, too."
    )
    if not names:
        caption = (
            "Figure 4 again, without sub-tasks: t-SNE of the first test recording, a point a frame, in the space of "
            "all factors; colours run from its first frame (dark) to its last (bright)."
        )
    if near and "trajectories" in found and found["trajectories"].finding.verdict == DIFFERS:
        near = Finding(f"{near.text} Where sub-tasks have no clusters, this says little.")
    said = findings(found, "trajectories", extra=[near] if near else [])
    fragments = [said, figure(draw.trajectories(planes, names), caption), silhouette_table(tables)]
    if apart and len(names) > 1:
        text = "Distances between the means of sub-tasks, in the space of all factors; 1 is the mean over pairs."
        fragments.append(figure(draw.distances(apart, names), text))
    return fragments


def silhouette_table(tables: MotorTables) -> str:
    """Silhouettes in the space of all factors, with their null; the plane and models that are not drawn are folded."""
    drawn = tables.picked(tables.files.embedding_models, PLANES)
    title = "<h3>Do frames of one sub-task keep together?</h3>"
    first, more = _silhouettes(tables, drawn, False), _silhouettes(tables, tables.files.embedding_models, True)
    late = "<p class='note'>Delayed: labels five seconds late, about the peak of the response.</p>"
    note = late if "delayed" in first else ""
    return f"{title if first else ''}{first}{note}{folded('All fits, and the plane of t-SNE', more)}"


def _silhouettes(tables: MotorTables, labels: Sequence[str], planes: bool) -> str:
    paths, shown = dict(zip(tables.files.embedding_models, tables.files.silhouette, strict=False)), []
    for label in labels if paths else ():
        for row in read_table(paths[label]).itertuples():
            if not planes and not str(row.space).startswith("factors"):
                continue
            null = f"{fixed(row.null_mean)} ± {fixed(row.null_sd)}"
            shown.append([title_of(label), str(row.space), fixed(row.value), null, number(row.p, 2)])
    heads = ["Model", "Space", "Silhouette", "Labels shifted", "p"]
    return table_of(heads, shown, text=(0, 1))
