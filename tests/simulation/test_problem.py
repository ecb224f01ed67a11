"""What reaches a model is what the task says, on the model's own steps and in its own variables."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import TaskError
from cortex_sim.runtime import _memory
from cortex_sim.simulation._dynamics import rate_of
from cortex_sim.simulation._problem import USED, Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task

Circuit = Callable[..., Model]


def course(task: Task) -> np.ndarray:
    return np.sin(np.arange(task.steps))


@pytest.fixture
def hidden() -> Model:
    """300 hidden units read out as 200 rates by a well-conditioned random matrix, with an offset."""
    model = catalogue.load("leaky_readout")
    return model.with_arrays({"d": np.linspace(1, 2, 200)}, channels=3)


@pytest.mark.parametrize("dt", [0.25e-3, 0.5e-3, 1e-3, 2e-3, 5e-3, 10e-3])
def test_a_course_is_repeated_on_finer_steps_and_averaged_on_coarser_ones(dt: float, linear_circuit: Circuit) -> None:
    task = free_run(np.ones((2, 3)), 0.2)
    schedule = Problem(linear_circuit(np.zeros((3, 3)), dt=dt), {}, task)
    two = np.stack([course(task), 2 * course(task)], axis=1)
    found = schedule.resample(two)
    assert schedule.every * dt == pytest.approx(0.01) and schedule.steps == 19 * schedule.every + 1 == len(found)
    for step in range(schedule.steps):
        covered = two[int(step * dt / 1e-3 + 1e-9) : max(int(step * dt / 1e-3 + 1e-9) + 1, round((step + 1) * dt / 1e-3))]
        assert np.allclose(found[step], covered.mean(axis=0), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("dt", "message"),
    [
        (0.3e-3, "linear: dt 0.3 ms should divide the task's 1 ms grid, or be a multiple of it"),
        (1.5e-3, "linear: dt 1.5 ms should divide"),
        (4e-3, "linear: dt 4 ms should divide the 10 ms bin"),
        (20e-3, "linear: dt 20 ms should divide the 10 ms bin"),
        (1e3, r"linear: dt 1e\+06 ms should divide the 10 ms bin"),
    ],
)
def test_a_step_that_misses_the_bins_is_refused(dt: float, message: str, linear_circuit: Circuit) -> None:
    with pytest.raises(TaskError, match=message):
        Problem(linear_circuit(np.zeros((3, 3)), dt=dt), {}, free_run(np.ones((2, 3)), 0.2))


def test_inputs_for_another_number_of_units_are_refused(linear_circuit: Circuit, hidden: Model) -> None:
    model, task = linear_circuit(np.zeros((3, 3))), free_run(np.ones((2, 3)), 0.2)
    with pytest.raises(TaskError, match="task 'free run': initial is for 4 units; linear has 3 observed units"):
        Problem(model, {}, free_run(np.ones((2, 4)), 0.2))
    with pytest.raises(TaskError, match="task 'free run': push is for 5 units; linear has 3 observed units"):
        Problem(model, {}, replace(task, drives=(Drive(np.ones((2, 5)), course(task), "push"),)))
    with pytest.raises(TaskError, match="leaky_readout listens to 2 channels; task 'delayed centre-out reaching' has 3"):
        _ = Problem(hidden.with_arrays({}, channels=2), {}, centre_out(2)).stimuli
    with pytest.raises(TaskError, match="leaky_readout listens to 3 channels; task 'free run' has 0"):
        _ = Problem(hidden, {}, free_run(np.ones((2, 200)), 0.2)).stimuli


def test_a_clamp_on_units_that_do_not_exist_is_refused(linear_circuit: Circuit) -> None:
    task = free_run(np.ones((2, 3)), 0.2)
    with pytest.raises(TaskError, match="silencing"):
        _ = Problem(linear_circuit(np.zeros((3, 3))), {}, replace(task, clamps=(Clamp(np.array([5]), 0.0, course(task) > 0),))).clamps


def test_channels_arrive_on_the_models_steps(hidden: Model) -> None:
    task = centre_out(4)
    (name, values), *others = Problem(hidden, hidden.arrays(), task).stimuli.items()
    assert (name, others) == ("stimulus", []) and task.channels is not None
    assert np.allclose(values, task.channels.values[:, ::10], atol=1e-15)  # constant within bins


def test_a_push_moves_the_observed_rates_as_asked_by_the_least_change_of_state(hidden: Model) -> None:
    task = free_run(np.ones((2, 200)), 0.1)
    asked = np.random.default_rng(0).standard_normal((2, 200))
    drives = (Drive(asked, course(task), "push"), Drive(asked, 0 * course(task), "nothing"))
    schedule = Problem(hidden, hidden.arrays(), replace(task, drives=drives))
    C = schedule.arrays["C"]
    ((pattern, _),) = schedule.patterns  # one that is never on is left out
    assert np.linalg.svd(C, compute_uv=False)[-1] > USED * np.linalg.norm(C, 2)
    assert np.allclose(pattern @ C.T, asked, rtol=0, atol=1e-12)
    assert np.allclose(pattern, np.linalg.lstsq(C, asked.T)[0].T, rtol=0, atol=1e-12)  # the minimum-norm solution
    assert np.allclose(schedule.carrier, C.T @ np.linalg.inv(C @ C.T), atol=1e-12)


def test_directions_the_readout_hardly_uses_are_not_pushed(hidden: Model) -> None:
    rng = np.random.default_rng(1)
    U, V = (np.linalg.qr(rng.standard_normal((n, 200)))[0] for n in (200, 300))
    strength = np.r_[np.linspace(2, 1, 150), np.full(50, 0.9 * USED * 2)]
    C, size = U * strength @ V.T, rng.uniform(0.3, 3, (200, 1))
    even = C / np.linalg.norm(C, axis=1, keepdims=True)
    strong, values, axes = np.linalg.svd(even)
    used = values > USED * values[0]
    assert 100 < used.sum() < 200
    expected = axes[:200][used].T / values[used] @ strong[:, used].T
    carrier = Problem(hidden, {"C": size * even}, free_run(np.ones((2, 200)), 0.1)).carrier
    assert np.allclose(carrier, expected / size.T, atol=1e-12)


def test_units_observed_themselves_need_no_carrier(linear_circuit: Circuit) -> None:
    task = free_run(np.ones((2, 3)), 0.1)
    schedule = Problem(linear_circuit(np.eye(3)), {}, replace(task, drives=(Drive(np.ones((2, 3)), course(task)),)))
    assert schedule.carrier is None and np.array_equal(schedule.patterns[0][0], np.ones((2, 3)))


HELD = np.array([3, 17, 150])


@pytest.mark.parametrize("name", ["leaky_readout", "leaky_tanh", "gru", "sompolinsky_1988"])
def test_clamped_units_hold_their_rate_exactly_while_the_clamp_is_on(name: str) -> None:
    model = catalogue.load(name)
    observed = model.size("observed")
    if model.readout:
        model = model.with_arrays({model.readout.offset: np.linspace(-0.2, 0.2, observed)})
    task = free_run(np.random.default_rng(2).uniform(-0.5, 0.5, (2, observed)), 0.2)
    held = (task.fine_time > 0.0495) & (task.fine_time < 0.1195)
    rates = simulate(model, replace(task, clamps=(Clamp(HELD, 0.25, held),)), backend="torch").rate
    free = simulate(model, task, backend="torch").rate
    assert np.allclose(rates[:, 5:12, HELD], 0.25, rtol=0, atol=observed * np.finfo(float).eps * 10)
    before = np.allclose(rates[:, :5], free[:, :5], rtol=1e-12, atol=1e-13)  # what holds a unit is stepped another way, the same to round-off
    assert before and not np.allclose(rates[:, 12:], free[:, 12:], atol=1e-6)
    assert not np.isclose(rates[:, 13:, HELD], 0.25, atol=1e-9).any()  # released


def test_two_clamps_at_once_hold_both_sets_of_hidden_readouts(hidden: Model) -> None:
    task = free_run(np.ones((2, 200)), 0.1)
    clamps = (Clamp(np.arange(40), 0.0, course(task) < 2), Clamp(np.arange(100, 140), 1.0, course(task) < 2))
    schedule = Problem(hidden, hidden.arrays(), replace(task, clamps=clamps))
    r = np.random.default_rng(3).standard_normal(300)
    for gain, rows, wanted, _ in schedule.clamps:
        r = r + gain @ (wanted - rows @ r)
    y = schedule.arrays["C"] @ r + schedule.arrays["d"]
    assert np.allclose(y[:40], 0, atol=1e-9) and np.allclose(y[100:140], 1, atol=1e-9)


def test_noise_is_white_of_unit_intensity_and_belongs_to_its_seed(linear_circuit: Circuit) -> None:
    model, task = linear_circuit(np.zeros((50, 50)), dt=0.5e-3), free_run(np.ones((40, 50)), 0.2)
    draws = [np.array(list(islice(Problem(model, {}, task, seed).noise("drive"), 100))) for seed in (0, 0, 1)]
    assert np.array_equal(draws[0], draws[1]) and abs(np.corrcoef(draws[0].ravel(), draws[2].ravel())[0, 1]) < 5 / np.sqrt(draws[0].size)
    assert draws[0].var() == pytest.approx(1 / 0.5e-3, rel=5 * np.sqrt(2 / draws[0].size))
    walk = draws[0].sum(axis=0) * 0.5e-3  # a Wiener process after 50 ms
    assert walk.var() == pytest.approx(0.05, rel=5 * np.sqrt(2 / walk.size))


def test_a_run_starts_at_rest_or_where_the_observed_rates_are_the_tasks(hidden: Model) -> None:
    rates = np.random.default_rng(4).uniform(-0.9, 0.9, (3, 200))
    task = free_run(rates, 0.1)
    assert not Problem(hidden, hidden.arrays(), replace(task, initial=None)).initial().any()
    arrays = hidden.arrays() | {"e": np.arange(300.0)}
    assert np.allclose(Problem(hidden, arrays, task).initial(), np.einsum("ij,tj->ti", arrays["E"], rates) + np.arange(300), atol=1e-12)
    plain = catalogue.load("leaky_tanh").with_arrays({"C": np.diag(np.linspace(1, 3, 200)), "d": np.full(200, 0.05)})
    schedule = Problem(plain, plain.arrays(), task)
    assert np.allclose(schedule.observe(rate_of(plain, schedule.initial())[:, None].repeat(10, axis=1)).rate[:, 0], rates, atol=1e-12)


def test_observed_rates_are_read_out_and_say_what_they_are(hidden: Model, linear_circuit: Circuit) -> None:
    r = np.random.default_rng(5).standard_normal((2, 10, 300))
    schedule = Problem(hidden, hidden.arrays(), free_run(np.ones((2, 200)), 0.1), seed=7)
    trials = schedule.observe(r)
    assert np.allclose(trials.rate, np.einsum("ij,tsj->tsi", schedule.arrays["C"], r) + np.linspace(1, 2, 200), atol=1e-12)
    assert trials.dataset["rate"].attrs["units"] == "Hz" and trials.condition.tolist() == [0, 1]
    assert trials.provenance == {"model": "leaky_readout", "model_key": hidden.key, "task": "free run", "seed": 7, "dt_s": 0.01}
    plain = catalogue.load("sompolinsky_1988")
    assert Problem(plain, {}, free_run(np.ones((2, 1000)), 0.1)).observe(np.ones((2, 10, 1000))).dataset["rate"].attrs["units"] == "1"


def test_a_run_that_does_not_fit_in_memory_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    model = catalogue.load("sompolinsky_1988").with_arrays({}, units=200)
    delayed = model.with_arrays({}, projections={"J": model.projections["J"].model_dump() | {"delay": {"value": 1e12, "unit": "ms"}}})
    with pytest.raises(TaskError, match=r"1 trials of 181 steps of 200 units would take 3,200,000 GB of memory"):
        simulate(delayed, free_run(np.zeros((1, 200)), 0.1))
    monkeypatch.setattr(_memory, "memory", lambda: 1e8)
    with pytest.raises(TaskError, match=r"1 trials of 1999981 steps of 200 units would take 0.5 GB of memory; 50% of the 0\.1 GB"):
        simulate(model, free_run(np.zeros((1, 200)), 1e3))
