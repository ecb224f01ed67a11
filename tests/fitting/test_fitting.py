"""fit: a planted network is found again, nothing is learned from validation conditions, and the student is a card like any other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards._reading import read_card
from cortex_sim.errors import TaskError, TrialsError
from cortex_sim.fitting import _signed as signed_solver
from cortex_sim.fitting._fit import fit, split, train
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._regression import RIDGES, regressions
from cortex_sim.fitting._side_by_side import Job, _checkpoint, students_of, train_groups, train_many
from cortex_sim.fitting._signed import signed_least_squares
from cortex_sim.fitting._start import HEADROOM, adapt, unit_scale
from cortex_sim.runtime._storage import cache_folder
from cortex_sim.simulation._meaning import drive_time_constant, driven_inputs
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Trials

Build = Callable[..., Model]
UNITS, CONDITIONS = 6, 20
STUDENTS = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]
START = Options(epochs=0)
TANH = "dx/dt = (-x + W(r) + drive(t, i) + b)/tau : 1\nr = tanh(x) : 1 (constant over dt)\nb : 1 (constant)"


def training(start: float = 0.8, duration: float = 0.2) -> Task:
    """Random starts and a push that ends, so that trajectories span the space."""
    rng, steps = np.random.default_rng(0), round(duration / 1e-3)
    drive = Drive(rng.normal(size=(CONDITIONS, UNITS)), (np.arange(steps) < 60).astype(float))
    return Task("training", 0.0, duration, np.arange(CONDITIONS), initial=rng.uniform(-start, start, (CONDITIONS, UNITS)), drives=(drive,))


def planted(linear_circuit: Build) -> Model:
    """A tanh network with biases and no readout, whose weights are to be found again."""
    rng = np.random.default_rng(1)
    fields = {
        "kind": "rnn", "equations": TANH, "inputs": {"drive": {"unit": "1", "meaning": "input"}},
        "parameters": {"tau": {"value": 80, "unit": "ms", "meaning": "tau"}, "b": {"value": 0, "meaning": "bias", "over": "units", "learn": True}},
        "projections": {"W": {"rule": "gaussian", "arguments": {"gain": {"value": 1, "meaning": "gain"}}, "learn": True}},
    }  # fmt: skip
    network = linear_circuit(rng.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS), dt=0.01, **fields)
    return network.with_arrays({"b": 0.3 * rng.normal(size=UNITS)})


def recording(seed: int = 0) -> Trials:
    """Rates that belong to no student's class."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, (CONDITIONS, 1, UNITS))
    rate = 20 + rng.uniform(2, 9, UNITS) * np.sin(2 * np.pi * 3 * 0.01 * np.arange(20)[:, None] + phases)
    return Trials.from_arrays(rate, 0.01 * np.arange(20))


def student(name: str) -> Model:
    return catalogue.load(name).with_arrays({}, units=9)


def from_rest(name: str) -> bool:
    """Hidden units without an encoder: no rates say where such a student starts, its channels tell it what to do."""
    card = catalogue.load(name)
    return card.initial is None and card.readout is not None and card.projections[card.readout.weights].rule != "diagonal"


def training_of(name: str, **changes: Any) -> dict[str, Any]:
    """The task and the options that a student of this card is taught by."""
    if not from_rest(name):
        return {"task": training(), "options": Options(**changes)}
    heard = np.random.default_rng(3).normal(size=(CONDITIONS, 200, 2))
    drives = training().drives if driven_inputs(catalogue.load(name)) else ()
    task = replace(training(), initial=None, drives=drives, channels=xr.DataArray(heard, dims=("trial", "step", "channel")))
    return {"task": task, "options": Options(start="rest", **changes)}


def learned(model: Model) -> str:
    """A matrix that is drawn at random and learned: a recurrent one, or else that of the channels."""
    names = [name for name, p in model.projections.items() if p.learn and p.rows == "units" and p.columns != "observed"]
    return max(names, key=lambda name: name in model.parsed.called())


def same(a: Model, b: Model) -> bool:
    return all(a.arrays()[name].tobytes() == array.tobytes() for name, array in b.arrays().items())


def test_the_closed_form_finds_a_planted_network(linear_circuit: Build) -> None:
    teacher = planted(linear_circuit)
    trials = simulate(teacher, training())
    found = train(teacher.with_arrays({"W": np.zeros((UNITS, UNITS)), "b": np.zeros(UNITS)}), trials, training(), options=START)
    taught = trials.select(split(trials, START.validation, 0)[0])
    design = np.insert(taught.rate[:, :-1].reshape(-1, UNITS), UNITS, 1.0, axis=1)
    shrinkage = max(RIDGES[:2]) * (taught.rate[:, :-1] ** 2).mean() / np.linalg.eigvalsh(design.T @ design / len(design))[0]
    for name in ("W", "b"):
        truth, bound = teacher.arrays()[name], shrinkage * np.linalg.norm(np.c_[teacher.arrays()["W"], teacher.arrays()["b"]], 2)
        np.testing.assert_allclose(found.start.arrays()[name], truth, rtol=0, atol=bound)
        np.testing.assert_allclose(found.model.arrays()[name], truth, rtol=0, atol=bound + 2e-7)  # float32
    assert bound < 2e-5 and found.train == found.validation == [] and found.conditions == (18, 2)


def test_the_closed_form_finds_the_shipped_card_behind_its_readout() -> None:
    rng = np.random.default_rng(3)
    W, C, d = 0.5 * rng.normal(size=(UNITS, UNITS)) / UNITS, np.diag(rng.uniform(5, 20, UNITS)), rng.uniform(10, 30, UNITS)
    card = catalogue.load("leaky_tanh").with_arrays({}, units=UNITS, observed=UNITS)
    teacher = card.with_arrays({"W": W, "b": 0.05 * rng.normal(size=UNITS), "C": C, "d": d})
    edges = rng.choice([-1, 1], (CONDITIONS, UNITS)) / HEADROOM  # contraction keeps rates inside, so the range tells C and d
    task = replace(training(), initial=edges @ C + d, drives=())
    task = replace(task, drives=(Drive(0.3 * rng.normal(size=(CONDITIONS, UNITS)) @ C, np.ones(200)),))
    found = train(catalogue.load("leaky_tanh"), simulate(teacher, task), task, options=START).start.arrays()
    for name, tolerance in (("C", 1e-10), ("d", 1e-10), ("W", 1e-5), ("b", 1e-5)):  # the ridge of 1e-6 over well-spread states
        np.testing.assert_allclose(found[name], teacher.arrays()[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", STUDENTS)
def test_an_exported_student_runs_in_brian2_as_it_did_in_torch(name: str, tmp_path: Path) -> None:
    trainings = training_of(name, epochs=2)
    trained = fit(student(name), recording(), **trainings)
    if trained.readout and not (C := trained.arrays()[trained.readout.weights]).any():  # it starts at 0, and no epoch did better
        trained = trained.with_arrays({trained.readout.weights: np.random.default_rng(4).normal(size=C.shape)})
    trained.save(tmp_path / "student.toml")
    task = trainings["task"] if from_rest(name) else replace(trainings["task"], initial=recording().rate[:, 0])
    task = task if driven_inputs(trained) else replace(task, drives=())
    torch_rate, brian_rate = simulate(trained, task).rate, simulate(read_card(tmp_path / "student.toml"), task, backend="brian").rate
    np.testing.assert_allclose(brian_rate, torch_rate, rtol=1e-12, atol=1e-14)  # some rates cross 0
    assert np.ptp(torch_rate, axis=1).max() > 1e-3  # far above round-off


@pytest.mark.parametrize("name", STUDENTS)
def test_validation_conditions_never_reach_the_start_or_the_scale(name: str) -> None:
    trials = recording()
    _, checked = split(trials, START.validation, 0)
    wild = trials.rate.copy()
    wild[checked] = 1e4 * np.random.default_rng(9).normal(size=wild[checked].shape)
    both = (trials, Trials.from_arrays(wild, trials.time))
    before, after = (train(student(name), data, **training_of(name, epochs=0, closed_form=False)) for data in both)
    assert same(before.start, after.start) and same(before.model, after.model)
    losses = [train(student(name), data, **training_of(name, epochs=2, closed_form=False)).train for data in both]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", ["leaky_tanh", "leaky_dale"])
def test_validation_conditions_only_choose_between_starts_that_were_made_without_them(name: str) -> None:
    trials = recording()
    taught, checked = split(trials, START.validation, 0)
    wild = trials.rate.copy()
    wild[checked] = 1e4 * np.random.default_rng(9).normal(size=wild[checked].shape)
    untrained = train(student(name), trials, **training_of(name, epochs=0, closed_form=False)).start
    data = TrainingData(replace(training(), initial=trials.rate[:, 0]).select(taught), trials.rate[taught], np.ones(UNITS))
    starts = [untrained, *(model for _, model in regressions(untrained, data))]
    for given in (trials, Trials.from_arrays(wild, trials.time)):
        began = train(student(name), given, **training_of(name, epochs=0)).start
        assert any(same(began, start) for start in starts)


def test_every_trial_of_a_condition_falls_on_one_side() -> None:
    condition = np.repeat(np.arange(20), 3)[np.random.default_rng(0).permutation(60)]
    trials = Trials.from_arrays(np.zeros((60, 4, 2)), 0.01 * np.arange(4), condition=condition)
    seen = set()
    for seed in range(30):
        taught, checked = split(trials, 0.1, seed)
        assert sorted([*taught, *checked]) == list(range(60))
        held = set(condition[checked].tolist())
        assert len(held) == 2 and not held & set(condition[taught].tolist())
        seen |= held
    assert len(seen) > 15  # 30 draws of 2 out of 20 leave 0.9 of them unseen on average
    assert len(split(trials.select(np.flatnonzero(condition < 2)), 0.01, 0)[1]) == 3  # at least one condition


def test_one_condition_cannot_be_split() -> None:
    with pytest.raises(TrialsError, match=r"^trials have 1 condition; at least 2 are needed to keep one for validation\.$"):
        split(recording().select([0]), 0.1, 0)


@pytest.mark.parametrize("change", [lambda trials: trials.select([0, 1]), lambda trials: trials.window(0.0, 0.1)])
def test_trials_of_another_task_are_refused(change: Callable[[Trials], Trials]) -> None:
    trials = change(recording())
    message = rf"^task has 20 trials of 20 bins; the trials have \({len(trials.rate)}, {trials.rate.shape[1]}\)\. Cut both to one window\.$"
    with pytest.raises(TaskError, match=message):
        fit(student("leaky_tanh"), trials, training())


def test_scale_is_the_spread_of_each_unit_and_never_vanishes() -> None:
    rate = np.zeros((2, 4, 5))
    rate[0] = np.array([2.0, 4.0, 6.0, 0.1, 0.0])
    np.testing.assert_allclose(unit_scale(rate), [1, 2, 3, 0.1, 0.1])  # median 1, floor a tenth
    assert (unit_scale(np.ones((2, 4, 3))) > 0).all()


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_takes_the_size_of_the_data_and_starts_at_its_middle(name: str) -> None:
    trials, sized = recording(), adapt(student(name), recording(), training(), 5)
    arrays, flat = sized.arrays(), trials.rate.reshape(-1, UNITS)
    assert (sized.size("observed"), sized.seed, sized.channels) == (UNITS, 5, 0)
    if sized.initial:
        np.testing.assert_allclose(arrays["E"] @ flat.mean(axis=0) + arrays["e"], 0, atol=1e-12)  # mean rates are the state 0
    if sized.initial or from_rest(name):
        assert sized.units == 9 and sized.readout
        np.testing.assert_allclose(arrays[sized.readout.offset], flat.mean(axis=0))
    else:
        assert sized.units == UNITS
        if sized.readout is None:  # rates are taken as they are
            return
        reached = (flat - arrays["d"]) / np.diag(arrays["C"])
        np.testing.assert_allclose([reached.min(axis=0), reached.max(axis=0)], [[-1 / 1.05] * UNITS, [1 / 1.05] * UNITS])


@pytest.mark.parametrize("name", STUDENTS)
def test_untrained_weights_follow_the_seed_and_only_a_solvable_student_leaves_them(name: str) -> None:
    trainings = [training_of(name, epochs=0, closed_form=closed_form) for closed_form in (True, False)]
    fitted = [train(student(name), recording(), seed=seed, **how) for seed in (1, 2) for how in trainings]
    W = [one.start.arrays()[learned(one.start)] for one in fitted]
    assert not np.array_equal(W[1], W[3]) and fitted[1].began == "untrained weights"
    solved = "closed-form regression" in fitted[0].began
    assert solved == (name in ("leaky_tanh", "leaky_dale"))  # hidden units and gates have no regression
    assert np.array_equal(W[0], W[1]) == fitted[0].began.startswith("untrained weights")


def test_students_trained_side_by_side_are_those_trained_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path))
    options = Options(epochs=3, batch=8)
    jobs = {f"{name} {seed}": Job(student(name), recording(), training(), seed, options) for name in ("gru", "leaky_dale") for seed in (0, 1)}
    together = train_many(jobs)
    assert list(together) == list(jobs)
    for name, job in jobs.items():
        alone = train(job.model, job.trials, job.task, seed=job.seed, options=options)
        assert together[name].train == alone.train and same(together[name].model, alone.model)
    grouped = train_groups({(name, "seeds 0 and 1"): [jobs[f"{name} {seed}"] for seed in (0, 1)] for name in ("gru", "leaky_dale")})
    assert all(one.train == together[f"{name} {seed}"].train for (name, _), each in grouped.items() for seed, one in enumerate(each))
    assert cache_folder() == tmp_path and not [path for path in tmp_path.rglob("*") if path.is_file()]


CLAMP = Clamp(np.array([0]), 0.0, np.arange(200) > 100)
CHANGES: dict[str, dict[str, Any]] = {
    "rates": {"trials": recording(1)}, "seed": {"seed": 1}, "options": {"options": Options(epochs=3)}, "model": {"model": student("leaky_tanh")},
    "drive": {"task": replace(training(), drives=())}, "clamp": {"task": replace(training(), clamps=(CLAMP,))},
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_decides_the_result_names_another_checkpoint(what: str) -> None:
    job = Job(student("gru"), recording(), training())
    assert _checkpoint(job) == _checkpoint(replace(job)) != _checkpoint(replace(job, **CHANGES[what]))


@pytest.mark.long
def test_students_stand_between_one_of_the_circuits_class_and_one_that_is_not_trained() -> None:
    circuit, task = catalogue.load("hennequin_2014"), free_run(np.zeros((2, 200)), 0.1)
    trials = Trials.from_arrays(np.zeros((2, 10, 200)), task.time)
    cards = {name: (catalogue.load(name), Options(epochs=3)) for name in ("leaky_tanh", "gru")}
    jobs = students_of(circuit, cards, trials, task, seed=4)
    assert list(jobs) == ["own gain", "leaky_tanh", "gru", "untrained"] and {job.seed for job in jobs.values()} == {4}
    assert [(job.options.epochs, job.options.closed_form) for job in jobs.values()] == [(0, True), (3, True), (3, True), (0, False)]
    assert jobs["untrained"].model.key == jobs["leaky_tanh"].model.key
    assert np.allclose(drive_time_constant(jobs["gru"].model), drive_time_constant(circuit))


@pytest.mark.parametrize("most", [signed_solver.MOST, 0])  # 0: by the active-set method
@pytest.mark.parametrize("free", [0, 1])
def test_the_regression_under_dales_law_meets_the_conditions_of_its_optimum(monkeypatch: pytest.MonkeyPatch, free: int, most: int) -> None:
    """Karush, Kuhn and Tucker: signs hold; the error's slope is zero where a weight is not, and points across the bound where it is."""
    monkeypatch.setattr(signed_solver, "MOST", most)
    rng = np.random.default_rng(0)
    design, signs = rng.standard_normal((60, 30 + free)), np.where(np.arange(30) < 15, 1.0, -1.0)
    gram, moments = design.T @ design, design.T @ rng.standard_normal((60, 25))
    allowed = rng.random((25, 30)) < 0.8
    found, chosen = signed_least_squares(gram, moments, signs, allowed)
    slope, weights, tiny = (found @ gram - moments.T)[:, :30] * signs, found[:, :30] * signs, 1e-10 * np.abs(moments).max()
    assert (weights >= 0).all() and not weights[~allowed].any() and (weights[allowed] == 0).any() and (found[:, 30:] != 0).all()
    np.testing.assert_allclose(slope[weights > 0], 0, atol=tiny)
    assert (slope[allowed & (weights == 0)] >= -tiny).all()
    np.testing.assert_allclose((found @ gram - moments.T)[:, 30:], 0, atol=tiny)
    assert (chosen[:, :30] == (weights > 0)).all() and chosen[:, 30:].all()


def test_the_regression_under_dales_law_is_the_same_from_any_start() -> None:
    rng = np.random.default_rng(1)
    design, signs = rng.standard_normal((40, 25)) @ rng.standard_normal((25, 25)), np.where(np.arange(25) < 20, 1.0, -1.0)
    gram, moments, allowed = design.T @ design, design.T @ rng.standard_normal((40, 8)), ~np.eye(8, 25, dtype=bool)
    found, chosen = signed_least_squares(gram, moments, signs, allowed)
    for start in (chosen, ~chosen, np.zeros_like(chosen), np.ones_like(chosen)):
        np.testing.assert_allclose(signed_least_squares(gram, moments, signs, allowed, start)[0], found, atol=1e-9 * np.abs(found).max())


def test_a_student_under_dales_law_recovers_a_teacher_that_obeys_it() -> None:
    teacher = catalogue.load("leaky_dale").with_arrays({}, units=12, observed=12, seed=3)
    task = free_run(np.random.default_rng(4).uniform(-0.8, 0.8, (80, 12)), 0.2)
    cortex = simulate(teacher, task)
    start = np.random.default_rng(5)
    student = teacher.with_arrays({"W": np.abs(start.standard_normal((12, 12))) * teacher.signs("W")})
    student = dict(regressions(student, TrainingData(task, cortex.rate, np.ones(12))))[1e-6]
    np.testing.assert_allclose(student.arrays()["W"], teacher.arrays()["W"], atol=1e-4)  # the ridge is 1e-6 of the mean squared rate


def test_small_networks_are_trained_by_one_thread_and_large_ones_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of small networks wait for one another: training took 15 times the time of the processor, beside other work."""
    before, seen = torch.get_num_threads(), list[int]()
    how: dict[str, Any] = {"options": Options(epochs=1), "report": lambda fraction, line: seen.append(torch.get_num_threads())}
    torch.set_num_threads(2)
    try:
        train(student("gru"), recording(), training(), **how)
        assert set(seen) == {1} and torch.get_num_threads() == 2
        monkeypatch.setattr("cortex_sim.fitting._fit.THREADED", 2)
        seen.clear()
        train(student("gru"), recording(), training(), **how)
        assert set(seen) == {2}
    finally:
        torch.set_num_threads(before)
