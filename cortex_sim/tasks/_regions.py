"""External input to a circuit of three regions: the first receives none, the second a moving bump, the third a bump that changes position once."""

import numpy as np
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import DT, Task

REGIONS_DURATION, LEAD_TIME, SWITCH = 12.0, 2.0, 8.0  # s: of the whole; until the sequence sets off; when the place changes
SEQUENCE, WIDTH = 10, 0.2  # places that the sequence goes through; standard deviation of a bump, in regions
PLACES = (0.1, 0.7)  # before and after the change, in regions
HEARING = 0.5  # share of the units of the second and third region that are driven


def region_thirds(units: int) -> dict[str, ndarray]:
    """Return the positions of the units of regions A, B and C, as equal in size as possible."""
    return dict(zip("ABC", np.array_split(np.arange(units), 3), strict=True))


@task
def regions(units: int, *, duration: float = REGIONS_DURATION, seed: int = 0) -> Task:
    """Drive half of B by a bump of height 1 that moves through it, and half of C by one of -1 that changes position; start from random rates.

    The bump moves through B from 2 s to 7 s of 12 and stays at its end; that in C changes position at 8 s. In a shorter task, all times shrink
    in proportion.

    Args:
        units: number of units of the circuit.
        duration: s, in whole bins.
        seed: of the driven units and of the initial rates.

    Raises:
        TaskError: there are fewer than two units per region.

    Source:
        After the simulation in Perich et al. (2020) bioRxiv 2020.12.18.423348; shapes and times of the bumps are chosen.
    """
    if units < 6:
        raise TaskError(f"regions: {units} units; there should be at least 2 in each of 3 regions.")
    rng, member = stream(seed, "task", "bumps of regions"), region_thirds(units)
    t = REGIONS_DURATION / duration * DT * np.arange(round(duration / DT))
    at = np.clip(2 * (t - LEAD_TIME) / (REGIONS_DURATION - LEAD_TIME), 0, 1) * (SEQUENCE - 1)
    moving = [(k / (SEQUENCE - 1), np.clip(1 - np.abs(at - k), 0, None)) for k in range(SEQUENCE)]
    staying = [(PLACES[0], (t < SWITCH).astype(float)), (PLACES[1], (t >= SWITCH).astype(float))]
    drives = []
    for region, height, bumps in (("B", 1.0, moving), ("C", -1.0, staying)):
        where = np.linspace(0, 1, len(member[region]))
        driven = rng.random(len(where)) < HEARING
        for centre, course in bumps:
            pattern = np.zeros((1, units))
            pattern[0, member[region]] = height * driven * np.exp(-((where - centre) ** 2) / (2 * WIDTH**2))
            drives.append(Drive(pattern, course, f"external, {region}"))
    return Task("three regions", 0.0, duration, np.zeros(1), drives=tuple(drives), initial=np.tanh(rng.uniform(-1, 1, (1, units))))
