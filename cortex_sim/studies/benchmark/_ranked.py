"""How a measure ranks networks that were fitted to a circuit, against how they answer pushes: with their fit, and at equal fit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime import stream
from cortex_sim.statistics import bootstrapped, kendall_tau, partial_tau, spike_averages
from cortex_sim.studies.benchmark._circuits import Place
from cortex_sim.studies.benchmark._families import BIN
from cortex_sim.studies.benchmark._observed import BASE, DEPTH, SMOOTHED, Observed
from cortex_sim.studies.benchmark._pupils import Pupils
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH
from cortex_sim.studies.benchmark._scored import FEWEST
from cortex_sim.studies.benchmark._sensed import SHARES

ALL = "all kinds"
AVERAGED = (1, 5, 20, 100)  # trials of spikes that averages are of
RELIABLE = 0.97
Compare = Callable[[Observed, Observed], float | None]


def alike_students(alike: Compare, or_none: Compare, pupils: Pupils, place: Place, *, less: bool) -> dict[str, Any]:
    """Return how alike a measure finds a circuit and each network, by averages of all units, and of few units and of spikes.

    Args:
        alike: the measure.
        or_none: the measure, None where it cannot be taken.
        pupils: the networks.
        place: of the circuit.
        less: whether few units and spikes are asked about.
    """
    found: dict[str, Any] = {"alike": _each(alike, pupils.circuit, pupils.rates)}
    if less:
        order = stream(place.seed, "task", "units seen of networks in the benchmark").permutation(pupils.circuit.shape[2])
        some = {share: np.sort(order[: max(2, round(share * len(order)))]) for share in SHARES}
        found["units"] = {str(share): _each(or_none, pupils.circuit[..., units], pupils.rates[..., units]) for share, units in some.items()}
        fired = {
            n: [_fired(rates, pupils.circuit, n, place, number) for number, rates in enumerate([pupils.circuit, *pupils.rates])] for n in AVERAGED
        }
        found["spikes"] = {str(n): _each(or_none, each[0], np.stack(each[1:])) for n, each in fired.items()}
    return found


def _each(alike: Compare, circuit: ndarray, rates: ndarray) -> list[float | None]:
    labels = np.arange(len(circuit))
    return [alike(Observed(circuit, labels), Observed(own, labels)) if np.ptp(own, axis=(0, 1)).any() else None for own in rates]


def _fired(rates: ndarray, circuit: ndarray, trials: int, place: Place, number: int) -> ndarray:
    """Return averages of smoothed spikes of so many trials, in the unit of the rates."""
    rng = stream(place.seed, "analysis", "spikes of networks in the benchmark", trials, number)
    spread, middle = max(float(circuit.std(axis=(0, 1)).mean()), np.finfo(float).tiny), circuit.mean(axis=(0, 1))
    fired = spike_averages(BASE + DEPTH * (rates - middle) / spread, BIN, repeats=trials, sd=SMOOTHED, rng=rng)
    return (fired - BASE) / DEPTH * spread + middle


def ranks(readings: Mapping[str, Mapping[str, Any]], pupils: Mapping[str, Pupils]) -> dict[str, Any]:
    """Return, by kind of push, how well a measure ranks networks: Kendall's τ with what they explain of the responses, and partial τ given R².

    Args:
        readings: of the measure, by circuit.
        pupils: the networks, by circuit.
    """
    found: dict[str, Any] = {}
    for kind in (ALL, *KINDS_OF_PUSH):
        plain, partial = {}, {}
        for name, reading in readings.items():
            truth, values = truth_of(pupils[name], kind), np.array(reading["students"]["alike"], dtype=float)
            if np.isfinite(truth + values).sum() >= FEWEST:
                plain[name], partial[name] = kendall_tau(values, truth), partial_tau(values, truth, pupils[name].r2)
        if plain:
            found[kind] = {"tau": _mean(plain), "interval": interval_of(plain), "partial": _mean(partial), "partial_interval": interval_of(partial),
                           "circuits": partial}  # fmt: skip
    return found


def ranks_of_less(readings: Mapping[str, Mapping[str, Any]], pupils: Mapping[str, Pupils]) -> dict[str, dict[str, float]]:
    """Return τ with what networks explain of all kinds of responses, from few units and from spikes, and of all units of the same circuits."""
    asked = {name: reading["students"] for name, reading in readings.items() if "units" in reading["students"]}
    truths = {name: truth_of(pupils[name], ALL) for name in asked}

    def mean(pick: Callable[[Any], Sequence[Any]]) -> float:
        return float(np.mean([kendall_tau(np.array(pick(reading), dtype=float), truths[name]) for name, reading in asked.items()]))

    if not asked:
        return {}
    first = next(iter(asked.values()))
    return {"all": {"tau": mean(lambda one: one["alike"])}} | {
        part: {key: mean(lambda one, part=part, key=key: one[part][key]) for key in first[part]} for part in ("units", "spikes")
    }


def truth_of(pupils: Pupils, kind: str) -> Float[ndarray, " student"]:
    """Return what each network explains of the responses of a kind; of all, the mean over those kinds that are defined for every network."""
    truths = pupils.truths
    if kind != ALL:
        return truths[kind]
    return np.mean([each for each in truths.values() if np.isfinite(each).all()], axis=0)


def networks(pupils: Mapping[str, Pupils]) -> dict[str, dict[str, float]]:
    """Return what each network explains of rates and of responses by kind, median over circuits; a kind that it has not is absent."""
    names = dict.fromkeys(name for each in pupils.values() for name in each.names)
    found: dict[str, dict[str, float]] = {}
    for name in names:
        own = [(each, each.names.index(name)) for each in pupils.values() if name in each.names]
        found[name] = {"R²": float(np.median([each.r2[place] for each, place in own]))}
        for kind in KINDS_OF_PUSH:
            values = [each.truths[kind][place] for each, place in own]
            if np.isfinite(values).any():
                found[name][kind] = float(np.nanmedian(values))
    return found


def reliabilities(pupils: Mapping[str, Pupils]) -> dict[str, dict[str, float]]:
    """Return the reliability of the truth by kind: its median over circuits, its least, and the fraction of circuits above 0.97."""
    found = {}
    for kind in KINDS_OF_PUSH:
        values = np.array([each.reliability(kind) for each in pupils.values()])
        if (known := values[np.isfinite(values)]).size:
            found[kind] = {"median": float(np.median(known)), "least": float(known.min()), "above": float((known > RELIABLE).mean())}
    return found


def interval_of(values: Mapping[str, float]) -> list[float] | None:
    """Return the bootstrap interval of the mean over circuits; None for few circuits."""
    each = np.array(list(values.values()))
    if len(each) < FEWEST:
        return None
    if not each.std() > 0:
        return [float(each[0])] * 2
    return list(bootstrapped(lambda drawn: float(each[drawn].mean()), np.arange(len(each)), over="circuits"))


def _mean(values: Mapping[str, float]) -> float:
    return float(np.mean(list(values.values())))
