"""Arrays given to a model: quantities are converted, bare numbers in the card's unit are told from those in SI."""

from typing import Any

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.cards._fields import Parameter
from cortex_sim.cards._given import in_si
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError

UNITS = 50
CARD: dict[str, Any] = {
    "name": "leak", "kind": "rate",
    "title": "Leak", "paper": "none", "units": UNITS, "rate": "r", "dt": {"value": 1, "unit": "ms", "meaning": "step"},
    "equations": "dx/dt = (-x + W(r) + drive(t, i))/tau_r : Hz\nr = x : Hz (constant over dt)\ntau_r : second (constant)",
    "parameters": {"tau_r": {"value": 25, "unit": "ms", "meaning": "time constant", "over": "units"}},
    "inputs": {"drive": {"unit": "Hz", "meaning": "input"}},
    "projections": {"W": {"rule": "gaussian", "arguments": {"gain": {"value": 0.5, "meaning": "gain"}}}},
}  # fmt: skip


@pytest.fixture
def model() -> Model:
    return Model.model_validate(CARD)


def test_quantities_of_any_unit_are_what_they_say(model: Model) -> None:
    b2 = pytest.importorskip("brian2")
    for given in (np.full(UNITS, 20 * b2.ms), np.full(UNITS, 20) * b2.ms, np.full(UNITS, 0.02) * b2.second, np.full(UNITS, 2e4) * b2.usecond):
        np.testing.assert_allclose(model.with_arrays({"tau_r": given}).arrays()["tau_r"], 0.02, rtol=1e-12)
    slow = model.with_arrays({"tau_r": np.full(UNITS, 20) * b2.second})  # far from the card's, but said with a unit
    assert (slow.arrays()["tau_r"] == 20).all()
    with pytest.raises(CardError, match=r"weights 'tau_r' are in m\^2 kg s\^-3 A\^-1; the card is in ms"):
        model.with_arrays({"tau_r": np.full(UNITS, 20) * b2.mV})
    with pytest.raises(CardError, match=r"weights 'W' are in s; the card is in 1"):
        model.with_arrays({"W": np.zeros((UNITS, UNITS)) * b2.ms})


def test_bare_numbers_in_the_units_of_the_card_are_refused_with_the_cure(model: Model) -> None:
    message = r"tau_r = 20 in SI, 20000 ms; the card is in ms and says 25. Bare numbers are in SI: multiply by 0.001, or give a quantity."
    with pytest.raises(CardError, match=message):
        model.with_arrays({"tau_r": np.full(UNITS, 20.0)})
    for bare in (0.02, 1.0, 1e-4, 1e5):  # in SI; or far, but no nearer in ms
        assert (model.with_arrays({"tau_r": np.full(UNITS, bare)}).arrays()["tau_r"] == bare).all()


def test_a_card_with_one_value_a_unit_tells_units_apart_as_well(model: Model) -> None:
    own = Model.model_validate(CARD | {"parameters": {"tau_r": CARD["parameters"]["tau_r"] | {"value": np.linspace(10, 40, UNITS).tolist()}}})
    for bare in (np.full(UNITS, 20.0), np.linspace(12.0, 45.0, UNITS)):
        with pytest.raises(CardError, match=r"the card is in ms and says 25. Bare numbers are in SI: multiply by 0.001, or give a quantity"):
            own.with_arrays({"tau_r": bare})
        assert (own.with_arrays({"tau_r": bare * 1e-3}).arrays()["tau_r"] == bare * 1e-3).all()
    for wrong in (np.ma.masked_equal(np.full(UNITS, 0.02), 0.02), np.full(UNITS, 0.02j), ["0.02"] * UNITS):
        with pytest.raises(CardError, match="weights 'tau_r'"):
            own.with_arrays({"tau_r": wrong})


def test_what_is_no_array_for_the_card_is_refused(model: Model) -> None:
    number = {"tau_r": {key: value for key, value in CARD["parameters"]["tau_r"].items() if key != "over"}}
    scalar = Model.model_validate(CARD | {"equations": CARD["equations"].rpartition("\n")[0], "parameters": number})
    wrong: list[tuple[Model, Any, str]] = [
        (scalar, np.full(UNITS, 0.02), "parameter 'tau_r' is one number for all; to have one a unit, give it over = 'units' in the card"),
        (model, np.full(3, 0.02), r"weights 'tau_r' have shape \(3,\); the card asks for \(50,\)"),
        (model, np.full(UNITS, np.nan), r"weights 'tau_r' are not finite, first at \(0,\)"),
        (model, ["a"] * UNITS, "weights 'tau_r' should be an array of numbers"),
    ]
    for asked, array, message in wrong:
        with pytest.raises(CardError, match=message):
            asked.with_arrays({"tau_r": array})


RATES = [name for name, path in cs.cards.catalogue.models().items() if path.parent.name != "spiking"]
BUILT = {"kao_2021_loop"}  # the circuit of kao_2021 once more, whose construction takes 9 s


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in BUILT)) for name in RATES])
def test_every_card_takes_its_own_arrays(name: str) -> None:
    loaded = cs.load(name)
    arrays = loaded.arrays()
    again = loaded.with_arrays(arrays).arrays()
    for key, array in arrays.items():
        np.testing.assert_array_equal(again[key], array)


def test_a_bare_number_in_thousandths_of_a_card_that_is_in_si_is_refused() -> None:
    part = Parameter.model_validate({"value": [0.02, 0.03], "unit": "second", "meaning": "time constant", "over": "units"})
    with pytest.raises(CardError, match=r"tau = 20 in SI, 20000 ms; the card says 0.025 second, 25 ms. Bare numbers are in SI: multiply by 0.001"):
        in_si("tau", np.full(2, 20), part)
    np.testing.assert_array_equal(in_si("tau", np.full(2, 0.02), part), 0.02)
    np.testing.assert_array_equal(in_si("tau", np.full(2, 1e4), part), 1e4)  # far in both readings
    for unit in ("1", "Hz"):  # of which nobody thinks in thousandths
        plain = Parameter.model_validate({"value": 0.02, "unit": unit, "meaning": "a number", "over": "units"})
        np.testing.assert_array_equal(in_si("k", np.full(2, 20.0), plain), 20.0)
