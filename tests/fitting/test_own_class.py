"""Circuits of several states are taught from, and a student of a circuit's own class is promised only where it can be had."""

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.analysis._preparation import delayed_reaches, preferred_states, spanning_runs
from cortex_sim.cards._model import Model
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._regression import not_own_class
from cortex_sim.fitting._side_by_side import own_class_absent, students_of
from cortex_sim.fitting._start import own_class

RATE = "r = r_0*tanh(x/r_0) : Hz (constant over dt)"
PLAIN = f"dx/dt = (-x + W(r) + drive(t, i))/tau : Hz\n{RATE}"
ADAPTING = f"dx/dt = (-x + W(r) - a + drive(t, i))/tau : Hz\nda/dt = (g_a*r - a)/tau_a : Hz\n{RATE}"
PLASTIC = f"""dx/dt = (-x + W(out) + drive(t, i))/tau : Hz
du/dt = (U - u)/tau_f + U*(1 - u)*clip(r, 0*Hz, 1e6*Hz) : 1
dd/dt = (1 - d)/tau_d - u*d*clip(r, 0*Hz, 1e6*Hz) : 1
out = u*d*r/U : Hz (constant over dt)
{RATE}"""
STATES = {ADAPTING: "x, a", PLASTIC: "x, u, d"}


def circuit(text: str) -> Model:
    numbers = {
        "tau": (200, "ms"),
        "r_0": (20, "Hz"),
        "tau_a": (600, "ms"),
        "g_a": (0.5, "1"),
        "U": (0.3, "1"),
        "tau_f": (500, "ms"),
        "tau_d": (200, "ms"),
    }
    W = {"rule": "gaussian", "arguments": {"gain": {"value": 0.8, "meaning": "radius"}}}
    start = {"u": {"value": 0.3, "meaning": "rest"}, "d": {"value": 1, "meaning": "rest"}} if text == PLASTIC else {}
    return Model.model_validate({
        "name": "teacher", "kind": "rate", "title": "teacher", "paper": "own", "units": 20, "rate": "r", "equations": text, "initial_values": start,
        "dt": {"value": 1, "unit": "ms", "meaning": "step"}, "inputs": {"drive": {"unit": "Hz", "meaning": "input"}}, "projections": {"W": W},
        "parameters": {name: {"value": value, "unit": unit, "meaning": name} for name, (value, unit) in numbers.items()},
    })  # fmt: skip


@pytest.mark.parametrize("text", STATES)
def test_a_teacher_of_several_states_prepares_and_is_learned_from(text: str) -> None:
    model = circuit(text)
    assert STATES[text] in preferred_states(model).how
    shown, held_out = delayed_reaches(model, (60, 20), seed=0)
    (free,) = spanning_runs(model, (30,), seed=0)
    assert np.ptp(shown.trials.rate, axis=(0, 1)).min() > 0.5 and free.trials.rate.shape[0] == 30  # Hz
    np.testing.assert_allclose(free.trials.rate[:, 0], free.task.initial, rtol=1e-9, atol=1e-9)
    fitted = train(cs.fitting.with_time_constant_of(cs.load("leaky_tanh"), model), shown.trials, shown.task, options=Options(epochs=5, rate=5e-3))
    truth = held_out.trials.rate
    left = ((cs.simulate(fitted.model, held_out.task).rate - truth) ** 2).sum() / ((truth - shown.trials.rate.mean(axis=(0, 1))) ** 2).sum()
    assert left < 0.1


@pytest.mark.parametrize("text", STATES)
def test_what_needs_one_state_is_left_out_with_the_reason(text: str) -> None:
    model = circuit(text)
    reason = not_own_class(model)
    assert reason is not None and f"state variables ({STATES[text]}), which rates do not tell" in reason
    said = own_class_absent(model, {}, ("own gain", "positive control"))
    assert said[0].startswith("own gain and positive control: a student of the circuit's own class is not guaranteed, since each unit has")
    assert said[1].startswith(f"Starts of {STATES[text]}: no rates tell them all")


def test_students_of_a_circuit_have_one_of_its_own_class_where_it_can_be_had() -> None:
    students = {"leaky tanh": (cs.load("leaky_tanh"), Options())}
    for text, has in ((PLAIN, True), (ADAPTING, False)):
        model = circuit(text)
        (free,) = spanning_runs(model, (4,), seed=0)
        jobs = students_of(model, students, free.trials, free.task, seed=0)
        assert ("own gain" in jobs) is has and {"leaky tanh", "untrained"} <= set(jobs)


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.02, 0.05])
def test_the_student_of_the_own_class_takes_steps_of_the_bins_it_is_taught_on(bin: float) -> None:
    model = circuit(PLAIN)
    task = cs.tasks.free_run(np.random.default_rng(0).normal(size=(30, 20)), 0.2, bin=bin)
    trials = cs.simulate(model, task)
    job = students_of(model, {"leaky tanh": (cs.load("leaky_tanh"), Options())}, trials, task, seed=0)["own gain"]
    assert job.model.dt.si == pytest.approx(bin)
    assert train(job.model, trials, task, options=job.options).began.startswith("closed-form")
    stepped = circuit(PLAIN).with_arrays({}, equations=f"dx/dt = (W(r) - x)/dt + drive(t, i)/tau : Hz\n{RATE}")
    assert bool(own_class_absent(stepped, {}, ("own gain",), bin=bin)) is (bin != 0.001)


@pytest.mark.long
@pytest.mark.parametrize("protocol", ["tangling", "subspaces"])
def test_protocols_say_where_their_positive_control_is_absent(protocol: str) -> None:
    report = cs.run(protocol, circuit(ADAPTING), seed=0, smoke=True)
    assert report.absent[0].startswith("own gain: a student of the circuit's own class is not guaranteed, since each unit has 2 state variables")
    assert "own gain" not in report.trials


def test_of_a_plain_circuit_nothing_is_absent_but_a_control_that_kept_its_untrained_weights() -> None:
    model = circuit(PLAIN)
    (free,) = spanning_runs(model, (60,), seed=0)
    fitted = {"own gain": train(own_class(model), free.trials, free.task, options=Options(epochs=0))}
    assert not_own_class(model) is None and own_class_absent(model, fitted, ("own gain",)) == []
    kept = {"own gain": train(own_class(model), free.trials, free.task, options=Options(epochs=0, closed_form=False))}
    assert own_class_absent(model, kept, ("own gain",)) == ["own gain: kept its untrained weights, so it bounds nothing."]


def test_a_circuit_in_discrete_time_is_its_own_class_at_its_own_step_alone() -> None:
    model = circuit(PLAIN).with_arrays({}, equations=f"dx/dt = (W(r) - x)/dt + drive(t, i)/tau : Hz\n{RATE}")
    assert not_own_class(model, 0.001) is None
    assert not_own_class(model, 0.01) == "it is a map in steps of 1 ms, of which bins of 10 ms make another"


@pytest.mark.long
@pytest.mark.parametrize("text", STATES)
def test_a_teacher_of_several_states_goes_through_match(text: str) -> None:
    report = cs.run("match", circuit(text), seed=0, smoke=True)
    assert len(report.absent) == 2 and "which rates do not tell" in report.absent[0]
    assert {"own gain", "positive control"}.isdisjoint({score.student for score in report.scores})
    assert all(np.isfinite(score.estimate) for score in report.scores)
