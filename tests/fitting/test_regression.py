"""The closed-form start: it finds what was planted under every constraint of a card, and is dropped where the student runs worse on it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.analysis._preparation import delayed_reaches
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import TaskError
from cortex_sim.fitting import rules
from cortex_sim.fitting._fit import split, train
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._regression import OPEN, begin, regressions, unregressed
from cortex_sim.fitting._start import own_class, with_time_constant_of
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Trials

UNITS, CONDITIONS, DURATION = 12, 60, 0.3
EXACT = 1e-5  # of weights of order 1: the smallest penalty, 1e-8 of the mean squared rate, times the condition number of states that span


def circuit(equations: str = "dx/dt = (-x + W(r) + drive(t, i))/tau : Hz\nr = r_0*tanh(x/r_0) : Hz (constant over dt)", **changes: Any) -> Model:
    """A bounded network that runs in rates, steps of one bin."""
    W = {"rule": "gaussian", "arguments": {"gain": {"value": 0.8, "meaning": "radius"}}}
    parameters = {"tau": {"value": 200, "unit": "ms", "meaning": "tau"}, "r_0": {"value": 20, "unit": "Hz", "meaning": "range"}}
    fields = {
        "name": "planted", "kind": "rate", "title": "planted", "paper": "own", "units": UNITS, "rate": "r", "equations": equations,
        "dt": {"value": 10, "unit": "ms", "meaning": "step"}, "inputs": {"drive": {"unit": "Hz", "meaning": "input"}},
        "projections": {"W": W}, "parameters": parameters,
    }  # fmt: skip
    return Model.model_validate(fields | changes | {"parameters": parameters | changes.get("parameters", {})})


def spanning(**changes: Any) -> Task:
    initial = np.random.default_rng(0).uniform(-15, 15, (CONDITIONS, UNITS))
    return replace(Task("spanning", 0.0, DURATION, np.arange(CONDITIONS), initial=initial), **changes)


def began(model: Model, trials: Trials, task: Task, **options: Any) -> Model:
    return train(model, trials, task, options=Options(epochs=0, **options)).model


def constrained(**constraint: Any) -> Model:
    """A student whose recurrent weights a card constrains, with weights that obey, to be taken for the truth."""
    part = {"rule": "sparse_gaussian" if "keep_zeros" in constraint else "gaussian", "learn": True} | constraint
    arguments = {"gain": {"value": 0.8, "meaning": "radius"}}
    arguments |= {"density": {"value": 0.4, "meaning": "share"}} if "keep_zeros" in constraint else {}
    return circuit(kind="rnn", projections={"W": part | {"arguments": arguments}}, seed=3)


CONSTRAINTS: Mapping[str, dict[str, Any]] = {
    "free": {},
    "zeros kept": {"keep_zeros": True},
    "no self-connections": {"self_connections": False},
    "Dale": {"excitatory": 0.5},
    "all": {"keep_zeros": True, "self_connections": False, "excitatory": 0.5},
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_what_a_card_forbids_stays_forbidden_and_the_truth_is_found(name: str) -> None:
    truth = constrained(**CONSTRAINTS[name])
    W = truth.arrays()["W"]
    other = np.where(W == 0, 0.0, np.sign(W) * np.random.default_rng(5).uniform(0.1, 0.3, W.shape))
    found = began(truth.with_arrays({"W": other}), simulate(truth, spanning()), spanning()).arrays()["W"]
    np.testing.assert_allclose(found, W, rtol=0, atol=EXACT)
    assert not found[W == 0].any()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_of_weights_that_are_allowed_none_has_a_slope_that_points_inside(name: str) -> None:
    """Rates of another circuit, which no such student can produce: Karush, Kuhn and Tucker for the squared error of one step, written out."""
    student, task = constrained(**CONSTRAINTS[name]), spanning()
    cortex, before = simulate(circuit(seed=8), task), student.arrays()["W"]
    ridge, model = next(regressions(student, TrainingData(task, cortex.rate, np.ones(UNITS))))
    W, r, x = model.arrays()["W"], cortex.rate[:, :-1].reshape(-1, UNITS), 20 * np.arctanh(cortex.rate / 20)
    wanted = ((x[:, 1:] - x[:, :-1]) / 0.01 * 0.2 + x[:, :-1]).reshape(-1, UNITS)
    slope = (r @ W.T - wanted).T @ r + ridge * (r**2).sum() / UNITS * W
    part, size = student.projections["W"], 1e-9 * np.abs(wanted.T @ r).max()
    allowed = np.ones(W.shape, dtype=bool) if not part.keep_zeros else before != 0
    allowed &= part.self_connections | ~np.eye(UNITS, dtype=bool)
    zero = np.abs(W) <= OPEN * np.abs(W).max()
    size = size if not part.keep_zeros else size + OPEN * np.abs(W).max() * np.linalg.norm(r.T @ r, 2) * UNITS
    assert not W[~allowed].any() and (np.abs(slope[allowed & ~zero]) < size).all()
    if part.excitatory is not None:
        outwards = slope * student.signs("W")
        assert (W * student.signs("W") >= 0).all() and (outwards[allowed & zero] > -size).all()


@pytest.mark.parametrize("name", ["Dale", "all"])
def test_no_weight_under_dales_law_is_stuck_at_zero(name: str) -> None:
    student, task = constrained(**CONSTRAINTS[name]), spanning()
    _, model = next(regressions(student, TrainingData(task, simulate(circuit(seed=8), task).rate, np.ones(UNITS))))
    W, allowed = model.arrays()["W"], student.arrays()["W"] != 0
    twin = Twin(model, {"W": W}, dtype=torch.float64)
    (twin.array("W") * torch.ones(UNITS, UNITS, dtype=torch.float64)).sum().backward()
    slope = next(twin.parameters()).grad.numpy()
    assert (np.abs(W[allowed]) <= OPEN * np.abs(W).max()).any() and (np.abs(slope[allowed]) == 1).all() and not slope[~allowed].any()


def test_time_constants_and_currents_may_be_written_per_unit() -> None:
    times, currents = np.linspace(100, 290, UNITS), np.linspace(-3, 3, UNITS)
    numbers = {"unit": "Hz", "meaning": "current", "over": "units"}
    text = "dx/dt = (-x + W(r) + h + drive(t, i))/tau : Hz\ntau : second (constant)\nh : Hz (constant)\nr = r_0*tanh(x/r_0) : Hz (constant over dt)"
    tau = {"value": times.tolist(), "unit": "ms", "meaning": "tau", "over": "units"}
    teacher = circuit(text, parameters={"tau": tau, "h": numbers | {"value": currents.tolist()}})
    set_later = circuit(text, parameters={"tau": tau, "h": numbers | {"value": 0}}).with_arrays({"h": currents})
    for truth in (teacher, set_later):
        found = began(own_class(truth), simulate(truth, spanning()), spanning())
        for name in ("W", "h", "tau"):
            np.testing.assert_allclose(found.arrays()[name], truth.arrays()[name], rtol=0, atol=EXACT)


def test_a_student_of_the_own_class_has_every_array_of_the_circuit_but_the_learned_ones() -> None:
    """A circuit's projections are drawn from its own streams, and a student's from a student's."""
    mixing = {"rule": "gaussian", "columns": "channels", "arguments": {"gain": {"value": 1, "meaning": "gain"}}}
    text = "dx/dt = (-x + W(r) + heard(t, i))/tau : Hz\nr = r_0*tanh(x/r_0) : Hz (constant over dt)"
    W = {"rule": "gaussian", "arguments": {"gain": {"value": 0.8, "meaning": "radius"}}}
    heard = {"heard": {"unit": "Hz", "meaning": "channels", "weights": "M"}}
    teacher = circuit(text, channels=3, inputs=heard, projections={"W": W, "M": mixing})
    own = own_class(teacher)
    assert own.arrays()["M"].tobytes() == teacher.arrays()["M"].tobytes() and not np.array_equal(own.arrays()["W"], teacher.arrays()["W"])
    channels = np.repeat(20 * np.random.default_rng(1).standard_normal((CONDITIONS, 30, 3)), 10, axis=1)
    task = spanning(channels=xr.DataArray(channels, dims=("trial", "step", "channel")))
    np.testing.assert_allclose(began(own, simulate(teacher, task), task).arrays()["W"], teacher.arrays()["W"], rtol=0, atol=EXACT)


def test_steps_in_which_units_are_held_do_not_count() -> None:
    teacher, course = circuit(), np.zeros(300, dtype=bool)
    course[100:180] = True
    task = spanning(clamps=(Clamp(np.arange(4), 5.0, course),))
    np.testing.assert_allclose(began(own_class(teacher), simulate(teacher, task), task).arrays()["W"], teacher.arrays()["W"], rtol=0, atol=EXACT)


STUDENTS = {
    "bptt": ("leaky_tanh", 0), "curbd": ("leaky_recorded", 0), "eprop": ("leaky_gain", 2), "node_perturbation": ("leaky_gain", 2),
    "target_regression": ("leaky_gain", 2), "force": ("sussillo_abbott_2009", 0), "full_force": ("sussillo_abbott_2009", 0),
}  # fmt: skip


def masked(channels: int, *, first: bool) -> tuple[Task, np.ndarray]:
    """A task of which a third of the bins do not count, among them runs at the end; and the mask."""
    mask = (np.random.default_rng(6).random((CONDITIONS, 30)) > 1 / 3).astype(float)
    mask[:20, 20:], mask[3] = 0.0, 0.0
    mask[:, 0] = 1.0 if first else mask[:, 0]
    heard = np.random.default_rng(7).standard_normal((CONDITIONS, 300, channels)) if channels else None
    task = replace(spanning(), initial=None, mask=mask)
    return replace(task, channels=xr.DataArray(heard, dims=("trial", "step", "channel"))) if channels else task, mask


@pytest.mark.parametrize("rule", rules.names())
def test_what_stands_where_nothing_counts_changes_nothing(rule: str) -> None:
    name, channels = STUDENTS[rule]
    model = catalogue.load(name).with_arrays({}, units=UNITS)
    task, mask = masked(channels, first=not channels)
    truth = simulate(circuit(), spanning()).rate + 30.0
    junk = np.where(mask[:, :, None] > 0, truth, 1e6 * np.random.default_rng(8).standard_normal(truth.shape))
    options = Options(epochs=2 if rule != "target_regression" else Options().epochs, start="rest" if channels else "first bin")
    clean, dirty = (train(model, Trials.from_arrays(r, task.time), task, options=options, rule=rule) for r in (truth, junk))
    assert clean.train == dirty.train and clean.validation == dirty.validation
    for key, array in clean.model.arrays().items():
        assert array.tobytes() == dirty.model.arrays()[key].tobytes()


def test_a_planted_network_is_found_in_the_bins_that_count_alone() -> None:
    teacher, (task, mask) = circuit(), masked(0, first=True)
    rate = simulate(teacher, spanning()).rate
    junk = np.where(mask[:, :, None] > 0, rate, 1e3)
    found = began(own_class(teacher), Trials.from_arrays(junk, task.time), task)
    np.testing.assert_allclose(found.arrays()["W"], teacher.arrays()["W"], rtol=0, atol=EXACT)


def test_a_student_cannot_start_from_a_bin_that_does_not_count() -> None:
    task, _ = masked(0, first=False)
    rates = Trials.from_arrays(np.zeros((CONDITIONS, 30, UNITS)), task.time)
    with pytest.raises(TaskError, match=r"^task 'spanning': mask gives the first bin of \d+ trials no weight, .*start='rest'"):
        began(own_class(circuit()), rates, task)


@pytest.mark.parametrize(
    ("card", "options", "least"),
    [
        ("leaky_tanh", Options(epochs=25, rate=5e-3), 0.98), ("leaky_dale", Options(epochs=25, rate=5e-3), 0.97),
        pytest.param("leaky_dale", Options(epochs=200, rate=1e-2), 0.98, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_reaches_of_few_dimensions_are_learned_from_a_good_start(card: str, options: Options, least: float) -> None:
    """Under Dale's law the start is not as good, 0.957, and descent, which the sign of each weight confines, is slower: 0.98 takes 100 epochs."""
    teacher = circuit(units=20, dt={"value": 1, "unit": "ms", "meaning": "step"})
    shown, held_out = delayed_reaches(teacher, (120, 27), seed=0)
    student = with_time_constant_of(catalogue.load(card), teacher)
    fitted = train(student, shown.trials, shown.task, options=options)
    truth, mean = held_out.trials.rate, shown.trials.rate.mean(axis=(0, 1))
    rates = [simulate(model, held_out.task).rate for model in (fitted.start, fitted.model)]
    start, trained = (1 - ((rate - truth) ** 2).sum() / ((truth - mean) ** 2).sum() for rate in rates)
    assert start > 0.9 and trained > least and fitted.began.startswith("closed-form regression")


def test_a_start_that_runs_worse_than_the_untrained_one_is_dropped_and_that_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """Teacher forcing of white noise makes a student whose rates say nothing of the next ones; untrained it is the truth of what is validated."""
    teacher, task = circuit(), spanning()
    rate = simulate(teacher, task).rate
    student = own_class(teacher).with_arrays({"W": teacher.arrays()["W"]})
    taught = rate + 5 * np.random.default_rng(2).standard_normal(rate.shape)
    data, check = (TrainingData(task, given, np.ones(UNITS)) for given in (np.clip(taught, -19, 19), rate))
    first = begin(student, data, check)
    assert first.model is student and first.said.startswith("untrained weights (error ")
    assert capfd.readouterr().err.startswith("own_class: training starts from untrained weights (error ")


RATE = "\nr = r_0*tanh(x/r_0) : Hz (constant over dt)"


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        ("dx/dt = (-x + W(r) - a + drive(t, i))/tau : Hz\nda/dt = (r - a)/tau : Hz" + RATE, {}, "2 state variables"),
        ("dx/dt = (-x + W(x) + drive(t, i))/tau : Hz" + RATE, {}, "'W' carries something other than the rate"),
        ("dx/dt = (-x + r_0*tanh(W(r)/r_0) + drive(t, i))/tau : Hz" + RATE, {}, "not linear in 'W'"),
        ("dx/dt = (-x + W(r) + drive(t, i))/tau : Hz\nr = r_0*cos(x/r_0) : Hz (constant over dt)", {}, "does not rise"),
        ("dx/dt = (-x + W(r) + drive(t, i))/tau : Hz\nr = x : Hz (constant over dt)", {"integrator": "exponential_euler"}, "Euler steps of one bin"),
        ("dx/dt = (-x + W(r) + V(r))/tau : Hz\nr = x : Hz (constant over dt)", {"projections": ("W", "V")}, "2 recurrent projections are learned"),
    ],
)  # fmt: skip
def test_a_card_that_has_no_such_regression_is_told_why(text: str, changes: dict[str, Any], reason: str) -> None:
    part = {"rule": "gaussian", "arguments": {"gain": {"value": 0.8, "meaning": "radius"}}, "learn": True}
    changes = {**changes, "projections": dict.fromkeys(changes.get("projections", ("W",)), part)}
    model, task = circuit(text, **changes), spanning(drives=(Drive(np.zeros((CONDITIONS, UNITS)), np.zeros(300)),))
    found = unregressed(model, TrainingData(task, np.zeros((CONDITIONS, 30, UNITS)), np.ones(UNITS)))
    assert found is not None and reason in found


@pytest.mark.parametrize("rule", rules.names())
def test_no_rule_returns_weights_that_are_worse_than_its_start(rule: str) -> None:
    """The start counts as epoch 0: where the training conditions are noise, of which nothing can be learned, it stays."""
    name, channels = STUDENTS[rule]
    heard = np.random.default_rng(7).standard_normal((CONDITIONS, 300, channels)) if channels else None
    task = replace(spanning(), initial=None, channels=None if heard is None else xr.DataArray(heard, dims=("trial", "step", "channel")))
    noise = Trials.from_arrays(5 * np.random.default_rng(9).standard_normal((CONDITIONS, 30, UNITS)), task.time)
    options = Options(start="rest" if channels else "first bin", closed_form=False)
    options = options if rule == "target_regression" else replace(options, epochs=3)
    fitted = train(catalogue.load(name).with_arrays({}, units=UNITS), noise, task, options=options, rule=rule)
    _, checked = split(noise, options.validation, 0)
    asked = replace(task, initial=None if channels else noise.rate[:, 0]).select(checked)
    before, after = (((simulate(model, asked).rate - noise.rate[checked]) ** 2).mean() for model in (fitted.start, fitted.model))
    assert after <= before * (1 + 1e-6)  # back-propagation compares in float32
