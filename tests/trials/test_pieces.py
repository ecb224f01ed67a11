"""Pieces of long trials hold every spike of the whole at its own distance from the start of its piece."""

import numpy as np

from cortex_sim.analysis import interval_rates, population_rates
from cortex_sim.trials import Trials, pieces


def test_pieces_put_back_end_to_end_are_the_trial() -> None:
    rng = np.random.default_rng(0)
    when, unit = np.sort(rng.uniform(0, 1.05, 200)), rng.integers(0, 3, 200)
    whole = Trials.from_spikes((when, unit, np.zeros(200, int)), 0.01 * np.arange(105), units=3, condition=np.array(["a"]))
    cut = pieces(whole, 0.25)
    assert cut.shape == (4, 25, 3) and (cut.condition == "a").all()
    back = np.sort(cut.spikes.time + 0.25 * cut.spikes.trial)
    np.testing.assert_allclose(back, when[when < 1.0], atol=1e-12)


def test_rates_of_populations_are_spikes_by_neurons_and_seconds() -> None:
    when, unit, trial = np.array([0.05, 0.15, 0.16, 0.5]), np.array([0, 1, 2, 0]), np.array([0, 0, 1, 1])
    trials = Trials.from_spikes((when, unit, trial), 0.01 * np.arange(60), units=3, condition=np.arange(2), population=np.array(["E", "E", "I"]))
    assert population_rates(trials, (0.1, 0.3)) == {"E": 1 / 0.2 / 2 / 2, "I": 1 / 0.2 / 2}


def test_regular_spikes_have_one_over_their_interval_whenever_the_trial_ends() -> None:
    when = np.concatenate([0.013 + 0.05 * np.arange(6), [0.1]])
    trials = Trials.from_spikes((when, np.repeat([0, 1], [6, 1]), np.zeros(7, int)), 0.01 * np.arange(30), units=3, condition=np.arange(1))
    np.testing.assert_allclose(interval_rates(trials), [20, 0, 0])
