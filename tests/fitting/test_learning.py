"""Losses, regularisers and optimisers against their closed forms; what a bin that does not count may not do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting._fit import fit
from cortex_sim.fitting._fit import train as teach
from cortex_sim.fitting._optimiser import Optimiser
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._training import error, penalty, train
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._task import Task

TRIALS, BINS, UNITS = 4, 7, 5
LONG = Options(epochs=300, rate=1e-2, patience=300, start="rest")


def task(seed: int = 0, **changes: object) -> Task:
    rng = np.random.default_rng(seed)
    channels = xr.DataArray(rng.normal(size=(TRIALS, 10 * BINS, 2)), dims=("trial", "step", "channel"))
    targets = xr.DataArray(rng.normal(size=(TRIALS, BINS, 3)), dims=("trial", "time", "axis"))
    return replace(Task("random", 0.0, BINS * 0.01, np.arange(TRIALS), channels=channels, targets=targets), **changes)


def student() -> Model:
    return catalogue.load("leaky_readout").with_arrays({}, units=UNITS, observed=3, channels=2)


def number(value: torch.Tensor | float) -> float:
    return value.item() if isinstance(value, torch.Tensor) else value


def run(model: Model, asked: Task) -> tuple[Twin, object]:
    twin = Twin(model, model.arrays())
    schedule = Problem(model, model.arrays(), asked)
    return twin, twin.unroll(twin.start(schedule), Inputs(twin, schedule), schedule)


def test_the_cross_entropies_are_those_of_their_definition() -> None:
    rng = np.random.default_rng(0)
    logits, weights = rng.normal(size=(3, 4, 5)), rng.uniform(size=(3, 4, 1))
    labels = np.eye(5)[rng.integers(0, 5, (3, 4))]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    wanted = -(weights[..., 0] * np.log((labels * probabilities).sum(axis=2))).mean()
    tensors = [torch.tensor(array) for array in (logits, labels, np.ones(5), weights)]
    assert error(*tensors, "cross-entropy").item() == pytest.approx(wanted, rel=1e-12)
    p = 1 / (1 + np.exp(-logits))
    wanted = -(weights * (labels * np.log(p) + (1 - labels) * np.log(1 - p))).mean()
    assert error(*tensors, "binary cross-entropy").item() == pytest.approx(wanted, rel=1e-12)


def test_a_perfect_output_and_the_mean_have_errors_0_and_1() -> None:
    rng = np.random.default_rng(1)
    wanted = rng.normal(size=(20, 30, 3)) * [1.0, 5.0, 0.2]
    scale, weights = torch.tensor(wanted.std(axis=(0, 1))), torch.ones(20, 30, 1, dtype=torch.float64)
    wanted, mean = torch.tensor(wanted), torch.tensor(wanted.mean(axis=(0, 1))).expand(20, 30, 3)
    assert error(wanted, wanted, scale, weights, "squared").item() == 0
    assert error(mean, wanted, scale, weights, "squared").item() == pytest.approx(1, rel=1e-12)


def test_bins_that_do_not_count_change_nothing() -> None:
    mask = np.zeros((TRIALS, BINS))
    mask[:, -2:] = 1
    training = task(mask=mask)
    wild = training.targets.values.copy()
    wild[:, :-2] = 1e6
    options = Options(epochs=3, start="rest", batch=2)
    trained = [
        train(
            student(), TrainingData(asked, asked.wanted.rate, np.ones(3)), TrainingData(asked, asked.wanted.rate, np.ones(3)), options=options, seed=0
        )
        for asked in (training, replace(training, targets=training.targets.copy(data=wild)))
    ]
    assert trained[0].train == trained[1].train and trained[0].train[0] > 0
    assert all(array.tobytes() == trained[1].arrays[name].tobytes() for name, array in trained[0].arrays.items())


def test_the_weights_of_a_mask_are_1_in_the_mean() -> None:
    mask = np.random.default_rng(0).uniform(size=(TRIALS, BINS))
    weights = TrainingData(task(mask=mask), np.zeros((TRIALS, BINS, 3)), np.ones(3)).weights
    assert weights.mean() == pytest.approx(1) and np.allclose(weights[..., 0] / weights[0, 0, 0], mask / mask[0, 0])
    assert (TrainingData(task(), np.zeros((TRIALS, BINS, 3)), np.ones(3)).weights == 1).all()


def test_the_jacobian_penalty_is_the_norm_of_the_jacobian_by_differentiation() -> None:
    model = student()
    twin, done = run(model, task())
    found = penalty(twin, done, Options(penalty_jacobian=3.0))

    def recurrent(x: torch.Tensor) -> torch.Tensor:
        return twin.W @ twin.rate(x)

    norms = [(torch.func.jacrev(recurrent)(x) ** 2).sum() for x in done.states.reshape(-1, UNITS)]
    assert number(found) == pytest.approx(3.0 * torch.stack(norms).mean().item() / UNITS, rel=1e-12)


def test_the_other_penalties_are_means_of_squares() -> None:
    model = student()
    twin, done = run(model, task())
    rates = done.rates.detach().numpy()
    assert number(penalty(twin, done, Options(penalty_rates=2.0))) == pytest.approx(2 * (rates**2).mean())
    assert number(penalty(twin, done, Options(penalty_smoothness=2.0))) == pytest.approx(2 * (np.diff(rates, axis=1) ** 2).mean())
    learned = [array for name, array in model.arrays().items() if name in model.projections and model.projections[name].learn]
    assert number(penalty(twin, done, Options(penalty_weights=0.5))) == pytest.approx(0.5 * sum((W**2).mean() for W in learned))
    assert penalty(twin, done, Options()) == 0.0


@pytest.mark.parametrize(("name", "unit"), [("penalty_rates", "rates"), ("penalty_smoothness", "smoothness"), ("penalty_weights", "weights")])
def test_a_penalty_makes_smaller_what_it_is_on(name: str, unit: str) -> None:
    def size(model: Model) -> float:
        twin, done = run(model, task())
        return number(penalty(twin, done, Options(**{name: 1.0})))

    asked = task()
    sizes = []
    for strength in (0.0, 10.0):
        options = Options(epochs=20, rate=1e-2, start="rest", **{name: strength})
        training = TrainingData(asked, asked.wanted.rate, np.ones(3))
        model = student()
        course = train(model, training, training, options=options, seed=0)
        sizes.append(size(model.with_arrays(course.arrays)))
    assert sizes[1] < sizes[0]


def test_a_jacobian_penalty_on_gates_is_refused() -> None:
    model = catalogue.load("gru").with_arrays({}, units=UNITS, observed=3, channels=2)
    twin, done = run(model, task())
    with pytest.raises(TaskError, match=r"^gru: penalty_jacobian needs a leaky network \(one state x"):
        penalty(twin, done, Options(penalty_jacobian=1.0))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_steps_against_the_gradient(momentum: float) -> None:
    twin = Twin(student(), student().arrays())
    optimiser = Optimiser(list(twin.parameters()), Options(optimiser="sgd", rate=0.1, momentum=momentum))
    before, velocity = twin.W.detach().clone(), torch.zeros_like(twin.W)
    for step in range(3):
        gradient = torch.full_like(twin.W, 1.0 + step)
        velocity = momentum * velocity + gradient
        before = before - 0.1 * velocity
        twin.W.grad = gradient
        optimiser.step()
    torch.testing.assert_close(twin.W.detach(), before, rtol=1e-14, atol=0)


def test_adamw_decays_weights_without_a_gradient_and_adam_with_one() -> None:
    twin = Twin(student(), student().arrays())
    optimiser = Optimiser(list(twin.parameters()), Options(optimiser="adamw", rate=0.1, weight_decay=0.5))
    before = twin.W.detach().clone()
    twin.W.grad = torch.zeros_like(twin.W)
    optimiser.step()
    torch.testing.assert_close(twin.W.detach(), before * (1 - 0.1 * 0.5), rtol=1e-14, atol=0)


@pytest.mark.long
def test_a_network_learns_the_targets_of_a_task_from_rest() -> None:
    asked = task()
    asked = replace(asked, targets=asked.targets.copy(data=np.cumsum(asked.targets.values, axis=1)))
    fitted = teach(catalogue.load("leaky_readout").with_arrays({}, units=40), asked.wanted, asked, options=LONG)
    assert fitted.train[-1] < 0.1 * fitted.train[0]
    assert fitted.model.channels == 2 and fitted.model.observed == 3


def test_with_no_validation_every_condition_is_taught_and_decides() -> None:
    fitted = teach(student(), task().wanted, task(), options=Options(epochs=3, batch=4, start="rest", validation=0))
    assert fitted.conditions == (TRIALS, TRIALS)
    assert fitted.validation[:-1] == pytest.approx(fitted.train[1:], rel=1e-5)  # after an epoch of one step, and before the next


def test_a_task_without_targets_teaches_nothing() -> None:
    with pytest.raises(TaskError, match=r"^task 'random': has no targets, so there is nothing to be taught\.$"):
        _ = task(targets=None).wanted


@pytest.mark.parametrize("mask", [np.ones((TRIALS, BINS - 1)), np.zeros((TRIALS, BINS)), -np.ones((TRIALS, BINS))])
def test_a_mask_of_another_size_or_without_weight_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(TaskError, match=r"^task 'random': mask should hold numbers from 0 up, not all 0, for \(4, 7\) trials and bins; it has shape"):
        task(mask=mask)


def test_a_mask_is_cut_and_chosen_with_its_task() -> None:
    mask = np.arange(1.0, 1 + TRIALS * BINS).reshape(TRIALS, BINS)
    cut = task(mask=mask).window(0.01, 0.05)
    assert (cut.mask == mask[:, 1:5]).all() and (cut.select([2, 0]).mask == mask[[2, 0], 1:5]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "hinge"}, r"^loss 'hinge' is unknown\."),
        ({"optimiser": "adamm"}, r"^optimiser 'adamm' is unknown\. Did you mean 'adam'\?$"),
        ({"rate": -1.0}, r"^rate -1\.0 should be 0 or more\.$"),
        ({"batch": 0}, r"^batch 0 should be above 0\.$"),
        ({"validation": 1.0}, r"^validation 1\.0 should be 0 or more and below 1\.$"),
        ({"through": "time"}, r"^through 'time' is unknown\."),
    ],
)
def test_options_out_of_range_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Options(**given)  # type: ignore[arg-type]


def test_a_rule_or_number_that_there_is_not_is_refused() -> None:
    asked = task()
    call: Callable[..., object] = lambda **given: fit(student(), asked.wanted, asked, options=Options(epochs=0), **given)  # noqa: E731
    with pytest.raises(OptionError, match=r"^rule 'bppt' is unknown\. Did you mean 'bptt'\?$"):
        call(rule="bppt")
    with pytest.raises(OptionError, match=r"^rule 'bptt' takes no number 'alpha'; it takes none\.$"):
        call(how={"alpha": 1.0})


def test_a_course_keeps_the_best_weights() -> None:
    course = TrainingHistory({"W": np.zeros(1)})
    for number, loss in enumerate([3.0, 1.0, 2.0, float("nan")]):
        course.keep(1.0, loss, {"W": np.full(1, float(number))}, named="net")
    assert course.arrays["W"] == 1 and course.best == 1 and course.stale == 2 and course.epoch == 4
