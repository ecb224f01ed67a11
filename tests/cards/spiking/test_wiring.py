"""Rules draw the synapses they say, the same ones for the same seed, sorted by source."""

import numpy as np
import pytest

from cortex_sim import load
from cortex_sim.cards.spiking import _wiring as wiring
from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.cards.spiking._wiring import Pair, blocks
from tests.cards.spiking.test_spiking import CARD, table

SOURCES, TARGETS = 300, 200


def pair(seed: int = 0, **changes: object) -> Pair:
    values: dict[str, object] = {
        "sources": SOURCES, "targets": TARGETS, "scale": 1.0, "full": SOURCES * TARGETS, "each": None, "first": 0, "rng": np.random.default_rng(seed),
    }  # fmt: skip
    return Pair(**(values | changes))  # type: ignore[arg-type]


def test_every_target_has_its_indegree_and_sources_are_uniform() -> None:
    pre, post = wiring.fixed_indegree(pair(), indegree=50)
    assert (np.bincount(post, minlength=TARGETS) == 50).all()
    numbers = np.bincount(pre, minlength=SOURCES)  # multinomial: mean 33.3, variance 33.2
    chi2 = ((numbers - 50 * TARGETS / SOURCES) ** 2).sum() / (50 * TARGETS / SOURCES)
    assert abs(chi2 - (SOURCES - 1)) < 5 * np.sqrt(2 * (SOURCES - 1))
    halves = [np.bincount(post[pre < SOURCES // 2], minlength=TARGETS)]  # of each target's 50, half from the first half: binomial
    assert abs(halves[0].mean() - 25) < 5 * np.sqrt(12.5 / TARGETS) and 0.6 < halves[0].var() / 12.5 < 1.5


def test_the_total_leaves_a_pair_unconnected_with_probability_one_minus_p() -> None:
    pre, post = wiring.fixed_total(pair(), probability=0.3)
    assert len(pre) == round(np.log(0.7) / np.log(1 - 1 / (SOURCES * TARGETS)))
    connected = np.zeros((SOURCES, TARGETS), dtype=bool)
    connected[pre, post] = True
    assert abs(connected.mean() - 0.3) < 5 * np.sqrt(0.21 / connected.size)
    small, _ = wiring.fixed_total(pair(scale=0.1), probability=0.3)
    assert len(small) == round(len(pre) * 0.01)


@pytest.mark.parametrize("p", [0.003, 0.1, 0.9])
def test_bernoulli_connects_each_pair_at_most_once_with_probability_p(p: float) -> None:
    pre, post = wiring.bernoulli(pair(), probability=p)
    place = pre.astype(int) * TARGETS + post
    assert len(np.unique(place)) == len(place)
    assert abs(len(place) / (SOURCES * TARGETS) - p) < 5 * np.sqrt(p * (1 - p) / (SOURCES * TARGETS))
    edges = np.isin(np.arange(SOURCES * TARGETS)[-2000:], place).mean(), np.isin(np.arange(2000), place).mean()
    assert all(abs(edge - p) < 5 * np.sqrt(p * (1 - p) / 2000) for edge in edges)  # no end is favoured


def test_bernoulli_reaches_both_ends() -> None:
    pre, post = wiring.bernoulli(pair(), probability=1.0)
    assert len(pre) == SOURCES * TARGETS and post[-1] == TARGETS - 1 and pre[-1] == SOURCES - 1
    assert len(wiring.bernoulli(pair(), probability=0.0)[0]) == 0 == len(wiring.fixed_total(pair(), probability=0.0)[0])


def test_a_neuron_is_linked_to_the_unit_it_reads() -> None:
    pre, post = wiring.to_linked(pair(each=120, first=5))
    assert pre.tolist() == list(range(SOURCES)) and (post == 5 + np.arange(SOURCES) // 120).all()


@pytest.mark.parametrize("rule", ["fixed_indegree", "fixed_total", "bernoulli"])
def test_the_seed_decides_and_sources_ascend(rule: str) -> None:
    argument = {"indegree": 20.0} if rule == "fixed_indegree" else {"probability": 0.1}
    draws = [getattr(wiring, rule)(pair(seed), **argument) for seed in (0, 0, 1)]
    assert (draws[0][0] == draws[1][0]).all() and (draws[0][1] == draws[1][1]).all()
    assert len(draws[0][1]) != len(draws[2][1]) or (draws[0][1] != draws[2][1]).any()
    assert (np.diff(draws[0][0]) >= 0).all()


def test_weights_and_delays_are_drawn_as_the_card_says() -> None:
    weight, delay = table([2.0, -3.0], "mV") | {"sd": 0.1}, table(1.5, "ms") | {"sd": 0.5}
    card = CARD | {"projections": {"all": CARD["projections"]["all"] | {"weight": weight, "delay": delay, "arguments": {"probability": table(0.9)}}}}
    model = SpikingModel.model_validate(card | {"populations": {"E": {"neurons": "lif", "size": 200}, "I": {"neurons": "lif", "size": 200}}})
    found = list(blocks(model, "all"))
    assert [(b.pre.min() >= 200, b.post.min() >= 200) for b in found] == [(False, False), (True, False), (False, True), (True, True)]
    for block, wanted in zip(found, (2e-3, -3e-3, 2e-3, -3e-3), strict=True):
        count = len(block.pre)
        assert abs(block.weight.mean() / wanted - 1) < 5 * 0.1 / np.sqrt(count)
        assert abs(block.weight.std() / abs(wanted) / 0.1 - 1) < 5 / np.sqrt(2 * count)
        assert (np.sign(block.weight) == np.sign(wanted)).all()
        steps = block.delay / 1e-4
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert steps.min() >= 1 - 1e-3 and abs(np.median(steps) - 15) <= 1


def test_the_spiking_circuit_has_the_weights_of_the_rate_circuit() -> None:
    spiking, rate = load("soc_lif"), load("hennequin_2014")
    block = next(blocks(spiking, "W"))
    W = np.zeros((200, 200))
    W[block.post, block.pre] = block.weight
    np.testing.assert_allclose(W, rate.arrays()["W"], rtol=1e-6, atol=1e-7)


def test_published_structure_of_the_layered_cortex() -> None:
    model, part = load("dura_bernal_2023_lif"), load("dura_bernal_2023_lif").projections["from_e"]
    shape = (len(part.targets), len(part.sources))
    p = part.arguments["probability"].spread(shape, "p")
    value = {(a, b): p[part.targets.index(b), part.sources.index(a)] for a in part.sources for b in part.targets}
    assert sum(model.size(name) for name in model.populations) == 10_073
    assert all(value["PT5B", name] == 0 for name in ("IT2", "IT4", "IT5A", "IT5B", "IT6"))
    assert round(value["IT2", "IT5A"], 3) == 0.122 and round(value["IT2", "PT5B"], 3) == 0.097
    assert max(value[a, "IT2"] for a in ("IT6", "CT6")) < 0.01
    assert {round(value["IT2", b], 3) for b in ("SOM5A", "SOM5B")} == {0.117} and {round(value["IT2", b], 3) for b in ("PV5A", "PV5B")} == {0.003}
    assert {round(value[a, "PV5B"], 3) for a in ("IT5B", "PT5B")} == {0.117} and {round(value[a, "SOM5B"], 3) for a in ("IT5B", "PT5B")} == {0.003}
