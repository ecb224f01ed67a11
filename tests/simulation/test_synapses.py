"""Synapses with states of their own do the same on every code target, and what a delay would not do is refused or said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import CardError, TaskError
from cortex_sim.simulation._programs import has_compiler
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation._spiking_backend import rounded_delays
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

compiled = pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")
TARGETS = ["numpy", pytest.param("standalone", marks=compiled), pytest.param("cython", marks=[compiled, pytest.mark.long])]
GRID, SOURCES, TARGET_CELLS = 0.01, 2, 400  # thresholds are a hundredth apart
FIRED = (0.010, 0.030, 0.050, 0.070)  # s
DEPRESSION = "dD/dt = -D/(100*ms) : 1 (event-driven)"


def circuit(synapse: dict[str, Any], **projection: Any) -> SpikingModel:
    """Two sources that fire when they are told, and cells of all thresholds that fire once, when their potential first exceeds it."""
    theta = {"value": 2.0, "width": 2.0, "shape": "uniform", "evenly": True, "meaning": "threshold"}
    source = {"equations": "x : 1", "threshold": "x > 0.5", "reset": "x = 0", "refractory": "19.95*ms", "each_step": "x = drive(t, i)"}
    target = {"equations": "v : 1", "threshold": "v > theta", "reset": "v = -1e9", "parameters": {"theta": {"value": 0, "meaning": "threshold"}}}
    joined = {"synapse": "y", "rule": "all_to_all", "sources": ["S"], "targets": ["T"], "weight": {"value": 0.5}}
    return SpikingModel.model_validate({
        "name": "plastic", "kind": "spiking", "title": "plastic", "paper": "own", "dt": {"value": 0.1, "unit": "ms", "meaning": "step"},
        "limit": {"value": 20000, "unit": "Hz", "meaning": "high"}, "neurons": {"src": source, "tgt": target},
        "inputs": {"drive": {"unit": "1", "meaning": "makes a source fire"}}, "projections": {"p": joined | projection},
        "populations": {"S": {"neurons": "src", "size": SOURCES}, "T": {"neurons": "tgt", "size": TARGET_CELLS, "parameters": {"theta": theta}}},
        "synapses": {"y": {"weight": "1", "meaning": "test"} | synapse},
    })  # fmt: skip


def task() -> Task:
    course = np.zeros(100)
    course[[round(when / 1e-3) for when in FIRED]] = 1.0
    return Task("told", 0.0, 0.1, np.zeros(1), drives=(Drive(np.ones((1, SOURCES)), course),))


def reached(model: SpikingModel, target: str) -> list[float]:
    """Share of the range of thresholds, in its unit, that the potential has passed after each volley."""
    when, unit, _ = simulate(model, task(), target=target).spikes
    first = when[unit >= SOURCES]
    return [float((first < fired + 0.015).sum() * GRID) for fired in FIRED]


@pytest.mark.parametrize("target", TARGETS)
def test_depression_is_the_same_on_every_target(target: str) -> None:
    """Between volleys the depressed share D falls by exp(-20/100), and a volley takes half of what is left to 1: in closed form."""
    model = circuit({"equations": DEPRESSION, "on_pre": "v_post += w*(1 - D)\nD += 0.5*(1 - D)"}, delay={"value": 1, "unit": "ms"})
    D, v, expected = 0.0, 0.0, []
    for _ in FIRED:
        v += SOURCES * 0.5 * (1 - D)
        D = (D + 0.5 * (1 - D)) * np.exp(-0.2)
        expected.append(v)
    np.testing.assert_allclose(expected, [1.000, 1.591, 2.014, 2.368], atol=5e-4)
    np.testing.assert_allclose(reached(model, target), expected, atol=GRID)


@pytest.mark.parametrize("target", TARGETS)
def test_states_and_constants_of_synapses_start_as_the_card_says(target: str) -> None:
    start = {"D": {"value": 0.5, "meaning": "already depressed"}, "use": {"value": 0.25, "meaning": "share used"}}
    equations = f"{DEPRESSION}\nuse : 1 (constant)"
    model = circuit({"equations": equations, "on_pre": "v_post += w*(1 - D)\nD += use*(1 - D)", "start": start})
    D, v, expected = 0.5 * np.exp(-FIRED[0] / 0.1), 0.0, []
    for _ in FIRED:
        v += SOURCES * 0.5 * (1 - D)
        D = (D + 0.25 * (1 - D)) * np.exp(-0.2)
        expected.append(v)
    np.testing.assert_allclose(reached(model, target), expected, atol=GRID)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_fires_acts_on_its_synapses(target: str) -> None:
    """A cell that has fired silences its own synapses, so none is driven again; where all are deaf from the start nothing fires."""
    base = {"equations": "heard : 1", "on_pre": "v_post += w*heard", "start": {"heard": {"value": 1, "meaning": "heard"}}}
    once = circuit({**base, "on_pre": "v_post += w*heard + 1e9*(1 - heard)", "on_post": "heard = 0"})
    _, unit, _ = simulate(once, task(), target=target).spikes
    again = np.bincount(unit[unit >= SOURCES] - SOURCES, minlength=TARGET_CELLS)
    assert again[:90].min() >= 2  # thresholds below the first volley: -1e9 + 2e9 at the next one
    without = circuit({**base, "on_pre": "v_post += w*heard + 1e9*(1 - heard)"})
    _, unit, _ = simulate(without, task(), target=target).spikes
    assert np.bincount(unit[unit >= SOURCES] - SOURCES, minlength=TARGET_CELLS).max() == 1


def test_a_start_of_nothing_and_a_target_that_never_fires_are_refused() -> None:
    with pytest.raises(CardError, match=r"\[synapses\.y\.start\].*'E'"):
        circuit({"equations": DEPRESSION, "on_pre": "v_post += w", "start": {"E": {"value": 1, "meaning": "none"}}})
    card = circuit({"on_pre": "v_post += w", "on_post": "v_post += 0"}).model_dump()
    card["neurons"]["tgt"] |= {"threshold": None, "reset": None}
    with pytest.raises(CardError, match=r"\[synapses\.y\] on_post waits for spikes of 'T', which has no threshold"):
        SpikingModel.model_validate(card)


CONTINUOUS = {
    "a variable": {"equations": "I_post = w*x_pre : 1 (summed)"},
    "a subexpression, and the target as it is": {"equations": "I_post = w*(half_pre + x_pre/2)*(1 + 0*v_post) : 1 (summed)"},
    "spikes beside": {"equations": "I_post = w*x_pre : 1 (summed)", "on_pre": "v_post += 0*w"},
    "a state of the synapses": {"equations": "ds/dt = (x_pre - s)/(2*ms) : 1 (clock-driven)\nI_post = w*s : 1 (summed)"},
}


def continuous(synapse: dict[str, Any], delay: dict[str, Any] | None = None, **changes: Any) -> SpikingModel:
    """Cells of all thresholds that sum up what two sources are told to be, a delay later."""
    card = circuit({"on_pre": "v_post += w"}, **({} if delay is None else {"delay": delay})).model_dump()
    card["synapses"]["y"] = {"weight": "1", "meaning": "test"} | synapse
    card["neurons"]["src"] = {"equations": "x : 1\nhalf = x/2 : 1", "threshold": "x > 1e9", "reset": "x = 0", "each_step": "x = drive(t, i)"}
    card["neurons"]["tgt"]["equations"] = "dv/dt = (I + J)/(40*ms) : 1\nI : 1\nJ : 1"
    return SpikingModel.model_validate(card | changes)


def shifted(steps: int) -> Task:
    """Sources that wander, by so many milliseconds later than they would; before, they are what they are at the start."""
    course = 1 + np.cumsum(np.random.default_rng(0).normal(0, 0.3, 100))
    return replace(task(), drives=(Drive(np.array([[1.0, 0.5]]), course[np.maximum(np.arange(100) - steps, 0)]),))


@pytest.mark.parametrize("target", ["numpy", *(pytest.param(name, marks=[compiled, pytest.mark.long]) for name in ("standalone", "cython"))])
@pytest.mark.parametrize("form", CONTINUOUS)
def test_a_delay_of_continuous_coupling_is_the_same_as_sources_that_are_later(form: str, target: str) -> None:
    late = continuous(CONTINUOUS[form], delay={"value": 7, "unit": "ms"})
    found, expected = simulate(late, shifted(0), target=target).spikes, simulate(continuous(CONTINUOUS[form]), shifted(7), target="numpy").spikes
    assert len(expected.time) > 100 and all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    at_once = simulate(continuous(CONTINUOUS[form]), shifted(0), target="numpy").spikes
    assert not np.array_equal(at_once.time, expected.time)


@pytest.mark.parametrize("target", ["numpy", pytest.param("standalone", marks=[compiled, pytest.mark.long])])
def test_two_delays_of_one_source_are_kept_apart(target: str) -> None:
    """The sum of two delayed copies with weights of 1/2 each is that of sources which are the mean of two."""
    both = {"y": {"weight": "1", "meaning": "test", "equations": "I_post = w*x_pre : 1 (summed)"}}
    both["z"] = both["y"] | {"equations": "J_post = w*x_pre : 1 (summed)"}
    join = {"rule": "all_to_all", "sources": ["S"], "targets": ["T"], "weight": {"value": 0.25}}
    projections = {
        "p": {"synapse": "y", "delay": {"value": 3, "unit": "ms"}} | join,
        "q": {"synapse": "z", "delay": {"value": 9, "unit": "ms"}} | join,
    }
    found = simulate(continuous(CONTINUOUS["a variable"], synapses=both, projections=projections), shifted(0), target=target).spikes
    courses = [shifted(steps).drives[0] for steps in (3, 9)]
    mean = replace(task(), drives=(Drive(courses[0].pattern, (courses[0].course + courses[1].course) / 2),))
    expected = simulate(continuous(CONTINUOUS["a variable"]), mean, target="numpy").spikes
    assert len(expected.time) > 100 and np.abs(found.time - expected.time).max() < 1.5e-4 and np.array_equal(found.unit, expected.unit)


def test_trials_do_not_remember_one_another() -> None:
    model = continuous(CONTINUOUS["a variable"], delay={"value": 7, "unit": "ms"})
    course = shifted(0).drives[0].course
    two = Task("two", 0.0, 0.1, np.zeros(2), drives=(Drive(np.array([[1.0, 0.5], [0.2, 0.1]]), course),))
    second = simulate(model, two, target="numpy").select([1]).spikes
    alone = simulate(model, two.select([1]), target="numpy").spikes
    assert np.array_equal(second.time, alone.time) and np.array_equal(second.unit, alone.unit)


@pytest.mark.parametrize(
    ("delay", "equations", "message"),
    [
        ({"value": 5, "unit": "ms", "sd": 0.1}, "I_post = w*x_pre : 1 (summed)", r"read x_pre as it was a delay ago, so all of them share one delay"),
        ({"value": [[5]], "unit": "ms"}, "I_post = w*x_pre : 1 (summed)", r"\[projections\.p\.delay\].*write one number, without sd"),
        ({"value": 5, "unit": "ms"}, "I_post = w*int(not_refractory_pre) : 1 (summed)", "not_refractory_pre, which is no quantity"),
    ],
)
def test_what_cannot_arrive_late_is_refused(delay: dict[str, Any], equations: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        continuous({"equations": equations}, delay)


def test_a_delay_that_memory_cannot_hold_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^plastic: what is on its way through continuous coupling would take .*; shorten its delay, or lengthen dt"):
        simulate(continuous(CONTINUOUS["a variable"], {"value": 1e8, "unit": "second"}), shifted(0), target="numpy")


def test_continuous_synapses_have_one_delay() -> None:
    card = continuous(CONTINUOUS["a variable"], {"value": 5, "unit": "ms"}).model_dump()
    card["projections"]["q"] = card["projections"]["p"] | {"delay": {"value": 6, "unit": "ms"}}
    with pytest.raises(CardError, match=r"\[projections\.p\] and \[projections\.q\] share continuous synapses but not their delay"):
        SpikingModel.model_validate(card)


def test_delays_that_are_no_whole_steps_are_said() -> None:
    spikes = {"on_pre": "v_post += w"}
    assert rounded_delays(circuit(spikes, delay={"value": 1.2, "unit": "ms"})) == []
    (said,) = rounded_delays(circuit(spikes, delay={"value": 1.23, "unit": "ms"}))
    assert said == "plastic: delay of 1.23 ms of projection 'p' is no whole number of steps of 0.1 ms; synapses take 1.2 ms"
