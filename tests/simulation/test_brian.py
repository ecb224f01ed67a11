"""Brian2 runs: the equation text integrated as written, for many trials at once, without a compiler and without a trace on disk."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from signal import SIGINT

import numpy as np
import pytest
from numpy import ndarray
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards._siegert import siegert
from cortex_sim.errors import CardError
from cortex_sim.simulation import check
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.brian._calls import frozen
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task

Build = Callable[..., Model]
TANH = "dx/dt = (-x + W(r) + drive(t, i))/tau : 1\nr = tanh(x) : 1 (constant over dt)"
DRIVE = {"drive": {"unit": "1", "meaning": "input"}}
TAU = 0.2  # s, of the circuits that linear_circuit builds
OU = "dx/dt = (-x + sigma*hiss(t, i) + 0*W(r))/tau : 1\nr = x : 1 (constant over dt)"


def busy_task(rng: np.random.Generator, *, trials: int, units: int) -> Task:
    """Two drives that overlap for a while and leave a gap before, and units held for a while."""
    step = np.arange(200)
    courses = np.sin(step / 9) * ((step < 70) | (step > 130)), 1.0 * (step > 110)
    drives = tuple(Drive(rng.normal(size=(trials, units)), course) for course in courses)
    clamp = Clamp(np.array([1, 3]), -0.2, (step >= 60) & (step < 120))
    return Task("busy", -0.05, 0.15, np.arange(trials), initial=rng.uniform(-0.8, 0.8, (trials, units)), drives=drives, clamps=(clamp,))


def euler_loop(W: ndarray, task: Task, dt: float) -> ndarray:
    """The same run as a bare loop: inputs are taken from the 1 ms grid, or averaged over a step that is longer."""
    x, kept = np.arctanh(task.initial), []
    for step in range(round(0.19 / dt) + 1):
        fine = slice(int(step * dt / 1e-3 + 1e-9), max(int(step * dt / 1e-3 + 1e-9) + 1, round((step + 1) * dt / 1e-3)))
        r = np.tanh(x)
        for clamp in task.clamps:
            if clamp.course[fine].mean() > 0.5:
                r[:, clamp.units] = clamp.rate
        if step % round(0.01 / dt) == 0:
            kept.append(r)
        current = sum(drive.pattern * drive.course[fine].mean() for drive in task.drives)
        x = x + dt / TAU * (-x + np.einsum("ij,kj->ki", W, r) + current)
    return np.stack(kept, axis=1)


@pytest.mark.parametrize("dt", [2e-4, 1e-3, 1e-2])
def test_an_euler_run_is_a_bare_numpy_loop(linear_circuit: Build, dt: float) -> None:
    rng = np.random.default_rng(0)
    W, task = rng.normal(size=(5, 5)), busy_task(rng, trials=3, units=5)
    found = simulate(linear_circuit(W, dt=dt, equations=TANH, inputs=DRIVE), task).rate
    np.testing.assert_allclose(found, euler_loop(W, task, dt), rtol=0, atol=1e-13)  # round-off of at most 1000 steps of size 1


@pytest.mark.parametrize("dt", [1e-3, 1e-2])
def test_exponential_euler_is_exact_for_a_linear_unit(linear_circuit: Build, dt: float) -> None:
    start, level, t = np.array([[3.0, -2.0]]), np.array([[1.0, 5.0]]), 0.01 * np.arange(30)
    task = replace(free_run(start, 0.3), drives=(Drive(level, np.ones(300)),))
    found = simulate(linear_circuit(np.zeros((2, 2)), dt=dt, integrator="exponential_euler"), task).rate[0]
    np.testing.assert_allclose(found, level + (start - level) * np.exp(-t[:, None] / TAU), rtol=1e-12)


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_both_integrators_converge_with_order_one(linear_circuit: Build, integrator: str) -> None:
    rng = np.random.default_rng(1)
    W, x = 1.5 * rng.normal(size=(4, 4)) / 2, rng.normal(size=4)
    exact = np.tanh(solve_ivp(lambda t, x: (W @ np.tanh(x) - x) / TAU, (0, 0.29), x, rtol=1e-11, atol=1e-12).y[:, -1])
    circuits = [linear_circuit(W, dt=dt, equations=TANH, inputs=DRIVE, integrator=integrator) for dt in (2e-3, 1e-3, 5e-4)]
    errors = [np.abs(simulate(circuit, free_run(np.tanh(x), 0.3)).rate[0, -1] - exact).max() for circuit in circuits]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.05)  # the second-order term is dt/tau = 1 % of the first


def slow_pair() -> Model:
    """The published pair with tau = 1 s, so that a bin is 0.01 tau."""
    pair = catalogue.load("murphy_miller_2009")
    slow = {"tau": pair.parameters["tau"].model_copy(update={"value": 1000.0})}
    return pair.with_arrays({}, parameters=slow, dt=pair.dt.model_copy(update={"value": 1.0}))


@pytest.mark.parametrize(
    ("start", "weights", "peak", "moment"),
    [
        pytest.param((1, -1), (1, 1), 2.776, 0.81, id="difference mode"),
        pytest.param((2**0.5, 0), (1, 1), 2.200, 0.70, id="excitatory pulse"),
        pytest.param((2**0.5, 0), (1, 0), 1.793, 0.61, id="its excitatory part"),
        pytest.param((1, 1), (1, 1), 1.0, 0.0, id="sum mode"),
    ],
)  # fmt: skip
def test_balanced_amplification_peaks_as_published(start: tuple[float, ...], weights: tuple[float, ...], peak: float, moment: float) -> None:
    rate = simulate(slow_pair(), free_run(np.array(start) / np.sqrt(2), 4.0)).rate[0]
    size = np.sqrt((rate**2 * weights).sum(axis=1))
    assert size.max() == pytest.approx(peak, abs=1.5e-3)  # three decimals, and the Euler step of 0.001 tau
    assert size.argmax() * 0.01 == pytest.approx(moment, abs=0.011)
    exact = [expm((np.array([[30, -33], [30, -33]]) / 7 - np.eye(2)) * t) @ start / np.sqrt(2) for t in 0.01 * np.arange(400)]
    np.testing.assert_allclose(rate, exact, atol=5e-3)  # dt/2 |A|^2 t |x| = 0.0005 * 9 at its largest


def chaotic(gain: float, units: int, seed: int) -> Model:
    card = catalogue.load("sompolinsky_1988")
    scaled = card.projections["J"].arguments["gain"].model_copy(update={"value": gain})
    return card.with_arrays({}, units=units, seed=seed, projections={"J": card.projections["J"].model_copy(update={"arguments": {"gain": scaled}})})


def variance_of_input(gain: float, units: int, seed: int, duration: float) -> float:
    start = np.random.default_rng(seed).uniform(-0.9, 0.9, units)
    trials = simulate(chaotic(gain, units, seed), free_run(start, duration))
    return float((np.arctanh(trials.window(duration / 2, duration).rate) ** 2).mean())


def test_a_random_network_dies_below_gain_one() -> None:
    assert variance_of_input(0.8, 200, 0, 1.0) < 1e-6  # slowest mode decays by exp(-0.2 t/tau): e^-20 in the mean square of the second half


@pytest.mark.parametrize(("gain", "variance"), [(1.5, 0.7477), pytest.param(2.0, 1.9248, marks=pytest.mark.long)])
def test_a_random_network_above_gain_one_fluctuates_as_mean_field_theory_says(gain: float, variance: float) -> None:
    found = [variance_of_input(gain, 500, seed, 2.0) for seed in range(6)]
    assert np.mean(found) == pytest.approx(variance, abs=3.5 * np.std(found, ddof=1) / np.sqrt(6))  # standard error over networks


def noisy(linear_circuit: Build, equations: str = OU) -> Model:
    hiss = {"unit": "second**-0.5", "meaning": "noise", "noise": True}
    parameters = {"tau": {"value": 20, "unit": "ms", "meaning": "tau"}, "sigma": {"value": 0.3, "unit": "second**0.5", "meaning": "intensity"}}
    return linear_circuit(np.zeros((50, 50)), equations=equations, parameters=parameters, inputs={"hiss": hiss, "other": hiss})


def test_noise_has_the_stationary_statistics_of_its_euler_map(linear_circuit: Build) -> None:
    trials = simulate(noisy(linear_circuit), free_run(np.zeros((80, 50)), 0.5), seed=4).rate
    keep, kick = 1 - 1e-3 / 0.02, 0.3 / 0.02 * np.sqrt(1e-3)
    variance, n = kick**2 / (1 - keep**2), 80 * 50
    assert trials[:, -1].var() == pytest.approx(variance, rel=4 * np.sqrt(2 / n))  # 4 standard errors; memory of the start is e^-50
    assert np.corrcoef(trials[:, -1].ravel(), trials[:, -2].ravel())[0, 1] == pytest.approx(keep**10, abs=4 * (1 - keep**20) / np.sqrt(n))
    across_units, across_trials = (np.corrcoef(trials[:, -1], rowvar=rowvar)[np.triu_indices(50, 1)] for rowvar in (False, True))
    assert max(abs(across_units.mean()), abs(across_trials.mean())) < 4 / np.sqrt(n)


def test_noise_follows_the_seed_and_nothing_else(linear_circuit: Build) -> None:
    model, task = noisy(linear_circuit), free_run(np.zeros((2, 50)), 0.05)
    first, again, other = (simulate(model, task, seed=seed).rate for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other)[:, 1:].min() > 0


def test_two_noise_inputs_are_independent(linear_circuit: Build) -> None:
    both = noisy(linear_circuit, OU.replace("sigma*hiss(t, i)", "sigma*(hiss(t, i) - other(t, i))"))
    rate = simulate(both, free_run(np.zeros((80, 50)), 0.3), seed=0).rate[:, -1]
    keep, kick = 0.95, 0.3 / 0.02 * np.sqrt(2e-3)  # variances of independent noises add
    assert rate.var() == pytest.approx(kick**2 / (1 - keep**2), rel=4 * np.sqrt(2 / rate.size))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (")/tau : Hz", ") : Hz", r"equations: dx/dt = '-x \+ W\(r\) \+ drive\(t, i\)': it comes to hertz, and dx/dt is in second\*\*-2\."),
        ("r = x : Hz", "r = x : 1", r"equations: dx/dt = .*: '-x' is in hertz, 'W\(r\)' in no unit; with tau in ms\."),
        ("W(r)", "W(r)*tau", r"equations: dx/dt = .*: '-x' is in hertz, 'W\(r\) \* tau' in no unit; with tau in ms"),
        ("drive(t, i)", "drive(x, i)", r"Argument number 1 for function drive does not have the correct units\."),
        ("drive(t, i)", "drive(t)", r"Function 'drive' was called with 1 parameters, needs 2\."),
    ],
)  # fmt: skip
def test_inconsistent_units_are_refused(linear_circuit: Build, old: str, new: str, sentence: str) -> None:
    text = linear_circuit(np.zeros((2, 2))).equations
    with pytest.raises(CardError, match=f"^(linear: )?{sentence}"):
        check(linear_circuit(np.zeros((2, 2)), equations=text.replace(old, new)))


@pytest.mark.parametrize("name", [name for name, path in catalogue.models().items() if path.parent.name != "spiking"])
def test_brian2_accepts_every_shipped_card(name: str) -> None:
    check(catalogue.load(name))


ADAPTING = """
dx/dt = (-x + W(r) - a + drive(t, i))/tau : volt
da/dt = (-a + 2*x + b)/tau_a : volt
r = tanh(x/(4*mV))/ms : Hz (constant over dt)
tau_a : second (constant)
b : volt (constant)
"""
MANY: dict[str, dict[str, object]] = {
    "tau": {"value": 20, "unit": "ms", "meaning": "tau"},
    "tau_a": {"value": [30, 70, 50], "unit": "ms", "meaning": "tau of adaptation", "over": "units"},
    "b": {"value": 0.5, "unit": "mV", "meaning": "bias", "over": "units"},
}


def adapting(linear_circuit: Build, **changes: object) -> tuple[ndarray, Model]:
    W = np.random.default_rng(1).normal(size=(3, 3))
    table = {"values": {"value": W.tolist(), "meaning": "weights"}}
    fields: dict[str, object] = {
        "equations": ADAPTING, "parameters": MANY, "inputs": {"drive": {"unit": "mV", "meaning": "input"}},
        "projections": {"W": {"rule": "table", "unit": "mV*ms", "arguments": table}},
        "initial_values": {"a": {"value": [1, -2, 3], "unit": "mV", "meaning": "a"}},
    }  # fmt: skip
    return W, linear_circuit(W, **fields | changes).model_copy(deep=True)


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_two_variables_with_units_tables_and_lists_are_a_bare_numpy_loop(linear_circuit: Build, integrator: str) -> None:
    """In mV and ms by hand; a step uses the old values of both variables."""
    W, model = adapting(linear_circuit, integrator=integrator)
    model = Model.model_validate(model.model_dump())  # without the weights that linear_circuit gives
    start, pattern = np.random.default_rng(2).uniform(-0.8, 0.8, (2, 4, 3))
    task = replace(free_run(start * 1e3, 0.1), drives=(Drive(pattern, np.sin(np.arange(100) / 9)),))
    x, a, kept = 4 * np.arctanh(start), np.tile([1.0, -2.0, 3.0], (4, 1)), []
    tau_a = np.array([30, 70, 50])
    keep = (1 - 1 / 20, 1 - 1 / tau_a) if integrator == "euler" else (np.exp(-1 / 20), np.exp(-1 / tau_a))
    for step in range(91):
        r = np.tanh(x / 4)
        if step % 10 == 0:
            kept.append(1e3 * r)
        goal = np.einsum("ij,kj->ki", W, r) - a + pattern * np.sin(step / 9), 2 * x + 0.5
        x, a = (keep_one * now + (1 - keep_one) * end for keep_one, now, end in zip(keep, (x, a), goal, strict=True))
    np.testing.assert_allclose(simulate(model, task).rate, np.stack(kept, axis=1), rtol=0, atol=1e-9)  # 1e3 Hz, 91 steps, slope of atanh


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"parameters": MANY | {"b": MANY["b"] | {"unit": "ms"}}},
            r"\[parameters.b\] unit 'ms' does not fit what the number stands for; it should have 'volt'",
        ),
        (
            {"initial_values": {"a": {"value": 1, "unit": "Hz", "meaning": "a"}}},
            r"\[initial_values.a\] unit 'Hz' does not fit what the number stands for; it should have 'volt'",
        ),
        (
            {"projections": {"W": {"rule": "gaussian", "unit": "mV", "arguments": {"gain": {"value": 1, "meaning": "g"}}}}},
            r".*'-x' is in volt, 'W\(r\)' in .*",
        ),
        ({"inputs": {"drive": {"unit": "Hz", "meaning": "input"}}}, r".*'drive\(t, i\)' in hertz"),
    ],
)
def test_units_of_lists_tables_and_initial_values_are_checked(linear_circuit: Build, changes: dict[str, object], sentence: str) -> None:
    check(adapting(linear_circuit)[1])
    with pytest.raises(CardError, match=f"^(linear: )?{sentence}"):
        check(adapting(linear_circuit, **changes)[1])


NOISY_UNIT = """
dr/dt = (-r + r_inf)/tau : Hz
r_inf = siegert(mu, 5*mV, tau, 2*ms, 20*mV, 10*mV) : Hz (constant over dt)
mu = W(r) + 15*mV + drive(t, i) : volt (constant over dt)
"""


def noisy_unit(linear_circuit: Build, text: str = NOISY_UNIT) -> Model:
    table = {"rule": "table", "unit": "mV*second", "arguments": {"values": {"value": [[0, -0.2], [0.3, 0.1]], "meaning": "weights"}}}
    made = linear_circuit(np.zeros((2, 2)), equations=text, rate="r", inputs={"drive": {"unit": "mV", "meaning": "input"}}, projections={"W": table})
    return Model.model_validate(made.model_dump())


def test_siegert_in_brian2_is_siegert(linear_circuit: Build) -> None:
    pattern, r, kept = np.array([[3.0, -2.0], [40.0, 0.0]]), np.zeros((2, 2)), []
    task = replace(free_run(r, 0.2), drives=(Drive(pattern, np.ones(200)),))
    for _ in range(191):
        kept.append(r)
        mu = 1e-3 * (np.einsum("ij,kj->ki", [[0, -0.2], [0.3, 0.1]], r) + 15 + pattern)
        r = r + (siegert(mu, 0.005, tau=0.2, refractory=0.002, threshold=0.02, reset=0.01) - r) * 1e-3 / 0.2
    np.testing.assert_allclose(simulate(noisy_unit(linear_circuit), task).rate, np.stack(kept[::10], axis=1), rtol=1e-12)


def test_the_units_of_siegert_are_checked(linear_circuit: Build) -> None:
    with pytest.raises(CardError, match="'20 \\* mV' is in volt, and should have 'second'"):
        check(noisy_unit(linear_circuit, NOISY_UNIT.replace("5*mV, tau,", "5*mV, 20*mV,")))
    with pytest.raises(CardError, match="'-r' is in hertz, 'r_inf' in no unit"):
        check(noisy_unit(linear_circuit, NOISY_UNIT.replace("10*mV) : Hz", "10*mV) : 1")))


def test_a_student_that_was_given_channels_is_accepted_too() -> None:
    check(catalogue.load("leaky_tanh").with_arrays({}, units=4, observed=4, channels=3))


def test_an_interrupted_run_raises_instead_of_returning_half_a_result() -> None:
    threading.Timer(1.0, os.kill, (os.getpid(), SIGINT)).start()
    with pytest.raises(KeyboardInterrupt, match="^$"):
        simulate(chaotic(1.5, 100, 0), free_run(np.full(100, 0.5), 60.0))


def test_a_run_needs_no_compiler_and_leaves_no_file(tmp_path: Path) -> None:
    code = (
        "from cortex_sim import load, simulate; from cortex_sim.tasks import free_run\n"
        "print(simulate(load('murphy_miller_2009'), free_run([[1.0, 0.5]], 0.05)).rate.tobytes().hex())"
    )
    places = {name: tmp_path / name.lower() for name in ("TMPDIR", "CORTEX_SIM_CACHE", "XDG_CACHE_HOME")}
    for place in places.values():
        place.mkdir()
    environment = os.environ | {"PATH": "/nonexistent"} | {name: str(place) for name, place in places.items()}
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    here = simulate(catalogue.load("murphy_miller_2009"), free_run(np.array([[1.0, 0.5]]), 0.05))
    assert done.stdout.strip() == here.rate.tobytes().hex()
    assert {path for path in tmp_path.rglob("*") if "matplotlib" not in str(path)} == set(places.values())  # Brian2's import lets it list fonts


REFUSED = """
import gc, sys
import cortex_sim as cs
card = cs.load("brunel_2000").model_dump()
card["synapses"][next(iter(card["synapses"]))]["on_pre"] = "v_post += w*w"
try:
    cs.simulate(cs.SpikingModel.model_validate(card), cs.tasks.spontaneous(0.1), target="numpy")
except cs.errors.CardError as problem:
    print(problem)
gc.collect()
raise ValueError("of the user's own script")
"""


def test_brian2_gives_no_advice_of_its_own() -> None:
    """Neither about objects that a refused card leaves behind, nor that a fault of the user's script be reported to its authors."""
    run = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, check=False)
    assert run.stdout.startswith("brunel_2000: Expression 'v_post + w * w' uses inconsistent units")
    said = run.stderr.splitlines()
    assert said[0].startswith("brunel_2000: NumPy, about") and said[1].startswith("Traceback") and said[-1] == "ValueError: of the user's own script"
    assert "brian" not in run.stderr.lower().removeprefix("brunel_2000")


def test_runs_leave_nothing_behind_although_garbage_collection_passes_over_what_was_there(
    linear_circuit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = linear_circuit(np.zeros((3, 3)))
    monkeypatch.setattr(frozen, "others", False)
    gc.unfreeze()  # which tests do without otherwise
    try:
        gc.collect()
        groups = []
        for _ in range(3):
            simulate(model, free_run(np.ones((2, 3)), 0.05))
            assert gc.get_freeze_count() == 0
            groups.append(sum(type(item).__name__ == "NeuronGroup" for item in gc.get_objects()))
        assert groups[0] == groups[-1]
    finally:
        gc.freeze()
