"""A circuit made smaller is otherwise the same."""

from cortex_sim.cards import catalogue
from cortex_sim.cards.edit._sizes import shrunk


def test_a_circuit_has_at_most_so_many_units() -> None:
    circuit = catalogue.load("sompolinsky_1988")
    assert (shrunk(circuit, 30).units, shrunk(circuit, 10**6).units) == (30, circuit.units)


def test_populations_keep_their_proportions() -> None:
    circuit = catalogue.load("dura_bernal_2023_lif")
    small = shrunk(circuit, 1000)
    assert abs(small.units - 1000) <= len(circuit.populations) / 2 and small.populations.keys() == circuit.populations.keys()
    for name, part in circuit.populations.items():
        assert abs(small.size(name) - part.size * 1000 / circuit.units) <= 0.5
    assert min(shrunk(circuit, 1).size(name) for name in circuit.populations) == 1
    assert shrunk(circuit, 10**6).key == circuit.key
