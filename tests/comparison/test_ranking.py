"""Measures that know nothing rank at chance within the bound of theory, and a system is identical with itself by every measure but the one that
searches."""

from types import SimpleNamespace
from typing import cast

import numpy as np

from cortex_sim.comparison import PUSHES, Cell, Reading, blind_taus, rank_score, self_departures
from cortex_sim.trials import Trials


def reading(circuit: str, alike: list[float], truth: list[float]) -> Reading:
    cell, known, told = SimpleNamespace(circuit=circuit, view="100%"), np.array(truth, dtype=float), np.array(alike, dtype=float)
    return Reading(cast(Cell, cell), tuple("abcd"), {"m": told}, (known, known), known, {}, {PUSHES: known})


def test_a_measure_that_orders_students_as_the_truth_has_tau_one_and_one_that_reverses_them_minus_one() -> None:
    readings = [reading("one", [1, 2, 3, 4], [1, 2, 3, 4]), reading("two", [4, 3, 2, 1], [1, 2, 3, 4])]
    score = rank_score("m", readings, PUSHES, "100%", 0)
    assert score.estimate == 0 and score.ceiling is None and score.settings["reliability"] == 1
    assert score.settings["circuits"] == {"one": 1.0, "two": -1.0}
    assert score.interval is None and score.interval_over == "one circuit"


def test_what_knows_nothing_ranks_at_chance_within_four_standard_errors() -> None:
    taus, bound = blind_taus([reading("one", [0] * 4, [1, 2, 3, 4])] * 3, np.random.default_rng(0), 200)
    assert abs(taus.mean()) < bound and abs(taus.std() * 4 / np.sqrt(len(taus)) / bound - 1) < 0.1


def test_a_system_departs_from_itself_by_the_search_alone() -> None:
    rates = np.random.default_rng(0).standard_normal((8, 20, 6)).cumsum(axis=1)
    off = self_departures([Trials.from_arrays(rates, 0.01 * np.arange(20))])
    assert max(value for name, value in off.items() if name not in ("DSA, Procrustes", "cycle consistency")) < 1e-4
