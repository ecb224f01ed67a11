"""Who is in the training part and who is not: decided once, by condition, trial, unit, session or network, before anything is computed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import ComparisonError

FOLDS = 103  # names the random stream


@dataclass(frozen=True)
class Split:
    """Places of the training part and of the rest.

    Attributes:
        train: places.
        test: places; none is in the training part, and no label is on both sides.
    """

    train: Int[ndarray, " kept"]
    test: Int[ndarray, " left"]


def folds(labels: Sequence[object], *, count: int | None = None, seed: int = 0) -> Iterator[Split]:
    """Leave out each label once, in as many folds as asked for; places of one label never part.

    Args:
        labels: of each place: its condition, trial, unit, session or network.
        count: number of folds, as equal in labels as they can be; None leaves out one label at a time.
        seed: of which labels go together.

    Raises:
        ComparisonError: there are fewer labels than folds, or fewer than two.
    """
    names = list(dict.fromkeys(labels))
    wanted = len(names) if count is None else count
    if not 2 <= wanted <= len(names):
        raise ComparisonError(f"splits: {len(names)} labels do not make {wanted} folds; there should be at least 2 folds and no more than labels.")
    rng = np.random.default_rng(np.random.SeedSequence((seed, FOLDS)))
    place = {name: number for number, name in enumerate(names)}
    of = np.array([place[label] for label in labels])
    order = np.arange(len(names)) if count is None else rng.permutation(len(names))
    for part in np.array_split(order, wanted):
        left = np.isin(of, part)
        yield Split(np.flatnonzero(~left), np.flatnonzero(left))


def checked(train: Sequence[object], test: Sequence[object]) -> None:
    """Refuse parts that share a label.

    Raises:
        ComparisonError: which labels are on both sides.
    """
    if shared := [label for label in dict.fromkeys(train) if label in set(test)]:
        raise ComparisonError(f"splits: {shared[:3]} are in the training part and in the test; a label should be on one side only.")


@dataclass(frozen=True)
class Prepared:
    """Means, scales and axes of a training part, to be applied to any part alike.

    Attributes:
        mean: of each unit, or of each bin and unit over training conditions.
        scale: of each unit.
        axes: principal axes, in columns.
    """

    mean: Float[ndarray, "*time unit"]
    scale: Float[ndarray, " unit"]
    axes: Float[ndarray, "unit axis"]

    @classmethod
    def of(cls, train: Float[ndarray, "condition time unit"], *, axes: int | None = None, across: bool = False) -> "Prepared":
        """Find them in the training part alone.

        Args:
            train: rates.
            axes: principal axes kept; all, and the units as they are, if None.
            across: the mean is taken over conditions at every time (the cross-condition mean), instead of over conditions and time.

        Raises:
            ComparisonError: more axes than units, or nothing varies.
        """
        units = train.shape[2]
        if axes is not None and not 1 <= axes <= units:
            raise ComparisonError(f"splits: {axes} axes of {units} units; there should be between 1 and {units}.")
        mean, scale = train.mean(axis=0 if across else (0, 1)), train.std(axis=(0, 1))
        if not scale.any():
            raise ComparisonError("splits: nothing varies in the training part.")
        scale = np.where(scale > 0, scale, 1.0)
        if axes is None:
            return cls(mean, scale, np.eye(units))
        flat = ((train - mean) / scale).reshape(-1, units)
        return cls(mean, scale, np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :axes])

    def __call__(self, rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, "condition time axis"]:
        """Apply them to conditions of either part."""
        return (rates - self.mean) / self.scale @ self.axes
