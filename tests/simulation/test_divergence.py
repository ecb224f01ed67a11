"""A run or a training that leaves all bounds is refused at the first moment at which that is certain, by every backend in the same words."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import Diverged, OptionError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options, TrainingHistory
from cortex_sim.simulation._divergence import BOUND
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Trials

Build = Callable[..., Model]
GAIN, DT = 50.0, 0.01  # of the self-connection
FACTOR = 1 + 0.05 * (GAIN - 1)  # of the state in a step, with tau of 0.2 s
STEPS = int(np.ceil(np.log(BOUND / 2.0) / np.log(FACTOR)))


def task(bins: int = 60) -> Task:
    return Task("away", 0.0, bins * DT, np.arange(2), initial=np.array([[1.0, 0.0], [0.0, 2.0]]))


@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_the_first_bin_beyond_the_bound_is_named(linear_circuit: Build, backend: str) -> None:
    """Of dx/dt = (g - 1) x/tau, Euler steps are powers of 1 + dt (g - 1)/tau."""
    model = linear_circuit(GAIN * np.eye(2), dt=DT)
    simulate(model, task(STEPS), backend=backend)  # ends one bin before
    with pytest.raises(Diverged, match=re.escape(f"diverged; state 1 in trial 1 is {2 * FACTOR**STEPS:.3g} at {STEPS * DT:g} s; its dynamics")):
        simulate(model, task(STEPS + 1), backend=backend)


@pytest.mark.parametrize("backend", ["brian", "torch"])
@pytest.mark.parametrize("rate", ["x", "r"])
def test_the_first_step_beyond_the_bound_is_named_though_it_is_inside_a_bin(linear_circuit: Build, backend: str, rate: str) -> None:
    extra = {} if rate == "x" else {"equations": "dx/dt = (-x + W(x))/tau : 1\nr = tanh(x) : 1 (constant over dt)", "rate": "r"}
    model = linear_circuit(GAIN * np.eye(2), dt=DT / 20, **extra)
    steps = int(np.ceil(np.log(BOUND / 2.0) / np.log(1 + 0.0025 * (GAIN - 1))))
    assert steps % 20 and steps > 40
    value = 2 * (1 + 0.0025 * (GAIN - 1)) ** steps
    start = np.array([[1.0, 0.0], [0.0, 2.0]])
    ready = Task("away", 0.0, 3.0, np.arange(2), initial=start if rate == "x" else np.tanh(start))
    with pytest.raises(Diverged, match=re.escape(f"diverged; state 1 in trial 1 is {value:.3g} at {steps * DT / 20:.6g} s; its dynamics")):
        simulate(model, ready, backend=backend)


@pytest.mark.parametrize("backend", ["brian", "torch"])
@pytest.mark.parametrize("text", ["dx/dt = -x**3/(1*ms) : 1", "dx/dt = x**2/(1*ms) + W(r)/(1*ms) : 1"])
def test_a_state_that_is_no_number_is_refused_where_the_rate_still_is_one(linear_circuit: Build, backend: str, text: str) -> None:
    """tanh of infinity is 1, so that rates alone would not tell."""
    model = linear_circuit(np.zeros((2, 2)), dt=0.01, equations=f"{text}\nr = tanh(x) : 1 (constant over dt)", rate="r")
    ready = model.with_arrays({}, initial_values={"x": {"value": 20, "meaning": "far away"}})
    with pytest.raises(Diverged, match="diverged; state 0 in trial 0 is"):
        simulate(ready, Task("rest", 0.0, 0.5, np.arange(1)), backend=backend)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_no_epoch_of_a_loss_that_is_no_number_is_noted(loss: float) -> None:
    history = TrainingHistory({}, best=0.3)
    history.keep(0.5, 0.4, {}, named="net")
    with pytest.raises(Diverged, match=r"^net: training diverged in epoch 2, after a loss of 0\.5; the loss is"):
        history.keep(loss, 0.1, {"W": np.zeros(1)}, named="net")
    assert history.epoch == 1 and history.best == 0.3


@pytest.mark.parametrize(("loss", "weight"), [(np.nan, 0.0), (np.inf, 0.0), (0.1, np.nan), (0.1, np.inf)])
def test_the_best_epoch_survives_a_divergence_after_it(loss: float, weight: float, capsys: pytest.CaptureFixture[str]) -> None:
    history, good = TrainingHistory({"W": np.zeros(1)}, best=0.9), {"W": np.ones(1)}
    history.keep(0.6, 0.5, {"W": np.full(1, 3.0)}, named="net")
    history.keep(0.5, 0.4, good, named="net")
    history.keep(0.7, 0.6, {"W": np.full(1, 4.0)}, named="net")
    assert history.goes_on(Options())
    history.keep(loss, 0.1, {"W": np.full(1, weight)}, named="net")
    assert history.arrays is good and history.epoch == 3 and not history.goes_on(Options())
    assert "net: training diverged in epoch 4, after a loss of 0.7; " in (said := capsys.readouterr().err)
    assert "The weights of epoch 2 are returned" in said


def test_a_training_that_diverges_late_returns_its_best_epoch(linear_circuit: Build, capsys: pytest.CaptureFixture[str]) -> None:
    """An optimiser whose momentum is above 1 moves on ever faster: first towards what is wanted, then beyond all numbers."""
    W = linear_circuit(np.eye(3)).projections["W"].model_copy(update={"learn": True})
    student = linear_circuit(np.eye(3) * 0.5, dt=0.01, kind="rnn", projections={"W": W.model_dump()})
    task = Task("fall", 0.0, 0.3, np.arange(6), initial=np.random.default_rng(0).normal(size=(6, 3)))
    wanted = simulate(student.with_arrays({"W": np.eye(3) * 0.9}), task)
    options = Options(epochs=200, rate=1e-2, patience=200, optimiser="sgd", momentum=3.0, closed_form=False, validation=0.0)
    fitted = train(student, wanted, task, options=options)
    best = int(np.argmin(fitted.validation)) + 1
    assert fitted.diverged and f"The weights of epoch {best} are returned" in capsys.readouterr().err and fitted.diverged in str(fitted)
    assert np.isfinite(fitted.model.arrays()["W"]).all() and len(fitted.train) < 200
    before, after = (((simulate(model, task).rate - wanted.rate) ** 2).mean() for model in (fitted.start, fitted.model))
    assert after < before


def test_a_rate_beyond_all_numbers_of_float32_is_refused(linear_circuit: Build) -> None:
    W = linear_circuit(np.eye(3)).projections["W"].model_copy(update={"learn": True})
    student = linear_circuit(np.eye(3) * 0.5, dt=0.01, kind="rnn", projections={"W": W.model_dump()})
    task = Task("fall", 0.0, 0.3, np.arange(6), initial=np.random.default_rng(0).normal(size=(6, 3)))
    with pytest.raises(OptionError, match=r"^Options.rate: back-propagation computes in float32, whose largest number is 3.4e\+38 \(got 1e\+200\)"):
        train(student, simulate(student, task), task, options=Options(optimiser="sgd", rate=1e200))


@pytest.mark.parametrize(("rule", "rate"), [("bptt", 1e30), ("eprop", 1e200)])  # steps as long as float32 and float64 hold
def test_training_that_diverges_is_an_error(rule: str, rate: float) -> None:
    card = catalogue.load("leaky_relu").with_arrays({}, units=8, channels=0)
    asked = Task("reach", 0.0, 0.5, np.arange(6))
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(6, 50, card.size("observed"))), asked.time)
    options = Options(epochs=40, rate=rate, clip=rate, optimiser="sgd", start="rest", closed_form=False)
    with pytest.raises(Diverged, match=r"^leaky_relu: training diverged in epoch \d+"):
        train(card, wanted, asked, rule=rule, options=options)
