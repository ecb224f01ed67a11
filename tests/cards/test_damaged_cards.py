"""Cards that are damaged at random, or that ask for what no machine has, end in a model or in an error of ours, and soon."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from cortex_sim import load
from cortex_sim.cards import Model, catalogue
from cortex_sim.errors import CardError, CortexSimError
from cortex_sim.simulation import check
from tests.mutations import damaged

SHORT, LONG = 1500, 100_000  # damaged cards
PATIENCE = 2.0  # s that reading a card may take


def read_all(count: int, seed: int, path: Path) -> tuple[int, int]:
    """Damage cards, read them, and count models and refusals."""
    rng, cards = np.random.default_rng(seed), [file.read_bytes() for file in catalogue.models().values()]
    models = refused = 0
    for _ in range(count):
        path.write_bytes(damaged(cards[rng.integers(len(cards))], rng))
        started = time.process_time()
        try:
            load(str(path))
            models += 1
        except CortexSimError:
            refused += 1
        assert time.process_time() - started < PATIENCE, path.read_bytes()
    return models, refused


def test_a_damaged_card_is_a_model_or_refused(tmp_path: Path) -> None:
    models, refused = read_all(SHORT, 0, tmp_path / "card.toml")
    assert models > SHORT // 20  # the damage is not so great that nothing is tried behind the first line
    assert refused > SHORT // 2


@pytest.mark.long
def test_a_hundred_thousand_damaged_cards_are_models_or_refused(tmp_path: Path) -> None:
    read_all(LONG, 1, tmp_path / "card.toml")


def changed(name: str, place: str, value: Any) -> dict[str, Any]:
    import tomllib

    card = tomllib.loads(catalogue.find(name).read_text())
    *path, last = place.split(".")
    inner = card
    for key in path:
        inner = inner[key]
    inner[last] = value
    return card


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("hennequin_2014", "units", 10**9, r"weights and states of 1000000000 units.* would take 8,000,000,008 GB of memory; 50% of the"),
        ("leaky_tanh", "channels", 10**12, "GB of memory"),
        ("leaky_tanh", "observed", 10**9, "GB of memory"),
        ("brunel_2000", "populations.E.size", 10**12, r"\[populations\] populations of these sizes would take"),
        ("hennequin_2014", "parameters.tau.value", 0, "equations divide by tau, which is 0"),
        ("brunel_2000", "neurons.lif.parameters.tau.value", 0, r"\[neurons\.lif\] divides by tau, which is 0 in population 'E'"),
        ("hennequin_2014", "parameters.tau.unit", "mV**-9999", r"\[parameters\.tau\] unit 'mV\*\*-9999' is no product of units"),
        ("hennequin_2014", "dt.value", 0, r"\[dt\] value 0"),
    ],
)  # fmt: skip
def test_what_no_machine_has_is_refused_on_reading(name: str, place: str, value: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps(changed(name, place, value)))
    with pytest.raises(CardError, match=said):
        load(str(path))


def test_more_synapses_than_fit_are_refused_before_they_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps(changed("brunel_2000", "projections.recurrent.arguments.indegree.value", 1e12)))
    with pytest.raises(CardError, match="synapses between two populations would take"):
        check(load(str(path)))


@pytest.mark.parametrize(("name", "dt"), [("hennequin_2014", 1e-6), ("hennequin_2014", 3e6), ("lif", 1e-6)])
def test_a_check_takes_as_long_whatever_the_step(name: str, dt: float, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps(changed(name, "dt.value", dt)))
    started = time.process_time()
    check(load(str(path)))
    assert time.process_time() - started < 5 * PATIENCE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"equations": "dx/dt = (-x + W + drive(t, i))/tau : Hz\nr = x : Hz (constant over dt)"}, "equations name 'W' without calling it"),
        ({"equations": "dx/dt = (-x*exp + W(r) + drive(t, i))/tau : Hz\nr = x : Hz (constant over dt)"}, "equations name 'exp' without calling it"),
        ({"tau": {"value": 200, "unit": "ms", "meaning": "time", "over": "units"}}, "equations use 'tau', which is one for each unit"),
    ],
)
def test_numbers_are_not_called_and_functions_are(changes: dict[str, Any], said: str) -> None:
    card = load("hennequin_2014").model_dump()
    changes = changes if "equations" in changes else {"parameters": card["parameters"] | changes}
    with pytest.raises(CardError, match=said):
        Model.model_validate(card | changes)
