"""Dimensions of equation text are those that Brian2 finds, for networks too that Brian2 never sees."""

from typing import Any

import brian2 as b2
import pytest

from cortex_sim.cards import Model, catalogue
from cortex_sim.errors import CardError

RATE = [name for name, path in catalogue.models().items() if path.parent.name != "spiking"]
LINES = [
    ("a + b", "volt"), ("a + f", None), ("a*f", "volt"), ("a/tau", "volt*hertz"), ("a*tau/tau", "volt"), ("a**2", "volt**2"), ("a**f", "volt"),
    ("f**a", None), ("2**f", "1"), ("a**-1", "volt**-1"), ("(a*b)**0.5", "volt"), ("sqrt(a*b)", "volt"), ("abs(a)", "volt"),
    ("clip(a, b, a)", "volt"),
    ("clip(a, f, b)", None), ("tanh(a)", None), ("tanh(a/b)", "1"), ("exp(f)*a", "volt"), ("log(a)", None), ("a*int(a > b)", "volt"),
    ("a*int(a > f)", None), ("-a", "volt"), ("a - 3*mV", "volt"), ("a - 3*ms", None), ("f + t", None), ("f + t/tau", "1"),
    ("f + t/dt", "1"), ("pi*a", "volt"), ("a*Hz", "volt*hertz"), ("(a + b)*(f + 1)/tau", "volt*hertz"), ("cos(t)", None),
    ("a + b + f*a - a/2", "volt"),
]  # fmt: skip


def card(line: str, unit: str) -> dict[str, Any]:
    number = {"value": 1, "meaning": "number"}
    return {
        "name": "lines", "kind": "rate", "title": "lines", "paper": "none", "units": 2, "rate": "r", "dt": number | {"unit": "ms"},
        "equations": f"dx/dt = -x/tau : 1\nr = x : 1 (constant over dt)\ny = {line} : {unit}\na : volt (constant)",
        "parameters": {"a": number | {"unit": "mV", "over": "units"}, "b": number | {"unit": "mV"}, "f": number, "tau": number | {"unit": "ms"}},
    }  # fmt: skip


@pytest.mark.parametrize(("line", "unit"), LINES)
def test_a_line_has_the_dimensions_that_brian2_finds(line: str, unit: str | None) -> None:
    """It is taken with its own unit only, and with none if its terms do not fit; Brian2 says the same."""
    for tried in ("1", "volt", "volt**2", "volt*hertz", "volt**-1", "second"):
        try:
            Model.model_validate(card(line, tried))
            ours = True
        except CardError:
            ours = False
        namespace = {"b": b2.mV, "f": 1.0, "tau": b2.ms}
        text = f"dx/dt = -x/tau : 1\ny = {line} : {tried}\na : volt (constant)"
        try:
            b2.NeuronGroup(2, text, namespace=namespace, method="euler").before_run({})
            theirs = True
        except Exception:
            theirs = False
        assert ours == theirs == (tried == unit), (tried, ours, theirs)


@pytest.mark.parametrize("name", RATE)
def test_no_parameter_of_a_shipped_card_may_be_in_another_unit(name: str) -> None:
    """A time constant of 20 mV was one of 20 ms to every network that runs in torch."""
    whole = catalogue.load(name).model_dump()
    model = catalogue.load(name)
    for label in sorted(model.parameters.keys() & model.parsed.names):
        wrong = {"parameters": whole["parameters"] | {label: whole["parameters"][label] | {"unit": f"({whole['parameters'][label]['unit']})*metre"}}}
        with pytest.raises(CardError, match=r"^equations: .*metre"):
            Model.model_validate(whole | wrong)
