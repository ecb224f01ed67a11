"""A system of damped rotations, and companions that by construction equal it for some measures and not for others."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._planted import damped_rotations, noisy_steps
from cortex_sim.runtime import stream

ANGLES, RADII = np.array([0.3, 0.7, 1.1]), np.array([0.98, 0.95, 0.90])  # of three damped rotations, rad and factor a step
NOISE = 0.1  # of every step and axis
SHOWN, STEPS = 60, 100  # steps of averages, and of single trials
FASTER, DAMPED, WIDE = 1.3, 0.85, 20  # factors of frequency and of radii; dimensions of an embedding
SAME, UNMATCHED, TURNED, LINEAR, EMBEDDED, CURVED, FREQUENCY, DECAY, POSSESSED, UNRELATED = COMPANIONS = (
    "same, new noise", "same, other conditions", "turned", "linear image", f"in {WIDE} dimensions", "curved image",
    f"frequency × {FASTER:g}", "faster decay", "same averages, other dynamics", "unrelated noise",
)  # fmt: skip
AXES = 2 * len(ANGLES)


@dataclass(frozen=True)
class Known:
    """A system: its condition averages and its single trials."""

    averages: Float[ndarray, "condition step axis"]
    singles: Float[ndarray, "trial moment axis"]


def companions(seed: int, *, conditions: int, repeats: int, trials: int) -> tuple[Known, dict[str, Known]]:
    """Return the system and its companions, by name; single trials always have new noise.

    Args:
        seed: of initial states, images and noise.
        conditions: number of initial states.
        repeats: number of noisy trials per average.
        trials: number of single trials, from random states.
    """
    streams = (stream(seed, "circuit", "runs of identity", number) for number in count())
    rng = stream(seed, "circuit", "images of a system")
    these, others = (rng.standard_normal((conditions, AXES)) for _ in range(2))
    A, faster, damped = (damped_rotations(*of) for of in ((ANGLES, RADII), (FASTER * ANGLES, RADII), (ANGLES, DAMPED * RADII)))
    base, again, fast = (_run(matrix, these, repeats, trials, streams) for matrix in (A, A, faster))
    turn, embedding = np.linalg.qr(rng.standard_normal((AXES, AXES)))[0], rng.standard_normal((AXES, WIDE))
    stretch, bent = rng.standard_normal((AXES, AXES)), rng.standard_normal((AXES, WIDE)) / np.sqrt(AXES)
    images = {
        TURNED: lambda x: 3 * x @ turn, LINEAR: lambda x: x @ stretch, EMBEDDED: lambda x: x @ embedding, CURVED: lambda x: np.tanh(x @ bent),
    }  # fmt: skip
    possessed = _possessed(base, faster, trials // conditions + 1, next(streams))
    noise = next(streams).standard_normal((conditions, SHOWN // 6, AXES))
    return base, {
        SAME: again, UNMATCHED: _run(A, others, repeats, trials, streams),
        **{name: Known(image(base.averages), image(again.singles)) for name, image in images.items()},
        FREQUENCY: fast, DECAY: _run(damped, these, repeats, trials, streams), POSSESSED: possessed,
        UNRELATED: Known(np.repeat(noise, 6, axis=1), next(streams).standard_normal((trials, STEPS, AXES))),
    }  # fmt: skip


def _run(A: ndarray, start: ndarray, repeats: int, trials: int, streams: Iterator[np.random.Generator]) -> Known:
    many = noisy_steps(A, np.repeat(start, repeats, axis=0), SHOWN, next(streams), NOISE)
    single = next(streams)
    alone = noisy_steps(A, single.standard_normal((trials, AXES)), STEPS, single, NOISE)
    return Known(many.reshape(len(start), repeats, SHOWN, AXES).mean(axis=1), alone)


def _possessed(base: Known, A: ndarray, each: int, rng: np.random.Generator) -> Known:
    """Return the system's averages, with trials whose deviations from them follow another system's dynamics from random states."""
    conditions = len(base.averages)
    apart = noisy_steps(A, rng.standard_normal((conditions * each, AXES)), SHOWN, rng, NOISE).reshape(conditions, each, SHOWN, AXES)
    singles = base.averages[:, None] + apart - apart.mean(axis=1, keepdims=True)
    return Known(singles.mean(axis=1), singles.reshape(-1, SHOWN, AXES))
