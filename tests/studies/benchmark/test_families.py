"""Systems of a family have equal averages, and differ elsewhere by what is known of them."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim import simulate
from cortex_sim.analysis import drives_along
from cortex_sim.errors import ComparisonError
from cortex_sim.studies.benchmark._circuits import KINDS, LAYERED, OPTIMISED, PLAIN, Drawn, Place, Set, drawn
from cortex_sim.studies.benchmark._families import EVERY, GRADES, NOISE, Family, family, noisy, still
from cortex_sim.studies.benchmark._sizes import FULL, UNSOUND

UNITS = 12
SMALL = tuple(kind for kind in KINDS if kind != OPTIMISED)  # an optimised circuit of few units may not exist


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=[pytest.mark.long] * (kind == LAYERED)) for kind in SMALL])
def small(request: pytest.FixtureRequest) -> Family:
    return still(drawn(Place(request.param, 0), UNITS), 3)


def test_the_circuit_runs_as_in_brian(small: Family) -> None:
    there = simulate(small.drawn.model, small.side.task).rate
    own = small.circuit.rates(small.path)[:, ::EVERY]
    np.testing.assert_allclose(own[:, : there.shape[1]], there, rtol=1e-9, atol=1e-9 * np.abs(there).max())


def test_averages_of_a_family_are_equal_to_round_off(small: Family) -> None:
    scale = np.abs(small.path).max()
    for s in GRADES:
        assert np.abs(small.at(s).states() - small.path).max() < 1e-9 * scale, s
        assert np.abs(small.at(s).arrays[small.drawn.recurrent] - small.circuit.arrays[small.drawn.recurrent]).max() > 0 or s == 0


@pytest.mark.long
@pytest.mark.parametrize(("kind", "of"), UNSOUND)
def test_draws_that_are_left_out_are_those_that_no_noise_is_too_weak_to_disturb(kind: str, of: Set) -> None:
    for draw in UNSOUND[kind, of]:
        with pytest.raises(ComparisonError, match=rf"^{kind} {draw}: noise however weak takes its trials further from their average"):
            noisy(still(drawn(Place(kind, draw, of)), FULL.conditions))


def test_the_input_is_that_of_feedback_linearisation() -> None:
    """What cancels the change of the recurrent input is the velocity of the path minus the system's own flow, whatever its connections."""
    found = still(drawn(Place("chaotic", 0), 6), 2)
    system = found.at(0.5)
    model = system.model.with_arrays({"J": system.arrays["J"]})
    drives = drives_along(model, found.path, step=found.side.task.step)
    inputs = np.zeros_like(system.inputs)
    every = round(model.dt.si / found.side.task.step)
    for drive in drives:
        inputs += drive.pattern[:, None] * drive.course[None, ::every, None]
    np.testing.assert_allclose(inputs[:, :-1], system.inputs[:, :-1], atol=1e-8 * np.abs(inputs).max())  # the last step moves nothing


def test_flows_differ_off_the_averages_in_proportion_to_s() -> None:
    found = replace(still(drawn(Place("ring attractor", 0), UNITS), 3), dose=0.3)
    apart = [found.departure(s) for s in GRADES]
    assert apart[0] == 0 and apart[-1] > 0.1
    np.testing.assert_allclose(apart, apart[-1] * np.array(GRADES), rtol=1e-9)


def test_noise_has_the_size_of_its_closed_form() -> None:
    """Euler's method gives a leaky unit in white noise the variance of the process over 1 - dt/2τ."""
    plain = drawn(Place("chaotic", 0), 40)
    cut = replace(plain, model=plain.model.with_arrays({"J": np.zeros((40, 40))}))
    found = replace(still(cut, 2), dose=1e-3)  # small: where tanh and its slope do not matter
    states = found.circuit.states(found.noise(400, "test"), 200) - np.repeat(found.path, 200, axis=0)
    tau, dt = 0.1, plain.model.dt.si
    late = states[:, -1]  # five time constants after the start; its variance has 16,000 samples
    assert late.std() == pytest.approx(1e-3 / np.sqrt(1 - dt / (2 * tau)), rel=5 / np.sqrt(2 * late.size))


@pytest.mark.parametrize("kind", [PLAIN[0], pytest.param(LAYERED, marks=pytest.mark.long)])
def test_single_trials_are_as_noisy_as_asked_and_stay_near_the_averages(kind: str) -> None:
    found = family(drawn(Place(kind, 0), UNITS), 3)
    rates = found.circuit.rates(found.path)
    trials = found.circuit.rates(found.circuit.states(found.noise(42, "its size"), 14)) - np.repeat(rates, 14, axis=0)
    assert np.sqrt((trials**2).mean()) == pytest.approx(NOISE * rates.std(axis=(0, 1)).mean(), rel=0.01)
    assert found.reach in (1.0, 0.5, 0.25, 0.125)


def test_connections_that_do_not_add_to_the_input_are_refused() -> None:
    layered = drawn(Place(LAYERED, 0))
    power = layered.model.arrays()["power"]
    wrong = still(Drawn(layered.place, layered.model, "power", 4 * power), 3)
    with pytest.raises(ComparisonError, match=r"^layered 0: connections and input do not enter the equations as a sum; no input keeps its averages"):
        wrong.at(1.0)


def test_places_of_the_two_sets_share_no_seed_and_draws_differ() -> None:
    seeds = {Place(kind, draw, of).seed for kind in KINDS for draw in range(20) for of in ("development", "test")}
    assert len(seeds) == 2 * 20 * len(KINDS)
    for kind in SMALL:
        one, again, other = (drawn(Place(kind, draw), UNITS) for draw in (0, 0, 1))
        assert one.model.key == again.model.key != other.model.key
        assert np.array_equal(one.other, again.other) and not np.array_equal(one.other, other.other)
