"""A network tells conditions apart where counts do, from trials that it was not taught; spikes fire at their rates."""

import numpy as np
import pytest

from cortex_sim.analysis._network_decoding import Told, network_decoding
from cortex_sim.analysis._velocity import decoded, each_by_itself, ridge
from cortex_sim.cards import load
from cortex_sim.fitting import Options
from cortex_sim.tasks._telling_apart import telling_apart
from cortex_sim.trials import poisson_spikes

CONDITION = np.tile([0, 1], 15)
RNG = np.random.default_rng(0)


def test_a_network_tells_what_counts_tell_and_nothing_from_noise() -> None:
    plain = RNG.poisson(5.0, (30, 4, 3)).astype(float)
    network = load("lstm").with_arrays({}, units=8)
    told = {}
    for name, heard, epochs in (("told", plain + 20 * CONDITION[:, None, None], 30), ("not", plain, 2)):
        options = Options(epochs=epochs, batch=8, rate=2e-2, patience=epochs, validation=0.2, closed_form=False, start="rest")
        taken, fitted = network_decoding(network, heard, CONDITION, start=0.0, options=options, seeds=range(5))
        told[name] = Told("two", CONDITION, {"network": taken}, fitted).right("network").mean()
        assert len(fitted) == 5
    assert told["told"] == 1 and told["not"] < 0.5 + 3 * np.sqrt(0.25 / 30)


def test_what_is_heard_is_in_deviations_of_the_reference_and_asked_for_at_the_end() -> None:
    heard = RNG.normal(3.0, 2.0, (30, 4, 3))
    task = telling_apart(heard, CONDITION, start=-0.04, reference=np.arange(20))
    shown = task.channels.values[:, ::10]
    np.testing.assert_allclose((shown[:20].mean(axis=(0, 1)), shown[:20].std(axis=(0, 1))), ([0] * 3, [1] * 3), atol=1e-12)
    assert task.stop == 0.0 and (task.mask.sum(axis=0) == [0, 0, 0, 30]).all()
    assert (task.wanted.rate[:, 0, 0] == CONDITION).all()
    three = telling_apart(heard, np.repeat([7, 8, 9], 10), start=0.0)
    assert three.wanted.rate.shape == (30, 4, 3) and (three.wanted.rate.argmax(axis=2)[:, 0] == np.repeat([0, 1, 2], 10)).all()


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_counts_are_heard_on_bins_of_any_width(bin: float) -> None:
    heard = RNG.normal(3.0, 2.0, (30, 4, 3))
    task = telling_apart(heard, CONDITION, start=-4 * bin, bin=bin)
    assert task.bin == bin and task.stop == 0.0 and task.bins == 4
    shown = telling_apart(heard, CONDITION, start=0.0).channels.values[:, ::10]
    np.testing.assert_array_equal(task.channels.values, np.repeat(shown, task.steps // 4, axis=1))
    options = Options(epochs=0, closed_form=False, start="rest")
    _, fitted = network_decoding(load("lstm").with_arrays({}, units=4), heard, CONDITION, start=0.0, options=options, seeds=range(5), bin=bin)
    assert all(abs(bin / part.model.dt.si - round(bin / part.model.dt.si)) < 1e-9 for part in fitted)


def test_spikes_fire_at_their_rates_and_within_their_bins() -> None:
    rates = np.broadcast_to(np.array([50.0, -10.0, 200.0]), (40, 30, 3))
    time = 0.01 * np.arange(-10, 20)
    spikes = poisson_spikes(rates, time, condition=np.arange(40), rng=np.random.default_rng(1))
    expected = 40 * 0.3 * np.array([50.0, 0.0, 200.0])
    found = spikes.counts().sum(axis=(0, 1))
    assert (np.abs(found - expected) <= 4 * np.sqrt(expected)).all()
    assert spikes.spikes.time.min() >= -0.1 and spikes.spikes.time.max() < 0.2


@pytest.mark.parametrize("trials", [8, 40])
def test_velocity_is_decoded_from_other_trials_alone(trials: int) -> None:
    rates = RNG.normal(size=(trials, 12, 6))
    velocity = rates @ RNG.normal(size=(6, 2))
    found = decoded(ridge, rates, velocity)
    assert 1 - ((found - velocity) ** 2).sum() / (velocity**2).sum() > 0.95
    other = velocity.copy()
    other[0] = 1e3
    np.testing.assert_array_equal(decoded(ridge, rates, other)[0], found[0])  # what it is itself is not learned from
    assert each_by_itself(trials) is (trials == 8)
