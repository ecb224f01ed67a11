"""What students are tested by: pushes on and off the states that the circuit visits, and baselines with known answers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis import spectrum
from cortex_sim.analysis._preparation import delayed_reaches, preferred_states, spanning_runs
from cortex_sim.cards._model import Model
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison._battery import LEADING, SPANS, WITHIN, Battery, reaching_and_spanning
from cortex_sim.comparison._examined import Examination
from cortex_sim.comparison._prediction import variance_explained
from cortex_sim.comparison._reference import ridge_from_first_bin
from cortex_sim.errors import ComparisonError
from cortex_sim.simulation import flow
from cortex_sim.trials import Trials


@pytest.fixture(scope="module")
def circuit(linear_circuit: Callable[..., Model]) -> Model:
    rng = np.random.default_rng(0)
    return linear_circuit(rng.normal(size=(12, 12)) / 5)


def test_pushes_are_as_strong_within_the_components_as_anywhere_and_lie_there(circuit: Model) -> None:
    battery = Battery.of(circuit, "runs", spanning_runs(circuit, (30, 8), seed=0), draws=2, seed=0)
    assert battery.pushes.keys() == battery.responses.keys() == SPANS.keys() and all(len(draws) == 2 for draws in battery.pushes.values())
    flat = battery.training.trials.rate.reshape(-1, 12)
    axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:LEADING].T
    for anywhere, within in zip(battery.pushes["push"], battery.pushes[WITHIN], strict=True):
        a, b = anywhere.drives[-1].pattern, within.drives[-1].pattern
        assert np.sqrt((b**2).mean()) == pytest.approx(np.sqrt((a**2).sum() / a.size), rel=0.1)  # of 12 units a tenth is one
        np.testing.assert_allclose(b @ axes @ axes.T, b, atol=1e-9 * np.abs(b).max())
        assert np.linalg.norm(a @ axes @ axes.T - a) > 0.1 * np.linalg.norm(a)


def test_the_circuit_answers_as_itself_and_unconnected_units_by_their_own_leak_alone(circuit: Model) -> None:
    battery = Battery.of(circuit, "runs", spanning_runs(circuit, (30, 8), seed=0), draws=1, seed=0)
    own = battery.scores(battery.respond(circuit, 0), name="itself", seed=0, nulls=3)
    assert [score.estimate for score in own] == pytest.approx([1.0] * len(SPANS))
    alone = unconnected(circuit)
    x = np.random.default_rng(1).normal(size=(3, 12))
    np.testing.assert_allclose(flow(alone, alone.arrays(), x), -x / 0.2, rtol=1e-12)  # tau 200 ms
    assert all(score.estimate < 1 for score in battery.scores(battery.respond(alone, 0), name="alone", seed=0, nulls=3))


def test_a_circuit_that_does_not_answer_is_refused_before_anything_is_trained(linear_circuit: Callable[..., Model]) -> None:
    deaf = linear_circuit(np.zeros((12, 12)))  # silencing some units is not felt by the others
    with pytest.raises(ComparisonError, match="responses to silencing: the teacher does not respond at all; push harder, or where it listens"):
        Battery.of(deaf, "runs", spanning_runs(deaf, (30, 8), seed=0), draws=1, seed=0)


def test_ridge_from_the_first_bin_is_perfect_for_a_linear_system_and_useless_where_the_first_bin_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    A = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    start = rng.normal(size=(60, 5))
    rates = np.stack([start @ np.linalg.matrix_power(A, k) for k in range(12)], axis=1) + 3
    time = 0.01 * np.arange(12)
    training, test = Trials.from_arrays(rates[:50], time), Trials.from_arrays(rates[50:], time, condition=np.arange(50, 60))
    found = ridge_from_first_bin(training, test)
    np.testing.assert_allclose(found.rate, test.rate, atol=1e-3)
    assert np.array_equal(found.condition, test.condition)
    noise = np.concatenate([rates[:, :1], rng.normal(size=(60, 11, 5))], axis=1)
    lost = ridge_from_first_bin(Trials.from_arrays(noise[:50], time), Trials.from_arrays(noise[50:], time))
    mean, scale = noise[:50].mean(axis=(0, 1)), noise[:50].std(axis=(0, 1))
    assert abs(variance_explained(noise[50:, 1:], lost.rate[:, 1:], mean=noise[:50, 1:].mean(axis=0), scale=scale)) < 0.1
    assert mean.shape == (5,)


def test_batteries_made_together_are_those_made_one_by_one(circuit: Model) -> None:
    preferred = preferred_states(circuit)
    found = reaching_and_spanning(circuit, (12, 4), draws=1, seed=3, preferred=preferred, each=2)
    for battery, sides in zip(found, (delayed_reaches, spanning_runs), strict=True):
        own = Battery.of(circuit, battery.split, sides(circuit, (12, 4), seed=3), draws=1, seed=3)
        assert battery.split.startswith("4 held-out")
        np.testing.assert_array_equal(battery.training.trials.rate, own.training.trials.rate)
        for kind, answers in own.responses.items():
            np.testing.assert_array_equal(battery.responses[kind], answers)


def test_every_push_begins_and_ends_when_it_should(circuit: Model) -> None:
    battery = Battery.of(circuit, "runs", spanning_runs(circuit, (30, 8), seed=0), draws=2, seed=0)
    for kind, (start, stop) in SPANS.items():
        for task in battery.pushes[kind]:
            course = task.clamps[-1].course if kind == "silencing" else task.drives[-1].course
            acting = task.fine_time[np.flatnonzero(course)]
            assert acting[0] == pytest.approx(start, abs=1e-9) and acting[-1] == pytest.approx(stop - task.step, abs=1e-9)


def test_activity_is_scored_about_the_training_mean(circuit: Model) -> None:
    battery = Battery.of(circuit, "runs", spanning_runs(circuit, (30, 8), seed=0), draws=1, seed=0)
    known, test = battery.training.trials, battery.test.trials
    other = Trials.from_arrays(known.rate + 5 * known.rate.std(), known.time, condition=known.condition)
    copy = Trials.from_arrays(test.rate + 0.3 * test.rate.std(), test.time, condition=test.condition)
    examination = Examination(spectrum(circuit), (0.0, 0.2), 0, 3, 3)
    for given in (known, other):
        found = examination.activity(replace(battery, training=replace(battery.training, trials=given)), copy, "shifted")
        score = next(score for score in found if score.measure == "R² of rates")
        mean, scale = given.rate.mean(axis=(0, 1)), given.rate.std(axis=(0, 1))
        left, whole = ((((test.rate - each) / scale) ** 2).sum() for each in (copy.rate, mean))
        assert score.estimate == pytest.approx(1 - left / whole, rel=1e-9)
