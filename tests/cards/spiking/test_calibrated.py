"""The network that is run has the connection probabilities and the card its rates."""

import numpy as np
import pytest

from cortex_sim.cards import calibrated_rates, connection_probabilities, load
from cortex_sim.cards.spiking import SpikingModel
from tests.cards.spiking.test_spiking import CARD, table


def test_a_fixed_indegree_is_that_share_of_the_sources() -> None:
    model = load("brunel_2000")
    assert isinstance(model, SpikingModel)
    small = model.changed(populations={name: part.model_dump() | {"size": part.size // 10} for name, part in model.populations.items()})
    (excitatory, inhibitory), found = list(small.populations), connection_probabilities(small)
    indegree = small.projections["recurrent"].arguments["indegree"].spread((2, 2), "indegree")
    for column, source in enumerate((excitatory, inhibitory)):
        for row, target in enumerate((excitatory, inhibitory)):
            assert found[source, target] == pytest.approx(indegree[row, column] / small.size(source))


def test_the_planted_connections_are_found_whatever_the_kinds_of_neuron_and_the_order_of_their_populations() -> None:
    sizes, planted = {"A": 3, "B": 5, "C": 7, "D": 2}, {("C", "D"), ("B", "C"), ("A", "A"), ("D", "B")}
    populations = {name: {"neurons": "lif" if name in "AC" else "other", "size": size} for name, size in sizes.items()}
    wire = {"synapse": "jump", "rule": "all_to_all", "weight": table(0.1, "mV"), "delay": table(1.5, "ms")}
    projections = {f"{source}{target}": wire | {"sources": [source], "targets": [target]} for source, target in planted}
    kinds = {"lif": CARD["neurons"]["lif"], "other": CARD["neurons"]["lif"]}
    model = SpikingModel.model_validate(CARD | {"neurons": kinds, "populations": populations, "projections": projections})
    assert connection_probabilities(model) == {(a, b): float((a, b) in planted) for a in sizes for b in sizes}


def test_rates_are_those_of_the_card_and_none_where_it_gives_none() -> None:
    model = load("dura_bernal_2023_lif")
    assert isinstance(model, SpikingModel)
    assert list(calibrated_rates(model)) == [name for name, part in model.populations.items() if part.rate]
    assert all(np.isfinite(rate) and rate > 0 for rate in calibrated_rates(model).values())
