"""Integration steps: a map has its own, a flow may take any that its integrator allows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortex_sim.cards._equations import Equations, numpy_mathematics, unit_values
from cortex_sim.errors import CardError

FACTORS = (1.0, 2.0)  # of the step, that changes are compared at
SAME = 1e-9  # relative difference of changes that are one


def is_map(text: Equations, scalars: Mapping[str, float], dt: float) -> bool:
    """Return whether the change by an Euler step, dt f(x; dt), is independent of dt, tested at one state without input.

    For a flow the change grows with dt; for a flow with jumps (a reset), part of it does. Neither is a map.

    Args:
        text: of the card.
        scalars: its scalar parameters, in SI.
        dt: its step, s.
    """
    if "dt" not in text.names:
        return False
    values: dict[str, Any] = {**numpy_mathematics(), **unit_values(text.names), **scalars}
    values |= {name: np.array([0.7]) for name in text.parameters}
    values |= {name: np.array([0.3 + 0.1 * number]) for number, name in enumerate(text.states)} | {"t": 0.0, "i": None}
    silent = {name: (lambda *given: 0.5 * given[0] if len(given) == 1 else 0.0) for name in text.called() - values.keys()}
    changes = []
    for factor in FACTORS:
        known = text.subexpressions(values | silent | {"dt": factor * dt})
        changes.append(np.array([factor * dt * float(np.ravel(text.derivative(known, name))[0]) for name in text.states]))
    return bool(np.allclose(changes[0], changes[1], rtol=SAME, atol=0))


def refuse_other_pace(name: str, own: float, other: float) -> None:
    """Check that a map with trained weights keeps its integration step, s.

    Raises:
        CardError: the steps differ.
    """
    if abs(other - own) > SAME * own:
        found = f"it is a map with weights trained for steps of {own * 1e3:g} ms; steps of {other * 1e3:g} ms would run it at another pace"
        raise CardError(f"{name}: {found}. Keep its step, on bins that are multiples of it, or train it anew.")


def not_exponential(text: Equations, discrete: bool) -> str | None:
    """Return why exponential Euler cannot integrate these equations: a map has no flow, and a derivative must be linear in its own state."""
    if discrete:
        return "exponential_euler is for flows; the equations are a map in steps of dt, which is made by 'euler'."
    if found := text.state_in_call():
        return f"exponential_euler needs a derivative linear in {found[0]!r}; name what {found[1]!r} is called with '(constant over dt)'."
    if state := text.state_in_product():
        return f"exponential_euler needs a derivative linear in {state!r}; give its power or product a name '(constant over dt)', or use euler."
    return None
