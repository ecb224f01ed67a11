"""Which push tells students apart: information between exact bounds, error rates in closed form, planted sites, exhaustive search."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import ndtri

from cortex_sim.cards import Model
from cortex_sim.comparison import Rig, information, log_likelihoods, plan_push, planned, preference_errors, squared_apart, trials_needed
from cortex_sim.comparison import _discrimination as discrimination
from cortex_sim.errors import ComparisonError, OptionError
from cortex_sim.simulation.torch import pushed_rates
from cortex_sim.statistics import TrialNoise
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import inject

Build = Callable[..., Model]
SPAN, UNTIL, UNITS = (0.05, 0.07), 0.15, 7


def task_of(conditions: int = 2, units: int = UNITS) -> Task:
    return Task("free", 0.0, 0.2, np.arange(float(conditions)), initial=np.random.default_rng(5).normal(size=(conditions, units)))


def noise_of(bins: int = 10, units: int = UNITS, seed: int = 1) -> TrialNoise:
    rng = np.random.default_rng(seed)
    late, wide = (np.eye(size) + 0.3 * rng.normal(size=(size, size)) / np.sqrt(size) for size in (bins, units))
    return TrialNoise(late @ late.T, wide @ wide.T)


def rig_of(units: int = UNITS, sites: int = 2, trials: int = 40, **given: object) -> Rig:
    return Rig.of(units, current=1.0, sites=sites, span=SPAN, until=UNTIL, trials=trials, **given)  # type: ignore[arg-type]


def students_of(build: Build, count: int, units: int = UNITS, spread: float = 0.6) -> dict[str, Model]:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(units, units))
    return {f"s{k}": build((shared + spread * rng.normal(size=(units, units))) / np.sqrt(4 * units), dt=0.01) for k in range(count)}


def squares(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return ((points[:, None] - points) ** 2).sum(axis=2)


@pytest.mark.parametrize("count", [2, 4])
def test_information_is_a_lower_bound_that_is_exact_at_both_ends(count: int) -> None:
    points, rng = np.random.default_rng(0).normal(size=(count, 3)), np.random.default_rng(1)
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    assert information(0 * squared, 100) == pytest.approx(0, abs=1e-12)
    assert information(squared, 1e9) == pytest.approx(np.log(count), abs=1e-12)
    for trials in (0.5, 2.0, 8.0):
        data = np.sqrt(trials) * points[:, None] + rng.normal(size=(count, 20_000, 3))
        log = -((data[:, :, None] - np.sqrt(trials) * points) ** 2).sum(axis=3) / 2
        exact = np.array([log[k, :, k] - np.logaddexp.reduce(log[k], axis=1) for k in range(count)]) + np.log(count)
        assert information(squared, trials) <= exact.mean() + 4 * exact.std() / np.sqrt(exact.size)
        assert information(squared, trials) > 0.5 * exact.mean()


def test_error_rates_of_simulated_experiments_are_those_of_the_closed_form() -> None:
    """Gaussian trials of the planner's own noise, spread over conditions; the truth is a student, and then none of them."""
    rng, noise, trials, experiments = np.random.default_rng(3), noise_of(4, 3), 12, 20_000
    responses = 0.4 * rng.normal(size=(3, 2, 4, 3))
    late, wide = (np.linalg.cholesky(matrix) for matrix in (noise.over_time, noise.over_units))
    for truth in (responses[0], responses[0] + 0.15 * rng.normal(size=(2, 4, 3))):
        scatter = late @ rng.normal(size=(experiments, 2, 4, 3)) @ wide.T
        found = log_likelihoods(truth + scatter * np.sqrt(2 / (trials / 2)), responses, noise)
        squared = squared_apart(np.concatenate([responses, truth[None]]), noise)
        expected = preference_errors(squared[:3, :3], squared[3, :3], trials)
        for one, other in combinations(range(3), 2):
            share = (found[:, other] > found[:, one]).mean()
            assert abs(share - expected[one, other]) < 4 * np.sqrt(0.25 / experiments)
            assert expected[one, other] + expected[other, one] == pytest.approx(1, abs=1e-12)
    assert preference_errors(squared[:3, :3], squared[0, :3], trials)[0, 1] == pytest.approx(
        float(discrimination.ndtr(-np.sqrt(squared[0, 1] * trials) / 2)), rel=1e-12
    )


def test_the_number_of_trials_is_exact_for_two_and_enough_for_more() -> None:
    d2 = 0.37
    two = np.array([[0.0, d2], [d2, 0.0]])
    assert trials_needed(two, 0.05) == pytest.approx((2 * ndtri(0.95)) ** 2 / d2, rel=1e-6)
    assert trials_needed(0 * two) == float("inf")
    squared = squares(4)
    needed = trials_needed(squared)
    points, rng = np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(4)
    wrong = []
    for right in range(4):
        data = np.sqrt(needed) * points[right] + rng.normal(size=(40_000, 3))
        wrong.append((((data[:, None] - np.sqrt(needed) * points) ** 2).sum(axis=2).argmin(axis=1) != right).mean())
    assert max(wrong) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 40_000)
    assert trials_needed(4 * squared) == pytest.approx(needed / 4, rel=1e-6)


def test_the_gradient_through_the_twin_is_that_of_differences(linear_circuit: Build) -> None:
    task, model = task_of(), students_of(linear_circuit, 1)["s0"]
    currents, by_rates = np.random.default_rng(6).normal(size=UNITS), np.random.default_rng(7).normal(size=(2, 20, UNITS))
    course = inject(task, currents[None], span=SPAN).drives[-1].course
    rates, pulled = pushed_rates(model, task, currents, course)
    differences = [
        ((pushed_rates(model, task, currents + step, course)[0] - pushed_rates(model, task, currents - step, course)[0]) * by_rates).sum() / 2e-5
        for step in 1e-5 * np.eye(UNITS)
    ]
    np.testing.assert_allclose(pulled(by_rates), differences, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(rates, discrimination.simulate(model, inject(task, currents[None], span=SPAN), backend="torch").rate, atol=1e-12)


def test_what_is_left_unknown_has_the_slope_of_differences() -> None:
    squared = squares(4)
    value, slope = discrimination._left_and_slopes(squared, 3.0)
    assert np.exp(value) == pytest.approx(np.log(4) - information(squared, 3.0), rel=1e-12)
    for one, other in combinations(range(4), 2):
        step = np.zeros((4, 4))
        step[one, other] = step[other, one] = 1e-6
        found = (discrimination._left_and_slopes(squared + step, 3.0)[0] - discrimination._left_and_slopes(squared - step, 3.0)[0]) / 2e-6
        assert found == pytest.approx(slope[one, other], rel=1e-6)
    assert np.isfinite(discrimination._left_and_slopes(1e6 * squared, 1e6)[0])


@pytest.mark.parametrize("sign", ["both", "excite"])
@pytest.mark.parametrize("trials", [1, 200])
@pytest.mark.parametrize("sites", [1, 2, 3])
def test_the_planner_finds_what_an_exhaustive_search_finds(sites: int, trials: int, sign: str) -> None:
    """Linear responses: every set of sites with every sign is tried."""
    rig = rig_of(sites=sites, trials=trials, sign=sign)
    for seed in range(6):
        slopes = np.random.default_rng(seed).normal(size=(3, UNITS, 1, 2, 4))
        G = discrimination.grams(slopes, TrialNoise(np.eye(2), np.eye(4)))
        best = min(
            float(discrimination._log_left(np.einsum("s,jkst,t->jk", row, G, row), trials))
            for chosen in combinations(range(UNITS), sites)
            for signs in product((1.0,) if sign == "excite" else (1.0, -1.0), repeat=sites)
            for row in [np.bincount(chosen, signs, UNITS)]
        )
        currents = discrimination.chosen_currents(G, rig)[0]
        assert (currents != 0).sum() <= sites
        assert float(discrimination._log_left(np.einsum("s,jkst,t->jk", currents, G, currents), trials)) <= best + 1e-9


def test_one_site_that_alone_separates_two_models_is_found(linear_circuit: Build) -> None:
    """Two circuits that differ in what unit 3 sends and in nothing else: unit 3 it must be, and no other push tells anything at first."""
    W = np.random.default_rng(8).normal(size=(UNITS, UNITS)) / np.sqrt(4 * UNITS)
    W[3] = 0.0  # nothing drives it but the push
    other = W.copy()
    other[:, 3] *= -1
    task = replace(task_of(), initial=np.zeros((2, UNITS)))
    students = {"one": linear_circuit(W, dt=0.01), "other": linear_circuit(other, dt=0.01)}
    plan = plan_push(students, task, noise_of(), rig_of(sites=1))
    assert np.flatnonzero(plan.currents).tolist() == [3] and abs(plan.currents[3]) == 1.0
    assert plan.hardest == ("one", "other") and plan.needed == pytest.approx((2 * ndtri(0.95)) ** 2 / plan.squared[0, 1], rel=1e-6)
    wrong = planned(students, task, noise_of(), rig_of(sites=1), np.eye(UNITS)[0])
    assert wrong.squared[0, 1] == pytest.approx(0, abs=1e-20) and wrong.needed == float("inf") and wrong.information == pytest.approx(0, abs=1e-12)


def test_a_plan_follows_its_rig_and_tells_no_less_than_any_random_push(linear_circuit: Build) -> None:
    students, task, noise = students_of(linear_circuit, 2), task_of(), noise_of()
    rig, rng = rig_of(among=[1, 2, 4, 5], sign="inhibit"), np.random.default_rng(9)
    plan = plan_push(students, task, noise, rig)
    assert set(np.flatnonzero(plan.currents)) <= {1, 2, 4, 5} and (plan.currents <= 0).all() and (plan.currents >= -1).all()
    for chosen in combinations([1, 2, 4, 5], 2):
        currents = -np.bincount(chosen, minlength=UNITS).astype(float)
        assert planned(students, task, noise, rig, currents).information <= plan.information + 1e-9
    free = plan_push(students, task, noise, rig_of())
    assert free.information >= plan.information
    random = [planned(students, task, noise, rig_of(), np.bincount(rng.choice(UNITS, 2, replace=False), rng.choice([-1.0, 1.0], 2), UNITS))
              for _ in range(5)]  # fmt: skip
    assert free.information >= max(one.information for one in random)
    again = plan_push({name[::-1]: model for name, model in students.items()}, task, noise, rig_of())
    np.testing.assert_array_equal(again.currents, free.currents)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sites": 8}, "rig: sites 8 should be 1 to 7"), ({"sites": 3, "among": [1, 2]}, "rig: sites 3 should be 1 to 2"),
        ({"sign": "up"}, "rig: sign 'up' should be one of both, excite, inhibit"), ({"among": [9]}, "rig: units: position 9 is not there"),
        ({"trials": 0}, "rig: trials 0 should be at least 1"),
    ],
)  # fmt: skip
def test_a_rig_that_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        rig_of(**given)  # type: ignore[arg-type]


def test_students_and_noise_that_do_not_fit_are_refused(linear_circuit: Build) -> None:
    students, task = students_of(linear_circuit, 2), task_of()
    with pytest.raises(ComparisonError, match=r"^plan_push: 1 student, s0; at least two should be told apart\."):
        plan_push({"s0": students["s0"]}, task, noise_of(), rig_of())
    with pytest.raises(ComparisonError, match=r"^plan_push: noise has 9 bins of 7 units, the rig 7 units; they should be \(10, 7, 7\)\."):
        plan_push(students, task, noise_of(bins=9), rig_of())
