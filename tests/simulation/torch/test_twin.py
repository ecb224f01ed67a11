"""The torch twin computes what Brian2 computes, its gradients are right, and training is exactly repeatable."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy import ndarray

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError, Diverged, TaskError
from cortex_sim.fitting import _training as training
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._training import train
from cortex_sim.simulation._meaning import driven_inputs
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.torch._run import linearise
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task

Build = Callable[..., Model]
UNITS, OBSERVED, TRIALS = 7, 5, 4
STUDENTS = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]
CARDS = {name: catalogue.load(name) for name, path in catalogue.models().items() if path.parent.name != "spiking"}
RUNS = [(name, "euler") for name in CARDS] + [
    (name, "exponential_euler") for name, card in CARDS.items() if not (card.parsed.state_in_product() or card.is_map)
]
NOISE = {"hiss": {"unit": "second**-0.5", "meaning": "noise", "noise": True}}


def small(name: str, seed: int = 0, *, channels: int = 3, **changes: object) -> Model:
    """A shipped card of a few units, with every array random and asymmetric within its constraints; what a card writes unit by unit varies."""
    card = catalogue.load(name)
    written = any(p.rule == "table" for p in card.projections.values()) or any(isinstance(p.value, list) for p in card.parameters.values())
    units = card.units if written else UNITS
    observed = None if card.readout is None else OBSERVED if card.initial else units
    dt = card.dt.model_copy(update={"value": max(card.dt.value, 0.2)})  # fewer steps
    card = card.model_copy(update={"units": units, "observed": observed, "channels": channels if card.kind == "rnn" else 0, "dt": dt})
    rng, arrays = np.random.default_rng(seed), {}
    if written:
        return card.with_arrays({label: array * rng.uniform(0.7, 1.3, array.shape) for label, array in card.arrays().items()}, **changes)
    for label, p in card.projections.items():
        made = rng.normal(size=(card.size(p.rows), card.size(p.columns))) / np.sqrt(card.size(p.columns))
        made = np.diag(rng.uniform(1, 3, len(made))) if p.rule == "diagonal" else made
        made = made if p.self_connections else made - np.diag(np.diag(made))
        made = made if p.rank is None else np.outer(made[:, 0], made[0])
        arrays[label] = made if p.excitatory is None else np.abs(made) * np.where(np.arange(UNITS) < round(p.excitatory * UNITS), 1.0, -1.0)
    arrays |= {label: 0.3 * rng.normal(size=card.size(p.over)) for label, p in card.parameters.items() if p.over}
    return card.with_arrays(arrays, **changes)


def busy_task(model: Model, seed: int = 0) -> Task:
    """Reaches with channels, a preparatory drive, a push, two clamps and given initial rates."""
    rng, observed = np.random.default_rng(seed), model.size("observed")
    task = centre_out(TRIALS, holding=rng.normal(size=(TRIALS, observed)), preparation=0.06, movement=0.08)
    step = np.arange(task.steps)
    clamps = (Clamp(np.array([0]), 0.1, (step >= 30) & (step < 50)), Clamp(np.array([0, 1]), -0.2, (step >= 80) & (step < 100)))
    push = Drive(rng.normal(size=(TRIALS, observed)), ((step >= 70) & (step < 110.0) | (step > 125)).astype(float), "push")
    initial = rng.uniform(-0.4, 0.4, (TRIALS, observed))
    drives = (*task.drives, replace(push, course=push.course.astype(float))) if driven_inputs(model) else ()
    busy = replace(task, initial=initial, clamps=clamps, drives=drives)
    try:
        Problem(model, model.arrays(), busy).initial()
    except TaskError:  # the rate hears projections or inputs too, or falls with the state, so no rates say where to start
        return replace(busy, initial=None)
    return busy


@pytest.mark.parametrize(("name", "integrator"), RUNS)
def test_the_twin_of_every_card_is_brian2(name: str, integrator: str) -> None:
    model = small(name, integrator=integrator)
    brian, twin = (simulate(model, busy_task(model), backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * np.abs(brian).max())
    assert np.abs(np.diff(brian, axis=1)).max() > 0.05  # something happened


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_the_twin_draws_the_same_noise(linear_circuit: Build, integrator: str) -> None:
    text = "dx/dt = (-x + W(r) + 0.3*second**0.5*hiss(t, i))/tau : 1\nr = tanh(x) : 1 (constant over dt)"
    model = linear_circuit(np.random.default_rng(0).normal(size=(UNITS, UNITS)), equations=text, inputs=NOISE, integrator=integrator)
    task = Task("rest", 0.0, 0.2, np.arange(TRIALS))
    brian, twin = (simulate(model, task, seed=5, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12)
    assert np.abs(brian).max() > 0.01


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("dx/dt = (-x + W(r))/tau : 1\nr = (0.3 + 0.4*int(x > 0))*tanh(x) : 1 (constant over dt)", id="a branch"),
        pytest.param("dx/dt = (-x + W(r) + sin(t/tau))/tau : 1\nr = tanh(x) : 1 (constant over dt)", id="a function of time"),
        pytest.param("dx/dt = (-x + W(r) + hiss(t, i)*sqrt(tau))/tau : 1\nr = tanh(x) : 1 (constant over dt)", id="a function of a parameter"),
        pytest.param("dx/dt = (-x + W(r))/tau : 1\nr = x + 0.1*int(20*x) : 1 (constant over dt)", id="a staircase"),
        pytest.param("dx/dt = (-x + W(r) - y)/tau : 1\ndy/dt = (x - y)/(pi*tau) : 1\nr = tanh(x) : 1 (constant over dt)", id="two variables"),
        pytest.param("dx/dt = (y - x)/tau : 1\ndr/dt = (W(r)*x - r)/tau : 1\ndy/dt = (r**2 - y)/tau : 1", id="the second is the rate"),
        pytest.param(
            "dx/dt = (-x + W(r))/tau : 1\nr = 0.1*second*siegert((20 + x)*mV, (4 + x)*mV, tau, 2*ms, 20*mV, 10*mV) + x : 1 (constant over dt)",
            id="siegert",
        ),
    ],
)  # fmt: skip
def test_the_twin_is_brian2_for_any_mathematics(linear_circuit: Build, text: str) -> None:
    model = linear_circuit(np.random.default_rng(0).normal(size=(UNITS, UNITS)), equations=text, inputs=NOISE)
    task = Task("rest", 0.0, 0.2, np.arange(TRIALS), initial=np.random.default_rng(1).uniform(-0.2, 0.2, (TRIALS, UNITS)))
    brian, twin = (simulate(model, task, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12)


def test_the_gated_card_is_torchs_own_gru() -> None:
    model = small("gru")
    arrays = {name: torch.tensor(array) for name, array in model.arrays().items()}
    published = torch.nn.GRU(3, UNITS, batch_first=True, dtype=torch.float64)
    zero = torch.zeros(UNITS, dtype=torch.float64)
    published.weight_ih_l0.data = torch.cat([arrays["W_q"], arrays["W_z"], arrays["W_n"]])
    published.weight_hh_l0.data = torch.cat([arrays["U_q"], arrays["U_z"], arrays["U_n"]])
    published.bias_ih_l0.data = torch.cat([arrays["b_q"], arrays["b_z"], arrays["b_n"]])
    published.bias_hh_l0.data = torch.cat([zero, zero, arrays["c_n"]])
    task = replace(busy_task(model), drives=(), clamps=())
    assert task.channels is not None and task.initial is not None
    channels = torch.tensor(task.channels.values).reshape(TRIALS, -1, 10, 3).mean(dim=2)
    start = torch.tensor(task.initial) @ arrays["E"].T + arrays["e"]
    hidden = torch.cat([start[:, None], published(channels[:, :-1], start[None])[0]], dim=1)
    np.testing.assert_allclose(simulate(model, task).rate, (hidden @ arrays["C"].T + arrays["d"]).detach().numpy(), atol=1e-13)


@pytest.mark.parametrize("name", [name for name in STUDENTS if "spike(" not in CARDS[name].equations])  # a step has another slope by design
def test_gradients_equal_finite_differences(name: str) -> None:
    model = small(name)
    twin, schedule = Twin(model, model.arrays()), Problem(model, model.arrays(), busy_task(model))
    weights = torch.tensor(np.random.default_rng(2).normal(size=(TRIALS, schedule.task.bins, model.size("observed"))))
    parameters = dict(twin.named_parameters())
    (weights * twin.observe(twin(schedule))).sum().backward()
    for label, parameter in parameters.items():
        direction, step, sides = torch.randn_like(parameter), 1e-5, []
        for sign in (step, -2 * step):
            parameter.data += sign * direction
            sides.append((weights * twin.observe(twin(schedule))).sum().item())
        parameter.data += step * direction
        assert parameter.grad is not None
        slope = (parameter.grad * direction).sum().item()
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-7), label  # third derivative times step^2


@pytest.mark.parametrize("name", ["murphy_miller_2009", "sompolinsky_1988", "leaky_tanh"])
@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_linearised_steps_have_their_closed_form(name: str, integrator: str) -> None:
    model, x = small(name, integrator=integrator), np.random.default_rng(3).normal(size=UNITS)
    gain = np.ones(UNITS) if name == "murphy_miller_2009" else 1 - np.tanh(x) ** 2
    step = model.dt.si / model.scalars["tau"]
    kept = 1 - step if integrator == "euler" else np.exp(-step)
    W = next(iter(model.arrays().values()))
    np.testing.assert_allclose(linearise(model, model.arrays(), x), kept * np.eye(UNITS) + (1 - kept) * W * gain, atol=1e-14)


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
def test_a_linearised_step_of_two_variables_has_its_closed_form(linear_circuit: Build, integrator: str) -> None:
    W, one = np.random.default_rng(0).normal(size=(3, 3)), np.eye(3)
    text = "dx/dt = (-x + W(r) - a)/tau : Hz\nda/dt = (-a + 2*x)/(3*tau) : Hz\nr = x : Hz (constant over dt)"
    model = linear_circuit(W, equations=text, integrator=integrator, dt=1e-2)
    kept = (1 - 0.05, 1 - 0.05 / 3) if integrator == "euler" else (np.exp(-0.05), np.exp(-0.05 / 3))
    goal = np.block([[W, -one], [2 * one, 0 * one]])
    step = np.diag(np.repeat(kept, 3)) + np.diag(1 - np.repeat(kept, 3)) @ goal
    np.testing.assert_allclose(linearise(model, model.arrays(), np.ones(6)), step, atol=1e-14)
    with pytest.raises(TaskError, match=r"linear: the state has 3 numbers; it should have 6, 2 \(x, a\) for each of 3 units"):
        linearise(model, model.arrays(), np.ones(3))


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_dales_law_survives_every_step_of_every_optimiser(optimiser: type[torch.optim.Optimizer]) -> None:
    model = small("leaky_dale")
    twin, schedule = Twin(model, model.arrays()), Problem(model, model.arrays(), busy_task(model))
    np.testing.assert_array_equal(twin.arrays()["W"], model.arrays()["W"])
    teacher, flips = optimiser(twin.parameters(), lr=0.3, weight_decay=0.1), 0
    for _ in range(30):
        before = twin.parametrizations["W"].original.detach().clone()
        teacher.zero_grad()
        ((twin(schedule) + 1) ** 2).mean().backward()
        teacher.step()
        flips += int((before * twin.parametrizations["W"].original < 0).sum())
        W = twin.arrays()["W"]
        assert (W[:, :4] >= 0).all() and (W[:, 4:] <= 0).all()
    assert flips > 0  # raw values did cross zero, so the law was put to the test


def trainings(trials: int = 12) -> tuple[TrainingData, TrainingData]:
    """Rates of another network of the same class on random starts and pushes, for training and for validation."""
    rng, teacher, made = np.random.default_rng(7), small("leaky_tanh", seed=8, channels=0), []
    for _ in range(2):
        drive = Drive(rng.normal(size=(trials, UNITS)), np.ones(150))
        task = Task("training", 0.0, 0.15, np.arange(trials), initial=rng.uniform(-0.3, 0.3, (trials, UNITS)), drives=(drive,))
        rates = simulate(teacher, task).rate
        made.append(TrainingData(replace(task, initial=rates[:, 0]), rates, rates.std(axis=(0, 1))))
    return made[0], made[1]


def pupil(name: str = "leaky_tanh") -> Model:
    """An untrained network with the readout that made the training data."""
    return small(name, channels=0).with_arrays({part: small("leaky_tanh", seed=8).arrays()[part] for part in ("C", "d")})


SETTINGS = Options(epochs=8, batch=5, rate=2e-2)


def same(a: dict[str, ndarray], b: dict[str, ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def check_loss(student: Model, arrays: dict[str, ndarray], training: TrainingData) -> float:
    """The loss as its definition says, by an ordinary simulation."""
    rates = simulate(student.with_arrays(arrays), training.task).rate
    return float((((rates - training.rates) / training.scale) ** 2).mean())


def test_training_lowers_the_loss_and_follows_its_seed() -> None:
    first, again, other = (train(pupil(), *trainings(), options=SETTINGS, seed=seed) for seed in (1, 1, 2))
    assert first.train == again.train and same(first.arrays, again.arrays)
    assert first.train != other.train and not same(first.arrays, other.arrays)
    assert first.train[-1] < 0.5 * first.train[0]
    assert first.best == min(first.validation) == pytest.approx(check_loss(pupil(), first.arrays, trainings()[1]), rel=1e-4)  # float32


def test_a_loss_of_one_is_the_error_of_predicting_every_units_mean() -> None:
    training, check = trainings()
    ignorant = pupil().with_arrays({"C": np.zeros((UNITS, UNITS)), "d": training.rates.mean(axis=(0, 1))})
    course = train(ignorant, training, check, options=Options(epochs=1, batch=12), seed=0)
    assert course.train == pytest.approx([1.0], rel=1e-5)  # float32


@pytest.mark.parametrize("killed", [1, 4, 7])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: int) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", -1.0)
    whole = train(pupil("leaky_dale"), *trainings(), options=SETTINGS, seed=3)
    calls = []

    def kill(done: float, text: str) -> None:
        calls.append(done)
        if len(calls) == killed + 1:
            raise MemoryError("killed")

    checkpoint = tmp_path / "fits" / "student.pt"
    with pytest.raises(MemoryError, match="killed"):
        train(pupil("leaky_dale"), *trainings(), options=SETTINGS, seed=3, checkpoint=checkpoint, report=kill)
    assert checkpoint.exists()
    seen: list[float] = []
    resumed = train(pupil("leaky_dale"), *trainings(), options=SETTINGS, seed=3, checkpoint=checkpoint, report=lambda done, text: seen.append(done))
    assert len(seen) == SETTINGS.epochs - killed  # the epochs before the checkpoint were not done again
    assert resumed.train == whole.train and resumed.validation == whole.validation and same(resumed.arrays, whole.arrays)
    assert not list(tmp_path.rglob("*.pt"))


def test_ctrl_c_keeps_the_best_weights_so_far(tmp_path: Path) -> None:
    def interrupt(done: float, text: str) -> None:
        if done >= 0.5:
            raise KeyboardInterrupt

    course = train(pupil(), *trainings(), options=SETTINGS, seed=0, report=interrupt)
    assert course.interrupted and course.epoch == SETTINGS.epochs / 2
    assert check_loss(pupil(), course.arrays, trainings()[1]) == pytest.approx(min(course.validation), rel=1e-4)  # float32


def test_training_stops_when_validation_has_not_improved_for_the_patience() -> None:
    course = train(pupil(), *trainings(), options=Options(epochs=50, rate=0.0, patience=4), seed=0)
    assert course.epoch == 4


def test_a_loss_that_is_not_finite_is_an_error_in_its_epoch(linear_circuit: Build) -> None:
    W = linear_circuit(np.eye(3)).projections["W"].model_copy(update={"learn": True})
    student = linear_circuit(np.eye(3) * 0.5, dt=0.01, kind="rnn", projections={"W": W.model_dump()})
    task = Task("fall", 0.0, 0.3, np.arange(6), initial=np.random.default_rng(0).normal(size=(6, 3)))
    training = TrainingData(task, np.ones((6, 30, 3)), np.ones(3))
    with pytest.raises(Diverged, match=r"^linear: training diverged in epoch 2, after a loss of 1\.81; the loss is nan\. Take a lower"):
        train(student, training, training, options=Options(epochs=20, rate=1e6), seed=0)


def test_training_never_returns_worse_weights_than_it_started_from() -> None:
    training, check = trainings()
    perfect = pupil().with_arrays(small("leaky_tanh", seed=8, channels=0).arrays())
    course = train(perfect, training, check, options=Options(epochs=1, rate=0.1), seed=0)
    assert check_loss(perfect, course.arrays, check) < 1e-9  # what it started from, to float32


def test_a_noisy_student_can_be_trained_in_batches() -> None:
    text = pupil().equations.replace("drive(t, i)", "drive(t, i) + 0.01*second**0.5*hiss(t, i)")
    noisy = pupil().with_arrays({}, equations=text, inputs=pupil().model_dump()["inputs"] | NOISE)
    assert np.isfinite(train(noisy, *trainings(), options=SETTINGS, seed=0).train).all()


HEARD = {"drive": {"unit": "1", "meaning": "drive"}, "hiss": NOISE["hiss"], "hum": NOISE["hiss"] | {"unit": "ms**-0.5"},
         "mixed": NOISE["hiss"] | {"weights": "W"}}  # fmt: skip
SEVERAL = {
    "noise in two lines": "dx/dt = (-x + y + W(r))/tau + 0.1*hiss(t, i)/sqrt(tau) : 1\ndy/dt = -y/tau + 0.1*hiss(t, i)/sqrt(tau) : 1",
    "noise twice in a line": "dx/dt = (-x + W(r))/tau + 0.1*(hiss(t, i) - 0.5*hiss(t, i))/sqrt(tau) : 1",
    "noise in a subexpression of two states": "dx/dt = (n - x)/tau : 1\ndy/dt = (n - y + W(r))/tau : 1\nn = hiss(t, i)*sqrt(tau) : 1",
    "noise held over dt": "dx/dt = (n - x + W(r))/tau + hiss(t, i)/sqrt(tau) : 1\nn = hiss(t, i)*sqrt(tau) : 1 (constant over dt)",
    "two noises": "dx/dt = (-x + W(r))/tau + (0.1*hiss(t, i) + 0.2*mixed(t, i))/sqrt(tau) : 1",
    "noise of another unit": "dx/dt = (-x + W(r))/tau + 0.1*hum(t, i)/sqrt(tau) : 1",
    "a drive in rate and derivative": "dx/dt = (-x + W(r) + drive(t, i))/tau : 1\nq = 0.1*drive(t, i) : 1",
    "a projection called twice": "dx/dt = (-x + W(r) - 2*W(r*r))/tau : 1",
    "a projection of two subexpressions": "dx/dt = (-x + p*q)/tau : 1\np = W(r) : 1\nq = W(2*r - 1) : 1",
    "a vector of parameters": "dx/dt = (-x + W(r) + drive(t, i))/tau_each : 1\ntau_each : second (constant)",
}


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_the_twin_is_brian2_where_things_are_named_often(linear_circuit: Build, text: str, integrator: str) -> None:
    rng = np.random.default_rng(0)
    rate = "r = tanh(x) + q : 1 (constant over dt)" if "\nq = 0.1" in text else "r = tanh(x) : 1 (constant over dt)"
    each = {"tau_each": {"value": [20.0 + 5 * unit for unit in range(UNITS)], "unit": "ms", "over": "units", "meaning": "time constants"}}
    parameters = {"tau": {"value": 20, "unit": "ms", "meaning": "time constant"}} | (each if "tau_each" in text else {})
    model = linear_circuit(rng.normal(size=(UNITS, UNITS)), equations=f"{text}\n{rate}", inputs=HEARD, parameters=parameters, integrator=integrator)
    task = Task("rest", 0.0, 0.1, np.arange(TRIALS))
    drive = Drive(rng.normal(size=(TRIALS, UNITS)), (np.arange(task.steps) < 50).astype(float))
    task = replace(task, drives=(drive,))
    brian, twin = (simulate(model, task, seed=5, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * max(1.0, np.abs(brian).max()))


def test_noise_is_as_strong_as_its_unit_says(linear_circuit: Build) -> None:
    found = []
    for unit in ("second**-0.5", "ms**-0.5"):
        hiss = {"hiss": {"unit": unit, "meaning": "noise", "noise": True}}
        model = linear_circuit(np.zeros((2, 2)), equations="dx/dt = -x/tau + hiss(t, i)/sqrt(tau) : 1\nr = x : 1 (constant over dt)", inputs=hiss)
        found.append(simulate(model, Task("rest", 0.0, 0.1, np.arange(2)), backend="torch").rate)
    np.testing.assert_allclose(found[1], np.sqrt(1000) * found[0], rtol=1e-12)
    with pytest.raises(CardError, match=r"^\[inputs.hiss\] has unit 'Hz'; white noise has one with the root of a time"):
        linear_circuit(np.zeros((2, 2)), inputs={"hiss": NOISE["hiss"] | {"unit": "Hz"}})


def test_a_subexpression_that_holds_the_state_decays_exactly(linear_circuit: Build) -> None:
    text = "dx/dt = leak/tau : 1\nleak = -x : 1\nr = x : 1 (constant over dt)"
    model = linear_circuit(np.zeros((1, 1)), dt=5e-3, equations=text, integrator="exponential_euler", inputs={})
    task = Task("rest", 0.0, 0.22, np.arange(1), initial=np.ones((1, 1)))
    for backend in ("brian", "torch"):
        assert simulate(model, task, backend=backend).rate[0, 20, 0] == pytest.approx(np.exp(-1), rel=1e-12)
    with pytest.raises(CardError, match="exponential_euler needs a derivative linear in 'x'"):
        linear_circuit(np.zeros((1, 1)), equations=text.replace("= -x : 1", "= -x*x : 1"), integrator="exponential_euler", inputs={})


def test_the_first_thing_that_a_process_asks_of_torch_may_be_a_derivative() -> None:
    """Torch imports parts of itself when they are first needed, also amid the evaluation of an equation."""
    asked = "m = load('hennequin_2014').with_arrays({}, units=20); print(linearise(m, m.arrays(), np.ones(m.dimension)).shape)"
    code = f"import numpy as np; from cortex_sim import load; from cortex_sim.simulation.torch import linearise; {asked}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stdout == "(20, 20)\n", run.stderr
