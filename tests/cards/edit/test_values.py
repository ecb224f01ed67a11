"""Other values of parameters change the derivative as the equation says, and nothing else."""

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.cards.edit import with_values
from cortex_sim.errors import OptionError
from cortex_sim.simulation import flow


def test_half_the_time_constant_doubles_the_flow_and_leaves_the_weights() -> None:
    circuit = load("sompolinsky_1988").with_arrays({}, units=10)
    quick = with_values(circuit, {"tau": circuit.parameters["tau"].value / 2}, source="chosen")
    states = np.random.default_rng(0).standard_normal((3, 10))
    np.testing.assert_allclose(flow(quick, quick.arrays(), states), 2 * flow(circuit, circuit.arrays(), states), rtol=1e-12)
    assert quick.parameters["tau"].source == "chosen" and (quick.arrays()["J"] == circuit.arrays()["J"]).all()


def test_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(OptionError, match="has no parameter 'tua'. Did you mean 'tau'?"):
        with_values(load("sompolinsky_1988"), {"tua": 1})
