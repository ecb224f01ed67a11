"""Spectra: eigenvalues that are known in closed form, and a distance that is a metric."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise, permutations

import numpy as np
import pytest
from numpy import ndarray
from scipy.optimize import fsolve

from cortex_sim.analysis._spectrum import Spectrum, shuffled_weights, spectral_distance, spectrum
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model

Build = Callable[..., Model]
TAU = 0.2  # s, of the circuits that linear_circuit builds
TANH = "dx/dt = (-x + W(r) + b)/tau : 1\nr = tanh(x) : 1 (constant over dt)\nb : 1 (constant)"
STUDENTS = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]


def ordered(values: ndarray) -> ndarray:
    return values[np.lexsort((values.imag, np.round(values.real, 6)))]


def of(*eigenvalues: complex) -> Spectrum:
    return Spectrum(np.array(eigenvalues, dtype=complex), np.zeros(1), 0.0)


@pytest.mark.parametrize("integrator", ["euler", "exponential_euler"])
@pytest.mark.parametrize("dt", [1e-3, 1e-2])
def test_a_linear_circuit_has_the_eigenvalues_of_its_own_step(linear_circuit: Build, integrator: str, dt: float) -> None:
    W = np.random.default_rng(0).normal(size=(8, 8)) / 3
    found = spectrum(linear_circuit(W, dt=dt, integrator=integrator))
    kept = 1 - dt / TAU if integrator == "euler" else np.exp(-dt / TAU)
    exact = np.log(kept + (1 - kept) * np.linalg.eigvals(W).astype(complex)) / dt
    np.testing.assert_allclose(ordered(found.eigenvalues), ordered(exact), atol=1e-9)
    assert found.at_rest and found.speed == 0 and not found.state.any()
    assert (np.diff(found.eigenvalues.real) <= 0).all()  # slowest first


def test_euler_eigenvalues_approach_those_of_the_flow_with_order_one(linear_circuit: Build) -> None:
    decay, turn = 2.0, 2 * np.pi * 3  # 1/s, rad/s: a damped rotation at 3 Hz
    W = np.eye(2) + TAU * np.array([[-decay, -turn], [turn, -decay]])
    spectra = [spectrum(linear_circuit(W, dt=dt)) for dt in (1e-3, 5e-4, 2.5e-4)]
    errors = [np.abs(ordered(s.eigenvalues) - [-decay - 1j * turn, -decay + 1j * turn]).max() for s in spectra]
    assert errors[2] < abs(decay + 1j * turn) ** 2 * 2.5e-4 / 2 * 1.01  # log(1 + z) = z - z^2/2
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.03)


def test_the_balanced_pair_has_its_two_published_modes() -> None:
    found, w, k, tau, dt = spectrum(catalogue.load("murphy_miller_2009")), 30 / 7, 1.1, 0.02, 2e-5
    exact = [np.log(1 - dt / tau) / dt, np.log(1 + dt * (w * (1 - k) - 1) / tau) / dt]
    np.testing.assert_allclose(found.eigenvalues, exact, rtol=1e-9)
    np.testing.assert_allclose(found.eigenvalues.real * tau, [-1, -1 - 0.4286], rtol=1e-3)  # to dt/tau


def test_a_biased_network_is_linearised_where_it_rests(linear_circuit: Build) -> None:
    rng = np.random.default_rng(1)
    W, b = rng.normal(size=(6, 6)) / 3, rng.normal(size=6)
    bias = {"tau": {"value": 200, "unit": "ms", "meaning": "tau"}, "b": {"value": 0, "meaning": "bias", "over": "units"}}
    found = spectrum(linear_circuit(W, equations=TANH, parameters=bias, inputs={}).with_arrays({"b": b}))
    rest = fsolve(lambda x: -x + W @ np.tanh(x) + b, np.zeros(6), xtol=1e-13)
    slowest = np.exp(3 * found.eigenvalues.real[0])  # what is left of the way to rest after 3 s
    np.testing.assert_allclose(found.state, rest, atol=2 * np.linalg.norm(rest) * slowest + 1e-9)
    exact = np.log(1 + 1e-3 / TAU * (np.linalg.eigvals(W * (1 - np.tanh(rest) ** 2)) - 1).astype(complex)) / 1e-3
    np.testing.assert_allclose(ordered(found.eigenvalues), ordered(exact), atol=100 * slowest)
    assert found.at_rest


@pytest.mark.parametrize(("gain", "explodes"), [(1.4, False), (400.0, True)])
def test_a_circuit_without_a_rest_says_so(linear_circuit: Build, gain: float, explodes: bool) -> None:
    kick = {"kick": {"value": 1, "unit": "Hz", "meaning": "constant input"}, "tau": {"value": 200, "unit": "ms", "meaning": "tau"}}
    text = "dx/dt = (-x + W(r) + kick)/tau : Hz\nr = x : Hz (constant over dt)"
    found = spectrum(linear_circuit(gain * np.eye(2), equations=text, inputs={}, parameters=kick, dt=1e-2))
    assert not found.at_rest  # 300 steps grow by 1.02^300 = 380, or by 21^300, past all numbers
    assert np.isinf(found.speed) == explodes == (len(found.eigenvalues) == 0) == np.isnan(spectral_distance(found, of(-1)))


def test_modes_that_one_step_kills_are_left_out(linear_circuit: Build) -> None:
    found = spectrum(linear_circuit(np.diag([1 - TAU / 0.01, 0.5]), dt=0.01))
    np.testing.assert_allclose(found.eigenvalues, [np.log(1 - 0.01 / TAU * 0.5) / 0.01], rtol=1e-9)


def test_distance_is_a_metric_and_the_best_pairing() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b, c = (of(*(rng.normal(size=5) + 1j * rng.normal(size=5))) for _ in range(3))
        brute = min(np.abs(a.eigenvalues - b.eigenvalues[list(order)]).mean() for order in permutations(range(5)))
        assert spectral_distance(a, b) == pytest.approx(brute, rel=1e-12)
        assert spectral_distance(a, b) == pytest.approx(spectral_distance(b, a), rel=1e-12)
        assert spectral_distance(a, c) <= spectral_distance(a, b) + spectral_distance(b, c) + 1e-12
        assert spectral_distance(a, of(*a.eigenvalues[::-1])) == 0
        assert spectral_distance(a, of(*(a.eigenvalues - 3 + 4j))) == pytest.approx(5)  # |3 - 4i|: no pairing beats the mean shift


def test_only_the_slowest_modes_count() -> None:
    slow, fast = -np.arange(1.0, 21.0), -np.arange(100.0, 300.0)
    assert spectral_distance(of(*slow, *fast), of(*slow)) == 0
    assert spectral_distance(of(*slow, *fast), of(*slow, *(fast - 50))) == 0
    assert spectral_distance(of(*slow), of(*(slow - 2)), count=1) == pytest.approx(2)


@pytest.mark.parametrize("name", STUDENTS)
def test_shuffled_weights_are_the_same_numbers_elsewhere(name: str) -> None:
    model = catalogue.load(name).with_arrays({}, units=6, observed=6, seed=1)
    before, after = model.arrays(), shuffled_weights(model, np.random.default_rng(0))
    carriers = {item.weights for item in model.inputs.values()} | {part.weights for part in (model.readout, model.initial) if part}
    recurrent = model.projections.keys() - carriers
    for label in before:
        assert np.array_equal(before[label], after[label]) == (label not in recurrent)
        np.testing.assert_array_equal(np.sort(before[label], axis=None), np.sort(after[label], axis=None))


@pytest.mark.long
def test_shuffled_weights_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    probe = """
import numpy as np
from cortex_sim import load
from cortex_sim.analysis import shuffled_weights
from cortex_sim.runtime import content_key
print(content_key(shuffled_weights(load("gru").with_arrays({}, units=6, observed=4), np.random.default_rng(0))))
"""
    keys = {
        subprocess.run([sys.executable, "-c", probe], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(keys) == 1
