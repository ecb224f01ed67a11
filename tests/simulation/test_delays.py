"""Delays of projections of rates: what is known of delayed linear units, the same in Brian2 and in torch, whole or in pieces."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray

from cortex_sim import analysis
from cortex_sim.analysis._lyapunov import lyapunov
from cortex_sim.cards import edit
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError, TaskError
from cortex_sim.fitting import Options, fit, rules
from cortex_sim.fitting import _training as training
from cortex_sim.fitting._options import TrainingData
from cortex_sim.fitting._regression import not_own_class
from cortex_sim.simulation import Problem, flow, simulate
from cortex_sim.simulation.torch import Twin, linearise, runs
from cortex_sim.tasks import Clamp, Drive, Task

TAU = 0.01  # s
EXACT = 1e-12


def unit(gain: float, delay: float, *, dt: float = 1.0, integrator: str = "euler", start: float = 0.0, **more: Any) -> Model:
    """x' = (-x + g x(t - d) + u)/tau; d and dt in ms."""
    card: dict[str, Any] = {
        "kind": "rate", "title": "a delayed unit", "paper": "own", "units": 1, "rate": "r", "integrator": integrator, "name": "delayed_unit",
        "dt": {"value": dt, "unit": "ms", "meaning": "step"},
        "equations": "dx/dt = (-x + W(r) + drive(t, i))/tau : 1\nr = 1.0*x : 1 (constant over dt)",
        "parameters": {"tau": {"value": 10, "unit": "ms", "meaning": "time constant"}},
        "inputs": {"drive": {"unit": "1", "meaning": "input"}},
        "initial_values": {"x": {"value": start, "unit": "1", "meaning": "start"}},
        "projections": {"W": {
            "rule": "table", "arguments": {"values": {"value": [[gain]], "meaning": "weight"}}, "delay": {"value": delay, "unit": "ms"},
        }},
    }  # fmt: skip
    return Model.model_validate(card | more)


def several(integrator: str = "euler", **delays: Any) -> Model:
    """Three units of two states, two projections with delays of their own, one inside a line of its own, noise and a parameter of each unit."""
    rng = np.random.default_rng(0)
    tables = {name: {"rule": "table", "unit": unit, "arguments": {"values": {"value": rng.normal(size=(3, 3)).tolist(), "meaning": "weights"}}}
              for name, unit in (("W", "1"), ("V", "1"), ("U", "Hz"))}  # fmt: skip
    for name, delay in ({"W": 5, "V": 12} | delays).items():
        tables[name]["delay"] = {"value": delay, "unit": "ms"}
    return Model.model_validate({
        "kind": "rate", "title": "a delayed circuit", "paper": "own", "units": 3, "rate": "r", "integrator": integrator, "name": "delayed_circuit",
        "dt": {"value": 1, "unit": "ms", "meaning": "step"},
        "equations": """dx/dt = (-x + W(a*r) - y + U(r)/Hz + drive(t, i) + hiss(t, i)*s_0)/tau : 1
            dy/dt = (h - y)/tau_y : 1
            h = V(r + 0.1*y) : 1 (constant over dt)
            r = tanh(x + b) : 1 (constant over dt)
            b : 1 (constant)""",
        "parameters": {
            "tau": {"value": 20, "unit": "ms", "meaning": "time constant"}, "tau_y": {"value": 50, "unit": "ms", "meaning": "adaptation"},
            "a": {"value": 1.5, "meaning": "gain"}, "b": {"value": [0.3, -0.2, 0.1], "meaning": "bias", "over": "units"},
            "s_0": {"value": 0.03, "unit": "second**0.5", "meaning": "noise"},
        },
        "inputs": {"drive": {"unit": "1", "meaning": "input"}, "hiss": {"unit": "second**-0.5", "meaning": "noise", "noise": True}},
        "initial_values": {"x": {"value": [0.5, -0.4, 0.2], "unit": "1", "meaning": "start"}},
        "projections": tables,
    })  # fmt: skip


def pushed(units: int, bins: int = 20, trials: int = 2, size: float = 1.0, **more: Any) -> Task:
    """A constant drive from the first step on."""
    task = Task("push", 0.0, bins * 0.01, np.arange(trials))
    pattern = size * np.random.default_rng(1).uniform(0.5, 1.0, size=(trials, units))
    return Task("push", 0.0, bins * 0.01, np.arange(trials), drives=(Drive(pattern, np.ones(task.steps)),), **more)


def by_hand(gain: float, lag: int, x: float, steps: int, drive: float = 0.0, dt: float = 1e-3) -> ndarray:
    """Euler's method with a list of all that was."""
    was = [x]
    for step in range(steps):
        was.append(was[-1] + dt / TAU * (-was[-1] + gain * was[max(0, step - lag)] + drive))
    return np.array(was)


@pytest.mark.parametrize("backend", ["brian", "torch"])
@pytest.mark.parametrize("lag", [1, 7, 40])
def test_a_delayed_unit_does_what_euler_does_by_hand(backend: Any, lag: int) -> None:
    found = simulate(unit(-1.7, lag, start=0.8), Task("rest", 0.0, 0.2, np.zeros(2)), backend=backend).rate[:, :, 0]
    np.testing.assert_allclose(found, np.tile(by_hand(-1.7, lag, 0.8, 200)[:-1:10], (2, 1)), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_the_method_of_steps_is_approached_in_first_order(backend: Any) -> None:
    r"""On [0, d] the past is x_0: :math:`x = x_0(g + (1 - g)e^{-s})`, s = t/tau; on [d, 2d] it is that: variation of constants."""
    g, d = -1.5, 0.02
    errors = []
    for dt in (1.0, 0.5, 0.25):
        found = simulate(unit(g, 20, dt=dt, start=1.0), Task("rest", 0.0, 0.05, np.zeros(1)), backend=backend).rate[0, :, 0]
        s, later = np.array([0.0, 1.0, 2.0]), np.array([3.0, 4.0]) - d / TAU
        first = g + (1 - g) * np.exp(-s)
        edge = g + (1 - g) * np.exp(-d / TAU)
        second = g**2 + (edge - g**2 + g * (1 - g) * later) * np.exp(-later)
        errors.append(np.abs(found - np.concatenate([first, second])).max())
    ratios = np.divide(errors[:-1], errors[1:])
    assert errors[0] < 0.1 and (np.abs(ratios - 2) < 0.2).all()


@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_a_delayed_unit_oscillates_beyond_the_critical_delay(backend: Any) -> None:
    r"""Its characteristic equation has roots on the imaginary axis at :math:`d^* = \tau\arccos(1/g)/\sqrt{g^2 - 1}`, of Euler's map nearly there."""
    g = -2.0
    critical = 1e3 * TAU * np.arccos(1 / g) / np.sqrt(g**2 - 1)  # ms: 12.09
    swings = []
    for delay in (0.85 * critical, 1.15 * critical):
        trials = simulate(unit(g, round(delay, 1), dt=0.1, start=1.0), Task("rest", 0.0, 0.6, np.zeros(1)), backend=backend)
        early, late = np.split(np.abs(trials.rate[0, :, 0]), 2)
        swings.append(late.max() / early.max())
    assert swings[0] < 0.7 and swings[1] > 1.5


@pytest.mark.parametrize("backend", ["brian", "torch"])
@pytest.mark.parametrize("delay", [30, 50])
def test_an_answer_begins_exactly_a_delay_later(backend: Any, delay: int) -> None:
    """A second unit hears the first through the projection alone: with Euler steps it first moves one step after the delay."""
    card = unit(0.0, delay).model_dump() | {"units": 2}
    card["projections"]["W"]["arguments"]["values"]["value"] = [[0, 0], [1, 0]]
    model = Model.model_validate(card)
    drive = Drive(np.array([[1.0, 0.0]]), np.ones(100))
    task = Task("step", 0.0, 0.1, np.zeros(1), drives=(drive,), bin=0.001)
    found = simulate(model, task, backend=backend).rate[0]
    assert found[0, 0] == 0 and found[1, 0] > 0
    assert np.flatnonzero(found[:, 1])[0] == delay + 2


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
@pytest.mark.parametrize("delays", [{}, {"U": 3}, {"W": 1, "V": 200}, {"W": 5.4, "V": 0}])
@pytest.mark.parametrize("trials", [1, 3])
def test_brian_and_torch_agree(integrator: str, delays: dict[str, float], trials: int) -> None:
    model, task = several(integrator, **delays), pushed(3, trials=trials)
    rates = [simulate(model, task, seed=3, backend=backend).rate for backend in ("brian", "torch")]
    assert np.ptp(rates[0]) > 0.5
    np.testing.assert_allclose(*rates, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_they_agree_where_units_are_held(integrator: str) -> None:
    course = np.zeros(200, bool)
    course[:60] = course[100:130] = True
    held = Clamp(np.array([1]), 0.6, course)
    rates = [simulate(several(integrator), pushed(3, clamps=(held,)), seed=3, backend=backend).rate for backend in ("brian", "torch")]
    assert not np.allclose(rates[0], simulate(several(integrator), pushed(3), seed=3).rate)
    np.testing.assert_allclose(*rates, rtol=EXACT, atol=EXACT)


def test_a_run_in_pieces_is_the_whole_run() -> None:
    problem = Problem(several(), several().arrays(), pushed(3))
    twin = Twin(problem.model, problem.arrays)
    with torch.no_grad():
        whole = twin(problem)
        for length in (1, 3, 7):
            pieces = torch.cat([run.rates for _, run in runs(twin, problem, length)], dim=1)
            assert torch.equal(pieces, whole)


def student(**more: Any) -> Model:
    """The delayed circuit as a network whose weights are learned."""
    card = several().model_dump() | {"kind": "rnn"} | more
    for part in card["projections"].values():
        part["learn"] = True
    return Model.model_validate(card)


def test_back_propagation_goes_through_the_delay() -> None:
    model, task = student(), pushed(3, bins=8)
    data = TrainingData(task, np.zeros((2, 8, 3)), np.ones(3), seed=2)
    twin = Twin(model, model.arrays())
    batch = training.whole(twin, data, 2)
    training.objective_of(twin, batch, Options())[1].backward()
    for name in ("W", "V", "U"):
        slope, size = twin.array(name).grad[0, 1].item(), 1e-5  # type: ignore[union-attr]
        sides = []
        for sign in (1, -1):
            arrays = model.arrays()
            arrays[name][0, 1] += sign * size
            rates = simulate(model.with_arrays(arrays), task, seed=2, backend="brian").rate
            sides.append((rates**2).mean())
        assert abs((sides[0] - sides[1]) / (2 * size) - slope) < 1e-6 * max(1, abs(slope))


@pytest.mark.parametrize("through", ["segment", "checkpoints"])
def test_checkpoints_give_the_gradient_of_the_whole(through: Any) -> None:
    model, task = student(), pushed(3, bins=8)
    data = TrainingData(task, np.zeros((2, 8, 3)), np.ones(3), seed=2)
    gradients = []
    for options in (Options(), Options(through=through, segment=3 if through == "checkpoints" else 8)):
        twin = Twin(model, model.arrays())
        batch = training.whole(twin, data, 2)
        if options.through == "segment":
            for _, piece in training.cut(twin, batch, options):
                piece.objective.backward()
        else:
            training.objective_of(twin, batch, options)[1].backward()
        gradients.append(twin.array("V").grad)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-14)


def test_a_student_learns_what_a_delayed_teacher_does() -> None:
    """Its error falls below that of the student without the delay, which cannot answer late."""
    late = unit(-1.5, 30, dt=10.0, start=0.0)
    task = pushed(1, bins=40, trials=6)
    wanted = simulate(late, task)
    errors = []
    for model in (late, edit.undelayed(late)):
        card = model.model_dump() | {"kind": "rnn"}
        card["projections"]["W"] |= {"learn": True}
        learned = fit(Model.model_validate(card).with_arrays({"W": np.zeros((1, 1))}), wanted, task, epochs=150, rate=0.05, start="rest")
        errors.append(((simulate(learned, task).rate - wanted.rate) ** 2).mean())
        weight = learned.arrays()["W"][0, 0]
        assert model is not late or abs(weight + 1.5) < 0.05
    assert errors[0] < 0.02 * errors[1]


@pytest.mark.parametrize("rule", sorted(set(rules.names()) - {"bptt"}))
def test_other_rules_refuse_delays(rule: str) -> None:
    task = pushed(3, trials=3)
    with pytest.raises(TaskError, match=f"projection 'W' has a delay of 5 ms, which rule '{rule}' cannot learn through; use 'bptt'"):
        fit(student(), simulate(several(), task), task, rule=rule)


def test_the_closed_form_says_why_it_is_left_out() -> None:
    assert "'W' has a delay" in str(not_own_class(unit(-1.5, 30, dt=10.0)))


@pytest.mark.parametrize("ask", [
    lambda m: analysis.spectrum(m), lambda m: linearise(m, m.arrays(), np.zeros(1)), lambda m: analysis.preferred_states(m),
    lambda m: lyapunov(m, np.zeros(1), duration=1.0, transient=0.1), lambda m: analysis.fixed_points(m, np.array([[0.0], [1.0]])),
])  # fmt: skip
def test_what_takes_the_state_for_all_is_refused(ask: Any) -> None:
    with pytest.raises(TaskError, match="but projection 'W' has a delay of 30 ms, so that its past decides too. Simulate it instead"):
        ask(unit(-1.5, 30))
    ask(edit.undelayed(unit(-1.5, 30)))


def test_a_fixed_point_stays_one() -> None:
    """x = g x + u at any delay; beside it a run settles there where the delay is short."""
    model = unit(-0.5, 30)
    found = simulate(model, pushed(1, bins=100, trials=1)).rate[0, -1, 0]
    drive = pushed(1, trials=1).drives[0].pattern[0, 0]
    assert abs(found - drive / 1.5) < 1e-9
    assert abs(flow(model, model.arrays(), np.array([found]), {"drive": drive})[0]) < 1e-6


def test_a_delay_changes_the_key_and_is_saved(tmp_path: Any) -> None:
    keys = {model.key for model in (unit(1, 5), unit(1, 6), unit(1, 0), edit.undelayed(unit(1, 5)))}
    assert len(keys) == 4
    unit(1, 5).save(tmp_path / "late.toml")
    from cortex_sim.cards._reading import read_card

    assert read_card(tmp_path / "late.toml").key == unit(1, 5).key


def test_a_delay_that_is_no_whole_number_of_steps_is_said(capsys: Any) -> None:
    model = unit(-1.0, 5.3, name="between_steps")
    same = simulate(unit(-1.0, 5, start=0.0), pushed(1)).rate
    assert np.array_equal(simulate(model, pushed(1)).rate, same)
    said = "between_steps: delay of 5.3 ms of projection 'W' is no whole number of steps of 1 ms; rates take 5 ms"
    assert capsys.readouterr().err.count(said) == 1


def mistaken(**delay: Any) -> None:
    unit(1, 5, projections=unit(1, 5).model_dump()["projections"] | {"W": unit(1, 5).model_dump()["projections"]["W"] | {"delay": delay}})


@pytest.mark.parametrize(("build", "message"), [
    (lambda: mistaken(value=5, unit="mV"), r"\[projections.W.delay\] unit 'mV' does not fit what the number stands for; it should have 'second'"),
    (lambda: mistaken(value=-5, unit="ms"), r"\[projections.W\] delay -5.0 ms should be 0 or more"),
    (lambda: mistaken(value=[5, 6], unit="ms"), r"\[projections.W\] delay \[5.0, 6.0\] ms should be one number: all synapses"),
    (lambda: mistaken(value=5, unit="MS"), r"\[projections.W.delay\] unit 'MS' is unknown"),
    (lambda: mistaken(value=5), r"\[projections.W.delay.unit\] is missing"),
    (lambda: unit(1, 5, equations="dx/dt = (-x + W(r) + W(2*r))/tau : 1\nr = 1.0*x : 1 (constant over dt)"), "call 'W' at 2 places"),
    (lambda: unit(1, 5, equations="dx/dt = (-x + drive(t, i))/tau : 1\nr = 1.0*x : 1 (constant over dt)"), "do not call 'W'"),
])  # fmt: skip
def test_a_delay_that_would_be_none_is_refused(build: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        build()


def test_initial_rates_are_the_past_too() -> None:
    """A unit that begins at 3 answers as if it had always been there."""
    model = unit(-0.9, 25)
    begun = Task("begun", 0.0, 0.1, np.zeros(1), initial=np.array([[3.0]]))
    np.testing.assert_allclose(simulate(model, begun).rate[0, :, 0], by_hand(-0.9, 25, 3.0, 100)[:-1:10], rtol=1e-9)
