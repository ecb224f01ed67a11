"""Sentences of the benchmark, made of its numbers: advice, findings, and how they stand to the literature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cortex_sim.studies.benchmark._claimed import best_and_worst
from cortex_sim.studies.benchmark._drawn import sees
from cortex_sim.studies.benchmark._observed import AVERAGES, RESPONSES
from cortex_sim.studies.benchmark._pupils import CONTROLS, TAUGHT_PUSHES
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH, LEADING, OFF
from cortex_sim.studies.benchmark._ranked import ALL, RELIABLE
from cortex_sim.studies.benchmark._results import Result


def advice(measures: Sequence[Result]) -> str:
    """Return three sentences: what to compare without pushes, what pushes bring, and by what to choose among networks.

    Args:
        measures: results of measures.
    """
    steady = [result for result in measures if sees(result) and _worst(result) < 1]
    best = max(steady or measures, key=lambda result: _active(result)["slope"])
    view, sensed = best["numbers"]["activity"], _active(best)
    blind = max(abs(result["numbers"]["chance"]["d"]) for result in measures)
    pushed = max(measures, key=lambda result: result["numbers"]["views"][RESPONSES]["slope"])
    gained = pushed["numbers"]["views"][RESPONSES]
    told = "tells" if sees(best) else "does not surely tell"
    known = f"d′ {_spanned(sensed, 'slope')} per unit of s, {_smallest(sensed)}"
    first = (
        f"Without pushes, compare {view} by {best['name']!r}, which {told} mechanisms with {known}, and which other activity of one mechanism moves "
        f"by at most {_worst(best):.2f} of the way to another; averages tell nothing of mechanisms (|d′| at most {blind:.2f})."
    )
    told = f"{_spanned(gained, 'slope')} per unit of s and {_smallest(gained)}"
    second = f"If you can push, do: by {pushed['name']!r} responses tell mechanisms with d′ {told}."
    ranked = [result for result in measures if ALL in result["numbers"]["ranks"]]
    if not ranked:
        return f"{first} {second} Too few networks could be ranked to advise which measure chooses among them."
    chosen, plain = (max(ranked, key=lambda result: result["numbers"]["ranks"][ALL][key]) for key in ("partial", "tau"))
    ranks = chosen["numbers"]["ranks"][ALL]
    third = (
        f"To choose among networks that fit equally well, use {chosen['name']!r}, which ranks their responses with partial τ "
        f"{_spanned(ranks, 'partial', 'partial_interval')} given R²; regardless of fit {plain['name']!r} ranks them best, with τ "
        f"{_spanned(plain['numbers']['ranks'][ALL], 'tau')}."
    )
    return f"{first} {second} {third}"


def _worst(result: Result) -> float:
    """Return the largest shift by other activity of the same mechanism, where 1 is what another mechanism does."""
    shifts = result["numbers"]["invariance"][result["numbers"]["activity"]]
    return max(abs(each["shift"]) for each in shifts.values())


def findings(measures: Sequence[Result], methods: Sequence[Result]) -> dict[str, str]:
    """Return findings by heading.

    Args:
        measures: results of measures.
        methods: results of methods.
    """
    first = (measures or methods)[0]
    found = {}
    if measures:
        found["Same activity, other mechanism"] = _sensitivity(measures)
        found["Same mechanism, other activity"] = _stability(measures)
        if order := _order(measures):
            found["Order of measures"] = order
    found["Networks of equal fit"] = _networks(first)
    found["Reliability of the truth"] = _reliability(first["reliability"])
    if methods:
        found["Methods"] = " ".join(_method(result) for result in methods)
    if measures:
        found["Beside the literature"] = _literature(measures, first)
    return found


def _active(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = result["numbers"]["views"][result["numbers"]["activity"]]
    return found


def _spanned(numbers: Mapping[str, Any], key: str, interval: str = "interval") -> str:
    span = numbers[interval]
    return f"{numbers[key]:.2f}" + (f" [{span[0]:.2f}, {span[1]:.2f}]" if span else "")


def _smallest(sensed: Mapping[str, Any]) -> str:
    return f"from s = {sensed['smallest']:.2f} on in 90 % of pairs" if sensed["smallest"] is not None else "in fewer than 90 % of pairs even at s = 1"


def _sensitivity(measures: Sequence[Result]) -> str:
    seeing = sorted((result for result in measures if sees(result)), key=lambda result: -_active(result)["slope"])
    named = "; ".join(f"{result['name']} {_spanned(_active(result), 'slope')}" for result in seeing[:6])
    wrong = [result["name"] for result in measures if (span := result["numbers"]["views"]["single trials"]["interval"]) and span[1] < 0]
    turned = f" By single trials {len(wrong)} find systems of another mechanism more alike, since their trials vary less." if wrong else ""
    return f"From activity alone {len(seeing)} of {len(measures)} measures tell mechanisms, by d′ per unit of s: {named or 'none'}.{turned}"


def _stability(measures: Sequence[Result]) -> str:
    said = []
    for result in sorted((one for one in measures if sees(one)), key=lambda one: -_active(one)["slope"])[:4]:
        shifts = result["numbers"]["invariance"][result["numbers"]["activity"]]
        worst = max(shifts, key=lambda change: abs(shifts[change]["shift"]))
        said.append(f"{result['name']} most by {worst}, by {_spanned(shifts[worst], 'shift')}")
    return f"In units of the way to another mechanism, other activity moves {'; '.join(said)}." if said else "No measure sees mechanisms."


def _order(measures: Sequence[Result]) -> str:
    if (pair := best_and_worst(measures)) is None:
        return ""
    best, last, contrast = pair
    span = f" [{contrast.interval[0]:.2f}, {contrast.interval[1]:.2f}]" if contrast.interval else ""
    return (
        f"Given R², {best!r} ranks networks best and {last!r} worst: partial τ {contrast.mean:.2f}{span} apart, p = {contrast.p:.2g} by sign flips "
        f"over circuits, corrected for all {len(measures) * (len(measures) - 1) // 2} pairs."
    )


def _networks(result: Result) -> str:
    networks = result["networks"]
    alone, ridge = (networks[name] for name in CONTROLS)
    pairs = [name for name in networks if name.startswith("own equations, strayed")]
    told = "; ".join(f"{name}: R² {networks[name]['R²']:.2f}, {_kinds(networks[name])}" for name in pairs)
    below = [name for name, each in networks.items() if name not in CONTROLS and each.get(OFF, 0) < alone.get(OFF, 0)]
    return (
        f"{told + '. ' if told else ''}Without connections, units explain {_kinds(alone)}, more off the manifold than {len(below)} of "
        f"{len(networks) - len(CONTROLS)} networks; ridge from the first bin has R² {ridge['R²']:.2f} and answers no push.{_taught(networks)}"
    )


def _taught(networks: Mapping[str, Mapping[str, float]]) -> str:
    """Return what networks that were taught pushes of one kind explain of that kind and of others, over the same network that was taught none."""
    if "tanh" not in networks:
        return ""
    plain, told = networks["tanh"], []
    for name, kind in TAUGHT_PUSHES.items():
        gains = {one: networks[name][one] - plain[one] for one in KINDS_OF_PUSH if one in networks.get(name, {}) and one in plain}
        if kind in gains:
            others = ", ".join(f"{one} {gain:+.2f}" for one, gain in gains.items() if one != kind)
            told.append(f"taught {kind}, {gains[kind]:+.2f} of new ones, and {others}")
    return f" Taught pushes of one kind, a tanh network explains, over one that was taught none: {'; '.join(told)}." if told else ""


def _kinds(each: Mapping[str, float]) -> str:
    return " and ".join(f"{each[kind]:.2f} of pushes {kind}" if kind == OFF else f"{each[kind]:.2f} along the {kind}"
                        for kind in (LEADING, OFF) if kind in each)  # fmt: skip


def _reliability(reliabilities: Mapping[str, Mapping[str, float]]) -> str:
    missed = {kind: each for kind, each in reliabilities.items() if each["median"] <= RELIABLE}
    held = [f"{kind} {reliabilities[kind]['median']:.3f}" for kind in KINDS_OF_PUSH if kind in reliabilities and kind not in missed]
    short = "; ".join(f"{kind} {each['median']:.3f} (above it in {each['above']:.0%} of circuits)" for kind, each in missed.items())
    below = f" Missed by {short}." if short else ""
    return f"Spearman–Brown reliability above {RELIABLE}, median over circuits: {', '.join(held) or 'none'}.{below}"


def _method(result: Result) -> str:
    own, networks = result["numbers"]["explained"], result["networks"]
    better = {kind: sum(each.get(kind, -np.inf) < own[kind]["median"] for each in networks.values()) for kind in own}
    told = ", ".join(f"{kind} {_spanned(each, 'median')} (above {better[kind]} of {len(networks)})" for kind, each in own.items())
    return f"{result['name']}: {told}."


def _literature(measures: Sequence[Result], result: Result) -> str:
    averages, active = (np.array([sense(one) for one in measures]) for sense in (
        lambda one: one["numbers"]["views"][AVERAGES]["slope"], lambda one: one["numbers"]["views"]["residuals"]["slope"]))  # fmt: skip
    best = measures[int(active.argmax())]
    fits = {name: each for name, each in result["networks"].items() if name not in CONTROLS and each["R²"] > 0.8}
    lost = [name for name, each in fits.items() if each.get(OFF, 1.0) < 0.5]
    agree = "as they found" if active.max() > 3 * np.abs(averages).max() else "unlike what they found"
    return (
        f"Galgali et al. (2023) infer recurrent dynamics from residuals where averages leave it open: {agree}, the largest d′ from residuals is "
        f"{active.max():.2f} ({best['name']}), from averages {averages.max():.2f}. Sourmpis et al. (2026) find that networks which fit recordings "
        f"well may fail on perturbations: of {len(fits)} kinds of networks with R² above 0.8, {len(lost)} explain less than half of the responses "
        "off the manifold. Cloos et al. (2024) warn that high similarity guarantees nothing: every measure here finds equal averages the same, "
        "whatever the mechanism."
    )
