"""Every push is one description for circuit, network and spiking circuit, and does what its numbers say."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis._dose import dose_response, effect, matched_dose, recovery_time
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards.edit._interface import embodied
from cortex_sim.cards.edit._lesion import cut_weights, disconnect, with_gain
from cortex_sim.errors import ComparisonError, OptionError
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._free import spontaneous
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body._standard import REACHING
from cortex_sim.tasks.perturbations._pushes import (
    CLOSING,
    OPENING,
    TIRED,
    TIRING,
    block,
    cut_feeling,
    inhibit,
    inject,
    light,
    load,
    photocurrent,
    push_along,
)

SPAN = (0.1, 0.2)
REACHES = centre_out(4, preparation=0.1, movement=0.3)
BODIED = centre_out(4, preparation=0.1, movement=0.3, body=REACHING)


def circuit() -> Model:
    return catalogue.load("hennequin_2014")


def network() -> Model:
    return catalogue.load("leaky_readout").with_arrays({}, units=20, observed=200, channels=3)


def moved() -> Model:
    return embodied(circuit()).with_arrays({}, channels=3 + REACHING.sensors, observed=6, dt={"value": 5, "unit": "ms", "meaning": "step"})


PUSHES: dict[str, Callable[[Task], Task]] = {
    "along": lambda task: push_along(task, np.random.default_rng(0).normal(size=(3, 200)), amplitude=2.0, start=0.1, duration=0.05),
    "inhibit": lambda task: inhibit(task, range(100), of=200, amplitude=3.0, span=SPAN),
    "light": lambda task: light(task, range(50, 90), of=200, dose=0.5, amplitude=5.0, span=SPAN),
    "none": lambda task: task,
}
OF_BODIES: dict[str, Callable[[Task], Task]] = {
    "block": lambda task: block(task, [0, 1], span=SPAN),
    "cut": lambda task: cut_feeling(task, span=SPAN),
    "force": lambda task: load(task, force=(1.0, -0.5), span=SPAN),
    "torque": lambda task: load(task, torque=(0.1, 0.05), span=SPAN),
}
CHANGES: dict[str, Callable[[Model], Model]] = {
    "lesion": lambda model: cut_weights(model, "W", fraction=0.1, seed=1),
    "disconnect": lambda model: disconnect(model, "W", sources=range(100, 150), targets=range(50)),
    "gain": lambda model: with_gain(model, np.linspace(0.8, 1.2, 200)),
}


@pytest.mark.parametrize("name", PUSHES)
@pytest.mark.parametrize("model", [circuit, network])
def test_brian2_and_torch_are_pushed_alike_from_outside(model: Callable[[], Model], name: str) -> None:
    task = PUSHES[name](replace(REACHES, channels=None) if model is circuit else REACHES)
    brian, torch = (simulate(model(), task, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(brian, torch, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(brian).max()))


@pytest.mark.parametrize("name", OF_BODIES)
def test_brian2_and_torch_are_pushed_alike_with_a_body(name: str) -> None:
    model, task = moved(), OF_BODIES[name](BODIED)
    brian, torch = (simulate(model, task, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(brian, torch, rtol=1e-11, atol=1e-12)
    free = simulate(model, BODIED).rate
    before, after = REACHES.time <= SPAN[0], (REACHES.time > SPAN[0] + 0.06) & (REACHES.time < SPAN[1])
    np.testing.assert_allclose(brian[:, before], free[:, before], rtol=1e-9, atol=1e-11)
    assert np.abs(brian[:, after] - free[:, after]).max() > 1e-4


@pytest.mark.parametrize("name", CHANGES)
def test_brian2_and_torch_run_a_changed_circuit_alike(name: str) -> None:
    model = CHANGES[name](circuit())
    task = PUSHES["along"](replace(REACHES, channels=None))
    brian, torch = (simulate(model, task, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(brian, torch, rtol=1e-12, atol=1e-12 * np.abs(brian).max())
    assert effect(brian - simulate(circuit(), task).rate) > 1e-3


def test_a_spiking_circuit_takes_the_same_pushes() -> None:
    model, task = catalogue.load("soc_lif"), spontaneous(0.2)
    pushed = inhibit(task, range(100), of=200, amplitude=1e3, span=(0.05, 0.2))  # the card drives its 200 groups, the excitatory ones first
    spikes = [simulate(model, one, seed=1, target="numpy").spikes for one in (task, pushed)]
    counts = [np.histogram(one.time[one.unit < 12_000], [0.0, 0.05, 0.12, 0.2])[0] for one in spikes]
    assert counts[0][0] == counts[1][0] > 0 and counts[1][2] < 0.1 * counts[0][2]


def test_a_current_along_directions_has_its_size_and_takes_them_in_turn() -> None:
    directions = np.random.default_rng(0).normal(size=(3, 200))
    pattern = push_along(REACHES, directions, amplitude=2.0, start=0.1, duration=0.05).drives[-1].pattern
    np.testing.assert_allclose(np.sqrt((pattern**2).mean(axis=1)), 2.0)
    for row, k in zip(pattern, (0, 1, 2, 0), strict=True):
        assert np.corrcoef(row, directions[k])[0, 1] == pytest.approx(1.0, abs=0.02)


def test_currents_are_injected_as_they_are_one_row_for_all_trials_or_one_for_each() -> None:
    rows = np.random.default_rng(1).normal(size=(4, 5))
    for given, wanted in ((rows, rows), (rows[:1], np.tile(rows[0], (4, 1)))):
        drive = inject(REACHES, given, span=(0.1, 0.12)).drives[-1]
        np.testing.assert_array_equal(drive.pattern, wanted)
        assert drive.course.sum() == 20 and set(np.unique(drive.course)) == {0.0, 1.0}
    with pytest.raises(OptionError, match=r"^perturbation: currents have 3 rows; there should be one, or one for each of 4 trials\."):
        inject(REACHES, rows[:3], span=(0.1, 0.12))


def test_a_photocurrent_opens_tires_and_closes_as_its_equations_say() -> None:
    shone = np.zeros(1000)
    shone[100:800] = 1.0
    opened = photocurrent(shone)
    assert not opened[:101].any() and opened.max() < 1 and opened[799] < 0.7 * opened.max()
    tiring, resting = TIRED / TIRING, (1 - TIRED) / TIRING
    closed = 1 / OPENING / (1 / CLOSING + tiring)  # steady: O/D = resting/tiring, and what opens is what closes or tires
    plateau = closed / (1 + closed * (1 + tiring / resting))
    assert opened[799] == pytest.approx(plateau, rel=1e-3)
    late = opened[800:840]
    np.testing.assert_allclose(late[1:] / late[:-1], np.exp(-1e-3 * (1 / CLOSING + tiring)), rtol=1e-9)
    weak = photocurrent(1e-6 * shone)[:150] / 1e-6
    rate = 1 / CLOSING + tiring
    expected = (1 - np.exp(-rate * np.arange(50) * 1e-3)) / (rate * OPENING)  # nothing tires in weak light; what reopens is of second order
    np.testing.assert_allclose(weak[100:], expected, rtol=1e-4)


def test_a_gain_of_one_changes_nothing_and_a_gain_is_a_steeper_rate() -> None:
    task = PUSHES["along"](replace(REACHES, channels=None))
    np.testing.assert_allclose(simulate(with_gain(circuit(), 1.0), task).rate, simulate(circuit(), task).rate, rtol=1e-12, atol=1e-14)
    alone = disconnect(circuit(), "W", sources=range(200), targets=range(200))
    small = push_along(replace(REACHES, channels=None), np.ones((1, 200)), amplitude=1e-4, start=0.1, duration=0.05)
    ratio = simulate(with_gain(alone, 1.5), small).rate[:, 22:] / simulate(alone, small).rate[:, 22:]
    np.testing.assert_allclose(ratio, 1.5, rtol=1e-6)


def test_a_lesion_removes_that_share_of_the_connections_that_are_there() -> None:
    before, after = circuit().arrays()["W"], cut_weights(circuit(), "W", fraction=0.3, seed=2).arrays()["W"]
    there = before != 0
    assert (after[~there] == 0).all() and (after[there] == 0).sum() == round(0.3 * there.sum())
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    cut = disconnect(circuit(), "W", sources=[0, 1], targets=[5]).arrays()["W"]
    assert not cut[5, :2].any() and np.count_nonzero(before - cut) == np.count_nonzero(before[5, :2])


def test_doses_of_a_linear_response_are_proportional_matched_and_recovered_in_closed_form() -> None:
    time, tau = np.arange(0, 1, 0.01), 0.1
    course = np.where(time >= 0.2, np.exp(-(time - 0.2) / tau), 0.0)

    def respond(dose: float) -> np.ndarray:
        return dose * course[None, :, None] * np.ones((2, 1, 3))

    found = dose_response(respond, [0.0, 1.0, 2.0])
    np.testing.assert_allclose(found, found[1] * np.array([0, 1, 2]))
    assert matched_dose(respond, 1.5 * found[1], most=4.0) == pytest.approx(1.5, abs=4e-3)
    np.testing.assert_allclose(recovery_time(respond(1.0), time, end=0.2, share=0.1), tau * np.log(10), atol=0.0101)  # a bin
    assert np.isinf(recovery_time(np.ones((1, 100, 2)), time, end=0.2)).all()
    with pytest.raises(ComparisonError, match="an effect of 1 is wanted; doses up to 0.1 have one of up to"):
        matched_dose(respond, 1.0, most=0.1)
    with pytest.raises(ComparisonError, match="the push ends at 2 s, after the last time, 0.99 s"):
        recovery_time(respond(1.0), time, end=2.0)


def test_bad_pushes_and_lesions_are_refused() -> None:
    bare = replace(REACHES, channels=None)
    for made, message in (
        (lambda: push_along(bare, np.zeros((1, 5)), amplitude=1, start=0.1, duration=0.1), "a direction is 0 or not finite"),
        (lambda: inhibit(bare, [5], of=5, amplitude=1, span=SPAN), r"perturbation: units: position 5 is not there; they go from 0 to 4"),
        (lambda: light(bare, [0], of=5, dose=-1, amplitude=1, span=SPAN), "dose -1 should be 0 or more"),
        (lambda: block(bare, span=SPAN), r"channels \[\] should be among the 0 of the task"),
        (lambda: block(REACHES, [3], span=SPAN), r"perturbation: channels: position 3 is not there"),
        (lambda: cut_feeling(REACHES, span=SPAN), "has no body that feels anything"),
        (lambda: load(REACHES, force=(1, 0), span=SPAN), "has no body to put a load on"),
        (lambda: load(BODIED, force=(1, 0), span=(0.25, 0.35)), "leaves the task"),
        (lambda: cut_weights(circuit(), "w", fraction=0.1), "hennequin_2014 has no projection 'w'. Did you mean 'W'"),
        (lambda: cut_weights(circuit(), "W", fraction=2), "fraction 2 should lie between 0 and 1"),
        (lambda: disconnect(circuit(), "W", sources=[200], targets=[0]), "sources should be positions from 0 to 199 of 'W'"),
        (lambda: with_gain(circuit(), np.ones(3)), "one for each of the 200 units"),
        (lambda: with_gain(catalogue.load("gru"), 1.2), "should be a function of one state"),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=message):
            made()
