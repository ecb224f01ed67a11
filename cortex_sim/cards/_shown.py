"""A card as HTML for a notebook."""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from cortex_sim.cards._mathml import as_mathml
from cortex_sim.runtime import html_facts, html_table


def shown(model: Any, sizes: Mapping[str, object], equations: Mapping[str, str], numbers: Mapping[str, Any]) -> str:
    """Return a card as HTML for a notebook: its description, its equations typeset, and its numbers with units and sources.

    Args:
        model: provides title, paper and step.
        sizes: further entries of the description, by name.
        equations: equation text by heading; empty headings are omitted.
        numbers: numbers of the card, by name.
    """
    facts: dict[str, object] = {"paper": model.paper, "kind": model.kind, "step": f"{model.dt.value:g} {model.dt.unit}"} | dict(sizes)
    set_ = "".join((f"<div><b>{html.escape(heading)}</b></div>" if heading else "") + as_mathml(text) for heading, text in equations.items())
    rows = [[name, _written(number), "" if number.unit == "1" else number.unit, number.meaning, number.source] for name, number in numbers.items()]
    return html_facts(f"{model.name}: {model.title}", facts, set_, html_table(("name", "value", "unit", "meaning", "source"), rows))


def _written(number: Any) -> str:
    if getattr(number, "learn", False):
        return "learned"
    many = np.shape(number.value)
    return f"{number.value:g}" if not many else " × ".join(map(str, many)) + " numbers"
