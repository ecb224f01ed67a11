"""What a step of a card may be: of a map its own, of a flow any that its integrator can take."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortex_sim.cards._equations import Equations, numpy_mathematics, unit_values
from cortex_sim.errors import CardError

FACTORS = (1.0, 2.0)  # of the step, that changes are compared at
SAME = 1e-9  # relative difference of changes that are one


def is_map(text: Equations, scalars: Mapping[str, float], dt: float) -> bool:
    """Say whether what an Euler step changes, dt f(x; dt), does not depend on dt, at some state and without input.

    Of a flow it grows with dt, and of one with jumps (a reset) in part; neither is a map.

    Args:
        text: of the card.
        scalars: its parameters of one number, in SI.
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
    """Refuse another integration step, s, for a map whose weights are trained.

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
