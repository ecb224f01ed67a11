"""Networks that are the circuit itself read as identical, and rules whose networks lie apart are told from one that scatters as all do."""

import numpy as np
import pytest

from cortex_sim.comparison import ANGLE, CKA, ERROR, FREQUENCY, Activity, planted_rotation, read_rules, rule_scores, separation_scores
from cortex_sim.trials import Trials


def activity(seed: int, frequency: float = 2.0, bin: float = 0.01) -> Activity:
    bins = round(0.4 / bin)
    rates = planted_rotation(np.random.default_rng(seed), frequency=frequency, noise=0.0, conditions=16, bins=bins, units=10, dt=bin)
    taught, test = (Trials.from_arrays(100 * rates[part::2], bin * np.arange(bins)) for part in range(2))
    return Activity(taught, test, (0.0, 0.2))


def test_a_rotation_is_found_at_its_frequency_whatever_rates_are_multiplied_by() -> None:
    plain = activity(0)
    assert plain.turning()[1] == pytest.approx(2.0, rel=0.05)
    scaled = Activity(*(Trials.from_arrays(3 * side.rate, side.time) for side in (plain.taught, plain.test)), plain.window)
    assert scaled.turning() == pytest.approx(plain.turning())


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_a_rotation_has_one_frequency_on_any_bins(bin: float) -> None:
    found = activity(0, bin=bin).turning()[1]
    assert abs(found / 2.0 - 1) < 0.05 + (2 * np.pi * 2.0 * bin) ** 2 / 6  # central differences of a sine are sin(w h)/h


def test_the_circuit_itself_and_its_own_output_are_identical() -> None:
    circuit = activity(0)
    wanted = Trials.from_arrays(circuit.test.rate[:, :, :2], circuit.test.time)
    values, nulls = read_rules(wanted, {"rule": [wanted]}, circuit, {"rule": [circuit]}, seed=0, count=3)
    found = {score.measure: score for score in rule_scores(values, nulls, circuit, "test")}
    assert [found[measure].estimate for measure in (ERROR, ANGLE, CKA)] == pytest.approx([0, 0, 1], abs=1e-6)
    assert found[FREQUENCY].estimate == pytest.approx(found[FREQUENCY].identical) and found[ERROR].interval is None


def test_a_rule_that_sets_its_networks_apart_is_told() -> None:
    distance = np.ones((2, 4, 2, 4))
    distance[0, :, 0] = 0.2
    apart, like = separation_scores(distance, ["apart", "like"], "test", seed=0, count=20)
    assert apart.estimate == pytest.approx(0.8) and like.estimate == 0 and apart.interval == pytest.approx((0.8, 0.8))


def test_units_are_scaled_by_training_and_the_null_is_the_median_over_networks() -> None:
    circuit, networks = activity(0), [activity(seed) for seed in (1, 2, 3)]
    taught = Trials.from_arrays(circuit.taught.rate * np.geomspace(1, 5, 10) + 7, circuit.taught.time)
    known, found = taught.rate, Activity(taught, circuit.test, circuit.window).scaled
    expected = (circuit.test.rate - known.mean(axis=(0, 1))) / known.std(axis=(0, 1))
    apart = [np.linalg.norm(states[:, None] - states, axis=(2, 3)) for states in (found, expected)]
    np.testing.assert_allclose(*apart, rtol=1e-4)  # components with a millionth of the variance are left out
    wanted = Trials.from_arrays(circuit.test.rate[:, :, :2], circuit.test.time)
    own = [read_rules(wanted, {"rule": [wanted]}, circuit, {"rule": [network]}, seed=0, count=4)[1] for network in networks]
    nulls = read_rules(wanted, {"rule": [wanted] * 3}, circuit, {"rule": networks}, seed=0, count=4)[1]
    for measure in (ANGLE, CKA):
        np.testing.assert_allclose(nulls[measure]["rule"], np.median([each[measure]["rule"] for each in own], axis=0))
