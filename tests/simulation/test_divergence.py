"""A run or a training that leaves all bounds is refused at the first moment at which that is certain, by every backend in the same words."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import Diverged
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
@pytest.mark.parametrize("text", ["dx/dt = -x**3/(1*ms) : 1", "dx/dt = x**2/(1*ms) + W(r)/(1*ms) : 1"])
def test_a_state_that_is_no_number_is_refused_where_the_rate_still_is_one(linear_circuit: Build, backend: str, text: str) -> None:
    """tanh of infinity is 1, so that rates alone would not tell."""
    model = linear_circuit(np.zeros((2, 2)), dt=0.01, equations=f"{text}\nr = tanh(x) : 1 (constant over dt)", rate="r")
    ready = model.with_arrays({}, initial_values={"x": {"value": 20, "meaning": "far away"}})
    with pytest.raises(Diverged, match="diverged; state 0 in trial 0 is"):
        simulate(ready, Task("rest", 0.0, 0.5, np.arange(1)), backend=backend)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_no_epoch_of_a_loss_that_is_no_number_is_noted(loss: float) -> None:
    history = TrainingHistory({})
    history.keep(0.5, 0.4, {}, named="net")
    with pytest.raises(Diverged, match=r"^net: training diverged in epoch 2, after a loss of 0\.5; the loss is"):
        history.keep(loss, 0.1, {"W": np.zeros(1)}, named="net")
    assert history.epoch == 1 and history.best == 0.4


@pytest.mark.parametrize(("rule", "rate"), [("bptt", 1e30), ("eprop", 1e200)])  # steps as long as float32 and float64 hold
def test_training_that_diverges_is_an_error(rule: str, rate: float) -> None:
    card = catalogue.load("leaky_relu").with_arrays({}, units=8, channels=0)
    asked = Task("reach", 0.0, 0.5, np.arange(6))
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(6, 50, card.size("observed"))), asked.time)
    options = Options(epochs=40, rate=rate, clip=rate, optimiser="sgd", start="rest", closed_form=False)
    with pytest.raises(Diverged, match=r"^leaky_relu: training diverged in epoch \d+"):
        train(card, wanted, asked, rule=rule, options=options)
