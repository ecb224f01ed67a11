"""Figures of the benchmark: measures by properties, and networks by what they explain."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cortex_sim.report import Picture
from cortex_sim.studies.benchmark._changes import CHANGES
from cortex_sim.studies.benchmark._observed import VIEWS
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH
from cortex_sim.studies.benchmark._ranked import ALL
from cortex_sim.studies.benchmark._results import Result

TELLS, STAYS, RANKS, LEFT, COSTS = "tells mechanisms: d′ per s", "moved by other activity", "ranks networks: partial τ given R²", "τ of less", "ms"
CAPTION = (
    "Rows: measures. Left: d′ per unit of s in four views; on averages, which are equal, every measure must be near 0. Then what other activity of "
    "the same mechanism does to it: 1 is as much as another mechanism does, and 0 is right; empty where a measure does not see mechanisms. Then how "
    "it ranks networks against what they explain of responses to pushes, beyond their R². Then τ without regard to R², from a share of the units "
    "and from averages of spikes of so many trials. Last, milliseconds of a comparison."
)


def pictures(measures: Sequence[Result], methods: Sequence[Result]) -> dict[str, Picture]:
    """Return the figure of all measures and properties, the psychometric curves, and the table of networks.

    Args:
        measures: results of measures.
        methods: results of methods, which stand among the networks.
    """
    from cortex_sim.report.figures import Columns, tables

    found = {}
    if measures:
        ordered = sorted(measures, key=lambda result: -_partial(result))
        rows = [result["name"] for result in ordered]
        columns = {
            TELLS: Columns(VIEWS, _table(ordered, _told), 5.0),
            STAYS: Columns([_short(change) for change in CHANGES], _table(ordered, _moved), 1.0),
            RANKS: Columns([ALL, *KINDS_OF_PUSH], _table(ordered, _ranked), 0.5, digits=2),
            LEFT: Columns(_names_of_less(ordered), _table(ordered, _less), 1.0, digits=2),
            COSTS: Columns([""], _table(ordered, lambda result: [result["numbers"]["milliseconds"]]), 100.0, signed=False),
        }  # fmt: skip
        columns = {title: each for title, each in columns.items() if np.isfinite(each.values).any()}
        found["measures"] = Picture(tables(columns, rows), "Measures and their properties", CAPTION)
        found["curves"] = _curves(measures)
    networks = dict((measures or methods)[0]["networks"]) | {result["name"]: _own(result) for result in methods}
    kinds = ["R²", *KINDS_OF_PUSH]
    values = np.array([[each.get(kind, np.nan) for kind in kinds] for each in networks.values()])
    found["networks"] = Picture(
        tables({"explained, median over circuits": Columns(kinds, values, 1.0, digits=2)}, list(networks)), "Networks that were fitted",
        "Fraction of the variance of rates, and of the responses to pushes of each kind that none was taught; −1 at least for responses. Empty: the "
        "network has no unit for each observed one.",
    )  # fmt: skip
    return found


def _curves(measures: Sequence[Result]) -> Picture:
    from cortex_sim.report.figures import over_settings
    from cortex_sim.studies.benchmark._families import GRADES

    best = sorted(measures, key=lambda result: -result["numbers"]["views"][result["numbers"]["activity"]]["slope"])[:5]
    curves = {view: {result["name"]: (list(GRADES), np.array([result["numbers"]["views"][view]["curve"]])) for result in best} for view in VIEWS}
    return Picture(
        over_settings({f"d′, {view}": lines for view, lines in curves.items()}, xlabel="s", even=True), "Psychometric curves",
        "Mean d′ over circuits along families of equal averages, of the five measures that tell most from activity alone.",
    )  # fmt: skip


def _own(result: Result) -> dict[str, float]:
    return {kind: each["median"] for kind, each in result["numbers"]["explained"].items()}


def _partial(result: Result) -> float:
    return float(result["numbers"]["ranks"].get(ALL, {}).get("partial", 0.0))


def _table(results: Sequence[Result], row: Callable[[Result], Sequence[float]]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row(result)] for result in results], dtype=float)


def _told(result: Result) -> list[float]:
    return [result["numbers"]["views"][view]["slope"] for view in VIEWS]


def sees(result: Result) -> bool:
    """Return whether a measure tells mechanisms from activity alone: the interval of its d' lies above 0, or d' does if there are few circuits."""
    sensed = result["numbers"]["views"][result["numbers"]["activity"]]
    return bool((sensed["interval"] or [sensed["slope"]])[0] > 0)


def _moved(result: Result) -> list[float]:
    numbers = result["numbers"]
    return [numbers["invariance"][numbers["activity"]][change]["shift"] if sees(result) else np.nan for change in CHANGES]


def _ranked(result: Result) -> list[float]:
    return [result["numbers"]["ranks"].get(kind, {}).get("partial", np.nan) for kind in (ALL, *KINDS_OF_PUSH)]


def _less(result: Result) -> list[float]:
    less: Mapping[str, Mapping[str, float]] = result["numbers"]["ranks of less"]
    return [value for part in ("all", "units", "spikes") for value in less.get(part, {}).values()]


def _names_of_less(results: Sequence[Result]) -> list[str]:
    less = results[0]["numbers"]["ranks of less"]
    units = [f"{float(share):.0%} of units" for share in less.get("units", {})]
    return ["all"] * bool(less) + units + [f"spikes, {n} trial{'s'[: int(n) > 1]}" for n in less.get("spikes", {})]


def _short(change: str) -> str:
    return change.replace(" of the input", "")
