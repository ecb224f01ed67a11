"""The circuit with two wells rests where its closed form says, and its runs reach both."""

import numpy as np
import pytest

from cortex_sim.comparison._two_wells import two_wells, well_depth, well_runs
from cortex_sim.errors import OptionError
from cortex_sim.simulation import flow, simulate

RNG = np.random.default_rng(0)
M = RNG.choice([-1.0, 1.0], 20)
CIRCUIT = two_wells(M, strength=2.0, tau=200, step=1)


def test_its_fixed_points_are_those_of_the_closed_form() -> None:
    kappa = well_depth(2.0)
    assert kappa == pytest.approx(2 * np.tanh(kappa), abs=1e-12) and kappa > 1
    np.testing.assert_allclose(flow(CIRCUIT, CIRCUIT.arrays(), np.stack([0 * M, kappa * M, -kappa * M])), 0, atol=1e-11)
    along = flow(CIRCUIT, CIRCUIT.arrays(), 1e-6 * M[None])[0]
    np.testing.assert_allclose(along, 1e-6 * M / 0.2, rtol=1e-6)  # it leaves 0 at (g - 1)/tau


def test_runs_fall_into_either_well() -> None:
    task = well_runs(M, conditions=40, duration=3.0, rng=RNG)
    ends = simulate(CIRCUIT, task).rate[:, -1] @ M / 20
    assert {-1.0, 1.0} == set(np.sign(ends)) and (np.abs(ends) > 0.5).mean() > 0.9


def test_one_well_or_other_patterns_are_refused() -> None:
    with pytest.raises(OptionError, match="strength 1.0 should be above 1"):
        two_wells(M, strength=1.0, tau=200, step=1)
    with pytest.raises(OptionError, match="m hold 1 and -1 alone"):
        two_wells(2 * M, strength=2.0, tau=200, step=1)
