"""Patterns that a network should generate by itself: a periodic one, and one triggered by a pulse."""

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task

PATTERN_PERIOD = 12.0  # s: 120 units of the time constant of Sussillo & Abbott (2009), which is 0.1 s in the card
HARMONICS = {1: 1.0, 2: 1 / 2, 3: 1 / 6, 4: 1 / 3}
AMPLITUDE = 1.3 / 1.5
PULSE, CHIRP = 0.5, 19.5  # s: ten times as long as in the demonstration of DePasquale et al. (2018), as all times of the card
SLOW, FAST = 0.1, 0.6  # Hz, at the ends and in the middle of the chirp: a tenth of 1 and 6 Hz


@task
def periodic(periods: int, *, first: int = 0) -> Task:
    r"""Make a task without inputs whose only target is a repeating sum of four sines.

    The sum is :math:`1.3/1.5 (\sin wt + \frac12 \sin 2wt + \frac16 \sin 3wt + \frac13 \sin 4wt)` with a period of 12 s.

    Args:
        periods: number of periods.
        first: number of the first period; period 0 starts at t = 0.

    Raises:
        TaskError: there are no periods.

    Source:
        Sussillo & Abbott (2009) Neuron 63:544, authors' script.
    """
    if periods < 1:
        raise TaskError(f"periodic: periods {periods} should be at least 1.")
    start, stop = first * PATTERN_PERIOD, (first + periods) * PATTERN_PERIOD
    bare = Task("periodic pattern", start, stop, np.zeros(1))
    angle = 2 * np.pi * bare.time / PATTERN_PERIOD
    wave = AMPLITUDE * sum(size * np.sin(number * angle) for number, size in HARMONICS.items())
    return Task(bare.name, start, stop, bare.condition, targets=_wave(bare, np.asarray(wave)), notes={"period_s": PATTERN_PERIOD})


@task
def chirp() -> Task:
    """Make a task in which a pulse on one channel triggers an oscillation that becomes faster and then slower again.

    The frequency rises linearly from 0.1 to 0.6 Hz and falls at the same rate, so the oscillation's frequency is symmetric in time.

    Source:
        DePasquale, Cueva, Rajan, Escola & Abbott (2018) PLoS ONE 13:e0191527; frequencies from memory, all times ten times as long.
    """
    bare = Task("chirp after a pulse", 0.0, PULSE + CHIRP, np.zeros(1), epochs={"pulse": (0.0, PULSE), "chirp": (PULSE, PULSE + CHIRP)})
    half, since = CHIRP / 2, bare.time - PULSE
    near = np.minimum(since, CHIRP - since)
    phase = 2 * np.pi * (SLOW * near + (FAST - SLOW) * near**2 / (2 * half))
    wave = np.where(since >= 0, np.sin(phase), 0.0)
    values = (bare.fine_time < PULSE - DT / 2).astype(float)[None, :, None]
    heard = channels(bare, values, ["pulse"])
    mask = (since >= -BIN / 2).astype(float)[None]
    return Task(bare.name, 0.0, bare.stop, bare.condition, epochs=bare.epochs, channels=heard, targets=_wave(bare, wave), mask=mask)


def _wave(task: Task, wave: Float[ndarray, " time"]) -> xr.DataArray:
    return targets(task, wave[None, :, None], ["output"], units="1", what="output")
