"""Other values of parameters change the derivative as the equation says, and nothing else."""

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.cards.edit import with_argument, with_values
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


def test_weights_grow_with_the_gain_of_their_rule_and_nothing_else_does() -> None:
    circuit = load("sompolinsky_1988").with_arrays({}, units=20)
    (name,) = circuit.projections
    gain = circuit.projections[name].arguments["gain"].value
    changed = with_argument(circuit, name, gain=3 * gain)
    np.testing.assert_allclose(changed.arrays()[name], 3 * circuit.arrays()[name], rtol=1e-12)
    assert with_argument(changed, name, gain=gain).key == circuit.key
    with pytest.raises(OptionError, match="has no argument 'gains'. Did you mean 'gain'"):
        with_argument(circuit, name, gains=1.0)
    with pytest.raises(OptionError, match="has no projection 'Z'"):
        with_argument(circuit, "Z", gain=1.0)


def test_values_and_arguments_replace_trained_numbers_too() -> None:
    """Numbers that training or a user has given stood before what was asked for, in silence."""
    card = load("leaky_tanh").with_arrays({}, units=5, observed=5)
    taught = card.with_arrays({"W": np.ones((5, 5)), "b": np.arange(5.0), "W_in": np.full(card.arrays()["W_in"].shape, 3.0)})
    told = with_values(taught, {"b": taught.parameters["b"].value})
    assert np.array_equal(told.arrays()["b"], card.arrays()["b"]) and np.array_equal(told.arrays()["W"], np.ones((5, 5)))
    other = with_argument(taught, "W", gain=0.0)
    assert not other.arrays()["W"].any() and np.array_equal(other.arrays()["b"], np.arange(5.0))
    fields = {"parameters": taught.model_dump()["parameters"]}
    fields["parameters"]["b"]["value"] = 2.0
    assert (taught.with_arrays({}, **fields).arrays()["b"] == 2.0).all()
    fields["parameters"]["b"] = taught.model_dump()["parameters"]["b"] | {"meaning": "else", "source": "else"}
    assert np.array_equal(taught.with_arrays({}, **fields).arrays()["b"], np.arange(5.0))
