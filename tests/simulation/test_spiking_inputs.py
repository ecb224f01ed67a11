"""Inputs of spiking neurons: counter-based random numbers with the moments of what they stand for, drives and recordings as they were given."""

import numpy as np
import pytest

from cortex_sim.errors import CardError
from cortex_sim.simulation._spiking_inputs import Source, mixed

NEURONS, STEPS, DT = 400, 250, 1e-4
EVERYONE = np.arange(NEURONS)
EMPTY = np.zeros((0, 0))
NONE = np.zeros(0, np.int64)


def source(kind: str, stream: int = 7, **arrays: np.ndarray) -> Source:
    given = {"patterns": EMPTY, "courses": EMPTY, "starts": NONE, "neurons": NONE} | arrays
    return Source(kind, stream, DT, 500.0, **given)


def test_the_mixer_is_splitmix64() -> None:
    """The first numbers of SplitMix64 seeded with 1234567, as its published test vectors give them."""
    golden, state = 0x9E3779B97F4A7C15, 1234567
    wanted = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    for number in wanted:
        state = (state + golden) % 2**64
        assert int(mixed(np.uint64(state))) == number


def test_uniform_numbers_are_uniform_and_independent_over_neurons_steps_and_streams() -> None:
    one = np.array([source("noise").uniform(k, EVERYONE) for k in range(STEPS)])
    other = np.array([source("noise", 8).uniform(k, EVERYONE) for k in range(STEPS)])
    assert one.min() >= 0 and one.max() < 1
    count = np.histogram(one, 20, (0, 1))[0]
    assert ((count - one.size / 20) ** 2).sum() / (one.size / 20) < 19 + 5 * np.sqrt(38)
    for a, b in ((one[:, 1:], one[:, :-1]), (one[1:], one[:-1]), (one, other)):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_any_neurons_number_can_be_had_alone() -> None:
    whole = source("noise").uniform(3, EVERYONE)
    assert source("noise").uniform(3, np.array([17]))[0] == whole[17]


@pytest.mark.parametrize("rate", [0.0, 50.0, 16_000.0])
def test_poisson_counts_have_the_mean_and_variance_of_their_rate(rate: float) -> None:
    counts = np.array([source("poisson").poisson(rate, k * DT, EVERYONE) for k in range(STEPS)])
    mean = rate * DT
    assert abs(counts.mean() - mean) <= 5 * np.sqrt(mean / counts.size)
    assert abs(counts.var() - mean) <= 5 * np.sqrt((mean + 2 * mean**2) / counts.size)
    if 0 < mean < 2:
        shares = np.bincount(counts.astype(int).ravel(), minlength=3)[:3] / counts.size
        wanted = np.exp(-mean) * mean ** np.arange(3) / np.array([1, 1, 2])
        assert (np.abs(shares - wanted) < 5 * np.sqrt(wanted / counts.size) + 1e-9).all()


def test_a_poisson_input_that_asks_for_too_much_is_refused() -> None:
    with pytest.raises(CardError, match="a Poisson input expects 501 events of a neuron in one step, where at most 500 can be told apart"):
        source("poisson").poisson(5.01e6, 0.0, EVERYONE)
    large = np.array([source("poisson").poisson(4.9e6, k * DT, EVERYONE) for k in range(20)])
    assert abs(large.mean() - 490) < 5 * np.sqrt(490 / large.size)


def test_white_noise_is_standard_normal_over_the_root_of_the_step() -> None:
    draws = np.array([source("noise").noise(k * DT, EVERYONE) for k in range(STEPS)]) * np.sqrt(DT)
    n = draws.size
    assert abs(draws.mean()) < 5 / np.sqrt(n) and abs(draws.var() - 1) < 5 * np.sqrt(2 / n) and abs((draws**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(draws[1:].ravel(), draws[:-1].ravel())[0, 1]) < 5 / np.sqrt(n)


def test_drives_add_up() -> None:
    patterns, courses = np.random.default_rng(0).normal(size=(2, NEURONS)), np.random.default_rng(1).normal(size=(2, STEPS))
    courses[0, 100:] = 0
    both = source("drive", patterns=patterns, courses=courses)
    for k in (0, 99, 100, STEPS - 1):
        np.testing.assert_allclose(both.drive(k * DT, EVERYONE), courses[:, k] @ patterns, atol=1e-14)
    assert not source("drive", patterns=np.zeros((0, NEURONS)), courses=np.zeros((0, STEPS))).drive(0.0, EVERYONE).any()


def test_recorded_spikes_are_played_back_once() -> None:
    rng = np.random.default_rng(0)
    step, neuron = np.sort(rng.integers(0, STEPS, 500)), rng.integers(0, NEURONS, 500)
    played = source("recorded", starts=np.searchsorted(step, np.arange(STEPS + 1)), neurons=neuron)
    counts = np.array([played.recorded(k * DT, EVERYONE) for k in range(STEPS)])
    wanted = np.zeros((STEPS, NEURONS))
    np.add.at(wanted, (step, neuron), 1)
    assert (counts == wanted).all() and not played.recorded(STEPS * DT, EVERYONE).any()
