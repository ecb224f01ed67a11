"""A circuit made smaller is otherwise the same."""

from cortex_sim.cards import catalogue
from cortex_sim.cards.edit._sizes import shrunk


def test_a_circuit_has_at_most_so_many_units() -> None:
    circuit = catalogue.load("sompolinsky_1988")
    assert (shrunk(circuit, 30).units, shrunk(circuit, 10**6).units) == (30, circuit.units)
