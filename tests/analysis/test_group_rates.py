"""Rates of groups are the mean of their members'."""

import numpy as np
import pytest

from cortex_sim.analysis import group_rates, groups_of
from cortex_sim.cards import load
from cortex_sim.cards.edit import resized
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.trials import Trials


def test_groups_of_neurons_fire_as_their_members_do_on_average() -> None:
    when, unit, trial = np.array([0.005, 0.012, 0.013]), np.array([0, 1, 2]), np.zeros(3, int)
    trials = Trials.from_spikes((when, unit, trial), 0.01 * np.arange(2), units=3, condition=np.arange(1))
    np.testing.assert_allclose(group_rates(trials, np.array([0, 0, 1])).rate[0], [[50, 0], [50, 100]])


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_the_mean_rate_of_a_group_is_its_number_of_spikes_over_its_time_on_any_bins(bin: float) -> None:
    rng, group, lasts = np.random.default_rng(0), np.array([0, 0, 1]), 0.2
    spikes = np.sort(rng.uniform(0, lasts, 300)), rng.integers(0, 3, 300), rng.integers(0, 4, 300)
    trials = Trials.from_spikes(spikes, bin * np.arange(round(lasts / bin)), units=3, condition=np.arange(4))
    found = group_rates(trials, group)
    np.testing.assert_allclose(found.rate.mean(axis=(0, 1)), np.bincount(group[spikes[1]]) / np.bincount(group) / 4 / lasts)
    np.testing.assert_allclose(found.rate[:, :, 1], trials.binned().rate[:, :, 2])


def test_excitatory_units_of_the_linked_circuit_have_120_neurons_each_and_inhibitory_ones_30() -> None:
    model = load("soc_lif")
    assert isinstance(model, SpikingModel)
    groups = groups_of(model)
    assert len(groups) == model.units and np.bincount(groups).tolist() == [120] * 100 + [30] * 100


def test_every_neuron_of_a_scaled_circuit_has_a_group() -> None:
    model = load("potjans_diesmann_2014")
    assert isinstance(model, SpikingModel)
    small = model.changed(scale=0.01)
    assert len(groups_of(small)) == small.units < model.units


def test_a_smaller_population_keeps_its_summed_input() -> None:
    model = load("montbrio_2015_qif")
    assert isinstance(model, SpikingModel)
    small = resized(model, {"all": 500}, summed=["coupling"])
    before, after = (card.size("all") * card.projections["coupling"].weight.value for card in (model, small))
    assert small.size("all") == 500 and np.isclose(after, before)
