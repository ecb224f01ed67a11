"""Feedback that prepares: its parts are found whatever they are called, its input holds a state, its readout is blind where it should be."""

import numpy as np
import pytest

from cortex_sim.analysis._feedback import Controlled, blind_readout, feedback_parts, unseen
from cortex_sim.cards import Model, load
from cortex_sim.cards.edit import with_argument
from cortex_sim.errors import OptionError
from cortex_sim.simulation.torch import trajectories_from
from cortex_sim.tasks._held_then_moving import held_then_moving

UNITS = 40
RNG = np.random.default_rng(0)


def circuit() -> Model:
    model = with_argument(load("kao_2021").with_arrays({}, units=UNITS), "W", abscissa=0.85)
    return model.with_arrays({"x_rest": 1 + 0.15 * RNG.standard_normal(UNITS), "W_hold": np.ones((UNITS, 1))})


def test_the_parts_are_told_apart_and_what_has_none_is_refused() -> None:
    assert feedback_parts(load("kao_2021")) == ("W", "K", "W_hold", "x_rest")
    with pytest.raises(OptionError, match="hennequin_2014: preparation needs a spontaneous state, .* where kao_2021 has 1, 2 and 1"):
        feedback_parts(load("hennequin_2014"))


@pytest.mark.parametrize("feedback", [True, False])
def test_a_state_that_is_held_stays_and_has_no_prospective_error(feedback: bool) -> None:
    controlled = Controlled.of(circuit(), RNG.standard_normal((2, UNITS)), penalty=0.1)
    assert np.trace(controlled.Q) == pytest.approx(UNITS) and controlled.costs[0] < controlled.costs[1]
    wanted = 1 + 0.2 * RNG.standard_normal((2, UNITS))
    task = held_then_moving(controlled.holding_input(wanted, feedback=feedback), preparation=0.2, movement=0.1, course=np.zeros_like, hold=feedback)
    states = trajectories_from(controlled.model, task, wanted)[:, task.time < -1e-9]
    np.testing.assert_allclose(states, np.broadcast_to(wanted[:, None], states.shape), atol=1e-9)
    assert np.abs(controlled.prospective_error(states, wanted)).max() < 1e-9


def test_a_readout_is_blind_to_what_it_should_not_see_and_exact_where_it_can_be() -> None:
    silent, weights = RNG.standard_normal((3, 12)), RNG.standard_normal((2, 12))
    blind = unseen(silent)
    np.testing.assert_allclose(blind @ silent.T, 0, atol=1e-12)
    rates = RNG.standard_normal((4, 30, 12))
    found = blind_readout(rates, rates @ (weights @ blind).T, blind, ridge=1e-12)
    np.testing.assert_allclose(found, weights @ blind, atol=1e-8)
