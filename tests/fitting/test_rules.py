"""Rules beside back-propagation: gradients against automatic differentiation, regressions against least squares, tries against a loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import ComparisonError, OptionError, TaskError
from cortex_sim.fitting import _free_running as free_running
from cortex_sim.fitting._descent import Descent
from cortex_sim.fitting._fit import Fitted, train
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._own_scale import OwnScale
from cortex_sim.fitting._regression import regressions
from cortex_sim.fitting._training import error
from cortex_sim.fitting.rules import eprop, node_perturbation, target_regression
from cortex_sim.runtime import stream
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.forms._leaky import Leaky
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.statistics import _paired as paired
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

UNITS, TRIALS, BINS, OUTPUTS = 12, 5, 9, 3
DIFFERENCES = 1e-8  # slopes come from central differences of half width 1e-6: round-off over width, times a few hundred terms
REST = Options(start="rest", closed_form=False, validation=0.2)
CHANNELS = 2


def task(seed: int = 0, **changes: object) -> Task:
    rng = np.random.default_rng(seed)
    channels = xr.DataArray(rng.normal(size=(TRIALS, 10 * BINS, CHANNELS)), dims=("trial", "step", "channel"))
    targets = xr.DataArray(np.cumsum(rng.normal(size=(TRIALS, BINS, OUTPUTS)), axis=1), dims=("trial", "time", "axis"))
    return replace(Task("random", 0.0, BINS * 0.01, np.arange(TRIALS), channels=channels, targets=targets), **changes)  # type: ignore[arg-type]


def gained(**changes: object) -> Model:
    """The shipped card with gains, small, with biases and gains that differ."""
    rng = np.random.default_rng(3)
    model = catalogue.load("leaky_gain").with_arrays({}, units=UNITS, observed=OUTPUTS, channels=CHANNELS, **changes)
    return model.with_arrays({"g": rng.uniform(0.5, 1.5, UNITS), "b": 0.3 * rng.normal(size=UNITS)})


def without_recurrence(model: Model) -> Model:
    return model.with_arrays({"W": np.zeros((UNITS, UNITS))})


def gradients(model: Model, asked: Task, loss: str = "squared") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By e-prop, and by automatic differentiation through all of time; the errors are the same."""
    schedule, wanted = Problem(model, model.arrays(), asked), asked.wanted.rate
    training = TrainingData(asked, wanted, wanted.std(axis=(0, 1)))
    value, found = eprop.gradient(
        Leaky.of(model, asked_by="test"),
        schedule,
        eprop.Wanted(wanted, training.scale, training.weights, loss),  # type: ignore[arg-type]
    )
    twin = Twin(model, model.arrays())
    tensors = [torch.tensor(array) for array in (wanted, training.scale, training.weights)]
    total = error(twin.observe(twin(schedule)), *tensors, loss)  # type: ignore[arg-type]
    total.backward()
    assert value == pytest.approx(total.item(), rel=1e-12)
    return {name: (found[name], parameter.grad.numpy()) for name, parameter in twin.named_parameters() if parameter.grad is not None}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def same(found: np.ndarray, truth: np.ndarray) -> None:
    np.testing.assert_allclose(found, truth, rtol=0, atol=DIFFERENCES * np.abs(truth).max())


@pytest.mark.parametrize("loss", ["squared", "binary cross-entropy", "cross-entropy"])
def test_eprop_is_exact_where_no_unit_hears_another(loss: str) -> None:
    asked = task()
    if loss != "squared":
        labels = np.eye(OUTPUTS)[np.random.default_rng(1).integers(0, OUTPUTS, (TRIALS, BINS))]
        asked = replace(asked, targets=asked.targets.copy(data=labels))
    mask = np.random.default_rng(2).uniform(size=(TRIALS, BINS))
    found = gradients(without_recurrence(gained()), replace(asked, mask=mask), loss)
    assert set(found) == {"W", "W_in", "C", "b", "g", "d"}
    for mine, truth in found.values():
        same(mine, truth)


def test_eprop_is_exact_at_units_that_nobody_hears_and_not_at_those_before_them() -> None:
    model, last = gained(), UNITS // 2
    W = model.arrays()["W"]
    W[:, last:] = 0  # the later half is heard by nobody, and hears the earlier half
    W[:last, :last] = 0
    found = gradients(model.with_arrays({"W": W}), task())
    for name in ("W", "W_in", "b", "g"):
        mine, truth = found[name]
        same(mine[last:], truth[last:])
        assert np.abs(mine[:last] - truth[:last]).max() > 1e-2 * np.abs(truth).max()


def test_eprop_is_exact_one_step_ahead_whatever_the_weights() -> None:
    mask = np.zeros((TRIALS, BINS))
    mask[:, :2] = 1
    model = catalogue.load("leaky_readout").with_arrays({}, units=UNITS, observed=OUTPUTS, channels=CHANNELS)
    initial = np.random.default_rng(0).normal(size=(TRIALS, OUTPUTS))
    found = gradients(model, task(mask=mask, initial=initial))
    assert set(found) == {"W", "W_in", "b", "C", "d", "E", "e"}
    for name in ("W", "W_in", "b", "C", "d"):
        same(*found[name])
    without = gradients(model.with_arrays({"W": np.zeros((UNITS, UNITS))}), task(initial=initial))
    for name in ("E", "e"):
        same(*without[name])


def test_eprop_of_a_recurrent_network_points_the_same_way_as_the_gradient_but_not_all_of_it() -> None:
    found = gradients(gained(), task())
    for name in ("C", "d"):
        np.testing.assert_allclose(*found[name], rtol=0, atol=1e-12)
    assert all(0.1 < cosine(*found[name]) < 0.99 for name in ("W", "W_in"))


def test_each_time_constant_has_its_trace() -> None:
    card = gained()
    tau = {"value": [20, 40, 80] * (UNITS // 3), "unit": "ms", "meaning": "time constant", "over": "units"}
    parameters = {name: part.model_dump() for name, part in card.parameters.items()} | {"tau": tau}
    model = without_recurrence(gained(equations=card.equations + "tau : second (constant)\n", parameters=parameters))
    for mine, truth in gradients(model, task()).values():
        same(mine, truth)


def test_errors_come_back_through_the_feedback_that_is_given() -> None:
    model, asked = gained(), task()
    leaky, schedule = Leaky.of(model, asked_by="test"), Problem(model, model.arrays(), asked)
    wanted = eprop.Wanted(asked.wanted.rate, np.ones(OUTPUTS), np.ones((TRIALS, BINS, 1)))
    C = model.arrays()["C"]
    own, given, doubled = (eprop.gradient(leaky, schedule, wanted, feedback=feedback)[1] for feedback in (None, C, 2 * C))
    for name in own:
        np.testing.assert_allclose(given[name], own[name], rtol=1e-14, atol=0)
        np.testing.assert_allclose(doubled[name], (1 if name in ("C", "d") else 2) * own[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", [Options(optimiser="adam", weight_decay=0.1), Options(optimiser="adamw", weight_decay=0.1),
                                     Options(optimiser="sgd", momentum=0.9)])  # fmt: skip
def test_descent_is_that_of_torch(options: Options) -> None:
    model, rng = gained(), np.random.default_rng(0)
    arrays, names = model.arrays(), ("W", "b")
    tensors = {name: torch.nn.Parameter(torch.tensor(arrays[name])) for name in names}
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[options.optimiser]
    extra = {"momentum": options.momentum} if options.optimiser == "sgd" else {}
    theirs = kind(tensors.values(), lr=options.rate, weight_decay=options.weight_decay, **extra)
    mine = Descent(model, arrays, options, OwnScale({}, None, np.zeros(OUTPUTS)))
    for _ in range(4):
        gradient = {name: rng.normal(size=arrays[name].shape) for name in names}
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradient[name])
        torch.nn.utils.clip_grad_norm_(tensors.values(), options.clip)
        theirs.step()
        arrays = mine.step(arrays, gradient, 0)
    for name in names:
        np.testing.assert_allclose(arrays[name], tensors[name].detach().numpy(), rtol=1e-10, atol=1e-13)
        assert not np.allclose(arrays[name], model.arrays()[name], rtol=1e-4)
    assert arrays["C"].tobytes() == model.arrays()["C"].tobytes()


def test_descent_keeps_what_a_card_holds_fast() -> None:
    parts = {name: part.model_dump() for name, part in gained().projections.items()}
    held = parts["W"] | {"excitatory": 0.5, "self_connections": False, "keep_zeros": True}
    model = gained(projections=parts | {"W": held})
    start = model.arrays()["W"]
    start[0, 3] = 0
    model, signs = model.with_arrays({"W": start}), model.signs("W")
    W = taught("eprop", model, epochs=5, rate=0.3).model.arrays()["W"]
    assert (W * signs >= 0).all() and (np.diag(W) == 0).all() and W[0, 3] == 0 and not np.allclose(W, start)
    with pytest.raises(TaskError, match=r"^leaky_gain: 'W' is held to rank 2, which only rule 'bptt' can learn\.$"):
        taught("eprop", gained(projections=parts | {"W": parts["W"] | {"rank": 2}}), epochs=1)


def taught(rule: str, model: Model, *, seed: int = 0, asked: Task | None = None, how: dict[str, float] | None = None, **changes: object) -> Fitted:
    asked = asked or task()
    options = replace(REST, **changes)  # type: ignore[arg-type]
    return train(model, asked.wanted, asked, seed=seed, options=options, rule=rule, how=how or {}, report=lambda done, text: None)


@pytest.mark.parametrize(("random_feedback", "left"), [(0, 0.3), (1, 0.7)])
def test_eprop_learns_a_reach(random_feedback: float, left: float) -> None:
    asked = centre_out(10, preparation=0.1, movement=0.4)
    how = {"random_feedback": random_feedback}
    fitted = taught("eprop", catalogue.load("leaky_gain").with_arrays({}, units=40), asked=asked, how=how, epochs=30, rate=1.5e-2)
    assert min(fitted.train) < left * fitted.train[0] and min(fitted.validation) < fitted.validation[0]
    leaky, check = Leaky.of(fitted.model, asked_by="test"), asked.select(np.setdiff1d(np.arange(10), _taught_trials(asked)))
    wanted = check.wanted.rate
    best = free_running.check(leaky, fitted.model.arrays(), TrainingData(check, wanted, _scale(asked)))
    assert best == pytest.approx(min(fitted.validation), rel=1e-12)


def _taught_trials(asked: Task) -> np.ndarray:
    from cortex_sim.fitting._fit import split

    return split(asked.wanted, REST.validation, 0)[0]


def _scale(asked: Task) -> np.ndarray:
    return asked.wanted.rate[_taught_trials(asked)].std(axis=(0, 1))


def test_running_freely_is_what_simulate_does() -> None:
    rng = np.random.default_rng(0)
    parts = catalogue.load("leaky_gain").inputs | {}
    inputs = {name: part.model_dump() for name, part in parts.items()} | {"hiss": {"unit": "second**-0.5", "meaning": "noise", "noise": True}}
    equations = gained().equations.replace("+ b)/tau", "+ b)/tau + hiss(t, i)*tau**-0.5")
    dt = {"value": 5, "unit": "ms", "meaning": "step, two a bin"}
    model = gained(inputs=inputs, equations=equations, dt=dt)
    asked = task(drives=(Drive(rng.normal(size=(TRIALS, OUTPUTS)), np.ones(10 * BINS)),))
    schedule = Problem(model, model.arrays(), asked, seed=4)
    leaky = Leaky.of(model, asked_by="test")
    found = free_running.outputs(leaky, schedule.arrays, schedule, free_running.run(leaky, schedule.arrays, schedule))
    np.testing.assert_allclose(found, simulate(model, asked, seed=4).rate, rtol=1e-11, atol=1e-12)


def test_a_rate_with_gains_is_known() -> None:
    model, x = gained(), np.random.default_rng(0).normal(size=(2, UNITS))
    leaky, g = Leaky.of(model, asked_by="test"), model.arrays()["g"]
    np.testing.assert_allclose(leaky.rate(x), np.tanh(g * x), rtol=1e-14)
    np.testing.assert_allclose(leaky.rate(x, {"b": g, "g": 2 * g}), np.tanh(2 * g * x), rtol=1e-14)
    np.testing.assert_allclose(leaky.slope(x), g / np.cosh(g * x) ** 2, atol=1e-9)


def driven(model: Model, asked: Task, F: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The driven network written out for the shipped card: its rates, currents and outputs wanted, samples in rows."""
    arrays, wanted = model.arrays(), asked.wanted.rate
    fed = ((wanted - wanted.mean(axis=(0, 1))) / wanted.std(axis=(0, 1))) @ F.T
    heard = asked.channels.values.reshape(TRIALS, BINS, 10, -1).mean(axis=2) @ arrays["W_in"].T
    x, rates, currents = np.zeros((TRIALS, UNITS)), [], []
    for now in range(BINS):
        rates.append(np.tanh(arrays["g"] * x))
        currents.append(rates[-1] @ arrays["W"].T + fed[:, now])
        x = x + 10 / 50 * (-x + currents[-1] + heard[:, now] + arrays["b"])
    return np.concatenate(rates), np.concatenate(currents), np.moveaxis(wanted, 1, 0).reshape(-1, OUTPUTS)


def test_one_round_is_the_least_squares_of_the_driven_network() -> None:
    model, asked, ridge = gained(), task(), 1e-2
    model = model.with_arrays({"d": model.arrays()["d"] + 100.0})  # so far off that the round does better, whatever the feedback
    wanted = asked.wanted.rate
    training, leaky = TrainingData(asked, wanted, wanted.std(axis=(0, 1))), Leaky.of(model, asked_by="test")
    course = target_regression.learn(model, training, training, options=REST, seed=5, report=lambda done, text: None, ridge=ridge, rounds=1)
    F = stream(5, "student", "feedback of target regression").standard_normal((UNITS, OUTPUTS)) / np.sqrt(OUTPUTS)
    r, h, y = driven(model, asked, F)
    weight = np.sqrt(ridge * (r**2).sum() / UNITS)
    W = np.linalg.lstsq(np.vstack([r, weight * np.eye(UNITS)]), np.vstack([h, np.zeros((UNITS, UNITS))]), rcond=None)[0].T
    bins = np.vstack([np.c_[r, np.ones(len(r))], weight * np.eye(UNITS, UNITS + 1)])
    C = np.linalg.lstsq(bins, np.vstack([y, np.zeros((UNITS, OUTPUTS))]), rcond=None)[0].T
    for name, truth in (("W", W), ("C", C[:, :-1]), ("d", C[:, -1])):
        np.testing.assert_allclose(course.arrays[name], truth, rtol=0, atol=1e-10 * np.abs(truth).max())
    for name in ("W_in", "b", "g"):
        assert course.arrays[name].tobytes() == model.arrays()[name].tobytes()
    assert course.train == [pytest.approx(free_running.check(leaky, course.arrays, training))]


def test_a_student_with_more_units_than_samples_does_what_the_driven_network_did() -> None:
    """Least squares then has no remainder, so each round leaves the student where the driven network was, which wants nothing more."""
    model = catalogue.load("leaky_readout").with_arrays({}, units=80, observed=OUTPUTS, channels=CHANNELS)
    asked = task(initial=np.random.default_rng(0).normal(size=(TRIALS, OUTPUTS)))
    training = TrainingData(asked, asked.wanted.rate, asked.wanted.rate.std(axis=(0, 1)))
    numbers = {"report": lambda done, text: None, "ridge": 1e-13}
    course = target_regression.learn(model, training, training, options=REST, seed=0, rounds=2, **numbers)
    assert max(course.train) < 1e-4 < free_running.check(Leaky.of(model, asked_by="test"), model.arrays(), training)


def test_a_student_of_one_unit_each_is_regressed() -> None:
    card = catalogue.load("leaky_tanh").with_arrays({}, units=UNITS, observed=UNITS, channels=CHANNELS, seed=9)
    asked = replace(task(targets=None), initial=np.random.default_rng(0).uniform(-0.5, 0.5, (TRIALS, UNITS)))
    wanted = simulate(card.with_arrays({"W_in": 0 * card.arrays()["W_in"], "C": np.eye(UNITS), "d": np.zeros(UNITS)}), asked).rate
    asked = task(targets=xr.DataArray(wanted, dims=("trial", "time", "axis")), channels=0 * task().channels)
    student = catalogue.load("leaky_tanh").with_arrays({}, channels=CHANNELS)
    fitted = taught("target_regression", student, asked=asked, start="first bin")
    chosen = _taught_trials(asked)
    data = TrainingData(asked.select(chosen), asked.wanted.select(chosen).rate, np.ones(UNITS))
    truths = [truth.arrays() for _, truth in regressions(fitted.start, data)]
    assert any(all(fitted.model.arrays()[name].tobytes() == array.tobytes() for name, array in truth.items()) for truth in truths)
    assert not np.allclose(fitted.model.arrays()["W"], fitted.start.arrays()["W"])


def test_target_regression_learns_a_reach() -> None:
    asked = centre_out(10, preparation=0.1, movement=0.4)
    fitted = taught("target_regression", catalogue.load("leaky_gain"), asked=asked)
    assert len(fitted.train) == 15 and min(fitted.validation) < 0.3


@pytest.mark.parametrize("groups", [0, 4])
def test_tries_are_those_of_a_loop_written_out(groups: int) -> None:
    model, asked, tries, sd, seed = gained(), task(), 25, 0.05, 7
    wanted = asked.wanted.rate
    training = TrainingData(asked, wanted, wanted.std(axis=(0, 1)))
    course = node_perturbation.learn(
        model, training, training, options=replace(REST, epochs=tries), seed=seed, report=lambda done, text: None, sd=sd, groups=groups
    )
    arrays, group = model.arrays(), node_perturbation.partition(UNITS, groups or UNITS, seed)
    draws = stream(seed, "student", "tries of node perturbation")

    def loss(g: np.ndarray) -> float:
        output = simulate(model.with_arrays({"g": g}), asked).rate
        return float((((output - wanted) / training.scale) ** 2).sum() / (((wanted - wanted.mean(axis=(0, 1))) / training.scale) ** 2).sum())

    g = usual = arrays["g"]
    usual_error, better, errors, gains = loss(g), 0.0, [], []
    for _ in range(tries):
        g = g + better * (g - usual) + sd * draws.standard_normal(groups or UNITS)[group]
        errors.append(loss(g))
        gains.append(g)
        better = 1.0 if errors[-1] < usual_error else -1.0
        usual_error, usual = 0.3 * usual_error + 0.7 * errors[-1], 0.3 * usual + 0.7 * g
    np.testing.assert_allclose(course.train, errors, rtol=1e-9)
    assert len(set(np.sign(np.diff(errors)))) == 2 and min(errors) < loss(arrays["g"])
    np.testing.assert_allclose(course.arrays["g"], gains[int(np.argmin(errors))], rtol=1e-9)
    assert len(np.unique(np.round(course.arrays["g"] - arrays["g"], 12))) == (groups or UNITS)
    assert all(array.tobytes() == course.arrays[name].tobytes() for name, array in arrays.items() if name != "g")


def test_groups_are_equal_random_parts() -> None:
    parts = [node_perturbation.partition(12, 4, seed) for seed in (0, 1)]
    assert all((np.bincount(part) == 3).all() for part in parts) and not np.array_equal(*parts)
    assert sorted(np.bincount(node_perturbation.partition(11, 3, 0)).tolist()) == [3, 4, 4]
    assert np.array_equal(node_perturbation.partition(5, 5, 0), np.arange(5))


def test_gains_learn_a_little() -> None:
    asked, fell = centre_out(6, preparation=0.1, movement=0.3), []
    for seed in range(3):
        model = catalogue.load("leaky_gain").with_arrays({}, units=40)
        fitted = taught("node_perturbation", model, seed=seed, asked=asked, epochs=200, patience=200, how={"sd": 0.02})
        fell.append(np.mean(fitted.train[-20:]) / np.mean(fitted.train[:20]))
    assert np.median(fell) < 0.9, fell


@pytest.mark.parametrize(
    ("rule", "card", "given", "message"),
    [
        ("node_perturbation", "leaky_readout", {}, r"^leaky_readout: rule 'node_perturbation' needs one learned per-unit .* it has none\.$"),
        ("node_perturbation", "leaky_gain", {"how": {"groups": 1000}}, r"groups 1000 should be a whole number from 0 to 100, the number of units\.$"),
        ("node_perturbation", "leaky_gain", {"how": {"sd": 0.0}}, r"^rule 'node_perturbation': sd 0\.0 should be above 0\.$"),
        ("node_perturbation", "leaky_gain", {"loss": "cross-entropy"}, r"minimises the squared error; loss is 'cross-entropy'\.$"),
        ("target_regression", "leaky_gain", {"how": {"ridge": 0.0}}, r"and ridge 0\.0 above 0\.$"),
        ("target_regression", "leaky_gain", {"how": {"rounds": 0}}, r"^rule 'target_regression': rounds 0 should be 1 or more"),
        ("target_regression", "gru", {}, r"^gru: rule 'target_regression' needs a leaky network"),
        ("eprop", "leaky_gain", {"penalty_rates": 0.1}, r"^rule 'eprop' does not use penalty_rates \(got 0\.1\); it takes batch, clip, "),
        ("eprop", "gru", {}, r"^gru: rule 'eprop' needs a leaky network"),
        ("eprop", "leaky_gain", {"how": {"sd": 1.0}}, r"^rule 'eprop' takes no number 'sd'; it takes random_feedback\.$"),
    ],
)
def test_what_a_rule_cannot_do_is_refused(rule: str, card: str, given: dict[str, object], message: str) -> None:
    with pytest.raises((OptionError, TaskError), match=message):
        taught(rule, catalogue.load(card), **given)  # type: ignore[arg-type]


def test_target_regression_refuses_constrained_weights() -> None:
    parts = {name: part.model_dump() for name, part in gained().projections.items()}
    with pytest.raises(TaskError, match=r"^leaky_gain: rule 'target_regression' solves for free weights; 'W' is constrained\."):
        taught("target_regression", gained(projections=parts | {"W": parts["W"] | {"excitatory": 0.5}}))


def test_holm_corrects_as_in_a_worked_example() -> None:
    np.testing.assert_allclose(paired.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(paired.holm(np.array([0.5, 0.6])), [1.0, 1.0])


def test_ten_networks_that_all_agree_give_the_least_p_there_is() -> None:
    base = np.arange(10.0) ** 2
    found = paired.differences({"a": base, "b": base + 1 + 0.1 * np.arange(10), "c": base})
    assert found["a", "b"].p == pytest.approx(3 * 2 / 2**10) and found["a", "b"].median == pytest.approx(-1.45)
    assert found["a", "c"].p == 1 and found["a", "c"].median == 0 and set(found) == {("a", "b"), ("a", "c"), ("b", "c")}
    with pytest.raises(ComparisonError, match=r"need the same networks under every rule; there are \{'a': 2, 'b': 3\}"):
        paired.differences({"a": np.zeros(2), "b": np.zeros(3)})


def test_the_interval_of_a_median_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(2000, 10))
    assert paired.median_interval(np.arange(10.0)) == (1.0, 8.0) and paired.median_interval(np.arange(5.0)) is None
    held = np.mean([low <= np.log(2) <= high for low, high in map(paired.median_interval, draws)])  # type: ignore[misc]
    exact = 1 - 2 * 11 / 2**10  # P(Binomial(10, 1/2) < 2) = 11/1024
    assert abs(held - exact) < 4 * np.sqrt(exact * (1 - exact) / 2000)


def test_a_rule_that_makes_networks_of_its_own_kind_is_told_apart() -> None:
    rng = np.random.default_rng(0)
    distance = 1 + 0.01 * rng.normal(size=(3, 6, 3, 6))
    distance[0, :, 1:] += 0.5
    distance[1:, :, 0] += 0.5
    distance = (distance + distance.transpose(2, 3, 0, 1)) / 2
    found = [paired.separation(distance, rule) for rule in range(3)]
    assert abs(found[0] - 0.5) < 0.02 and abs(found[1] - 0.25) < 0.02  # half of rule 1's others are of rule 0
    null = paired.relabelled_separations(distance, 0, seed=0, count=200)
    assert found[0] > null.max() and abs(null.mean()) < 4 * null.std() / np.sqrt(200) + 0.05
    assert paired.separation(np.ones((3, 4, 3, 4)), 1) == 0


def test_distances_are_those_of_every_pair() -> None:
    places = np.random.default_rng(0).normal(size=(2, 3))
    found = paired.pairwise_distances([list(row) for row in places], lambda a, b: float(abs(a - b)))
    np.testing.assert_allclose(found, np.abs(places[:, :, None, None] - places[None, None]))


def test_hidden_rates_are_those_the_readout_reads() -> None:
    model, asked = gained(), task()
    arrays = model.arrays()
    read = free_running.unit_rates(model, asked).rate @ arrays["C"].T + arrays["d"]
    np.testing.assert_allclose(read, simulate(model, asked).rate, rtol=1e-11, atol=1e-12)
