"""Units mean what Brian2 means by them."""

import re

import pytest
from brian2.core.namespace import DEFAULT_UNITS
from brian2.units import allunits

from cortex_sim.cards import Model, catalogue
from cortex_sim.cards._units import SCALES, scale
from cortex_sim.errors import CardError

LONG = {
    "V": "volt", "A": "amp", "s": "second", "S": "siemens", "F": "farad", "ohm": "ohm", "Hz": "hertz", "N": "newton", "W": "watt", "m": "metre",
    "kg": "kilogram",
}  # fmt: skip


def brian_factor(name: str) -> float:
    """Brian2's factor for a name, by its short name or by the long one with the same prefix."""
    if name in DEFAULT_UNITS:
        return float(DEFAULT_UNITS[name])
    return float(getattr(allunits, LONG[name] if name in LONG else name[0] + LONG[name[1:]]))


@pytest.mark.parametrize("name", sorted(SCALES))
def test_every_unit_has_brian2s_own_factor(name: str) -> None:
    assert scale(name) == pytest.approx(brian_factor(name), rel=1e-15)


def test_every_unit_a_card_may_name_can_stand_in_brian2s_equations() -> None:
    assert set(SCALES) - set(DEFAULT_UNITS) == set()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("1", 1.0), ("second**-0.5", 1.0), ("ms**-0.5", 1e-3**-0.5), ("mV*ms", 1e-6), ("mV/ms", 1.0), ("1/ms", 1e3), ("ms**-1", 1e3),
        ("mV/ms/ms", 1e3), ("mV/(ms*ms)", 1e3), ("nS*mV", 1e-12), ("nA/cm**2", 1e-5), ("Hz*ms", 1e-3), ("ms**2", 1e-6), ("Mohm*nA", 1e-3),
    ],
)  # fmt: skip
def test_products_quotients_and_powers_multiply_their_factors(unit: str, factor: float) -> None:
    assert scale(unit) == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("Volt", r"^unit 'Volt' is unknown. Did you mean 'volt'\?"),
        ("mV*sec", r"^unit 'sec' is unknown. Did you mean 'second'\?"),
        ("khz**2", r"^unit 'khz' is unknown. Did you mean 'kHz'\?"),
        ("zorkmid", r"^unit 'zorkmid' is unknown. Choose from .*mV, "),
        ("", "^unit '' is unknown"),
        ("mV ms", "^unit 'mV ms' is unknown"),
        ("2*mV", r"^unit '2\*mV' is no product of units; write for example 'mV'"),
        ("mV**x", "is no product of units"),
        ("mV + mV", "is no product of units"),
    ],
)
def test_an_unknown_unit_is_named_and_a_close_one_suggested(unit: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        scale(unit)


@pytest.mark.parametrize(("unit", "meant"), [("mv", "mV"), ("hz", "Hz"), ("pf", "pF")])
def test_a_unit_in_the_wrong_case_is_recognised(unit: str, meant: str) -> None:
    with pytest.raises(CardError, match=f"unit '{unit}' is unknown. Did you mean '{meant}'"):
        scale(unit)


@pytest.mark.parametrize("name", catalogue.models())
def test_a_number_in_a_unit_that_measures_something_else_is_refused_in_every_card(name: str) -> None:
    """Numbers reach simulators in SI, without their units: what a card says of them is all that is ever checked."""
    model = catalogue.load(name)
    found = model._units(model.parsed) if isinstance(model, Model) else {label: (unit, like) for label, unit, like in model._units()}
    places = [label for label, (_, like) in found.items() if like is not None]
    assert len(places) > len(model.projections)
    for label in places:
        card = model.model_dump()
        keys = label.split(".")
        inner = card
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = "metre**5" if isinstance(inner[keys[-1]], str) else inner[keys[-1]] | {"unit": "metre**5"}
        where = r"\w[\w.]*" if label.startswith(("neurons", "synapses")) else re.escape(label)  # others follow these
        with pytest.raises(CardError, match=rf"\[{where}\] unit '[^']+' does not fit what the number stands for"):
            type(model).model_validate(card)
