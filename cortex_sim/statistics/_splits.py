"""Training and test sets, fixed once, by condition, trial, unit, session or network, before anything is computed.

A *label* marks samples that must not be separated: all samples with one label are on one side. A *stratum* is a group of labels of which both
sides get their share: trials (labels) of every condition (strata), units of every population, networks of every rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import doored, stream

Labels = Shaped[ndarray, " sample"] | Sequence[object]


@dataclass(frozen=True)
class Split:
    """Indices of the training and the test set.

    Attributes:
        train: indices.
        test: indices; none is in the training set, and no label is on both sides.

    Raises:
        ComparisonError: an index is on both sides, or a side is empty.
    """

    train: Int[ndarray, " kept"]
    test: Int[ndarray, " left"]

    def __post_init__(self) -> None:
        if not len(self.train) or not len(self.test):
            raise ComparisonError(f"splits: {len(self.train)} places to train on and {len(self.test)} to test; there should be some of each.")
        if shared := np.intersect1d(self.train, self.test).tolist():
            raise ComparisonError(f"splits: places {shared[:3]} are in the training part and in the test; each should be on one side only.")

    def within(self, places: Int[ndarray, " place"]) -> "Split":
        """Return the split with indices into a larger whole of which these samples are a part, as for folds within a training set."""
        return Split(np.asarray(places)[self.train], np.asarray(places)[self.test])


def folds(labels: Labels, *, count: int | None = None, strata: Labels | None = None, seed: int | None = 0) -> Iterator[Split]:
    """Yield splits that hold out each label once, in this number of folds; samples with one label stay together.

    Args:
        labels: of each sample: its condition, trial, unit, session or network.
        count: number of folds, as equal in labels as possible; None holds out one label at a time.
        strata: of each sample; every fold gets its share of the labels of each, to within one.
        seed: of the assignment of labels to folds; None keeps consecutive labels together, so that a slow drift is no advantage.

    Raises:
        ComparisonError: there are fewer labels than folds, overall or in a stratum, fewer than two folds, or a label is in two strata.
    """
    of = _numbered(labels)
    found = int(of.max(initial=-1)) + 1
    wanted = found if count is None else count
    if not 2 <= wanted <= found:
        raise ComparisonError(f"splits: {found} labels do not make {wanted} folds; there should be at least 2 folds and no more than labels.")
    rng = None if seed is None or count is None else stream(seed, "analysis", "folds")
    for part in _parts(_grouped(of, strata), wanted, rng, alone=count is None):
        left = np.isin(of, part)
        yield Split(np.flatnonzero(~left), np.flatnonzero(left))


def halves(labels: Labels, *, strata: Labels | None = None, count: int = 1, seed: int = 0) -> Iterator[Split]:
    """Yield this number of random halvings of the labels, as for reliabilities. Each half has half of each stratum, to within one label.

    Args:
        labels: of each sample.
        strata: of each sample; a single one if omitted.
        count: number of halvings.
        seed: of the halvings.

    Raises:
        ComparisonError: a stratum has one label, or a label is in two strata.
    """
    of = _numbered(labels)
    groups, rng = _grouped(of, strata), stream(seed, "analysis", "halves")
    for _ in range(count):
        left = np.isin(of, next(_parts(groups, 2, rng)))
        yield Split(np.flatnonzero(left), np.flatnonzero(~left))


def set_aside(labels: Labels, share: float, *, strata: Labels | None = None, seed: int = 0) -> Split:
    """Return a split that holds out a fraction of the labels for the test: at least one of each stratum, and not all.

    Args:
        labels: of each sample.
        share: fraction of the labels, between 0 and 1.
        strata: of each sample; a single one if omitted.
        seed: of the selection.

    Raises:
        ComparisonError: the fraction is not between 0 and 1, a stratum has one label, or a label is in two strata.
    """
    if not 0 < share < 1:
        raise ComparisonError(f"splits: a share of {share:g} was to be set aside; it should lie between 0 and 1.")
    of = _numbered(labels)
    rng, out = stream(seed, "analysis", "labels set aside"), []
    for group in _enough(_grouped(of, strata), 2):
        out.append(rng.permutation(group)[: min(max(1, round(share * len(group))), len(group) - 1)])
    left = np.isin(of, np.concatenate(out))
    return Split(np.flatnonzero(~left), np.flatnonzero(left))


def _numbered(labels: Labels) -> Int[ndarray, " place"]:
    """Return the label of each sample as a number, in order of first appearance."""
    place = {name: number for number, name in enumerate(dict.fromkeys(labels))}
    return np.array([place[label] for label in labels], dtype=int)


def _grouped(of: Int[ndarray, " place"], strata: Labels | None) -> list[Int[ndarray, " label"]]:
    """Return the labels of each stratum, in order of first appearance."""
    if strata is None:
        return [np.unique(of)]
    if len(strata) != len(of):
        raise ComparisonError(f"splits: there are {len(of)} labels and {len(strata)} strata; give one of each a place.")
    found: dict[object, list[int]] = {}
    stratum: dict[int, object] = {}
    for label, name in zip(of.tolist(), strata, strict=True):
        if stratum.setdefault(label, name) != name:
            raise ComparisonError(f"splits: label number {label} is in the strata {stratum[label]!r} and {name!r}; a label should be in one.")
        found.setdefault(name, []).append(label)
    return [np.unique(group) for group in found.values()]


def _enough(groups: list[Int[ndarray, " label"]], least: int) -> list[Int[ndarray, " label"]]:
    if (fewest := min(map(len, groups))) < least:
        raise ComparisonError(f"splits: a stratum has {fewest} labels; there should be at least {least}, one for every part.")
    return groups


def _parts(groups: list[Int[ndarray, " label"]], count: int, rng: np.random.Generator | None, *, alone: bool = False) -> Iterator[ndarray]:
    """Yield parts of equal size, to within one label, in every stratum; larger parts of one stratum are combined with smaller ones of others."""
    if alone:
        yield from (np.array([label]) for label in range(count))
        return
    parts: list[list[ndarray]] = [[] for _ in range(count)]
    for group in _enough(groups, count):
        pieces = np.array_split(group if rng is None else rng.permutation(group), count)
        smallest_first = np.argsort([sum(map(len, part)) for part in parts], kind="stable")
        for where, piece in zip(smallest_first, pieces, strict=True):
            parts[where].append(piece)
    yield from (np.concatenate(part) for part in parts)


def checked(train: Labels, test: Labels) -> None:
    """Check that two parts share no label.

    Raises:
        ComparisonError: the labels that are on both sides.
    """
    if shared := [label for label in dict.fromkeys(train) if label in set(test)]:
        raise ComparisonError(f"splits: {shared[:3]} are in the training part and in the test; a label should be on one side only.")


@doored("of")
@dataclass(frozen=True)
class Prepared:
    """Means, scales and axes of a training set, to be applied to both sets alike.

    Attributes:
        mean: of each unit, or of each bin and unit over training conditions.
        scale: of each unit.
        axes: principal axes, in columns.
    """

    mean: Float[ndarray, "*time unit"]
    scale: Float[ndarray, " unit"]
    axes: Float[ndarray, "unit axis"]

    @classmethod
    def of(cls, train: Float[ndarray, "condition time unit"], *, axes: int | None = None, across: bool = False, each: bool = True) -> "Prepared":
        """Return means, scales and axes of the training set alone.

        Args:
            train: rates, or coordinates.
            axes: number of principal axes; if None, the units themselves.
            across: whether to take the mean over conditions at every time (the cross-condition mean), instead of over conditions and time.
            each: whether to divide by each unit's standard deviation; False for coordinates, whose variances say how much they matter.

        Raises:
            ComparisonError: there are more axes than units, or nothing varies.
        """
        units = train.shape[2]
        if axes is not None and not 1 <= axes <= units:
            raise ComparisonError(f"splits: {axes} axes of {units} units; there should be between 1 and {units}.")
        mean, scale = train.mean(axis=0 if across else (0, 1)), train.std(axis=(0, 1))
        if not scale.any():
            raise ComparisonError("splits: nothing varies in the training part.")
        scale = np.where(scale > 0, scale, 1.0) if each else np.ones(units)
        if axes is None:
            return cls(mean, scale, np.eye(units))
        flat = ((train - mean) / scale).reshape(-1, units)
        return cls(mean, scale, np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :axes])

    def __call__(self, rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, "condition time axis"]:
        """Return conditions of either set, transformed."""
        return (rates - self.mean) / self.scale @ self.axes


def prepare(
    rates: Float[ndarray, "condition time unit"], split: Split, *, axes: int | None = None, across: bool = False
) -> tuple[Float[ndarray, "kept time axis"], Float[ndarray, "left time axis"]]:
    """Return the training and the test set of a split, both transformed by :meth:`Prepared.of` the training set.

    Args:
        rates: of both sets.
        split: of the conditions or trials.
        axes: number of principal axes; if None, the units themselves.
        across: whether to remove the mean over training conditions at every time.

    Raises:
        ComparisonError: there are more axes than units, or nothing varies.
    """
    ready = Prepared.of(rates[split.train], axes=axes, across=across)
    return ready(rates[split.train]), ready(rates[split.test])
