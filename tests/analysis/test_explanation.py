"""An explanation of a linear circuit is known in closed form, and a circuit explained twice is explained alike."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.analysis._explanation import Questions, explain, explain_all, mode_distances, mode_distances_by_chance
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.torch._states import trajectory
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks.perturbations._pushes import silence_units

UNITS, LOOKED = 4, 0.05


def questions(**changes: Any) -> Questions:
    rng = np.random.default_rng(0)
    task = free_run(rng.normal(size=(3, UNITS)), 0.1)
    return Questions(task, rng.normal(size=(UNITS, 2)), (0.0, 0.04), LOOKED, np.arange(UNITS), **changes)


def test_a_linear_circuit_is_explained_by_its_propagator(linear_circuit: Any) -> None:
    W = 0.6 * np.random.default_rng(1).normal(size=(UNITS, UNITS))
    model, asked = linear_circuit(W), questions()
    found = explain(model, asked)
    propagated = simulate(model, free_run(np.eye(UNITS), 0.1)).rate  # what each unit alone leads to
    wanted = asked.task.initial[:, :, None] * (propagated[:, 5] @ asked.outputs)[None]
    np.testing.assert_allclose(found.attribution, wanted, rtol=1e-6, atol=1e-9)
    assert found.missed < 1e-6 and [point.unstable for point in found.points.fixed] == [int((np.linalg.eigvals(W).real > 1).sum())]
    for path in found.modes:
        for one in path:
            np.testing.assert_allclose(one, found.modes[0][0], rtol=1e-9)  # the same everywhere
    np.testing.assert_allclose(found.states, trajectory(Problem(model, model.arrays(), asked.task)))


def test_silencing_a_unit_that_nobody_hears_changes_its_own_part_of_the_output_and_nothing_else(linear_circuit: Any) -> None:
    W = np.random.default_rng(1).normal(size=(UNITS, UNITS))
    W[:, 2] = 0
    model, asked = linear_circuit(W), questions()
    effect = explain(model, asked).ablation
    alone = -simulate(model, asked.task).rate[:, :, 2, None] * asked.outputs[2]
    np.testing.assert_allclose(effect[2], alone.reshape(-1, 2), atol=1e-12)
    assert np.abs(effect[0]).max() > 0.1


def test_chosen_units_are_held_for_the_span_and_free_outside_it(linear_circuit: Any) -> None:
    task = silence_units(questions().task, [1, 3], rate=-2.0, span=(0.02, 0.05))
    rate = simulate(linear_circuit(np.eye(UNITS)), task).rate
    np.testing.assert_allclose(rate[:, 2:5][:, :, [1, 3]], -2.0)
    assert (np.abs(rate[:, :2][:, :, [1, 3]] + 2) > 1e-3).all()


@pytest.mark.long
def test_modes_of_a_circuit_are_no_distance_from_its_own_and_some_from_those_of_another(linear_circuit: Any) -> None:
    W = 0.6 * np.random.default_rng(1).normal(size=(UNITS, UNITS))
    slower = 0.5 * W
    systems, asked = {"circuit": linear_circuit(W), "turned": linear_circuit(W.T), "slower": linear_circuit(slower)}, questions()
    found = explain_all(systems, asked)
    np.testing.assert_allclose(mode_distances(found["circuit"], found["turned"]), 0, atol=1e-6)  # the same eigenvalues
    apart = mode_distances(found["circuit"], found["slower"])
    assert apart.shape == (3, 2) and (apart > 0.01).all()
    chance = mode_distances_by_chance(found["circuit"], systems["circuit"], asked, rng=np.random.default_rng(0), draws=3)
    assert chance.shape == (3,) and (chance > 0).all()


def test_surrogates_visit_states_of_their_own(linear_circuit: Any) -> None:
    """Equal weights are the same in any order, so that every surrogate of such a network is the network itself, wherever another system goes."""
    text = {"equations": "dx/dt = (-x + W(r))/tau : 1\nr = tanh(x) : 1 (constant over dt)", "rate": "r"}
    rng = np.random.default_rng(2)
    other, uniform = linear_circuit(2.5 * rng.normal(size=(UNITS, UNITS)), **text), linear_circuit(np.full((UNITS, UNITS), 0.6), **text)
    task = free_run(np.tanh(1.5 * rng.normal(size=(3, UNITS))), 0.1)
    asked = Questions(task, rng.normal(size=(UNITS, 1)), (0.0, 0.08), LOOKED, np.arange(1))
    found = explain_all({"other": other, "uniform": uniform}, asked)
    chance = mode_distances_by_chance(found["other"], uniform, asked, rng=rng, draws=2)
    np.testing.assert_allclose(chance, mode_distances(found["other"], found["uniform"]).mean(), rtol=1e-9)
