"""Simulated persons with grey-matter images, as arrays: factors, visits, covariates and a second modality.

A person has an age, a sex and a site, three planted factors (ventricles, hippocampus, temporal) and nuisance along the
shared modes of `structural_effects`. Ventricles and hippocampus get worse between visits, at each person's own rate,
which is higher the more hippocampus is lost already. From the factors come

- `score`, mostly the *product* of hippocampus and ventricles: additive models of the factors cannot tell it;
- `memory`, a sum: linear models can;
- `diagnosis`, patient where hippocampal and temporal loss are large, with noise;
- `education`, which has to do with nothing: the control of all the others.

The second modality, like a map of ALFF, shares the temporal factor and has two of its own.
"""

from dataclasses import dataclass, replace

import numpy as np

from pydra_vae.simulate.structural_effects import (
    N_DEFORMATIONS,
    N_MODULATIONS,
    Anatomy,
    build_anatomy,
    make_image,
    severity,
)

SITES, SITE_GAIN = ("A", "B", "C"), (0.985, 1.0, 1.015)
AGES = (55.0, 88.0)  # years, even
AGE_SD = (AGES[1] - AGES[0]) / np.sqrt(12)
REPEATED, AGAIN = 0.3, 1 / 3  # share of persons with a second visit; of these, with a third
HEAD_SD, SEX_SCALE = 0.006, 0.005
TIV_ML = 1500.0
THINNING = 0.03  # of the tissue, per standard deviation of age; as much without age
VOXEL_NOISE = 0.03
SEVERITY_SD = 0.27  # of the sigmoid of a standard normal factor
ALFF_EFFECT, ALFF_NOISE = 0.30, 0.15
FACTORS = (
    "ventricles", "hippocampus", "temporal", "thinning", "head_scale", "rate", "functional1", "functional2",
    *(f"deformation{i + 1}" for i in range(N_DEFORMATIONS)), *(f"modulation{i + 1}" for i in range(N_MODULATIONS)),
)  # fmt: skip


@dataclass(frozen=True)
class StructuralSize:
    """How much to simulate: edge of a voxel in mm, persons."""

    voxel_mm: float
    n_subjects: int


SIZES = {"default": StructuralSize(6.0, 300), "tiny": StructuralSize(9.0, 60)}


@dataclass(frozen=True)
class Visit:
    """One visit of a person.

    Attributes
    ----------
    person, session : int
        From 1.
    age : float
        In years, at this visit.
    sex, site, diagnosis : str
    score, memory, education, tiv : float
        As at the first visit; tiv in ml.
    factors : dict of str to float
        Planted, as in `FACTORS`, at this visit.
    """

    person: int
    session: int
    age: float
    sex: str
    site: str
    diagnosis: str
    score: float
    memory: float
    education: float
    tiv: float
    factors: dict[str, float]


@dataclass(frozen=True)
class StructuralGroup:
    """Persons and what they share.

    Attributes
    ----------
    anatomy : Anatomy
    visits : list of Visit
        By person, then session.
    seed : int
    """

    anatomy: Anatomy
    visits: list[Visit]
    seed: int


def simulate_structural(
    size: StructuralSize | str = "default", n_subjects: int | None = None, seed: int = 0
) -> StructuralGroup:
    """Draw the persons; a person is the same whatever their number.

    Parameters
    ----------
    size : StructuralSize or name of one
    n_subjects : int, optional
        Another number of persons.
    seed : int
    """
    size = SIZES[size] if isinstance(size, str) else size
    n_subjects = size.n_subjects if n_subjects is None else n_subjects
    if n_subjects < 1:
        raise ValueError(f"{n_subjects} subjects cannot be simulated: ask for at least one")
    visits = [visit for person in range(1, n_subjects + 1) for visit in draw_visits(person, seed)]
    return StructuralGroup(build_anatomy(size.voxel_mm, seed, len(SITES)), visits, seed)


def draw_visits(person: int, seed: int = 0) -> list[Visit]:
    """All visits of a person, counted from 1."""
    rng = np.random.default_rng([seed, 2, person])
    age, male = rng.uniform(*AGES), rng.random() < 0.5
    z = dict(zip(FACTORS, rng.standard_normal(len(FACTORS)).tolist(), strict=True))
    old = (age - np.mean(AGES)) / AGE_SD
    z["ventricles"] = 0.4 * old + np.sqrt(1 - 0.4**2) * z["ventricles"]
    z["temporal"] = 0.35 * z["hippocampus"] + np.sqrt(1 - 0.35**2) * z["temporal"]
    z["head_scale"] = 1 + HEAD_SD * z["head_scale"] + (SEX_SCALE if male else -SEX_SCALE)
    z["rate"] = 0.1 + 0.3 * float(severity(z["hippocampus"])) + 0.06 * abs(z["rate"])
    own_thinning, z["thinning"] = z["thinning"], THINNING * (old + z["thinning"])
    first = Visit(
        person=person,
        session=1,
        age=age,
        sex="M" if male else "F",
        site=SITES[rng.integers(len(SITES))],
        tiv=TIV_ML * z["head_scale"] ** 3 + rng.normal(0, 10),
        education=float(np.clip(np.round(rng.normal(13, 3)), 6, 22)),
        factors=z,
        **_outcomes(z, old, rng),
    )
    return [first, *(_later(first, gap, own_thinning, session) for session, gap in _gaps(rng))]


def _outcomes(z, old, rng) -> dict:
    """Score, memory and diagnosis from the factors."""
    centred = {name: (float(severity(z[name])) - 0.5) / SEVERITY_SD for name in FACTORS[:3]}
    noise = rng.standard_normal(2)
    product = centred["hippocampus"] * centred["ventricles"]
    score = 50 + 10 * (0.75 * product + 0.55 * centred["hippocampus"] + 0.32 * noise[0])
    loss = 0.6 * centred["hippocampus"] + 0.45 * centred["temporal"] + 0.3 * old
    patient = rng.logistic() < 3 * (z["hippocampus"] + 0.6 * z["temporal"] - 0.4)
    return {
        "score": score,
        "memory": 50 - 10 * (loss + 0.45 * noise[1]),
        "diagnosis": "patient" if patient else "control",
    }


def _gaps(rng) -> list[tuple[int, float]]:
    """Further visits: session, years since the first."""
    gaps = rng.uniform(1.5, 3.0, 2).cumsum()
    n = int(rng.random() < REPEATED)
    n += n and int(rng.random() < AGAIN)
    return [(session + 2, float(gaps[session])) for session in range(n)]


def _later(first: Visit, years, own_thinning, session) -> Visit:
    """The same person, years later: only what gets worse changes."""
    z, age = dict(first.factors), first.age + years
    z["ventricles"] += z["rate"] * years
    z["hippocampus"] += z["rate"] * years
    z["thinning"] = THINNING * ((age - np.mean(AGES)) / AGE_SD + own_thinning)
    return replace(first, session=session, age=age, factors=z)


def grey_matter(group: StructuralGroup, visit: Visit, nuisance: bool = True) -> np.ndarray:
    """Image of a visit, (I, J, K) float32 grey-matter probability.

    Parameters
    ----------
    group : StructuralGroup
    visit : Visit
    nuisance : bool
        Without it: only the three planted effects, for measuring them.
    """
    anatomy, z = group.anatomy, visit.factors
    n, planted = len(anatomy.points), [z[name] for name in FACTORS[:3]]
    if not nuisance:
        return make_image(anatomy, *planted, np.zeros((n, 3)), 1.0, np.ones(n), np.zeros(n))
    rng = np.random.default_rng([group.seed, 3, visit.person, visit.session])
    site = SITES.index(visit.site)
    bends = np.array([z[f"deformation{i + 1}"] for i in range(N_DEFORMATIONS)])
    modulations = np.array([z[f"modulation{i + 1}"] for i in range(N_MODULATIONS)])
    factor = SITE_GAIN[site] * (1 - z["thinning"]) * (1 + modulations @ anatomy.modulations + anatomy.bias[site])
    shift = np.tensordot(bends, anatomy.deformations, axes=1)
    return make_image(anatomy, *planted, shift, z["head_scale"], factor, VOXEL_NOISE * rng.standard_normal(n))


def functional_map(group: StructuralGroup, visit: Visit) -> np.ndarray:
    """Second modality of a visit, (I, J, K) float32, arbitrary positive units.

    The temporal factor changes it where the first bias field is high, two factors of its own where the shared
    modulations are: smooth maps that have nothing to do with where tissue is lost.
    """
    anatomy, z = group.anatomy, visit.factors
    rng = np.random.default_rng([group.seed, 4, visit.person, visit.session])
    patterns = [anatomy.bias[0], *anatomy.modulations]
    patterns = [np.tanh(pattern / pattern.std()) for pattern in patterns]
    shared = (float(severity(z["temporal"])) - 0.5) / SEVERITY_SD
    change = sum(w * p for w, p in zip((shared, z["functional1"], z["functional2"]), patterns, strict=True))
    noise = ALFF_NOISE * rng.standard_normal(len(anatomy.points))
    level = np.exp(np.clip(ALFF_EFFECT * change, -2, 2)) + noise
    base = make_image(anatomy, -9, -9, -9, np.zeros((len(level), 3)), 1.0, np.ones(len(level)), np.zeros(len(level)))
    image = np.maximum(level, 0) * (0.3 + base.reshape(-1)) * anatomy.brain.reshape(-1)
    return image.reshape(anatomy.shape).astype(np.float32)
