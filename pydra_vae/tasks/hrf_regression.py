"""Score a model's factors against the sub-tasks."""

from pathlib import Path

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step

MAX_DESIGNS = 4  # whose courses are written: with a timing for each subject there would be one each

SCORES = (
    "subtask", "factor", "sign", "r_validation", "r_test", "turned", "p_shift", "chance", "chance_held_out",
    "ceiling", "paper_factor", "r_paper", "p_paper", "readout_r", "readout_chance",
    "subject_r_mean", "subject_r_sd", "n_test",
)  # fmt: skip
SUMMARY = (
    "r_validation", "r_test", "p_shift", "chance", "chance_held_out", "r_paper", "p_paper", "readout", "p_readout",
    "readout_chance", "ceiling", "subject_r_mean", "subject_r_sd", "n_subtasks", "n_turned", "n_designs", "n_train",
    "n_validation", "n_test",
)  # fmt: skip
SUBJECTS = ("label", "person", "subtask", "factor", "r")
COURSES = ("subtask", "design", "frame", "factor_value", "regressor")
GLM = ("factor", "subtask", "coefficient", "r2")


@step(outputs={"scores": File, "summary": File, "subjects": File, "courses": File, "glm": File})
def HrfRegression(
    factors: File,
    regressors: list[File | None],
    subject_split: File,
    model: str = "",
    beta: float | None = None,
    seed: int = 0,
    n_permutations: int = 1000,
):
    """Correlate factors with the sub-tasks' regressors: held out, the paper's way, by read-out and by subject.

    Averages are made over the recordings of one timing and follow one another where there are several. Ours: the
    factor of highest |r| on the validation average is scored by its |r| on the test average. The paper's: the highest
    |r| on the test average itself, which is optimistic. One factor may serve two sub-tasks in both.

    Parameters
    ----------
    factors : file
        (S, T, k) factors of all recordings.
    regressors : list of files
        One table a recording (TaskRegressors), None where it has no events.
    subject_split : file
        Split of the persons (SplitSubjects); its rows are the recordings.
    model : str
        The model's name in tables.
    beta : float, optional
        The model's, for tables.
    seed : int
        The model's, for tables; also of the shifts.
    n_permutations : int
        Circular shifts of the regressors, at most one for each frame; those of all recordings shift together.

    Returns
    -------
    scores : file
        TSV, one row a sub-task: model, k, beta, seed, subtask, factor and sign (chosen on validation), r_validation,
        r_test (ours), turned (1 where the sign differs between validation and test), p_shift (ours against shifts),
        chance (mean of the largest |r| of k factors under shifts: the null of r_paper), chance_held_out (the same of
        r_test), ceiling (filtered against unfiltered regressor), paper_factor, r_paper, p_paper, readout_r (ridge from
        all factors, fitted on the training recordings, its penalty chosen on the validation average, scored on the test
        average), readout_chance, subject_r_mean and _sd (each test recording by itself), n_test. Empty without events.
    summary : file
        TSV, one row: means over the sub-tasks (of r_validation without its sign), p of the means, n_subtasks, n_turned,
        n_designs, n_train, n_validation, n_test.
    subjects : file
        TSV: label, person, subtask, factor, r of each test recording, times the sign.
    courses : file
        TSV: test average of the chosen factor times its sign (of the paper's factor and r where validation has none),
        and the regressor, each z-scored within its design; the first four designs.
    glm : file
        TSV, one row a factor and sub-task: the factor on all regressors together, over the test average; coefficient
        (standardised), r2 of the factor.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.task_scores import averages, glm, task_scores
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split, load_regressors

    split, values = Split.load(subject_split), load_array(factors)
    split.check("recordings in the factors", values)
    split.check("tables of regressors", regressors)
    task = load_regressors(regressors, values.shape[1])
    head = {"model": model, "k": values.shape[2], "beta": beta, "seed": seed}
    rows: dict[str, list] = {name: [] for name in ("scores", "summary", "subjects", "courses", "glm")}
    if np.isfinite(task.filtered).any():
        scores = task_scores(values, task.filtered, split.part, task.raw, n_permutations, seed)
        means, _ = averages(values, task.filtered, split.part, task.raw)
        rows = {
            "scores": _scores(scores, task.names),
            "summary": [scores.overall],
            "subjects": _subjects(scores, task.names, split),
            "courses": _courses(scores, task.names, means["test"]),
            "glm": _glm(*glm(means["test"]), task.names),
        }
    columns = {"scores": SCORES, "summary": SUMMARY, "subjects": SUBJECTS, "courses": COURSES, "glm": GLM}
    written = []
    for name, names in columns.items():
        table = pd.DataFrame([{**head, **row} for row in rows[name]], columns=[*head, *names])
        written.append(write_table(Path(f"{name}.tsv"), table))
    return tuple(written)


def _scores(scores, names) -> list[dict]:
    fields = ("r_validation", "r_test", "p_shift", "chance", "chance_held_out", "ceiling", "r_paper", "p_paper")
    return [
        {
            "subtask": name,
            "factor": _number(scores.factor[i]),
            "sign": scores.sign[i],
            "turned": scores.turned[i],
            **{field: getattr(scores, field)[i] for field in fields},
            "paper_factor": _number(scores.paper_factor[i]),
            "readout_r": scores.readout[i],
            "readout_chance": scores.readout_chance[i],
            "subject_r_mean": _mean(scores.subject_r[:, i]),
            "subject_r_sd": _sd(scores.subject_r[:, i]),
            "n_test": int(np.isfinite(scores.subject_r[:, i]).sum()),
        }
        for i, name in enumerate(names)
    ]


def _subjects(scores, names, split) -> list[dict]:
    return [
        {"label": split.label[row], "person": split.person[row], "subtask": name, "factor": factor, "r": r[i]}
        for row, r in zip(scores.subjects, scores.subject_r, strict=True)
        for i, (name, factor) in enumerate(zip(names, map(_number, scores.factor), strict=True))
        if np.isfinite(r[i])
    ]


def _courses(scores, names, test) -> list[dict]:
    rows = []
    for i, name in enumerate(names):
        held_out = scores.factor[i] >= 0
        factor = scores.factor[i] if held_out else scores.paper_factor[i]
        if factor < 0:
            continue
        for design, f, g in list(zip(test.design, test.factors, test.regressors, strict=True))[:MAX_DESIGNS]:
            sign = scores.sign[i] if held_out else np.sign(f[:, factor] @ g[:, i])
            pairs = zip(_z(sign * f[:, factor]), _z(g[:, i]), strict=True)
            rows += [
                {"subtask": name, "design": design, "frame": t, "factor_value": value, "regressor": expected}
                for t, (value, expected) in enumerate(pairs)
            ]
    return rows


def _glm(coefficients, r2, names) -> list[dict]:
    return [
        {"factor": j, "subtask": name, "coefficient": coefficients[j, i], "r2": r2[j]}
        for j in range(len(coefficients))
        for i, name in enumerate(names)
    ]


def _number(factor) -> int | None:
    """Number of a factor; None (n/a) where there was nothing to choose."""
    return int(factor) if factor >= 0 else None


def _mean(values) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _sd(values) -> float:
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def _z(values) -> np.ndarray:
    deviation = values.std()
    return (values - values.mean()) / (deviation if deviation > 0 else 1.0)
