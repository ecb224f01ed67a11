"""The inputs of spiking neurons as functions of time and neuron, from counter-based random numbers that every code target computes alike.

A random number is a hash of (stream, step, neuron): SplitMix64 (Steele, Lea & Flood 2014, OOPSLA), started for each step at a hash of stream
and step. Nothing is drawn ahead or stored, any neuron's number can be computed alone, and NumPy and C++ give the same numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt64
from numpy import ndarray

from cortex_sim.errors import CardError

GOLDEN, STEP, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
UNIT = 2.0**-53
MANY = 500.0  # mean events of a neuron in a step above which a Poisson input is refused: exp(-mean) would lose its digits
LAST = 1000  # events at which counting ends; with a mean of MANY the chance of more is below 1e-80
SPARSE = 0.1  # the same where every step can hold one spike at most: above it more than a twentieth of the events would be lost


@dataclass(frozen=True)
class Source:
    """One input to one kind of neurons in one trial.

    Attributes:
        kind: ``drive``, ``noise``, ``poisson`` or ``recorded``.
        stream: key of the random numbers.
        dt: step, s.
        most: largest mean number of events per step that a Poisson input may have.
        patterns: for a drive, (slot, neuron) in SI units.
        courses: for a drive, (slot, step), dimensionless.
        starts: for a recording, where the events of each step start; one more at the end.
        neurons: for a recording, the neuron of each event.
    """

    kind: str
    stream: int
    dt: float
    most: float
    patterns: Float[ndarray, "slot neuron"]
    courses: Float[ndarray, "slot step"]
    starts: Int[ndarray, " start"]
    neurons: Int[ndarray, " event"]

    def step(self, t: Any) -> int:
        """Return the number of the step that starts at time t, s."""
        return round(float(np.ravel(t)[0]) / self.dt)

    def drive(self, t: Any, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        """Return the sum of the drives at a time."""
        now = self.courses[:, min(self.step(t), self.courses.shape[1] - 1)] if self.courses.size else np.zeros(0)
        active = np.flatnonzero(now)
        return now[active] @ self.patterns[active][:, np.asarray(i)] if active.size else np.zeros(np.shape(i))

    def noise(self, t: Any, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        """Return white noise of unit intensity, 1/sqrt(s): standard normal numbers (Box & Muller 1958) over sqrt(dt)."""
        first, second = (self.uniform(2 * self.step(t) + k, i) for k in (0, 1))
        return np.sqrt(-2.0 * np.log(1.0 - first)) * np.cos(2.0 * np.pi * second) / np.sqrt(self.dt)

    def poisson(self, rate: Any, t: Any, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        """Return the number of events in this step, by inversion of the distribution function.

        Raises:
            CardError: more events are expected in a step than can be counted, or than one spike per step can carry.
        """
        mean = np.broadcast_to(np.asarray(rate, dtype=float) * self.dt, np.shape(i))
        if not mean.max(initial=0.0) <= self.most:
            raise CardError(too_many(mean.max(), self.most))
        drawn, term = self.uniform(self.step(t), i), np.exp(-mean)
        below = term
        count, going = np.zeros(np.shape(i)), np.ones(np.shape(i), dtype=bool)
        for k in range(1, LAST):
            going &= drawn >= below
            if not going.any():
                break
            count[going] = k
            term = term * mean / k
            below = below + term
        return count

    def recorded(self, t: Any, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        """Return the number of recorded spikes of each neuron in this step."""
        step = self.step(t)
        if step + 1 >= len(self.starts):
            return np.zeros(np.shape(i))
        events = self.neurons[self.starts[step] : self.starts[step + 1]]
        return np.bincount(events, minlength=int(np.max(i)) + 1)[np.asarray(i)].astype(float)

    def uniform(self, step: int, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        """Return uniform numbers in [0, 1) for a step, one per neuron."""
        with np.errstate(over="ignore"):
            start = mixed(np.uint64(self.stream) + np.uint64(step) * STEP)
            number = mixed(start + (np.asarray(i).astype(np.uint64) + np.uint64(1)) * GOLDEN)
        return (number >> np.uint64(11)).astype(float) * UNIT


def too_many(mean: float, most: float) -> str:
    """Return the message that the rate of a Poisson input is too high; the C++ programs give the same one."""
    return f"a Poisson input expects {mean:g} events of a neuron in one step, where at most {most:g} can be told apart; shorten dt or lower the rate."


def mixed(z: Any) -> UInt64[ndarray, "..."]:
    """Mix the bits of 64-bit numbers: the finaliser of SplitMix64."""
    with np.errstate(over="ignore"):
        z = np.asarray(z, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * FIRST
        z = (z ^ (z >> np.uint64(27))) * SECOND
        return z ^ (z >> np.uint64(31))
