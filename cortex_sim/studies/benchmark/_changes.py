"""Changes of activity that leave the mechanism as it is: what a measure of mechanism should not see."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime import stream
from cortex_sim.simulation import drive_gain
from cortex_sim.studies.benchmark._families import Family, System, still
from cortex_sim.studies.benchmark._observed import RESPONSES, Observed, Observer

STARTS, INPUTS, COURSE, NOISE = "other starts", "other inputs", "other time course of the input", "other noise"
ORTHOGONAL, INVERTIBLE, UNITS = "orthogonal image", "invertible image", "other units"
CHANGES = (STARTS, INPUTS, COURSE, NOISE, ORTHOGONAL, INVERTIBLE, UNITS)
LOUDER, SLOWER, CONDITION = 2.0, 2.0, 3.0  # factors of the noise and of the time that the input takes; largest over smallest singular value
ADDED, WIDE = 1.0, 0.08  # s.d. of a unit's state that each added input would move it by within its width; s, s.d. of its time course
Pairs = list[tuple[Observed, Observed]]


def changed_pairs(change: str, observer: Observer, view: str, first: Sequence[Observed], second: Sequence[Observed]) -> tuple[Pairs, Pairs | None]:
    """Return pairs of observations of one circuit, of which the second is changed, and pairs to compare them with.

    Args:
        change: one of :data:`CHANGES`.
        observer: of the circuit.
        view: what is observed.
        first: observations of the circuit.
        second: as many more, independent of the first.

    Returns:
        The pairs; and those without the change, if they are others than the first and the second.
    """
    family, pairs = observer.family, list(zip(first, second, strict=True))
    units = family.drawn.model.units
    if change == UNITS:
        order = stream(family.drawn.place.seed, "task", "halves of units of the benchmark").permutation(units)
        half, other = np.sort(order[: units // 2]), np.sort(order[units // 2 : 2 * (units // 2)])
        return [(a.of_units(half), b.of_units(other)) for a, b in pairs], [(a.of_units(half), b.of_units(half)) for a, b in pairs]
    if change in (ORTHOGONAL, INVERTIBLE):
        matrix = image_matrix(units, family.drawn.place.seed, 1.0 if change == ORTHOGONAL else CONDITION)
        return [(a, b.image(matrix)) for a, b in pairs], None
    system = {STARTS: _other_starts, INPUTS: _other_inputs, COURSE: _other_course, NOISE: lambda family: family.circuit}[change](family)
    changed = observer.see(view, system, len(pairs), change, louder=LOUDER if change == NOISE else 1.0)
    return list(zip(first, changed, strict=True)), None


def applies(change: str, view: str) -> bool:
    """Return whether a change makes a difference in a view: responses to pushes are free of the noise of single trials."""
    return not (change == NOISE and view == RESPONSES)


def image_matrix(units: int, seed: int, condition: float) -> Float[ndarray, "unit unit"]:
    """Return an invertible matrix between random orthogonal axes, with this ratio of the largest to the smallest singular value; 1 is orthogonal."""
    rng = stream(seed, "task", "images of the benchmark")
    left, right = (np.linalg.qr(rng.standard_normal((units, units)))[0] for _ in range(2))
    return left * np.geomspace(condition, 1.0, units) @ right.T


def _other_starts(family: Family) -> System:
    return still(family.drawn, len(family.path), "other starts").circuit


def _other_inputs(family: Family) -> System:
    """Return the circuit with three more inputs in each condition, each a random pattern with a Gaussian time course at a random time."""
    circuit, model = family.circuit, family.drawn.model
    rng = stream(family.drawn.place.seed, "task", "inputs of arm 2 of the benchmark")
    conditions, steps, units = circuit.inputs.shape
    time = model.dt.si * np.arange(steps)
    centres = rng.uniform(0, time[-1], (conditions, 3, 1))
    courses = np.exp(-0.5 * ((time - centres) / WIDE) ** 2)
    size = ADDED * float(np.median(family.path.std(axis=(0, 1)))) / WIDE / np.abs(drive_gain(model))
    patterns = size * rng.standard_normal((conditions, 3, units))
    return replace(circuit, inputs=circuit.inputs + np.einsum("cpt,cpu->ctu", courses, patterns))


def _other_course(family: Family) -> System:
    """Return the circuit with its own input taking longer."""
    circuit = family.circuit
    slow = np.arange(circuit.inputs.shape[1]) / SLOWER
    before = np.floor(slow).astype(int)
    after, part = np.minimum(before + 1, circuit.inputs.shape[1] - 1), (slow - before)[:, None]
    return replace(circuit, inputs=(1 - part) * circuit.inputs[:, before] + part * circuit.inputs[:, after])
