"""Repeated visits between files and arrays: which images take part, predicted images of later visits, their tables."""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.longitudinal import NextVisit, Trajectories, next_visits, voxel_slopes
from pydra_vae.stats.next_visit import compare, image_errors, most_changing

CARRY, MAIN = "carry_forward", "decoded_difference"
METHODS = (
    CARRY, MAIN, "average_change", "pca_change", "decoded_prediction", "decoded_last", "voxel_slope", "own_voxel_slope",
    "true_latents",
)  # fmt: skip
REGIONS = ("whole", "changing")


@dataclass(frozen=True)
class Visits:
    """Images that have a time and all covariates, in the order of the split.

    Attributes
    ----------
    fitted : tasks._volume_fitted.Fitted
        Of all images.
    rows : (n,) int array
        Of the images used, among all.
    time : (n,) array
    covariates : (n, c) array
    """

    fitted: object
    rows: np.ndarray
    time: np.ndarray
    covariates: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Images used, voxels."""
        return len(self.rows), self.fitted.x.shape[1]

    def __getitem__(self, i: int) -> np.ndarray:
        """An image, by its number among those used."""
        return np.asarray(self.fitted.x[self.rows[i]], dtype=np.float64)

    @property
    def person(self) -> np.ndarray:
        """Whose each image is."""
        return self.fitted.split.person[self.rows]

    @property
    def part(self) -> np.ndarray:
        """train, validation or test."""
        return self.fitted.split.part[self.rows]

    def trajectories(self, z: np.ndarray) -> Trajectories:
        """Mixed models of latents (of all images), fitted on the training images."""
        training = np.flatnonzero(self.part == "train")
        return Trajectories.fit(z[self.rows], self.time, self.person, self.covariates, training)

    def held_out(self) -> list[NextVisit]:
        """Later visits of validation and test persons."""
        return next_visits(self.person, self.time, np.flatnonzero(self.part != "train"))


class Predictor:
    """Images of later visits by every method.

    Parameters
    ----------
    visits : Visits
    paths : Trajectories
        Of the latents.
    decode : callable
        (n, k) latents → (n, V) images.
    linear : tuple of Trajectories, (n, k) scores, (k, V) components; optional
        The same on PCA scores.
    """

    def __init__(self, visits: Visits, paths: Trajectories, decode, linear=None):
        self.visits, self.paths, self.decode, self.linear = visits, paths, decode, linear
        self.z = visits.fitted.z[visits.rows]
        training = np.flatnonzero(visits.part == "train")
        self.slope = voxel_slopes(visits, visits.person, visits.time, training)
        self.regions = {"whole": slice(None), "changing": most_changing(self.slope)}

    def errors(self, visit: NextVisit) -> tuple[list[dict], list[dict]]:
        """Rows of errors by method, and with the change of one latent left out (latent, region, mse)."""
        truth, last, years = self.visits[visit.row], self.visits[visit.last], self._years(visit)
        change = self.paths.own_slope(visit, self.z) * years
        start, k = self.z[visit.last], self.z.shape[1]
        codes = [start, start + change, start + self.paths.slope("within") * years]
        codes += [self.paths.predict(visit, self.z), self.z[visit.row]]
        codes += list(start + change * (1 - np.eye(k)))
        base, moved, average, predicted, true, *frozen = self.decode(np.array(codes))
        images = {
            CARRY: last,
            MAIN: last + (moved - base),
            "average_change": last + (average - base),
            "decoded_prediction": predicted,
            "decoded_last": base,
            "voxel_slope": last + self.slope * years,
            "true_latents": last + (true - base),
        } | self._linear(visit, last, years)
        if len(visit.earlier) > 1:
            own = voxel_slopes(self.visits, self.visits.person, self.visits.time, np.array(visit.earlier))
            images["own_voxel_slope"] = last + own * years
        still = {j: last + (image - base) for j, image in enumerate(frozen)}
        frozen_rows = [{"latent": row.pop("method"), **row} for row in image_errors(truth, still, self.regions)]
        return image_errors(truth, images, self.regions), frozen_rows

    def _linear(self, visit, last, years):
        if self.linear is None:
            return {}
        paths, scores, components = self.linear
        return {"pca_change": last + (paths.own_slope(visit, scores) * years) @ components}

    def _years(self, visit):
        return self.visits.time[visit.row] - self.visits.time[visit.last]


def score_rows(errors, seed: int) -> list[dict]:
    """Rows of scores from a DataFrame of errors (label person part method region mse)."""
    rows = []
    for region in REGIONS:
        part = errors[errors.region == region].pivot(index="label", columns="method", values="mse")
        about = errors.drop_duplicates("label").set_index("label").loc[part.index]
        persons, test = about.person.to_numpy(), (about.part == "test").to_numpy()
        for method in METHODS:
            if method not in part:
                continue
            mse, carried = part[method].to_numpy(), part[CARRY].to_numpy()
            found = compare(mse, carried, persons, seed)
            alone = compare(mse[test], carried[test], persons[test], seed)
            rows.append({
                "method": method, "region": region, "mse": found.mse, "ratio_to_carry_forward": found.ratio,
                "ratio_low": found.low, "ratio_high": found.high, "p": None if method == CARRY else found.p,
                "n": found.n, "n_persons": found.n_persons, "ratio_test": alone.ratio, "n_test": alone.n,
            })  # fmt: skip
    return rows


def frozen_rows(frozen, errors, slopes: np.ndarray, seed: int) -> list[dict]:
    """Rows of what each latent's change adds, from DataFrames of errors with it left out and with all of them."""
    rows = []
    for region in REGIONS:
        full, carried = (
            errors[(errors.region == region) & (errors.method == method)].set_index("label") for method in (MAIN, CARRY)
        )
        part = frozen[frozen.region == region]
        for latent, own in part.groupby("latent"):
            own = own.set_index("label").loc[full.index]
            pair = (own.mse.to_numpy(), full.mse.to_numpy(), own.person.to_numpy())
            found, level = compare(*pair, seed), compare(pair[0], carried.mse.to_numpy(), pair[2], seed)
            whole = compare(pair[1], carried.mse.to_numpy(), pair[2], seed)
            rows.append({
                "latent": latent, "region": region, "mse": found.mse, "ratio_to_carry_forward": level.ratio,
                "loss": level.ratio - whole.ratio, "p": found.p, "slope_per_year": slopes[latent], "n": found.n,
            })  # fmt: skip
    return rows


def later(visit: NextVisit, visits: Visits) -> dict:
    """What tables say about a predicted visit."""
    split, row = visits.fitted.split, visits.rows[visit.row]
    return {
        "label": split.label[row],
        "person": split.person[row],
        "part": split.part[row],
        "n_earlier": len(visit.earlier),
        "years": visits.time[visit.row] - visits.time[visit.last],
    }


def first_times(visits: Visits, paths: Trajectories) -> np.ndarray:
    """Time of the training persons' first visits."""
    return visits.time[(visits.part == "train") & (paths.since == 0)]
