"""Latent spaces of several recordings held against each other: pairs, floors, nulls and a group template.

S recordings, perhaps each with a second fit (another seed) after them: N = S or 2 S items. Two recordings of one
person, and two fits of one recording, are floors: what agreement the method reaches with itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.procrustes import (
    Template,
    disparities,
    disparity_to_others,
    generalized,
    normalised,
    whitened,
)
from pydra_vae.stats.spatial_nulls import (
    Null,
    agreement,
    distance_trend,
    isotropic_basis,
    placement_null,
    prepared,
    rotation_null,
)

SUBJECTS, OTHER_RUN, OTHER_SEED = "subjects", "same person, other run", "same subject, other seed"
# Nulls are drawn for at most so many recordings and parcels: their mean over pairs changes little, their time much.
MAX_RECORDINGS, MAX_PARCELS = 25, 250


@dataclass(frozen=True)
class Alignment:
    """One representation (raw or whitened) of all recordings.

    Attributes
    ----------
    cross : (N, N, D, D) array
        Cross-products over voxels, of items of norm 1.
    means : (N, P, D) array or None
        Parcel means of norm 1; None without enough parcels.
    persons : (S,) int array
        Whose each recording is.
    mm : (P, 3) array or None
        Centroids of the parcels.
    """

    cross: np.ndarray
    means: np.ndarray | None
    persons: np.ndarray
    mm: np.ndarray | None

    @classmethod
    def of(
        cls,
        cross: np.ndarray,
        persons: np.ndarray,
        whiten: bool,
        means: np.ndarray | None = None,
        mm: np.ndarray | None = None,
    ) -> "Alignment":
        """From cross-products, and parcel means with their places, as they come."""
        return cls(
            whitened(cross) if whiten else normalised(cross),
            None if means is None else prepared(means, whiten),
            np.asarray(persons),
            mm,
        )

    def pairs(self) -> tuple[np.ndarray, list[str]]:
        """All pairs of recordings, then each with its second fit: (n, 2) indices of items, and relations."""
        n = len(self.persons)
        pairs = np.stack(np.triu_indices(n, 1), axis=1)
        same = self.persons[pairs[:, 0]] == self.persons[pairs[:, 1]]
        relations = [OTHER_RUN if one else SUBJECTS for one in same]
        floor = np.stack([np.arange(n), np.arange(n, len(self.cross))], axis=1) if len(self.cross) > n else pairs[:0]
        return np.concatenate([pairs, floor]), relations + [OTHER_SEED] * len(floor)

    def measured(self) -> Iterator[dict]:
        """One row a pair: indices of the items, relation, and the measures."""
        pairs, relations = self.pairs()
        by_parcel = np.full((3, len(pairs)), np.nan)
        if self.means is not None:
            by_parcel[:2] = agreement(self.means, pairs, distance_trend(self.mm))
            by_parcel[2] = agreement(self.means, pairs)[1]
        values = zip(pairs.tolist(), relations, disparities(self.cross, pairs), *by_parcel, strict=True)
        for (first, second), relation, over_voxels, over_parcels, r, plain in values:
            yield {
                "first": first,
                "second": second,
                "relation": relation,
                "disparity": over_voxels,
                "r_distances": r,
                "disparity_parcels": over_parcels,
                "r_distances_plain": plain,
            }

    def nulls(self, n: int, seed: int) -> Iterator[tuple[str, Null, str, int]]:
        """Name of the null, its n draws, which pairs, and how many.

        Pairs of different persons, whose recordings move together; where there is one person only, all pairs of
        recordings. Second fits take no part.
        """
        among, units = self._drawn(np.random.default_rng(seed))
        relation = SUBJECTS if len(set(self.persons)) > 1 else OTHER_RUN
        pairs = np.stack(np.triu_indices(len(among), 1), axis=1)
        pairs = pairs[units[pairs[:, 0]] != units[pairs[:, 1]]]
        if not len(pairs):
            return
        draw = (pairs, units, n)
        yield "rotation", rotation_null(self.cross[among][:, among], *draw, _rng(seed, 1)), relation, len(pairs)
        if self.means is None:
            return
        chosen = np.sort(_rng(seed, 4).permutation(len(self.mm))[:MAX_PARCELS])
        items, mm = prepared(self.means[among][:, chosen]), self.mm[chosen]
        bases, trend = {"parcel permutation": None, "spatial": isotropic_basis(items, mm)}, distance_trend(mm)
        for number, (name, basis) in enumerate(bases.items()):
            for null in placement_null(items, *draw, _rng(seed, 2 + number), basis, trend):
                yield name, null, relation, len(pairs)

    def template(self) -> tuple[Template, np.ndarray, np.ndarray]:
        """The group's template, the recordings that it is of, and the disparity of each to all others.

        Every person counts the same. A recording whose latents are constant takes no part; its disparity is NaN.
        """
        n = len(self.persons)
        used = np.flatnonzero(self._vary()[:n])
        found = np.full(n, np.nan)
        if len(used) < 2:
            raise ValueError(
                f"the latents of {len(used)} of {n} recordings vary, and a template needs two: "
                "have the models collapsed?"
            )
        cross, persons = self.cross[used][:, used], self.persons[used]
        template = generalized(cross, 1 / np.bincount(persons)[persons])
        found[used] = disparity_to_others(cross, template, persons)
        return template, used, found

    def _vary(self) -> np.ndarray:
        return np.isfinite(np.einsum("ssii->s", self.cross))

    def _drawn(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """At most 25 recordings, of as many persons as possible, and the unit of each."""
        usable = np.flatnonzero(self._vary()[: len(self.persons)])
        shuffled = rng.permutation(usable)
        # how many recordings of the same person come before
        before = np.array([(self.persons[shuffled[:i]] == self.persons[s]).sum() for i, s in enumerate(shuffled)])
        among = np.sort(shuffled[np.argsort(before, kind="stable")[:MAX_RECORDINGS]]).astype(int)
        persons = self.persons[among]
        units = persons if len(set(self.persons)) > 1 else np.arange(len(among))
        return among, np.unique(units, return_inverse=True)[1].reshape(-1)


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])
